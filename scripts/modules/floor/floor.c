// SPDX-License-Identifier: GPL-2.0
/*
 * floor - what moving memory costs at the very least
 *
 * A module for a guest: takes extents of 2 MiB, and then does to them only what
 * no balloon driver can leave out: clear them, in PV guests unmap them and
 * flush, release them to Xen, populate them again, in PV guests map them.  No
 * list, no counter, no struct page is touched while the clock runs.
 *
 * A line of the log for each part and for each size of a hypercall:
 *
 *   bench-floor: PART size=N pages=N ns=N
 *
 * The size is in extents of 2 MiB (PV release, unmap and map: in frames);
 * populate0 is populating by frame, in PV guests.  Whoever reads this adds up
 * the best of each.  A guest in which this ran is not to be used for anything
 * else: where a hypercall falls short, pages are missing.
 */
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include <asm/xen/hypercall.h>
#include <asm/xen/hypervisor.h>
#include <asm/xen/page.h>

#include <xen/interface/memory.h>
#include <xen/interface/xen.h>
#include <xen/xen.h>

#undef pr_fmt
#define pr_fmt(fmt) "bench-floor: " fmt

#define ORDER		9
#define PAGES		(1U << ORDER)
#define MOST_EXTENTS	512U
#define MOST_FRAMES	(4 * PAGES)

static unsigned int mib = 768;
module_param(mib, uint, 0);
MODULE_PARM_DESC(mib, "how much memory is moved");

static struct page *extents[MOST_EXTENTS];
static unsigned int nr_extents;

static xen_pfn_t frames[MOST_FRAMES];
static struct mmu_update updates[MOST_FRAMES];
/* of each extent: where its entries in the page table are, and its frames */
static u64 entries[MOST_EXTENTS];
static xen_pfn_t *machine;

static void report(const char *what, unsigned int size, u64 ns)
{
	pr_info("%s size=%u pages=%u ns=%llu\n", what, size,
		nr_extents * PAGES, ns);
	/* the console has the time that the clock does not see */
	cond_resched();
}

static int memory_op(unsigned int cmd, unsigned int nr, unsigned int order)
{
	struct xen_memory_reservation reservation = {
		.nr_extents = nr,
		.extent_order = order,
		.domid = DOMID_SELF,
	};
	int done;

	set_xen_guest_handle(reservation.extent_start, frames);
	done = HYPERVISOR_memory_op(cmd, &reservation);
	if (done == nr)
		return 0;
	pr_err("operation %u of order %u: %d of %u\n", cmd, order, done, nr);
	return -EIO;
}

static void take(void)
{
	unsigned int want = min(mib / 2, MOST_EXTENTS);

	while (nr_extents < want) {
		struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN |
						__GFP_NORETRY, ORDER);

		if (!page)
			break;
		extents[nr_extents++] = page;
	}
}

static void scrub(void)
{
	unsigned int e, i;
	u64 start = ktime_get_ns();

	for (e = 0; e < nr_extents; e++) {
		for (i = 0; i < PAGES; i++)
			clear_page(page_address(extents[e]) + i * PAGE_SIZE);
	}
	report("scrub", 1, ktime_get_ns() - start);
}

/* --- guests whose addresses Xen translates --------------------------------- */

static int move_extents(unsigned int cmd, unsigned int size)
{
	unsigned int e, i, nr;

	for (e = 0; e < nr_extents; e += nr) {
		nr = min(size, nr_extents - e);
		for (i = 0; i < nr; i++)
			frames[i] = page_to_pfn(extents[e + i]);
		if (memory_op(cmd, nr, ORDER))
			return -EIO;
	}
	return 0;
}

static int translated(void)
{
	static const unsigned int sizes[] = { 32, 4 };
	unsigned int i;
	u64 start;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		start = ktime_get_ns();
		if (move_extents(XENMEM_decrease_reservation, sizes[i]))
			return -EIO;
		report("release", sizes[i], ktime_get_ns() - start);
		start = ktime_get_ns();
		if (move_extents(XENMEM_populate_physmap, sizes[i]))
			return -EIO;
		report("populate", sizes[i], ktime_get_ns() - start);
	}
	return 0;
}

/* --- PV guests --------------------------------------------------------------- */

