// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: a simulated hypervisor for its tests
 *
 * It stands behind the ops of an instance that belongs to one test.  The pages
 * are real ones, from the allocator of the kernel that runs the test; only
 * their frames never go anywhere.  What a page holds is overwritten when its
 * frame goes and again when it comes, so that nobody can mistake a frame that
 * is gone for one that is there.
 *
 * An instance has no pointer to its hypervisor, and tests run one at a time:
 * the one that runs is the_sim.
 */

#include <kunit/static_stub.h>
#include <linux/highmem.h>
#include <linux/kmsg_dump.h>
#include <linux/ioport.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <asm/xen/hypercall.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/mem-reservation.h>

#include "sim.h"

/* States of a frame; 0 is what the kernel's memory is: there, and mapped. */
#define FRAME_OUT	BIT(0)	/* the domain has no memory there */
#define FRAME_HIDDEN	BIT(1)	/* PV: the kernel does not map it */
#define FRAME_STUCK	BIT(2)	/* Xen cannot take it */
#define FRAME_TORN	BIT(3)	/* out, from an extent that Xen left half done */
#define FRAME_SEEN	BIT(4)	/* this test had to do with it */
#define FRAME_TOUCHED	BIT(5)	/* it was populated, or released */

/* What sim_check() found about a page. */
#define WHERE_LISTED	1
#define WHERE_LENT	2
#define WHERE_ADDED	3

/* An MFN tells which PFN it was populated for, and the how manieth time. */
#define MFN_PFN_BITS	22
#define MFN_PFN(mfn)	((mfn) & (BIT(MFN_PFN_BITS) - 1))

#define FILL_OUT	0xe5
#define FILL_IN		0x5a

#define PER_PAGE	((unsigned long)XEN_PFN_PER_PAGE)

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen_balloon_kunit."

/* 0: another one every time */
static unsigned int seed;
module_param(seed, uint, 0444);

static struct sim *the_sim;

/* One failure is enough: what follows comes from it. */
static __printf(2, 3) void sim_fail(struct sim *sim, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (sim->failed)
		return;
	sim->failed = true;
	va_start(args, fmt);
	vaf.va = &args;
	KUNIT_FAIL(sim->test, "%pV", &vaf);
	va_end(args);
}

static unsigned long nr_frames(void)
{
	return max_pfn * PER_PAGE;
}

static struct page *frame_page(unsigned long gfn)
{
	return pfn_to_page(gfn / PER_PAGE);
}

static void see(struct sim *sim, unsigned long pfn)
{
	unsigned long i;

	if (sim->frames[pfn * PER_PAGE] & FRAME_SEEN)
		return;
	for (i = 0; i < PER_PAGE; i++)
		sim->frames[pfn * PER_PAGE + i] |= FRAME_SEEN;
	sim->seen[sim->nr_seen++] = pfn;
}

static unsigned long mfn_of(const struct sim *sim, unsigned long pfn)
{
	return ((unsigned long)sim->gens[pfn] + 1) << MFN_PFN_BITS | pfn;
}

/* --- what a page holds ----------------------------------------------------- */

static bool holds(struct sim *sim, struct page *page, u8 value)
{
	unsigned char *at = kmap_local_page(page);
	bool same;

	if (sim->light)
		same = !memchr_inv(at, value, 64) &&
		       !memchr_inv(at + PAGE_SIZE - 64, value, 64);
	else
		same = !memchr_inv(at, value, PAGE_SIZE);
	kunmap_local(at);
	return same;
}

static void fill(struct sim *sim, struct page *page, u8 value)
{
	unsigned char *at = kmap_local_page(page);

	if (sim->light) {
		memset(at, value, 64);
		memset(at + PAGE_SIZE - 64, value, 64);
	} else {
		memset(at, value, PAGE_SIZE);
	}
	kunmap_local(at);
}

/* --- hypercalls --------------------------------------------------------------- */

/* The caller says that nobody uses the page any more. */
static void check_released(struct sim *sim, unsigned long gfn)
{
	struct page *page = frame_page(gfn);

	if (!PageOffline(page))
		sim_fail(sim, "GFN %#lx released, its page is in use", gfn);
	if (page_private(page))
		sim_fail(sim, "GFN %#lx released, its page is listed", gfn);
	if (page_count(page) != 1)
		sim_fail(sim, "GFN %#lx released, its page has %d users", gfn,
			 page_count(page));
	if (sim->pv && !(sim->frames[gfn] & FRAME_HIDDEN))
		sim_fail(sim, "GFN %#lx released while it is mapped", gfn);
	/* what it keeps for the guest, Xen clears itself */
	if (sim->xen_scrubs && sim->pod_cache < sim->pod_entries)
		return;
	if (READ_ONCE(xen_scrub_pages) && gfn % PER_PAGE == 0 &&
	    !holds(sim, page, 0))
		sim_fail(sim, "GFN %#lx released with what it held", gfn);
}

/* What the domain has less by it.  A frame that was never touched has no memory
 * to give back; and as long as there are more such frames than Xen has memory
 * for, it keeps what comes back for them.
 *
 * source: decrease_reservation() in Xen's xen/arch/x86/mm/p2m-pod.c.
 */
static void count_out(struct sim *sim, u8 *frame)
{
	bool untouched = sim->pod_entries && !(*frame & FRAME_TOUCHED);

	*frame |= FRAME_TOUCHED;
	if (untouched) {
		sim->pod_entries--;
		if (sim->pod_cache <= sim->pod_entries)
			return;
		sim->pod_cache--;
	} else if (sim->pod_cache < sim->pod_entries) {
		sim->pod_cache++;
		return;
	}
	sim->nr_in--;
	sim->host++;
}

/* Frames that the guest has, with memory or without. */
static unsigned long nr_held(const struct sim *sim)
{
	return sim->nr_in + sim->pod_entries - sim->pod_cache;
}

