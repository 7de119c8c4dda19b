// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of its steps towards a target
 *
 * sim_step() checks after every step that no page is lost, that nobody has one
 * that Xen has too, and that all counters are right.
 */

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/cma.h>
#include <linux/console.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/memory.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/swap.h>
#include <linux/workqueue.h>
#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/mem-reservation.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

/* What inflating has to leave; see policy.c. */
#define RESERVE		(SZ_16M >> PAGE_SHIFT)

static void expect_met(struct sim *sim)
{
	KUNIT_EXPECT_EQ(sim->test, sim->stats.current_pages,
			sim->stats.target_pages);
	KUNIT_EXPECT_EQ(sim->test, sim->b.report.state, BALLOON_IDLE);
	KUNIT_EXPECT_EQ(sim->test, balloon_pages_shortfall(&sim->b.pages), 0);
}

/* To a target and back. */
static void there_and_back(struct sim *sim, unsigned long pages)
{
	sim_target(sim, SIM_PAGES - pages);
	sim_settle(sim, 200);
	expect_met(sim);
	KUNIT_EXPECT_EQ(sim->test, sim_listed(sim), pages);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 200);
	expect_met(sim);
	KUNIT_EXPECT_EQ(sim->test, sim_listed(sim), 0);
}

/* --- where nothing goes wrong ----------------------------------------------------- */

static void step_idle(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
}

static void step_sizes(struct kunit *test)
{
	static const unsigned int sizes[] = {
		1, 2, 3, 31, HUGE - 1, HUGE, HUGE + 1, 2 * HUGE, 3 * HUGE - 1,
		8 * HUGE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		there_and_back(test->priv, sizes[i]);
}

static void step_sizes_pv(struct kunit *test)
{
	sim_make_pv(test->priv);
	step_sizes(test);
}

/* 2 MiB wherever they exist, and as many at a time as there is time for. */
static void step_huge(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_reservation *counters = &sim->b.reservation;

	there_and_back(sim, 8 * HUGE);
	KUNIT_EXPECT_EQ(test, counters->extents[0][1], 8);
	KUNIT_EXPECT_EQ(test, counters->extents[1][1], 8);
	KUNIT_EXPECT_EQ(test, counters->calls[0][0], 0);
	KUNIT_EXPECT_EQ(test, counters->calls[1][0], 0);
	KUNIT_EXPECT_EQ(test, counters->refused[0][1], 0);
	KUNIT_EXPECT_EQ(test, counters->refused[1][1], 0);
}

static void be_slow(struct sim *sim)
{
	msleep(50);
}

/* A call that takes long makes the next one smaller, in either direction and
 * for either size.
 */
static void step_slow(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	sim->on_call = be_slow;
	for (i = 0; i < 2; i++) {
		sim->b.mover.extents[i] = 2;
		sim->b.mover.singles[i] = HUGE / 2;
	}
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.mover.extents[0], 1);
	KUNIT_EXPECT_EQ(test, sim->b.mover.extents[1], 2);
	sim_target(sim, SIM_PAGES);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.mover.extents[1], 1);
	KUNIT_EXPECT_EQ(test, sim->b.mover.singles[0], HUGE / 2);

	sim_target(sim, SIM_PAGES - HUGE / 2);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.mover.singles[0], HUGE / 4);
	KUNIT_EXPECT_EQ(test, sim->b.mover.singles[1], HUGE / 2);
	sim_target(sim, SIM_PAGES);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.mover.singles[1], HUGE / 4);
	sim->on_call = NULL;
	sim_settle(sim, 10);
	expect_met(sim);
}

/* No 2 MiB to be had in the guest: pages, whatever order they come in. */
static void step_scattered(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int order;

	for (order = 0; order < BALLOON_MAX_ORDER; order += 4) {
		sim->faults.alloc_order = order;
		there_and_back(sim, 2 * HUGE + 3);
		KUNIT_EXPECT_EQ(test, sim->b.reservation.calls[0][1], 0);
	}
}

/* Pages that Xen gets hold nothing of the guest's; sim.c looks at them. */
static void step_unscrubbed(struct kunit *test)
{
	struct sim *sim = test->priv;
	bool scrub = xen_scrub_pages;

	xen_scrub_pages = false;
	there_and_back(sim, HUGE + 5);
	xen_scrub_pages = true;
	there_and_back(sim, HUGE + 5);
	xen_scrub_pages = scrub;
}

/* Holes are populated like what was given away. */
static void step_holes(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, BALLOON_MAX_ORDER);
	sim_list_hole(sim, 4);
	sim_list_hole(sim, 0);
	sim_target(sim, SIM_PAGES + HUGE + 16 + 1);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
}

/* One step is bounded. */
static void step_bounded(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long before;

	sim_target(sim, SIM_PAGES / 4);
	before = sim->stats.current_pages;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, before - HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_INFLATING);
	before = sim->stats.current_pages;
	sim_step(sim);
	KUNIT_EXPECT_GE(test, sim->stats.current_pages, before - 2 * HUGE);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
}

/* --- the target changes ------------------------------------------------------------ */

static void raise_target(struct sim *sim)
{
	sim->on_call = NULL;
	sim_target(sim, SIM_PAGES + 100);
}

static void lower_target(struct sim *sim)
{
	sim->on_call = NULL;
	sim_target(sim, SIM_PAGES - 10);
}

static void step_new_target(struct kunit *test)
{
	struct sim *sim = test->priv;

	/* in the middle of a long run, both ways */
	sim_target(sim, SIM_PAGES - 16 * HUGE);
	sim_step(sim);
	sim_step(sim);
	sim_target(sim, SIM_PAGES - 1);
	sim_settle(sim, 20);
	expect_met(sim);
	sim_target(sim, SIM_PAGES - 16 * HUGE);
	sim_step(sim);
	/* in the middle of a hypercall */
	sim->on_call = lower_target;
	sim_step(sim);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 10);
}

/* Where the target passes the guest while Xen refuses, the numbers stay sane. */
static void step_target_crosses(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - 100);
	sim->faults.zero = true;
	sim->on_call = raise_target;
	sim_step(sim);
	KUNIT_EXPECT_NE(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);
	KUNIT_EXPECT_LE(test, sim->b.report.error.nr_pages, 100);

	sim_no_faults(sim);
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 20);
	sim_target(sim, SIM_PAGES);
	sim->faults.zero = true;
	sim->on_call = lower_target;
	sim_step(sim);
	KUNIT_EXPECT_LE(test, sim->b.report.error.nr_pages, 2 * HUGE);
}

/* --- Xen refuses ---------------------------------------------------------------------- */

/* Inflating: Xen stops after N extents or pages of every call. */
static void step_release_stops(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n < 4; n++) {
		sim->b.mover.extents[0] = 4;
		sim_target(sim, SIM_PAGES - 4 * HUGE);
		sim->faults.stop_after = n;
		sim_step(sim);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES - 4 * HUGE);
		sim_settle(sim, 50);
		expect_met(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
	}
	for (n = 0; n < 40; n++) {
		sim->faults.alloc_order = n % 4;
		sim->faults.stop_after = n;
		sim_target(sim, SIM_PAGES - 40);
		sim_step(sim);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
}

/*
 * Xen stops in the middle of 2 MiB: wherever that was, the pages in front are
 * Xen's now, and none of them may be used.
 */
