// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: PV guests
 */

/**
 * DOC: PV
 *
 * A PV guest maps machine frames itself.  Before the guest may release a frame,
 * the mapping and the entry in the p2m have to go.  After that only the list of
 * frames in the batch knows where the page was.
 *
 * All requests to change the kernel's own mapping are made here, a hypercall
 * for many pages.  Other drivers map and unmap their pages by the same
 * functions.
 */

#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include <asm/tlbflush.h>
#include <asm/xen/hypercall.h>

#include <xen/interface/xen.h>

#include "ops_pv.h"

/* Requests for a batch; belongs to the holder of the mover's lock. */
static struct mmu_update batch_updates[BALLOON_BATCH];

/* --- Xen and the kernel's tables, which a test replaces ------------------ */

VISIBLE_IF_KUNIT int balloon_pv_mmu_update(struct mmu_update *updates,
					   unsigned int nr, int *done)
{
	BALLOON_STUB(balloon_pv_mmu_update, updates, nr, done);
	return HYPERVISOR_mmu_update(updates, nr, done, DOMID_SELF);
}

/* Describe to Xen where the kernel maps @page.  @last is the page of the
 * request before this one, or NULL.  A walk of the page tables costs as much as
 * Xen's own work, and pages of the same 2 MiB have their entries in one table.
 */
VISIBLE_IF_KUNIT int balloon_pv_request(struct mmu_update *update,
					struct page *page, struct page *last,
					pte_t pte)
{
	unsigned long address = (unsigned long)page_address(page);
	unsigned int level;
	pte_t *ptep;

	BALLOON_STUB(balloon_pv_request, update, page, last, pte);
	if (last && page_to_pfn(page) / PTRS_PER_PTE ==
		    page_to_pfn(last) / PTRS_PER_PTE) {
		update->ptr = update[-1].ptr + (page - last) * sizeof(*ptep);
	} else {
		ptep = lookup_address(address, &level);
		if (!ptep || level != PG_LEVEL_4K)
			return -EFAULT;
		update->ptr = arbitrary_virt_to_machine(ptep).maddr |
			      MMU_NORMAL_PT_UPDATE;
	}
	update->val = pte_val_ma(pte);
	return 0;
}

VISIBLE_IF_KUNIT bool balloon_pv_set_p2m(struct page *page, unsigned long mfn)
{
	unsigned long pfn = page_to_pfn(page);

	BALLOON_STUB(balloon_pv_set_p2m, page, mfn);
	/*
	 * set_phys_to_machine() tries the same first; for an entry that exists,
	 * nearly always, this saves a call.
	 */
	return __set_phys_to_machine(pfn, mfn) || set_phys_to_machine(pfn, mfn);
}

/* --- mapping ------------------------------------------------------------ */

/* Pages to map.  Entry e has pages e << order up to ((e + 1) << order) - 1. */
struct mapping {
	struct page **pages;
	const xen_pfn_t *frames;
	unsigned int order;
	unsigned long *failed;
};

static struct page *page_at(const struct mapping *m, unsigned int i)
{
	return m->pages[i >> m->order] + (i & (BIT(m->order) - 1));
}

/* Page @i has no mapping: so its p2m entry must not say that it has memory. */
static void fail(const struct mapping *m, unsigned int i)
{
	balloon_pv_set_p2m(page_at(m, i), INVALID_P2M_ENTRY);
	__set_bit(i >> m->order, m->failed);
}

/* Have Xen do @nr requests, of which the first is for page @first. */
static void apply(const struct mapping *m, struct mmu_update *updates,
		  unsigned int first, unsigned int nr)
{
	unsigned int from = 0;
	int done;

	while (from < nr) {
		done = 0;
		if (!balloon_pv_mmu_update(updates + from, nr - from, &done))
			return;
		/* Xen refuses one, and says that it did all, or less than none */
		if ((unsigned int)done >= nr - from)
			break;
		from += done;
		fail(m, first + from++);
	}
	while (from < nr)
		fail(m, first + from++);
}

