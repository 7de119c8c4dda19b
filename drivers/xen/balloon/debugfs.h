/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: counters for developers
 */
#ifndef _XEN_BALLOON_DEBUGFS_H
#define _XEN_BALLOON_DEBUGFS_H

#include "common.h"

struct xen_balloon;

#ifdef CONFIG_DEBUG_FS
void balloon_debugfs_init(struct xen_balloon *b);
#else
static inline void balloon_debugfs_init(struct xen_balloon *b) { }
#endif

#endif /* _XEN_BALLOON_DEBUGFS_H */
