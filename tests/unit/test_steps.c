// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What one thread does between two instructions of another: exchanges that are lost, once
 * and again and again, and changes that come in the middle of a reading.
 */
#include "../../vdso/entry.h"
#include "../../vdso/now.h"
#include "simblock.h"
#include "simstep.h"

#define SEC 1000000000ll

/* All of them: these are short calls. */
#define PLACES 200

static unsigned cpu; /* the one that we are pinned to */

static bool begin(void)
{
	return step_possible() && pinned(&cpu);
}

static void host_moves(int64_t ns)
{
	entry = sim_moved(&entry, ns);
	sim_put_all(&page, &entry);
}

static bool is_ended(int id)
{
	uint64_t current = atomic_load(&core.current[id]);

	return !atomic_load(&core.slot[pvc_latch_slot(current)].word[PVC_WORD(expiry)]);
}

/* The same line under another generation, as who answers by the kernel leaves it. */
static bool realtime_moves(unsigned long step)
{
	(void)step;
	atomic_fetch_add(&core.current[CLOCK_REALTIME], PVC_SLOT_GENERATION);
	return true;
}

static bool ended;

static void end_clocks(void)
{
	ended = pvc_change_end_clocks(&core, 0);
}

static void look(void)
{
	pvc_change_look(&core, cpu);
}

/* One clock cannot be ended: it is said so, and the others are all the same. */
static void one_clock_goes_on(void **state)
{
	const int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
	                   CLOCK_TAI};
	uint64_t busy;
	unsigned i;
	(void)state;

	if (!begin())
		return;
	attach(PVC_MODE_STABLE);
	prove();
	for (i = 0; i < 5; i++)
		while (is_ended(ids[i]))
			now(ids[i]);
	busy = atomic_load(&core.busy);
	step_by_step(end_clocks, realtime_moves);
	assert_false(ended);
	for (i = 0; i < 5; i++)
		assert_int_equal(is_ended(ids[i]), ids[i] != CLOCK_REALTIME);
	/* No slot is lost with the tries. */
	assert_int_equal(__builtin_popcountll(atomic_load(&core.busy)), __builtin_popcountll(busy));
	end_clocks();
	assert_true(ended);
	assert_true(is_ended(CLOCK_REALTIME));
	sim_unpin();
}

/* Nobody goes by new values while a line is in use that was made under the old ones. */
static void values_wait_for_clocks(void **state)
{
	uint64_t ns, current;
	(void)state;

	if (!begin())
		return;
	attach(PVC_MODE_STABLE);
	prove();
	ns = hyper();
	now(CLOCK_REALTIME);
	host_moves(5 * SEC);
	look();
	current = atomic_load(&core.now_current);
	step_by_step(look, realtime_moves);
	assert_int_equal(atomic_load(&core.now_current), current);
	assert_true(atomic_load(&core.seen[cpu]) != page.slot[cpu].info.version);
	assert_int_equal(atomic_load(&core.count_of.param_changes), 0);
	assert_true(hyper() >= ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.count_of.param_changes), 1);
	sim_unpin();
}

static bool bias_moves(unsigned long step)
{
	(void)step;
	atomic_fetch_add(&core.bias, 1);
	return true;
}

/* Others bridge as well: who has lost puts nothing in service by what he has read. */
static void bridged_by_others(void **state)
{
	uint64_t ns, current;
	(void)state;

	if (!begin())
		return;
	attach(PVC_MODE_STABLE);
	ns = hyper();
	host_moves(-1000 * SEC);
	look();
	current = atomic_load(&core.now_current);
	step_by_step(look, bias_moves);
	assert_int_equal(atomic_load(&core.now_current), current);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	assert_in_range(hyper(), ns, ns + 100 * SEC);
	assert_int_equal(atomic_load(&core.count_of.restarts), 1);
	assert_in_range(atomic_load(&core.bias), 990 * SEC, 1010 * SEC);
	sim_unpin();
}

static void forget_records(void)
{
	pvc_record_forget(&core);
}

/* A claim by one, and another, and another; none of the record that is not there. */
static bool stamp_moves(unsigned long step)
{
	uint64_t stamp = atomic_load(&core.record[cpu].stamp);

	(void)step;
	if (stamp)
		atomic_store(&core.record[cpu].stamp, (stamp + 4) | 1);
	return true;
}

/* Whoever loses every exchange to claims takes them away, and waits for nobody. */
static void void_all_the_same(void **state)
{
	uint64_t ns;
	(void)state;

	if (!begin())
		return;
	attach(PVC_MODE_PERCPU);
	core.count = cpu + 1;
	ns = hyper();
	step_by_step(forget_records, stamp_moves);
	assert_int_equal(atomic_load(&core.record[cpu].stamp), 0);
	assert_true(atomic_load(&core.own[cpu].recorded) == PVC_UNSEEN);
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&core.own[cpu].recorded), page.slot[cpu].info.version);
	sim_unpin();
}

static uint64_t marker;

static void begin_marker(void)
{
	attach(PVC_MODE_STABLE);
	marker = 1;
	atomic_store(&core.disrupted, 1);
	atomic_store(&core.disruption, &marker);
	marker = 2;
}

static void look_at_marker(void)
{
	pvc_change_disruption(&core);
}

static void one_disruption(void)
{
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(atomic_load(&core.disrupted), 2);
}

