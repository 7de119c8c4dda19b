// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the instance, its worker and what moves memory
 */

/**
 * DOC: life of a page
 *
 * A page of the guest enters the balloon in this order: it is allocated,
 * cleared by the allocator (or not, where xen_scrub_pages is off), taken out of
 * the count of managed pages, marked PageOffline, in PV guests unmapped, and
 * only then released to Xen.  When Xen took it, it goes on the list; when Xen
 * did not, all of that is undone and the page goes back to the allocator.
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
 * somebody still uses when it comes back from a lender; one that is mapped stays
 * as it is.
 *
 * So a page is always in exactly one place: with the kernel (current_pages),
 * in the balloon, lent, quarantined, or added and not online yet.
 */

/**
 * DOC: states
 *
 * The worker does one step at a time.  What a step was for is the state that
 * info/state shows::
 *
 *            target lowered                     target raised
 *   inflating <------------------ idle ------------------> deflating
 *    |    ^                        ^                        |      ^
 *    |    | memory was freed       | target met             |      | online
 *    v    |                        | (from any state)       v      |
 *   guest-low                      |           host-full / adding / wait-online
 *
 * A step that moved nothing leaves guest-low or host-full behind (or adding,
 * where a block could not be added), and the next one follows after a delay
 * that grows.  After max_retry_count such steps the state is cancelled until a
 * target is written.  A written target starts a step at once, in any state.
 * A guest that got memory back since it had run out of it is guest-low for some
 * seconds, whatever it could spare.
 */

/**
 * DOC: locks
 *
 * batch_lock belongs to who moves memory: the worker, or a lender that found
 * the balloon empty.  It is held across the allocation of pages and hypercalls,
 * and dropped while memory blocks are added or removed.  lock protects the list
 * and the counters, is taken inside it, and is held for a short and bounded
 * time, never across any of those.  Whoever only takes pages from the list or
 * puts some on it needs lock alone, and so never waits for Xen.
 *
 * So lock is the last of all, and is taken with batch_lock held, or with
 * device_hotplug_lock and mem_hotplug_lock.  Nobody waits for batch_lock with
 * those held: who is out of memory while some is added only tries it.
 */

#include <linux/cma.h>
#include <linux/export.h>
#include <linux/freezer.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/suspend.h>
#include <linux/timekeeping.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/mem-reservation.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/xen_balloon.h>

/*
 * Inflating must not wake the OOM killer, nor use what is kept for those who
 * free memory; and a target that is not met at once is nothing to warn of.
 */
#define GFP_BALLOON	(GFP_HIGHUSER | __GFP_NOWARN | __GFP_NORETRY | \
			 __GFP_NOMEMALLOC)

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

/* How long a guest does not grow before empty memory blocks are removed. */
#define SETTLED_TIME	(5 * HZ)

/*
 * How many pages more than a batch must be owed for Xen to be trusted with
 * clearing it: what the domain has beside its memory map, and some.
 */
#define SURE_PAGES	1024

/* How long single pages are collected for one hypercall. */
#define MOST_COLLECT	(HZ / 50)

/* How long who hibernates waits for blocks that are being added or removed. */
#define BLOCKS_TIME	(10 * HZ)

/* How long the worker goes on giving after it was asked to freeze. */
#define FREEZE_GRACE	(3 * HZ / 4)

/*
 * A guest that is out of memory gets back so much at a time, waits so long for
 * whoever moves memory just now, and gives nothing for so long afterwards.
 */
#define RESCUE_PAGES	(SZ_16M >> PAGE_SHIFT)
#define RESCUE_WAIT	(HZ / 4)
#define HOLD_SECONDS	5

enum { RELEASE, POPULATE };

struct balloon_stats balloon_stats;
EXPORT_SYMBOL_GPL(balloon_stats);

static struct xen_balloon xen_balloon;

