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
 * So the blocks task does not start between the notice of hibernation and its
 * end.
 *
 * A block whose pages are all in the balloon costs memory for its struct pages
 * and gives none.  So the blocks task sets such a block offline and removes it,
 * except in PV guests, where Xen holds the page tables that map the block.
 *
 * When the guest shrinks, memory in added blocks goes first, so that the blocks
 * become empty.  The kernel moves the contents of a block elsewhere, and may
 * wait for a page for as long as a program, a file system or a server keeps the
 * page locked.  So a task of its own empties blocks.  The emptying task holds
 * no lock of the balloon while the kernel moves pages, and is not frozen.  The
 * worker waits for a run of the emptying task for EMPTY_TIME at most.  After a
 * run that moved nothing the worker does not wait for the next run.
 */

#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/memory.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/suspend.h>

#include <xen/mem-reservation.h>

#include "blocks.h"

/* Hibernation waits no longer than this for the blocks task. */
#define BLOCKS_TIME	(10 * HZ)

/* Give user space this long after its start to set its rules for blocks. */
#define START_TIME	(5 * HZ)

/* The worker waits no longer than this for one run of the emptying task. */
#define EMPTY_TIME	HZ

/* Add at most so many pages, or one block, at once, because nothing can
 * interrupt the addition.
 */
#define MOST_ADDED	(SZ_1G >> PAGE_SHIFT)

/* One run of the emptying task ends after so many pieces that had something to
 * move.
 */
#define MOST_PIECES	4

static struct workqueue_struct *blocks_wq;
static struct workqueue_struct *emptying_wq;

/* Start the blocks task.  A test replaces this function. */
VISIBLE_IF_KUNIT int balloon_blocks_queue(struct balloon_blocks *blocks)
{
	BALLOON_STUB(balloon_blocks_queue, blocks);
	/* too early in the boot, or the boot had no memory for the queue */
	if (!blocks_wq)
		return -ENOMEM;
	queue_work(blocks_wq, &blocks->work);
	return 0;
}

/* Start the blocks task to do @task.  Context: the mover's lock is held. */
static int begin(struct balloon_blocks *blocks, enum balloon_blocks_task task)
{
	int ret;

	lockdep_assert_held(&blocks->mover->lock);
	WRITE_ONCE(blocks->task, task);
	ret = balloon_blocks_queue(blocks);
	if (ret)
		WRITE_ONCE(blocks->task, BALLOON_BLOCKS_IDLE);
	return ret;
}

/**
 * balloon_blocks_add - begin to add memory blocks, with no memory behind them
 * @blocks: the blocks
 * @want: pages, at least one
 *
 * At its end the blocks task wakes the borrowers that wait for pages and kicks
 * the worker; balloon_blocks_take_error() tells why nothing was added.
 *
 * Context: the mover's lock is held.
 * Return: 0; -EBUSY while the guest hibernates or the blocks task runs; -ENOMEM
 * where there is no task to start.
 */
int balloon_blocks_add(struct balloon_blocks *blocks, unsigned long want)
{
	if (balloon_blocks_fixed(blocks))
		return -EBUSY;
	blocks->want = want;
	return begin(blocks, BALLOON_BLOCKS_ADD);
}

/**
 * balloon_blocks_remove - begin to remove a memory block with no memory in it
 * @blocks: the blocks
 *
 * At its end the blocks task kicks the worker.  Where the kernel could not
 * remove the block, the worker removes no block until a target is written.
 *
 * Context: the mover's lock is held.
 * Return: as with balloon_blocks_add().
 */
int balloon_blocks_remove(struct balloon_blocks *blocks)
{
	if (balloon_blocks_fixed(blocks))
		return -EBUSY;
	return begin(blocks, BALLOON_BLOCKS_REMOVE);
}

/**
 * balloon_blocks_replace - begin to remove a block that would stay offline
 * @blocks: the blocks
 *
 * The kernel applies auto_online_blocks to a block when the block is added.  A
 * block that was added while auto_online_blocks said "offline" may stay offline
 * for good.  Once auto_online_blocks says otherwise, a block that is added in
 * its place comes online.
 *
 * Context: the mover's lock is held; takes the lock of the list.
 * Return: whether a removal began.
 */
