// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A page that is taken out of service: what was told is kept for the one that follows it,
 * whatever state the first was left in.
 */
#include "../../vdso/now.h"
#include "simblock.h"

#define SEC 1000000000ll
#define MS 1000000ull

static _Atomic uint64_t told;

static _Atomic uint64_t *last_of_thread(void)
{
	return &told;
}

static uint64_t truth(void)
{
	struct sim_entry e = sim_moved(&entry, 0);

	return e.system_time;
}

static bool possible(void)
{
	return sim_has_rdtscp("mode percpu") && sim_tsc_in_step("mode percpu");
}

/* Another page is in its place, on which time is 1000 s behind. */
static void next_page(enum pvc_mode mode)
{
	entry = sim_moved(&entry, -1000 * SEC);
	sim_put_all(&page, &entry);
	pvc_source_start(&core, mode, PVC_WHY_STABLE);
}

static void apart(enum pvc_mode mode)
{
	attach(mode);
	core.thread_last = last_of_thread;
	core.apart = 1;
	atomic_store(&told, 0);
}

static void take_out(void)
{
	pvc_source_pause(&core);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PAUSED);
}

/*
 * Entry 0 has started 1000 s lower, the others have not: time does not go on 1000 s ahead
 * by them, in place of another page or after nobody looked for a while.
 */
static void entries_apart(void **state)
{
	unsigned list[PVCLOCK_PAGE_SLOTS], n, i;
	struct sim_entry behind;
	uint64_t ns;
	(void)state;

	if (!possible())
		return;
	attach(PVC_MODE_PERCPU);
	ns = hyper();
	take_out();
	behind = sim_moved(&entry, -1000 * SEC);
	sim_put(&page, 0, &behind);
	n = sim_cpus(list);
	if (list[n - 1] < PVCLOCK_PAGE_SLOTS - 2) {
		/* None that speak for a CPU. */
		sim_begin(&page.slot[PVCLOCK_PAGE_SLOTS - 1]);
		page.slot[PVCLOCK_PAGE_SLOTS - 2].info.tsc_to_system_mul = 0;
	}
	pvc_source_start(&core, PVC_MODE_PERCPU, PVC_WHY_UNSTABLE);
	for (i = 0; i < 2 * n; i++) {
		assert_true(sim_pin(list[n - 1 - i % n]));
		assert_in_range(hyper(), ns, truth() + PVC_NS_SKEW);
		ns = hyper();
	}
	sim_unpin();
}

/* Each thread has its own last; the next page starts above all of them all the same. */
static void threads_with_their_own(void **state)
{
	uint64_t ns;
	(void)state;

	if (!possible())
		return;
	apart(PVC_MODE_PERCPU);
	ns = hyper();
	assert_true(atomic_load(&core.last) < ns);
	take_out();
	assert_in_range(atomic_load(&core.last), ns, truth() + PVC_NS_SKEW);
	next_page(PVC_MODE_PERCPU);
	/* One that was told nothing yet, as well. */
	atomic_store(&told, 0);
	assert_true(hyper() >= ns);
}

/* The same where entries have no STABLE, which any CPU may read of another VM. */
static void threads_and_foreign_entries(void **state)
{
	uint64_t ns;
	(void)state;

	apart(PVC_MODE_PERCPU);
	core.foreign = 1;
	entry.flags = 0;
	sim_put_all(&page, &entry);
	ns = hyper();
	take_out();
	assert_in_range(atomic_load(&core.last), ns, truth() + PVC_NS_SKEW);
}

/* What was told here is known, though the entry says less by now. */
static void threads_and_a_lower_entry(void **state)
{
	uint64_t ns;
	(void)state;

	if (!possible())
		return;
	apart(PVC_MODE_PERCPU);
	ns = hyper();
	entry = sim_moved(&entry, -10 * (int64_t)PVC_NS_SKEW);
	/* However long this thread is kept from running. */
	entry.tsc_timestamp += 1ull << 40;
	sim_put_all(&page, &entry);
	take_out();
	assert_true(atomic_load(&core.last) == ns);
	/* Not if it was told nonsense: nothing goes on from there. */
	apart(PVC_MODE_PERCPU);
	ns = hyper();
	atomic_store(&told, 1ull << 62);
	take_out();
	assert_in_range(atomic_load(&core.last), ns, truth() + PVC_NS_SKEW);
}

