// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: pages to Xen and back, a batch at a time
 */

/**
 * DOC: life of a page
 *
 * A page of the guest enters the balloon in this order.  The mover allocates
 * the page.  The allocator clears it; the mover clears added memory itself, and
 * nobody clears where xen_scrub_pages is off or Xen does it.  The mover takes
 * the page out of the count of managed pages and marks it PageOffline.  In PV
 * guests the page is unmapped.  Only then is the page released to Xen.  A page
 * that Xen took goes on the list.  For a page that Xen did not take all of that
 * is undone, and the page goes back to the allocator.
 *
 * A page comes back in the opposite order: off the list, populated by Xen, in
 * PV guests mapped, no longer PageOffline, free.  A page for which Xen has no
 * memory goes back on the list.
 *
 * Pages also enter the balloon as holes, with no memory behind them: the extra
 * regions of the memory map at boot, and memory blocks that were added.  Pages
 * leave the balloon as holes when they are lent to a driver that maps foreign
 * memory into them.
 *
 * A page of which nobody can tell whether Xen has it is quarantined: the page
 * is counted, stays PageOffline for good, and nobody uses it.  A page that is
 * still in use when it comes back from a borrower is quarantined as well; if
 * such a page is mapped it is left as it is.
 *
 * So a page is always in exactly one place: with the kernel (current_pages),
 * in the balloon, lent, quarantined, or added and not online yet.  Pages in the
 * balloon are set aside, on no list, while their block goes offline or their
 * neighbours are moved away.
 */

#include <linux/cma.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/timekeeping.h>

#include <xen/mem-reservation.h>

#include "mover.h"

/* Ask for single pages for this long after Xen refused 2 MiB, because the free
 * memory of the host may be fragmented.
 */
#define NO_HUGE_TIME	(10 * HZ)

/* 2 MiB extents in a hypercall, at most: 64 MiB. */
#define MOST_EXTENTS	32

/*
 * Leave this many free blocks of 2 MiB to the guest while smaller ones are
 * free.  fork wants stacks of several pages, and a guest that has only single
 * pages kills a program to get such a stack, however many pages are free.
 */
#define SPARED_BLOCKS	(SZ_16M / SZ_2M)

/*
 * Clearing a batch is left to Xen only where Xen owes the guest so many pages
 * more than the batch: the frames that the domain has beside its memory map,
 * and a margin.
 */
#define SURE_PAGES	1024

/* Single pages are collected no longer than this for one hypercall. */
#define MOST_COLLECT	(HZ / 50)

enum { RELEASE, POPULATE };

/**
 * balloon_mover_init - get ready for the first batch
 * @m: the mover
 * @pages: the list
 * @reservation: the hypercalls
 * @news: what has happened
 * @report: what administrators are shown
 *
 * The first hypercall of each kind is short, because its time is not known yet.
 */
void balloon_mover_init(struct balloon_mover *m, struct balloon_pages *pages,
			struct balloon_reservation *reservation,
			struct balloon_news *news,
			struct balloon_report *report)
{
	mutex_init(&m->lock);
	m->pages = pages;
	m->reservation = reservation;
	m->news = news;
	m->report = report;
	m->extents[RELEASE] = 1;
	m->extents[POPULATE] = 1;
	m->singles[RELEASE] = BALLOON_HUGE_PAGES;
	m->singles[POPULATE] = BALLOON_HUGE_PAGES;
}

/**
 * balloon_mover_begin - forget what was learnt on the way to an earlier target
 * @m: the mover
 *
 * Xen is asked for 2 MiB again.
 *
 * Context: the lock is held.
 */
void balloon_mover_begin(struct balloon_mover *m)
{
	m->no_huge = false;
}

/**
 * balloon_mover_unlock - let others move memory
 * @m: the mover, whose lock is held
 *
 * Says what was quarantined meanwhile.  Nothing is printed with a lock held,
 * because a slow console would hold up whoever waits for the lock.
 */
void balloon_mover_unlock(struct balloon_mover *m)
{
	unsigned long lost = m->lost, pfn = m->lost_pfn;

	m->lost = 0;
	mutex_unlock(&m->lock);
	if (!lost)
		return;
	/* a PV guest knows what Xen has, but may fail to map it */
	balloon_report_lost(m->report, lost, pfn,
			    m->reservation->ops->show ?
			    "they cannot be mapped" :
			    "Xen did not say whether it has them");
}

