// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: where the pages are
 */

/**
 * DOC: pages
 *
 * The list keeps the pages that are in the balloon as extents: a power of two
 * of pages, up to 2 MiB, naturally aligned.  The list is a small buddy
 * allocator that never allocates: an extent hangs on its list by page->lru of
 * its first page, and page->private of that page tells the order.  When an
 * extent comes in and its neighbour is there, the two are merged, so that
 * scattered holes grow into holes of 2 MiB.  An extent is split when a smaller
 * piece is wanted.
 *
 * A page in the balloon is PageOffline with a reference count of 1, and its
 * flags are clear.  Only the first page of an extent that is on a list has the
 * tag in page->private.  So a page that is offline for another reason, or on
 * its way to Xen or back, is never taken for a neighbour.
 *
 * The unit also counts how many pages are where, because every count changes
 * together with the list, under one lock.
 */

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/vmstat.h>

#include "pages.h"

/* An unlikely value, with room for the order: "Xb" */
#define EXTENT_TAG	0x58620000UL

/* The order of the largest aligned chunk at the start of a range of at least
 * one page; at most BALLOON_MAX_ORDER.
 */
VISIBLE_IF_KUNIT unsigned int balloon_pages_chunk_order(unsigned long pfn,
							unsigned long nr_pages)
{
	unsigned int order = min_t(unsigned int, BALLOON_MAX_ORDER,
				   __fls(nr_pages));

	return pfn ? min_t(unsigned int, order, __ffs(pfn)) : order;
}

/**
 * balloon_pages_extent_order - find the largest extent at the start of a range
 * @page: the first page of the range
 * @nr_pages: its length, at least 1
 *
 * Return: the order, at most BALLOON_MAX_ORDER; the extent is in one zone.
 */
unsigned int balloon_pages_extent_order(struct page *page,
					unsigned long nr_pages)
{
	unsigned int order = balloon_pages_chunk_order(page_to_pfn(page),
						       nr_pages);

	/* zones may begin anywhere */
	while (order && page_zone(page) != page_zone(page + BIT(order) - 1))
		order--;
	return order;
}

/**
 * balloon_pages_init - begin with an empty balloon
 * @bp: the list
 * @stats: where pages are counted
 */
void balloon_pages_init(struct balloon_pages *bp, struct balloon_stats *stats)
{
	unsigned int order;

	BUILD_BUG_ON(BALLOON_MAX_ORDER > MAX_PAGE_ORDER);

	mutex_init(&bp->lock);
	bp->stats = stats;
	for (order = 0; order < BALLOON_NR_ORDERS; order++) {
		INIT_LIST_HEAD(&bp->free[0][order]);
		INIT_LIST_HEAD(&bp->free[1][order]);
	}
}

/**
 * balloon_pages_begin - set what the guest has at boot
 * @bp: the list
 * @held: pages that the guest holds
 * @total: pages that have a struct page
 *
 * Context: nobody else uses the list yet.
 */
void balloon_pages_begin(struct balloon_pages *bp, unsigned long held,
			 unsigned long total)
{
	bp->stats->current_pages = held;
	bp->stats->total_pages = total;
	bp->initial = held;
}

/**
 * balloon_pages_shortfall - how far the target is away
 * @bp: the list
 *
 * Return: pages, negative where the guest has too many.
 */
long balloon_pages_shortfall(const struct balloon_pages *bp)
{
	return READ_ONCE(bp->stats->target_pages) -
	       READ_ONCE(bp->stats->current_pages);
}

/**
 * balloon_pages_missing - count the pages of added memory that are not online
 * @bp: the list
 *
 * Context: takes the lock.
 * Return: pages.
 */
