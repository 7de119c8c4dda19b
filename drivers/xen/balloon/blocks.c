// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory blocks that come and go
 */

/**
 * DOC: blocks
 *
 * Memory blocks are added and removed under locks of the memory hotplug core.
 * An administrator may hold such a lock for long, by setting a block offline
 * that is in use.  So the blocks task adds and removes blocks, without a lock
 * of the balloon.  The worker, borrowers and a rescue go on meanwhile.  At its
 * end the blocks task kicks the worker.
 *
 * Hibernation takes the same locks before it asks the worker to stand still.
 * So the blocks task is not started from before that until hibernation is over.
 */

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/suspend.h>

#include "blocks.h"

/* Hibernation waits no longer than this for the blocks task. */
#define BLOCKS_TIME	(10 * HZ)

/* User space has this long to set its rules for blocks. */
#define START_TIME	(5 * HZ)

static struct workqueue_struct *blocks_wq;

/* Start the blocks task, which a test replaces. */
VISIBLE_IF_KUNIT int balloon_blocks_queue(struct balloon_blocks *blocks)
{
	BALLOON_STUB(balloon_blocks_queue, blocks);
	/* too early in the boot, or the boot had no memory for the queue */
	if (!blocks_wq)
		return -ENOMEM;
	queue_work(blocks_wq, &blocks->work);
	return 0;
}

static void set_busy(struct balloon_blocks *blocks, bool busy)
{
	balloon_mover_spare_added(blocks->mover, busy);
	WRITE_ONCE(blocks->busy, busy);
}

static int begin(struct balloon_blocks *blocks, unsigned long nr_pages)
{
	int ret;

	lockdep_assert_held(&blocks->mover->lock);
	if (balloon_blocks_fixed(blocks))
		return -EBUSY;
	WRITE_ONCE(blocks->want, nr_pages);
	set_busy(blocks, true);
	ret = balloon_blocks_queue(blocks);
	if (ret)
		set_busy(blocks, false);
	return ret;
}

/**
 * balloon_blocks_add - begin to add memory blocks, with no memory behind them
 * @blocks: the blocks
 * @want: pages, at least one
 *
 * At its end the blocks task wakes all who wait for pages and kicks the worker;
 * balloon_blocks_take_error() tells why nothing was added.
 *
 * Context: the mover's lock is held.
 * Return: 0; -EBUSY while the guest hibernates, or blocks are being added or
 * removed; -ENOMEM.
 */
int balloon_blocks_add(struct balloon_blocks *blocks, unsigned long want)
{
	return begin(blocks, want);
}

/**
 * balloon_blocks_remove - begin to remove a memory block with no memory in it
 * @blocks: the blocks
 *
 * At its end the blocks task kicks the worker.  Where the kernel could not
 * remove the block, no block is tried until a target is written.
 *
 * Context: the mover's lock is held.
 * Return: as with balloon_blocks_add().
 */
int balloon_blocks_remove(struct balloon_blocks *blocks)
{
	blocks->taken = false;
	return begin(blocks, 0);
}

/**
 * balloon_blocks_begin - forget what failed on the way to an earlier target
 * @blocks: the blocks
 *
 * Context: the mover's lock is held.
 */
void balloon_blocks_begin(struct balloon_blocks *blocks)
{
	blocks->stay = false;
	blocks->err = 0;
}

/**
 * balloon_blocks_take_error - learn why the blocks task added nothing
 * @blocks: the blocks
 *
 * Context: the mover's lock is held.
 * Return: a negative errno; 0 where the task added memory, or where the error
 * was taken before.
 */
int balloon_blocks_take_error(struct balloon_blocks *blocks)
{
	int err = blocks->err;

	blocks->err = 0;
	return err;
}

/**
 * balloon_blocks_can_grow - whether the guest can have more than it booted with
 * @blocks: the blocks
 *
 * Return: false where the kernel cannot add memory, or where the domain has its
 * own frames only.
 */
bool balloon_blocks_can_grow(const struct balloon_blocks *blocks)
{
	return balloon_hotplug_possible() &&
	       !blocks->mover->reservation->ops->keeps_frames;
}

/**
 * balloon_blocks_user_space - user space is about to start
 * @blocks: the blocks
 */
void balloon_blocks_user_space(struct balloon_blocks *blocks)
{
	blocks->early_until = jiffies + START_TIME;
}