static void step_torn(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n < HUGE && !sim->failed; n++) {
		sim_target(sim, SIM_PAGES - HUGE);
		sim->faults.tear_at = n;
		sim_step(sim);
		KUNIT_EXPECT_EQ_MSG(test, sim->stats.current_pages,
				    SIM_PAGES - HUGE, "torn at page %u", n);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
}

/* The same, and what is left is somebody else's, or nobody can tell. */
static void step_torn_and_stuck(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page;
	unsigned int n;

	for (n = 0; n < HUGE && !sim->failed; n += 1 + n / 4) {
		/* the next 2 MiB that the allocator has */
		page = alloc_pages(GFP_HIGHUSER, BALLOON_MAX_ORDER);
		KUNIT_ASSERT_NOT_NULL(test, page);
		sim_stick(sim, page + n, true);
		__free_pages(page, BALLOON_MAX_ORDER);
		sim_target(sim, SIM_PAGES - 2 * HUGE);
		sim_settle(sim, 50);
		/* but perhaps for this very page, again and again */
		KUNIT_EXPECT_LE(test, sim->stats.current_pages,
				SIM_PAGES - 2 * HUGE + 1);
		KUNIT_EXPECT_FALSE(test, sim_is_out(sim, page + n));
		sim_stick(sim, page + n, false);
		sim_settle(sim, 50);
		expect_met(sim);
		/* of a larger page the other frames are gone, and it is lost */
		sim_target(sim, SIM_PAGES - sim->b.pages.quarantined);
		sim_settle(sim, 50);
		expect_met(sim);
	}
	KUNIT_EXPECT_EQ(test, !!sim->b.pages.quarantined, XEN_PFN_PER_PAGE > 1);
}

static void step_torn_unsure(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n = min(20UL, HUGE / 2);

	sim_target(sim, SIM_PAGES - HUGE);
	sim->faults.tear_at = n;
	sim->faults.is_out_errno = -EOPNOTSUPP;
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, n);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - n);
	sim_no_faults(sim);
	sim_target(sim, SIM_PAGES - n);
	sim_settle(sim, 50);
	expect_met(sim);
}

/* Deflating: Xen stops after N of every call. */
static void step_populate_stops(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n < 5; n++) {
		sim_target(sim, SIM_PAGES - 4 * HUGE - 7);
		sim_settle(sim, 50);
		sim->b.mover.extents[1] = 4;
		sim->faults.stop_after = n;
		sim_target(sim, SIM_PAGES);
		sim_step(sim);
		sim_step(sim);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
}

/* A host in pieces: no 2 MiB, so pages, in the same step and those after it. */
static void step_no_huge(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long calls;

	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 50);
	sim->faults.max_order = 0;
	sim_target(sim, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_GT(test, sim->stats.current_pages, SIM_PAGES - 2 * HUGE);
	calls = sim->b.reservation.calls[1][1];
	sim_settle(sim, 50);
	expect_met(sim);
	/* it was asked once and is not asked again so soon */
	KUNIT_EXPECT_EQ(test, sim->b.reservation.calls[1][1], calls);
	KUNIT_EXPECT_EQ(test, calls, 1);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);
	/* but later, and after a new target */
	sim_no_faults(sim);
	there_and_back(sim, HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.reservation.extents[1][1], 1);
	sim_target(sim, SIM_PAGES - HUGE);
	sim_settle(sim, 50);
	sim->b.mover.no_huge = true;
	sim->b.mover.no_huge_until = jiffies - 1;
	WRITE_ONCE(sim->stats.target_pages, SIM_PAGES);
	sim_settle(sim, 50);
	KUNIT_EXPECT_EQ(test, sim->b.reservation.extents[1][1], 2);
}

static void step_cap(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 50);
	sim->cap = sim->nr_in + HUGE / 4 * XEN_PFN_PER_PAGE;
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 50);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages,
			SIM_PAGES - 2 * HUGE + HUGE / 4);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_CAP);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.err, -ENOMEM);
	/* while nothing can come, nothing is asked for */
	sim->calls = 0;
	KUNIT_EXPECT_GT(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	/* lifted: it goes on by itself */
	sim->cap = LONG_MAX;
	sim_settle(sim, 50);
	expect_met(sim);
}

static void step_host_full(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 50);
	sim->host = 50 * XEN_PFN_PER_PAGE;
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 50);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages,
			SIM_PAGES - 2 * HUGE + 50);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_HOST);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.nr_pages, 2 * HUGE - 50);
	/* the same where Xen does not say what the cap is */
	sim->faults.count_errno = -EPERM;
	KUNIT_EXPECT_GT(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_HOST);
	sim_no_faults(sim);
	sim->host = LONG_MAX;
	sim_settle(sim, 50);
	expect_met(sim);
}

/* Nonsense from Xen costs time, and nothing else. */
static void step_nonsense(struct kunit *test)
{
	static const int errnos[] = { -1, -EINVAL, -EPERM, -4095, INT_MIN };
	struct sim *sim = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errnos) * 2; i++) {
		sim_target(sim, SIM_PAGES - 3 * HUGE - i);
		sim->faults.errno = i & 1 ? errnos[i / 2] : 0;
		sim->faults.zero = !(i & 1);
		KUNIT_EXPECT_GT(test, sim_step(sim), 0);
		KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
		sim_no_faults(sim);
		sim_settle(sim, 50);
		expect_met(sim);
		sim_target(sim, SIM_PAGES);
		sim->faults.errno = i & 1 ? errnos[i / 2] : 0;
		sim->faults.zero = !(i & 1);
		KUNIT_EXPECT_GT(test, sim_step(sim), 0);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), 3 * HUGE + i);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
	sim->faults.more = true;
	there_and_back(sim, 3 * HUGE + 10);
}

/* Xen takes no page: the administrator must not be told that it is the guest. */
static void step_release_refused(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - 100);
	sim->faults.zero = true;
	KUNIT_EXPECT_GT(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_RELEASE);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	sim_no_faults(sim);
	sim_settle(sim, 50);
	expect_met(sim);
}

/* --- PV ------------------------------------------------------------------------------ */

static void step_pv_faults(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	sim_make_pv(sim);
	for (n = 0; n < 40; n++) {
		sim_target(sim, SIM_PAGES - 40);
		sim->faults.hide = n;
		sim_step(sim);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), n);
		sim_no_faults(sim);
		sim->faults.stop_after = n;
		sim_step(sim);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
}

static void step_pv_show_fails(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	sim_make_pv(sim);
	/* a page that came back and cannot be mapped */
	for (n = 0; n < 8; n++) {
		sim_target(sim, SIM_PAGES - 64);
		sim_settle(sim, 50);
		sim_target(sim, SIM_PAGES - n - 1);
		sim->faults.show_at = n * 5;
		sim_settle(sim, 50);
		sim_no_faults(sim);
		KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, n + 1);
	}
	/* a page that Xen refused */
	sim_target(sim, SIM_PAGES - 128);
	sim->faults.stop_after = 3;
	sim->faults.show_at = 2;
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, n + 1);
}

/* --- the guest has nothing to spare ----------------------------------------------------- */

static void step_alloc_fails(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	for (n = 0; n < 12; n++) {
		sim_target(sim, SIM_PAGES - HUGE - 100);
		sim->faults.alloc_at = n;
		sim_step(sim);
		sim_step(sim);
		sim_no_faults(sim);
		sim_target(sim, SIM_PAGES);
		sim_settle(sim, 50);
		expect_met(sim);
	}
}

