// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of its attributes
 *
 * The functions behind the files are called as sysfs calls them, on the
 * instance of the test.
 */

#include <kunit/test.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <xen/mem-reservation.h>

#include "sim.h"
#include "sysfs.h"

#ifdef CONFIG_XEN_BALLOON

/* KiB of a page */
#define PAGE_KIB	(PAGE_SIZE / 1024)

static struct device_attribute *find(struct kunit *test, const char *group,
				     const char *name)
{
	const struct attribute_group **g;
	struct attribute **attr;

	for (g = balloon_sysfs_groups; *g; g++) {
		if (strcmp((*g)->name ?: "", group))
			continue;
		for (attr = (*g)->attrs; *attr; attr++) {
			if (!strcmp((*attr)->name, name))
				return container_of(*attr,
						    struct device_attribute,
						    attr);
		}
	}
	KUNIT_FAIL_AND_ABORT(test, "there is no %s/%s", group, name);
	return NULL;
}

static ssize_t store(struct kunit *test, const char *name, const char *text)
{
	struct device_attribute *attr = find(test, "", name);

	return attr->store(NULL, attr, text, strlen(text));
}

static void expect_shown(struct kunit *test, const char *group,
			 const char *name, const char *text)
{
	char *buf = (char *)kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	struct device_attribute *attr = find(test, group, name);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* sysfs_emit() wants a page */
	buf = PTR_ALIGN(buf, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, attr->show(NULL, attr, buf), strlen(text));
	KUNIT_EXPECT_STREQ(test, buf, text);
}

static void expect_number(struct kunit *test, const char *group,
			  const char *name, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", value);
	expect_shown(test, group, name, text);
}

/* --- what is no number ------------------------------------------------------------- */

static const char * const nonsense[] = {
	"", "\n", " ", "foo", "foo\n", "12abc", "abc12", "-", "-1", "-1\n",
	"--1", "+", "++1", " 1", "1 ", "\t1", "1\n\n", "1\n2", "\n1", "1\r\n",
	"1.5", "1,5", "1e3", "0x", "0xg", "0b1", "1KB", "1KK", "K", "kb",
	"1 K", "0x\n", "\xff", "1\xff", "1;2", "$1", "1%", "(1)", "NaN",
	"infinity", "true", "None",
};

/* More than anybody can have, or count. */
static const char * const too_much[] = {
	"18446744073709551615", "18446744073709551616", "18446744073709551617",
	"0xffffffffffffffff", "0x10000000000000000",
	"99999999999999999999999999",
};

static const char * const files[] = {
	"target", "target_kb", "min_kb", "max_lent_kb", "max_schedule_delay",
	"max_retry_count",
};

static void sysfs_nonsense(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_stats before = sim->stats;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		for (j = 0; j < ARRAY_SIZE(nonsense); j++)
			KUNIT_EXPECT_EQ_MSG(test, store(test, files[i],
							nonsense[j]), -EINVAL,
					    "%s: %s", files[i], nonsense[j]);
	}
	/* octal, as it begins with 0 */
	KUNIT_EXPECT_EQ(test, store(test, "target_kb", "08"), -EINVAL);
	KUNIT_EXPECT_MEMEQ(test, &sim->stats, &before, sizeof(before));
	KUNIT_EXPECT_EQ(test, sim->b.limits.floor, 0);
	KUNIT_EXPECT_EQ(test, sim->b.limits.max_lent, 0);
	/* and nobody was woken for it */
	KUNIT_EXPECT_EQ(test, sim->b.news.events, 0);
}

static void sysfs_too_much(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct balloon_stats before = sim->stats;
	unsigned int i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < ARRAY_SIZE(too_much); j++)
			KUNIT_EXPECT_EQ_MSG(test, store(test, files[i],
							too_much[j]), -ERANGE,
					    "%s: %s", files[i], too_much[j]);
	}
	/* a suffix is a number as well, in the one file that takes it */
	KUNIT_EXPECT_EQ(test, store(test, "target", "16E"), -ERANGE);
	KUNIT_EXPECT_EQ(test, store(test, "target", "15E"), -ERANGE);
	for (i = 1; i < ARRAY_SIZE(files); i++) {
		KUNIT_EXPECT_EQ(test, store(test, files[i], "1K"), -EINVAL);
		KUNIT_EXPECT_EQ(test, store(test, files[i], "1G"), -EINVAL);
	}
	/* delays and tries are as long as a long */
	for (i = 4; i < ARRAY_SIZE(files); i++) {
		KUNIT_EXPECT_EQ(test, store(test, files[i],
					    "18446744073709551616"), -ERANGE);
		KUNIT_EXPECT_EQ(test, store(test, files[i],
					    "99999999999999999999"), -ERANGE);
	}
	KUNIT_EXPECT_MEMEQ(test, &sim->stats, &before, sizeof(before));
	KUNIT_EXPECT_EQ(test, sim->b.news.events, 0);
}

