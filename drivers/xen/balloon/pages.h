/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: where the pages are
 */
#ifndef _XEN_BALLOON_PAGES_H
#define _XEN_BALLOON_PAGES_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include <xen/balloon.h>

#include "common.h"
#include "table.h"

/* The largest extent that moves: 2 MiB, whatever the page size is. */
#define BALLOON_MAX_ORDER	(21 - PAGE_SHIFT)
#define BALLOON_HUGE_PAGES	BIT(BALLOON_MAX_ORDER)
#define BALLOON_NR_ORDERS	(BALLOON_MAX_ORDER + 1)

/**
 * struct balloon_pages - the list of ballooned pages, and how many pages are
 * where
 * @lock: protects all fields, and the counts of pages in @stats but target_pages;
 *	held for a short and bounded time only
 * @free: extents by kind of memory (0: low, 1: high) and order, linked through
 *	page->lru of their first page
 * @stats: current_pages, total_pages, target_unpopulated, balloon_low and
 *	balloon_high are counted there
 * @initial: current_pages at init
 * @quarantined: pages that are neither the guest's nor surely Xen's
 * @aside: pages that were taken off the list while their piece is being
 *	emptied, so that no borrower and no step gets them
 * @table: the memory blocks that were added
 */
struct balloon_pages {
	struct mutex lock;	/* the list and the counts */
	struct list_head free[2][BALLOON_NR_ORDERS];
	struct balloon_stats *stats;
	unsigned long initial;
	unsigned long quarantined;
	unsigned long aside;
	struct balloon_table table;
};

void balloon_pages_init(struct balloon_pages *bp, struct balloon_stats *stats);
void balloon_pages_begin(struct balloon_pages *bp, unsigned long held,
			 unsigned long total);
unsigned long balloon_pages_count(const struct balloon_pages *bp);
long balloon_pages_shortfall(const struct balloon_pages *bp);
void balloon_pages_clean(struct page *page, unsigned long nr_pages);
void balloon_pages_mark(struct page *page, unsigned long nr_pages);
void balloon_pages_unmark(struct page *page, unsigned long nr_pages);
void balloon_pages_add(struct balloon_pages *bp, struct page *page,
		       unsigned long nr_pages);
void balloon_pages_add_last(struct balloon_pages *bp, struct page *page,
			    unsigned int order);
void balloon_pages_add_hole(struct balloon_pages *bp, struct page *page,
			    unsigned long nr_pages);
void balloon_pages_quarantine(struct balloon_pages *bp, unsigned long nr_pages);
struct page *balloon_pages_take(struct balloon_pages *bp, bool low_only,
				unsigned int *order);
struct page *balloon_pages_take_huge(struct balloon_pages *bp);
int balloon_pages_enter_block(struct balloon_pages *bp, unsigned long pfn,
			      bool unruled);
void balloon_pages_block_added(struct balloon_pages *bp, unsigned long pfn);
void balloon_pages_block_gone(struct balloon_pages *bp, unsigned long pfn);
bool balloon_pages_online_page(struct balloon_pages *bp, struct page *page,
			       unsigned long nr_pages);
void balloon_pages_block_online(struct balloon_pages *bp, unsigned long pfn);
int balloon_pages_block_going(struct balloon_pages *bp, unsigned long pfn,
			      bool removed);
bool balloon_pages_block_stays(struct balloon_pages *bp, unsigned long pfn);
void balloon_pages_block_offline(struct balloon_pages *bp, unsigned long pfn);
bool balloon_pages_empty_block(struct balloon_pages *bp, unsigned long *pfn);
bool balloon_pages_block_in_use(struct balloon_pages *bp, unsigned long pfn);
bool balloon_pages_claim(struct balloon_pages *bp, unsigned long *pfn);
void balloon_pages_unclaim(struct balloon_pages *bp, unsigned long pfn);
unsigned int balloon_pages_extent_order(struct page *page,
					unsigned long nr_pages);

/**
 * balloon_pages_offline - count added pages that are not online
 * @bp: the list
 *
 * Return: pages of blocks with no memory behind them; without the lock the
 * number may be a moment old.
 */
static inline unsigned long balloon_pages_offline(const struct balloon_pages *bp)
{
	return READ_ONCE(bp->table.offline);
}

#if IS_ENABLED(CONFIG_KUNIT)
unsigned long balloon_pages_set_aside(struct balloon_pages *bp,
				      unsigned long start_pfn,
				      unsigned long nr_pages);
void balloon_pages_put_back(struct balloon_pages *bp, unsigned long start_pfn,
			    unsigned long nr_pages);
unsigned int balloon_pages_chunk_order(unsigned long pfn,
				       unsigned long nr_pages);
#endif

#endif /* _XEN_BALLOON_PAGES_H */
