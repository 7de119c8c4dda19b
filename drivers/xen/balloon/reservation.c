// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: frames to Xen and back
 */

/**
 * DOC: reservation
 *
 * The two hypercalls that move memory, and the kernel's own mapping of what
 * they move.  Xen may stop either call after any number of entries; what it
 * says of them, and what can be found out about the others, is entered in the
 * batch, and nothing is undone here.
 *
 * A guest whose physical addresses Xen translates (HVM, PVH, Arm) names its
 * frames by GFN and keeps its mapping: an access to a frame that is gone finds
 * nothing.  A PV guest maps machine frames itself.  Before it may release one
 * its mapping has to go, its entry in the p2m as well, and after that only the
 * list of frames in the batch knows where the page was.
 */

#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

#include <asm/tlbflush.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/hypervisor.h>

#include <xen/interface/hvm/hvm_op.h>
#include <xen/interface/memory.h>
#include <xen/interface/xen.h>
#include <xen/mem-reservation.h>
#include <xen/xen.h>

#include <trace/events/xen_balloon.h>

#include "internal.h"

/* Xen counts in 4 KiB; its order of one page of ours. */
#define XEN_ORDER	ilog2(XEN_PFN_PER_PAGE)

bool __read_mostly xen_scrub_pages = IS_ENABLED(CONFIG_XEN_SCRUB_PAGES_DEFAULT);
core_param(xen_scrub_pages, xen_scrub_pages, bool, 0);

/* Xen itself, for which tests put their own. */
VISIBLE_IF_KUNIT long balloon_hypercall(unsigned int cmd, void *arg)
{
	BALLOON_STUB(balloon_hypercall, cmd, arg);
	return HYPERVISOR_memory_op(cmd, arg);
}

static long memory_op(unsigned int cmd, xen_pfn_t *frames, unsigned int nr,
		      unsigned int xen_order)
{
	struct xen_memory_reservation reservation = {
		.nr_extents = nr,
		.extent_order = xen_order,
		.domid = DOMID_SELF,
	};

	set_xen_guest_handle(reservation.extent_start, frames);
	return balloon_hypercall(cmd, &reservation);
}

static long count_frames(unsigned int cmd)
{
	domid_t domid = DOMID_SELF;

	return balloon_hypercall(cmd, &domid);
}

/* --- guests whose addresses Xen translates ------------------------------ */

#ifdef CONFIG_X86
static int gfn_is_out(xen_pfn_t gfn)
{
	struct xen_hvm_get_mem_type type = {
		.domid = DOMID_SELF,
		.pfn = gfn,
	};
	int ret = HYPERVISOR_hvm_op(HVMOP_get_mem_type, &type);

	return ret ?: type.mem_type == HVMMEM_mmio_dm;
}
#else
static int gfn_is_out(xen_pfn_t gfn)
{
	return -EOPNOTSUPP;
}
#endif

static unsigned long any_pfn(void)
{
	return ULONG_MAX;
}

static unsigned int translated_hide(struct balloon_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		batch->frames[i] = page_to_xen_pfn(batch->pages[i]);
	return batch->nr;
}

const struct balloon_ops balloon_translated_ops = {
	.memory_op = memory_op,
	.count = count_frames,
	.is_out = gfn_is_out,
	.last_pfn = any_pfn,
	.hide = translated_hide,
};

/* --- PV guests ---------------------------------------------------------- */

#ifdef CONFIG_XEN_PV
/* Xen itself, for which tests put their own. */
VISIBLE_IF_KUNIT int balloon_mmu_update(struct mmu_update *updates,
					unsigned int nr, int *done)
{
	BALLOON_STUB(balloon_mmu_update, updates, nr, done);
	return HYPERVISOR_mmu_update(updates, nr, done, DOMID_SELF);
}

/* Requests to change the mapping, and the entry of the batch that each belongs
 * to; the holder of batch_lock fills them.
 */
static struct mmu_update pv_updates[BALLOON_BATCH];
static u16 pv_entry[BALLOON_BATCH];

/* Where the kernel maps @page, as Xen wants to be told.  @last is the page of
 * the request before this one, or NULL: to walk the page tables costs as much
 * as what Xen then does, and pages of the same 2 MiB have theirs in one table.
 */
static int pv_request(struct mmu_update *update, struct page *page,
		      struct page *last, pte_t pte)
{
	unsigned long address = (unsigned long)page_address(page);
	unsigned int level;
	pte_t *ptep;

