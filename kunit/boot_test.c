// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of what it counts at boot
 */

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <xen/page.h>

#include "boot.h"
#include "sim.h"

#define PER_PAGE	((long)XEN_PFN_PER_PAGE)

/* Every region of a case is as large as this. */
#define REGION_ORDER	4
#define REGION		BIT(REGION_ORDER)

/**
 * struct boot_case - a domain at boot; pages, but @xen
 * @name: the name
 * @pv: see struct balloon_facts
 * @initial: likewise
 * @max_pfn: likewise; 0: far away
 * @ram: likewise
 * @unpopulated: likewise
 * @given: likewise
 * @released: likewise
 * @regions: how many regions there are
 * @xen: pages that Xen counts, or a negative errno
 * @ret: what must come of it
 * @current_pages: likewise
 * @total_pages: likewise
 * @target_pages: likewise
 */
struct boot_case {
	const char *name;
	bool pv;
	bool initial;
	unsigned long max_pfn;
	unsigned long ram;
	unsigned long unpopulated;
	unsigned long given;
	unsigned long released;
	unsigned int regions;
	long xen;
	int ret;
	unsigned long current_pages;
	unsigned long total_pages;
	unsigned long target_pages;
};

static const struct boot_case boot_cases[] = {
	{ .name = "PV", .pv = true, .given = 1000, .xen = 1000,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "PV, Xen is not asked", .pv = true, .given = 1000,
	  .xen = -EPERM,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "PV with extra memory", .pv = true, .given = 1000,
	  .regions = 2, .xen = 1000, .current_pages = 1000,
	  .total_pages = 1000 + 2 * REGION, .target_pages = 1000 },
	{ .name = "PV, setup gave some back", .pv = true, .given = 1000,
	  .released = 100, .regions = 1, .xen = 900, .current_pages = 900,
	  .total_pages = 900 + REGION, .target_pages = 900 },
	{ .name = "PV, setup gave all but one back", .pv = true, .given = 1000,
	  .released = 999, .xen = 1,
	  .current_pages = 1, .total_pages = 1, .target_pages = 1 },
	{ .name = "PV, setup gave all back", .pv = true, .given = 1000,
	  .released = 1000, .xen = 1000, .ret = -ERANGE },
	{ .name = "PV, setup gave more back than there was", .pv = true,
	  .given = 1000, .released = 1001, .xen = 1000, .ram = 5000,
	  .ret = -ERANGE },
	{ .name = "PV with mem=", .pv = true, .given = 1000, .released = 100,
	  .max_pfn = 500, .xen = 1000,
	  .current_pages = 500, .total_pages = 500, .target_pages = 500 },
	{ .name = "PV dom0", .pv = true, .initial = true, .given = 1000,
	  .regions = 1, .xen = 900, .ram = 1000, .current_pages = 900,
	  .total_pages = 900 + REGION, .target_pages = 900 },
	{ .name = "PV dom0 that Xen does not answer", .pv = true,
	  .initial = true, .given = 1000, .released = 10, .xen = -EPERM,
	  .current_pages = 990, .total_pages = 990, .target_pages = 990 },
	{ .name = "PVH dom0", .initial = true, .ram = 5000, .regions = 1,
	  .xen = 900, .current_pages = 900, .total_pages = 900 + REGION,
	  .target_pages = 900 },
	{ .name = "PVH dom0 with one page", .initial = true, .xen = 1,
	  .current_pages = 1, .total_pages = 1, .target_pages = 1 },
	{ .name = "PVH dom0 that Xen does not answer", .initial = true,
	  .ram = 5000, .xen = -EPERM,
	  .current_pages = 5000, .total_pages = 5000, .target_pages = 5000 },
	{ .name = "PVH", .ram = 1000, .xen = 1000,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "PVH, Xen counts some more", .ram = 1000, .xen = 1113,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "HVM with 16 MiB of video RAM", .ram = 28672, .xen = 32768,
	  .current_pages = 28672, .total_pages = 28672,
	  .target_pages = 28672 },
	{ .name = "HVM with video RAM, populated on demand", .ram = 28672,
	  .xen = 12288, .current_pages = 28672, .total_pages = 28672,
	  .target_pages = 12288 },
	{ .name = "PVH, populated on demand", .ram = 1000, .xen = 300,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 300 },
	{ .name = "PVH that Xen does not answer", .ram = 1000, .xen = -EPERM,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "PVH of which Xen knows nothing", .ram = 1000, .xen = 0,
	  .current_pages = 1000, .total_pages = 1000, .target_pages = 1000 },
	{ .name = "PVH with empty regions", .ram = 1000, .regions = 2,
	  .xen = 1000 - 2 * (long)REGION, .current_pages = 1000 - 2 * REGION,
	  .total_pages = 1000, .target_pages = 1000 - 2 * REGION },
	{ .name = "PVH, unpopulated-alloc has the regions", .ram = 1000,
	  .unpopulated = 200, .xen = 800,
	  .current_pages = 800, .total_pages = 800, .target_pages = 800 },
	{ .name = "PVH, both, on demand", .ram = 1000, .unpopulated = 200,
	  .regions = 1, .xen = 500, .current_pages = 800 - REGION,
	  .total_pages = 800, .target_pages = 500 },
	{ .name = "PVH with one page", .ram = 201, .unpopulated = 200, .xen = 1,
	  .current_pages = 1, .total_pages = 1, .target_pages = 1 },
	{ .name = "PVH without memory", .ram = 0, .xen = 1000, .ret = -ERANGE },
	{ .name = "PVH, all of it empty", .ram = 200 + REGION, .regions = 1,
	  .unpopulated = 200, .xen = 1000, .ret = -ERANGE },
	{ .name = "PVH, more empty than there is", .ram = 100,
	  .unpopulated = 200, .xen = 1000, .ret = -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(boot, boot_cases, name);

static void boot_count(struct kunit *test)
{
	const struct boot_case *c = test->param_value;
	struct xen_memory_region regions[4] = {};
	struct balloon_facts facts = {
		.pv = c->pv,
		.initial = c->initial,
		.max_pfn = c->max_pfn ?: ULONG_MAX,
		.ram = c->ram,
		.unpopulated = c->unpopulated,
		.given = c->given,
		.released = c->released,
		.regions = regions,
		.nr_regions = ARRAY_SIZE(regions),
		.xen_scrubs = true,
	};
	struct sim *sim = test->priv;
	unsigned int i;

	if (c->pv)
		sim_make_pv(sim);
	sim->faults.count_errno = min(c->xen, 0L);
	/* Xen's last frame may be less than a page of ours */
	sim->nr_in = max(c->xen, 0L) * PER_PAGE + (c->xen > 0 ? PER_PAGE - 1 :
						   0);
	/* the first and the third entry, as setup leaves them */
	for (i = 0; i < c->regions; i++) {
		regions[2 * i].start_pfn =
			page_to_pfn(sim_hole(sim, REGION_ORDER));
		regions[2 * i].n_pfns = REGION;
	}

	sim_said("");
	KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), c->ret);
	KUNIT_EXPECT_EQ(test, sim_said("invalid memory map"),
			!!c->ret);
	if (c->ret)
		return;
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, c->current_pages);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, c->total_pages);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, c->target_pages);
	KUNIT_EXPECT_EQ(test, sim->b.pages.initial, c->current_pages);
	/* only where something is owed */
	KUNIT_EXPECT_EQ(test, sim->b.mover.xen_scrubs,
			c->target_pages < c->current_pages);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), c->regions * REGION);
}

