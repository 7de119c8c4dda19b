/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: what administrators are shown
 */
#ifndef _XEN_BALLOON_REPORT_H
#define _XEN_BALLOON_REPORT_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "common.h"

struct balloon_stats;

/**
 * enum balloon_state - what the balloon is doing, for info/state
 * @BALLOON_IDLE: the guest holds its target
 * @BALLOON_INFLATING: memory goes to Xen
 * @BALLOON_DEFLATING: memory comes from Xen
 * @BALLOON_ADDING: memory blocks are being added, or cannot be added
 * @BALLOON_GUEST_LOW: the guest has no memory to spare
 * @BALLOON_HOST_FULL: Xen refuses memory
 * @BALLOON_WAIT_ONLINE: added memory is not online yet
 * @BALLOON_CANCELLED: max_retry_count tries failed
 */
enum balloon_state {
	BALLOON_IDLE,
	BALLOON_INFLATING,
	BALLOON_DEFLATING,
	BALLOON_ADDING,
	BALLOON_GUEST_LOW,
	BALLOON_HOST_FULL,
	BALLOON_WAIT_ONLINE,
	BALLOON_CANCELLED,
	/* private: */
	BALLOON_NR_STATES,
};

/**
 * enum balloon_refusal - which limit stopped the balloon last
 * @BALLOON_REFUSED_NOT: none
 * @BALLOON_REFUSED_CAP: the domain may not have more (xl mem-max)
 * @BALLOON_REFUSED_HOST: the host has no memory left
 * @BALLOON_REFUSED_RELEASE: Xen did not take a page
 * @BALLOON_REFUSED_GUEST: the guest has no memory to spare
 * @BALLOON_REFUSED_ADD: a memory block could not be added
 * @BALLOON_REFUSED_COST: a memory block would cost more than it brings
 */
enum balloon_refusal {
	BALLOON_REFUSED_NOT,
	BALLOON_REFUSED_CAP,
	BALLOON_REFUSED_HOST,
	BALLOON_REFUSED_RELEASE,
	BALLOON_REFUSED_GUEST,
	BALLOON_REFUSED_ADD,
	BALLOON_REFUSED_COST,
	/* private: */
	BALLOON_NR_REFUSALS,
};

/**
 * enum balloon_said - what is said once in an episode, beside the refusals
 * @BALLOON_SAID_OFFLINE: added memory has to be set online
 * @BALLOON_SAID_CANCELLED: max_retry_count tries failed
 * @BALLOON_SAID_LOST: pages were quarantined
 * @BALLOON_SAID_RESCUED: memory came back for a guest that had none
 *
 * The values continue those of enum balloon_refusal, because both are bits of
 * one word.
 */
enum balloon_said {
	BALLOON_SAID_OFFLINE = BALLOON_NR_REFUSALS,
	BALLOON_SAID_CANCELLED,
	BALLOON_SAID_LOST,
	BALLOON_SAID_RESCUED,
};

/**
 * struct balloon_error - the last refusal, for info/last_error
 * @what: which limit refused
 * @err: negative errno
 * @nr_pages: how many pages were missing
 * @when: seconds since boot
 */
struct balloon_error {
	enum balloon_refusal what;
	int err;
	unsigned long nr_pages;
	u64 when;
};

/**
 * struct balloon_report - what administrators are shown
 * @lock: protects @error; a leaf lock
 * @state: what info/state shows; the worker writes it, and nothing is decided
 *	by it
 * @error: the last refusal
 * @said: bits by enum balloon_refusal and enum balloon_said: the message was
 *	printed in this episode; atomic
 *
 * An episode ends when the guest holds its target.
 */
struct balloon_report {
	spinlock_t lock;	/* the last error */
	enum balloon_state state;
	struct balloon_error error;
	unsigned long said;
};

void balloon_report_init(struct balloon_report *report);
void balloon_report_state(struct balloon_report *report,
			  enum balloon_state state);
void balloon_report_step(enum balloon_state state, unsigned long want,
			 unsigned long moved, const struct balloon_stats *stats);
void balloon_report_refusal(struct balloon_report *report,
			    enum balloon_refusal what, int err,
			    unsigned long nr_pages);
bool balloon_report_first(struct balloon_report *report,
			  enum balloon_said what);
void balloon_report_lost(struct balloon_report *report, unsigned long nr_pages,
			 unsigned long pfn, const char *why);
void balloon_report_met(struct balloon_report *report);
struct balloon_error balloon_report_last(struct balloon_report *report);
const char *balloon_report_state_text(enum balloon_state state);
const char *balloon_report_refusal_text(enum balloon_refusal what);

#endif /* _XEN_BALLOON_REPORT_H */
