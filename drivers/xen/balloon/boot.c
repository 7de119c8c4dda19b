// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what is there at boot
 */

/**
 * DOC: boot
 *
 * How many pages the guest holds when it boots depends on the type of domain:
 *
 * - dom0 asks Xen;
 * - a PV guest was told by the domain builder, less the pages that setup gave back;
 * - an HVM or PVH guest counts the RAM of its memory map, less the parts of the map
 *   that are known to be empty.
 *
 * Regions of the memory map with no memory behind them go into the balloon.  In
 * the first two cases such regions are not among the pages held, and add to the
 * total; in the last case they are, and are taken off.
 *
 * An HVM or PVH guest may have been started with less memory than its map shows
 * (populate on demand).  Such a guest must give the difference back before it
 * touches more than it was given, or Xen ends the domain.  The difference is
 * known before xenstore answers: RAM of the map less what Xen counts for the
 * domain.  So the worker begins to inflate here.  User space starts when the
 * difference is given back, or when that makes no progress for
 * xen.balloon_boot_timeout seconds.
 *
 * Xen clears the pages that it takes meanwhile, and keeps them for this domain.
 * So a guest that clears them first does work in vain, and makes Xen find
 * memory for pages that nobody has touched.  But the toolstack may give the
 * domain more memory between the reading of the debt and the release.  So the
 * guest clears them all the same, unless balloon_boot_xen_scrubs says
 * otherwise.
 */

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/wait.h>

#include <asm/xen/hypervisor.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "boot.h"
#include "debugfs.h"
#include "instance.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen."

static unsigned int balloon_boot_timeout = 180;
module_param(balloon_boot_timeout, uint, 0444);

static unsigned long balloon_min_kb;
module_param(balloon_min_kb, ulong, 0444);

static unsigned long balloon_max_lent_kb;
module_param(balloon_max_lent_kb, ulong, 0444);

static bool balloon_hotplug = true;
module_param(balloon_hotplug, bool, 0444);

static bool balloon_boot_xen_scrubs;
module_param(balloon_boot_xen_scrubs, bool, 0444);

/* Put the empty regions of the memory map into the balloon. */
static unsigned long add_regions(struct xen_balloon *b,
				 const struct balloon_facts *facts)
{
	unsigned long pfn, end, added = 0;
	unsigned int i;

	for (i = 0; i < facts->nr_regions; i++) {
		pfn = facts->regions[i].start_pfn;
		/* there is nothing beyond what mem= left */
		end = min(facts->max_pfn, pfn + facts->regions[i].n_pfns);
		if (pfn >= end)
			continue;
		balloon_pages_add_hole(&b->pages, pfn_to_page(pfn), end - pfn);
		added += end - pfn;
	}
	return added;
}

/* Count the RAM that the domain was given; 0 where the memory map tells. */
static long given_pages(const struct xen_balloon *b,
			const struct balloon_facts *facts)
{
	long pages = 0;

	if (facts->initial)
		pages = b->reservation.ops->count(XENMEM_current_reservation);
	if (pages > 0)
		return pages / (long)XEN_PFN_PER_PAGE;
	if (!facts->pv)
		return 0;
	if (facts->released >= facts->given)
		return -ERANGE;
	return min(facts->max_pfn, facts->given - facts->released);
}

VISIBLE_IF_KUNIT int balloon_boot_count(struct xen_balloon *b,
					const struct balloon_facts *facts)
{
	/* pages borrowed before this were RAM, and Xen does not count them any
	 * more
	 */
	unsigned long early = b->stats->target_unpopulated +
			      balloon_pages_count(&b->pages);
	unsigned long regions = add_regions(b, facts), held, total, debt = 0;
	long given = given_pages(b, facts);

	if (given > 0) {
		/* Xen still counts those of a direct-mapped domain */
		if (b->reservation.ops->keeps_frames)
			given -= early;
		held = given;
		total = given + regions + early;
	} else {
		/* the map may not be of RAM alone */
		if (given < 0 ||
		    facts->ram <= facts->unpopulated + regions + early) {
			pr_err("invalid memory map: %lu of %lu pages have no memory behind them; ballooning is disabled\n",
			       facts->unpopulated + regions, facts->ram);
			return -ERANGE;
		}
		total = facts->ram - facts->unpopulated;
		held = total - regions - early;
		debt = balloon_reservation_debt(&b->reservation, held);
		b->mover.xen_scrubs = facts->xen_scrubs && debt;
	}
	balloon_pages_begin(&b->pages, held, total);
	b->stats->target_pages = held - debt;
	return 0;
}

