// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of memory blocks that it adds and removes
 *
 * The memory hotplug core is simulated: the blocks are numbers, and a range is
 * as large and lies where a test wants it.  The resource tree is the real one.
 */

#include <kunit/test.h>
#include <linux/ioport.h>
#include <linux/limits.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <xen/xen.h>

#include "sim.h"

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG

/* Far above the memory of any guest that runs this. */
#define START		(64ULL * SZ_1G)
#define SPACE		(64ULL * SZ_1G)
#define START_PFN	((unsigned long)PHYS_PFN(START))

/* More than any test wants to pay with. */
#define RICH		(ULONG_MAX >> PAGE_SHIFT)

/**
 * struct world - the memory hotplug core
 * @test: whose test it is
 * @b: the tested instance
 * @stats: its counters
 * @ops: the type of domain
 * @block: bytes of a memory block
 * @where: where memory may be added
 * @available: what the guest can pay with, in pages
 * @prepare_errno: what preparing a range answers
 * @add_errno: what adding answers
 * @add_at: blocks added until that fails; -1: never
 * @goes_online: what auto_online_blocks says
 * @impossible: this kernel cannot add memory
 * @prepared: pages that were prepared
 * @last_pfn: see struct balloon_ops
 * @res: what was added, until it was removed
 * @nr_res: entries of @res
 * @removed: PFN of what was removed last
 * @remove_errno: what removing answers
 */
struct world {
	struct kunit *test;
	struct xen_balloon b;
	struct balloon_stats stats;
	struct balloon_ops ops;
	unsigned long block;
	struct range where;
	unsigned long available;
	int prepare_errno;
	int add_errno;
	int add_at;
	bool goes_online;
	bool impossible;
	unsigned long prepared;
	unsigned long last_pfn;
	struct resource *res[16];
	unsigned int nr_res;
	unsigned long removed;
	int remove_errno;
};

/* One test runs at a time. */
static struct world *world;

static unsigned long world_block_pages(void)
{
	return world->block >> PAGE_SHIFT;
}

static struct range world_addable(void)
{
	return world->where;
}

static bool world_possible(void)
{
	return !world->impossible;
}

static bool world_goes_online(void)
{
	return world->goes_online;
}

static unsigned long world_available(void)
{
	return world->available;
}

static int world_add(struct resource *res)
{
	if (world->add_errno || !world->add_at)
		return world->add_errno ?: -ENOMEM;
	if (world->add_at > 0)
		world->add_at--;
	KUNIT_ASSERT_LT(world->test, world->nr_res, ARRAY_SIZE(world->res));
	world->res[world->nr_res++] = res;
	return 0;
}

static int event(unsigned long type, unsigned long pfn)
{
	return balloon_blocks_client.event(&world->b.blocks, type, pfn);
}

#ifdef CONFIG_MEMORY_HOTREMOVE
static int world_remove(unsigned long pfn)
{
	unsigned int i;

	world->removed = pfn;
	if (world->remove_errno)
		return world->remove_errno;
	for (i = 0; i < world->nr_res; i++) {
		if (PHYS_PFN(world->res[i]->start) != pfn)
			continue;
		release_resource(world->res[i]);
		kfree(world->res[i]);
		world->res[i] = world->res[--world->nr_res];
		return 0;
	}
	return -EINVAL;
}
#endif

static int world_prepare(unsigned long pfn, unsigned long nr_pages)
{
	world->prepared += nr_pages;
	return world->prepare_errno;
}

static unsigned long world_last_pfn(void)
{
	return world->last_pfn;
}

static int hotplug_init(struct kunit *test)
{
	if (xen_domain())
		kunit_skip(test, "the blocks of this domain are real");
	world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	if (!world)
		return -ENOMEM;
	world->test = test;
	balloon_instance_init(&world->b, &world->stats, &world->ops);
	world->block = SZ_128M;
	world->b.pages.table.block_pages = world_block_pages();
	world->where = (struct range){ START, START + SPACE - 1 };
	world->available = RICH;
	world->add_at = -1;
	world->goes_online = true;
	world->last_pfn = ULONG_MAX;
	world->ops.prepare_range = world_prepare;
	world->ops.last_pfn = world_last_pfn;
	kunit_activate_static_stub(test, balloon_hotplug_block_pages,
				   world_block_pages);
	kunit_activate_static_stub(test, balloon_hotplug_addable, world_addable);
	kunit_activate_static_stub(test, balloon_hotplug_possible,
				   world_possible);
	kunit_activate_static_stub(test, balloon_hotplug_goes_online,
				   world_goes_online);
	kunit_activate_static_stub(test, balloon_hotplug_add, world_add);
	kunit_activate_static_stub(test, balloon_mover_available,
				   world_available);
#ifdef CONFIG_MEMORY_HOTREMOVE
	kunit_activate_static_stub(test, balloon_hotplug_remove, world_remove);
#endif
	return 0;
}