/* There is nothing beyond what mem= left: of a region a part may be there. */
static void boot_clipped(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long pfn = page_to_pfn(sim_hole(sim, REGION_ORDER));
	struct xen_memory_region region = { pfn, REGION };
	struct balloon_facts facts = {
		.ram = 1000,
		.max_pfn = pfn,
		.regions = &region,
		.nr_regions = 1,
	};
	unsigned long n;

	for (n = 0; n <= REGION; n++) {
		unsigned int order = BALLOON_MAX_ORDER;

		facts.max_pfn = pfn + n;
		KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), 0);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), n);
		KUNIT_EXPECT_EQ(test, sim->stats.current_pages, 1000 - n);
		while (balloon_pages_take(&sim->b.pages, false, &order))
			order = BALLOON_MAX_ORDER;
	}
	facts.max_pfn = pfn - 1;
	KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), 0);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
}

/* What setup left in the struct pages of a region does not stay there. */
static void boot_region_clean(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, 0);
	struct xen_memory_region region = { page_to_pfn(page), 1 };
	struct balloon_facts facts = {
		.ram = 1000,
		.max_pfn = ULONG_MAX,
		.regions = &region,
		.nr_regions = 1,
	};

	balloon_pages_unmark(page, 1);
	SetPageReserved(page);
	KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), 0);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 1);
	KUNIT_EXPECT_FALSE(test, PageReserved(page));
	KUNIT_EXPECT_TRUE(test, PageOffline(page));
}

