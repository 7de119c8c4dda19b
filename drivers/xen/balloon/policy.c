// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: decisions
 */

/**
 * DOC: policy
 *
 * What the balloon does next, how much of it, how long it waits after a try in
 * vain, and how large the next hypercall is.  Pure functions of their
 * arguments: they touch neither pages nor Xen, and may be called anywhere.
 */

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/time64.h>

#include "internal.h"

/*
 * What inflating leaves to the guest, beyond what the kernel keeps for itself:
 * a program of 8 MiB with its page tables, and a shell to start it from.  Less
 * than this and the next allocation of a program wakes the OOM killer; more
 * would be memory that a host cannot have back from small guests.
 */
#define RESERVE_PAGES	(SZ_16M >> PAGE_SHIFT)

/* How long one hypercall may take: the lock is free meanwhile, a CPU is not. */
#define CALL_NS		(10 * NSEC_PER_MSEC)

/* Tries that follow each other in less than a second. */
#define QUICK_TRIES	3
#define QUICK_MS	100

/**
 * balloon_policy_plan - what to do next
 * @view: how things stand
 *
 * Memory is taken from the balloon before any is added, so that added memory
 * is never there in vain.  Inflating stops while the guest can still start a
 * program.
 *
 * Return: the step; its nr_pages is never more than the credit.
 */
struct balloon_plan balloon_policy_plan(const struct balloon_view *view)
{
	unsigned long target = max(view->target_pages, view->floor);
	unsigned long want, most, holes;

	if (view->current_pages > target) {
		want = view->current_pages - target;
		most = view->available > RESERVE_PAGES ?
		       view->available - RESERVE_PAGES : 0;
		if (!most)
			return (struct balloon_plan){ BALLOON_GUEST_LOW, want };
		return (struct balloon_plan){ BALLOON_INFLATING,
					      min(want, most) };
	}

	/* a target below the floor is no reason to grow up to the floor */
	if (view->current_pages > view->target_pages)
		return (struct balloon_plan){ BALLOON_GUEST_LOW, 0 };
	if (view->current_pages == view->target_pages)
		return (struct balloon_plan){ BALLOON_IDLE, 0 };

	want = view->target_pages - view->current_pages;
	if (view->listed)
		return (struct balloon_plan){ BALLOON_DEFLATING, want };

	/* what was added and is not online yet comes before more of it */
	holes = view->total_pages > view->lent ?
		view->total_pages - view->lent : 0;
	if (holes > view->current_pages)
		return (struct balloon_plan){ BALLOON_WAIT_ONLINE,
					      min(want, holes -
							view->current_pages) };
	return (struct balloon_plan){ BALLOON_ADDING,
				      view->target_pages - holes };
}

/**
 * balloon_policy_progress - a step moved something
 * @stats: whose retry_count and schedule_delay go back to 1
 */
void balloon_policy_progress(struct balloon_stats *stats)
{
	stats->retry_count = 1;
	stats->schedule_delay = 1;
}

/**
 * balloon_policy_failure - a step moved nothing
 * @stats: whose retry_count rises and whose schedule_delay follows; both go
 *	back to 1 once max_retry_count tries were in vain
 *
 * Return: whether to try again; false: cancelled.
 */
bool balloon_policy_failure(struct balloon_stats *stats)
{
	unsigned long most = READ_ONCE(stats->max_retry_count);

	if (most != RETRY_UNLIMITED && stats->retry_count >= most) {
		balloon_policy_progress(stats);
		return false;
	}
	if (stats->retry_count < ULONG_MAX)
		stats->retry_count++;
	stats->schedule_delay =
		max(balloon_policy_delay_ms(stats) / MSEC_PER_SEC, 1UL);
	return true;
}

/**
 * balloon_policy_delay_ms - how long to wait for the next try
 * @stats: retry_count (1: no failure yet) and max_schedule_delay (seconds)
 *
 * Return: 0 where nothing failed, else milliseconds.
 */
