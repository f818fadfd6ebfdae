// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mode stable left and entered again, and entries that step one long before another,
 * under threads on all CPUs.
 */
#include "../../vdso/entry.h"
#include "../../vdso/now.h"
#include "simreaders.h"

#define SEC 1000000000ll
#define MS 1000000ll

static bool possible(void)
{
	return sim_has_rdtscp("mode percpu") && sim_tsc_in_step("mode percpu");
}

/* One CPU may be kept from running while another is not: each, after each, some times. */
static void answers_in_turn(void)
{
	unsigned i;

	for (i = 0; i < 20; i++)
		answers(100);
}

static void start(enum pvc_mode mode)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);

	attach(mode);
	/* Each entry has its reader: only who reads one finds that it is the last. */
	core.count = cpu[n - 1] + 1;
	core.may_stable = mode == PVC_MODE_STABLE;
	/* Where we are not run for long in the middle of a write, the page is given up. */
	core.may_return = 1;
	prove();
	readers_start();
}

static uint64_t truth(void)
{
	struct sim_entry e = sim_moved(&entry, 0);

	return e.system_time;
}

static void sleep_ns(long ns)
{
	struct timespec ts = {0, ns};

	nanosleep(&ts, NULL);
}

static void wait_for(enum pvc_mode mode)
{
	while (atomic_load(&core.mode) != mode)
		sleep_ns(MS);
}

/* Left by one entry, then by all; entered by all. The entries come back a little off. */
static void to_and_fro(void **state)
{
	unsigned i, n;
	uint64_t drift = 0;
	(void)state;

	if (!possible())
		return;
	start(PVC_MODE_STABLE);
	for (i = 0; i < 150; i++) {
		entry = sim_moved(&entry, i % 3 ? 700 : -700);
		drift += 700;
		entry.flags = 0;
		for (n = 0; n < PVCLOCK_PAGE_SLOTS; n++)
			sim_put(&page, (n + i) % PVCLOCK_PAGE_SLOTS, &entry);
		wait_for(PVC_MODE_PERCPU);
		entry = sim_moved(&entry, i % 2 ? 900 : -900);
		drift += 900;
		entry.flags = PVCLOCK_TSC_STABLE_BIT;
		for (n = 0; n < PVCLOCK_PAGE_SLOTS; n++)
			sim_put(&page, (n * 5 + i) % PVCLOCK_PAGE_SLOTS, &entry);
		if (i % 4 == 3)
			continue;
		wait_for(PVC_MODE_STABLE);
		answers(10);
	}
	readers_end();
	/* No runaway: within what the entries were off at any time, and a hold. */
	assert_true(atomic_load(&max[1]) <= truth() + drift + PVC_NS_SKEW);
	assert_true(hyper() + drift + PVC_NS_SKEW >= truth());
	assert_true(atomic_load(&core.count_of.stable_edges) >= 100);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	assert_int_equal(atomic_load(&core.count_of.went_back), 0);
}

/*
 * Mode stable is left with what bridges a restart; a bias that an entry had when mode
 * percpu was last in force is of another time.
 */
static void old_bias(void **state)
{
	unsigned i;
	uint64_t ns;
	(void)state;

	if (!possible())
		return;
	for (i = 0; i < 50; i++) {
		attach(PVC_MODE_STABLE);
		ns = hyper();
		atomic_store(&core.own[i % 2].bias, 5000ull * SEC);
		atomic_store(&core.own[i % 2 + 1].bias, 7000ull * SEC);
		entry = sim_moved(&entry, 0);
		entry.flags = 0;
		sim_put_all(&page, &entry);
		assert_in_range(hyper(), ns, ns + 10 * SEC);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	}
}

/* Entry 0 steps, the others much later. */
static void one_before_the_others(int64_t by)
{
	uint64_t ahead = by > 0 ? (uint64_t)by : 0, ns, before;
	struct sim_entry stepped;
	unsigned i, n;

	for (n = 0; n < 5; n++) {
		start(PVC_MODE_PERCPU);
		before = atomic_load(&max[1]);
		stepped = sim_moved(&entry, by);
		sim_put(&page, 0, &stepped);
		answers_in_turn();
		assert_true(atomic_load(&max[1]) <= truth() + ahead + 2 * PVC_NS_SKEW);
		for (i = 1; i < PVCLOCK_PAGE_SLOTS; i++)
			sim_put(&page, i, &stepped);
		answers_in_turn();
		wait_for(PVC_MODE_PERCPU);
		readers_end();
		ns = hyper();
		assert_true(ns >= before);
		/* Once by the step, however many have seen it. */
		assert_true(ns <= truth() + ahead + 2 * PVC_NS_SKEW);
		sleep_ns(5 * MS);
		assert_true(hyper() >= ns + 3 * MS);
	}
}

