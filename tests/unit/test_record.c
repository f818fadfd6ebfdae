// SPDX-License-Identifier: LGPL-2.1-or-later
/* An entry's record: where it is, and what becomes of one whose claimant is gone. */
#include "../../vdso/now.h"
#include "simblock.h"

#define SEC 1000000000ll
#define WRITING 1ull
#define WAITED 999 /* the next one who finds the record claimed takes it over */

static unsigned cpu; /* the one that we are pinned to */

static bool begin(void)
{
	if (!pinned(&cpu))
		return false;
	attach(PVC_MODE_PERCPU);
	return true;
}

static uint64_t stamp_of(uint32_t version)
{
	return (uint64_t)version << 2 | 2;
}

static struct pvc_reading reading(void)
{
	struct pvc_reading r;

	assert_int_equal(pvc_source_sample(&core, &r), PVC_OK);
	assert_int_equal(r.cpu, cpu);
	return r;
}

/* On its CPU's node: nothing is written where it would be else. */
static void elsewhere(void **state)
{
	static const struct pvc_record none;
	static struct pvc_record there;
	uint64_t ns;
	(void)state;

	if (!begin())
		return;
	memset((void *)&there, 0, sizeof(there));
	core.record_of[cpu] = &there;
	ns = hyper();
	assert_int_equal(atomic_load(&there.stamp), stamp_of(page.slot[cpu].info.version));
	assert_int_equal(atomic_load(&there.system_time), entry.system_time);
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	assert_true(hyper() >= ns + 5 * SEC);
	assert_int_equal(atomic_load(&there.moves), 1);
	assert_int_equal(atomic_load(&there.changes), 1);
	assert_int_equal(atomic_load(&there.stamp), stamp_of(page.slot[cpu].info.version));
	assert_memory_equal(&core.record[cpu], &none, sizeof(none));
	/* And that one is forgotten. */
	pvc_record_forget(&core);
	assert_int_equal(atomic_load(&there.stamp), 0);
	sim_unpin();
}

/* What it is taken over with holds nothing, if the entry cannot be read now. */
static void taken_over_in_vain(void **state)
{
	struct pvc_record *rec;
	struct pvc_reading r;
	uint64_t ns;
	(void)state;

	if (!begin())
		return;
	rec = &core.record[cpu];
	ns = hyper();
	sim_put(&page, cpu, &entry);
	r = reading();
	atomic_fetch_or(&rec->stamp, WRITING);
	atomic_store(&rec->waited, WAITED);
	sim_begin(&page.slot[cpu]);
	assert_false(pvc_record_look(&core, &r));
	assert_int_equal(atomic_load(&rec->stamp), 0);
	sim_end(&page.slot[cpu]);
	/* Begun anew, and not compared with what its last claimant may have half written. */
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&rec->stamp), stamp_of(page.slot[cpu].info.version));
	assert_int_equal(atomic_load(&rec->moves), 0);
	sim_unpin();
}

/* The same by who would bridge: there is nothing to be sure that it went back. */
static void taken_over_by_a_bridge(void **state)
{
	struct pvc_record *rec;
	uint64_t ns;
	(void)state;

	if (!begin())
		return;
	rec = &core.record[cpu];
	ns = hyper();
	atomic_fetch_or(&rec->stamp, WRITING);
	/* Somebody has it: nothing is bridged, and nobody waits. */
	pvc_record_bridge(&core, cpu, ns + 1000 * SEC);
	assert_int_equal(atomic_load(&core.own[cpu].bias), 0);
	assert_int_equal(atomic_load(&rec->stamp) & WRITING, WRITING);
	atomic_store(&rec->waited, WAITED);
	pvc_record_bridge(&core, cpu, ns + 1000 * SEC);
	assert_int_equal(atomic_load(&rec->stamp), 0);
	assert_int_equal(atomic_load(&core.own[cpu].bias), 0);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	/* Recorded again, it is. */
	assert_true(hyper() >= ns);
	pvc_record_bridge(&core, cpu, ns + 1000 * SEC);
	assert_in_range(atomic_load(&core.own[cpu].bias), 990 * SEC, 1000 * SEC);
	assert_int_equal(atomic_load(&core.count_of.restarts), 1);
	sim_unpin();
}

