// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: guests whose addresses Xen translates (HVM, PVH, Arm)
 */

/**
 * DOC: translated
 *
 * A guest whose physical addresses Xen translates names its frames by GFN and
 * keeps its own mapping.  An access to a frame that is gone finds nothing.
 *
 * A direct-mapped domain (Arm) is such a guest as well, but Xen leaves its
 * frames with the domain and goes on counting them.
 */

#include <linux/limits.h>

#include <asm/xen/hypercall.h>

#include <xen/interface/hvm/hvm_op.h>
#include <xen/interface/xen.h>

#include "ops_translated.h"

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

static unsigned int name_frames(struct balloon_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		batch->frames[i] = page_to_xen_pfn(batch->pages[i]);
	return batch->nr;
}

const struct balloon_ops balloon_translated_ops = {
	.memory_op = balloon_reservation_memory_op,
	.count = balloon_reservation_count,
	.is_out = gfn_is_out,
	.last_pfn = any_pfn,
	.hide = name_frames,
};

const struct balloon_ops balloon_direct_ops = {
	.keeps_frames = true,
	.memory_op = balloon_reservation_memory_op,
	.count = balloon_reservation_count,
	.is_out = gfn_is_out,
	.last_pfn = any_pfn,
	.hide = name_frames,
};
