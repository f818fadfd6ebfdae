/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the live tests share: cmocka's includes, and nanoseconds. */
#ifndef PVC_TESTS_LIVE_H
#define PVC_TESTS_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pvclock.h>
#include <stdio.h>
#include <string.h>

#define SEC 1000000000ll

static inline int64_t ns_of(const struct timespec *ts)
{
	return ts->tv_sec * SEC + ts->tv_nsec;
}

static inline int64_t kernel_ns(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(id, &ts), 0);
	return ns_of(&ts);
}

static inline struct pvclock_status status_now(void)
{
	struct pvclock_status s = {.size = sizeof(s)};

	assert_int_equal(pvclock_status(&s), 0);
	return s;
}

/* Until the page's rate has been watched for a millisecond the kernel answers. */
static inline void settle(clockid_t id)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + 20000000;
	struct timespec ts;

	while (kernel_ns(CLOCK_MONOTONIC) < end)
		assert_int_equal(pvclock_gettime(id, &ts), 0);
}

static inline int has_page(const char *what)
{
	struct pvclock_status s = status_now();

	if (s.page)
		return 1;
	printf("SKIP: %s: %s\n", what, s.reason);
	return 0;
}

#endif /* PVC_TESTS_LIVE_H */
