// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Mode percpu on a CPU that has no entry, as behind the 64th: the kernel answers there.
 */
#include "simblock.h"

static _Atomic uint64_t mine;

static _Atomic uint64_t *thread_last(void)
{
	return &mine;
}

/* The kernel's word, and no reading that goes back when there is an entry again. */
static void no_entry_here(bool thread_scope)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu), i;
	uint64_t clock, ns, more, fallbacks;

	assert_true(sim_pin(cpu[n - 1]));
	attach(PVC_MODE_PERCPU);
	core.thread_last = thread_scope ? thread_last : NULL;
	core.apart = thread_scope;
	atomic_store(&mine, 0);
	prove();
	ns = hyper();
	clock = now(CLOCK_MONOTONIC);
	core.count = cpu[n - 1];
	for (i = 0; i < 100; i++) {
		uint64_t before = sim_kernel_ns(CLOCK_MONOTONIC);

		fallbacks = atomic_load(&core.count_of.fallbacks);
		assert_false(sim_now(&core, &more));
		more = now(CLOCK_MONOTONIC);
		assert_int_equal(atomic_load(&core.count_of.fallbacks), fallbacks + 1);
		assert_true(more >= clock && more >= before);
		clock = more;
	}
	core.count = PVCLOCK_PAGE_SLOTS;
	fallbacks = atomic_load(&core.count_of.fallbacks);
	for (i = 0; i < 1000; i++) {
		more = hyper();
		assert_true(more >= ns);
		ns = more;
		more = now(CLOCK_MONOTONIC);
		assert_true(more >= clock);
		clock = more;
	}
	/* It is used again, but for a sample that was disturbed. */
	assert_in_range(atomic_load(&core.count_of.fallbacks) - fallbacks, 0, 500);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	sim_unpin();
}

static bool possible(void)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);

	if (!sim_has_rdtscp("mode percpu"))
		return false;
	if (cpu[n - 1])
		return true;
	printf("SKIP: a CPU without an entry: there is one CPU\n");
	return false;
}

static void in_process_scope(void **state)
{
	(void)state;
	if (!possible())
		skip();
	no_entry_here(false);
}

static void in_thread_scope(void **state)
{
	(void)state;
	if (!possible())
		skip();
	no_entry_here(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_process_scope),
		cmocka_unit_test(in_thread_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
