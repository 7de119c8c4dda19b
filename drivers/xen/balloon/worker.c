// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the step and the worker
 */

/**
 * DOC: steering
 *
 * The worker takes one step at a time: it plans, does one bounded piece of the
 * plan, and concludes.  Every step has an outcome::
 *
 *   outcome     meaning                                    the next step
 *   ----------  -----------------------------------------  -------------------------
 *   moved       memory moved                               at once
 *   superseded  the plan no longer fits                    at once
 *   done        the guest holds its target                 after a kick
 *   waiting     an event ends the wait                     after a kick or a while
 *   refused     a limit refused                            after a delay that grows
 *
 * After a failed try the worker waits until retry_at.  If the cap or the host
 * refused, the worker does not grow before that.  If another limit refused, the
 * worker only does not repeat the same plan.  A kick does not end this wait; a
 * new target, a changed setting or memory that arrived does.  After
 * max_retry_count failed tries the worker does nothing until a target is
 * written.
 *
 * info/state shows what the last step did and which limit refused; no decision
 * reads it::
 *
 *            target lowered                     target raised
 *   inflating <------------------ idle ------------------> deflating
 *    |    ^                        ^                        |      ^
 *    |    | memory was freed       | target met             |      | online
 *    v    |                        | (from any state)       v      |
 *   guest-low                      |           host-full / adding / wait-online
 */

#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>

#include "instance.h"

/* Wait this long after the guest last grew before removing empty memory blocks. */
#define SETTLED_TIME	(5 * HZ)

/* Wait this long for the blocks task to have added all blocks.  The task may wait
 * much longer for a lock; then the blocks that are there are populated.
 */
#define BLOCKS_PATIENCE	(2 * HZ)

/* Look at auto_online_blocks this often, because the kernel does not say when
 * user space writes it.
 */
#define RULES_TIME	(5 * HZ)

/* The worker goes on inflating for this long after it was asked to freeze. */
#define FREEZE_GRACE	(3 * HZ / 4)

/**
 * enum outcome - what became of a step
 * @MOVED: memory moved
 * @SUPERSEDED: the plan no longer fits; nothing was tried, so nothing failed
 * @DONE: the guest holds its target
 * @WAITING: an event that kicks ends the wait
 * @REFUSED: a limit refused
 */
enum outcome {
	MOVED,
	SUPERSEDED,
	DONE,
	WAITING,
	REFUSED,
};

/**
 * struct result - the outcome of a step, and what there is to say about it
 * @outcome: the outcome
 * @moved: pages that moved
 * @why: which limit refused; a target that is out of reach is refused and waited
 *	for
 * @err: negative errno that goes with @why
 * @missing: pages that were missing then
 * @delay: jiffies after which another step is due without a kick
 */
struct result {
	enum outcome outcome;
	unsigned long moved;
	enum balloon_refusal why;
	int err;
	unsigned long missing;
	long delay;
};

static const enum balloon_state shown[] = {
	[BALLOON_NEXT_NOTHING]	   = BALLOON_IDLE,
	[BALLOON_NEXT_INFLATE]	   = BALLOON_INFLATING,
	[BALLOON_NEXT_DEFLATE]	   = BALLOON_DEFLATING,
	[BALLOON_NEXT_ADD]	   = BALLOON_ADDING,
	[BALLOON_NEXT_WAIT_ONLINE] = BALLOON_WAIT_ONLINE,
	[BALLOON_NEXT_SPARE_NONE]  = BALLOON_GUEST_LOW,
	[BALLOON_NEXT_KEEP_FLOOR]  = BALLOON_GUEST_LOW,
};

static const enum balloon_state shown_refused[] = {
	[BALLOON_REFUSED_CAP]	  = BALLOON_HOST_FULL,
	[BALLOON_REFUSED_HOST]	  = BALLOON_HOST_FULL,
	[BALLOON_REFUSED_RELEASE] = BALLOON_HOST_FULL,
	[BALLOON_REFUSED_GUEST]	  = BALLOON_GUEST_LOW,
	[BALLOON_REFUSED_ADD]	  = BALLOON_ADDING,
	[BALLOON_REFUSED_COST]	  = BALLOON_ADDING,
};

