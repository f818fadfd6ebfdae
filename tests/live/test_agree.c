// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel, ours, kernel: on every clock and in every mode ours is never further
 * than a microsecond outside of the two around it, and never goes back.
 */
#include "live.h"

#include <sched.h>

#define READINGS 1000000

static const clockid_t ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                                 CLOCK_BOOTTIME, CLOCK_TAI};

/* Runs on, but from one CPU to the next. */
static void move(int i)
{
	cpu_set_t all, one;
	int cpu;

	if (i % 10000)
		return;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	cpu = (i / 10000) % CPU_SETSIZE;
	if (cpu % 16)
		return;
	sched_yield();
	CPU_ZERO(&one);
	for (cpu = (i / 160000) % 64; cpu < 64; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof(one), &one);
			sched_setaffinity(0, sizeof(all), &all);
			return;
		}
}

static void interleave(int handle, clockid_t id)
{
	int64_t last = INT64_MIN, furthest_behind = 0, furthest_ahead = 0;
	int i;

	for (i = 0; i < READINGS; i++) {
		int64_t before = kernel_ns(id), now, after;
		struct timespec ts;

		if (handle < 0)
			assert_int_equal(pvclock_gettime(id, &ts), 0);
		else
			assert_int_equal(pvclock_gettime_h(handle, id, &ts), 0);
		now = ns_of(&ts);
		after = kernel_ns(id);
		if (before - now > furthest_behind)
			furthest_behind = before - now;
		if (now - after > furthest_ahead)
			furthest_ahead = now - after;
		/* The settable ones too: nobody sets them while this runs. */
		assert_true(now >= last);
		last = now;
		move(i);
	}
	printf("clock %2d: at most %lld ns before the kernel's earlier reading, "
	       "%lld ns after its later one\n",
	       id, (long long)furthest_behind, (long long)furthest_ahead);
	assert_true(furthest_behind <= 1000 && furthest_ahead <= 1000);
}

static void every_clock(int handle)
{
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		interleave(handle, ours[i]);
}

static void by_default(void **state)
{
	(void)state;
	every_clock(-1);
}

static void with_mode(uint32_t mode, uint32_t resync_us)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = mode, .resync_us = resync_us};
	struct pvclock_status s = {.size = sizeof(s)};
	int handle = pvclock_open(&o);

	assert_true(handle >= 0);
	every_clock(handle);
	assert_int_equal(pvclock_status_h(handle, &s), 0);
	if (s.mode != mode)
		printf("SKIP: mode %u: %s\n", mode, s.reason);
	assert_int_equal(pvclock_close(handle), 0);
}

static void per_cpu(void **state)
{
	(void)state;
	with_mode(PVCLOCK_MODE_PERCPU, 0);
}

static void kernel_mode(void **state)
{
	(void)state;
	with_mode(PVCLOCK_MODE_KERNEL, 0);
}

static void often(void **state)
{
	(void)state;
	with_mode(PVCLOCK_MODE_STABLE, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_default),
		cmocka_unit_test(per_cpu),
		cmocka_unit_test(kernel_mode),
		cmocka_unit_test(often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
