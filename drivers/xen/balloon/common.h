/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen balloon driver: the prefix of its messages and the hook for its tests
 *
 * Every unit includes this file, through its own header.
 */
#ifndef _XEN_BALLOON_COMMON_H
#define _XEN_BALLOON_COMMON_H

#include <kunit/visibility.h>

/* The headers of a unit come last, so that this prefix is the one that counts. */
#undef pr_fmt
#define pr_fmt(fmt) "xen:balloon: " fmt

/*
 * A function that a test may replace begins with this macro.  The replacement
 * acts in the task of the test only.  A kernel without the tests has no code
 * for it.
 */
#if IS_ENABLED(CONFIG_XEN_BALLOON_KUNIT_TEST)
#include <kunit/static_stub.h>
#define BALLOON_STUB(function, ...)					\
	KUNIT_STATIC_STUB_REDIRECT(function, ##__VA_ARGS__)
#else
#define BALLOON_STUB(...)	do { } while (0)
#endif

#endif /* _XEN_BALLOON_COMMON_H */
