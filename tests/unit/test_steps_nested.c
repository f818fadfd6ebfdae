// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A signal handler reads the same clocks, or the host rewrites the page, at each place of a
 * call that is itself about a change of the page. Whoever comes first: one change is one,
 * and no time goes back.
 */
#include "../../vdso/entry.h"
#include "../../vdso/now.h"
#include "simblock.h"
#include "simstep.h"

#define SEC 1000000000ll

/* Of some thousands each. */
#define PLACES 12

static unsigned cpu; /* the one that we are pinned to */
static uint64_t first, outer, inner;
static bool outer_told, inner_told;

/* What the host does to the page, once in each round: before the call or in it. */
static enum pvc_mode mode;
static int64_t by;
static uint8_t flags;

static bool begin(void)
{
	return step_possible() && pinned(&cpu);
}

static void host_rewrites(void)
{
	entry = sim_moved(&entry, by);
	entry.flags = flags;
	sim_put_all(&page, &entry);
}

static void unchanged(void)
{
	attach(mode);
	/* Lines for the change to end, of all clocks; and both kinds of input. */
	prove();
	first = hyper();
	inner_told = outer_told = false;
	inner = outer = 0;
}

static void changed(void)
{
	unchanged();
	host_rewrites();
}

static void read_outer(void)
{
	outer_told = sim_now(&core, &outer);
}

static void read_inner(void)
{
	inner_told = sim_now(&core, &inner);
}

static uint64_t ahead(void)
{
	return by > 0 ? (uint64_t)by : 0;
}

/* Which of the two was told first is not known; neither is below what was before them. */
static void no_way_back(void)
{
	uint64_t last = first, ns;

	if (outer_told) {
		assert_in_range(outer, first, first + ahead() + 100 * SEC);
		last = outer;
	}
	if (inner_told) {
		assert_in_range(inner, first, first + ahead() + 100 * SEC);
		last = inner > last ? inner : last;
	}
	ns = hyper();
	assert_in_range(ns, last, first + ahead() + 100 * SEC);
	assert_true(hyper() >= ns);
	now(CLOCK_MONOTONIC);
}

/* The outer call began before the inner one, and ended after it. */
static void one_change(void)
{
	const uint64_t restarts = by < -(int64_t)PVC_NS_SKEW;

	no_way_back();
	assert_int_equal(atomic_load(&core.mode), mode);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(atomic_load(&core.count_of.restarts), restarts);
	assert_int_equal(atomic_load(&core.count_of.went_back), 0);
	if (mode != PVC_MODE_PERCPU)
		assert_int_equal(atomic_load(&core.count_of.param_changes), 1);
}

static void changes(enum pvc_mode in)
{
	const int64_t steps_by[] = {1000 * SEC, -1000 * SEC, 20000};
	unsigned i;

	mode = in;
	flags = PVCLOCK_TSC_STABLE_BIT;
	for (i = 0; i < 3; i++) {
		by = steps_by[i];
		step_sweep(PLACES, changed, read_outer, read_inner, one_change);
		step_sweep(PLACES, unchanged, read_outer, host_rewrites, one_change);
	}
}

static void changes_stable(void **state)
{
	(void)state;
	if (!begin())
		return;
	changes(PVC_MODE_STABLE);
	sim_unpin();
}

static void changes_stable_ns(void **state)
{
	(void)state;
	if (!begin())
		return;
	changes(PVC_MODE_STABLE_NS);
	sim_unpin();
}

static void changes_percpu(void **state)
{
	(void)state;
	if (!begin())
		return;
	changes(PVC_MODE_PERCPU);
	sim_unpin();
}

static void one_edge(void)
{
	no_way_back();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.count_of.unstable_edges), 1);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
}

/* STABLE is cleared. */
static void edges(void **state)
{
	(void)state;
	if (!begin())
		return;
	mode = PVC_MODE_STABLE;
	by = 0;
	flags = 0;
	step_sweep(PLACES, changed, read_outer, read_inner, one_edge);
	step_sweep(PLACES, unchanged, read_outer, host_rewrites, one_edge);
	sim_unpin();
}

/* Left, and STABLE is in all entries again for long enough: the next reading finds it. */
static void stable_again(void)
{
	unchanged();
	core.may_stable = 1;
	flags = 0;
	host_rewrites();
	hyper();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	flags = PVCLOCK_TSC_STABLE_BIT;
	host_rewrites();
	first = hyper();
	atomic_store(&core.edge_ns, 1);
}

static void one_edge_back(void)
{
	no_way_back();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.count_of.unstable_edges), 1);
	assert_int_equal(atomic_load(&core.count_of.stable_edges), 1);
	assert_int_equal(atomic_load(&core.events), 2);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
}

static unsigned not_entered;

static void clear_and_read(void)
{
	flags = 0;
	host_rewrites();
	read_inner();
}

/* It was entered and left again, or it was not entered: either is told of in full. */
static void left_again(void)
{
	uint64_t entered = atomic_load(&core.count_of.stable_edges);

	no_way_back();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.fast), 0);
	assert_in_range(entered, 0, 1);
	assert_int_equal(atomic_load(&core.count_of.unstable_edges), 1 + entered);
	assert_int_equal(atomic_load(&core.events), 1 + 2 * entered);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	not_entered += !entered;
}

/* STABLE is set again; and cleared once more, while that is being found out. */
static void edges_back(void **state)
{
	(void)state;
	if (!begin())
		return;
	mode = PVC_MODE_STABLE;
	by = 0;
	not_entered = 0;
	step_sweep(PLACES, stable_again, read_outer, read_inner, one_edge_back);
	step_sweep(PLACES, stable_again, read_outer, clear_and_read, left_again);
	assert_true(not_entered > 0);
	sim_unpin();
}

static void clock_outer(void)
{
	outer = now(CLOCK_MONOTONIC);
}

static void clock_inner(void)
{
	inner = now(CLOCK_MONOTONIC);
}

static void clock_changed(void)
{
	unchanged();
	first = now(CLOCK_MONOTONIC);
	host_rewrites();
}

static void clock_goes_on(void)
{
	uint64_t ns = now(CLOCK_MONOTONIC);

	assert_true(outer >= first && inner >= first);
	assert_true(ns >= outer && ns >= inner);
	assert_true(ns <= sim_kernel_ns(CLOCK_MONOTONIC) + 60000);
}

/* The kernel's clock, whose line ends with the values that it was made under. */
static void clock_over_a_change(void **state)
{
	(void)state;
	if (!begin())
		return;
	mode = PVC_MODE_STABLE;
	by = 5000;
	flags = PVCLOCK_TSC_STABLE_BIT;
	step_sweep(PLACES, clock_changed, clock_outer, clock_inner, clock_goes_on);
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_stable), cmocka_unit_test(changes_stable_ns),
		cmocka_unit_test(changes_percpu), cmocka_unit_test(edges),
		cmocka_unit_test(edges_back),     cmocka_unit_test(clock_over_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
