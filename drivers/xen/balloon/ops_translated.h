/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: guests whose addresses Xen translates
 */
#ifndef _XEN_BALLOON_OPS_TRANSLATED_H
#define _XEN_BALLOON_OPS_TRANSLATED_H

#include "reservation.h"

extern const struct balloon_ops balloon_translated_ops;
extern const struct balloon_ops balloon_direct_ops;

#endif /* _XEN_BALLOON_OPS_TRANSLATED_H */