/* --- targets ------------------------------------------------------------------------ */

/* A target that is taken starts the worker, the same one too. */
static void expect_target(struct kunit *test, const char *name,
			  const char *text, unsigned long pages)
{
	struct sim *sim = test->priv;

	sim->b.news.events = 0;
	KUNIT_EXPECT_EQ_MSG(test, store(test, name, text), strlen(text),
			    "%s: %s", name, text);
	KUNIT_EXPECT_EQ_MSG(test, sim->stats.target_pages, pages,
			    "%s: %s", name, text);
	KUNIT_EXPECT_EQ(test, sim->b.news.events,
			BIT(BALLOON_KICKED) | BIT(BALLOON_NEW_TARGET));
	expect_number(test, "", "target_kb", pages * PAGE_KIB);
	expect_number(test, "", "target", (u64)pages * PAGE_SIZE);
}

static void sysfs_target(struct kunit *test)
{
	expect_target(test, "target", "104857600", SZ_64M / PAGE_SIZE * 25 / 16);
	expect_target(test, "target", "100M\n", SZ_64M / PAGE_SIZE * 25 / 16);
	expect_target(test, "target", "1g", SZ_1G / PAGE_SIZE);
	expect_target(test, "target", "1g", SZ_1G / PAGE_SIZE);
	expect_target(test, "target", "0x100000", SZ_1M / PAGE_SIZE);
	expect_target(test, "target", "65536K", SZ_64M / PAGE_SIZE);
	expect_target(test, "target", "0", 0);
	/* no whole page */
	expect_target(test, "target", "1023", 0);
	expect_target(test, "target", "131071", 131071 / PAGE_SIZE);

	expect_target(test, "target_kb", "65536", SZ_64M / PAGE_SIZE);
	expect_target(test, "target_kb", "65536\n", SZ_64M / PAGE_SIZE);
	expect_target(test, "target_kb", "0x400", SZ_1M / PAGE_SIZE);
	expect_target(test, "target_kb", "+1024", SZ_1M / PAGE_SIZE);
	expect_target(test, "target_kb", "127", 127 / PAGE_KIB);
	expect_target(test, "target_kb", "0\n", 0);
}

/* The largest target is where memory ends. */
static void sysfs_largest(struct kunit *test)
{
	unsigned long long most = balloon_hotplug_most_pages();
	char text[32];

	snprintf(text, sizeof(text), "%llu", most * PAGE_KIB);
	expect_target(test, "target_kb", text, most);
	snprintf(text, sizeof(text), "%llu", (most + 1) * PAGE_KIB);
	KUNIT_EXPECT_EQ(test, store(test, "target_kb", text), -ERANGE);
	KUNIT_EXPECT_EQ(test, store(test, "min_kb", text), -ERANGE);
	snprintf(text, sizeof(text), "%lluK", most * PAGE_KIB);
	expect_target(test, "target", text, most);
	snprintf(text, sizeof(text), "%lluK", (most + 1) * PAGE_KIB);
	KUNIT_EXPECT_EQ(test, store(test, "target", text), -ERANGE);
}

/* The mode of the file is not enough: not all of root may set a target. */
static void sysfs_capable(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct cred *cred = prepare_creds();
	const struct cred *old;

	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, CAP_SYS_ADMIN);
	old = override_creds(cred);
	KUNIT_EXPECT_EQ(test, store(test, "target", "1G"), -EPERM);
	KUNIT_EXPECT_EQ(test, store(test, "target_kb", "1024"), -EPERM);
	/* whatever it would have been */
	KUNIT_EXPECT_EQ(test, store(test, "target_kb", "foo"), -EPERM);
	revert_creds(old);
	put_cred(cred);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.news.events, 0);
}

/* --- numbers ------------------------------------------------------------------------ */