/* Record in @result which limit refused.  The function is not inlined, because
 * no caller is on a fast path.
 */
static noinline void refuse(struct xen_balloon *b, struct result *result,
			    enum balloon_refusal why, int err)
{
	result->outcome = REFUSED;
	result->why = why;
	result->err = err;
	result->missing = abs(balloon_pages_shortfall(&b->pages));
}

/* --- what steers --------------------------------------------------------- */

static void set_tries(struct balloon_stats *stats, unsigned long retry_count)
{
	WRITE_ONCE(stats->retry_count, retry_count);
	/* for modules that read balloon_stats; sysfs computes its own */
	WRITE_ONCE(stats->schedule_delay,
		   balloon_policy_delay_s(retry_count,
					  READ_ONCE(stats->max_schedule_delay)));
}

static bool grows(enum balloon_next next)
{
	return next == BALLOON_NEXT_DEFLATE || next == BALLOON_NEXT_ADD;
}

/* Whether Xen refused memory, and none has come since. */
static bool host_refuses(const struct balloon_worker *w)
{
	return w->refused == BALLOON_REFUSED_CAP ||
	       w->refused == BALLOON_REFUSED_HOST;
}

/* How long @next must not be tried yet, in jiffies; 0: try.  Where Xen refused to
 * populate a page, it would refuse for a new block as well.
 */
static long too_early(const struct balloon_worker *w, enum balloon_next next)
{
	bool again = next == w->failed ||
		     (grows(next) && w->failed == BALLOON_NEXT_DEFLATE &&
		      host_refuses(w));
	long left = w->retry_at - jiffies;

	return w->refused != BALLOON_REFUSED_NOT && again ? max(left, 0L) : 0;
}

/* Act on what has happened since the last step.  Context: mover.lock is held. */
static void take_news(struct xen_balloon *b)
{
	struct balloon_worker *w = &b->worker;

	if (balloon_news_take(&b->news, BALLOON_NEW_TARGET)) {
		set_tries(b->stats, 1);
		w->cancelled = false;
		w->retry_at = jiffies;
		balloon_mover_begin(&b->mover);
		balloon_blocks_begin(&b->blocks);
	}
	if (balloon_news_take(&b->news, BALLOON_GREW)) {
		set_tries(b->stats, 1);
		w->retry_at = jiffies;
		/* empty blocks may be wanted next */
		w->idle_since = jiffies;
	}
	if (balloon_news_take(&b->news, BALLOON_RETRY))
		w->retry_at = jiffies;
}

/* --- deflating ---------------------------------------------------------- */

static void deflate(struct xen_balloon *b, unsigned long want,
		    struct result *result)
{
	enum balloon_refusal why = BALLOON_REFUSED_HOST;
	struct balloon_moved moved = {};

	/* ask for the cap only after a refusal: that costs two hypercalls */
	if (host_refuses(&b->worker))
		want = min_t(unsigned long, want,
			     balloon_reservation_room(&b->reservation));
	if (want)
		moved = balloon_mover_deflate(&b->mover, want,
					      BALLOON_FOR_TARGET);
	result->moved = moved.pages;
	if (moved.pages)
		return;
	/* a borrower emptied the list first */
	if (want && !moved.tried) {
		result->outcome = SUPERSEDED;
		return;
	}
	if (!want || !balloon_reservation_room(&b->reservation))
		why = BALLOON_REFUSED_CAP;
	refuse(b, result, why, -ENOMEM);
}

/* --- adding ------------------------------------------------------------- */

/* Lower a target to what the guest can reach without more blocks.  Pages that
 * are lent count as reachable, because borrowers return them.  Pages that are
 * set aside count as well, because they may go back on the list.
 */
