// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Exact lines come to an end and come back: the clocksource is another, the process is
 * in another time namespace, the TSCs are out of step.
 */
#include "simexact.h"

#define NEAR 60000 /* ns: a line made from samples, and a clock that was ahead */

static uint64_t seed;

static bool all_near(unsigned times)
{
	bool all = true;

	while (times-- && all)
		all = simx_all_within(NEAR);
	return all;
}

/* ---- another clocksource --------------------------------------------------------------- */

static void away(unsigned us)
{
	unsigned i;

	simv_update(SIMV_MODE, PVC_VVAR_NONE);
	assert_true(all_near(1 + us / 4));
	for (i = 0; i < SIMV_IDS; i++)
		now(simv_ids[i]);
	assert_false(pvc_exact(&core));
}

/* Exact again as soon as samples run out, and then to the last bit. */
static void home(void)
{
	simv_update(SIMV_MODE, PVC_VVAR_TSC);
	simx_spin_us(300);
	assert_true(all_near(300));
	assert_true(pvc_exact(&core));
	simx_spin_us(200);
	assert_true(all_near(20));
	assert_true(simx_all_within(0) && simx_all_within(0));
}

static void away_and_back(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 200; i++) {
		assert_true(simx_all_within(0));
		away(i % 10 ? i : 3000);
		home();
	}
	assert_int_equal(simx_count(&core.count_of.violated), 0);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/*
 * Samples are ahead when the rate drops just before the kernel is back: no clock that
 * may not go back does, and none stays ahead.
 */
static void ahead_when_back(void **state)
{
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 100; i++) {
		simv_update(SIMV_MULT, (int64_t)simx_ppm(500));
		away(2000);
		/* By 10 %, so that it shows at once; it is 100 ns for each us of a line. */
		simv_update(SIMV_MULT, (int64_t)simx_ppm(i & 1 ? -100000 : -500));
		simx_spin_us((unsigned)sim_below(&seed, 60));
		for (n = 0; n < SIMV_IDS; n++)
			assert_true(simx_within(simv_ids[n], NEAR));
		home();
	}
}

/* Set while samples serve, and back at once: the next answer of a line is the new time. */
static void set_while_away(void **state)
{
	const int64_t by[] = {HOUR, -HOUR, 5 * MSEC, -50 * MSEC, 100 * MSEC};
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 100; i++) {
		away(500);
		simv_update(SIMV_SET, by[i % 5]);
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
		/* A line made from samples lasts no longer than this. */
		simx_spin_us(1100);
		assert_true(simx_within(CLOCK_REALTIME, 0));
		assert_true(simx_within(CLOCK_TAI, 0));
		home();
	}
}

/* What the kernel answered while samples served is no floor of what follows. */
static void set_right_after(void **state)
{
	unsigned i, k;

	(void)state;
	for (i = 0; i < 50; i++) {
		simx_start(3, PVC_VVAR_TSC);
		assert_true(all_near(10));
		away(300);
		for (k = 0; k < PVCLOCK_PAGE_SLOTS; k++)
			sim_begin(&page.slot[k]);
		assert_true(all_near(1));
		for (k = 0; k < PVCLOCK_PAGE_SLOTS; k++)
			sim_end(&page.slot[k]);
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
		/* The kernel's answers have ended the samples' lines, which may have been ahead. */
		for (k = 0; k < 3; k++) {
			assert_true(all_near(2));
			simx_spin_us(150);
		}
		assert_true(pvc_exact(&core));
		simv_update(SIMV_INJECT, -2500 * USEC);
		assert_true(simx_within(CLOCK_REALTIME, 0) && simx_within(CLOCK_TAI, 0));
	}
}

/* Not even there when the block was attached, or mid-update. */
static void away_from_the_start(void **state)
{
	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	simv_update(SIMV_MODE, PVC_VVAR_NONE);
	pvc_source_start(&core, PVC_MODE_STABLE, PVC_WHY_STABLE);
	assert_false(pvc_exact(&core));
	assert_true(all_near(2000));
	home();
}

/* ---- a time namespace ------------------------------------------------------------------- */

static void enter(int64_t mono, int64_t boot)
{
	simv_enter(mono, boot);
	memset(simx_last, 0, sizeof(simx_last));
}