static void expect_kicked(struct kunit *test)
{
	struct sim *sim = test->priv;

	/* what failed before may work now */
	KUNIT_EXPECT_EQ(test, sim->b.news.events,
			BIT(BALLOON_KICKED) | BIT(BALLOON_RETRY));
	sim->b.news.events = 0;
}

static void sysfs_numbers(struct kunit *test)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_EQ(test, store(test, "min_kb", "65536\n"), 6);
	expect_kicked(test);
	KUNIT_EXPECT_EQ(test, sim->b.limits.floor, SZ_64M / PAGE_SIZE);
	expect_number(test, "", "min_kb", 65536);

	KUNIT_EXPECT_EQ(test, store(test, "max_lent_kb", "1024"), 4);
	expect_kicked(test);
	KUNIT_EXPECT_EQ(test, sim->b.limits.max_lent, SZ_1M / PAGE_SIZE);
	expect_number(test, "", "max_lent_kb", 1024);

	KUNIT_EXPECT_EQ(test, store(test, "max_schedule_delay", "32\n"), 3);
	expect_kicked(test);
	KUNIT_EXPECT_EQ(test, sim->stats.max_schedule_delay, 32);
	expect_number(test, "", "max_schedule_delay", 32);

	KUNIT_EXPECT_EQ(test, store(test, "max_retry_count", "0x10"), 4);
	expect_kicked(test);
	KUNIT_EXPECT_EQ(test, sim->stats.max_retry_count, 16);
	expect_number(test, "", "max_retry_count", 16);

	sim->stats.retry_count = 7;
	expect_number(test, "", "schedule_delay", 4);
	expect_number(test, "", "retry_count", 7);
	sim->b.pages.quarantined = 3;
	expect_number(test, "info", "quarantined_kb", 3 * PAGE_KIB);
	sim->b.pages.quarantined = 0;
	expect_number(test, "info", "current_kb", SIM_PAGES * PAGE_KIB);
	sim->stats.balloon_high = 5;
	expect_number(test, "info", "high_kb", 5 * PAGE_KIB);
	sim->stats.balloon_high = 0;
	sim_list_hole(sim, 3);
	expect_number(test, "info", "low_kb", 8 * PAGE_KIB);
}

static void sysfs_scrub(struct kunit *test)
{
	static const char * const words[] = {
		"Yes", "NO", "on\n", "Off", "TRUE\n", "false\n", "y", "N",
		"Enable\n", "disable\n", "e", "D",
	};
	static const char * const no_words[] = {
		"maybe", "", "\n", "offf", "falsehood", "1x", "o", "enables",
	};
	bool scrub = xen_scrub_pages;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, store(test, "scrub_pages", "0"), 1);
	KUNIT_EXPECT_FALSE(test, xen_scrub_pages);
	expect_number(test, "", "scrub_pages", 0);
	KUNIT_EXPECT_EQ(test, store(test, "scrub_pages", "1\n"), 2);
	KUNIT_EXPECT_TRUE(test, xen_scrub_pages);
	expect_number(test, "", "scrub_pages", 1);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		xen_scrub_pages = i % 2;
		KUNIT_EXPECT_EQ_MSG(test, store(test, "scrub_pages", words[i]),
				    strlen(words[i]), "%s", words[i]);
		KUNIT_EXPECT_EQ_MSG(test, xen_scrub_pages, !(i % 2), "%s",
				    words[i]);
	}
	xen_scrub_pages = true;
	for (i = 0; i < ARRAY_SIZE(no_words); i++)
		KUNIT_EXPECT_EQ_MSG(test,
				    store(test, "scrub_pages", no_words[i]),
				    -EINVAL, "%s", no_words[i]);
	KUNIT_EXPECT_TRUE(test, xen_scrub_pages);
	xen_scrub_pages = scrub;
}