static void settle_target(struct xen_balloon *b, enum balloon_refusal why,
			  int err, struct result *result)
{
	struct balloon_stats *stats = b->stats;
	unsigned long target = READ_ONCE(stats->target_pages), away, listed;
	unsigned long most;

	mutex_lock(&b->pages.lock);
	/* pages may have come back since the plan was made */
	listed = balloon_pages_count(&b->pages);
	away = stats->target_unpopulated + b->pages.aside +
	       b->pages.table.leaving;
	most = stats->current_pages + away + listed;
	mutex_unlock(&b->pages.lock);
	if (target > most) {
		refuse(b, result, why, err);
		/* a target that is written just now stays */
		cmpxchg(&stats->target_pages, target, most);
	}
	/* the worker is kicked when pages come back */
	result->outcome = away && !listed ? WAITING : SUPERSEDED;
}

/* Get struct pages for @want more than there are.  Context: mover.lock is held. */
static void add(struct xen_balloon *b, unsigned long want,
		struct result *result)
{
	unsigned long cost, room;
	int err;

	result->outcome = WAITING;
	if (balloon_blocks_fixed(&b->blocks)) {
		result->delay = BLOCKS_PATIENCE;
		return;
	}
	if (!balloon_blocks_can_grow(&b->blocks)) {
		settle_target(b, BALLOON_REFUSED_ADD, -EOPNOTSUPP, result);
		return;
	}
	cost = balloon_blocks_cost(&b->blocks);
	if (want <= cost) {
		settle_target(b, BALLOON_REFUSED_COST, -ENOSPC, result);
		return;
	}
	if (balloon_blocks_too_early(&b->blocks)) {
		result->delay = HZ;
		return;
	}
	/* how the last adding ended */
	err = balloon_blocks_take_error(&b->blocks);
	if (!err) {
		/* memory beyond the cap would never come */
		room = balloon_reservation_room(&b->reservation);
		if (room <= cost) {
			refuse(b, result, BALLOON_REFUSED_CAP, -ENOMEM);
			return;
		}
		/* only one block, because the host may have no memory for it */
		if (b->worker.refused == BALLOON_REFUSED_HOST)
			want = 1;
		err = balloon_blocks_add(&b->blocks, min(want, room));
	}
	if (err)
		refuse(b, result, BALLOON_REFUSED_ADD, err);
	else if (!balloon_blocks_fixed(&b->blocks))
		result->outcome = SUPERSEDED;
	else
		result->delay = BLOCKS_PATIENCE;
}

/* --- not growing -------------------------------------------------------- */

/* Remove memory blocks with no memory in them, one at a time, once the guest
 * has not grown for a while.  Context: mover.lock is held.  Return: whether a
 * removal began.
 */
static bool tidy(struct xen_balloon *b, struct result *result)
{
	long left;

	/* the end of either kicks */
	if (balloon_blocks_fixed(&b->blocks) ||
	    !balloon_blocks_can_shrink(&b->blocks))
		return false;
	left = max_t(long, b->worker.idle_since + SETTLED_TIME - jiffies,
		     balloon_news_hold_left(&b->news));
	if (left > 0) {
		result->delay = left;
		return false;
	}
	return !balloon_blocks_remove(&b->blocks);
}

/* Do nothing for the target.  Context: mover.lock is held. */
static void stand_still(struct xen_balloon *b, enum balloon_next next,
			struct result *result)
{
	long left;

	if (tidy(b, result)) {
		result->outcome = SUPERSEDED;
		return;
	}
	result->outcome = next == BALLOON_NEXT_NOTHING ? DONE : WAITING;
	if (next != BALLOON_NEXT_SPARE_NONE)
		return;
	/* while inflating is forbidden no try fails */
	left = balloon_news_hold_left(&b->news);
	left = left ? left + 1 : too_early(&b->worker, next);
	if (left)
		result->delay = min(result->delay, left);
	else
		refuse(b, result, BALLOON_REFUSED_GUEST, -ENOMEM);
}

/* --- what a debug kernel asserts ---------------------------------------- */

/* What both sides count: pages of the guest, and frames of Xen. */
struct balance {
	long held;
	long lost;
	long frames;
};

