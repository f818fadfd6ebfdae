// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A machine is saved and goes on as another, as live migration does it: the clock and
 * the TSCs are read from the first and given to the second. A program that follows
 * it replaces the handle's source; its readers go on all the while.
 */
#include "readers.h"

#define VCPUS 2
#define MOST 16
#define SEC 1000000000ll

static struct lab_vm from, to;
static struct lab_readers readers;

struct saved {
	struct kvm_clock_data clock;
	uint64_t tsc[VCPUS];
};

static void save(struct saved *s)
{
	unsigned i;

	s->clock = lab_clock(&from);
	for (i = 0; i < VCPUS; i++)
		s->tsc[i] = lab_get_msr(&from, i, LAB_MSR_TSC);
}

/*
 * KVM takes TSCs that are written within a second of each other, and of how far one
 * has come since the last, for one; the offset makes sure of it.
 */
static void restore(const struct saved *s, bool downtime)
{
	struct kvm_clock_data clock = {.clock = s->clock.clock};
	unsigned i;

	for (i = 0; i < VCPUS; i++)
		lab_set_msr(&to, i, LAB_MSR_TSC, s->tsc[i]);
	lab_in_step(&to, 0);
	if (downtime) {
		clock.flags = KVM_CLOCK_REALTIME;
		clock.realtime = s->clock.realtime;
	}
	LAB_IOCTL(to.fd, KVM_SET_CLOCK, &clock);
	lab_run_all(&to);
	lab_run_all(&to);
	assert_true(lab_is_stable(&to));
}

static void one_event(int handle, uint64_t *after, uint64_t first_tsc, uint64_t last_tsc)
{
	struct pvclock_event event[MOST];
	uint64_t lost = 1;
	int i, n;

	lab_now(handle);
	n = pvclock_events_h(handle, after, event, MOST, &lost);
	for (i = 0; i < n && n != 1; i++)
		printf("event %llu: kind %u, cpu %u, step %lld ns\n",
		       (unsigned long long)event[i].number, event[i].kind, event[i].cpu,
		       (long long)event[i].step_ns);
	assert_int_equal(n, 1);
	assert_int_equal(lost, 0);
	assert_int_equal(event[0].kind, PVCLOCK_EVENT_REPLACED);
	assert_in_range(event[0].tsc, first_tsc, last_tsc);
}

/* From one machine to the next, and to the one after that. */
static void move(int handle, uint64_t *after, bool downtime)
{
	uint64_t generation = lab_generation(handle), before, replaced;
	struct pvclock_options options;
	struct saved saved;

	assert_true(lab_open_stable(&to, VCPUS, "the machine to move to"));
	save(&saved);
	usleep(50000); /* on the way */
	restore(&saved, downtime);
	options = lab_options(&to);
	before = lab_tsc();
	assert_int_equal(pvclock_replace(handle, &options), 0);
	replaced = lab_tsc();
	/* Nobody reads its memory any more. */
	lab_close(&from);
	from = to;
	lab_await_reads(&readers, 10000);
	one_event(handle, after, before, replaced);
	assert_true(lab_generation(handle) != generation);
	lab_goes_on(&from, handle);
}

static void migration(void **state)
{
	struct pvclock_event event[MOST];
	uint64_t after = 0, lost, was;
	unsigned i;
	int handle;

	(void)state;
	if (!lab_open_stable(&from, VCPUS, "migration"))
		skip();
	/* It has been up for a while, longer than any host that it comes to. */
	lab_set_clock(&from, 3ull * 86400 * SEC);
	lab_run_all(&from);
	handle = lab_handle(&from);
	was = lab_now(handle);
	assert_true(pvclock_events_h(handle, &after, event, MOST, &lost) >= 0);
	lab_start_readers(&readers, handle, VCPUS, lab_threads());
	for (i = 0; i < 6; i++)
		move(handle, &after, i & 1);
	lab_stop_readers(&readers, "migration");
	assert_true(lab_now(handle) > was);
	assert_int_equal(pvclock_close(handle), 0);
	lab_close(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(migration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
