// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what has happened, and who waits for it
 */

/**
 * DOC: news
 *
 * Every change that the worker may have to act on sets an event and kicks the
 * worker.  The event is set before the worker is woken, and the worker clears
 * BALLOON_KICKED before a step, not after it.  So a change that comes while a
 * step runs leads to another step, and no change is missed.
 */

#include <linux/bitops.h>

#include "news.h"

/**
 * balloon_news_init - start with nothing that has happened
 * @news: the news
 */
void balloon_news_init(struct balloon_news *news)
{
	init_waitqueue_head(&news->worker);
	init_waitqueue_head(&news->moved);
}

/**
 * balloon_news_kick - have the worker take another step
 * @news: the news
 *
 * Context: any.
 */
void balloon_news_kick(struct balloon_news *news)
{
	set_bit(BALLOON_KICKED, &news->events);
	wake_up(&news->worker);
}

/**
 * balloon_news_tell - record an event and kick the worker
 * @news: the news
 * @event: the event
 *
 * The worker that sees the event also sees all that the caller wrote before.
 *
 * Context: any.
 */
void balloon_news_tell(struct balloon_news *news, enum balloon_event event)
{
	/* pairs with the barrier of test_and_clear_bit() in balloon_news_take() */
	smp_mb__before_atomic();
	set_bit(event, &news->events);
	balloon_news_kick(news);
}

/**
 * balloon_news_take - take an event
 * @news: the news
 * @event: the event
 *
 * Return: whether it has happened since it was taken last.
 */
bool balloon_news_take(struct balloon_news *news, enum balloon_event event)
{
	return test_bit(event, &news->events) &&
	       test_and_clear_bit(event, &news->events);
}

/**
 * balloon_news_hold - forbid inflating for a while
 * @news: the news
 * @seconds: for how long from now on
 *
 * Context: any.
 */
void balloon_news_hold(struct balloon_news *news, unsigned int seconds)
{
	atomic64_set(&news->hold_until, get_jiffies_64() + seconds * HZ);
}
