// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines made from the kernel's parameters: they are its clocks to the last bit, and
 * whatever the kernel changes is seen by the very next read.
 */
#include "simexact.h"

static uint64_t seed;

/* All answers are lines', none the kernel's own. */
static void assert_exact(void)
{
	assert_true(pvc_exact(&core));
	assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
	assert_int_equal(simx_count(&core.count_of.violated), 0);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

static void every_layout(void **state)
{
	unsigned layout, i;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++) {
		simx_start(layout, PVC_VVAR_TSC);
		for (i = 0; i < 3000; i++) {
			if (i % 10 == 0)
				simv_update(SIMV_TICK, 0);
			assert_true(simx_all_within(0));
		}
		assert_exact();
	}
}

/* The kernel is asked once a clock and millisecond, however often it ticks. */
static void kernel_is_left_alone(void **state)
{
	uint64_t start, passed;
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	start = simv_now(CLOCK_MONOTONIC_RAW);
	for (i = 0; i < 100000; i++) {
		if (i % 16 == 0)
			simv_update(SIMV_TICK, 0);
		now(CLOCK_MONOTONIC);
	}
	passed = simv_now(CLOCK_MONOTONIC_RAW) - start;
	assert_exact();
	assert_true(simx_count(&core.count_of.kernel_reads) <= passed / MSEC + 2);
	assert_true(simx_count(&core.count_of.anchors) >= 1000);
}

/* Any parameters; the rate of hres is any that is below 1 ns a cycle. */
static struct simv_time any_time(void)
{
	struct simv_time t = simv_mine();

	t.shift = 20 + sim_below(&seed, 13);
	t.mult = 1 + sim_below(&seed, (1ull << t.shift) - 1);
	t.raw_shift = 20 + sim_below(&seed, 13);
	t.raw_mult = simv_mult(PVC_VVAR_TSC, (unsigned)t.raw_shift);
	t.sec = sim_below(&seed, 1ull << 32);
	t.nsec = sim_below(&seed, SEC << t.shift);
	t.raw_sec = sim_below(&seed, 1ull << 32);
	t.raw_nsec = sim_below(&seed, SEC << t.raw_shift);
	t.mono_sec = sim_below(&seed, 1ull << 32);
	t.mono_nsec = sim_below(&seed, SEC);
	t.boot_sec = sim_below(&seed, 1ull << 20);
	t.boot_nsec = sim_below(&seed, SEC);
	t.tai = sim_below(&seed, 100);
	/* Up to an hour without a tick; most are near. */
	t.cycle_last = simv_tsc() - sim_below(&seed, 1ull << sim_below(&seed, 43));
	return t;
}

/* What a line in service says at an x of our choice. */
static bool equal_at(const struct simv_time *t, int id, uint64_t current, uint64_t x)
{
	struct pvc_timespec ts = {0, 0};
	uint64_t ns = simv_at(t, id, x);

	if (!pvc_line_read(&core, id, current, x, (uint32_t)x, &ts))
		return simx_fail("has no line", id, x, 0, 0);
	if ((uint64_t)ts.nsec >= SEC || sim_ns(&ts) != ns)
		return simx_fail("is not bit-exact", id, ns, sim_ns(&ts), ns);
	return true;
}

static bool line_equals(const struct simv_time *t, int id)
{
	uint64_t current = pvc_latch_begin(&core.current[id]);
	struct pvc_line line;
	unsigned i;

	if (!pvc_line_load(&core, id, current, &line) || !line.expiry || line.seq != simv_seq() ||
	    !equal_at(t, id, current, line.x0) ||
	    !equal_at(t, id, current, line.x0 + line.expiry - 1))
		return false;
	for (i = 0; i < 6; i++)
		if (!equal_at(t, id, current, line.x0 + sim_below(&seed, line.expiry)))
			return false;
	return true;
}

static void bit_exact(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 200000; i++) {
		struct simv_time t;
		int id = simv_ids[sim_below(&seed, SIMV_IDS)];

		if (i % 50000 == 0)
			simx_start(i / 50000, PVC_VVAR_TSC);
		simv_begin(&t);
		t = any_time();
		simv_end(&t);
		core.resync_ns = 100000 + sim_below(&seed, 99900000);
		/* Clocks of no other parameters: nothing is carried on from these. */
		pvc_clock_forget(&core, id);
		assert_true(simx_within(id, 0));
		simx_last[id] = 0;
		/* The first in a while, twice if that ends here, are computed without a line. */
		now(id);
		now(id);
		assert_true(line_equals(&t, id));
	}
	assert_exact();
}

