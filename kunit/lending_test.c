// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of lending
 */

#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/sizes.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

/* What inflating has to leave; see policy.c. */
#define RESERVE		(SZ_16M >> PAGE_SHIFT)

static bool kicked(struct sim *sim)
{
	return test_and_clear_bit(BALLOON_KICKED, &sim->b.news.events);
}

/* What is in the balloon is lent without a word to Xen. */
static void lending_listed(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	sim_list_hole(sim, 4);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 11), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 11);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 5);
	for (i = 0; i < 11; i++) {
		KUNIT_EXPECT_EQ(test, page_count(sim->lent[i]), 1);
		KUNIT_EXPECT_FALSE(test, PageOffline(sim->lent[i]));
		KUNIT_EXPECT_FALSE(test, PageHighMem(sim->lent[i]));
	}
	sim_return(sim, 0, 11);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 16);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
}

static void lending_nothing(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 0), 0);
	sim_return(sim, 0, 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
}

/* The names that other drivers know, old and new, are of one balloon. */
static void lending_names(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page **pages = sim->lent;

	sim_list_hole(sim, 4);
	KUNIT_EXPECT_EQ(test, alloc_xenballooned_pages(-1, pages), -EINVAL);
	KUNIT_EXPECT_EQ(test, alloc_xenballooned_pages(0, pages), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
	KUNIT_EXPECT_EQ(test, alloc_xenballooned_pages(7, pages), 0);
	KUNIT_EXPECT_EQ(test, xen_alloc_ballooned_pages(5, pages + 7), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 12);
	sim->nr_lent = 12;
	sim_check(sim);
	free_xenballooned_pages(-1, pages);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 12);
	free_xenballooned_pages(9, pages);
	xen_free_ballooned_pages(3, pages + 9);
	memset(pages, 0, 12 * sizeof(*pages));
	sim->nr_lent = 0;
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 16);
}

/* NULL entries are skipped, first, last and between. */
static void lending_null(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *pages[9] = {};
	unsigned int i;

	sim_list_hole(sim, 4);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 8), 0);
	for (i = 0; i < 4; i++)
		swap(pages[2 * i + 1], sim->lent[i]);
	balloon_lending_give_back(&sim->b, ARRAY_SIZE(pages), pages);
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 4);
	sim_return(sim, 0, 8);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
}

#if defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) && \
	defined(CONFIG_MEMORY_HOTREMOVE)
/* The last page of a block that comes back leaves it with nothing in it, and
 * pages that are lent elsewhere are no reason to keep it.
 */
static void lending_leaves_block(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, 2);
	sim_add_block(sim);
	/* four of them are not in the block */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 8), 0);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
	sim_return(sim, 4, 3);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
	sim_return(sim, 7, 1);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim->b.worker.idle_since = jiffies - 5 * HZ;
	sim_settle(sim, 10);
	KUNIT_EXPECT_EQ(test, sim->removals, 1);
	/* most who lend have none */
	clear_bit(BALLOON_KICKED, &sim->b.news.events);
	sim_return(sim, 0, 4);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
}

/* In a PV guest it stays, so nobody has to look. */
static void lending_leaves_block_pv(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_make_pv(sim);
	sim_add_block(sim);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 8), 0);
	sim_return(sim, 0, 8);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
}
#endif

/* What is missing is ballooned out, and the balloon makes up for it. */
static void lending_inflates(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, 2);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 96);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	/* more than one call carries */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, HUGE + 100), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, HUGE + 200);
	sim_return(sim, 0, HUGE + 200);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 4);
}

static void lending_exhausted(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, 3);
	/* the guest has no more */
	sim->available = 10;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 19), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 8);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 18), 0);
	sim_return(sim, 0, 18);
	/* its allocator has none, at once or after some */
	sim->available = LONG_MAX;
	sim->faults.alloc_at = 0;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 50), -ENOMEM);
	sim->faults.alloc_order = 0;
	sim->faults.alloc_at = 30;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
	sim_no_faults(sim);
	/* Xen takes none */
	sim->faults.zero = true;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), -ENOMEM);
	sim_no_faults(sim);
	sim->faults.errno = -EINVAL;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), -ENOMEM);
	sim_no_faults(sim);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 100), 0);
}

static void lending_cap(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.limits.max_lent = 64;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 65), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 40), 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 25), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 24), 0);
	/* less than what is lent already */
	sim->b.limits.max_lent = 10;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), -ENOMEM);
	sim_return(sim, 0, 64);
	/* and what has come back is worth nothing until it has memory again */
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	sim_return(sim, 0, 10);
	sim_settle(sim, 20);
}

/* A guest above its target that has nothing to spare lends no more either. */
static void lending_cap_low(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.limits.max_lent = 64;
	sim_target(sim, SIM_PAGES - 5 * BALLOON_HUGE_PAGES);
	sim->available = RESERVE;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 64), 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), -ENOMEM);
	sim->available = LONG_MAX;
	atomic64_set(&sim->b.news.hold_until, get_jiffies_64() + 100 * HZ);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), -ENOMEM);
	atomic64_set(&sim->b.news.hold_until, 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	/* nor is min_kb touched by more than that */
	sim->b.limits.floor = SIM_PAGES;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), -ENOMEM);
	sim_return(sim, 0, 65);
}