static void hotplug_exit(struct kunit *test)
{
	unsigned int i;

	if (!world)
		return;
	for (i = 0; i < world->nr_res; i++) {
		release_resource(world->res[i]);
		kfree(world->res[i]);
	}
	xa_destroy(&world->b.pages.table.blocks);
	world = NULL;
}

static unsigned long block_of(unsigned int i)
{
	return START_PFN + i * world_block_pages();
}

/* Have the blocks task add blocks.  Return what it added, or a negative errno. */
static long world_add_pages(unsigned long want)
{
	unsigned long before = world->stats.total_pages;

	world->b.blocks.task = BALLOON_BLOCKS_ADD;
	world->b.blocks.want = want;
	world->stats.target_pages = before + want;
	world->stats.current_pages = before -
				     balloon_pages_offline(&world->b.pages);
	balloon_blocks_work(&world->b.blocks.work);
	KUNIT_EXPECT_EQ(world->test, world->b.blocks.task,
			BALLOON_BLOCKS_IDLE);
	return (long)(world->stats.total_pages - before) ?:
	       balloon_blocks_take_error(&world->b.blocks);
}

static long add_blocks(unsigned int nr)
{
	return world_add_pages(nr * world_block_pages());
}

static enum balloon_block_state state_of(unsigned int i)
{
	unsigned long listed;

	return balloon_table_state(&world->b.pages.table, block_of(i), &listed);
}

/* --- adding ------------------------------------------------------------------------ */

/**
 * struct geometry - a request and what must be added
 * @name: the name
 * @block: MiB of a memory block
 * @start: MiB from START where memory may begin
 * @want: MiB wanted
 * @first: MiB from START where the range must begin
 * @added: MiB that must be added
 */
struct geometry {
	const char *name;
	unsigned long block;
	unsigned long start;
	unsigned long want;
	unsigned long first;
	unsigned long added;
};

static const struct geometry geometries[] = {
	{ "a block", 128, 0, 128, 0, 128 },
	{ "less than a block", 128, 0, 1, 0, 128 },
	{ "two and a half", 128, 0, 320, 0, 384 },
	{ "two and a bit that is not worth a third", 128, 0, 257, 0, 256 },
	{ "the space begins within a block", 128, 4, 128, 128, 128 },
	{ "blocks of 2 GiB", 2048, 0, 1, 0, 2048 },
	{ "blocks of 2 GiB, not aligned", 2048, 128, 2049, 2048, 2048 },
	{ "blocks of 512 MiB", 512, 256, 512, 512, 512 },
	/* one block, then up to a GiB */
	{ "more than a GiB", 128, 0, 65536, 0, 1152 },
};

KUNIT_ARRAY_PARAM_DESC(geometry, geometries, name);

static unsigned long mib(unsigned long n)
{
	return n << (20 - PAGE_SHIFT);
}

static void hotplug_geometry(struct kunit *test)
{
	const struct geometry *g = test->param_value;
	struct resource *res;
	unsigned int i;

	world->block = g->block << 20;
	world->b.pages.table.block_pages = world_block_pages();
	world->where.start += (u64)g->start << 20;
	KUNIT_ASSERT_EQ(test, world_add_pages(mib(g->want)), mib(g->added));
	/* one by one, as they are removed */
	KUNIT_ASSERT_EQ(test, world->nr_res, g->added / g->block);
	for (i = 0; i < world->nr_res; i++) {
		res = world->res[i];
		KUNIT_EXPECT_EQ(test, res->start, START +
				((u64)(g->first + i * g->block) << 20));
		KUNIT_EXPECT_EQ(test, resource_size(res), world->block);
		KUNIT_EXPECT_STREQ(test, res->name, "System RAM");
		KUNIT_EXPECT_EQ(test, res->flags,
				IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY);
		KUNIT_EXPECT_PTR_EQ(test, res->parent, &iomem_resource);
	}
	KUNIT_EXPECT_EQ(test, world->prepared, mib(g->added));
}

/* Where there is no room for all blocks, as many are added as there is room
 * for.
 */
static void hotplug_crowded(struct kunit *test)
{
	world->block = 128 << 20;
	world->where.end = world->where.start + 448 * (u64)SZ_1M - 1;
	KUNIT_EXPECT_EQ(test, world_add_pages(mib(1024)), mib(384));
	KUNIT_EXPECT_EQ(test, world_add_pages(mib(1024)), -EBUSY);
	KUNIT_EXPECT_EQ(test, world->nr_res, 3);
}