/* Who may read and write them. */
static void sysfs_modes(struct kunit *test)
{
	static const char * const infos[] = {
		"current_kb", "low_kb", "high_kb", "quarantined_kb",
		"shortfall_kb", "state", "last_error",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		KUNIT_EXPECT_EQ(test, find(test, "", files[i])->attr.mode,
				0644);
	KUNIT_EXPECT_EQ(test, find(test, "", "scrub_pages")->attr.mode, 0644);
	KUNIT_EXPECT_EQ(test, find(test, "", "schedule_delay")->attr.mode,
			0444);
	KUNIT_EXPECT_EQ(test, find(test, "", "retry_count")->attr.mode, 0444);
	for (i = 0; i < ARRAY_SIZE(infos); i++)
		KUNIT_EXPECT_EQ(test, find(test, "info", infos[i])->attr.mode,
				0444);
}

/* --- how it goes --------------------------------------------------------------------- */

static void sysfs_states(struct kunit *test)
{
	static const char * const words[] = {
		"idle\n", "inflating\n", "deflating\n", "adding\n",
		"guest-low\n", "host-full\n", "wait-online\n", "cancelled\n",
	};
	struct sim *sim = test->priv;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(words), BALLOON_NR_STATES);
	for (i = 0; i < BALLOON_NR_STATES; i++) {
		sim->b.report.state = i;
		expect_shown(test, "info", "state", words[i]);
	}
	sim->b.report.state = BALLOON_IDLE;
}

static void sysfs_errors(struct kunit *test)
{
	static const char * const texts[] = {
		NULL,
		"memory refused by the cap of this domain",
		"memory refused by the host, which has no more",
		"pages refused by Xen, which did not take them",
		"pages refused by the guest, which needs them",
		"memory blocks refused by the kernel",
		"a memory block refused, because it costs more than it brings",
	};
	struct sim *sim = test->priv;
	unsigned int what;
	char text[160];

	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(texts), BALLOON_NR_REFUSALS);

	expect_shown(test, "info", "last_error", "none\n");
	for (what = BALLOON_REFUSED_CAP; what < ARRAY_SIZE(texts); what++) {
		sim->b.report.error = (struct balloon_error){
			.what = what,
			.err = -ENOMEM,
			.nr_pages = 10,
			.when = 4711,
		};
		snprintf(text, sizeof(text),
			 "%s, errno %d, %lu KiB from the target, at 4711 s\n",
			 texts[what], ENOMEM, 10 * PAGE_KIB);
		expect_shown(test, "info", "last_error", text);
	}
}

static void sysfs_shortfall(struct kunit *test)
{
	struct sim *sim = test->priv;
	char text[32];

	expect_shown(test, "info", "shortfall_kb", "0\n");
	sim_target(sim, SIM_PAGES + 3);
	snprintf(text, sizeof(text), "%lu\n", 3 * PAGE_KIB);
	expect_shown(test, "info", "shortfall_kb", text);
	sim_target(sim, SIM_PAGES - 3);
	snprintf(text, sizeof(text), "-%lu\n", 3 * PAGE_KIB);
	expect_shown(test, "info", "shortfall_kb", text);
}

static struct kunit_case sysfs_test_cases[] = {
	KUNIT_CASE(sysfs_nonsense),
	KUNIT_CASE(sysfs_too_much),
	KUNIT_CASE(sysfs_target),
	KUNIT_CASE(sysfs_largest),
	KUNIT_CASE(sysfs_capable),
	KUNIT_CASE(sysfs_numbers),
	KUNIT_CASE(sysfs_scrub),
	KUNIT_CASE(sysfs_modes),
	KUNIT_CASE(sysfs_states),
	KUNIT_CASE(sysfs_errors),
	KUNIT_CASE(sysfs_shortfall),
	{}
};

static struct kunit_suite sysfs_suite = {
	.name = "xen-balloon-sysfs",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = sysfs_test_cases,
};

/* --- xenstore ------------------------------------------------------------------------- */

/* What it says of the keys under memory/; NULL: there is no such key. */
static const char *said_target, *said_max, *said_old_max;
static bool offset_counts;

static char *say(const char *key)
{
	const char *text = !strcmp(key, "target") ? said_target :
			   !strcmp(key, "static-max") ? said_max :
			   !strcmp(key, "memory_static_max") ? said_old_max :
			   NULL;

	return text ? kstrdup(text, GFP_KERNEL) ?: ERR_PTR(-ENOMEM) :
		      ERR_PTR(-ENOENT);
}

static char *say_nothing(const char *key)
{
	return ERR_PTR(-EIO);
}

static bool has_offset(void)
{
	return offset_counts;
}

static int xenbus_init_test(struct kunit *test)
{
	int ret = sim_test_init(test);

	said_target = NULL;
	said_max = NULL;
	said_old_max = NULL;
	offset_counts = true;
	kunit_activate_static_stub(test, balloon_xenbus_read, say);
	kunit_activate_static_stub(test, balloon_xenbus_has_offset, has_offset);
	return ret;
}

