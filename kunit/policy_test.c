// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of its decisions
 */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/time64.h>

#include <xen/balloon.h>

#include "policy.h"

/* What inflating has to leave; see policy.c. */
#define RESERVE		(SZ_16M >> PAGE_SHIFT)

#define PLENTY		BIT(30)

/* --- the next step ------------------------------------------------------------ */

struct plan_case {
	const char *name;
	struct balloon_view view;
	enum balloon_next next;
	unsigned long nr_pages;
	unsigned long allocated;
};

static const struct plan_case plan_cases[] = {
	{ "target met",
	  { 1000, 1000, 0, 10, 0, 0, PLENTY }, BALLOON_NEXT_NOTHING, 0 },
	{ "target met and nothing available",
	  { 1000, 1000, 0, 0, 0, 0, 0 }, BALLOON_NEXT_NOTHING, 0 },
	{ "one page too many",
	  { 1001, 1000, 0, 0, 0, 0, PLENTY }, BALLOON_NEXT_INFLATE, 1 },
	{ "one page too few",
	  { 999, 1000, 0, 1, 0, 0, PLENTY }, BALLOON_NEXT_DEFLATE, 1 },
	{ "all of it to go",
	  { ULONG_MAX, 0, 0, 0, 0, 0, ULONG_MAX },
	  BALLOON_NEXT_INFLATE, ULONG_MAX - RESERVE },
	{ "no more than the guest can spare",
	  { 100000, 0, 0, 0, 0, 0, RESERVE + 77 },
	  BALLOON_NEXT_INFLATE, 77 },
	{ "one page to spare",
	  { 100000, 0, 0, 0, 0, 0, RESERVE + 1 },
	  BALLOON_NEXT_INFLATE, 1 },
	{ "nothing to spare",
	  { 100000, 0, 0, 0, 0, 0, RESERVE },
	  BALLOON_NEXT_SPARE_NONE, 100000 },
	{ "less than nothing to spare",
	  { 100000, 99990, 0, 0, 0, 0, RESERVE - 1 },
	  BALLOON_NEXT_SPARE_NONE, 10 },
	{ "nothing available at all",
	  { 100000, 99990, 0, 0, 0, 0, 0 }, BALLOON_NEXT_SPARE_NONE, 10 },
	{ "not below the floor",
	  { 1000, 100, 400, 0, 0, 0, PLENTY }, BALLOON_NEXT_INFLATE, 600 },
	{ "at the floor",
	  { 400, 100, 400, 600, 0, 0, PLENTY }, BALLOON_NEXT_KEEP_FLOOR, 0 },
	{ "below the floor and above the target",
	  { 300, 100, 400, 700, 0, 0, PLENTY }, BALLOON_NEXT_KEEP_FLOOR, 0 },
	{ "below both: up to the target only",
	  { 50, 100, 400, 950, 0, 0, PLENTY }, BALLOON_NEXT_DEFLATE, 50 },
	{ "a floor below the target",
	  { 1000, 500, 400, 0, 0, 0, PLENTY }, BALLOON_NEXT_INFLATE, 500 },
	{ "a floor beyond everything",
	  { 1000, 0, ULONG_MAX, 0, 0, 0, PLENTY },
	  BALLOON_NEXT_KEEP_FLOOR, 0 },
	{ "what is listed comes before what is to be added",
	  { 1000, 5000, 0, 1, 0, 0, PLENTY }, BALLOON_NEXT_DEFLATE, 4000 },
	{ "nothing listed and too few page structures",
	  { 1000, 5000, 0, 0, 0, 0, PLENTY }, BALLOON_NEXT_ADD, 4000 },
	{ "one page structure too few",
	  { 4999, 5000, 0, 0, 0, 0, PLENTY }, BALLOON_NEXT_ADD, 1 },
	{ "added and not online yet",
	  { 1000, 5000, 0, 0, 0, 4000, PLENTY }, BALLOON_NEXT_WAIT_ONLINE, 4000 },
	{ "a part of it added and not online",
	  { 1000, 5000, 0, 0, 0, 2000, PLENTY }, BALLOON_NEXT_WAIT_ONLINE, 2000 },
	{ "more added and not online than is wanted",
	  { 1000, 2000, 0, 0, 0, 4000, PLENTY }, BALLOON_NEXT_WAIT_ONLINE, 1000 },
	{ "what is lent is made up for",
	  { 900, 1000, 0, 0, 100, 0, PLENTY }, BALLOON_NEXT_ADD, 100 },
	{ "all there can be",
	  { 0, ULONG_MAX, 0, 0, 0, 0, PLENTY }, BALLOON_NEXT_ADD, ULONG_MAX },
	{ "all there can be, from the list",
	  { 1, ULONG_MAX, 0, 1, 0, 0, PLENTY },
	  BALLOON_NEXT_DEFLATE, ULONG_MAX - 1 },
	{ "beyond what is signed",
	  { LONG_MAX, (unsigned long)LONG_MAX + 2, 0, 9, 0, 0, 0 },
	  BALLOON_NEXT_DEFLATE, 2 },
	{ "what emptying can take counts as well",
	  { 100000, 0, 0, 0, 0, 0, RESERVE - 1, 78, 1000 },
	  BALLOON_NEXT_INFLATE, 77, 0 },
	{ "and is no reason to spare what there is",
	  { 100000, 0, 0, 0, 0, 0, RESERVE + 5, 78, 1000 },
	  BALLOON_NEXT_INFLATE, 83, 5 },
	{ "no more of it than there is in blocks",
	  { 100000, 0, 0, 0, 0, 0, RESERVE + 5, 1000, 78 },
	  BALLOON_NEXT_INFLATE, 83, 5 },
};

