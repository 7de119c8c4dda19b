// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of the worker, and of borrowers beside it
 *
 * Every thread here is one of the test's: the stubs act in it, and there is no
 * way from it to a real hypercall.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

/* Long enough for a machine that does something else. */
#define PATIENCE	(60 * HZ)

/* --- the worker ------------------------------------------------------------------- */

static int work(void *data)
{
	struct sim *sim = data;
	int ret;

	current->kunit_test = sim->test;
	ret = balloon_worker_thread(&sim->b);
	current->kunit_test = NULL;
	return ret;
}

static struct task_struct *start_worker(struct sim *sim)
{
	struct task_struct *task = kthread_run(work, sim, "xen-balloon-test");

	KUNIT_ASSERT_FALSE(sim->test, IS_ERR(task));
	return task;
}

static bool met(struct sim *sim)
{
	return !balloon_pages_shortfall(&sim->b.pages) &&
	       READ_ONCE(sim->b.report.state) == BALLOON_IDLE;
}

static void expect_met(struct sim *sim)
{
	KUNIT_EXPECT_TRUE(sim->test,
			  wait_event_timeout(sim->b.news.moved, met(sim),
					     PATIENCE));
}

/* A target is all that it takes. */
static void threads_worker(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct task_struct *task = start_worker(sim);

	balloon_set_new_target(SIM_PAGES - 5 * HUGE - 7);
	expect_met(sim);
	balloon_set_new_target(SIM_PAGES);
	expect_met(sim);
	KUNIT_EXPECT_EQ(test, kthread_stop(task), 0);
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
}

struct sleeper {
	struct wait_queue_entry entry;
	struct xen_balloon *b;
	unsigned long why;
	unsigned int woken;
	unsigned int in_vain;
};

static int sleeper_woken(struct wait_queue_entry *entry, unsigned int mode,
			 int sync, void *key)
{
	struct sleeper *sleeper = container_of(entry, struct sleeper, entry);

	sleeper->woken++;
	if (READ_ONCE(sleeper->b->news.events) != sleeper->why)
		sleeper->in_vain++;
	return 0;
}

/* Who is woken finds why, or sleeps on. */
static void threads_kick(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct sleeper sleeper = { .b = &sim->b };

	init_waitqueue_func_entry(&sleeper.entry, sleeper_woken);
	add_wait_queue(&sim->b.news.worker, &sleeper.entry);
	sim->b.news.events = 0;
	sleeper.why = BIT(BALLOON_KICKED);
	balloon_news_kick(&sim->b.news);
	sim->b.news.events = 0;
	sleeper.why |= BIT(BALLOON_NEW_TARGET);
	balloon_set_new_target(SIM_PAGES);
	remove_wait_queue(&sim->b.news.worker, &sleeper.entry);
	KUNIT_EXPECT_EQ(test, sleeper.woken, 2);
	KUNIT_EXPECT_EQ(test, sleeper.in_vain, 0);
}

/* It waits for the host, and a kick is not needed when that has memory again. */
static void threads_worker_waits(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct task_struct *task;
	unsigned int calls;

	sim_list_hole(sim, BALLOON_MAX_ORDER);
	sim->host = 0;
	task = start_worker(sim);
	balloon_set_new_target(SIM_PAGES + HUGE);
	wait_event_timeout(sim->b.news.moved,
			   READ_ONCE(sim->b.report.state) == BALLOON_HOST_FULL,
			   PATIENCE);
	calls = READ_ONCE(sim->calls);
	msleep(500);
	/* tries get fewer: at 0.1, 0.3 and 0.7 s */
	KUNIT_EXPECT_LE(test, READ_ONCE(sim->calls), calls + 8);
	WRITE_ONCE(sim->host, LONG_MAX);
	expect_met(sim);
	kthread_stop(task);
	sim_check(sim);
}

/* A worker that is asked to stand still inflates first, for a while. */
static void threads_freeze(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_worker *w = &sim->b.worker;
	unsigned long asked = jiffies - HZ;

	/* not asked: the time is noted */
	w->last = BALLOON_NEXT_INFLATE;
	KUNIT_EXPECT_FALSE(test, balloon_worker_gives_first(&sim->b, &asked));
	KUNIT_EXPECT_LT(test, jiffies - asked, (unsigned long)HZ);
	sim->freezing = true;
	asked = jiffies;
	KUNIT_EXPECT_TRUE(test, balloon_worker_gives_first(&sim->b, &asked));
	/* nothing but inflating is worth anybody's time */
	w->last = BALLOON_NEXT_DEFLATE;
	KUNIT_EXPECT_FALSE(test, balloon_worker_gives_first(&sim->b, &asked));
	w->last = BALLOON_NEXT_SPARE_NONE;
	KUNIT_EXPECT_FALSE(test, balloon_worker_gives_first(&sim->b, &asked));
	w->last = BALLOON_NEXT_INFLATE;
	w->refused = BALLOON_REFUSED_RELEASE;
	/* an older refusal of something else does not count */
	KUNIT_EXPECT_TRUE(test, balloon_worker_gives_first(&sim->b, &asked));
	w->failed = BALLOON_NEXT_INFLATE;
	KUNIT_EXPECT_FALSE(test, balloon_worker_gives_first(&sim->b, &asked));
	w->refused = BALLOON_REFUSED_NOT;
	/* three quarters of a second, and no longer */
	asked = jiffies - HZ / 4;
	KUNIT_EXPECT_TRUE(test, balloon_worker_gives_first(&sim->b, &asked));
	asked = jiffies - 3 * HZ / 4 - 1;
	KUNIT_EXPECT_FALSE(test, balloon_worker_gives_first(&sim->b, &asked));
}