/* Context: the lock of the list is held as well. */
static noinline void quarantine(struct balloon_mover *m, struct page *page,
				unsigned long nr_pages)
{
	balloon_pages_quarantine(m->pages, nr_pages);
	if (!m->lost)
		m->lost_pfn = page_to_pfn(page);
	m->lost += nr_pages;
}

/* --- pieces of a batch -------------------------------------------------- */

static unsigned long entry_pages(const struct balloon_batch *batch)
{
	return 1UL << batch->order;
}

/* Count the entries, from @i on, that have the same result and are neighbours. */
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

/* Free pages that have memory behind them, in pieces as large as possible. */
static void give_to_kernel(struct page *page, unsigned long nr_pages)
{
	unsigned int order;

	balloon_pages_unmark(page, nr_pages);
	while (nr_pages) {
		order = balloon_pages_extent_order(page, nr_pages);
		free_reserved_pages(page, order);
		page += 1UL << order;
		nr_pages -= 1UL << order;
	}
}

static void begin_batch(struct balloon_batch *batch, unsigned int order)
{
	batch->nr = 0;
	batch->order = order;
	batch->torn = BALLOON_NO_ENTRY;
	batch->broken = false;
	bitmap_zero(batch->moved, BALLOON_BATCH);
	bitmap_zero(batch->unsure, BALLOON_BATCH);
}

/* Take the lock of the list for a whole batch, which is when it is held for
 * longest.  Return the time.
 */
static u64 lock_list(struct balloon_mover *m)
{
	mutex_lock(&m->pages->lock);
	return ktime_get_ns();
}

static void unlock_list(struct balloon_mover *m, u64 since)
{
	u64 held = ktime_get_ns() - since;

	mutex_unlock(&m->pages->lock);
	m->longest_hold_ns = max(m->longest_hold_ns, held);
}