/* Mode percpu has been left since the entry was read: what is remembered stays. */
static void left_meanwhile(void **state)
{
	struct pvc_reading r;
	uint64_t stamp;
	(void)state;

	if (!begin())
		return;
	hyper();
	stamp = atomic_load(&core.record[cpu].stamp);
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	r = reading();
	atomic_store(&core.mode, PVC_MODE_STABLE);
	assert_false(pvc_record_look(&core, &r));
	assert_int_equal(atomic_load(&core.record[cpu].stamp), stamp);
	assert_int_equal(atomic_load(&core.count_of.param_changes), 0);
	assert_int_equal(atomic_load(&core.events), 0);
	sim_unpin();
}

/*
 * All have started lower, and some have been bridged: another goes on by the same as they
 * do, and has not lost the time since somebody last asked.
 */
static void bridged_as_others(void **state)
{
	unsigned i, n[3];
	uint64_t ns, by;
	(void)state;

	if (!begin())
		return;
	for (i = 0; i < 3; i++)
		n[i] = (cpu + 1 + i) % PVCLOCK_PAGE_SLOTS;
	ns = hyper();
	by = 1000 * SEC + 70000000;
	/* Of a start before that one; of this one, and a little further on; far ahead. */
	atomic_store(&core.own[n[0]].bias, 500 * SEC);
	atomic_store(&core.own[n[1]].bias, by + SEC);
	atomic_store(&core.own[n[2]].bias, by);
	atomic_store(&core.own[(cpu + 4) % PVCLOCK_PAGE_SLOTS].bias, 2000 * SEC);
	pvc_record_bridge(&core, cpu, ns + 1000 * SEC);
	assert_true(atomic_load(&core.own[cpu].bias) == by);
	assert_in_range(hyper(), ns + by, ns + by + SEC);
	sim_unpin();
}

/* The same as it is: on one CPU, then for a while nothing, then on another. */
static void unasked_for_a_while(void **state)
{
	unsigned cpus[PVCLOCK_PAGE_SLOTS];
	uint64_t ns, until;
	(void)state;

	if (sim_cpus(cpus) < 2) {
		printf("SKIP: unasked_for_a_while: there is one CPU\n");
		return;
	}
	if (!begin())
		return;
	hyper();
	entry = sim_moved(&entry, -1000 * SEC);
	sim_put_all(&page, &entry);
	ns = hyper();
	until = sim_kernel_ns(CLOCK_MONOTONIC) + 20000000;
	while (sim_kernel_ns(CLOCK_MONOTONIC) < until)
		;
	assert_true(sim_pin(cpus[1]));
	assert_true(hyper() >= ns + 20000000 - 1000);
	assert_true(atomic_load(&core.own[cpus[0]].bias) == atomic_load(&core.own[cpus[1]].bias));
	sim_unpin();
}

/* Wiped, and written until the version is the one that is remembered: it is no other's. */
static void the_version_again(void **state)
{
	uint64_t ns, now;
	(void)state;

	if (!begin())
		return;
	ns = hyper();
	hyper();
	page.slot[cpu].info.tsc_to_system_mul = 0;
	page.slot[cpu].info.system_time = 0x7364765f5f038427ull;
	assert_false(sim_now(&core, &now));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	sim_put(&page, cpu, &entry);
	assert_in_range(hyper(), ns, ns + 100 * SEC);
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elsewhere),
		cmocka_unit_test(taken_over_in_vain),
		cmocka_unit_test(taken_over_by_a_bridge),
		cmocka_unit_test(left_meanwhile),
		cmocka_unit_test(the_version_again),
		cmocka_unit_test(unasked_for_a_while),
		cmocka_unit_test(bridged_as_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