/* Context: mover.lock is held. */
static struct balance take_balance(struct xen_balloon *b)
{
	struct balance now = {};

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG))
		return now;
	if (b->reservation.ops->keeps_frames) {
		now.frames = -ENODATA;
		return now;
	}
	mutex_lock(&b->pages.lock);
	now.held = b->stats->current_pages;
	now.lost = b->pages.quarantined;
	mutex_unlock(&b->pages.lock);
	now.frames = b->reservation.ops->count(XENMEM_current_reservation);
	return now;
}

/* Context: no lock is held, because this may print. */
static void check_balance(struct xen_balloon *b, const struct balance *before,
			  const struct balance *after)
{
	long held = (after->held - before->held) * (long)XEN_PFN_PER_PAGE;
	long lost = (after->lost - before->lost) * (long)XEN_PFN_PER_PAGE;
	long frames = after->frames - before->frames;

	if (!IS_ENABLED(CONFIG_XEN_BALLOON_DEBUG) ||
	    after->frames < 0 || before->frames < 0)
		return;
	WARN_ONCE(!balloon_policy_balanced(held, lost, frames, &b->worker.kept),
		  "xen:balloon: a step moved %ld frames, %ld unknown, and Xen counts %ld\n",
		  held, lost, frames);
}

/* --- the step ----------------------------------------------------------- */

static struct balloon_plan make_plan(struct xen_balloon *b)
{
	struct balloon_view view;

	mutex_lock(&b->pages.lock);
	view = balloon_mover_view(&b->mover, READ_ONCE(b->limits.floor));
	mutex_unlock(&b->pages.lock);
	return balloon_policy_plan(&view);
}

/* Whether the worker is asked to freeze.  A test replaces this function. */
VISIBLE_IF_KUNIT bool balloon_worker_freezing(void)
{
	BALLOON_STUB(balloon_worker_freezing);
	return freezing(current);
}

static void inflate(struct xen_balloon *b, const struct balloon_plan *plan,
		    struct result *result)
{
	struct balloon_moved moved;

	/* do not wait for the emptying task in a guest that is about to be
	 * saved
	 */
	if (!balloon_worker_freezing() &&
	    balloon_blocks_empty(&b->blocks, plan->nr_pages, plan->allocated)) {
		result->delay = balloon_blocks_emptying_left(&b->blocks);
		result->outcome = result->delay ? WAITING : SUPERSEDED;
		return;
	}
	/* only added blocks have memory to spare, and the emptying task cannot
	 * move any of it now
	 */
	if (!plan->allocated) {
		balloon_blocks_empty_again(&b->blocks);
		stand_still(b, BALLOON_NEXT_SPARE_NONE, result);
		return;
	}
	moved = balloon_mover_inflate(&b->mover, plan->allocated,
				      BALLOON_FOR_TARGET);
	result->moved = moved.pages;
	if (!moved.pages && moved.tried)
		refuse(b, result, BALLOON_REFUSED_RELEASE, -EIO);
	else if (!moved.pages)
		refuse(b, result, BALLOON_REFUSED_GUEST, -ENOMEM);
}

static void wait_online(struct xen_balloon *b, struct result *result)
{
	/* the worker is kicked when the block comes online and when a removal
	 * ends
	 */
	result->outcome = WAITING;
	if (balloon_blocks_replace(&b->blocks))
		result->outcome = SUPERSEDED;
	else if (balloon_table_unruled(&b->pages.table))
		result->delay = RULES_TIME;
}

/* Do one bounded piece of the plan.  Context: mover.lock is held. */
static void act(struct xen_balloon *b, const struct balloon_plan *plan,
		struct result *result)
{
	/* how adding ended matters only to a plan that adds */
	if (plan->next != BALLOON_NEXT_ADD)
		balloon_blocks_take_error(&b->blocks);

	switch (plan->next) {
	case BALLOON_NEXT_INFLATE:
		inflate(b, plan, result);
		break;
	case BALLOON_NEXT_DEFLATE:
		deflate(b, plan->nr_pages, result);
		break;
	case BALLOON_NEXT_ADD:
		add(b, plan->nr_pages, result);
		break;
	case BALLOON_NEXT_WAIT_ONLINE:
		wait_online(b, result);
		break;
	default:
		stand_still(b, plan->next, result);
		break;
	}
}

