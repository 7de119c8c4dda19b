// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: pages lent to other drivers
 */

/**
 * DOC: lending
 *
 * A driver that maps foreign memory or grants needs struct pages with no memory
 * behind them.  It gets them from the balloon; where that is empty, from memory
 * blocks that are added for it (if the sysctl hotplug_unpopulated says so), or
 * from memory that is ballooned out for it.  target_unpopulated counts them, so
 * that the balloon makes room for them when it comes to need it.
 *
 * A lent page is the borrower's alone: it is not PageOffline, and its reference
 * count is 1.  It has to come back like that, with nothing mapped into it: Xen
 * crashes a domain that populates a page somebody else's memory is mapped at.
 */

#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "internal.h"

/* How long a borrower waits for added memory that nobody sets online. */
#define ONLINE_TIME	(5 * HZ)

/* A page that somebody still uses must never be populated. */
static bool in_use(struct page *page)
{
	return page_count(page) != 1 || PagePrivate(page) || PageForeign(page);
}

/* What more pages, or a larger shortfall, are to the worker: nothing, where it
 * waits for the host.
 */
static void kick_to_grow(struct xen_balloon *b)
{
	if (xen_balloon_shortfall(b) > 0 &&
	    READ_ONCE(b->state) != BALLOON_HOST_FULL)
		xen_balloon_kick(b);
}

/* With the last page that was lent a memory block may have nothing in it.  Who
 * does not grow looks for such ones.
 */
static void kick_to_tidy(struct xen_balloon *b)
{
	if (!READ_ONCE(b->stats->target_unpopulated) && !b->ops->keeps_blocks &&
	    xen_balloon_shortfall(b) <= 0 && balloon_hotplug_removable())
		xen_balloon_kick(b);
}

/**
 * xen_balloon_give_back - put borrowed pages back into an instance
 * @b: the instance
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * Context: may sleep; lock is not held.
 */
void xen_balloon_give_back(struct xen_balloon *b, unsigned int nr_pages,
			   struct page **pages)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nr_pages; i++) {
		if (!pages[i])
			continue;
		nr++;
		/* whoever maps it finds it as it was */
		if (folio_mapped(page_folio(pages[i])))
			continue;
		balloon_pages_clean(pages[i], 1);
		balloon_pages_mark(pages[i], 1);
	}
	mutex_lock(&b->lock);
	for (i = 0; i < nr_pages; i++) {
		if (!pages[i])
			continue;
		if (!PageOffline(pages[i]) || in_use(pages[i]))
			xen_balloon_quarantine(b, pages[i], 1);
		else
			balloon_pages_add(&b->pages, pages[i], 1);
	}
	b->stats->target_unpopulated -= nr;
	mutex_unlock(&b->lock);
	wake_up_all(&b->moved_wq);
	kick_to_grow(b);
	kick_to_tidy(b);
}

/* Move up to @nr_pages from the balloon to @pages; how many there were, or a
 * negative errno with nothing taken.
 */
static int lend(struct xen_balloon *b, unsigned int nr_pages,
		struct page **pages)
{
	unsigned int got = 0, order, i;
	struct page *page;
	int ret;

	mutex_lock(&b->lock);
	while (got < nr_pages) {
		order = min_t(unsigned int, ilog2(nr_pages - got),
			      BALLOON_MAX_ORDER);
		page = balloon_pages_take(&b->pages, true, &order);
		if (!page)
			break;
		balloon_pages_unmark(page, 1UL << order);
		for (i = 0; i < 1U << order; i++)
			pages[got++] = page + i;
	}
	b->stats->target_unpopulated += got;
	mutex_unlock(&b->lock);

	for (i = 0; b->ops->lend && i < got; i++) {
		ret = b->ops->lend(pages[i]);
		if (ret) {
			xen_balloon_give_back(b, got, pages);
			return ret;
		}
	}
	return got;
}

static bool something_listed(struct xen_balloon *b)
{
	return READ_ONCE(b->stats->balloon_low);
}

/* Pages of added memory that nobody has set online yet. */
static unsigned long not_online(struct xen_balloon *b)
{
	struct balloon_stats *stats = b->stats;
	unsigned long known;

	mutex_lock(&b->lock);
	known = stats->current_pages + stats->target_unpopulated +
		balloon_pages_count(&b->pages) + b->quarantined + b->leaving;
	known = stats->total_pages - min(stats->total_pages, known);
	mutex_unlock(&b->lock);
	return known;
}

/* Add memory for the borrower, and wait until it is online.  Whether there is
 * something in the balloon now, or it is worth to try again.  Context: batch_lock
 * is held, and dropped meanwhile.
 */