static u64 ram_end;

static bool world_is_ram(u64 start, u64 end)
{
	return start < ram_end && end;
}

/* No block lies where the firmware's map has RAM, whatever mem= hides of it. */
static void hotplug_mem_limit(struct kunit *test)
{
	ram_end = START + SZ_128M + SZ_4K;
	kunit_activate_static_stub(test, balloon_hotplug_is_ram, world_is_ram);
	KUNIT_EXPECT_EQ(test, add_blocks(2), 2 * world_block_pages());
	KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[0]->start), block_of(2));
	KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[1]->start), block_of(3));
	/* all of it is RAM */
	ram_end = U64_MAX;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EBUSY);
	KUNIT_EXPECT_EQ(test, world->nr_res, 2);
}

/* Ranges follow each other, and never overlap. */
static void hotplug_twice(struct kunit *test)
{
	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	KUNIT_EXPECT_GT(test, add_blocks(2), 0);
	KUNIT_ASSERT_EQ(test, world->nr_res, 3);
	KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[0]->start), block_of(0));
	KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[1]->start), block_of(1));
	KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[2]->start), block_of(2));
	KUNIT_EXPECT_EQ(test, balloon_hotplug_most_pages(),
			PHYS_PFN(START + SPACE));
}

/* Memory ends below what this kind of guest can have, and where it must. */
static void hotplug_last_pfn(struct kunit *test)
{
	unsigned long block = world_block_pages();

	world->last_pfn = START_PFN + block - 1;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EBUSY);
	world->last_pfn = START_PFN + block;
	KUNIT_EXPECT_EQ(test, add_blocks(1), block);
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EBUSY);
	/* the end of what the kernel can map is another */
	world->last_pfn = ULONG_MAX;
	world->where.end = START + 2 * SZ_128M - 2;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EBUSY);
	world->where.end++;
	KUNIT_EXPECT_EQ(test, add_blocks(1), block);
	world->ops.last_pfn = NULL;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EBUSY);
}

/* Too much for the guest, or not for this kernel at all. */
static void hotplug_refused(struct kunit *test)
{
	unsigned long block = world_block_pages();
	/* a quarter of what is there may be spent */
	unsigned long price = 4 * block * sizeof(struct page) / PAGE_SIZE;

	world->available = price - 4;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -ENOMEM);
	world->available = 0;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -ENOMEM);
	world->impossible = true;
	/* that is for ever, whatever else is missing */
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EOPNOTSUPP);
	world->available = RICH;
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, world->nr_res, 0);
	world->impossible = false;
	world->available = price;
	KUNIT_EXPECT_EQ(test, add_blocks(3), 2 * block);
}

/* A failure at every stage leaves nothing behind: the same can be had again. */
static void hotplug_stages(struct kunit *test)
{
	unsigned long block = world_block_pages();
	unsigned int i;

	for (i = 0; i < 2; i++) {
		world->prepare_errno = i == 0 ? -ENOMEM : 0;
		world->add_errno = i == 1 ? -EEXIST : 0;
		world->prepared = 0;
		KUNIT_EXPECT_EQ(test, add_blocks(3), i == 1 ? -EEXIST : -ENOMEM);
		/* the kernel must not see what was not prepared */
		KUNIT_EXPECT_EQ(test, world->prepared, block);
		KUNIT_EXPECT_EQ(test, world->nr_res, 0);
		KUNIT_EXPECT_FALSE(test, balloon_table_used(&world->b.pages.table));
		KUNIT_EXPECT_EQ(test, world->stats.total_pages, 0);
		/* a block that comes online there is not the driver's */
		event(MEM_ONLINE, block_of(0));
		KUNIT_EXPECT_EQ(test, state_of(0), BALLOON_BLOCK_NONE);
		KUNIT_EXPECT_FALSE(test, balloon_blocks_can_shrink(&world->b.blocks));
	}
	/* blocks that were added before the failure stay */
	world->add_errno = 0;
	world->add_at = 2;
	KUNIT_EXPECT_EQ(test, add_blocks(3), 2 * block);
	world->add_at = -1;
	KUNIT_EXPECT_EQ(test, add_blocks(1), block);
	KUNIT_ASSERT_EQ(test, world->nr_res, 3);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[i]->start),
				block_of(i));
	KUNIT_EXPECT_EQ(test, balloon_pages_offline(&world->b.pages), 3 * block);
}

/* --- coming online ------------------------------------------------------------------ */

static bool taken;
static unsigned long events[4];
static unsigned int nr_events;
static unsigned int settings;

static bool note_online(void *owner, struct page *page, unsigned long nr_pages)
{
	return taken;
}

