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
 * @user: who was told before
 * @block: bytes of a memory block
 * @where: where memory may be added
 * @note_at: blocks noted until that fails; -1: never
 * @prepare_errno: what preparing a range answers
 * @add_errno: what adding answers
 * @impossible: this kernel cannot add memory
 * @prepared: pages that were prepared
 * @last_pfn: see struct balloon_ops
 * @res: what was added, until it was removed
 * @nr_res: entries of @res
 * @empty_from: the first PFN of what is empty
 * @empty_pages: how much of it is
 * @remove_errno: what removing answers
 * @removed: PFN of what was removed last
 * @online: pages handed to the balloon
 * @offline: pages taken away
 * @in_use: somebody has some of them
 * @cancelled: pages brought back
 * @changes: how often the worker was told to look
 */
struct world {
	struct kunit *test;
	struct balloon_hotplug_user user;
	unsigned long block;
	struct range where;
	int note_at;
	int prepare_errno;
	int add_errno;
	bool impossible;
	unsigned long prepared;
	unsigned long last_pfn;
	struct resource *res[16];
	unsigned int nr_res;
	unsigned long empty_from;
	unsigned long empty_pages;
	int remove_errno;
	unsigned long removed;
	unsigned long online;
	unsigned long offline;
	bool in_use;
	unsigned long cancelled;
	unsigned int changes;
};

/* One test runs at a time. */
static struct world *world;

static int (*real_note)(unsigned long number);

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

static int world_note(unsigned long number)
{
	int ret;

	if (!world->note_at)
		return -ENOMEM;
	if (world->note_at > 0)
		world->note_at--;
	kunit_deactivate_static_stub(world->test, balloon_hotplug_note_block);
	ret = real_note(number);
	kunit_activate_static_stub(world->test, balloon_hotplug_note_block, world_note);
	return ret;
}

static int world_add(struct resource *res)
{
	if (world->add_errno)
		return world->add_errno;
	KUNIT_ASSERT_LT(world->test, world->nr_res, ARRAY_SIZE(world->res));
	world->res[world->nr_res++] = res;
	return 0;
}

static int world_remove(unsigned long pfn)
{
	struct memory_notify notify = {
		.start_pfn = pfn,
		.nr_pages = world_block_pages(),
	};

	/* what somebody else removes at the same time is not ours to touch */
	struct memory_notify other = notify;

	other.start_pfn += world_block_pages();
	balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &other);
	balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &other);
	balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &notify);
	world->removed = pfn;
	if (world->remove_errno) {
		balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &notify);
		return world->remove_errno;
	}
	balloon_hotplug_memory_event(NULL, MEM_OFFLINE, &notify);
	return 0;
}

static void note_online(void *owner, struct page *page,
			unsigned long nr_pages)
{
	world->online += nr_pages;
}

static bool is_empty(void *owner, unsigned long start_pfn,
		     unsigned long nr_pages)
{
	return start_pfn >= world->empty_from &&
	       start_pfn + nr_pages <= world->empty_from + world->empty_pages;
}

static bool note_offline(void *owner, unsigned long start_pfn,
			 unsigned long nr_pages)
{
	world->offline += nr_pages;
	return !world->in_use;
}

static void note_cancelled(void *owner, unsigned long start_pfn,
			   unsigned long nr_pages)
{
	world->cancelled += nr_pages;
}

static void note_change(void *owner)
{
	world->changes++;
}

static const struct balloon_hotplug_client world_client = {
	.online = note_online,
	.empty = is_empty,
	.offline = note_offline,
	.cancel_offline = note_cancelled,
	.changed = note_change,
};

static int world_prepare(unsigned long pfn, unsigned long nr_pages)
{
	world->prepared += nr_pages;
	return world->prepare_errno;
}

static unsigned long world_last_pfn(void)
{
	return world->last_pfn;
}

static const struct balloon_ops world_ops = {
	.prepare_range = world_prepare,
	.last_pfn = world_last_pfn,
};

static const struct balloon_ops plain_ops;

