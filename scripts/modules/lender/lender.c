// SPDX-License-Identifier: GPL-2.0
/*
 * lender - how long a driver waits for a lent page while the balloon runs
 *
 * A module for a guest: sets a target, and until it is met asks for one page
 * after the other, as a driver does that maps foreign memory; each goes back at
 * once.  The first is asked for before the balloon has moved anything.
 *
 *   bench-lender: waits=N worst_ns=N refused=N met=0|1
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>

#include <xen/balloon.h>
#include <xen/xen.h>

#undef pr_fmt
#define pr_fmt(fmt) "bench-lender: " fmt

/* between two pages, and for the balloon */
#define PAUSE_MS	2
#define LIMIT		(120 * HZ)

static int kib;
module_param(kib, int, 0);
MODULE_PARM_DESC(kib, "how much more the guest shall hold, or (negative) less");

static unsigned long waits, refused;
static u64 worst;

static void borrow(void)
{
	u64 start = ktime_get_ns();
	struct page *page;
	int ret;

	ret = xen_alloc_ballooned_pages(1, &page);
	worst = max(worst, ktime_get_ns() - start);
	waits++;
	if (ret)
		refused++;
	else
		xen_free_ballooned_pages(1, &page);
}

static int __init lender_init(void)
{
	unsigned long end = jiffies + LIMIT, target;
	bool met = false;

	if (!xen_domain())
		return -ENODEV;
	target = balloon_stats.current_pages + kib / (int)(PAGE_SIZE / 1024);
	balloon_set_new_target(target);
	while (!met && time_before(jiffies, end)) {
		borrow();
		msleep(PAUSE_MS);
		met = READ_ONCE(balloon_stats.current_pages) == target;
	}
	pr_info("waits=%lu worst_ns=%llu refused=%lu met=%d\n", waits, worst,
		refused, met);
	return 0;
}
module_init(lender_init);

static void __exit lender_exit(void)
{
}
module_exit(lender_exit);

MODULE_DESCRIPTION("How long a lender of Xen's balloon waits for a page");
MODULE_LICENSE("GPL");
