// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernel, ours, kernel, our interval, kernel. Made from the kernel's own parameters
 * ours is never below the kernel's reading before it nor above the one after it,
 * on any clock; made from samples it is never further than a microsecond outside
 * of them. It never goes back, and the interval always holds.
 */
#include "live.h"

#include <sched.h>
#include <stdbool.h>

/* Instrumented code is some times slower; what is to be found there is another. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FEWER 10
#endif
#endif
#ifndef FEWER
#define FEWER 1
#endif

#define MANY (5000000 / FEWER) /* pinned, and as many hopping */
#define SOME (500000 / FEWER)
#define HOP 10000

static const clockid_t ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                                 CLOCK_BOOTTIME, CLOCK_TAI};

struct tally {
	int64_t below, above;           /* readings */
	int64_t most_below, most_above; /* ns */
	int64_t back, outside;
};

static cpu_set_t all_cpus;

static int learn_cpus(void **state)
{
	(void)state;
	return sched_getaffinity(0, sizeof(all_cpus), &all_cpus);
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* To the next of the CPUs that are allowed. */
static int hop(int cpu)
{
	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, &all_cpus));
	run_on(cpu);
	return cpu;
}

static int64_t read_ours(int handle, clockid_t id)
{
	struct timespec ts;

	if (handle < 0)
		assert_int_equal(pvclock_gettime(id, &ts), 0);
	else
		assert_int_equal(pvclock_gettime_h(handle, id, &ts), 0);
	return ns_of(&ts);
}

static struct pvclock_interval read_interval(int handle, clockid_t id)
{
	struct pvclock_interval i = {.size = sizeof(i)};

	if (handle < 0)
		assert_int_equal(pvclock_gettime_interval(id, &i), 0);
	else
		assert_int_equal(pvclock_gettime_interval_h(handle, id, &i), 0);
	return i;
}

/* One of each; what ours was. The settable clocks too: nobody sets them meanwhile. */
static int64_t compare(int handle, clockid_t id, int64_t last, struct tally *t)
{
	int64_t before = kernel_ns(id), now = read_ours(handle, id), after = kernel_ns(id), end;
	struct pvclock_interval i = read_interval(handle, id);

	end = kernel_ns(id);
	t->below += now < before;
	t->above += now > after;
	if (before - now > t->most_below)
		t->most_below = before - now;
	if (now - after > t->most_above)
		t->most_above = now - after;
	t->back += now < last;
	t->outside += after > ns_of(&i.latest) || end < ns_of(&i.earliest) ||
	              ns_of(&i.earliest) > ns_of(&i.latest);
	return now;
}

static struct tally interleave(int handle, clockid_t id, int count, bool hopping)
{
	struct tally t = {0};
	int64_t last = INT64_MIN;
	int i, cpu = hop(CPU_SETSIZE - 1);

	for (i = 1; i <= count; i++) {
		last = compare(handle, id, last, &t);
		if (hopping && i % HOP == 0)
			cpu = hop(cpu);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all_cpus), &all_cpus), 0);
	if (t.most_below || t.most_above)
		printf("clock %2d: at most %lld ns before the kernel's earlier reading, "
		       "%lld ns after its later one\n",
		       id, (long long)t.most_below, (long long)t.most_above);
	return t;
}

static struct pvclock_status status_of(int handle)
{
	struct pvclock_status s = {.size = sizeof(s)};

	assert_int_equal(handle < 0 ? pvclock_status(&s) : pvclock_status_h(handle, &s), 0);
	return s;
}

static void every_clock(int handle, int count, bool exact)
{
	size_t i;
	int hopping;

	for (i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		for (hopping = 0; hopping < 2; hopping++) {
			struct tally t = interleave(handle, ours[i], count, hopping);

			assert_int_equal(t.back, 0);
			assert_int_equal(t.outside, 0);
			if (exact) {
				assert_int_equal(t.below, 0);
				assert_int_equal(t.above, 0);
			}
			assert_true(t.most_below <= 1000 && t.most_above <= 1000);
		}
	/* The same, as the library itself has seen it. */
	assert_int_equal(status_of(handle).violated, 0);
}

static void by_default(void **state)
{
	struct pvclock_status s;
	(void)state;

	read_ours(-1, CLOCK_MONOTONIC);
	s = status_now();
	if (!s.exact)
		printf("SKIP: agreement to the last bit: clocks are made from samples: %s\n",
		       s.reason);
	every_clock(-1, s.exact ? MANY : SOME, s.exact);
	/* It was to the last bit until the end. */
	assert_int_equal(status_now().exact, s.exact);
}

static void with_mode(uint32_t mode, uint32_t resync_us)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = mode, .resync_us = resync_us};
	int handle = pvclock_open(&o);
	struct pvclock_status s;

	assert_true(handle >= 0);
	read_ours(handle, CLOCK_MONOTONIC);
	s = status_of(handle);
	if (s.mode != mode)
		printf("SKIP: mode %u: %s\n", mode, s.reason);
	/* What is forwarded is the kernel's own word. */
	every_clock(handle, SOME, s.exact || s.mode == PVCLOCK_MODE_KERNEL);
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

	return cmocka_run_group_tests(tests, learn_cpus, NULL);
}
