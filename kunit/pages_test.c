// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: tests of the list of ballooned pages
 */

#include <kunit/test.h>
#include <linux/memblock.h>
#include <linux/highmem.h>
#include <linux/prandom.h>

#include "sim.h"

#define HUGE		BALLOON_HUGE_PAGES

static void add(struct sim *sim, struct page *page, unsigned long nr_pages)
{
	balloon_pages_add(&sim->b.pages, page, nr_pages);
}

static struct page *take(struct sim *sim, bool low_only, unsigned int order,
			 unsigned int *got)
{
	*got = order;
	return balloon_pages_take(&sim->b.pages, low_only, got);
}

static unsigned int nr_extents(struct sim *sim, unsigned int order)
{
	unsigned int nr = 0, high;
	struct list_head *at;

	for (high = 0; high < 2; high++) {
		list_for_each(at, &sim->b.pages.free[high][order])
			nr++;
	}
	return nr;
}

/* Every order comes in and goes out as it was. */
static void pages_orders(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER);
	unsigned int order, got;

	for (order = 0; order <= BALLOON_MAX_ORDER; order++) {
		add(sim, page, 1UL << order);
		KUNIT_EXPECT_EQ(test, nr_extents(sim, order), 1);
		KUNIT_EXPECT_EQ(test, balloon_pages_count(&sim->b.pages),
				1UL << order);
		KUNIT_EXPECT_PTR_EQ(test, take(sim, false, BALLOON_MAX_ORDER,
					       &got), page);
		KUNIT_EXPECT_EQ(test, got, order);
		KUNIT_EXPECT_EQ(test, balloon_pages_count(&sim->b.pages), 0);
		KUNIT_EXPECT_EQ(test, page_private(page), 0);
	}
	KUNIT_EXPECT_NULL(test, take(sim, false, 0, &got));
	add(sim, page, HUGE);
	sim_check(sim);
}

/* 2 MiB put together from single pages, in any order. */
static void pages_merge(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER);
	unsigned long i, step;

	/* all odd steps reach every page */
	for (step = 1; step < 64; step += 10) {
		for (i = 0; i < HUGE; i++) {
			KUNIT_EXPECT_EQ(test, nr_extents(sim,
							 BALLOON_MAX_ORDER), 0);
			add(sim, page + i * step % HUGE, 1);
		}
		KUNIT_EXPECT_EQ(test, nr_extents(sim, BALLOON_MAX_ORDER), 1);
		sim_check(sim);
		KUNIT_EXPECT_PTR_EQ(test,
				    balloon_pages_take_huge(&sim->b.pages),
				    page);
		KUNIT_EXPECT_NULL(test, balloon_pages_take_huge(&sim->b.pages));
	}
	add(sim, page, HUGE);
}

/* A range that begins and ends anywhere is cut into aligned extents. */
static void pages_ranges(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER);
	static const unsigned int ranges[][2] = {
		{ 0, 1 }, { 1, 1 }, { 1, 2 }, { 0, 3 }, { 3, 7 }, { 5, 11 },
		{ 7, 24 }, { 1, 31 },
	};
	unsigned int i, got, order;
	unsigned long left;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		add(sim, page + ranges[i][0], ranges[i][1]);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), ranges[i][1]);
		for (left = ranges[i][1]; left; left -= 1UL << got) {
			struct page *piece = take(sim, false,
						  BALLOON_MAX_ORDER, &got);

			KUNIT_ASSERT_NOT_NULL(test, piece);
			KUNIT_EXPECT_GE(test, piece - page, ranges[i][0]);
			KUNIT_EXPECT_LE(test, piece - page + (1L << got),
					ranges[i][0] + ranges[i][1]);
			KUNIT_EXPECT_EQ(test, page_to_pfn(piece) &
					((1UL << got) - 1), 0);
		}
		KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	}
	for (order = 0; order <= BALLOON_MAX_ORDER; order++)
		KUNIT_EXPECT_EQ(test, nr_extents(sim, order), 0);
	add(sim, page, HUGE);
}

