// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory blocks that it added
 */

/**
 * DOC: hotplug
 *
 * Memory above what the guest booted with needs struct pages before it can come
 * from Xen.  So memory blocks are added at a free range of physical addresses,
 * with no memory behind them.  When such a block is set online its pages are
 * handed to the balloon, and the worker populates them like all others.
 *
 * The kernel asks one function for all memory blocks that come online.  Blocks
 * of other owners go the usual way.  So do added blocks that were online
 * before, because they may hold memory.
 *
 * A block whose pages are all back in the balloon costs memory for its struct
 * pages and gives none.  So such a block is set offline and removed, except in
 * PV guests, where Xen holds the page tables that map the block.
 */

#include <linux/device.h>
#include <linux/init.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/xarray.h>

#ifdef CONFIG_X86
#include <asm/e820/api.h>
#endif

#include "hotplug.h"
#include "pages.h"
#include "policy.h"

/* States of an added block, in blocks. */
#define BLOCK_NEW	xa_mk_value(0)	/* not online; no memory behind it */
#define BLOCK_HANDED	xa_mk_value(1)	/* its pages were given to the balloon */

/* The blocks that were added here, by their number.  Has its own lock. */
static DEFINE_XARRAY(blocks);

VISIBLE_IF_KUNIT struct balloon_hotplug_user balloon_hotplug_user;

/* At most so many pages, or one block, are added at once: nothing interrupts
 * that.
 */
#define MOST_ADDED	(SZ_1G >> PAGE_SHIFT)

static int for_lending;

/* --- the memory hotplug core, which a test replaces ---------------------- */

VISIBLE_IF_KUNIT unsigned long balloon_hotplug_block_pages(void)
{
	BALLOON_STUB(balloon_hotplug_block_pages);
	return memory_block_size_bytes() >> PAGE_SHIFT;
}

VISIBLE_IF_KUNIT struct range balloon_hotplug_addable(void)
{
	BALLOON_STUB(balloon_hotplug_addable);
	return mhp_get_pluggable_range(true);
}

/* After success the resource belongs to the core, which may merge it with
 * others.
 */
VISIBLE_IF_KUNIT int balloon_hotplug_add_range(struct resource *res)
{
	int ret;

	BALLOON_STUB(balloon_hotplug_add_range, res);
	lock_device_hotplug();
	ret = add_memory_resource(memory_add_physaddr_to_nid(res->start), res,
				  MHP_MERGE_RESOURCE);
	unlock_device_hotplug();
	return ret;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
VISIBLE_IF_KUNIT int balloon_hotplug_remove_block(unsigned long pfn)
{
	BALLOON_STUB(balloon_hotplug_remove_block, pfn);
	return offline_and_remove_memory(PFN_PHYS(pfn),
					 memory_block_size_bytes());
}
#endif

/* --- the blocks that were added ----------------------------------------- */

VISIBLE_IF_KUNIT int balloon_hotplug_note_block(unsigned long number)
{
	BALLOON_STUB(balloon_hotplug_note_block, number);
	return xa_err(xa_store(&blocks, number, BLOCK_NEW, GFP_KERNEL));
}

/* The block that is being removed, one at a time. */
static unsigned long removing_pfn;

static bool removing(unsigned long pfn)
{
	return removing_pfn && pfn == removing_pfn;
}

/* --- what the memory hotplug core tells --------------------------------- */

VISIBLE_IF_KUNIT void balloon_hotplug_online_page(struct page *page,
						  unsigned int order)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	unsigned long block = page_to_pfn(page) / balloon_hotplug_block_pages();

	if (xa_load(&blocks, block) == BLOCK_NEW)
		user->client->online(user->owner, page, 1UL << order);
	else
		generic_online_page(page, order);
}

