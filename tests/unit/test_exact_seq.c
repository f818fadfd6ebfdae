// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's count: odd for a moment, odd for good, half the words new and half of
 * them old, and around its end. Every call returns, with the kernel's time.
 */
#include "simexact.h"

static uint64_t seed;

static uint64_t fallbacks(void)
{
	return simx_count(&core.count_of.fallbacks);
}

/* Lines on all clocks, in service. */
static void warm(void)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		assert_true(simx_all_within(0));
}

static void odd_is_the_kernels(void **state)
{
	uint64_t before;
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	warm();
	for (i = 0; i < 50; i++) {
		before = fallbacks();
		simv_set_seq(simv_seq() | 1);
		assert_true(simx_all_within(0));
		assert_true(simx_all_within(0));
		/* Every one of them, and a line that was there before holds no more. */
		assert_int_equal(fallbacks(), before + 2 * SIMV_IDS);
		simv_set_seq(simv_seq() + 1);
		warm();
		assert_int_equal(fallbacks(), before + 2 * SIMV_IDS);
		assert_true(pvc_exact(&core));
	}
}

/* The first calls of all, too. */
static void odd_from_the_start(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	simv_set_seq(simv_seq() | 1);
	simx_attach(PVC_MODE_STABLE);
	for (i = 0; i < 20; i++)
		assert_true(simx_all_within(60000));
	simv_set_seq(simv_seq() + 1);
	simx_spin_us(3000);
	for (i = 0; i < 200; i++)
		assert_true(simx_all_within(60000));
	simx_spin_us(200);
	warm();
	warm();
	assert_true(pvc_exact(&core));
}

/* What the words are made of that are being written: nothing of it is true. */
static struct simv_time decoy(void)
{
	struct simv_time t = simv_mine();

	t.mult = t.mult / 2 + sim_below(&seed, t.mult);
	t.raw_mult = t.raw_mult / 2 + sim_below(&seed, t.raw_mult);
	t.cycle_last += sim_below(&seed, 1 << 30) - (1 << 29);
	t.sec += sim_below(&seed, 7200) - 3600;
	t.nsec = sim_below(&seed, SEC << t.shift);
	t.raw_sec += sim_below(&seed, 7200) - 3600;
	t.mono_sec += sim_below(&seed, 7200) - 3600;
	t.shift -= sim_below(&seed, 3);
	return t;
}

static void torn_writes(void **state)
{
	unsigned words, reads, layout;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++) {
		simx_start(layout, PVC_VVAR_TSC);
		for (words = 0; words < 24; words++) {
			struct simv_time t = decoy();
			uint64_t before = fallbacks();

			warm();
			simv_set_seq(simv_seq() + 1);
			simv_put(&t, words);
			for (reads = 0; reads < 3; reads++)
				assert_true(simx_all_within(0));
			assert_int_equal(fallbacks(), before + 3 * SIMV_IDS);
			/* All true again, and even. */
			t = simv_mine();
			simv_put(&t, SIMV_ALL_WORDS);
			simv_set_seq(simv_seq() + 1);
			warm();
			assert_int_equal(fallbacks(), before + 3 * SIMV_IDS);
		}
		assert_int_equal(simx_count(&core.count_of.violated), 0);
		assert_true(pvc_exact(&core));
	}
}

/* The thread of the kernel that writes is not run again: for a second, for ever. */
static void never_even_again(void **state)
{
	struct simv_time t;
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	warm();
	simv_set_seq(simv_seq() + 1);
	t = decoy();
	simv_put(&t, 7);
	alarm(60);
	for (i = 0; i < 5000; i++)
		assert_true(simx_all_within(0));
	alarm(0);
	assert_true(fallbacks() >= 25000);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

static bool set_while_odd(int id, int64_t by)
{
	simx_start(3, PVC_VVAR_TSC);
	warm();
	/* A reader of meanwhile is told the kernel's time of before. */
	simv_set_seq(simv_seq() + 1);
	if (!simx_within(id, 0))
		return false;
	simv_set_seq(simv_seq() + 1);
	simv_update(SIMV_INJECT, by);
	/* The one that starts anew, the one that renews the line, one on the line. */
	for (unsigned i = 0; i < 3; i++) {
		if (!simx_within(id, 0))
			return false;
	}
	return true;
}

/* REALTIME is set back by so little that a floor could hide it, but may not. */
static void set_back_while_odd(void **state)
{
	const int64_t by[] = {-1, -USEC, -100 * USEC, -MSEC, -3 * MSEC, -10 * MSEC, -HOUR, HOUR};
	unsigned i, n;

	(void)state;
	for (n = 0; n < 20; n++)
		for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
			assert_true(set_while_odd(CLOCK_REALTIME, by[i]));
			assert_true(set_while_odd(CLOCK_TAI, by[i]));
		}
}

/* 0 marks lines that are made from samples, and is a count like any other. */
static void around_its_end(void **state)
{
	uint64_t before;
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (n = 0; n < 40; n++) {
		simv_set_seq(0xfffffff0u);
		for (i = 0; i < 16; i++) {
			simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
			before = fallbacks();
			warm();
			if (simv_seq())
				assert_int_equal(fallbacks(), before);
		}
		assert_int_equal(simv_seq(), 16);
	}
	assert_true(pvc_exact(&core));
}

/* A line of the last count 0 but one, four thousand million updates ago. */
static void zero_is_never_a_lines(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	simv_set_seq(0xfffffffeu);
	simv_update(SIMV_TICK, 0);
	assert_int_equal(simv_seq(), 0);
	for (i = 0; i < 100; i++) {
		assert_true(simx_all_within(0));
		simv_set_seq(0xfffffffeu);
		simv_update(SIMV_INJECT, i & 1 ? -HOUR : HOUR);
		assert_true(simx_all_within(0));
	}
}

/* Sampled lines in service when the count comes to 0 and the parameters are back. */
static void samples_at_zero(void **state)
{
	unsigned i, n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	warm();
	for (n = 0; n < 20; n++) {
		simv_update(SIMV_MODE, PVC_VVAR_NONE);
		for (i = 0; i < 500; i++)
			assert_true(simx_all_within(1000000));
		simv_set_seq(0xfffffffeu);
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
		for (i = 0; i < 500; i++)
			assert_true(simx_all_within(1000000));
		/* One more update, and nothing of that is left. */
		simx_spin_us(1500);
		simv_update(SIMV_TICK, 0);
		assert_true(simx_all_within(1000000));
		simx_spin_us(1000);
		warm();
		assert_true(pvc_exact(&core));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_is_the_kernels),    cmocka_unit_test(odd_from_the_start),
		cmocka_unit_test(torn_writes),           cmocka_unit_test(never_even_again),
		cmocka_unit_test(set_back_while_odd),    cmocka_unit_test(around_its_end),
		cmocka_unit_test(zero_is_never_a_lines), cmocka_unit_test(samples_at_zero),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
