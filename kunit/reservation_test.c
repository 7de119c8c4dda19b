// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of what it asks of Xen and makes of the answers
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/mem-reservation.h>

#include "ops_pv.h"
#include "ops_translated.h"
#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

static void begin_batch(struct sim *sim, unsigned int order, unsigned int nr)
{
	struct balloon_batch *batch = &sim->b.mover.batch;

	batch->order = order;
	batch->nr = nr;
	batch->torn = BALLOON_NO_ENTRY;
	batch->broken = false;
	bitmap_zero(batch->moved, BALLOON_BATCH);
	bitmap_zero(batch->unsure, BALLOON_BATCH);
}

/* Pages of the kernel in the batch, ready to be released. */
static void fill_batch(struct sim *sim, unsigned int order, unsigned int nr)
{
	struct balloon_batch *batch = &sim->b.mover.batch;
	unsigned int i;

	begin_batch(sim, order, nr);
	for (i = 0; i < nr; i++) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO |
						__GFP_NOWARN, order);

		KUNIT_ASSERT_NOT_NULL(sim->test, page);
		if (order)
			split_page(page, order);
		adjust_managed_page_count(page, -(1L << order));
		balloon_pages_mark(page, 1UL << order);
		batch->pages[i] = page;
	}
	KUNIT_ASSERT_EQ(sim->test, sim->b.reservation.ops->hide(batch), nr);
}

static void fill_holes(struct sim *sim, unsigned int order, unsigned int nr)
{
	struct balloon_batch *batch = &sim->b.mover.batch;

	begin_batch(sim, order, nr);
	for (nr = 0; nr < batch->nr; nr++)
		batch->pages[nr] = sim_hole(sim, order);
}

static unsigned int release(struct sim *sim)
{
	u64 ns = U64_MAX;
	unsigned int nr = balloon_reservation_release(&sim->b.reservation,
						      &sim->b.mover.batch, &ns);

	KUNIT_EXPECT_LT(sim->test, ns, U64_MAX);
	return nr;
}

static unsigned int populate(struct sim *sim)
{
	u64 ns = U64_MAX;
	unsigned int nr = balloon_reservation_populate(&sim->b.reservation,
						       &sim->b.mover.batch,
						       &ns);

	KUNIT_EXPECT_LT(sim->test, ns, U64_MAX);
	return nr;
}

/* Every entry goes where its bits say; then everything has to be right. */
static void finish(struct sim *sim, bool populated)
{
	struct balloon_batch *batch = &sim->b.mover.batch;
	long pages = 1L << batch->order;
	unsigned int i;
	long j;

	for (i = 0; i < batch->nr; i++) {
		bool moved = test_bit(i, batch->moved);
		struct page *page = batch->pages[i];

		if (test_bit(i, batch->unsure)) {
			sim->b.pages.quarantined += pages;
			if (!populated)
				sim->stats.current_pages -= pages;
		} else if (moved != populated) {
			balloon_pages_add(&sim->b.pages, page, pages);
			if (!populated)
				sim->stats.current_pages -= pages;
		} else {
			if (!populated && sim->b.reservation.ops->show)
				sim->b.reservation.ops->show(batch, i, 1);
			balloon_pages_unmark(page, pages);
			for (j = 0; j < pages; j++)
				free_reserved_pages(page + j, 0);
			if (populated)
				sim->stats.current_pages += pages;
		}
	}
	sim_check(sim);
}

/* --- releasing ---------------------------------------------------------------- */

static void release_all(struct kunit *test)
{
	static const unsigned int sizes[] = { 1, 2, 3, 64, 511, 512 };
	struct sim *sim = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill_batch(sim, 0, sizes[i]);
		sim->calls = 0;
		KUNIT_EXPECT_EQ(test, release(sim), sizes[i]);
		KUNIT_EXPECT_EQ(test, sim->calls, 1);
		KUNIT_EXPECT_TRUE(test, bitmap_empty(sim->b.mover.batch.unsure,
						     BALLOON_BATCH));
		finish(sim, false);
	}
}

/* Pages of a batch; those of every round stay in the balloon to the end. */
#define STOPS	16