static int note_event(void *owner, unsigned long type, unsigned long pfn)
{
	KUNIT_EXPECT_EQ(world->test, pfn, START_PFN);
	events[nr_events++ % ARRAY_SIZE(events)] = type;
	return type == MEM_GOING_OFFLINE ? -EBUSY : 0;
}

static void note_setting(void *owner)
{
	settings++;
}

static const struct balloon_hotplug_client noting_client = {
	.online_page = note_online,
	.event = note_event,
	.setting = note_setting,
};

static struct balloon_hotplug_user real_user;

static void be_told(void)
{
	real_user = balloon_hotplug_user;
	balloon_hotplug_user = (struct balloon_hotplug_user){ &noting_client };
	nr_events = 0;
	settings = 0;
}

/* Pages that the driver does not take go to the kernel. */
static void hotplug_foreign(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long managed = totalram_pages();

	KUNIT_ASSERT_NOT_NULL(test, page);
	be_told();
	taken = true;
	balloon_hotplug_online_page(page, 0);
	KUNIT_EXPECT_EQ(test, totalram_pages(), managed);
	taken = false;
	adjust_managed_page_count(page, -1);
	__SetPageOffline(page);
	balloon_hotplug_online_page(page, 0);
	KUNIT_EXPECT_EQ(test, totalram_pages(), managed);
	balloon_hotplug_user = real_user;
}

/* The events that matter are passed on, and others are not. */
static void hotplug_events(struct kunit *test)
{
	struct memory_notify notify = { .start_pfn = START_PFN };

	be_told();
	balloon_hotplug_memory_event(NULL, MEM_GOING_ONLINE, &notify);
	balloon_hotplug_memory_event(NULL, MEM_CANCEL_ONLINE, &notify);
	KUNIT_EXPECT_EQ(test, nr_events, 0);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_memory_event(NULL, MEM_ONLINE,
							   &notify), NOTIFY_OK);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_memory_event(NULL,
							   MEM_GOING_OFFLINE,
							   &notify),
			notifier_from_errno(-EBUSY));
	balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &notify);
	balloon_hotplug_memory_event(NULL, MEM_OFFLINE, &notify);
	KUNIT_EXPECT_EQ(test, nr_events, 4);
	KUNIT_EXPECT_EQ(test, events[0], MEM_ONLINE);
	KUNIT_EXPECT_EQ(test, events[1], MEM_GOING_OFFLINE);
	KUNIT_EXPECT_EQ(test, events[2], MEM_CANCEL_OFFLINE);
	KUNIT_EXPECT_EQ(test, events[3], MEM_OFFLINE);
	balloon_hotplug_user = real_user;
}

/* No block is added where the client is missing: another driver has registered
 * its callback, or the administrator forbids it.
 */
static void hotplug_possible(struct kunit *test)
{
	be_told();
	kunit_deactivate_static_stub(test, balloon_hotplug_possible);
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_possible());
	balloon_hotplug_user.client = NULL;
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_possible());
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, world->nr_res, 0);
	balloon_hotplug_user = real_user;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
static void remove_one(void)
{
	world->b.blocks.task = BALLOON_BLOCKS_REMOVE;
	balloon_blocks_work(&world->b.blocks.work);
}

/* Blocks that never came online are removed one by one, the last one first. */
static void hotplug_remove(struct kunit *test)
{
	unsigned long block = world_block_pages();

	remove_one();
	KUNIT_EXPECT_EQ(test, world->removed, 0);
	KUNIT_EXPECT_GT(test, add_blocks(3), 0);
	event(MEM_ONLINE, block_of(1));
	KUNIT_EXPECT_EQ(test, state_of(1), BALLOON_BLOCK_ONLINE);
	KUNIT_EXPECT_EQ(test, balloon_pages_offline(&world->b.pages), 2 * block);
	KUNIT_EXPECT_TRUE(test, balloon_blocks_can_shrink(&world->b.blocks));
	remove_one();
	KUNIT_EXPECT_EQ(test, world->removed, block_of(2));
	KUNIT_EXPECT_EQ(test, state_of(2), BALLOON_BLOCK_NONE);
	/* a block that cannot be removed is as before */
	world->remove_errno = -EBUSY;
	remove_one();
	KUNIT_EXPECT_EQ(test, world->removed, block_of(0));
	KUNIT_EXPECT_EQ(test, state_of(0), BALLOON_BLOCK_ADDED);
	KUNIT_EXPECT_TRUE(test, world->b.blocks.stay);
	KUNIT_EXPECT_FALSE(test, balloon_blocks_can_shrink(&world->b.blocks));
	world->remove_errno = 0;
	remove_one();
	KUNIT_EXPECT_EQ(test, state_of(0), BALLOON_BLOCK_NONE);
	KUNIT_EXPECT_EQ(test, world->stats.total_pages, block);
	/* the block in the middle has memory */
	world->removed = 0;
	remove_one();
	KUNIT_EXPECT_EQ(test, world->removed, 0);
}

