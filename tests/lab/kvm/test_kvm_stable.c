// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * With a master clock: what the library says of a machine's time is what KVM says,
 * and to the last bit what the ABI says of the entries.
 */
#include "handle.h"

#include <stdlib.h>

#define READINGS 100000
#define VCPUS 3

static struct lab_vm vm;
static int handle;

static int begin(const char *what)
{
	if (!lab_open_stable(&vm, VCPUS, what))
		return 0;
	handle = lab_handle(&vm);
	assert_int_equal(lab_status(handle).entries, VCPUS);
	return 1;
}

static void end(void)
{
	assert_int_equal(pvclock_close(handle), 0);
	lab_close(&vm);
}

/*
 * KVM_GET_CLOCK says at which of the host's TSCs it was. With a master clock and no
 * scaling of the TSC KVM computes it as the guest does, so there is nothing between
 * them: not a ns, however long ago the master clock began.
 */
static void kvm_agrees_with_the_abi(void **state)
{
	struct lab_params entry;
	struct kvm_clock_data clock;
	unsigned i;

	(void)state;
	if (!begin("KVM's clock by the entries"))
		skip();
	clock = lab_clock(&vm);
	assert_true(clock.flags & KVM_CLOCK_TSC_STABLE);
	if (!(clock.flags & KVM_CLOCK_HOST_TSC)) {
		printf("SKIP: KVM's clock by the entries: it does not tell the TSC\n");
		end();
		skip();
	}
	for (i = 0; i < READINGS; i++) {
		unsigned cpu = i % VCPUS;

		clock = lab_clock(&vm);
		entry = lab_params(&vm, cpu);
		assert_int_equal(lab_formula(&entry, clock.host_tsc + (uint64_t)vm.offset[cpu]),
		                 clock.clock);
	}
	end();
}

/* Zero slack: not below what KVM said before, nor above what it says after. */
static void between_kvm_readings(void **state)
{
	uint64_t before, ns, after, widest = 0, narrowest = UINT64_MAX;
	unsigned i;

	(void)state;
	if (!begin("readings between KVM_GET_CLOCK's"))
		skip();
	for (i = 0; i < READINGS; i++) {
		before = lab_clock(&vm).clock;
		if (i % 2)
			assert_int_equal(pvclock_now_entry_h(handle, i % VCPUS, &ns), 0);
		else
			assert_int_equal(pvclock_now_h(handle, &ns), 0);
		after = lab_clock(&vm).clock;
		assert_in_range(ns, before, after);
		if (after - before > widest)
			widest = after - before;
		if (after - before < narrowest)
			narrowest = after - before;
	}
	printf("%u readings in brackets of %llu to %llu ns\n", i, (unsigned long long)narrowest,
	       (unsigned long long)widest);
	end();
}

/* Each sample, at its own TSC; and the TSC is of the call. */
static void samples_to_the_bit(void **state)
{
	struct pvclock_sample sample = {.size = sizeof(sample)};
	struct lab_params entry;
	uint64_t before, after;
	unsigned i, cpu;

	(void)state;
	if (!begin("samples by the formula"))
		skip();
	for (i = 0; i < READINGS; i++) {
		before = lab_tsc();
		assert_int_equal(pvclock_sample_h(handle, &sample), 0);
		after = lab_tsc();
		assert_in_range(sample.cpu, 0, VCPUS - 1);
		entry = lab_params(&vm, sample.cpu);
		assert_int_equal(sample.ns, lab_formula(&entry, sample.tsc));
		assert_int_equal(sample.version, entry.version);
		assert_int_equal(sample.flags, entry.flags);
		assert_int_equal(sample.tsc_timestamp, entry.tsc);
		assert_int_equal(sample.system_time, entry.ns);
		assert_int_equal(sample.mul, entry.mul);
		assert_int_equal(sample.shift, entry.shift);
		assert_in_range(sample.tsc - (uint64_t)vm.offset[sample.cpu], before, after);
		/* With a master clock all entries are one. */
		for (cpu = 0; cpu < VCPUS; cpu++) {
			entry = lab_params(&vm, cpu);
			assert_int_equal(sample.ns, lab_formula(&entry, sample.tsc));
		}
	}
	end();
}

/* The same machine by the file that its memory is, as another process has it. */
static void by_descriptor(void **state)
{
	struct pvclock_sample sample = {.size = sizeof(sample)};
	struct pvclock_options options;
	struct lab_params entry;
	unsigned i;

	(void)state;
	if (!begin("a machine's memory by its descriptor"))
		skip();
	assert_int_equal(pvclock_close(handle), 0);
	options = lab_options(&vm);
	options.source = PVCLOCK_SOURCE_FD;
	options.fd = vm.memory_fd;
	options.memory = NULL;
	handle = pvclock_open(&options);
	assert_true(handle >= 0);
	for (i = 0; i < READINGS / 10; i++) {
		assert_int_equal(pvclock_sample_h(handle, &sample), 0);
		entry = lab_params(&vm, sample.cpu);
		assert_int_equal(sample.ns, lab_formula(&entry, sample.tsc));
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_agrees_with_the_abi),
		cmocka_unit_test(between_kvm_readings),
		cmocka_unit_test(samples_to_the_bit),
		cmocka_unit_test(by_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
