// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A page goes out of service, or another comes into it, while threads that have not found
 * that out put parameters in service.
 */
#include "../../vdso/now.h"
#include "simblock.h"
#include "simstep.h"

#define SEC 1000000000ll

static bool possible(void)
{
	return sim_has_rdtscp("mode percpu") && sim_tsc_in_step("mode percpu") && step_possible();
}

static void host_moves(int64_t ns)
{
	entry = sim_moved(&entry, ns);
	sim_put_all(&page, &entry);
}

static unsigned moves_left;

/* Parameters that are there are put there again, as those do who still read the page. */
static bool parameters_move(unsigned long step)
{
	(void)step;
	if (pvc_latch_slot(atomic_load(&core.now_current)) && moves_left) {
		moves_left--;
		atomic_fetch_add(&core.now_current, PVC_SLOT_GENERATION);
	}
	return true;
}

static void take_out(void)
{
	pvc_source_pause(&core);
}

static void put_in(void)
{
	pvc_source_start(&core, PVC_MODE_STABLE, PVC_WHY_STABLE);
}

/* Readers of the page that goes are in the way for a while, or for ever. */
static void readers_of_the_old_page(void **state)
{
	const unsigned times[] = {2, 20, UINT32_MAX};
	uint64_t ns;
	unsigned i;
	(void)state;

	if (!possible())
		return;
	for (i = 0; i < 3; i++) {
		attach(PVC_MODE_STABLE);
		ns = hyper();
		take_out();
		host_moves(-1000 * SEC);
		moves_left = times[i];
		step_by_step(put_in, parameters_move);
		/* What was left of theirs had ended: nothing is computed by it. */
		assert_in_range(hyper(), ns, ns + 100 * SEC);
		if (i == 0)
			assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
		assert_in_range(hyper(), ns, ns + 100 * SEC);
	}
}

static unsigned long place, places;

/* From one place of the call on, and a little longer than to the next. */
static bool some_parameters_move(unsigned long step)
{
	if (step < place)
		return true;
	moves_left = 1;
	parameters_move(step);
	return step < place + places + 5;
}

/* A page that was given up is taken out while late ones still put parameters in service. */
static void late_ones(void **state)
{
	unsigned long n = 0;
	uint64_t ns;
	(void)state;

	if (!possible())
		return;
	for (place = 0; place <= n; place += places) {
		attach(PVC_MODE_STABLE);
		ns = hyper();
		pvc_source_stop(&core, PVC_WHY_BACK);
		if (n)
			step_by_step(take_out, some_parameters_move);
		else
			n = step_by_step(take_out, step_on);
		places = n / 75 + 1;
		assert_true(atomic_load(&core.last) >= ns);
	}
}

/* They are in the way for ever: it is out of service all the same. */
static void late_ones_for_ever(void **state)
{
	const enum pvc_mode mode[] = {PVC_MODE_STABLE, PVC_MODE_KERNEL};
	unsigned i;
	(void)state;

	if (!possible())
		return;
	for (i = 0; i < 2; i++) {
		attach(PVC_MODE_STABLE);
		hyper();
		if (mode[i] == PVC_MODE_KERNEL)
			pvc_source_stop(&core, PVC_WHY_BACK);
		moves_left = UINT32_MAX;
		step_by_step(take_out, parameters_move);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PAUSED);
		assert_int_equal(atomic_load(&core.fast), 0);
		/* What has not been found out is not made up. */
		assert_int_equal(atomic_load(&core.last), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_of_the_old_page),
		cmocka_unit_test(late_ones),
		cmocka_unit_test(late_ones_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