/* Xen does N at a time: one is left out each time, and none forgotten. */
static void release_stops(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n <= STOPS; n++) {
		unsigned int moved = STOPS - STOPS / (n + 1);

		/* a larger page is tried again frame by frame */
		if (n && XEN_PFN_PER_PAGE > 1)
			moved = STOPS;
		fill_batch(sim, 0, STOPS);
		sim->faults.stop_after = n;
		KUNIT_EXPECT_EQ_MSG(test, release(sim), moved, "%u a call", n);
		KUNIT_EXPECT_EQ_MSG(test, bitmap_weight(sim->b.mover.batch.moved, STOPS),
				    moved, "%u a call", n);
		sim_no_faults(sim);
		finish(sim, false);
	}
}

/* Pages that somebody else holds stay, and all others go. */
static void release_stuck(struct kunit *test)
{
	static const unsigned int stuck[] = { 0, 3, 4, 20, 63 };
	struct sim *sim = test->priv;
	unsigned int i;

	fill_batch(sim, 0, 64);
	for (i = 0; i < ARRAY_SIZE(stuck); i++)
		sim_stick(sim, sim->b.mover.batch.pages[stuck[i]], true);
	KUNIT_EXPECT_EQ(test, release(sim), 64 - ARRAY_SIZE(stuck));
	for (i = 0; i < ARRAY_SIZE(stuck); i++)
		KUNIT_EXPECT_FALSE(test, test_bit(stuck[i],
						  sim->b.mover.batch.moved));
	finish(sim, false);
}

/* Nobody can tell where a refused page is, of which some may be gone. */
static void release_unsure(struct kunit *test)
{
	struct sim *sim = test->priv;

	fill_batch(sim, 0, 16);
	sim_stick(sim, sim->b.mover.batch.pages[5], true);
	sim->b.mover.batch.broken = true;
	sim->faults.is_out_errno = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, release(sim), 15);
	KUNIT_EXPECT_EQ(test, bitmap_weight(sim->b.mover.batch.unsure, 16), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(5, sim->b.mover.batch.unsure));
	finish(sim, false);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, 1);
}

/* But a single frame that was never tried before is surely still there. */
static void release_sure(struct kunit *test)
{
	struct sim *sim = test->priv;

	fill_batch(sim, 0, 16);
	sim_stick(sim, sim->b.mover.batch.pages[5], true);
	sim->faults.is_out_errno = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, release(sim), 15);
	KUNIT_EXPECT_EQ(test, bitmap_weight(sim->b.mover.batch.unsure, 16),
			XEN_PFN_PER_PAGE > 1);
	finish(sim, false);
}

/* An extent at which Xen stopped is in no set, nor are those behind it. */
static void release_huge(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n <= 3; n++) {
		fill_batch(sim, BALLOON_MAX_ORDER, 3);
		sim->faults.stop_after = n;
		sim->calls = 0;
		KUNIT_EXPECT_EQ(test, release(sim), n);
		KUNIT_EXPECT_EQ(test, sim->calls, 1);
		KUNIT_EXPECT_EQ(test, find_first_zero_bit(sim->b.mover.batch.moved,
							  3), n);
		KUNIT_EXPECT_TRUE(test, bitmap_empty(sim->b.mover.batch.unsure,
						     3));
		KUNIT_EXPECT_EQ(test, sim->b.mover.batch.torn,
				n < 3 ? n : BALLOON_NO_ENTRY);
		sim_no_faults(sim);
		finish(sim, false);
	}
}

/* No answer makes it count what did not happen, or more than there is. */
static void release_nonsense(struct kunit *test)
{
	struct sim *sim = test->priv;

	fill_batch(sim, 0, 16);
	sim->faults.errno = -EINVAL;
	KUNIT_EXPECT_EQ(test, release(sim), 0);
	sim->faults.errno = -4095;
	KUNIT_EXPECT_EQ(test, release(sim), 0);
	sim_no_faults(sim);
	sim->faults.zero = true;
	KUNIT_EXPECT_EQ(test, release(sim), 0);
	sim_no_faults(sim);
	sim->faults.more = true;
	KUNIT_EXPECT_EQ(test, release(sim), 16);
	finish(sim, false);
}

