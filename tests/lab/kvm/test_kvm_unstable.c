// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Without a master clock: entries are made at different times from the host's clock,
 * differ by what that takes, and are made anew now and then. Time by any of them goes
 * on for everybody.
 *
 * PVCLOCK_LAB_READS=N takes N readings.
 */
#include "readers.h"

#define READS 100000000ull
#define VCPUS 3

static struct lab_vm vm;

static uint64_t wanted(void)
{
	const char *text = getenv("PVCLOCK_LAB_READS");

	return text && strtoull(text, NULL, 0) ? strtoull(text, NULL, 0) : READS;
}

/* By how much two entries say different things at one TSC. */
static uint64_t apart(void)
{
	uint64_t tsc = lab_tsc(), low = UINT64_MAX, high = 0;
	unsigned i;

	for (i = 0; i < VCPUS; i++) {
		struct lab_params p = lab_params(&vm, i);
		uint64_t ns = lab_formula(&p, tsc + (uint64_t)vm.offset[i]);

		low = ns < low ? ns : low;
		high = ns > high ? ns : high;
	}
	return high - low;
}

/* One entry after another is made anew, from the host's clock as it is then. */
static uint64_t drive(struct lab_readers *readers, uint64_t reads)
{
	uint64_t most = 0, remade;
	unsigned cpu;

	for (remade = 0; atomic_load(&readers->reads) < reads; remade++) {
		cpu = (unsigned)(remade % VCPUS);
		lab_register(&vm, cpu);
		lab_run(&vm, cpu);
		most = apart() > most ? apart() : most;
		usleep(200);
	}
	printf("%llu entries made anew, at most %llu ns apart\n", (unsigned long long)remade,
	       (unsigned long long)most);
	return remade;
}

static void nobody_goes_back(void **state)
{
	static struct lab_readers readers;
	uint64_t ns;
	int handle;

	(void)state;
	if (!lab_open_stable(&vm, VCPUS, "readers without a master clock"))
		skip();
	handle = lab_handle(&vm);
	ns = lab_now(handle);
	lab_out_of_step(&vm, VCPUS - 1);
	lab_run(&vm, VCPUS - 1);
	lab_run_all(&vm);
	assert_false(lab_entry(&vm, 0)->flags & PVCLOCK_TSC_STABLE_BIT);
	assert_true(lab_now(handle) >= ns);
	lab_start_readers(&readers, handle, VCPUS, lab_threads());
	assert_true(drive(&readers, wanted()) > VCPUS);
	lab_stop_readers(&readers, "unstable");
	/* Nor has it stood still, nor run away. */
	lab_goes_on(&vm, handle);
	assert_int_equal(pvclock_close(handle), 0);
	lab_close(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