unsigned long balloon_policy_delay_ms(const struct balloon_stats *stats)
{
	unsigned long most = READ_ONCE(stats->max_schedule_delay);
	unsigned long failures = stats->retry_count - 1;
	unsigned int doublings;

	if (!failures)
		return 0;
	if (failures <= QUICK_TRIES)
		return QUICK_MS << (failures - 1);
	/* an hour is as good as any longer time, and cannot overflow */
	most = clamp(most, 1UL, 3600UL) * MSEC_PER_SEC;
	doublings = min(failures - QUICK_TRIES - 1, 12UL);
	return min_t(unsigned long, MSEC_PER_SEC << doublings, most);
}

/**
 * balloon_policy_batch - how many entries the next hypercall carries
 * @extents: how many the last one carried, at least 1
 * @most: never more
 * @ns: how long it took
 *
 * What took about 10 ms stays as it is.
 *
 * Return: so many that a call takes 10 ms; at least half and at most twice as
 * many as before, since a call may have been slow for reasons of its own.
 */
unsigned int balloon_policy_batch(unsigned int extents, unsigned int most,
				  u64 ns)
{
	u64 fits;

	if (ns >= CALL_NS - CALL_NS / 5 && ns <= CALL_NS + CALL_NS / 4)
		return extents;
	fits = div64_u64(mul_u32_u32(extents, CALL_NS), max(ns, 1ULL));
	return clamp_t(u64, fits, max(extents / 2, 1U),
		       min(extents * 2, most));
}

/**
 * balloon_policy_add - how many pages of memory blocks to add at once
 * @want: pages that have no struct page yet
 * @available: pages that the guest can spare
 * @block: pages of a memory block
 * @page_struct: bytes of a struct page
 *
 * The structures of what is added come from the memory that is there: at most
 * a quarter of it is spent on them, and the rest of @want is added once the
 * first part is populated.
 *
 * Return: pages, a multiple of @block; 0: not even one block can be paid for.
 */
unsigned long balloon_policy_add(unsigned long want, unsigned long available,
				 unsigned long block, size_t page_struct)
{
	unsigned long most;

	/* as many bytes as can be counted are enough to pay with */
	most = min(available, ULONG_MAX >> PAGE_SHIFT) / 4;
	most = most * PAGE_SIZE / page_struct;
	if (want > most)
		return rounddown(most, block);
	return min(roundup(want, block), rounddown(most, block));
}

/**
 * balloon_policy_balanced - whether a step moved what Xen says
 * @held: frames that the guest has more, by its own count; negative: fewer
 * @lost: frames of which it does not know, beside these
 * @frames: frames that Xen counts more
 * @kept: frames that Xen still counted when they had been released; begins
 *	with 0 and is kept up to date
 *
 * Xen goes on counting a frame that it took as long as another domain maps it,
 * or where it had promised it on demand, and may stop at any time.  But it never
 * takes a frame that the guest keeps, and gives no other than those it tells of.
 *
 * Return: false where that cannot be.
 */
bool balloon_policy_balanced(long held, long lost, long frames, long *kept)
{
	long more = frames - held;

	if (held > 0 && more > lost)
		return false;
	*kept += more;
	if (*kept >= 0)
		return true;
	*kept = 0;
	return false;
}

/**
 * balloon_policy_kb_to_pages - a number of KiB that somebody wrote
 * @kb: the number
 * @page_shift: log2 of the page size
 * @most: the largest number of pages that makes sense
 * @pages: where the pages go; what is no whole page is dropped
 *
 * Return: 0, or -ERANGE for more than @most.
 */
int balloon_policy_kb_to_pages(u64 kb, unsigned int page_shift,
			       unsigned long most, unsigned long *pages)
{
	kb >>= page_shift - 10;
	if (kb > most)
		return -ERANGE;
	*pages = kb;
	return 0;
}