/* A block that was added while auto_online_blocks said "offline" is removed
 * before all others, once blocks go online.  Other blocks are not replaced.
 */
static void hotplug_replace(struct kunit *test)
{
	struct balloon_blocks *blocks = &world->b.blocks;
	struct balloon_table *t = &world->b.pages.table;

	world->goes_online = false;
	KUNIT_EXPECT_GT(test, add_blocks(2), 0);
	event(MEM_ONLINE, block_of(1));
	KUNIT_EXPECT_TRUE(test, balloon_table_unruled(t));
	mutex_lock(&world->b.mover.lock);
	/* blocks do not go online yet */
	KUNIT_EXPECT_FALSE(test, balloon_blocks_replace(blocks));
	mutex_unlock(&world->b.mover.lock);
	world->goes_online = true;
	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	KUNIT_EXPECT_EQ(test, state_of(2), BALLOON_BLOCK_ADDED);
	remove_one();
	KUNIT_EXPECT_EQ(test, world->removed, block_of(0));
	KUNIT_EXPECT_FALSE(test, balloon_table_unruled(t));
	mutex_lock(&world->b.mover.lock);
	KUNIT_EXPECT_FALSE(test, balloon_blocks_replace(blocks));
	mutex_unlock(&world->b.mover.lock);
}

/* The number of reads of the table does not grow with the number of blocks. */
static unsigned int looks;

static void count_look(void)
{
	looks++;
}

#define MANY	8192U

static void hotplug_many(struct kunit *test)
{
	struct balloon_table *t = &world->b.pages.table;
	unsigned long block = world_block_pages(), pfn, last, i;
	unsigned int removed = 0;

	for (i = 0; i < MANY; i++) {
		KUNIT_ASSERT_EQ(test, balloon_table_reserve(t, block_of(i)), 0);
		balloon_table_enter(t, block_of(i), false);
		balloon_table_set(t, block_of(i), BALLOON_BLOCK_ONLINE);
		cond_resched();
	}
	kunit_activate_static_stub(test, balloon_table_looked, count_look);
	/* a block in the middle becomes empty */
	KUNIT_EXPECT_FALSE(test, balloon_table_empty(t, &pfn));
	looks = 0;
	KUNIT_EXPECT_TRUE(test, balloon_table_count(t, block_of(MANY / 2),
						    block));
	KUNIT_EXPECT_TRUE(test, balloon_table_empty(t, &pfn));
	KUNIT_EXPECT_EQ(test, pfn, block_of(MANY / 2));
	KUNIT_EXPECT_LE(test, looks, 4);
	KUNIT_EXPECT_EQ(test, t->held, (MANY - 1) * block);
	/* a block that the driver did not add */
	KUNIT_EXPECT_FALSE(test, balloon_table_count(t, block_of(MANY), 1));
	/* the next piece, across the empty one */
	pfn = block_of(MANY / 2 + 1);
	looks = 0;
	KUNIT_EXPECT_TRUE(test, balloon_table_next(t, &pfn, BALLOON_HUGE_PAGES));
	KUNIT_EXPECT_EQ(test, pfn, block_of(MANY / 2) - BALLOON_HUGE_PAGES);
	KUNIT_EXPECT_LE(test, looks, 4);
	/* all blocks, piece by piece */
	pfn = ULONG_MAX;
	last = block_of(MANY);
	looks = 0;
	for (i = 0; balloon_table_next(t, &pfn, block); i++) {
		KUNIT_ASSERT_LT(test, pfn, last);
		last = pfn;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, i, MANY - 1);
	KUNIT_EXPECT_LE(test, looks, MANY);
	/* all blocks are emptied and removed */
	looks = 0;
	for (i = 0; i < MANY; i++) {
		if (i == MANY / 2)
			continue;
		balloon_table_count(t, block_of(i), block);
		cond_resched();
	}
	while (balloon_table_empty(t, &pfn)) {
		KUNIT_ASSERT_EQ(test, pfn, block_of(MANY - 1 - removed));
		balloon_table_set(t, pfn, BALLOON_BLOCK_LEAVING);
		balloon_table_forget(t, pfn);
		removed++;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, removed, MANY);
	KUNIT_EXPECT_LE(test, looks, 4 * MANY + 4);
	KUNIT_EXPECT_FALSE(test, balloon_table_used(t));
	KUNIT_EXPECT_EQ(test, t->held, 0);
	KUNIT_EXPECT_EQ(test, t->leaving, 0);
	kunit_deactivate_static_stub(test, balloon_table_looked);
}
#endif

