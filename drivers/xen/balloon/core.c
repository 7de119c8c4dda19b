// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the step and its worker
 */

/**
 * DOC: states
 *
 * The worker does one step at a time.  What a step was for is the state that
 * info/state shows::
 *
 *            target lowered                     target raised
 *   inflating <------------------ idle ------------------> deflating
 *    |    ^                        ^                        |      ^
 *    |    | memory was freed       | target met             |      | online
 *    v    |                        | (from any state)       v      |
 *   guest-low                      |           host-full / adding / wait-online
 *
 * A step that moved nothing leaves guest-low or host-full behind (or adding,
 * where a block could not be added), and the next one follows after a delay
 * that grows.  After max_retry_count such steps the state is cancelled until a
 * target is written.  A written target starts a step at once, in any state.
 * A guest that got memory back since it had run out of it is guest-low for some
 * seconds, whatever it could spare.
 */

#include <linux/err.h>
#include <linux/export.h>
#include <linux/freezer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/xen_balloon.h>

/* How long a guest does not grow before empty memory blocks are removed. */
#define SETTLED_TIME	(5 * HZ)

/* How long the worker goes on giving after it was asked to freeze. */
#define FREEZE_GRACE	(3 * HZ / 4)

/*
 * A guest that is out of memory gets back so much at a time, waits so long for
 * whoever moves memory just now, and gives nothing for so long afterwards.
 */
#define RESCUE_PAGES	(SZ_16M >> PAGE_SHIFT)
#define RESCUE_WAIT	(HZ / 4)
#define HOLD_SECONDS	5

/* Note that nothing moves, and why.  Context: lock is not held.  Return: 0. */
static long refuse(struct xen_balloon *b, enum balloon_refusal why, int err)
{
	mutex_lock(&b->lock);
	if (why == BALLOON_REFUSED_CAP)
		xen_balloon_set_state(b, BALLOON_HOST_FULL);
	xen_balloon_refused(b, why, err);
	mutex_unlock(&b->lock);
	return 0;
}

/* --- deflating ---------------------------------------------------------- */

/* One bounded piece of deflating.  Context: batch_lock is held, lock is not.
 * Return: pages that the guest got; -EAGAIN where a lender was faster.
 */
static long deflate(struct xen_balloon *b, unsigned long want)
{
	enum balloon_refusal why = BALLOON_REFUSED_HOST;
	unsigned long moved = 0;
	bool all = false;

	/* after a refusal, and not before, it is worth asking for the cap */
	if (b->state == BALLOON_HOST_FULL)
		want = min_t(unsigned long, want, balloon_room(b->ops));
	if (want)
		moved = xen_balloon_deflate(b, want, &all);
	if (moved)
		return moved;
	if (all)
		return -EAGAIN;

	if (!want || !balloon_room(b->ops))
		why = BALLOON_REFUSED_CAP;
	return refuse(b, why, -ENOMEM);
}

/* --- a guest that is out of memory -------------------------------------- */

/* As much as there is at once.  Context: batch_lock is held, lock is not. */
static unsigned long take_back(struct xen_balloon *b)
{
	unsigned long before = b->stats->current_pages, want, got;
	unsigned int flags;
	bool all;

	want = min_t(unsigned long, RESCUE_PAGES, balloon_room(b->ops));
	/* a PV guest may need a page for its p2m: not by waiting for this */
	flags = memalloc_noreclaim_save();
	while (want) {
		got = xen_balloon_deflate(b, want, &all);
		if (!got)
			break;
		want -= min(want, got);
	}
	memalloc_noreclaim_restore(flags);
	return b->stats->current_pages - before;
}

/**
 * xen_balloon_rescue - take some memory back for a guest that has none
 * @b: the instance
 *
 * Up to 16 MiB, if Xen lets the guest have them.  From now on, and for some
 * seconds, the balloon gives nothing; the target stays as it is.
 *
 * Context: somebody who cannot go on without memory, the lock of the OOM killer
 * is held.  So nothing is allocated in a way that could wait, and for those who
 * move memory, who may be waiting for this very call, only a moment.
 * Return: pages.
 */
