// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory blocks that come and go, and their pages
 */

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include "internal.h"

#include <trace/events/xen_balloon.h>

/* How long who hibernates waits for blocks that are being added or removed. */
#define BLOCKS_TIME	(10 * HZ)

static struct workqueue_struct *blocks_wq;

/* An instance has one of these going at a time, see blocks_busy. */
VISIBLE_IF_KUNIT int balloon_blocks_queue(struct xen_balloon *b)
{
	BALLOON_STUB(balloon_blocks_queue, b);
	/* not yet, or there was no memory for it at boot */
	if (!blocks_wq)
		return -ENOMEM;
	queue_work(blocks_wq, &b->blocks_work);
	return 0;
}

/* Context: batch_lock is held. */
static int begin_blocks(struct xen_balloon *b, unsigned long nr_pages)
{
	int ret;

	lockdep_assert_held(&b->batch_lock);
	if (b->hibernating || b->blocks_busy)
		return -EBUSY;
	WRITE_ONCE(b->blocks_want, nr_pages);
	WRITE_ONCE(b->blocks_busy, true);
	ret = balloon_blocks_queue(b);
	if (ret)
		b->blocks_busy = false;
	return ret;
}

/**
 * xen_balloon_add_memory - begin to add memory blocks, with nothing behind them
 * @b: the instance
 * @want: pages, at least one
 *
 * When it has ended moved_wq is woken and the worker kicked, and blocks_err says
 * what was in the way, if nothing was added.
 *
 * Context: batch_lock is held.
 * Return: 0; -EBUSY while the guest hibernates, or blocks are being added or
 * removed; -ENOMEM.
 */
int xen_balloon_add_memory(struct xen_balloon *b, unsigned long want)
{
	return begin_blocks(b, want);
}

/**
 * xen_balloon_remove_memory - begin to remove a memory block with nothing in it
 * @b: the instance
 *
 * At its end the worker is kicked.  One that stays is not tried again until a
 * target is written.
 *
 * Context: batch_lock is held.
 * Return: as with xen_balloon_add_memory().
 */
int xen_balloon_remove_memory(struct xen_balloon *b)
{
	b->blocks_stay = true;
	return begin_blocks(b, 0);
}

/* Struct pages that the target lacks, beside those that are being added: whether
 * some of these are populated by now makes no difference.
 */
static long lacking(struct xen_balloon *b)
{
	struct balloon_stats *stats = b->stats;
	long pages;

	mutex_lock(&b->lock);
	pages = READ_ONCE(stats->target_pages) + stats->target_unpopulated +
		b->quarantined - stats->total_pages;
	mutex_unlock(&b->lock);
	return pages;
}

/* Pages, or a negative errno.  The first block is added by itself: that may wait
 * for locks, and what the guest can spare, and should have, be another afterwards.
 */
static long add_blocks(struct xen_balloon *b, unsigned long want)
{
	long added, more = 0;

	added = balloon_hotplug_add(b->ops, 1, xen_balloon_available());
	if (!balloon_hotplug_for_lending())
		want = clamp_t(long, lacking(b), 0, want);
	if (added > 0 && added < want)
		more = balloon_hotplug_add(b->ops, want - added,
					   xen_balloon_available());
	return added + max(more, 0L);
}

/* Context: batch_lock is held. */
static void blocks_added(struct xen_balloon *b, long added)
{
	b->blocks_err = min(added, 0L);
	if (added <= 0)
		return;
	b->idle_since = jiffies;
	mutex_lock(&b->lock);
	b->stats->total_pages += added;
	balloon_policy_progress(b->stats);
	trace_xen_balloon_step(xen_balloon_state_text(BALLOON_ADDING),
			       b->blocks_want, added, b->stats->current_pages,
			       READ_ONCE(b->stats->target_pages));
	mutex_unlock(&b->lock);
}

/* Context: batch_lock is held. */
static void blocks_removed(struct xen_balloon *b, long removed)
{
	mutex_lock(&b->lock);
	b->leaving = 0;
	if (removed > 0) {
		b->stats->total_pages -= removed;
		b->blocks_stay = false;
	}
	mutex_unlock(&b->lock);
}

/* Memory blocks are added and removed under locks that an administrator may hold
 * for long, by setting a block offline that is in use.  So that is done by a task
 * of its own: the worker goes on meanwhile, and nobody waits.
 */
