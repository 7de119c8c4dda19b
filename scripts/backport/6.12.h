/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the Xen balloon driver uses and Linux 6.12 lacks; scripts/overlay has
 * every file of the driver include it in that kernel, and in no other.
 */
#ifndef _XEN_BALLOON_BACKPORT_H
#define _XEN_BALLOON_BACKPORT_H

#ifndef __ASSEMBLY__
#include <linux/mm.h>
#include <linux/pgalloc_tag.h>
#include <linux/sysctl.h>
#include <linux/vmstat.h>

/* 6.16 counts ballooned pages per node; before that nobody does */
#define NR_BALLOON_PAGES	NR_VM_NODE_STAT_ITEMS

static inline void balloon_mod_node_page_state(struct pglist_data *pgdat,
					       enum node_stat_item item,
					       long delta)
{
	if (item < NR_VM_NODE_STAT_ITEMS)
		mod_node_page_state(pgdat, item, delta);
}
/* a macro already where there is one CPU */
#undef mod_node_page_state
#define mod_node_page_state balloon_mod_node_page_state

/* 7.x frees a whole extent at once */
static inline void free_reserved_pages(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		clear_page_tag_ref(page + i);
		ClearPageReserved(page + i);
		set_page_count(page + i, 0);
	}
	set_page_count(page, 1);
	adjust_managed_page_count(page, 1L << order);
	__free_pages(page, order);
}

/* later the flags of alloc_contig_range() took the place of the migrate type */
#define ACR_FLAGS_NONE	MIGRATE_MOVABLE

/* flags of a mapping were an unsigned long */
#define EMPTY_VMA_FLAGS	0

/* the table became const later */
#undef register_sysctl_init
#ifdef CONFIG_SYSCTL
#define register_sysctl_init(path, table)				\
	__register_sysctl_init(path, (struct ctl_table *)(table), #table, \
			       ARRAY_SIZE(table))
#else
#define register_sysctl_init(path, table)	((void)(table))
#endif

#endif /* !__ASSEMBLY__ */
#endif /* _XEN_BALLOON_BACKPORT_H */