KUNIT_ARRAY_PARAM_DESC(plan, plan_cases, name);

static void policy_plan(struct kunit *test)
{
	const struct plan_case *c = test->param_value;
	struct balloon_plan plan = balloon_policy_plan(&c->view);

	KUNIT_EXPECT_EQ(test, plan.next, c->next);
	KUNIT_EXPECT_EQ(test, plan.nr_pages, c->nr_pages);
	if (c->next == BALLOON_NEXT_INFLATE)
		KUNIT_EXPECT_EQ(test, plan.allocated, c->view.movable ?
				c->allocated : c->nr_pages);
}

/* --- what Xen counts ----------------------------------------------------------- */

static void policy_balanced(struct kunit *test)
{
	long kept = 0;

	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(0, 0, 0, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(-512, 0, -512, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(512, 0, 512, &kept));
	/* one that it did not know of, Xen's or not */
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(7, 1, 7, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(7, 1, 8, &kept));
	kept = 0;
	/* Xen took one that the guest keeps, gave fewer, or more */
	KUNIT_EXPECT_FALSE(test, balloon_policy_balanced(0, 0, -1, &kept));
	KUNIT_EXPECT_FALSE(test, balloon_policy_balanced(-5, 0, -6, &kept));
	KUNIT_EXPECT_FALSE(test, balloon_policy_balanced(5, 0, 4, &kept));
	KUNIT_EXPECT_FALSE(test, balloon_policy_balanced(5, 1, 7, &kept));
	/* somebody maps three that were released, and ends that one by one */
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(-5, 0, -2, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(0, 0, -1, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(9, 0, 8, &kept));
	KUNIT_EXPECT_TRUE(test, balloon_policy_balanced(-9, 0, -10, &kept));
	KUNIT_EXPECT_FALSE(test, balloon_policy_balanced(0, 0, -1, &kept));
}

/* --- backing off --------------------------------------------------------------- */

static void policy_delays(struct kunit *test)
{
	static const unsigned int ms[] = {
		0, 100, 200, 400, 1000, 2000, 4000, 8000, 8000, 8000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		KUNIT_EXPECT_EQ(test, balloon_policy_delay_ms(i + 1, 8), ms[i]);
		KUNIT_EXPECT_EQ(test, balloon_policy_delay_s(i + 1, 8),
				max(ms[i] / 1000, 1U));
	}
}

struct delay_case {
	const char *name;
	unsigned long retry_count;
	unsigned long most;
	unsigned long ms;
};

static const struct delay_case delay_cases[] = {
	{ "quick tries know no maximum", 4, 0, 400 },
	{ "a maximum of 0 is a second", 9, 0, 1000 },
	{ "a maximum of a second", 9, 1, 1000 },
	{ "a maximum between two powers", 9, 11, 11000 },
	{ "twelve doublings", 17, ULONG_MAX, 3600000 },
	{ "eleven doublings", 16, ULONG_MAX, 2048000 },
	{ "an hour", 1000, 3600, 3600000 },
	{ "an hour at most", 1000, 3601, 3600000 },
	{ "as many tries as can be counted", ULONG_MAX, ULONG_MAX, 3600000 },
	{ "as many tries as can be counted, short", ULONG_MAX, 8, 8000 },
};

KUNIT_ARRAY_PARAM_DESC(delay, delay_cases, name);

static void policy_delay(struct kunit *test)
{
	const struct delay_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, balloon_policy_delay_ms(c->retry_count, c->most),
			c->ms);
}

static void policy_cancel(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, balloon_policy_cancels(3, 4));
	KUNIT_EXPECT_TRUE(test, balloon_policy_cancels(4, 4));
	KUNIT_EXPECT_TRUE(test, balloon_policy_cancels(5, 4));
	KUNIT_EXPECT_TRUE(test, balloon_policy_cancels(1, 1));
	KUNIT_EXPECT_FALSE(test,
			   balloon_policy_cancels(ULONG_MAX, RETRY_UNLIMITED));
}