/* What cannot be read, or is nonsense, says nothing more of what threads were told. */
static void threads_and_no_reading(void **state)
{
	struct sim_entry absurd;
	uint64_t ns;
	unsigned i;
	(void)state;

	if (!possible())
		return;
	apart(PVC_MODE_PERCPU);
	ns = hyper();
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
	take_out();
	assert_true(atomic_load(&core.last) == ns);
	apart(PVC_MODE_PERCPU);
	ns = hyper();
	absurd = sim_moved(&entry, 0);
	absurd.system_time = 1ull << 62;
	sim_put_all(&page, &absurd);
	take_out();
	assert_true(atomic_load(&core.last) == ns);
}

/* In mode stable all of them are told by the same parameters. */
static void threads_while_stable(void **state)
{
	const enum pvc_mode mode[] = {PVC_MODE_STABLE, PVC_MODE_STABLE_NS};
	uint64_t ns;
	unsigned i;
	(void)state;

	for (i = 0; i < 2; i++) {
		apart(mode[i]);
		ns = hyper();
		take_out();
		assert_in_range(atomic_load(&core.last), ns, truth() + PVC_NS_MARGIN);
		next_page(mode[i]);
		assert_true(hyper() >= ns);
	}
}

/* Taken out once more, as nothing has come since: what was told is what it was. */
static void taken_out_twice(void **state)
{
	uint64_t last;
	(void)state;

	attach(PVC_MODE_STABLE);
	hyper();
	take_out();
	last = atomic_load(&core.last);
	take_out();
	assert_int_equal(atomic_load(&core.last), last);
	next_page(PVC_MODE_STABLE);
	assert_true(hyper() >= last);
}

