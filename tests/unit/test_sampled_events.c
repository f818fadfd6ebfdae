// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The whole core on samples of a kernel to which things happen: it returns late, its
 * clocks are set or jump, and the page cannot be read for a while.
 */
#include "simslew.h"

#define MS 1000000ull
#define HOUR (3600 * (int64_t)PVC_NSEC_PER_SEC)

/* Past the line's end, so that the next call takes a sample. */
static void let_it_end(int id)
{
	struct pvc_line line = slew_line(id);

	if (PVC_X_IS_NS(line.x0))
		slew_spin(slew_ticks(line.span / 2 + 1000));
	else
		slew_spin(line.span + 1000);
}

static void start(enum pvc_mode mode)
{
	unsigned i;

	slew_attach(mode, 20 * MS);
	prove();
	for (i = 0; i < 3000; i++)
		slew_interval(i & 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
	assert_false(pvc_exact(&core));
}

static void late_now_and_then(void **state)
{
	const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_PERCPU};
	unsigned m, i;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 2 : 1); m++) {
		start(modes[m]);
		slew.late_one_in = 30;
		slew.late = slew_ticks(10 * MS);
		for (i = 0; i < 60000; i++)
			slew_interval(i & 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
		assert_int_equal(atomic_load(&core.count_of.violated), 0);
		assert_int_equal(atomic_load(&core.count_of.steps), 0);
		assert_int_equal(atomic_load(&core.mode), modes[m]);
	}
}

/* No bracket tells anything, so the kernel answers. */
static void always_late(void **state)
{
	unsigned i;

	(void)state;
	start(PVC_MODE_STABLE);
	slew.late_one_in = 1;
	slew.late = slew_ticks(MS);
	let_it_end(CLOCK_MONOTONIC);
	let_it_end(CLOCK_REALTIME);
	for (i = 0; i < 20; i++)
		slew_interval(i & 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
	assert_true(told.certain[PVC_BY_KERNEL] >= 10);
	assert_int_equal(atomic_load(&core.count_of.violated), 0);
}

static const int64_t steps[] = {HOUR, -HOUR,        PVC_NSEC_PER_SEC, -(int64_t)PVC_NSEC_PER_SEC,
                                MS,   -(int64_t)MS, 100000,           -100000};
#define STEPS (sizeof(steps) / sizeof(*steps))

/* A call that the kernel has to answer, and what it said is remembered. */
static void fall_back_once(int id)
{
	slew.late_one_in = 1;
	slew.late = slew_ticks(60000);
	let_it_end(id);
	now(id);
	slew.late_one_in = 0;
}

/* Neither left behind nor ahead: what a preempted sample leaves open, and more. */
static void level(int id)
{
	uint64_t before = slew_now(id), ns = now(id), after = slew_now(id);

	assert_true(ns + 200000 >= before);
	assert_true(ns <= after + 200000);
}

/* By somebody else: the next sample sees it, and nothing is broken by it. */
static void steps_are_followed(void **state)
{
	const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_PERCPU};
	unsigned m, i, n;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 2 : 1); m++) {
		start(modes[m]);
		for (i = 0; i < STEPS; i++) {
			uint64_t seen = atomic_load(&core.count_of.steps);
			uint64_t fallbacks;

			fall_back_once(CLOCK_REALTIME);
			for (n = 0; n < 1000; n++)
				slew_interval(CLOCK_REALTIME);
			fallbacks = atomic_load(&core.count_of.fallbacks);
			atomic_fetch_add(&slew.set[CLOCK_REALTIME], steps[i]);
			let_it_end(CLOCK_REALTIME);
			now(CLOCK_REALTIME);
			/* Where no sample was narrow enough, there is nothing to step from. */
			if (atomic_load(&core.count_of.fallbacks) == fallbacks)
				assert_int_equal(atomic_load(&core.count_of.steps), seen + 1);
			for (n = 0; n < 2000; n++) {
				slew_interval(n & 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
				level(CLOCK_REALTIME);
			}
		}
		assert_true(atomic_load(&core.count_of.steps) > 0);
		assert_int_equal(atomic_load(&core.count_of.violated), 0);
	}
}

/* REALTIME repeats a second or leaves one out; TAI and MONOTONIC do not know of it. */
static void leap_seconds(void **state)
{
	int64_t by;
	unsigned n;

	(void)state;
	start(PVC_MODE_STABLE);
	for (by = -1; by <= 1; by += 2) {
		uint64_t tai = slew_read(CLOCK_TAI);

		atomic_fetch_add(&slew.set[CLOCK_REALTIME], by * (int64_t)PVC_NSEC_PER_SEC);
		let_it_end(CLOCK_REALTIME);
		now(CLOCK_REALTIME);
		for (n = 0; n < 2000; n++) {
			slew_interval(n & 1 ? CLOCK_TAI : CLOCK_MONOTONIC);
			assert_true(told.last[CLOCK_TAI] >= tai);
			tai = told.last[CLOCK_TAI];
			slew_interval(CLOCK_REALTIME);
		}
	}
	assert_int_equal(atomic_load(&core.count_of.violated), 0);
}