static int hotplug_init(struct kunit *test)
{
	if (xen_domain())
		kunit_skip(test, "the blocks of this domain are real");
	world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);
	if (!world)
		return -ENOMEM;
	world->test = test;
	world->user = balloon_hotplug_user;
	world->block = SZ_128M;
	world->where = (struct range){ START, START + SPACE - 1 };
	world->note_at = -1;
	world->last_pfn = ULONG_MAX;
	balloon_hotplug_user = (struct balloon_hotplug_user){ &world_client };
	real_note = balloon_hotplug_note_block;
	kunit_activate_static_stub(test, balloon_hotplug_block_pages,
				   world_block_pages);
	kunit_activate_static_stub(test, balloon_hotplug_addable, world_addable);
	kunit_activate_static_stub(test, balloon_hotplug_possible,
				   world_possible);
	kunit_activate_static_stub(test, balloon_hotplug_note_block, world_note);
	kunit_activate_static_stub(test, balloon_hotplug_add_range, world_add);
#ifdef CONFIG_MEMORY_HOTREMOVE
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, world_remove);
#endif
	return 0;
}

static void hotplug_exit(struct kunit *test)
{
	unsigned int i;

	if (!world)
		return;
	/* no block stays behind */
	world->remove_errno = 0;
	for (i = 0; i < world->nr_res; i++) {
		struct resource *res = world->res[i];
		struct memory_notify notify = {
			.start_pfn = PHYS_PFN(res->start),
			.nr_pages = PHYS_PFN(resource_size(res)),
		};

		balloon_hotplug_memory_event(NULL, MEM_ONLINE, &notify);
		world->empty_from = notify.start_pfn;
		world->empty_pages = notify.nr_pages;
		while (balloon_hotplug_remove() > 0)
			;
		release_resource(res);
		kfree(res);
	}
	balloon_hotplug_user = world->user;
	world = NULL;
}

static unsigned long block_of(unsigned int i)
{
	return START_PFN + i * world_block_pages();
}

/* All of a resource, or a block of it, is set online. */
static void set_online(unsigned long pfn, unsigned long nr_pages)
{
	struct memory_notify notify = {
		.start_pfn = pfn,
		.nr_pages = nr_pages,
	};

	balloon_hotplug_memory_event(NULL, MEM_ONLINE, &notify);
}

static long add_blocks(unsigned int nr)
{
	return balloon_hotplug_add(&plain_ops, nr * world_block_pages(), RICH);
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
	{ "two and a bit", 128, 0, 257, 0, 384 },
	{ "the space begins within a block", 128, 4, 128, 128, 128 },
	{ "blocks of 2 GiB", 2048, 0, 1, 0, 2048 },
	{ "blocks of 2 GiB, not aligned", 2048, 128, 2049, 2048, 2048 },
	{ "blocks of 512 MiB", 512, 256, 512, 512, 512 },
	{ "a GiB at once", 128, 0, 65536, 0, 1024 },
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
	world->where.start += (u64)g->start << 20;
	KUNIT_ASSERT_EQ(test, balloon_hotplug_add(&world_ops, mib(g->want),
						  RICH), mib(g->added));
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

/* Where there is no room for a GiB, less is added; as long as there is any. */
static void hotplug_crowded(struct kunit *test)
{
	world->block = 128 << 20;
	world->where.end = world->where.start + 448 * (u64)SZ_1M - 1;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, mib(1024), RICH),
			mib(384));
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, mib(1024), RICH),
			-EBUSY);
	KUNIT_EXPECT_EQ(test, world->nr_res, 3);
}

static u64 ram_end;

static bool world_is_ram(u64 start, u64 end)
{
	return start < ram_end && end;
}

/* No block lies where the firmware has RAM, whatever the kernel was told of it. */
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
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, block, RICH),
			-EBUSY);
	world->last_pfn = START_PFN + block;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, block, RICH),
			block);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, block, RICH),
			-EBUSY);
	/* the end of what the kernel can map is another */
	world->last_pfn = ULONG_MAX;
	world->where.end = START + 2 * SZ_128M - 2;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, block, RICH),
			-EBUSY);
	world->where.end++;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, block, RICH),
			block);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, block, RICH),
			-EBUSY);
}

