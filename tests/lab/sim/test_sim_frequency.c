// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Physical CPUs whose TSCs are not constant: their frequency changes under the guest,
 * vCPUs are moved among them, and each entry is rewritten before its vCPU runs again.
 */
#include "run.h"

static uint32_t some_khz(void)
{
	return (uint32_t)vm_between(800000, 4000000);
}

static void inconstant(void)
{
	unsigned i;

	host_create(2000000, (unsigned)vm_between(2, VM_CPUS), false);
	for (i = 0; i < VM_CPUS; i++) {
		vm.pcpu[i].khz = some_khz();
		vm_set_hz(&vm.pcpu[i].tsc, vm.pcpu[i].khz * 1000ull);
		host.khz[i] = vm.pcpu[i].khz;
	}
	for (i = 0; i < vm.vcpus; i++)
		host_enter(i);
}

/* All vCPUs on it leave guest mode first. */
static void other_frequency(unsigned p)
{
	unsigned v;

	for (v = 0; v < vm.vcpus; v++)
		if (vm.vcpu[v].on == p)
			host_out(v);
	vm_point();
	vm.pcpu[p].khz = some_khz();
	vm_set_hz(&vm.pcpu[p].tsc, vm.pcpu[p].khz * 1000ull);
	for (v = 0; v < vm.vcpus; v++) {
		if (vm.vcpu[v].on != p)
			continue;
		host.khz[v] = vm.pcpu[p].khz;
		host_enter(v);
	}
}

/* The host sees to it that the vCPU's TSC does not go back by the move. */
static void other_pcpu(unsigned v)
{
	uint64_t tsc;

	host_out(v);
	tsc = vm_guest_tsc(v);
	vm_point();
	vm.vcpu[v].on = (unsigned)vm_below(VM_CPUS);
	vm_write_tsc(v, tsc);
	host.khz[v] = vm.pcpu[vm.vcpu[v].on].khz;
	host_enter(v);
}

static void frequencies(void)
{
	unsigned i;

	for (i = 0; i < 25; i++) {
		sched_sleep(vm_below(MS));
		if (vm_one_in(2))
			other_frequency((unsigned)vm_below(VM_CPUS));
		else if (vm_one_in(2))
			other_pcpu((unsigned)vm_below(vm.vcpus));
		else
			host_enter((unsigned)vm_below(vm.vcpus));
	}
}

static const struct scenario scenario = {
	.name = "frequency changes",
	.create = inconstant,
	.script = frequencies,
	.clock_bound = HELD,
	.ns_bound = 5 * US,
	.most_reads = 5000,
	.schedules = 100,
};

static void changes_of_frequency(void **state)
{
	(void)state;
	run(&scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_of_frequency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