static void pages_chunk_order(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(0, 1), 0);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(0, ULONG_MAX),
			BALLOON_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(1, ULONG_MAX), 0);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(12, 100), 2);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(12, 3), 1);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(HUGE, HUGE),
			BALLOON_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(HUGE, HUGE - 1),
			BALLOON_MAX_ORDER - 1);
	KUNIT_EXPECT_EQ(test, balloon_pages_chunk_order(8 * HUGE, 8 * HUGE),
			BALLOON_MAX_ORDER);
}

/* A piece is split off the smallest extent that has it, and merges again. */
static void pages_split(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER), *piece;
	unsigned int order, got;

	for (order = 0; order < BALLOON_MAX_ORDER; order++) {
		add(sim, page, HUGE);
		piece = take(sim, false, order, &got);
		KUNIT_EXPECT_EQ(test, got, order);
		KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE - (1UL << order));
		/* one of each size between is left */
		for (got = 0; got < BALLOON_NR_ORDERS; got++)
			KUNIT_EXPECT_EQ(test, nr_extents(sim, got),
					got >= order &&
					got < BALLOON_MAX_ORDER);
		add(sim, piece, 1UL << order);
		KUNIT_EXPECT_EQ(test, nr_extents(sim, BALLOON_MAX_ORDER), 1);
		balloon_pages_take_huge(&sim->b.pages);
	}
	add(sim, page, HUGE);
}

/* Large extents are kept whole for as long as there are smaller ones. */
static void pages_small_first(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *large = sim_hole(sim, BALLOON_MAX_ORDER);
	struct page *small = sim_hole(sim, BALLOON_MAX_ORDER);
	unsigned int got;

	add(sim, large, HUGE);
	add(sim, small + 1, 1);
	add(sim, small + 4, 4);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, false, 3, &got), small + 4);
	KUNIT_EXPECT_EQ(test, got, 2);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, false, 3, &got), small + 1);
	KUNIT_EXPECT_EQ(test, got, 0);
	KUNIT_EXPECT_EQ(test, nr_extents(sim, BALLOON_MAX_ORDER), 1);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, false, 3, &got), large);
	KUNIT_EXPECT_EQ(test, got, 3);
	add(sim, large, 8);
	add(sim, small, HUGE);
	KUNIT_EXPECT_EQ(test, nr_extents(sim, BALLOON_MAX_ORDER), 2);
}

/* What is offline for another reason, or on its way, is no neighbour. */
static void pages_foreign(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, 2);
	unsigned int got;

	add(sim, page, 1);
	add(sim, page + 2, 2);
	/* the second page is PageOffline, but not in the balloon */
	KUNIT_EXPECT_EQ(test, nr_extents(sim, 0), 1);
	KUNIT_EXPECT_EQ(test, nr_extents(sim, 1), 1);
	/* a tag of its size, but of another driver */
	set_page_private(page + 1, 1);
	balloon_pages_take(&sim->b.pages, false, &(unsigned int){ 0 });
	add(sim, page, 1);
	KUNIT_EXPECT_EQ(test, nr_extents(sim, 0), 1);
	set_page_private(page + 1, 0);
	add(sim, page + 1, 1);
	KUNIT_EXPECT_EQ(test, nr_extents(sim, 2), 1);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 4);
	take(sim, false, 2, &got);
	KUNIT_EXPECT_EQ(test, got, 2);
	add(sim, page, 4);
}

