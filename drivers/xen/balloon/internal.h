/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: what its units may ask of each other
 *
 * A section for each unit, the lowest first, and one for the instance, which
 * those below share.  A unit calls only those above its own.  Those that only
 * have to be started share the section before the last; oom starts itself.
 */
#ifndef _XEN_BALLOON_INTERNAL_H
#define _XEN_BALLOON_INTERNAL_H

#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <xen/balloon.h>
#include <xen/features.h>
#include <xen/page.h>

/* What every message begins with; the units include this file last. */
#undef pr_fmt
#define pr_fmt(fmt) "xen:balloon: " fmt

/*
 * A function that tests may replace, in their own task only, begins with this.
 * Nothing is left of it in a kernel without the tests.
 */
#if IS_ENABLED(CONFIG_XEN_BALLOON_KUNIT_TEST)
#include <kunit/static_stub.h>
#define BALLOON_STUB(function, ...)					\
	KUNIT_STATIC_STUB_REDIRECT(function, ##__VA_ARGS__)
#else
#define BALLOON_STUB(...)	do { } while (0)
#endif

/* The largest piece that moves: 2 MiB, whatever the page size is. */
#define BALLOON_MAX_ORDER	(21 - PAGE_SHIFT)
#define BALLOON_HUGE_PAGES	BIT(BALLOON_MAX_ORDER)
#define BALLOON_NR_ORDERS	(BALLOON_MAX_ORDER + 1)

/* Entries of one hypercall, at most: 4 MiB of 4 KiB pages. */
#define BALLOON_BATCH		1024

/* --- policy: pure decisions --------------------------------------------- */

/**
 * enum balloon_state - what the balloon is doing, for info/state
 * @BALLOON_IDLE: the target is met
 * @BALLOON_INFLATING: memory goes to Xen
 * @BALLOON_DEFLATING: memory comes from Xen
 * @BALLOON_ADDING: memory blocks are being added for what is to come
 * @BALLOON_GUEST_LOW: the guest has nothing more that it could spare
 * @BALLOON_HOST_FULL: Xen refuses memory
 * @BALLOON_WAIT_ONLINE: added memory is not online yet
 * @BALLOON_CANCELLED: max_retry_count tries were in vain
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
 * struct balloon_view - what a decision is made on; all in pages
 * @current_pages: what the guest holds
 * @target_pages: what it should hold
 * @floor: what it keeps whatever the target (min_kb)
 * @listed: pages in the balloon
 * @lent: pages lent out as holes
 * @total_pages: everything that has a struct page
 * @available: what the guest could spare, caches that it can drop included
 */
struct balloon_view {
	unsigned long current_pages;
	unsigned long target_pages;
	unsigned long floor;
	unsigned long listed;
	unsigned long lent;
	unsigned long total_pages;
	unsigned long available;
};

/**
 * struct balloon_plan - the next step
 * @state: what it is; BALLOON_IDLE, BALLOON_GUEST_LOW and BALLOON_WAIT_ONLINE
 *	mean that there is nothing to do just now
 * @nr_pages: how many pages it is about; 0 in BALLOON_GUEST_LOW means that
 *	min_kb is what holds the balloon back
 */
struct balloon_plan {
	enum balloon_state state;
	unsigned long nr_pages;
};

struct balloon_plan balloon_policy_plan(const struct balloon_view *view);
void balloon_policy_progress(struct balloon_stats *stats);
bool balloon_policy_failure(struct balloon_stats *stats);
unsigned long balloon_policy_delay_ms(const struct balloon_stats *stats);
unsigned int balloon_policy_batch(unsigned int extents, unsigned int most,
				  u64 ns);
unsigned long balloon_policy_add(unsigned long want, unsigned long available,
				 unsigned long block, size_t page_struct);
bool balloon_policy_balanced(long held, long lost, long frames, long *kept);
int balloon_policy_kb_to_pages(u64 kb, unsigned int page_shift,
			       unsigned long most, unsigned long *pages);

/* --- pages: the list of ballooned pages --------------------------------- */

/**
 * struct balloon_pages - the pages that are in the balloon
 * @free: extents by kind of memory (0: low, 1: high) and order, linked
 *	through page->lru of their first page
 * @stats: where balloon_low and balloon_high are counted
 *
 * Protected by the lock of the instance.
 */
struct balloon_pages {
	struct list_head free[2][BALLOON_NR_ORDERS];
	struct balloon_stats *stats;
};

void balloon_pages_init(struct balloon_pages *bp, struct balloon_stats *stats);
unsigned long balloon_pages_count(const struct balloon_pages *bp);
void balloon_pages_clean(struct page *page, unsigned long nr_pages);
void balloon_pages_mark(struct page *page, unsigned long nr_pages);
void balloon_pages_unmark(struct page *page, unsigned long nr_pages);
void balloon_pages_add(struct balloon_pages *bp, struct page *page,
		       unsigned long nr_pages);
struct page *balloon_pages_take(struct balloon_pages *bp, bool low_only,
				unsigned int *order);
struct page *balloon_pages_take_huge(struct balloon_pages *bp);
bool balloon_pages_cover(unsigned long start_pfn, unsigned long nr_pages);
void balloon_pages_take_range(struct balloon_pages *bp, unsigned long start_pfn,
			      unsigned long nr_pages);
unsigned int balloon_chunk_order(unsigned long pfn, unsigned long nr_pages);
unsigned int balloon_extent_order(struct page *page, unsigned long nr_pages);

/* --- reservation: frames to Xen and back -------------------------------- */

/**
 * struct balloon_batch - what one hypercall moves
 * @nr: entries in use
 * @order: Linux order of every entry: 0 or BALLOON_MAX_ORDER
 * @broken: the pages are those of an extent inside which Xen stopped
 * @pages: the first page of each entry
 * @frames: the frame of each: a GFN or (PV) MFN towards Xen, and what Xen
 *	answers
 * @moved: entries that Xen took or gave; none in a new batch
 * @unsure: entries of which nobody knows whether Xen has them; likewise
 *
 * Belongs to the holder of the instance's batch_lock.
 */
struct balloon_batch {
	unsigned int nr;
	unsigned int order;
	bool broken;
	struct page *pages[BALLOON_BATCH];
	xen_pfn_t frames[BALLOON_BATCH];
	DECLARE_BITMAP(moved, BALLOON_BATCH);
	DECLARE_BITMAP(unsure, BALLOON_BATCH);
};

/**
 * struct balloon_ops - how one kind of domain deals with Xen
 * @by_frame: pages are released one by one, whatever extent they come from
 * @keeps_blocks: a memory block that was added cannot be removed
 * @memory_op: XENMEM_populate_physmap or XENMEM_decrease_reservation of @nr
 *	entries of Xen's own order; returns how many Xen did, or a negative
 *	errno; may stop anywhere
 * @count: XENMEM_current_reservation or XENMEM_maximum_reservation, frames
 * @is_out: whether a GFN has no memory behind it: 1, 0, or a negative errno
 *	where nobody can tell; NULL where a refused frame is surely still in
 * @prepare_range: called for a new range of physical addresses, before the
 *	kernel maps it; 0 or a negative errno
 * @last_pfn: the first PFN that no memory may have
 * @hide: take the kernel's mapping of the batch away and enter its frames;
 *	returns for how many of the first entries, and leaves the others alone
 * @show: map entries @first to @first + @nr - 1 to their frames; entries for
 *	which this fails are set in @unsure; NULL where @hide unmaps nothing
 * @lend: get a page ready to have foreign memory mapped into it; 0 or a
 *	negative errno
 */
struct balloon_ops {
	bool by_frame;
	bool keeps_blocks;
	long (*memory_op)(unsigned int cmd, xen_pfn_t *frames, unsigned int nr,
			  unsigned int xen_order);
	long (*count)(unsigned int cmd);
	int (*is_out)(xen_pfn_t gfn);
	int (*prepare_range)(unsigned long pfn, unsigned long nr_pages);
	unsigned long (*last_pfn)(void);
	unsigned int (*hide)(struct balloon_batch *batch);
	void (*show)(struct balloon_batch *batch, unsigned int first,
		     unsigned int nr);
	int (*lend)(struct page *page);
};

extern const struct balloon_ops balloon_translated_ops;
#ifdef CONFIG_XEN_PV
extern const struct balloon_ops balloon_pv_ops;
#else
#define balloon_pv_ops balloon_translated_ops
#endif

/**
 * struct balloon_counters - what debugfs shows
 * @calls: hypercalls by direction (0: release, 1: populate) and size (0: one
 *	page, 1: 2 MiB)
 * @extents: extents that Xen did, likewise
 * @refused: hypercalls of which Xen did less than it was asked
 * @longest_ns: the longest of those hypercalls, by direction
 * @longest_hold_ns: the longest that the lock was held to move a batch
 * @steps: steps by what they were
 * @rescues: how often the guest was out of memory, with balloon_deflate_on_oom,
 *	and did not find somebody else moving memory all the time
 * @rescued: pages that it got back then
 */
struct balloon_counters {
	unsigned long calls[2][2];
	unsigned long extents[2][2];
	unsigned long refused[2][2];
	u64 longest_ns[2];
	u64 longest_hold_ns;
	unsigned long steps[BALLOON_NR_STATES];
	unsigned long rescues;
	unsigned long rescued;
};

unsigned int balloon_release(const struct balloon_ops *ops,
			     struct balloon_batch *batch,
			     struct balloon_counters *counters, u64 *ns);
unsigned int balloon_populate(const struct balloon_ops *ops,
			      struct balloon_batch *batch,
			      struct balloon_counters *counters, u64 *ns);
long balloon_room(const struct balloon_ops *ops);
unsigned long balloon_debt(const struct balloon_ops *ops, unsigned long held);

/* Xen leaves the frames of such a domain with it, and counts them all the time. */
static inline bool balloon_keeps_frames(const struct balloon_ops *ops)
{
	return !ops->by_frame && xen_feature(XENFEAT_direct_mapped);
}

struct dentry;

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
void balloon_faults_init(struct dentry *dir);
#else
static inline void balloon_faults_init(struct dentry *dir) { }
#endif

/* --- hotplug: ranges of physical addresses that the driver added -------- */

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/**
 * struct balloon_hotplug_client - whom hotplug tells
 * @online: pages of a new block came online, with nothing behind them
 * @empty: whether all pages of a block are in the balloon
 * @offline: a block is being removed: its pages leave the balloon; false where
 *	not all are in it any more, and the block has to stay
 * @cancel_offline: it stays after all: they are back in it
 * @changed: the worker may find something new to do
 */
struct balloon_hotplug_client {
	void (*online)(struct page *page, unsigned long nr_pages);
	bool (*empty)(unsigned long start_pfn, unsigned long nr_pages);
	bool (*offline)(unsigned long start_pfn, unsigned long nr_pages);
	void (*cancel_offline)(unsigned long start_pfn, unsigned long nr_pages);
	void (*changed)(void);
};

void balloon_hotplug_init(const struct balloon_hotplug_client *client);
long balloon_hotplug_add(const struct balloon_ops *ops, unsigned long want,
			 unsigned long available);
bool balloon_hotplug_next(unsigned long *pfn);
bool balloon_hotplug_for_lending(void);
bool balloon_hotplug_possible(void);
unsigned long balloon_most_pages(void);
#else
static inline long balloon_hotplug_add(const struct balloon_ops *ops,
				       unsigned long want,
				       unsigned long available)
{
	return -EOPNOTSUPP;
}

static inline bool balloon_hotplug_next(unsigned long *pfn)
{
	return false;
}

static inline bool balloon_hotplug_for_lending(void)
{
	return false;
}

static inline bool balloon_hotplug_possible(void)
{
	return false;
}

static inline unsigned long balloon_most_pages(void)
{
	/* KiB have to fit into an unsigned long, and bytes into 64 bits */
	return min_t(u64, ULONG_MAX >> (PAGE_SHIFT - 10), U64_MAX >> PAGE_SHIFT);
}
#endif

#if defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) && \
	defined(CONFIG_MEMORY_HOTREMOVE)
bool balloon_hotplug_removable(void);
long balloon_hotplug_remove(void);
#else
static inline bool balloon_hotplug_removable(void)
{
	return false;
}

static inline long balloon_hotplug_remove(void)
{
	return 0;
}
#endif

/* --- the instance, which those below share ------------------------------ */

/**
 * enum balloon_refusal - which limit stopped the balloon last
 * @BALLOON_REFUSED_NOT: none
 * @BALLOON_REFUSED_CAP: the domain may not have more (xl mem-max)
 * @BALLOON_REFUSED_HOST: the host has no memory left
 * @BALLOON_REFUSED_RELEASE: Xen did not take a page
 * @BALLOON_REFUSED_GUEST: the guest has no memory to spare
 * @BALLOON_REFUSED_ADD: a memory block could not be added
 */
enum balloon_refusal {
	BALLOON_REFUSED_NOT,
	BALLOON_REFUSED_CAP,
	BALLOON_REFUSED_HOST,
	BALLOON_REFUSED_RELEASE,
	BALLOON_REFUSED_GUEST,
	BALLOON_REFUSED_ADD,
	/* private: said once as well, but no limits */
	BALLOON_SAID_OFFLINE,
	BALLOON_SAID_CANCELLED,
	BALLOON_SAID_LOST,
	BALLOON_SAID_RESCUED,
	BALLOON_NR_REFUSALS,
};

/**
 * struct balloon_error - the last refusal, for info/last_error
 * @what: which limit
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

/* Bits of struct xen_balloon.flags. */
#define BALLOON_KICKED		0	/* something changed: look again */
#define BALLOON_NEW_TARGET	1	/* a target was written */

/**
 * struct xen_balloon - the one instance, or one that a test made
 * @lock: protects everything up to @batch_lock, and the fields of @stats but
 *	target_pages and the two limits of trying again; held for short and
 *	bounded times only
 * @stats: the counters, balloon_stats but in tests
 * @pages: the ballooned pages
 * @state: what it is doing
 * @quarantined: pages that are neither the guest's nor surely Xen's
 * @floor: min_kb in pages; written at any time, read once a step
 * @max_lent: max_lent_kb in pages; written at any time, read when memory is
 *	ballooned out to be lent; 0: no cap
 * @error: the last refusal
 * @said: bit by enum balloon_refusal: said in this episode
 * @leaving: pages of a block that is being removed, in nobody's hands
 * @initial: current_pages at init, which the toolstack's offset is against
 * @offset: how many pages more than the guest the toolstack counts
 * @offset_known: @offset was taken; both belong to the watch on the target, as
 *	does @target_bad
 * @target_bad: what xenstore says is no target, and that was said
 *
 * @batch_lock: taken before @lock; who holds it moves memory, and owns the
 *	fields below
 * @batch: what is being moved
 * @ops: how this kind of domain deals with Xen
 * @counters: for debugfs
 * @extents: 2 MiB extents in the next hypercall, by direction
 * @singles: pages in the next hypercall that moves pages, likewise
 * @no_huge_until: jiffies; until then 2 MiB is not asked of Xen
 * @no_huge: @no_huge_until is valid
 * @added_pfn: where the search for added memory to give back stands
 * @idle_since: jiffies; when the target was met, or memory last came
 * @hibernating: memory blocks must be left alone
 * @blocks_work: adds or removes some, without @batch_lock
 * @blocks_busy: it does; nobody else writes the next one then
 * @blocks_want: pages to add, 0 to remove a block
 * @blocks_err: negative errno of the last adding, which no step has seen yet
 * @kept: see balloon_policy_balanced(); with CONFIG_XEN_BALLOON_DEBUG
 * @blocks_stay: a block could not be removed: not tried again until a target
 *	is written
 * @xen_scrubs: as long as much was populated on demand and is not given back,
 *	Xen clears what it takes; false for good once that is little
 *
 * @hold_until: 64-bit jiffies; until then nothing is given, since the guest
 *	was out of memory
 * @flags: BALLOON_KICKED, BALLOON_NEW_TARGET; atomic
 * @wq: the worker waits here for @flags
 * @moved_wq: woken after a step, and when blocks or pages have come: boot,
 *	borrowers and who hibernates wait here
 */
struct xen_balloon {
	struct mutex lock;	/* the list and the counters */
	struct balloon_stats *stats;
	struct balloon_pages pages;
	enum balloon_state state;
	unsigned long quarantined;
	unsigned long floor;
	unsigned long max_lent;
	struct balloon_error error;
	unsigned long said;
	unsigned long leaving;
	unsigned long initial;
	unsigned long offset;
	bool offset_known;
	bool target_bad;

	struct mutex batch_lock;	/* who moves memory */
	struct balloon_batch batch;
	const struct balloon_ops *ops;
	struct balloon_counters counters;
	unsigned int extents[2];
	unsigned int singles[2];
	unsigned long no_huge_until;
	bool no_huge;
	unsigned long added_pfn;
	unsigned long idle_since;
	bool hibernating;
	struct work_struct blocks_work;
	bool blocks_busy;
	unsigned long blocks_want;
	int blocks_err;
	long kept;
	bool blocks_stay;
	bool xen_scrubs;

	atomic64_t hold_until;
	unsigned long flags;
	wait_queue_head_t wq;
	wait_queue_head_t moved_wq;
};

/* --- batch: what moves memory ------------------------------------------- */

/*
 * Inflating must not wake the OOM killer, nor use what is kept for those who
 * free memory; and a target that is not met at once is nothing to warn of.
 */
#define GFP_BALLOON	(GFP_HIGHUSER | __GFP_NOWARN | __GFP_NORETRY | \
			 __GFP_NOMEMALLOC)

