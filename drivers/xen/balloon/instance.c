// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the one instance, and what it notes for the administrator
 */

/**
 * DOC: locks
 *
 * batch_lock belongs to who moves memory: the worker, somebody who borrows pages
 * and found too few, or a guest that is out of memory.  It is held across the
 * allocation of pages and hypercalls, but not while memory blocks are added or
 * removed, which a task of its own does.  lock protects the list and the
 * counters, is taken inside it, and is held for a short and bounded time, never
 * across any of those.  Whoever only takes pages from the list or puts some on it
 * needs lock alone, and so never waits for Xen.
 *
 * So lock is the last of all, and is taken with batch_lock held, or with
 * device_hotplug_lock and mem_hotplug_lock.  Nobody waits for batch_lock with
 * those held: who is out of memory while some is added only tries it.
 */

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/timekeeping.h>

#include <xen/xen.h>

#include "internal.h"

#include <trace/events/xen_balloon.h>

struct balloon_stats balloon_stats;
EXPORT_SYMBOL_GPL(balloon_stats);

static struct xen_balloon xen_balloon;

static const char * const state_names[] = {
	[BALLOON_IDLE]		= "idle",
	[BALLOON_INFLATING]	= "inflating",
	[BALLOON_DEFLATING]	= "deflating",
	[BALLOON_ADDING]	= "adding",
	[BALLOON_GUEST_LOW]	= "guest-low",
	[BALLOON_HOST_FULL]	= "host-full",
	[BALLOON_WAIT_ONLINE]	= "wait-online",
	[BALLOON_CANCELLED]	= "cancelled",
};

static const char * const refusal_texts[] = {
	[BALLOON_REFUSED_NOT]	  = "none",
	[BALLOON_REFUSED_CAP]	  = "memory refused by the cap of this domain",
	[BALLOON_REFUSED_HOST]	  = "memory refused by the host, which has no more",
	[BALLOON_REFUSED_RELEASE] = "pages refused by Xen, which did not take them",
	[BALLOON_REFUSED_GUEST]	  = "pages refused by the guest, which needs them",
	[BALLOON_REFUSED_ADD]	  = "memory blocks refused by the kernel",
};

/**
 * xen_balloon_instance - the one instance
 *
 * Return: the balloon of this guest, or the one that the running test made.
 */
struct xen_balloon *xen_balloon_instance(void)
{
	BALLOON_STUB(xen_balloon_instance);
	/* on Arm pages are borrowed before the initcalls that have a level */
	if (!xen_balloon.stats)
		xen_balloon_setup(&xen_balloon, &balloon_stats,
				  xen_pv_domain() ? &balloon_pv_ops :
						    &balloon_translated_ops);
	return &xen_balloon;
}

/**
 * xen_balloon_state_text - the name of a state
 * @state: the state
 *
 * Return: the word that info/state shows.
 */
const char *xen_balloon_state_text(enum balloon_state state)
{
	return state_names[state];
}

/**
 * xen_balloon_refusal_text - a limit in words
 * @what: which one
 *
 * Return: what was refused, and by whom.
 */
const char *xen_balloon_refusal_text(enum balloon_refusal what)
{
	return refusal_texts[what];
}

/**
 * xen_balloon_setup - initialise an instance
 * @b: the instance
 * @stats: its counters, which start at 0
 * @ops: the kind of domain
 */
void xen_balloon_setup(struct xen_balloon *b, struct balloon_stats *stats,
		       const struct balloon_ops *ops)
{
	mutex_init(&b->lock);
	mutex_init(&b->batch_lock);
	init_waitqueue_head(&b->wq);
	init_waitqueue_head(&b->moved_wq);
	b->stats = stats;
	b->ops = ops;
	xen_balloon_batch_setup(b);
	b->idle_since = jiffies;
	balloon_pages_init(&b->pages, stats);
	balloon_policy_progress(stats);
	stats->max_schedule_delay = 8;
	stats->max_retry_count = RETRY_UNLIMITED;
}

/**
 * xen_balloon_shortfall - how far the target is away
 * @b: the instance
 *
 * Return: pages, negative where the guest has too many.
 */
long xen_balloon_shortfall(const struct xen_balloon *b)
{
	return READ_ONCE(b->stats->target_pages) -
	       READ_ONCE(b->stats->current_pages);
}

/**
 * xen_balloon_kick - have the worker look again
 * @b: the instance
 *
 * Context: any.
 */
void xen_balloon_kick(struct xen_balloon *b)
{
	set_bit(BALLOON_KICKED, &b->flags);
	wake_up(&b->wq);
}

/* --- what is noted for the administrator -------------------------------- */

/**
 * xen_balloon_set_state - note what the balloon is doing
 * @b: the instance
 * @state: that
 *
 * Context: lock is held.
 */
void xen_balloon_set_state(struct xen_balloon *b, enum balloon_state state)
{
	if (b->state == state)
		return;
	if (state == BALLOON_IDLE)
		b->idle_since = jiffies;
	trace_xen_balloon_state(state_names[b->state], state_names[state]);
	WRITE_ONCE(b->state, state);
}

/**
 * xen_balloon_refused - note that a limit was met
 * @b: the instance
 * @what: which one
 * @err: negative errno
 *
 * It is the last error from now on, and said once until the target is met.
 *
 * Context: lock is held.
 */
void xen_balloon_refused(struct xen_balloon *b, enum balloon_refusal what,
			 int err)
{
	lockdep_assert_held(&b->lock);
	b->error = (struct balloon_error){
		.what = what,
		.err = err,
		.nr_pages = abs(xen_balloon_shortfall(b)),
		.when = ktime_get_boottime_seconds(),
	};
	if (!__test_and_set_bit(what, &b->said))
		pr_warn("%s (%d): %lu KiB from the target\n",
			refusal_texts[what], err,
			b->error.nr_pages << (PAGE_SHIFT - 10));
}
