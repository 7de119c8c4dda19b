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

/* The pages of an extent are in one zone and one memory block, so the first one
 * tells of them all.  Return: whether the driver added the block.
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

	/* added memory comes last, so that its blocks can stay empty */
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

static void add_extents(struct balloon_pages *bp, struct page *page,
			unsigned long nr_pages, bool last)
{
	unsigned int order;

	while (nr_pages) {
		order = balloon_pages_extent_order(page, nr_pages);
		add_extent(bp, page, order, last);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
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
	add_extents(bp, page, nr_pages, false);
}

/**
 * balloon_pages_add_last - put pages into the balloon that Xen cannot populate now
 * @bp: the list
 * @page: the first of them; marked
 * @nr_pages: how many; neighbours in physical memory
 *
 * All other extents of the same size are handed out before these.
 *
 * Context: the lock is held.
 */
void balloon_pages_add_last(struct balloon_pages *bp, struct page *page,
			    unsigned long nr_pages)
{
	add_extents(bp, page, nr_pages, true);
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

/* Take the references of an extent, unless somebody else looks at one of its pages
 * just now.
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

/* Set aside what is in the balloon of a range of whole extents: the pages are on no
 * list.  They also lose their reference, since a page that is referred to keeps
 * its neighbours from being isolated, and its block from going offline.  Return
 * how many were set aside.
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

/* Put back what was set aside. */
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
 * balloon_pages_enter_block - a memory block is about to be added
 * @bp: the list
 * @pfn: its first page
 * @unruled: whether user space has no rules for blocks yet
 *
 * From here on the pages of the block belong to the balloon when they come
 * online.
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
 * balloon_pages_block_added - a memory block was added
 * @bp: the list
 * @pfn: its first page
 *
 * Context: takes the lock.
 */
void balloon_pages_block_added(struct balloon_pages *bp, unsigned long pfn)
{
	unsigned long listed;

	mutex_lock(&bp->lock);
	/* it may have come online already */
	if (balloon_table_state(&bp->table, pfn, &listed) == BALLOON_BLOCK_NEW)
		balloon_table_set(&bp->table, pfn, BALLOON_BLOCK_ADDED);
	bp->stats->total_pages += bp->table.block_pages;
	mutex_unlock(&bp->lock);
}

/**
 * balloon_pages_block_gone - a memory block was removed, or could not be added
 * @bp: the list
 * @pfn: its first page
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
 * balloon_pages_online_page - pages come online
 * @bp: the list
 * @page: the first of them
 * @nr_pages: how many; all in one block
 *
 * Context: takes the lock.
 * Return: whether they are in the balloon now.  false: they are the kernel's,
 * because the driver did not add the block, or because the block was online
 * before and has memory.
 */
bool balloon_pages_online_page(struct balloon_pages *bp, struct page *page,
			       unsigned long nr_pages)
{
	enum balloon_block_state state;
	unsigned long listed;

	mutex_lock(&bp->lock);
	state = balloon_table_state(&bp->table, page_to_pfn(page), &listed);
	mutex_unlock(&bp->lock);
	/* whether the pages have memory does not change while they come online */
	if (state != BALLOON_BLOCK_NEW && state != BALLOON_BLOCK_ADDED)
		return false;
	balloon_pages_add_hole(bp, page, nr_pages);
	return true;
}

/**
 * balloon_pages_block_online - a memory block has come online
 * @bp: the list
 * @pfn: its first page; the block may be somebody else's
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

/* The pages of an empty block leave the list.  Return: 0 or a negative errno. */
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
 * balloon_pages_block_going - a memory block is about to go offline
 * @bp: the list
 * @pfn: its first page; the block may be somebody else's
 * @removed: the driver removes the block
 *
 * The pages of a block with no memory in it leave the list.
 *
 * Context: takes the lock.
 * Return: 0, or -EBUSY where the block has to stay online: the driver is removing
 * it and some page was lent or populated meanwhile, or it is being emptied.
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
 * balloon_pages_block_stays - a memory block does not go offline after all
 * @bp: the list
 * @pfn: its first page; the block may be somebody else's
 *
 * Undoes balloon_pages_block_going(), if that did anything.
 *
 * Context: takes the lock.
 * Return: whether pages have come to the list.
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
 * balloon_pages_block_offline - a memory block has gone offline
 * @bp: the list
 * @pfn: its first page; the block may be somebody else's
 *
 * A block with no memory behind it is as one that was just added.
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
 * Return: whether there is one; it may have memory in it a moment later.
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
 * balloon_pages_block_in_use - whether a memory block cannot be removed just now
 * @bp: the list
 * @pfn: its first page
 *
 * Context: takes the lock.
 * Return: true where a page of it is lent or populated, or where it is being
 * emptied.
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
 * @pfn: in: the last piece, ULONG_MAX to begin; out: the first page of a piece of
 *	2 MiB
 *
 * The block of the piece does not go offline before balloon_pages_unclaim(), so
 * its struct pages can be read.  Nobody gets those pages of the piece that are in
 * the balloon.
 *
 * Context: takes the lock.
 * Return: false where there is no piece before @pfn.
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
 * balloon_pages_unclaim - a piece is no longer being emptied
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
