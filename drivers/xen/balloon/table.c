// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the table of memory blocks that it added
 */

/**
 * DOC: table
 *
 * The table has an entry for each memory block that the driver added.  An entry
 * tells the state of the block, and how many of its pages are in the balloon.
 * So no task reads the struct pages of a block that may go away.
 *
 * Marks lead to a block with no memory in it, and to an online block with
 * memory in it.  The xarray searches upwards, and the driver wants the last
 * block first.  So the index of an entry is U32_MAX less the number of the
 * block.
 *
 * The functions take any page frame of a block where the block is meant.
 */

#include <linux/minmax.h>
#include <linux/types.h>

#include "table.h"

/* An entry holds the state, whether auto_online_blocks said "offline" when the
 * block was added, and the number of pages in the balloon.
 */
#define STATE_MASK	7UL
#define UNRULED		8UL
#define LISTED_SHIFT	4

/* A block with no memory in it, which can be removed. */
#define MARK_EMPTY	XA_MARK_0
/* An online block with pages that are not in the balloon. */
#define MARK_HELD	XA_MARK_1
/* A block that is not online, and that was added while auto_online_blocks said
 * "offline".
 */
#define MARK_UNRULED	XA_MARK_2

static unsigned long index_of(const struct balloon_table *t, unsigned long pfn)
{
	unsigned long number = pfn / t->block_pages;

	return U32_MAX - min_t(unsigned long, number, U32_MAX);
}

static unsigned long pfn_of(const struct balloon_table *t, unsigned long index)
{
	return (U32_MAX - index) * t->block_pages;
}

static enum balloon_block_state state_of(void *entry)
{
	return xa_to_value(entry) & STATE_MASK;
}

static unsigned long listed_of(void *entry)
{
	return xa_to_value(entry) >> LISTED_SHIFT;
}

/* Called for each look at the table, so that a test can count them. */
VISIBLE_IF_KUNIT void balloon_table_looked(void)
{
	BALLOON_STUB(balloon_table_looked);
}

/* Look at an entry: the one at @xas where @mark is XA_PRESENT, else the first one
 * from @xas on that has @mark.  Return NULL where there is none.
 */
static void *look(struct xa_state *xas, xa_mark_t mark)
{
	balloon_table_looked();
	return (__force unsigned int)mark == (__force unsigned int)XA_PRESENT ?
	       xas_load(xas) : xas_find_marked(xas, U32_MAX, mark);
}

/* Add or subtract what a block contributes to the counts. */
static void contribute(struct balloon_table *t, void *entry, int sign)
{
	long pages = sign * (long)(t->block_pages - listed_of(entry));

	switch (state_of(entry)) {
	case BALLOON_BLOCK_ADDED:
		t->offline += pages;
		break;
	case BALLOON_BLOCK_ONLINE:
		t->held += pages;
		break;
	case BALLOON_BLOCK_LEAVING:
		t->leaving += pages;
		break;
	default:
		break;
	}
}

static void set_mark(struct xa_state *xas, xa_mark_t mark, bool set)
{
	if (set)
		xas_set_mark(xas, mark);
	else
		xas_clear_mark(xas, mark);
}

/* Change the entry at @xas from @old to @value, and its marks with it.
 * Allocates nothing, because the entry is there already.
 */
static void change(struct balloon_table *t, struct xa_state *xas, void *old,
		   unsigned long value)
{
	void *entry = xa_mk_value(value);
	enum balloon_block_state state = state_of(entry);
	unsigned long listed = listed_of(entry);
	bool online = state == BALLOON_BLOCK_ONLINE;
	bool out = state == BALLOON_BLOCK_ADDED && !listed;

	contribute(t, old, -1);
	contribute(t, entry, 1);
	xas_store(xas, entry);
	set_mark(xas, MARK_EMPTY, out || (online && listed == t->block_pages));
	set_mark(xas, MARK_HELD, online && listed < t->block_pages);
	set_mark(xas, MARK_UNRULED, out && value & UNRULED);
}

/**
 * balloon_table_init - set up a table without blocks
 * @t: the table
 */
void balloon_table_init(struct balloon_table *t)
{
	xa_init(&t->blocks);
	/* any size but 0 will do before the first block */
	t->block_pages = 1;
	t->claimed = BALLOON_NO_BLOCK;
}

/**
 * balloon_table_reserve - allocate the entry of a block
 * @t: the table
 * @pfn: the block
 *
 * Context: may sleep; the lock of the list is not held.
 * Return: 0 or a negative errno.
 */
int balloon_table_reserve(struct balloon_table *t, unsigned long pfn)
{
	return xa_reserve(&t->blocks, index_of(t, pfn), GFP_KERNEL);
}

/**
 * balloon_table_enter - note that a block is being added
 * @t: the table, with an entry reserved
 * @pfn: the block
 * @unruled: auto_online_blocks says "offline", so user space may never hear of
 *	the block
 *
 * Context: the lock of the list is held.
 */
void balloon_table_enter(struct balloon_table *t, unsigned long pfn,
			 bool unruled)
{
	/* the entry was reserved, so nothing is allocated here */
	xa_store(&t->blocks, index_of(t, pfn),
		 xa_mk_value(BALLOON_BLOCK_NEW | (unruled ? UNRULED : 0)),
		 GFP_NOWAIT);
}