/* A try failed.  Return: jiffies until it may be repeated. */
static long try_again(struct xen_balloon *b, enum balloon_next next,
		      const struct result *result)
{
	struct balloon_stats *stats = b->stats;
	struct balloon_worker *w = &b->worker;
	unsigned long ms, delay;

	balloon_report_state(&b->report, shown_refused[result->why]);
	WRITE_ONCE(w->failed, next);
	WRITE_ONCE(w->refused, result->why);
	if (balloon_policy_cancels(stats->retry_count,
				   READ_ONCE(stats->max_retry_count))) {
		set_tries(stats, 1);
		w->cancelled = true;
		balloon_report_state(&b->report, BALLOON_CANCELLED);
		if (balloon_report_first(&b->report, BALLOON_SAID_CANCELLED))
			pr_warn("giving up after max_retry_count tries; write a target to start again\n");
		return MAX_SCHEDULE_TIMEOUT;
	}
	set_tries(stats, min(stats->retry_count, ULONG_MAX - 1) + 1);
	ms = balloon_policy_delay_ms(stats->retry_count,
				     READ_ONCE(stats->max_schedule_delay));
	delay = msecs_to_jiffies(ms);
	w->retry_at = jiffies + delay;
	return min_t(long, delay, result->delay);
}

/* Note and show the outcome of a step.  Context: no lock is held.  Return:
 * jiffies until the next step.
 */
static long conclude(struct xen_balloon *b, const struct balloon_plan *plan,
		     const struct result *result)
{
	enum balloon_state state = shown[plan->next];
	struct balloon_worker *w = &b->worker;

	balloon_report_step(state, plan->nr_pages, result->moved, b->stats);
	if (result->why != BALLOON_REFUSED_NOT)
		balloon_report_refusal(&b->report, result->why, result->err,
				       result->missing);
	switch (result->outcome) {
	case SUPERSEDED:
		return 0;
	case REFUSED:
		return try_again(b, plan->next, result);
	case MOVED:
		if (plan->next == BALLOON_NEXT_DEFLATE)
			w->idle_since = jiffies;
		break;
	case DONE:
		balloon_report_met(&b->report);
		break;
	case WAITING:
		balloon_report_state(&b->report, state);
		/* the time for another try has come, and this was it */
		if (plan->next == BALLOON_NEXT_ADD)
			WRITE_ONCE(w->refused, BALLOON_REFUSED_NOT);
		if (plan->next == BALLOON_NEXT_WAIT_ONLINE &&
		    balloon_report_first(&b->report, BALLOON_SAID_OFFLINE))
			pr_info("waiting for %lu KiB of added memory to be set online\n",
				plan->nr_pages << (PAGE_SHIFT - 10));
		return result->delay;
	}
	/* nothing is refused any more */
	balloon_report_state(&b->report, state);
	WRITE_ONCE(w->refused, BALLOON_REFUSED_NOT);
	set_tries(b->stats, 1);
	return result->outcome == MOVED ? 0 : result->delay;
}

/**
 * balloon_worker_step - take one bounded step towards the target
 * @b: the instance
 *
 * Context: the worker's thread; may sleep; no lock of the instance is held.
 * Return: jiffies until the next step, 0 for at once; MAX_SCHEDULE_TIMEOUT
 * where only a kick makes a step necessary.
 */