/* Too much for the guest, or not for this kernel at all. */
static void hotplug_refused(struct kunit *test)
{
	unsigned long block = world_block_pages();
	/* a quarter of what is there may be spent */
	unsigned long price = 4 * block * sizeof(struct page) / PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, block, price - 4),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, block, 0),
			-ENOMEM);
	world->impossible = true;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, block, RICH),
			-EOPNOTSUPP);
	/* that is for ever, whatever else is missing */
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, block, 0),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, world->nr_res, 0);
	world->impossible = false;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&plain_ops, 3 * block, price),
			block);
}

/* Whose pages come online: 1 the balloon's, 0 anybody's. */
static bool is_ours(struct kunit *test, unsigned long pfn)
{
	unsigned long before = world->online, managed = totalram_pages();
	struct page *page = pfn_to_page(pfn);

	/* somebody else's pages would be taken for real ones */
	if (pfn < START_PFN) {
		adjust_managed_page_count(page, -1);
		__SetPageOffline(page);
	}
	balloon_hotplug_online_page(page, 0);
	if (pfn < START_PFN)
		KUNIT_EXPECT_EQ(test, totalram_pages(), managed);
	return world->online != before;
}

/* Pages that are not the driver's go to the kernel. */
static void hotplug_foreign(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	KUNIT_EXPECT_FALSE(test, is_ours(test, page_to_pfn(page)));
	KUNIT_EXPECT_EQ(test, world->online, 0);
}

/* A failure at every stage leaves nothing behind: the same can be had again. */
static void hotplug_stages(struct kunit *test)
{
	unsigned long block = world_block_pages();
	unsigned int i;

	for (i = 0; i < 3; i++) {
		world->note_at = i == 0 ? 0 : -1;
		world->prepare_errno = i == 1 ? -ENOMEM : 0;
		world->add_errno = i == 2 ? -EEXIST : 0;
		world->prepared = 0;
		KUNIT_EXPECT_EQ(test, balloon_hotplug_add(&world_ops, 3 * block,
							  RICH),
				i == 2 ? -EEXIST : -ENOMEM);
		/* the kernel must not see what was not prepared */
		KUNIT_EXPECT_EQ(test, world->prepared, i == 0 ? 0 : block);
		KUNIT_EXPECT_EQ(test, world->nr_res, 0);
		/* what comes online there is not ours */
		set_online(block_of(0), 3 * block);
		world->empty_from = block_of(0);
		world->empty_pages = 3 * block;
		KUNIT_EXPECT_FALSE(test, balloon_hotplug_removable());
		KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), 0);
	}
	/* what was added before the failure stays */
	world->note_at = 2;
	world->add_errno = 0;
	KUNIT_EXPECT_EQ(test, add_blocks(3), 2 * block);
	world->note_at = -1;
	KUNIT_EXPECT_EQ(test, add_blocks(1), block);
	KUNIT_ASSERT_EQ(test, world->nr_res, 3);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, PHYS_PFN(world->res[i]->start),
				block_of(i));
}

/* --- coming online ------------------------------------------------------------------ */

/* The first time a block comes online its pages have nothing behind them. */
static void hotplug_online_once(struct kunit *test)
{
	unsigned long block = world_block_pages();

	KUNIT_EXPECT_GT(test, add_blocks(2), 0);
	balloon_hotplug_online_page(pfn_to_page(block_of(0)), MAX_PAGE_ORDER);
	balloon_hotplug_online_page(pfn_to_page(block_of(1) - 1), 0);
	KUNIT_EXPECT_EQ(test, world->online, (1UL << MAX_PAGE_ORDER) + 1);
	KUNIT_EXPECT_EQ(test, world->changes, 0);
	set_online(block_of(0), block);
	KUNIT_EXPECT_EQ(test, world->changes, 1);
	/* late, and for itself */
	balloon_hotplug_online_page(pfn_to_page(block_of(1)), 0);
	balloon_hotplug_online_page(pfn_to_page(block_of(2) - 1), 0);
	KUNIT_EXPECT_EQ(test, world->online, (1UL << MAX_PAGE_ORDER) + 3);
	set_online(block_of(1), block);
	KUNIT_EXPECT_EQ(test, world->changes, 2);
}