static void step_guest_low(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - HUGE);
	sim->available = RESERVE + 10;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 10);
	sim->available = RESERVE;
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 10);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_GUEST);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.nr_pages, HUGE - 10);
	/* memory was freed */
	sim->available = LONG_MAX;
	sim_settle(sim, 50);
	expect_met(sim);
}

/* The last 2 MiB blocks are for the kernel, as long as there are smaller ones. */
static void step_spares_blocks(struct kunit *test)
{
	struct sim *sim = test->priv;
	bool pieces = !totalcma_pages && !IS_ENABLED(CONFIG_HIGHMEM);

	sim->blocks = SZ_16M / SZ_2M;
	sim_target(sim, SIM_PAGES - 16);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, !!(sim->gfp & __GFP_MOVABLE), pieces);
	KUNIT_EXPECT_FALSE(test, pieces && sim->gfp & __GFP_HIGHMEM);
	sim_target(sim, SIM_PAGES - 16 - 2 * HUGE);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.reservation.calls[0][1], 0);
	KUNIT_EXPECT_EQ(test, sim->blocks, SZ_16M / SZ_2M);

	/* one more than those may go, and with enough of them a rest is no loss */
	sim->blocks++;
	sim_target(sim, SIM_PAGES - 16 - 3 * HUGE);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.reservation.extents[0][1], 1);
	sim->blocks = LONG_MAX;
	sim_target(sim, SIM_PAGES - 32 - 3 * HUGE);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_FALSE(test, sim->gfp & __GFP_MOVABLE);
}

static void step_floor(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.limits.floor = SIM_PAGES - 20;
	sim_target(sim, 0);
	sim_settle(sim, 50);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 20);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	sim->b.limits.floor = SIM_PAGES;
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 20);
}

/* --- trying again ------------------------------------------------------------------------ */

static void step_backoff(struct kunit *test)
{
	static const unsigned int ms[] = { 100, 200, 400, 1000, 2000, 4000,
					   8000, 8000 };
	struct sim *sim = test->priv;
	unsigned int i;

	sim_list_hole(sim, 4);
	sim->host = 0;
	sim_target(sim, SIM_PAGES + 16);
	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(ms[i]));
		KUNIT_EXPECT_EQ(test, sim->stats.retry_count, i + 2);
	}
	/* a single page is progress */
	sim->host = XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(200));
	/* and so is a written target, the same one too */
	sim_target(sim, SIM_PAGES + 16);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
}

static void step_cancelled(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	sim_list_hole(sim, 4);
	sim->stats.max_retry_count = 4;
	sim->host = 0;
	sim_target(sim, SIM_PAGES + 16);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_LT(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_CANCELLED);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	sim->host = LONG_MAX;
	/* whoever else kicks the worker does not start it again */
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 16);
	sim_target(sim, SIM_PAGES + 16);
	sim_settle(sim, 10);
	expect_met(sim);
}

/* An episode ends when the target is met; the next one is said again. */
static void step_said_once(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_host_full(sim);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.said, BIT(BALLOON_REFUSED_HOST));
	sim->host = LONG_MAX;
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.said, 0);
	/* what was refused last can still be read */
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_HOST);
}

/* A failed try is not repeated before its time, however often the worker is kicked,
 * but for a reason.
 */
static void step_too_early(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long left;

	sim_host_full(sim);
	sim->calls = 0;
	balloon_news_kick(&sim->b.news);
	left = sim_step_early(sim);
	KUNIT_EXPECT_GT(test, left, 0);
	KUNIT_EXPECT_LE(test, left, msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	/* a changed setting is a reason */
	balloon_news_tell(&sim->b.news, BALLOON_RETRY);
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), msecs_to_jiffies(200));
	KUNIT_EXPECT_GT(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 3);
	/* so is a written target, and the tries begin anew */
	sim_target(sim, SIM_PAGES + 16);
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	/* a borrower empties the list: the host has no more for other pages either */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	sim->calls = 0;
	KUNIT_EXPECT_GT(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	sim_return(sim, 0, 16);
	/* nothing keeps the guest from shrinking */
	WRITE_ONCE(sim->stats.target_pages, SIM_PAGES - 5);
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 5);
	/* and now Xen may have memory again */
	WRITE_ONCE(sim->stats.target_pages, SIM_PAGES);
	sim->host = LONG_MAX;
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), 0);
	sim_settle(sim, 10);
	expect_met(sim);
}

/* A refusal to take pages, and nothing to spare, keep the guest from nothing else. */
static void step_too_early_low(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, 0);
	sim->available = RESERVE;
	sim_target(sim, SIM_PAGES - HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_GT(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	/* memory was freed: that is another thing to try */
	sim->available = LONG_MAX;
	sim->faults.zero = true;
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), msecs_to_jiffies(200));
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_RELEASE);
	sim->calls = 0;
	KUNIT_EXPECT_GT(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	sim_no_faults(sim);
	WRITE_ONCE(sim->stats.target_pages, SIM_PAGES + 1);
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 1);
}

/* A borrower meets the target: info/state does not go on to say guest-low. */
static void step_state_met(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.limits.floor = SIM_PAGES;
	sim_target(sim, SIM_PAGES - 20);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	sim->b.news.events = 0;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 20), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 20);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	expect_met(sim);
	sim_return(sim, 0, 20);
}

/* --- what is printed, and when ----------------------------------------------------------- */

static unsigned int printed, printed_locked;

/* A console that notices when somebody prints with a lock held. */
static void look_at_locks(struct console *con, const char *text,
			  unsigned int len)
{
	struct xen_balloon *b = balloon_instance();

	if (!strnstr(text, "xen:balloon:", len))
		return;
	printed++;
	printed_locked += mutex_is_locked(&b->pages.lock) ||
			  mutex_is_locked(&b->mover.lock);
}

static struct console lock_console = {
	.name = "xenballoon",
	.write = look_at_locks,
	.flags = CON_ENABLED,
	.index = -1,
};

/* A slow console holds up nobody who waits for a lock. */
static void step_prints_unlocked(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *used;

	register_console(&lock_console);
	printed = 0;
	printed_locked = 0;
	/* the host, the cap and the number of tries */
	sim->stats.max_retry_count = 3;
	sim_host_full(sim);
	sim->cap = sim->nr_in;
	sim_step(sim);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_CANCELLED);
	sim->cap = LONG_MAX;
	sim->host = LONG_MAX;
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 10);
	KUNIT_EXPECT_EQ(test, printed, 3);
	/* Xen, the guest and what can never be */
	sim_target(sim, SIM_PAGES - 4);
	sim->faults.zero = true;
	sim_step(sim);
	sim_no_faults(sim);
	sim->available = 0;
	sim_step(sim);
	sim->available = LONG_MAX;
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 10);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, printed, 6);
	/* pages that are quarantined */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	used = sim->lent[0];
	get_page(used);
	sim_return(sim, 0, 1);
	put_page_testzero(used);
	KUNIT_EXPECT_EQ(test, printed, 7);
	sim->b.report.said = 0;
	sim_target(sim, sim->stats.current_pages - HUGE);
	sim->faults.tear_at = 1;
	sim->faults.is_out_errno = -EOPNOTSUPP;
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, 2);
	sim_no_faults(sim);
	KUNIT_EXPECT_EQ(test, printed, 8);
	/* a guest out of memory */
	balloon_oom_rescue(&sim->b);
	KUNIT_EXPECT_EQ(test, printed, 9);
	unregister_console(&lock_console);
	KUNIT_EXPECT_EQ(test, printed_locked, 0);
}