static const char * const state_names[] = {
	[BALLOON_IDLE]		= "idle",
	[BALLOON_INFLATING]	= "inflating",
	[BALLOON_DEFLATING]	= "deflating",
	[BALLOON_ADDING]	= "adding",
	[BALLOON_GUEST_LOW]	= "guest-low",
	[BALLOON_HOST_FULL]	= "host-full",
	[BALLOON_WAIT_ONLINE]	= "wait-online",
	[BALLOON_CANCELLED]	= "cancelled",
};

static const char * const refusal_texts[] = {
	[BALLOON_REFUSED_NOT]	  = "none",
	[BALLOON_REFUSED_CAP]	  = "memory refused by the cap of this domain",
	[BALLOON_REFUSED_HOST]	  = "memory refused by the host, which has no more",
	[BALLOON_REFUSED_RELEASE] = "pages refused by Xen, which did not take them",
	[BALLOON_REFUSED_GUEST]	  = "pages refused by the guest, which needs them",
	[BALLOON_REFUSED_ADD]	  = "memory blocks refused by the kernel",
};

/**
 * xen_balloon_instance - the one instance
 *
 * Return: the balloon of this guest, or the one that the running test made.
 */
struct xen_balloon *xen_balloon_instance(void)
{
	BALLOON_STUB(xen_balloon_instance);
	/* on Arm pages are borrowed before the initcalls that have a level */
	if (!xen_balloon.stats)
		xen_balloon_setup(&xen_balloon, &balloon_stats,
				  xen_pv_domain() ? &balloon_pv_ops :
						    &balloon_translated_ops);
	return &xen_balloon;
}

/**
 * xen_balloon_state_text - the name of a state
 * @state: the state
 *
 * Return: the word that info/state shows.
 */
const char *xen_balloon_state_text(enum balloon_state state)
{
	return state_names[state];
}

/**
 * xen_balloon_refusal_text - a limit in words
 * @what: which one
 *
 * Return: what was refused, and by whom.
 */
const char *xen_balloon_refusal_text(enum balloon_refusal what)
{
	return refusal_texts[what];
}

/* --- what is noted for the administrator ---------------------------------- */

static void set_state(struct xen_balloon *b, enum balloon_state state)
{
	if (b->state == state)
		return;
	if (state == BALLOON_IDLE)
		b->idle_since = jiffies;
	trace_xen_balloon_state(state_names[b->state], state_names[state]);
	WRITE_ONCE(b->state, state);
}

/* A limit was met: it is the last error from now on, and said once until the
 * target is met.  Context: lock is held.
 */
