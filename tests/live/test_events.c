// SPDX-License-Identifier: LGPL-2.1-or-later
/* Continuity: each kind of event, once, with what it says; on a page that the test writes. */
#include <sched.h>

#include "page.h"

#define KEPT 32

static struct page page;
static struct entry entry;
static int handle;
static uint64_t after;

static cpu_set_t anywhere;

/*
 * On one CPU: by an entry that was never read, time goes on from what was told last, on
 * another CPU, however long ago that was.
 */
static void stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	assert_int_equal(sched_getaffinity(0, sizeof(anywhere), &anywhere), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

static int begin(void **state)
{
	stay();
	page = new_page(4, 64);
	entry = entry_at(tsc_now());
	put_all(&page, &entry);
	handle = open_page(&page, *(uint32_t *)*state);
	after = 0;
	now_of(handle);
	assert_int_equal(generation_of(handle), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&page);
	return sched_setaffinity(0, sizeof(anywhere), &anywhere);
}

static uint32_t mode_stable = PVCLOCK_MODE_STABLE, mode_percpu = PVCLOCK_MODE_PERCPU;

/* Exactly one event, of this kind, and the next number. */
static struct pvclock_event one(uint32_t kind)
{
	struct pvclock_event e[KEPT];
	uint64_t lost = 99, number = after;
	int n = pvclock_events_h(handle, &after, e, KEPT, &lost);

	assert_int_equal(n, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(after, number + 1);
	assert_int_equal(e[0].number, after);
	assert_int_equal(e[0].kind, kind);
	assert_true(tsc_now() - e[0].tsc < 1ull << 36);
	assert_in_range(e[0].cpu, 0, 3);
	assert_int_equal(e[0].reserved[0] | e[0].reserved[1], 0);
	assert_int_equal(generation_of(handle), after);
	assert_int_equal(status_of(handle).generation, after);
	return e[0];
}

static void take_all(void)
{
	struct pvclock_event e[KEPT];
	uint64_t lost;

	assert_true(pvclock_events_h(handle, &after, e, KEPT, &lost) >= 0);
}

static void none(void)
{
	struct pvclock_event e[KEPT];
	uint64_t lost = 99, number = after;

	assert_int_equal(pvclock_events_h(handle, &after, e, KEPT, &lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(after, number);
	assert_int_equal(generation_of(handle), number);
}

/*
 * From here on time passes, neither frozen nor in leaps, and does not go back. What it was
 * clamped by, a millisecond at most, it may wait out.
 */
static void goes_on(uint64_t from)
{
	uint64_t tsc[4], first, last;
	int64_t start = kernel_ns(CLOCK_MONOTONIC);

	tsc[0] = tsc_now();
	first = last = now_of(handle);
	tsc[1] = tsc_now();
	assert_true(first >= from);
	while (kernel_ns(CLOCK_MONOTONIC) < start + 4 * MS) {
		uint64_t ns = now_of(handle);

		assert_true(ns >= last);
		last = ns;
	}
	tsc[2] = tsc_now();
	last = now_of(handle);
	tsc[3] = tsc_now();
	assert_true(last - first + 2 * MS >= ns_by(&entry, tsc[2]) - ns_by(&entry, tsc[1]));
	assert_true(last - first <= ns_by(&entry, tsc[3]) - ns_by(&entry, tsc[0]) + 2 * MS);
}

/* The same values again, in every entry: no event. */
static void version_alone(void **state)
{
	unsigned i;
	(void)state;

	for (i = 0; i < 100; i++) {
		put_all(&page, &entry);
		none();
	}
	assert_true(status_of(handle).version_moves >= 100);
	assert_int_equal(status_of(handle).param_changes, 0);
}

/* One entry after another, read in between: one event, of the step that was made. */
static void step(int64_t by, bool generation_alone)
{
	struct pvclock_event e;
	uint64_t ns = now_of(handle);
	uint32_t i;

	entry = moved(&entry, by);
	for (i = 0; i < page.count; i++) {
		put(&page, i, &entry);
		if (generation_alone)
			generation_of(handle);
		else
			assert_true(now_of(handle) >= ns);
	}
	e = one(PVCLOCK_EVENT_CHANGED);
	assert_in_range(e.step_ns, by - 2, by + 2);
	assert_in_range(e.rate_ppb + 5, 0, 10);
	assert_int_equal(e.ns, ns_by(&entry, e.tsc));
	assert_true(now_of(handle) >= ns);
	/* Followed ahead, unless it takes back what bridged an earlier one back. */
	if (by > 0 && status_of(handle).mode == PVCLOCK_MODE_STABLE)
		assert_true(now_of(handle) >= ns + (uint64_t)by);
	if (by < 0)
		spin_ns(-by < 2 * MS ? -by : 2 * MS);
	goes_on(ns);
	none();
}

static void steps(void **state)
{
	static const int64_t by[] = {1000 * SEC, -1000 * SEC, 100000,  -100000,
	                             5 * MS,     -5 * MS,     1 * SEC, -999 * SEC,
	                             -30 * SEC,  86400 * SEC, -700000};
	unsigned i;
	(void)state;

	for (i = 0; i < sizeof(by) / sizeof(*by); i++)
		step(by[i], i & 1);
	for (i = 0; i < sizeof(by) / sizeof(*by); i++)
		step(by[i], !(i & 1));
	assert_int_equal(status_of(handle).went_back, 0);
}

static void rates(void **state)
{
	static const int32_t ppm[] = {20, -20, 500, -500, 100000};
	unsigned i;
	(void)state;

	for (i = 0; i < sizeof(ppm) / sizeof(*ppm); i++) {
		struct pvclock_event e;
		uint32_t mul = entry.mul;
		uint64_t ns = now_of(handle);
		int64_t ppb;

		entry = moved(&entry, 0);
		entry.mul = (uint32_t)(mul + (int64_t)mul * ppm[i] / 1000000);
		ppb = ((int64_t)entry.mul - mul) * 1000000000 / mul;
		put_all(&page, &entry);
		e = one(PVCLOCK_EVENT_CHANGED);
		assert_in_range(e.rate_ppb - ppb + 2, 0, 4);
		/* What it has gained since the change. */
		assert_in_range(e.step_ns + 10 * MS, 0, 20 * MS);
		goes_on(ns);
		none();
	}
}

static void set_flags(uint8_t flags)
{
	entry.flags = flags;
	put_all(&page, &entry);
}

static void stopped(void **state)
{
	uint32_t i;
	(void)state;

	set_flags(STABLE | STOPPED);
	one(PVCLOCK_EVENT_STOPPED);
	none();
	/* It stays set over other changes: no other pause. */
	put_all(&page, &entry);
	none();
	set_flags(STABLE);
	none();
	set_flags(STABLE | STOPPED);
	one(PVCLOCK_EVENT_STOPPED);
	/* The guest clears it, and moves no version. */
	for (i = 0; i < page.count; i++)
		info_of(&page, i)->flags = STABLE;
	none();
	set_flags(STABLE | STOPPED);
	one(PVCLOCK_EVENT_STOPPED);
	assert_int_equal(status_of(handle).stopped, 4 * 3);
}

/* The TSC goes back while every version stands: the host has not told. */
static void went_back(void **state)
{
	struct pvclock_event e;
	uint64_t ns = now_of(handle);
	uint32_t i;
	(void)state;

	for (i = 0; i < page.count; i++)
		info_of(&page, i)->system_time -= 50ull * SEC;
	/* Where parameters are copied once, a version that moves brings them to notice. */
	if (status_of(handle).mode != PVCLOCK_MODE_PERCPU)
		skip();
	entry.system_time -= 50ull * SEC;
	assert_true(now_of(handle) >= ns);
	e = one(PVCLOCK_EVENT_WENT_BACK);
	assert_in_range(e.step_ns, -50 * SEC - 100 * MS, -50 * SEC + 100 * MS);
	goes_on(ns);
}

static void look_at_all(void)
{
	uint64_t from = after, lost;

	assert_int_equal(pvclock_events_h(handle, &from, NULL, 0, &lost), 0);
}

/* Each step as vCPUs find it that do not all run: some entries are of before it, or two before. */
static void not_all_told(void **state)
{
	struct pvclock_event e[KEPT];
	uint64_t lost, before;
	unsigned i, told;
	(void)state;

	for (i = 0; i < 12; i++) {
		told = i % 4;
		before = after;
		entry = moved(&entry, 50 * MS);
		put_all(&page, &entry);
		entry = moved(&entry, 50 * MS);
		put(&page, told, &entry);
		assert_in_range(pvclock_events_h(handle, &after, e, KEPT, &lost), 1, 2);
		assert_in_range(after, before + 1, before + 2);
		none();
		goes_on(ns_by(&entry, tsc_now()));
		put_all(&page, &entry);
		none();
		goes_on(ns_by(&entry, tsc_now()));
	}
}

/* Cleared in one entry, then in all; set in all but one; in all, for 10 ms. */
static void edges(void **state)
{
	struct entry unstable;
	uint64_t ns = now_of(handle), before;
	unsigned i;
	(void)state;

	for (i = 0; i < 3; i++) {
		unstable = moved(&entry, 0);
		unstable.flags = 0;
		put(&page, 0, &unstable);
		one(PVCLOCK_EVENT_UNSTABLE);
		assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_PERCPU);
		put_all(&page, &unstable);
		goes_on(ns);
		none();
		entry = unstable;
		entry.flags = STABLE;
		put(&page, 0, &entry);
		put(&page, 1, &entry);
		put(&page, 2, &entry);
		spin_ns(15 * MS);
		goes_on(ns);
		none();
		before = ns_by(&entry, tsc_now());
		put(&page, 3, &entry);
		/* On one of the others' CPUs nobody looks at entry 3, but for who wants events. */
		while (generation_of(handle) == after)
			look_at_all();
		ns = now_of(handle);
		/* 10 ms since it was last found clear, and the loop found it clear at most 5 ms
		   before entry 3 was written. */
		assert_true(ns_by(&entry, tsc_now()) - before >= 5 * MS);
		one(PVCLOCK_EVENT_STABLE);
		assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_STABLE);
		assert_int_equal(status_of(handle).stable_edges, i + 1);
		goes_on(ns);
		none();
	}
}

/* In mode percpu the host writes entries anew all the time; that much is no event. */
static void small_changes(void **state)
{
	uint64_t ns = now_of(handle);
	unsigned i;
	(void)state;

	/* Without a master clock, which rewrites them for a reason only. */
	entry.flags = 0;
	put_all(&page, &entry);
	look_at_all();
	take_all();
	for (i = 0; i < 50; i++) {
		entry = moved(&entry, i & 1 ? 3000 : -3000);
		put_all(&page, &entry);
		none();
		assert_true(now_of(handle) >= ns);
	}
	assert_true(status_of(handle).param_changes >= 50);
}

/* More than are kept, and fetched by bits. */
static void more_than_kept(void **state)
{
	struct pvclock_event e[KEPT];
	uint64_t lost = 99, at = 0;
	int i, n;
	(void)state;

	for (i = 0; i < 40; i++) {
		/* No two alike: the ring takes those for one. */
		entry = moved(&entry, 1 * MS * (1ll << (i % 20)));
		put_all(&page, &entry);
		assert_int_equal(generation_of(handle), i + 1);
	}
	assert_int_equal(pvclock_events_h(handle, &at, NULL, 0, &lost), 0);
	assert_true(at == 0 && lost == 0);
	assert_int_equal(pvclock_events_h(handle, &at, e, 1, &lost), 1);
	assert_int_equal(lost, 8);
	assert_true(at == 9 && e[0].number == 9);
	assert_int_equal(pvclock_events_h(handle, &at, e, 1, &lost), 1);
	assert_true(lost == 0 && at == 10 && e[0].number == 10);
	n = pvclock_events_h(handle, &at, e, KEPT, &lost);
	assert_true(n == 30 && lost == 0 && at == 40);
	for (i = 0; i < n; i++) {
		int64_t by = 1 * MS * (1ll << ((i + 10) % 20));

		assert_int_equal(e[i].number, i + 11);
		assert_in_range(e[i].step_ns, by - 2, by + 2);
	}
	/* A number that no event has had. */
	at = 1000;
	assert_int_equal(pvclock_events_h(handle, &at, e, KEPT, &lost), 0);
	assert_true(at == 40 && lost == 0);
	at = 39;
	assert_int_equal(pvclock_events_h(handle, &at, e, KEPT, &lost), 1);
	at = 0;
	assert_int_equal(pvclock_events_h(handle, &at, e, KEPT, &lost), KEPT);
	assert_true(at == 40 && lost == 8 && e[0].number == 9);
}

#define TEST(function, mode)                                                                       \
	{                                                                                          \
		.name = #function " in " #mode, .test_func = (function), .setup_func = begin,      \
		.teardown_func = end, .initial_state = &(mode)                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version_alone, mode_stable),  TEST(version_alone, mode_percpu),
		TEST(steps, mode_stable),          TEST(steps, mode_percpu),
		TEST(rates, mode_stable),          TEST(rates, mode_percpu),
		TEST(stopped, mode_stable),        TEST(stopped, mode_percpu),
		TEST(went_back, mode_percpu),      TEST(edges, mode_stable),
		TEST(small_changes, mode_percpu),  TEST(more_than_kept, mode_stable),
		TEST(more_than_kept, mode_percpu), TEST(not_all_told, mode_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
