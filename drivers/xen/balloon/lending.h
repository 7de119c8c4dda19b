/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: pages lent to other drivers
 */
#ifndef _XEN_BALLOON_LENDING_H
#define _XEN_BALLOON_LENDING_H

#include "common.h"

struct page;
struct xen_balloon;

int balloon_lending_borrow(struct xen_balloon *b, unsigned int nr_pages,
			   struct page **pages);
void balloon_lending_give_back(struct xen_balloon *b, unsigned int nr_pages,
			       struct page **pages);

#endif /* _XEN_BALLOON_LENDING_H */
