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
#include <linux/errno.h>
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
	balloon_table_init(&bp->table);
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

/* Count an extent in or out.  Its pages are in one zone and one memory block,
 * so the first page stands for all.  Return whether the driver added the block.
 */
static bool account(struct balloon_pages *bp, struct page *page,
		    unsigned int order, int sign)
{
	long nr_pages = sign * (1L << order);

	if (PageHighMem(page))
		bp->stats->balloon_high += nr_pages;
	else
		bp->stats->balloon_low += nr_pages;
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, nr_pages);
	return balloon_table_used(&bp->table) &&
	       balloon_table_count(&bp->table, page_to_pfn(page), nr_pages);
}

static void link_extent(struct balloon_pages *bp, struct page *page,
			unsigned int order, bool last)
{
	struct list_head *list = &bp->free[PageHighMem(page)][order];

	set_page_private(page, extent_tag(order));
	if (last)
		list_add_tail(&page->lru, list);
	else
		list_add(&page->lru, list);
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
		       unsigned int order, bool last)
{
	struct page *buddy;

	/* hand out added memory last, so that its blocks can stay empty */
	last |= account(bp, page, order, 1);
	while (order < BALLOON_MAX_ORDER) {
		buddy = free_buddy(page, order);
		if (!buddy)
			break;
		unlink_extent(buddy);
		page = min(page, buddy);
		order++;
	}
	link_extent(bp, page, order, last);
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
		add_extent(bp, page, order, false);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
}

/**
 * balloon_pages_add_last - put an extent into the balloon that Xen refused to
 * populate
 * @bp: the list
 * @page: its first page; marked
 * @order: its order
 *
 * Other extents of the same order are handed out first.
 *
 * Context: the lock is held.
 */
void balloon_pages_add_last(struct balloon_pages *bp, struct page *page,
			    unsigned int order)
{
	add_extent(bp, page, order, true);
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
		link_extent(bp, page + (1UL << has), has, false);
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

/* Drop the references of an extent, unless another task holds a reference to
 * one of its pages just now.  Return whether the references are gone.
 */
static bool freeze_extent(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		if (page_ref_freeze(page + i, 1))
			continue;
		while (i--)
			page_ref_unfreeze(page + i, 1);
		return false;
	}
	return true;
}

/* Set aside the pages of a range that are in the balloon: take them off the
 * list and drop their references.  A page with a reference would keep its
 * neighbours from being isolated, and its block from going offline.  The range
 * consists of whole extents.  Return the number of pages that were set aside.
 */
VISIBLE_IF_KUNIT unsigned long balloon_pages_set_aside(struct balloon_pages *bp,
						       unsigned long start_pfn,
						       unsigned long nr_pages)
{
	unsigned long pfn = start_pfn, end = start_pfn + nr_pages, aside = 0;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order = 0;

		if (is_extent(page)) {
			order = page_private(page) & 0xff;
			if (freeze_extent(page, order)) {
				split_extent(bp, page, order, order);
				aside += 1UL << order;
			}
		}
		pfn += 1UL << order;
	}
	return aside;
}

/* Put the pages of a range that were set aside back on the list. */
VISIBLE_IF_KUNIT void balloon_pages_put_back(struct balloon_pages *bp,
					     unsigned long start_pfn,
					     unsigned long nr_pages)
{
	unsigned long pfn = start_pfn, end = start_pfn + nr_pages, from;

	while (pfn < end) {
		for (from = pfn; pfn < end; pfn++) {
			struct page *page = pfn_to_page(pfn);

			if (!PageOffline(page) || page_count(page))
				break;
			page_ref_unfreeze(page, 1);
		}
		if (pfn > from)
			balloon_pages_add(bp, pfn_to_page(from), pfn - from);
		else
			pfn++;
	}
}

/* --- memory blocks that were added --------------------------------------- */

/**
 * balloon_pages_enter_block - prepare for a memory block that will be added
 * @bp: the list
 * @pfn: its first page
 * @unruled: auto_online_blocks says "offline", so user space may never hear of
 *	the block
 *
 * From here on pages of the block that come online go to the balloon.
 *
 * Context: may sleep; takes the lock.
 * Return: 0 or a negative errno.
 */
