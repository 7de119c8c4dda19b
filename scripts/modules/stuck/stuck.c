// SPDX-License-Identifier: GPL-2.0
/*
 * stuck - a page that cannot be moved until stuck.release is set
 *
 * A module for a guest.  The module puts a page into the page cache.  The
 * kernel may move this page, for example to empty a memory block, but has to
 * wait until stuck.release is set, as for a file system whose server does not
 * answer (FUSE, NFS).  The page lies where the guest puts movable memory first.
 *
 *   stuck: page at frame N
 *   stuck: somebody waits for it
 *   stuck: borrowed N pages in N ms
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>

#include <xen/balloon.h>

#undef pr_fmt
#define pr_fmt(fmt) "stuck: " fmt

/* later kernels have a type of their own for flags of a mapping */
#ifndef EMPTY_VMA_FLAGS
#define EMPTY_VMA_FLAGS	0
#endif

#define PAGES	1024

static bool release;
module_param(release, bool, 0644);
MODULE_PARM_DESC(release, "the page can be moved from now on");

static struct address_space_operations stuck_ops;
static const struct address_space_operations *real_ops;
static struct page *pages[PAGES];
static struct file *file;

static int stuck_migrate(struct address_space *mapping, struct folio *to,
			 struct folio *from, enum migrate_mode mode)
{
	/* like other file systems, wait only for a caller that may wait */
	if (mode != MIGRATE_SYNC)
		return -EAGAIN;
	pr_info("somebody waits for it\n");
	while (!READ_ONCE(release))
		msleep(20);
	return real_ops->migrate_folio(mapping, to, from, mode);
}

static int borrow(const char *value, const struct kernel_param *param)
{
	unsigned long start = jiffies;
	unsigned int nr;
	int ret;

	ret = kstrtouint(value, 0, &nr);
	if (ret || nr > PAGES)
		return ret ?: -EINVAL;
	ret = xen_alloc_ballooned_pages(nr, pages);
	if (ret)
		return ret;
	pr_info("borrowed %u pages in %u ms\n", nr,
		jiffies_to_msecs(jiffies - start));
	xen_free_ballooned_pages(nr, pages);
	return 0;
}

static const struct kernel_param_ops borrow_ops = { .set = borrow };
module_param_cb(borrow, &borrow_ops, NULL, 0200);
MODULE_PARM_DESC(borrow, "pages to borrow from the balloon and give back");

static int __init stuck_init(void)
{
	struct address_space *mapping;
	struct page *page;

	file = shmem_file_setup("stuck", PAGE_SIZE, EMPTY_VMA_FLAGS);
	if (IS_ERR(file))
		return PTR_ERR(file);
	mapping = file->f_mapping;
	page = shmem_read_mapping_page(mapping, 0);
	if (IS_ERR(page)) {
		fput(file);
		return PTR_ERR(page);
	}
	pr_info("page at frame %lu\n", page_to_pfn(page));
	put_page(page);
	real_ops = mapping->a_ops;
	stuck_ops = *real_ops;
	stuck_ops.migrate_folio = stuck_migrate;
	mapping->a_ops = &stuck_ops;
	return 0;
}
module_init(stuck_init);

MODULE_DESCRIPTION("A page that cannot be moved for as long as somebody likes");
MODULE_LICENSE("GPL");
