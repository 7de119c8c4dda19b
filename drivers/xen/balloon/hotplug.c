// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory blocks that it added
 */

/**
 * DOC: hotplug
 *
 * Memory above what the guest booted with needs struct pages before it can come
 * from Xen.  So memory blocks are added at a free range of physical addresses,
 * with nothing behind them; when they are set online their pages are handed to
 * the balloon, and populated from there like all others.
 *
 * The kernel asks one function for all memory blocks that come online.  Those
 * of other owners, and blocks of ours that were online before and so hold
 * memory, go the usual way.
 *
 * A block whose pages are all back in the balloon costs memory for its struct
 * pages and gives nothing, so it is taken offline and removed, except in PV
 * guests, where Xen holds the page tables that map it.
 */

#include <linux/device.h>
#include <linux/init.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/xarray.h>

#include "internal.h"

/* What is known of a block that was added here, in blocks. */
#define BLOCK_NEW	xa_mk_value(0)	/* not online, and nothing behind it */
#define BLOCK_HANDED	xa_mk_value(1)	/* its pages were given to the balloon */

/* The blocks that were added here, by their number.  Has its own lock. */
static DEFINE_XARRAY(blocks);

VISIBLE_IF_KUNIT const struct balloon_hotplug_client *balloon_client;

/* Pages that are added at once, since to prepare them takes time; or a block. */
#define MOST_ADDED	(SZ_1G >> PAGE_SHIFT)

static int for_lending;

/* --- the memory hotplug core, for which tests put their own ------------- */

VISIBLE_IF_KUNIT unsigned long balloon_block_pages(void)
{
	BALLOON_STUB(balloon_block_pages);
	return memory_block_size_bytes() >> PAGE_SHIFT;
}

VISIBLE_IF_KUNIT struct range balloon_addable(void)
{
	BALLOON_STUB(balloon_addable);
	return mhp_get_pluggable_range(true);
}