static void refused(struct xen_balloon *b, enum balloon_refusal what, int err)
{
	lockdep_assert_held(&b->lock);
	b->error = (struct balloon_error){
		.what = what,
		.err = err,
		.nr_pages = abs(xen_balloon_shortfall(b)),
		.when = ktime_get_boottime_seconds(),
	};
	if (!__test_and_set_bit(what, &b->said))
		pr_warn("%s (%d): %lu KiB from the target\n",
			refusal_texts[what], err,
			b->error.nr_pages << (PAGE_SHIFT - 10));
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

/* --- pieces of a batch ------------------------------------------------------ */

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

/* --- inflating ---------------------------------------------------------------- */

/* How long nothing is given yet, in jiffies; 0: no hold. */
static long hold_left(const struct xen_balloon *b)
{
	s64 left = atomic64_read(&b->hold_until) - get_jiffies_64();

	return max(left, 0LL);
}

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

/* Memory that was added goes first, so that its blocks can be removed. */
static void collect_added(struct xen_balloon *b, unsigned long want)
{
	struct balloon_batch *batch = &b->batch;
	unsigned int tries = MOST_PIECES;

	while (want >= BALLOON_HUGE_PAGES && batch->nr < b->extents[RELEASE] &&
	       tries && balloon_hotplug_next(&b->added_pfn)) {
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

/* Whether there is something better to do than to look for more single pages,
 * for which the allocator may have to write others to a disk: somebody is out of
 * memory and waits for batch_lock, or there is another target.  A lender goes on
 * with the same lock until it has all that it wants, so it is not asked.
 */
static bool in_demand(struct xen_balloon *b)
{
	return hold_left(b) || test_bit(BALLOON_NEW_TARGET, &b->flags);
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
	if (!b->ops->keeps_blocks && !b->blocks_busy)
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

/* --- deflating ---------------------------------------------------------------- */

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

/* The same; 2 MiB refused says nothing about pages. */
static unsigned long deflate_any(struct xen_balloon *b, unsigned long want,
				 bool *all)
{
	unsigned long moved = deflate_once(b, want, all);

	if (!moved && !*all && b->batch.order)
		moved = deflate_once(b, want, all);
	return moved;
}

/* One bounded piece of deflating.  Context: batch_lock is held, lock is not.
 * Return: pages that the guest got; -EAGAIN where a lender was faster.
 */
static long deflate(struct xen_balloon *b, unsigned long want)
{
	enum balloon_refusal why = BALLOON_REFUSED_HOST;
	unsigned long moved = 0;
	bool all = false;

	/* after a refusal, and not before, it is worth asking for the cap */
	if (b->state == BALLOON_HOST_FULL)
		want = min_t(unsigned long, want, balloon_room(b->ops));
	if (want)
		moved = deflate_any(b, want, &all);
	if (moved)
		return moved;
	if (all)
		return -EAGAIN;

	if (!want || !balloon_room(b->ops))
		why = BALLOON_REFUSED_CAP;
	mutex_lock(&b->lock);
	refused(b, why, -ENOMEM);
	mutex_unlock(&b->lock);
	return 0;
}

/* --- a guest that is out of memory ---------------------------------------------- */

/* As much as there is at once.  Context: batch_lock is held, lock is not. */
static unsigned long take_back(struct xen_balloon *b)
{
	unsigned long before = b->stats->current_pages, want, got;
	unsigned int flags;
	bool all;

	want = min_t(unsigned long, RESCUE_PAGES, balloon_room(b->ops));
	/* a PV guest may need a page for its p2m: not by waiting for this */
	flags = memalloc_noreclaim_save();
	while (want) {
		got = deflate_any(b, want, &all);
		if (!got)
			break;
		want -= min(want, got);
	}
	memalloc_noreclaim_restore(flags);
	return b->stats->current_pages - before;
}

/**
 * xen_balloon_rescue - take some memory back for a guest that has none
 * @b: the instance
 *
 * Up to 16 MiB, if Xen lets the guest have them.  From now on, and for some
 * seconds, the balloon gives nothing; the target stays as it is.
 *
 * Context: somebody who cannot go on without memory, the lock of the OOM killer
 * is held.  So nothing is allocated in a way that could wait, and for those who
 * move memory, who may be waiting for this very call, only a moment.
 * Return: pages.
 */
unsigned long xen_balloon_rescue(struct xen_balloon *b)
{
	unsigned long before = READ_ONCE(b->stats->current_pages);
	unsigned long late = jiffies + RESCUE_WAIT, got;

	atomic64_set(&b->hold_until, get_jiffies_64() + HOLD_SECONDS * HZ);
	/* a step ends with the page that it waits for; a lender may take longer */
	while (!mutex_trylock(&b->batch_lock)) {
		/* who is taking memory back leaves hardly a gap, and need not */
		if (time_after(jiffies, late))
			return max_t(long, 0, READ_ONCE(b->stats->current_pages) -
				     before);
		schedule_timeout_uninterruptible(1);
	}
	got = take_back(b);
	b->counters.rescues++;
	b->counters.rescued += got;
	mutex_lock(&b->lock);
	/* what is in empty blocks may be wanted next */
	b->idle_since = jiffies;
	if (!__test_and_set_bit(BALLOON_SAID_RESCUED, &b->said))
		pr_warn("out of memory: %lu KiB came back from Xen, and nothing is given for %u s\n",
			got << (PAGE_SHIFT - 10), HOLD_SECONDS);
	mutex_unlock(&b->lock);
	mutex_unlock(&b->batch_lock);
	/* who met the target sleeps, and has to give this again some time */
	xen_balloon_kick(b);
	return got;
}

/* --- adding ------------------------------------------------------------------- */

/* Memory blocks are added and removed under locks that an administrator may hold
 * for long, by setting a block offline that is in use.  Nobody waits for that but
 * the one who adds or removes some.
 *
 * Context: batch_lock is held, and is not on return.
 * Return: false where that cannot be now, with batch_lock still held.
 */
static bool begin_blocks(struct xen_balloon *b)
{
	lockdep_assert_held(&b->batch_lock);
	if (b->hibernating || b->blocks_busy)
		return false;
	b->blocks_busy = true;
	mutex_unlock(&b->batch_lock);
	return true;
}

/* Context: batch_lock is held on return. */
static void end_blocks(struct xen_balloon *b)
{
	mutex_lock(&b->batch_lock);
	WRITE_ONCE(b->blocks_busy, false);
	wake_up_all(&b->moved_wq);
}

/**
 * xen_balloon_add_memory - add memory blocks, with nothing behind them
 * @b: the instance
 * @want: pages
 *
 * Context: may sleep; batch_lock is held, and dropped meanwhile; lock is not.
 * Return: pages that were added, or a negative errno: -EBUSY while the guest
 * hibernates or somebody else adds or removes some, else that of
 * balloon_hotplug_add().
 */
long xen_balloon_add_memory(struct xen_balloon *b, unsigned long want)
{
	long added;

	if (!begin_blocks(b))
		return -EBUSY;
	added = balloon_hotplug_add(b->ops, want, xen_balloon_available());
	if (added > 0) {
		mutex_lock(&b->lock);
		b->stats->total_pages += added;
		mutex_unlock(&b->lock);
	}
	end_blocks(b);
	return added;
}

/* Whether there can be more than what the guest booted with: a kernel may not be
 * able to add memory, and what is direct-mapped has its own frames alone.
 */
static bool can_grow(const struct xen_balloon *b)
{
	return balloon_hotplug_possible() && !balloon_keeps_frames(b->ops);
}

/* What cannot be is no target; but what is lent comes back. */
static void settle_target(struct xen_balloon *b)
{
	unsigned long target = READ_ONCE(b->stats->target_pages), most;

	mutex_lock(&b->lock);
	/* the host is no reason any more: a page that comes back is */
	set_state(b, BALLOON_ADDING);
	most = b->stats->current_pages + b->stats->target_unpopulated;
	if (target > most) {
		refused(b, BALLOON_REFUSED_ADD, -EOPNOTSUPP);
		/* not one that somebody writes now */
		cmpxchg(&b->stats->target_pages, target, most);
	}
	mutex_unlock(&b->lock);
}

/* Get struct pages for @want more than there are.  Context: batch_lock is held,
 * lock is not.  Return: pages that were added.
 */
static unsigned long add(struct xen_balloon *b, unsigned long want)
{
	enum balloon_refusal why = BALLOON_REFUSED_ADD;
	long room, added = -ENOMEM;

	/* the end of either wakes us */
	if (b->hibernating || b->blocks_busy)
		return 0;
	if (!can_grow(b)) {
		settle_target(b);
		return 0;
	}
	room = balloon_room(b->ops);
	/* nothing could be put behind more than the domain may have */
	if (room)
		added = xen_balloon_add_memory(b, min_t(unsigned long, want,
							room));
	else
		why = BALLOON_REFUSED_CAP;
	if (added > 0)
		return added;
	mutex_lock(&b->lock);
	refused(b, why, added);
	set_state(b, why == BALLOON_REFUSED_CAP ? BALLOON_HOST_FULL :
						  BALLOON_ADDING);
	mutex_unlock(&b->lock);
	return 0;
}

/* The guest does not grow: blocks with nothing in them can go, one a step.
 * Context: batch_lock is held, and may be dropped meanwhile; lock is not.
 * Return: jiffies to wait.
 */
static long tidy(struct xen_balloon *b)
{
	long removed, left = b->idle_since + SETTLED_TIME - jiffies;

	if (b->ops->keeps_blocks || b->blocks_stay || b->hibernating ||
	    hold_left(b) || !balloon_hotplug_removable())
		return MAX_SCHEDULE_TIMEOUT;
	if (left > 0)
		return left;
	if (!begin_blocks(b))
		return MAX_SCHEDULE_TIMEOUT;
	removed = balloon_hotplug_remove();
	mutex_lock(&b->lock);
	b->leaving = 0;
	if (removed > 0)
		b->stats->total_pages -= removed;
	mutex_unlock(&b->lock);
	end_blocks(b);
	b->blocks_stay = removed <= 0;
	return 0;
}

/* --- what a debug kernel asserts --------------------------------------------------- */

/* What both sides count, in pages of the guest and frames of Xen. */
struct balance {
	long held;
	long lost;
	long frames;
};

/* Context: batch_lock is held, lock is not. */
static struct balance take_balance(struct xen_balloon *b)
{
	struct balance now = {};

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG))
		return now;
	if (balloon_keeps_frames(b->ops)) {
		now.frames = -ENODATA;
		return now;
	}
	mutex_lock(&b->lock);
	now.held = b->stats->current_pages;
	now.lost = b->quarantined;
	mutex_unlock(&b->lock);
	now.frames = b->ops->count(XENMEM_current_reservation);
	return now;
}

/* Context: batch_lock is held, lock is not. */
static void check_balance(struct xen_balloon *b, const struct balance *before)
{
	struct balance now = take_balance(b);
	long held = (now.held - before->held) * (long)XEN_PFN_PER_PAGE;
	long lost = (now.lost - before->lost) * (long)XEN_PFN_PER_PAGE;
	long frames = now.frames - before->frames;

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG) ||
	    now.frames < 0 || before->frames < 0)
		return;
	WARN_ONCE(!balloon_policy_balanced(held, lost, frames, &b->kept),
		  "xen:balloon: a step moved %ld frames, %ld unknown, and Xen counts %ld\n",
		  held, lost, frames);
}

