// SPDX-License-Identifier: GPL-2.0
/*
 * Xen balloon driver: the tracepoints that several units use
 */

#define CREATE_TRACE_POINTS
#include <trace/events/xen_balloon.h>