/* The ranges that memory blocks are made of. */
static void pages_range(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, BALLOON_MAX_ORDER);
	struct page *other = sim_hole(sim, BALLOON_MAX_ORDER);
	struct balloon_pages *bp = &sim->b.pages;
	unsigned long pfn = page_to_pfn(page), i;

	add(sim, other, HUGE);
	add(sim, page, HUGE);
	sim_check(sim);
	balloon_pages_set_aside(bp, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	for (i = 0; i < HUGE; i++) {
		KUNIT_EXPECT_TRUE(test, PageOffline(page + i));
		KUNIT_EXPECT_EQ(test, page_private(page + i), 0);
		KUNIT_EXPECT_EQ(test, page_count(page + i), 0);
	}
	balloon_pages_put_back(bp, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 2 * HUGE);
	sim_check(sim);
	/* in pieces as well, and what is not in the balloon is left alone */
	balloon_pages_set_aside(bp, pfn, HUGE);
	for (i = 0; i < HUGE; i++)
		page_ref_inc(page + i);
	for (i = 1; i < HUGE; i += 3)
		add(sim, page + i, 1);
	balloon_pages_set_aside(bp, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_EQ(test, page_count(page + 1), 0);
	balloon_pages_put_back(bp, pfn, HUGE);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), HUGE + (HUGE + 1) / 3);
	balloon_pages_set_aside(bp, pfn, HUGE);
	for (i = 1; i < HUGE; i += 3)
		page_ref_inc(page + i);
	add(sim, page, HUGE);
	sim_check(sim);
}

/* What a page has to look like at each stage, tails too. */
static void pages_state(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *page = sim_hole(sim, 3);
	unsigned int i;

	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, PageOffline(page + i));
	set_page_private(page + 5, 42);
	balloon_pages_unmark(page, 8);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_FALSE(test, PageOffline(page + i));
	SetPageReserved(page + 1);
	SetPageUptodate(page + 2);
	SetPageDirty(page + 3);
	page[4].mapping = (void *)4096;
	balloon_pages_clean(page, 8);
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_FALSE(test, PageReserved(page + i));
		KUNIT_EXPECT_FALSE(test, PageUptodate(page + i));
		KUNIT_EXPECT_FALSE(test, PageDirty(page + i));
		KUNIT_EXPECT_NULL(test, page[i].mapping);
	}
	balloon_pages_mark(page, 8);
	/* once more does no harm */
	balloon_pages_mark(page, 8);
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, PageOffline(page + i));
		KUNIT_EXPECT_EQ(test, page_private(page + i), 0);
	}
	add(sim, page, 8);
	sim_check(sim);
}

#ifdef CONFIG_HIGHMEM
/* Low memory comes first, and high memory not at all to who cannot use it. */
static void pages_high(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct page *low = sim_hole(sim, 3), *high, *piece;
	unsigned int got;

	high = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN, 3);
	if (!high || !PageHighMem(high))
		kunit_skip(test, "no high memory");
	split_page(high, 3);
	sim_adopt_hole(sim, high, 3);
	add(sim, high, 8);
	KUNIT_EXPECT_EQ(test, sim->stats.balloon_high, 8);
	KUNIT_EXPECT_EQ(test, sim->stats.balloon_low, 0);
	KUNIT_EXPECT_NULL(test, take(sim, true, 3, &got));
	add(sim, low, 8);
	KUNIT_EXPECT_EQ(test, sim->stats.balloon_low, 8);
	sim_check(sim);
	piece = take(sim, false, 1, &got);
	KUNIT_EXPECT_PTR_EQ(test, piece, low);
	KUNIT_EXPECT_EQ(test, sim->stats.balloon_low, 6);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, true, 3, &got), low + 4);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, false, 3, &got), low + 2);
	KUNIT_EXPECT_PTR_EQ(test, take(sim, false, 3, &got), high);
	KUNIT_EXPECT_EQ(test, sim_listed(sim), 0);
	add(sim, low, 8);
	add(sim, high, 8);
	sim_check(sim);
}
#endif

/* A plain model: which of the pages of two extents are in the balloon. */
struct model {
	struct page *page[2];
	DECLARE_BITMAP(in, 2 * (1UL << (21 - 12)));
	unsigned long nr;
};

static struct page *model_page(struct model *model, unsigned long i)
{
	return model->page[i / HUGE] + i % HUGE;
}

static void model_add(struct sim *sim, struct model *model,
		      struct rnd_state *rnd)
{
	unsigned long i = prandom_u32_state(rnd) % (2 * HUGE), nr;
	unsigned long end = min(i / HUGE * HUGE + HUGE,
				i + 1 + prandom_u32_state(rnd) % 70);

	nr = find_next_bit(model->in, end, i) - i;
	if (!nr)
		return;
	add(sim, model_page(model, i), nr);
	bitmap_set(model->in, i, nr);
	model->nr += nr;
}

