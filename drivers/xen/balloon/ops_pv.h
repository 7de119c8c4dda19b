/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: PV guests
 */
#ifndef _XEN_BALLOON_OPS_PV_H
#define _XEN_BALLOON_OPS_PV_H

#include "reservation.h"

/* How many pages of another driver are mapped at once. */
#define BALLOON_PV_CHUNK	16

#ifdef CONFIG_XEN_PV
extern const struct balloon_ops balloon_pv_ops;

void balloon_pv_map(struct page **pages, const xen_pfn_t *frames,
		    unsigned int nr, unsigned long *failed);
unsigned int balloon_pv_unmap(struct page **pages, unsigned int nr);

#if IS_ENABLED(CONFIG_KUNIT)
struct mmu_update;

int balloon_pv_mmu_update(struct mmu_update *updates, unsigned int nr,
			  int *done);
int balloon_pv_request(struct mmu_update *update, struct page *page,
		       struct page *last, pte_t pte);
bool balloon_pv_set_p2m(struct page *page, unsigned long mfn);
#endif
#endif /* CONFIG_XEN_PV */

#endif /* _XEN_BALLOON_OPS_PV_H */