/* --- the step ------------------------------------------------------------------- */

/**
 * xen_balloon_shortfall - how far the target is away
 * @b: the instance
 *
 * Return: pages, negative where the guest has too many.
 */
long xen_balloon_shortfall(const struct xen_balloon *b)
{
	return READ_ONCE(b->stats->target_pages) -
	       READ_ONCE(b->stats->current_pages);
}

static struct balloon_plan make_plan(struct xen_balloon *b)
{
	struct balloon_stats *stats = b->stats;
	struct balloon_view view = {
		.current_pages = stats->current_pages,
		.target_pages = READ_ONCE(stats->target_pages),
		.floor = READ_ONCE(b->floor),
		.listed = balloon_pages_count(&b->pages),
		.lent = stats->target_unpopulated,
		.total_pages = stats->total_pages - b->quarantined,
		.available = hold_left(b) ? 0 : xen_balloon_available(),
	};

	return balloon_policy_plan(&view);
}

/* A step moved nothing: when to try again.  Context: lock is held. */
static long try_again(struct xen_balloon *b)
{
	if (!balloon_policy_failure(b->stats)) {
		set_state(b, BALLOON_CANCELLED);
		if (!__test_and_set_bit(BALLOON_SAID_CANCELLED, &b->said))
			pr_warn("giving up after max_retry_count tries; write a target to start again\n");
		return MAX_SCHEDULE_TIMEOUT;
	}
	return msecs_to_jiffies(balloon_policy_delay_ms(b->stats));
}

