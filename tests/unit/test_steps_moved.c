// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The process has gone into a time namespace whose clocks are an hour behind, and a
 * signal handler reads a clock at each place of the call that makes the clocks know of
 * it. Whatever the handler is told, and leaves behind: once the call has returned the
 * clock is the namespace's.
 */
#include "simslew.h"
#include "simstep.h"

#define MS 1000000ull
#define HOUR (3600 * (int64_t)PVC_NSEC_PER_SEC)
#define ALL_PLACES 100000

static enum pvc_mode mode;
static bool slow; /* too slow for samples: the kernel itself answers, and raises floors */

static void gone(void)
{
	slew_attach(mode, 20 * MS);
	prove();
	slew_read(CLOCK_MONOTONIC);
	slew_read(CLOCK_MONOTONIC_RAW);
	pvc_clocks_moving(&core);
	atomic_fetch_sub(&slew.set[CLOCK_MONOTONIC], HOUR);
	atomic_fetch_sub(&slew.set[CLOCK_MONOTONIC_RAW], HOUR);
	/* The handler cannot do with the line that there is. */
	pvc_clock_end(&core, CLOCK_MONOTONIC, UINT64_MAX);
	pvc_clock_end(&core, CLOCK_MONOTONIC_RAW, UINT64_MAX);
	slew.late_one_in = slow;
	slew.late = slew_ticks(60000);
}

static void tell(void)
{
	pvc_clocks_moved(&core, true);
}

static void read_inside(void)
{
	now(CLOCK_MONOTONIC);
	now(CLOCK_MONOTONIC_RAW);
}

static void is_the_namespaces(void)
{
	const int ids[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW};
	unsigned i;

	slew.late_one_in = 0;
	for (i = 0; i < 2; i++) {
		uint64_t ns = now(ids[i]), is = slew_now(ids[i]);

		if (ns > is + (uint64_t)HOUR / 2)
			fail_msg("place %lu: clock %d is where it was", step_place, ids[i]);
	}
}

static void at_each_place(enum pvc_mode in)
{
	mode = in;
	for (slow = false;; slow = true) {
		step_sweep(ALL_PLACES, gone, tell, read_inside, is_the_namespaces);
		if (slow)
			return;
	}
}

static void stable(void **state)
{
	(void)state;
	if (!sim_tsc_in_step("clocks made from samples") || !step_possible())
		return;
	at_each_place(PVC_MODE_STABLE);
}

static void percpu(void **state)
{
	(void)state;
	if (!sim_tsc_in_step("clocks made from samples") || !sim_has_rdtscp("mode percpu") ||
	    !step_possible())
		return;
	at_each_place(PVC_MODE_PERCPU);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stable),
		cmocka_unit_test(percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
