/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the memory hotplug core of the kernel
 */
#ifndef _XEN_BALLOON_HOTPLUG_H
#define _XEN_BALLOON_HOTPLUG_H

#include <linux/err.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "common.h"

struct resource;

#ifdef CONFIG_XEN_BALLOON_MEMORY_HOTPLUG
/**
 * struct balloon_hotplug_client - functions to call about memory blocks
 * @online_page: called for pages that come online; returns true where the
 *	client takes the pages, and false where the kernel gets them
 * @event: called at MEM_ONLINE, MEM_GOING_OFFLINE, MEM_CANCEL_OFFLINE and
 *	MEM_OFFLINE of the block that begins at pfn; a negative errno keeps the
 *	block from going offline
 * @setting: called when the sysctl hotplug_unpopulated was written
 *
 * The first argument is the owner that balloon_hotplug_init() was given.  The
 * functions are called for all blocks, also of other drivers.
 */
struct balloon_hotplug_client {
	bool (*online_page)(void *owner, struct page *page,
			    unsigned long nr_pages);
	int (*event)(void *owner, unsigned long event, unsigned long pfn);
	void (*setting)(void *owner);
};

/**
 * struct balloon_hotplug_user - the client of this guest
 * @client: the functions to call; NULL where no block can be added
 * @owner: their first argument
 */
struct balloon_hotplug_user {
	const struct balloon_hotplug_client *client;
	void *owner;
};

void balloon_hotplug_init(const struct balloon_hotplug_client *client,
			  void *owner, bool may_add);
unsigned long balloon_hotplug_block_pages(void);
struct resource *balloon_hotplug_reserve(unsigned long last_pfn);
void balloon_hotplug_release(struct resource *res);
int balloon_hotplug_add(struct resource *res);
bool balloon_hotplug_for_lending(void);
bool balloon_hotplug_possible(void);
bool balloon_hotplug_goes_online(void);
unsigned long balloon_hotplug_most_pages(void);
#else
static inline unsigned long balloon_hotplug_block_pages(void)
{
	return 1;
}

static inline struct resource *balloon_hotplug_reserve(unsigned long last_pfn)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void balloon_hotplug_release(struct resource *res) { }

static inline int balloon_hotplug_add(struct resource *res)
{
	return -EOPNOTSUPP;
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
int balloon_hotplug_remove(unsigned long pfn);
#else
static inline int balloon_hotplug_remove(unsigned long pfn)
{
	return -EOPNOTSUPP;
}
#endif

#if IS_ENABLED(CONFIG_KUNIT) && defined(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG)
struct ctl_table;
struct notifier_block;

extern struct balloon_hotplug_user balloon_hotplug_user;
struct range balloon_hotplug_addable(void);
bool balloon_hotplug_is_ram(u64 start, u64 end);
void balloon_hotplug_online_page(struct page *page, unsigned int order);
int balloon_hotplug_memory_event(struct notifier_block *nb,
				 unsigned long event, void *data);
int balloon_hotplug_lending_handler(const struct ctl_table *table, int write,
				    void *buffer, size_t *lenp, loff_t *ppos);
#endif

#endif /* _XEN_BALLOON_HOTPLUG_H */
