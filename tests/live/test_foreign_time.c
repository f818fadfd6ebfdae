// SPDX-License-Identifier: LGPL-2.1-or-later
/* Foreign pages: time by entries that differ, step, or are written for ever. */
#include "page.h"

#include <sched.h>

/* Some entries ahead, some behind: never back, and no further than the furthest. */
static void entries_that_differ(void **state)
{
	static const int64_t off[6] = {0, 900000, -90000, 30, -70, 5};
	struct page p = new_page(6, 96);
	struct entry e[6];
	uint64_t last = 0, first = 0;
	unsigned i, n;
	int handle;
	(void)state;

	e[0] = entry_at(tsc_now());
	for (i = 0; i < 6; i++) {
		e[i] = moved(&e[0], off[i]);
		e[i].flags = 0;
		put(&p, i, &e[i]);
	}
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	for (n = 0; n < 100000; n++) {
		uint64_t ns = 0, ahead, before = ns_by(&e[1], tsc_now());

		if (n % 3)
			assert_int_equal(pvclock_now_entry_h(handle, n * 7 % 6, &ns), 0);
		else
			ns = now_of(handle);
		ahead = ns_by(&e[1], tsc_now());
		assert_true(ns >= last);
		assert_true(ns <= ahead);
		if (n > 6)
			assert_true(ns + 2 * 900000 > before || ns == last);
		last = ns;
		first = first ? first : ns;
	}
	assert_true(last > first);
	assert_int_equal(status_of(handle).restarts, 0);
	assert_int_equal(generation_of(handle), 0);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

/* Seconds apart, and each lower than the one before: still one time that goes on. */
static void entries_far_apart(void **state)
{
	struct page p = new_page(16, 32);
	uint64_t last = 0, first = 0, tsc = tsc_now();
	struct entry e;
	unsigned i, n;
	int handle;
	(void)state;

	for (i = 0; i < 16; i++) {
		e = entry_at(tsc);
		e.system_time -= (uint64_t)i * 10 * SEC;
		e.flags = 0;
		put(&p, i, &e);
	}
	e = entry_at(tsc);
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	for (n = 0; n < 10000; n++) {
		uint64_t ns = 0;

		assert_int_equal(pvclock_now_entry_h(handle, n % 16, &ns), 0);
		assert_true(ns >= last);
		assert_in_range(ns, ns_by(&e, tsc), ns_by(&e, tsc_now()) + 1000000);
		last = ns;
		first = first ? first : ns;
	}
	assert_true(last - first > 100000);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_PERCPU);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

/* Two handles in scope thread: the time of one page is not the other's. */
static void apart_in_thread_scope(void **state)
{
	struct page p[2] = {new_page(1, 64), new_page(1, 64)};
	struct entry e[2];
	int handle[2], i, n;
	(void)state;

	for (i = 0; i < 2; i++) {
		struct pvclock_options o = memory_options(&p[i], PVCLOCK_MODE_PERCPU);

		e[i] = entry_at(tsc_now());
		e[i].system_time += (uint64_t)i * 1000000 * SEC;
		e[i].flags = 0;
		put(&p[i], 0, &e[i]);
		o.scope = PVCLOCK_SCOPE_THREAD;
		handle[i] = pvclock_open(&o);
		assert_true(handle[i] >= 0);
	}
	for (n = 0; n < 1000; n++)
		for (i = 0; i < 2; i++) {
			uint64_t before = tsc_now(), ns = now_of(handle[i]);

			assert_in_range(ns, ns_by(&e[i], before), ns_by(&e[i], tsc_now()));
		}
	for (i = 0; i < 2; i++) {
		assert_int_equal(generation_of(handle[i]), 0);
		assert_int_equal(pvclock_close(handle[i]), 0);
		free_page(&p[i]);
	}
}

static void kernels_clocks(uint8_t flags)
{
	static const int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
	                          CLOCK_BOOTTIME, CLOCK_TAI};
	struct page p = new_page(4, 64);
	struct entry e = entry_at(tsc_now());
	int handle, i, n;

	e.flags = flags;
	put_all(&p, &e);
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	for (n = 0; n < 1000; n++)
		for (i = 0; i < 5; i++) {
			struct pvclock_interval iv = {.size = sizeof(iv)};
			int64_t before = kernel_ns(ids[i]);
			struct timespec ts;

			assert_int_equal(pvclock_gettime_h(handle, ids[i], &ts), 0);
			assert_in_range(ns_of(&ts), before, kernel_ns(ids[i]));
			assert_int_equal(pvclock_gettime_unordered_h(handle, ids[i], &ts), 0);
			assert_in_range(ns_of(&ts), before, kernel_ns(ids[i]));
			assert_int_equal(pvclock_gettime_interval_h(handle, ids[i], &iv), 0);
			assert_int_equal(iv.certainty, PVCLOCK_BY_KERNEL);
			assert_in_range(ns_of(&iv.earliest), before, kernel_ns(ids[i]));
			assert_in_range(ns_of(&iv.latest), ns_of(&iv.earliest), kernel_ns(ids[i]));
		}
	assert_int_equal(pvclock_gettime_h(handle, CLOCK_MONOTONIC, NULL), -EFAULT);
	assert_int_equal(pvclock_gettime_h(handle, 1000, &(struct timespec){0}), -EINVAL);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

static void clocks_are_the_kernels(void **state)
{
	(void)state;
	kernels_clocks(STABLE);
	kernels_clocks(0);
}

/* A host that never comes back to an entry: an error, not a wait. */
static void odd_for_ever(uint8_t flags, uint32_t mode)
{
	struct pvclock_sample s = {.size = sizeof(s)};
	struct pvclock_entry status = {.size = sizeof(status)};
	struct page p = new_page(4, 64);
	struct entry e = entry_at(tsc_now());
	struct pvclock_event event[2];
	uint64_t ns, last, after = 0, lost;
	struct timespec ts;
	uint32_t i;
	int handle, n;

	e.flags = flags;
	put_all(&p, &e);
	handle = open_page(&p, mode);
	last = now_of(handle);
	for (i = 0; i < 4; i++)
		put_begin(&p, i);
	for (n = 0; n < 100; n++) {
		assert_int_equal(pvclock_now_h(handle, &ns), -EAGAIN);
		for (i = 0; i < 4; i++)
			assert_int_equal(pvclock_now_entry_h(handle, i, &ns), -EAGAIN);
		assert_int_equal(pvclock_sample_h(handle, &s), -EAGAIN);
		assert_int_equal(pvclock_sample_valid_h(handle, &s), -EAGAIN);
		assert_int_equal(pvclock_entry_h(handle, 1, &status), -EAGAIN);
		assert_int_equal(pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts), 0);
		assert_int_equal(generation_of(handle), 0);
		assert_int_equal(pvclock_events_h(handle, &after, event, 2, &lost), 0);
	}
	assert_true(status_of(handle).busy > 0);
	for (i = 0; i < 4; i++)
		put_end(&p, i);
	assert_true(now_of(handle) >= last);
	last = now_of(handle);
	assert_true(last <= ns_by(&e, tsc_now()) + 2000);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

static void entries_in_update(void **state)
{
	struct page p = new_page(2, 64);
	struct entry e = entry_at(tsc_now());
	uint64_t ns;
	int handle;
	(void)state;

	odd_for_ever(STABLE, PVCLOCK_MODE_AUTO);
	odd_for_ever(STABLE, PVCLOCK_MODE_PERCPU);
	odd_for_ever(0, PVCLOCK_MODE_AUTO);
	/* Already when it is opened: a host is at it, and will come to its end. */
	put_all(&p, &e);
	put_begin(&p, 0);
	put_begin(&p, 1);
	handle = open_page(&p, PVCLOCK_MODE_PERCPU);
	if (status_of(handle).mode != PVCLOCK_MODE_KERNEL)
		assert_int_equal(pvclock_now_h(handle, &ns), -EAGAIN);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

/* The reason is not that all of them agree; looked at anew, they do. */
static void entry_in_update(void **state)
{
	struct page p = new_page(3, 64);
	struct entry e = entry_at(tsc_now());
	uint32_t i;
	(void)state;

	put_all(&p, &e);
	for (i = 0; i < 3; i++) {
		struct pvclock_options o = memory_options(&p, PVCLOCK_MODE_AUTO);
		int handle;

		put_begin(&p, i);
		handle = open_page(&p, PVCLOCK_MODE_AUTO);
		assert_int_equal(status_of(handle).mode,
		                 i ? PVCLOCK_MODE_PERCPU : PVCLOCK_MODE_KERNEL);
		assert_non_null(strstr(status_of(handle).reason, "middle of an update"));
		put_end(&p, i);
		assert_int_equal(pvclock_replace(handle, &o), 0);
		assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_STABLE);
		assert_int_equal(pvclock_close(handle), 0);
	}
	free_page(&p);
}

/* Entry 0 becomes nonsense while others are read: it has no rate, nor an absurd one. */
static void entry_without_rate(void **state)
{
	struct pvclock_entry status = {.size = sizeof(status)};
	struct page p = new_page(2, 64);
	struct entry e = entry_at(tsc_now());
	uint64_t ns;
	int handle;
	(void)state;

	e.flags = 0;
	put_all(&p, &e);
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	assert_in_range(status_of(handle).tsc_khz, 3499990, 3500010);
	e.mul = 0;
	put(&p, 0, &e);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_PERCPU);
	assert_int_equal(status_of(handle).tsc_khz, 0);
	assert_int_equal(pvclock_entry_h(handle, 0, &status), -ENOENT);
	assert_int_equal(pvclock_now_entry_h(handle, 0, &ns), -ENOENT);
	assert_int_equal(pvclock_now_entry_h(handle, 1, &ns), 0);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_that_differ),   cmocka_unit_test(entries_far_apart),
		cmocka_unit_test(apart_in_thread_scope), cmocka_unit_test(clocks_are_the_kernels),
		cmocka_unit_test(entries_in_update),     cmocka_unit_test(entry_in_update),
		cmocka_unit_test(entry_without_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
