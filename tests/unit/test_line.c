// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A line in its latch, by itself: what is told of a clock that was set.
 */
#include "../../vdso/anchor.h"
#include "simblock.h"

#define S PVC_NSEC_PER_SEC
#define RATE (1ull << 63) /* half a ns per x */

static struct pvc_line starts(uint64_t x0, uint64_t ns)
{
	return (struct pvc_line){
		.x0 = x0, .sec = ns / S, .nsec = ns % S, .mult = RATE, .rate = RATE};
}

static int64_t step_told(const struct pvc_line *old, const struct pvc_line *line)
{
	struct pvc_event e = {.number = 1};

	attach(PVC_MODE_STABLE);
	pvc_clock_was_set(&core, CLOCK_TAI, old, line);
	assert_int_equal(atomic_load(&core.count_of.steps), 1);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(pvc_event_get(&core, &e), PVC_EVENT_OK);
	assert_int_equal(e.kind, PVC_EVENT_SET);
	assert_int_equal(e.cpu, CLOCK_TAI);
	assert_in_range(e.tsc, 1, sim_tsc());
	return e.step;
}

/* By how much is what the clock has gained over its line; of one input, in its order. */
static void step_of_a_set_clock(void **state)
{
	const uint64_t tsc = 1ull << 50, ns = 172800 * S;
	struct pvc_line old = starts(tsc, 5000 * S), on_ns = starts(PVC_X_NS(ns), 5000 * S), line;

	(void)state;
	line = starts(tsc + 2000, 5000 * S + 1000);
	assert_int_equal(step_told(&old, &line), 0);
	line = starts(tsc + 2000, 8600 * S + 1007);
	assert_int_equal(step_told(&old, &line), 3600 * S + 7);
	line = starts(tsc + 2000, 1400 * S);
	assert_int_equal(step_told(&old, &line), -3600 * (int64_t)S - 1000);
	line = starts(PVC_X_NS(ns + 500), 5001 * S + 500);
	assert_int_equal(step_told(&on_ns, &line), S);
	/* How long it was from one to the other is not known: nor is how far it was set. */
	line = starts(tsc - 1, 8600 * S);
	assert_int_equal(step_told(&old, &line), 0);
	assert_int_equal(step_told(&old, &on_ns), 0);
	assert_int_equal(step_told(&on_ns, &old), 0);
}

/* Ended where no slot is free: what it says, the kernel says as well, if it is exact. */
static void ended_without_a_slot(void **state)
{
	struct pvc_line line = starts(1000, 5000 * S);
	uint64_t seq;

	(void)state;
	for (seq = 0; seq <= 2; seq += 2) {
		attach(PVC_MODE_STABLE);
		line.expiry = line.span = 1000;
		line.seq = seq;
		assert_true(pvc_line_put(&core, CLOCK_MONOTONIC, 0, &line));
		atomic_store(&core.busy, UINT64_MAX);
		assert_true(pvc_clock_end(&core, CLOCK_MONOTONIC, 0));
		assert_int_equal(pvc_latch_slot(pvc_latch_begin(&core.current[CLOCK_MONOTONIC])),
		                 0);
		assert_int_equal(atomic_load(&core.floor[CLOCK_MONOTONIC]),
		                 seq ? 0 : 5000 * S + 500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step_of_a_set_clock),
		cmocka_unit_test(ended_without_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
