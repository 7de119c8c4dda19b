/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: memory blocks that come and go
 */
#ifndef _XEN_BALLOON_BLOCKS_H
#define _XEN_BALLOON_BLOCKS_H

#include <linux/notifier.h>
#include <linux/workqueue.h>

#include "common.h"
#include "hotplug.h"
#include "mover.h"

/**
 * enum balloon_blocks_task - what the blocks task does
 * @BALLOON_BLOCKS_IDLE: nothing; the task was not started, or has ended
 * @BALLOON_BLOCKS_ADD: add memory blocks
 * @BALLOON_BLOCKS_REMOVE: remove one memory block
 */
enum balloon_blocks_task {
	BALLOON_BLOCKS_IDLE,
	BALLOON_BLOCKS_ADD,
	BALLOON_BLOCKS_REMOVE,
};

/**
 * struct balloon_emptying - the emptying task, for added memory blocks
 * @work: the emptying task
 * @busy: the task was started and has not ended
 * @again: the next run searches all blocks again, because a target was written
 *	or memory may have become free
 * @vain: the last run moved nothing, so the worker does not wait for the next
 *	run
 * @began: jiffies; when the task was started
 * @want: pages that the target wants released
 * @allocated: how many of them the allocator could give as well
 * @pfn: the piece that the search has come to; 0: for a @want of less than 2
 *	MiB; 1: for a larger one
 * @done: the search has come to its end; indexed like @pfn
 *
 * While @busy, only the task writes the fields from @want on.
 */
struct balloon_emptying {
	struct work_struct work;
	bool busy;
	bool again;
	bool vain;
	unsigned long began;
	unsigned long want;
	unsigned long allocated;
	unsigned long pfn[2];
	bool done[2];
};

/**
 * struct balloon_blocks - memory blocks that come and go
 * @work: the blocks task, which adds or removes blocks without the mover's lock
 * @task: what the blocks task does
 * @want: pages to add
 * @err: negative errno of the last addition, which no step has seen yet
 * @remover: the thread of the blocks task while it removes a block; only the
 *	blocks task writes this
 * @stay: a block could not be removed; the worker removes no block until a
 *	target is written
 * @early_until: jiffies; until then user space may have no rules for blocks
 * @hibernating: no task starts to add, remove or empty a block
 * @hibernation: the notifier of hibernation
 * @emptying: the emptying task
 * @limits: what the administrator allows
 * @mover: the mover, whose lock protects all else
 */
struct balloon_blocks {
	struct work_struct work;
	enum balloon_blocks_task task;
	unsigned long want;
	int err;
	struct task_struct *remover;
	bool stay;
	unsigned long early_until;
	bool hibernating;
	struct notifier_block hibernation;
	struct balloon_emptying emptying;

	const struct balloon_limits *limits;
	struct balloon_mover *mover;
};

void balloon_blocks_init(struct balloon_blocks *blocks,
			 struct balloon_mover *mover,
			 const struct balloon_limits *limits);
void balloon_blocks_start(struct balloon_blocks *blocks, bool may_add);
int balloon_blocks_add(struct balloon_blocks *blocks, unsigned long want);
int balloon_blocks_remove(struct balloon_blocks *blocks);
bool balloon_blocks_replace(struct balloon_blocks *blocks);
void balloon_blocks_begin(struct balloon_blocks *blocks);
int balloon_blocks_take_error(struct balloon_blocks *blocks);
void balloon_blocks_user_space(struct balloon_blocks *blocks);
bool balloon_blocks_too_early(struct balloon_blocks *blocks);
unsigned long balloon_blocks_cost(const struct balloon_blocks *blocks);
bool balloon_blocks_can_grow(const struct balloon_blocks *blocks);
bool balloon_blocks_can_shrink(const struct balloon_blocks *blocks);
bool balloon_blocks_empty(struct balloon_blocks *blocks, unsigned long want,
			  unsigned long allocated);
long balloon_blocks_emptying_left(const struct balloon_blocks *blocks);
void balloon_blocks_empty_again(struct balloon_blocks *blocks);

/**
 * balloon_blocks_fixed - whether no block can be added or removed just now
 * @blocks: the blocks
 *
 * Return: true while the blocks task runs or the guest hibernates.  The end of
 * the task, and of hibernation, kicks the worker.
 */
static inline bool balloon_blocks_fixed(const struct balloon_blocks *blocks)
{
	return READ_ONCE(blocks->task) != BALLOON_BLOCKS_IDLE ||
	       READ_ONCE(blocks->hibernating);
}

#if IS_ENABLED(CONFIG_KUNIT)
int balloon_blocks_queue(struct balloon_blocks *blocks);
int balloon_blocks_queue_emptying(struct balloon_blocks *blocks);
void balloon_blocks_work(struct work_struct *work);
void balloon_blocks_empty_work(struct work_struct *work);
bool balloon_blocks_get(unsigned long pfn, unsigned long nr_pages);
int balloon_blocks_hibernation(struct notifier_block *nb, unsigned long event,
			       void *data);
#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
extern const struct balloon_hotplug_client balloon_blocks_client;
#endif
#endif

#endif /* _XEN_BALLOON_BLOCKS_H */
