// SPDX-License-Identifier: GPL-2.0
/*
 * reserve - single pages to Xen and back, by a driver of its own
 *
 * A module for a guest: does with <xen/mem-reservation.h> what grant-table.c
 * does for memory that a device is to reach.  At its loading 256 pages go to
 * Xen, and the addresses of the guest stay; when it is removed Xen is asked for
 * memory at the same addresses, which has to be mapped and to hold what is
 * written there.  The balloon knows of none of this.
 *
 *   reserve: Xen took N pages
 *   reserve: N pages hold what was written
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

#include <xen/mem-reservation.h>
#include <xen/page.h>
#include <xen/xen.h>

#undef pr_fmt
#define pr_fmt(fmt) "reserve: " fmt

#define PAGES	256

static struct page *pages[PAGES];
static xen_pfn_t frames[PAGES];
static unsigned int taken;

static void free_first(unsigned int nr)
{
	while (nr--)
		__free_page(pages[nr]);
}

static int __init reserve_init(void)
{
	unsigned int i;
	int ret;

	if (!xen_domain())
		return -ENODEV;
	for (i = 0; i < PAGES; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i]) {
			free_first(i);
			return -ENOMEM;
		}
		/* in a PV guest nobody knows it once the mapping has gone */
		frames[i] = xen_page_to_gfn(pages[i]);
	}
	xenmem_reservation_va_mapping_reset(PAGES, pages);
	ret = xenmem_reservation_decrease(PAGES, frames);
	taken = clamp(ret, 0, PAGES);
	pr_info("Xen took %d pages\n", ret);
	/* what Xen did not take has no mapping any more: it stays here */
	return 0;
}
module_init(reserve_init);

/* Whether a page holds what was written everywhere. */
static bool holds(struct page *page)
{
	u64 *words = page_address(page);
	unsigned int i = 0;

	while (i < PAGE_SIZE / sizeof(*words) && words[i] == page_to_pfn(page))
		i++;
	return i == PAGE_SIZE / sizeof(*words);
}

static void __exit reserve_exit(void)
{
	unsigned int i, whole = 0;
	int ret;

	for (i = 0; i < taken; i++)
		frames[i] = page_to_xen_pfn(pages[i]);
	ret = xenmem_reservation_increase(taken, frames);
	if (ret < (int)taken)
		pr_err("Xen gave %d pages of %u\n", ret, taken);
	taken = clamp_t(int, ret, 0, taken);
	xenmem_reservation_va_mapping_update(taken, pages, frames);

	/* all of them first: no two may have got the same frame */
	for (i = 0; i < taken; i++)
		memset64(page_address(pages[i]), page_to_pfn(pages[i]),
			 PAGE_SIZE / sizeof(u64));
	for (i = 0; i < taken; i++)
		whole += holds(pages[i]);
	pr_info("%u pages hold what was written\n", whole);
	free_first(taken);
}
module_exit(reserve_exit);

MODULE_DESCRIPTION("Single pages to Xen and back");
MODULE_LICENSE("GPL");