void xen_balloon_batch_setup(struct xen_balloon *b);
unsigned long xen_balloon_inflate(struct xen_balloon *b, unsigned long want,
				  gfp_t gfp);
unsigned long xen_balloon_deflate(struct xen_balloon *b, unsigned long want,
				  bool *all);
void xen_balloon_quarantine(struct xen_balloon *b, struct page *page,
			    unsigned long nr_pages);
unsigned long xen_balloon_available(void);
unsigned long xen_balloon_free_blocks(void);
struct page *xen_balloon_alloc(gfp_t gfp, unsigned int order);
bool xen_balloon_took_long(unsigned long since);

/* How long nothing is given yet, in jiffies; 0: no hold. */
static inline long xen_balloon_hold_left(const struct xen_balloon *b)
{
	s64 left = atomic64_read(&b->hold_until) - get_jiffies_64();

	return max(left, 0LL);
}

/* --- instance: the one there is, and what it notes ---------------------- */

struct xen_balloon *xen_balloon_instance(void);
void xen_balloon_setup(struct xen_balloon *b, struct balloon_stats *stats,
		       const struct balloon_ops *ops);
long xen_balloon_shortfall(const struct xen_balloon *b);
void xen_balloon_kick(struct xen_balloon *b);
void xen_balloon_set_state(struct xen_balloon *b, enum balloon_state state);
void xen_balloon_refused(struct xen_balloon *b, enum balloon_refusal what,
			 int err);
