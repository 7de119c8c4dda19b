// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: attributes
 */

/**
 * DOC: sysfs
 *
 * The attributes of /sys/devices/system/xen_memory/xen_memory0.  A text that is
 * written has to be a number (or yes or no) and nothing else; any other text is
 * refused.
 */

#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <xen/mem-reservation.h>

#include "hotplug.h"
#include "instance.h"
#include "sysfs.h"

#define PAGES_TO_KB(pages)	((pages) << (PAGE_SHIFT - 10))

/* --- targets ------------------------------------------------------------ */

static int parse_kb(const char *text, unsigned long *pages)
{
	unsigned long long kb;
	int ret = kstrtoull(text, 0, &kb);

	return ret ?: balloon_policy_kb_to_pages(kb, PAGE_SHIFT,
						 balloon_hotplug_most_pages(), pages);
}

/* Parse a number of bytes: digits, then perhaps one of K, M, G, T, P and E,
 * then perhaps a newline, and nothing else.  Return 0, -EINVAL also for more
 * than 31 characters, or -ERANGE for 2^64 and more.
 */
VISIBLE_IF_KUNIT int balloon_sysfs_parse_bytes(const char *text,
					       unsigned long long *bytes)
{
	static const char suffixes[] = "KMGTPE";
	size_t len = strcspn(text, "\n");
	unsigned int shift = 0;
	const char *suffix;
	char number[32];
	int ret;

	if (!len || len >= sizeof(number) ||
	    (text[len] == '\n' && text[len + 1]))
		return -EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	/* in a hexadecimal number E is a digit */
	suffix = strchr(suffixes, toupper(number[len - 1]));
	if (suffix && !(*suffix == 'E' && !strncasecmp(number, "0x", 2))) {
		shift = 10 * (suffix - suffixes + 1);
		number[len - 1] = '\0';
	}
	ret = kstrtoull(number, 0, bytes);
	if (ret)
		return ret;
	if (*bytes > ULLONG_MAX >> shift)
		return -ERANGE;
	*bytes <<= shift;
	return 0;
}

static int parse_bytes(const char *text, unsigned long *pages)
{
	unsigned long long bytes;
	int ret = balloon_sysfs_parse_bytes(text, &bytes);

	return ret ?: balloon_policy_kb_to_pages(bytes >> 10, PAGE_SHIFT,
						 balloon_hotplug_most_pages(), pages);
}

static ssize_t store_target(const char *text, size_t count,
			    int (*parse)(const char *text,
					 unsigned long *pages))
{
	unsigned long pages;
	int ret;

	/* the mode of the file is not enough */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = parse(text, &pages);
	if (ret)
		return ret;
	balloon_worker_set_target(balloon_instance(), pages);
	return count;
}

static ssize_t target_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct xen_balloon *b = balloon_instance();

	return sysfs_emit(buf, "%llu\n",
			  (u64)READ_ONCE(b->stats->target_pages) <<
				PAGE_SHIFT);
}

static ssize_t target_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	return store_target(buf, count, parse_bytes);
}
static DEVICE_ATTR_RW(target);

static ssize_t target_kb_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	struct xen_balloon *b = balloon_instance();

	return sysfs_emit(buf, "%lu\n",
			  PAGES_TO_KB(READ_ONCE(b->stats->target_pages)));
}

static ssize_t target_kb_store(struct device *dev,
			       struct device_attribute *attr,
			       const char *buf, size_t count)
{
	return store_target(buf, count, parse_kb);
}
static DEVICE_ATTR_RW(target_kb);

/* --- numbers ------------------------------------------------------------ */

/**
 * struct number - an attribute that shows, and perhaps sets, an unsigned long
 * @attr: the attribute
 * @offset: where the number is, in struct balloon_stats or struct xen_balloon
 * @in_stats: which of the two
 * @kb: the number is in pages, and shown in KiB
 */
struct number {
	struct device_attribute attr;
	unsigned int offset;
	bool in_stats;
	bool kb;
};

static const struct number *to_number(struct device_attribute *attr)
{
	return container_of(attr, struct number, attr);
}

static unsigned long *find_number(const struct number *n)
{
	struct xen_balloon *b = balloon_instance();
	void *base = n->in_stats ? (void *)b->stats : b;

	return base + n->offset;
}

static ssize_t number_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	const struct number *n = to_number(attr);
	unsigned long value = READ_ONCE(*find_number(n));

	return sysfs_emit(buf, "%lu\n", n->kb ? PAGES_TO_KB(value) : value);
}

static ssize_t number_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	const struct number *n = to_number(attr);
	unsigned long value;
	int ret = n->kb ? parse_kb(buf, &value) : kstrtoul(buf, 0, &value);

	if (ret)
		return ret;
	WRITE_ONCE(*find_number(n), value);
	balloon_news_tell(&balloon_instance()->news, BALLOON_RETRY);
	return count;
}

#define SHOW(name)	__ATTR(name, 0444, number_show, NULL)
#define STORE(name)	__ATTR(name, 0644, number_show, number_store)

static struct number max_schedule_delay = {
	.attr = STORE(max_schedule_delay),
	.offset = offsetof(struct balloon_stats, max_schedule_delay),
	.in_stats = true,
};

static struct number retry_count = {
	.attr = SHOW(retry_count),
	.offset = offsetof(struct balloon_stats, retry_count),
	.in_stats = true,
};

static struct number max_retry_count = {
	.attr = STORE(max_retry_count),
	.offset = offsetof(struct balloon_stats, max_retry_count),
	.in_stats = true,
};

