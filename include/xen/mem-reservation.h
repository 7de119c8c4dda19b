/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen memory reservation: single pages to Xen and back, for drivers that do
 * their own bookkeeping
 */
#ifndef _XENMEM_RESERVATION_H
#define _XENMEM_RESERVATION_H

#include <linux/highmem.h>

#include <xen/page.h>
#include <xen/xen.h>

extern bool xen_scrub_pages;

/**
 * xenmem_reservation_scrub_page - clear a page before Xen gets it
 * @page: the page; nothing is done to it where scrubbing is off
 */
static inline void xenmem_reservation_scrub_page(struct page *page)
{
	if (xen_scrub_pages)
		clear_highpage(page);
}

#ifdef CONFIG_XEN_HAVE_PVMMU
void __xenmem_reservation_va_mapping_update(unsigned long count,
					    struct page **pages,
					    xen_pfn_t *frames);
void __xenmem_reservation_va_mapping_reset(unsigned long count,
					   struct page **pages);
#else
static inline void __xenmem_reservation_va_mapping_update(unsigned long count,
							  struct page **pages,
							  xen_pfn_t *frames)
{
}

static inline void __xenmem_reservation_va_mapping_reset(unsigned long count,
							 struct page **pages)
{
}
#endif

/**
 * xenmem_reservation_va_mapping_update - map pages to frames that Xen gave
 * @count: how many pages
 * @pages: the pages
 * @frames: the frame of each
 *
 * Does nothing but in PV guests.
 */
static inline void xenmem_reservation_va_mapping_update(unsigned long count,
							struct page **pages,
							xen_pfn_t *frames)
{
	if (xen_pv_domain())
		__xenmem_reservation_va_mapping_update(count, pages, frames);
}

/**
 * xenmem_reservation_va_mapping_reset - unmap pages that Xen is to get
 * @count: how many pages
 * @pages: the pages
 *
 * Does nothing but in PV guests.
 */
static inline void xenmem_reservation_va_mapping_reset(unsigned long count,
						       struct page **pages)
{
	if (xen_pv_domain())
		__xenmem_reservation_va_mapping_reset(count, pages);
}

int xenmem_reservation_increase(int count, xen_pfn_t *frames);
int xenmem_reservation_decrease(int count, xen_pfn_t *frames);

#endif /* _XENMEM_RESERVATION_H */
