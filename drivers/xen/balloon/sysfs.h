/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: attributes
 */
#ifndef _XEN_BALLOON_SYSFS_H
#define _XEN_BALLOON_SYSFS_H

#include "common.h"

void balloon_sysfs_init(void);

#if IS_ENABLED(CONFIG_KUNIT)
struct attribute_group;
struct device;

extern const struct attribute_group *balloon_sysfs_groups[];
int balloon_sysfs_parse_bytes(const char *text, unsigned long long *bytes);
int balloon_sysfs_add(struct device *dev);
#endif

#endif /* _XEN_BALLOON_SYSFS_H */
