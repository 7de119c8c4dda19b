// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what administrators are shown
 */

#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/timekeeping.h>

#include <xen/balloon.h>

#include <trace/events/xen_balloon.h>

#include "report.h"

static const char * const state_names[] = {
	[BALLOON_IDLE]		= "idle",
	[BALLOON_INFLATING]	= "inflating",
	[BALLOON_DEFLATING]	= "deflating",
	[BALLOON_ADDING]	= "adding",
	[BALLOON_GUEST_LOW]	= "guest-low",
	[BALLOON_HOST_FULL]	= "host-full",
	[BALLOON_WAIT_ONLINE]	= "wait-online",
	[BALLOON_CANCELLED]	= "cancelled",
};

static const char * const refusal_texts[] = {
	[BALLOON_REFUSED_NOT]	  = "none",
	[BALLOON_REFUSED_CAP]	  = "memory refused by the cap of this domain",
	[BALLOON_REFUSED_HOST]	  = "memory refused by the host, which has no more",
	[BALLOON_REFUSED_RELEASE] = "pages refused by Xen, which did not take them",
	[BALLOON_REFUSED_GUEST]	  = "pages refused by the guest, which needs them",
	[BALLOON_REFUSED_ADD]	  = "memory blocks refused by the kernel",
	[BALLOON_REFUSED_COST]	  = "a memory block refused, because it costs more than it brings",
};

/**
 * balloon_report_state_text - name a state
 * @state: the state
 *
 * Return: the word that info/state shows.
 */
const char *balloon_report_state_text(enum balloon_state state)
{
	return state_names[state];
}

/**
 * balloon_report_refusal_text - put a refusal into words
 * @what: which limit refused
 *
 * Return: what was refused, and by whom.
 */
const char *balloon_report_refusal_text(enum balloon_refusal what)
{
	return refusal_texts[what];
}

/**
 * balloon_report_init - begin with an idle balloon that was refused nothing
 * @report: the report
 */
void balloon_report_init(struct balloon_report *report)
{
	spin_lock_init(&report->lock);
}

/**
 * balloon_report_state - show what the balloon is doing
 * @report: the report
 * @state: the state
 *
 * Context: the worker.
 */
void balloon_report_state(struct balloon_report *report,
			  enum balloon_state state)
{
	if (report->state == state)
		return;
	trace_xen_balloon_state(state_names[report->state], state_names[state]);
	WRITE_ONCE(report->state, state);
}

/**
 * balloon_report_step - trace a step
 * @state: what the step was for
 * @want: how many pages it was about
 * @moved: pages that moved, or were added
 * @stats: what the guest holds, and should hold
 */
void balloon_report_step(enum balloon_state state, unsigned long want,
			 unsigned long moved, const struct balloon_stats *stats)
{
	trace_xen_balloon_step(state_names[state], want, moved,
			       READ_ONCE(stats->current_pages),
			       READ_ONCE(stats->target_pages));
}

/**
 * balloon_report_refusal - record that a limit was met
 * @report: the report
 * @what: which limit refused
 * @err: negative errno
 * @nr_pages: how many pages are missing
 *
 * The refusal becomes the last error, and the first one of its kind in an
 * episode is printed.
 *
 * Context: may print; the caller holds no lock of the balloon.
 */
void balloon_report_refusal(struct balloon_report *report,
			    enum balloon_refusal what, int err,
			    unsigned long nr_pages)
{
	spin_lock(&report->lock);
	report->error.what = what;
	report->error.err = err;
	report->error.nr_pages = nr_pages;
	report->error.when = ktime_get_boottime_seconds();
	spin_unlock(&report->lock);
	if (!test_and_set_bit(what, &report->said))
		pr_warn("%s (%d): %lu KiB from the target\n",
			refusal_texts[what], err, nr_pages << (PAGE_SHIFT - 10));
}

/**
 * balloon_report_first - whether a message is due in this episode
 * @report: the report
 * @what: the message
 *
 * Return: true for the first call in an episode.
 */
bool balloon_report_first(struct balloon_report *report,
			  enum balloon_said what)
{
	return !test_and_set_bit(what, &report->said);
}

/**
 * balloon_report_lost - record that pages were quarantined
 * @report: the report
 * @nr_pages: how many
 * @pfn: the first of them
 * @why: what kept them from going elsewhere
 *
 * Context: may print; the caller holds no lock of the balloon.
 */
void balloon_report_lost(struct balloon_report *report, unsigned long nr_pages,
			 unsigned long pfn, const char *why)
{
	if (balloon_report_first(report, BALLOON_SAID_LOST))
		pr_warn("quarantined %lu pages, the first at pfn %#lx: %s\n",
			nr_pages, pfn, why);
}

/**
 * balloon_report_met - end an episode
 * @report: the report
 *
 * The last error stays readable.
 */
void balloon_report_met(struct balloon_report *report)
{
	WRITE_ONCE(report->said, 0);
}

/**
 * balloon_report_last - read the last refusal
 * @report: the report
 *
 * Return: the refusal.
 */
struct balloon_error balloon_report_last(struct balloon_report *report)
{
	struct balloon_error error;

	spin_lock(&report->lock);
	error = report->error;
	spin_unlock(&report->lock);
	return error;
}
