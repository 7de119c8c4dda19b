/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: what has happened, and who waits for it
 */
#ifndef _XEN_BALLOON_NEWS_H
#define _XEN_BALLOON_NEWS_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "common.h"

/**
 * enum balloon_event - bits of struct balloon_news.events
 * @BALLOON_KICKED: something has changed; the worker takes another step
 * @BALLOON_NEW_TARGET: a target was written
 * @BALLOON_RETRY: a step that failed is worth another try now
 * @BALLOON_GREW: the guest got memory, or room for it, other than by a step
 */
enum balloon_event {
	BALLOON_KICKED,
	BALLOON_NEW_TARGET,
	BALLOON_RETRY,
	BALLOON_GREW,
};

/**
 * struct balloon_news - what has happened, and who waits for it
 * @events: bits by enum balloon_event; atomic
 * @hold_until: 64-bit jiffies; the balloon does not inflate before, because the
 *	guest ran out of memory
 * @worker: the worker waits here for an event
 * @moved: woken after every step, when pages have come to the list, and when
 *	the blocks task has ended; the boot wait, borrowers and hibernation wait
 *	here
 *
 * Needs no lock: every field is atomic.
 */
struct balloon_news {
	unsigned long events;
	atomic64_t hold_until;
	wait_queue_head_t worker;
	wait_queue_head_t moved;
};

void balloon_news_init(struct balloon_news *news);
void balloon_news_kick(struct balloon_news *news);
void balloon_news_tell(struct balloon_news *news, enum balloon_event event);
bool balloon_news_take(struct balloon_news *news, enum balloon_event event);
void balloon_news_hold(struct balloon_news *news, unsigned int seconds);

/**
 * balloon_news_hold_left - how long the balloon must not inflate yet
 * @news: the news
 *
 * Return: jiffies; 0 where inflating is allowed.
 */
static inline long balloon_news_hold_left(const struct balloon_news *news)
{
	s64 left = atomic64_read(&news->hold_until) - get_jiffies_64();

	return max(left, 0LL);
}

/**
 * balloon_news_pending - whether an event was not taken yet
 * @news: the news
 * @event: the event
 *
 * Return: true where the event has happened since it was taken last.
 */
static inline bool balloon_news_pending(const struct balloon_news *news,
					enum balloon_event event)
{
	return test_bit(event, &news->events);
}

#endif /* _XEN_BALLOON_NEWS_H */
