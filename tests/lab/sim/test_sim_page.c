// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that are written as KVM does not: Xen's habits, writes that are stopped in the
 * middle, at every byte, and versions that wrap.
 */
#include "run.h"

/* ---- Xen: entry 0 alone, STABLE as it pleases ----------------------------------------- */

static void one_entry(void)
{
	uint32_t khz = (uint32_t)vm_between(800000, 5000000);
	unsigned v;

	host_create(khz, (unsigned)vm_between(2, VM_CPUS), !vm_one_in(4));
	vm.entries = 1;
	for (v = 1; v < VM_CPUS; v++)
		memset(&page.slot[v], 0, sizeof(page.slot[v]));
	/* Without RDTSCP nobody knows which CPU he is on, nor has to. */
	if (vm_one_in(3))
		vm.order = vm_one_in(2) ? PVC_ORDER_LFENCE : PVC_ORDER_MFENCE;
}

/* As often as others read: with new values or with the old ones. */
static void fickle(void)
{
	struct pvclock_vcpu_time_info i;
	unsigned n, v;

	for (n = 0; n < 200; n++) {
		sched_sleep(vm_below(vm_one_in(8) ? MS : 20 * US));
		v = (unsigned)vm_below(vm.entries);
		host_out(v);
		vm_point();
		i = host_entry(v);
		if (vm_one_in(2))
			i = page.slot[v].info;
		i.flags = vm_one_in(3) ? 0 : PVCLOCK_TSC_STABLE_BIT;
		host_write(v, &i);
		vm.vcpu[v].out = false;
	}
}

/* ---- torn ------------------------------------------------------------------------------- */

/* Every version near its end; fields in single bytes; by host CPUs that wait for nobody. */
static void bytewise(void)
{
	unsigned v;

	host_in_step();
	host.bytes = true;
	for (v = 0; v < vm.vcpus; v++)
		page.slot[v].info.version = 0u - 2 * (uint32_t)vm_between(1, 16);
}

static void one_entry_bytewise(void)
{
	one_entry();
	host.bytes = true;
	page.slot[0].info.version = 0u - 2 * (uint32_t)vm_between(1, 16);
}

/* The host's thread sleeps after each of the bytes once; the vCPU runs all the while. */
static void stuck_at(unsigned v, unsigned byte, uint64_t ns)
{
	volatile unsigned char *to = (volatile unsigned char *)&page.slot[v].info;
	struct pvclock_vcpu_time_info i = host_entry(v);
	const unsigned char *from = (const unsigned char *)&i;
	unsigned n;

	*(volatile uint32_t *)to |= 1;
	for (n = 4; n < sizeof(i); n++) {
		if (n == byte)
			sched_sleep(ns);
		to[n] = from[n];
		vm_point();
	}
	if (byte == sizeof(i))
		sched_sleep(ns);
	*(volatile uint32_t *)to += 1;
}

/* Same time, all other fields: half of one and half of the other is off by days. */
static void other_instant(void)
{
	vm_pass(vm_below(2 * SEC));
	if (host.master)
		host_snapshot();
}

static void torn(void)
{
	unsigned byte, v;

	for (byte = 4; byte <= sizeof(struct pvclock_vcpu_time_info); byte++) {
		other_instant();
		for (v = 0; v < vm.entries; v++)
			stuck_at(v, byte, vm_below(vm_one_in(8) ? 500 * US : 20 * US));
		sched_sleep(vm_below(200 * US));
	}
}

static const struct scenario xen[] = {
	{.name = "entry 0 alone, STABLE at will",
         .create = one_entry,
         .script = fickle,
         .clock_bound = HELD,
         .ns_bound = 5 * US,
         .most_reads = 5000,
         .schedules = 100},
	{.name = "STABLE at will",
         .create = host_in_step,
         .script = fickle,
         .clock_bound = HELD,
         .ns_bound = 5 * US,
         .most_reads = 5000,
         .schedules = 100},
};

static const struct scenario halves[] = {
	{.name = "torn at every byte",
         .create = bytewise,
         .script = torn,
         .clock_bound = HELD,
         .ns_bound = 5 * US,
         .most_reads = 10000,
         .schedules = 25},
	{.name = "entry 0 torn at every byte",
         .create = one_entry_bytewise,
         .script = torn,
         .clock_bound = HELD,
         .ns_bound = 5 * US,
         .most_reads = 10000,
         .schedules = 25},
};

static void xens(void **state)
{
	(void)state;
	run(&xen[0]);
	run(&xen[1]);
}

static void torn_writes(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		run(&halves[i]);
		/* One alone may have been in mode kernel from the start. */
		assert_true(tally.busy > 0 || tally.schedules < 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xens),
		cmocka_unit_test(torn_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
