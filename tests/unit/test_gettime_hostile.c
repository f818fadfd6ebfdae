// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hypervisor ns when the host writes what no host would: they go on from
 * where they were, and not back.
 */
#include "../../vdso/now.h"
#include "simblock.h"

#define SEC 1000000000ll
#define FAR (3ll << 60) /* ns: plausible, but not twice */

static void host_moves(int64_t ns)
{
	entry = sim_moved(&entry, ns);
	sim_put_all(&page, &entry);
}

/* Centuries in an entry: not clamped to, and gone when they are. */
static void absurd_percpu(void **state)
{
	const uint64_t absurd[] = {1ull << 62, 3ull << 61, UINT64_MAX - 1000, UINT64_MAX};
	uint64_t last, ns;
	unsigned i, first;

	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	for (i = 0; i < 2 * sizeof(absurd) / sizeof(*absurd); i++) {
		struct sim_entry e;

		first = i & 1;
		attach(PVC_MODE_PERCPU);
		last = first ? 0 : hyper();
		e = entry;
		e.system_time = absurd[i / 2];
		sim_put_all(&page, &e);
		assert_false(sim_now(&core, &ns));
		sim_put_all(&page, &entry);
		ns = hyper();
		assert_true(ns >= last && ns < (uint64_t)entry.system_time + 3600 * SEC);
		assert_true(now(CLOCK_MONOTONIC) > 0);
	}
}

/* Told by absurd parameters before mode stable was left: nothing goes on from there. */
static void absurd_was_told(void **state)
{
	uint64_t ns;

	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	attach(PVC_MODE_PERCPU);
	hyper();
	atomic_store(&core.last, 1ull << 62);
	assert_false(sim_now(&core, &ns));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_NONSENSE);
}

/* Up, and back, and up: each bridge adds to what was there. */
static void adds_up(enum pvc_mode mode)
{
	uint64_t last, ns;
	unsigned i;

	attach(mode);
	last = hyper();
	for (i = 0; i < 20; i++) {
		host_moves(i & 1 ? -FAR : FAR);
		if (!sim_now(&core, &ns))
			continue;
		assert_true(ns >= last);
		assert_false(pvc_ns_absurd(ns));
		last = ns;
	}
}

static void bridges_add_up(void **state)
{
	(void)state;
	adds_up(PVC_MODE_STABLE);
	adds_up(PVC_MODE_STABLE_NS);
	if (sim_has_rdtscp("mode percpu"))
		adds_up(PVC_MODE_PERCPU);
}

/* A rate 30000 times the real one: what its readers have come to runs away from time. */
static void rate_runs_away(void **state)
{
	uint64_t last, ns = 0;
	struct sim_entry e;
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	last = hyper();
	e = sim_moved(&entry, 0);
	e.shift += 15;
	sim_put_all(&page, &e);
	for (i = 0; i < 100; i++)
		if (sim_now(&core, &ns)) {
			assert_true(ns >= last);
			last = ns;
		}
	sim_put_all(&page, &entry);
	for (i = 0; i < 100 && !sim_now(&core, &ns); i++)
		;
	assert_true(i < 100);
	assert_true(ns >= last);
}

/* Written after it was proved. */
static void nonsense_at_start(void **state)
{
	struct sim_entry e;

	(void)state;
	attach(PVC_MODE_STABLE);
	e = entry;
	e.shift = -128;
	sim_put_all(&page, &e);
	sim_attach(&core, &page, PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_NONSENSE);
	assert_true(now(CLOCK_MONOTONIC) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		cmocka_unit_test(absurd_percpu),     cmocka_unit_test(absurd_was_told),
		cmocka_unit_test(bridges_add_up),    cmocka_unit_test(rate_runs_away),
		cmocka_unit_test(nonsense_at_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