bool balloon_blocks_replace(struct balloon_blocks *blocks)
{
	return balloon_table_unruled(&blocks->mover->pages->table) &&
	       balloon_hotplug_goes_online() &&
	       balloon_blocks_can_shrink(blocks) &&
	       !balloon_blocks_remove(blocks);
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
	balloon_blocks_empty_again(blocks);
}

/**
 * balloon_blocks_empty_again - let the emptying task search all blocks again
 * @blocks: the blocks
 *
 * Context: the mover's lock is held.
 */
void balloon_blocks_empty_again(struct balloon_blocks *blocks)
{
	blocks->emptying.again = true;
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
 * Return: false where the kernel cannot add memory, or where the domain keeps
 * the frames that it has.
 */
bool balloon_blocks_can_grow(const struct balloon_blocks *blocks)
{
	return balloon_hotplug_possible() &&
	       !blocks->mover->reservation->ops->keeps_frames;
}

/**
 * balloon_blocks_user_space - note that user space is about to start
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
 * Where the kernel does not set blocks online, user space has to.  User space
 * sets its rules for blocks when it starts, and hears only of blocks that are
 * added after that.
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

/* Return the bytes of structures and tables that an added page needs. */
static size_t page_bytes(const struct balloon_blocks *blocks)
{
	return sizeof(struct page) +
	       blocks->mover->reservation->ops->table_bytes;
}

/**
 * balloon_blocks_cost - how much memory an added block costs the guest
 * @blocks: the blocks
 *
 * Return: pages.
 */
unsigned long balloon_blocks_cost(const struct balloon_blocks *blocks)
{
	BALLOON_STUB(balloon_blocks_cost, blocks);
	return balloon_policy_block_cost(balloon_hotplug_block_pages(),
					 page_bytes(blocks));
}

/**
 * balloon_blocks_can_shrink - whether a block with no memory in it can be
 * removed
 * @blocks: the blocks
 *
 * Context: takes the lock of the list.
 * Return: false where there is no such block; where the removal of a block
 * failed, until a target is written; where blocks are kept for lending; and in
 * guests that cannot remove blocks.
 */
bool balloon_blocks_can_shrink(const struct balloon_blocks *blocks)
{
	unsigned long pfn;

	return IS_ENABLED(CONFIG_MEMORY_HOTREMOVE) &&
	       !blocks->mover->reservation->ops->keeps_blocks &&
	       !blocks->stay && !balloon_hotplug_for_lending() &&
	       balloon_pages_empty_block(blocks->mover->pages, &pfn);
}

/* --- the blocks task ---------------------------------------------------- */

/* Count the struct pages that the target lacks. */
static long lacking(struct balloon_pages *bp)
{
	long pages;

	mutex_lock(&bp->lock);
	pages = balloon_pages_shortfall(bp) - balloon_pages_count(bp) -
		bp->table.offline;
	mutex_unlock(&bp->lock);
	return pages;
}

/* Add one block.  Blocks are added one by one because they are removed one by
 * one: an entry of /sys/firmware/memmap, for example, cannot be taken back in
 * parts.
 */
static int add_block(struct balloon_blocks *blocks)
{
	const struct balloon_ops *ops = blocks->mover->reservation->ops;
	struct balloon_pages *bp = blocks->mover->pages;
	struct resource *res;
	unsigned long pfn;
	int ret;

	res = balloon_hotplug_reserve(ops->last_pfn ? ops->last_pfn() :
						      ULONG_MAX);
	if (IS_ERR(res))
		return PTR_ERR(res);
	pfn = PHYS_PFN(res->start);
	/* the table must know the block before the block can come online */
	ret = balloon_pages_enter_block(bp, pfn,
					!balloon_hotplug_goes_online());
	if (ret)
		goto err_res;
	if (ops->prepare_range)
		ret = ops->prepare_range(pfn, balloon_hotplug_block_pages());
	if (!ret)
		ret = balloon_hotplug_add(res);
	if (ret)
		goto err_block;
	balloon_pages_block_added(bp, pfn);
	return 0;

err_block:
	balloon_pages_block_gone(bp, pfn);
err_res:
	balloon_hotplug_release(res);
	return ret;
}

/* Add blocks for @want pages, or for a part of them, so that the addition does
 * not take long.  Return pages, or a negative errno.
 */
static long add_some(struct balloon_blocks *blocks, unsigned long want)
{
	unsigned long block = balloon_hotplug_block_pages(), nr_pages;
	unsigned long added = 0;
	int ret = 0;

	if (!balloon_hotplug_possible())
		return -EOPNOTSUPP;
	nr_pages = balloon_policy_add(min(want, max(MOST_ADDED, block)),
				      balloon_mover_available(), block,
				      page_bytes(blocks));
	if (!nr_pages)
		return -ENOMEM;
	while (added < nr_pages) {
		ret = add_block(blocks);
		if (ret)
			break;
		added += block;
	}
	return added ?: ret;
}

/* Add blocks; return pages, or a negative errno.  The first block is added by
 * itself.  Adding it may wait for locks.  So the target and the available
 * memory are read again afterwards, because both may have changed.
 */
static long add_blocks(struct balloon_blocks *blocks)
{
	unsigned long want = blocks->want, block, rest;
	long added, more = 0;

	added = add_some(blocks, 1);
	/* where blocks cannot be removed, add the next block only when the last
	 * one is in use
	 */
	if (added <= 0 || blocks->mover->reservation->ops->keeps_blocks)
		return added;
	rest = max_t(long, want - added, 0);
	if (!balloon_hotplug_for_lending()) {
		block = balloon_hotplug_block_pages();
		rest = clamp_t(long, lacking(blocks->mover->pages), 0, rest);
		rest = balloon_policy_worth(rest, block, page_bytes(blocks));
	}
	if (rest)
		more = add_some(blocks, rest);
	return added + max(more, 0L);
}

/* Remove one block.  Return its pages; 0 where no block is empty any more; or a
 * negative errno where the kernel could not remove the block.
 */
static long remove_block(struct balloon_blocks *blocks)
{
	struct balloon_pages *bp = blocks->mover->pages;
	unsigned long pfn;
	int ret;

	if (!balloon_pages_empty_block(bp, &pfn))
		return 0;
	WRITE_ONCE(blocks->remover, current);
	ret = balloon_hotplug_remove(pfn);
	WRITE_ONCE(blocks->remover, NULL);
	if (ret)
		return balloon_pages_block_in_use(bp, pfn) ? 0 : ret;
	balloon_pages_block_gone(bp, pfn);
	return balloon_hotplug_block_pages();
}

VISIBLE_IF_KUNIT void balloon_blocks_work(struct work_struct *work)
{
	struct balloon_blocks *blocks =
		container_of(work, struct balloon_blocks, work);
	bool adding = blocks->task == BALLOON_BLOCKS_ADD;
	struct balloon_mover *mover = blocks->mover;
	long moved;

	moved = adding ? add_blocks(blocks) : remove_block(blocks);

	mutex_lock(&mover->lock);
	if (adding)
		blocks->err = min(moved, 0L);
	else if (moved < 0)
		blocks->stay = true;
	WRITE_ONCE(blocks->task, BALLOON_BLOCKS_IDLE);
	if (adding && moved > 0)
		balloon_report_step(BALLOON_ADDING, blocks->want, moved,
				    mover->pages->stats);
	mutex_unlock(&mover->lock);
	wake_up_all(&mover->news->moved);
	if (adding && moved > 0)
		balloon_news_tell(mover->news, BALLOON_GREW);
	else
		balloon_news_kick(mover->news);
}

/* --- the emptying task -------------------------------------------------- */

/* Start the emptying task.  A test replaces this function. */
VISIBLE_IF_KUNIT int balloon_blocks_queue_emptying(struct balloon_blocks *blocks)
{
	BALLOON_STUB(balloon_blocks_queue_emptying, blocks);
	if (!emptying_wq)
		return -ENOMEM;
	queue_work(emptying_wq, &blocks->emptying.work);
	return 0;
}

/**
 * balloon_blocks_empty - start the emptying task, unless it runs
 * @blocks: the blocks
 * @want: pages that the target wants released
 * @allocated: how many of them the allocator could give as well
 *
 * The emptying task moves the contents of added blocks elsewhere and releases
 * their memory to Xen.  At its end the task kicks the worker.
 *
 * Context: the mover's lock is held.
 * Return: whether the worker should wait for the task; false where the task
 * does not run, has run for EMPTY_TIME, or moved nothing in its last run.
 */
bool balloon_blocks_empty(struct balloon_blocks *blocks, unsigned long want,
			  unsigned long allocated)
{
	struct balloon_emptying *e = &blocks->emptying;
	bool huge = want >= BALLOON_HUGE_PAGES, vain;

	if (!READ_ONCE(blocks->mover->pages->table.held) ||
	    blocks->mover->reservation->ops->keeps_blocks ||
	    blocks->hibernating)
		return false;
	if (READ_ONCE(e->busy))
		return !e->vain && balloon_blocks_emptying_left(blocks) > 0;
	if (e->again) {
		e->again = false;
		e->pfn[0] = ULONG_MAX;
		e->pfn[1] = ULONG_MAX;
		e->done[0] = false;
		e->done[1] = false;
		e->vain = false;
	}
	if (e->done[huge])
		return false;
	vain = e->vain;
	e->want = want;
	e->allocated = allocated;
	e->began = jiffies;
	WRITE_ONCE(e->busy, true);
	if (!balloon_blocks_queue_emptying(blocks))
		return !vain;
	WRITE_ONCE(e->busy, false);
	return false;
}

/**
 * balloon_blocks_emptying_left - how long to wait for the emptying task
 * @blocks: the blocks
 *
 * Context: the mover's lock is held.
 * Return: jiffies; 0 where the task has ended, or has run for EMPTY_TIME.
 */
long balloon_blocks_emptying_left(const struct balloon_blocks *blocks)
{
	const struct balloon_emptying *e = &blocks->emptying;
	long left = e->began + EMPTY_TIME - jiffies;

	return READ_ONCE(e->busy) ? max(left, 0L) : 0;
}

#ifdef CONFIG_CONTIG_ALLOC
/* Allocate a given range of pages; the kernel moves their contents elsewhere.
 * Return whether all were allocated.  A test replaces this function.
 */
VISIBLE_IF_KUNIT bool balloon_blocks_get(unsigned long pfn,
					 unsigned long nr_pages)
{
	struct page *page = pfn_to_page(pfn);
	unsigned int flags = 0;
	bool roomy, got;
	unsigned long i;

	BALLOON_STUB(balloon_blocks_get, pfn, nr_pages);
	/*
	 * To move a page that is being written to a disk, the kernel waits for
	 * the disk.  So leave such a page alone.  The kernel still waits for
	 * writing that begins only now, and for buffers of a file system.
	 */
	for (i = 0; i < nr_pages; i++)
		if (PageLocked(page + i) || PageWriteback(page + i))
			return false;
	/*
	 * For a task with PF_MEMALLOC the kernel does not wait for a page that
	 * is locked only now.  But such a task does not reclaim, and may use
	 * the reserves.  So set PF_MEMALLOC only while there is enough free
	 * memory that the reserves are not touched.
	 */
	roomy = balloon_mover_has_free(2 * BALLOON_HUGE_PAGES);
	if (roomy)
		flags = memalloc_noreclaim_save();
	got = !alloc_contig_range(pfn, pfn + nr_pages, ACR_FLAGS_NONE,
				  GFP_KERNEL | __GFP_NOWARN);
	if (roomy)
		memalloc_noreclaim_restore(flags);
	if (!got)
		return false;
	/* alloc_contig_range() does not clear: the old contents are still in
	 * the pages
	 */
	for (i = 0; i < nr_pages; i++)
		xenmem_reservation_scrub_page(page + i);
	return true;
}
#else
VISIBLE_IF_KUNIT bool balloon_blocks_get(unsigned long pfn,
					 unsigned long nr_pages)
{
	BALLOON_STUB(balloon_blocks_get, pfn, nr_pages);
	return false;
}
#endif

/* Whether the emptying task should still release @nr_pages. */
static bool wanted(struct balloon_blocks *blocks, unsigned long nr_pages)
{
	struct balloon_news *news = blocks->mover->news;

	return blocks->emptying.want >= nr_pages &&
	       !balloon_news_hold_left(news) &&
	       !balloon_news_pending(news, BALLOON_NEW_TARGET) &&
	       !READ_ONCE(blocks->hibernating);
}

/* Whether a plan made now would release @nr_pages that were emptied.  Context:
 * the mover's lock is held.
 */
static bool planned(struct balloon_blocks *blocks, unsigned long nr_pages,
		    bool movable)
{
	struct balloon_mover *mover = blocks->mover;
	struct balloon_view view;
	struct balloon_plan plan;

	mutex_lock(&mover->pages->lock);
	view = balloon_mover_view(mover, READ_ONCE(blocks->limits->floor));
	mutex_unlock(&mover->pages->lock);
	/* the pages are allocated, and so missing in what is available */
	if (movable)
		view.movable += nr_pages;
	else
		view.available += nr_pages;
	plan = balloon_policy_plan(&view);
	return plan.next == BALLOON_NEXT_INFLATE && plan.nr_pages >= nr_pages &&
	       (movable || plan.allocated >= nr_pages);
}

static bool is_movable(unsigned long pfn)
{
	return page_zonenum(pfn_to_page(pfn)) == ZONE_MOVABLE;
}

/* Release pages that were emptied, or leave them to the kernel where the target
 * has changed meanwhile.  Return the pages that Xen took.
 */
static unsigned long release(struct balloon_blocks *blocks, unsigned long pfn,
			     unsigned long nr_pages)
{
	struct balloon_emptying *e = &blocks->emptying;
	struct balloon_mover *mover = blocks->mover;
	bool movable = is_movable(pfn);
	struct balloon_moved moved = {};
	unsigned long i;

	mutex_lock(&mover->lock);
	if (wanted(blocks, nr_pages) && planned(blocks, nr_pages, movable)) {
		moved = balloon_mover_release(mover, pfn_to_page(pfn),
					      nr_pages);
		e->want -= nr_pages;
		if (!movable)
			e->allocated -= min(e->allocated, nr_pages);
	} else {
		e->want = 0;
		for (i = 0; i < nr_pages; i++)
			__free_page(pfn_to_page(pfn + i));
	}
	balloon_mover_unlock(mover);
	return moved.pages;
}

static bool all_free(unsigned long pfn, unsigned long nr_pages)
{
	while (nr_pages--) {
		if (page_count(pfn_to_page(pfn++)))
			return false;
	}
	return true;
}

/* Empty one piece: move the contents of its pages elsewhere, except of pages
 * that are in the balloon, and release the pages.  Stop at the first page that
 * cannot be moved.  Return the pages that went to Xen, or a negative errno
 * where a page could not be moved and none went to Xen.
 */
static long empty_piece(struct balloon_blocks *blocks, unsigned long pfn)
{
	unsigned long end = pfn + BALLOON_HUGE_PAGES, from, moved = 0;
	struct balloon_emptying *e = &blocks->emptying;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);

		from = pfn++;
		if (PageOffline(page))
			continue;
		while (pfn < end && !PageOffline(pfn_to_page(pfn)))
			pfn++;
		/* the contents need as much memory elsewhere */
		if (!wanted(blocks, pfn - from) ||
		    (e->allocated < pfn - from &&
		     !(is_movable(from) && all_free(from, pfn - from))))
			return moved;
		if (!balloon_blocks_get(from, pfn - from))
			return moved ?: -EBUSY;
		moved += release(blocks, from, pfn - from);
	}
	return moved;
}

