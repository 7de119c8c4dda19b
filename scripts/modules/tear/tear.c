// SPDX-License-Identifier: GPL-2.0
/*
 * tear - have the balloon release 2 MiB of which Xen has one frame already
 *
 * A module for an HVM or PVH guest: gives one frame in the middle of a 2 MiB
 * extent to Xen behind the driver's back, then sees to it that the balloon gets
 * this very extent: most others are held here meanwhile, and a part of them is
 * free in smaller pieces, so that there is enough to spare.  Some are free as
 * they are, since a driver may leave the last ones alone, but the torn one comes
 * first, as it was freed last.  Then it lowers the target, and waits.
 *
 * Says "tear: left N pages to do" when all of that was done, at its loading.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>

#include <xen/balloon.h>
#include <xen/mem-reservation.h>
#include <xen/page.h>
#include <xen/xen.h>

#undef pr_fmt
#define pr_fmt(fmt) "tear: " fmt

#define ORDER		9
#define PAGES		BIT(ORDER)
#define MOST		1024

/* Extents of which all pages but a few are free: about 80 MiB. */
#define IN_PIECES	40
#define PIECE		128

/* Extents that are free beside the torn one: 64 MiB. */
#define WHOLE		32

/* How much is to go at a time, until the torn extent has gone, and how often.  A
 * driver that takes 2 MiB where it can takes it at once; one that takes pages
 * takes what is in pieces first.
 */
#define GO		(8 * PAGES)
#define ROUNDS		12

static unsigned int at = 256;
module_param(at, uint, 0);
MODULE_PARM_DESC(at, "which frame of the extent is missing");

static struct page *extents[MOST];
static unsigned int nr_extents;

static void take_all(void)
{
	struct page *page;

	while (nr_extents < MOST) {
		page = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN |
				   __GFP_NORETRY, ORDER);
		if (!page)
			break;
		extents[nr_extents++] = page;
	}
}

/* Free an extent but for the first of every PIECE pages. */
static void free_in_pieces(struct page *page)
{
	unsigned long i;

	split_page(page, ORDER);
	for (i = 0; i < PAGES; i++) {
		if (i % PIECE)
			__free_page(page + i);
	}
}

static void free_rest(struct page *page)
{
	unsigned long i;

	for (i = 0; i < PAGES; i += PIECE)
		__free_page(page + i);
}

static void wait_for_target(unsigned long target)
{
	unsigned int tries = 40;

	while (READ_ONCE(balloon_stats.current_pages) != target && --tries)
		msleep(50);
}

static int __init tear_init(void)
{
	unsigned long target = balloon_stats.current_pages;
	unsigned int i, rounds = ROUNDS;
	struct page *torn;
	xen_pfn_t frame;

	if (!xen_hvm_domain())
		return -ENODEV;
	take_all();
	if (at >= PAGES || nr_extents < IN_PIECES + WHOLE + 2) {
		pr_err("%u extents are too few\n", nr_extents);
		goto out;
	}
	for (i = 0; i < IN_PIECES; i++)
		free_in_pieces(extents[i]);

	/* the last ones may be of a zone that is asked last */
	swap(extents[(IN_PIECES + nr_extents) / 2], extents[nr_extents - 1]);
	torn = extents[--nr_extents];
	/* what it would be one larger piece with stays */
	for (i = 0; i < WHOLE; i++) {
		if (page_to_pfn(extents[nr_extents - 1]) !=
		    (page_to_pfn(torn) ^ PAGES))
			__free_pages(extents[--nr_extents], ORDER);
		else
			swap(extents[nr_extents - 1], extents[IN_PIECES]);
	}
	frame = page_to_xen_pfn(torn) + at;
	if (xenmem_reservation_decrease(1, &frame) != 1)
		pr_err("Xen does not take frame %u\n", at);
	__free_pages(torn, ORDER);
	do {
		target -= GO;
		balloon_set_new_target(target);
		wait_for_target(target);
	} while (!PageOffline(torn + at) && --rounds);

	for (i = 0; i < IN_PIECES; i++)
		free_rest(extents[i]);
out:
	for (i = nr_extents >= IN_PIECES ? IN_PIECES : 0; i < nr_extents; i++)
		__free_pages(extents[i], ORDER);
	pr_info("left %ld pages to do\n",
		(long)(balloon_stats.current_pages - target));
	return 0;
}
module_init(tear_init);

static void __exit tear_exit(void)
{
}
module_exit(tear_exit);

MODULE_DESCRIPTION("Have the balloon release a torn extent");
MODULE_LICENSE("GPL");
