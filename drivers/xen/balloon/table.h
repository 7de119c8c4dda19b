/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the table of memory blocks that it added
 */
#ifndef _XEN_BALLOON_TABLE_H
#define _XEN_BALLOON_TABLE_H

#include <linux/limits.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "common.h"

/**
 * enum balloon_block_state - the life of a memory block that was added
 * @BALLOON_BLOCK_NEW: the block is being added; no memory behind it
 * @BALLOON_BLOCK_ADDED: the block is not online; no memory behind it
 * @BALLOON_BLOCK_ONLINE: the block is online; its pages came to the balloon,
 *	and may have memory by now
 * @BALLOON_BLOCK_LEAVING: the block goes offline; no memory behind it, and its
 *	pages are on no list
 * @BALLOON_BLOCK_AWAY: an administrator sets the block offline, or has done so;
 *	there is memory behind it
 * @BALLOON_BLOCK_NONE: the driver did not add this block
 */
enum balloon_block_state {
	BALLOON_BLOCK_NEW,
	BALLOON_BLOCK_ADDED,
	BALLOON_BLOCK_ONLINE,
	BALLOON_BLOCK_LEAVING,
	BALLOON_BLOCK_AWAY,
	BALLOON_BLOCK_NONE,
};

/* No block has this number. */
#define BALLOON_NO_BLOCK	ULONG_MAX

/**
 * struct balloon_table - the memory blocks that the driver added
 * @blocks: the entries; the index is U32_MAX less the number of the block
 * @block_pages: pages of a block
 * @offline: pages of blocks that are not online and have no memory
 * @leaving: pages of blocks that go offline with no memory behind them
 * @held: pages of online blocks that are not in the balloon: the kernel's,
 *	lent, quarantined, or set aside
 * @claimed: number of the block that is being emptied, or BALLOON_NO_BLOCK
 *
 * The lock of the list protects all fields.
 */
struct balloon_table {
	struct xarray blocks;
	unsigned long block_pages;
	unsigned long offline;
	unsigned long leaving;
	unsigned long held;
	unsigned long claimed;
};

void balloon_table_init(struct balloon_table *t);
int balloon_table_reserve(struct balloon_table *t, unsigned long pfn);
void balloon_table_enter(struct balloon_table *t, unsigned long pfn,
			 bool unruled);
void balloon_table_forget(struct balloon_table *t, unsigned long pfn);
bool balloon_table_count(struct balloon_table *t, unsigned long pfn,
			 long nr_pages);
enum balloon_block_state balloon_table_state(struct balloon_table *t,
					     unsigned long pfn,
					     unsigned long *listed);
void balloon_table_set(struct balloon_table *t, unsigned long pfn,
		       enum balloon_block_state state);
bool balloon_table_empty(struct balloon_table *t, unsigned long *pfn);
bool balloon_table_unruled(struct balloon_table *t);
bool balloon_table_next(struct balloon_table *t, unsigned long *pfn,
			unsigned long step);

/**
 * balloon_table_used - whether the table has an entry
 * @t: the table
 *
 * Return: false where no block was added, as in most guests.
 */
static inline bool balloon_table_used(const struct balloon_table *t)
{
	return IS_ENABLED(CONFIG_XEN_BALLOON_MEMORY_HOTPLUG) &&
	       !xa_empty(&t->blocks);
}

#if IS_ENABLED(CONFIG_KUNIT)
void balloon_table_looked(void);
#endif

#endif /* _XEN_BALLOON_TABLE_H */
