// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory back for a guest that has run out of it
 */

/**
 * DOC: oom
 *
 * With xen.balloon_deflate_on_oom the balloon is asked before the OOM killer
 * kills: the rescue takes back what it can have at once, up to 16 MiB, and
 * forbids inflating for some seconds.  The target stays as the host set it, so
 * the same memory goes to Xen again when the guest can spare it.
 *
 * The rescue is a notifier of the OOM killer, not a shrinker, because a
 * shrinker would give back under any pressure what the host has just asked for.
 * It is off by default, because a toolstack that lowers the cap of the domain
 * along with its target leaves nothing to be had.
 */

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include <xen/xen.h>

#include "instance.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen."

/* A guest that is out of memory gets back at most this much at a time. */
#define RESCUE_PAGES	(SZ_16M >> PAGE_SHIFT)

/* The rescue waits no longer than this for a task that moves memory. */
#define RESCUE_WAIT	(HZ / 4)

/* The balloon does not inflate for this long after a rescue. */
#define HOLD_SECONDS	5

static bool balloon_deflate_on_oom;
module_param(balloon_deflate_on_oom, bool, 0444);

/* Take back what Xen gives at once.  Context: mover.lock is held. */
static void take_back(struct xen_balloon *b)
{
	struct balloon_moved moved;
	unsigned long want;

	want = min_t(unsigned long, RESCUE_PAGES,
		     balloon_reservation_room(&b->reservation));
	while (want) {
		moved = balloon_mover_deflate(&b->mover, want,
					      BALLOON_FOR_RESCUE);
		if (!moved.pages)
			break;
		want -= min(want, moved.pages);
	}
}

/* Take some memory back for a guest that has none: up to 16 MiB, if Xen gives
 * it.  The balloon does not inflate from now on for some seconds; the target
 * stays.
 *
 * The caller cannot go on without memory, and holds the lock of the OOM killer.
 * So nothing is allocated in a way that could wait.  The task that moves memory
 * may itself wait for this rescue, so the rescue waits for it only a moment.
 * Return the pages that came.
 */
VISIBLE_IF_KUNIT unsigned long balloon_oom_rescue(struct xen_balloon *b)
{
	unsigned long before = READ_ONCE(b->stats->current_pages);
	unsigned long late = jiffies + RESCUE_WAIT;
	long got;

	balloon_news_hold(&b->news, HOLD_SECONDS);
	/* a step ends with the page that it waits for; a borrower may take
	 * longer
	 */
	while (!mutex_trylock(&b->mover.lock)) {
		/*
		 * A worker that deflates takes the lock again at once.  Its
		 * pages help the guest as well, so they count.
		 */
		if (time_after(jiffies, late))
			return max_t(long, 0, READ_ONCE(b->stats->current_pages) -
				     before);
		schedule_timeout_uninterruptible(1);
	}
	before = b->stats->current_pages;
	take_back(b);
	got = b->stats->current_pages - before;
	b->oom.rescues++;
	b->oom.rescued += got;
	balloon_mover_unlock(&b->mover);
	if (balloon_report_first(&b->report, BALLOON_SAID_RESCUED))
		pr_warn("out of memory: %lu KiB came back from Xen, and nothing is given for %u s\n",
			got << (PAGE_SHIFT - 10), HOLD_SECONDS);
	/* a worker that met the target sleeps, and has to inflate again later */
	if (got)
		balloon_news_tell(&b->news, BALLOON_GREW);
	else
		balloon_news_kick(&b->news);
	return got;
}

static int out_of_memory_soon(struct notifier_block *nb, unsigned long unused,
			      void *data)
{
	unsigned long *freed = data;

	*freed += balloon_oom_rescue(balloon_instance());
	return NOTIFY_OK;
}

static struct notifier_block oom_nb = {
	.notifier_call = out_of_memory_soon,
};

static int __init balloon_oom_init(void)
{
	/* a crash kernel has no balloon to take from */
	if (!xen_domain() || !balloon_deflate_on_oom || is_kdump_kernel() ||
	    !balloon_instance()->stats->total_pages)
		return 0;
	return register_oom_notifier(&oom_nb);
}
device_initcall(balloon_oom_init);
