// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: counters for developers
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "instance.h"
#include "reservation.h"

static int stats_show(struct seq_file *m, void *unused)
{
	static const char * const direction[] = { "release", "populate" };
	static const char * const size[] = { "page", "2m" };
	struct xen_balloon *b = m->private;
	struct balloon_reservation *res = &b->reservation;
	unsigned int i, j;

	mutex_lock(&b->mover.lock);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++)
			seq_printf(m, "%s_%s calls=%lu extents=%lu refused=%lu\n",
				   direction[i], size[j], res->calls[i][j],
				   res->extents[i][j], res->refused[i][j]);
		seq_printf(m, "%s longest_ns=%llu\n", direction[i],
			   res->longest_ns[i]);
	}
	seq_printf(m, "lock longest_ns=%llu\n", b->mover.longest_hold_ns);
	for (i = 0; i < BALLOON_NR_STATES; i++)
		seq_printf(m, "steps_%s %lu\n", balloon_report_state_text(i),
			   b->worker.steps[i]);
	seq_printf(m, "oom calls=%lu pages=%lu\n", b->oom.rescues,
		   b->oom.rescued);
	balloon_mover_unlock(&b->mover);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/**
 * balloon_debugfs_init - show the counters of an instance
 * @b: the instance
 */
void __init balloon_debugfs_init(struct xen_balloon *b)
{
	struct dentry *dir = debugfs_create_dir("xen-balloon", NULL);

	debugfs_create_file("stats", 0444, dir, b, &stats_fops);
	balloon_reservation_faults(dir);
}