/* Asked to stand still in the middle of a run it gets there all the same. */
static void threads_freeze_run(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct task_struct *task = start_worker(sim);

	WRITE_ONCE(sim->freezing, true);
	balloon_set_new_target(SIM_PAGES - 9 * HUGE);
	expect_met(sim);
	WRITE_ONCE(sim->freezing, false);
	kthread_stop(task);
	sim_check(sim);
}

/* --- borrowers ----------------------------------------------------------------------- */

#define BORROWERS	2
#define LOANS		200
#define LOAN		48

/**
 * struct borrower - somebody who borrows and gives back, all the time
 * @sim: from whom
 * @pages: what it has
 * @borrowed: loans it got
 * @refused: loans it did not get
 * @done: it has done that often enough
 */
struct borrower {
	struct sim *sim;
	struct page *pages[LOAN];
	unsigned int borrowed;
	unsigned int refused;
	struct completion done;
};

static int borrow_often(void *data)
{
	struct borrower *who = data;
	struct sim *sim = who->sim;
	unsigned int i, nr;

	current->kunit_test = sim->test;
	for (i = 0; i < LOANS; i++) {
		nr = 1 + i * 7 % LOAN;
		if (xen_alloc_ballooned_pages(nr, who->pages)) {
			who->refused++;
		} else {
			who->borrowed++;
			if (i % 8 == 0)
				fsleep(1000);
			xen_free_ballooned_pages(nr, who->pages);
		}
		cond_resched();
	}
	complete(&who->done);
	while (!kthread_should_stop())
		fsleep(1000);
	current->kunit_test = NULL;
	return 0;
}

/* The balloon moves all the while, and in the end nothing is lost. */
static void beside(struct kunit *test)
{
	struct borrower *who = kunit_kcalloc(test, BORROWERS, sizeof(*who),
					     GFP_KERNEL);
	struct task_struct *task[BORROWERS];
	struct sim *sim = test->priv;
	unsigned int i, n = 0;

	KUNIT_ASSERT_NOT_NULL(test, who);
	sim->light = true;
	for (i = 0; i < BORROWERS; i++) {
		who[i].sim = sim;
		init_completion(&who[i].done);
		task[i] = kthread_run(borrow_often, &who[i], "borrower-test");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task[i]));
	}
	/* no sim_step(): what it checks is true while nobody else is at it */
	for (i = 0; i < BORROWERS; i++) {
		while (!completion_done(&who[i].done) && !sim->failed) {
			sim_target(sim, SIM_PAGES - n++ * 37 % (3 * HUGE));
			while (!balloon_worker_step(&sim->b) && !sim->failed)
				cond_resched();
			fsleep(1000);
		}
	}
	for (i = 0; i < BORROWERS; i++) {
		kthread_stop(task[i]);
		KUNIT_EXPECT_EQ(test, who[i].borrowed + who[i].refused, LOANS);
		KUNIT_EXPECT_GT(test, who[i].borrowed, 0);
	}
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
	sim_check(sim);
	sim_no_faults(sim);
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 100);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
}

static void threads_lend(struct kunit *test)
{
	beside(test);
}

static void threads_lend_pv(struct kunit *test)
{
	sim_make_pv(test->priv);
	beside(test);
}

/* Xen does a part of everything meanwhile. */
static void threads_lend_partial(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->faults.stop_after = 5;
	beside(test);
}

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static int online_late(void *data)
{
	struct sim *sim = data;

	current->kunit_test = sim->test;
	msleep(300);
	sim_online(sim);
	wake_up_all(&sim->b.news.moved);
	while (!kthread_should_stop())
		fsleep(1000);
	current->kunit_test = NULL;
	return 0;
}

/* Added memory comes online while the borrower waits for it. */
static void threads_online_late(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;
	struct task_struct *task;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	task = kthread_run(online_late, sim, "online-test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	KUNIT_EXPECT_GE(test, jiffies - start, (unsigned long)HZ / 5);
	/* it waited, and nothing was taken from the guest */
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	kthread_stop(task);
	sim_return(sim, 0, 10);
}
#endif

static int threads_init(struct kunit *test)
{
	int ret = sim_test_init(test);
	struct sim *sim = test->priv;

	if (!ret)
		sim->threads = true;
	return ret;
}

static struct kunit_case threads_test_cases[] = {
	KUNIT_CASE(threads_worker),
	KUNIT_CASE(threads_kick),
	KUNIT_CASE_SLOW(threads_worker_waits),
	KUNIT_CASE(threads_freeze),
	KUNIT_CASE(threads_freeze_run),
	KUNIT_CASE_SLOW(threads_lend),
	KUNIT_CASE_SLOW(threads_lend_pv),
	KUNIT_CASE_SLOW(threads_lend_partial),
#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
	KUNIT_CASE(threads_online_late),
#endif
	{}
};

static struct kunit_suite threads_suite = {
	.name = "xen-balloon-threads",
	.init = threads_init,
	.exit = sim_test_exit,
	.test_cases = threads_test_cases,
};

kunit_test_suite(threads_suite);