	if (last && page_to_pfn(page) / PTRS_PER_PTE ==
		    page_to_pfn(last) / PTRS_PER_PTE) {
		update->ptr = update[-1].ptr + (page - last) * sizeof(*ptep);
	} else {
		ptep = lookup_address(address, &level);
		if (!ptep || level != PG_LEVEL_4K)
			return -EFAULT;
		update->ptr = arbitrary_virt_to_machine(ptep).maddr |
			      MMU_NORMAL_PT_UPDATE;
	}
	update->val = pte_val_ma(pte);
	return 0;
}

static unsigned int pv_hide(struct balloon_batch *batch)
{
	struct page *last = NULL;
	unsigned int i, nr;
	int done = 0;

	for (nr = 0; nr < batch->nr; nr++) {
		struct page *page = batch->pages[nr];

		batch->frames[nr] = pfn_to_mfn(page_to_pfn(page));
		if (pv_request(&pv_updates[nr], page, last, __pte_ma(0)))
			break;
		last = page;
	}
	if (balloon_mmu_update(pv_updates, nr, &done))
		nr = clamp_t(int, done, 0, nr);
	for (i = 0; i < nr; i++)
		__set_phys_to_machine(page_to_pfn(batch->pages[i]),
				      INVALID_P2M_ENTRY);
	if (nr)
		flush_tlb_all();
	return nr;
}

/* Apply requests; the entry of each that Xen refuses is set in @unsure. */
VISIBLE_IF_KUNIT void balloon_pv_apply(struct mmu_update *updates,
				       const u16 *entry, unsigned int nr,
				       unsigned long *unsure)
{
	unsigned int from = 0;
	int done;

	while (from < nr) {
		done = 0;
		if (!balloon_mmu_update(updates + from, nr - from, &done))
			return;
		if ((unsigned int)done >= nr - from)
			break;
		from += done;
		__set_bit(entry[from++], unsure);
	}
	/* it refuses one, and says that it made all of them, or less than none */
	while (from < nr)
		__set_bit(entry[from++], unsure);
}

static void pv_show(struct balloon_batch *batch, unsigned int first,
		    unsigned int nr_entries)
{
	unsigned int pages = 1U << batch->order;
	unsigned int entry, i, nr = 0;
	struct page *last = NULL;

	for (entry = first; entry < first + nr_entries; entry++) {
		for (i = 0; i < pages; i++) {
			struct page *page = batch->pages[entry] + i;
			unsigned long mfn = batch->frames[entry] + i;

			if (!set_phys_to_machine(page_to_pfn(page), mfn) ||
			    pv_request(&pv_updates[nr], page, last,
				       mfn_pte(mfn, PAGE_KERNEL))) {
				__set_bit(entry, batch->unsure);
				continue;
			}
			pv_entry[nr++] = entry;
			last = page;
			if (nr == BALLOON_BATCH) {
				balloon_pv_apply(pv_updates, pv_entry, nr,
						 batch->unsure);
				last = NULL;
				nr = 0;
			}
		}
	}
	if (nr)
		balloon_pv_apply(pv_updates, pv_entry, nr, batch->unsure);
}

static unsigned long pv_last_pfn(void)
{
	return xen_p2m_size;
}

/* The kernel maps what it adds: to nothing, as long as nothing is there.  The
 * entries stay as they are where adding fails, since nothing else can be at
 * these addresses.
 */