/**
 * balloon_blocks_too_early - whether a block that is added now may stay offline
 * @blocks: the blocks
 *
 * Where the kernel leaves it to user space to set blocks online, user space sets
 * its rules when it starts, and hears only of blocks that are added after that.
 *
 * Context: the worker.
 * Return: true until user space has run for some seconds.
 */
bool balloon_blocks_too_early(struct balloon_blocks *blocks)
{
	if (balloon_hotplug_goes_online())
		return false;
	if (system_state < SYSTEM_RUNNING) {
		balloon_blocks_user_space(blocks);
		return true;
	}
	return time_before(jiffies, blocks->early_until);
}

/**
 * balloon_blocks_cost - how much memory an added block costs the guest
 * @blocks: the blocks
 *
 * Return: pages.
 */
unsigned long balloon_blocks_cost(const struct balloon_blocks *blocks)
{
	return balloon_hotplug_cost(blocks->mover->reservation->ops);
}

/**
 * balloon_blocks_can_shrink - whether a block with no memory in it can be
 * removed
 * @blocks: the blocks
 *
 * Return: false also where the removal of a block failed, until a target is
 * written.
 */
bool balloon_blocks_can_shrink(const struct balloon_blocks *blocks)
{
	return !blocks->mover->reservation->ops->keeps_blocks &&
	       !blocks->stay && balloon_hotplug_removable();
}

/* --- the blocks task ---------------------------------------------------- */

/* Count the struct pages that the target lacks, beside those that are being
 * added.  Whether some of those are populated by now makes no difference.
 */
static long lacking(struct balloon_pages *bp)
{
	struct balloon_stats *stats = bp->stats;
	long pages;

	mutex_lock(&bp->lock);
	pages = READ_ONCE(stats->target_pages) + stats->target_unpopulated +
		bp->quarantined - stats->total_pages;
	mutex_unlock(&bp->lock);
	return pages;
}

/* Add blocks; return pages, or a negative errno.  The first block is added by
 * itself.  Adding it may wait for locks.  So the target and the available
 * memory are read again afterwards, because both may have changed.
 */
static long add_blocks(struct balloon_mover *mover, unsigned long want)
{
	const struct balloon_ops *ops = mover->reservation->ops;
	long added, rest, more = 0;

	added = balloon_hotplug_add(ops, 1, balloon_mover_available());
	/* where a block cannot be removed, none is added before the last is
	 * used
	 */
	if (ops->keeps_blocks)
		return added;
	if (!balloon_hotplug_for_lending())
		want = clamp_t(long, lacking(mover->pages), 0, want);
	rest = max_t(long, want - added, 0);
	if (!balloon_hotplug_for_lending())
		rest = balloon_hotplug_worth(ops, rest);
	if (added > 0 && rest)
		more = balloon_hotplug_add(ops, rest, balloon_mover_available());
	return added + max(more, 0L);
}

static void blocks_added(struct balloon_blocks *blocks, long added)
{
	struct balloon_pages *bp = blocks->mover->pages;

	lockdep_assert_held(&blocks->mover->lock);
	blocks->err = min(added, 0L);
	if (added <= 0)
		return;
	balloon_pages_resize(bp, added);
	balloon_report_step(BALLOON_ADDING, blocks->want, added, bp->stats);
}

static void blocks_removed(struct balloon_blocks *blocks, long removed)
{
	lockdep_assert_held(&blocks->mover->lock);
	balloon_pages_resize(blocks->mover->pages, min(-removed, 0L));
	/* where a page was lent or populated first, other blocks may still go */
	if (removed < 0 && !blocks->taken)
		blocks->stay = true;
}

VISIBLE_IF_KUNIT void balloon_blocks_work(struct work_struct *work)
{
	struct balloon_blocks *blocks =
		container_of(work, struct balloon_blocks, work);
	struct balloon_mover *mover = blocks->mover;
	unsigned long want = blocks->want;
	long moved;

	moved = want ? add_blocks(mover, want) : balloon_hotplug_remove();

	mutex_lock(&mover->lock);
	if (want)
		blocks_added(blocks, moved);
	else
		blocks_removed(blocks, moved);
	set_busy(blocks, false);
	mutex_unlock(&mover->lock);
	wake_up_all(&mover->news->moved);
	if (want && moved > 0)
		balloon_news_tell(mover->news, BALLOON_GREW);
	else
		balloon_news_kick(mover->news);
}