/* The resource is the core's after that, which may merge it with others. */
VISIBLE_IF_KUNIT int balloon_add_range(struct resource *res)
{
	int ret;

	BALLOON_STUB(balloon_add_range, res);
	lock_device_hotplug();
	ret = add_memory_resource(memory_add_physaddr_to_nid(res->start), res,
				  MHP_MERGE_RESOURCE);
	unlock_device_hotplug();
	return ret;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
VISIBLE_IF_KUNIT int balloon_remove_block(unsigned long pfn)
{
	BALLOON_STUB(balloon_remove_block, pfn);
	return offline_and_remove_memory(PFN_PHYS(pfn),
					 memory_block_size_bytes());
}
#endif

/* --- the blocks that were added ----------------------------------------- */

VISIBLE_IF_KUNIT int balloon_note_block(unsigned long number)
{
	BALLOON_STUB(balloon_note_block, number);
	return xa_err(xa_store(&blocks, number, BLOCK_NEW, GFP_KERNEL));
}

/* The block that is being removed, one at a time. */
static unsigned long removing_pfn;

static bool removing(unsigned long pfn)
{
	return removing_pfn && pfn == removing_pfn;
}

/* --- what the memory hotplug core tells --------------------------------- */

VISIBLE_IF_KUNIT void balloon_online_page(struct page *page, unsigned int order)
{
	unsigned long block = page_to_pfn(page) / balloon_block_pages();

	if (xa_load(&blocks, block) == BLOCK_NEW)
		balloon_client->online(page, 1UL << order);
	else
		generic_online_page(page, order);
}

VISIBLE_IF_KUNIT int balloon_memory_event(struct notifier_block *nb,
					  unsigned long event, void *data)
{
	struct memory_notify *notify = data;
	unsigned long pfn = notify->start_pfn, nr_pages = notify->nr_pages, i;

	switch (event) {
	case MEM_ONLINE:
		for (i = 0; i < nr_pages; i += balloon_block_pages())
			/* no other state leads here, so nothing is allocated */
			xa_cmpxchg(&blocks, (pfn + i) / balloon_block_pages(),
				   BLOCK_NEW, BLOCK_HANDED, GFP_KERNEL);
		balloon_client->changed();
		break;
	case MEM_GOING_OFFLINE:
		if (removing(pfn) && !balloon_client->offline(pfn, nr_pages))
			return notifier_from_errno(-EBUSY);
		break;
	case MEM_CANCEL_OFFLINE:
		if (removing(pfn))
			balloon_client->cancel_offline(pfn, nr_pages);
		break;
	case MEM_OFFLINE:
		/* if it stays after all, there is nothing behind it */
		if (removing(pfn))
			xa_store(&blocks, pfn / balloon_block_pages(), BLOCK_NEW,
				 GFP_KERNEL);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = {
	.notifier_call = balloon_memory_event,
};

/* --- adding ------------------------------------------------------------- */

/* Physical addresses for a block that nobody uses, in the resource tree. */
static struct resource *reserve_block(const struct balloon_ops *ops)
{
	resource_size_t size = (u64)balloon_block_pages() << PAGE_SHIFT;
	struct range where = balloon_addable();
	struct resource *res;
	int ret;

	if (ops->last_pfn)
		where.end = min_t(u64, where.end,
				  PFN_PHYS((u64)ops->last_pfn()) - 1);
	res = kzalloc_obj(*res);
	if (!res)
		return ERR_PTR(-ENOMEM);
	res->name = "System RAM";
	res->flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY;
	ret = allocate_resource(&iomem_resource, res, size, where.start,
				where.end, size, NULL, NULL);
	if (ret) {
		kfree(res);
		return ERR_PTR(ret);
	}
	return res;
}

/* One at a time, as they are removed: what has been told of them as a piece,
 * such as /sys/firmware/memmap, cannot be taken back in parts.
 */
static int add_block(const struct balloon_ops *ops)
{
	unsigned long block = balloon_block_pages(), pfn;
	struct resource *res = reserve_block(ops);
	int ret;

	if (IS_ERR(res))
		return PTR_ERR(res);
	pfn = PHYS_PFN(res->start);
	/* whose it is has to be known before it can come online */
	ret = balloon_note_block(pfn / block);
	if (ret)
		goto err_res;
	if (ops->prepare_range) {
		ret = ops->prepare_range(pfn, block);
		if (ret)
			goto err_block;
	}
	ret = balloon_add_range(res);
	if (ret)
		goto err_block;
	return 0;

err_block:
	xa_erase(&blocks, pfn / block);
err_res:
	release_resource(res);
	kfree(res);
	return ret;
}

/**
 * balloon_hotplug_add - add memory blocks with nothing behind them
 * @ops: the kind of domain
 * @want: pages
 * @available: pages that the guest can spare for their structures
 *
 * Adds whole blocks, perhaps for a part of @want only: no more at once than can
 * be prepared in a moment.  Where auto_online_blocks says so they are online on
 * return, else somebody has to set them online.
 *
 * Context: may sleep; the locks of the instance that the online callback takes
 * are not held.
 * Return: pages added, or a negative errno: -EOPNOTSUPP where that can never
 * work, -ENOMEM where the guest cannot afford it now.
 */
long balloon_hotplug_add(const struct balloon_ops *ops, unsigned long want,
			 unsigned long available)
{
	unsigned long nr_pages, added = 0;
	int ret = 0;

	BALLOON_STUB(balloon_hotplug_add, ops, want, available);
	want = min(want, max(MOST_ADDED, balloon_block_pages()));
	nr_pages = balloon_policy_add(want, available, balloon_block_pages(),
				      sizeof(struct page));
	if (!balloon_hotplug_possible())
		return -EOPNOTSUPP;
	if (!nr_pages)
		return -ENOMEM;
	while (added < nr_pages) {
		ret = add_block(ops);
		if (ret)
			break;
		added += balloon_block_pages();
	}
	return added ?: ret;
}

/**
 * balloon_hotplug_next - go through the memory that was added, from its end
 * @pfn: in: where the last call was, ULONG_MAX to begin; out: a piece of 2 MiB
 *	in a block that was online
 *
 * Return: false where there is none before @pfn.
 */
bool balloon_hotplug_next(unsigned long *pfn)
{
	unsigned long block, index, found = 0;
	void *entry;
	bool any = false;

	BALLOON_STUB(balloon_hotplug_next, pfn);
	block = *pfn / balloon_block_pages();
	if (*pfn != ULONG_MAX && *pfn % balloon_block_pages()) {
		*pfn -= BALLOON_HUGE_PAGES;
		return true;
	}
	xa_for_each(&blocks, index, entry) {
		if (index >= block)
			break;
		if (entry != BLOCK_HANDED)
			continue;
		found = index;
		any = true;
	}
	*pfn = any ? (found + 1) * balloon_block_pages() - BALLOON_HUGE_PAGES : 0;
	return any;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
/* The last block whose pages are all in the balloon; 0: there is none. */
static unsigned long empty_block(void)
{
	unsigned long index, found = 0;
	void *entry;

	xa_for_each(&blocks, index, entry) {
		if (entry == BLOCK_HANDED &&
		    balloon_client->empty(index * balloon_block_pages(), balloon_block_pages()))
			found = index * balloon_block_pages();
	}
	return found;
}

/**
 * balloon_hotplug_removable - whether there is a block with nothing in it
 *
 * Context: may sleep.
 * Return: false also where blocks are kept for lending.
 */
bool balloon_hotplug_removable(void)
{
	BALLOON_STUB(balloon_hotplug_removable);
	return !xa_empty(&blocks) && !balloon_hotplug_for_lending() &&
	       empty_block();
}

/**
 * balloon_hotplug_remove - remove one block with nothing in it
 *
 * Context: may sleep; the locks of the instance that the client takes are not
 * held.
 * Return: pages removed; 0 where there was no such block; or a negative errno
 * with the block there still.
 */
long balloon_hotplug_remove(void)
{
	unsigned long pfn;
	int ret;

	BALLOON_STUB(balloon_hotplug_remove);
	pfn = empty_block();
	if (!pfn)
		return 0;
	removing_pfn = pfn;
	ret = balloon_remove_block(pfn);
	/* somebody may be setting the same block offline: that was for us, then */
	lock_device_hotplug();
	removing_pfn = 0;
	if (!ret)
		xa_erase(&blocks, pfn / balloon_block_pages());
	unlock_device_hotplug();
	return ret ?: balloon_block_pages();
}
#endif /* CONFIG_MEMORY_HOTREMOVE */

/**
 * balloon_hotplug_for_lending - whether lent pages come from added memory
 *
 * Return: what the sysctl hotplug_unpopulated says.
 */
bool balloon_hotplug_for_lending(void)
{
	BALLOON_STUB(balloon_hotplug_for_lending);
	return READ_ONCE(for_lending);
}

/**
 * balloon_hotplug_possible - whether this kernel can add memory at all
 *
 * Return: true.
 */
bool balloon_hotplug_possible(void)
{
	BALLOON_STUB(balloon_hotplug_possible);
	return true;
}

/**
 * balloon_most_pages - the largest target that makes sense
 *
 * Return: pages, up to the end of what memory can be added at.
 */
unsigned long balloon_most_pages(void)
{
	return (balloon_addable().end >> PAGE_SHIFT) + 1;
}

/* What was kept to be lent need not be any more. */
VISIBLE_IF_KUNIT int balloon_for_lending_handler(const struct ctl_table *table,
						 int write, void *buffer,
						 size_t *lenp, loff_t *ppos)
{
	int ret = proc_dointvec_minmax(table, write, buffer, lenp, ppos);

	if (write && !ret)
		balloon_client->changed();
	return ret;
}

static const struct ctl_table balloon_table[] = {
	{
		.procname	= "hotplug_unpopulated",
		.data		= &for_lending,
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= balloon_for_lending_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
};

/**
 * balloon_hotplug_init - watch over memory that comes online
 * @who: whom to tell of it
 */
void __init balloon_hotplug_init(const struct balloon_hotplug_client *who)
{
	balloon_client = who;
	set_online_page_callback(balloon_online_page);
	register_memory_notifier(&memory_nb);
	register_sysctl_init("xen/balloon", balloon_table);
}