/* Take a frame away.  False where Xen refuses. */
static bool remove_frame(struct sim *sim, unsigned long gfn, bool torn)
{
	u8 *frame = &sim->frames[gfn];

	if (*frame & FRAME_OUT) {
		/* nobody outside knows how far Xen came */
		if (!(*frame & FRAME_TORN))
			sim_fail(sim, "GFN %#lx released twice", gfn);
		return false;
	}
	check_released(sim, gfn);
	if (*frame & FRAME_STUCK)
		return false;
	*frame |= FRAME_OUT;
	if (torn)
		*frame |= FRAME_TORN;
	count_out(sim, frame);
	if (gfn % PER_PAGE == PER_PAGE - 1)
		fill(sim, frame_page(gfn), FILL_OUT);
	return true;
}

static bool release_extent(struct sim *sim, unsigned long gfn,
			   unsigned int xen_order)
{
	unsigned long i, stop = SIM_NEVER;
	u8 *frames = &sim->frames[gfn];

	if (xen_order > ilog2(PER_PAGE)) {
		stop = sim->faults.tear_at;
		if (stop != SIM_NEVER)
			stop *= PER_PAGE;
		sim->faults.tear_at = SIM_NEVER;
	}
	for (i = 0; i < 1UL << xen_order; i++) {
		if (i == stop || !remove_frame(sim, gfn + i, true))
			return false;
	}
	for (i = 0; i < 1UL << xen_order; i++)
		frames[i] &= ~FRAME_TORN;
	return true;
}

/* The GFN that a frame handed to Xen is at. */
static bool find_gfn(struct sim *sim, xen_pfn_t frame, unsigned long *gfn)
{
	*gfn = sim->pv ? MFN_PFN(frame) : frame;
	if (*gfn >= nr_frames()) {
		sim_fail(sim, "%#llx is no frame", (u64)frame);
		return false;
	}
	if (sim->pv && frame != mfn_of(sim, *gfn)) {
		sim_fail(sim, "MFN %#llx released, PFN %#lx has another one",
			 (u64)frame, *gfn);
		return false;
	}
	return true;
}

static unsigned int release(struct sim *sim, const xen_pfn_t *frames,
			    unsigned int nr, unsigned int xen_order)
{
	unsigned long gfn, j;
	unsigned int i;

	for (i = 0; i < min(nr, sim->faults.stop_after); i++) {
		if (!find_gfn(sim, frames[i], &gfn))
			break;
		if (gfn & ((1UL << xen_order) - 1))
			sim_fail(sim, "GFN %#lx released at order %u", gfn,
				 xen_order);
		for (j = 0; j < 1UL << xen_order; j += PER_PAGE)
			see(sim, (gfn + j) / PER_PAGE);
		if (!release_extent(sim, gfn, xen_order))
			break;
	}
	return i;
}

static void add_frame(struct sim *sim, unsigned long gfn)
{
	struct page *page = frame_page(gfn);
	u8 *frame = &sim->frames[gfn];

	if (!(*frame & FRAME_OUT))
		sim_fail(sim, "GFN %#lx populated, something is there", gfn);
	if (!PageOffline(page) || page_private(page) || page_count(page) != 1)
		sim_fail(sim, "GFN %#lx populated, its page is not ready", gfn);
	*frame &= ~(FRAME_OUT | FRAME_TORN);
	*frame |= FRAME_TOUCHED;
	sim->nr_in++;
	sim->host--;
	if (sim->pv) {
		*frame |= FRAME_HIDDEN;
		sim->gens[gfn]++;
	}
	if (gfn % PER_PAGE)
		return;
	if (!holds(sim, page, FILL_OUT))
		sim_fail(sim, "GFN %#lx was written to while it was out", gfn);
	fill(sim, page, FILL_IN);
}

/* The frames of an extent are neighbours in the machine too. */
static void align_gens(struct sim *sim, unsigned long gfn, unsigned long size)
{
	u16 most = 0;
	unsigned long i;

	for (i = 0; i < size; i++)
		most = max(most, sim->gens[gfn + i]);
	for (i = 0; i < size; i++)
		sim->gens[gfn + i] = most;
}

static unsigned int populate(struct sim *sim, xen_pfn_t *frames,
			     unsigned int nr, unsigned int xen_order)
{
	unsigned long size = 1UL << xen_order, j;
	unsigned int i;

	if (sim->faults.max_order != SIM_NEVER &&
	    xen_order > sim->faults.max_order + ilog2(PER_PAGE))
		return 0;
	for (i = 0; i < min(nr, sim->faults.stop_after); i++) {
		unsigned long gfn = frames[i];

		if (sim->host < size || sim->nr_in + size > sim->cap)
			break;
		if (gfn >= nr_frames() || gfn & (size - 1)) {
			sim_fail(sim, "GFN %#lx populated at order %u", gfn,
				 xen_order);
			break;
		}
		if (sim->frames[gfn] & FRAME_STUCK)
			break;
		if (sim->pv)
			align_gens(sim, gfn, size);
		for (j = 0; j < size; j++)
			add_frame(sim, gfn + j);
		if (sim->pv)
			frames[i] = mfn_of(sim, gfn);
	}
	return i;
}

static long sim_memory_op(unsigned int cmd, xen_pfn_t *frames, unsigned int nr,
			  unsigned int xen_order)
{
	struct sim *sim = the_sim;
	unsigned int done;

	sim->calls++;
	if (!nr || nr > BALLOON_BATCH)
		sim_fail(sim, "a hypercall for %u extents", nr);
	if (xen_order != ilog2(PER_PAGE) &&
	    xen_order != BALLOON_MAX_ORDER + ilog2(PER_PAGE) &&
	    (xen_order || cmd != XENMEM_decrease_reservation))
		sim_fail(sim, "a hypercall of order %u", xen_order);
	if (!sim->threads && mutex_is_locked(&sim->b.pages.lock))
		sim_fail(sim, "a hypercall with the lock held");
	if (sim->on_call)
		sim->on_call(sim);
	if (sim->faults.errno)
		return sim->faults.errno;
	if (sim->faults.zero)
		return 0;
	if (cmd == XENMEM_decrease_reservation)
		done = release(sim, frames, nr, xen_order);
	else
		done = populate(sim, frames, nr, xen_order);
	return sim->faults.more ? (long)nr + 3 : done;
}

