/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: pages to Xen and back, a batch at a time
 */
#ifndef _XEN_BALLOON_MOVER_H
#define _XEN_BALLOON_MOVER_H

#include <linux/gfp.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "common.h"
#include "news.h"
#include "pages.h"
#include "policy.h"
#include "report.h"
#include "reservation.h"

/*
 * Inflating must not wake the OOM killer, nor use the reserves that are kept
 * for tasks that free memory.  A target that is not met at once is no reason to
 * warn.
 */
#define GFP_BALLOON	(GFP_HIGHUSER | __GFP_NOWARN | __GFP_NORETRY | \
			 __GFP_NOMEMALLOC)

/**
 * enum balloon_role - for whom memory moves
 * @BALLOON_FOR_TARGET: the worker, towards the target
 * @BALLOON_FOR_BORROWER: a driver that borrows pages
 * @BALLOON_FOR_RESCUE: a guest that is out of memory
 */
enum balloon_role {
	BALLOON_FOR_TARGET,
	BALLOON_FOR_BORROWER,
	BALLOON_FOR_RESCUE,
};

/**
 * struct balloon_moved - what became of a piece of inflating or deflating
 * @pages: pages that moved
 * @tried: Xen was asked for some
 * @refused: Xen did less than it was asked for
 */
struct balloon_moved {
	unsigned long pages;
	bool tried;
	bool refused;
};

/**
 * struct balloon_mover - moves pages between the allocator, the list and Xen
 * @lock: held by whoever moves memory: the worker, a borrower that found too few
 *	pages, or the rescue; protects the fields below and the reservation; taken
 *	before the lock of the list
 * @batch: the pages that are moving
 * @extents: entries of the next hypercall that moves 2 MiB, by direction
 * @singles: entries of the next hypercall that moves pages, by direction
 * @no_huge_until: jiffies; 2 MiB is not asked of Xen before
 * @no_huge: @no_huge_until is valid
 * @xen_scrubs: Xen clears what it takes, as long as it owes the guest much memory
 *	that is populated on demand; false for good once that is little
 * @longest_hold_ns: the longest time that the lock of the list was held to move a
 *	batch
 * @lost: pages quarantined since the last message about that
 * @lost_pfn: the first of them
 * @pages: the list
 * @reservation: the hypercalls
 * @news: what has happened
 * @report: what administrators are shown
 */
struct balloon_mover {
	struct mutex lock;	/* moving memory */
	struct balloon_batch batch;
	unsigned int extents[2];
	unsigned int singles[2];
	unsigned long no_huge_until;
	bool no_huge;
	bool xen_scrubs;
	u64 longest_hold_ns;
	unsigned long lost;
	unsigned long lost_pfn;

	struct balloon_pages *pages;
	struct balloon_reservation *reservation;
	struct balloon_news *news;
	struct balloon_report *report;
};

void balloon_mover_init(struct balloon_mover *m, struct balloon_pages *pages,
			struct balloon_reservation *reservation,
			struct balloon_news *news,
			struct balloon_report *report);
void balloon_mover_unlock(struct balloon_mover *m);
void balloon_mover_begin(struct balloon_mover *m);
struct balloon_moved balloon_mover_inflate(struct balloon_mover *m,
					   unsigned long want,
					   enum balloon_role role);
struct balloon_moved balloon_mover_deflate(struct balloon_mover *m,
					   unsigned long want,
					   enum balloon_role role);
struct balloon_moved balloon_mover_release(struct balloon_mover *m,
					   struct page *page,
					   unsigned long nr_pages);
struct balloon_view balloon_mover_view(const struct balloon_mover *m,
				       unsigned long floor);
unsigned long balloon_mover_available(void);
unsigned long balloon_mover_movable(void);
bool balloon_mover_has_free(unsigned long nr_pages);

#if IS_ENABLED(CONFIG_KUNIT)
unsigned long balloon_mover_free_blocks(void);
struct page *balloon_mover_alloc(gfp_t gfp, unsigned int order);
bool balloon_mover_took_long(unsigned long since);
#endif

#endif /* _XEN_BALLOON_MOVER_H */