/* --- populating ---------------------------------------------------------------- */

static void populate_stops(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n <= 16; n++) {
		fill_holes(sim, 0, 16);
		sim->faults.stop_after = n;
		sim->calls = 0;
		KUNIT_EXPECT_EQ(test, populate(sim), n);
		KUNIT_EXPECT_EQ(test, sim->calls, 1);
		KUNIT_EXPECT_EQ(test, find_first_zero_bit(sim->b.mover.batch.moved,
							  16), n);
		KUNIT_EXPECT_EQ(test, bitmap_weight(sim->b.mover.batch.moved, 16), n);
		finish(sim, true);
	}
}

static void populate_limits(struct kunit *test)
{
	struct sim *sim = test->priv;

	fill_holes(sim, BALLOON_MAX_ORDER, 3);
	sim->faults.max_order = 0;
	KUNIT_EXPECT_EQ(test, populate(sim), 0);
	sim_no_faults(sim);
	sim->cap = sim->nr_in + 2 * HUGE * XEN_PFN_PER_PAGE - 1;
	KUNIT_EXPECT_EQ(test, populate(sim), 1);
	finish(sim, true);

	fill_holes(sim, BALLOON_MAX_ORDER, 2);
	sim->cap = LONG_MAX;
	sim->host = HUGE * XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, populate(sim), 1);
	finish(sim, true);
}

static void populate_nonsense(struct kunit *test)
{
	struct sim *sim = test->priv;

	fill_holes(sim, 0, 16);
	sim->faults.errno = -ENOMEM;
	KUNIT_EXPECT_EQ(test, populate(sim), 0);
	sim_no_faults(sim);
	sim->faults.more = true;
	KUNIT_EXPECT_EQ(test, populate(sim), 16);
	finish(sim, true);
}

/* --- PV ---------------------------------------------------------------------- */

/* A page that was unmapped and not taken gets its own frame again. */
static void pv_undo(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	fill_batch(sim, 0, 64);
	sim_stick(sim, sim->b.mover.batch.pages[0], true);
	sim_stick(sim, sim->b.mover.batch.pages[33], true);
	KUNIT_EXPECT_EQ(test, release(sim), 62);
	finish(sim, false);
}

static void pv_populate(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	fill_holes(sim, 0, 32);
	sim->faults.stop_after = 20;
	KUNIT_EXPECT_EQ(test, populate(sim), 20);
	finish(sim, true);
	sim_no_faults(sim);
	fill_holes(sim, BALLOON_MAX_ORDER, 2);
	KUNIT_EXPECT_EQ(test, populate(sim), 2);
	finish(sim, true);
}

/* Memory that came and cannot be mapped is nobody's. */
static void pv_show_fails(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	fill_holes(sim, 0, 32);
	sim->faults.show_at = 7;
	KUNIT_EXPECT_EQ(test, populate(sim), 32);
	KUNIT_EXPECT_EQ(test, bitmap_weight(sim->b.mover.batch.unsure, 32), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(7, sim->b.mover.batch.unsure));
	finish(sim, true);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, 1);
}

#ifdef CONFIG_XEN_PV
#define PV_PAGES	16U

/**
 * struct tables - the p2m and the page tables of a PV guest, and Xen
 * @base: the first of its pages
 * @p2m: the MFN of each page
 * @mapped: a bit for each page
 * @refused: a bit for each page whose request Xen refuses
 * @unreachable: a bit for each page that has no entry in the page tables
 * @full: a bit for each page that there is no memory for in the p2m
 * @overstated: how many requests more than it did Xen says that it did
 * @seen: requests that Xen has seen
 */
struct tables {
	struct page *base;
	unsigned long p2m[PV_PAGES];
	u32 mapped;
	u32 refused;
	u32 unreachable;
	u32 full;
	int overstated;
	unsigned int seen;
};

static struct tables tables;

static bool tables_set_p2m(struct page *page, unsigned long mfn)
{
	unsigned int i = page - tables.base;

	if (mfn != INVALID_P2M_ENTRY && tables.full & BIT(i))
		return false;
	tables.p2m[i] = mfn;
	return true;
}