static struct number min_kb = {
	.attr = STORE(min_kb),
	.offset = offsetof(struct xen_balloon, limits.floor),
	.kb = true,
};

static struct number max_lent_kb = {
	.attr = STORE(max_lent_kb),
	.offset = offsetof(struct xen_balloon, limits.max_lent),
	.kb = true,
};

static struct number current_kb = {
	.attr = SHOW(current_kb),
	.offset = offsetof(struct balloon_stats, current_pages),
	.in_stats = true,
	.kb = true,
};

static struct number low_kb = {
	.attr = SHOW(low_kb),
	.offset = offsetof(struct balloon_stats, balloon_low),
	.in_stats = true,
	.kb = true,
};

static struct number high_kb = {
	.attr = SHOW(high_kb),
	.offset = offsetof(struct balloon_stats, balloon_high),
	.in_stats = true,
	.kb = true,
};

static struct number quarantined_kb = {
	.attr = SHOW(quarantined_kb),
	.offset = offsetof(struct xen_balloon, pages.quarantined),
	.kb = true,
};

/* max_schedule_delay may have changed since the last try */
static ssize_t schedule_delay_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	struct balloon_stats *stats = balloon_instance()->stats;
	unsigned long most = READ_ONCE(stats->max_schedule_delay);

	return sysfs_emit(buf, "%lu\n",
			  balloon_policy_delay_s(READ_ONCE(stats->retry_count),
						 most));
}
static DEVICE_ATTR_RO(schedule_delay);

static ssize_t scrub_pages_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(xen_scrub_pages));
}

/* Accept the words of kstrtobool(), which itself reads only their first
 * letters.
 */
static ssize_t scrub_pages_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t count)
{
	static const char * const words[] = {
		"0", "n", "no", "f", "false", "off", "d", "disable",
		"1", "y", "yes", "t", "true", "on", "e", "enable",
	};
	char word[10];
	int i;

	if (strscpy(word, buf, sizeof(word)) < 0)
		return -EINVAL;
	for (i = 0; word[i]; i++)
		word[i] = tolower(word[i]);
	i = sysfs_match_string(words, word);
	if (i < 0)
		return i;
	WRITE_ONCE(xen_scrub_pages, i >= ARRAY_SIZE(words) / 2);
	return count;
}
static DEVICE_ATTR_RW(scrub_pages);

/* --- how it goes -------------------------------------------------------- */

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct xen_balloon *b = balloon_instance();

	return sysfs_emit(buf, "%s\n",
			  balloon_report_state_text(READ_ONCE(b->report.state)));
}
static DEVICE_ATTR_RO(state);

static ssize_t last_error_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct balloon_error error =
		balloon_report_last(&balloon_instance()->report);

	if (error.what == BALLOON_REFUSED_NOT)
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%s, errno %d, %lu KiB from the target, at %llu s\n",
			  balloon_report_refusal_text(error.what), -error.err,
			  PAGES_TO_KB(error.nr_pages), error.when);
}
static DEVICE_ATTR_RO(last_error);

static ssize_t shortfall_kb_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	long kb = balloon_pages_shortfall(&balloon_instance()->pages) *
		  (long)(PAGE_SIZE / 1024);

	return sysfs_emit(buf, "%ld\n", kb);
}
static DEVICE_ATTR_RO(shortfall_kb);

static struct attribute *balloon_attrs[] = {
	&dev_attr_target.attr,
	&dev_attr_target_kb.attr,
	&dev_attr_schedule_delay.attr,
	&max_schedule_delay.attr.attr,
	&retry_count.attr.attr,
	&max_retry_count.attr.attr,
	&dev_attr_scrub_pages.attr,
	&min_kb.attr.attr,
	&max_lent_kb.attr.attr,
	NULL
};

static const struct attribute_group balloon_group = {
	.attrs = balloon_attrs,
};

static struct attribute *info_attrs[] = {
	&current_kb.attr.attr,
	&low_kb.attr.attr,
	&high_kb.attr.attr,
	&quarantined_kb.attr.attr,
	&dev_attr_shortfall_kb.attr,
	&dev_attr_state.attr,
	&dev_attr_last_error.attr,
	NULL
};

static const struct attribute_group info_group = {
	.name = "info",
	.attrs = info_attrs,
};

VISIBLE_IF_KUNIT const struct attribute_group *balloon_sysfs_groups[] = {
	&balloon_group,
	&info_group,
	NULL
};

static const struct bus_type xen_memory_subsys = {
	.name = "xen_memory",
	.dev_name = "xen_memory",
};

static void release(struct device *dev)
{
	kfree(dev);
}

/* Add the device, which a test replaces. */
VISIBLE_IF_KUNIT int balloon_sysfs_add(struct device *dev)
{
	BALLOON_STUB(balloon_sysfs_add, dev);
	return device_add(dev);
}

static int add_device(void)
{
	struct device *dev = kzalloc_obj(*dev);
	int ret;

	if (!dev)
		return -ENOMEM;
	dev->bus = &xen_memory_subsys;
	dev->groups = balloon_sysfs_groups;
	dev->release = release;
	device_initialize(dev);
	ret = balloon_sysfs_add(dev);
	if (ret)
		put_device(dev);
	return ret;
}

/**
 * balloon_sysfs_init - show the attributes
 */
void balloon_sysfs_init(void)
{
	int ret = subsys_system_register(&xen_memory_subsys, NULL);

	if (!ret) {
		ret = add_device();
		if (!ret)
			return;
		bus_unregister(&xen_memory_subsys);
	}
	pr_err("no attributes (%d): only xenstore sets the target\n", ret);
}
