/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: a simulated hypervisor for its tests
 */
#ifndef _XEN_BALLOON_KUNIT_SIM_H
#define _XEN_BALLOON_KUNIT_SIM_H

#include <kunit/test.h>

#include "instance.h"
#include "lending.h"

/* A fault that is not wanted. */
#define SIM_NEVER	UINT_MAX

/* What the tested instance starts with, in pages. */
#define SIM_PAGES	(64UL * BALLOON_HUGE_PAGES)

/* Frames that Xen counts and the guest does not know of. */
#define SIM_OFFSET	113

/**
 * struct sim_faults - what goes wrong; SIM_NEVER or 0 where nothing does
 * @stop_after: extents that one call does
 * @tear_at: pages of the next 2 MiB extent that are released before Xen stops
 * @max_order: Linux order of the largest extent that Xen populates
 * @errno: what every call answers, with nothing done
 * @zero: every call does nothing
 * @more: every call does all, and claims to have done more
 * @is_out_errno: what is_out() answers
 * @count_errno: what count() answers
 * @hide: pages that can be hidden in one call (PV)
 * @show_at: pages shown until one cannot be mapped (PV)
 * @lend_at: pages made ready for lending until that fails (PV)
 * @alloc_at: allocations until one fails, and those after it
 * @alloc_order: largest order that the guest's allocator has
 */
struct sim_faults {
	unsigned int stop_after;
	unsigned int tear_at;
	unsigned int max_order;
	int errno;
	bool zero;
	bool more;
	int is_out_errno;
	int count_errno;
	unsigned int hide;
	unsigned int show_at;
	unsigned int lend_at;
	unsigned int alloc_at;
	unsigned int alloc_order;
};

/**
 * struct sim - the hypervisor, the guest that is tested, and what both know
 * @test: whose test it is
 * @b: the tested instance
 * @stats: its counters
 * @pv: the guest is a PV guest: frames are MFNs
 * @faults: what goes wrong
 * @cap: frames that the domain may have
 * @host: frames that the host has left
 * @nr_in: frames that the domain has, those in @pod_cache among them
 * @pod_entries: frames of the guest that it never touched, and that get memory
 *	only then (populate on demand)
 * @pod_cache: memory that Xen keeps for them
 * @xen_scrubs: the guest may leave clearing to Xen, where Xen keeps a page
 * @unzeroed: allocations that the allocator was not asked to clear
 * @frames: state of a GFN, by GFN
 * @gens: how often a GFN was populated (PV), by GFN
 * @seen: PFNs that were ever touched
 * @nr_seen: how many
 * @where: scratch of sim_check(), by PFN
 * @lent: what the test has borrowed; NULL entries are nothing
 * @nr_lent: entries of @lent in use
 * @not_online: pages that were added and are not online
 * @hotplug: pages that can be added at once; 0: none can be added
 * @hotplug_left: how much of that is left
 * @hotplug_errno: what adding answers where @hotplug is 0
 * @auto_online: added pages come online at once
 * @for_lending: what the sysctl hotplug_unpopulated says
 * @remove_errno: what removing answers
 * @taken: a page is borrowed when a block is about to be removed
 * @block_cost: pages that an added block costs
 * @removals: how often removing was tried
 * @blocks_wait: what adds and removes memory blocks does not get to run
 * @emptying_waits: what moves memory out of blocks does not get to run
 * @too_early: user space has no rules for blocks yet
 * @freezing: the worker is asked to stand still
 * @took_long: every page that is allocated takes its time
 * @added: memory blocks of 2 MiB that are not online
 * @nr_added: entries of @added
 * @online: memory blocks that came online
 * @nr_online: entries of @online
 * @gone: memory blocks that were removed
 * @nr_gone: entries of @gone
 * @looks: how often the driver looked at its table of blocks
 * @available: what the guest can spare, pages
 * @movable: what it can spare by emptying blocks, pages
 * @blocks: what it believes to have in free blocks of 2 MiB, blocks
 * @gfp: what the last page was allocated with
 * @on_call: called in every hypercall
 * @meanwhile: called when memory blocks are added or removed
 * @threads: more tasks than one are at it: a lock may be somebody else's
 * @calls: memory hypercalls so far
 * @hides: pages hidden so far (PV)
 * @light: fill and look at the ends of a page only
 * @seldom: look at all pages only now and then
 * @checks: how often sim_check() was called
 * @failed: something was wrong; said once
 * @managed: totalram_pages() before the test
 */
struct sim {
	struct kunit *test;
	struct xen_balloon b;
	struct balloon_stats stats;
	bool pv;
	struct sim_faults faults;
	unsigned long cap;
	unsigned long host;
	unsigned long nr_in;
	unsigned long pod_entries;
	unsigned long pod_cache;
	bool xen_scrubs;
	unsigned int unzeroed;
	u8 *frames;
	u16 *gens;
	unsigned long *seen;
	unsigned long nr_seen;
	u8 *where;
	struct page *lent[1024];
	unsigned int nr_lent;
	unsigned long not_online;
	unsigned long hotplug;
	unsigned long hotplug_left;
	int hotplug_errno;
	bool auto_online;
	bool for_lending;
	int remove_errno;
	bool taken;
	unsigned long block_cost;
	unsigned int removals;
	bool blocks_wait;
	bool emptying_waits;
	bool too_early;
	bool freezing;
	bool took_long;
	struct page *added[8];
	unsigned int nr_added;
	struct page *online[8];
	unsigned int nr_online;
	struct page *gone[8];
	unsigned int nr_gone;
	unsigned int looks;
	unsigned long available;
	unsigned long movable;
	unsigned long blocks;
	gfp_t gfp;
	void (*on_call)(struct sim *sim);
	void (*meanwhile)(struct sim *sim);
	bool threads;
	unsigned int calls;
	unsigned long hides;
	bool light;
	bool seldom;
	unsigned int checks;
	bool failed;
	unsigned long managed;
};

int sim_test_init(struct kunit *test);
void sim_test_exit(struct kunit *test);
void sim_make_pv(struct sim *sim);
void sim_make_direct(struct sim *sim, bool direct);
void sim_no_faults(struct sim *sim);
u32 sim_seed(struct kunit *test);
void sim_adopt_hole(struct sim *sim, struct page *page, unsigned int order);
struct page *sim_hole(struct sim *sim, unsigned int order);
void sim_list_hole(struct sim *sim, unsigned int order);
void sim_host_full(struct sim *sim);
void sim_enter_block(struct sim *sim, struct page *page);
struct page *sim_add_block(struct sim *sim);
void sim_online(struct sim *sim);
void sim_stick(struct sim *sim, struct page *page, bool stuck);
bool sim_is_out(struct sim *sim, struct page *page);
void sim_check_counts(struct sim *sim);
void sim_check(struct sim *sim);
void sim_target(struct sim *sim, unsigned long pages);
int sim_borrow(struct sim *sim, unsigned int nr_pages);
void sim_return(struct sim *sim, unsigned int first, unsigned int nr_pages);
long sim_step_early(struct sim *sim);
long sim_step(struct sim *sim);
void sim_settle(struct sim *sim, unsigned int steps);
unsigned long sim_listed(const struct sim *sim);
unsigned int sim_said(const char *text);

#endif /* _XEN_BALLOON_KUNIT_SIM_H */
