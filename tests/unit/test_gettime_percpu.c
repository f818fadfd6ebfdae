// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * STABLE is cleared, on one CPU before the others, and what follows it.
 */
#include "simblock.h"

#define THREADS 4

/* The CPU we are pinned to, the last that we may use. */
static unsigned pin_to_one(void)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);

	assert_true(n > 0 && sim_pin(cpu[n - 1]));
	return cpu[n - 1];
}

/* As KVM does it: the new parameters are a little off the old ones. */
static void clear_stable(unsigned cpu, int64_t by)
{
	struct sim_entry e = sim_moved(&entry, by);

	e.flags &= (uint8_t)~PVCLOCK_TSC_STABLE_BIT;
	sim_put(&page, cpu, &e);
}

static bool possible(void)
{
	return sim_has_rdtscp("mode percpu") && sim_tsc_in_step("mode percpu");
}

static void edge(enum pvc_mode mode, int64_t by, bool hyper_first)
{
	unsigned i, cpu = pin_to_one();
	uint64_t clock, real, ns;

	attach(mode);
	prove();
	clock = now(CLOCK_MONOTONIC);
	real = now(CLOCK_REALTIME);
	ns = hyper();
	clear_stable(cpu, by);
	if (hyper_first)
		assert_true(hyper() >= ns);
	assert_true(now(CLOCK_MONOTONIC) >= clock);
	assert_true(now(CLOCK_REALTIME) >= real);
	for (i = 0; i < 20000; i++) {
		uint64_t more = hyper();

		assert_true(more >= ns);
		ns = more;
		more = now(CLOCK_MONOTONIC);
		assert_true(more >= clock);
		clock = more;
	}
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
	assert_int_equal(atomic_load(&core.count_of.unstable_edges), 1);
	sim_unpin();
}

/* The call that finds it out answers as well: nothing is being written. */
static void edge_answers(void **state)
{
	(void)state;
	if (!possible())
		return;
	edge(PVC_MODE_STABLE, 0, true);
}

static void edges(void **state)
{
	const int64_t by[] = {0, 1000, -1000, 300000, -300000};
	unsigned i;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		edge(PVC_MODE_STABLE, by[i], false);
		edge(PVC_MODE_STABLE_NS, by[i], false);
	}
}

/* No clock was set, and none counts as if it had been. */
static void edge_is_not_set(void **state)
{
	uint64_t last = 0, ns;
	unsigned i, cpu;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	attach(PVC_MODE_STABLE);
	prove();
	for (i = 0; i < 20000; i++) {
		if (i == 10000)
			clear_stable(cpu, -1000);
		ns = now(CLOCK_REALTIME);
		assert_true(ns >= last);
		last = ns;
	}
	sim_unpin();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
}

static void not_per_cpu(void **state)
{
	unsigned cpu;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	attach(PVC_MODE_STABLE);
	core.may_percpu = 0;
	prove();
	clear_stable(cpu, 0);
	now(CLOCK_MONOTONIC);
	now(CLOCK_MONOTONIC);
	sim_unpin();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
}

static __thread _Atomic uint64_t mine;

static _Atomic uint64_t *thread_last(void)
{
	return &mine;
}

/* Thread scope: this thread's time does not go back over the edge either. */
static void edge_in_thread_scope(void **state)
{
	unsigned i, cpu;
	uint64_t ns, more;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	attach(PVC_MODE_STABLE);
	core.thread_last = thread_last;
	core.apart = 1;
	atomic_store(&mine, 0);
	prove();
	ns = hyper();
	clear_stable(cpu, -300000);
	for (i = 0; i < 1000; i++) {
		if (!sim_now(&core, &more))
			continue;
		assert_true(more >= ns);
		ns = more;
	}
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_true(atomic_load(&mine) > 0);
	sim_unpin();
}

static _Atomic uint64_t told[2];
static unsigned who;

static _Atomic uint64_t *last_of_one(void)
{
	return &told[who];
}

/*
 * A thread was told what nonsense in an entry had added up to, and goes on from there. The
 * other ones come along: they would be years below the bias of the entries for ever.
 */
static void threads_apart_by_years(void **state)
{
	const int64_t years = 60000000000000000;
	uint64_t ns, more;
	unsigned i, cpu;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	attach(PVC_MODE_STABLE);
	core.thread_last = last_of_one;
	core.apart = 1;
	memset((void *)told, 0, sizeof(told));
	clear_stable(cpu, 0);
	for (who = 0; who < 2; who++)
		ns = hyper();
	who = 0;
	for (i = 1; i <= 2; i++) {
		clear_stable(cpu, i * years);
		more = hyper();
		assert_true(more >= ns + (uint64_t)years);
		ns = more;
	}
	clear_stable(cpu, 0);
	more = hyper();
	assert_true(more >= ns);
	who = 1;
	assert_true(hyper() >= more);
	sim_unpin();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
}