/* A clock that nobody may set jumps: said once, and then all is well. */
static void jumps_are_told(void **state)
{
	const int64_t jumps[] = {MS, -(int64_t)MS, HOUR, 200000};
	struct pvc_interval i;
	unsigned n, said = 0;

	(void)state;
	start(PVC_MODE_STABLE);
	for (n = 0; n < 40; n++) {
		uint64_t violated = atomic_load(&core.count_of.violated);
		uint64_t fallbacks = atomic_load(&core.count_of.fallbacks);

		/* MONOTONIC goes back, too: a broken kernel's. */
		atomic_fetch_add(&slew.set[CLOCK_MONOTONIC], jumps[n % 4]);
		let_it_end(CLOCK_MONOTONIC);
		i = slew_interval(CLOCK_MONOTONIC);
		said += i.certainty == PVC_VIOLATED;
		/* Where no sample was narrow enough, the next line is the first of all. */
		if (atomic_load(&core.count_of.fallbacks) == fallbacks)
			assert_int_equal(atomic_load(&core.count_of.violated), violated + 1);
		let_it_end(CLOCK_MONOTONIC);
		i = slew_interval(CLOCK_MONOTONIC);
		assert_int_not_equal(i.certainty, PVC_VIOLATED);
	}
	/* Not if it was preempted at the wrong moment, every time. */
	assert_true(said > 20);
}

/* The page is being rewritten for long: what we have said stands, and the interval knows. */
static void held_while_stuck(void **state)
{
	unsigned round, i;

	(void)state;
	for (round = 0; round < 200; round++) {
		start(PVC_MODE_STABLE);
		for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
			sim_begin(&page.slot[i]);
		for (i = 0; i < 20; i++)
			slew_interval(CLOCK_MONOTONIC);
		for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
			sim_end(&page.slot[i]);
		for (i = 0; i < 20; i++)
			slew_interval(CLOCK_MONOTONIC);
	}
	assert_int_equal(atomic_load(&core.count_of.violated), 0);
}

/* The page is given up: readers may have come to the end of a line, so that stands. */
static void held_when_given_up(void **state)
{
	unsigned i;

	(void)state;
	slew_attach(PVC_MODE_STABLE, 20 * MS);
	core.resync_ns = 100 * MS;
	prove();
	/* Until lines are long. */
	for (i = 0; i < 20; i++) {
		slew_interval(CLOCK_MONOTONIC);
		let_it_end(CLOCK_MONOTONIC);
	}
	slew_interval(CLOCK_MONOTONIC);
	pvc_source_stop(&core, PVC_WHY_RATE);
	for (i = 0; i < 1000; i++)
		slew_interval(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
}

#define NS_APART 2600ull

/*
 * Entries per CPU may differ, which is why there is mode percpu, and a sample taken on
 * one CPU says nothing of another's. That is beyond what an interval knows, and the rate
 * is misled by it for a short line; but no more comes of it than a few times as much.
 */
static void entries_apart(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);
	struct pvc_interval in;

	(void)state;
	if (!sim_has_rdtscp("mode percpu") || !sim_tsc_in_step("entries that differ"))
		return;
	slew_attach(PVC_MODE_PERCPU, 20 * MS);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		struct sim_entry e = sim_moved(&entry, -(int64_t)(i % 2 * NS_APART));

		e.flags = 0;
		sim_put(&page, i, &e);
	}
	prove();
	for (i = 0; i < 100000; i++) {
		uint64_t before, after;

		if (i % 500 == 0)
			sim_pin(cpu[i / 500 % n]);
		slew_read(CLOCK_MONOTONIC);
		before = slew_now(CLOCK_MONOTONIC);
		assert_int_equal(pvc_gettime_interval(&core, CLOCK_MONOTONIC, &in), 0);
		after = slew_now(CLOCK_MONOTONIC);
		assert_true(before <= pvc_ns_of(&in.latest) + 4 * NS_APART);
		assert_true(after + 4 * NS_APART >= pvc_ns_of(&in.earliest));
	}
	sim_unpin();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_now_and_then),  cmocka_unit_test(always_late),
		cmocka_unit_test(steps_are_followed), cmocka_unit_test(leap_seconds),
		cmocka_unit_test(jumps_are_told),     cmocka_unit_test(held_while_stuck),
		cmocka_unit_test(held_when_given_up), cmocka_unit_test(entries_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