/* All blocks of a range at once, and one that is not ours among them. */
static void hotplug_online_range(struct kunit *test)
{
	unsigned long block = world_block_pages(), pfn = ULONG_MAX;

	KUNIT_EXPECT_GT(test, add_blocks(2), 0);
	set_online(block_of(0), 4 * block);
	world->empty_from = block_of(0);
	world->empty_pages = 4 * block;
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_next(&pfn));
	KUNIT_EXPECT_EQ(test, pfn, block_of(2) - BALLOON_HUGE_PAGES);
	/* other events are nobody's business */
	world->changes = 0;
	balloon_hotplug_memory_event(NULL, MEM_GOING_ONLINE,
				     &(struct memory_notify){
				     .start_pfn = block_of(0),
				     .nr_pages = block,
			     });
	KUNIT_EXPECT_EQ(test, world->changes, 0);
	KUNIT_EXPECT_EQ(test, world->offline, 0);
}

/* --- giving back --------------------------------------------------------------------- */

/* From the end of what was added to its start, block by block, no new ones. */
static void hotplug_next(struct kunit *test)
{
	unsigned long block = world_block_pages(), pfn = ULONG_MAX, i, j;
	static const unsigned int order[] = { 3, 1, 0 };

	KUNIT_EXPECT_FALSE(test, balloon_hotplug_next(&pfn));
	pfn = ULONG_MAX;
	KUNIT_EXPECT_GT(test, add_blocks(4), 0);
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_next(&pfn));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		set_online(block_of(order[i]), block);
	pfn = ULONG_MAX;
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		for (j = 0; j < block; j += BALLOON_HUGE_PAGES) {
			KUNIT_ASSERT_TRUE(test, balloon_hotplug_next(&pfn));
			KUNIT_ASSERT_EQ(test, pfn, block_of(order[i] + 1) - j -
						   BALLOON_HUGE_PAGES);
		}
	}
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_next(&pfn));
	/* and again from the start only when it is asked to */
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_next(&pfn));
	pfn = ULONG_MAX;
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_next(&pfn));
}

#ifdef CONFIG_MEMORY_HOTREMOVE
static bool world_for_lending(void)
{
	return true;
}

static void hotplug_remove(struct kunit *test)
{
	unsigned long block = world_block_pages(), pfn = ULONG_MAX;

	KUNIT_EXPECT_FALSE(test, balloon_hotplug_removable());
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), 0);
	KUNIT_EXPECT_GT(test, add_blocks(3), 0);
	world->empty_from = block_of(0);
	world->empty_pages = 2 * block;
	/* a block that never came online has no memory in it */
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_removable());
	set_online(block_of(0), 2 * block);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), block);
	KUNIT_EXPECT_EQ(test, world->removed, block_of(2));
	release_resource(world->res[--world->nr_res]);
	kfree(world->res[world->nr_res]);
	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	set_online(block_of(2), block);
	world->offline = 0;
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_removable());
	/* blocks that are kept for lending stay */
	kunit_activate_static_stub(test, balloon_hotplug_for_lending,
				   world_for_lending);
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_removable());
	kunit_deactivate_static_stub(test, balloon_hotplug_for_lending);
	/* the last one that is empty first */
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), block);
	KUNIT_EXPECT_EQ(test, world->removed, block_of(1));
	KUNIT_EXPECT_EQ(test, world->offline, block);
	KUNIT_EXPECT_EQ(test, world->cancelled, 0);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), block);
	KUNIT_EXPECT_EQ(test, world->removed, block_of(0));
	/* the third is in use */
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), 0);
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_removable());
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_next(&pfn));
	KUNIT_EXPECT_EQ(test, pfn, block_of(3) - BALLOON_HUGE_PAGES);
}

