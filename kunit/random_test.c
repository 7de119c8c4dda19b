// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: 100 000 operations in an order that nobody thought of
 *
 * Every run begins with a number that it prints; xen_balloon_kunit.seed= has
 * the same operations and the same faults again.
 */

#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/sched.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES
#define OPERATIONS	100000

/* The guest never has fewer pages than this. */
#define LEAST		(SIM_PAGES - 8 * HUGE)

struct random {
	struct sim *sim;
	struct rnd_state rnd;
};

static u32 below(struct random *r, u32 end)
{
	return prandom_u32_state(&r->rnd) % end;
}

/* Mostly few pages, seldom some 2 MiB. */
static unsigned long some_pages(struct random *r)
{
	switch (below(r, 32)) {
	case 0:
		return HUGE * (1 + below(r, 3));
	case 1:
		return below(r, 3 * HUGE);
	case 2 ... 6:
		return below(r, 65);
	default:
		return 1 + below(r, 8);
	}
}

static void new_target(struct random *r)
{
	struct sim *sim = r->sim;
	long pages = sim->stats.current_pages;

	if (below(r, 2))
		pages += some_pages(r);
	else
		pages -= some_pages(r);
	/* nonsense is a target too, for a step or two */
	sim_target(sim, clamp_t(long, pages, LEAST,
				sim->stats.total_pages + HUGE / 2));
}

static void borrow(struct random *r)
{
	struct sim *sim = r->sim;
	unsigned int nr = min(some_pages(r), HUGE / 2);

	if (sim->nr_lent + nr > ARRAY_SIZE(sim->lent))
		sim_return(sim, 0, sim->nr_lent);
	else
		sim_borrow(sim, nr);
}

static void give_back(struct random *r)
{
	struct sim *sim = r->sim;
	unsigned int first;

	if (!sim->nr_lent)
		return;
	first = below(r, sim->nr_lent);
	sim_return(sim, first, 1 + below(r, sim->nr_lent - first));
}

static void new_faults(struct random *r)
{
	struct sim *sim = r->sim;
	struct sim_faults *faults = &sim->faults;

	sim_no_faults(sim);
	sim->host = LONG_MAX;
	sim->cap = LONG_MAX;
	switch (below(r, 16)) {
	case 0:
		faults->stop_after = below(r, 20);
		break;
	case 1:
		faults->tear_at = below(r, HUGE);
		break;
	case 2:
		faults->max_order = 0;
		break;
	case 3:
		faults->errno = -(int)(1 + below(r, 133));
		break;
	case 4:
		faults->zero = true;
		break;
	case 5:
		faults->more = true;
		break;
	case 6:
		faults->hide = below(r, 100);
		break;
	case 7:
		faults->alloc_at = below(r, 30);
		break;
	case 8:
		faults->alloc_order = below(r, BALLOON_MAX_ORDER);
		break;
	case 9:
		faults->lend_at = below(r, 50);
		break;
	case 10:
		sim->host = below(r, 700) * XEN_PFN_PER_PAGE;
		break;
	case 11:
		sim->cap = sim->nr_in + below(r, 700);
		break;
	case 12:
		faults->count_errno = -EPERM;
		break;
	case 13:
		/* seldom: what is lost then stays lost */
		if (!below(r, 16))
			faults->show_at = below(r, 64);
		break;
	default:
		break;
	}
}

static void operate(struct random *r)
{
	switch (below(r, 16)) {
	case 0 ... 3:
		new_target(r);
		break;
	case 4:
		new_faults(r);
		break;
	case 5:
		borrow(r);
		break;
	case 6:
		give_back(r);
		break;
	default:
		sim_step(r->sim);
		break;
	}
}

/* In the end, where nothing goes wrong any more, every target is met. */
static void finish(struct random *r)
{
	struct sim *sim = r->sim;

	sim_no_faults(sim);
	sim->host = LONG_MAX;
	sim->cap = LONG_MAX;
	sim->seldom = false;
	if (sim->nr_lent)
		sim_return(sim, 0, sim->nr_lent);
	sim_target(sim, LEAST);
	sim_settle(sim, 1000);
	KUNIT_EXPECT_EQ(sim->test, sim->stats.current_pages, LEAST);
	sim_target(sim, sim->stats.total_pages - sim->b.pages.quarantined);
	sim_settle(sim, 1000);
	KUNIT_EXPECT_EQ(sim->test, sim_listed(sim), 0);
}

static void run(struct kunit *test, unsigned int nr)
{
	struct random r = { .sim = test->priv };
	unsigned int i;

	prandom_seed_state(&r.rnd, sim_seed(test));
	r.sim->light = true;
	r.sim->seldom = true;
	for (i = 0; i < nr && !r.sim->failed; i++) {
		operate(&r);
		if (i % 64 == 0)
			cond_resched();
	}
	if (r.sim->failed)
		kunit_err(test, "failed at number %u", i);
	else
		finish(&r);
}

static void random_translated(struct kunit *test)
{
	run(test, OPERATIONS / 2);
}

static void random_pv(struct kunit *test)
{
	sim_make_pv(test->priv);
	run(test, OPERATIONS / 2);
}

static struct kunit_case random_test_cases[] = {
	KUNIT_CASE_SLOW(random_translated),
	KUNIT_CASE_SLOW(random_pv),
	{}
};

static struct kunit_suite random_suite = {
	.name = "xen-balloon-random",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = random_test_cases,
};

kunit_test_suite(random_suite);
