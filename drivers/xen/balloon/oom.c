// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: memory back for a guest that has run out of it
 */

/**
 * DOC: oom
 *
 * With xen.balloon_deflate_on_oom the balloon is asked before the OOM killer
 * kills: it takes back what it can have at once, up to 16 MiB, and gives
 * nothing for some seconds.  The target stays as the host set it, so what was
 * taken back goes again when the guest can spare it.
 *
 * A notifier of the OOM killer, and not a shrinker: a shrinker would give back
 * under any pressure what the host has just asked for.  Off by default, since a
 * toolstack that lowers the cap of the domain along with its target leaves
 * nothing to be had.
 */

#include <linux/crash_dump.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/oom.h>

#include <xen/xen.h>

#include "internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "xen."

static bool balloon_deflate_on_oom;
module_param(balloon_deflate_on_oom, bool, 0444);

static int out_of_memory_soon(struct notifier_block *nb, unsigned long unused,
			      void *data)
{
	unsigned long *freed = data;

	*freed += xen_balloon_rescue(xen_balloon_instance());
	return NOTIFY_OK;
}

static struct notifier_block oom_nb = {
	.notifier_call = out_of_memory_soon,
};

static int __init balloon_oom_init(void)
{
	/* a crash kernel has no balloon to take from */
	if (!xen_domain() || !balloon_deflate_on_oom || is_kdump_kernel() ||
	    !xen_balloon_instance()->stats->total_pages)
		return 0;
	return register_oom_notifier(&oom_nb);
}
device_initcall(balloon_oom_init);
