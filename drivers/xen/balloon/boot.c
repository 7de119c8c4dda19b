// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what is there at boot
 */

/**
 * DOC: boot
 *
 * How many pages the guest holds when it boots depends on the kind of domain:
 *
 * - dom0 asks Xen;
 * - a PV guest was told by the domain builder, less what setup gave back;
 * - an HVM or PVH guest counts the RAM of its memory map, less the parts of it
 *   that are known to be empty.
 *
 * Regions of the memory map with nothing behind them go into the balloon.  In
 * the first two cases they are not among the pages held, and add to the total;
 * in the last they are, and are taken off.
 *
 * An HVM or PVH guest may have been started with less memory than its map shows
 * (populate on demand).  It must give the difference back before it has touched
 * more than it was given, or Xen ends it.  How much that is can be known before
 * xenstore answers: RAM of the map less what Xen counts for the domain.  So
 * inflating starts here, and user space starts when it is done, or when it makes
 * no headway for xen.balloon_boot_timeout seconds.
 *
 * What Xen takes meanwhile it clears, and keeps for this domain.  So clearing it
 * first is work in vain, and makes Xen find memory for pages that nobody has
 * touched.  But nothing keeps the toolstack from giving the domain more memory
 * between the moment that the debt was read and the release; hence it is done
 * all the same, unless balloon_boot_xen_scrubs says otherwise.
 */

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/wait.h>

#include <asm/xen/hypervisor.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen."

static unsigned int balloon_boot_timeout = 180;
module_param(balloon_boot_timeout, uint, 0444);

static unsigned long balloon_min_kb;
module_param(balloon_min_kb, ulong, 0444);

static unsigned long balloon_max_lent_kb;
module_param(balloon_max_lent_kb, ulong, 0444);

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
		balloon_pages_clean(pfn_to_page(pfn), end - pfn);
		balloon_pages_mark(pfn_to_page(pfn), end - pfn);
		mutex_lock(&b->lock);
		balloon_pages_add(&b->pages, pfn_to_page(pfn), end - pfn);
		mutex_unlock(&b->lock);
		added += end - pfn;
	}
	return added;
}

/* RAM that the domain was given, where that is not read off the memory map; 0
 * where it is.
 */
static long given_pages(const struct xen_balloon *b,
			const struct balloon_facts *facts)
{
	long pages = 0;

	if (facts->initial)
		pages = b->ops->count(XENMEM_current_reservation);
	if (pages > 0)
		return pages / (long)XEN_PFN_PER_PAGE;
	if (!facts->pv)
		return 0;
	if (facts->released >= facts->given)
		return -ERANGE;
	return min(facts->max_pfn, facts->given - facts->released);
}

VISIBLE_IF_KUNIT int balloon_count_pages(struct xen_balloon *b,
					 const struct balloon_facts *facts)
{
	/* who was earlier than this took RAM, and Xen does not count it any more */
	unsigned long early = b->stats->target_unpopulated +
			      balloon_pages_count(&b->pages);
	unsigned long regions = add_regions(b, facts), pages, debt = 0;
	long given = given_pages(b, facts);

	if (given > 0) {
		/* a direct-mapped one still counts it */
		if (balloon_keeps_frames(b->ops))
			given -= early;
		b->stats->current_pages = given;
		b->stats->total_pages = given + regions + early;
	} else {
		pages = facts->ram;
		/* the map may not be of RAM alone */
		if (given < 0 || pages <= facts->unpopulated + regions + early) {
			pr_err("the memory map makes no sense: %lu pages, %lu of them empty\n",
			       pages, facts->unpopulated + regions);
			return -ERANGE;
		}
		pages -= facts->unpopulated;
		b->stats->total_pages = pages;
		b->stats->current_pages = pages - regions - early;
		debt = balloon_debt(b->ops, b->stats->current_pages);
		b->xen_scrubs = facts->xen_scrubs && debt;
	}
	b->initial = b->stats->current_pages;
	b->stats->target_pages = b->initial - debt;
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

/* Before anybody can borrow pages: the grant table of an HVM or PVH guest is
 * the first, as soon as the core initcalls run; on Arm with ACPI it was even
 * before this.  Where empty regions were given to unpopulated-alloc, that was
 * done earlier, too.
 */
static int __init balloon_early_init(void)
{
	struct xen_balloon *b = xen_balloon_instance();
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
	b->max_lent = balloon_max_lent_kb >> (PAGE_SHIFT - 10);
	return balloon_count_pages(b, &facts);
}
pure_initcall(balloon_early_init);

/* A crash kernel lives in the little that it was given, and sees nothing else of
 * the memory that the toolstack speaks of.
 */
static bool __init is_there(const struct xen_balloon *b)
{
	return xen_domain() && b->stats->total_pages && !is_kdump_kernel();
}

static int __init balloon_init(void)
{
	struct xen_balloon *b = xen_balloon_instance();
	int ret;

	if (!is_there(b))
		return -ENODEV;

	ret = xen_balloon_start(b);
	if (ret)
		return ret;
	xen_balloon_init();
	return 0;
}
subsys_initcall(balloon_init);

/* Until the guest holds no more than it should, or for so long; who is slow, and
 * gives yet, gets as long again.
 */
VISIBLE_IF_KUNIT void balloon_pay_debt(struct xen_balloon *b,
				       unsigned int seconds)
{
	long before, missing = -xen_balloon_shortfall(b);
	unsigned int waited = 0;

	if (missing <= 0)
		return;
	pr_info("booted with %lu KiB more than this guest may have; giving them back\n",
		missing << (PAGE_SHIFT - 10));
	seconds = min(seconds, 86400U);
	do {
		before = missing;
		wait_event_idle_timeout(b->moved_wq,
					xen_balloon_shortfall(b) >= 0,
					seconds * HZ);
		waited += seconds;
		missing = -xen_balloon_shortfall(b);
	} while (seconds && missing > 0 && missing < before &&
		 READ_ONCE(b->state) == BALLOON_INFLATING);
	if (missing > 0)
		pr_err("still %lu KiB too many after %u s (%s): Xen may end this domain when it uses them\n",
		       missing << (PAGE_SHIFT - 10), waited,
		       b->error.what == BALLOON_REFUSED_NOT ? "not done yet" :
		       xen_balloon_refusal_text(b->error.what));
}

/* User space starts when there is nothing left to fear. */
static int __init balloon_boot_wait(void)
{
	struct xen_balloon *b = xen_balloon_instance();

	if (!is_there(b))
		return 0;
	if (!xen_pv_domain())
		balloon_pay_debt(b, balloon_boot_timeout);
	/* only now: what Xen has not given must go back whatever it says */
	WRITE_ONCE(b->floor, balloon_min_kb >> (PAGE_SHIFT - 10));
	return 0;
}
late_initcall_sync(balloon_boot_wait);
