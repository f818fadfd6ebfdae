// SPDX-License-Identifier: LGPL-2.1-or-later
/* The API as its header promises it: results, errors, errno. */
#include "live.h"

#include <pvclock/abi.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static const clockid_t ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                                 CLOCK_BOOTTIME, CLOCK_TAI};
static const clockid_t forwarded[] = {CLOCK_REALTIME_COARSE,    CLOCK_MONOTONIC_COARSE,
                                      CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                                      CLOCK_REALTIME_ALARM,     CLOCK_BOOTTIME_ALARM};
/* The last is a dynamic clock of a file descriptor that is not open. */
static const clockid_t unknown[] = {10, 12, 15, 16, 17, 63, 64, 1000, 0x7fffffff, -8005};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void every_clock(void **state)
{
	struct timespec ts;
	size_t i;
	(void)state;

	for (i = 0; i < COUNT(ours); i++) {
		int64_t before = kernel_ns(ours[i]), now;

		errno = 77;
		assert_int_equal(pvclock_gettime(ours[i], &ts), 0);
		assert_int_equal(errno, 77);
		now = ns_of(&ts);
		assert_in_range(ts.tv_nsec, 0, SEC - 1);
		assert_true(now >= before - 1000 && now <= kernel_ns(ours[i]) + 1000);
	}
	for (i = 0; i < COUNT(forwarded); i++) {
		int ret = (int)syscall(SYS_clock_gettime, forwarded[i], &ts), err = errno;

		errno = 0;
		assert_int_equal(pvclock_gettime(forwarded[i], &ts), ret);
		if (ret)
			assert_int_equal(errno, err);
	}
}

/* -1 and errno are what the system call itself gives. */
static void refused(void **state)
{
	struct timespec ts = {-5, -6}, untouched = ts;
	size_t i;
	(void)state;

	for (i = 0; i < COUNT(unknown); i++) {
		int ret = (int)syscall(SYS_clock_gettime, unknown[i], &ts), err = errno;

		assert_int_equal(ret, -1);
		errno = 0;
		assert_int_equal(pvclock_gettime(unknown[i], &untouched), -1);
		assert_int_equal(errno, err);
		assert_int_equal(pvclock_gettime_unordered(unknown[i], &ts), -err);
		/* libc's, for the vDSO of Linux 6.18 knows the resolution of auxiliary
		 * clocks (16 to 23) that the system call says do not exist. */
		ret = clock_getres(unknown[i], &ts);
		assert_int_equal(pvclock_getres(unknown[i], &ts), ret);
	}
	assert_int_equal(untouched.tv_sec, -5);
	for (i = 0; i < COUNT(ours); i++) {
		errno = 0;
		assert_int_equal(pvclock_gettime(ours[i], NULL), -1);
		assert_int_equal(errno, EFAULT);
		assert_int_equal(pvclock_gettime_unordered(ours[i], NULL), -EFAULT);
	}
	assert_int_equal(pvclock_gettime(CLOCK_MONOTONIC_COARSE, NULL), -1);
	assert_int_equal(errno, EFAULT);
}

static void other_drop_ins(void **state)
{
	struct timespec res, kernel;
	struct timeval tv;
	struct timezone tz = {1, 1};
	time_t t = 0, now;
	int64_t before;
	(void)state;

	assert_int_equal(pvclock_getres(CLOCK_MONOTONIC, &res), 0);
	assert_int_equal(clock_getres(CLOCK_MONOTONIC, &kernel), 0);
	assert_int_equal(ns_of(&res), ns_of(&kernel));
	assert_int_equal(pvclock_getres(CLOCK_MONOTONIC, NULL), 0);

	before = kernel_ns(CLOCK_REALTIME);
	assert_int_equal(pvclock_gettimeofday(&tv, NULL), 0);
	assert_in_range(tv.tv_usec, 0, 999999);
	assert_true((tv.tv_sec * SEC + tv.tv_usec * 1000) - before > -2000);
	assert_true(kernel_ns(CLOCK_REALTIME) - (tv.tv_sec * SEC + tv.tv_usec * 1000) > -2000);
	assert_int_equal(pvclock_gettimeofday(NULL, &tz), 0);
	assert_int_equal(tz.tz_minuteswest, 0);
	assert_int_equal(pvclock_gettimeofday(&tv, &tz), 0);
	assert_int_equal(pvclock_gettimeofday(NULL, NULL), 0);

	now = time(NULL);
	assert_true(pvclock_time(&t) >= now);
	assert_true(t >= now && pvclock_time(NULL) >= t);
}

static void status(void **state)
{
	struct pvclock_status s = {.size = sizeof(s) - 1};
	(void)state;

	assert_int_equal(pvclock_status(NULL), -EFAULT);
	assert_int_equal(pvclock_status(&s), -EINVAL);
	settle(CLOCK_MONOTONIC);
	s = status_now();
	assert_true(strlen(s.reason) > 0);
	assert_int_equal(s.size, sizeof(s));
	assert_int_equal(s.resync_us, 1000);
	assert_int_equal(s.scope, PVCLOCK_SCOPE_PROCESS);
	if (!has_page("status of a page"))
		skip();
	assert_true(s.mode == PVCLOCK_MODE_STABLE || s.mode == PVCLOCK_MODE_PERCPU);
	assert_int_equal(s.proved, 1);
	assert_true(s.entries >= 1 && s.entries <= PVCLOCK_PAGE_SLOTS);
	assert_true(s.anchors > 0 && s.kernel_reads > 0);
	assert_int_equal(s.violated, 0);
	assert_in_range(s.tsc_khz, 100000, 10000000);
	assert_int_equal(s.mode == PVCLOCK_MODE_STABLE, s.flags & PVCLOCK_TSC_STABLE_BIT);
}

/* One instant, and the same hypervisor clock that pvclock_now tells. */
static void samples(void **state)
{
	struct pvclock_sample s = {.size = sizeof(s)}, small = {.size = 8};
	uint64_t before, after;
	int i;
	(void)state;

	assert_int_equal(pvclock_now(NULL), -EFAULT);
	assert_int_equal(pvclock_sample(NULL), -EFAULT);
	assert_int_equal(pvclock_sample(&small), -EINVAL);
	if (!has_page("samples"))
		skip();
	for (i = 0; i < 100000; i++) {
		assert_int_equal(pvclock_now(&before), 0);
		assert_int_equal(pvclock_sample(&s), 0);
		assert_int_equal(pvclock_now(&after), 0);
		/* 1 us: the entries of two CPUs are rounded apart */
		assert_true(s.ns + 1000 >= before && s.ns <= after + 1000);
		assert_int_equal(s.version & 1, 0);
		assert_true(s.cpu < PVCLOCK_PAGE_SLOTS);
	}
}

/* Out of order by ten or so ns at most; a microsecond is a generous bound. */
static void unordered(void **state)
{
	struct timespec ts;
	size_t i;
	int n;
	(void)state;

	for (i = 0; i < COUNT(ours); i++)
		for (n = 0; n < 100000; n++) {
			int64_t before = kernel_ns(ours[i]), now;

			assert_int_equal(pvclock_gettime_unordered(ours[i], &ts), 0);
			now = ns_of(&ts);
			assert_true(now >= before - 1000);
			assert_true(now <= kernel_ns(ours[i]) + 1000);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_clock),    cmocka_unit_test(refused),
		cmocka_unit_test(other_drop_ins), cmocka_unit_test(status),
		cmocka_unit_test(samples),        cmocka_unit_test(unordered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
