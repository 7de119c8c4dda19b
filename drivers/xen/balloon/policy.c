// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: decisions
 */

/**
 * DOC: policy
 *
 * The policy decides what the balloon does next, how much of it, how long the
 * worker waits after a failed try, and how large the next hypercall is.  All
 * are pure functions of their arguments: they touch neither pages nor Xen, and
 * may be called anywhere.
 */

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sizes.h>
#include <linux/time64.h>

#include <xen/balloon.h>

#include "policy.h"

/*
 * Inflating leaves this much to the guest, beyond what the kernel keeps for
 * itself: a program of 8 MiB with its page tables, and a shell to start it
 * from.  With less the next allocation of a program wakes the OOM killer.  With
 * more the host could not have that memory back from small guests.
 */
#define RESERVE_PAGES	(SZ_16M >> PAGE_SHIFT)

/* One hypercall may take this long, because a CPU is not free meanwhile. */
#define CALL_NS		(10 * NSEC_PER_MSEC)

/* The first QUICK_TRIES retries come within a second. */
#define QUICK_TRIES	3
#define QUICK_MS	100

/**
 * balloon_policy_spare - how much of what is available the balloon may take
 * @available: what the guest could spare, in pages
 *
 * Return: pages beyond the reserve; 0 where inflating has to stop.
 */
unsigned long balloon_policy_spare(unsigned long available)
{
	return available > RESERVE_PAGES ? available - RESERVE_PAGES : 0;
}

/**
 * balloon_policy_plan - decide what to do next
 * @view: how things stand
 *
 * Pages of the balloon are populated before memory blocks are added, so that no
 * block is added in vain.  Inflating stops while the guest can still start a
 * program.
 *
 * The balloon cannot allocate from ZONE_MOVABLE.  What that zone could spare
 * counts as well, but no more than added blocks hold, because only the emptying
 * task can take it.
 *
 * Return: the step; its nr_pages is never more than the credit.
 */
struct balloon_plan balloon_policy_plan(const struct balloon_view *view)
{
	unsigned long target = max(view->target_pages, view->floor);
	unsigned long want, most, allocated;

	if (view->current_pages > target) {
		want = view->current_pages - target;
		allocated = balloon_policy_spare(view->available);
		most = balloon_policy_spare(view->available + view->movable);
		most = allocated + min(view->held, most - allocated);
		if (!most)
			return (struct balloon_plan){ BALLOON_NEXT_SPARE_NONE,
						      want };
		return (struct balloon_plan){ BALLOON_NEXT_INFLATE,
					      min(want, most),
					      min(want, allocated) };
	}

	/* a target below the floor is no reason to grow up to the floor */
	if (view->current_pages > view->target_pages)
		return (struct balloon_plan){ BALLOON_NEXT_KEEP_FLOOR, 0 };
	if (view->current_pages == view->target_pages)
		return (struct balloon_plan){ BALLOON_NEXT_NOTHING, 0 };

	want = view->target_pages - view->current_pages;
	if (view->listed)
		return (struct balloon_plan){ BALLOON_NEXT_DEFLATE, want };

	/* memory that was added and is not online yet comes before more of it */
	if (view->offline)
		return (struct balloon_plan){ BALLOON_NEXT_WAIT_ONLINE,
					      min(want, view->offline) };
	return (struct balloon_plan){ BALLOON_NEXT_ADD, want };
}

/**
 * balloon_policy_missing - how much memory the guest has lent and should have
 * @view: how things stand
 *
 * A guest that should shrink and cannot misses all that it has lent.
 *
 * Return: pages.
 */
unsigned long balloon_policy_missing(const struct balloon_view *view)
{
	unsigned long should = max(view->target_pages, view->floor);
	enum balloon_next next = balloon_policy_plan(view).next;

	if (next == BALLOON_NEXT_SPARE_NONE || next == BALLOON_NEXT_KEEP_FLOOR)
		return view->lent;
	return min(view->lent,
		   should - min(should, view->current_pages));
}

/**
 * balloon_policy_cancels - whether a failed try was the last one
 * @retry_count: tries that failed in a row, this one included
 * @most: max_retry_count
 *
 * Return: true where the worker waits for a target from now on.
 */
