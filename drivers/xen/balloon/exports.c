// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: what other drivers call
 */

#include <linux/export.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>

#include <xen/balloon.h>
#include <xen/interface/xen.h>
#include <xen/interface/memory.h>
#include <xen/mem-reservation.h>

#include "instance.h"
#include "lending.h"
#include "ops_pv.h"
#include "sysfs.h"

struct balloon_stats balloon_stats;
EXPORT_SYMBOL_GPL(balloon_stats);

bool __read_mostly xen_scrub_pages = IS_ENABLED(CONFIG_XEN_SCRUB_PAGES_DEFAULT);
core_param(xen_scrub_pages, xen_scrub_pages, bool, 0);

/**
 * balloon_set_new_target - set what the guest should hold
 * @pages: pages
 *
 * The worker starts at once, also where this was the target before.
 *
 * Context: any.
 */
void balloon_set_new_target(unsigned long pages)
{
	balloon_worker_set_target(balloon_instance(), pages);
}
EXPORT_SYMBOL_GPL(balloon_set_new_target);

#ifdef CONFIG_XEN_BALLOON
/**
 * xen_balloon_init - make the balloon known to administrators and toolstacks
 */
void xen_balloon_init(void)
{
	balloon_sysfs_init();
	balloon_xenbus_init();
}
EXPORT_SYMBOL_GPL(xen_balloon_init);
#endif

/* --- lending ------------------------------------------------------------ */

/**
 * xen_alloc_ballooned_pages - borrow pages with no memory behind them
 * @nr_pages: how many
 * @pages: the pages go there
 *
 * Context: may sleep, but only where the balloon has too few pages; up to 5 s
 * for each time that memory is added.
 * Return: 0, or a negative errno with nothing borrowed.
 */
int xen_alloc_ballooned_pages(unsigned int nr_pages, struct page **pages)
{
	return balloon_lending_borrow(balloon_instance(), nr_pages, pages);
}
EXPORT_SYMBOL(xen_alloc_ballooned_pages);

/**
 * xen_free_ballooned_pages - give borrowed pages back
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * Context: may sleep.
 */
void xen_free_ballooned_pages(unsigned int nr_pages, struct page **pages)
{
	balloon_lending_give_back(balloon_instance(), nr_pages, pages);
}
EXPORT_SYMBOL(xen_free_ballooned_pages);

/**
 * alloc_xenballooned_pages - borrow pages with no memory behind them
 * @nr_pages: how many
 * @pages: the pages go there
 *
 * The older name of xen_alloc_ballooned_pages().
 *
 * Return: 0, or a negative errno with nothing borrowed.
 */
int alloc_xenballooned_pages(int nr_pages, struct page **pages)
{
	return nr_pages < 0 ? -EINVAL :
			      xen_alloc_ballooned_pages(nr_pages, pages);
}
EXPORT_SYMBOL(alloc_xenballooned_pages);

/**
 * free_xenballooned_pages - give borrowed pages back
 * @nr_pages: how many
 * @pages: the pages; entries that are NULL are skipped
 *
 * The older name of xen_free_ballooned_pages().
 */
void free_xenballooned_pages(int nr_pages, struct page **pages)
{
	if (nr_pages > 0)
		xen_free_ballooned_pages(nr_pages, pages);
}
EXPORT_SYMBOL(free_xenballooned_pages);

/* --- single pages to Xen and back --------------------------------------- */

/**
 * xenmem_reservation_increase - have Xen put memory behind pages
 * @count: how many pages
 * @frames: their PFNs, in units of 4 KiB; in PV guests replaced by the MFNs
 *
 * Return: how many of them, from the first on, are populated; or a negative
 * errno.
 */
int xenmem_reservation_increase(int count, xen_pfn_t *frames)
{
	return balloon_reservation_memory_op(XENMEM_populate_physmap, frames, count,
					     BALLOON_XEN_ORDER);
}
EXPORT_SYMBOL_GPL(xenmem_reservation_increase);

/**
 * xenmem_reservation_decrease - give pages to Xen
 * @count: how many pages
 * @frames: their GFNs
 *
 * Return: how many of them, from the first on, are Xen's; or a negative errno.
 */
int xenmem_reservation_decrease(int count, xen_pfn_t *frames)
{
	return balloon_reservation_memory_op(XENMEM_decrease_reservation, frames, count,
					     BALLOON_XEN_ORDER);
}
EXPORT_SYMBOL_GPL(xenmem_reservation_decrease);

#ifdef CONFIG_XEN_HAVE_PVMMU
/**
 * __xenmem_reservation_va_mapping_update - map pages to frames that Xen gave
 * @count: how many pages
 * @pages: the pages
 * @frames: the MFN of each
 *
 * PV guests only.  Warns once where a page cannot be mapped; the p2m entry of
 * such a page is invalid.
 */
void __xenmem_reservation_va_mapping_update(unsigned long count,
					    struct page **pages,
					    xen_pfn_t *frames)
{
	unsigned long i, nr;

	BUILD_BUG_ON(XEN_PAGE_SIZE != PAGE_SIZE);

	for (i = 0; i < count; i += nr) {
		DECLARE_BITMAP(failed, BALLOON_PV_CHUNK) = {};

		nr = min(count - i, BALLOON_PV_CHUNK);
		balloon_pv_map(pages + i, frames + i, nr, failed);
		WARN_ONCE(!bitmap_empty(failed, nr),
			  "xen: page %#lx has no mapping\n",
			  page_to_pfn(pages[i + find_first_bit(failed, nr)]));
	}
}
EXPORT_SYMBOL_GPL(__xenmem_reservation_va_mapping_update);

/**
 * __xenmem_reservation_va_mapping_reset - unmap pages that Xen is to get
 * @count: how many pages
 * @pages: the pages
 *
 * PV guests only.  Warns once where a page stays mapped.  Xen would take such a
 * page all the same, and free it once the mapping has gone.
 */
void __xenmem_reservation_va_mapping_reset(unsigned long count,
					   struct page **pages)
{
	unsigned long i = 0, nr, done;

	while (i < count) {
		nr = min(count - i, BALLOON_PV_CHUNK);
		done = balloon_pv_unmap(pages + i, nr);
		i += done;
		if (done == nr)
			continue;
		WARN_ONCE(1, "xen: page %#lx keeps its mapping\n",
			  page_to_pfn(pages[i]));
		i++;
	}
}
EXPORT_SYMBOL_GPL(__xenmem_reservation_va_mapping_reset);
#endif /* CONFIG_XEN_HAVE_PVMMU */
