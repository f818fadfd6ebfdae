/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads on all CPUs that read MONOTONIC and hypervisor ns of the one block, and notice
 * when either goes back among all of them.
 */
#ifndef PVC_TEST_SIMREADERS_H
#define PVC_TEST_SIMREADERS_H

#include "simblock.h"

#define READERS 4

static _Atomic uint64_t max[2];
static _Atomic unsigned backwards, failed, answered[READERS];
static _Atomic int running;
static pthread_t thread[READERS];

static void *reader(void *arg)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);
	uintptr_t self = (uintptr_t)arg;
	struct pvc_timespec ts;
	uint64_t before, ns;

	sim_pin(cpu[self % n]);
	while (atomic_load(&running)) {
		before = atomic_load(&max[0]);
		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts))
			atomic_fetch_add(&failed, 1);
		else if (!sim_not_back(&max[0], before, sim_ns(&ts)))
			atomic_fetch_add(&backwards, 1);
		before = atomic_load(&max[1]);
		/* There are none while the kernel answers. */
		if (sim_now(&core, &ns) && !sim_not_back(&max[1], before, ns))
			atomic_fetch_add(&backwards, 1);
		atomic_fetch_add_explicit(&answered[self], 1, memory_order_relaxed);
	}
	return NULL;
}

/* So many by each thread: what happens on a CPU is seen by those who read there. */
static inline void answers(unsigned more)
{
	unsigned from[READERS], i;

	for (i = 0; i < READERS; i++)
		from[i] = atomic_load(&answered[i]);
	for (i = 0; i < READERS; i++)
		while (atomic_load(&answered[i]) - from[i] < more)
			sched_yield();
}

static inline void readers_start(void)
{
	uintptr_t i;

	for (i = 0; i < 2; i++)
		atomic_store(&max[i], 0);
	for (i = 0; i < READERS; i++)
		atomic_store(&answered[i], 0);
	atomic_store(&backwards, 0);
	atomic_store(&failed, 0);
	atomic_store(&running, 1);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, (void *)i), 0);
	answers(1);
}

static inline void readers_end(void)
{
	unsigned i;

	atomic_store(&running, 0);
	for (i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_int_equal(atomic_load(&failed), 0);
}

#endif /* PVC_TEST_SIMREADERS_H */
