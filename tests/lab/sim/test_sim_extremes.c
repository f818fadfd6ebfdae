// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every shift, with multipliers at both ends: from a TSC that ticks once in a second
 * to one that wraps within ten. The host's is the exact fraction that its page says.
 */
#include "run.h"

static int shift;
static uint32_t mul;

/* 2^32 / (mul * 2^shift) ticks in a ns, which no kHz could be. */
static void extreme(void)
{
	unsigned v;

	host_create(1000000, 2, true);
	for (v = 0; v < VM_CPUS; v++) {
		vm.pcpu[v].tsc.base = 1u << 20;
		vm.pcpu[v].tsc.since = vm.now;
		vm.pcpu[v].tsc.num = (vm_u128)1 << (32 - shift);
		vm.pcpu[v].tsc.den = (vm_u128)mul * PS_PER_NS;
		vm.vcpu[v].offset = 0;
	}
	host_snapshot();
}

static void extreme_entries(void)
{
	struct pvclock_vcpu_time_info i;
	unsigned v;

	for (v = 0; v < vm.vcpus; v++) {
		i = host_entry(v);
		i.tsc_to_system_mul = mul;
		i.tsc_shift = (int8_t)shift;
		host_write(v, &i);
	}
}

static void create(void)
{
	extreme();
	extreme_entries();
}

static void rewrite(void)
{
	unsigned n;

	for (n = 0; n < 5; n++) {
		sched_sleep(vm_below(4 * MS));
		host_snapshot();
		extreme_entries();
	}
}

/* ns that a tick takes, and one */
static uint64_t tick(void)
{
	return (uint64_t)((vm_u128)mul * ((vm_u128)1 << (shift + 31)) >> 63) + 1;
}

static void extremes(void **state)
{
	const uint32_t muls[] = {1u << 31, UINT32_MAX, 0xc0000001u};
	struct scenario s = {
		.name = "extreme scales",
		.create = create,
		.script = rewrite,
		.most_reads = 5000,
		.share = 63 * 3,
	};
	unsigned m;

	(void)state;
	for (shift = -31; shift <= 31; shift++) {
		for (m = 0; m < 3; m++) {
			mul = muls[m];
			/* The reader sees whole ticks only: of its clocks, and of its rate. */
			s.clock_bound = tick() < 1000 ? HELD : UNBOUNDED;
			s.real_back = tick() > 100 ? 10 * tick() : 0;
			s.tick = tick();
			s.ns_bound = NS_HELD + (tick() > 2 ? tick() << 18 : 0);
			s.quiet = shift != 31 || m != 2;
			run(&s);
		}
	}
}

/* By the sample, which nothing clamps: the fraction, to the last bit, after days. */
static void far(void **state)
{
	unsigned n;

	(void)state;
	memset(&check, 0, sizeof(check));
	vm.random = 1;
	for (n = 0; n < 20000; n++) {
		struct pvclock_vcpu_time_info i;
		struct pvc_reading r;

		shift = (int)vm_below(63) - 31;
		mul = (uint32_t)vm_random() | 1u << 31;
		host_create(3000000, 1, true);
		i = host_entry(0);
		i.tsc_to_system_mul = mul;
		i.tsc_shift = (int8_t)shift;
		host_write(0, &i);
		run_attach();
		vm_pass(vm_below(1ull << vm_below(50)));
		if (core.mode != PVC_MODE_KERNEL && pvc_source_sample(&core, &r) == PVC_OK)
			assert_true(pvc_reading_ns(&r) == vm_reading_ns(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extremes),
		cmocka_unit_test(far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