/* Whoever borrows pages before anything was counted took them from RAM. */
static void boot_borrowed_early(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_facts facts = {
		.ram = SIM_PAGES,
		.max_pfn = ULONG_MAX,
	};

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 8), 0);
	sim->stats.current_pages = 0;
	sim->stats.total_pages = 0;

	/* a domain that asks Xen is told what it has left */
	facts.initial = true;
	KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, sim->nr_in / PER_PAGE);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, sim->nr_in / PER_PAGE + 8);

	/* one that counts for itself is not; what is owed is no part of this */
	facts.initial = false;
	sim->faults.count_errno = -EPERM;
	KUNIT_EXPECT_EQ(test, balloon_boot_count(&sim->b, &facts), 0);
	sim->faults.count_errno = 0;
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 8);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES - 8);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 8);
	sim_return(sim, 0, 8);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 8);
}

/* --- the wait before user space ------------------------------------------------ */

static void boot_no_debt(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;

	sim_said("");
	balloon_boot_pay_debt(&sim->b, 100);
	/* a guest that has too little has no debt either */
	sim_target(sim, SIM_PAGES + 10);
	balloon_boot_pay_debt(&sim->b, 100);
	KUNIT_EXPECT_LT(test, jiffies - start, 50UL * HZ);
	/* and nothing to be told of */
	KUNIT_EXPECT_EQ(test, sim_said("booted with"), 0);
}

/* It goes on after a while, whatever could not be paid. */
static void boot_debt_stays(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;

	sim_target(sim, SIM_PAGES - 1);
	sim_said("");
	balloon_boot_pay_debt(&sim->b, 0);
	KUNIT_EXPECT_EQ(test, sim_said("not done yet"), 1);
	KUNIT_EXPECT_LT(test, jiffies - start, 50UL * HZ);
	start = jiffies;
	balloon_boot_pay_debt(&sim->b, 1);
	KUNIT_EXPECT_GE(test, jiffies - start, (unsigned long)HZ);
	KUNIT_EXPECT_LT(test, jiffies - start, 50UL * HZ);
	/* what refused is said */
	sim->b.report.error.what = BALLOON_REFUSED_RELEASE;
	sim_said("");
	balloon_boot_pay_debt(&sim->b, 0);
	KUNIT_EXPECT_EQ(test, sim_said("pages refused by Xen"), 1);
}

static struct task_struct *no_thread(struct xen_balloon *b)
{
	return ERR_PTR(-EAGAIN);
}

/* A worker that could not be started is not waited for. */
static void boot_debt_no_worker(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;

	sim->b.worker.started = false;
	kunit_activate_static_stub(test, balloon_worker_run, no_thread);
	sim_said("");
	KUNIT_EXPECT_EQ(test, balloon_worker_start(&sim->b), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, sim->b.worker.started);
	sim_target(sim, SIM_PAGES - 1000);
	balloon_boot_pay_debt(&sim->b, 1000);
	KUNIT_EXPECT_LT(test, jiffies - start, 500UL * HZ);
	KUNIT_EXPECT_EQ(test, sim_said("there is no thread"), 1);
}

static struct task_struct *some_thread(struct xen_balloon *b)
{
	return current;
}

static void boot_worker(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.worker.started = false;
	kunit_activate_static_stub(test, balloon_worker_run, some_thread);
	KUNIT_EXPECT_EQ(test, balloon_worker_start(&sim->b), 0);
	KUNIT_EXPECT_TRUE(test, sim->b.worker.started);
}