VISIBLE_IF_KUNIT void balloon_blocks_empty_work(struct work_struct *work)
{
	struct balloon_blocks *blocks =
		container_of(work, struct balloon_blocks, emptying.work);
	struct balloon_emptying *e = &blocks->emptying;
	struct balloon_mover *mover = blocks->mover;
	bool huge = e->want >= BALLOON_HUGE_PAGES;
	unsigned int tries = MOST_PIECES;
	long moved, all = 0;

	while (tries && wanted(blocks, huge ? BALLOON_HUGE_PAGES : 1)) {
		if (!balloon_pages_claim(mover->pages, &e->pfn[huge])) {
			e->done[huge] = true;
			break;
		}
		moved = empty_piece(blocks, e->pfn[huge]);
		balloon_pages_unclaim(mover->pages, e->pfn[huge]);
		if (moved)
			tries--;
		all += max(moved, 0L);
		cond_resched();
	}
	mutex_lock(&mover->lock);
	balloon_report_step(BALLOON_INFLATING, e->want, all,
			    mover->pages->stats);
	e->vain = !all;
	WRITE_ONCE(e->busy, false);
	mutex_unlock(&mover->lock);
	/* hibernation may wait for the end, and borrowers for pages that were
	 * set aside
	 */
	wake_up_all(&mover->news->moved);
	balloon_news_kick(mover->news);
}

