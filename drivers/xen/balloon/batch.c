// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what moves memory, a batch at a time
 */

/**
 * DOC: life of a page
 *
 * A page of the guest enters the balloon in this order: it is allocated,
 * cleared by the allocator (added memory by the driver; none where
 * xen_scrub_pages is off or Xen clears it), taken out of the count of managed
 * pages, marked PageOffline, in PV guests unmapped, and only then released to
 * Xen.  When Xen took it, it goes on the list; when Xen did not, all of that is
 * undone and the page goes back to the allocator.
 *
 * It comes back in the opposite order: off the list, populated by Xen, in PV
 * guests mapped, no longer PageOffline, free.  A page for which Xen has no
 * memory goes back on the list.
 *
 * Pages also enter the balloon as holes, with no memory behind them: the extra
 * regions of the memory map at boot, and memory blocks that were added.  And
 * they leave it as holes when they are lent to a driver that maps foreign
 * memory into them.
 *
 * A page of which nobody can tell whether Xen has it is quarantined: it is
 * counted, stays PageOffline for good, and nobody uses it.  So is a page that
 * somebody still uses when it comes back from a borrower; one that is mapped stays
 * as it is.
 *
 * So a page is always in exactly one place: with the kernel (current_pages),
 * in the balloon, lent, quarantined, or added and not online yet.
 */

#include <linux/cma.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/sizes.h>
#include <linux/timekeeping.h>

#include <xen/mem-reservation.h>

#include "internal.h"

/* How long a refused 2 MiB is remembered: memory of the host may be in pieces */
#define NO_HUGE_TIME	(10 * HZ)

/* 2 MiB extents in a hypercall, at most: 64 MiB. */
#define MOST_EXTENTS	32

/*
 * Free blocks of 2 MiB that are left alone while there are smaller ones: fork
 * wants stacks of several pages, and a guest that has single pages only kills
 * a program to get one, however many are free.
 */
#define SPARED_BLOCKS	(SZ_16M / SZ_2M)

/* Pieces of added memory that one step tries to get. */
#define MOST_PIECES	4

/*
 * How many pages more than a batch must be owed for Xen to be trusted with
 * clearing it: what the domain has beside its memory map, and some.
 */
#define SURE_PAGES	1024

/* How long single pages are collected for one hypercall. */
#define MOST_COLLECT	(HZ / 50)

enum { RELEASE, POPULATE };

/**
 * xen_balloon_batch_setup - initialise what the first batch needs
 * @b: the instance
 *
 * The first hypercall of each kind is short, since nobody knows how long one takes.
 */
void xen_balloon_batch_setup(struct xen_balloon *b)
{
	b->extents[RELEASE] = 1;
	b->extents[POPULATE] = 1;
	b->singles[RELEASE] = BALLOON_HUGE_PAGES;
	b->singles[POPULATE] = BALLOON_HUGE_PAGES;
	b->added_pfn = ULONG_MAX;
}

/**
 * xen_balloon_quarantine - put pages away for good
 * @b: the instance
 * @page: the first of them; on no list
 * @nr_pages: how many
 *
 * Context: lock is held.
 */
void xen_balloon_quarantine(struct xen_balloon *b, struct page *page,
			    unsigned long nr_pages)
{
	lockdep_assert_held(&b->lock);
	b->quarantined += nr_pages;
	if (!__test_and_set_bit(BALLOON_SAID_LOST, &b->said))
		pr_warn("%lu pages at %#lx are lost: nobody knows who has them\n",
			nr_pages, page_to_pfn(page));
}

/* --- pieces of a batch -------------------------------------------------- */

static unsigned long entry_pages(const struct balloon_batch *batch)
{
	return 1UL << batch->order;
}

/* How many entries, from @i on, share a fate and are neighbours. */
static unsigned int run_length(const struct balloon_batch *batch,
			       unsigned int i)
{
	bool moved = test_bit(i, batch->moved);
	bool unsure = test_bit(i, batch->unsure);
	unsigned int end = i + 1;

	while (end < batch->nr &&
	       batch->pages[end] == batch->pages[end - 1] +
				    entry_pages(batch) &&
	       test_bit(end, batch->moved) == moved &&
	       test_bit(end, batch->unsure) == unsure)
		end++;
	return end - i;
}