/* Size the next batch by the time that this one took. */
static void learn(struct balloon_mover *m, int direction, u64 ns)
{
	unsigned int nr = m->batch.nr;

	/* a batch that was not full says nothing */
	if (m->batch.order && nr == m->extents[direction])
		m->extents[direction] =
			balloon_policy_batch(nr, MOST_EXTENTS, ns);
	else if (!m->batch.order && nr == m->singles[direction])
		m->singles[direction] =
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

/* Return how many free pages one zone could spare, which may be negative.  Add
 * the page cache and the low watermark of the zone to @cache and @low.
 */
static long zone_spares(struct zone *zone, enum zone_type highest,
			unsigned long *cache, unsigned long *low)
{
	unsigned long kept = high_wmark_pages(zone) +
			     zone->lowmem_reserve[highest];

	*cache += zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
		  zone_page_state(zone, NR_ZONE_INACTIVE_FILE);
	*low += low_wmark_pages(zone);
	return zone_page_state(zone, NR_FREE_PAGES) -
	       zone_page_state(zone, NR_FREE_CMA_PAGES) -
	       min(kept, zone_managed_pages(zone));
}

/**
 * balloon_mover_available - how much memory the guest could spare
 *
 * Counts like si_mem_available(), but only the zones that the balloon allocates
 * from; stacks and page tables come from the same zones.  A watermark that was
 * raised because free memory is in pieces does not count: such a watermark
 * comes down only when memory is reclaimed, and there may be nothing to
 * reclaim.
 *
 * Return: pages, caches that the guest can drop included.
 */
unsigned long balloon_mover_available(void)
{
	enum zone_type highest = gfp_zone(GFP_BALLOON);
	unsigned long low = 0, cache = 0, slab;
	struct zone *zone;
	long pages = 0;

	BALLOON_STUB(balloon_mover_available);
	for_each_populated_zone(zone) {
		if (zone_idx(zone) <= highest)
			pages += zone_spares(zone, highest, &cache, &low);
	}
	slab = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
	       global_node_page_state(NR_KERNEL_MISC_RECLAIMABLE);
	pages += cache - min(cache / 2, low) + slab - min(slab / 2, low);
	return max(pages, 0L);
}

/**
 * balloon_mover_movable - how much memory ZONE_MOVABLE could spare
 *
 * The balloon does not allocate from this zone, because the zone is for movable
 * pages and the balloon cannot move its pages.  But the emptying task can take
 * memory of added blocks in this zone.
 *
 * Return: pages, caches that the guest can drop included.
 */
unsigned long balloon_mover_movable(void)
{
	unsigned long low = 0, cache = 0;
	struct zone *zone;
	long pages = 0;

	BALLOON_STUB(balloon_mover_movable);
	for_each_populated_zone(zone) {
		if (zone_idx(zone) == ZONE_MOVABLE)
			pages += zone_spares(zone, ZONE_MOVABLE, &cache, &low);
	}
	pages += cache - min(cache / 2, low);
	return max(pages, 0L);
}

/**
 * balloon_mover_has_free - whether pages can be allocated without reclaim and
 * without the reserves
 * @nr_pages: how many
 *
 * Return: true where the zones of kernel memory have more free pages than that
 * above their watermarks.
 */
bool balloon_mover_has_free(unsigned long nr_pages)
{
	unsigned long low = 0, cache = 0;
	struct zone *zone;
	long pages = 0;

	for_each_populated_zone(zone) {
		if (zone_idx(zone) <= gfp_zone(GFP_KERNEL))
			pages += zone_spares(zone, gfp_zone(GFP_KERNEL), &cache,
					     &low);
	}
	return pages > (long)nr_pages;
}

/* Count the free extents of 2 MiB, whatever the watermarks say. */
VISIBLE_IF_KUNIT unsigned long balloon_mover_free_blocks(void)
{
	unsigned long nr = 0;
	unsigned int order;
	struct zone *zone;

	BALLOON_STUB(balloon_mover_free_blocks);
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

/* The allocator, which a test replaces. */
VISIBLE_IF_KUNIT struct page *balloon_mover_alloc(gfp_t gfp, unsigned int order)
{
	BALLOON_STUB(balloon_mover_alloc, gfp, order);
	return alloc_pages(gfp, order);
}

/* Allocate an extent. */
static struct page *get_extent(gfp_t gfp, unsigned int order)
{
	struct page *page;

	/* the allocator makes an effort for single pages only */
	if (order)
		gfp = (gfp & ~__GFP_RECLAIM) | __GFP_NOWARN;
	page = balloon_mover_alloc(gfp, order);
	if (!page)
		return NULL;
	if (order)
		split_page(page, order);
	return page;
}

/* Whether the worker should stop collecting pages, which may take long because
 * the kernel moves or writes others for it: a guest out of memory waits for the
 * lock, or there is another target.  A borrower does not stop, because it goes
 * on with the same lock until it has all that it wants.
 */
static bool in_demand(struct balloon_mover *m, enum balloon_role role)
{
	return role == BALLOON_FOR_TARGET &&
	       (balloon_news_hold_left(m->news) ||
		balloon_news_pending(m->news, BALLOON_NEW_TARGET));
}

/* Ask for single pages as for movable ones, because the allocator then breaks
 * the smallest block; for unmovable pages it breaks the largest that programs
 * have.  The price is that a page that cannot move lies among movable ones.  So
 * this is not done where it would spoil memory that is kept for others (CMA),
 * or use up low memory.
 */
static gfp_t from_pieces(gfp_t gfp)
{
	if (totalcma_pages || IS_ENABLED(CONFIG_HIGHMEM))
		return gfp;
	/* with both flags the page would come from ZONE_MOVABLE */
	return (gfp & ~__GFP_HIGHMEM) | __GFP_MOVABLE;
}

/* Whether Xen clears the next batch.  While Xen owes memory to pages of this
 * guest it keeps for them all that it takes, and clears that.  The question is
 * asked for every batch, because the toolstack may give Xen more memory for the
 * guest at any time.
 *
 * source: p2m_pod_decrease_reservation() and p2m_pod_cache_add() in Xen's
 * xen/arch/x86/mm/p2m-pod.c.
 */
static bool xen_scrubs(struct balloon_mover *m)
{
	unsigned long batch = max(m->extents[RELEASE] * BALLOON_HUGE_PAGES,
				  (unsigned long)m->singles[RELEASE]);

	if (m->xen_scrubs)
		m->xen_scrubs =
			balloon_reservation_debt(m->reservation,
						 m->pages->stats->current_pages)
			>= batch + SURE_PAGES;
	return m->xen_scrubs;
}

/* Whether single pages were collected for long enough; @since is in jiffies. */
VISIBLE_IF_KUNIT bool balloon_mover_took_long(unsigned long since)
{
	BALLOON_STUB(balloon_mover_took_long, since);
	return time_after(jiffies, since + MOST_COLLECT);
}

/* Fill the batch with pages of the kernel, with 2 MiB extents if there are any. */
static void collect(struct balloon_mover *m, unsigned long want,
		    enum balloon_role role)
{
	gfp_t gfp = role == BALLOON_FOR_BORROWER ? GFP_USER : GFP_BALLOON;
	const struct balloon_ops *ops = m->reservation->ops;
	struct balloon_batch *batch = &m->batch;
	unsigned long blocks, since;
	struct page *page;
	unsigned int most;

	/* the allocator clears once at most, and nobody writes after that */
	if (READ_ONCE(xen_scrub_pages) && !xen_scrubs(m))
		gfp |= __GFP_ZERO;

	begin_batch(batch, ops->by_frame ? 0 : BALLOON_MAX_ORDER);
	most = batch->order ? m->extents[RELEASE] :
	       m->singles[RELEASE] / BALLOON_HUGE_PAGES ?: 1;
	blocks = balloon_mover_free_blocks();
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
	 * Then single pages, which come from the smallest blocks there are.
	 * The blocks in between are left for stacks and page tables.
	 */
	batch->order = 0;
	if (!blocks || want >= BALLOON_HUGE_PAGES)
		gfp = from_pieces(gfp);
	since = jiffies;
	while (want-- && batch->nr < m->singles[RELEASE]) {
		page = get_extent(gfp, 0);
		if (!page)
			break;
		add_entries(batch, page, 1);
		if (balloon_mover_took_long(since) || in_demand(m, role))
			break;
	}
}

/* Take the batch out of the managed pages, with one call for each run in a
 * zone.
 */
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

/* Whether reading physical memory that has gone is a fault.  Then readers of
 * /proc/kcore have to finish before the memory goes.  On x86 such memory reads
 * as ones, and not waiting is better: such a reader may need mmap_lock, and a
 * borrower may hold that.
 */
static const bool hole_faults = !IS_ENABLED(CONFIG_X86);

/* Make the batch inaccessible; entries for which that fails go back to the
 * kernel.
 */
static void hide(struct balloon_mover *m)
{
	struct balloon_batch *batch = &m->batch;
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
	hidden = m->reservation->ops->hide(batch);
	for (i = hidden; i < batch->nr; i++)
		give_to_kernel(batch->pages[i], entry_pages(batch));
	batch->nr = hidden;
}

/* Whether entry @i is the guest's after a release, and in one piece. */
static bool was_refused(const struct balloon_batch *batch, unsigned int i)
{
	return i != batch->torn && !test_bit(i, batch->moved) &&
	       !test_bit(i, batch->unsure);
}

/* After a release: put every entry where it belongs, but the torn one.  Return
 * the pages that Xen took.
 */
static unsigned long settle_release(struct balloon_mover *m)
{
	const struct balloon_ops *ops = m->reservation->ops;
	struct balloon_batch *batch = &m->batch;
	unsigned long pages = entry_pages(batch), moved = 0, lost = 0;
	bool refused = !bitmap_full(batch->moved, batch->nr);
	unsigned int i, nr;
	u64 since;

	/* the kernel's own first, because showing them may fail */
	for (i = 0; refused && ops->show && i < batch->nr; i++) {
		if (was_refused(batch, i))
			ops->show(batch, i, 1);
	}

	since = lock_list(m);
	for (i = 0; i < batch->nr; i += nr) {
		nr = i == batch->torn ? 1 : run_length(batch, i);
		if (test_bit(i, batch->moved)) {
			balloon_pages_add(m->pages, batch->pages[i],
					  nr * pages);
			moved += nr * pages;
		} else if (test_bit(i, batch->unsure)) {
			quarantine(m, batch->pages[i], nr * pages);
			lost += nr * pages;
		}
	}
	m->pages->stats->current_pages -= moved + lost;
	unlock_list(m, since);

	for (i = 0; refused && i < batch->nr; i += nr) {
		nr = i == batch->torn ? 1 : run_length(batch, i);
		if (was_refused(batch, i))
			give_to_kernel(batch->pages[i], nr * pages);
	}
	return moved;
}

/* Release the batch, whose pages come from the kernel, to Xen. */
static struct balloon_moved release_batch(struct balloon_mover *m)
{
	struct balloon_batch *batch = &m->batch;
	struct balloon_moved result = {};
	struct page *page;
	u64 ns = 0;

	if (!batch->nr)
		return result;
	result.tried = true;
	result.refused = true;
	hide(m);
	if (!batch->nr)
		return result;
	if (balloon_reservation_release(m->reservation, batch, &ns) ==
	    batch->nr) {
		result.refused = false;
		learn(m, RELEASE, ns);
	}
	page = batch->torn == BALLOON_NO_ENTRY ? NULL :
						 batch->pages[batch->torn];
	result.pages = settle_release(m);
	if (!page)
		return result;

	/* Xen stopped inside this extent: release it again, page by page */
	begin_batch(batch, 0);
	batch->broken = true;
	add_entries(batch, page, BALLOON_HUGE_PAGES);
	batch->nr = m->reservation->ops->hide(batch);
	balloon_reservation_release(m->reservation, batch, &ns);
	result.pages += settle_release(m);
	return result;
}

/**
 * balloon_mover_inflate - release one bounded piece of the guest's memory
 * @m: the mover
 * @want: pages, at least 1
 * @role: for whom; the worker stops early for a rescue or another target
 *
 * Takes pages from the allocator and releases them to Xen; may stop after any
 * part of that.  Pages that Xen took are in the balloon afterwards, and no
 * longer in current_pages; all others are the kernel's again.
 *
 * Context: may sleep; the lock is held.
 * Return: what moved; not tried means that the guest had no page to spare.
 */
struct balloon_moved balloon_mover_inflate(struct balloon_mover *m,
					   unsigned long want,
					   enum balloon_role role)
{
	lockdep_assert_held(&m->lock);
	collect(m, want, role);
	return release_batch(m);
}

/**
 * balloon_mover_release - release pages that the caller allocated
 * @m: the mover
 * @page: the first of them; the caller has cleared the pages where
 *	xen_scrub_pages is on
 * @nr_pages: how many; neighbours in physical memory, at most 2 MiB
 *
 * Context: may sleep; the lock is held.
 * Return: as with balloon_mover_inflate().
 */
struct balloon_moved balloon_mover_release(struct balloon_mover *m,
					   struct page *page,
					   unsigned long nr_pages)
{
	bool whole = nr_pages == BALLOON_HUGE_PAGES &&
		     !m->reservation->ops->by_frame;

	lockdep_assert_held(&m->lock);
	begin_batch(&m->batch, whole ? BALLOON_MAX_ORDER : 0);
	add_entries(&m->batch, page, whole ? 1 : nr_pages);
	return release_batch(m);
}

/* --- deflating ---------------------------------------------------------- */

static bool huge_allowed(struct balloon_mover *m)
{
	if (m->no_huge && time_after_eq(jiffies, m->no_huge_until))
		m->no_huge = false;
	return !m->no_huge;
}

/* Fill the batch with pages of the balloon.  Context: the list is locked. */
static void take_out(struct balloon_mover *m, unsigned long want)
{
	struct balloon_batch *batch = &m->batch;
	struct page *page;
	unsigned int order;

	lockdep_assert_held(&m->pages->lock);
	begin_batch(batch, BALLOON_MAX_ORDER);
	while (want >= BALLOON_HUGE_PAGES && huge_allowed(m) &&
	       batch->nr < m->extents[POPULATE]) {
		page = balloon_pages_take_huge(m->pages);
		if (!page)
			break;
		add_entries(batch, page, 1);
		want -= BALLOON_HUGE_PAGES;
	}
	if (batch->nr)
		return;

	batch->order = 0;
	while (want && batch->nr < m->singles[POPULATE]) {
		order = min3(ilog2(want),
			     ilog2(m->singles[POPULATE] - batch->nr),
			     BALLOON_MAX_ORDER);
		page = balloon_pages_take(m->pages, false, &order);
		if (!page)
			break;
		add_entries(batch, page, 1U << order);
		want -= 1UL << order;
	}
}

/* After populating: put every entry where it belongs.  Return the pages that Xen
 * gave.
 */
static unsigned long settle_populate(struct balloon_mover *m)
{
	struct balloon_batch *batch = &m->batch;
	unsigned long pages = entry_pages(batch), moved = 0, lost = 0;
	unsigned int i, nr;
	u64 since;

	for (i = 0; i < batch->nr; i += nr) {
		nr = run_length(batch, i);
		if (!test_bit(i, batch->moved) || test_bit(i, batch->unsure))
			continue;
		give_to_kernel(batch->pages[i], nr * pages);
		moved += nr * pages;
	}

	since = lock_list(m);
	for (i = 0; i < batch->nr; i += nr) {
		nr = run_length(batch, i);
		if (!test_bit(i, batch->moved) &&
		    m->reservation->ops->keeps_frames) {
			/* this one was refused, see populate */
			nr = 1;
			balloon_pages_add_last(m->pages, batch->pages[i],
					       batch->order);
		} else if (!test_bit(i, batch->moved)) {
			balloon_pages_add(m->pages, batch->pages[i],
					  nr * pages);
		} else if (test_bit(i, batch->unsure)) {
			quarantine(m, batch->pages[i], nr * pages);
			lost += nr * pages;
		}
	}
	m->pages->stats->current_pages += moved;
	unlock_list(m, since);
	return moved + lost;
}

static struct balloon_moved deflate_once(struct balloon_mover *m,
					 unsigned long want)
{
	struct balloon_batch *batch = &m->batch;
	struct balloon_moved result = {};
	unsigned int done;
	u64 ns = 0, since;

	since = lock_list(m);
	take_out(m, want);
	unlock_list(m, since);
	if (!batch->nr)
		return result;
	result.tried = true;
	done = balloon_reservation_populate(m->reservation, batch, &ns);
	result.refused = done < batch->nr;
	if (!result.refused) {
		learn(m, POPULATE, ns);
	} else if (batch->order) {
		m->no_huge = true;
		m->no_huge_until = jiffies + NO_HUGE_TIME;
	}
	result.pages = settle_populate(m);
	return result;
}

/**
 * balloon_mover_deflate - populate one bounded piece of the balloon
 * @m: the mover
 * @want: pages, at least 1
 * @role: for whom; a rescue must not wait for memory
 *
 * Pages that Xen put memory behind are the kernel's afterwards, and in
 * current_pages; all others are still in the balloon.
 *
 * Context: may sleep; the lock is held.
 * Return: what moved; not tried means that the balloon was empty.
 */
struct balloon_moved balloon_mover_deflate(struct balloon_mover *m,
					   unsigned long want,
					   enum balloon_role role)
{
	struct balloon_moved result;
	unsigned int flags = 0;

	lockdep_assert_held(&m->lock);
	/* the p2m of a PV guest may need a page */
	if (role == BALLOON_FOR_RESCUE)
		flags = memalloc_noreclaim_save();
	result = deflate_once(m, want);
	/* a refusal of 2 MiB says nothing about pages */
	if (!result.pages && result.refused && m->batch.order)
		result = deflate_once(m, want);
	if (role == BALLOON_FOR_RESCUE)
		memalloc_noreclaim_restore(flags);
	return result;
}

/**
 * balloon_mover_view - collect the numbers that a plan is made from
 * @m: the mover
 * @floor: what the guest keeps whatever the target, in pages
 *
 * What is available is counted only where the guest should shrink, because that
 * takes time.  Nothing is available while the balloon must not inflate.
 *
 * Context: the lock of the list is held.
 * Return: the numbers.
 */
struct balloon_view balloon_mover_view(const struct balloon_mover *m,
				       unsigned long floor)
{
	const struct balloon_pages *bp = m->pages;
	const struct balloon_stats *stats = bp->stats;
	struct balloon_view view = {
		.current_pages = stats->current_pages,
		.target_pages = READ_ONCE(stats->target_pages),
		.floor = floor,
		.listed = balloon_pages_count(bp),
		.lent = stats->target_unpopulated,
		.offline = bp->table.offline,
	};

	lockdep_assert_held(&bp->lock);
	if (view.current_pages > max(view.target_pages, floor) &&
	    !balloon_news_hold_left(m->news)) {
		view.available = balloon_mover_available();
		if (bp->table.held && !m->reservation->ops->keeps_blocks) {
			view.movable = balloon_mover_movable();
			view.held = bp->table.held;
		}
	}
	return view;
}