static void steps(void **state)
{
	(void)state;
	if (!possible())
		return;
	one_before_the_others(1000 * SEC);
	one_before_the_others(-1000 * SEC);
	one_before_the_others(5 * MS);
	one_before_the_others(-5 * MS);
}

/* What stands in the way is taken over after some tries. */
static uint64_t hyper_soon(void)
{
	uint64_t ns = 0;
	unsigned tries;

	for (tries = 0; tries < 64 && !sim_now(&core, &ns); tries++)
		;
	assert_true(tries < 64);
	return ns;
}

/*
 * Somebody has claimed the record, and bridges by others come before he carries the step
 * over: it counts once.
 */
static void claimed_and_bridged(void **state)
{
	unsigned cpu = 0, list[PVCLOCK_PAGE_SLOTS], n;
	uint64_t ns, stamp;
	(void)state;

	if (!possible())
		return;
	sim_cpus(list);
	cpu = list[0];
	assert_true(sim_pin(cpu));
	attach(PVC_MODE_PERCPU);
	ns = hyper();
	stamp = atomic_load(&core.record[cpu].stamp);
	atomic_store(&core.record[cpu].stamp, stamp | 1);
	entry = sim_moved(&entry, -1000 * SEC);
	sim_put_all(&page, &entry);
	/* Nobody waits for the claimant for long. */
	assert_in_range(hyper_soon(), ns, ns + 10 * SEC);
	/* He gave up before he read: as it was, if it is still his. */
	stamp |= 1;
	atomic_compare_exchange_strong(&core.record[cpu].stamp, &stamp, stamp - 1);
	for (n = 0; n < 100; n++)
		assert_in_range(hyper(), ns, ns + 10 * SEC);
	sim_unpin();
}

/* A claimant that never comes back: reads go on, and in the end so does the record. */
static void orphaned_record(void **state)
{
	unsigned list[PVCLOCK_PAGE_SLOTS], n;
	uint64_t ns, last;
	(void)state;

	if (!possible())
		return;
	sim_cpus(list);
	assert_true(sim_pin(list[0]));
	attach(PVC_MODE_PERCPU);
	last = hyper();
	atomic_fetch_or(&core.record[list[0]].stamp, 1);
	entry = sim_moved(&entry, 0);
	sim_put_all(&page, &entry);
	hyper_soon();
	for (n = 0; n < 3000; n++) {
		ns = hyper();
		assert_true(ns >= last);
		last = ns;
	}
	assert_int_equal(atomic_load(&core.record[list[0]].stamp) & 1, 0);
	assert_int_equal(atomic_load(&core.own[list[0]].recorded), page.slot[list[0]].info.version);
	/* And it sees what comes after. */
	entry = sim_moved(&entry, 1000 * SEC);
	sim_put_all(&page, &entry);
	assert_true(hyper() >= last + 1000 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	sim_unpin();
}

/* Every entry has been without STABLE for a while: it must be there for 10 ms again. */
static void held(void **state)
{
	uint64_t since;
	unsigned i;
	(void)state;

	if (!possible())
		return;
	for (i = 0; i < 5; i++) {
		attach(PVC_MODE_STABLE);
		core.may_stable = 1;
		hyper();
		entry = sim_moved(&entry, 0);
		entry.flags = 0;
		sim_put_all(&page, &entry);
		hyper();
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		sleep_ns(20 * MS);
		hyper();
		/* Its time may even begin anew. */
		entry = sim_moved(&entry, i % 2 ? -1000 * SEC : 0);
		entry.flags = PVCLOCK_TSC_STABLE_BIT;
		since = truth();
		sim_put_all(&page, &entry);
		while (atomic_load(&core.mode) == PVC_MODE_PERCPU)
			hyper();
		assert_true(truth() - (i % 2 ? entry.system_time : since) >= 10 * MS);
	}
}

/* The last entry that is stable again is of a CPU on which nobody reads. */
static void nobodys_cpu(void **state)
{
	unsigned list[PVCLOCK_PAGE_SLOTS], i;
	uint64_t end;
	(void)state;

	if (!possible())
		return;
	sim_cpus(list);
	assert_true(sim_pin(list[0]));
	attach(PVC_MODE_STABLE);
	prove();
	core.may_stable = 1;
	entry.flags = 0;
	sim_put_all(&page, &entry);
	now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	entry.flags = PVCLOCK_TSC_STABLE_BIT;
	sim_put(&page, list[0], &entry);
	for (end = truth() + 15 * MS; truth() < end;)
		now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		if (i != list[0])
			sim_put(&page, i, &entry);
	for (end = truth() + 10 * SEC; truth() < end && atomic_load(&core.mode) == PVC_MODE_PERCPU;)
		now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobodys_cpu),
		cmocka_unit_test(to_and_fro),
		cmocka_unit_test(old_bias),
		cmocka_unit_test(steps),
		cmocka_unit_test(claimed_and_bridged),
		cmocka_unit_test(orphaned_record),
		cmocka_unit_test(held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