static long sim_count(unsigned int cmd)
{
	struct sim *sim = the_sim;

	if (sim->faults.count_errno)
		return sim->faults.count_errno;
	return cmd == XENMEM_maximum_reservation ? sim->cap : sim->nr_in;
}

static int sim_gfn_is_out(xen_pfn_t gfn)
{
	struct sim *sim = the_sim;

	if (sim->faults.is_out_errno)
		return sim->faults.is_out_errno;
	return !!(sim->frames[gfn] & FRAME_OUT);
}

/* --- the kernel's mapping ------------------------------------------------------- */

static unsigned int translated_hide(struct balloon_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		batch->frames[i] = page_to_xen_pfn(batch->pages[i]);
	return batch->nr;
}

static unsigned int pv_hide(struct balloon_batch *batch)
{
	struct sim *sim = the_sim;
	unsigned int i;

	for (i = 0; i < min(batch->nr, sim->faults.hide); i++) {
		unsigned long pfn = page_to_pfn(batch->pages[i]);

		see(sim, pfn);
		if (sim->frames[pfn] & (FRAME_OUT | FRAME_HIDDEN))
			sim_fail(sim, "PFN %#lx is not mapped", pfn);
		if (!PageOffline(batch->pages[i]))
			sim_fail(sim, "PFN %#lx unmapped while in use", pfn);
		sim->frames[pfn] |= FRAME_HIDDEN;
		sim->hides++;
		batch->frames[i] = mfn_of(sim, pfn);
	}
	return i;
}

static void pv_show(struct balloon_batch *batch, unsigned int first,
		    unsigned int nr)
{
	unsigned int pages = 1U << batch->order, entry, i;
	struct sim *sim = the_sim;

	for (entry = first; entry < first + nr; entry++) {
		for (i = 0; i < pages; i++) {
			unsigned long pfn = page_to_pfn(batch->pages[entry]) +
					    i;

			if (batch->frames[entry] + i != mfn_of(sim, pfn) ||
			    sim->frames[pfn] & FRAME_OUT)
				sim_fail(sim, "PFN %#lx mapped to MFN %#llx",
					 pfn, (u64)batch->frames[entry] + i);
			if (!sim->faults.show_at) {
				__set_bit(entry, batch->unsure);
				sim->faults.show_at = SIM_NEVER;
				continue;
			}
			if (sim->faults.show_at != SIM_NEVER)
				sim->faults.show_at--;
			sim->frames[pfn] &= ~FRAME_HIDDEN;
		}
	}
}

static int pv_lend(struct page *page)
{
	struct sim *sim = the_sim;

	if (sim->faults.lend_at == SIM_NEVER)
		return 0;
	if (!sim->faults.lend_at) {
		sim->faults.lend_at = SIM_NEVER;
		return -ENOMEM;
	}
	sim->faults.lend_at--;
	return 0;
}

static const struct balloon_ops sim_translated_ops = {
	.memory_op = sim_memory_op,
	.count = sim_count,
	.is_out = sim_gfn_is_out,
	.hide = translated_hide,
};

static const struct balloon_ops sim_direct_ops = {
	.keeps_frames = true,
	.memory_op = sim_memory_op,
	.count = sim_count,
	.is_out = sim_gfn_is_out,
	.hide = translated_hide,
};

static const struct balloon_ops sim_pv_ops = {
	.by_frame = true,
	.keeps_blocks = true,
	.memory_op = sim_memory_op,
	.count = sim_count,
	.hide = pv_hide,
	.show = pv_show,
	.lend = pv_lend,
};

/* --- the rest of the kernel -------------------------------------------------- */

static struct xen_balloon *sim_instance(void)
{
	return &the_sim->b;
}

static bool sim_freezing(void)
{
	return the_sim->freezing;
}

static bool sim_took_long(unsigned long since)
{
	return the_sim->took_long;
}

static unsigned long sim_available(void)
{
	return the_sim->available;
}

static unsigned long sim_movable(void)
{
	return the_sim->movable;
}

static struct page *sim_alloc(gfp_t gfp, unsigned int order)
{
	struct sim *sim = the_sim;

	if (sim->faults.alloc_order != SIM_NEVER &&
	    order > sim->faults.alloc_order)
		return NULL;
	if (sim->faults.alloc_at != SIM_NEVER && !sim->faults.alloc_at--) {
		sim->faults.alloc_at = 0;
		return NULL;
	}
	sim->gfp = gfp;
	if (order == BALLOON_MAX_ORDER && sim->blocks)
		sim->blocks--;
	if (!(gfp & __GFP_ZERO))
		sim->unzeroed++;
	return alloc_pages(gfp, order);
}

static unsigned long sim_free_blocks(void)
{
	return the_sim->blocks;
}

static void list_pages(struct sim *sim, struct page *page,
		       unsigned long nr_pages)
{
	mutex_lock(&sim->b.pages.lock);
	balloon_pages_add(&sim->b.pages, page, nr_pages);
	mutex_unlock(&sim->b.pages.lock);
}

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/* A simulated block is one extent of 2 MiB, the smallest size that works. */
static unsigned long sim_block_pages(void)
{
	return BALLOON_HUGE_PAGES;
}

static void put_in(struct sim *sim, struct page **blocks, unsigned int *nr,
		   struct page *page)
{
	KUNIT_ASSERT_LT(sim->test, *nr, ARRAY_SIZE(sim->added));
	blocks[(*nr)++] = page;
}