const char *xen_balloon_state_text(enum balloon_state state);
const char *xen_balloon_refusal_text(enum balloon_refusal what);

/* --- blocks: memory blocks that come and go ----------------------------- */

void xen_balloon_blocks_init(struct xen_balloon *b);
int xen_balloon_add_memory(struct xen_balloon *b, unsigned long want);
int xen_balloon_remove_memory(struct xen_balloon *b);

/* --- core: the step, the worker ----------------------------------------- */

int xen_balloon_start(struct xen_balloon *b);
long xen_balloon_step(struct xen_balloon *b);
bool xen_balloon_freezing(void);
unsigned long xen_balloon_rescue(struct xen_balloon *b);

/* --- lending: pages for other drivers ----------------------------------- */

int xen_balloon_borrow(struct xen_balloon *b, unsigned int nr_pages,
		       struct page **pages);
void xen_balloon_give_back(struct xen_balloon *b, unsigned int nr_pages,
			   struct page **pages);

/* --- boot: what is there when the guest starts -------------------------- */

/**
 * struct balloon_facts - what the number of pages at boot is counted from
 * @pv: a PV domain
 * @initial: dom0
 * @max_pfn: there are no pages at and beyond this
 * @ram: pages of the memory map
 * @unpopulated: pages of it that are known to have nothing behind them
 * @given: pages that the domain builder gave to a PV domain
 * @released: pages of them that setup gave back
 * @regions: regions of the map with nothing behind them
 * @nr_regions: entries of @regions
 * @xen_scrubs: leave clearing to Xen where it does that anyway
 */
