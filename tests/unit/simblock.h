/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One block on one page of a simulated host, for tests of the whole core.
 */
#ifndef PVC_TEST_SIMBLOCK_H
#define PVC_TEST_SIMBLOCK_H

#include "sim.h"

static struct sim_page page;
static struct pvc_core core;
static struct sim_entry entry; /* what the host wrote last */

static inline void attach(enum pvc_mode mode)
{
	entry = sim_real();
	sim_put_all(&page, &entry);
	sim_attach(&core, &page, mode);
}

static inline uint64_t now(int id)
{
	struct pvc_timespec ts = {-1, -1};

	assert_int_equal(pvc_gettime(&core, id, &ts), 0);
	assert_in_range(ts.nsec, 0, PVC_NSEC_PER_SEC - 1);
	return sim_ns(&ts);
}

static inline uint64_t hyper(void)
{
	uint64_t ns = 0;

	assert_true(sim_now(&core, &ns));
	return ns;
}

/* Until the page's rate is proved: a millisecond of calls, for all it matters. */
static inline void prove(void)
{
	unsigned i;

	for (i = 0; i < 1000000 && !atomic_load(&core.proved); i++)
		now(CLOCK_MONOTONIC);
	assert_int_equal(atomic_load(&core.proved), 1);
}

/* To a CPU whose entry a test may change alone; false: it is not to be had, and why is said. */
static inline bool pinned(unsigned *cpu)
{
	unsigned list[PVCLOCK_PAGE_SLOTS];

	if (!sim_has_rdtscp("an entry for each CPU") || !sim_tsc_in_step("an entry for each CPU"))
		return false;
	sim_cpus(list);
	*cpu = list[0];
	assert_true(sim_pin(*cpu));
	return true;
}

#endif /* PVC_TEST_SIMBLOCK_H */
