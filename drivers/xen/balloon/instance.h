/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the instance, which embeds the state of every unit
 */
#ifndef _XEN_BALLOON_INSTANCE_H
#define _XEN_BALLOON_INSTANCE_H

#include <xen/balloon.h>

#include "blocks.h"
#include "common.h"
#include "mover.h"
#include "news.h"
#include "oom.h"
#include "pages.h"
#include "policy.h"
#include "report.h"
#include "reservation.h"
#include "worker.h"
#include "xenbus.h"

/**
 * struct xen_balloon - the one instance, or one that a test made
 * @stats: the counters: balloon_stats but in tests; counts of pages belong to
 *	@pages, target_pages to whoever sets a target, the rest to @worker
 * @limits: what the administrator allows
 * @news: what has happened, and who waits for it
 * @report: what administrators are shown
 * @pages: the list of ballooned pages
 * @reservation: the hypercalls
 * @mover: moves pages
 * @blocks: memory blocks that come and go
 * @worker: what steers the next step
 * @oom: what was done for a guest out of memory
 * @toolstack: what is known of the toolstack's target
 *
 * Each member belongs to the unit of its name, and its struct says what
 * protects it.  Other units call that unit's functions and read what its header
 * describes.  Two more write: lending counts lent pages in @stats, and boot the
 * first target.
 */
struct xen_balloon {
	struct balloon_stats *stats;
	struct balloon_limits limits;
	struct balloon_news news;
	struct balloon_report report;
	struct balloon_pages pages;
	struct balloon_reservation reservation;
	struct balloon_mover mover;
	struct balloon_blocks blocks;
	struct balloon_worker worker;
	struct balloon_oom oom;
	struct balloon_toolstack toolstack;
};

struct xen_balloon *balloon_instance(void);
void balloon_instance_init(struct xen_balloon *b, struct balloon_stats *stats,
			   const struct balloon_ops *ops);

#endif /* _XEN_BALLOON_INSTANCE_H */
