// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the list of ballooned pages
 */

/**
 * DOC: pages
 *
 * The pages that are in the balloon, as extents of a power of two of pages, up
 * to 2 MiB, naturally aligned.  It is a small buddy allocator that never
 * allocates: an extent hangs on its list by page->lru of its first page, and
 * page->private of that page tells its order.  Two neighbours that make up a
 * larger extent are merged when the second one comes in, so that scattered
 * holes grow into 2 MiB holes by themselves; an extent is split when a smaller
 * piece is wanted.
 *
 * A page in the balloon is PageOffline with a reference count of 1, and its
 * flags are clear.  Only the first page of an extent that is on a list has the
 * tag in page->private: a page that is offline for another reason, or on its
 * way to Xen or back, is never taken for a neighbour.
 */

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/highmem.h>
#include <linux/page-flags.h>
#include <linux/vmstat.h>

#include "internal.h"

/* An unlikely value, with room for the order: "Xb" */
#define EXTENT_TAG	0x58620000UL

/**
 * balloon_chunk_order - the largest aligned chunk at the start of a range
 * @pfn: its first page
 * @nr_pages: its length, at least 1
 *
 * Return: the order, at most BALLOON_MAX_ORDER.
 */
unsigned int balloon_chunk_order(unsigned long pfn, unsigned long nr_pages)
{
	unsigned int order = min_t(unsigned int, BALLOON_MAX_ORDER,
				   __fls(nr_pages));

	return pfn ? min_t(unsigned int, order, __ffs(pfn)) : order;
}

/**
 * balloon_extent_order - the largest extent at the start of a range
 * @page: its first page
 * @nr_pages: its length, at least 1
 *
 * Return: the order, at most BALLOON_MAX_ORDER; all of it is in one zone.
 */
unsigned int balloon_extent_order(struct page *page, unsigned long nr_pages)
{
	unsigned int order = balloon_chunk_order(page_to_pfn(page), nr_pages);

	/* zones may begin anywhere */
	while (order && page_zone(page) != page_zone(page + BIT(order) - 1))
		order--;
	return order;
}

/**
 * balloon_pages_init - an empty balloon
 * @bp: the list
 * @stats: where balloon_low and balloon_high are counted
 */
void balloon_pages_init(struct balloon_pages *bp, struct balloon_stats *stats)
{
	unsigned int order;

	BUILD_BUG_ON(BALLOON_MAX_ORDER > MAX_PAGE_ORDER);

	bp->stats = stats;
	for (order = 0; order < BALLOON_NR_ORDERS; order++) {
		INIT_LIST_HEAD(&bp->free[0][order]);
		INIT_LIST_HEAD(&bp->free[1][order]);
	}
}

/**
 * balloon_pages_count - how many pages are in the balloon
 * @bp: the list
 *
 * Return: pages, low and high.
 */
unsigned long balloon_pages_count(const struct balloon_pages *bp)
{
	return READ_ONCE(bp->stats->balloon_low) +
	       READ_ONCE(bp->stats->balloon_high);
}

/**
 * balloon_pages_clean - clear what a user may have left in struct page
 * @page: the first of the pages
 * @nr_pages: how many
 *
 * For pages that do not come from the page allocator, which checks that.
 */
void balloon_pages_clean(struct page *page, unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++) {
		ClearPageReserved(page + i);
		ClearPageUptodate(page + i);
		ClearPageDirty(page + i);
		page[i].mapping = NULL;
	}
}

/**
 * balloon_pages_mark - declare pages to be without content
 * @page: the first of them
 * @nr_pages: how many
 *
 * From here on nobody who walks over physical memory (/proc/kcore, a crash
 * dump, hibernation) begins to read them.  To be called before Xen hears of them.
 */
void balloon_pages_mark(struct page *page, unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++) {
		/* only the first page of an allocation comes with 0 */
		set_page_private(page + i, 0);
		if (!PageOffline(page + i))
			__SetPageOffline(page + i);
	}
}

/**
 * balloon_pages_unmark - declare pages to have content again
 * @page: the first of them; on no list
 * @nr_pages: how many
 */
void balloon_pages_unmark(struct page *page, unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++)
		__ClearPageOffline(page + i);
}

static unsigned long extent_tag(unsigned int order)
{
	return EXTENT_TAG | order;
}

static bool is_extent(struct page *page)
{
	return PageOffline(page) &&
	       (page_private(page) & ~0xffUL) == EXTENT_TAG;
}

/* The pages of an extent are in one zone, so the first one tells of them all. */
static void account(struct balloon_pages *bp, struct page *page,
		    unsigned int order, int sign)
{
	long nr_pages = sign * (1L << order);

	if (PageHighMem(page))
		bp->stats->balloon_high += nr_pages;
	else
		bp->stats->balloon_low += nr_pages;
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, nr_pages);
}

static void link_extent(struct balloon_pages *bp, struct page *page,
			unsigned int order)
{
	set_page_private(page, extent_tag(order));
	list_add(&page->lru, &bp->free[PageHighMem(page)][order]);
}