/* --- hibernation -------------------------------------------------------- */

static void set_hibernating(struct balloon_blocks *blocks, bool on)
{
	mutex_lock(&blocks->mover->lock);
	WRITE_ONCE(blocks->hibernating, on);
	mutex_unlock(&blocks->mover->lock);
	/* the worker may have left a block alone meanwhile */
	if (!on)
		balloon_news_tell(blocks->mover->news, BALLOON_RETRY);
}

VISIBLE_IF_KUNIT int balloon_blocks_hibernation(struct notifier_block *nb,
						unsigned long event, void *data)
{
	struct balloon_blocks *blocks =
		container_of(nb, struct balloon_blocks, hibernation);

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		set_hibernating(blocks, true);
		if (!wait_event_timeout(blocks->mover->news->moved,
					!READ_ONCE(blocks->busy),
					BLOCKS_TIME)) {
			set_hibernating(blocks, false);
			return notifier_from_errno(-EBUSY);
		}
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		set_hibernating(blocks, false);
		break;
	}
	return NOTIFY_OK;
}

/* --- the pages of a block, which hotplug tells about -------------------- */

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static void pages_online(void *owner, struct page *page, unsigned long nr_pages)
{
	struct balloon_blocks *blocks = owner;

	balloon_pages_add_hole(blocks->mover->pages, page, nr_pages);
	wake_up_all(&blocks->mover->news->moved);
}

static bool pages_empty(void *owner, unsigned long start_pfn,
			unsigned long nr_pages)
{
	struct balloon_blocks *blocks = owner;

	return balloon_pages_empty(blocks->mover->pages, start_pfn, nr_pages);
}

static bool pages_offline(void *owner, unsigned long start_pfn,
			  unsigned long nr_pages)
{
	struct balloon_blocks *blocks = owner;

	blocks->taken = !balloon_pages_leave(blocks->mover->pages, start_pfn,
					     nr_pages);
	return !blocks->taken;
}

static void pages_cancel_offline(void *owner, unsigned long start_pfn,
				 unsigned long nr_pages)
{
	struct balloon_blocks *blocks = owner;

	balloon_pages_stay(blocks->mover->pages, start_pfn, nr_pages);
}

static void pages_changed(void *owner)
{
	struct balloon_blocks *blocks = owner;

	/*
	 * A block that is populated while more blocks are added may get their
	 * page structures, and can never be removed again.  The end of the
	 * blocks task kicks the worker, and a worker that waits for the blocks
	 * looks by itself after a while.
	 */
	if (READ_ONCE(blocks->busy) && READ_ONCE(blocks->want))
		return;
	balloon_news_tell(blocks->mover->news, BALLOON_RETRY);
}

VISIBLE_IF_KUNIT const struct balloon_hotplug_client balloon_blocks_client = {
	.online = pages_online,
	.empty = pages_empty,
	.offline = pages_offline,
	.cancel_offline = pages_cancel_offline,
	.changed = pages_changed,
};

static void __init watch(struct balloon_blocks *blocks, bool may_add)
{
	/* a guest that is saved waits for the blocks task, as for the worker */
	blocks_wq = alloc_workqueue("xen-balloon", WQ_UNBOUND | WQ_FREEZABLE, 1);
	balloon_hotplug_init(&balloon_blocks_client, blocks, may_add);
}
#else
static void __init watch(struct balloon_blocks *blocks, bool may_add) { }
#endif

/**
 * balloon_blocks_init - begin with no block added
 * @blocks: the blocks
 * @mover: the mover
 */
void balloon_blocks_init(struct balloon_blocks *blocks,
			 struct balloon_mover *mover)
{
	blocks->mover = mover;
	INIT_WORK(&blocks->work, balloon_blocks_work);
	blocks->hibernation.notifier_call = balloon_blocks_hibernation;
}

/**
 * balloon_blocks_start - begin to watch memory blocks and hibernation
 * @blocks: the blocks
 * @may_add: false: no block is ever added
 */
void __init balloon_blocks_start(struct balloon_blocks *blocks, bool may_add)
{
	watch(blocks, may_add);
	register_pm_notifier(&blocks->hibernation);
}
