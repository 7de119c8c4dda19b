// SPDX-License-Identifier: GPL-2.0
/*
 * keep - a driver that gives a borrowed page back and goes on using it
 *
 * A module for a guest: borrows pages of the balloon, takes a reference to one of
 * them, and gives all of them back.  To populate that one would put memory
 * behind what may be foreign; the balloon must not.
 */
#include <linux/mm.h>
#include <linux/module.h>

#include <xen/balloon.h>
#include <xen/xen.h>

#define PAGES	16

static struct page *pages[PAGES];

static int __init keep_init(void)
{
	int ret;

	if (!xen_domain())
		return -ENODEV;
	ret = xen_alloc_ballooned_pages(PAGES, pages);
	if (ret)
		return ret;
	get_page(pages[PAGES / 2]);
	xen_free_ballooned_pages(PAGES, pages);
	return 0;
}
module_init(keep_init);

static void __exit keep_exit(void)
{
}
module_exit(keep_exit);

MODULE_DESCRIPTION("Gives a borrowed page back and goes on using it");
MODULE_LICENSE("GPL");