/* Map pages @first to @end - 1, with at most @most requests in a hypercall. */
static void map_pages(const struct mapping *m, struct mmu_update *updates,
		      unsigned int most, unsigned int first, unsigned int end)
{
	struct page *page, *last = NULL;
	unsigned int i, nr = 0;
	unsigned long mfn;
	bool ready;

	for (i = first; i < end; i++) {
		page = page_at(m, i);
		mfn = m->frames[i >> m->order] + (i & (BIT(m->order) - 1));
		ready = balloon_pv_set_p2m(page, mfn) &&
			!balloon_pv_request(&updates[nr], page, last,
					    mfn_pte(mfn, PAGE_KERNEL));
		if (ready) {
			last = page;
			nr++;
		}
		if (ready && nr < most)
			continue;
		/* what comes next begins a new hypercall */
		apply(m, updates, i + ready - nr, nr);
		if (!ready)
			fail(m, i);
		last = NULL;
		nr = 0;
	}
	apply(m, updates, end - nr, nr);
}

/* Unmap the first of @nr pages, and note their frames where @frames is not NULL,
 * because the p2m does not tell them any more.  Return for how many that worked.
 */
static unsigned int unmap_pages(struct mmu_update *updates, struct page **pages,
				xen_pfn_t *frames, unsigned int nr)
{
	struct page *last = NULL;
	unsigned int i, ready;
	int done = 0;

	for (ready = 0; ready < nr; ready++) {
		if (frames)
			frames[ready] = pfn_to_mfn(page_to_pfn(pages[ready]));
		if (balloon_pv_request(&updates[ready], pages[ready], last,
				       __pte_ma(0)))
			break;
		last = pages[ready];
	}
	if (ready && balloon_pv_mmu_update(updates, ready, &done))
		ready = clamp_t(int, done, 0, ready);
	for (i = 0; i < ready; i++)
		balloon_pv_set_p2m(pages[i], INVALID_P2M_ENTRY);
	return ready;
}

/**
 * balloon_pv_map - map pages of another driver to their frames
 * @pages: the pages
 * @frames: the MFN of each
 * @nr: how many, at most BALLOON_PV_CHUNK
 * @failed: a bit is set for each page that could not be mapped; the p2m entry of
 *	such a page is invalid
 *
 * Context: may allocate.
 */
void balloon_pv_map(struct page **pages, const xen_pfn_t *frames,
		    unsigned int nr, unsigned long *failed)
{
	struct mmu_update updates[BALLOON_PV_CHUNK];
	struct mapping m = {
		.pages = pages,
		.frames = frames,
		.failed = failed,
	};

	map_pages(&m, updates, BALLOON_PV_CHUNK, 0, nr);
}

/**
 * balloon_pv_unmap - unmap pages of another driver
 * @pages: the pages
 * @nr: how many, at most BALLOON_PV_CHUNK
 *
 * The caller flushes the TLB.
 *
 * Return: how many of the first pages are unmapped, and invalid in the p2m.
 */
unsigned int balloon_pv_unmap(struct page **pages, unsigned int nr)
{
	struct mmu_update updates[BALLOON_PV_CHUNK];

	return unmap_pages(updates, pages, NULL, nr);
}

/* --- the table of operations -------------------------------------------- */

static unsigned int hide(struct balloon_batch *batch)
{
	unsigned int nr = unmap_pages(batch_updates, batch->pages,
				      batch->frames, batch->nr);

	if (nr)
		flush_tlb_all();
	return nr;
}

static void show(struct balloon_batch *batch, unsigned int first,
		 unsigned int nr)
{
	struct mapping m = {
		.pages = batch->pages,
		.frames = batch->frames,
		.order = batch->order,
		.failed = batch->unsure,
	};

	map_pages(&m, batch_updates, BALLOON_BATCH, first << batch->order,
		  (first + nr) << batch->order);
}

static unsigned long last_pfn(void)
{
	return xen_p2m_size;
}

/* The kernel maps the range that it adds.  The p2m says that there is no
 * memory, because there is none yet.  The entries stay as they are where adding
 * fails, because nothing else can be at these addresses.
 */
static int prepare_range(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long end = pfn + nr_pages;

	for (; pfn < end; pfn++) {
		if (!set_phys_to_machine(pfn, INVALID_P2M_ENTRY))
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

static int lend(struct page *page)
{
	return xen_alloc_p2m_entry(page_to_pfn(page));
}

const struct balloon_ops balloon_pv_ops = {
	.by_frame = true,
	.keeps_blocks = true,
	.table_bytes = sizeof(pte_t) + sizeof(unsigned long),
	.memory_op = balloon_reservation_memory_op,
	.count = balloon_reservation_count,
	.prepare_range = prepare_range,
	.last_pfn = last_pfn,
	.hide = hide,
	.show = show,
	.lend = lend,
};