/* What a guest has lent, and should have. */
static void policy_missing(struct kunit *test)
{
	static const struct {
		struct balloon_view view;
		unsigned long missing;
	} rows[] = {
		/* nothing is lent, or the guest has all that it should have */
		{ { 900, 1000, 0, 0, 0, 1000, PLENTY }, 0 },
		{ { 1000, 1000, 0, 0, 50, 1050, PLENTY }, 0 },
		{ { 1000, 900, 0, 0, 50, 1050, PLENTY }, 0 },
		/* all that is lent, or a part */
		{ { 900, 1000, 0, 0, 50, 1000, PLENTY }, 50 },
		{ { 970, 1000, 0, 0, 50, 1000, PLENTY }, 30 },
		{ { 490, 500, 1000, 0, 50, 1000, PLENTY }, 50 },
		/* min_kb keeps the guest from shrinking */
		{ { 970, 500, 1000, 0, 50, 1000, PLENTY }, 50 },
		/* the guest should shrink and cannot */
		{ { 1000, 500, 0, 0, 50, 1050, RESERVE }, 50 },
		{ { 500, 500, 0, 0, 50, 1050, 0 }, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		KUNIT_EXPECT_EQ_MSG(test, balloon_policy_missing(&rows[i].view),
				    rows[i].missing, "row %u", i);
}

/* --- how much at once ------------------------------------------------------------ */

struct batch_case {
	const char *name;
	unsigned int extents;
	u64 ns;
	unsigned int next;
};

static const struct batch_case batch_cases[] = {
	{ "no time at all", 1, 0, 2 },
	{ "very short", 8, 5 * NSEC_PER_MSEC, 16 },
	{ "short", 8, 7999999, 10 },
	{ "about right, from below", 8, 8 * NSEC_PER_MSEC, 8 },
	{ "right", 8, 10 * NSEC_PER_MSEC, 8 },
	{ "about right, from above", 8, 12500000, 8 },
	{ "long", 8, 12500001, 6 },
	{ "very long", 8, 20 * NSEC_PER_MSEC, 4 },
	{ "for ever", 8, U64_MAX, 4 },
	{ "one is the least", 1, U64_MAX, 1 },
	{ "no more than there may be", 32, 0, 32 },
	{ "no more than there may be, from an odd number", 17, 0, 32 },
	{ "no more than there may be, of many", 30, 7 * NSEC_PER_MSEC, 32 },
};

KUNIT_ARRAY_PARAM_DESC(batch, batch_cases, name);

static void policy_batch(struct kunit *test)
{
	const struct batch_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, balloon_policy_batch(c->extents, 32, c->ns),
			c->next);
}

struct add_case {
	const char *name;
	unsigned long want;
	unsigned long available;
	size_t page_struct;
	unsigned long pages;
};

/* How many of the structures are in a page. */
#define IN_PAGE		64
#define SIZE		(PAGE_SIZE / IN_PAGE)

/* Blocks of 1024 pages. */
static const struct add_case add_cases[] = {
	{ "a page is a block", 1, PLENTY, SIZE, 1024 },
	{ "a block is a block", 1024, PLENTY, SIZE, 1024 },
	{ "a page more is two", 1025, PLENTY, SIZE, 2048 },
	{ "nothing", 0, PLENTY, SIZE, 0 },
	{ "nothing to pay with", 5000, 0, SIZE, 0 },
	{ "just not enough for a block", 5000, 4 * 1023 / IN_PAGE, SIZE, 0 },
	{ "enough for one of five", 5000, 4 * 1024 / IN_PAGE, SIZE, 1024 },
	{ "enough for one and a half", 5000, 6 * 1024 / IN_PAGE, SIZE, 1024 },
	{ "enough for it, not for its block", 1100, 4 * 1200 / IN_PAGE + 4,
	  SIZE, 1024 },
	{ "twice as dear", 5000, 8 * 1024 / IN_PAGE, 2 * SIZE, 1024 },
};

KUNIT_ARRAY_PARAM_DESC(add, add_cases, name);

static void policy_add(struct kunit *test)
{
	const struct add_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, balloon_policy_add(c->want, c->available, 1024,
						 c->page_struct), c->pages);
}