unsigned long xen_balloon_rescue(struct xen_balloon *b)
{
	unsigned long before = READ_ONCE(b->stats->current_pages);
	unsigned long late = jiffies + RESCUE_WAIT, got;

	atomic64_set(&b->hold_until, get_jiffies_64() + HOLD_SECONDS * HZ);
	/* a step ends with the page that it waits for; a lender may take longer */
	while (!mutex_trylock(&b->batch_lock)) {
		/* who is taking memory back leaves hardly a gap, and need not */
		if (time_after(jiffies, late))
			return max_t(long, 0, READ_ONCE(b->stats->current_pages) -
				     before);
		schedule_timeout_uninterruptible(1);
	}
	got = take_back(b);
	b->counters.rescues++;
	b->counters.rescued += got;
	mutex_lock(&b->lock);
	/* what is in empty blocks may be wanted next */
	b->idle_since = jiffies;
	if (!__test_and_set_bit(BALLOON_SAID_RESCUED, &b->said))
		pr_warn("out of memory: %lu KiB came back from Xen, and nothing is given for %u s\n",
			got << (PAGE_SHIFT - 10), HOLD_SECONDS);
	mutex_unlock(&b->lock);
	mutex_unlock(&b->batch_lock);
	/* who met the target sleeps, and has to give this again some time */
	xen_balloon_kick(b);
	return got;
}

/* --- adding ------------------------------------------------------------- */

/* Whether there can be more than what the guest booted with: a kernel may not be
 * able to add memory, and what is direct-mapped has its own frames alone.
 */
static bool can_grow(const struct xen_balloon *b)
{
	return balloon_hotplug_possible() && !balloon_keeps_frames(b->ops);
}

/* What cannot be is no target; but what is lent comes back. */
static void settle_target(struct xen_balloon *b)
{
	unsigned long target = READ_ONCE(b->stats->target_pages), most;

	mutex_lock(&b->lock);
	/* the host is no reason any more: a page that comes back is */
	xen_balloon_set_state(b, BALLOON_ADDING);
	/* some may have come back since the plan was made */
	most = b->stats->current_pages + b->stats->target_unpopulated +
	       balloon_pages_count(&b->pages);
	if (target > most) {
		xen_balloon_refused(b, BALLOON_REFUSED_ADD, -EOPNOTSUPP);
		/* not one that somebody writes now */
		cmpxchg(&b->stats->target_pages, target, most);
	}
	mutex_unlock(&b->lock);
}

/* From now on a page that comes back wakes the worker.  Return: 0, or -EAGAIN where
 * one came back before, to a host that was full, and so woke nobody.
 */
static long set_adding(struct xen_balloon *b)
{
	bool late;

	mutex_lock(&b->lock);
	late = b->state == BALLOON_HOST_FULL && balloon_pages_count(&b->pages);
	xen_balloon_set_state(b, BALLOON_ADDING);
	mutex_unlock(&b->lock);
	return late ? -EAGAIN : 0;
}

/* Get struct pages for @want more than there are.  Context: batch_lock is held,
 * lock is not.  Return: 0, or -EAGAIN where that is over already.
 */
static long add(struct xen_balloon *b, unsigned long want)
{
	unsigned long room = 0;
	int err;

	/* the end of either wakes us */
	if (b->hibernating || b->blocks_busy)
		return set_adding(b);
	if (!can_grow(b)) {
		settle_target(b);
		return 0;
	}
	/* what became of it the last time */
	err = b->blocks_err;
	b->blocks_err = 0;
	if (!err) {
		room = balloon_room(b->ops);
		/* nothing could be put behind more than the domain may have */
		if (!room)
			return refuse(b, BALLOON_REFUSED_CAP, -ENOMEM);
	}
	if (set_adding(b))
		return -EAGAIN;
	if (!err)
		err = xen_balloon_add_memory(b, min(want, room));
	if (err)
		return refuse(b, BALLOON_REFUSED_ADD, err);
	/* the end of it wakes us, if that was not yet */
	return b->blocks_busy ? 0 : -EAGAIN;
}