static int pay_at(struct sim *sim, unsigned int ms)
{
	/* the stubs of the test are this task's as well */
	current->kunit_test = sim->test;
	while (balloon_pages_shortfall(&sim->b.pages)) {
		msleep(ms);
		balloon_worker_step(&sim->b);
	}
	while (!kthread_should_stop())
		msleep(20);
	current->kunit_test = NULL;
	return 0;
}

static int pay(void *data)
{
	return pay_at(data, 50);
}

static int pay_slowly(void *data)
{
	return pay_at(data, 500);
}

/* It ends when the debt is paid. */
static void boot_debt_paid(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;
	struct task_struct *task;

	sim_target(sim, SIM_PAGES - 1000);
	sim_said("");
	task = kthread_run(pay, sim, "xen-balloon-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	balloon_boot_pay_debt(&sim->b, 1000);
	KUNIT_EXPECT_EQ(test, balloon_pages_shortfall(&sim->b.pages), 0);
	KUNIT_EXPECT_LT(test, jiffies - start, 500UL * HZ);
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, sim_said("too many after"), 0);
	sim_check(sim);
}

/* Who needs longer than that, but does not stop, is waited for. */
static void boot_debt_slow(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;
	struct task_struct *task;

	sim_target(sim, SIM_PAGES - 20 * BALLOON_HUGE_PAGES);
	sim_said("");
	task = kthread_run(pay_slowly, sim, "xen-balloon-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	balloon_boot_pay_debt(&sim->b, 2);
	KUNIT_EXPECT_EQ(test, balloon_pages_shortfall(&sim->b.pages), 0);
	KUNIT_EXPECT_GT(test, jiffies - start, 2UL * HZ);
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, sim_said("too many after"), 0);
	sim_check(sim);
}

/* --- populate on demand ---------------------------------------------------------- */

/* A guest with a debt, and with @untouched pages that it never used. */
static void on_demand(struct kunit *test, unsigned long debt,
		      unsigned long untouched)
{
	struct sim *sim = test->priv;
	unsigned long begun, steps = 0;

	sim->pod_entries = untouched * PER_PAGE;
	sim->pod_cache = (untouched - debt) * PER_PAGE;
	sim->nr_in -= debt * PER_PAGE;
	begun = sim->nr_in;
	sim_target(sim, SIM_PAGES - debt);
	while (sim->stats.current_pages > SIM_PAGES - debt && steps++ < 200 &&
	       !sim->failed) {
		sim_step(sim);
		/* what goes back was never there: Xen gets nothing by it */
		KUNIT_EXPECT_EQ(test, sim->nr_in, begun);
	}
	KUNIT_EXPECT_EQ(test, sim->pod_entries, sim->pod_cache);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - debt);

	/* from here on it is a guest like any other */
	sim_target(sim, SIM_PAGES - debt - 100);
	sim_settle(sim, 100);
	KUNIT_EXPECT_EQ(test, sim->nr_in, begun - 100 * PER_PAGE);
	sim_target(sim, SIM_PAGES - debt / 2);
	sim_settle(sim, 100);
	KUNIT_EXPECT_EQ(test, sim->nr_in, begun + (debt - debt / 2) * PER_PAGE);
}

static void boot_on_demand(struct kunit *test)
{
	on_demand(test, 4 * BALLOON_HUGE_PAGES, 10 * BALLOON_HUGE_PAGES);
}

static void boot_on_demand_odd(struct kunit *test)
{
	on_demand(test, 1001, 1003);
}

/* Most of the guest was touched before: what it gives back goes to the cache. */
static void boot_on_demand_touched(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->faults.alloc_order = 0;
	sim_target(sim, SIM_PAGES - 500);
	sim_settle(sim, 100);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 100);
	on_demand(test, 700, 700);
}

/* Xen stops in the middle of an extent nobody ever touched. */
static void boot_on_demand_torn(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->faults.tear_at = 7;
	on_demand(test, 3 * BALLOON_HUGE_PAGES, 3 * BALLOON_HUGE_PAGES);
}

/* While Xen lacks memory it clears what it takes, if that was asked for; the end
 * the guest clears itself.
 */
