// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the one instance
 */

/**
 * DOC: locks
 *
 * =============== ===================================== ========================
 * lock            protects                              held
 * =============== ===================================== ========================
 * mover.lock      struct balloon_mover, the batch, the  across the allocation of
 *                 reservation, struct balloon_blocks    pages and hypercalls; not
 *                                                       while memory blocks are
 *                                                       added, emptied or removed
 * pages.lock      struct balloon_pages and the counts   for a short and bounded
 *                 of pages in struct balloon_stats      time
 * report.lock     the last error                        for an assignment
 * =============== ===================================== ========================
 *
 * A task takes them in this order.  mover.lock belongs to the task that moves
 * memory: the worker, a borrower that found too few pages, or the rescue of a
 * guest that is out of memory.  A task that only takes pages from the list, or
 * puts some on it, needs pages.lock alone, and so never waits for Xen.
 *
 * pages.lock is also taken with device_hotplug_lock and mem_hotplug_lock held.
 * No task waits for mover.lock with those held: a rescue only tries mover.lock.
 *
 * No message is printed with mover.lock or pages.lock held, because a console
 * may be slow.
 */

#include <linux/types.h>

#include <xen/features.h>
#include <xen/xen.h>

#include "instance.h"
#include "ops_pv.h"
#include "ops_translated.h"

static struct xen_balloon xen_balloon;

static const struct balloon_ops *domain_ops(void)
{
#ifdef CONFIG_XEN_PV
	if (xen_pv_domain())
		return &balloon_pv_ops;
#endif
	return xen_feature(XENFEAT_direct_mapped) ? &balloon_direct_ops :
						    &balloon_translated_ops;
}

/**
 * balloon_instance - find the instance
 *
 * Return: the balloon of this guest, or the one that the running test made.
 */
struct xen_balloon *balloon_instance(void)
{
	BALLOON_STUB(balloon_instance);
	/* on Arm pages are borrowed before the initcalls that have a level */
	if (!xen_balloon.stats)
		balloon_instance_init(&xen_balloon, &balloon_stats,
				      domain_ops());
	return &xen_balloon;
}

/**
 * balloon_instance_init - initialise an instance
 * @b: the instance
 * @stats: its counters, which start at 0
 * @ops: the type of domain
 */
void balloon_instance_init(struct xen_balloon *b, struct balloon_stats *stats,
			   const struct balloon_ops *ops)
{
	b->stats = stats;
	b->reservation.ops = ops;
	balloon_news_init(&b->news);
	balloon_report_init(&b->report);
	balloon_pages_init(&b->pages, stats);
	balloon_mover_init(&b->mover, &b->pages, &b->reservation, &b->news,
			   &b->report);
	balloon_blocks_init(&b->blocks, &b->mover, &b->limits);
	balloon_worker_init(b);
}
