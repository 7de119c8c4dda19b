/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the toolstack's target in xenstore
 */
#ifndef _XEN_BALLOON_XENBUS_H
#define _XEN_BALLOON_XENBUS_H

#include <linux/types.h>

#include "common.h"

/**
 * struct balloon_toolstack - what is known of the toolstack's target
 * @offset: how many pages more than the guest the toolstack counts
 * @offset_known: @offset was taken
 * @target_bad: memory/target cannot be used, and that was said
 *
 * Belongs to the watch on memory/target.
 */
struct balloon_toolstack {
	unsigned long offset;
	bool offset_known;
	bool target_bad;
};

void balloon_xenbus_init(void);

#if IS_ENABLED(CONFIG_KUNIT)
struct xenbus_watch;

char *balloon_xenbus_read(const char *key);
bool balloon_xenbus_has_offset(void);
void balloon_xenbus_target_changed(struct xenbus_watch *watch, const char *path,
				   const char *token);
#endif

#endif /* _XEN_BALLOON_XENBUS_H */
