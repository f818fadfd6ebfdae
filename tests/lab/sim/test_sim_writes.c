// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vCPUs' TSCs are written, by the guest or by who restores it, and the host matches
 * what is meant to be the same, or does not: then STABLE goes, one entry at a time.
 */
#include "run.h"

static struct {
	uint64_t value, ns, offset;
} last_write;

/* Close to the last one in value, and within 5 s of it: meant to be the same (Z. Amsden). */
static bool matches(uint64_t value, unsigned v)
{
	uint64_t now = vm_ns(), ticks = 5000ull * host.khz[v];
	uint64_t expected = last_write.value + (now - last_write.ns) * host.khz[v] / 1000000;
	uint64_t off = value > expected ? value - expected : expected - value;

	return now - last_write.ns < 5 * SEC && off < ticks;
}

/*
 * Who finds that a vCPU's TSC has gone forward cannot know whether the others' did,
 * and so how far readers of the old parameters have come: no further than that.
 */
static void write_tsc(unsigned v, uint64_t value)
{
	uint64_t before = vm_guest_tsc(v), forward;

	if (matches(value, v))
		vm.vcpu[v].offset = last_write.offset;
	else
		vm_write_tsc(v, value);
	last_write.value = value;
	last_write.ns = vm_ns();
	last_write.offset = vm.vcpu[v].offset;
	forward = vm_guest_tsc(v) - before;
	if ((int64_t)forward > 0)
		check.ns_bound += kvm_ns_of_ticks(forward, kvm_scale_of_khz(host.khz[v]));
}

static bool in_step(void)
{
	unsigned v;

	for (v = 1; v < vm.vcpus; v++)
		if (vm.vcpu[v].offset != vm.vcpu[0].offset)
			return false;
	return true;
}

/*
 * One vCPU's TSC moves, forward or back. Its entry is rewritten before it runs
 * again; the others' are a while later, and have STABLE set until then.
 */
static void one_writes(void)
{
	unsigned v = (unsigned)vm_below(vm.vcpus);
	uint64_t by = vm_below(vm_one_in(2) ? 1000 : 1ull << vm_below(40));

	host_out(v);
	vm_point();
	write_tsc(v, vm_guest_tsc(v) + (vm_one_in(2) ? by : -by));
	host.master = in_step();
	if (host.master)
		host_snapshot();
	host_enter(v);
	host_enter_all();
}

/* As QEMU does after a restore: to each what it had, one after another. */
static void all_write(void)
{
	uint64_t value[VM_CPUS] = {0};
	unsigned v;

	host_stop_all();
	for (v = 0; v < vm.vcpus; v++)
		value[v] = vm_guest_tsc(v) + vm_below(1000000);
	/* A guest would do it in less; over 5 s they do not match. */
	for (v = 0; v < vm.vcpus; v++) {
		write_tsc(v, value[v]);
		vm_pass(vm_one_in(16) ? 6 * SEC : vm_below(10 * MS));
	}
	host.master = in_step();
	if (host.master)
		host_snapshot();
	host_enter_all();
}

static void writes(void)
{
	unsigned i;

	last_write.ns = vm_ns() - 100 * SEC;
	for (i = 0; i < 10; i++) {
		sched_sleep(vm_below(2 * MS));
		vm_pass(vm_one_in(4) ? vm_below(SEC) : 0);
		if (vm_one_in(2))
			one_writes();
		else
			all_write();
	}
}

static void two_ppm(void)
{
	host_create_off((uint32_t)vm_between(800000, 5000000), 2);
}

static const struct scenario scenario = {
	.name = "TSC writes",
	.create = two_ppm,
	.script = writes,
	.clock_bound = HELD,
	.ns_bound = 50 * US + NS_HELD,
	.most_reads = 5000,
	.schedules = 150,
};

static void written_tscs(void **state)
{
	(void)state;
	run(&scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_tscs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