/* A block that went online, and is empty. */
static void add_empty(struct kunit *test)
{
	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	set_online(block_of(0), world_block_pages());
	world->empty_from = block_of(0);
	world->empty_pages = world_block_pages();
}

/* A block that cannot be removed is as it was. */
static void hotplug_remove_fails(struct kunit *test)
{
	unsigned long block = world_block_pages();

	add_empty(test);
	world->remove_errno = -EBUSY;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), -EBUSY);
	KUNIT_EXPECT_EQ(test, world->offline, block);
	KUNIT_EXPECT_EQ(test, world->cancelled, block);
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_removable());
	world->remove_errno = 0;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), block);
}

/* One that somebody uses after all is not even tried. */
static int remove_used(unsigned long pfn)
{
	struct memory_notify notify = {
		.start_pfn = pfn,
		.nr_pages = world_block_pages(),
	};
	int ret = balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &notify);

	balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &notify);
	return notifier_to_errno(ret);
}

static void hotplug_remove_used(struct kunit *test)
{
	unsigned long block = world_block_pages();

	add_empty(test);
	world->in_use = true;
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, remove_used);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), -EBUSY);
	world->in_use = false;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), block);
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, world_remove);
}

/* Others may set blocks offline and online: that is not a removal of ours. */
static void hotplug_offline_by_hand(struct kunit *test)
{
	unsigned long block = world_block_pages();
	struct memory_notify notify;

	KUNIT_EXPECT_GT(test, add_blocks(1), 0);
	set_online(block_of(0), block);
	notify = (struct memory_notify){
		.start_pfn = block_of(0),
		.nr_pages = block,
	};
	balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &notify);
	balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &notify);
	/* neither is the block at 0 */
	notify.start_pfn = 0;
	balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &notify);
	balloon_hotplug_memory_event(NULL, MEM_CANCEL_OFFLINE, &notify);
	KUNIT_EXPECT_EQ(test, world->offline, 0);
	KUNIT_EXPECT_EQ(test, world->cancelled, 0);
}

static int went_offline(unsigned long pfn)
{
	struct memory_notify notify = {
		.start_pfn = pfn,
		.nr_pages = world_block_pages(),
	};

	balloon_hotplug_memory_event(NULL, MEM_GOING_OFFLINE, &notify);
	balloon_hotplug_memory_event(NULL, MEM_OFFLINE, &notify);
	return -EBUSY;
}

static int online_again(unsigned long pfn)
{
	int ret = went_offline(pfn);

	balloon_hotplug_online_page(pfn_to_page(pfn), 0);
	return ret;
}

/* Removed in part and set online again: still nothing behind it. */
static void hotplug_remove_undone(struct kunit *test)
{
	add_empty(test);
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, online_again);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), -EBUSY);
	KUNIT_EXPECT_EQ(test, world->online, 1);
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, world_remove);
}

/* Nor is there when somebody else set it offline, and does that much later. */
static void hotplug_remove_left_offline(struct kunit *test)
{
	add_empty(test);
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, went_offline);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_remove(), -EBUSY);
	/* it can go meanwhile, and nobody looks at its pages */
	world->empty_pages = 0;
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_removable());
	world->empty_pages = world_block_pages();
	balloon_hotplug_online_page(pfn_to_page(block_of(0)), 0);
	KUNIT_EXPECT_EQ(test, world->online, 1);
	set_online(block_of(0), world_block_pages());
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_removable());
	kunit_deactivate_static_stub(test, balloon_hotplug_remove_block);
	kunit_activate_static_stub(test, balloon_hotplug_remove_block, world_remove);
}
#endif

