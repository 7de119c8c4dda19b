/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: memory back for a guest that has run out of it
 */
#ifndef _XEN_BALLOON_OOM_H
#define _XEN_BALLOON_OOM_H

#include "common.h"

struct xen_balloon;

/**
 * struct balloon_oom - what was done for a guest out of memory
 * @rescues: how often the rescue got hold of the mover
 * @rescued: pages that came back then
 *
 * Belongs to the holder of the mover's lock.
 */
struct balloon_oom {
	unsigned long rescues;
	unsigned long rescued;
};

#if IS_ENABLED(CONFIG_KUNIT)
unsigned long balloon_oom_rescue(struct xen_balloon *b);
#endif

#endif /* _XEN_BALLOON_OOM_H */