bool balloon_policy_cancels(unsigned long retry_count, unsigned long most)
{
	return most != RETRY_UNLIMITED && retry_count >= most;
}

/**
 * balloon_policy_delay_ms - how long to wait for the next try
 * @retry_count: tries that failed in a row, plus 1
 * @most: max_schedule_delay, seconds
 *
 * Return: 0 where no try failed, else milliseconds.
 */
unsigned long balloon_policy_delay_ms(unsigned long retry_count,
				      unsigned long most)
{
	unsigned long failures = retry_count - 1;
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
 * balloon_policy_delay_s - the same delay as schedule_delay shows it
 * @retry_count: tries that failed in a row, plus 1
 * @most: max_schedule_delay, seconds
 *
 * Return: seconds, at least 1.
 */
unsigned long balloon_policy_delay_s(unsigned long retry_count,
				     unsigned long most)
{
	unsigned long ms = balloon_policy_delay_ms(retry_count, most);

	return max(ms / MSEC_PER_SEC, 1UL);
}

/**
 * balloon_policy_batch - how many entries the next hypercall carries
 * @extents: how many the last one carried, at least 1
 * @most: the largest number allowed
 * @ns: how long the last one took
 *
 * The number stays as it is where the last hypercall took about 10 ms.
 *
 * Return: as many entries as fit into 10 ms; at least half and at most twice as
 * many as before, because a call may have been slow for reasons of its own.
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
 * balloon_policy_block_cost - how much memory an added block costs
 * @block: pages of a memory block
 * @per_page: bytes of structures and tables that each page needs
 *
 * A block that brings no more than this makes the guest smaller.
 *
 * Return: pages.
 */
unsigned long balloon_policy_block_cost(unsigned long block, size_t per_page)
{
	return DIV_ROUND_UP(block * per_page, PAGE_SIZE);
}

/**
 * balloon_policy_worth - leave out a last block that is not worth its cost
 * @want: pages that the target lacks
 * @block: pages of a memory block
 * @per_page: bytes of structures and tables that each page needs
 *
 * Return: @want; or @want rounded down to whole blocks, where the rest is no
 * more than what a block costs.
 */
unsigned long balloon_policy_worth(unsigned long want, unsigned long block,
				   size_t per_page)
{
	unsigned long tail = want % block;

	return tail > balloon_policy_block_cost(block, per_page) ? want :
								   want - tail;
}

/**
 * balloon_policy_add - how many pages of memory blocks to add at once
 * @want: pages that have no struct page yet
 * @available: pages that the guest can spare
 * @block: pages of a memory block
 * @per_page: bytes of structures and tables that each page needs
 *
 * The guest pays for the page structures of added memory with memory that it
 * has.  At most a quarter of what is available is spent on them.  The rest of
 * @want is added once the first part is populated.
 *
 * Return: pages, a multiple of @block; 0 where the guest cannot pay for one
 * block.
 */
unsigned long balloon_policy_add(unsigned long want, unsigned long available,
				 unsigned long block, size_t per_page)
{
	unsigned long most;

	/* the product below must not overflow */
	most = min(available, ULONG_MAX >> PAGE_SHIFT) / 4;
	most = most * PAGE_SIZE / per_page;
	if (want > most)
		return rounddown(most, block);
	return min(roundup(want, block), rounddown(most, block));
}

/**
 * balloon_policy_balanced - whether the driver and Xen counted the same in a
 * step
 * @held: how many frames the guest holds more than before the step, by its own
 *	count; negative: fewer
 * @lost: how many frames were quarantined in the step
 * @frames: how many frames Xen counts more than before the step
 * @kept: released frames that Xen still counts; begins with 0, and this function
 *	updates it
 *
 * Xen goes on counting a released frame as long as another domain maps the
 * frame, or where Xen had promised the frame on demand.  Xen may stop counting
 * such a frame at any time.  But Xen never takes a frame that the guest keeps,
 * and never gives a frame without telling.
 *
 * Return: false where the two counts contradict each other.
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
 * balloon_policy_kb_to_pages - convert a number of KiB from outside
 * @kb: the number
 * @page_shift: log2 of the page size
 * @most: the largest number of pages that is accepted
 * @pages: set to the number of whole pages
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