static void unlink_extent(struct page *page)
{
	list_del_init(&page->lru);
	set_page_private(page, 0);
}

/* The other half of what @page and it would be together, if it is here too. */
static struct page *free_buddy(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page) ^ (1UL << order);
	struct page *buddy;

	if (!pfn_valid(pfn))
		return NULL;
	buddy = pfn_to_page(pfn);
	if (!PageOffline(buddy) || page_private(buddy) != extent_tag(order) ||
	    page_zone(buddy) != page_zone(page))
		return NULL;
	return buddy;
}

static void add_extent(struct balloon_pages *bp, struct page *page,
		       unsigned int order)
{
	struct page *buddy;

	account(bp, page, order, 1);
	while (order < BALLOON_MAX_ORDER) {
		buddy = free_buddy(page, order);
		if (!buddy)
			break;
		unlink_extent(buddy);
		page = min(page, buddy);
		order++;
	}
	link_extent(bp, page, order);
}

/**
 * balloon_pages_add - put pages into the balloon
 * @bp: the list
 * @page: the first of them; marked
 * @nr_pages: how many; neighbours in physical memory
 *
 * Context: the lock of the instance is held.
 */
void balloon_pages_add(struct balloon_pages *bp, struct page *page,
		       unsigned long nr_pages)
{
	unsigned int order;

	while (nr_pages) {
		order = balloon_extent_order(page, nr_pages);
		add_extent(bp, page, order);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
}

/* Take @page, an extent of order @has, off its list, and put all but its first
 * 2^@wants pages back.
 */
static struct page *split_extent(struct balloon_pages *bp, struct page *page,
				 unsigned int has, unsigned int wants)
{
	unlink_extent(page);
	while (has > wants) {
		has--;
		link_extent(bp, page + (1UL << has), has);
	}
	account(bp, page, wants, -1);
	return page;
}

static struct page *first_extent(struct balloon_pages *bp, bool high,
				 unsigned int order)
{
	return list_first_entry_or_null(&bp->free[high][order], struct page,
					lru);
}

/**
 * balloon_pages_take - get an extent out of the balloon
 * @bp: the list
 * @low_only: high memory is of no use to the caller
 * @order: in: the largest order that the caller can use; out: what it got
 *
 * Low memory comes first.  Large extents are kept whole for as long as there
 * are smaller ones.  The pages stay marked.
 *
 * Context: the lock of the instance is held.
 * Return: the first page, or NULL.
 */
struct page *balloon_pages_take(struct balloon_pages *bp, bool low_only,
				unsigned int *order)
{
	unsigned int wants = *order, has;
	struct page *page;
	int high;

	for (high = 0; high <= !low_only; high++) {
		for (has = wants + 1; has-- > 0;) {
			page = first_extent(bp, high, has);
			if (page) {
				*order = has;
				return split_extent(bp, page, has, has);
			}
		}
		for (has = wants + 1; has < BALLOON_NR_ORDERS; has++) {
			page = first_extent(bp, high, has);
			if (page)
				return split_extent(bp, page, has, wants);
		}
	}
	return NULL;
}

/**
 * balloon_pages_take_huge - get a whole extent of 2 MiB out of the balloon
 * @bp: the list
 *
 * Context: the lock of the instance is held.
 * Return: its first page, or NULL.
 */
struct page *balloon_pages_take_huge(struct balloon_pages *bp)
{
	struct page *page = first_extent(bp, false, BALLOON_MAX_ORDER);

	if (!page)
		page = first_extent(bp, true, BALLOON_MAX_ORDER);
	if (page)
		split_extent(bp, page, BALLOON_MAX_ORDER, BALLOON_MAX_ORDER);
	return page;
}

/**
 * balloon_pages_cover - whether all pages of a range are in the balloon
 * @start_pfn: its start, aligned to 2 MiB
 * @nr_pages: its length, a multiple of 2 MiB
 *
 * Context: the lock of the instance is held.
 * Return: true where they are.
 */
bool balloon_pages_cover(unsigned long start_pfn, unsigned long nr_pages)
{
	unsigned long pfn = start_pfn, end = start_pfn + nr_pages;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);

		if (!is_extent(page))
			return false;
		pfn += 1UL << (page_private(page) & 0xff);
	}
	return true;
}

/**
 * balloon_pages_take_range - get all pages of a range out of the balloon
 * @bp: the list
 * @start_pfn: its start, aligned to 2 MiB
 * @nr_pages: its length, a multiple of 2 MiB
 *
 * The pages stay marked.  Context: the lock of the instance is held.
 */
void balloon_pages_take_range(struct balloon_pages *bp, unsigned long start_pfn,
			      unsigned long nr_pages)
{
	unsigned long pfn = start_pfn, end = start_pfn + nr_pages;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order = 0;

		if (is_extent(page)) {
			order = page_private(page) & 0xff;
			split_extent(bp, page, order, order);
		}
		pfn += 1UL << order;
	}
}