static void step_names(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < BALLOON_NR_STATES; i++)
		KUNIT_EXPECT_NOT_NULL(test, balloon_report_state_text(i));
	for (i = 0; i < BALLOON_NR_REFUSALS; i++)
		KUNIT_EXPECT_NOT_NULL(test, balloon_report_refusal_text(i));
	KUNIT_EXPECT_STREQ(test, balloon_report_state_text(BALLOON_IDLE), "idle");
	KUNIT_EXPECT_STREQ(test, balloon_report_state_text(BALLOON_CANCELLED),
			   "cancelled");
}

/* --- adding memory ----------------------------------------------------------------------- */

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static void step_add(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_target(sim, SIM_PAGES + 2 * HUGE - 1);
	sim_settle(sim, 50);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 1);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + 2 * HUGE);
}

static void step_wait_online(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	/* nothing happens, and nothing is added twice, until it is online */
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_WAIT_ONLINE);
	KUNIT_EXPECT_EQ(test, sim->not_online, HUGE);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	sim_online(sim);
	sim_settle(sim, 20);
	expect_met(sim);
}

static void step_add_fails(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug_errno = -ENOMEM;
	sim_target(sim, SIM_PAGES + HUGE);
	/* what began is looked at again */
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_ADD);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.err, -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(200));
	/* a new target has nothing to do with it */
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_settle(sim, 20);
	expect_met(sim);
}

static void step_add_cap(struct kunit *test)
{
	struct sim *sim = test->priv;

	/* page structures for what may never come would be in vain */
	sim->hotplug = HUGE;
	sim->cap = sim->nr_in;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_CAP);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->not_online, 0);
}
#endif

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/* A block that costs more than the target lacks is not added, and the target
 * settles at what the guest has.
 */
static void step_add_cost(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->block_cost = 8;
	sim_target(sim, SIM_PAGES + 8);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_COST);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.err, -ENOSPC);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.nr_pages, 8);
	sim_target(sim, SIM_PAGES + 9);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 9);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
}

/* Lent pages are made up for by a block only where they are worth it. */
static void step_add_cost_lent(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->block_cost = 60;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 60), 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);
	sim_return(sim, 0, 60);
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
}

/* Nor is a block added for less than it costs under the cap; the target stays, and
 * lifting the cap is enough.
 */
static void step_add_cost_cap(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->block_cost = 8;
	sim->cap = sim->nr_in + 8 * XEN_PFN_PER_PAGE;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), msecs_to_jiffies(100));
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_CAP);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	/* what comes back fits under the cap, and is populated at once */
	sim_list_hole(sim, 0);
	KUNIT_EXPECT_EQ(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 1);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	sim->cap = LONG_MAX;
	sim_settle(sim, 10);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
}

/* A host that had no memory gets one block to show for it, not all of them. */
static void step_add_host(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->host = 0;
	sim->b.worker.refused = BALLOON_REFUSED_HOST;
	sim_target(sim, SIM_PAGES + 4 * HUGE);
	sim_settle(sim, 10);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	sim->host = LONG_MAX;
	sim_settle(sim, 20);
	expect_met(sim);
}

/* The first block is online, and a lock keeps the next one away: what is there is
 * populated after 2 s, and not only when the next one is there as well.
 */
static void step_add_stuck(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->blocks_wait = true;
	sim->hotplug = HUGE;
	sim_target(sim, SIM_PAGES + 2 * HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
	KUNIT_EXPECT_NE(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	sim_list_hole(sim, BALLOON_MAX_ORDER);
	sim_settle(sim, 10);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 10);
	balloon_blocks_work(&sim->b.blocks.work);
	sim_online(sim);
}

/* No block is added before user space can set it online. */
static void step_add_early(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->too_early = true;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), (long)HZ);
	KUNIT_EXPECT_EQ(test, sim_step(sim), (long)HZ);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	sim->too_early = false;
	sim_settle(sim, 10);
	expect_met(sim);
}

/* The blocks of a PV guest cannot go: no other is added while one has no memory. */
static void step_add_pv(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->host = HUGE / 2;
	sim_target(sim, SIM_PAGES + 4 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	sim->host = LONG_MAX;
	sim_settle(sim, 50);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + 4 * HUGE);
}
#endif

/* A target that can never be met settles. */
static void step_unreachable(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES + HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
}

/* The same where the domain may not have more either. */
static void step_unreachable_cap(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->cap = sim->nr_in;
	sim_target(sim, SIM_PAGES + HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_ADD);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	expect_met(sim);
}

/* What is lent is not lost: the guest has it once it comes back. */
static void step_unreachable_lent(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), 0);
	/* nothing was asked for that cannot be */
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	/* and now something is */
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_ADD);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.err, -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	sim->b.news.events = 0;
	sim_return(sim, 0, 100);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
}

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/* Some comes back when the step has been planned, and nothing has moved yet. */
static unsigned int comes_back;

static bool not_possible(void)
{
	struct sim *sim = container_of(balloon_instance(), struct sim, b);
	unsigned int nr = comes_back;

	comes_back = 0;
	if (nr)
		sim_return(sim, 0, nr);
	return false;
}

static void step_unreachable_race(struct kunit *test)
{
	struct sim *sim = test->priv;

	kunit_deactivate_static_stub(test, balloon_hotplug_possible);
	kunit_activate_static_stub(test, balloon_hotplug_possible,
				   not_possible);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), 0);
	sim_target(sim, SIM_PAGES);
	comes_back = 60;
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, comes_back, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 40);
	sim_return(sim, 60, 40);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);

	/* whom nobody kicks, since the host was full, looks again by himself */
	sim_host_full(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_HOST_FULL);
	sim->nr_lent = 0;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	sim->b.news.events = 0;
	comes_back = 8;
	KUNIT_EXPECT_TRUE(test, !sim_step(sim) ||
			  test_bit(BALLOON_KICKED, &sim->b.news.events));
	KUNIT_EXPECT_EQ(test, comes_back, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES + 16);
	sim_return(sim, 8, 8);
}

static bool possible(void)
{
	return !not_possible();
}

