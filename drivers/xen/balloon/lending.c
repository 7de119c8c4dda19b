// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: pages lent to other drivers
 */

/**
 * DOC: lending
 *
 * A driver that maps foreign memory or grants needs struct pages with no memory
 * behind them.  Such a driver borrows them from the balloon.  Where the balloon
 * is empty, memory blocks are added for the borrower if the sysctl
 * hotplug_unpopulated says so; otherwise memory is ballooned out for it.
 * target_unpopulated counts lent pages, so that the worker makes room for them
 * when the target needs it.
 *
 * A lent page is the borrower's alone: it is not PageOffline, and its reference
 * count is 1.  The page has to come back like that, with nothing mapped into
 * it, because Xen crashes a domain that populates a page where memory of
 * another domain is mapped.
 */

#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "hotplug.h"
#include "instance.h"
#include "lending.h"

/* A borrower waits no longer than this for added memory to come online. */
#define ONLINE_TIME	(5 * HZ)

/* A page that is still in use must never be populated. */
static bool in_use(struct page *page)
{
	return page_count(page) != 1 || PagePrivate(page) || PageForeign(page);
}

/* Kick the worker if the guest holds less than its target: pages that came back
 * can be populated.
 */
static void kick_to_grow(struct xen_balloon *b)
{
	if (balloon_pages_shortfall(&b->pages) > 0)
		balloon_news_kick(&b->news);
}

/* Kick the worker where a lent page that came back left a memory block with no
 * memory in it.  The worker removes such blocks while the guest does not grow.
 */
static void kick_to_tidy(struct xen_balloon *b)
{
	if (balloon_pages_shortfall(&b->pages) <= 0 &&
	    balloon_blocks_can_shrink(&b->blocks))
		balloon_news_kick(&b->news);
}

/**
 * balloon_lending_give_back - put borrowed pages back into an instance
 * @b: the instance
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * Context: may sleep; pages.lock is not held.
 */
void balloon_lending_give_back(struct xen_balloon *b, unsigned int nr_pages,
			       struct page **pages)
{
	unsigned long lost = 0, lost_pfn = 0;
	unsigned int i, nr = 0;

	for (i = 0; i < nr_pages; i++) {
		if (!pages[i])
			continue;
		nr++;
		/* a page that is mapped stays as it is for those who map it */
		if (folio_mapped(page_folio(pages[i])))
			continue;
		balloon_pages_clean(pages[i], 1);
		balloon_pages_mark(pages[i], 1);
	}
	mutex_lock(&b->pages.lock);
	for (i = 0; i < nr_pages; i++) {
		if (!pages[i])
			continue;
		if (PageOffline(pages[i]) && !in_use(pages[i])) {
			balloon_pages_add(&b->pages, pages[i], 1);
			continue;
		}
		balloon_pages_quarantine(&b->pages, 1);
		if (!lost++)
			lost_pfn = page_to_pfn(pages[i]);
	}
	b->stats->target_unpopulated -= nr;
	mutex_unlock(&b->pages.lock);
	if (lost)
		balloon_report_lost(&b->report, lost, lost_pfn,
				    "they came back in use");
	wake_up_all(&b->news.moved);
	kick_to_grow(b);
	kick_to_tidy(b);
}

/* Move up to @nr_pages from the balloon to @pages.  Return how many there were,
 * or a negative errno with nothing taken.
 */
static int lend(struct xen_balloon *b, unsigned int nr_pages,
		struct page **pages)
{
	const struct balloon_ops *ops = b->reservation.ops;
	unsigned int got = 0, order, i;
	struct page *page;
	int ret;

	mutex_lock(&b->pages.lock);
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
	mutex_unlock(&b->pages.lock);

	for (i = 0; ops->lend && i < got; i++) {
		ret = ops->lend(pages[i]);
		if (ret) {
			balloon_lending_give_back(b, got, pages);
			return ret;
		}
	}
	return got;
}

static bool something_listed(struct xen_balloon *b)
{
	return READ_ONCE(b->stats->balloon_low);
}

static bool adding_or_removing(const struct balloon_blocks *blocks)
{
	return READ_ONCE(blocks->task) != BALLOON_BLOCKS_IDLE;
}

/* Add memory for the borrower, and wait until it is online.  Return whether
 * there are pages in the balloon now, or another try is worth it.  Context:
 * mover.lock is held, and dropped meanwhile.
 */
static bool add_for(struct xen_balloon *b, unsigned int nr_pages)
{
	struct balloon_blocks *blocks = &b->blocks;
	wait_queue_head_t *moved = &b->news.moved;
	/* blocks that others add are as good */
	bool others = adding_or_removing(blocks);
	long left;

	if (!others && balloon_pages_offline(&b->pages) < nr_pages &&
	    balloon_blocks_add(blocks, nr_pages))
		return false;
	balloon_mover_unlock(&b->mover);
	left = wait_event_killable_timeout(*moved, something_listed(b) ||
					   !adding_or_removing(blocks),
					   ONLINE_TIME);
	/* the blocks were added, and may not be online yet */
	if (left > 0 && !others && !something_listed(b) &&
	    balloon_pages_offline(&b->pages))
		wait_event_killable_timeout(*moved, something_listed(b), left);
	mutex_lock(&b->mover.lock);
	/* or another borrower took the pages first, and there are more to come */
	return something_listed(b) || (others && !adding_or_removing(blocks)) ||
	       (left > 0 && adding_or_removing(blocks));
}

/* Balloon memory out for the borrower.  Return whether any was.  Context:
 * mover.lock is held.
 */
static bool inflate_for(struct xen_balloon *b, unsigned int nr_pages)
{
	unsigned long most = READ_ONCE(b->limits.max_lent);
	struct balloon_view view;

	if (most) {
		mutex_lock(&b->pages.lock);
		view = balloon_mover_view(&b->mover,
					  READ_ONCE(b->limits.floor));
		mutex_unlock(&b->pages.lock);
		if (nr_pages > most ||
		    balloon_policy_missing(&view) > most - nr_pages)
			return false;
	}
	if (balloon_mover_available() < nr_pages)
		return false;
	return balloon_mover_inflate(&b->mover, nr_pages,
				     BALLOON_FOR_BORROWER).pages;
}

/**
 * balloon_lending_borrow - borrow pages of an instance
 * @b: the instance
 * @nr_pages: how many
 * @pages: the pages go there
 *
 * Context: may sleep; no lock of the instance is held.
 * Return: 0, or a negative errno with nothing borrowed.
 */
int balloon_lending_borrow(struct xen_balloon *b, unsigned int nr_pages,
			   struct page **pages)
{
	bool more = true, inflated = false;
	bool adding = balloon_hotplug_for_lending() &&
		      balloon_blocks_can_grow(&b->blocks);
	unsigned int got = 0;
	int ret;

	/* pages in the balloon are lent without waiting for anybody */
	ret = lend(b, nr_pages, pages);
	if (ret == nr_pages)
		return 0;

	mutex_lock(&b->mover.lock);
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
			inflated = true;
		}
		ret = lend(b, nr_pages - got, pages + got);
	}
	balloon_mover_unlock(&b->mover);
	if (got < nr_pages)
		balloon_lending_give_back(b, got, pages);
	/* the worker makes up for it, or learns that the target is met */
	if (inflated)
		balloon_news_kick(&b->news);
	if (got == nr_pages)
		return 0;
	return ret < 0 ? ret : -ENOMEM;
}
