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
 * @BALLOON_BLOCKS_IDLE: nothing; it was not started, or has ended
 * @BALLOON_BLOCKS_ADD: adds memory blocks
 * @BALLOON_BLOCKS_REMOVE: removes one
 */
enum balloon_blocks_task {
	BALLOON_BLOCKS_IDLE,
	BALLOON_BLOCKS_ADD,
	BALLOON_BLOCKS_REMOVE,
};

/**
 * struct balloon_emptying - moves memory out of added memory blocks
 * @work: the emptying task
 * @busy: the task was started and has not ended
 * @again: the search begins anew, because a target was written or memory may have
 *	become free
 * @vain: the last run moved nothing, so that nobody waits for the next one
 * @began: jiffies; when the task was started
 * @want: pages that the target wants released
 * @allocated: how many of them the allocator could give as well
 * @pfn: where the search stands, by size (0: pieces of less than 2 MiB, 1: all)
 * @done: the search has come to its end, likewise
 *
 * While @busy, the task alone writes the fields from @want on.
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
 * @task: what it does
 * @want: pages to add
 * @err: negative errno of the last adding, which no step has seen yet
 * @remover: the thread that removes a block just now; only it writes this
 * @stay: a block could not be removed; no other is tried until a target is written
 * @early_until: jiffies; before that user space may have no rules for blocks yet
 * @hibernating: blocks must be left alone
 * @hibernation: tells about hibernation
 * @emptying: moves memory out of blocks
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
 * Return: true while the blocks task runs or the guest hibernates; the end of
 * either kicks the worker.
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