/* Nor does one get lost between host-full and the wait for a block. */
static void step_adding_race(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	sim->hotplug = HUGE;
	sim->blocks_wait = true;
	sim_target(sim, SIM_PAGES + HUGE);
	sim->b.worker.refused = BALLOON_REFUSED_HOST;
	sim->b.news.events = 0;
	kunit_deactivate_static_stub(test, balloon_hotplug_possible);
	kunit_activate_static_stub(test, balloon_hotplug_possible, possible);
	comes_back = 8;
	KUNIT_EXPECT_TRUE(test, !sim_step(sim) ||
			  test_bit(BALLOON_KICKED, &sim->b.news.events));
	KUNIT_EXPECT_EQ(test, comes_back, 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 8);
	/* and what comes back while it is waited for wakes the worker */
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
	KUNIT_EXPECT_NE(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	sim->b.news.events = 0;
	sim_return(sim, 8, 8);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
}

/* A target that takes four blocks, of which none is there yet. */
static void begin_adding(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->blocks_wait = true;
	sim_target(sim, SIM_PAGES + 4 * HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
}

static bool populates;

/* The worker takes a step when the first block is there, and no other yet. */
static bool populate_meanwhile(void)
{
	if (populates) {
		populates = false;
		balloon_worker_step(balloon_instance());
	}
	return false;
}

/* What is in the first block already is not wanted twice, nor too little. */
static void step_adding_populated(struct kunit *test)
{
	struct sim *sim = test->priv;

	begin_adding(test);
	kunit_deactivate_static_stub(test, balloon_hotplug_for_lending);
	kunit_activate_static_stub(test, balloon_hotplug_for_lending,
				   populate_meanwhile);
	populates = true;
	sim->hotplug = 8 * HUGE;
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_FALSE(test, populates);
	KUNIT_EXPECT_GT(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + 4 * HUGE);
	sim_settle(sim, 20);
	sim_check(sim);
}

/* A target that is gone when a lock can be had costs one block, not all of them. */
static void step_adding_late(struct kunit *test)
{
	struct sim *sim = test->priv;

	begin_adding(test);
	sim_target(sim, SIM_PAGES - 3);
	sim_settle(sim, 20);
	expect_met(sim);
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	/* nor is there more of it than is wanted then */
	sim_target(sim, SIM_PAGES + 4 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_NE(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	sim_target(sim, SIM_PAGES + 2 * HUGE);
	sim_settle(sim, 20);
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + 2 * HUGE);
	/* who borrows may still want it */
	sim_target(sim, SIM_PAGES + 4 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_NE(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	sim_target(sim, SIM_PAGES);
	sim->for_lending = true;
	sim_settle(sim, 20);
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + 4 * HUGE);
}
#endif

/* What is direct-mapped has its own frames, and no use for more struct pages. */
static void step_unreachable_direct(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim_make_direct(sim, true);
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	sim_make_direct(sim, false);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_ADD);
	expect_met(sim);
}

/* One frame that a direct-mapped domain cannot have keeps no other back. */
static void step_direct_refused(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *bad;
	unsigned int i;

	/* four pages, of which no two can be merged; the last one goes first */
	sim_list_hole(sim, 4);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	bad = sim->lent[12];
	for (i = 0; i < 16; i += 4)
		sim_return(sim, i, 1);
	sim_make_direct(sim, true);
	sim_stick(sim, bad, true);
	sim_target(sim, SIM_PAGES + 3);
	/* those behind it in the batch are populated all the same */
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 2);
	/* and it is not the first one in the next batch */
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 3);
	KUNIT_EXPECT_TRUE(test, sim_is_out(sim, bad));
	sim_stick(sim, bad, false);
	sim_make_direct(sim, false);
	for (i = 0; i < 16; i++) {
		if (i % 4)
			sim_return(sim, i, 1);
	}
}

/* Also where the host had no more for the pages that were lent then. */
static void step_unreachable_host(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_host_full(sim);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	sim->b.news.events = 0;
	sim_return(sim, 0, 16);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim->host = LONG_MAX;
	sim_settle(sim, 20);
	expect_met(sim);
}

/* --- others are faster, or in a hurry ------------------------------------------------ */

/* A lender comes between the plan and the step. */
static long count_and_take(unsigned int cmd)
{
	struct kunit *test = kunit_get_current_test();

	if (cmd != XENMEM_maximum_reservation)
		return 0;
	KUNIT_EXPECT_EQ(test, sim_borrow(test->priv, 16), 0);
	return LONG_MAX;
}

static void step_lender_was_faster(struct kunit *test)
{
	struct sim *sim = test->priv;
	const struct balloon_ops *theirs = sim->b.reservation.ops;
	struct balloon_ops ops = *theirs;

	sim_host_full(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	ops.count = count_and_take;
	sim->b.reservation.ops = &ops;
	/* Xen was not asked, so this was no try */
	sim->b.worker.retry_at = jiffies;
	KUNIT_EXPECT_EQ(test, balloon_worker_step(&sim->b), 0);
	KUNIT_EXPECT_EQ(test, sim->nr_lent, 16);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	sim->b.reservation.ops = theirs;
	sim_return(sim, 0, 16);
}

/* Somebody writes a target, or is out of memory, while a page is allocated. */
static struct page *alloc_and_write(gfp_t gfp, unsigned int order)
{
	set_bit(BALLOON_NEW_TARGET, &balloon_instance()->news.events);
	return order ? NULL : alloc_page(gfp);
}

static struct page *alloc_and_hold(gfp_t gfp, unsigned int order)
{
	atomic64_set(&balloon_instance()->news.hold_until,
		     get_jiffies_64() + 100 * HZ);
	return order ? NULL : alloc_page(gfp);
}

/* Who waits for the one that moves memory does not wait for many pages. */
static void step_in_demand(struct kunit *test)
{
	struct sim *sim = test->priv;

	/* single pages: 2 MiB are had at once, or not at all */
	sim->faults.alloc_order = 0;
	sim_target(sim, SIM_PAGES - 64);
	sim->took_long = true;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 1);
	sim->took_long = false;
	kunit_activate_static_stub(test, balloon_mover_alloc, alloc_and_write);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 2);
	kunit_activate_static_stub(test, balloon_mover_alloc, alloc_and_hold);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 3);
	/* a lender has the lock until it has all of them */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 20), 0);
	KUNIT_EXPECT_LE(test, sim->calls, 4);
	sim_return(sim, 0, 20);
}

#if defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) && \
	defined(CONFIG_MEMORY_HOTREMOVE)
/* --- blocks that were added and are not needed any more ---------------------------- */

static int no_queue(struct balloon_blocks *blocks)
{
	return -ENOMEM;
}

/* The target is met: a block with nothing in it goes, a while after that. */
static void step_tidy(struct kunit *test)
{
	struct sim *sim = test->priv;
	long delay;

	sim_add_block(sim);
	/* not while there is something to do */
	sim_target(sim, SIM_PAGES - 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	delay = sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_IDLE);
	KUNIT_EXPECT_GT(test, delay, 4L * HZ);
	KUNIT_EXPECT_LE(test, delay, 5L * HZ);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	/* to look again does not begin the wait anew */
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	/* the next one may go as well */
	KUNIT_EXPECT_FALSE(test, sim->b.blocks.stay);
}

/* A block that stays is asked once, until there is a new target. */
static void step_tidy_refused(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_add_block(sim);
	sim->remove_errno = -EBUSY;
	sim_step(sim);
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	sim_target(sim, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 2);
}

/* Blocks go one after the other, also in a guest that has nothing to spare. */
static void step_tidy_low_many(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	for (i = 0; i < 3; i++)
		sim_add_block(sim);
	sim->available = 0;
	sim_target(sim, SIM_PAGES - 1);
	sim_step(sim);
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, sim_step_early(sim), 0);
		KUNIT_EXPECT_EQ(test, sim->removals, i + 1);
	}
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	/* a removal that cannot begin is not waited for */
	sim_add_block(sim);
	kunit_activate_static_stub(test, balloon_blocks_queue, no_queue);
	KUNIT_EXPECT_GT(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 3);
}

/* A block that a borrower was quicker to use is no reason to keep the next one. */
static void step_tidy_taken(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_add_block(sim);
	sim->taken = true;
	sim_step(sim);
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_FALSE(test, sim->b.blocks.stay);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	sim->taken = false;
	sim_return(sim, 0, 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 2);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
}