int balloon_pages_enter_block(struct balloon_pages *bp, unsigned long pfn,
			      bool unruled)
{
	int ret;

	ret = balloon_table_reserve(&bp->table, pfn);
	if (ret)
		return ret;
	mutex_lock(&bp->lock);
	balloon_table_enter(&bp->table, pfn, unruled);
	mutex_unlock(&bp->lock);
	return 0;
}

/**
 * balloon_pages_block_added - note that a memory block was added
 * @bp: the list
 * @pfn: its first page
 *
 * Context: takes the lock.
 */
void balloon_pages_block_added(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long listed;

	mutex_lock(&bp->lock);
	/* the block may have come online already */
	if (balloon_table_state(&bp->table, pfn, &listed) == BALLOON_BLOCK_NEW)
		balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_ADDED);
	bp->stats->total_pages += bp->table.block_pages;
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_block_gone - forget a memory block
 * @bp: the list
 * @pfn: its first page
 *
 * For a block that was removed or could not be added.
 *
 * Context: takes the lock.
 */
void balloon_pages_block_gone(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long listed;

	mutex_lock(&bp->lock);
	if (balloon_table_state(&bp->table, pfn, &listed) != BALLOON_BLOCK_NEW)
		bp->stats->total_pages -= bp->table.block_pages;
	balloon_table_forget(&bp->table, pfn);
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_online_page - take pages that come online, if no memory is
 * behind them
 * @bp: the list
 * @page: the first of them
 * @nr_pages: how many; all in one block
 *
 * Context: takes the lock.
 * Return: true where the pages are in the balloon now.  false where the kernel
 * gets them: the driver did not add the block, or the block has memory behind
 * it from when it was online before.
 */
bool balloon_pages_online_page(struct balloon_pages *bp, struct page *page,
			       unsigned long nr_pages)
{
	enum balloon_block_state state;
	unsigned long listed;

	mutex_lock(&bp->lock);
	state = balloon_table_state(&bp->table, page_to_pfn(page), &listed);
	mutex_unlock(&bp->lock);
	/* as a block comes online, the memory behind it does not change */
	if (state != BALLOON_BLOCK_NEW && state != BALLOON_BLOCK_ADDED)
		return false;
	balloon_pages_add_hole(bp, page, nr_pages);
	return true;
}

/**
 * balloon_pages_block_online - note that a memory block has come online
 * @bp: the list
 * @pfn: its first page; another driver may have added the block
 *
 * Context: takes the lock.
 */
void balloon_pages_block_online(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long listed;

	mutex_lock(&bp->lock);
	if (balloon_table_state(&bp->table, pfn, &listed) != BALLOON_BLOCK_NONE)
		balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_ONLINE);
	mutex_unlock(&bp->lock);
}

/* Take the pages of an empty block off the list.  Return 0, or -EBUSY with the
 * pages on the list, where another task holds a reference to one of them.
 */
static int leave(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long nr_pages = bp->table.block_pages;

	if (balloon_pages_set_aside(bp, pfn, nr_pages) < nr_pages) {
		balloon_pages_put_back(bp, pfn, nr_pages);
		return -EBUSY;
	}
	balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_LEAVING);
	return 0;
}

/**
 * balloon_pages_block_going - decide whether a memory block may go offline
 * @bp: the list
 * @pfn: its first page; another driver may have added the block
 * @removed: the driver removes the block
 *
 * Takes the pages of a block with no memory in it off the list.
 *
 * Context: takes the lock.
 * Return: 0, or -EBUSY where the block has to stay online: the block is being
 * emptied, another task holds a reference to one of its pages, or the driver is
 * removing the block and a page was lent or populated meanwhile.
 */
int balloon_pages_block_going(struct balloon_pages *bp, unsigned long pfn,
			      bool removed)
{
	struct balloon_table *t = &bp->table;
	unsigned long listed;
	int ret = 0;

	mutex_lock(&bp->lock);
	if (balloon_table_state(t, pfn, &listed) == BALLOON_BLOCK_ONLINE) {
		if (t->claimed == pfn / t->block_pages)
			ret = -EBUSY;
		else if (listed == t->block_pages)
			ret = leave(bp, pfn);
		else if (removed)
			ret = -EBUSY;
		else
			balloon_table_set(t, pfn, BALLOON_BLOCK_AWAY);
	}
	mutex_unlock(&bp->lock);
	return ret;
}

