// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The edge that Tosatti described in 2015: KVM tells one vCPU at a time. One has been
 * told that the TSCs are not in step any more, while another's entry still says that
 * they are, and is believed by whoever looks at that one; and the other way when they
 * are in step again. Here KVM is made to do it, thousands of times, each time with
 * readers under way in every state.
 */
#include "readers.h"

#define ROUNDS 1000 /* of each of four ways */
#define VCPUS 2

/* Readings in each state between two edges. */
#define READS 2048

static struct lab_vm vm;
static struct lab_readers readers;

static bool stable(unsigned cpu)
{
	return lab_params(&vm, cpu).flags & PVCLOCK_TSC_STABLE_BIT;
}

/* One learns, all read; the other learns, all read. */
static void tell(unsigned first, bool is_stable)
{
	unsigned second = 1 - first;

	lab_run(&vm, first);
	/* What this is about: they contradict each other. */
	assert_true(stable(first) == is_stable && stable(second) != is_stable);
	lab_await_reads(&readers, READS);
	lab_run(&vm, second);
	assert_true(stable(second) == is_stable);
	lab_await_reads(&readers, READS);
}

static void edges(void **state)
{
	unsigned i;
	int handle;

	(void)state;
	if (!lab_open_stable(&vm, VCPUS, "edges of a master clock"))
		skip();
	handle = lab_handle(&vm);
	lab_start_readers(&readers, handle, VCPUS, lab_threads());
	for (i = 0; i < 4 * ROUNDS; i++) {
		lab_out_of_step(&vm, i & 1);
		tell(i & 1, false);
		lab_in_step(&vm, i >> 1 & 1);
		tell(i >> 1 & 1, true);
	}
	lab_stop_readers(&readers, "edges");
	printf("%u edges to unstable and back\n", i);
	lab_goes_on(&vm, handle);
	assert_int_equal(pvclock_close(handle), 0);
	lab_close(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