/* The step's outcome.  Context: lock is held.  Return: jiffies to wait. */
static long conclude(struct xen_balloon *b, const struct balloon_plan *plan,
		     unsigned long moved)
{
	lockdep_assert_held(&b->lock);
	b->counters.steps[plan->state]++;
	trace_xen_balloon_step(state_names[plan->state], plan->nr_pages, moved,
			       b->stats->current_pages,
			       READ_ONCE(b->stats->target_pages));
	switch (plan->state) {
	case BALLOON_IDLE:
		balloon_policy_progress(b->stats);
		b->said = 0;
		return MAX_SCHEDULE_TIMEOUT;
	case BALLOON_GUEST_LOW:
		/* min_kb changes when somebody writes it, and no sooner */
		if (!plan->nr_pages)
			return MAX_SCHEDULE_TIMEOUT;
		/* not a try, so not one in vain */
		if (hold_left(b))
			return hold_left(b) + 1;
		break;
	case BALLOON_WAIT_ONLINE:
		/* the block that comes online wakes us */
		if (!__test_and_set_bit(BALLOON_SAID_OFFLINE, &b->said))
			pr_info("waiting for %lu KiB of added memory to be set online\n",
				plan->nr_pages << (PAGE_SHIFT - 10));
		return MAX_SCHEDULE_TIMEOUT;
	case BALLOON_ADDING:
		/* the end of it wakes us */
		if (b->hibernating || b->blocks_busy)
			return MAX_SCHEDULE_TIMEOUT;
		/* nothing is missing but what is lent; its return wakes us */
		if (!can_grow(b))
			return b->stats->target_unpopulated ?
			       MAX_SCHEDULE_TIMEOUT : 0;
		break;
	default:
		break;
	}
	if (moved) {
		balloon_policy_progress(b->stats);
		return 0;
	}
	switch (plan->state) {
	case BALLOON_DEFLATING:
		set_state(b, BALLOON_HOST_FULL);
		break;
	case BALLOON_INFLATING:
		/* there were pages, and Xen took none of them */
		if (b->batch.nr) {
			set_state(b, BALLOON_HOST_FULL);
			refused(b, BALLOON_REFUSED_RELEASE, -EIO);
			break;
		}
		set_state(b, BALLOON_GUEST_LOW);
		fallthrough;
	case BALLOON_GUEST_LOW:
		refused(b, BALLOON_REFUSED_GUEST, -ENOMEM);
		break;
	default:
		break;
	}
	return try_again(b);
}