static int tables_request(struct mmu_update *update, struct page *page,
			  struct page *last, pte_t pte)
{
	update->ptr = page - tables.base;
	update->val = pte_val(pte);
	return tables.unreachable & BIT(update->ptr) ? -EFAULT : 0;
}

static int tables_update(struct mmu_update *updates, unsigned int nr,
			 int *done)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		tables.seen++;
		if (tables.refused & BIT(updates[i].ptr)) {
			*done = i + tables.overstated;
			return -EINVAL;
		}
		if (updates[i].val)
			tables.mapped |= BIT(updates[i].ptr);
		else
			tables.mapped &= ~BIT(updates[i].ptr);
	}
	*done = nr;
	return 0;
}

/* @mapped of the pages are mapped, page i to MFN 1000 + i. */
static void begin_tables(struct kunit *test, bool mapped)
{
	struct page *base = tables.base;
	unsigned int i;

	tables = (struct tables){
		.base = base,
		.mapped = mapped ? BIT(PV_PAGES) - 1 : 0,
	};
	for (i = 0; i < PV_PAGES; i++)
		tables.p2m[i] = mapped ? 1000 + i : INVALID_P2M_ENTRY;
}

static void stub_tables(struct kunit *test)
{
	/* struct pages to count with; nobody looks into them */
	tables.base = ZERO_PAGE(0);
	kunit_activate_static_stub(test, balloon_pv_set_p2m, tables_set_p2m);
	kunit_activate_static_stub(test, balloon_pv_request, tables_request);
	kunit_activate_static_stub(test, balloon_pv_mmu_update, tables_update);
}

/* The p2m says that a page has memory where the page is mapped, and only there. */
static void expect_tables(struct kunit *test, u32 mapped)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, tables.mapped, mapped);
	for (i = 0; i < PV_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test, tables.p2m[i],
				    mapped & BIT(i) ? 1000 + i :
						      INVALID_P2M_ENTRY,
				    "page %u", i);
}

/* Every request but those that Xen refuses is made, once; an entry of which one
 * page could not be mapped is unsure.
 */
static void pv_refused_mappings(struct kunit *test)
{
	static const struct {
		u32 refused;		/* a bit for each page */
		u32 unreachable;
		u32 full;
		u32 unsure;		/* a bit for each entry of two pages */
	} rows[] = {
		{ 0, 0, 0, 0 }, { 0x1, 0, 0, 0x1 }, { 0x8000, 0, 0, 0x80 },
		{ 0x0c, 0, 0, 0x2 }, { 0x18, 0, 0, 0x6 }, { 0xffff, 0, 0, 0xff },
		{ 0x4242, 0, 0, 0x99 }, { 0, 0x1, 0x8000, 0x81 },
		{ 0x2, 0x1, 0, 0x1 }, { 0x10, 0x20, 0x40, 0xc },
		{ 0, 0xffff, 0, 0xff }, { 0, 0, 0xffff, 0xff },
	};
	struct sim *sim = test->priv;
	struct balloon_batch *batch = &sim->b.mover.batch;
	unsigned int row, i;
	u32 failed;

	stub_tables(test);
	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		begin_tables(test, false);
		begin_batch(sim, 1, PV_PAGES / 2);
		for (i = 0; i < batch->nr; i++) {
			batch->pages[i] = tables.base + 2 * i;
			batch->frames[i] = 1000 + 2 * i;
		}
		tables.refused = rows[row].refused;
		tables.unreachable = rows[row].unreachable;
		tables.full = rows[row].full;
		failed = tables.refused | tables.unreachable | tables.full;
		balloon_pv_ops.show(batch, 0, batch->nr);
		KUNIT_EXPECT_EQ_MSG(test, batch->unsure[0], rows[row].unsure,
				    "row %u", row);
		KUNIT_EXPECT_EQ_MSG(test, tables.seen,
				    hweight32(0xffff & ~(tables.unreachable |
							 tables.full)),
				    "row %u", row);
		expect_tables(test, 0xffff & ~failed);
	}
	batch->nr = 0;
}