static bool add_for(struct xen_balloon *b, unsigned int nr_pages)
{
	/* what somebody else adds is as good */
	bool others = b->blocks_busy;
	long left;

	if (!others && not_online(b) < nr_pages &&
	    xen_balloon_add_memory(b, nr_pages))
		return false;
	mutex_unlock(&b->batch_lock);
	left = wait_event_killable_timeout(b->moved_wq, something_listed(b) ||
					   !READ_ONCE(b->blocks_busy),
					   ONLINE_TIME);
	/* added, that is, and not online yet */
	if (left > 0 && !others && !something_listed(b) && not_online(b))
		wait_event_killable_timeout(b->moved_wq, something_listed(b),
					    left);
	mutex_lock(&b->batch_lock);
	/* or somebody else was faster, and there is more to come */
	return something_listed(b) || (others && !b->blocks_busy) ||
	       (left > 0 && b->blocks_busy);
}

/* Memory that the guest should have and has lent instead; of one that is low, all
 * that it has lent.
 */
static unsigned long missing(struct xen_balloon *b)
{
	unsigned long lent = READ_ONCE(b->stats->target_unpopulated);
	unsigned long should = max(READ_ONCE(b->stats->target_pages),
				   READ_ONCE(b->floor));
	unsigned long has = READ_ONCE(b->stats->current_pages);

	if (READ_ONCE(b->state) == BALLOON_GUEST_LOW)
		return lent;
	return min(lent, should - min(should, has));
}

/* Balloon memory out for the borrower; whether some was.  Context: batch_lock
 * is held.
 */
static bool inflate_for(struct xen_balloon *b, unsigned int nr_pages)
{
	unsigned long most = READ_ONCE(b->max_lent);

	if (most && (nr_pages > most || missing(b) > most - nr_pages))
		return false;
	if (xen_balloon_available() < nr_pages)
		return false;
	return xen_balloon_inflate(b, nr_pages, GFP_USER);
}

/**
 * xen_balloon_borrow - borrow pages of an instance
 * @b: the instance
 * @nr_pages: how many
 * @pages: where they go
 *
 * Context: may sleep; no lock of the instance is held.
 * Return: 0, or a negative errno with nothing borrowed.
 */
int xen_balloon_borrow(struct xen_balloon *b, unsigned int nr_pages,
		       struct page **pages)
{
	unsigned int got = 0;
	bool more = true, adding = balloon_hotplug_for_lending();
	int ret;

	/* what is in the balloon can be had without waiting for anybody */
	ret = lend(b, nr_pages, pages);
	if (ret == nr_pages)
		return 0;

	mutex_lock(&b->batch_lock);
	while (ret >= 0) {
		got += ret;
		if (got == nr_pages || !more)
			break;
		more = false;
		if (adding)
			more = add_for(b, nr_pages - got);
		if (!more) {
			adding = false;
			more = inflate_for(b, nr_pages - got);
		}
		ret = lend(b, nr_pages - got, pages + got);
	}
	mutex_unlock(&b->batch_lock);
	if (got < nr_pages)
		xen_balloon_give_back(b, got, pages);
	/* memory that was ballooned out for it is made up for */
	kick_to_grow(b);
	if (got == nr_pages)
		return 0;
	return ret < 0 ? ret : -ENOMEM;
}

/**
 * xen_alloc_ballooned_pages - borrow pages with no memory behind them
 * @nr_pages: how many
 * @pages: where they go
 *
 * Context: may sleep, but only where the balloon has too few; up to 5 s for each
 * time that memory is added.
 * Return: 0, or a negative errno with nothing borrowed.
 */
int xen_alloc_ballooned_pages(unsigned int nr_pages, struct page **pages)
{
	return xen_balloon_borrow(xen_balloon_instance(), nr_pages, pages);
}
EXPORT_SYMBOL(xen_alloc_ballooned_pages);

/**
 * xen_free_ballooned_pages - give borrowed pages back
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * Context: may sleep.
 */
void xen_free_ballooned_pages(unsigned int nr_pages, struct page **pages)
{
	xen_balloon_give_back(xen_balloon_instance(), nr_pages, pages);
}
EXPORT_SYMBOL(xen_free_ballooned_pages);

/**
 * alloc_xenballooned_pages - borrow pages with no memory behind them
 * @nr_pages: how many
 * @pages: where they go
 *
 * The older name of xen_alloc_ballooned_pages().
 *
 * Return: 0, or a negative errno with nothing borrowed.
 */
int alloc_xenballooned_pages(int nr_pages, struct page **pages)
{
	return nr_pages < 0 ? -EINVAL :
			      xen_alloc_ballooned_pages(nr_pages, pages);
}
EXPORT_SYMBOL(alloc_xenballooned_pages);

/**
 * free_xenballooned_pages - give borrowed pages back
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * The older name of xen_free_ballooned_pages().
 */
void free_xenballooned_pages(int nr_pages, struct page **pages)
{
	if (nr_pages > 0)
		xen_free_ballooned_pages(nr_pages, pages);
}
EXPORT_SYMBOL(free_xenballooned_pages);
