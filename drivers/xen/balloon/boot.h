/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: what is there when the guest starts
 */
#ifndef _XEN_BALLOON_BOOT_H
#define _XEN_BALLOON_BOOT_H

#include <linux/types.h>

#include "common.h"

struct xen_balloon;
struct xen_memory_region;

/**
 * struct balloon_facts - what the number of pages at boot is counted from
 * @pv: a PV domain
 * @initial: dom0
 * @max_pfn: there are no pages at and beyond this
 * @ram: pages of the memory map
 * @unpopulated: pages of the map that are known to have no memory behind them
 * @given: pages that the domain builder gave to a PV domain
 * @released: pages of them that setup gave back
 * @regions: regions of the map with no memory behind them
 * @nr_regions: entries of @regions
 * @xen_scrubs: leave clearing to Xen where Xen does it anyway
 */
struct balloon_facts {
	bool pv;
	bool initial;
	unsigned long max_pfn;
	unsigned long ram;
	unsigned long unpopulated;
	unsigned long given;
	unsigned long released;
	const struct xen_memory_region *regions;
	unsigned int nr_regions;
	bool xen_scrubs;
};

#if IS_ENABLED(CONFIG_KUNIT)
int balloon_boot_count(struct xen_balloon *b,
		       const struct balloon_facts *facts);
void balloon_boot_pay_debt(struct xen_balloon *b, unsigned int seconds);
#endif

#endif /* _XEN_BALLOON_BOOT_H */