/* Nothing is added where another driver, or the administrator, is against it. */
static void hotplug_possible(struct kunit *test)
{
	kunit_deactivate_static_stub(test, balloon_hotplug_possible);
	KUNIT_EXPECT_TRUE(test, balloon_hotplug_possible());
	balloon_hotplug_user.client = NULL;
	KUNIT_EXPECT_FALSE(test, balloon_hotplug_possible());
	KUNIT_EXPECT_EQ(test, add_blocks(1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, world->nr_res, 0);
	balloon_hotplug_user.client = &world_client;
}

/* What a block costs: its page structures, and the tables of a PV guest. */
static void hotplug_cost(struct kunit *test)
{
	struct balloon_ops ops = {};
	unsigned long bytes = world_block_pages() * sizeof(struct page);

	KUNIT_EXPECT_EQ(test, balloon_hotplug_cost(&ops),
			DIV_ROUND_UP(bytes, PAGE_SIZE));
	ops.table_bytes = 16;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_cost(&ops),
			DIV_ROUND_UP(bytes + 16 * world_block_pages(),
				     PAGE_SIZE));
}

/* A last block that costs more than it brings is left out. */
static void hotplug_worth(struct kunit *test)
{
	unsigned long block = world_block_pages(), cost, i;

	cost = balloon_hotplug_cost(&plain_ops);
	for (i = 0; i < 3; i++) {
		unsigned long whole = i * block;

		KUNIT_EXPECT_EQ(test, balloon_hotplug_worth(&plain_ops, whole),
				whole);
		KUNIT_EXPECT_EQ(test,
				balloon_hotplug_worth(&plain_ops, whole + 1),
				whole);
		KUNIT_EXPECT_EQ(test,
				balloon_hotplug_worth(&plain_ops, whole + cost),
				whole);
		KUNIT_EXPECT_EQ(test,
				balloon_hotplug_worth(&plain_ops,
						      whole + cost + 1),
				whole + cost + 1);
	}
}

/* Who writes the sysctl tells the worker, and nobody else does. */
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

	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 1, text, &len,
							      &pos), -EINVAL);
	len = sizeof(text);
	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 0, text, &len,
							      &pos), 0);
	KUNIT_EXPECT_EQ(test, text[0], '1');
	KUNIT_EXPECT_EQ(test, world->changes, 0);
	strscpy(text, "0\n");
	len = 2;
	pos = 0;
	KUNIT_EXPECT_EQ(test, balloon_hotplug_lending_handler(&table, 1, text, &len,
							      &pos), 0);
	KUNIT_EXPECT_EQ(test, value, 0);
	KUNIT_EXPECT_EQ(test, world->changes, 1);
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
	KUNIT_CASE(hotplug_online_once),
	KUNIT_CASE(hotplug_online_range),
	KUNIT_CASE(hotplug_next),
	KUNIT_CASE(hotplug_possible),
	KUNIT_CASE(hotplug_cost),
	KUNIT_CASE(hotplug_worth),
	KUNIT_CASE(hotplug_sysctl),
#ifdef CONFIG_MEMORY_HOTREMOVE
	KUNIT_CASE(hotplug_remove),
	KUNIT_CASE(hotplug_remove_fails),
	KUNIT_CASE(hotplug_remove_used),
	KUNIT_CASE(hotplug_offline_by_hand),
	KUNIT_CASE(hotplug_remove_undone),
	KUNIT_CASE(hotplug_remove_left_offline),
#endif
	{}
};

static struct kunit_suite hotplug_suite = {
	.name = "xen-balloon-hotplug",
	.init = hotplug_init,
	.exit = hotplug_exit,
	.test_cases = hotplug_test_cases,
};

/* --- what blocks does with what hotplug tells ---------------------------------------- */

#define HUGE		BALLOON_HUGE_PAGES

/* Pages as the memory hotplug core hands them over. */
static struct page *fresh_block(struct sim *sim)
{
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER);
	unsigned long i;

	balloon_pages_unmark(page, HUGE);
	for (i = 0; i < HUGE; i++)
		SetPageReserved(page + i);
	return page;
}