struct balloon_facts {
	bool pv;
	bool initial;
	unsigned long max_pfn;
	unsigned long ram;
	unsigned long unpopulated;
	unsigned long given;
	unsigned long released;
	const struct xen_memory_region *regions;
	unsigned int nr_regions;
	bool xen_scrubs;
};

/* --- what the options leave out ----------------------------------------- */

#ifdef CONFIG_DEBUG_FS
void balloon_debugfs_init(struct xen_balloon *b);
#else
static inline void balloon_debugfs_init(struct xen_balloon *b) { }
#endif

#ifdef CONFIG_XEN_BALLOON
void balloon_sysfs_init(void);
int balloon_parse_bytes(const char *text, unsigned long long *bytes);
void balloon_xenbus_init(void);
#endif

/* --- what only tests call from outside ---------------------------------- */

#if IS_ENABLED(CONFIG_KUNIT)
struct notifier_block;

int balloon_blocks_queue(struct xen_balloon *b);
void balloon_blocks_work(struct work_struct *work);
int balloon_hibernation(struct notifier_block *nb, unsigned long event,
			void *data);
long balloon_hypercall(unsigned int cmd, void *arg);
bool balloon_gives_first(struct xen_balloon *b, unsigned long *asked);
int balloon_worker(void *data);
int balloon_count_pages(struct xen_balloon *b,
			const struct balloon_facts *facts);