/* Nor does a target that cannot be met keep it, or that min_kb holds back. */
static void step_tidy_low(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_add_block(sim);
	sim_list_hole(sim, 0);
	/* not so soon after it grew */
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	sim_target(sim, SIM_PAGES + 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + 1);
	sim->b.limits.floor = SIM_PAGES + 1;
	sim_target(sim, SIM_PAGES - 1);
	KUNIT_EXPECT_LE(test, sim_step(sim), 5L * HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
}

/* What a guest lacks may be the page structures of a block; but a guest that just
 * had memory back may want more of it.
 */
static void step_tidy_nothing_left(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_add_block(sim);
	sim->available = 0;
	sim_target(sim, SIM_PAGES - 1);
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	atomic64_set(&sim->b.news.hold_until, get_jiffies_64() + 100 * HZ);
	KUNIT_EXPECT_GT(test, sim_step(sim), 90L * HZ);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	atomic64_set(&sim->b.news.hold_until, 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	/* and that was no try in vain */
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
}

/* A guest that met its target and ran out of memory nevertheless. */
static void step_tidy_hold(struct kunit *test)
{
	struct sim *sim = test->priv;
	long delay;

	sim_add_block(sim);
	sim_step(sim);
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	atomic64_set(&sim->b.news.hold_until, get_jiffies_64() + 100 * HZ);
	delay = sim_step(sim);
	KUNIT_EXPECT_GT(test, delay, 90L * HZ);
	KUNIT_EXPECT_LE(test, delay, 100L * HZ);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	atomic64_set(&sim->b.news.hold_until, 0);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
}

/* Who holds the locks of memory hotplug keeps nobody from a target. */
static void step_follows_meanwhile(struct kunit *test)
{
	int (*event)(void *owner, unsigned long event, unsigned long pfn) =
		balloon_blocks_client.event;
	struct sim *sim = test->priv;
	struct page *page;
	unsigned long pfn;

	/* a removal that does not get on */
	page = sim_add_block(sim);
	sim_step(sim);
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	sim->blocks_wait = true;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_NE(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	sim_target(sim, SIM_PAGES - 3);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	/* nobody waits for somebody to set online what is going */
	pfn = page_to_pfn(page);
	KUNIT_EXPECT_EQ(test, event(&sim->b.blocks, MEM_GOING_OFFLINE, pfn), 0);
	balloon_set_new_target(SIM_PAGES + HUGE);
	while (!balloon_worker_step(&sim->b))
		;
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	KUNIT_EXPECT_EQ(test, event(&sim->b.blocks, MEM_CANCEL_OFFLINE, pfn), 0);
	sim_target(sim, SIM_PAGES);
	sim->b.news.events = 0;
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);

	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);

	/* and likewise what is added */
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	/* also where the host was full before */
	sim->b.worker.refused = BALLOON_REFUSED_HOST;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	sim_target(sim, SIM_PAGES - 3);
	sim_settle(sim, 20);
	expect_met(sim);
	balloon_blocks_work(&sim->b.blocks.work);
	sim->blocks_wait = false;
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
}

/* Nobody hibernates while blocks change, nor waits for that without end. */
static void step_hibernates_not(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct notifier_block *nb = &sim->b.blocks.hibernation;

	sim->b.blocks.task = BALLOON_BLOCKS_ADD;
	KUNIT_EXPECT_EQ(test, balloon_blocks_hibernation(nb, PM_HIBERNATION_PREPARE,
							 NULL),
			notifier_from_errno(-EBUSY));
	KUNIT_EXPECT_FALSE(test, sim->b.blocks.hibernating);
	sim->b.blocks.task = BALLOON_BLOCKS_IDLE;
	KUNIT_EXPECT_EQ(test, balloon_blocks_hibernation(nb, PM_HIBERNATION_PREPARE,
							 NULL), NOTIFY_OK);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.hibernating);
	balloon_blocks_hibernation(nb, PM_POST_HIBERNATION, NULL);
}

/* While the guest hibernates, blocks stay as they are. */
static void step_hibernates(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct notifier_block *nb = &sim->b.blocks.hibernation;

	sim_add_block(sim);
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	balloon_blocks_hibernation(nb, PM_HIBERNATION_PREPARE, NULL);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	balloon_blocks_hibernation(nb, PM_POST_HIBERNATION, NULL);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));

	sim->hotplug = HUGE;
	balloon_blocks_hibernation(nb, PM_RESTORE_PREPARE, NULL);
	sim_target(sim, SIM_PAGES + 2 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 2L * HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_ADDING);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);
	KUNIT_EXPECT_EQ(test, sim->not_online, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	/* nor for a lender */
	sim->for_lending = true;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	KUNIT_EXPECT_EQ(test, sim->not_online, 0);
	sim_return(sim, 0, 1);
	sim->b.news.events = 0;
	balloon_blocks_hibernation(nb, PM_POST_RESTORE, NULL);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim->auto_online = true;
	sim_settle(sim, 20);
	expect_met(sim);
}

/* A PV guest keeps its blocks. */
static void step_tidy_pv(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	sim_add_block(sim);
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
}

#ifdef CONFIG_CONTIG_ALLOC
/* What is isolated at once: 2 MiB, or more where there are no huge pages. */
#define PIECE_ORDER	max_t(unsigned int, pageblock_order, BALLOON_MAX_ORDER)

/* 2 MiB as if they had been added, and not empty. */
static struct page *added_piece(struct sim *sim)
{
	struct page *page = alloc_pages(GFP_KERNEL, PIECE_ORDER);

	if (!page)
		kunit_skip(sim->test, "no memory in such pieces");
	memset(page_address(page), 0xaa, HUGE * PAGE_SIZE);
	sim_enter_block(sim, page);
	return page;
}

