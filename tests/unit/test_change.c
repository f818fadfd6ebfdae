// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a change of the page does to time: found on another CPU, and found by two at once. */
#include "../../vdso/entry.h"
#include "../../vdso/now.h"
#include "simblock.h"

#define SEC 1000000000ll

static unsigned cpu; /* the one that we are pinned to */

static bool begin(enum pvc_mode mode)
{
	if (!pinned(&cpu))
		return false;
	attach(mode);
	return true;
}

static void last_event(struct pvc_event *e)
{
	*e = (struct pvc_event){.number = atomic_load(&core.events)};
	assert_int_equal(pvc_event_get(&core, e), PVC_EVENT_OK);
}

/* Ended by somebody who had others to follow, and has not come to it. */
static void end_those_in_service(void)
{
	struct pvc_now old;
	uint64_t current, reach;

	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
}

/*
 * Whoever enters mode stable has put parameters that have ended, and not yet set the mode:
 * a reader with the mode of before it was left puts none in service, for per-CPU readers
 * may be told more meanwhile.
 */
static void not_stable_yet(void **state)
{
	static const enum pvc_mode not [] = {PVC_MODE_PERCPU, PVC_MODE_KERNEL, PVC_MODE_DOUBTED};
	static const enum pvc_mode is[] = {PVC_MODE_STABLE, PVC_MODE_STABLE_NS};
	struct pvc_now now;
	unsigned i, n;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	for (i = 0; i < 2; i++) {
		hyper();
		end_those_in_service();
		for (n = 0; n < 3; n++) {
			atomic_store(&core.mode, not [n]);
			assert_true(pvc_change_look(&core, cpu));
			pvc_now_load(&core, pvc_latch_begin(&core.now_current), &now);
			assert_int_equal(now.ended, PVC_NOW_ENDED);
		}
		atomic_store(&core.mode, is[i]);
		assert_true(pvc_change_look(&core, cpu));
		pvc_now_load(&core, pvc_latch_begin(&core.now_current), &now);
		assert_int_equal(now.ended, PVC_NOW_LIVE);
	}
	sim_unpin();
}

/* Parameters are still in service: mode stable is not entered beside whoever goes by them. */
static void not_ended_yet(void **state)
{
	struct pvc_reading r;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	hyper();
	core.may_stable = 1;
	atomic_store(&core.edge_ns, 0);
	atomic_store(&core.mode, PVC_MODE_PERCPU);
	assert_int_equal(pvc_read_entry(&core, cpu, &r), PVC_OK);
	assert_true(pvc_edge_regain(&core, &r));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	end_those_in_service();
	assert_true(pvc_edge_regain(&core, &r));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	sim_unpin();
}

/* An input that goes back again and again is given up where there is another one. */
static void back_again_and_again(void **state)
{
	unsigned i;
	(void)state;

	attach(PVC_MODE_STABLE);
	core.foreign = 1;
	for (i = 0; i < 100; i++)
		pvc_source_went_back(&core);
	/* Nothing else tells the time of another VM. */
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.count_of.went_back), 100);
	attach(PVC_MODE_STABLE);
	for (i = 0; i < 7; i++)
		pvc_source_went_back(&core);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	pvc_source_went_back(&core);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_BACK);
}