void balloon_pay_debt(struct xen_balloon *b, unsigned int seconds);

#ifdef CONFIG_XEN_PV
struct mmu_update;

int balloon_mmu_update(struct mmu_update *updates, unsigned int nr, int *done);
void balloon_pv_apply(struct mmu_update *updates, const u16 *entry,
		      unsigned int nr, unsigned long *unsure);
#endif

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
struct ctl_table;
struct memory_notify;
struct resource;

extern const struct balloon_hotplug_client *balloon_client;
extern const struct balloon_hotplug_client balloon_blocks_client;
unsigned long balloon_block_pages(void);
struct range balloon_addable(void);
int balloon_note_block(unsigned long number);
int balloon_add_range(struct resource *res);
int balloon_remove_block(unsigned long pfn);
void balloon_online_page(struct page *page, unsigned int order);
int balloon_memory_event(struct notifier_block *nb, unsigned long event,
			 void *data);
int balloon_for_lending_handler(const struct ctl_table *table, int write,
				void *buffer, size_t *lenp, loff_t *ppos);
#endif

#ifdef CONFIG_XEN_BALLOON
struct xenbus_watch;

extern const struct attribute_group *balloon_groups[];
char *balloon_read_key(const char *key);
bool balloon_has_offset(void);
void balloon_target_changed(struct xenbus_watch *watch, const char *path,
			    const char *token);
#endif
#endif

#endif /* _XEN_BALLOON_INTERNAL_H */