/* The guest does not grow: blocks with nothing in them can go, one at a time.
 * Context: batch_lock is held, lock is not.  Return: jiffies to wait.
 */
static long tidy(struct xen_balloon *b)
{
	long left;

	/* the end of either of the last two wakes us */
	if (b->ops->keeps_blocks || b->blocks_stay || b->hibernating ||
	    b->blocks_busy || !balloon_hotplug_removable())
		return MAX_SCHEDULE_TIMEOUT;
	left = max_t(long, b->idle_since + SETTLED_TIME - jiffies,
		     xen_balloon_hold_left(b));
	if (left > 0)
		return left;
	xen_balloon_remove_memory(b);
	return 0;
}

/* --- what a debug kernel asserts ---------------------------------------- */

/* What both sides count, in pages of the guest and frames of Xen. */
struct balance {
	long held;
	long lost;
	long frames;
};

/* Context: batch_lock is held, lock is not. */
static struct balance take_balance(struct xen_balloon *b)
{
	struct balance now = {};

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG))
		return now;
	if (balloon_keeps_frames(b->ops)) {
		now.frames = -ENODATA;
		return now;
	}
	mutex_lock(&b->lock);
	now.held = b->stats->current_pages;
	now.lost = b->quarantined;
	mutex_unlock(&b->lock);
	now.frames = b->ops->count(XENMEM_current_reservation);
	return now;
}

/* Context: batch_lock is held, lock is not. */
static void check_balance(struct xen_balloon *b, const struct balance *before)
{
	struct balance now = take_balance(b);
	long held = (now.held - before->held) * (long)XEN_PFN_PER_PAGE;
	long lost = (now.lost - before->lost) * (long)XEN_PFN_PER_PAGE;
	long frames = now.frames - before->frames;

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG) ||
	    now.frames < 0 || before->frames < 0)
		return;
	WARN_ONCE(!balloon_policy_balanced(held, lost, frames, &b->kept),
		  "xen:balloon: a step moved %ld frames, %ld unknown, and Xen counts %ld\n",
		  held, lost, frames);
}

/* --- the step ----------------------------------------------------------- */

static struct balloon_plan make_plan(struct xen_balloon *b)
{
	struct balloon_stats *stats = b->stats;
	struct balloon_view view = {
		.current_pages = stats->current_pages,
		.target_pages = READ_ONCE(stats->target_pages),
		.floor = READ_ONCE(b->floor),
		.listed = balloon_pages_count(&b->pages),
		.lent = stats->target_unpopulated,
		.total_pages = stats->total_pages - b->quarantined - b->leaving,
		.available = xen_balloon_hold_left(b) ? 0 : xen_balloon_available(),
	};

	return balloon_policy_plan(&view);
}

/* A step moved nothing: when to try again.  Context: lock is held. */
static long try_again(struct xen_balloon *b)
{
	if (!balloon_policy_failure(b->stats)) {
		xen_balloon_set_state(b, BALLOON_CANCELLED);
		if (!__test_and_set_bit(BALLOON_SAID_CANCELLED, &b->said))
			pr_warn("giving up after max_retry_count tries; write a target to start again\n");
		return MAX_SCHEDULE_TIMEOUT;
	}
	return msecs_to_jiffies(balloon_policy_delay_ms(b->stats));
}