/**
 * balloon_table_forget - remove the entry of a block
 * @t: the table
 * @pfn: the block; none of its pages is in the balloon
 *
 * Context: the lock of the list is held.
 */
void balloon_table_forget(struct balloon_table *t, unsigned long pfn)
{
	void *old = xa_erase(&t->blocks, index_of(t, pfn));

	if (old)
		contribute(t, old, -1);
}

/**
 * balloon_table_count - count pages of a block that enter or leave the balloon
 * @t: the table
 * @pfn: the first of the pages; all are in one block, which need not be in the
 *	table
 * @nr_pages: how many pages enter; negative where pages leave
 *
 * Context: the lock of the list is held.
 * Return: whether the block is in the table.
 */
bool balloon_table_count(struct balloon_table *t, unsigned long pfn,
			 long nr_pages)
{
	XA_STATE(xas, &t->blocks, index_of(t, pfn));
	void *old;

	xas_lock(&xas);
	old = look(&xas, XA_PRESENT);
	if (xa_is_value(old))
		change(t, &xas, old, xa_to_value(old) +
				     (nr_pages << LISTED_SHIFT));
	xas_unlock(&xas);
	return xa_is_value(old);
}

/**
 * balloon_table_state - read the state of a block
 * @t: the table
 * @pfn: the block
 * @listed: set to the number of pages of the block that are in the balloon
 *
 * Context: the lock of the list is held.
 * Return: the state; BALLOON_BLOCK_NONE where the driver did not add the block.
 */
enum balloon_block_state balloon_table_state(struct balloon_table *t,
					     unsigned long pfn,
					     unsigned long *listed)
{
	XA_STATE(xas, &t->blocks, index_of(t, pfn));
	void *entry;

	xas_lock(&xas);
	entry = look(&xas, XA_PRESENT);
	xas_unlock(&xas);
	*listed = 0;
	if (!xa_is_value(entry))
		return BALLOON_BLOCK_NONE;
	*listed = listed_of(entry);
	return state_of(entry);
}

/**
 * balloon_table_set - change the state of a block
 * @t: the table
 * @pfn: the block, which is in the table
 * @state: the new state
 *
 * Context: the lock of the list is held.
 */
void balloon_table_set(struct balloon_table *t, unsigned long pfn,
		       enum balloon_block_state state)
{
	XA_STATE(xas, &t->blocks, index_of(t, pfn));
	unsigned long value;
	void *old;

	xas_lock(&xas);
	old = look(&xas, XA_PRESENT);
	value = xa_to_value(old) & ~STATE_MASK;
	/* user space has heard of the block */
	if (state == BALLOON_BLOCK_ONLINE)
		value &= ~UNRULED;
	change(t, &xas, old, value | state);
	xas_unlock(&xas);
}

/* Find the first entry from @index on that has @mark, which is the last such
 * block.
 */
static bool find(struct balloon_table *t, unsigned long *index, xa_mark_t mark)
{
	XA_STATE(xas, &t->blocks, *index);
	void *entry;

	xas_lock(&xas);
	entry = look(&xas, mark);
	xas_unlock(&xas);
	*index = xas.xa_index;
	return entry;
}

/**
 * balloon_table_unruled - whether user space may not have heard of a block
 * @t: the table
 *
 * Return: true where a block is not online, and auto_online_blocks said
 * "offline" when the block was added.
 */
bool balloon_table_unruled(struct balloon_table *t)
{
	return xa_marked(&t->blocks, MARK_UNRULED);
}

/**
 * balloon_table_empty - find a block that can be removed
 * @t: the table
 * @pfn: set to the first page of the block
 *
 * Finds the last block with no memory in it that is not being emptied.  A block
 * of balloon_table_unruled() comes before all others.
 *
 * Context: the lock of the list is held.
 * Return: whether such a block was found.
 */
bool balloon_table_empty(struct balloon_table *t, unsigned long *pfn)
{
	unsigned long index = 0;

	if (!find(t, &index, MARK_UNRULED)) {
		index = 0;
		if (!find(t, &index, MARK_EMPTY))
			return false;
	}
	*pfn = pfn_of(t, index);
	if (*pfn / t->block_pages != t->claimed)
		return true;
	index++;
	if (!find(t, &index, MARK_EMPTY))
		return false;
	*pfn = pfn_of(t, index);
	return true;
}

/**
 * balloon_table_next - find the next piece of an online block with memory in it
 * @t: the table
 * @pfn: in: the answer of the last call, or ULONG_MAX to begin at the end of
 *	memory; out: the last piece below that which lies in such a block
 * @step: pages of a piece
 *
 * Context: the lock of the list is held.
 * Return: false where no such piece lies below @pfn.
 */
bool balloon_table_next(struct balloon_table *t, unsigned long *pfn,
			unsigned long step)
{
	unsigned long index = index_of(t, *pfn - step), from = index;

	if (!find(t, &index, MARK_HELD))
		return false;
	*pfn = index == from ? *pfn - step :
			       pfn_of(t, index) + t->block_pages - step;
	return true;
}
