/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: what other drivers may use
 */
#ifndef _XEN_BALLOON_H
#define _XEN_BALLOON_H

struct page;

/* max_retry_count: never give up */
#define RETRY_UNLIMITED	0

/**
 * struct balloon_stats - the counters of the balloon
 * @current_pages: pages that the guest holds
 * @target_pages: pages that it should hold
 * @target_unpopulated: pages lent out as holes
 * @balloon_low: ballooned pages of low memory
 * @balloon_high: ballooned pages of high memory
 * @total_pages: pages that have a struct page for it: what the guest held at
 *	boot, the holes of its memory map, and blocks that were added
 * @schedule_delay: seconds between the last failed try and the next, at least 1;
 *	the worker updates it, so a new @max_schedule_delay shows after a try
 * @max_schedule_delay: seconds that @schedule_delay never exceeds
 * @retry_count: failed tries in a row, plus 1
 * @max_retry_count: failed tries after which to give up, or RETRY_UNLIMITED
 *
 * All counts are in pages of the kernel's own size.
 */
struct balloon_stats {
	unsigned long current_pages;
	unsigned long target_pages;
	unsigned long target_unpopulated;
	unsigned long balloon_low;
	unsigned long balloon_high;
	unsigned long total_pages;
	unsigned long schedule_delay;
	unsigned long max_schedule_delay;
	unsigned long retry_count;
	unsigned long max_retry_count;
};

extern struct balloon_stats balloon_stats;

void balloon_set_new_target(unsigned long pages);

int alloc_xenballooned_pages(int nr_pages, struct page **pages);
void free_xenballooned_pages(int nr_pages, struct page **pages);

/* The names that callers in the tree use. */
int xen_alloc_ballooned_pages(unsigned int nr_pages, struct page **pages);
void xen_free_ballooned_pages(unsigned int nr_pages, struct page **pages);

#ifdef CONFIG_XEN_BALLOON
void xen_balloon_init(void);
#else
static inline void xen_balloon_init(void) { }
#endif

#endif /* _XEN_BALLOON_H */