/* --- hibernation -------------------------------------------------------- */

static void set_hibernating(struct balloon_blocks *blocks, bool on)
{
	mutex_lock(&blocks->mover->lock);
	WRITE_ONCE(blocks->hibernating, on);
	mutex_unlock(&blocks->mover->lock);
	/* the worker may have put off a block because of hibernation */
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
					READ_ONCE(blocks->task) ==
					BALLOON_BLOCKS_IDLE, BLOCKS_TIME)) {
			set_hibernating(blocks, false);
			return notifier_from_errno(-EBUSY);
		}
		/* a slow emptying task is no reason to fail, because contents
		 * that move stay in memory
		 */
		wait_event_timeout(blocks->mover->news->moved,
				   !READ_ONCE(blocks->emptying.busy),
				   EMPTY_TIME);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		set_hibernating(blocks, false);
		break;
	}
	return NOTIFY_OK;
}

/* --- events of memory hotplug -------------------------------------------- */

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
static bool online_page(void *owner, struct page *page, unsigned long nr_pages)
{
	struct balloon_blocks *blocks = owner;

	if (!balloon_pages_online_page(blocks->mover->pages, page, nr_pages))
		return false;
	wake_up_all(&blocks->mover->news->moved);
	return true;
}

static void block_online(struct balloon_blocks *blocks, unsigned long pfn)
{
	balloon_pages_block_online(blocks->mover->pages, pfn);
	/*
	 * A block that is populated while more blocks are added may get their
	 * page structures, and can never be removed again.  The end of the
	 * blocks task kicks the worker, and a worker that waits for the blocks
	 * looks by itself after a while.
	 */
	if (READ_ONCE(blocks->task) != BALLOON_BLOCKS_ADD)
		balloon_news_tell(blocks->mover->news, BALLOON_RETRY);
}

