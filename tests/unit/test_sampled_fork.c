// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fork in the middle of an update of a clock made from samples: by the thread that
 * updates, between the kernel's answer and the line, and by another one while that
 * thread is there. The child has the block as it was, and goes on reading.
 */
#include <sys/wait.h>

#include "simslew.h"

#define MS 1000000ull
#define THREADS 3

static void start(enum pvc_mode mode)
{
	slew_attach(mode, 20 * MS);
	prove();
	slew_read(CLOCK_MONOTONIC);
	slew_read(CLOCK_REALTIME);
}

/* In a child: no assertions of cmocka's, which would go on as the parent. */
static int goes_on(uint64_t last, uint64_t realtime)
{
	uint64_t start = slew_tsc(), anchors = atomic_load(&core.count_of.anchors);
	struct pvc_timespec ts;
	struct pvc_interval i;
	unsigned n;

	/* Many lines' worth, however rarely it runs. */
	for (n = 0; n < 2000 || atomic_load(&core.count_of.anchors) < anchors + 20; n++) {
		uint64_t before = slew_now(CLOCK_MONOTONIC);

		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts) || pvc_ns_of(&ts) < last)
			return 1;
		last = pvc_ns_of(&ts);
		if (pvc_gettime(&core, CLOCK_REALTIME, &ts) || pvc_ns_of(&ts) < realtime)
			return 2;
		realtime = pvc_ns_of(&ts);
		if (pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i) ||
		    before > pvc_ns_of(&i.latest) ||
		    slew_now(CLOCK_MONOTONIC) < pvc_ns_of(&i.earliest))
			return 3;
		if (slew_tsc() - start > slew_ticks(20000 * MS))
			return 4;
	}
	return atomic_load(&core.count_of.violated) ? 5 : 0;
}

static void ended_well(pid_t pid)
{
	int status = -1;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static pid_t child;

static void fork_once(void)
{
	atomic_store(&slew.hook, NULL);
	child = fork();
}

/* The child returns from the kernel into the update that its parent began. */
static void by_who_updates(void **state)
{
	const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_PERCPU};
	unsigned m, i;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 2 : 1); m++) {
		start(modes[m]);
		for (i = 0; i < 20; i++) {
			uint64_t monotonic = 0, realtime = 0;

			child = -1;
			atomic_store(&slew.hook, fork_once);
			while (child == -1) {
				monotonic = slew_read(CLOCK_MONOTONIC);
				realtime = slew_read(CLOCK_REALTIME);
			}
			if (!child)
				_exit(goes_on(monotonic, realtime));
			ended_well(child);
			slew_interval(CLOCK_MONOTONIC);
		}
	}
}

static _Atomic unsigned inside, go_on;

static void wait_inside(void)
{
	if (atomic_exchange(&inside, 1))
		return;
	while (!atomic_load(&go_on))
		sched_yield();
}

static void *stuck_reader(void *arg)
{
	struct pvc_timespec ts;

	(void)arg;
	while (!atomic_load(&inside))
		pvc_gettime(&core, CLOCK_MONOTONIC, &ts);
	return NULL;
}

/* The updater is not there in the child, and what it was about never comes. */
static void while_another_updates(void **state)
{
	pthread_t thread;
	unsigned i;

	(void)state;
	for (i = 0; i < 20; i++) {
		start(PVC_MODE_STABLE);
		/* As others, killed in mid-update, have left it. */
		while (i & 1 && pvc_latch_claim(&core.busy) < 40)
			;
		atomic_store(&inside, 0);
		atomic_store(&go_on, 0);
		atomic_store(&slew.hook, wait_inside);
		assert_int_equal(pthread_create(&thread, NULL, stuck_reader, NULL), 0);
		while (!atomic_load(&inside))
			sched_yield();
		child = fork();
		if (!child)
			_exit(goes_on(told.last[CLOCK_MONOTONIC], told.last[CLOCK_REALTIME]));
		ended_well(child);
		/* The parent does not wait for it either. */
		slew_interval(CLOCK_MONOTONIC);
		atomic_store(&go_on, 1);
		pthread_join(thread, NULL);
		slew_interval(CLOCK_MONOTONIC);
	}
}

static _Atomic uint64_t max;
static _Atomic unsigned running, backwards;

static void *reader(void *arg)
{
	struct pvc_timespec ts;

	(void)arg;
	while (atomic_load(&running)) {
		uint64_t before = atomic_load(&max);

		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts) ||
		    !sim_not_back(&max, before, pvc_ns_of(&ts)))
			atomic_fetch_add(&backwards, 1);
		pvc_gettime(&core, CLOCK_REALTIME, &ts);
	}
	return NULL;
}

/* At any instruction of any of the readers. */
static void amid_readers(void **state)
{
	pthread_t thread[THREADS];
	unsigned i;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	start(PVC_MODE_STABLE);
	atomic_store(&running, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, NULL), 0);
	for (i = 0; i < 60; i++) {
		uint64_t before = atomic_load(&max);

		child = fork();
		if (!child)
			_exit(goes_on(before, 0));
		ended_well(child);
	}
	atomic_store(&running, 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&backwards), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_who_updates),
		cmocka_unit_test(while_another_updates),
		cmocka_unit_test(amid_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