/* What was added goes first, so that its block can be removed. */
static void step_added_first(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = added_piece(sim);

	__free_pages(page, PIECE_ORDER);
	/* for less than 2 MiB none is looked for */
	sim_target(sim, SIM_PAGES - HUGE + 1);
	sim_settle(sim, 20);
	KUNIT_EXPECT_FALSE(test, sim_is_out(sim, page));
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	/* the allocator has no part in it */
	sim->faults.alloc_at = 0;
	sim_target(sim, SIM_PAGES - HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_TRUE(test, sim_is_out(sim, page));
	sim_no_faults(sim);
	/* it is out: not once more, and no harm in being asked */
	sim_target(sim, SIM_PAGES - 3 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
}

/* Somebody runs out of memory when the step has been planned. */
static unsigned long then_out_of_memory(void)
{
	struct xen_balloon *b = balloon_instance();

	atomic64_set(&b->news.hold_until, get_jiffies_64() + 100 * HZ);
	return LONG_MAX;
}

/* Who waits for the lock does not wait for pieces of what was added. */
static void step_added_in_demand(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = added_piece(sim);

	__free_pages(page, PIECE_ORDER);
	kunit_deactivate_static_stub(test, balloon_mover_available);
	kunit_activate_static_stub(test, balloon_mover_available,
				   then_out_of_memory);
	/* the allocator would give it, too */
	sim->faults.alloc_at = 0;
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_step(sim);
	KUNIT_EXPECT_FALSE(test, sim_is_out(sim, page));
}

/* What is in use cannot go: others do. */
static void step_added_in_use(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = added_piece(sim);

	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_FALSE(test, sim_is_out(sim, page));
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(page), 0xaa);
	__free_pages(page, PIECE_ORDER);
}

static struct folio *locked_folio;

static void unlock_it(struct work_struct *work)
{
	folio_unlock(locked_folio);
}

/* What somebody reads or writes just now is not waited for. */
static void step_added_locked(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = added_piece(sim);
	struct delayed_work work;
	struct file *file;
	unsigned int i;

	split_page(page, PIECE_ORDER);
	for (i = 1; i < 1U << PIECE_ORDER; i++)
		__free_page(page + i);
	file = shmem_file_setup("xen-balloon-test", PAGE_SIZE, EMPTY_VMA_FLAGS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	locked_folio = page_folio(page);
	/* it is locked afterwards */
	KUNIT_ASSERT_EQ(test, filemap_add_folio(file->f_mapping, locked_folio, 0,
						GFP_KERNEL), 0);
	folio_put(locked_folio);
	/* on the list of what can be moved, not on the way there */
	lru_add_drain_all();
	INIT_DELAYED_WORK_ONSTACK(&work, unlock_it);
	/* flushing it below does it at once */
	schedule_delayed_work(&work, 60 * HZ);
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_TRUE(test, folio_test_locked(locked_folio));
	expect_met(sim);
	flush_delayed_work(&work);
	destroy_delayed_work_on_stack(&work);
	fput(file);
}

/* Who borrows pages has no use for empty blocks. */
static void step_added_lent(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = added_piece(sim);

	__free_pages(page, PIECE_ORDER);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, HUGE), 0);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.emptying.again);
	sim_return(sim, 0, HUGE);
}

/* Where a block cannot be removed, it is no better than others. */
static void step_added_pv(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page;

	sim_make_pv(sim);
	page = added_piece(sim);
	__free_pages(page, PIECE_ORDER);
	sim_target(sim, SIM_PAGES - HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.emptying.again);
}

/* A block that can be emptied, and is populated. */
static struct page *full_block(struct sim *sim)
{
	struct page *page;

	if (pageblock_order > BALLOON_MAX_ORDER)
		kunit_skip(sim->test, "no memory in such pieces");
	page = sim_add_block(sim);
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(sim->test, sim->b.pages.table.held, HUGE);
	return page;
}

/* A block with less than 2 MiB in it is emptied and removed as well. */
static void step_added_rest(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page;

	if (pageblock_order > BALLOON_MAX_ORDER)
		kunit_skip(test, "no memory in such pieces");
	page = sim_add_block(sim);
	sim_target(sim, SIM_PAGES + HUGE / 2);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.held, HUGE / 2);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.held, 0);
	KUNIT_EXPECT_TRUE(test, sim_is_out(sim, page));
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
}

/* Memory that only the emptying task can take counts as available, and the step
 * does not ask the allocator for it.
 */
static void step_added_movable(struct kunit *test)
{
	struct sim *sim = test->priv;

	full_block(sim);
	sim->available = 0;
	sim->movable = LONG_MAX;
	sim->faults.alloc_at = 0;
	sim->calls = 0;
	sim_target(sim, SIM_PAGES);
	/* the block is not in ZONE_MOVABLE, so the task leaves it alone */
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_GUEST);
	sim_no_faults(sim);
	sim->available = LONG_MAX;
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
}

static bool emptying_fails(unsigned long pfn, unsigned long nr_pages)
{
	return false;
}

/* A block in which nothing can be moved does not keep the guest from its
 * target.  The emptying task tries such a block once for each target.
 */
static void step_added_stuck(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long before;
	unsigned int i;

	full_block(sim);
	/* two runs of the task, of which the worker waits for the first one */
	for (i = 0; i < 4; i++) {
		sim_add_block(sim);
		sim_target(sim, sim->stats.current_pages + HUGE);
		sim_settle(sim, 20);
	}
	kunit_activate_static_stub(test, balloon_blocks_get, emptying_fails);
	sim_target(sim, SIM_PAGES - HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.emptying.vain);
	KUNIT_EXPECT_FALSE(test, sim->b.blocks.emptying.done[1]);
	before = sim->stats.current_pages;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_LT(test, sim->stats.current_pages, before);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.emptying.done[1]);
	kunit_deactivate_static_stub(test, balloon_blocks_get);
	sim_target(sim, SIM_PAGES - 6 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.held, 0);
}

/* The worker and hibernation wait for the emptying task for a second at most.
 */
static void step_added_hangs(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct notifier_block *nb = &sim->b.blocks.hibernation;
	long delay;

	full_block(sim);
	sim->emptying_waits = true;
	sim_target(sim, SIM_PAGES - HUGE);
	delay = sim_step(sim);
	KUNIT_EXPECT_GT(test, delay, 0);
	KUNIT_EXPECT_LE(test, delay, (long)HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_INFLATING);
	KUNIT_EXPECT_TRUE(test, sim->b.blocks.emptying.busy);
	/* the worker of a guest that is saved does not wait */
	sim->freezing = true;
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	sim->freezing = false;
	sim->b.blocks.emptying.began = jiffies - HZ;
	sim_settle(sim, 20);
	expect_met(sim);
	/* borrowers, and targets above and below */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, HUGE), 0);
	sim_return(sim, 0, HUGE);
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_target(sim, SIM_PAGES + 2 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, balloon_blocks_hibernation(nb, PM_HIBERNATION_PREPARE,
							 NULL), NOTIFY_OK);
	/* the task runs too late: its pages are not wanted any more */
	balloon_blocks_empty_work(&sim->b.blocks.emptying.work);
	KUNIT_EXPECT_FALSE(test, sim->b.blocks.emptying.busy);
	sim_check(sim);
	balloon_blocks_hibernation(nb, PM_POST_HIBERNATION, NULL);
	sim->emptying_waits = false;
	sim_target(sim, SIM_PAGES - 4 * HUGE);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.held, 0);
}

static struct sim *target_sim;

/* Raise min_kb to what the guest holds while pages are being moved away. */
static bool floor_is_met(unsigned long pfn, unsigned long nr_pages)
{
	target_sim->b.limits.floor = target_sim->stats.current_pages;
	kunit_deactivate_static_stub(target_sim->test, balloon_blocks_get);
	return balloon_blocks_get(pfn, nr_pages);
}

/* Pages that were emptied are not released below min_kb, and the task stops. */
static void step_added_floor(struct kunit *test)
{
	struct sim *sim = test->priv;

	full_block(sim);
	target_sim = sim;
	kunit_activate_static_stub(test, balloon_blocks_get, floor_is_met);
	sim_target(sim, SIM_PAGES);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.blocks.emptying.want, 0);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
	sim->b.limits.floor = 0;
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
}

/* Write another target while pages are being moved away. */
static bool another_target(unsigned long pfn, unsigned long nr_pages)
{
	sim_target(target_sim, SIM_PAGES + HUGE);
	kunit_deactivate_static_stub(target_sim->test, balloon_blocks_get);
	return balloon_blocks_get(pfn, nr_pages);
}

/* Pages that were emptied for an earlier target go back to the kernel. */
static void step_added_late(struct kunit *test)
{
	struct sim *sim = test->priv;

	full_block(sim);
	target_sim = sim;
	kunit_activate_static_stub(test, balloon_blocks_get, another_target);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
}
#endif /* CONFIG_CONTIG_ALLOC */