/* Neither a request that fails nor pages of the balloon make room under it. */
static void lending_cap_stays(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	sim->b.limits.max_lent = 64;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 64), 0);
	for (i = 0; i < 3; i++) {
		sim_list_hole(sim, 5);
		KUNIT_EXPECT_EQ(test, sim_borrow(sim, 40), -ENOMEM);
		KUNIT_EXPECT_EQ(test, sim_borrow(sim, 32), 0);
		sim_return(sim, sim->nr_lent - 32, 32);
		KUNIT_EXPECT_EQ(test, sim_borrow(sim, 32), 0);
	}
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 64);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), -ENOMEM);
	sim_return(sim, 0, sim->nr_lent);
}

/* A page that somebody still uses is nobody's from now on. */
static void lending_in_use(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *used, *private, *foreign, *mapped;

	sim_list_hole(sim, 4);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), 0);
	mapped = sim->lent[11];
	used = sim->lent[3];
	private = sim->lent[7];
	foreign = sim->lent[15];
	get_page(used);
	SetPagePrivate(private);
	SetPageForeign(foreign);
	get_page(mapped);
	atomic_set(&mapped->_mapcount, 0);
	sim_return(sim, 0, 16);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, 4);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 12);
	KUNIT_EXPECT_EQ(test, atomic_read(&mapped->_mapcount), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
	KUNIT_EXPECT_TRUE(test, PageOffline(used));
	put_page_testzero(used);
	ClearPagePrivate(private);
	ClearPageForeign(foreign);
	atomic_set(&mapped->_mapcount, -1);
	put_page_testzero(mapped);
	__SetPageOffline(mapped);
	/* and never lent or populated again */
	sim_target(sim, SIM_PAGES + 16);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.pages.quarantined, 4);
}

/* What a borrower left in a page does not stay there. */
static void lending_dirty(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_list_hole(sim, 2);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 4), 0);
	set_page_private(sim->lent[0], 0x586200ff);
	SetPageDirty(sim->lent[1]);
	SetPageUptodate(sim->lent[2]);
	sim->lent[3]->mapping = (void *)4096;
	sim_return(sim, 0, 4);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 4);
	sim_target(sim, SIM_PAGES + 4);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
}

/* PV: getting a page ready fails, whichever it is. */
static void lending_pv(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int n;

	sim_make_pv(sim);
	sim_list_hole(sim, 4);
	for (n = 0; n < 16; n++) {
		sim->faults.lend_at = n;
		KUNIT_EXPECT_EQ(test, sim_borrow(sim, 16), -ENOMEM);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), 16);
	}
	/* among those that were ballooned out for it */
	sim->faults.lend_at = 20;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 40), -ENOMEM);
	KUNIT_EXPECT_EQ(test, sim->stats.target_unpopulated, 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 40), 0);
	sim_return(sim, 0, 40);
	sim_settle(sim, 20);
}

/* A worker that waits for the host asks no more of it for pages that come back. */
static void lending_no_kick(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim_host_full(sim);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 4), 0);
	sim_return(sim, 0, 4);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim->calls = 0;
	KUNIT_EXPECT_GT(test, sim_step_early(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim->stats.retry_count, 2);
	sim->host = LONG_MAX;
	sim_step(sim);
	KUNIT_EXPECT_NE(test, sim->b.report.state, BALLOON_HOST_FULL);
}

/* Room is made for what is lent. */
static void lending_makes_room(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, HUGE), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - HUGE);
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_settle(sim, 20);
#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
#endif
	sim_return(sim, 0, HUGE);
}

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static void lending_adds(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	sim->auto_online = true;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 7), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, HUGE), 0);
	KUNIT_EXPECT_EQ(test, sim->calls, 0);
	sim_return(sim, 0, HUGE + 7);
	/* none can be added: from the guest then */
	sim->hotplug = 0;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 2 * HUGE), 0);
	sim->hotplug_errno = -ENOMEM;
	KUNIT_EXPECT_EQ(test, sim->nr_lent, 2 * HUGE);
	sim_return(sim, 0, 2 * HUGE);
}

/* A direct-mapped domain has no use for blocks. */
static void lending_adds_not_direct(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim_make_direct(sim, true);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 7), 0);
	sim_make_direct(sim, false);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	sim_return(sim, 0, 7);
}

/* Nobody waits for memory blocks that are added or removed by somebody else. */
static void borrow_meanwhile(struct sim *sim)
{
	sim->meanwhile = NULL;
	if (!mutex_trylock(&sim->b.mover.lock)) {
		KUNIT_FAIL(sim->test, "blocks change with the mover's lock held");
		return;
	}
	KUNIT_EXPECT_EQ(sim->test, balloon_blocks_add(&sim->b.blocks, 1), -EBUSY);
	mutex_unlock(&sim->b.mover.lock);
	KUNIT_EXPECT_EQ(sim->test, sim_borrow(sim, 5), 0);
	/* nor does the worker, were it not the one who adds */
	KUNIT_EXPECT_EQ(sim->test, sim_step(sim), 2L * HZ);
}