static bool take_out(struct page **blocks, unsigned int *nr, struct page *page)
{
	unsigned int i;

	for (i = 0; i < *nr; i++) {
		if (blocks[i] == page) {
			blocks[i] = blocks[--*nr];
			return true;
		}
	}
	return false;
}

static bool in_block(struct sim *sim, struct page *page)
{
	unsigned int i;

	for (i = 0; i < sim->nr_online; i++) {
		if (sim->online[i] == page)
			return true;
	}
	return false;
}

/* Return a hole for a new block.  The allocator may return pages of a simulated
 * block that has memory; such pages are not used.
 */
static struct page *fresh_hole(struct sim *sim)
{
	/* ask as for movable pages, so that the block can be emptied */
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_MOVABLE,
					BALLOON_MAX_ORDER), *fresh;

	KUNIT_ASSERT_NOT_NULL(sim->test, page);
	if (in_block(sim, page)) {
		fresh = fresh_hole(sim);
		__free_pages(page, BALLOON_MAX_ORDER);
		return fresh;
	}
	split_page(page, BALLOON_MAX_ORDER);
	sim_adopt_hole(sim, page, BALLOON_MAX_ORDER);
	/* the driver itself counts added pages */
	sim->stats.total_pages -= BALLOON_HUGE_PAGES;
	return page;
}

static struct resource *sim_hotplug_reserve(unsigned long last_pfn)
{
	struct sim *sim = the_sim;
	struct resource *res;

	if (sim->meanwhile)
		sim->meanwhile(sim);
	if (!sim->hotplug)
		return ERR_PTR(sim->hotplug_errno);
	if (!sim->hotplug_left)
		return ERR_PTR(-EBUSY);
	sim->hotplug_left -= BALLOON_HUGE_PAGES;
	res = kzalloc_obj(*res);
	KUNIT_ASSERT_NOT_NULL(sim->test, res);
	res->start = PFN_PHYS(page_to_pfn(fresh_hole(sim)));
	return res;
}

static int block_event(struct sim *sim, struct page *page, unsigned long event)
{
	return balloon_blocks_client.event(&sim->b.blocks, event,
					   page_to_pfn(page));
}

static int sim_hotplug_add(struct resource *res)
{
	struct sim *sim = the_sim;

	put_in(sim, sim->added, &sim->nr_added,
	       pfn_to_page(PHYS_PFN(res->start)));
	sim->not_online += BALLOON_HUGE_PAGES;
	kfree(res);
	if (sim->auto_online)
		sim_online(sim);
	return 0;
}

static unsigned long sim_block_cost(const struct balloon_blocks *blocks)
{
	return the_sim->block_cost;
}

static bool sim_hotplug_possible(void)
{
	the_sim->hotplug_left = the_sim->hotplug;
	return the_sim->hotplug || the_sim->hotplug_errno != -EOPNOTSUPP;
}

static bool sim_goes_online(void)
{
	return !the_sim->too_early;
}

static bool sim_for_lending(void)
{
	return the_sim->for_lending;
}