/* Have auto_online_blocks say "offline" when a block is about to be added. */
static void without_rules(struct sim *sim)
{
	sim->meanwhile = NULL;
	sim->too_early = true;
}

/* A block that was added while auto_online_blocks said "offline" is replaced
 * once blocks go online.
 */
static void step_replace(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->meanwhile = without_rules;
	sim_target(sim, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->not_online, HUGE);
	KUNIT_EXPECT_EQ(test, sim_step(sim), 5L * HZ);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_WAIT_ONLINE);
	KUNIT_EXPECT_EQ(test, sim->removals, 0);
	sim->too_early = false;
	sim->auto_online = true;
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	/* a block that stays offline for another reason is not replaced */
	sim->auto_online = false;
	sim_target(sim, SIM_PAGES + 2 * HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim_step(sim), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
}

#endif

#ifdef CONFIG_HIGHMEM
/* What the kernel cannot map goes first, and is counted apart. */
static void step_high(struct kunit *test)
{
	unsigned long free = nr_free_highpages();
	struct sim *sim = test->priv;

	if (free < 4 * HUGE)
		kunit_skip(test, "no high memory");
	sim_target(sim, SIM_PAGES - 2 * HUGE - 5);
	sim_settle(sim, 200);
	expect_met(sim);
	KUNIT_EXPECT_GT(test, sim->stats.balloon_high, HUGE);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 200);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.balloon_high, 0);
}
#endif

/* What the simulation answers in other tests, the kernel does in this one. */
static void step_real_memory(struct kunit *test)
{
	unsigned long blocks, most = 1UL << (MAX_PAGE_ORDER - BALLOON_MAX_ORDER);
	unsigned int tries = 10;
	bool fewer = false;
	struct page *page;

	kunit_deactivate_static_stub(test, balloon_mover_available);
	kunit_deactivate_static_stub(test, balloon_mover_free_blocks);
	kunit_deactivate_static_stub(test, balloon_mover_alloc);
	KUNIT_EXPECT_GT(test, balloon_mover_available(), 0);
	KUNIT_EXPECT_LT(test, balloon_mover_available(), totalram_pages());
	blocks = balloon_mover_free_blocks();
	KUNIT_EXPECT_LT(test, blocks * HUGE, totalram_pages());
	/* nothing is split for the largest there is; but others free some, too */
	while (tries-- && !fewer) {
		blocks = balloon_mover_free_blocks();
		page = balloon_mover_alloc(GFP_KERNEL | __GFP_NOWARN,
					   MAX_PAGE_ORDER);
		if (!page)
			return;
		fewer = balloon_mover_free_blocks() + most <= blocks;
		__free_pages(page, MAX_PAGE_ORDER);
	}
	KUNIT_EXPECT_TRUE(test, fewer);
}

static struct kunit_case step_test_cases[] = {
	KUNIT_CASE(step_real_memory),
#ifdef CONFIG_HIGHMEM
	KUNIT_CASE(step_high),
#endif
	KUNIT_CASE(step_idle),
	KUNIT_CASE(step_sizes),
	KUNIT_CASE(step_sizes_pv),
	KUNIT_CASE(step_huge),
	KUNIT_CASE(step_slow),
	KUNIT_CASE(step_scattered),
	KUNIT_CASE(step_unscrubbed),
	KUNIT_CASE(step_holes),
	KUNIT_CASE(step_bounded),
	KUNIT_CASE(step_new_target),
	KUNIT_CASE(step_target_crosses),
	KUNIT_CASE(step_release_stops),
	KUNIT_CASE(step_torn),
	KUNIT_CASE(step_torn_and_stuck),
	KUNIT_CASE(step_torn_unsure),
	KUNIT_CASE(step_populate_stops),
	KUNIT_CASE(step_no_huge),
	KUNIT_CASE(step_cap),
	KUNIT_CASE(step_host_full),
	KUNIT_CASE(step_nonsense),
	KUNIT_CASE(step_release_refused),
	KUNIT_CASE(step_pv_faults),
	KUNIT_CASE(step_pv_show_fails),
	KUNIT_CASE(step_alloc_fails),
	KUNIT_CASE(step_guest_low),
	KUNIT_CASE(step_spares_blocks),
	KUNIT_CASE(step_floor),
	KUNIT_CASE(step_backoff),
	KUNIT_CASE(step_cancelled),
	KUNIT_CASE(step_said_once),
	KUNIT_CASE(step_too_early),
	KUNIT_CASE(step_too_early_low),
	KUNIT_CASE(step_state_met),
	KUNIT_CASE(step_prints_unlocked),
	KUNIT_CASE(step_names),
#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
	KUNIT_CASE(step_add),
	KUNIT_CASE(step_wait_online),
	KUNIT_CASE(step_add_fails),
	KUNIT_CASE(step_add_cap),
	KUNIT_CASE(step_add_cost),
	KUNIT_CASE(step_add_cost_lent),
	KUNIT_CASE(step_add_cost_cap),
	KUNIT_CASE(step_add_host),
	KUNIT_CASE(step_add_stuck),
	KUNIT_CASE(step_add_early),
	KUNIT_CASE(step_add_pv),
	KUNIT_CASE(step_unreachable_race),
	KUNIT_CASE(step_adding_race),
	KUNIT_CASE(step_adding_populated),
	KUNIT_CASE(step_adding_late),
#endif
	KUNIT_CASE(step_unreachable),
	KUNIT_CASE(step_unreachable_cap),
	KUNIT_CASE(step_unreachable_lent),
	KUNIT_CASE(step_unreachable_direct),
	KUNIT_CASE(step_direct_refused),
	KUNIT_CASE(step_unreachable_host),
	KUNIT_CASE(step_lender_was_faster),
	KUNIT_CASE(step_in_demand),
#if defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) && \
	defined(CONFIG_MEMORY_HOTREMOVE)
	KUNIT_CASE(step_tidy),
	KUNIT_CASE(step_tidy_refused),
	KUNIT_CASE(step_tidy_taken),
	KUNIT_CASE(step_tidy_low_many),
	KUNIT_CASE(step_tidy_low),
	KUNIT_CASE(step_tidy_nothing_left),
	KUNIT_CASE(step_tidy_hold),
	KUNIT_CASE(step_follows_meanwhile),
	KUNIT_CASE_SLOW(step_hibernates_not),
	KUNIT_CASE(step_hibernates),
	KUNIT_CASE(step_tidy_pv),
	KUNIT_CASE(step_replace),
#ifdef CONFIG_CONTIG_ALLOC
	KUNIT_CASE(step_added_first),
	KUNIT_CASE(step_added_in_use),
	KUNIT_CASE_SLOW(step_added_locked),
	KUNIT_CASE(step_added_in_demand),
	KUNIT_CASE(step_added_lent),
	KUNIT_CASE(step_added_pv),
	KUNIT_CASE(step_added_rest),
	KUNIT_CASE(step_added_movable),
	KUNIT_CASE(step_added_stuck),
	KUNIT_CASE(step_added_hangs),
	KUNIT_CASE(step_added_late),
	KUNIT_CASE(step_added_floor),
#endif
#endif
	{}
};

static struct kunit_suite step_suite = {
	.name = "xen-balloon-step",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = step_test_cases,
};

kunit_test_suite(step_suite);
