// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the memory hotplug core of the kernel
 */

/**
 * DOC: hotplug
 *
 * Memory above what the guest booted with needs struct pages before it can come
 * from Xen.  So memory blocks are added at a free range of physical addresses,
 * with no memory behind them.  When such a block is set online its pages are
 * handed to the balloon, and the worker populates them like all others.
 *
 * The kernel calls one function for the pages of every memory block that comes
 * online.  The kernel gets the pages of blocks that the driver did not add.
 * The kernel also gets the pages of an added block that went offline with
 * memory behind it.
 */

#include <linux/device.h>
#include <linux/init.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/sysctl.h>

#ifdef CONFIG_X86
#include <asm/e820/api.h>
#endif

#include "hotplug.h"

VISIBLE_IF_KUNIT struct balloon_hotplug_user balloon_hotplug_user;

static int for_lending;

/**
 * balloon_hotplug_block_pages - the size of a memory block
 *
 * Return: pages.
 */
unsigned long balloon_hotplug_block_pages(void)
{
	BALLOON_STUB(balloon_hotplug_block_pages);
	return memory_block_size_bytes() >> PAGE_SHIFT;
}

/* --- events of the memory hotplug core ---------------------------------- */

VISIBLE_IF_KUNIT void balloon_hotplug_online_page(struct page *page,
						  unsigned int order)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;

	if (!user->client->online_page(user->owner, page, 1UL << order))
		generic_online_page(page, order);
}

/* Pass an event on.  The core sets blocks online and offline one by one. */
VISIBLE_IF_KUNIT int balloon_hotplug_memory_event(struct notifier_block *nb,
						  unsigned long event,
						  void *data)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	struct memory_notify *notify = data;

	switch (event) {
	case MEM_ONLINE:
	case MEM_GOING_OFFLINE:
	case MEM_CANCEL_OFFLINE:
	case MEM_OFFLINE:
		return notifier_from_errno(user->client->event(user->owner, event,
							       notify->start_pfn));
	default:
		return NOTIFY_OK;
	}
}

static struct notifier_block memory_nb = {
	.notifier_call = balloon_hotplug_memory_event,
};

/* --- adding and removing ------------------------------------------------ */

VISIBLE_IF_KUNIT struct range balloon_hotplug_addable(void)
{
	BALLOON_STUB(balloon_hotplug_addable);
	return mhp_get_pluggable_range(true);
}

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

/**
 * balloon_hotplug_reserve - reserve physical addresses for a memory block
 * @last_pfn: the first PFN that no memory may have
 *
 * Return: a range that is free, and not RAM; or an ERR_PTR.
 */
struct resource *balloon_hotplug_reserve(unsigned long last_pfn)
{
	resource_size_t size = (u64)balloon_hotplug_block_pages() << PAGE_SHIFT;
	struct range where = balloon_hotplug_addable();
	struct resource *res;
	int ret;

	BALLOON_STUB(balloon_hotplug_reserve, last_pfn);
	if (last_pfn <= PHYS_PFN(where.end))
		where.end = PFN_PHYS((u64)last_pfn) - 1;
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

/**
 * balloon_hotplug_release - undo balloon_hotplug_reserve()
 * @res: what it returned
 */
void balloon_hotplug_release(struct resource *res)
{
	BALLOON_STUB(balloon_hotplug_release, res);
	release_resource(res);
	kfree(res);
}

/**
 * balloon_hotplug_add - add a memory block with no memory behind it
 * @res: the addresses; after success the resource belongs to the core, which
 *	may merge it with others
 *
 * Where auto_online_blocks says so, the block is online on return.  Otherwise
 * an administrator has to set the block online.
 *
 * Context: may sleep, and waits for locks of the core; the caller holds no lock
 * that the functions of the client take.
 * Return: 0 or a negative errno.
 */
int balloon_hotplug_add(struct resource *res)
{
	int ret;

	BALLOON_STUB(balloon_hotplug_add, res);
	lock_device_hotplug();
	ret = add_memory_resource(memory_add_physaddr_to_nid(res->start), res,
				  MHP_MERGE_RESOURCE);
	unlock_device_hotplug();
	return ret;
}

#ifdef CONFIG_MEMORY_HOTREMOVE
/**
 * balloon_hotplug_remove - set a memory block offline and remove it
 * @pfn: its first page
 *
 * Context: as for balloon_hotplug_add().
 * Return: 0, or a negative errno and the block is still there.
 */
int balloon_hotplug_remove(unsigned long pfn)
{
	BALLOON_STUB(balloon_hotplug_remove, pfn);
	return offline_and_remove_memory(PFN_PHYS(pfn),
					 memory_block_size_bytes());
}
#endif

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
 * balloon_hotplug_goes_online - whether the kernel sets added blocks online
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
 * has registered its callback for memory that comes online.
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

/* Tell the client that the sysctl was written. */
VISIBLE_IF_KUNIT int
balloon_hotplug_lending_handler(const struct ctl_table *table, int write,
				void *buffer, size_t *lenp, loff_t *ppos)
{
	struct balloon_hotplug_user *user = &balloon_hotplug_user;
	int ret = proc_dointvec_minmax(table, write, buffer, lenp, ppos);

	if (write && !ret && user->client)
		user->client->setting(user->owner);
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
 * @client: the functions to call
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
