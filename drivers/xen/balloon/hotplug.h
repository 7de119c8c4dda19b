/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: memory blocks that it added
 */
#ifndef _XEN_BALLOON_HOTPLUG_H
#define _XEN_BALLOON_HOTPLUG_H

#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "common.h"
#include "reservation.h"

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/**
 * struct balloon_hotplug_client - what hotplug tells about added memory blocks
 * @online: pages of a block came online, with no memory behind them
 * @empty: whether all pages of a block are in the balloon
 * @offline: a block is being removed and its pages leave the balloon; false where
 *	not all of them are in it any more, so that the block has to stay
 * @cancel_offline: the block stays after all, and its pages are back in the
 *	balloon
 * @changed: the worker may find something new to do
 *
 * Each is called with the owner that balloon_hotplug_init() was given.
 */
struct balloon_hotplug_client {
	void (*online)(void *owner, struct page *page, unsigned long nr_pages);
	bool (*empty)(void *owner, unsigned long start_pfn,
		      unsigned long nr_pages);
	bool (*offline)(void *owner, unsigned long start_pfn,
			unsigned long nr_pages);
	void (*cancel_offline)(void *owner, unsigned long start_pfn,
			       unsigned long nr_pages);
	void (*changed)(void *owner);
};

/**
 * struct balloon_hotplug_user - who is told about added memory blocks
 * @client: the functions; NULL where no block can be added
 * @owner: their first argument
 */
struct balloon_hotplug_user {
	const struct balloon_hotplug_client *client;
	void *owner;
};

void balloon_hotplug_init(const struct balloon_hotplug_client *client,
			  void *owner, bool may_add);
unsigned long balloon_hotplug_cost(const struct balloon_ops *ops);
unsigned long balloon_hotplug_worth(const struct balloon_ops *ops,
				    unsigned long want);
long balloon_hotplug_add(const struct balloon_ops *ops, unsigned long want,
			 unsigned long available);
bool balloon_hotplug_next(unsigned long *pfn);
bool balloon_hotplug_for_lending(void);
bool balloon_hotplug_possible(void);
bool balloon_hotplug_goes_online(void);
unsigned long balloon_hotplug_most_pages(void);
#else
static inline long balloon_hotplug_add(const struct balloon_ops *ops,
				       unsigned long want,
				       unsigned long available)
{
	return -EOPNOTSUPP;
}

static inline unsigned long balloon_hotplug_cost(const struct balloon_ops *ops)
{
	return 0;
}

static inline unsigned long balloon_hotplug_worth(const struct balloon_ops *ops,
						  unsigned long want)
{
	return want;
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

static inline bool balloon_hotplug_goes_online(void)
{
	return true;
}

static inline unsigned long balloon_hotplug_most_pages(void)
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

#if IS_ENABLED(CONFIG_KUNIT) && defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG)
struct ctl_table;
struct notifier_block;
struct resource;

extern struct balloon_hotplug_user balloon_hotplug_user;
unsigned long balloon_hotplug_block_pages(void);
struct range balloon_hotplug_addable(void);
bool balloon_hotplug_is_ram(u64 start, u64 end);
int balloon_hotplug_note_block(unsigned long number);
int balloon_hotplug_add_range(struct resource *res);
int balloon_hotplug_remove_block(unsigned long pfn);
void balloon_hotplug_online_page(struct page *page, unsigned int order);
int balloon_hotplug_memory_event(struct notifier_block *nb,
				 unsigned long event, void *data);
int balloon_hotplug_lending_handler(const struct ctl_table *table, int write,
				    void *buffer, size_t *lenp, loff_t *ppos);
#endif

#endif /* _XEN_BALLOON_HOTPLUG_H */