/* host-full stays until something comes: see deflate() and add(). */
static bool still_full(struct xen_balloon *b, enum balloon_state next)
{
	return b->state == BALLOON_HOST_FULL &&
	       (next == BALLOON_DEFLATING || next == BALLOON_ADDING);
}

/**
 * xen_balloon_step - one bounded step towards the target
 * @b: the instance
 *
 * Context: may sleep; no lock of the instance is held.
 * Return: jiffies until the next step, 0 for at once; MAX_SCHEDULE_TIMEOUT where
 * only a kick makes one necessary.
 */
long xen_balloon_step(struct xen_balloon *b)
{
	struct balloon_plan plan;
	struct balance before;
	long moved = 0;
	long delay, idle = MAX_SCHEDULE_TIMEOUT;

	mutex_lock(&b->batch_lock);
	before = take_balance(b);
	mutex_lock(&b->lock);
	if (test_and_clear_bit(BALLOON_NEW_TARGET, &b->flags)) {
		balloon_policy_progress(b->stats);
		b->no_huge = false;
		b->blocks_stay = false;
		b->added_pfn = ULONG_MAX;
	} else if (b->state == BALLOON_CANCELLED) {
		/* only a target starts it again */
		mutex_unlock(&b->lock);
		mutex_unlock(&b->batch_lock);
		return MAX_SCHEDULE_TIMEOUT;
	}
	plan = make_plan(b);
	if (!still_full(b, plan.state))
		set_state(b, plan.state);
	mutex_unlock(&b->lock);

	switch (plan.state) {
	case BALLOON_INFLATING:
		moved = xen_balloon_inflate(b, plan.nr_pages, GFP_BALLOON);
		break;
	case BALLOON_DEFLATING:
		moved = deflate(b, plan.nr_pages);
		break;
	case BALLOON_ADDING:
		moved = add(b, plan.nr_pages);
		break;
	case BALLOON_IDLE:
	case BALLOON_GUEST_LOW:
		idle = tidy(b);
		break;
	default:
		break;
	}
	check_balance(b, &before);

	mutex_lock(&b->lock);
	if (moved > 0) {
		set_state(b, plan.state);
		if (plan.state != BALLOON_INFLATING)
			b->idle_since = jiffies;
	}
	/* what has changed meanwhile was no try in vain; nor was a removed block */
	delay = moved < 0 || !idle ? 0 : min(conclude(b, &plan, moved), idle);
	mutex_unlock(&b->lock);
	mutex_unlock(&b->batch_lock);

	wake_up_all(&b->moved_wq);
	return delay;
}

