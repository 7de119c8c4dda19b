/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_balloon

#if !defined(_TRACE_XEN_BALLOON_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_XEN_BALLOON_H

#include <linux/tracepoint.h>

TRACE_EVENT(xen_balloon_step,
	TP_PROTO(const char *what, unsigned long want, unsigned long moved,
		 unsigned long current_pages, unsigned long target_pages),
	TP_ARGS(what, want, moved, current_pages, target_pages),
	TP_STRUCT__entry(
		__string(what, what)
		__field(unsigned long, want)
		__field(unsigned long, moved)
		__field(unsigned long, current_pages)
		__field(unsigned long, target_pages)
	),
	TP_fast_assign(
		__assign_str(what);
		__entry->want = want;
		__entry->moved = moved;
		__entry->current_pages = current_pages;
		__entry->target_pages = target_pages;
	),
	TP_printk("%s want=%lu moved=%lu current=%lu target=%lu",
		  __get_str(what), __entry->want, __entry->moved,
		  __entry->current_pages, __entry->target_pages)
);

TRACE_EVENT(xen_balloon_hypercall,
	TP_PROTO(bool populate, unsigned int order, unsigned int asked,
		 long done, u64 ns),
	TP_ARGS(populate, order, asked, done, ns),
	TP_STRUCT__entry(
		__field(bool, populate)
		__field(unsigned int, order)
		__field(unsigned int, asked)
		__field(long, done)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->populate = populate;
		__entry->order = order;
		__entry->asked = asked;
		__entry->done = done;
		__entry->ns = ns;
	),
	TP_printk("%s order=%u asked=%u done=%ld ns=%llu",
		  __entry->populate ? "populate" : "release", __entry->order,
		  __entry->asked, __entry->done, __entry->ns)
);

TRACE_EVENT(xen_balloon_state,
	TP_PROTO(const char *was, const char *is),
	TP_ARGS(was, is),
	TP_STRUCT__entry(
		__string(was, was)
		__string(is, is)
	),
	TP_fast_assign(
		__assign_str(was);
		__assign_str(is);
	),
	TP_printk("%s -> %s", __get_str(was), __get_str(is))
);

#endif /* _TRACE_XEN_BALLOON_H */

/* This part must be outside protection. */
#include <trace/define_trace.h>
