// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which entry a sample is of, and that whoever looks it up again finds the same one. */
#include "simblock.h"

/* Entries that all run with the first, each with a tsc_timestamp of its own. */
static void put_each(void)
{
	unsigned i;

	entry = sim_real();
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		struct sim_entry e = entry;

		e.tsc_timestamp += i;
		sim_put(&page, i, &e);
	}
}

static void sample_once(bool own)
{
	struct pvc_reading r;
	enum pvc_read status = pvc_source_sample(&core, &r);

	assert_true(status == PVC_OK);
	assert_int_equal(pvc_source_own_entries(&core), own);
	assert_int_equal(r.tsc_timestamp, page.slot[own ? r.cpu : 0].info.tsc_timestamp);
}

static void entry_of_a_sample(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);
	uint32_t mask;

	(void)state;
	for (i = 0; i < n && cpu[i] < PVCLOCK_PAGE_SLOTS; i++) {
		assert_true(sim_pin(cpu[i]));
		put_each();
		sim_attach(&core, &page, PVC_MODE_STABLE);
		mask = atomic_load(&core.cpu_mask);
		if (core.order == PVC_ORDER_RDTSCP) {
			sample_once(mask != 0);
			atomic_store(&core.cpu_mask, 0);
			sample_once(false);
			atomic_store(&core.mode, PVC_MODE_PERCPU);
			sample_once(true);
		}
		/* No CPU number comes with the TSC: entry 0 is all that is known to be right. */
		core.order = PVC_ORDER_LFENCE;
		atomic_store(&core.cpu_mask, mask);
		atomic_store(&core.mode, PVC_MODE_STABLE);
		sample_once(false);
	}
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_of_a_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