/* The watch fires; whether a target came of it. */
static bool fire(struct kunit *test, const char *target)
{
	struct sim *sim = test->priv;

	said_target = target;
	sim->b.news.events = 0;
	balloon_xenbus_target_changed(NULL, "memory/target", "");
	return sim->b.news.events;
}

static void xenbus_nonsense(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nonsense); i++)
		KUNIT_EXPECT_FALSE_MSG(test, fire(test, nonsense[i]), "%s",
				       nonsense[i]);
	for (i = 0; i < ARRAY_SIZE(too_much); i++)
		KUNIT_EXPECT_FALSE_MSG(test, fire(test, too_much[i]), "%s",
				       too_much[i]);
	/* toolstacks write decimals */
	KUNIT_EXPECT_FALSE(test, fire(test, "0x10"));
	KUNIT_EXPECT_FALSE(test, fire(test, "1K"));
	KUNIT_EXPECT_TRUE(test, sim->b.toolstack.target_bad);
	/* no key is no error */
	sim->b.toolstack.target_bad = false;
	KUNIT_EXPECT_FALSE(test, fire(test, NULL));
	KUNIT_EXPECT_FALSE(test, sim->b.toolstack.target_bad);
	kunit_deactivate_static_stub(test, balloon_xenbus_read);
	kunit_activate_static_stub(test, balloon_xenbus_read, say_nothing);
	KUNIT_EXPECT_FALSE(test, fire(test, "1024"));
	KUNIT_EXPECT_TRUE(test, sim->b.toolstack.target_bad);
	KUNIT_EXPECT_EQ(test, sim->stats.target_pages, SIM_PAGES);
	/* the offset is of a target, and there was none */
	KUNIT_EXPECT_FALSE(test, sim->b.toolstack.offset_known);
}

static void expect_fired(struct kunit *test, const char *target,
			 unsigned long pages)
{
	struct sim *sim = test->priv;

	KUNIT_EXPECT_TRUE(test, fire(test, target));
	KUNIT_EXPECT_EQ_MSG(test, sim->stats.target_pages, pages, "%s", target);
	KUNIT_EXPECT_EQ(test, sim->b.news.events,
			BIT(BALLOON_KICKED) | BIT(BALLOON_NEW_TARGET));
	KUNIT_EXPECT_FALSE(test, sim->b.toolstack.target_bad);
}

static void xenbus_target(struct kunit *test)
{
	offset_counts = false;
	said_max = "99999999";
	expect_fired(test, "65536", SZ_64M / PAGE_SIZE);
	expect_fired(test, "65536\n", SZ_64M / PAGE_SIZE);
	expect_fired(test, "0", 0);
	expect_fired(test, "127", 127 / PAGE_KIB);
	/* decimal, whatever it begins with */
	expect_fired(test, "010240", 10240 / PAGE_KIB);
	/* bad ones between leave nothing behind */
	KUNIT_EXPECT_FALSE(test, fire(test, "foo"));
	expect_fired(test, "65536", SZ_64M / PAGE_SIZE);
}

static char *kib(struct kunit *test, unsigned long pages)
{
	char *text = kunit_kzalloc(test, 32, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	snprintf(text, 32, "%lu", pages * PAGE_KIB);
	return text;
}

/* A static-max that leaves nothing of the target is no such number. */
static void xenbus_absurd_offset(struct kunit *test)
{
	struct sim *sim = test->priv;

	said_max = kib(test, 2 * SIM_PAGES);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
	KUNIT_EXPECT_EQ(test, sim->b.toolstack.offset, 0);
	sim->b.toolstack.offset_known = false;
	said_max = kib(test, 2 * SIM_PAGES - 1);
	expect_fired(test, kib(test, SIM_PAGES), 1);
	/* a first target of nothing needs no offset to be nothing */
	sim->b.toolstack.offset_known = false;
	said_max = kib(test, SIM_PAGES);
	expect_fired(test, "0", 0);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
}

/* What the toolstack counts beyond the guest is taken once, and kept. */
static void xenbus_offset(struct kunit *test)
{
	struct sim *sim = test->priv;

	said_max = kib(test, SIM_PAGES + 1000);
	said_old_max = kib(test, SIM_PAGES + 1);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES - 1000);
	KUNIT_EXPECT_EQ(test, sim->b.toolstack.offset, 1000);
	/* xl mem-max, and a restore */
	said_max = kib(test, SIM_PAGES + 5000);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES - 1000);
	said_max = NULL;
	expect_fired(test, kib(test, SIM_PAGES + 1000), SIM_PAGES);
	/* less than the offset is nothing at all */
	expect_fired(test, kib(test, 999), 0);
	expect_fired(test, kib(test, 1001), 1);
}