static int block_event(void *owner, unsigned long event, unsigned long pfn)
{
	struct balloon_blocks *blocks = owner;
	struct balloon_pages *bp = blocks->mover->pages;
	struct balloon_news *news = blocks->mover->news;

	switch (event) {
	case MEM_ONLINE:
		block_online(blocks, pfn);
		break;
	case MEM_GOING_OFFLINE:
		return balloon_pages_block_going(bp, pfn,
						 READ_ONCE(blocks->remover) ==
						 current);
	case MEM_CANCEL_OFFLINE:
		if (!balloon_pages_block_stays(bp, pfn))
			break;
		wake_up_all(&news->moved);
		balloon_news_tell(news, BALLOON_RETRY);
		break;
	case MEM_OFFLINE:
		balloon_pages_block_offline(bp, pfn);
		balloon_news_kick(news);
		break;
	}
	return 0;
}

/* When the sysctl is turned off, blocks need not be kept for borrowers any
 * more.
 */
static void setting(void *owner)
{
	struct balloon_blocks *blocks = owner;

	balloon_news_tell(blocks->mover->news, BALLOON_RETRY);
}

VISIBLE_IF_KUNIT const struct balloon_hotplug_client balloon_blocks_client = {
	.online_page = online_page,
	.event = block_event,
	.setting = setting,
};

static void __init watch(struct balloon_blocks *blocks, bool may_add)
{
	blocks->mover->pages->table.block_pages = balloon_hotplug_block_pages();
	/* freezable: a guest that is saved waits for the blocks task */
	blocks_wq = alloc_workqueue("xen-balloon", WQ_UNBOUND | WQ_FREEZABLE, 1);
	emptying_wq = alloc_workqueue("xen-balloon-empty", WQ_UNBOUND, 1);
	balloon_hotplug_init(&balloon_blocks_client, blocks, may_add);
}
#else
static void __init watch(struct balloon_blocks *blocks, bool may_add) { }
#endif

/**
 * balloon_blocks_init - set up the unit, without a block
 * @blocks: the blocks
 * @mover: the mover
 * @limits: what the administrator allows
 */
void balloon_blocks_init(struct balloon_blocks *blocks,
			 struct balloon_mover *mover,
			 const struct balloon_limits *limits)
{
	blocks->mover = mover;
	blocks->limits = limits;
	INIT_WORK(&blocks->work, balloon_blocks_work);
	INIT_WORK(&blocks->emptying.work, balloon_blocks_empty_work);
	blocks->emptying.again = true;
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
