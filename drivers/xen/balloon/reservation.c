// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: frames to Xen and back
 */

/**
 * DOC: reservation
 *
 * This unit makes the two hypercalls that move memory.  Xen may stop either
 * call after any number of entries.  The unit finds out what became of every
 * entry and enters that in the batch; it undoes nothing.
 *
 * How a type of domain names its frames, and what else such a domain has to do,
 * is in a table of operations: ops_translated.c has those for HVM, PVH, Arm and
 * direct-mapped domains, ops_pv.c has that for PV.
 */

#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/ktime.h>
#include <linux/minmax.h>

#include <asm/xen/hypercall.h>

#include <xen/interface/memory.h>
#include <xen/interface/xen.h>

#include <trace/events/xen_balloon.h>

#include "reservation.h"

/* Xen itself, which a test replaces. */
VISIBLE_IF_KUNIT long balloon_hypercall(unsigned int cmd, void *arg)
{
	BALLOON_STUB(balloon_hypercall, cmd, arg);
	return HYPERVISOR_memory_op(cmd, arg);
}

/**
 * balloon_reservation_memory_op - make one hypercall that moves memory
 * @cmd: XENMEM_populate_physmap or XENMEM_decrease_reservation
 * @frames: PFNs to populate, and Xen's answer; or GFNs or (PV) MFNs to release
 * @nr: entries of @frames
 * @xen_order: order of an entry, in frames
 *
 * Return: how many entries Xen did, from the first on, or a negative errno.
 */
long balloon_reservation_memory_op(unsigned int cmd, xen_pfn_t *frames,
				   unsigned int nr, unsigned int xen_order)
{
	struct xen_memory_reservation reservation = {
		.nr_extents = nr,
		.extent_order = xen_order,
		.domid = DOMID_SELF,
	};

	set_xen_guest_handle(reservation.extent_start, frames);
	return balloon_hypercall(cmd, &reservation);
}

/**
 * balloon_reservation_count - ask Xen how many frames the domain has, or may
 * have
 * @cmd: XENMEM_current_reservation or XENMEM_maximum_reservation
 *
 * Return: frames, or a negative errno.
 */
long balloon_reservation_count(unsigned int cmd)
{
	domid_t domid = DOMID_SELF;

	return balloon_hypercall(cmd, &domid);
}

/* --- faults ------------------------------------------------------------- */

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
static DECLARE_FAULT_ATTR(fail_attr);
static u32 fail_at;

/* How many of @nr entries Xen is asked for.  Xen does no more than it is asked,
 * so what the driver believes afterwards is true.
 */
static unsigned int asked(unsigned int nr)
{
	u32 at = READ_ONCE(fail_at);

	return at < nr && should_fail(&fail_attr, 1) ? at : nr;
}

/**
 * balloon_reservation_faults - let a tester make Xen stop early
 * @dir: the directory of debugfs for the files
 *
 * Beside the files that every fault attribute has there is "at": the entry of a
 * hypercall at which the call ends, from 0 on.  Calls that have no such entry
 * are left alone.
 */
void __init balloon_reservation_faults(struct dentry *dir)
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

/* Make one hypercall over entries @first and up.  Return how many Xen did. */
static unsigned int call(struct balloon_reservation *res, unsigned int cmd,
			 struct balloon_batch *batch, unsigned int first,
			 u64 *ns)
{
	bool populate = cmd == XENMEM_populate_physmap;
	unsigned int nr = batch->nr - first;
	bool huge = batch->order;
	unsigned int done;
	u64 start;
	long ret;

	start = ktime_get_ns();
	ret = res->ops->memory_op(cmd, batch->frames + first, asked(nr),
				  batch->order + BALLOON_XEN_ORDER);
	*ns = ktime_get_ns() - start;
	trace_xen_balloon_hypercall(populate, batch->order, nr, ret, *ns);

	/* no answer of Xen makes the driver count more than there is */
	done = clamp_t(long, ret, 0, nr);
	res->calls[populate][huge]++;
	res->extents[populate][huge] += done;
	res->refused[populate][huge] += done < nr;
	res->longest_ns[populate] = max(res->longest_ns[populate], *ns);
	return done;
}

