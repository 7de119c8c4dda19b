// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of the files that it makes, through the files
 *
 * They are made as at boot, and looked for where administrators find them, in a
 * mount that nobody else sees.  A test reads them in its own task, so what they
 * show is its own instance.  In a domain the driver has made them, and its
 * instance is the one that they belong to.
 */

#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <xen/xen.h>

#include "debugfs.h"
#include "sim.h"
#include "sysfs.h"

#define SHOWN	8192

static struct vfsmount *mount_of(struct kunit *test, const char *type)
{
	struct vfsmount *mnt = kern_mount(get_fs_type(type));

	KUNIT_ASSERT_FALSE(test, IS_ERR(mnt));
	return mnt;
}

static int files_test_init(struct kunit *test)
{
	if (xen_domain())
		kunit_skip(test, "the files of this domain are the driver's");
	return sim_test_init(test);
}

#ifdef CONFIG_XEN_BALLOON
/**
 * struct attribute_file - a file of sysfs that programs know
 * @path: under xen_memory0
 * @mode: its mode
 */
struct attribute_file {
	const char *path;
	umode_t mode;
};

static const struct attribute_file attribute_files[] = {
	{ "target", 0644 },
	{ "target_kb", 0644 },
	{ "schedule_delay", 0444 },
	{ "max_schedule_delay", 0644 },
	{ "retry_count", 0444 },
	{ "max_retry_count", 0644 },
	{ "scrub_pages", 0644 },
	{ "min_kb", 0644 },
	{ "max_lent_kb", 0644 },
	{ "info/current_kb", 0444 },
	{ "info/low_kb", 0444 },
	{ "info/high_kb", 0444 },
	{ "info/quarantined_kb", 0444 },
	{ "info/shortfall_kb", 0444 },
	{ "info/state", 0444 },
	{ "info/last_error", 0444 },
};

static int no_memory(struct device *dev)
{
	return -ENOMEM;
}

/* A device that cannot be added leaves nothing behind, and nothing to warn of. */
static void files_sysfs_fails(struct kunit *test)
{
	kunit_activate_static_stub(test, balloon_sysfs_add, no_memory);
	sim_said("");
	balloon_sysfs_init();
	KUNIT_EXPECT_EQ(test, sim_said("no attributes (-12)"), 1);
	KUNIT_EXPECT_EQ(test, sim_said("release()"), 0);
}

/* What is registered at boot stays, and a second time there is no room. */
static void files_sysfs(struct kunit *test)
{
	struct vfsmount *mnt;
	unsigned int i;

	sim_said("");
	xen_balloon_init();
	KUNIT_EXPECT_EQ(test, sim_said("no attributes"), 0);
	balloon_sysfs_init();
	KUNIT_EXPECT_EQ(test, sim_said("no attributes (-17)"), 1);
	mnt = mount_of(test, "sysfs");
	for (i = 0; i < ARRAY_SIZE(attribute_files); i++) {
		const struct attribute_file *want = &attribute_files[i];
		char path[96], text[64];
		struct file *file;
		loff_t at = 0;

		snprintf(path, sizeof(path),
			 "devices/system/xen_memory/xen_memory0/%s",
			 want->path);
		file = file_open_root_mnt(mnt, path, O_RDONLY, 0);
		KUNIT_EXPECT_FALSE_MSG(test, IS_ERR(file), "%s", path);
		if (IS_ERR(file))
			continue;
		KUNIT_EXPECT_EQ_MSG(test, file_inode(file)->i_mode & 07777,
				    want->mode, "%s", path);
		KUNIT_EXPECT_GT_MSG(test, kernel_read(file, text, sizeof(text),
						      &at), 0, "%s", path);
		fput(file);
	}
	kern_unmount(mnt);
}
#endif

#ifdef CONFIG_DEBUG_FS
static const char stats_text[] =
	"release_page calls=1 extents=2 refused=3\n"
	"release_2m calls=4 extents=5 refused=6\n"
	"release longest_ns=7\n"
	"populate_page calls=8 extents=9 refused=10\n"
	"populate_2m calls=11 extents=12 refused=13\n"
	"populate longest_ns=14\n"
	"lock longest_ns=15\n"
	"steps_idle 20\n"
	"steps_inflating 21\n"
	"steps_deflating 22\n"
	"steps_adding 23\n"
	"steps_guest-low 24\n"
	"steps_host-full 25\n"
	"steps_wait-online 26\n"
	"steps_cancelled 27\n"
	"oom calls=16 pages=17\n";

static void __init files_stats(struct kunit *test)
{
	struct seq_file out = { .size = SHOWN }, *m;
	struct sim *sim = test->priv;
	struct vfsmount *mnt;
	struct file *file;
	unsigned int i;

	sim->b.reservation = (struct balloon_reservation){
		.calls = { { 1, 4 }, { 8, 11 } },
		.extents = { { 2, 5 }, { 9, 12 } },
		.refused = { { 3, 6 }, { 10, 13 } },
		.longest_ns = { 7, 14 },
	};
	sim->b.mover.longest_hold_ns = 15;
	sim->b.oom = (struct balloon_oom){ .rescues = 16, .rescued = 17 };
	for (i = 0; i < BALLOON_NR_STATES; i++)
		sim->b.worker.steps[i] = 20 + i;
	out.buf = kunit_kzalloc(test, SHOWN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, out.buf);

	balloon_debugfs_init(&sim->b);
	mnt = mount_of(test, "debugfs");
	file = file_open_root_mnt(mnt, "xen-balloon/stats", O_RDONLY, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR(file));
	if (!IS_ERR(file)) {
		KUNIT_EXPECT_EQ(test, file_inode(file)->i_mode & 07777, 0444);
		/* its reader would have to be in user space */
		m = file->private_data;
		out.private = m->private;
		KUNIT_EXPECT_EQ(test, m->op->show(&out, NULL), 0);
		KUNIT_EXPECT_STREQ(test, out.buf, stats_text);
		KUNIT_EXPECT_FALSE(test, mutex_is_locked(&sim->b.mover.lock));
		fput(file);
	}
	kern_unmount(mnt);
	debugfs_lookup_and_remove("xen-balloon", NULL);
}
#endif

static struct kunit_case __refdata files_test_cases[] = {
#ifdef CONFIG_XEN_BALLOON
	KUNIT_CASE(files_sysfs_fails),
	KUNIT_CASE(files_sysfs),
#endif
#ifdef CONFIG_DEBUG_FS
	KUNIT_CASE(files_stats),
#endif
	{}
};

static struct kunit_suite __refdata files_suite = {
	.name = "xen-balloon-files",
	.init = files_test_init,
	.exit = sim_test_exit,
	.test_cases = files_test_cases,
};

kunit_test_init_section_suites(&files_suite);