/**
 * balloon_pages_block_stays - undo balloon_pages_block_going()
 * @bp: the list
 * @pfn: its first page; another driver may have added the block
 *
 * For a block that does not go offline after all.
 *
 * Context: takes the lock.
 * Return: whether the pages of the block went back on the list.
 */
bool balloon_pages_block_stays(struct balloon_pages *bp, unsigned long pfn)
{
	enum balloon_block_state state;
	unsigned long listed;

	mutex_lock(&bp->lock);
	state = balloon_table_state(&bp->table, pfn, &listed);
	if (state == BALLOON_BLOCK_LEAVING || state == BALLOON_BLOCK_AWAY)
		balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_ONLINE);
	if (state == BALLOON_BLOCK_LEAVING)
		balloon_pages_put_back(bp, pfn, bp->table.block_pages);
	mutex_unlock(&bp->lock);
	return state == BALLOON_BLOCK_LEAVING;
}

/**
 * balloon_pages_block_offline - note that a memory block has gone offline
 * @bp: the list
 * @pfn: its first page; another driver may have added the block
 *
 * A block with no memory behind it is then as if it had just been added.
 *
 * Context: takes the lock.
 */
void balloon_pages_block_offline(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long listed;

	mutex_lock(&bp->lock);
	if (balloon_table_state(&bp->table, pfn, &listed) ==
	    BALLOON_BLOCK_LEAVING)
		balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_ADDED);
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_empty_block - find a memory block with no memory in it
 * @bp: the list
 * @pfn: set to its first page
 *
 * Context: takes the lock.
 * Return: whether there is such a block, which may have memory in it a moment
 * later.
 */
bool balloon_pages_empty_block(struct balloon_pages *bp, unsigned long *pfn)
{
	bool found;

	if (!balloon_table_used(&bp->table))
		return false;
	mutex_lock(&bp->lock);
	found = balloon_table_empty(&bp->table, pfn);
	mutex_unlock(&bp->lock);
	return found;
}

/**
 * balloon_pages_block_in_use - whether a memory block has become busy
 * @bp: the list
 * @pfn: its first page
 *
 * Context: takes the lock.
 * Return: true where a page of the block is lent or populated, or where the
 * block is being emptied.
 */
bool balloon_pages_block_in_use(struct balloon_pages *bp, unsigned long pfn)
{
	enum balloon_block_state state;
	unsigned long listed;
	bool in_use;

	mutex_lock(&bp->lock);
	state = balloon_table_state(&bp->table, pfn, &listed);
	in_use = state == BALLOON_BLOCK_AWAY ||
		 (state == BALLOON_BLOCK_ONLINE &&
		  (listed < bp->table.block_pages ||
		   bp->table.claimed == pfn / bp->table.block_pages));
	mutex_unlock(&bp->lock);
	return in_use;
}

/**
 * balloon_pages_claim - find the next piece of added memory, to empty it
 * @bp: the list
 * @pfn: in: the last piece, or ULONG_MAX to begin; out: the first page of a
 *	piece of 2 MiB
 *
 * The block of the piece does not go offline before balloon_pages_unclaim(), so
 * its struct pages can be read.  The pages of the piece that are in the balloon
 * are set aside until then, so no borrower and no step gets them.
 *
 * Context: takes the lock.
 * Return: false where no such piece lies below @pfn.
 */
bool balloon_pages_claim(struct balloon_pages *bp, unsigned long *pfn)
{
	bool found;

	mutex_lock(&bp->lock);
	found = balloon_table_next(&bp->table, pfn, BALLOON_HUGE_PAGES);
	if (found) {
		bp->table.claimed = *pfn / bp->table.block_pages;
		bp->aside = balloon_pages_set_aside(bp, *pfn,
						    BALLOON_HUGE_PAGES);
	}
	mutex_unlock(&bp->lock);
	return found;
}

/**
 * balloon_pages_unclaim - undo balloon_pages_claim()
 * @bp: the list
 * @pfn: its first page
 *
 * Context: takes the lock.
 */
void balloon_pages_unclaim(struct balloon_pages *bp, unsigned long pfn)
{
	mutex_lock(&bp->lock);
	balloon_pages_put_back(bp, pfn, BALLOON_HUGE_PAGES);
	bp->aside = 0;
	bp->table.claimed = BALLOON_NO_BLOCK;
	mutex_unlock(&bp->lock);
}