/* --- the worker ------------------------------------------------------------------ */

/**
 * xen_balloon_kick - have the worker look again
 * @b: the instance
 *
 * Context: any.
 */
void xen_balloon_kick(struct xen_balloon *b)
{
	set_bit(BALLOON_KICKED, &b->flags);
	wake_up(&b->wq);
}

/**
 * xen_balloon_freezing - whether the caller is asked to stand still
 *
 * Return: true from then on until it does.
 */
bool xen_balloon_freezing(void)
{
	BALLOON_STUB(xen_balloon_freezing);
	return freezing(current);
}

/* A toolstack restores a saved guest into a domain that may have no more than
 * its target.  So who is asked to stand still while there is something to give
 * gives it first, but does not hold anybody up for longer than FREEZE_GRACE.
 */
VISIBLE_IF_KUNIT bool balloon_gives_first(struct xen_balloon *b,
					  unsigned long *asked)
{
	if (!xen_balloon_freezing()) {
		*asked = jiffies;
		return false;
	}
	return READ_ONCE(b->state) == BALLOON_INFLATING &&
	       time_before(jiffies, *asked + FREEZE_GRACE);
}

static bool kicked(struct xen_balloon *b)
{
	return test_bit(BALLOON_KICKED, &b->flags) || kthread_should_stop();
}

VISIBLE_IF_KUNIT int balloon_worker(void *data)
{
	struct xen_balloon *b = data;
	unsigned long asked = jiffies;
	long delay;

	set_freezable();
	while (!kthread_should_stop()) {
		/* before the step: what comes while it runs is not missed */
		clear_bit(BALLOON_KICKED, &b->flags);
		/* pairs with the barrier of set_bit() and wake_up() in a kick */
		smp_mb__after_atomic();
		delay = xen_balloon_step(b);
		cond_resched();
		if (!delay && balloon_gives_first(b, &asked))
			continue;
		if (delay) {
			wait_event_freezable_timeout(b->wq, kicked(b), delay);
			asked = jiffies;
		}
		try_to_freeze();
	}
	return 0;
}

/**
 * balloon_set_new_target - set what the guest should hold
 * @pages: pages
 *
 * The worker starts at once, also where this was the target before.
 * Context: any.
 */
void balloon_set_new_target(unsigned long pages)
{
	struct xen_balloon *b = xen_balloon_instance();

	WRITE_ONCE(b->stats->target_pages, pages);
	/* who sees the bit sees the target as well */
	smp_mb__before_atomic();
	set_bit(BALLOON_NEW_TARGET, &b->flags);
	xen_balloon_kick(b);
}
EXPORT_SYMBOL_GPL(balloon_set_new_target);

/* --- hibernation ------------------------------------------------------------------- */

static void set_hibernating(struct xen_balloon *b, bool on)
{
	mutex_lock(&b->batch_lock);
	b->hibernating = on;
	mutex_unlock(&b->batch_lock);
	/* what was left alone meanwhile */
	if (!on)
		xen_balloon_kick(b);
}

/*
 * Who hibernates holds the lock that adding and removing memory blocks needs,
 * from before the worker is asked to stand still.  So it stays away from that
 * lock all the time.
 */