static void inside(void **state)
{
	const int64_t by[] = {0, 1, -1, HOUR, -HOUR, 10 * HOUR + 999999999, -10 * HOUR - 999999999};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		simx_start(i % SIMV_LAYOUTS, PVC_VVAR_TSC);
		enter(by[i], -by[i] / 2);
		simx_attach(PVC_MODE_STABLE);
		assert_non_null(core.vvar.offset);
		for (n = 0; n < 2000; n++) {
			if (n % 3 == 0)
				simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
			assert_true(simx_all_within(0));
		}
		assert_true(pvc_exact(&core));
		assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
	}
}

/* How the parent has read its clocks, before it forked. */
enum before { EXACT, SAMPLED, EXACT_AFTER_SAMPLES, FELL_BACK, BEFORES };

static void read_before(enum before how)
{
	unsigned i;

	for (i = 0; i < 10; i++)
		assert_true(simx_all_within(0));
	if (how == SAMPLED || how == EXACT_AFTER_SAMPLES) {
		simv_update(SIMV_MODE, PVC_VVAR_NONE);
		for (i = 0; i < 2000; i++)
			assert_true(simx_all_within(NEAR));
	}
	if (how == EXACT_AFTER_SAMPLES) {
		/* One clock is exact again, the others' samples have not run out. */
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
		for (i = 0; i < 100000 && !pvc_exact(&core); i++)
			now(CLOCK_TAI);
	}
	if (how == FELL_BACK) {
		simv_set_seq(simv_seq() + 1);
		assert_true(simx_all_within(0));
		simv_set_seq(simv_seq() + 1);
	}
}

static void forked(enum before how, int64_t by, uint64_t slow)
{
	unsigned i, n;

	simx_start(3, PVC_VVAR_TSC);
	read_before(how);
	enter(by, by * 2);
	simv.slow = slow;
	if (how == SAMPLED)
		simx_spin_us(2000);
	for (i = 0; i < 20; i++)
		for (n = 0; n < SIMV_IDS; n++) {
			if (!simx_within(simv_ids[n], NEAR + slow)) {
				print_error("way %d, by %lld\n", (int)how, (long long)by);
				assert_true(false);
			}
		}
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

static void forked_into_a_namespace(void **state)
{
	const int64_t by[] = {HOUR, -HOUR, 50 * HOUR, -50 * HOUR};
	unsigned i, how;

	(void)state;
	for (how = 0; how < BEFORES; how++)
		for (i = 0; i < 4; i++)
			forked((enum before)how, by[i], 0);
}

/* A kernel that is too slow to be sampled, as under a tracer: it answers, and only it. */
static void slow_in_a_namespace(void **state)
{
	unsigned how;

	(void)state;
	for (how = 0; how < BEFORES; how++) {
		forked((enum before)how, -HOUR, 200000);
		forked((enum before)how, HOUR, 200000);
	}
}

/* At the fork itself, which the library is told of: before anything else finds it out. */
static void told_of_the_fork(void **state)
{
	unsigned n, how;

	(void)state;
	for (how = 0; how < BEFORES; how++) {
		uint64_t current[PVC_IDS];

		simx_start(3, PVC_VVAR_TSC);
		read_before((enum before)how);
		for (n = 0; n < PVC_IDS; n++)
			current[n] = atomic_load(&core.current[n]);
		/* Into the same namespace: the child's clocks are what the parent's were. */
		pvc_clocks_forked(&core);
		for (n = 0; n < PVC_IDS; n++)
			assert_int_equal(atomic_load(&core.current[n]), current[n]);
		pvc_clocks_moving(&core);
		enter(-HOUR, HOUR);
		/* By fork, or by a call of the process's own. */
		if (how % 2)
			pvc_clocks_moved(&core, true);
		pvc_clocks_forked(&core);
		for (n = 0; n < SIMV_IDS; n++) {
			assert_int_equal(pvc_latch_slot(atomic_load(&core.current[simv_ids[n]])),
			                 0);
			assert_true(atomic_load(&core.floor[simv_ids[n]]) < 1000);
		}
		assert_true(all_near(20));
	}
}

/*
 * Out of the namespace that the block began in, by setns. While that goes on no clock
 * is made of the second page, which is not there after it.
 */
static void out_of_the_namespace(void **state)
{
	unsigned i, n;
	size_t second;

	(void)state;
	for (i = 0; i < SIMV_LAYOUTS; i++) {
		simx_start(i, PVC_VVAR_TSC);
		enter(-HOUR, HOUR);
		simx_attach(PVC_MODE_STABLE);
		assert_true(all_near(20));
		assert_true(pvc_exact(&core));
		pvc_clocks_moving(&core);
		assert_true(all_near(20));
		assert_false(pvc_exact(&core));
		/* It was refused: all is as it was, as soon as the samples have run out. */
		pvc_clocks_moved(&core, false);
		for (n = 0; n < 100000 && !pvc_exact(&core); n++)
			assert_true(all_near(1));
		assert_true(pvc_exact(&core));
		pvc_clocks_moving(&core);
		enter(0, 0);
		second = (size_t)simv.data * PVCLOCK_PAGE_SIZE;
		memcpy(simv.rw, simv.rw + second, PVCLOCK_PAGE_SIZE);
		mprotect(simv.ro + second, PVCLOCK_PAGE_SIZE, PROT_NONE);
		assert_true(all_near(20));
		pvc_clocks_moved(&core, true);
		assert_true(all_near(20));
		assert_false(pvc_exact(&core));
		mprotect(simv.ro + second, PVCLOCK_PAGE_SIZE, PROT_READ);
	}
}

/* The child forks again: the count stands, so the tick tells of the lower clocks. */
static void from_one_to_another(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		simx_start(3, PVC_VVAR_TSC);
		enter(3 * HOUR, HOUR);
		simx_attach(PVC_MODE_STABLE);
		assert_true(simx_all_within(0) && simx_all_within(0));
		enter(-3 * HOUR, 2 * HOUR);
		simv_update(SIMV_TICK, 0);
		assert_true(simx_all_within(0) && simx_all_within(0));
	}
}

