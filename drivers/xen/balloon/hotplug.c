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
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/ioport.h>
#include <linux/list.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "internal.h"

/**
 * struct added_range - memory blocks that were added together
 * @list: in @ranges
 * @start_pfn: where they start
 * @nr_pages: how much they are
 * @handed: a bit a block: its pages were given to the balloon when it came
 *	online, so what it holds the next time is the kernel's
 */
struct added_range {
	struct list_head list;
	unsigned long start_pfn;
	unsigned long nr_pages;
	unsigned long handed[];
};

/* Protects ranges; taken inside mem_hotplug_lock, and nothing inside it. */
static DEFINE_MUTEX(ranges_lock);
static LIST_HEAD(ranges);

static const struct balloon_hotplug_client *client;

static int for_lending;

static unsigned long block_pages(void)
{
	return memory_block_size_bytes() >> PAGE_SHIFT;
}

/* Context: ranges_lock is held. */
static struct added_range *find_range(unsigned long pfn)
{
	struct added_range *range;

	list_for_each_entry(range, &ranges, list) {
		if (pfn - range->start_pfn < range->nr_pages)
			return range;
	}
	return NULL;
}

static unsigned long block_of(const struct added_range *range,
			      unsigned long pfn)
{
	return (pfn - range->start_pfn) / block_pages();
}

/* --- what the memory hotplug core tells ------------------------------------ */

static void online_page(struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page);
	struct added_range *range;
	bool ours;

	mutex_lock(&ranges_lock);
	range = find_range(pfn);
	ours = range && !test_bit(block_of(range, pfn), range->handed);
	mutex_unlock(&ranges_lock);

	if (ours)
		client->online(page, 1UL << order);
	else
		generic_online_page(page, order);
}

static void blocks_online(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long end = pfn + nr_pages;
	struct added_range *range;

	mutex_lock(&ranges_lock);
	for (; pfn < end; pfn += block_pages()) {
		range = find_range(pfn);
		if (range)
			__set_bit(block_of(range, pfn), range->handed);
	}
	mutex_unlock(&ranges_lock);
}

static int memory_event(struct notifier_block *nb, unsigned long event,
			void *data)
{
	struct memory_notify *notify = data;

	if (event == MEM_ONLINE) {
		blocks_online(notify->start_pfn, notify->nr_pages);
		client->changed();
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = {
	.notifier_call = memory_event,
};

/* --- adding ------------------------------------------------------------------ */

/* A free range of physical addresses, in the resource tree. */
static struct resource *reserve_range(const struct balloon_ops *ops,
				      unsigned long nr_pages)
{
	struct range where = mhp_get_pluggable_range(true);
	struct resource *res;
	int ret;

	if (ops->last_pfn)
		where.end = min_t(u64, where.end,
				  PFN_PHYS((u64)ops->last_pfn()) - 1);
	res = kzalloc(sizeof(*res), GFP_KERNEL);
	if (!res)
		return ERR_PTR(-ENOMEM);
	res->name = "System RAM";
	res->flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY;
	ret = allocate_resource(&iomem_resource, res,
				(resource_size_t)nr_pages << PAGE_SHIFT,
				where.start, where.end,
				memory_block_size_bytes(), NULL, NULL);
	if (ret) {
		kfree(res);
		return ERR_PTR(ret);
	}
	return res;
}

static void drop_range(struct added_range *range)
{
	mutex_lock(&ranges_lock);
	list_del(&range->list);
	mutex_unlock(&ranges_lock);
	kfree(range);
}

/* Ownership is known before the first block can come online. */
static struct added_range *note_range(const struct resource *res)
{
	unsigned long nr_pages = resource_size(res) >> PAGE_SHIFT;
	unsigned long blocks = nr_pages / block_pages();
	struct added_range *range;

	range = kzalloc(struct_size(range, handed, BITS_TO_LONGS(blocks)),
			GFP_KERNEL);
	if (!range)
		return NULL;
	range->start_pfn = PHYS_PFN(res->start);
	range->nr_pages = nr_pages;
	mutex_lock(&ranges_lock);
	list_add(&range->list, &ranges);
	mutex_unlock(&ranges_lock);
	return range;
}

/**
 * balloon_hotplug_add - add memory blocks with nothing behind them
 * @ops: the kind of domain
 * @want: pages
 * @available: pages that the guest can spare for their structures
 *
 * Adds whole blocks, perhaps for a part of @want only.  Where auto_online_blocks
 * says so they are online on return, else somebody has to set them online.
 *
 * Context: may sleep; the locks of the instance that the online callback takes
 * are not held.
 * Return: pages added, or a negative errno: -EOPNOTSUPP where that can never
 * work, -ENOMEM where the guest cannot afford it now.
 */
long balloon_hotplug_add(const struct balloon_ops *ops, unsigned long want,
			 unsigned long available)
{
	unsigned long nr_pages = balloon_policy_add(want, available,
						    block_pages(),
						    sizeof(struct page));
	struct added_range *range;
	struct resource *res;
	u64 start;
	int ret;

	if (!balloon_hotplug_possible())
		return -EOPNOTSUPP;
	if (!nr_pages)
		return -ENOMEM;
	res = reserve_range(ops, nr_pages);
	if (IS_ERR(res))
		return PTR_ERR(res);
	start = res->start;
	range = note_range(res);
	if (!range) {
		ret = -ENOMEM;
		goto err_res;
	}
	if (ops->prepare_range) {
		ret = ops->prepare_range(range->start_pfn, nr_pages);
		if (ret)
			goto err_range;
	}

	lock_device_hotplug();
	/* the resource is the core's after that: it may merge it */
	ret = add_memory_resource(memory_add_physaddr_to_nid(start), res,
				  MHP_MERGE_RESOURCE);
	unlock_device_hotplug();
	if (ret)
		goto err_range;
	return nr_pages;

err_range:
	drop_range(range);
err_res:
	release_resource(res);
	kfree(res);
	return ret;
}

/**
 * balloon_hotplug_remove - give memory blocks back that hold nothing
 * @most: pages to remove at most
 *
 * Return: pages removed.
 */
unsigned long balloon_hotplug_remove(unsigned long most)
{
	return 0;
}

/**
 * balloon_hotplug_for_lending - whether lent pages come from added memory
 *
 * Return: what the sysctl hotplug_unpopulated says.
 */
bool balloon_hotplug_for_lending(void)
{
	return READ_ONCE(for_lending);
}

/**
 * balloon_hotplug_possible - whether this kernel may add memory at all
 *
 * A crash kernel lives in the little that it was given and must not touch the
 * rest.
 *
 * Return: false in a crash kernel.
 */
bool balloon_hotplug_possible(void)
{
	return !is_kdump_kernel();
}

/**
 * balloon_most_pages - the largest target that makes sense
 *
 * Return: pages, up to the end of what memory can be added at.
 */
unsigned long balloon_most_pages(void)
{
	return (mhp_get_pluggable_range(true).end >> PAGE_SHIFT) + 1;
}

static const struct ctl_table balloon_table[] = {
	{
		.procname	= "hotplug_unpopulated",
		.data		= &for_lending,
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
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
	client = who;
	set_online_page_callback(online_page);
	register_memory_notifier(&memory_nb);
	register_sysctl_init("xen/balloon", balloon_table);
}
