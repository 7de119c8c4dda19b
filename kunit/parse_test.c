// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of how it reads numbers
 */

#include <kunit/test.h>
#include <linux/limits.h>

#include "sysfs.h"

#ifdef CONFIG_XEN_BALLOON
struct parse_case {
	const char *text;
	int ret;
	unsigned long long bytes;
};

static const struct parse_case parse_cases[] = {
	{ "0", 0, 0 },
	{ "1", 0, 1 },
	{ "4096\n", 0, 4096 },
	{ "010", 0, 8 },
	{ "0x10", 0, 16 },
	{ "0x1E", 0, 30 },
	{ "0X1e\n", 0, 30 },
	{ "0x1EK", 0, 30ULL << 10 },
	{ "1k", 0, 1ULL << 10 },
	{ "1K\n", 0, 1ULL << 10 },
	{ "3m", 0, 3ULL << 20 },
	{ "512M", 0, 512ULL << 20 },
	{ "2G", 0, 2ULL << 30 },
	{ "2g", 0, 2ULL << 30 },
	{ "1T", 0, 1ULL << 40 },
	{ "1P", 0, 1ULL << 50 },
	{ "1E", 0, 1ULL << 60 },
	{ "0E", 0, 0 },
	{ "15e", 0, 15ULL << 60 },
	{ "18446744073709551615", 0, ULLONG_MAX },
	{ "18014398509481983K", 0, ULLONG_MAX - 1023 },
	/* too much */
	{ "16E", -ERANGE },
	{ "18014398509481984K", -ERANGE },
	{ "17179869184G", -ERANGE },
	{ "18446744073709551616", -ERANGE },
	{ "99999999999999999999999999", -ERANGE },
	/* no number */
	{ "", -EINVAL },
	{ "\n", -EINVAL },
	{ " ", -EINVAL },
	{ "foo", -EINVAL },
	{ "12abc", -EINVAL },
	{ "abc12", -EINVAL },
	{ "K", -EINVAL },
	{ "G\n", -EINVAL },
	{ "0x", -EINVAL },
	{ "0xK", -EINVAL },
	{ "0xfz", -EINVAL },
	{ "1KK", -EINVAL },
	{ "1KB", -EINVAL },
	{ "1 K", -EINVAL },
	{ " 1", -EINVAL },
	{ "1 ", -EINVAL },
	{ "\t1", -EINVAL },
	{ "-1", -EINVAL },
	{ "-1K", -EINVAL },
	{ "1.5G", -EINVAL },
	{ "1e3", -EINVAL },
	{ "1,000", -EINVAL },
	{ "08", -EINVAL },
	{ "1\n2", -EINVAL },
	{ "1\n\n", -EINVAL },
	{ "1\nK", -EINVAL },
	{ "\n1", -EINVAL },
	{ "1\r\n", -EINVAL },
	{ "\xff", -EINVAL },
	{ "1\xff", -EINVAL },
	{ "00000000000000000000000000000001", -EINVAL },
};

/* KTAP has no room for a line break. */
static void parse_name(const struct parse_case *c, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "\"%*pE\"",
		 (int)strlen(c->text), c->text);
}

KUNIT_ARRAY_PARAM(parse, parse_cases, parse_name);

static void parse_bytes(struct kunit *test)
{
	const struct parse_case *c = test->param_value;
	unsigned long long bytes = 4711;
	int ret = balloon_sysfs_parse_bytes(c->text, &bytes);

	KUNIT_EXPECT_EQ(test, ret, c->ret);
	if (!ret)
		KUNIT_EXPECT_EQ(test, bytes, c->bytes);
}

/* Whatever byte follows a number: a suffix, the end of the line, or refused. */
static void parse_every_byte(struct kunit *test)
{
	unsigned long long bytes;
	char text[] = "1?";
	unsigned int byte;

	for (byte = 1; byte < 256; byte++) {
		bool good = strchr("KMGTPEkmgtpe\n0123456789", byte);

		text[1] = byte;
		KUNIT_EXPECT_EQ_MSG(test, balloon_sysfs_parse_bytes(text, &bytes),
				    good ? 0 : -EINVAL, "1 and %#x", byte);
	}
}

/* Longer than any number: too much, or no number at all. */
static void parse_long(struct kunit *test)
{
	unsigned long long bytes;
	char text[64];
	unsigned int len;

	for (len = 1; len < sizeof(text); len++) {
		memset(text, '1', len);
		text[len] = '\0';
		KUNIT_EXPECT_EQ_MSG(test, balloon_sysfs_parse_bytes(text, &bytes),
				    len <= 20 ? 0 :
				    len < 32 ? -ERANGE : -EINVAL,
				    "%u digits", len);
	}
}

static struct kunit_case parse_test_cases[] = {
	KUNIT_CASE_PARAM(parse_bytes, parse_gen_params),
	KUNIT_CASE(parse_every_byte),
	KUNIT_CASE(parse_long),
	{}
};

static struct kunit_suite parse_suite = {
	.name = "xen-balloon-parse",
	.test_cases = parse_test_cases,
};

kunit_test_suite(parse_suite);
#endif