/* ---- STABLE is cleared ------------------------------------------------------------------- */

static void leaving_stable(void **state)
{
	const int64_t by[] = {0, 1000, -1000, 300000, -300000};
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n, i, k;

	(void)state;
	if (!sim_has_rdtscp("mode percpu") || !sim_tsc_in_step("mode percpu"))
		skip();
	n = sim_cpus(cpu);
	assert_true(sim_pin(cpu[n - 1]));
	for (i = 0; i < 5; i++) {
		struct sim_entry e;

		simx_start(3, PVC_VVAR_TSC);
		for (k = 0; k < 100; k++)
			assert_true(simx_all_within(0));
		e = sim_moved(&entry, by[i]);
		e.flags = 0;
		sim_put(&page, cpu[n - 1], &e);
		assert_true(all_near(3000));
		simv_update(SIMV_TICK, 0);
		simv_update(SIMV_MULT, (int64_t)simx_ppm(500));
		assert_true(all_near(3000));
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		assert_false(pvc_exact(&core));
		assert_int_equal(simx_count(&core.count_of.unstable_edges), 1);
		assert_int_equal(simx_count(&core.count_of.steps), 0);
	}
	sim_unpin();
}

/* Nor anywhere to go: the kernel answers, and no clock goes back there either. */
static void leaving_for_the_kernel(void **state)
{
	struct sim_entry e;
	unsigned k;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.may_percpu = 0;
	for (k = 0; k < 100; k++)
		assert_true(simx_all_within(0));
	e = entry;
	e.flags = 0;
	sim_put_all(&page, &e);
	for (k = 0; k < 100; k++)
		assert_true(simx_all_within(0));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
	simv_update(SIMV_SET, -HOUR);
	assert_true(simx_all_within(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(away_and_back),           cmocka_unit_test(ahead_when_back),
		cmocka_unit_test(set_while_away),          cmocka_unit_test(set_right_after),
		cmocka_unit_test(away_from_the_start),     cmocka_unit_test(inside),
		cmocka_unit_test(forked_into_a_namespace), cmocka_unit_test(slow_in_a_namespace),
		cmocka_unit_test(from_one_to_another),     cmocka_unit_test(leaving_stable),
		cmocka_unit_test(leaving_for_the_kernel),  cmocka_unit_test(told_of_the_fork),
		cmocka_unit_test(out_of_the_namespace),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