/* Whatever is asked: whole blocks, and no more than can be paid for. */
static void policy_add_ends(struct kunit *test)
{
	static const unsigned long ends[] = {
		0, 1, 1023, 1024, 1025, LONG_MAX, ULONG_MAX - 1, ULONG_MAX,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (j = 0; j < ARRAY_SIZE(ends); j++) {
			unsigned long pages, most;

			pages = balloon_policy_add(ends[i], ends[j], 1024, 64);
			most = ends[j] / 4;
			KUNIT_EXPECT_EQ(test, pages % 1024, 0);
			KUNIT_EXPECT_LE(test, pages / PAGE_SIZE * 64, most);
			if (ends[i] < ULONG_MAX - 1024)
				KUNIT_EXPECT_LT(test, pages, ends[i] + 1024);
		}
	}
}

/* --- what somebody wrote ---------------------------------------------------------- */

struct kb_case {
	const char *name;
	u64 kb;
	unsigned int shift;
	unsigned long most;
	int ret;
	unsigned long pages;
};

static const struct kb_case kb_cases[] = {
	{ "nothing", 0, 12, 100, 0, 0 },
	{ "less than a page", 3, 12, 100, 0, 0 },
	{ "a page", 4, 12, 100, 0, 1 },
	{ "a page and a half", 6, 12, 100, 0, 1 },
	{ "a page of 16 KiB", 16, 14, 100, 0, 1 },
	{ "a page of 64 KiB", 127, 16, 100, 0, 1 },
	{ "the most", 403, 12, 100, 0, 100 },
	{ "one more than the most", 404, 12, 100, -ERANGE, 7 },
	{ "as much as can be written", U64_MAX, 12, ULONG_MAX >> PAGE_SHIFT,
	  -ERANGE, 7 },
	{ "2^54 KiB", 1ULL << 54, 12, ULONG_MAX >> PAGE_SHIFT, -ERANGE, 7 },
	{ "8 GiB in a guest of 32 bits", 8ULL << 20, 12, U32_MAX >> 2, 0,
	  8UL << 18 },
};

KUNIT_ARRAY_PARAM_DESC(kb, kb_cases, name);

static void policy_kb_to_pages(struct kunit *test)
{
	const struct kb_case *c = test->param_value;
	unsigned long pages = 7;

	KUNIT_EXPECT_EQ(test, balloon_policy_kb_to_pages(c->kb, c->shift,
							 c->most, &pages),
			c->ret);
	KUNIT_EXPECT_EQ(test, pages, c->pages);
}

static struct kunit_case policy_test_cases[] = {
	KUNIT_CASE_PARAM(policy_plan, plan_gen_params),
	KUNIT_CASE(policy_balanced),
	KUNIT_CASE(policy_delays),
	KUNIT_CASE_PARAM(policy_delay, delay_gen_params),
	KUNIT_CASE(policy_cancel),
	KUNIT_CASE(policy_missing),
	KUNIT_CASE_PARAM(policy_batch, batch_gen_params),
	KUNIT_CASE_PARAM(policy_add, add_gen_params),
	KUNIT_CASE(policy_add_ends),
	KUNIT_CASE_PARAM(policy_kb_to_pages, kb_gen_params),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "xen-balloon-policy",
	.test_cases = policy_test_cases,
};

kunit_test_suite(policy_suite);