/* The guest may hold something else when the first target comes. */
static void xenbus_offset_initial(struct kunit *test)
{
	struct sim *sim = test->priv;

	sim->stats.current_pages -= 500;
	said_max = kib(test, SIM_PAGES + 1000);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES - 1000);
	sim->stats.current_pages += 500;
}

static void xenbus_offset_old_name(struct kunit *test)
{
	said_old_max = kib(test, SIM_PAGES + 10);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES - 10);
}

static void xenbus_offset_bad(struct kunit *test)
{
	struct sim *sim = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		sim->b.toolstack.offset_known = false;
		said_max = nonsense[i];
		expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
	}
	/* the other name helps */
	sim->b.toolstack.offset_known = false;
	said_old_max = kib(test, SIM_PAGES + 10);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES - 10);
	/* neither is there: said once, and 0 for ever */
	sim->b.toolstack.offset_known = false;
	said_max = NULL;
	said_old_max = NULL;
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
	said_max = kib(test, SIM_PAGES + 10);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
	/* less than the guest has */
	sim->b.toolstack.offset_known = false;
	said_max = kib(test, SIM_PAGES - 10);
	expect_fired(test, kib(test, SIM_PAGES), SIM_PAGES);
}

/* Each of them is said once, as long as it lasts. */
static void xenbus_said(struct kunit *test)
{
	static const char bad_target[] = "memory/target is no number of KiB";
	static const char no_max[] = "no usable memory/static-max";

	sim_said("");
	fire(test, "foo");
	KUNIT_EXPECT_EQ(test, sim_said(bad_target), 1);
	fire(test, "bar");
	KUNIT_EXPECT_EQ(test, sim_said(bad_target), 0);
	/* here is a target, and nothing says what is to be taken off it */
	fire(test, "1024");
	KUNIT_EXPECT_EQ(test, sim_said(no_max), 1);
	fire(test, "2048");
	KUNIT_EXPECT_EQ(test, sim_said(no_max), 0);
	fire(test, "foo");
	KUNIT_EXPECT_EQ(test, sim_said(bad_target), 1);
	fire(test, NULL);
	KUNIT_EXPECT_EQ(test, sim_said("xen:balloon"), 0);
}

#ifdef CONFIG_MEMORY_HOTPLUG
/* What PV setup allows memory to grow to holds until there is a balloon. */
static void xenbus_lifts_limit(struct kunit *test)
{
	u64 saved = xen_saved_max_mem_size, most = max_mem_size;

	xen_saved_max_mem_size = 0;
	max_mem_size = SZ_64M;
	fire(test, NULL);
	KUNIT_EXPECT_EQ(test, max_mem_size, SZ_64M);
	xen_saved_max_mem_size = SZ_256M;
	fire(test, NULL);
	KUNIT_EXPECT_EQ(test, max_mem_size, SZ_256M);
	xen_saved_max_mem_size = saved;
	max_mem_size = most;
}
#endif

static struct kunit_case xenbus_test_cases[] = {
	KUNIT_CASE(xenbus_nonsense),
	KUNIT_CASE(xenbus_target),
	KUNIT_CASE(xenbus_offset),
	KUNIT_CASE(xenbus_absurd_offset),
	KUNIT_CASE(xenbus_offset_initial),
	KUNIT_CASE(xenbus_offset_old_name),
	KUNIT_CASE(xenbus_offset_bad),
	KUNIT_CASE(xenbus_said),
#ifdef CONFIG_MEMORY_HOTPLUG
	KUNIT_CASE(xenbus_lifts_limit),
#endif
	{}
};

static struct kunit_suite xenbus_suite = {
	.name = "xen-balloon-xenbus",
	.init = xenbus_init_test,
	.exit = sim_test_exit,
	.test_cases = xenbus_test_cases,
};

kunit_test_suites(&sysfs_suite, &xenbus_suite);
#endif /* CONFIG_XEN_BALLOON */