/* What a block costs: its page structures, and the tables of a PV guest. */
static void hotplug_cost(struct kunit *test)
{
	unsigned long bytes = world_block_pages() * sizeof(struct page);

	KUNIT_EXPECT_EQ(test, balloon_blocks_cost(&world->b.blocks),
			DIV_ROUND_UP(bytes, PAGE_SIZE));
	world->ops.table_bytes = 16;
	KUNIT_EXPECT_EQ(test, balloon_blocks_cost(&world->b.blocks),
			DIV_ROUND_UP(bytes + 16 * world_block_pages(),
				     PAGE_SIZE));
}

static unsigned long worth(unsigned long want)
{
	return balloon_policy_worth(want, world_block_pages(),
				    sizeof(struct page));
}

/* A last block that costs more than it brings is left out. */
static void hotplug_worth(struct kunit *test)
{
	unsigned long block = world_block_pages(), cost, i;

	cost = balloon_blocks_cost(&world->b.blocks);
	for (i = 0; i < 3; i++) {
		unsigned long whole = i * block;

		KUNIT_EXPECT_EQ(test, worth(whole), whole);
		KUNIT_EXPECT_EQ(test, worth(whole + 1), whole);
		KUNIT_EXPECT_EQ(test, worth(whole + cost), whole);
		KUNIT_EXPECT_EQ(test, worth(whole + cost + 1), whole + cost + 1);
	}
	/* three blocks and a bit that is not worth a fourth */
	KUNIT_EXPECT_EQ(test, world_add_pages(3 * block + cost), 3 * block);
	KUNIT_EXPECT_EQ(test, world_add_pages(3 * block + cost + 1), 4 * block);
}

/* Only a valid write of the sysctl is passed on to the client. */
static void hotplug_sysctl(struct kunit *test)
{
	int value = 1;
	const struct ctl_table table = {
		.data = &value,
		.maxlen = sizeof(value),
		.extra1 = SYSCTL_ZERO,
		.extra2 = SYSCTL_ONE,
	};
	char text[8] = "2\n";
	size_t len = 2;
	loff_t pos = 0;

	be_told();
	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 1, text, &len,
							      &pos), -EINVAL);
	len = sizeof(text);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 0, text, &len,
							      &pos), 0);
	KUNIT_EXPECT_EQ(test, text[0], '1');
	KUNIT_EXPECT_EQ(test, settings, 0);
	strscpy(text, "0\n");
	len = 2;
	pos = 0;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 1, text, &len,
							      &pos), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_EQ(test, settings, 1);
	balloon_hotplug_user = real_user;
}

static struct kunit_case hotplug_test_cases[] = {
	KUNIT_CASE_PARAM(hotplug_geometry, geometry_gen_params),
	KUNIT_CASE(hotplug_crowded),
	KUNIT_CASE(hotplug_twice),
	KUNIT_CASE(hotplug_mem_limit),
	KUNIT_CASE(hotplug_last_pfn),
	KUNIT_CASE(hotplug_refused),
	KUNIT_CASE(hotplug_foreign),
	KUNIT_CASE(hotplug_stages),
	KUNIT_CASE(hotplug_events),
	KUNIT_CASE(hotplug_possible),
	KUNIT_CASE(hotplug_cost),
	KUNIT_CASE(hotplug_worth),
	KUNIT_CASE(hotplug_sysctl),
#ifdef CONFIG_MEMORY_HOTREMOVE
	KUNIT_CASE(hotplug_remove),
	KUNIT_CASE(hotplug_replace),
	KUNIT_CASE_SLOW(hotplug_many),
#endif
	{}
};

static struct kunit_suite hotplug_suite = {
	.name = "xen-balloon-hotplug",
	.init = hotplug_init,
	.exit = hotplug_exit,
	.test_cases = hotplug_test_cases,
};

/* --- the life of a block, with real pages ---------------------------------------------- */

#define HUGE		BALLOON_HUGE_PAGES

static int tell(struct sim *sim, unsigned long type, struct page *page)
{
	return balloon_blocks_client.event(&sim->b.blocks, type,
					   page_to_pfn(page));
}

static bool comes_online(struct sim *sim, struct page *page)
{
	return balloon_blocks_client.online_page(&sim->b.blocks, page, HUGE);
}

static enum balloon_block_state state(struct sim *sim, struct page *page)
{
	unsigned long listed;

	return balloon_table_state(&sim->b.pages.table, page_to_pfn(page),
				   &listed);
}