static void model_take(struct kunit *test, struct model *model,
		       struct rnd_state *rnd)
{
	unsigned int order = prandom_u32_state(rnd) % BALLOON_NR_ORDERS, got;
	struct page *page = take(test->priv, false, order, &got);
	unsigned long i;

	if (!page) {
		KUNIT_EXPECT_EQ(test, model->nr, 0);
		return;
	}
	KUNIT_EXPECT_LE(test, got, order);
	i = page - model->page[0];
	if (i >= HUGE)
		i = HUGE + (page - model->page[1]);
	KUNIT_ASSERT_LE(test, i + (1UL << got), 2 * HUGE);
	KUNIT_EXPECT_GE(test, find_next_zero_bit(model->in, 2 * HUGE, i),
			i + (1UL << got));
	bitmap_clear(model->in, i, 1U << got);
	model->nr -= 1UL << got;
}

static void pages_random(struct kunit *test)
{
	struct sim *sim = test->priv;
	struct model *model;
	struct rnd_state rnd;
	unsigned int round;
	u32 seed = sim_seed(test);
	unsigned long i;

	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	model->page[0] = sim_hole(sim, BALLOON_MAX_ORDER);
	model->page[1] = sim_hole(sim, BALLOON_MAX_ORDER);
	prandom_seed_state(&rnd, seed);
	for (round = 0; round < 20000 && !sim->failed; round++) {
		if (prandom_u32_state(&rnd) & 1)
			model_add(sim, model, &rnd);
		else
			model_take(test, model, &rnd);
		KUNIT_ASSERT_EQ(test, sim_listed(sim), model->nr);
		if (round % 256)
			continue;
		/* those outside are on their way, or the quarantine's */
		sim->b.pages.quarantined = 2 * HUGE - model->nr;
		sim_check(sim);
	}
	for (i = 0; i < 2 * HUGE; i++) {
		if (!test_bit(i, model->in))
			add(sim, model_page(model, i), 1);
	}
	sim->b.pages.quarantined = 0;
	KUNIT_EXPECT_EQ(test, nr_extents(sim, BALLOON_MAX_ORDER), 2);
	sim_check(sim);
}

/* An extent that ends where its zone does is whole. */
static void pages_zone_end(struct kunit *test)
{
	unsigned int found = 0;
	unsigned long pfn;

	for (pfn = 2 * HUGE; pfn < max_pfn; pfn += HUGE) {
		struct page *page = pfn_to_page(pfn);

		if (!pfn_valid(pfn) || !pfn_valid(pfn - HUGE) ||
		    page_zone(page) == page_zone(page - 1) ||
		    page_zone(page - 1) != page_zone(page - HUGE))
			continue;
		KUNIT_EXPECT_EQ(test, balloon_pages_extent_order(page - HUGE, HUGE),
				BALLOON_MAX_ORDER);
		/* and the range may go on beyond it */
		KUNIT_EXPECT_EQ(test, balloon_pages_extent_order(page - HUGE / 2,
								 HUGE),
				BALLOON_MAX_ORDER - 1);
		found++;
	}
	if (!found)
		kunit_skip(test, "this machine has one zone");
}

static struct kunit_case pages_test_cases[] = {
	KUNIT_CASE(pages_orders),
	KUNIT_CASE(pages_merge),
	KUNIT_CASE(pages_ranges),
	KUNIT_CASE(pages_chunk_order),
	KUNIT_CASE(pages_split),
	KUNIT_CASE(pages_small_first),
	KUNIT_CASE(pages_foreign),
	KUNIT_CASE(pages_range),
	KUNIT_CASE(pages_state),
#ifdef CONFIG_HIGHMEM
	KUNIT_CASE(pages_high),
#endif
	KUNIT_CASE(pages_random),
	KUNIT_CASE(pages_zone_end),
	{}
};

static struct kunit_suite pages_suite = {
	.name = "xen-balloon-pages",
	.init = sim_test_init,
	.exit = sim_test_exit,
	.test_cases = pages_test_cases,
};

kunit_test_suite(pages_suite);
