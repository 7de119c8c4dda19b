// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of what a guest gets that is out of memory
 */

#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/workqueue.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

/* What comes back at a time, at most; see oom.c. */
#define AT_A_TIME	((unsigned long)SZ_16M >> PAGE_SHIFT)

/* A balloon with so many pages in it. */
static void blow_up(struct sim *sim, unsigned long pages)
{
	sim_target(sim, SIM_PAGES - pages);
	sim_settle(sim, 200);
	KUNIT_ASSERT_EQ(sim->test, sim_listed(sim), pages);
}

static unsigned long rescue(struct sim *sim)
{
	unsigned long before = sim->stats.current_pages, target, got;
	unsigned long rescues = sim->b.oom.rescues;
	unsigned long rescued = sim->b.oom.rescued;

	target = sim->stats.target_pages;
	got = balloon_oom_rescue(&sim->b);
	/* who was short of memory may wait for it again, and others may move it */
	KUNIT_EXPECT_FALSE(sim->test, current->flags & PF_MEMALLOC);
	KUNIT_EXPECT_FALSE(sim->test, mutex_is_locked(&sim->b.pages.lock));
	KUNIT_EXPECT_FALSE(sim->test, mutex_is_locked(&sim->b.mover.lock));
	sim_check(sim);
	KUNIT_EXPECT_EQ(sim->test, sim->stats.current_pages, before + got);
	KUNIT_EXPECT_EQ(sim->test, sim->stats.target_pages, target);
	KUNIT_EXPECT_EQ(sim->test, sim->b.oom.rescues, rescues + 1);
	KUNIT_EXPECT_EQ(sim->test, sim->b.oom.rescued, rescued + got);
	return got;
}

/* What came back is not given again at once, and is after a while. */
static void oom_hold(struct kunit *test)
{
	struct sim *sim = test->priv;
	long delay;

	blow_up(sim, 20 * HUGE);
	sim->b.worker.idle_since = jiffies - 50 * HZ;
	KUNIT_EXPECT_EQ(test, rescue(sim), min(20 * HUGE, AT_A_TIME));
	delay = sim_step(sim);
	/* empty blocks may be wanted next */
	KUNIT_EXPECT_TRUE(test, time_after(sim->b.worker.idle_since,
					   jiffies - 50 * HZ));
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_GT(test, delay, 4 * HZ);
	KUNIT_EXPECT_LE(test, delay, 5 * HZ + 1);
	/* nothing was tried, so nothing was in vain */
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 1);
	KUNIT_EXPECT_EQ(test, sim->b.report.error.what, BALLOON_REFUSED_NOT);

	atomic64_set(&sim->b.news.hold_until, get_jiffies_64());
	sim_settle(sim, 50);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 20 * HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_IDLE);
}

static void oom_hold_pv(struct kunit *test)
{
	sim_make_pv(test->priv);
	oom_hold(test);
}

/* A hold stops what is going on, and keeps nobody from growing. */
static void oom_new_target(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_target(sim, SIM_PAGES - 20 * HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, rescue(sim), HUGE);
	sim_target(sim, SIM_PAGES - 21 * HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	sim_list_hole(sim, 0);
	sim_target(sim, SIM_PAGES + 1);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_IDLE);
}

/* Time after time until there is nothing left. */
static void oom_again(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long left = 20 * HUGE + 3, got;

	blow_up(sim, left);
	while (left) {
		got = rescue(sim);
		KUNIT_ASSERT_EQ(test, got, min(left, AT_A_TIME));
		left -= got;
	}
	KUNIT_EXPECT_EQ(test, rescue(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.oom.rescued, 20 * HUGE + 3);
}

/* What Xen lets the guest have, whatever stops it. */
static void oom_refused(struct kunit *test)
{
	struct sim *sim = test->priv;

	blow_up(sim, 4 * HUGE);
	sim->cap = sim->nr_in;
	sim->calls = 0;
	sim->b.news.events = 0;
	KUNIT_EXPECT_EQ(test, rescue(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	/* nothing came, so what failed before is not tried sooner */
	KUNIT_EXPECT_EQ(test, sim->b.news.events, BIT(BALLOON_KICKED));
	sim->cap = sim->nr_in + 30 * XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, rescue(sim), 30);
	sim->cap = LONG_MAX;
	sim->host = 50 * XEN_PFN_PER_PAGE;
	KUNIT_EXPECT_EQ(test, rescue(sim), 50);
	sim->host = LONG_MAX;
	sim->faults.errno = -ENOMEM;
	KUNIT_EXPECT_EQ(test, rescue(sim), 0);
	sim->faults.errno = 0;
	sim->faults.max_order = 0;
	KUNIT_EXPECT_EQ(test, rescue(sim), 4 * HUGE - 80);
}

/* Whoever moves memory may itself be waiting for memory. */
static void oom_busy(struct kunit *test)
{
	struct sim *sim = test->priv;

	blow_up(sim, HUGE);
	mutex_lock(&sim->b.mover.lock);
	KUNIT_EXPECT_EQ(test, balloon_oom_rescue(&sim->b), 0);
	mutex_unlock(&sim->b.mover.lock);
	sim_target(sim, SIM_PAGES - 2 * HUGE);
	sim_step(sim);
	KUNIT_EXPECT_EQ(test, sim->b.report.state, BALLOON_GUEST_LOW);
	KUNIT_EXPECT_EQ(test, rescue(sim), HUGE);
}

/* Who takes memory back anyway is as good, though it leaves no gap. */
static struct sim *grows;

static void grow(struct work_struct *work)
{
	WRITE_ONCE(grows->stats.current_pages,
		   grows->stats.current_pages + 77);
}

static void oom_deflating(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int tries = 0;
	struct delayed_work work;
	unsigned long got;

	grows = sim;
	INIT_DELAYED_WORK_ONSTACK(&work, grow);
	mutex_lock(&sim->b.mover.lock);
	/* on a machine that stands still now and then the work may come too late */
	do {
		schedule_delayed_work(&work, HZ / 50);
		got = balloon_oom_rescue(&sim->b);
		flush_delayed_work(&work);
		sim->stats.current_pages -= 77;
	} while (got != 77 && ++tries < 5);
	KUNIT_EXPECT_EQ(test, got, 77);
	destroy_delayed_work_on_stack(&work);
	mutex_unlock(&sim->b.mover.lock);
	KUNIT_EXPECT_EQ(test, rescue(sim), 0);
}

static struct kunit_case oom_test_cases[] = {
	KUNIT_CASE(oom_hold),
	KUNIT_CASE(oom_hold_pv),
	KUNIT_CASE(oom_new_target),
	KUNIT_CASE(oom_again),
	KUNIT_CASE(oom_refused),
	KUNIT_CASE(oom_busy),
	KUNIT_CASE(oom_deflating),
	{}
};

static struct kunit_suite oom_suite = {
	.name = "xen-balloon-oom",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = oom_test_cases,
};

kunit_test_suite(oom_suite);