static bool has_empty(struct sim *sim)
{
	unsigned long pfn;

	return balloon_pages_empty_block(&sim->b.pages, &pfn);
}

static bool kicked(struct sim *sim)
{
	return test_bit(BALLOON_KICKED, &sim->b.news.events);
}

/* The balloon takes the pages of a block that comes online, in the state in
 * which the memory hotplug core hands them over.
 */
static void blocks_online(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page;
	unsigned long i;

	sim->hotplug = HUGE;
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 10);
	KUNIT_ASSERT_EQ(test, sim->nr_added, 1);
	page = sim->added[0];
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_ADDED);
	/* a block that is not online has no memory in it */
	KUNIT_EXPECT_TRUE(test, has_empty(sim));
	balloon_pages_unmark(page, HUGE);
	for (i = 0; i < HUGE; i++)
		SetPageReserved(page + i);
	sim->b.news.events = 0;
	sim_online(sim);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_ONLINE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	KUNIT_EXPECT_FALSE(test, PageReserved(page));
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim_check(sim);
	/* no kick while more blocks are being added */
	sim->b.news.events = 0;
	sim->b.blocks.task = BALLOON_BLOCKS_ADD;
	tell(sim, MEM_ONLINE, page);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
	sim->b.blocks.task = BALLOON_BLOCKS_REMOVE;
	tell(sim, MEM_ONLINE, page);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim->b.blocks.task = BALLOON_BLOCKS_IDLE;
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
	/* only once: now the block has memory in it */
	KUNIT_EXPECT_FALSE(test, comes_online(sim, page));
}

static void blocks_empty(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_FALSE(test, has_empty(sim));
	sim_add_block(sim);
	KUNIT_EXPECT_TRUE(test, has_empty(sim));
	/* one page of it is lent */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	KUNIT_EXPECT_FALSE(test, has_empty(sim));
	/* a page that comes back causes no search through all blocks */
	sim->looks = 0;
	balloon_lending_give_back(&sim->b, 1, sim->lent);
	KUNIT_EXPECT_GT(test, sim->looks, 0);
	KUNIT_EXPECT_LE(test, sim->looks, 4);
	sim->nr_lent = 0;
	KUNIT_EXPECT_TRUE(test, has_empty(sim));
}

/* The pages of a block leave the balloon, and come back where the block stays.
 */
static void blocks_offline(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);
	unsigned long i;

	/* a cancel without a MEM_GOING_OFFLINE changes nothing */
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_CANCEL_OFFLINE, page), 0);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_LEAVING);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.leaving, HUGE);
	for (i = 0; i < HUGE; i++)
		KUNIT_ASSERT_EQ(test, page_count(page + i), 0);
	/* the block is not removed a second time */
	KUNIT_EXPECT_FALSE(test, has_empty(sim));
	sim->b.news.events = 0;
	tell(sim, MEM_CANCEL_OFFLINE, page);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.leaving, 0);
	KUNIT_EXPECT_TRUE(test, kicked(sim));
	sim_check(sim);
	/* a second cancel changes nothing */
	sim->b.news.events = 0;
	tell(sim, MEM_CANCEL_OFFLINE, page);
	KUNIT_EXPECT_FALSE(test, kicked(sim));
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
}

/* Another task has a reference to a page of a block that should go offline. */
static void blocks_looked_at(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);

	get_page(page + HUGE / 2);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), -EBUSY);
	put_page(page + HUGE / 2);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	tell(sim, MEM_CANCEL_OFFLINE, page);
}

/* An administrator sets an empty block offline, and online again much later.
 * The block still has no memory behind it.
 */
static void blocks_offline_by_hand(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);
	unsigned long i;

	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	tell(sim, MEM_OFFLINE, page);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_ADDED);
	KUNIT_EXPECT_EQ(test, balloon_pages_offline(&sim->b.pages), HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.leaving, 0);
	/* the block can be removed meanwhile */
	KUNIT_EXPECT_TRUE(test, has_empty(sim));
	for (i = 0; i < HUGE; i++)
		page_ref_inc(page + i);
	KUNIT_EXPECT_TRUE(test, comes_online(sim, page));
	tell(sim, MEM_ONLINE, page);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
}

/* An administrator sets a block with memory in it offline, and online again.
 * Its pages stay the kernel's.
 */
static void blocks_away(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);
	unsigned long pfn = ULONG_MAX;

	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_AWAY);
	/* the block is neither emptied nor removed meanwhile */
	KUNIT_EXPECT_FALSE(test, balloon_pages_claim(&sim->b.pages, &pfn));
	KUNIT_EXPECT_FALSE(test, has_empty(sim));
	tell(sim, MEM_CANCEL_OFFLINE, page);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_ONLINE);
	sim_check(sim);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	tell(sim, MEM_OFFLINE, page);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_AWAY);
	KUNIT_EXPECT_FALSE(test, comes_online(sim, page));
	tell(sim, MEM_ONLINE, page);
	KUNIT_EXPECT_EQ(test, state(sim, page), BALLOON_BLOCK_ONLINE);
	sim_check(sim);
}