VISIBLE_IF_KUNIT int balloon_hotplug_memory_event(struct notifier_block *nb,
						  unsigned long event,
						  void *data)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	unsigned long block = balloon_hotplug_block_pages();
	struct memory_notify *notify = data;
	unsigned long pfn = notify->start_pfn, nr_pages = notify->nr_pages, i;

	switch (event) {
	case MEM_ONLINE:
		for (i = 0; i < nr_pages; i += block)
			/* no other state leads here, so nothing is allocated */
			xa_cmpxchg(&blocks, (pfn + i) / block, BLOCK_NEW,
				   BLOCK_HANDED, GFP_KERNEL);
		user->client->changed(user->owner);
		break;
	case MEM_GOING_OFFLINE:
		if (removing(pfn) &&
		    !user->client->offline(user->owner, pfn, nr_pages))
			return notifier_from_errno(-EBUSY);
		break;
	case MEM_CANCEL_OFFLINE:
		if (removing(pfn))
			user->client->cancel_offline(user->owner, pfn,
						     nr_pages);
		break;
	case MEM_OFFLINE:
		/* a block that stays after all has no memory behind it */
		if (removing(pfn))
			xa_store(&blocks, pfn / block, BLOCK_NEW, GFP_KERNEL);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_nb = {
	.notifier_call = balloon_hotplug_memory_event,
};

/* --- adding ------------------------------------------------------------- */

/* Whether the firmware says that there is RAM in a range.  mem= and memmap=
 * take RAM away from the kernel, and the resource tree shows nothing there; but
 * Xen has memory of the guest at these addresses.  Only x86 keeps the
 * firmware's map.
 */
#ifdef CONFIG_X86
VISIBLE_IF_KUNIT bool balloon_hotplug_is_ram(u64 start, u64 end)
{
	BALLOON_STUB(balloon_hotplug_is_ram, start, end);
	return e820__mapped_raw_any(start, end, E820_TYPE_RAM);
}
#else
VISIBLE_IF_KUNIT bool balloon_hotplug_is_ram(u64 start, u64 end)
{
	BALLOON_STUB(balloon_hotplug_is_ram, start, end);
	return false;
}
#endif

/* Reserve physical addresses for a block that are free, and not RAM. */
static struct resource *reserve_block(const struct balloon_ops *ops)
{
	resource_size_t size = (u64)balloon_hotplug_block_pages() << PAGE_SHIFT;
	struct range where = balloon_hotplug_addable();
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
	for (;;) {
		ret = allocate_resource(&iomem_resource, res, size, where.start,
					where.end, size, NULL, NULL);
		if (ret || !balloon_hotplug_is_ram(res->start, res->end + 1))
			break;
		where.start = res->end + 1;
		release_resource(res);
	}
	if (ret) {
		kfree(res);
		return ERR_PTR(ret);
	}
	return res;
}

/* Add one block.  Blocks are added one by one because they are removed one by
 * one: an entry of /sys/firmware/memmap, for example, cannot be taken back in
 * parts.
 */
static int add_block(const struct balloon_ops *ops)
{
	unsigned long block = balloon_hotplug_block_pages(), pfn;
	struct resource *res = reserve_block(ops);
	int ret;

	if (IS_ERR(res))
		return PTR_ERR(res);
	pfn = PHYS_PFN(res->start);
	/* the online callback asks whether the driver added the block */
	ret = balloon_hotplug_note_block(pfn / block);
	if (ret)
		goto err_res;
	if (ops->prepare_range) {
		ret = ops->prepare_range(pfn, block);
		if (ret)
			goto err_block;
	}
	ret = balloon_hotplug_add_range(res);
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

/* The bytes of structures and tables that an added page needs. */
static size_t page_bytes(const struct balloon_ops *ops)
{
	return sizeof(struct page) + ops->table_bytes;
}

/**
 * balloon_hotplug_cost - how much memory an added block costs the guest
 * @ops: the type of domain
 *
 * Return: pages.
 */
unsigned long balloon_hotplug_cost(const struct balloon_ops *ops)
{
	BALLOON_STUB(balloon_hotplug_cost, ops);
	return balloon_policy_block_cost(balloon_hotplug_block_pages(),
					 page_bytes(ops));
}

/**
 * balloon_hotplug_worth - leave out a last block that costs more than it brings
 * @ops: the type of domain
 * @want: pages that the target lacks
 *
 * Return: @want, or less: whole blocks.
 */
unsigned long balloon_hotplug_worth(const struct balloon_ops *ops,
				    unsigned long want)
{
	unsigned long tail = want % balloon_hotplug_block_pages();

	return tail > balloon_hotplug_cost(ops) ? want : want - tail;
}

/**
 * balloon_hotplug_add - add memory blocks with no memory behind them
 * @ops: the type of domain
 * @want: pages
 * @available: pages that the guest can spare for their structures
 *
 * Adds whole blocks, perhaps for a part of @want only, so that the call does
 * not take long.  Where auto_online_blocks says so the blocks are online on
 * return; elsewhere an administrator has to set them online.
 *
 * Context: may sleep; the caller holds no lock that the client takes.
 * Return: pages added, or a negative errno: -EOPNOTSUPP where that can never
 * work, -ENOMEM where the guest cannot afford it now.
 */
long balloon_hotplug_add(const struct balloon_ops *ops, unsigned long want,
			 unsigned long available)
{
	unsigned long nr_pages, added = 0;
	int ret = 0;

	BALLOON_STUB(balloon_hotplug_add, ops, want, available);
	want = min(want, max(MOST_ADDED, balloon_hotplug_block_pages()));
	nr_pages = balloon_policy_add(want, available,
				      balloon_hotplug_block_pages(),
				      page_bytes(ops));
	if (!balloon_hotplug_possible())
		return -EOPNOTSUPP;
	if (!nr_pages)
		return -ENOMEM;
	while (added < nr_pages) {
		ret = add_block(ops);
		if (ret)
			break;
		added += balloon_hotplug_block_pages();
	}
	return added ?: ret;
}

/**
 * balloon_hotplug_next - go through the memory that was added, from its end
 * @pfn: in: the answer of the last call, ULONG_MAX to begin; out: a piece of 2 MiB
 *	in a block that was online
 *
 * Return: false where there is no piece before @pfn.
 */
bool balloon_hotplug_next(unsigned long *pfn)
{
	unsigned long block, index, found = 0;
	void *entry;
	bool any = false;

	BALLOON_STUB(balloon_hotplug_next, pfn);
	block = *pfn / balloon_hotplug_block_pages();
	if (*pfn != ULONG_MAX && *pfn % balloon_hotplug_block_pages()) {
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
	*pfn = any ? (found + 1) * balloon_hotplug_block_pages() - BALLOON_HUGE_PAGES : 0;
	return any;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
/* Find the last block with no memory in it: all its pages are in the balloon,
 * or it never came online.  0: there is none.
 */
static unsigned long empty_block(void)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	unsigned long block = balloon_hotplug_block_pages();
	unsigned long index, found = 0;
	void *entry;

	xa_for_each(&blocks, index, entry) {
		if (entry == BLOCK_NEW ||
		    user->client->empty(user->owner, index * block, block))
			found = index * block;
	}
	return found;
}

/**
 * balloon_hotplug_removable - whether there is a block with no memory in it
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
 * balloon_hotplug_remove - remove one block with no memory in it
 *
 * Context: may sleep; the caller holds no lock that the client takes.
 * Return: pages removed; 0 where there was no such block; or a negative errno,
 * and the block is still there.
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
	ret = balloon_hotplug_remove_block(pfn);
	/* an administrator may be setting the same block offline just now */
	lock_device_hotplug();
	removing_pfn = 0;
	if (!ret)
		xa_erase(&blocks, pfn / balloon_hotplug_block_pages());
	unlock_device_hotplug();
	return ret ?: balloon_hotplug_block_pages();
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
 * balloon_hotplug_goes_online - whether the kernel sets added blocks online itself
 *
 * Return: false where auto_online_blocks says "offline".
 */
bool balloon_hotplug_goes_online(void)
{
	BALLOON_STUB(balloon_hotplug_goes_online);
	return mhp_get_default_online_type() != MMOP_OFFLINE;
}

/**
 * balloon_hotplug_possible - whether this kernel can add memory
 *
 * Return: false where the administrator forbids that, or where another driver
 * was first to be asked about memory that comes online.
 */
bool balloon_hotplug_possible(void)
{
	BALLOON_STUB(balloon_hotplug_possible);
	return balloon_hotplug_user.client;
}

/**
 * balloon_hotplug_most_pages - the largest target that is accepted
 *
 * Return: pages, up to the last address at which memory can be added.
 */
unsigned long balloon_hotplug_most_pages(void)
{
	return (balloon_hotplug_addable().end >> PAGE_SHIFT) + 1;
}

/* When the sysctl is turned off, blocks need not be kept for borrowers any
 * more.
 */
VISIBLE_IF_KUNIT int
balloon_hotplug_lending_handler(const struct ctl_table *table, int write,
				void *buffer, size_t *lenp, loff_t *ppos)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	int ret = proc_dointvec_minmax(table, write, buffer, lenp, ppos);

	if (write && !ret && user->client)
		user->client->changed(user->owner);
	return ret;
}

static const struct ctl_table balloon_table[] = {
	{
		.procname	= "hotplug_unpopulated",
		.data		= &for_lending,
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= balloon_hotplug_lending_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
};

/**
 * balloon_hotplug_init - begin to watch memory that comes online
 * @client: the functions that are told
 * @owner: their first argument
 * @may_add: false: no block is ever added
 */
void __init balloon_hotplug_init(const struct balloon_hotplug_client *client,
				 void *owner, bool may_add)
{
	int ret;

	/* programs look for the sysctl, whether it has an effect or not */
	register_sysctl_init("xen/balloon", balloon_table);
	if (!may_add)
		return;
	ret = set_online_page_callback(balloon_hotplug_online_page);
	if (ret) {
		pr_warn("another driver handles memory that comes online (%d): this guest cannot grow above its boot memory\n",
			ret);
		return;
	}
	balloon_hotplug_user = (struct balloon_hotplug_user){ client, owner };
	register_memory_notifier(&memory_nb);
}