/* Where Xen finds the entries that map an extent, and its frames. */
static int look_up(void)
{
	unsigned int e, i, level;
	pte_t *pte;

	for (e = 0; e < nr_extents; e++) {
		pte = lookup_address((unsigned long)page_address(extents[e]),
				     &level);
		/* a page table holds the entries of just one extent */
		if (!pte || level != PG_LEVEL_4K)
			return -EFAULT;
		entries[e] = arbitrary_virt_to_machine(pte).maddr;
		for (i = 0; i < PAGES; i++)
			machine[e * PAGES + i] =
				pfn_to_mfn(page_to_pfn(extents[e]) + i);
	}
	return 0;
}

/* Change the mapping of @nr extents from @first on. */
static int change(unsigned int first, unsigned int nr, bool map)
{
	unsigned int e, i, n = 0;
	int done = 0;

	for (e = first; e < first + nr; e++) {
		for (i = 0; i < PAGES; i++, n++) {
			pte_t pte = map ? mfn_pte(machine[e * PAGES + i],
						  PAGE_KERNEL) : __pte_ma(0);

			updates[n].ptr = (entries[e] + i * sizeof(pte)) |
					 MMU_NORMAL_PT_UPDATE;
			updates[n].val = pte_val_ma(pte);
		}
	}
	return HYPERVISOR_mmu_update(updates, n, &done, DOMID_SELF);
}

static int flush(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_ALL };

	return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static int pv_release(unsigned int size)
{
	u64 unmap = 0, release = 0, start;
	unsigned int e, nr;

	for (e = 0; e < nr_extents; e += nr) {
		nr = min(size, nr_extents - e);
		start = ktime_get_ns();
		if (change(e, nr, false) || flush())
			return -EIO;
		unmap += ktime_get_ns() - start;

		memcpy(frames, machine + e * PAGES,
		       nr * PAGES * sizeof(*frames));
		start = ktime_get_ns();
		if (memory_op(XENMEM_decrease_reservation, nr * PAGES, 0))
			return -EIO;
		release += ktime_get_ns() - start;
	}
	report("unmap", size * PAGES, unmap);
	report("release", size * PAGES, release);
	return 0;
}

static int pv_populate(unsigned int size, unsigned int order)
{
	unsigned int each = 1U << order, e, i, n, nr;
	u64 populate = 0, map = 0, start;

	for (e = 0; e < nr_extents; e += nr) {
		nr = min(size, nr_extents - e);
		for (n = 0; n < nr * PAGES / each; n++)
			frames[n] = page_to_pfn(extents[e + n * each / PAGES]) +
				    n * each % PAGES;
		start = ktime_get_ns();
		if (memory_op(XENMEM_populate_physmap, n, order))
			return -EIO;
		populate += ktime_get_ns() - start;

		for (n = 0; n < nr * PAGES; n++)
			machine[e * PAGES + n] = frames[n / each] + n % each;
		start = ktime_get_ns();
		if (change(e, nr, true))
			return -EIO;
		map += ktime_get_ns() - start;

		for (i = 0; i < nr * PAGES; i++)
			xen_p2m_addr[page_to_pfn(extents[e + i / PAGES]) +
				     i % PAGES] = machine[e * PAGES + i];
	}
	report(order ? "populate" : "populate0", order ? size : size * PAGES,
	       populate);
	report("map", size * PAGES, map);
	return 0;
}

static int pv(void)
{
	machine = vmalloc_array(nr_extents * PAGES, sizeof(*machine));
	if (!machine)
		return -ENOMEM;
	if (look_up() || pv_release(1) || pv_populate(1, 0) ||
	    pv_release(4) || pv_populate(4, ORDER))
		return -EIO;
	vfree(machine);
	return 0;
}

static int __init floor_init(void)
{
	int ret;

	if (!xen_domain())
		return -ENODEV;
	take();
	scrub();
	ret = xen_pv_domain() ? pv() : translated();
	if (ret)
		return ret;
	while (nr_extents)
		__free_pages(extents[--nr_extents], ORDER);
	pr_info("done\n");
	return 0;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
}
module_exit(floor_exit);

MODULE_DESCRIPTION("What moving memory to Xen and back costs at the least");
MODULE_LICENSE("GPL");