/* Xen refused one page: find out, frame by frame, whether Xen has it. */
static void settle_page(const struct balloon_ops *ops,
			struct balloon_batch *batch, unsigned int i)
{
	/* Xen removes a frame completely or not at all */
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
 * balloon_reservation_release - give a batch to Xen
 * @res: the reservation
 * @batch: the pages, which are hidden.  Entries that are Xen's afterwards are set
 *	in moved, entries of which nobody knows in unsure; all others are still the
 *	guest's
 * @ns: set to how long the first hypercall took
 *
 * A page that Xen refuses is left out and the others are released.  When Xen
 * stops inside an extent of 2 MiB, some of its pages may be gone.  That entry
 * is in torn then, and the caller has to release the extent again, page by
 * page.  The entries behind it were not tried.
 *
 * source: decrease_reservation() and guest_remove_page() in Xen's
 * xen/common/memory.c.
 *
 * Context: may sleep; the lock of the list is not held.
 * Return: how many entries were moved.
 */
unsigned int balloon_reservation_release(struct balloon_reservation *res,
					 struct balloon_batch *batch, u64 *ns)
{
	unsigned int i = 0, done;
	u64 again;

	while (i < batch->nr) {
		done = call(res, XENMEM_decrease_reservation, batch, i,
			    i ? &again : ns);
		bitmap_set(batch->moved, i, done);
		i += done;
		if (i == batch->nr)
			break;
		if (batch->order) {
			batch->torn = i;
			break;
		}
		/* every page: behind this one there may be holes as well */
		settle_page(res->ops, batch, i++);
	}
	return bitmap_weight(batch->moved, batch->nr);
}

/**
 * balloon_reservation_populate - have Xen put memory behind a batch
 * @res: the reservation
 * @batch: the pages; the entries that Xen populated are set in moved afterwards,
 *	and those of them that could not be mapped in unsure.  These are the first
 *	entries, except in a direct-mapped domain
 * @ns: set to how long the call took, with the mapping
 *
 * source: populate_physmap() in Xen's xen/common/memory.c.
 *
 * Context: may sleep; the lock of the list is not held.
 * Return: how many entries were moved; none of the others was touched.
 */
unsigned int balloon_reservation_populate(struct balloon_reservation *res,
					  struct balloon_batch *batch, u64 *ns)
{
	u64 start = ktime_get_ns();
	unsigned int i, done, next, more;

	for (i = 0; i < batch->nr; i++)
		batch->frames[i] = page_to_xen_pfn(batch->pages[i]);
	done = call(res, XENMEM_populate_physmap, batch, 0, ns);
	bitmap_set(batch->moved, 0, done);
	/*
	 * A frame that a direct-mapped domain cannot have says nothing about
	 * the other frames, which are all the domain's own.
	 */
	for (next = done + 1; res->ops->keeps_frames && next < batch->nr;
	     next += more + 1) {
		more = call(res, XENMEM_populate_physmap, batch, next, ns);
		bitmap_set(batch->moved, next, more);
		done += more;
	}
	if (done && res->ops->show)
		res->ops->show(batch, 0, done);
	*ns = ktime_get_ns() - start;
	return done;
}

/**
 * balloon_reservation_room - how much more memory the domain may have
 * @res: the reservation
 *
 * Return: pages; LONG_MAX where Xen does not say, or where the domain may have
 * all that is in its balloon at any time.
 */
long balloon_reservation_room(const struct balloon_reservation *res)
{
	long most = res->ops->count(XENMEM_maximum_reservation);
	long now = res->ops->count(XENMEM_current_reservation);

	if (most < 0 || now < 0 || res->ops->keeps_frames)
		return LONG_MAX;
	return max(most - now, 0L) / (long)XEN_PFN_PER_PAGE;
}

/**
 * balloon_reservation_debt - how many pages a guest has that Xen does not count
 * @res: the reservation
 * @held: pages that the guest has
 *
 * Such pages are populated on demand, and Xen has no memory for so many of
 * them.  Xen also counts some frames that the guest does not, so the true debt
 * is a few pages larger.
 *
 * Return: pages; 0 where Xen does not say.
 */
unsigned long balloon_reservation_debt(const struct balloon_reservation *res,
				       unsigned long held)
{
	long pages = res->ops->count(XENMEM_current_reservation);

	if (pages <= 0)
		return 0;
	pages /= XEN_PFN_PER_PAGE;
	return held - min_t(unsigned long, pages, held);
}
