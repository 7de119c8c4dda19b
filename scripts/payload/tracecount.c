// SPDX-License-Identifier: GPL-2.0
/*
 * tracecount - count what xentrace recorded of one domain
 *
 *   tracecount DOMID < RECORDS
 *
 * Prints, a line each and only what is not 0:
 *   hypercall NUMBER COUNT    what the domain called, by Xen's numbers
 *   continued NUMBER COUNT    what Xen interrupted and had again, as far as its
 *                             record tells: mmu_update and mmuext_op
 *   subcall NUMBER COUNT      the same inside of multicalls
 *   release ORDER COUNT       extents that it gave to Xen
 *   populate ORDER COUNT      entries that Xen made for it (not in PV guests)
 *   lost 0 COUNT              records that xentrace was too slow for
 *
 * For an emulated machine with one CPU: who runs is known from the last switch.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xen/trace.h>
#include <xen/xen.h>

#define RAM	0	/* p2m_ram_rw */
#define KINDS	64
#define PREEMPTED	(1u << 31)	/* Xen's own, in the number of requests */

enum { HYPERCALL, CONTINUED, SUBCALL, RELEASE, POPULATE, LOST, WHAT };

static const char * const names[WHAT] = {
	"hypercall", "continued", "subcall", "release", "populate", "lost",
};
static unsigned long counts[WHAT][KINDS];

static void count(int what, uint32_t kind, unsigned long nr)
{
	counts[what][kind < KINDS ? kind : KINDS - 1] += nr;
}

/* What a record of a PV guest's hypercall is counted as. */
static int pv_call(const uint32_t *data, uint32_t kind)
{
	/* of these two Xen records one argument, the number of requests */
	if (kind != __HYPERVISOR_mmu_update && kind != __HYPERVISOR_mmuext_op)
		return HYPERCALL;
	return data[1] & PREEMPTED ? CONTINUED : HYPERCALL;
}

/* Records of who runs and what it calls. */
static void call(uint32_t event, const uint32_t *data, uint32_t domid)
{
	static uint32_t running = UINT32_MAX;
	uint32_t kind = data[0] & ~TRC_PV_HYPERCALL_V2_ARG_MASK;

	switch (event) {
	case TRC_SCHED_SWITCH:
		running = data[2];
		break;
	case TRC_HVM_VMMCALL:
		if (running == domid)
			count(HYPERCALL, data[0], 1);
		break;
	case TRC_PV_HYPERCALL_V2:
		if (running == domid)
			count(pv_call(data, kind), kind, 1);
		break;
	case TRC_PV_HYPERCALL_SUBCALL:
		if (running == domid)
			count(SUBCALL, kind, 1);
		break;
	}
}

/* Records that name the domain themselves, beside an order. */
static void extent(uint32_t event, const uint32_t *data, uint32_t domid)
{
	switch (event) {
	case TRC_MEM_DECREASE_RESERVATION:
		if ((data[2] & 0xffff) == domid)
			count(RELEASE, data[2] >> 16, 1);
		break;
	case TRC_MEM_SET_P2M_ENTRY:
		if ((data[5] & 0xffff) == domid && data[4] == RAM)
			count(POPULATE, data[5] >> 16, 1);
		break;
	case TRC_LOST_RECORDS:
		count(LOST, 0, data[0]);
		break;
	}
}

int main(int argc, char **argv)
{
	uint32_t domid = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	uint32_t head, cycles[2], what, kind;

	if (!domid)
		errx(2, "usage: tracecount DOMID < RECORDS");
	while (fread(&head, sizeof(head), 1, stdin) == 1) {
		uint32_t data[TRACE_EXTRA_MAX] = { 0 };
		size_t extra = TRC_HD_EXTRA(head);

		if (TRC_HD_INCLUDES_CYCLE_COUNT(head) &&
		    fread(cycles, sizeof(cycles), 1, stdin) != 1)
			break;
		if (fread(data, sizeof(*data), extra, stdin) != extra)
			break;
		call(TRC_HD_TO_EVENT(head), data, domid);
		extent(TRC_HD_TO_EVENT(head), data, domid);
	}
	for (what = 0; what < WHAT; what++) {
		for (kind = 0; kind < KINDS; kind++) {
			if (counts[what][kind])
				printf("%s %u %lu\n", names[what], kind,
				       counts[what][kind]);
		}
	}
	return 0;
}