/* The step's outcome.  Context: lock is held.  Return: jiffies to wait. */
static long conclude(struct xen_balloon *b, const struct balloon_plan *plan,
		     unsigned long moved)
{
	lockdep_assert_held(&b->lock);
	b->counters.steps[plan->state]++;
	trace_xen_balloon_step(xen_balloon_state_text(plan->state),
			       plan->nr_pages, moved, b->stats->current_pages,
			       READ_ONCE(b->stats->target_pages));
	switch (plan->state) {
	case BALLOON_IDLE:
		balloon_policy_progress(b->stats);
		b->said = 0;
		return MAX_SCHEDULE_TIMEOUT;
	case BALLOON_GUEST_LOW:
		/* min_kb changes when somebody writes it, and no sooner */
		if (!plan->nr_pages)
			return MAX_SCHEDULE_TIMEOUT;
		/* not a try, so not one in vain */
		if (xen_balloon_hold_left(b))
			return xen_balloon_hold_left(b) + 1;
		break;
	case BALLOON_WAIT_ONLINE:
		/* the block that comes online wakes us */
		if (!__test_and_set_bit(BALLOON_SAID_OFFLINE, &b->said))
			pr_info("waiting for %lu KiB of added memory to be set online\n",
				plan->nr_pages << (PAGE_SHIFT - 10));
		return MAX_SCHEDULE_TIMEOUT;
	case BALLOON_ADDING:
		/* the end of it wakes us */
		if (b->hibernating || b->blocks_busy)
			return MAX_SCHEDULE_TIMEOUT;
		/* nothing is missing but what is lent; its return wakes us */
		if (!can_grow(b))
			return b->stats->target_unpopulated &&
			       !balloon_pages_count(&b->pages) ?
			       MAX_SCHEDULE_TIMEOUT : 0;
		break;
	default:
		break;
	}
	if (moved) {
		balloon_policy_progress(b->stats);
		return 0;
	}
	switch (plan->state) {
	case BALLOON_DEFLATING:
		xen_balloon_set_state(b, BALLOON_HOST_FULL);
		break;
	case BALLOON_INFLATING:
		/* there were pages, and Xen took none of them */
		if (b->batch.nr) {
			xen_balloon_set_state(b, BALLOON_HOST_FULL);
			xen_balloon_refused(b, BALLOON_REFUSED_RELEASE, -EIO);
			break;
		}
		xen_balloon_set_state(b, BALLOON_GUEST_LOW);
		fallthrough;
	case BALLOON_GUEST_LOW:
		xen_balloon_refused(b, BALLOON_REFUSED_GUEST, -ENOMEM);
		break;
	default:
		break;
	}
	return try_again(b);
}

/* host-full stays until something comes: see deflate() and add(). */
static bool still_full(struct xen_balloon *b, enum balloon_state next)
{
	return b->state == BALLOON_HOST_FULL &&
	       (next == BALLOON_DEFLATING || next == BALLOON_ADDING);
}

/**
 * xen_balloon_step - one bounded step towards the target
 * @b: the instance
 *
 * Context: may sleep; no lock of the instance is held.
 * Return: jiffies until the next step, 0 for at once; MAX_SCHEDULE_TIMEOUT where
 * only a kick makes one necessary.
 */
long xen_balloon_step(struct xen_balloon *b)
{
	struct balloon_plan plan;
	struct balance before;
	long moved = 0;
	long delay, idle = MAX_SCHEDULE_TIMEOUT;

	mutex_lock(&b->batch_lock);
	before = take_balance(b);
	mutex_lock(&b->lock);
	if (test_and_clear_bit(BALLOON_NEW_TARGET, &b->flags)) {
		balloon_policy_progress(b->stats);
		b->no_huge = false;
		b->blocks_stay = false;
		b->blocks_err = 0;
		b->added_pfn = ULONG_MAX;
	} else if (b->state == BALLOON_CANCELLED) {
		/* only a target starts it again */
		mutex_unlock(&b->lock);
		mutex_unlock(&b->batch_lock);
		return MAX_SCHEDULE_TIMEOUT;
	}
	plan = make_plan(b);
	if (!still_full(b, plan.state))
		xen_balloon_set_state(b, plan.state);
	mutex_unlock(&b->lock);
	/* what could not be added is of no interest any more */
	if (plan.state != BALLOON_ADDING)
		b->blocks_err = 0;

	switch (plan.state) {
	case BALLOON_INFLATING:
		moved = xen_balloon_inflate(b, plan.nr_pages, GFP_BALLOON);
		break;
	case BALLOON_DEFLATING:
		moved = deflate(b, plan.nr_pages);
		break;
	case BALLOON_ADDING:
		moved = add(b, plan.nr_pages);
		break;
	case BALLOON_IDLE:
	case BALLOON_GUEST_LOW:
		idle = tidy(b);
		break;
	default:
		break;
	}
	check_balance(b, &before);

	mutex_lock(&b->lock);
	if (moved > 0) {
		xen_balloon_set_state(b, plan.state);
		if (plan.state != BALLOON_INFLATING)
			b->idle_since = jiffies;
	}
	/* what has changed meanwhile was no try in vain; nor was a removed block */
	delay = moved < 0 || !idle ? 0 : min(conclude(b, &plan, moved), idle);
	mutex_unlock(&b->lock);
	mutex_unlock(&b->batch_lock);

	wake_up_all(&b->moved_wq);
	return delay;
}

