/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the step and the worker
 */
#ifndef _XEN_BALLOON_WORKER_H
#define _XEN_BALLOON_WORKER_H

#include <linux/types.h>

#include "common.h"
#include "policy.h"
#include "report.h"

struct xen_balloon;

/**
 * struct balloon_worker - what steers the next step
 * @started: there is a thread that takes steps
 * @cancelled: max_retry_count tries failed; no step does anything until a target
 *	is written
 * @last: what the last step did
 * @failed: what the last failed try did; only where @refused says so
 * @refused: which limit failed the last try; BALLOON_REFUSED_NOT since memory
 *	moved, a block was asked for, or the target was met
 * @retry_at: jiffies; a failed try is not repeated before
 * @idle_since: jiffies; when the target was met, or memory last came
 * @kept: see balloon_policy_balanced(); with CONFIG_XEN_BALLOON_DEBUG
 * @steps: steps by what info/state showed for them
 *
 * Only the worker's thread writes these once it is started; @steps with the
 * mover's lock held.
 */
struct balloon_worker {
	bool started;
	bool cancelled;
	enum balloon_next last;
	enum balloon_next failed;
	enum balloon_refusal refused;
	unsigned long retry_at;
	unsigned long idle_since;
	long kept;
	unsigned long steps[BALLOON_NR_STATES];
};

void balloon_worker_init(struct xen_balloon *b);
int balloon_worker_start(struct xen_balloon *b);
long balloon_worker_step(struct xen_balloon *b);
void balloon_worker_set_target(struct xen_balloon *b, unsigned long pages);

/**
 * balloon_worker_inflates - whether the worker is inflating without a refusal
 * @worker: the worker
 *
 * Return: what the last step did; a moment old.
 */
static inline bool balloon_worker_inflates(const struct balloon_worker *worker)
{
	return READ_ONCE(worker->last) == BALLOON_NEXT_INFLATE &&
	       (READ_ONCE(worker->refused) == BALLOON_REFUSED_NOT ||
		READ_ONCE(worker->failed) != BALLOON_NEXT_INFLATE);
}

#if IS_ENABLED(CONFIG_KUNIT)
struct task_struct;

struct task_struct *balloon_worker_run(struct xen_balloon *b);
bool balloon_worker_freezing(void);
bool balloon_worker_gives_first(struct xen_balloon *b, unsigned long *asked);
int balloon_worker_thread(void *data);
#endif

#endif /* _XEN_BALLOON_WORKER_H */