static void lending_while_adding(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->meanwhile = borrow_meanwhile;
	sim_target(sim, SIM_PAGES + HUGE - 5);
	sim_settle(sim, 20);
	KUNIT_EXPECT_PTR_EQ(test, sim->meanwhile, NULL);
	KUNIT_EXPECT_EQ(test, sim->nr_lent, 5);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE - 5);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	sim_return(sim, 0, 5);
}

/* Who wants to add some while somebody else does waits for those. */
static struct sim *not_busy_sim;

static void not_busy(struct work_struct *work)
{
	WRITE_ONCE(not_busy_sim->b.blocks.task, BALLOON_BLOCKS_IDLE);
	wake_up_all(&not_busy_sim->b.news.moved);
}

static void lending_waits_for_others(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct delayed_work work;
	unsigned long start = jiffies;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	sim->auto_online = true;
	sim->b.blocks.task = BALLOON_BLOCKS_ADD;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES);
	KUNIT_EXPECT_TRUE(test, time_after(jiffies, start + 4 * HZ));
	/* when those are not added after all, it does so itself */
	INIT_DELAYED_WORK_ONSTACK(&work, not_busy);
	not_busy_sim = sim;
	schedule_delayed_work(&work, HZ / 50);
	start = jiffies;
	/* the worker may have left something for later */
	clear_bit(BALLOON_KICKED, &sim->b.news.events);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 4 * HZ));
	flush_delayed_work(&work);
	destroy_delayed_work_on_stack(&work);
	sim_return(sim, 0, 20);
}

/* Nor is memory that cannot be added for as long as somebody holds a lock. */
static void lending_never_added(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	sim->blocks_wait = true;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	KUNIT_EXPECT_TRUE(test, time_after(jiffies, start + 4 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - start, 10UL * HZ);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 10);
	/* and at last it is */
	balloon_blocks_work(&sim->b.blocks.work);
	KUNIT_EXPECT_EQ(test, sim->not_online, HUGE);
	sim_online(sim);
	sim_return(sim, 0, 10);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
}

static void comes_back(struct work_struct *work)
{
	balloon_lending_give_back(&not_busy_sim->b, 10, not_busy_sim->lent);
}

/* What comes back meanwhile is as good, also in a guest that met its target. */
static void lending_comes_back(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start;
	struct delayed_work work;
	struct page *got[10];

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	sim_settle(sim, 20);
	sim->for_lending = true;
	sim->hotplug = HUGE;
	sim->blocks_wait = true;
	not_busy_sim = sim;
	INIT_DELAYED_WORK_ONSTACK(&work, comes_back);
	schedule_delayed_work(&work, HZ / 50);
	start = jiffies;
	KUNIT_EXPECT_EQ(test, balloon_lending_borrow(&sim->b, 10, got), 0);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + 4 * HZ));
	flush_delayed_work(&work);
	destroy_delayed_work_on_stack(&work);
	memcpy(sim->lent, got, sizeof(got));
	sim_return(sim, 0, 10);
}

/* Added memory that nobody sets online is not waited for without end. */
static void lending_never_online(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned long start = jiffies;

	sim->for_lending = true;
	sim->hotplug = HUGE;
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 10), 0);
	KUNIT_EXPECT_LT(test, jiffies - start, 10UL * HZ);
	KUNIT_EXPECT_EQ(test, sim->not_online, HUGE);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES - 10);
	/* it was added once */
	sim_return(sim, 0, 10);
	sim_online(sim);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.total_pages, SIM_PAGES + HUGE);
}
#endif

static struct kunit_case lending_test_cases[] = {
	KUNIT_CASE(lending_listed),
	KUNIT_CASE(lending_nothing),
	KUNIT_CASE(lending_names),
	KUNIT_CASE(lending_null),
#if defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) && \
	defined(CONFIG_MEMORY_HOTREMOVE)
	KUNIT_CASE(lending_leaves_block),
	KUNIT_CASE(lending_leaves_block_pv),
#endif
	KUNIT_CASE(lending_inflates),
	KUNIT_CASE(lending_exhausted),
	KUNIT_CASE(lending_cap),
	KUNIT_CASE(lending_cap_stays),
	KUNIT_CASE(lending_cap_low),
	KUNIT_CASE(lending_in_use),
	KUNIT_CASE(lending_dirty),
	KUNIT_CASE(lending_pv),
	KUNIT_CASE(lending_no_kick),
	KUNIT_CASE(lending_makes_room),
#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
	KUNIT_CASE(lending_adds),
	KUNIT_CASE(lending_adds_not_direct),
	KUNIT_CASE(lending_while_adding),
	KUNIT_CASE_SLOW(lending_waits_for_others),
	KUNIT_CASE_SLOW(lending_comes_back),
	KUNIT_CASE_SLOW(lending_never_online),
	KUNIT_CASE_SLOW(lending_never_added),
#endif
	{}
};

static struct kunit_suite lending_suite = {
	.name = "xen-balloon-lending",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = lending_test_cases,
};

kunit_test_suite(lending_suite);