static void blocks_online(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = fresh_block(sim);

	balloon_blocks_client.online(&sim->b.blocks, page, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	KUNIT_EXPECT_FALSE(test, PageReserved(page));
	sim_check(sim);
	KUNIT_EXPECT_FALSE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	/* not while more is being added */
	sim->b.blocks.busy = true;
	sim->b.blocks.want = HUGE;
	balloon_blocks_client.changed(&sim->b.blocks);
	KUNIT_EXPECT_FALSE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim->b.blocks.want = 0;
	balloon_blocks_client.changed(&sim->b.blocks);
	KUNIT_EXPECT_TRUE(test, test_bit(BALLOON_KICKED, &sim->b.news.events));
	sim->b.blocks.busy = false;
	sim_target(sim, SIM_PAGES + HUGE);
	sim_settle(sim, 20);
	KUNIT_EXPECT_EQ(test, sim->stats.current_pages, SIM_PAGES + HUGE);
}

static void blocks_empty(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = fresh_block(sim);
	unsigned long pfn = page_to_pfn(page);

	KUNIT_EXPECT_FALSE(test, balloon_blocks_client.empty(&sim->b.blocks, pfn, HUGE));
	balloon_blocks_client.online(&sim->b.blocks, page, HUGE);
	KUNIT_EXPECT_TRUE(test, balloon_blocks_client.empty(&sim->b.blocks, pfn, HUGE));
	/* one page of it is lent */
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	KUNIT_EXPECT_FALSE(test, balloon_blocks_client.empty(&sim->b.blocks, pfn, HUGE));
	sim_return(sim, 0, 1);
	KUNIT_EXPECT_TRUE(test, balloon_blocks_client.empty(&sim->b.blocks, pfn, HUGE));
	/* what is offline, or leaves, is not looked at */
	sim->b.pages.leaving = HUGE;
	KUNIT_EXPECT_FALSE(test, balloon_blocks_client.empty(&sim->b.blocks, pfn,
							     HUGE));
	sim->b.pages.leaving = 0;
	KUNIT_EXPECT_FALSE(test, balloon_blocks_client.empty(&sim->b.blocks, START_PFN, HUGE));
}

/* Its pages leave the balloon, and come back where the block stays. */
static void blocks_offline(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = fresh_block(sim);
	unsigned long pfn = page_to_pfn(page), i;

	balloon_blocks_client.online(&sim->b.blocks, page, HUGE);
	KUNIT_EXPECT_TRUE(test, balloon_blocks_client.offline(&sim->b.blocks, pfn, HUGE));
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	KUNIT_EXPECT_EQ(test, sim->b.pages.leaving, HUGE);
	for (i = 0; i < HUGE; i++)
		KUNIT_ASSERT_EQ(test, page_count(page + i), 0);
	balloon_blocks_client.cancel_offline(&sim->b.blocks, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	KUNIT_EXPECT_EQ(test, sim->b.pages.leaving, 0);
	sim_check(sim);
	/* once only */
	balloon_blocks_client.cancel_offline(&sim->b.blocks, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	sim_check(sim);
}

/* A borrower came first: the block stays as it is. */
static void blocks_lent(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = fresh_block(sim);
	unsigned long pfn = page_to_pfn(page);

	balloon_blocks_client.online(&sim->b.blocks, page, HUGE);
	KUNIT_EXPECT_EQ(test, sim_borrow(sim, 1), 0);
	/* somebody else had set it offline, and online again */
	sim->b.pages.leaving = HUGE;
	KUNIT_EXPECT_FALSE(test, balloon_blocks_client.offline(&sim->b.blocks, pfn, HUGE));
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - 1);
	KUNIT_EXPECT_EQ(test, sim->b.pages.leaving, 0);
	balloon_blocks_client.cancel_offline(&sim->b.blocks, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - 1);
	sim_check(sim);
	sim_return(sim, 0, 1);
}

static struct kunit_case blocks_test_cases[] = {
	KUNIT_CASE(blocks_online),
	KUNIT_CASE(blocks_empty),
	KUNIT_CASE(blocks_offline),
	KUNIT_CASE(blocks_lent),
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