static void sim_looked(void)
{
	the_sim->looks++;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
static int sim_hotplug_remove(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct sim *sim = the_sim;
	unsigned int i;
	int ret;

	if (mutex_is_locked(&sim->b.pages.lock))
		sim_fail(sim, "a removal with the lock held");
	if (sim->meanwhile)
		sim->meanwhile(sim);
	sim->removals++;
	if (sim->taken)
		KUNIT_EXPECT_EQ(sim->test, sim_borrow(sim, 1), 0);
	if (take_out(sim->online, &sim->nr_online, page)) {
		ret = block_event(sim, page, MEM_GOING_OFFLINE) ?:
		      sim->remove_errno;
		if (ret) {
			block_event(sim, page, MEM_CANCEL_OFFLINE);
			put_in(sim, sim->online, &sim->nr_online, page);
			return ret;
		}
		block_event(sim, page, MEM_OFFLINE);
		for (i = 0; i < BALLOON_HUGE_PAGES; i++)
			page_ref_inc(page + i);
	} else {
		if (sim->remove_errno)
			return sim->remove_errno;
		KUNIT_EXPECT_TRUE(sim->test, take_out(sim->added,
						      &sim->nr_added, page));
		sim->not_online -= BALLOON_HUGE_PAGES;
	}
	put_in(sim, sim->gone, &sim->nr_gone, page);
	sim->managed -= BALLOON_HUGE_PAGES;
	return 0;
}

static void stub_removal(struct kunit *test)
{
	kunit_activate_static_stub(test, balloon_hotplug_remove,
				   sim_hotplug_remove);
}
#else
static void stub_removal(struct kunit *test)
{
}
#endif

/* Run the blocks task at once, in the task that starts it.  That task holds the
 * mover's lock, the blocks task does not.
 */
static int sim_blocks_queue(struct balloon_blocks *blocks)
{
	if (the_sim->blocks_wait)
		return 0;
	mutex_unlock(&blocks->mover->lock);
	balloon_blocks_work(&blocks->work);
	mutex_lock(&blocks->mover->lock);
	return 0;
}

/* Run the emptying task at once, without the lock, unless a test holds it back.
 */
static int sim_queue_emptying(struct balloon_blocks *blocks)
{
	if (the_sim->emptying_waits)
		return 0;
	mutex_unlock(&blocks->mover->lock);
	balloon_blocks_empty_work(&blocks->emptying.work);
	mutex_lock(&blocks->mover->lock);
	return 0;
}

static void stub_hotplug(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->b.pages.table.block_pages = BALLOON_HUGE_PAGES;
	kunit_activate_static_stub(test, balloon_table_looked, sim_looked);
	kunit_activate_static_stub(test, balloon_blocks_queue,
				   sim_blocks_queue);
	kunit_activate_static_stub(test, balloon_blocks_queue_emptying,
				   sim_queue_emptying);
	stub_removal(test);
	kunit_activate_static_stub(test, balloon_hotplug_block_pages,
				   sim_block_pages);
	kunit_activate_static_stub(test, balloon_hotplug_reserve,
				   sim_hotplug_reserve);
	kunit_activate_static_stub(test, balloon_hotplug_add, sim_hotplug_add);
	kunit_activate_static_stub(test, balloon_hotplug_possible,
				   sim_hotplug_possible);
	kunit_activate_static_stub(test, balloon_hotplug_goes_online,
				   sim_goes_online);
	kunit_activate_static_stub(test, balloon_blocks_cost, sim_block_cost);
	kunit_activate_static_stub(test, balloon_hotplug_for_lending,
				   sim_for_lending);
}

/**
 * sim_enter_block - enter a block with memory into the table, as if added
 * @sim: the simulation
 * @page: its first page; all of it is with the kernel
 */
void sim_enter_block(struct sim *sim, struct page *page)
{
	unsigned long pfn = page_to_pfn(page);

	KUNIT_ASSERT_EQ(sim->test,
			balloon_pages_enter_block(&sim->b.pages, pfn, false),
			0);
	balloon_pages_block_added(&sim->b.pages, pfn);
	sim->stats.total_pages -= BALLOON_HUGE_PAGES;
	put_in(sim, sim->online, &sim->nr_online, page);
	block_event(sim, page, MEM_ONLINE);
}

/**
 * sim_add_block - add a memory block and set it online
 * @sim: the simulation
 *
 * Return: its first page; all of it is in the balloon.
 */
struct page *sim_add_block(struct sim *sim)
{
	struct page *page = fresh_hole(sim);
	unsigned long pfn = page_to_pfn(page);

	KUNIT_ASSERT_EQ(sim->test,
			balloon_pages_enter_block(&sim->b.pages, pfn, false),
			0);
	balloon_pages_block_added(&sim->b.pages, pfn);
	put_in(sim, sim->added, &sim->nr_added, page);
	sim->not_online += BALLOON_HUGE_PAGES;
	sim_online(sim);
	sim->b.news.events = 0;
	return page;
}

/**
 * sim_online - set all added memory online
 * @sim: the simulation
 */
void sim_online(struct sim *sim)
{
	struct page *page;
	bool taken;

	while (sim->nr_added) {
		page = sim->added[--sim->nr_added];
		taken = balloon_blocks_client.online_page(&sim->b.blocks, page,
							  BALLOON_HUGE_PAGES);
		KUNIT_EXPECT_TRUE(sim->test, taken);
		put_in(sim, sim->online, &sim->nr_online, page);
		sim->not_online -= BALLOON_HUGE_PAGES;
		block_event(sim, page, MEM_ONLINE);
	}
}

/* Compare the table with where the pages of each block are. */
static void check_table(struct sim *sim)
{
	struct balloon_table *t = &sim->b.pages.table;
	unsigned long held = 0, pfn, in, j, listed;
	unsigned int i, looks = sim->looks;

	for (i = 0; i < sim->nr_online; i++) {
		pfn = page_to_pfn(sim->online[i]);
		for (in = 0, j = 0; j < BALLOON_HUGE_PAGES; j++)
			in += sim->where[pfn + j] == WHERE_LISTED;
		if (balloon_table_state(t, pfn, &listed) != BALLOON_BLOCK_ONLINE)
			sim_fail(sim, "block %#lx is not online", pfn);
		if (listed != in)
			sim_fail(sim, "block %#lx has %lu pages in the balloon, not %lu",
				 pfn, in, listed);
		held += BALLOON_HUGE_PAGES - in;
	}
	if (t->held != held || t->leaving)
		sim_fail(sim, "%lu pages are held and %lu leave, not %lu and none",
			 t->held, t->leaving, held);
	if (t->offline != sim->not_online)
		sim_fail(sim, "%lu pages are not online, not %lu",
			 sim->not_online, t->offline);
	sim->looks = looks;
}
#else
static void stub_hotplug(struct kunit *test)
{
}

void sim_online(struct sim *sim)
{
}

static void check_table(struct sim *sim)
{
}
#endif

/* --- making and checking one ------------------------------------------------- */

/**
 * sim_seed - where the numbers of a random test begin
 * @test: the test, whose log tells how to repeat it
 *
 * Return: the seed.
 */
u32 sim_seed(struct kunit *test)
{
	u32 value = seed ?: get_random_u32() ?: 1;

	kunit_info(test, "SEED=%u", value);
	return value;
}

/**
 * sim_no_faults - nothing goes wrong from now on
 * @sim: the simulation
 */
void sim_no_faults(struct sim *sim)
{
	sim->faults = (struct sim_faults){
		.stop_after = SIM_NEVER,
		.tear_at = SIM_NEVER,
		.max_order = SIM_NEVER,
		.hide = SIM_NEVER,
		.show_at = SIM_NEVER,
		.lend_at = SIM_NEVER,
		.alloc_at = SIM_NEVER,
		.alloc_order = SIM_NEVER,
	};
}

/**
 * sim_make_pv - turn the guest into a PV guest; before anything was done
 * @sim: the simulation
 */
void sim_make_pv(struct sim *sim)
{
	if (PER_PAGE > 1)
		kunit_skip(sim->test, "the pages of PV guests are Xen's");
	sim->pv = true;
	sim->b.reservation.ops = &sim_pv_ops;
}

/**
 * sim_make_direct - turn the guest into a direct-mapped domain
 * @sim: the simulation
 * @direct: false: into a translated guest again
 */
void sim_make_direct(struct sim *sim, bool direct)
{
	sim->b.reservation.ops = direct ? &sim_direct_ops : &sim_translated_ops;
}

/**
 * sim_adopt_hole - turn pages of the kernel into a hole
 * @sim: the simulation
 * @page: the first of them; not compound
 * @order: how many
 *
 * They are marked, on no list, and in total_pages afterwards.
 */
void sim_adopt_hole(struct sim *sim, struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), i;

	adjust_managed_page_count(page, -(1L << order));
	balloon_pages_mark(page, 1UL << order);
	for (i = 0; i < 1UL << order; i++) {
		see(sim, pfn + i);
		fill(sim, page + i, FILL_OUT);
	}
	for (i = pfn * PER_PAGE; i < (pfn + (1UL << order)) * PER_PAGE; i++)
		sim->frames[i] |= FRAME_OUT | (sim->pv ? FRAME_HIDDEN : 0);
	sim->stats.total_pages += 1UL << order;
}

