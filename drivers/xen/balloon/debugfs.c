// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: counters for those who look closely
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>

#include "internal.h"

static int stats_show(struct seq_file *m, void *unused)
{
	static const char * const direction[] = { "release", "populate" };
	static const char * const size[] = { "page", "2m" };
	struct xen_balloon *b = m->private;
	struct balloon_counters *c = &b->counters;
	unsigned int i, j;

	mutex_lock(&b->batch_lock);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++)
			seq_printf(m, "%s_%s calls=%lu extents=%lu refused=%lu\n",
				   direction[i], size[j], c->calls[i][j],
				   c->extents[i][j], c->refused[i][j]);
		seq_printf(m, "%s longest_ns=%llu\n", direction[i],
			   c->longest_ns[i]);
	}
	seq_printf(m, "lock longest_ns=%llu\n", c->longest_hold_ns);
	for (i = 0; i < BALLOON_NR_STATES; i++)
		seq_printf(m, "steps_%s %lu\n", xen_balloon_state_text(i),
			   c->steps[i]);
	seq_printf(m, "oom calls=%lu pages=%lu\n", c->rescues, c->rescued);
	mutex_unlock(&b->batch_lock);
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
	balloon_faults_init(dir);
}
