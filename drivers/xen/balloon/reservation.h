/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: frames to Xen and back
 */
#ifndef _XEN_BALLOON_RESERVATION_H
#define _XEN_BALLOON_RESERVATION_H

#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/types.h>

#include <xen/page.h>

#include "common.h"

struct dentry;

/* Entries of one hypercall, at most: 4 MiB of 4 KiB pages. */
#define BALLOON_BATCH		1024

/* Xen counts in 4 KiB; this is its order of one page of the kernel. */
#define BALLOON_XEN_ORDER	ilog2(XEN_PFN_PER_PAGE)

/* struct balloon_batch.torn: no entry. */
#define BALLOON_NO_ENTRY	UINT_MAX

/**
 * struct balloon_batch - the pages that one hypercall moves
 * @nr: entries in use
 * @order: Linux order of every entry: 0 or the order of 2 MiB
 * @torn: the entry of 2 MiB inside which Xen stopped; BALLOON_NO_ENTRY where there
 *	is none
 * @broken: the entries are pages of an extent that was torn
 * @pages: the first page of each entry
 * @frames: the frame of each entry: a GFN or (PV) MFN towards Xen, and Xen's
 *	answer
 * @moved: entries that Xen took or gave; none in a new batch
 * @unsure: entries of which nobody knows whether Xen has them; none in a new batch
 *
 * Belongs to the holder of the mover's lock.
 */
struct balloon_batch {
	unsigned int nr;
	unsigned int order;
	unsigned int torn;
	bool broken;
	struct page *pages[BALLOON_BATCH];
	xen_pfn_t frames[BALLOON_BATCH];
	DECLARE_BITMAP(moved, BALLOON_BATCH);
	DECLARE_BITMAP(unsure, BALLOON_BATCH);
};

/**
 * struct balloon_ops - how one type of domain deals with Xen
 * @by_frame: pages are released one by one, whatever extent they come from
 * @keeps_blocks: a memory block that was added cannot be removed
 * @keeps_frames: Xen leaves the frames with the domain and counts them all the
 *	time; so the domain has no cap to meet, and cannot grow
 * @table_bytes: bytes of page tables and p2m that an added page needs
 * @memory_op: XENMEM_populate_physmap or XENMEM_decrease_reservation of @nr
 *	entries of Xen's own order; returns how many entries Xen did, or a negative
 *	errno; may stop anywhere
 * @count: XENMEM_current_reservation or XENMEM_maximum_reservation, in frames
 * @is_out: whether a GFN has no memory behind it: 1, 0, or a negative errno
 *	where nobody can tell; NULL where a refused frame is surely still in
 * @prepare_range: called for a new range of physical addresses before the kernel
 *	maps it; 0 or a negative errno
 * @last_pfn: the first PFN that no memory may have
 * @hide: take the kernel's mapping of the batch away and enter its frames;
 *	returns for how many of the first entries, and leaves the others alone
 * @show: map entries @first to @first + @nr - 1 to their frames; sets an entry
 *	for which this fails in @unsure; NULL where @hide unmaps nothing
 * @lend: get a page ready to have foreign memory mapped into it; 0 or a
 *	negative errno
 */
struct balloon_ops {
	bool by_frame;
	bool keeps_blocks;
	bool keeps_frames;
	unsigned int table_bytes;
	long (*memory_op)(unsigned int cmd, xen_pfn_t *frames, unsigned int nr,
			  unsigned int xen_order);
	long (*count)(unsigned int cmd);
	int (*is_out)(xen_pfn_t gfn);
	int (*prepare_range)(unsigned long pfn, unsigned long nr_pages);
	unsigned long (*last_pfn)(void);
	unsigned int (*hide)(struct balloon_batch *batch);
	void (*show)(struct balloon_batch *batch, unsigned int first,
		     unsigned int nr);
	int (*lend)(struct page *page);
};

/**
 * struct balloon_reservation - what Xen is asked through, and how often it was
 * @ops: how this type of domain deals with Xen
 * @calls: hypercalls by direction (0: release, 1: populate) and size (0: one
 *	page, 1: 2 MiB)
 * @extents: extents that Xen did, likewise
 * @refused: hypercalls of which Xen did less than it was asked
 * @longest_ns: the longest of those hypercalls, by direction
 *
 * Belongs to the holder of the mover's lock; @ops never changes.
 */
struct balloon_reservation {
	const struct balloon_ops *ops;
	unsigned long calls[2][2];
	unsigned long extents[2][2];
	unsigned long refused[2][2];
	u64 longest_ns[2];
};

unsigned int balloon_reservation_release(struct balloon_reservation *res,
					 struct balloon_batch *batch, u64 *ns);
unsigned int balloon_reservation_populate(struct balloon_reservation *res,
					  struct balloon_batch *batch, u64 *ns);
long balloon_reservation_room(const struct balloon_reservation *res);
unsigned long balloon_reservation_debt(const struct balloon_reservation *res,
				       unsigned long held);

/* for the tables of ops_*.c, and for what other drivers call */
long balloon_reservation_memory_op(unsigned int cmd, xen_pfn_t *frames,
				   unsigned int nr, unsigned int xen_order);
long balloon_reservation_count(unsigned int cmd);

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
void balloon_reservation_faults(struct dentry *dir);
#else
static inline void balloon_reservation_faults(struct dentry *dir) { }
#endif

#if IS_ENABLED(CONFIG_KUNIT)
long balloon_hypercall(unsigned int cmd, void *arg);
#endif

#endif /* _XEN_BALLOON_RESERVATION_H */