/**
 * sim_hole - pages of the guest with no memory behind them
 * @sim: the simulation
 * @order: how many
 *
 * Return: the first page, see sim_adopt_hole(); ends the test where there is
 * none.
 */
struct page *sim_hole(struct sim *sim, unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);

	KUNIT_ASSERT_NOT_NULL(sim->test, page);
	if (order)
		split_page(page, order);
	sim_adopt_hole(sim, page, order);
	return page;
}

/**
 * sim_list_hole - put a hole into the balloon
 * @sim: the simulation
 * @order: of what size
 */
void sim_list_hole(struct sim *sim, unsigned int order)
{
	list_pages(sim, sim_hole(sim, order), 1UL << order);
}

/**
 * sim_host_full - 16 pages are wanted and in the balloon, and the host has none
 * @sim: the simulation, with nothing done to it
 */
void sim_host_full(struct sim *sim)
{
	sim_list_hole(sim, 4);
	sim->host = 0;
	sim_target(sim, SIM_PAGES + 16);
	sim_step(sim);
	KUNIT_EXPECT_EQ(sim->test, sim->b.report.state, BALLOON_HOST_FULL);
}

/**
 * sim_stick - let somebody else hold a page
 * @sim: the simulation
 * @page: the page
 * @stuck: whether Xen refuses to take it, or to give it
 */
void sim_stick(struct sim *sim, struct page *page, bool stuck)
{
	unsigned long gfn = page_to_pfn(page) * PER_PAGE;

	if (stuck)
		sim->frames[gfn] |= FRAME_STUCK;
	else
		sim->frames[gfn] &= ~FRAME_STUCK;
}

/**
 * sim_is_out - whether a page has no memory behind it
 * @sim: the simulation
 * @page: the page
 *
 * Return: whether not one of its frames is there.
 */
bool sim_is_out(struct sim *sim, struct page *page)
{
	unsigned long gfn = page_to_pfn(page) * PER_PAGE, i;

	for (i = 0; i < PER_PAGE; i++) {
		if (!(sim->frames[gfn + i] & FRAME_OUT))
			return false;
	}
	return true;
}

/**
 * sim_listed - pages in the balloon, by its counters
 * @sim: the simulation
 *
 * Return: pages.
 */
unsigned long sim_listed(const struct sim *sim)
{
	return sim->stats.balloon_low + sim->stats.balloon_high;
}

static void check_extent(struct sim *sim, struct page *page, bool high,
			 unsigned int order)
{
	unsigned long pfn = page_to_pfn(page), i;
	unsigned long buddy = pfn ^ (1UL << order);

	if (pfn & ((1UL << order) - 1))
		sim_fail(sim, "extent %#lx of order %u is not aligned", pfn,
			 order);
	if (!!PageHighMem(page) != high)
		sim_fail(sim, "extent %#lx is on the wrong list", pfn);
	if (page_zone(page) != page_zone(page + (1UL << order) - 1))
		sim_fail(sim, "extent %#lx is in two zones", pfn);
	for (i = 0; i < 1UL << order; i++) {
		if (sim->where[pfn + i])
			sim_fail(sim, "page %#lx is listed twice", pfn + i);
		sim->where[pfn + i] = WHERE_LISTED;
		if (!PageOffline(page + i) || page_count(page + i) != 1 ||
		    PageReserved(page + i))
			sim_fail(sim, "page %#lx is listed and in use",
				 pfn + i);
		if (i ? page_private(page + i) :
			(page_private(page) & 0xff) != order)
			sim_fail(sim, "page %lu of extent %#lx has tag %#lx",
				 i, pfn, page_private(page + i));
	}
	if (order < BALLOON_MAX_ORDER && pfn_valid(buddy) &&
	    PageOffline(pfn_to_page(buddy)) &&
	    page_private(pfn_to_page(buddy)) == page_private(page) &&
	    page_zone(pfn_to_page(buddy)) == page_zone(page))
		sim_fail(sim, "extents %#lx and %#lx were not merged", pfn,
			 buddy);
}

static void check_lists(struct sim *sim)
{
	unsigned long pages[2] = {};
	unsigned int high, order;
	struct page *page;

	for (high = 0; high < 2; high++) {
		for (order = 0; order < BALLOON_NR_ORDERS; order++) {
			list_for_each_entry(page,
					    &sim->b.pages.free[high][order],
					    lru) {
				check_extent(sim, page, high, order);
				pages[high] += 1UL << order;
				if (sim->failed)
					return;
			}
		}
	}
	if (pages[0] != sim->stats.balloon_low ||
	    pages[1] != sim->stats.balloon_high)
		sim_fail(sim, "%lu + %lu pages listed, %lu + %lu counted",
			 pages[0], pages[1], sim->stats.balloon_low,
			 sim->stats.balloon_high);
}