/* Two threads find the marker moved: one of them tells. */
static void disruption(void **state)
{
	(void)state;
	if (!begin())
		return;
	step_sweep(PLACES, begin_marker, look_at_marker, look_at_marker, one_disruption);
	sim_unpin();
}

static unsigned other;
static uint64_t ns_before, ns_of;
static enum pvc_read status_of;
static unsigned old_ones, new_ones;

static void begin_stable(void)
{
	attach(PVC_MODE_STABLE);
	ns_before = hyper();
	assert_int_equal(pvc_source_now_of(&core, other, &ns_of), PVC_OK);
}

static void ask_other(void)
{
	status_of = pvc_source_now_of(&core, other, &ns_of);
}

static void step_of_other(void)
{
	struct sim_entry e = sim_moved(&entry, 1000 * SEC);

	sim_put(&page, other, &e);
	/* Who runs there is told, too. */
	sim_put(&page, cpu, &e);
}

/* By what was there before, or by what is there now. */
static void of_one_time(void)
{
	assert_int_equal(status_of, PVC_OK);
	if (ns_of < ns_before + 1000 * SEC) {
		assert_in_range(ns_of, ns_before, ns_before + 100 * SEC);
		old_ones++;
	} else {
		assert_in_range(ns_of, ns_before + 1000 * SEC, ns_before + 1100 * SEC);
		new_ones++;
	}
	/* Nobody is told less afterwards, however it is read. */
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	ns_before = ns_of;
	assert_true(hyper() >= ns_before);
}

/* Ours has stepped, and nobody has looked; that of the CPU to come is of before. */
static void begin_told(void)
{
	attach(PVC_MODE_STABLE);
	ns_before = hyper() + 1000 * SEC;
	entry = sim_moved(&entry, 1000 * SEC);
	sim_put(&page, cpu, &entry);
}

static void look_twice(void)
{
	unsigned i;

	for (i = 0; i < 2; i++)
		pvc_change_look(&core, cpu);
}

static void move_away(void)
{
	assert_true(sim_pin(other));
}

static void told_once(void)
{
	assert_true(sim_pin(cpu));
	assert_in_range(hyper(), ns_before, ns_before + 100 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/* In the middle of it the thread is moved to another CPU: what it has read says nothing there. */
static void moved_away(void **state)
{
	(void)state;
	if (!begin())
		return;
	other = cpu ? 0 : 1;
	if (sim_can_pin(other))
		step_sweep(PLACES, begin_told, look_twice, move_away, told_once);
	else
		printf("SKIP: moved_away: CPU %u is not to be had\n", other);
	sim_unpin();
}

/* Where it comes to, another step has been told of already, and ours is of before that one. */
static void move_to_the_next(void)
{
	unsigned i;

	move_away();
	entry = sim_moved(&entry, 1000 * SEC);
	sim_put(&page, other, &entry);
	for (i = 0; i < 3; i++)
		pvc_change_look(&core, other);
}

static void not_told_of_the_first(void)
{
	assert_true(sim_pin(other));
	assert_in_range(hyper(), ns_before + 1000 * SEC, ns_before + 1100 * SEC);
	assert_in_range(atomic_load(&core.events), 1, 2);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_true(sim_pin(cpu));
}

static void moved_past_a_step(void **state)
{
	(void)state;
	if (!begin())
		return;
	other = cpu ? 0 : 1;
	if (sim_can_pin(other))
		step_sweep(PLACES, begin_told, look_twice, move_to_the_next, not_told_of_the_first);
	else
		printf("SKIP: moved_past_a_step: CPU %u is not to be had\n", other);
	sim_unpin();
}

/* The entry that is asked for steps while it is read. */
static void other_steps(void **state)
{
	(void)state;
	if (!begin())
		return;
	other = cpu ? 0 : 1;
	old_ones = new_ones = 0;
	step_sweep(PLACES, begin_stable, ask_other, step_of_other, of_one_time);
	assert_true(old_ones > 0);
	assert_true(new_ones > 0);
	sim_unpin();
}

/* As those do who take up values that another thread has ended. */
static void put_the_same(void)
{
	struct pvc_now same;
	uint64_t current = pvc_latch_begin(&core.now_current);

	pvc_now_load(&core, current, &same);
	if (pvc_now_unused(&core, current, sim_tsc()))
		assert_true(pvc_now_put(&core, current, &same));
}

static void still_of_that_time(void)
{
	assert_int_equal(status_of, PVC_OK);
	assert_in_range(ns_of, ns_before, ns_before + 100 * SEC);
	assert_true(hyper() >= ns_of);
}

/* The parameters by which it is computed are replaced while it is. */
static void parameters_are_replaced(void **state)
{
	(void)state;
	if (!begin())
		return;
	other = cpu ? 0 : 1;
	step_sweep(PLACES, begin_stable, ask_other, put_the_same, still_of_that_time);
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_clock_goes_on),
		cmocka_unit_test(values_wait_for_clocks),
		cmocka_unit_test(bridged_by_others),
		cmocka_unit_test(void_all_the_same),
		cmocka_unit_test(disruption),
		cmocka_unit_test(moved_away),
		cmocka_unit_test(moved_past_a_step),
		cmocka_unit_test(other_steps),
		cmocka_unit_test(parameters_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
