// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the table of memory blocks that it added
 */

/**
 * DOC: table
 *
 * The table has an entry for each memory block that the driver added: the state
 * of the block, and how many of its pages are in the balloon.  So nobody reads
 * the struct pages of a block that may go away.
 *
 * Marks lead to a block with no memory in it, and to a block whose memory can be
 * moved elsewhere.  The search for a mark goes upwards.  The last block is to be
 * found first, so the index of an entry is U32_MAX less the block's number.
 *
 * The functions take any page frame of a block where the block is meant.
 */

#include <linux/minmax.h>
#include <linux/types.h>

#include "table.h"

/* What an entry holds: the state, whether user space had no rules for blocks when
 * this one was added, and the pages in the balloon.
 */
#define STATE_MASK	7UL
#define UNRULED		8UL
#define LISTED_SHIFT	4

/* A block with no memory in it, that can be removed. */
#define MARK_EMPTY	XA_MARK_0
/* An online block with memory in it. */
#define MARK_HELD	XA_MARK_1
/* One with no memory in it that is offline because user space had no rules. */
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

/**
 * balloon_table_look - look at an entry
 * @xas: where to begin
 * @mark: XA_PRESENT: the entry of this very block; else: the next one that has
 *	this mark
 *
 * Every look at the table is a call of this function, so that a test can count
 * them.
 *
 * Return: the entry, or NULL.
 */
VISIBLE_IF_KUNIT void *balloon_table_look(struct xa_state *xas, xa_mark_t mark)
{
	BALLOON_STUB(balloon_table_look, xas, mark);
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

/* Change the entry at @xas from @old to a value.  Nothing is allocated. */
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
 * balloon_table_init - begin with no block
 * @t: the table
 */
void balloon_table_init(struct balloon_table *t)
{
	xa_init(&t->blocks);
	/* any size will do before the first block */
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
 * balloon_table_enter - a block is being added
 * @t: the table, with an entry reserved
 * @pfn: the block
 * @unruled: whether user space has no rules for blocks yet
 *
 * Context: the lock of the list is held.
 */
void balloon_table_enter(struct balloon_table *t, unsigned long pfn,
			 bool unruled)
{
	/* a reserved entry is there already */
	xa_store(&t->blocks, index_of(t, pfn),
		 xa_mk_value(BALLOON_BLOCK_NEW | (unruled ? UNRULED : 0)),
		 GFP_NOWAIT);
}

/**
 * balloon_table_forget - a block is gone
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
 * balloon_table_count - pages of a block have come to the balloon, or left it
 * @t: the table
 * @pfn: the first of them; all are in one block, which may be somebody else's
 * @nr_pages: how many; negative: they have left
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
	old = balloon_table_look(&xas, XA_PRESENT);
	if (xa_is_value(old))
		change(t, &xas, old, xa_to_value(old) +
				     (nr_pages << LISTED_SHIFT));
	xas_unlock(&xas);
	return xa_is_value(old);
}

/**
 * balloon_table_state - learn how a block stands
 * @t: the table
 * @pfn: the block
 * @listed: set to the number of its pages that are in the balloon
 *
 * Context: the lock of the list is held.
 * Return: its state.
 */
enum balloon_block_state balloon_table_state(struct balloon_table *t,
					     unsigned long pfn,
					     unsigned long *listed)
{
	XA_STATE(xas, &t->blocks, index_of(t, pfn));
	void *entry;

	xas_lock(&xas);
	entry = balloon_table_look(&xas, XA_PRESENT);
	xas_unlock(&xas);
	*listed = 0;
	if (!xa_is_value(entry))
		return BALLOON_BLOCK_NONE;
	*listed = listed_of(entry);
	return state_of(entry);
}

/**
 * balloon_table_set - a block enters another state
 * @t: the table
 * @pfn: the block, which is in the table
 * @state: the state
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
	old = balloon_table_look(&xas, XA_PRESENT);
	value = xa_to_value(old) & ~STATE_MASK;
	/* the rules have been applied */
	if (state == BALLOON_BLOCK_ONLINE)
		value &= ~UNRULED;
	change(t, &xas, old, value | state);
	xas_unlock(&xas);
}

/* Find the last block below @index that has @mark. */
static bool find(struct balloon_table *t, unsigned long *index, xa_mark_t mark)
{
	XA_STATE(xas, &t->blocks, *index);
	void *entry;

	xas_lock(&xas);
	entry = balloon_table_look(&xas, mark);
	xas_unlock(&xas);
	*index = xas.xa_index;
	return entry;
}

/**
 * balloon_table_unruled - whether a block is not online since user space had no
 * rules for it
 * @t: the table
 *
 * Return: true where there is such a block.
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
 * That is the last one with no memory in it, unless it is being emptied.  A
 * block that user space never heard of comes before all others.
 *
 * Context: the lock of the list is held.
 * Return: whether there is one.
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
 * balloon_table_next - go through the online blocks that have memory in them
 * @t: the table
 * @pfn: in: the answer of the last call, ULONG_MAX to begin; out: a piece of the
 *	last such block, before the piece that @pfn was
 * @step: pages of a piece
 *
 * Context: the lock of the list is held.
 * Return: false where there is no piece before @pfn.
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