/* Frames of a page that the domain has, and how the kernel may see it. */
static unsigned long check_page(struct sim *sim, unsigned long pfn,
				unsigned long *quarantined)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long in = 0, i;
	bool hidden = false;

	for (i = pfn * PER_PAGE; i < (pfn + 1) * PER_PAGE; i++) {
		in += !(sim->frames[i] & FRAME_OUT);
		hidden |= !!(sim->frames[i] & FRAME_HIDDEN);
	}
	switch (sim->where[pfn]) {
	case WHERE_LISTED:
	case WHERE_ADDED:
		if (in)
			sim_fail(sim, "page %#lx is in the balloon with memory",
				 pfn);
		return 0;
	case WHERE_LENT:
		if (in || PageOffline(page) || page_private(page))
			sim_fail(sim, "page %#lx is not fit to be lent", pfn);
		return 0;
	default:
		break;
	}
	/* one that is mapped cannot be marked */
	if (PageOffline(page) || folio_mapped(page_folio(page))) {
		++*quarantined;
		if (page_private(page))
			sim_fail(sim, "page %#lx has a tag and is on no list",
				 pfn);
		return in;
	}
	if (in < PER_PAGE)
		sim_fail(sim, "page %#lx is in use without memory", pfn);
	if (hidden)
		sim_fail(sim, "page %#lx is in use and not mapped", pfn);
	return 0;
}

static unsigned long mark_lent(struct sim *sim)
{
	unsigned long lent = 0;
	unsigned int i;

	for (i = 0; i < sim->nr_lent; i++) {
		unsigned long pfn;

		if (!sim->lent[i])
			continue;
		pfn = page_to_pfn(sim->lent[i]);
		if (sim->where[pfn])
			sim_fail(sim, "page %#lx is lent and elsewhere", pfn);
		sim->where[pfn] = WHERE_LENT;
		lent++;
	}
	return lent;
}

/**
 * sim_check_counts - what has to hold whatever the pages look like
 * @sim: the simulation
 */
void sim_check_counts(struct sim *sim)
{
	struct balloon_stats *stats = &sim->stats;
	unsigned long away = sim_listed(sim) + stats->target_unpopulated +
			     sim->b.pages.quarantined + sim->not_online;
	unsigned long frames = stats->current_pages * PER_PAGE + SIM_OFFSET;

	if (stats->current_pages + away != stats->total_pages)
		sim_fail(sim, "%lu pages are somewhere, %lu in all",
			 stats->current_pages + away, stats->total_pages);
	if (totalram_pages() + away != sim->managed)
		sim_fail(sim, "%lu pages are managed and %lu are out, not %lu",
			 totalram_pages(), away, sim->managed);
	if (nr_held(sim) < frames ||
	    nr_held(sim) > frames + sim->b.pages.quarantined * PER_PAGE)
		sim_fail(sim, "%lu frames and %lu pages counted, Xen has %lu",
			 frames, sim->b.pages.quarantined, nr_held(sim));
}

/**
 * sim_check - everything that has to hold between two steps
 * @sim: the simulation
 */
void sim_check(struct sim *sim)
{
	struct balloon_stats *stats = &sim->stats;
	unsigned long lent, quarantined = 0, odd = 0, i;
	unsigned int j;

	if (sim->failed)
		return;
	sim_check_counts(sim);
	if (sim->seldom && sim->checks++ % 128)
		return;
	for (i = 0; i < sim->nr_seen; i++)
		sim->where[sim->seen[i]] = 0;
	lent = mark_lent(sim);
	for (j = 0; j < sim->nr_added; j++)
		memset(&sim->where[page_to_pfn(sim->added[j])], WHERE_ADDED,
		       BALLOON_HUGE_PAGES);
	for (j = 0; j < sim->nr_gone; j++)
		memset(&sim->where[page_to_pfn(sim->gone[j])], WHERE_ADDED,
		       BALLOON_HUGE_PAGES);
	check_lists(sim);
	check_table(sim);
	for (i = 0; i < sim->nr_seen; i++)
		odd += check_page(sim, sim->seen[i], &quarantined);
	if (quarantined != sim->b.pages.quarantined)
		sim_fail(sim, "%lu pages are quarantined, %lu counted",
			 quarantined, sim->b.pages.quarantined);
	if (lent != stats->target_unpopulated)
		sim_fail(sim, "%lu pages are lent, %lu counted", lent,
			 stats->target_unpopulated);
	if (stats->current_pages * PER_PAGE + odd + SIM_OFFSET != nr_held(sim))
		sim_fail(sim, "%lu pages and %lu frames counted, Xen has %lu",
			 stats->current_pages, odd, nr_held(sim) - SIM_OFFSET);
}

/**
 * sim_borrow - borrow pages, and everything that has to hold after it
 * @sim: the simulation
 * @nr_pages: how many; they are at the end of lent
 *
 * Return: what the driver returned.
 */
int sim_borrow(struct sim *sim, unsigned int nr_pages)
{
	int ret;

	KUNIT_ASSERT_LE(sim->test, sim->nr_lent + nr_pages,
			ARRAY_SIZE(sim->lent));
	ret = balloon_lending_borrow(&sim->b, nr_pages, sim->lent + sim->nr_lent);
	if (!ret)
		sim->nr_lent += nr_pages;
	sim_check(sim);
	return ret;
}

/**
 * sim_return - give borrowed pages back
 * @sim: the simulation
 * @first: index of the first of them
 * @nr_pages: how many
 */
void sim_return(struct sim *sim, unsigned int first, unsigned int nr_pages)
{
	balloon_lending_give_back(&sim->b, nr_pages, sim->lent + first);
	memset(sim->lent + first, 0, nr_pages * sizeof(*sim->lent));
	while (sim->nr_lent && !sim->lent[sim->nr_lent - 1])
		sim->nr_lent--;
	sim_check(sim);
}

/**
 * sim_target - set a target as a toolstack does
 * @sim: the simulation
 * @pages: the target
 */