/* Xen cannot refuse a request and have done all of them, or less than none: nothing
 * is known of any then.
 */
static void pv_nonsense(struct kunit *test)
{
	static const int too_many[] = { 13, 100, -4 };
	struct page *pages[PV_PAGES];
	xen_pfn_t frames[PV_PAGES];
	unsigned int i, j;

	stub_tables(test);
	for (i = 0; i < ARRAY_SIZE(too_many); i++) {
		DECLARE_BITMAP(failed, BALLOON_PV_CHUNK) = {};

		begin_tables(test, false);
		for (j = 0; j < PV_PAGES; j++) {
			pages[j] = tables.base + j;
			frames[j] = 1000 + j;
		}
		tables.refused = BIT(3);
		tables.overstated = too_many[i];
		balloon_pv_map(pages, frames, PV_PAGES, failed);
		KUNIT_EXPECT_EQ(test, tables.seen, 4);
		KUNIT_EXPECT_EQ(test, failed[0], 0xffff);
		for (j = 0; j < PV_PAGES; j++)
			KUNIT_EXPECT_EQ(test, tables.p2m[j], INVALID_P2M_ENTRY);
	}
}

/* The first pages are unmapped, up to one that cannot be, and no more. */
static void pv_unmap(struct kunit *test)
{
	struct page *pages[PV_PAGES];
	unsigned int i, n;

	stub_tables(test);
	for (i = 0; i < PV_PAGES; i++)
		pages[i] = tables.base + i;
	for (n = 0; n <= PV_PAGES; n++) {
		begin_tables(test, true);
		tables.refused = n < PV_PAGES ? BIT(n) : 0;
		KUNIT_EXPECT_EQ(test, balloon_pv_unmap(pages, PV_PAGES), n);
		expect_tables(test, 0xffff & ~(BIT(n) - 1));

		begin_tables(test, true);
		tables.unreachable = n < PV_PAGES ? BIT(n) : 0;
		KUNIT_EXPECT_EQ(test, balloon_pv_unmap(pages, PV_PAGES), n);
		expect_tables(test, 0xffff & ~(BIT(n) - 1));
	}
}

/* More pages of another driver than go into one hypercall. */
static void pv_for_others(struct kunit *test)
{
	struct page *pages[PV_PAGES + 4];
	xen_pfn_t frames[ARRAY_SIZE(pages)];
	unsigned int i;

	stub_tables(test);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = tables.base + i % PV_PAGES;
		frames[i] = 1000 + i % PV_PAGES;
	}
	begin_tables(test, false);
	__xenmem_reservation_va_mapping_update(ARRAY_SIZE(pages), pages,
					       frames);
	KUNIT_EXPECT_EQ(test, tables.seen, ARRAY_SIZE(pages));
	expect_tables(test, 0xffff);
	__xenmem_reservation_va_mapping_reset(ARRAY_SIZE(pages), pages);
	KUNIT_EXPECT_EQ(test, tables.seen, 2 * ARRAY_SIZE(pages));
	expect_tables(test, 0);
	__xenmem_reservation_va_mapping_update(0, pages, frames);
	__xenmem_reservation_va_mapping_reset(0, pages);
	KUNIT_EXPECT_EQ(test, tables.seen, 2 * ARRAY_SIZE(pages));
}
#endif /* CONFIG_XEN_PV */

/* --- what is counted -------------------------------------------------------------- */

/* Some clocks stand still for longer than a simulated hypercall takes. */
static void until_the_clock_moves(struct sim *sim)
{
	u64 start = ktime_get_ns();

	while (ktime_get_ns() == start)
		cpu_relax();
}