static void boot_xen_scrubs(struct kunit *test)
{
	struct sim *sim = test->priv;

	on_demand(test, 4 * BALLOON_HUGE_PAGES, 10 * BALLOON_HUGE_PAGES);
	KUNIT_EXPECT_EQ(test, sim->unzeroed, 0);
}

static void boot_xen_scrubs_asked(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->xen_scrubs = true;
	sim->b.mover.xen_scrubs = true;
	on_demand(test, 48 * BALLOON_HUGE_PAGES, 50 * BALLOON_HUGE_PAGES);
	KUNIT_EXPECT_GT(test, sim->unzeroed, 0);
	/* once and for all */
	KUNIT_EXPECT_FALSE(test, sim->b.mover.xen_scrubs);
}

/* @debt pages that Xen does not count; give one page back.  Return: whether it
 * was left to Xen to clear it.
 */
static bool left_to_xen(struct sim *sim, unsigned long debt)
{
	unsigned int before = sim->unzeroed;

	sim->xen_scrubs = true;
	sim->b.mover.xen_scrubs = true;
	sim->nr_in = (sim->stats.current_pages - debt) * PER_PAGE;
	sim->pod_entries = debt * PER_PAGE + SIM_OFFSET;
	sim->pod_cache = 0;
	sim_target(sim, sim->stats.current_pages - 1);
	sim_step(sim);
	return sim->unzeroed != before;
}

static void boot_xen_scrubs_limit(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_TRUE(test, left_to_xen(sim, BALLOON_HUGE_PAGES + 1024));
	KUNIT_EXPECT_FALSE(test, left_to_xen(sim, BALLOON_HUGE_PAGES + 1023));
	/* what counts is the largest batch that there may be */
	sim->b.mover.extents[0] = 2;
	KUNIT_EXPECT_FALSE(test, left_to_xen(sim, BALLOON_HUGE_PAGES + 1024));
	KUNIT_EXPECT_TRUE(test,
			  left_to_xen(sim, 2 * BALLOON_HUGE_PAGES + 1024));
	/* of an answer that makes no sense nothing follows */
	sim->faults.count_errno = -EPERM;
	KUNIT_EXPECT_FALSE(test,
			   left_to_xen(sim, 2 * BALLOON_HUGE_PAGES + 1024));
	sim->faults.count_errno = 0;
}

/* The toolstack gives the guest all that it lacked: the next pages that it gives
 * may go to anybody.
 */
static void boot_xen_scrubs_raised(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int before;

	KUNIT_ASSERT_TRUE(test, left_to_xen(sim, BALLOON_HUGE_PAGES + 1025));
	before = sim->unzeroed;
	sim->nr_in += sim->pod_entries - sim->pod_cache;
	sim->pod_cache = sim->pod_entries;
	sim_target(sim, sim->stats.current_pages - 100);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->unzeroed, before);
	KUNIT_EXPECT_FALSE(test, sim->b.mover.xen_scrubs);
}

static struct kunit_case boot_test_cases[] = {
	KUNIT_CASE_PARAM(boot_count, boot_gen_params),
	KUNIT_CASE(boot_clipped),
	KUNIT_CASE(boot_region_clean),
	KUNIT_CASE(boot_borrowed_early),
	KUNIT_CASE(boot_no_debt),
	KUNIT_CASE_SLOW(boot_debt_stays),
	KUNIT_CASE(boot_worker),
	KUNIT_CASE(boot_debt_no_worker),
	KUNIT_CASE(boot_debt_paid),
	KUNIT_CASE_SLOW(boot_debt_slow),
	KUNIT_CASE(boot_on_demand),
	KUNIT_CASE(boot_on_demand_odd),
	KUNIT_CASE(boot_on_demand_touched),
	KUNIT_CASE(boot_on_demand_torn),
	KUNIT_CASE(boot_xen_scrubs),
	KUNIT_CASE(boot_xen_scrubs_asked),
	KUNIT_CASE(boot_xen_scrubs_limit),
	KUNIT_CASE(boot_xen_scrubs_raised),
	{}
};

static struct kunit_suite boot_suite = {
	.name = "xen-balloon-boot",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = boot_test_cases,
};

kunit_test_suite(boot_suite);
