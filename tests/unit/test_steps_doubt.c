// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A page is given up, and taken back, while at each place of that something else happens
 * to it: the host is at it again, or another thread is.
 */
#include "../../vdso/now.h"
#include "simblock.h"
#include "simstep.h"

#define SEC 1000000000ll
#define LONG_AGO (1ull << 36)

static uint64_t told, clock_told;

static bool possible(void)
{
	return sim_tsc_in_step("mode stable") && step_possible();
}

static void host_is_at_it(void)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
}

static void host_is_done(void)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_end(&page.slot[i]);
}

static void look(void)
{
	atomic_store(&core.looked_at, sim_tsc() - LONG_AGO);
	pvc_doubt_look(&core);
}

static void in_service(void)
{
	attach(PVC_MODE_STABLE);
	core.may_return = core.may_stable = 1;
	prove();
	told = hyper();
	clock_told = now(CLOCK_MONOTONIC);
}

static void found_good_once(void)
{
	in_service();
	pvc_source_stop(&core, PVC_WHY_BUSY);
	look();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_DOUBTED);
}

/* Whatever came of it: nothing goes back, and a good page is used in the end. */
static void goes_on(void)
{
	unsigned i;

	assert_true(now(CLOCK_MONOTONIC) >= clock_told);
	host_is_done();
	for (i = 0; i < 10 && !pvc_is_live(atomic_load(&core.mode)); i++)
		look();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_in_range(hyper(), told, told + 100 * SEC);
	assert_true(now(CLOCK_MONOTONIC) >= clock_told);
}

static void bad_again(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, found_good_once, look, host_is_at_it, goes_on);
}

static void stop(void)
{
	pvc_source_stop(&core, PVC_WHY_BACK);
}

static void stopped_once(void)
{
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.count_of.given_up), 1);
	assert_int_equal(atomic_load(&core.events), 1);
	goes_on();
}

/* Two give it up at once: one does. */
static void given_up_by_two(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, in_service, stop, stop, stopped_once);
}

/* It is given up as soon as it is in service again, before all of that is done. */
static void given_up_at_once(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, found_good_once, look, stop, goes_on);
}

static void take_out(void)
{
	pvc_source_pause(&core);
}

/* Nobody may look at the page any more: it will be another, or none. */
static void out_of_service(void)
{
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PAUSED);
	assert_int_equal(atomic_load(&core.fast), 0);
	assert_int_equal(atomic_load(&core.calm), 0);
	assert_true(atomic_load(&core.last) >= told);
}

/* It is taken out for another one. */
static void replaced_meanwhile(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, found_good_once, look, take_out, out_of_service);
}

/* At each of the first places: before it is known that it is time to look, or to stop. */
static void at_first(unsigned long places, void (*prepare)(void), void (*call)(void),
                     void (*act)(void), void (*check)(void))
{
	step_act = act;
	for (step_place = 2; step_place < places; step_place++) {
		prepare();
		step_by_step(call, step_at_place);
		check();
	}
}

static void replaced_at_first(void **state)
{
	(void)state;
	if (possible())
		at_first(80, found_good_once, look, take_out, out_of_service);
}

static void stopped_at_first(void **state)
{
	(void)state;
	if (possible())
		at_first(30, in_service, stop, stop, stopped_once);
}

/* Somewhere in thread-local data: it is the thread that is told by where they are. */
static void known_by_thread(void)
{
	found_good_once();
	core.rseq_cpu = 8;
}

static void fork_and_look(void)
{
	pvc_clocks_forked(&core);
	look();
}

static void nobody_is_looking(void)
{
	assert_int_equal(atomic_load(&core.looking), 0);
	goes_on();
}

/* By a signal handler: in the child this thread goes on looking, and is the only one. */
static void forked_meanwhile(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, known_by_thread, look, fork_and_look, nobody_is_looking);
}

/* Another thread was looking, and is not there in the child. */
static void forked_while_another_looks(void **state)
{
	(void)state;
	if (!possible())
		return;
	known_by_thread();
	atomic_store(&core.looking, (uint64_t)(uintptr_t)&core);
	look();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_DOUBTED);
	fork_and_look();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	nobody_is_looking();
	/* Where threads are not told apart, it may be we. */
	found_good_once();
	atomic_store(&core.looking, 1);
	fork_and_look();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_DOUBTED);
}

static void calm(void)
{
	/* Somewhere: nobody looks there. */
	core.rseq_cpu = 8;
	pvc_source_fast(&core, PVC_MODE_STABLE);
}

/* Also by who has seen the mode a moment ago. */
static void late_to_be_fast(void **state)
{
	(void)state;
	if (possible())
		step_sweep(60, in_service, calm, take_out, out_of_service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_again),
		cmocka_unit_test(given_up_by_two),
		cmocka_unit_test(given_up_at_once),
		cmocka_unit_test(replaced_meanwhile),
		cmocka_unit_test(replaced_at_first),
		cmocka_unit_test(stopped_at_first),
		cmocka_unit_test(late_to_be_fast),
		cmocka_unit_test(forked_meanwhile),
		cmocka_unit_test(forked_while_another_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