VISIBLE_IF_KUNIT int balloon_hibernation(struct notifier_block *nb,
					 unsigned long event, void *data)
{
	struct xen_balloon *b = xen_balloon_instance();

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		set_hibernating(b, true);
		if (!wait_event_timeout(b->moved_wq, !READ_ONCE(b->blocks_busy),
					BLOCKS_TIME)) {
			set_hibernating(b, false);
			return notifier_from_errno(-EBUSY);
		}
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		set_hibernating(b, false);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block hibernation_nb = {
	.notifier_call = balloon_hibernation,
};

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static void pages_online(struct page *page, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();

	balloon_pages_clean(page, nr_pages);
	balloon_pages_mark(page, nr_pages);
	mutex_lock(&b->lock);
	balloon_pages_add(&b->pages, page, nr_pages);
	mutex_unlock(&b->lock);
	wake_up_all(&b->moved_wq);
}

static bool pages_empty(unsigned long start_pfn, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	bool empty;

	/* what is offline has no pages to look at */
	if (!pfn_to_online_page(start_pfn))
		return false;
	mutex_lock(&b->lock);
	empty = balloon_pages_cover(start_pfn, nr_pages);
	mutex_unlock(&b->lock);
	return empty;
}

/* A page that nobody refers to is no obstacle when its block goes offline. */
static void pages_offline(unsigned long start_pfn, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	unsigned long i;

	mutex_lock(&b->lock);
	/* somebody else may have set it offline, and online again, before */
	b->leaving = 0;
	/* a lender may have been faster: then the offlining fails */
	if (balloon_pages_cover(start_pfn, nr_pages)) {
		balloon_pages_take_range(&b->pages, start_pfn, nr_pages);
		for (i = 0; i < nr_pages; i++)
			page_ref_dec(pfn_to_page(start_pfn + i));
		b->leaving = nr_pages;
	}
	mutex_unlock(&b->lock);
}

static void pages_cancel_offline(unsigned long start_pfn,
				 unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	unsigned long i;

	mutex_lock(&b->lock);
	if (b->leaving) {
		for (i = 0; i < nr_pages; i++)
			page_ref_inc(pfn_to_page(start_pfn + i));
		balloon_pages_add(&b->pages, pfn_to_page(start_pfn), nr_pages);
		b->leaving = 0;
	}
	mutex_unlock(&b->lock);
}

static void pages_changed(void)
{
	xen_balloon_kick(xen_balloon_instance());
}

VISIBLE_IF_KUNIT const struct balloon_hotplug_client balloon_core_client = {
	.online = pages_online,
	.empty = pages_empty,
	.offline = pages_offline,
	.cancel_offline = pages_cancel_offline,
	.changed = pages_changed,
};

static void __init watch_blocks(void)
{
	balloon_hotplug_init(&balloon_core_client);
}
#else
static void __init watch_blocks(void) { }
#endif

/**
 * xen_balloon_setup - initialise an instance
 * @b: the instance
 * @stats: its counters, which start at 0
 * @ops: the kind of domain
 */
void xen_balloon_setup(struct xen_balloon *b, struct balloon_stats *stats,
		       const struct balloon_ops *ops)
{
	mutex_init(&b->lock);
	mutex_init(&b->batch_lock);
	init_waitqueue_head(&b->wq);
	init_waitqueue_head(&b->moved_wq);
	b->stats = stats;
	b->ops = ops;
	b->extents[RELEASE] = 1;
	b->extents[POPULATE] = 1;
	b->singles[RELEASE] = BALLOON_HUGE_PAGES;
	b->singles[POPULATE] = BALLOON_HUGE_PAGES;
	b->added_pfn = ULONG_MAX;
	b->idle_since = jiffies;
	balloon_pages_init(&b->pages, stats);
	balloon_policy_progress(stats);
	stats->max_schedule_delay = 8;
	stats->max_retry_count = RETRY_UNLIMITED;
}

/**
 * xen_balloon_start - start the worker of the one instance
 * @b: the instance
 *
 * Return: 0 or a negative errno.
 */
int __init xen_balloon_start(struct xen_balloon *b)
{
	struct task_struct *task;

	watch_blocks();
	register_pm_notifier(&hibernation_nb);
	balloon_debugfs_init(b);
	task = kthread_run(balloon_worker, b, "xen-balloon");
	if (IS_ERR(task))
		pr_err("no thread (%ld): the memory of this guest stays as it is\n",
		       PTR_ERR(task));
	return PTR_ERR_OR_ZERO(task);
}