VISIBLE_IF_KUNIT void balloon_blocks_work(struct work_struct *work)
{
	struct xen_balloon *b = container_of(work, struct xen_balloon,
					     blocks_work);
	unsigned long want = b->blocks_want;
	long moved;

	moved = want ? add_blocks(b, want) : balloon_hotplug_remove();

	mutex_lock(&b->batch_lock);
	if (want)
		blocks_added(b, moved);
	else
		blocks_removed(b, moved);
	WRITE_ONCE(b->blocks_busy, false);
	mutex_unlock(&b->batch_lock);
	wake_up_all(&b->moved_wq);
	xen_balloon_kick(b);
}

/* --- hibernation -------------------------------------------------------- */

static void set_hibernating(struct xen_balloon *b, bool on)
{
	mutex_lock(&b->batch_lock);
	b->hibernating = on;
	mutex_unlock(&b->batch_lock);
	/* what was left alone meanwhile */
	if (!on)
		xen_balloon_kick(b);
}

/*
 * Who hibernates holds the lock that adding and removing memory blocks needs,
 * from before the worker is asked to stand still.  So it stays away from that
 * lock all the time.
 */
VISIBLE_IF_KUNIT int balloon_hibernation(struct notifier_block *nb,
					 unsigned long event, void *data)
{
	struct xen_balloon *b = xen_balloon_instance();

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		set_hibernating(b, true);
		if (!wait_event_timeout(b->moved_wq, !READ_ONCE(b->blocks_busy),
					BLOCKS_TIME)) {
			set_hibernating(b, false);
			return notifier_from_errno(-EBUSY);
		}
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		set_hibernating(b, false);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block hibernation_nb = {
	.notifier_call = balloon_hibernation,
};

/* --- the pages of a block, which hotplug tells about -------------------- */

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static void pages_online(struct page *page, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();

	balloon_pages_clean(page, nr_pages);
	balloon_pages_mark(page, nr_pages);
	mutex_lock(&b->lock);
	balloon_pages_add(&b->pages, page, nr_pages);
	mutex_unlock(&b->lock);
	wake_up_all(&b->moved_wq);
}

static bool pages_empty(unsigned long start_pfn, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	bool empty;

	/* what is offline has no pages to look at */
	if (!pfn_to_online_page(start_pfn))
		return false;
	mutex_lock(&b->lock);
	empty = balloon_pages_cover(start_pfn, nr_pages);
	mutex_unlock(&b->lock);
	return empty;
}

/* A page that nobody refers to is no obstacle when its block goes offline. */
static bool pages_offline(unsigned long start_pfn, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	unsigned long i;
	bool empty;

	mutex_lock(&b->lock);
	/* somebody else may have set it offline, and online again, before */
	b->leaving = 0;
	/* who borrowed or populated some of it meanwhile keeps the block here */
	empty = balloon_pages_cover(start_pfn, nr_pages);
	if (empty) {
		balloon_pages_take_range(&b->pages, start_pfn, nr_pages);
		for (i = 0; i < nr_pages; i++)
			page_ref_dec(pfn_to_page(start_pfn + i));
		b->leaving = nr_pages;
	}
	mutex_unlock(&b->lock);
	return empty;
}

static void pages_cancel_offline(unsigned long start_pfn,
				 unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	unsigned long i;

	mutex_lock(&b->lock);
	if (b->leaving) {
		for (i = 0; i < nr_pages; i++)
			page_ref_inc(pfn_to_page(start_pfn + i));
		balloon_pages_add(&b->pages, pfn_to_page(start_pfn), nr_pages);
		b->leaving = 0;
	}
	mutex_unlock(&b->lock);
}

static void pages_changed(void)
{
	struct xen_balloon *b = xen_balloon_instance();

	/*
	 * What is populated while more is added comes to hold the page structures
	 * of that, and its block can never be removed again.  The end of it kicks.
	 */
	if (READ_ONCE(b->blocks_busy) && READ_ONCE(b->blocks_want))
		return;
	xen_balloon_kick(b);
}

VISIBLE_IF_KUNIT const struct balloon_hotplug_client balloon_blocks_client = {
	.online = pages_online,
	.empty = pages_empty,
	.offline = pages_offline,
	.cancel_offline = pages_cancel_offline,
	.changed = pages_changed,
};

static void __init watch_blocks(void)
{
	/* who saves the guest waits for it, as for the worker */
	blocks_wq = alloc_workqueue("xen-balloon", WQ_UNBOUND | WQ_FREEZABLE, 1);
	balloon_hotplug_init(&balloon_blocks_client);
}
#else
static void __init watch_blocks(void) { }
#endif

/**
 * xen_balloon_blocks_init - be told of memory blocks, and of hibernation
 * @b: the instance
 */
void __init xen_balloon_blocks_init(struct xen_balloon *b)
{
	INIT_WORK(&b->blocks_work, balloon_blocks_work);
	watch_blocks();
	register_pm_notifier(&hibernation_nb);
}