unsigned long balloon_pages_missing(struct balloon_pages *bp)
{
	struct balloon_stats *stats = bp->stats;
	unsigned long known;

	mutex_lock(&bp->lock);
	known = stats->current_pages + stats->target_unpopulated +
		balloon_pages_count(bp) + bp->quarantined + bp->leaving;
	known = stats->total_pages - min(stats->total_pages, known);
	mutex_unlock(&bp->lock);
	return known;
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
 * For pages that do not come from the page allocator, because the allocator
 * checks its own.
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
 * From here on no walk over physical memory (/proc/kcore, a crash dump,
 * hibernation) begins to read the pages.  To be called before Xen hears of
 * them.
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

/* Find the neighbour that @page can be merged with. */
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
 * Context: the lock is held.
 */
void balloon_pages_add(struct balloon_pages *bp, struct page *page,
		       unsigned long nr_pages)
{
	unsigned int order;

	while (nr_pages) {
		order = balloon_pages_extent_order(page, nr_pages);
		add_extent(bp, page, order);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
}

/**
 * balloon_pages_add_hole - put pages into the balloon that have no memory
 * @bp: the list
 * @page: the first of them
 * @nr_pages: how many; neighbours in physical memory
 *
 * Context: takes the lock.
 */
void balloon_pages_add_hole(struct balloon_pages *bp, struct page *page,
			    unsigned long nr_pages)
{
	balloon_pages_clean(page, nr_pages);
	balloon_pages_mark(page, nr_pages);
	mutex_lock(&bp->lock);
	balloon_pages_add(bp, page, nr_pages);
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_quarantine - count pages that nobody may use any more
 * @bp: the list
 * @nr_pages: how many; on no list, and they never come back
 *
 * Context: the lock is held.
 */
void balloon_pages_quarantine(struct balloon_pages *bp, unsigned long nr_pages)
{
	lockdep_assert_held(&bp->lock);
	bp->quarantined += nr_pages;
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
 * Context: the lock is held.
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
 * Context: the lock is held.
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

/* Whether all pages of a range of whole extents are in the balloon. */
VISIBLE_IF_KUNIT bool balloon_pages_cover(unsigned long start_pfn,
					  unsigned long nr_pages)
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

/* Take all pages of a range of whole extents off the list; they stay marked. */
VISIBLE_IF_KUNIT void balloon_pages_take_range(struct balloon_pages *bp,
					       unsigned long start_pfn,
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

/**
 * balloon_pages_empty - whether an online memory block has no memory in it
 * @bp: the list
 * @start_pfn: the first page of the block
 * @nr_pages: its size
 *
 * Context: takes the lock.
 * Return: true where all pages of the block are in the balloon.
 */
bool balloon_pages_empty(struct balloon_pages *bp, unsigned long start_pfn,
			 unsigned long nr_pages)
{
	bool empty;

	mutex_lock(&bp->lock);
	/*
	 * A block that is offline has no struct pages to look at.  A block that
	 * leaves keeps them until @leaving is 0 again.
	 */
	empty = !bp->leaving && pfn_to_online_page(start_pfn) &&
		balloon_pages_cover(start_pfn, nr_pages);
	mutex_unlock(&bp->lock);
	return empty;
}

/**
 * balloon_pages_leave - take the pages of a block off the list for its removal
 * @bp: the list
 * @start_pfn: the first page of the block
 * @nr_pages: its size
 *
 * The pages lose their reference, because a page that is referred to keeps its
 * block from going offline.
 *
 * Context: takes the lock.
 * Return: false where some page of the block was lent or populated meanwhile:
 * the block stays, and its pages are where they were.
 */
bool balloon_pages_leave(struct balloon_pages *bp, unsigned long start_pfn,
			 unsigned long nr_pages)
{
	unsigned long i;
	bool empty;

	mutex_lock(&bp->lock);
	/* the block may have been set offline, and online again, before */
	bp->leaving = 0;
	empty = balloon_pages_cover(start_pfn, nr_pages);
	if (empty) {
		balloon_pages_take_range(bp, start_pfn, nr_pages);
		for (i = 0; i < nr_pages; i++)
			page_ref_dec(pfn_to_page(start_pfn + i));
		bp->leaving = nr_pages;
	}
	mutex_unlock(&bp->lock);
	return empty;
}

/**
 * balloon_pages_stay - undo balloon_pages_leave()
 * @bp: the list
 * @start_pfn: the first page of the block
 * @nr_pages: its size
 *
 * Does nothing where no block is leaving.
 *
 * Context: takes the lock.
 */
void balloon_pages_stay(struct balloon_pages *bp, unsigned long start_pfn,
			unsigned long nr_pages)
{
	unsigned long i;

	mutex_lock(&bp->lock);
	if (bp->leaving) {
		for (i = 0; i < nr_pages; i++)
			page_ref_inc(pfn_to_page(start_pfn + i));
		balloon_pages_add(bp, pfn_to_page(start_pfn), nr_pages);
		bp->leaving = 0;
	}
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_resize - count pages of blocks that were added or removed
 * @bp: the list
 * @nr_pages: how many; negative: they were removed
 *
 * Context: takes the lock.
 */
void balloon_pages_resize(struct balloon_pages *bp, long nr_pages)
{
	mutex_lock(&bp->lock);
	bp->stats->total_pages += nr_pages;
	if (nr_pages <= 0)
		bp->leaving = 0;
	mutex_unlock(&bp->lock);
}