static int pv_prepare_range(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long end = pfn + nr_pages;

	for (; pfn < end; pfn++) {
		if (!set_phys_to_machine(pfn, INVALID_P2M_ENTRY))
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

static int pv_lend(struct page *page)
{
	return xen_alloc_p2m_entry(page_to_pfn(page));
}

const struct balloon_ops balloon_pv_ops = {
	.by_frame = true,
	.keeps_blocks = true,
	.memory_op = memory_op,
	.count = count_frames,
	.prepare_range = pv_prepare_range,
	.last_pfn = pv_last_pfn,
	.hide = pv_hide,
	.show = pv_show,
	.lend = pv_lend,
};
#endif /* CONFIG_XEN_PV */

/* --- faults ------------------------------------------------------------- */

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static DECLARE_FAULT_ATTR(fail_attr);
static u32 fail_at;

/* How many of @nr entries Xen is asked for.  It does no more than it is asked,
 * so what the driver believes afterwards is true.
 */
static unsigned int asked(unsigned int nr)
{
	u32 at = READ_ONCE(fail_at);

	return at < nr && should_fail(&fail_attr, 1) ? at : nr;
}

/**
 * balloon_faults_init - let a tester make Xen stop early
 * @dir: where in debugfs
 *
 * Beside what every fault attribute has there is "at": the entry of a hypercall
 * at which it ends, from 0 on.  Calls that have no such entry are left alone.
 */
void __init balloon_faults_init(struct dentry *dir)
{
	dir = fault_create_debugfs_attr("fail_reservation", dir, &fail_attr);
	debugfs_create_u32("at", 0600, dir, &fail_at);
}
#else
static unsigned int asked(unsigned int nr)
{
	return nr;
}
#endif

/* --- what other units call ---------------------------------------------- */

/* One hypercall over entries @first and up; how many Xen did. */
static unsigned int call(const struct balloon_ops *ops, unsigned int cmd,
			 struct balloon_batch *batch, unsigned int first,
			 struct balloon_counters *counters, u64 *ns)
{
	bool populate = cmd == XENMEM_populate_physmap;
	unsigned int nr = batch->nr - first;
	bool huge = batch->order;
	unsigned int done;
	u64 start;
	long ret;

	start = ktime_get_ns();
	ret = ops->memory_op(cmd, batch->frames + first, asked(nr),
			     batch->order + XEN_ORDER);
	*ns = ktime_get_ns() - start;
	trace_xen_balloon_hypercall(populate, batch->order, nr, ret, *ns);

	/* no answer of the hypervisor makes us count more than there is */
	done = clamp_t(long, ret, 0, nr);
	counters->calls[populate][huge]++;
	counters->extents[populate][huge] += done;
	counters->refused[populate][huge] += done < nr;
	counters->longest_ns[populate] = max(counters->longest_ns[populate],
					     *ns);
	return done;
}

/* Xen refused one page: find out where it is now, frame by frame. */
static void settle_page(const struct balloon_ops *ops,
			struct balloon_batch *batch, unsigned int i)
{
	/* one frame that was never tried before is in or out, not between */
	bool whole = XEN_PFN_PER_PAGE == 1 && !batch->broken;
	unsigned int frame, out = 0;

	if (!ops->is_out)
		return;
	for (frame = 0; frame < XEN_PFN_PER_PAGE; frame++) {
		xen_pfn_t gfn = batch->frames[i] + frame;
		int ret = 0;

		/* the call may have removed some frames of a large page */
		if (XEN_PFN_PER_PAGE > 1)
			ret = ops->memory_op(XENMEM_decrease_reservation,
					     &gfn, 1, 0);
		if (ret <= 0)
			ret = ops->is_out(gfn);
		if (ret < 0) {
			if (!whole)
				__set_bit(i, batch->unsure);
			return;
		}
		out += ret;
	}
	if (out == XEN_PFN_PER_PAGE)
		__set_bit(i, batch->moved);
	else if (out)
		__set_bit(i, batch->unsure);
}

/**
 * balloon_release - give a batch to Xen
 * @ops: the kind of domain
 * @batch: what; hidden.  Entries that are Xen's afterwards are set in moved,
 *	those of which nobody knows in unsure; all others are still the guest's
 * @counters: counts what was done
 * @ns: how long the first hypercall took
 *
 * A page that Xen refuses is left out and the others are released.  Of an
 * extent of 2 MiB at which Xen stopped some pages may be gone: that is the
 * first entry which is in neither set, and whoever calls has to release it
 * again page by page.  The entries behind it were not tried.
 *
 * source: decrease_reservation() and guest_remove_page() in Xen's
 * xen/common/memory.c.
 *
 * Context: may sleep; the lock of the instance is not held.
 * Return: how many entries were moved.
 */
unsigned int balloon_release(const struct balloon_ops *ops,
			     struct balloon_batch *batch,
			     struct balloon_counters *counters, u64 *ns)
{
	unsigned int i = 0, done;
	u64 again;

	while (i < batch->nr) {
		done = call(ops, XENMEM_decrease_reservation, batch, i,
			    counters, i ? &again : ns);
		bitmap_set(batch->moved, i, done);
		i += done;
		if (i == batch->nr || batch->order)
			break;
		/* every one: behind this one there may be holes as well */
		settle_page(ops, batch, i++);
	}
	return bitmap_weight(batch->moved, batch->nr);
}

/**
 * balloon_populate - have Xen put memory behind a batch
 * @ops: the kind of domain
 * @batch: what; the first entries are set in moved afterwards, those of them
 *	that could not be mapped in unsure
 * @counters: counts what was done
 * @ns: how long that took, with the mapping
 *
 * source: populate_physmap() in Xen's xen/common/memory.c.
 *
 * Context: may sleep; the lock of the instance is not held.
 * Return: how many entries were moved; none of the others was touched.
 */
unsigned int balloon_populate(const struct balloon_ops *ops,
			      struct balloon_batch *batch,
			      struct balloon_counters *counters, u64 *ns)
{
	u64 start = ktime_get_ns();
	unsigned int i, done;

	for (i = 0; i < batch->nr; i++)
		batch->frames[i] = page_to_xen_pfn(batch->pages[i]);
	done = call(ops, XENMEM_populate_physmap, batch, 0, counters, ns);
	bitmap_set(batch->moved, 0, done);
	if (done && ops->show)
		ops->show(batch, 0, done);
	*ns = ktime_get_ns() - start;
	return done;
}

/**
 * balloon_room - how much more memory the domain may have
 * @ops: the kind of domain
 *
 * Return: pages; LONG_MAX where Xen does not say, or where the domain may have
 * all that is in its balloon at any time.
 */
long balloon_room(const struct balloon_ops *ops)
{
	long most = ops->count(XENMEM_maximum_reservation);
	long now = ops->count(XENMEM_current_reservation);

	if (most < 0 || now < 0 || balloon_keeps_frames(ops))
		return LONG_MAX;
	return max(most - now, 0L) / (long)XEN_PFN_PER_PAGE;
}

/**
 * balloon_debt - how many pages a guest has that Xen does not count
 * @ops: the kind of domain
 * @held: pages that the guest has
 *
 * They are populated on demand, and Xen has no memory for so many of them.  It
 * also counts some that the guest does not, so these are a few more.
 *
 * Return: pages; 0 where Xen does not say.
 */
unsigned long balloon_debt(const struct balloon_ops *ops, unsigned long held)
{
	long pages = ops->count(XENMEM_current_reservation);

	if (pages <= 0)
		return 0;
	pages /= XEN_PFN_PER_PAGE;
	return held - min_t(unsigned long, pages, held);
}

/* --- for other drivers -------------------------------------------------- */

/**
 * xenmem_reservation_increase - have Xen put memory behind pages
 * @count: how many pages
 * @frames: their PFNs, in units of 4 KiB; in PV guests replaced by the MFNs
 *
 * Return: how many of them, from the first on, are populated; or a negative
 * errno.
 */
int xenmem_reservation_increase(int count, xen_pfn_t *frames)
{
	return memory_op(XENMEM_populate_physmap, frames, count, XEN_ORDER);
}
EXPORT_SYMBOL_GPL(xenmem_reservation_increase);

/**
 * xenmem_reservation_decrease - give pages to Xen
 * @count: how many pages
 * @frames: their GFNs
 *
 * Return: how many of them, from the first on, are Xen's; or a negative errno.
 */
int xenmem_reservation_decrease(int count, xen_pfn_t *frames)
{
	return memory_op(XENMEM_decrease_reservation, frames, count,
			 XEN_ORDER);
}
EXPORT_SYMBOL_GPL(xenmem_reservation_decrease);

#ifdef CONFIG_XEN_HAVE_PVMMU
/* One page at a time: the callers of these have few. */
static int map_page(struct page *page, pte_t pte)
{
	return HYPERVISOR_update_va_mapping((unsigned long)page_address(page),
					    pte, 0);
}

/**
 * __xenmem_reservation_va_mapping_update - map pages to frames that Xen gave
 * @count: how many pages
 * @pages: the pages
 * @frames: the MFN of each
 *
 * PV guests only.  A page that cannot be mapped is said, once.
 */
void __xenmem_reservation_va_mapping_update(unsigned long count,
					    struct page **pages,
					    xen_pfn_t *frames)
{
	unsigned long i;

	BUILD_BUG_ON(XEN_PAGE_SIZE != PAGE_SIZE);

	for (i = 0; i < count; i++) {
		if (!set_phys_to_machine(page_to_pfn(pages[i]), frames[i]) ||
		    map_page(pages[i], mfn_pte(frames[i], PAGE_KERNEL)))
			WARN_ONCE(1, "xen: page %#lx has no mapping\n",
				  page_to_pfn(pages[i]));
	}
}
EXPORT_SYMBOL_GPL(__xenmem_reservation_va_mapping_update);

/**
 * __xenmem_reservation_va_mapping_reset - unmap pages that Xen is to get
 * @count: how many pages
 * @pages: the pages
 *
 * PV guests only.  A page that stays mapped is said, once; Xen will refuse it.
 */
void __xenmem_reservation_va_mapping_reset(unsigned long count,
					   struct page **pages)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		if (map_page(pages[i], __pte_ma(0)))
			WARN_ONCE(1, "xen: page %#lx keeps its mapping\n",
				  page_to_pfn(pages[i]));
		else
			__set_phys_to_machine(page_to_pfn(pages[i]),
					      INVALID_P2M_ENTRY);
	}
}
EXPORT_SYMBOL_GPL(__xenmem_reservation_va_mapping_reset);
#endif /* CONFIG_XEN_HAVE_PVMMU */