/* A page was lent before the removal of its block, so the block stays as it is.
 */
static void blocks_lent(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	sim->b.blocks.remover = current;
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), -EBUSY);
	KUNIT_EXPECT_TRUE(test, balloon_pages_block_in_use(&sim->b.pages,
							   page_to_pfn(page)));
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - 1);
	tell(sim, MEM_CANCEL_OFFLINE, page);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - 1);
	sim->b.blocks.remover = NULL;
	sim_check(sim);
	/* the driver does not keep an administrator from trying */
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), 0);
	tell(sim, MEM_CANCEL_OFFLINE, page);
	sim_return(sim, 0, 1);
}

/* Neither the driver nor an administrator can set a block offline while it is
 * being emptied.
 */
static void blocks_claimed(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_pages *bp = &sim->b.pages;
	struct page *page = sim_add_block(sim), *other;
	unsigned long pfn = ULONG_MAX, empty;

	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	KUNIT_EXPECT_TRUE(test, balloon_pages_claim(bp, &pfn));
	KUNIT_EXPECT_EQ(test, pfn, page_to_pfn(page));
	/* the other pages are set aside */
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	KUNIT_EXPECT_EQ(test, bp->aside, HUGE - 1);
	/* a target that needs pages that are set aside is not lowered */
	sim_target(sim, SIM_PAGES + 5);
	KUNIT_EXPECT_EQ(test, balloon_worker_step(&sim->b), MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES + 5);
	sim_target(sim, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), -EBUSY);
	/* also where all pages are set aside or in the balloon */
	balloon_lending_give_back(&sim->b, 1, sim->lent);
	sim->nr_lent = 0;
	KUNIT_EXPECT_EQ(test, tell(sim, MEM_GOING_OFFLINE, page), -EBUSY);
	KUNIT_EXPECT_FALSE(test, has_empty(sim));
	balloon_pages_unclaim(bp, pfn);
	KUNIT_EXPECT_EQ(test, bp->aside, 0);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
	bp->table.claimed = pfn / HUGE;
	/* other blocks can be removed */
	other = sim_add_block(sim);
	KUNIT_EXPECT_TRUE(test, balloon_pages_empty_block(bp, &empty));
	KUNIT_EXPECT_EQ(test, empty, page_to_pfn(other));
	/* also where it is the last one */
	bp->table.claimed = max(pfn, page_to_pfn(other)) / HUGE;
	KUNIT_EXPECT_TRUE(test, balloon_pages_empty_block(bp, &empty));
	KUNIT_EXPECT_EQ(test, empty, min(pfn, page_to_pfn(other)));
	bp->table.claimed = BALLOON_NO_BLOCK;
	KUNIT_EXPECT_TRUE(test, balloon_pages_empty_block(bp, &empty));
	KUNIT_EXPECT_EQ(test, empty, max(pfn, page_to_pfn(other)));
}

/* Boot memory is populated first, so that blocks can stay empty. */
static void blocks_last(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_add_block(sim);
	struct page *other = sim_hole(sim, BALLOON_MAX_ORDER);

	mutex_lock(&sim->b.pages.lock);
	balloon_pages_add(&sim->b.pages, other, HUGE);
	mutex_unlock(&sim->b.pages.lock);
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_TRUE(test, sim_is_out(sim, page));
	KUNIT_EXPECT_FALSE(test, sim_is_out(sim, other));
	/* in either order of coming to the list */
	sim_target(sim, SIM_PAGES);
	sim_settle(sim, 20);
	sim_add_block(sim);
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->b.pages.table.held, 0);
}

static struct kunit_case blocks_test_cases[] = {
	KUNIT_CASE(blocks_online),
	KUNIT_CASE(blocks_empty),
	KUNIT_CASE(blocks_offline),
	KUNIT_CASE(blocks_looked_at),
	KUNIT_CASE(blocks_offline_by_hand),
	KUNIT_CASE(blocks_away),
	KUNIT_CASE(blocks_lent),
	KUNIT_CASE(blocks_claimed),
	KUNIT_CASE(blocks_last),
	{}
};

static struct kunit_suite blocks_suite = {
	.name = "xen-balloon-blocks",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = blocks_test_cases,
};

kunit_test_suites(&hotplug_suite, &blocks_suite);
#endif /* CONFIG_XEN_BALLOON_MEMORY_HOTPLUG */