/* ns of a line that passes the end of a second, once. */
static void carry(void **state)
{
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 300; i++) {
		struct simv_time t;

		simv_begin(&t);
		t.nsec = (SEC << t.shift) - ((1 + sim_below(&seed, 30000)) << t.shift) +
		         sim_below(&seed, 1 << 24);
		t.raw_nsec = (SEC << t.raw_shift) - ((1 + sim_below(&seed, 30000)) << t.raw_shift);
		t.mono_nsec = t.boot_nsec = 0;
		t.cycle_last = simv_tsc();
		simv_end(&t);
		for (n = 0; n < SIMV_IDS; n++)
			pvc_clock_forget(&core, simv_ids[n]);
		memset(simx_last, 0, sizeof(simx_last));
		for (n = 0; n < 40; n++)
			assert_true(simx_all_within(0));
		for (n = 0; n < SIMV_IDS; n++)
			assert_true(line_equals(&t, simv_ids[n]));
	}
	assert_exact();
}

/* Each after each other one, the first read of every clock right after it. */
static void next_read_sees_it(void **state)
{
	unsigned i, n, id;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < SIMX_EVENTS * SIMX_EVENTS; i++)
		for (n = 0; n < 2; n++) {
			const struct simx_event *e =
				&simx_events[n ? i / SIMX_EVENTS : i % SIMX_EVENTS];

			for (id = 0; id < SIMV_IDS; id++) {
				now(simv_ids[id]);
				now(simv_ids[id]);
				simx_happens(&seed, e);
				assert_true(simx_within(simv_ids[id], 0));
			}
			assert_true(simx_all_within(0));
		}
	assert_exact();
	assert_true(simx_count(&core.count_of.steps) > 0);
}

/* Each setting is counted, however small, if it is all that there was since the last line. */
static void settings_are_counted(void **state)
{
	const int64_t by[] = {10 * USEC, -10 * USEC, MSEC, -MSEC, HOUR, -HOUR};
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 600; i++) {
		int id = i & 1 ? CLOCK_REALTIME : CLOCK_TAI;
		uint64_t steps;

		for (n = 0; n < 3; n++)
			assert_true(simx_within(id, 0));
		steps = simx_count(&core.count_of.steps);
		simv_update(i & 2 ? SIMV_SET : SIMV_INJECT, by[i % 6]);
		for (n = 0; n < 3; n++)
			assert_true(simx_within(id, 0));
		assert_int_equal(simx_count(&core.count_of.steps), steps + 1);
	}
	assert_exact();
}

/* However NTP has changed the rate since the last call, and however often: none was set. */
static void rates_are_no_settings(void **state)
{
	const struct simx_event slews[] = {{SIMV_TICK, 0},    {SIMV_LATE, 0},
	                                   {SIMV_MULT, 500},  {SIMV_LATE_MULT, 500},
	                                   {SIMV_MULT, -500}, {SIMV_LATE_MULT, -500}};
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 300; i++) {
		assert_true(simx_all_within(0) && simx_all_within(0));
		for (n = (unsigned)sim_below(&seed, 5); n; n--) {
			simx_spin_us(100 << sim_below(&seed, 4));
			simx_happens(&seed, &slews[sim_below(&seed, 6)]);
		}
	}
	assert_exact();
	assert_int_equal(simx_count(&core.count_of.steps), 0);
}

/* Lines that follow each other are no longer than the fast path can reckon. */
static void renewed(void **state)
{
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 100000000;
	for (i = 0; i < 3000; i++) {
		struct simv_time t;

		simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_RATES)]);
		t = simv_mine();
		for (n = 0; n < SIMV_IDS; n++) {
			now(simv_ids[n]);
			now(simv_ids[n]);
			now(simv_ids[n]);
			assert_true(line_equals(&t, simv_ids[n]));
		}
	}
	assert_exact();
}

/* As long as it takes for a line to run out, to be renewed, and for all in between. */
static void random_schedule(void **state)
{
	uint64_t end;
	unsigned pause, reads;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (end = simv_now(CLOCK_MONOTONIC_RAW) + SEC; simv_now(CLOCK_MONOTONIC_RAW) < end;) {
		simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
		core.resync_ns = 100000 << sim_below(&seed, 5);
		pause = 1u << sim_below(&seed, 12);
		if (sim_below(&seed, 4) == 0)
			simx_spin_us(pause);
		for (reads = (unsigned)sim_below(&seed, 60); reads; reads--)
			assert_true(simx_within(simv_ids[sim_below(&seed, SIMV_IDS)], 0));
	}
	assert_exact();
}