long balloon_worker_step(struct xen_balloon *b)
{
	struct balloon_worker *w = &b->worker;
	struct balloon_plan plan;
	struct result result = {
		.outcome = MOVED,
		.delay = MAX_SCHEDULE_TIMEOUT,
	};
	struct balance before, after;
	long left;

	mutex_lock(&b->mover.lock);
	take_news(b);
	if (w->cancelled) {
		balloon_mover_unlock(&b->mover);
		return MAX_SCHEDULE_TIMEOUT;
	}
	plan = make_plan(b);
	if (plan.next == BALLOON_NEXT_NOTHING &&
	    w->last != BALLOON_NEXT_NOTHING)
		w->idle_since = jiffies;
	WRITE_ONCE(w->last, plan.next);
	/* a step that tries nothing may remove an empty block at any time */
	left = plan.next == BALLOON_NEXT_SPARE_NONE ?
	       0 : too_early(w, plan.next);
	if (left) {
		/* the next try must not be taken for the one that failed before */
		balloon_blocks_take_error(&b->blocks);
		balloon_mover_unlock(&b->mover);
		return left;
	}
	/* host-full stays until memory comes */
	if (!(grows(plan.next) && host_refuses(w)))
		balloon_report_state(&b->report, shown[plan.next]);
	before = take_balance(b);
	w->steps[shown[plan.next]]++;
	act(b, &plan, &result);
	after = take_balance(b);
	balloon_mover_unlock(&b->mover);

	check_balance(b, &before, &after);
	left = conclude(b, &plan, &result);
	wake_up_all(&b->news.moved);
	return left;
}

/* --- the worker --------------------------------------------------------- */

/* A toolstack restores a saved guest into a domain that may have no more than
 * its target.  So a worker that is asked to freeze while it inflates goes on,
 * but for no longer than FREEZE_GRACE.
 */
VISIBLE_IF_KUNIT bool balloon_worker_gives_first(struct xen_balloon *b,
						 unsigned long *asked)
{
	if (!balloon_worker_freezing()) {
		*asked = jiffies;
		return false;
	}
	return balloon_worker_inflates(&b->worker) &&
	       time_before(jiffies, *asked + FREEZE_GRACE);
}

static bool kicked(struct xen_balloon *b)
{
	return balloon_news_pending(&b->news, BALLOON_KICKED) ||
	       kthread_should_stop();
}

VISIBLE_IF_KUNIT int balloon_worker_thread(void *data)
{
	struct xen_balloon *b = data;
	unsigned long asked = jiffies;
	long delay;

	set_freezable();
	while (!kthread_should_stop()) {
		/* before the step, so that a change during the step is not
		 * missed
		 */
		clear_bit(BALLOON_KICKED, &b->news.events);
		/* pairs with the barrier of set_bit() and wake_up() in a kick */
		smp_mb__after_atomic();
		delay = balloon_worker_step(b);
		cond_resched();
		if (!delay && balloon_worker_gives_first(b, &asked))
			continue;
		if (delay) {
			wait_event_freezable_timeout(b->news.worker, kicked(b),
						     delay);
			asked = jiffies;
		}
		try_to_freeze();
	}
	return 0;
}

/**
 * balloon_worker_set_target - set what the guest should hold
 * @b: the instance
 * @pages: the target
 *
 * The worker starts at once, also where this was the target before.
 *
 * Context: any.
 */
void balloon_worker_set_target(struct xen_balloon *b, unsigned long pages)
{
	WRITE_ONCE(b->stats->target_pages, pages);
	balloon_news_tell(&b->news, BALLOON_NEW_TARGET);
}

/**
 * balloon_worker_init - begin with nothing refused
 * @b: the instance
 */
void balloon_worker_init(struct xen_balloon *b)
{
	b->stats->max_schedule_delay = 8;
	b->stats->max_retry_count = RETRY_UNLIMITED;
	set_tries(b->stats, 1);
	b->worker.idle_since = jiffies;
}

/* Start the thread, which a test replaces. */
VISIBLE_IF_KUNIT struct task_struct *balloon_worker_run(struct xen_balloon *b)
{
	BALLOON_STUB(balloon_worker_run, b);
	return kthread_run(balloon_worker_thread, b, "xen-balloon");
}

/**
 * balloon_worker_start - start the worker's thread
 * @b: the instance
 *
 * Return: 0 or a negative errno; without the thread the target is never
 * followed.
 */
int balloon_worker_start(struct xen_balloon *b)
{
	struct task_struct *task = balloon_worker_run(b);

	if (IS_ERR(task)) {
		pr_err("no thread (%ld): the memory of this guest stays as it is\n",
		       PTR_ERR(task));
		return PTR_ERR(task);
	}
	b->worker.started = true;
	return 0;
}
