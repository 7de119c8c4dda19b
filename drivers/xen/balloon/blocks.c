// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory blocks that come and go, and their pages
 */

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/suspend.h>

#include "internal.h"

/* How long who hibernates waits for blocks that are being added or removed. */
#define BLOCKS_TIME	(10 * HZ)

/* Memory blocks are added and removed under locks that an administrator may hold
 * for long, by setting a block offline that is in use.  Nobody waits for that but
 * the one who adds or removes some.
 *
 * Context: batch_lock is held, and is not on return.
 * Return: false where that cannot be now, with batch_lock still held.
 */
static bool begin_blocks(struct xen_balloon *b)
{
	lockdep_assert_held(&b->batch_lock);
	if (b->hibernating || b->blocks_busy)
		return false;
	b->blocks_busy = true;
	mutex_unlock(&b->batch_lock);
	return true;
}

/* Context: batch_lock is held on return. */
static void end_blocks(struct xen_balloon *b)
{
	mutex_lock(&b->batch_lock);
	WRITE_ONCE(b->blocks_busy, false);
	wake_up_all(&b->moved_wq);
}

/**
 * xen_balloon_add_memory - add memory blocks, with nothing behind them
 * @b: the instance
 * @want: pages
 *
 * Context: may sleep; batch_lock is held, and dropped meanwhile; lock is not.
 * Return: pages that were added, or a negative errno: -EBUSY while the guest
 * hibernates or somebody else adds or removes some, else that of
 * balloon_hotplug_add().
 */
long xen_balloon_add_memory(struct xen_balloon *b, unsigned long want)
{
	long added;

	if (!begin_blocks(b))
		return -EBUSY;
	added = balloon_hotplug_add(b->ops, want, xen_balloon_available());
	if (added > 0) {
		mutex_lock(&b->lock);
		b->stats->total_pages += added;
		mutex_unlock(&b->lock);
	}
	end_blocks(b);
	return added;
}

/**
 * xen_balloon_remove_memory - remove one memory block with nothing in it
 * @b: the instance
 *
 * Context: may sleep; batch_lock is held, and dropped meanwhile; lock is not.
 * Return: pages that were removed, or a negative errno: -EBUSY while the guest
 * hibernates or somebody else adds or removes some, else that of
 * balloon_hotplug_remove().
 */
long xen_balloon_remove_memory(struct xen_balloon *b)
{
	long removed;

	if (!begin_blocks(b))
		return -EBUSY;
	removed = balloon_hotplug_remove();
	mutex_lock(&b->lock);
	b->leaving = 0;
	if (removed > 0)
		b->stats->total_pages -= removed;
	mutex_unlock(&b->lock);
	end_blocks(b);
	return removed;
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
static void pages_offline(unsigned long start_pfn, unsigned long nr_pages)
{
	struct xen_balloon *b = xen_balloon_instance();
	unsigned long i;

	mutex_lock(&b->lock);
	/* somebody else may have set it offline, and online again, before */
	b->leaving = 0;
	/* a lender may have been faster: then the offlining fails */
	if (balloon_pages_cover(start_pfn, nr_pages)) {
		balloon_pages_take_range(&b->pages, start_pfn, nr_pages);
		for (i = 0; i < nr_pages; i++)
			page_ref_dec(pfn_to_page(start_pfn + i));
		b->leaving = nr_pages;
	}
	mutex_unlock(&b->lock);
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
	xen_balloon_kick(xen_balloon_instance());
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
	balloon_hotplug_init(&balloon_blocks_client);
}
#else
static void __init watch_blocks(void) { }
#endif

/**
 * xen_balloon_blocks_init - be told of memory blocks, and of hibernation
 */
void __init xen_balloon_blocks_init(void)
{
	watch_blocks();
	register_pm_notifier(&hibernation_nb);
}