/* 3 ms before the end of a second that is one too many, or too few. */
static void before_leap(int64_t which)
{
	struct simv_time t;
	uint64_t cycles;

	simx_start(3, PVC_VVAR_TSC);
	cycles = simv_begin(&t);
	simv_forward(&t, cycles);
	t.nsec = (SEC - 3 * MSEC) << t.shift;
	t.leap = (uint64_t)which;
	simv_end(&t);
}

static void leap_second(int64_t which)
{
	uint64_t real, ahead, end;

	before_leap(which);
	real = simv_mine().sec;
	ahead = simv_mine().tai;
	for (end = simv_now(CLOCK_MONOTONIC) + 6 * MSEC; simv_now(CLOCK_MONOTONIC) < end;) {
		/* The tick comes a bit after the second, and the kernel is wrong so long. */
		if (sim_below(&seed, 20) == 0)
			simv_update(sim_below(&seed, 2) ? SIMV_TICK : SIMV_LATE, 0);
		assert_true(simx_all_within(0));
	}
	simv_update(SIMV_TICK, 0);
	assert_true(simx_all_within(0));
	assert_int_equal(now(CLOCK_REALTIME) / SEC, real + 1 - (uint64_t)which);
	assert_int_equal(now(CLOCK_TAI) / SEC, real + ahead + 1);
	assert_exact();
}

static void leap_seconds(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		leap_second(1);
		leap_second(-1);
	}
}

/*
 * A guest that was suspended: its TSC has counted all the while, but MONOTONIC and RAW
 * go on from where they were. That is not a clock that has gone back.
 */
static void suspended(unsigned us)
{
	uint64_t start, boot;

	assert_true(simx_all_within(0) && simx_all_within(0) && simx_all_within(0));
	simv_update(SIMV_TICK, 0);
	if (us & 1)
		assert_true(simx_all_within(0) && simx_all_within(0));
	start = simv_tsc();
	boot = now(CLOCK_BOOTTIME);
	simv_update(SIMV_TICK, 0);
	simx_spin_us(us);
	/* Asleep a bit after the last reading, and awake a bit before the next. */
	simv_update(SIMV_SLEEP, (int64_t)(simv_tsc() - start) * 9 / 10);
	assert_true(simx_all_within(0) && simx_all_within(0));
	assert_true(now(CLOCK_BOOTTIME) - boot >= us * 800ull);
	simx_spin_us(100);
	simv_update(SIMV_TICK, 0);
	assert_true(simx_all_within(0) && simx_all_within(0));
}

static void suspends(void **state)
{
	const unsigned us[] = {100, 1001, 5000, 20001, 20002, 150000, 150001};
	unsigned i, n;

	(void)state;
	for (n = 0; n < 3; n++) {
		simx_start(3, PVC_VVAR_TSC);
		for (i = 0; i < sizeof(us) / sizeof(*us); i++)
			suspended(us[i]);
		assert_exact();
	}
}

/* The unordered call is exact in its own way: for the TSC that it took. */
static void unordered(void **state)
{
	uint64_t before, after;
	struct pvc_timespec ts;
	unsigned i, id;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 50000; i++) {
		id = (unsigned)simv_ids[i % SIMV_IDS];
		if (i % 8 == 0)
			simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
		before = simv_now((int)id);
		__asm__ volatile("lfence" : : : "memory");
		assert_int_equal(pvc_gettime_unordered(&core, (int)id, &ts), 0);
		__asm__ volatile("lfence" : : : "memory");
		after = simv_now((int)id);
		assert_in_range(sim_ns(&ts), before, after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout),      cmocka_unit_test(kernel_is_left_alone),
		cmocka_unit_test(bit_exact),         cmocka_unit_test(carry),
		cmocka_unit_test(next_read_sees_it), cmocka_unit_test(random_schedule),
		cmocka_unit_test(leap_seconds),      cmocka_unit_test(rates_are_no_settings),
		cmocka_unit_test(renewed),           cmocka_unit_test(settings_are_counted),
		cmocka_unit_test(suspends),          cmocka_unit_test(unordered),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
