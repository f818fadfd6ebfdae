// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The KVM clock's definitions, and what KVM does as it changes between them: the
 * clock is yanked from B back to A with each master clock update, and lives on A,
 * per vCPU, while the TSCs are out of step (D. Woodhouse, 2024).
 */
#include "run.h"

/* Too fast to be counted in ns: where those are clocks' input, lines may be held. */
static void fast(void)
{
	host_create((uint32_t)vm_between(1200000, 5000000), (unsigned)vm_between(2, VM_CPUS), true);
}

/* Honest and undisturbed: what all the others are measured against. */
static void nothing(void)
{
	sched_sleep(20 * MS);
}

static void few_ppm(void)
{
	host_create_off((uint32_t)vm_between(800000, 5000000), 50);
}

/* 50 ppm for up to 10 s: 500 us, which is less than CPUs may differ by. */
static void yanks(void)
{
	unsigned i;

	for (i = 0; i < 12; i++) {
		sched_sleep(vm_below(2 * MS));
		vm_pass(vm_one_in(3) ? vm_below(10 * SEC) : 0);
		host_master(true);
	}
}

/* 50 ppm for up to 1000 s: 50 ms, which is no longer noise. */
static void far_yanks(void)
{
	unsigned i;

	for (i = 0; i < 6; i++) {
		sched_sleep(vm_below(2 * MS));
		vm_pass(vm_below(1000 * SEC));
		host_master(true);
	}
}

/* On A each entry is rewritten when its vCPU has been out. */
static void back_and_forth(void)
{
	unsigned i, n;

	for (i = 0; i < 6; i++) {
		host_master(i & 1);
		for (n = (unsigned)vm_below(8); n; n--) {
			sched_sleep(vm_below(MS));
			if (host.master)
				vm_pass(vm_below(SEC));
			else
				host_enter((unsigned)vm_below(vm.vcpus));
		}
	}
}

static const struct scenario scenarios[] = {
	{.name = "undisturbed",
         .create = fast,
         .script = nothing,
         .clock_bound = NEAR,
         .ns_bound = 2 * US,
         .most_reads = 5000,
         .schedules = 50},
	{.name = "yanks from B to A",
         .create = few_ppm,
         .script = yanks,
         .clock_bound = HELD,
         .ns_bound = 510 * US,
         .most_reads = 5000,
         .schedules = 100},
	{.name = "yanks of milliseconds",
         .create = few_ppm,
         .script = far_yanks,
         .clock_bound = HELD,
         .ns_bound = UNBOUNDED,
         .most_reads = 5000,
         .schedules = 100},
	{.name = "A and B in turn",
         .script = back_and_forth,
         .clock_bound = HELD,
         .ns_bound = 5 * US,
         .most_reads = 5000,
         .schedules = 100},
};

static void definitions(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		run(&scenarios[i]);
}

/* Frequencies as they are sold, and all ways that they go together. */
static const uint32_t khz[] = {1996249, 2100000, 2299998, 2445406,
                               2599999, 2793437, 3000000, 3393624};
#define KHZ (sizeof(khz) / sizeof(*khz))

/*
 * A day on a machine whose TSC is scaled: what a reader of the page sees (B) gains on
 * what the host computes (C) what the multipliers and the ratio, as fractions, say.
 */
static void day(uint32_t host_khz, uint32_t guest_khz, unsigned frac)
{
	struct kvm_drift drift = kvm_drift_of(host_khz, guest_khz, frac);
	uint64_t from = 0, to = 0, from_c, to_c, own;
	int64_t gained;

	host_create(host_khz, 1, true);
	vm.vcpu[0].ratio = kvm_ratio(guest_khz, host_khz, frac);
	vm.vcpu[0].frac = frac;
	host.khz[0] = guest_khz;
	host_snapshot();
	host_enter(0);
	run_attach();
	assert_true(pvc_source_now(&core, &from, &own));
	from_c = host_ns_by_c();
	vm_pass(DAY);
	assert_true(pvc_source_now(&core, &to, &own));
	to_c = host_ns_by_c();
	gained = (int64_t)(to - from - (to_c - from_c));
	/* Each of four values was cut off, and TSC reads take time on one side only. */
	assert_in_range(gained - kvm_drift_ns_per_day(drift) + 100, 0, 200);
}

static void days(void **state)
{
	unsigned i, j;

	(void)state;
	memset(&check, 0, sizeof(check));
	for (i = 0; i < KHZ; i++) {
		for (j = 0; j < KHZ; j++) {
			day(khz[i], khz[j], KVM_FRAC_INTEL);
			day(khz[i], khz[j], KVM_FRAC_AMD);
		}
	}
}

/* 2^-32 of a multiplier whose top bit is set, at both ends, and of the ratio. */
static void drift_is_small(void **state)
{
	int64_t most = 0, ppq;
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		uint32_t h = (uint32_t)vm_between(500000, 6000000);
		uint32_t g = (uint32_t)vm_between(500000, 6000000);

		assert_int_equal(kvm_drift_ns_per_day(kvm_drift_of(h, h, 0)), 0);
		ppq = kvm_drift_ppq(kvm_drift_of(h, g, i & 1 ? KVM_FRAC_INTEL : KVM_FRAC_AMD));
		most = ppq > most ? ppq : -ppq > most ? -ppq : most;
	}
	printf("drift of C from B: at most %lld.%06lld ppb of 20000 pairs of frequencies\n",
	       (long long)(most / 1000000), (long long)(most % 1000000));
	assert_true(most < 5000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(definitions),
		cmocka_unit_test(days),
		cmocka_unit_test(drift_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
