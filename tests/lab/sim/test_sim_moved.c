// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMs that are stopped, put back, suspended, or go to another host whose TSC is
 * another one.
 */
#include "run.h"

/* What a vCPU's TSC was when it was stopped. */
static uint64_t saved[VM_CPUS];

static void stop(void)
{
	unsigned v;

	host_stop_all();
	for (v = 0; v < vm.vcpus; v++)
		saved[v] = vm_guest_tsc(v);
}

static void go_on(void)
{
	if (host.master)
		host_snapshot();
	host_enter_all();
	host.flags = 0;
}

/*
 * The host's clock does not count what passes now, nor do the guest's. Those that it
 * puts right afterwards, of a machine that slept, are found out within a line.
 */
static void uncounted(uint64_t ns, bool slept)
{
	vm_pass(ns);
	host.offset -= ns;
	vm_kernel_missed(ns, slept);
	if (slept)
		check.woke = vm.now;
}

/*
 * Another host, another TSC. Either the guest's own is scaled to what it was, or the
 * guest is told of the new one.
 */
static void other_host(void)
{
	uint32_t khz = (uint32_t)vm_between(800000, 5000000), guest_khz = khz;
	unsigned i, frac = 0;
	uint64_t ratio = 0;

	if (vm_one_in(2)) {
		frac = vm_one_in(2) ? KVM_FRAC_INTEL : KVM_FRAC_AMD;
		guest_khz = host.khz[0];
		ratio = kvm_ratio(guest_khz, khz, frac);
	}
	for (i = 0; i < VM_CPUS; i++) {
		vm.pcpu[i].khz = khz;
		vm.pcpu[i].tsc.base = 0;
		vm.pcpu[i].tsc.since = vm.now;
		vm_set_hz(&vm.pcpu[i].tsc, khz * 1000ull);
		vm.vcpu[i].ratio = ratio;
		vm.vcpu[i].frac = frac;
		host.khz[i] = guest_khz;
	}
}

/* The TSCs were read one after another; matched or not, the VM goes on. */
static void restore_tscs(bool matched)
{
	unsigned v;

	for (v = 0; v < vm.vcpus; v++)
		vm_write_tsc(v, matched ? saved[0] : saved[v] + vm_below(100000));
	host.master = matched;
}

static void migrate(void)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		sched_sleep(vm_below(4 * MS));
		stop();
		if (vm_one_in(2))
			uncounted(vm_below(10 * SEC), false);
		else
			vm_pass(vm_below(10 * SEC));
		other_host();
		restore_tscs(!vm_one_in(4));
		go_on();
	}
}

/* From a file: the host's clock is hours behind or ahead, the TSCs may be. */
static void restore(void)
{
	unsigned i, v;

	for (i = 0; i < 3; i++) {
		sched_sleep(vm_below(4 * MS));
		stop();
		other_host();
		host.offset += vm_one_in(4) ? vm_below(1000000 * SEC) : -vm_below(host_ns());
		for (v = 0; vm_one_in(2) && v < vm.vcpus; v++)
			saved[v] = saved[v] / 2;
		restore_tscs(!vm_one_in(4));
		go_on();
	}
}

/*
 * The time of a stop is in the host's clock or not, and in the TSCs or not. Where it
 * is in the TSCs alone, nobody can know that no reader of the old values came as far.
 */
static void stop_for(uint64_t ns)
{
	bool counted = vm_one_in(2), tsc_goes_on = vm_one_in(2);
	unsigned v;

	stop();
	host.flags = vm_one_in(2) ? PVCLOCK_GUEST_STOPPED : 0;
	if (counted)
		vm_pass(ns);
	else
		uncounted(ns, false);
	if (!counted && tsc_goes_on)
		check.ns_bound += ns;
	for (v = 0; v < vm.vcpus && !tsc_goes_on; v++)
		vm_write_tsc(v, saved[v]);
	go_on();
}

static void stops(void)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		sched_sleep(vm_below(4 * MS));
		stop_for(vm_one_in(2) ? 200 * SEC : 3 * DAY);
	}
}

/* Nobody is told: the host itself did not run, or slept. */
static void unseen(void)
{
	unsigned i;

	for (i = 0; i < 4; i++) {
		sched_sleep(vm_below(4 * MS));
		vm_pass(vm_one_in(2) ? 200 * SEC : 3 * DAY);
		if (!host.master)
			host_enter_all();
	}
}

/* The TSCs begin at 0, CPU 0 first: the others come when it has brought them up. */
static void suspend(void)
{
	unsigned i, v;

	for (i = 0; i < 4; i++) {
		sched_sleep(vm_below(4 * MS));
		stop();
		if (vm_one_in(2))
			uncounted(vm_below(30 * SEC), true);
		else
			vm_pass(vm_below(30 * SEC));
		for (v = 0; v < vm.vcpus; v++)
			vm_write_tsc(v, 0);
		if (host.master)
			host_snapshot();
		host_enter(0);
		sched_sleep(vm_below(vm_one_in(2) ? 10 * US : 10 * MS));
		host_enter_all();
	}
}

/* A multiplier is cut off at 2^-31 of itself, and nobody corrects it for four stops. */
#define DAYS_OF_DRIFT (12 * DAY >> 31)

static const struct scenario scenarios[] = {
	{.name = "migration",
         .create = host_in_step,
         .script = migrate,
         .clock_bound = HELD,
         .ns_bound = UNBOUNDED,
         .most_reads = 5000,
         .schedules = 150},
	{.name = "restore",
         .create = host_in_step,
         .script = restore,
         .clock_bound = DISAGREEING,
         .real_back = MS,
         .ns_bound = UNBOUNDED,
         .most_reads = 5000,
         .schedules = 150},
	{.name = "stops of minutes and days",
         .create = host_in_step,
         .script = stops,
         .clock_bound = HELD,
         .ns_bound = NS_HELD + DAYS_OF_DRIFT,
         .most_reads = 5000,
         .schedules = 150},
	{.name = "stops that nobody tells",
         .create = host_in_step,
         .script = unseen,
         .clock_bound = HELD,
         .real_back = DAYS_OF_DRIFT,
         .ns_bound = NS_HELD + DAYS_OF_DRIFT,
         .most_reads = 5000,
         .schedules = 100},
	{.name = "S3",
         .create = host_in_step,
         .script = suspend,
         .clock_bound = HELD,
         .ns_bound = NS_HELD,
         .most_reads = 5000,
         .schedules = 150},
};

static void migration(void **state)
{
	(void)state;
	run(&scenarios[0]);
}

static void restored(void **state)
{
	(void)state;
	run(&scenarios[1]);
}

static void stopped(void **state)
{
	(void)state;
	run(&scenarios[2]);
	run(&scenarios[3]);
}

static void suspended(void **state)
{
	(void)state;
	run(&scenarios[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(migration),
		cmocka_unit_test(restored),
		cmocka_unit_test(stopped),
		cmocka_unit_test(suspended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
