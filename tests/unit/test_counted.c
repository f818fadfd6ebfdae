// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A block whose calls are counted: the way past whoever counts is closed, in each mode and
 * after each change of it, and the other is the same: the same answers, from the same lines.
 */
#include "simexact.h"

static void start_counted(enum pvc_mode mode)
{
	simx_start(3, PVC_VVAR_TSC);
	simx_attach(PVC_MODE_KERNEL);
	core.counted = 1;
	core.may_percpu = core.may_stable = 1;
	pvc_source_start(&core, mode, PVC_WHY_STABLE);
}

static bool has_fast_path(void)
{
	return sim_tsc_in_step("counted calls") && sim_has_rdtscp("counted calls");
}

/* None is answered unseen, also of those whose line is in service. */
static void assert_closed(void)
{
	struct pvc_timespec ts;
	unsigned i;

	for (i = 0; i < SIMV_IDS; i++) {
		assert_false(pvc_gettime_fast(&core, simv_ids[i], &ts));
		assert_false(pvc_gettime_fast_unordered(&core, simv_ids[i], &ts));
	}
}

static void values_of_fast(void **state)
{
	(void)state;
	if (!has_fast_path())
		skip();
	simx_start(3, PVC_VVAR_TSC);
	assert_int_equal(atomic_load(&core.fast), PVC_OURS | PVC_OURS << PVC_FAST_PLAIN);
	start_counted(PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.fast), PVC_OURS);
	start_counted(PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.fast), 0);
	start_counted(PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.fast), 0);
}

/* Lines are used, and not made anew with each call: few anchors, no fallback. */
static void from_lines(void **state)
{
	uint64_t anchors;
	unsigned i;

	(void)state;
	if (!has_fast_path())
		skip();
	start_counted(PVC_MODE_STABLE);
	for (i = 0; i < 20000; i++) {
		if (i % 1000 == 0)
			simv_update(SIMV_TICK, 0);
		assert_true(simx_all_within(0));
		assert_closed();
	}
	assert_true(pvc_exact(&core));
	assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
	anchors = simx_count(&core.count_of.anchors);
	assert_in_range(anchors, SIMV_IDS, 20000);
}

static bool only_for_who_counts(void)
{
	struct pvc_timespec ts;

	return pvc_gettime_fast_if(&core, PVC_FAST_ANY, CLOCK_MONOTONIC, &ts) &&
	       !pvc_gettime_fast_if(&core, PVC_FAST_PLAIN, CLOCK_MONOTONIC, &ts);
}

/* The fast path is there, for who has counted. */
static void same_call(void **state)
{
	struct timeval tv;
	uint64_t before, after;
	unsigned i;

	(void)state;
	if (!has_fast_path())
		skip();
	start_counted(PVC_MODE_STABLE);
	/* A line ends while we are kept from the CPU; then there is another. */
	for (i = 0; i < 1000 && !only_for_who_counts(); i++)
		assert_true(simx_all_within(0));
	assert_true(i < 1000);
	before = simv_now(CLOCK_REALTIME) / 1000;
	assert_int_equal(pvc_gettimeofday(&core, &tv, NULL), 0);
	after = simv_now(CLOCK_REALTIME) / 1000;
	assert_in_range((uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec, before, after);
}

/* STABLE is cleared, and set again: still closed to those that are not counted. */
static void over_edges(void **state)
{
	struct sim_entry unstable = entry;
	unsigned i;

	(void)state;
	if (!has_fast_path())
		skip();
	start_counted(PVC_MODE_STABLE);
	assert_true(simx_all_within(0));
	unstable.flags = 0;
	sim_put_all(&page, &unstable);
	for (i = 0; i < 100; i++)
		now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.fast), 0);
	assert_closed();
	sim_put_all(&page, &entry);
	for (i = 0; i < 100000000 && atomic_load(&core.mode) != PVC_MODE_STABLE; i++)
		now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.fast), PVC_OURS);
	assert_closed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_fast),
		cmocka_unit_test(from_lines),
		cmocka_unit_test(same_call),
		cmocka_unit_test(over_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