/* This thread is ahead of the kernel, by its clamp, when the kernel has to answer. */
static void ahead_in_thread_scope(void **state)
{
	uint64_t ns, clock, i;
	unsigned cpu;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	attach(PVC_MODE_STABLE);
	core.thread_last = last_of_one;
	core.apart = 1;
	memset((void *)told, 0, sizeof(told));
	who = 0;
	prove();
	clear_stable(cpu, 0);
	for (i = 0; i < 100; i++) {
		ns = hyper();
		now(CLOCK_MONOTONIC);
		/* Where the process was when STABLE was cleared says nothing of now. */
		atomic_store(&core.last, ns);
		now(CLOCK_MONOTONIC);
		atomic_store(&told[0], hyper() + 20000);
		clock = now(CLOCK_MONOTONIC);
		sim_begin(&page.slot[cpu]);
		assert_true(now(CLOCK_MONOTONIC) >= clock);
		sim_end(&page.slot[cpu]);
	}
	sim_unpin();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_true(atomic_load(&core.count_of.fallbacks) > 0);
}

/* Entries that disagree: each thread goes on by its own, all by the clamp. */
static void disagreeing_entries(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);
	uint64_t ns = 0, clock = 0, more;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		struct sim_entry e = sim_moved(&entry, (int64_t)(i % 2) * -2600);

		e.flags = 0;
		sim_put(&page, i, &e);
	}
	sim_attach(&core, &page, PVC_MODE_PERCPU);
	for (i = 0; i < 20000; i++) {
		if (i % 50 == 0)
			sim_pin(cpu[i / 50 % n]);
		more = hyper();
		assert_true(more >= ns);
		ns = more;
		more = now(CLOCK_MONOTONIC);
		assert_true(more >= clock);
		clock = more;
	}
	sim_unpin();
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
}

/* An entry that nobody ever wrote is not a machine that has just started. */
static void empty_entry(void **state)
{
	struct sim_entry zero = {0}, wild = {.mul = 1u << 31, .shift = 100};
	struct sim_entry far = {.mul = 1u << 31, .shift = 31};
	const struct sim_entry *const bad[3] = {&zero, &wild, &far};
	unsigned i, n, cpu;
	uint64_t ns, before, more;

	(void)state;
	if (!possible())
		return;
	cpu = pin_to_one();
	for (i = 0; i < 3; i++) {
		attach(PVC_MODE_PERCPU);
		prove();
		ns = hyper();
		sim_put(&page, cpu, bad[i]);
		for (n = 0; n < 100; n++) {
			before = sim_kernel_ns(CLOCK_MONOTONIC);
			assert_true(now(CLOCK_MONOTONIC) + 60000 >= before);
			if (sim_now(&core, &more))
				assert_in_range(more, ns, ns + PVC_NSEC_PER_SEC);
		}
		sim_put(&page, cpu, &entry);
		more = hyper();
		/* Seconds at most have passed since, not the days of its uptime. */
		assert_in_range(more, ns, ns + 600 * PVC_NSEC_PER_SEC);
		assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	}
	sim_unpin();
}

static _Atomic uint64_t max[2];
static _Atomic unsigned backwards, failed, ready, running;

static void *reader(void *arg)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);
	struct pvc_timespec ts;
	uint64_t before, ns;

	sim_pin(cpu[(uintptr_t)arg % n]);
	atomic_fetch_add(&ready, 1);
	for (i = 0; i < 1000 || atomic_load(&running); i++) {
		before = atomic_load(&max[0]);
		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts))
			atomic_fetch_add(&failed, 1);
		else if (!sim_not_back(&max[0], before, sim_ns(&ts)))
			atomic_fetch_add(&backwards, 1);
		before = atomic_load(&max[1]);
		/* The kernel answers while parameters are being replaced. */
		if (sim_now(&core, &ns) && !sim_not_back(&max[1], before, ns))
			atomic_fetch_add(&backwards, 1);
	}
	return NULL;
}

static void edge_under_threads(bool values_too)
{
	pthread_t thread[THREADS];
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);
	uintptr_t i;

	attach(PVC_MODE_STABLE);
	prove();
	atomic_store(&max[0], 0);
	atomic_store(&max[1], 0);
	atomic_store(&ready, 0);
	atomic_store(&running, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, (void *)i), 0);
	while (atomic_load(&ready) < THREADS)
		sched_yield();
	/* New values that are still stable reach one CPU, unstable ones another. */
	if (values_too) {
		entry = sim_moved(&entry, 700);
		sim_put(&page, cpu[0], &entry);
	}
	clear_stable(cpu[n - 1], -5000);
	/* Those on that CPU find out, whenever they are run. */
	while (!atomic_load(&core.count_of.unstable_edges) && !atomic_load(&core.count_of.given_up))
		sched_yield();
	atomic_store(&running, 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void edges_under_threads(void **state)
{
	unsigned i, stuck = 0;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < 200; i++) {
		edge_under_threads(i & 1);
		assert_int_equal(atomic_load(&backwards), 0);
		assert_int_equal(atomic_load(&failed), 0);
		/* We were not run for long in the middle of a write. */
		if (atomic_load(&core.reason) == PVC_WHY_BUSY) {
			stuck++;
			continue;
		}
		assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		assert_int_equal(atomic_load(&core.count_of.unstable_edges), 1);
		assert_int_equal(atomic_load(&core.count_of.restarts), 0);
	}
	assert_true(stuck < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edge_answers),
		cmocka_unit_test(edges),
		cmocka_unit_test(edge_is_not_set),
		cmocka_unit_test(not_per_cpu),
		cmocka_unit_test(edge_in_thread_scope),
		cmocka_unit_test(disagreeing_entries),
		cmocka_unit_test(empty_entry),
		cmocka_unit_test(edges_under_threads),
		cmocka_unit_test(threads_apart_by_years),
		cmocka_unit_test(ahead_in_thread_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