/* --- the worker --------------------------------------------------------- */

/**
 * xen_balloon_freezing - whether the caller is asked to stand still
 *
 * Return: true from then on until it does.
 */
bool xen_balloon_freezing(void)
{
	BALLOON_STUB(xen_balloon_freezing);
	return freezing(current);
}

/* A toolstack restores a saved guest into a domain that may have no more than
 * its target.  So who is asked to stand still while there is something to give
 * gives it first, but does not hold anybody up for longer than FREEZE_GRACE.
 */
VISIBLE_IF_KUNIT bool balloon_gives_first(struct xen_balloon *b,
					  unsigned long *asked)
{
	if (!xen_balloon_freezing()) {
		*asked = jiffies;
		return false;
	}
	return READ_ONCE(b->state) == BALLOON_INFLATING &&
	       time_before(jiffies, *asked + FREEZE_GRACE);
}

static bool kicked(struct xen_balloon *b)
{
	return test_bit(BALLOON_KICKED, &b->flags) || kthread_should_stop();
}

VISIBLE_IF_KUNIT int balloon_worker(void *data)
{
	struct xen_balloon *b = data;
	unsigned long asked = jiffies;
	long delay;

	set_freezable();
	while (!kthread_should_stop()) {
		/* before the step: what comes while it runs is not missed */
		clear_bit(BALLOON_KICKED, &b->flags);
		/* pairs with the barrier of set_bit() and wake_up() in a kick */
		smp_mb__after_atomic();
		delay = xen_balloon_step(b);
		cond_resched();
		if (!delay && balloon_gives_first(b, &asked))
			continue;
		if (delay) {
			wait_event_freezable_timeout(b->wq, kicked(b), delay);
			asked = jiffies;
		}
		try_to_freeze();
	}
	return 0;
}

/**
 * balloon_set_new_target - set what the guest should hold
 * @pages: pages
 *
 * The worker starts at once, also where this was the target before.
 * Context: any.
 */
void balloon_set_new_target(unsigned long pages)
{
	struct xen_balloon *b = xen_balloon_instance();

	WRITE_ONCE(b->stats->target_pages, pages);
	/* who sees the bit sees the target as well */
	smp_mb__before_atomic();
	set_bit(BALLOON_NEW_TARGET, &b->flags);
	xen_balloon_kick(b);
}
EXPORT_SYMBOL_GPL(balloon_set_new_target);

/**
 * xen_balloon_start - start the worker of the one instance
 * @b: the instance
 *
 * Return: 0 or a negative errno.
 */
int __init xen_balloon_start(struct xen_balloon *b)
{
	struct task_struct *task;

	xen_balloon_blocks_init(b);
	balloon_debugfs_init(b);
	task = kthread_run(balloon_worker, b, "xen-balloon");
	if (IS_ERR(task))
		pr_err("no thread (%ld): the memory of this guest stays as it is\n",
		       PTR_ERR(task));
	return PTR_ERR_OR_ZERO(task);
}
