// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the toolstack's target in xenstore
 */

/**
 * DOC: xenbus
 *
 * The toolstack writes memory/target, in KiB.  The watch on it fires when the
 * watch is set, after every change, and again after a restore.
 *
 * The toolstack counts more for an HVM or PVH guest than the guest's memory map
 * shows: video memory, firmware, pages that Xen keeps.  The difference is the
 * guest's static-max less the pages it booted with.  The difference is taken
 * once, because the toolstack may change static-max later and means the same
 * guest.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/memory_hotplug.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <xen/xen.h>
#include <xen/xenbus.h>

#include "hotplug.h"
#include "instance.h"
#include "xenbus.h"

#ifdef CONFIG_MEMORY_HOTPLUG
/* Set by the PV setup code, which limits memory until there is a balloon. */
u64 xen_saved_max_mem_size;

static void lift_limit(void)
{
	if (xen_saved_max_mem_size)
		max_mem_size = xen_saved_max_mem_size;
}
#else
static void lift_limit(void) { }
#endif

/* A test answers the next two in the place of xenstore and Xen. */

VISIBLE_IF_KUNIT char *balloon_xenbus_read(const char *key)
{
	BALLOON_STUB(balloon_xenbus_read, key);
	return xenbus_read(XBT_NIL, "memory", key, NULL);
}

/* PV guests and dom0 know of all that the toolstack counts. */
VISIBLE_IF_KUNIT bool balloon_xenbus_has_offset(void)
{
	BALLOON_STUB(balloon_xenbus_has_offset);
	return !xen_pv_domain() && !xen_initial_domain();
}

/* Read a key under memory/, in pages. */
static int read_pages(const char *key, unsigned long *pages)
{
	unsigned long long kb;
	char *text;
	int ret;

	text = balloon_xenbus_read(key);
	if (IS_ERR(text))
		return PTR_ERR(text);
	ret = kstrtoull(text, 10, &kb);
	if (!ret)
		ret = balloon_policy_kb_to_pages(kb, PAGE_SHIFT,
						 balloon_hotplug_most_pages(), pages);
	kfree(text);
	return ret;
}

/* Return how many pages more than this guest the toolstack counts.  A
 * difference that leaves nothing of the first @target is not believed.
 */
static unsigned long toolstack_offset(const struct xen_balloon *b,
				      unsigned long target)
{
	unsigned long most, offset = 0;
	int ret;

	if (!balloon_xenbus_has_offset())
		return 0;
	ret = read_pages("static-max", &most);
	if (ret)
		ret = read_pages("memory_static_max", &most);
	if (!ret)
		offset = most - min(most, b->pages.initial);
	if (offset && offset >= target)
		ret = -ERANGE;
	if (ret) {
		pr_warn("no usable memory/static-max (%d): targets are taken as they are\n",
			ret);
		return 0;
	}
	return offset;
}

VISIBLE_IF_KUNIT void
balloon_xenbus_target_changed(struct xenbus_watch *watch, const char *path,
			      const char *token)
{
	struct xen_balloon *b = balloon_instance();
	struct balloon_toolstack *toolstack = &b->toolstack;
	unsigned long pages;
	int ret;

	/* from now on the balloon says how much memory there is */
	lift_limit();
	ret = read_pages("target", &pages);
	/* dom0 has no target unless an administrator sets one */
	if (ret == -ENOENT)
		return;
	if (ret) {
		if (!toolstack->target_bad)
			pr_warn("memory/target is no number of KiB that can be used (%d); the target stays\n",
				ret);
		toolstack->target_bad = true;
		return;
	}
	toolstack->target_bad = false;
	if (!toolstack->offset_known) {
		toolstack->offset = toolstack_offset(b, pages);
		toolstack->offset_known = true;
	}
	balloon_worker_set_target(b, pages - min(pages, toolstack->offset));
}

static struct xenbus_watch target_watch = {
	.node = "memory/target",
	.callback = balloon_xenbus_target_changed,
};

static int xenstore_up(struct notifier_block *nb, unsigned long event,
		       void *data)
{
	int ret = register_xenbus_watch(&target_watch);

	if (ret)
		pr_err("no watch on memory/target (%d): only sysfs sets the target\n",
		       ret);
	return NOTIFY_DONE;
}

static struct notifier_block xenstore_nb = {
	.notifier_call = xenstore_up,
};

/**
 * balloon_xenbus_init - watch the target as soon as xenstore is up
 */
void balloon_xenbus_init(void)
{
	register_xenstore_notifier(&xenstore_nb);
}