/* A page that was given up is followed by another one. */
static void given_up(void **state)
{
	uint64_t ns;
	(void)state;

	attach(PVC_MODE_STABLE);
	ns = hyper();
	pvc_source_stop(&core, PVC_WHY_BACK);
	assert_int_equal(atomic_load(&core.last), 0);
	take_out();
	/* No higher than the step in which it is remembered how far they came. */
	assert_in_range(atomic_load(&core.last), ns, truth() + MS);
	next_page(PVC_MODE_STABLE);
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/* Nothing was ever read of it. */
static void given_up_unread(void **state)
{
	(void)state;
	attach(PVC_MODE_STABLE);
	pvc_source_stop(&core, PVC_WHY_BACK);
	take_out();
	assert_int_equal(atomic_load(&core.last), 0);
	next_page(PVC_MODE_STABLE);
	assert_in_range(hyper(), entry.system_time, entry.system_time + 100 * SEC);
}

/* As far as that is nobody: the reach of such parameters is not what the next starts at. */
static void given_up_absurd(void **state)
{
	uint64_t current;
	(void)state;

	attach(PVC_MODE_STABLE);
	hyper();
	current = atomic_load(&core.now_current);
	atomic_store(&core.slot[pvc_latch_slot(current)].now.bias, 1ull << 62);
	pvc_source_stop(&core, PVC_WHY_NONSENSE);
	take_out();
	assert_int_equal(atomic_load(&core.last), 0);
	next_page(PVC_MODE_STABLE);
	assert_in_range(hyper(), entry.system_time, entry.system_time + 100 * SEC);
}

/*
 * The parameters were ended by one thread, as others were to follow, when another thread
 * gave the page up: what was told by them is kept as well.
 */
static void given_up_ended(void **state)
{
	const uint64_t how[] = {PVC_NOW_ENDED, PVC_NOW_LEFT};
	uint64_t ns, current, reach;
	struct pvc_now old;
	unsigned i;
	(void)state;

	for (i = 0; i < 2; i++) {
		attach(PVC_MODE_STABLE);
		ns = hyper();
		assert_false(pvc_now_end(&core, how[i], &old, &current, &reach));
		pvc_source_stop(&core, PVC_WHY_UNSTABLE);
		take_out();
		assert_in_range(atomic_load(&core.last), ns, truth() + MS);
		next_page(PVC_MODE_STABLE);
		assert_true(hyper() >= ns);
	}
}

/*
 * They were followed: the next ones were to start where they came to, but are not there
 * yet; nor is a TSC told by them, which is of the next.
 */
static void given_up_followed(void **state)
{
	uint64_t ns, current, reach;
	struct pvc_now old;
	(void)state;

	attach(PVC_MODE_STABLE);
	ns = hyper();
	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	assert_true(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	pvc_raise(&core.now_reach, reach);
	assert_true(pvc_now_unused(&core, current, sim_tsc()));
	pvc_source_stop(&core, PVC_WHY_BACK);
	take_out();
	assert_int_equal(atomic_load(&core.last), reach);
	next_page(PVC_MODE_STABLE);
	assert_true(hyper() >= ns);
}

/* A host's nonsense has had them told what is nobody's time. */
static void tell_absurd(enum pvc_mode mode)
{
	uint64_t current;

	attach(mode);
	hyper();
	current = atomic_load(&core.now_current);
	atomic_store(&core.slot[pvc_latch_slot(current)].now.bias, 1ull << 62);
	assert_true(hyper() >= 1ull << 62);
}

/* No time goes on from there: a page that says what time it is is read as it is. */
static void after_nonsense(void **state)
{
	unsigned i;
	(void)state;

	for (i = 0; i < 3; i++) {
		if (i && !possible())
			return;
		tell_absurd(i < 2 ? PVC_MODE_STABLE : PVC_MODE_STABLE_NS);
		if (i) {
			/* Left by the edge, and not read any more. */
			entry.flags = 0;
			sim_put_all(&page, &entry);
			pvc_source_look_at_all(&core);
			assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		}
		take_out();
		entry.flags = PVCLOCK_TSC_STABLE_BIT;
		next_page(PVC_MODE_STABLE);
		assert_in_range(hyper(), entry.system_time, entry.system_time + 100 * SEC);
		assert_in_range(hyper(), entry.system_time, entry.system_time + 100 * SEC);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	}
}

static bool all_zero(const void *from, size_t size)
{
	const char *byte = from;
	size_t i;

	for (i = 0; i < size; i++)
		if (byte[i])
			return false;
	return true;
}

/*
 * What entries have by themselves is not written to in mode stable: each page of it would
 * be memory of every program. No version is taken for a recorded one when it is left.
 */
static void stable_writes_little(void **state)
{
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	for (i = 0; i < 1000; i++) {
		now(CLOCK_MONOTONIC);
		hyper();
	}
	assert_true(all_zero(core.record, sizeof(core.record)));
	assert_true(all_zero(core.event, sizeof(core.event)));
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		assert_true(all_zero(&core.own[i], sizeof(core.own[i])));
	if (!sim_has_rdtscp("mode percpu"))
		return;
	entry = sim_moved(&entry, 0);
	entry.flags = 0;
	sim_put_all(&page, &entry);
	hyper();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		assert_true(atomic_load(&core.own[i].recorded) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_apart),
		cmocka_unit_test(stable_writes_little),
		cmocka_unit_test(threads_with_their_own),
		cmocka_unit_test(threads_and_a_lower_entry),
		cmocka_unit_test(threads_and_no_reading),
		cmocka_unit_test(threads_while_stable),
		cmocka_unit_test(threads_and_foreign_entries),
		cmocka_unit_test(given_up),
		cmocka_unit_test(taken_out_twice),
		cmocka_unit_test(given_up_unread),
		cmocka_unit_test(given_up_absurd),
		cmocka_unit_test(given_up_ended),
		cmocka_unit_test(given_up_followed),
		cmocka_unit_test(after_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
