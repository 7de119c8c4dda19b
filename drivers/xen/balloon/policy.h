/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: decisions
 */
#ifndef _XEN_BALLOON_POLICY_H
#define _XEN_BALLOON_POLICY_H

#include <linux/types.h>

#include "common.h"

/**
 * enum balloon_next - what a step does
 * @BALLOON_NEXT_NOTHING: the guest holds its target
 * @BALLOON_NEXT_INFLATE: give memory to Xen
 * @BALLOON_NEXT_DEFLATE: populate pages that are in the balloon
 * @BALLOON_NEXT_ADD: add memory blocks, because the balloon is empty
 * @BALLOON_NEXT_WAIT_ONLINE: wait until added memory is set online
 * @BALLOON_NEXT_SPARE_NONE: the guest should shrink and has nothing to spare
 * @BALLOON_NEXT_KEEP_FLOOR: the guest should shrink and holds min_kb only
 */
enum balloon_next {
	BALLOON_NEXT_NOTHING,
	BALLOON_NEXT_INFLATE,
	BALLOON_NEXT_DEFLATE,
	BALLOON_NEXT_ADD,
	BALLOON_NEXT_WAIT_ONLINE,
	BALLOON_NEXT_SPARE_NONE,
	BALLOON_NEXT_KEEP_FLOOR,
};

/**
 * struct balloon_view - the numbers that a plan is made from, in pages
 * @current_pages: what the guest holds
 * @target_pages: what the guest should hold
 * @floor: what the guest keeps whatever the target (min_kb)
 * @listed: pages in the balloon
 * @lent: pages lent out as holes
 * @offline: pages that were added and are not online, with no memory behind
 *	them
 * @available: what the guest could spare, caches that it can drop included
 * @movable: what ZONE_MOVABLE could spare, which only the emptying task can
 *	take
 * @held: pages of online added memory blocks that are not in the balloon
 */
struct balloon_view {
	unsigned long current_pages;
	unsigned long target_pages;
	unsigned long floor;
	unsigned long listed;
	unsigned long lent;
	unsigned long offline;
	unsigned long available;
	unsigned long movable;
	unsigned long held;
};

/**
 * struct balloon_plan - the next step
 * @next: what the step does
 * @nr_pages: how many pages the step is about
 * @allocated: how many of these the allocator could give, when inflating
 */
struct balloon_plan {
	enum balloon_next next;
	unsigned long nr_pages;
	unsigned long allocated;
};

/**
 * struct balloon_limits - what the administrator allows, in pages
 * @floor: min_kb; written at any time, read once a step
 * @max_lent: max_lent_kb; written at any time, read when memory is ballooned
 *	out for a borrower; 0: no limit
 */
struct balloon_limits {
	unsigned long floor;
	unsigned long max_lent;
};

struct balloon_plan balloon_policy_plan(const struct balloon_view *view);
unsigned long balloon_policy_spare(unsigned long available);
unsigned long balloon_policy_missing(const struct balloon_view *view);
bool balloon_policy_cancels(unsigned long retry_count, unsigned long most);
unsigned long balloon_policy_delay_ms(unsigned long retry_count,
				      unsigned long most);
unsigned long balloon_policy_delay_s(unsigned long retry_count,
				     unsigned long most);
unsigned int balloon_policy_batch(unsigned int extents, unsigned int most,
				  u64 ns);
unsigned long balloon_policy_block_cost(unsigned long block, size_t per_page);
unsigned long balloon_policy_worth(unsigned long want, unsigned long block,
				   size_t per_page);
unsigned long balloon_policy_add(unsigned long want, unsigned long available,
				 unsigned long block, size_t per_page);
bool balloon_policy_balanced(long held, long lost, long frames, long *kept);
int balloon_policy_kb_to_pages(u64 kb, unsigned int page_shift,
			       unsigned long most, unsigned long *pages);

#endif /* _XEN_BALLOON_POLICY_H */