void sim_target(struct sim *sim, unsigned long pages)
{
	WRITE_ONCE(sim->stats.target_pages, pages);
	set_bit(BALLOON_NEW_TARGET, &sim->b.news.events);
}

/**
 * sim_step_early - a step that may come before a failed try can be repeated
 * @sim: the simulation
 *
 * Return: what the step returned.
 */
long sim_step_early(struct sim *sim)
{
	long delay = balloon_worker_step(&sim->b);

	if (mutex_is_locked(&sim->b.pages.lock) ||
	    mutex_is_locked(&sim->b.mover.lock))
		sim_fail(sim, "a lock is held after a step");
	sim_check(sim);
	return delay;
}

/**
 * sim_step - a step that is due, and everything that has to hold after it
 * @sim: the simulation
 *
 * Return: what the step returned.
 */
long sim_step(struct sim *sim)
{
	sim->b.worker.retry_at = jiffies;
	return sim_step_early(sim);
}

/**
 * sim_settle - step until nothing is left to do at once
 * @sim: the simulation
 * @steps: more than these are too many
 */
void sim_settle(struct sim *sim, unsigned int steps)
{
	while (steps--) {
		if (sim_step(sim) || sim->failed)
			return;
	}
	sim_fail(sim, "there is no end to the steps");
}

/**
 * sim_said - what administrators were told since this was called last
 * @text: a part of a message; an empty one is in none
 *
 * Return: how many lines of the kernel's log have it.
 */
unsigned int sim_said(const char *text)
{
	/* from one test to the next: nobody reads the whole log every time */
	static struct kmsg_dump_iter log;
	unsigned int lines = 0;
	char line[256];
	size_t len;

	while (kmsg_dump_get_line(&log, false, line, sizeof(line) - 1, &len)) {
		line[len] = '\0';
		lines += *text && strstr(line, text);
	}
	return lines;
}

/**
 * sim_test_init - a guest that has what it should have
 * @test: the test; its priv is the simulation afterwards
 *
 * Return: 0 or a negative errno.
 */
int sim_test_init(struct kunit *test)
{
	struct sim *sim = vzalloc(sizeof(*sim));

	if (!sim)
		return -ENOMEM;
	test->priv = sim;
	sim->test = test;
	sim->frames = vzalloc(nr_frames());
	sim->gens = vzalloc(max_pfn * sizeof(*sim->gens));
	sim->seen = vmalloc(max_pfn * sizeof(*sim->seen));
	sim->where = vzalloc(max_pfn);
	KUNIT_ASSERT_NOT_NULL(test, sim->frames);
	KUNIT_ASSERT_NOT_NULL(test, sim->gens);
	KUNIT_ASSERT_NOT_NULL(test, sim->seen);
	KUNIT_ASSERT_NOT_NULL(test, sim->where);
	KUNIT_ASSERT_LE(test, max_pfn, BIT(MFN_PFN_BITS));
	sim_no_faults(sim);
	balloon_instance_init(&sim->b, &sim->stats, &sim_translated_ops);
	sim->stats.current_pages = SIM_PAGES;
	sim->stats.total_pages = SIM_PAGES;
	sim->stats.target_pages = SIM_PAGES;
	sim->b.pages.initial = SIM_PAGES;
	sim->b.worker.started = true;
	sim->nr_in = SIM_PAGES * PER_PAGE + SIM_OFFSET;
	sim->cap = LONG_MAX;
	sim->host = LONG_MAX;
	sim->available = LONG_MAX;
	sim->blocks = LONG_MAX;
	sim->hotplug_errno = -EOPNOTSUPP;
	sim->managed = totalram_pages();
	the_sim = sim;
	kunit_activate_static_stub(test, balloon_mover_available, sim_available);
	kunit_activate_static_stub(test, balloon_mover_movable, sim_movable);
	kunit_activate_static_stub(test, balloon_mover_alloc, sim_alloc);
	kunit_activate_static_stub(test, balloon_mover_free_blocks,
				   sim_free_blocks);
	kunit_activate_static_stub(test, balloon_instance, sim_instance);
	kunit_activate_static_stub(test, balloon_worker_freezing, sim_freezing);
	kunit_activate_static_stub(test, balloon_mover_took_long, sim_took_long);
	stub_hotplug(test);
	return 0;
}

/* Memory for every page that has none, and all of them to the kernel. */
static void give_all_back(struct sim *sim)
{
	struct page *page;
	unsigned int order;
	unsigned long i;

	if (sim->failed) {
		/* lost, but not taken for anybody's neighbours */
		for (i = 0; i < sim->nr_seen; i++) {
			page = pfn_to_page(sim->seen[i]);
			if (PageOffline(page))
				set_page_private(page, 0);
		}
		return;
	}
	do {
		order = BALLOON_MAX_ORDER;
		page = balloon_pages_take(&sim->b.pages, false, &order);
	} while (page);
	for (i = 0; i < sim->nr_lent; i++) {
		if (sim->lent[i])
			balloon_pages_mark(sim->lent[i], 1);
	}
	for (i = 0; i < sim->nr_seen; i++) {
		page = pfn_to_page(sim->seen[i]);
		if (!PageOffline(page))
			continue;
		balloon_pages_unmark(page, 1);
		free_reserved_pages(page, 0);
	}
	sim->managed += sim->nr_gone * BALLOON_HUGE_PAGES;
	KUNIT_EXPECT_EQ(sim->test, totalram_pages(), sim->managed);
}

/**
 * sim_test_exit - give everything back to the kernel
 * @test: the test
 */
void sim_test_exit(struct kunit *test)
{
	struct sim *sim = test->priv;

	if (!sim)
		return;
	if (sim->where)
		give_all_back(sim);
	xa_destroy(&sim->b.pages.table.blocks);
	the_sim = NULL;
	vfree(sim->frames);
	vfree(sim->gens);
	vfree(sim->seen);
	vfree(sim->where);
	vfree(sim);
}