/* Two threads find that time started lower: one of them adds, and tells. */
static void bridged_by_another(void **state)
{
	uint64_t last, ns;
	struct pvc_reading r;
	struct pvc_event e;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	assert_int_equal(pvc_source_sample(&core, &r), PVC_OK);
	ns = pvc_reading_ns(&r);
	last = ns + 1000 * SEC;
	r.cpu = cpu;
	pvc_change_bridge(&core, &core.bias, &r, 0, last);
	assert_int_equal(atomic_load(&core.bias), 1000 * SEC);
	last_event(&e);
	assert_int_equal(e.kind, PVC_EVENT_WENT_BACK);
	assert_int_equal(e.step, -1000 * SEC);
	/* The other had read the bias before. */
	pvc_change_bridge(&core, &core.bias, &r, 0, last);
	assert_int_equal(atomic_load(&core.bias), 1000 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(atomic_load(&core.count_of.restarts), 1);
	assert_int_equal(atomic_load(&core.count_of.went_back), 1);
	sim_unpin();
}

/*
 * The TSC of this CPU has gone back, and another CPU's entry is looked at: that one does
 * not tell of it, and its parameters are not the ones to go on by. Ours is, and does.
 */
static void gone_back_here(void **state)
{
	unsigned other;
	uint64_t ns;
	struct pvc_event e;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	other = cpu ? 0 : 1;
	ns = hyper();
	end_those_in_service();
	atomic_store(&core.last, ns + 1000 * SEC);
	atomic_store(&core.seen[other], PVC_UNSEEN);
	assert_true(pvc_change_look(&core, other));
	assert_true(atomic_load(&core.seen[other]) == PVC_UNSEEN);
	assert_int_equal(atomic_load(&core.bias), 0);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	assert_in_range(hyper(), ns + 1000 * SEC, ns + 1010 * SEC);
	assert_int_equal(atomic_load(&core.count_of.restarts), 1);
	last_event(&e);
	assert_int_equal(e.kind, PVC_EVENT_WENT_BACK);
	assert_int_equal(e.cpu, cpu);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	sim_unpin();
}

/* Of another VM any entry is as good: its TSC is made from ours. */
static void gone_back_elsewhere(void **state)
{
	unsigned other;
	uint64_t ns;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	other = cpu ? 0 : 1;
	ns = hyper();
	core.foreign = 1;
	end_those_in_service();
	atomic_store(&core.last, ns + 1000 * SEC);
	atomic_store(&core.seen[other], PVC_UNSEEN);
	assert_true(pvc_change_look(&core, other));
	assert_in_range(atomic_load(&core.bias), 990 * SEC, 1000 * SEC);
	assert_int_equal(atomic_load(&core.count_of.restarts), 1);
	assert_int_equal(atomic_load(&core.count_of.went_back), 1);
	sim_unpin();
}

/* Of all that was rewritten only the shift is another: half the rate is a change. */
static void half_the_rate(void **state)
{
	uint64_t ns, rate;
	struct pvc_event e;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	hyper();
	rate = atomic_load(&core.rate);
	/* Where both say the same, so that nothing but the rate tells them apart. */
	entry.tsc_timestamp = sim_tsc() + (1ull << 30);
	sim_put_all(&page, &entry);
	ns = hyper();
	entry.shift--;
	sim_put_all(&page, &entry);
	assert_in_range(hyper(), ns, ns + 100 * SEC);
	assert_in_range(atomic_load(&core.rate), rate / 2 - 1, rate / 2 + 1);
	last_event(&e);
	assert_int_equal(e.kind, PVC_EVENT_CHANGED);
	assert_in_range(-e.rate, SEC / 2 - 1, SEC / 2 + 1);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	sim_unpin();
}

/* STABLE is cleared before anybody has read: there is nothing that it stepped from. */
static void left_before_it_was_read(void **state)
{
	const enum pvc_mode mode[] = {PVC_MODE_STABLE, PVC_MODE_STABLE_NS};
	struct pvc_event e;
	unsigned i;
	(void)state;

	for (i = 0; i < 2; i++) {
		if (!begin(mode[i]))
			return;
		entry.flags = 0;
		sim_put_all(&page, &entry);
		assert_in_range(hyper(), entry.system_time, entry.system_time + 100 * SEC);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		assert_int_equal(atomic_load(&core.events), 1);
		last_event(&e);
		assert_int_equal(e.kind, PVC_EVENT_UNSTABLE);
		assert_in_range(e.ns, entry.system_time, entry.system_time + 100 * SEC);
		assert_int_equal(e.step, 0);
		assert_int_equal(e.rate, 0);
	}
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_stable_yet),       cmocka_unit_test(not_ended_yet),
		cmocka_unit_test(back_again_and_again), cmocka_unit_test(bridged_by_another),
		cmocka_unit_test(gone_back_here),       cmocka_unit_test(gone_back_elsewhere),
		cmocka_unit_test(half_the_rate),        cmocka_unit_test(left_before_it_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