static void reservation_counters(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_reservation *counters = &sim->b.reservation;

	sim->on_call = until_the_clock_moves;
	fill_batch(sim, 0, 16);
	release(sim);
	finish(sim, false);
	fill_batch(sim, BALLOON_MAX_ORDER, 2);
	sim->faults.stop_after = 1;
	release(sim);
	sim_no_faults(sim);
	finish(sim, false);
	fill_holes(sim, 0, 8);
	sim->faults.stop_after = 5;
	populate(sim);
	finish(sim, true);
	fill_holes(sim, BALLOON_MAX_ORDER, 1);
	populate(sim);
	finish(sim, true);

	KUNIT_EXPECT_EQ(test, counters->calls[0][0], 1);
	KUNIT_EXPECT_EQ(test, counters->calls[0][1], 1);
	KUNIT_EXPECT_EQ(test, counters->calls[1][0], 1);
	KUNIT_EXPECT_EQ(test, counters->calls[1][1], 1);
	KUNIT_EXPECT_EQ(test, counters->extents[0][0], 16);
	KUNIT_EXPECT_EQ(test, counters->extents[0][1], 1);
	KUNIT_EXPECT_EQ(test, counters->extents[1][0], 5);
	KUNIT_EXPECT_EQ(test, counters->extents[1][1], 1);
	KUNIT_EXPECT_EQ(test, counters->refused[0][0], 0);
	KUNIT_EXPECT_EQ(test, counters->refused[0][1], 1);
	KUNIT_EXPECT_EQ(test, counters->refused[1][0], 1);
	KUNIT_EXPECT_EQ(test, counters->refused[1][1], 0);
	KUNIT_EXPECT_GT(test, counters->longest_ns[0], 0);
	KUNIT_EXPECT_GT(test, counters->longest_ns[1], 0);
}

static void reservation_room(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_reservation *res = &sim->b.reservation;

	sim->cap = sim->nr_in;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), 0);
	sim->cap = sim->nr_in + 7 * XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), 7);
	sim->cap = sim->nr_in + 8 * XEN_PFN_PER_PAGE - 1;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res),
			7);
	/* xl mem-max below what it has */
	sim->cap = sim->nr_in - 1000;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), 0);
	/* none at all is an answer as well */
	sim->cap = 0;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), 0);
	sim->nr_in = 0;
	sim->cap = 9 * XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), 9);
	sim->faults.count_errno = -EPERM;
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(res), LONG_MAX);
}

/* A direct-mapped domain (dom0 on Arm): all that it releases stays its own. */
static void reservation_direct_mapped(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->cap = sim->nr_in;
	sim_make_direct(sim, true);
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(&sim->b.reservation),
			LONG_MAX);
	sim_make_direct(sim, false);
	KUNIT_EXPECT_EQ(test, balloon_reservation_room(&sim->b.reservation), 0);
	KUNIT_EXPECT_TRUE(test, balloon_direct_ops.keeps_frames);
	KUNIT_EXPECT_FALSE(test, balloon_translated_ops.keeps_frames);
}

/* --- what Xen is asked in the end ----------------------------------------------- */

/* The last call, and the answer to the next. */
static struct xen_memory_reservation last_call;
static unsigned int last_cmd;
static domid_t last_domid;
static long answer;

static long note_call(unsigned int cmd, void *arg)
{
	last_cmd = cmd;
	if (cmd == XENMEM_maximum_reservation ||
	    cmd == XENMEM_current_reservation)
		last_domid = *(domid_t *)arg;
	else
		last_call = *(struct xen_memory_reservation *)arg;
	return answer;
}

static void stub_xen(struct kunit *test)
{
	memset(&last_call, 0xff, sizeof(last_call));
	last_cmd = 0;
	last_domid = 0;
	kunit_activate_static_stub(test, balloon_hypercall, note_call);
}

static void expect_call(struct kunit *test, unsigned int cmd,
			xen_pfn_t *frames, unsigned int nr,
			unsigned int xen_order)
{
	struct xen_memory_reservation want = { .domid = DOMID_SELF };

	set_xen_guest_handle(want.extent_start, frames);
	KUNIT_EXPECT_EQ(test, last_cmd, cmd);
	KUNIT_EXPECT_MEMEQ(test, &last_call.extent_start, &want.extent_start,
			   sizeof(want.extent_start));
	KUNIT_EXPECT_EQ(test, last_call.nr_extents, nr);
	KUNIT_EXPECT_EQ(test, last_call.extent_order, xen_order);
	KUNIT_EXPECT_EQ(test, last_call.address_bits, 0);
	KUNIT_EXPECT_EQ(test, last_call.domid, DOMID_SELF);
}

