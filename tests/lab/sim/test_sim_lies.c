// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A host that lies: entries that disagree although STABLE is set, values that no
 * hypervisor has, and bytes by no protocol at all.
 */
#include "run.h"

/* ---- entries that disagree ----------------------------------------------------------------- */

/* OSv saw 2.6 us; here up to a second, in phase and in rate, and STABLE is set. */
static void disagree(void)
{
	uint64_t most = 1000ull << vm_below(20);
	struct pvclock_vcpu_time_info i;
	unsigned n, v;

	for (n = 0; n < 20; n++) {
		sched_sleep(vm_below(2 * MS));
		v = (unsigned)vm_below(vm.vcpus);
		i = host_entry(v);
		i.flags = PVCLOCK_TSC_STABLE_BIT;
		i.system_time += vm_below(most);
		i.tsc_to_system_mul += (uint32_t)vm_below(i.tsc_to_system_mul >> 20);
		host_write(v, &i);
	}
	host_master(host.master);
}

/* ---- anything -------------------------------------------------------------------------------- */

static uint64_t odd_value(void)
{
	uint64_t r = vm_random();

	return vm_one_in(4)   ? 0
	       : vm_one_in(3) ? r
	       : vm_one_in(2) ? r >> vm_below(64)
	                      : ~0ull - (r & 0xff);
}

/* By the protocol, but nothing that a hypervisor would say. */
static void wild_entry(unsigned v)
{
	struct pvclock_vcpu_time_info i = host_entry(v);

	if (vm_one_in(2))
		i.tsc_timestamp = odd_value();
	if (vm_one_in(2))
		i.system_time = odd_value();
	if (vm_one_in(2))
		i.tsc_to_system_mul = (uint32_t)odd_value();
	if (vm_one_in(2))
		i.tsc_shift = (int8_t)vm_random();
	if (vm_one_in(2))
		i.flags = (uint8_t)vm_random();
	host_write(v, &i);
}

static void wild_bytes(void)
{
	volatile unsigned char *to = (volatile unsigned char *)&page;
	unsigned n = (unsigned)vm_below(64);

	for (; n; n--) {
		to[vm_below(vm.vcpus * sizeof(page.slot[0]))] = (unsigned char)vm_random();
		vm_point();
	}
}

static void wild(void)
{
	unsigned n;

	for (n = 0; n < 30; n++) {
		sched_sleep(vm_below(2 * MS));
		switch (vm_below(4)) {
		case 0:
			wild_bytes();
			break;
		case 1:
			wild_entry((unsigned)vm_below(vm.vcpus));
			break;
		default:
			host_enter((unsigned)vm_below(vm.vcpus));
		}
	}
	host_master(host.master);
}

static const struct scenario lies[] = {
	{.name = "entries disagree",
         .create = host_in_step,
         .script = disagree,
         .clock_bound = DISAGREEING,
         .real_back = MS,
         .ns_bound = UNBOUNDED,
         .most_reads = 10000,
         .schedules = 100},
	{.name = "any bytes",
         .create = host_in_step,
         .script = wild,
         .real_back = 1000 * SEC,
         .clock_bound = UNBOUNDED,
         .ns_bound = UNBOUNDED,
         .most_reads = 10000,
         .schedules = 150},
};

static void disagreement(void **state)
{
	(void)state;
	run(&lies[0]);
}

static void anything(void **state)
{
	(void)state;
	run(&lies[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disagreement),
		cmocka_unit_test(anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