/* Pages with memory behind them go to the allocator, in pieces as large as can
 * be.
 */
static void give_to_kernel(struct page *page, unsigned long nr_pages)
{
	unsigned int order;

	balloon_pages_unmark(page, nr_pages);
	while (nr_pages) {
		order = balloon_extent_order(page, nr_pages);
		free_reserved_pages(page, order);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
}

static void begin_batch(struct balloon_batch *batch, unsigned int order)
{
	batch->nr = 0;
	batch->order = order;
	batch->broken = false;
	bitmap_zero(batch->moved, BALLOON_BATCH);
	bitmap_zero(batch->unsure, BALLOON_BATCH);
}

/* The lock, where it is held for longest: while a batch goes on the list or
 * comes from it.  Context: batch_lock is held.  Return: since when.
 */
static u64 lock_list(struct xen_balloon *b)
{
	mutex_lock(&b->lock);
	return ktime_get_ns();
}

static void unlock_list(struct xen_balloon *b, u64 since)
{
	u64 held = ktime_get_ns() - since;

	mutex_unlock(&b->lock);
	b->counters.longest_hold_ns = max(b->counters.longest_hold_ns, held);
}

/* How much the next batch carries, from how long this one took. */
static void learn(struct xen_balloon *b, int direction, u64 ns)
{
	unsigned int nr = b->batch.nr;

	/* one that was not full says nothing */
	if (b->batch.order && nr == b->extents[direction])
		b->extents[direction] =
			balloon_policy_batch(nr, MOST_EXTENTS, ns);
	else if (!b->batch.order && nr == b->singles[direction])
		b->singles[direction] =
			balloon_policy_batch(nr, BALLOON_BATCH, ns);
}

static void add_entries(struct balloon_batch *batch, struct page *page,
			unsigned int nr)
{
	while (nr--) {
		batch->pages[batch->nr++] = page;
		page += entry_pages(batch);
	}
}

/* --- inflating ---------------------------------------------------------- */

/**
 * xen_balloon_available - what the guest could spare
 *
 * As si_mem_available() has it, but of the zones that the balloon allocates from,
 * which are those of stacks and page tables, too.  And what a watermark keeps that
 * was raised because free memory is in pieces does not count: it comes down when
 * memory can be reclaimed, and where none can, not at all.
 *
 * Return: pages, caches that it can drop included.
 */
unsigned long xen_balloon_available(void)
{
	enum zone_type highest = gfp_zone(GFP_BALLOON);
	unsigned long low = 0, cache = 0, slab, kept;
	struct zone *zone;
	long pages = 0;

	BALLOON_STUB(xen_balloon_available);
	for_each_populated_zone(zone) {
		if (zone_idx(zone) > highest)
			continue;
		kept = high_wmark_pages(zone) + zone->lowmem_reserve[highest];
		pages += zone_page_state(zone, NR_FREE_PAGES);
		pages -= zone_page_state(zone, NR_FREE_CMA_PAGES);
		pages -= min(kept, zone_managed_pages(zone));
		cache += zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
			 zone_page_state(zone, NR_ZONE_INACTIVE_FILE);
		low += low_wmark_pages(zone);
	}
	slab = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
	       global_node_page_state(NR_KERNEL_MISC_RECLAIMABLE);
	pages += cache - min(cache / 2, low) + slab - min(slab / 2, low);
	return max(pages, 0L);
}

/**
 * xen_balloon_free_blocks - how many extents of 2 MiB the balloon could get
 *
 * Return: how many are free, whatever the watermarks say.
 */
unsigned long xen_balloon_free_blocks(void)
{
	unsigned long nr = 0;
	unsigned int order;
	struct zone *zone;

	BALLOON_STUB(xen_balloon_free_blocks);
	for_each_populated_zone(zone) {
		if (zone_idx(zone) > gfp_zone(GFP_BALLOON))
			continue;
		for (order = BALLOON_MAX_ORDER; order < NR_PAGE_ORDERS; order++) {
			/* zone->lock is mm's own, and a moment old will do */
			nr += data_race(zone->free_area[order].nr_free) <<
			      (order - BALLOON_MAX_ORDER);
		}
	}
	return nr;
}

/**
 * xen_balloon_alloc - where the balloon gets its pages from
 * @gfp: how hard to try
 * @order: how many
 *
 * Return: the first page, or NULL.
 */
struct page *xen_balloon_alloc(gfp_t gfp, unsigned int order)
{
	BALLOON_STUB(xen_balloon_alloc, gfp, order);
	return alloc_pages(gfp, order);
}

/* Allocate an extent. */
static struct page *get_extent(gfp_t gfp, unsigned int order)
{
	struct page *page;

	/* what takes an effort is only asked for a page at a time */
	if (order)
		gfp = (gfp & ~__GFP_RECLAIM) | __GFP_NOWARN;
	page = xen_balloon_alloc(gfp, order);
	if (!page)
		return NULL;
	if (order)
		split_page(page, order);
	return page;
}

#ifdef CONFIG_CONTIG_ALLOC
/* Take a piece of 2 MiB out of the kernel's hands, whatever it holds now. */
static bool get_piece(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long i;

	/*
	 * To move what is on its way to a disk is to wait for that.  What gets
	 * there only now, or is a file system's own buffer, is waited for still.
	 */
	for (i = 0; i < BALLOON_HUGE_PAGES; i++)
		if (PageLocked(page + i) || PageWriteback(page + i))
			return false;
	if (alloc_contig_range(pfn, pfn + BALLOON_HUGE_PAGES, ACR_FLAGS_NONE,
			       GFP_KERNEL | __GFP_NOWARN))
		return false;
	/* what it held is still in it, whatever the allocator clears */
	for (i = 0; i < BALLOON_HUGE_PAGES; i++)
		xenmem_reservation_scrub_page(page + i);
	return true;
}
#else
static bool get_piece(unsigned long pfn)
{
	return false;
}
#endif

/* Whether there is something better to do than to look for more pages, for which
 * the kernel may have to move or write others: somebody is out of memory and waits
 * for batch_lock, or there is another target.  A lender goes on with the same lock
 * until it has all that it wants, so it is not asked.
 */
static bool in_demand(struct xen_balloon *b)
{
	return xen_balloon_hold_left(b) || test_bit(BALLOON_NEW_TARGET, &b->flags);
}

/* Memory that was added goes first, so that its blocks can be removed. */
static void collect_added(struct xen_balloon *b, unsigned long want)
{
	struct balloon_batch *batch = &b->batch;
	unsigned int tries = MOST_PIECES;

	while (want >= BALLOON_HUGE_PAGES && batch->nr < b->extents[RELEASE] &&
	       tries && !in_demand(b) &&
	       balloon_hotplug_next(&b->added_pfn)) {
		struct page *page = pfn_to_online_page(b->added_pfn);

		/* somebody set the block offline, or some is in the balloon */
		if (!page || PageOffline(page))
			continue;
		tries--;
		if (!get_piece(b->added_pfn))
			continue;
		add_entries(batch, page, 1);
		want -= BALLOON_HUGE_PAGES;
	}
}

/* How to ask for single pages in pieces: as for movable ones, for which the
 * allocator breaks the smallest block; for others it breaks the largest that
 * programs have.  In return a page that cannot move is where movable ones are;
 * not where that would spoil memory that is kept for somebody (CMA), or use up
 * low memory.
 */
static gfp_t from_pieces(gfp_t gfp)
{
	if (totalcma_pages || IS_ENABLED(CONFIG_HIGHMEM))
		return gfp;
	/* with both, it would come from ZONE_MOVABLE */
	return (gfp & ~__GFP_HIGHMEM) | __GFP_MOVABLE;
}

/* Whether Xen clears the next batch: while it owes memory to pages of this guest
 * it keeps for them all that it takes, and clears that.  Asked for every batch,
 * since the toolstack may give it more at any time.
 *
 * source: p2m_pod_decrease_reservation() and p2m_pod_cache_add() in Xen's
 * xen/arch/x86/mm/p2m-pod.c.
 */
static bool xen_scrubs(struct xen_balloon *b)
{
	unsigned long batch = max(b->extents[RELEASE] * BALLOON_HUGE_PAGES,
				  (unsigned long)b->singles[RELEASE]);

	if (b->xen_scrubs)
		b->xen_scrubs = balloon_debt(b->ops, b->stats->current_pages) >=
				batch + SURE_PAGES;
	return b->xen_scrubs;
}

/**
 * xen_balloon_took_long - whether single pages were collected for long enough
 * @since: jiffies; the beginning
 *
 * Return: true after 20 ms.
 */
bool xen_balloon_took_long(unsigned long since)
{
	BALLOON_STUB(xen_balloon_took_long, since);
	return time_after(jiffies, since + MOST_COLLECT);
}

/* Fill the batch with pages of the kernel, 2 MiB extents if there are any. */
static void collect(struct xen_balloon *b, unsigned long want, gfp_t gfp)
{
	struct balloon_batch *batch = &b->batch;
	bool lender = gfp != GFP_BALLOON;
	unsigned long blocks, since;
	struct page *page;
	unsigned int most;

	/* the allocator clears once at most, and nobody writes after that */
	if (READ_ONCE(xen_scrub_pages) && !xen_scrubs(b))
		gfp |= __GFP_ZERO;

	begin_batch(batch, b->ops->by_frame ? 0 : BALLOON_MAX_ORDER);
	/* a block that is being removed may be gone in the middle of this */
	if (!b->ops->keeps_blocks && !b->blocks_busy && !lender)
		collect_added(b, want);
	if (batch->nr)
		return;
	most = batch->order ? b->extents[RELEASE] :
	       b->singles[RELEASE] / BALLOON_HUGE_PAGES ?: 1;
	blocks = xen_balloon_free_blocks();
	blocks -= min(blocks, SPARED_BLOCKS);
	most = min_t(unsigned long, most, blocks);
	while (most-- && want >= BALLOON_HUGE_PAGES) {
		page = get_extent(gfp, BALLOON_MAX_ORDER);
		if (!page)
			break;
		add_entries(batch, page, BALLOON_HUGE_PAGES >> batch->order);
		want -= BALLOON_HUGE_PAGES;
	}
	if (batch->nr)
		return;

	/*
	 * Then single pages, which come from the smallest blocks there are.  Those
	 * in between are what the kernel lives on: stacks and page tables.
	 */
	batch->order = 0;
	if (!blocks || want >= BALLOON_HUGE_PAGES)
		gfp = from_pieces(gfp);
	since = jiffies;
	while (want-- && batch->nr < b->singles[RELEASE]) {
		page = get_extent(gfp, 0);
		if (!page)
			break;
		add_entries(batch, page, 1);
		if (xen_balloon_took_long(since) || (!lender && in_demand(b)))
			break;
	}
}

/* Take the batch out of the managed pages: one call for what is in a zone. */
static void unmanage(const struct balloon_batch *batch)
{
	unsigned int from = 0, i;

	for (i = 1; i <= batch->nr; i++) {
		if (i < batch->nr && page_zone(batch->pages[i]) ==
				     page_zone(batch->pages[from]))
			continue;
		adjust_managed_page_count(batch->pages[from],
					  -(long)((i - from) *
						  entry_pages(batch)));
		from = i;
	}
}

/* Whether it hurts to read physical memory that has gone.  Then who reads some
 * (/proc/kcore) comes to an end before it goes.  On x86 there is something to
 * read everywhere, and it is better not to wait: such a reader may need mmap_lock,
 * and a borrower may come with that held.
 */
static const bool hole_faults = !IS_ENABLED(CONFIG_X86);

/* Make the batch inaccessible; what cannot be goes back to the kernel. */
static void hide(struct xen_balloon *b)
{
	struct balloon_batch *batch = &b->batch;
	unsigned int i, nr, hidden;
	bool high = false;

	unmanage(batch);
	if (hole_faults)
		page_offline_begin();
	for (i = 0; i < batch->nr; i += nr) {
		nr = run_length(batch, i);
		balloon_pages_mark(batch->pages[i], nr * entry_pages(batch));
		high |= PageHighMem(batch->pages[i]);
	}
	if (hole_faults)
		page_offline_end();
	if (high)
		kmap_flush_unused();
	hidden = b->ops->hide(batch);
	for (i = hidden; i < batch->nr; i++)
		give_to_kernel(batch->pages[i], entry_pages(batch));
	batch->nr = hidden;
}

/* After a release: every entry goes where it belongs, but @skip. */
static unsigned long settle_release(struct xen_balloon *b, unsigned int skip)
{
	struct balloon_batch *batch = &b->batch;
	unsigned long pages = entry_pages(batch), moved = 0, lost = 0;
	unsigned int i, nr;
	u64 since;

	/* the kernel's own first: showing them may fail */
	if (b->ops->show) {
		for (i = 0; i < batch->nr; i++) {
			if (!test_bit(i, batch->moved) &&
			    !test_bit(i, batch->unsure) && i != skip)
				b->ops->show(batch, i, 1);
		}
	}

	since = lock_list(b);
	for (i = 0; i < batch->nr; i += nr) {
		nr = i == skip ? 1 : run_length(batch, i);
		if (test_bit(i, batch->moved)) {
			balloon_pages_add(&b->pages, batch->pages[i],
					  nr * pages);
			moved += nr * pages;
		} else if (test_bit(i, batch->unsure)) {
			xen_balloon_quarantine(b, batch->pages[i], nr * pages);
			lost += nr * pages;
		}
	}
	b->stats->current_pages -= moved + lost;
	unlock_list(b, since);

	for (i = 0; i < batch->nr; i += nr) {
		nr = i == skip ? 1 : run_length(batch, i);
		if (!test_bit(i, batch->moved) &&
		    !test_bit(i, batch->unsure) && i != skip)
			give_to_kernel(batch->pages[i], nr * pages);
	}
	return moved;
}

/**
 * xen_balloon_inflate - one bounded piece of inflating
 * @b: the instance
 * @want: pages, at least 1
 * @gfp: how hard to try
 *
 * Takes pages from the allocator and gives them to Xen; may stop after any
 * part of it.  Those that Xen took are in the balloon afterwards, and no longer
 * in current_pages; all others are the kernel's again.
 *
 * Context: may sleep; batch_lock is held, lock is not.
 * Return: pages that Xen took.
 */
unsigned long xen_balloon_inflate(struct xen_balloon *b, unsigned long want,
				  gfp_t gfp)
{
	struct balloon_batch *batch = &b->batch;
	unsigned long moved;
	unsigned int broken;
	struct page *page;
	u64 ns = 0;

	lockdep_assert_held(&b->batch_lock);
	collect(b, want, gfp);
	if (!batch->nr)
		return 0;
	hide(b);
	if (!batch->nr)
		return 0;
	if (balloon_release(b->ops, batch, &b->counters, &ns) == batch->nr)
		learn(b, RELEASE, ns);
	if (!batch->order)
		return settle_release(b, UINT_MAX);

	broken = find_first_zero_bit(batch->moved, batch->nr);
	page = broken < batch->nr ? batch->pages[broken] : NULL;
	moved = settle_release(b, broken);
	if (!page)
		return moved;

	/* Xen stopped somewhere inside this one: again, page by page */
	begin_batch(batch, 0);
	batch->broken = true;
	add_entries(batch, page, BALLOON_HUGE_PAGES);
	batch->nr = b->ops->hide(batch);
	balloon_release(b->ops, batch, &b->counters, &ns);
	return moved + settle_release(b, UINT_MAX);
}

/* --- deflating ---------------------------------------------------------- */

static bool huge_allowed(struct xen_balloon *b)
{
	if (b->no_huge && time_after_eq(jiffies, b->no_huge_until))
		b->no_huge = false;
	return !b->no_huge;
}

/* Fill the batch with pages of the balloon.  Context: lock is held. */
static void take_out(struct xen_balloon *b, unsigned long want)
{
	struct balloon_batch *batch = &b->batch;
	struct page *page;
	unsigned int order;

	lockdep_assert_held(&b->lock);
	begin_batch(batch, BALLOON_MAX_ORDER);
	while (want >= BALLOON_HUGE_PAGES && huge_allowed(b) &&
	       batch->nr < b->extents[POPULATE]) {
		page = balloon_pages_take_huge(&b->pages);
		if (!page)
			break;
		add_entries(batch, page, 1);
		want -= BALLOON_HUGE_PAGES;
	}
	if (batch->nr)
		return;

	batch->order = 0;
	while (want && batch->nr < b->singles[POPULATE]) {
		order = min3(ilog2(want),
			     ilog2(b->singles[POPULATE] - batch->nr),
			     BALLOON_MAX_ORDER);
		page = balloon_pages_take(&b->pages, false, &order);
		if (!page)
			break;
		add_entries(batch, page, 1U << order);
		want -= 1UL << order;
	}
}

/* After populating: the first @done entries have memory. */
static unsigned long settle_populate(struct xen_balloon *b, unsigned int done)
{
	struct balloon_batch *batch = &b->batch;
	unsigned long pages = entry_pages(batch), moved = 0, lost = 0;
	unsigned int i, nr;
	u64 since;

	for (i = 0; i < done; i += nr) {
		nr = run_length(batch, i);
		if (test_bit(i, batch->unsure))
			continue;
		give_to_kernel(batch->pages[i], nr * pages);
		moved += nr * pages;
	}

	since = lock_list(b);
	for (i = 0; i < batch->nr; i += nr) {
		nr = run_length(batch, i);
		if (!test_bit(i, batch->moved)) {
			balloon_pages_add(&b->pages, batch->pages[i],
					  nr * pages);
		} else if (test_bit(i, batch->unsure)) {
			xen_balloon_quarantine(b, batch->pages[i], nr * pages);
			lost += nr * pages;
		}
	}
	b->stats->current_pages += moved;
	unlock_list(b, since);
	return moved + lost;
}

static unsigned long deflate_once(struct xen_balloon *b, unsigned long want,
				  bool *all)
{
	struct balloon_batch *batch = &b->batch;
	unsigned int asked, done;
	u64 ns = 0, since;

	lockdep_assert_held(&b->batch_lock);
	since = lock_list(b);
	take_out(b, want);
	unlock_list(b, since);
	*all = true;
	asked = batch->nr;
	if (!asked)
		return 0;
	done = balloon_populate(b->ops, batch, &b->counters, &ns);
	*all = done == asked;
	if (*all) {
		learn(b, POPULATE, ns);
	} else if (batch->order) {
		b->no_huge = true;
		b->no_huge_until = jiffies + NO_HUGE_TIME;
	}
	return settle_populate(b, done);
}

/**
 * xen_balloon_deflate - one bounded piece of deflating
 * @b: the instance
 * @want: pages, at least 1
 * @all: set to whether Xen gave all that it was asked for
 *
 * Pages of the balloon that Xen put memory behind are the kernel's afterwards,
 * and in current_pages; all others are in the balloon still.
 *
 * Context: may sleep; batch_lock is held, lock is not.
 * Return: pages that Xen gave; 0 with @all where the balloon had none.
 */
unsigned long xen_balloon_deflate(struct xen_balloon *b, unsigned long want,
				  bool *all)
{
	unsigned long moved = deflate_once(b, want, all);

	/* 2 MiB refused says nothing about pages */
	if (!moved && !*all && b->batch.order)
		moved = deflate_once(b, want, all);
	return moved;
}