/* Other drivers say pages, and Xen's answer is theirs. */
static void xen_for_others(struct kunit *test)
{
	xen_pfn_t frames[3] = {};

	stub_xen(test);
	answer = 2;
	KUNIT_EXPECT_EQ(test, xenmem_reservation_increase(3, frames), 2);
	expect_call(test, XENMEM_populate_physmap, frames, 3,
		    ilog2(XEN_PFN_PER_PAGE));
	answer = -EPERM;
	KUNIT_EXPECT_EQ(test, xenmem_reservation_decrease(1, frames), -EPERM);
	expect_call(test, XENMEM_decrease_reservation, frames, 1,
		    ilog2(XEN_PFN_PER_PAGE));
}

static void xen_for_us(struct kunit *test)
{
	const struct balloon_ops *ops = &balloon_translated_ops;
	xen_pfn_t frames[2] = {};

	stub_xen(test);
	answer = 5;
	KUNIT_EXPECT_EQ(test, ops->memory_op(XENMEM_populate_physmap, frames, 2,
					     9), 5);
	expect_call(test, XENMEM_populate_physmap, frames, 2, 9);
	KUNIT_EXPECT_EQ(test, ops->count(XENMEM_maximum_reservation), 5);
	KUNIT_EXPECT_EQ(test, last_cmd, XENMEM_maximum_reservation);
	KUNIT_EXPECT_EQ(test, last_domid, DOMID_SELF);
	answer = -EFAULT;
	KUNIT_EXPECT_EQ(test, ops->count(XENMEM_current_reservation), -EFAULT);
	KUNIT_EXPECT_EQ(test, last_cmd, XENMEM_current_reservation);
}

/* A guest whose addresses Xen translates names frames by them, and has no end
 * of them.
 */
static void xen_translated(struct kunit *test)
{
	const struct balloon_ops *ops = &balloon_translated_ops;
	struct sim *sim = test->priv;
	unsigned int i;

	fill_batch(sim, 0, 7);
	memset(sim->b.mover.batch.frames, 0, sizeof(sim->b.mover.batch.frames));
	KUNIT_EXPECT_EQ(test, ops->hide(&sim->b.mover.batch), 7);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_EQ(test, sim->b.mover.batch.frames[i],
				page_to_pfn(sim->b.mover.batch.pages[i]) *
				XEN_PFN_PER_PAGE);
	KUNIT_EXPECT_EQ(test, sim->b.mover.batch.frames[7], 0);
	KUNIT_EXPECT_EQ(test, ops->last_pfn(), ULONG_MAX);
	release(sim);
	finish(sim, false);
}

static struct kunit_case reservation_test_cases[] = {
	KUNIT_CASE(release_all),
	KUNIT_CASE(release_stops),
	KUNIT_CASE(release_stuck),
	KUNIT_CASE(release_unsure),
	KUNIT_CASE(release_sure),
	KUNIT_CASE(release_huge),
	KUNIT_CASE(release_nonsense),
	KUNIT_CASE(populate_stops),
	KUNIT_CASE(populate_limits),
	KUNIT_CASE(populate_nonsense),
	KUNIT_CASE(pv_undo),
	KUNIT_CASE(pv_populate),
	KUNIT_CASE(pv_show_fails),
#ifdef CONFIG_XEN_PV
	KUNIT_CASE(pv_refused_mappings),
	KUNIT_CASE(pv_nonsense),
	KUNIT_CASE(pv_unmap),
	KUNIT_CASE(pv_for_others),
#endif
	KUNIT_CASE(reservation_counters),
	KUNIT_CASE(reservation_room),
	KUNIT_CASE(reservation_direct_mapped),
	KUNIT_CASE(xen_for_others),
	KUNIT_CASE(xen_for_us),
	KUNIT_CASE(xen_translated),
	{}
};

static struct kunit_suite reservation_suite = {
	.name = "xen-balloon-reservation",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = reservation_test_cases,
};

kunit_test_suite(reservation_suite);
