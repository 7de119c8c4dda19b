// SPDX-License-Identifier: GPL-2.0
/*
 * Brings what gcov counted out of the kernel, over its console, when it ends or
 * when /sys/module/coverage/parameters/print is written.
 *
 * scripts/overlay puts this into the tree for scripts/coverage.  The driver's
 * objects alone are counted, and gcc lists them in a section, so the kernel's
 * own gcov support, for which nearly everything would have to be compiled
 * again, is not needed but for the one file that knows gcc's format.
 */

#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/vmalloc.h>

#include "../kernel/gcov/gcc_4_7.c"

#define BYTES	64

extern struct gcov_info *__start_xen_balloon_gcov[];
extern struct gcov_info *__stop_xen_balloon_gcov[];

void __gcov_merge_add(gcov_type *counters, unsigned int n);
void __gcov_merge_add(gcov_type *counters, unsigned int n)
{
}

/* What the kernel's gcov support has beside that file. */

size_t store_gcov_u32(void *buffer, size_t at, u32 value)
{
	if (buffer)
		memcpy(buffer + at, &value, sizeof(value));
	return sizeof(value);
}

/* the lower half first */
size_t store_gcov_u64(void *buffer, size_t at, u64 value)
{
	if (buffer)
		memcpy(buffer + at, &value, sizeof(value));
	return sizeof(value);
}

static void print_one(struct gcov_info *info)
{
	size_t size = convert_to_gcda(NULL, info), at;
	char *data = vmalloc(size);

	if (!data)
		return;
	convert_to_gcda(data, info);
	pr_info("gcda file %s %zu\n", gcov_info_filename(info), size);
	for (at = 0; at < size; at += BYTES)
		pr_info("gcda %*phN\n", (int)min(size - at, (size_t)BYTES),
			data + at);
	vfree(data);
}

static void print_all(void)
{
	struct gcov_info **info;

	for (info = __start_xen_balloon_gcov;
	     info < __stop_xen_balloon_gcov; info++)
		print_one(*info);
	pr_info("gcda end\n");
}

static int print_when_asked(const char *val, const struct kernel_param *kp)
{
	print_all();
	return 0;
}

static const struct kernel_param_ops print_ops = { .set = print_when_asked };

module_param_cb(print, &print_ops, NULL, 0200);

static int print_at_end(struct notifier_block *nb, unsigned long event,
			void *data)
{
	print_all();
	return NOTIFY_DONE;
}

static struct notifier_block at_end = { .notifier_call = print_at_end };

static int __init coverage_init(void)
{
	return register_reboot_notifier(&at_end);
}
early_initcall(coverage_init);
