// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * All threads at once where the kernel answers each call, and each moves the
 * latch: the first millisecond, many times, and a page that gets stuck.
 */
#include "simblock.h"

#define THREADS 4
#define ROUNDS 300
#define CALLS 300

static pthread_barrier_t gate;
static _Atomic uint64_t max;
static _Atomic unsigned backwards, failed, zero;

static void *caller(void *arg)
{
	struct pvc_timespec ts;
	unsigned round, i;

	(void)arg;
	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&gate);
		for (i = 0; i < CALLS; i++) {
			uint64_t before = atomic_load(&max);

			if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts))
				atomic_fetch_add(&failed, 1);
			else if (!sim_not_back(&max, before, sim_ns(&ts)))
				atomic_fetch_add(sim_ns(&ts) ? &backwards : &zero, 1);
		}
		pthread_barrier_wait(&gate);
	}
	return NULL;
}

static void all_at_once(void **state)
{
	struct sim_entry e = sim_real();
	pthread_t thread[THREADS];
	unsigned i;

	(void)state;
	assert_int_equal(pthread_barrier_init(&gate, NULL, THREADS + 1), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, caller, NULL), 0);
	sim_put_all(&page, &e);
	for (i = 0; i < ROUNDS; i++) {
		/* Nobody is inside a call between the two gates of a round. */
		sim_attach(&core, &page, PVC_MODE_STABLE);
		core.resync_ns = 1000;
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&gate);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&zero), 0);
	assert_int_equal(atomic_load(&backwards), 0);
}

static void *stuck_caller(void *arg)
{
	unsigned i;

	(void)arg;
	pthread_barrier_wait(&gate);
	for (i = 0; i < CALLS; i++) {
		struct pvc_timespec ts;

		/* A span is 20 ms by now, and nobody may be sent to its end. */
		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts) ||
		    sim_ns(&ts) > sim_kernel_ns(CLOCK_MONOTONIC) + 1000000)
			atomic_fetch_add(&failed, 1);
	}
	return NULL;
}

/* Who loses the race to end a line has not ended it, and moves nothing. */
static void stuck_at_once(void **state)
{
	pthread_t thread[THREADS];
	unsigned round, i;

	(void)state;
	for (round = 0; round < 40; round++) {
		attach(PVC_MODE_STABLE);
		core.resync_ns = 20000000;
		prove();
		for (i = 0; atomic_load(&core.count_of.anchors) < 12 && i < 10000000; i++)
			now(CLOCK_MONOTONIC);
		for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
			sim_begin(&page.slot[i]);
		assert_int_equal(pthread_barrier_init(&gate, NULL, THREADS), 0);
		for (i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, stuck_caller, NULL), 0);
		for (i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		pthread_barrier_destroy(&gate);
		for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
			sim_end(&page.slot[i]);
	}
	assert_int_equal(atomic_load(&failed), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(stuck_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