#ifdef CONFIG_X86
static void __init find_regions(struct balloon_facts *facts)
{
	facts->regions = xen_extra_mem;
	facts->nr_regions = XEN_EXTRA_MEM_MAX_REGIONS;
}
#else
static void __init find_regions(struct balloon_facts *facts) { }
#endif

/* Count before the first borrower comes: the grant table of an HVM or PVH guest
 * borrows as soon as the core initcalls run; on Arm with ACPI it borrows even
 * before this.  Empty regions were given to unpopulated-alloc earlier than
 * this.
 */
static int __init balloon_early_init(void)
{
	struct xen_balloon *b = balloon_instance();
	struct balloon_facts facts = {
		.pv = xen_pv_domain(),
		.initial = xen_initial_domain(),
		.max_pfn = max_pfn,
		.ram = get_num_physpages(),
		.unpopulated = xen_unpopulated_pages,
		.xen_scrubs = balloon_boot_xen_scrubs,
	};

	if (!xen_domain())
		return -ENODEV;

	if (xen_pv_domain()) {
		facts.given = xen_start_info->nr_pages;
		facts.released = xen_released_pages;
	}
	find_regions(&facts);
	b->limits.max_lent = balloon_max_lent_kb >> (PAGE_SHIFT - 10);
	return balloon_boot_count(b, &facts);
}
pure_initcall(balloon_early_init);

/* Whether there is a balloon.  A crash kernel has none: it has a small reserved
 * region only, and the target counts the memory of the whole domain.
 */
static bool __init is_there(const struct xen_balloon *b)
{
	return xen_domain() && b->stats->total_pages && !is_kdump_kernel();
}

static int __init balloon_init(void)
{
	struct xen_balloon *b = balloon_instance();
	int ret;

	if (!is_there(b))
		return -ENODEV;

	balloon_blocks_start(&b->blocks, balloon_hotplug);
	balloon_debugfs_init(b);
	ret = balloon_worker_start(b);
	if (ret)
		return ret;
	xen_balloon_init();
	return 0;
}
subsys_initcall(balloon_init);

/* Wait until the guest holds no more than it should, @seconds at most; as long
 * again where the worker inflates and is only slow.
 */
VISIBLE_IF_KUNIT void balloon_boot_pay_debt(struct xen_balloon *b,
					    unsigned int seconds)
{
	long before, missing = -balloon_pages_shortfall(&b->pages);
	struct balloon_error error;
	unsigned int waited = 0;

	if (missing <= 0)
		return;
	pr_info("booted with %lu KiB more than this guest may have; giving them back\n",
		missing << (PAGE_SHIFT - 10));
	/* without a worker there is nothing to wait for */
	seconds = b->worker.started ? min(seconds, 86400U) : 0;
	do {
		before = missing;
		wait_event_idle_timeout(b->news.moved,
					balloon_pages_shortfall(&b->pages) >= 0,
					seconds * HZ);
		waited += seconds;
		missing = -balloon_pages_shortfall(&b->pages);
	} while (seconds && missing > 0 && missing < before &&
		 balloon_worker_inflates(&b->worker));
	if (missing <= 0)
		return;
	error = balloon_report_last(&b->report);
	pr_err("still %lu KiB too many after %u s (%s): Xen may end this domain when it uses them\n",
	       missing << (PAGE_SHIFT - 10), waited,
	       !b->worker.started ? "there is no thread" :
	       error.what == BALLOON_REFUSED_NOT ? "not done yet" :
	       balloon_report_refusal_text(error.what));
}

/* User space starts when the debt is paid. */
static int __init balloon_boot_wait(void)
{
	struct xen_balloon *b = balloon_instance();

	if (!is_there(b))
		return 0;
	if (!xen_pv_domain())
		balloon_boot_pay_debt(b, balloon_boot_timeout);
	balloon_blocks_user_space(&b->blocks);
	/* not before, because a debt must be paid whatever min_kb says */
	WRITE_ONCE(b->limits.floor, balloon_min_kb >> (PAGE_SHIFT - 10));
	return 0;
}
late_initcall_sync(balloon_boot_wait);
