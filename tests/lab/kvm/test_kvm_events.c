// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a host does to a machine's time, done by KVM: each is told once, with its step
 * as it was; time goes on from what it had come to, and the generation moves.
 */
#include "readers.h"

#define VCPUS 2
#define MOST 16
#define SEC 1000000000ll

static struct lab_vm vm;
static int handle;
static uint64_t last_event; /* its number */
static struct pvclock_event event[MOST];

static int begin(const char *what)
{
	uint64_t lost;

	if (!lab_open_stable(&vm, VCPUS, what))
		return 0;
	handle = lab_handle(&vm);
	lab_now(handle);
	last_event = 0;
	assert_true(pvclock_events_h(handle, &last_event, event, MOST, &lost) >= 0);
	return 1;
}

static void end(void)
{
	assert_int_equal(pvclock_close(handle), 0);
	lab_close(&vm);
}

/* By every entry, more than once; what has happened since the last time. */
static int look(void)
{
	uint64_t ns, lost = 1;
	unsigned i;
	int n;

	for (i = 0; i < 4 * VCPUS; i++) {
		lab_now(handle);
		assert_int_equal(pvclock_now_entry_h(handle, i % VCPUS, &ns), 0);
	}
	n = pvclock_events_h(handle, &last_event, event, MOST, &lost);
	assert_true(n >= 0);
	assert_int_equal(lost, 0);
	return n;
}

static const struct pvclock_event *only(uint32_t kind)
{
	int i, n = look();

	for (i = 0; i < n && (n != 1 || event[0].kind != kind); i++)
		printf("event %llu: kind %u, cpu %u, step %lld\n",
		       (unsigned long long)event[i].number, event[i].kind, event[i].cpu,
		       (long long)event[i].step_ns);
	assert_int_equal(n, 1);
	assert_int_equal(event[0].kind, kind);
	return event;
}

/*
 * To the bit: by the parameters after, of the entry that showed it, at the event's own TSC.
 * Those before may be another entry's, which KVM has rounded at another time.
 */
static void assert_step(const struct pvclock_event *e, const struct lab_params *old)
{
	struct lab_params is = lab_params(&vm, e->cpu);
	int64_t step = (int64_t)(lab_formula(&is, e->tsc) - lab_formula(old, e->tsc));

	assert_int_equal(e->ns, lab_formula(&is, e->tsc));
	assert_in_range(e->step_ns - step + 1, 0, 2);
	assert_int_equal(e->rate_ppb, 0);
}

static void step_by(int64_t by)
{
	uint64_t generation = lab_generation(handle), was = lab_now(handle);
	struct lab_params old = lab_params(&vm, 0);
	uint64_t clock = lab_clock(&vm).clock + (uint64_t)by, before, after;
	const struct pvclock_event *e;

	before = lab_tsc();
	lab_set_clock(&vm, clock);
	after = lab_tsc();
	lab_run_all(&vm);
	e = only(PVCLOCK_EVENT_CHANGED);
	assert_step(e, &old);
	/* KVM's clock was that at one instant of the call; either formula rounds down. */
	assert_true(e->step_ns >= (int64_t)(clock - lab_formula(&old, after)) - 1);
	assert_true(e->step_ns <= (int64_t)(clock - lab_formula(&old, before)) + 1);
	assert_true(lab_generation(handle) != generation);
	assert_true(lab_now(handle) >= was);
	lab_goes_on(&vm, handle);
	assert_int_equal(look(), 0);
}

static void steps(void **state)
{
	(void)state;
	if (!begin("KVM_SET_CLOCK"))
		skip();
	/* Of what was, there must be enough to go back by. */
	step_by(5000 * SEC);
	step_by(1000 * SEC);
	step_by(-1000 * SEC);
	step_by(100000);
	step_by(-100000);
	end();
}

/*
 * Each step as it is where vCPUs are halted: one has been told, the other has an entry of
 * before it, or of before two. By a handle of mode stable, and by one that reads each entry.
 */
static void told_one_by_one(bool stable)
{
	struct pvclock_options options;
	unsigned i, told;
	uint64_t was;

	if (!begin("entries of before a step"))
		skip();
	if (stable) {
		options = lab_options(&vm);
		options.tsc_offsets = NULL;
		assert_int_equal(pvclock_replace(handle, &options), 0);
		assert_int_equal(lab_status(handle).mode, PVCLOCK_MODE_STABLE);
		look();
	}
	for (i = 0; i < 40; i++) {
		told = i & 1;
		was = lab_now(handle);
		lab_set_clock(&vm, lab_clock(&vm).clock + 50 * SEC);
		if (stable && i & 2) {
			lab_run_all(&vm);
			lab_set_clock(&vm, lab_clock(&vm).clock + 50 * SEC);
		}
		lab_run(&vm, told);
		assert_in_range(look(), 1, stable && i & 2 ? 2 : 1);
		assert_int_equal(look(), 0);
		assert_true(lab_now(handle) >= was + 50 * SEC);
		lab_run_all(&vm);
		assert_int_equal(look(), 0);
		lab_goes_on(&vm, handle);
	}
	end();
}

static void told_one_by_one_stable(void **state)
{
	(void)state;
	told_one_by_one(true);
}

static void told_one_by_one_percpu(void **state)
{
	(void)state;
	told_one_by_one(false);
}

static void pause_once(void)
{
	uint64_t generation = lab_generation(handle), was = lab_now(handle);
	const struct pvclock_event *e;
	unsigned i;

	for (i = 0; i < VCPUS; i++)
		lab_paused(&vm, i);
	lab_run_all(&vm);
	assert_true(lab_params(&vm, 0).flags & PVCLOCK_GUEST_STOPPED);
	e = only(PVCLOCK_EVENT_STOPPED);
	assert_int_equal(e->step_ns, 0);
	assert_true(lab_generation(handle) != generation);
	assert_true(lab_now(handle) >= was);
	lab_goes_on(&vm, handle);
	assert_int_equal(look(), 0);
	lab_pause_seen(&vm);
	assert_int_equal(look(), 0);
}

/* Again and again: the guest's kernel clears the flag, without a new version. */
static void pauses(void **state)
{
	unsigned i;

	(void)state;
	if (!begin("KVM_KVMCLOCK_CTRL"))
		skip();
	for (i = 0; i < 3; i++)
		pause_once();
	end();
}

/*
 * The guest's rate is the host's but for some parts in 10^8: what has gathered since
 * the last master clock is taken back at once when there is a new one.
 */
static void yanks(void **state)
{
	struct lab_params old, is;
	const struct pvclock_event *e;
	uint64_t generation, was;
	unsigned i;

	(void)state;
	if (!begin("a new master clock"))
		skip();
	for (i = 0; i < 4; i++) {
		usleep(250000);
		generation = lab_generation(handle);
		was = lab_now(handle);
		old = lab_params(&vm, 0);
		lab_yank(&vm, i & 1);
		lab_run(&vm, i & 1);
		lab_run_all(&vm);
		is = lab_params(&vm, 0);
		assert_int_not_equal(is.tsc, old.tsc);
		e = only(PVCLOCK_EVENT_CHANGED);
		assert_step(e, &old);
		assert_in_range(e->step_ns + 10000, 0, 20000);
		printf("%lld ns in %llu ms\n", (long long)e->step_ns,
		       (unsigned long long)(is.ns - old.ns) / 1000000);
		assert_true(lab_generation(handle) != generation);
		assert_true(lab_now(handle) >= was);
		lab_goes_on(&vm, handle);
	}
	end();
}

/* KVM writes the same again: that is no event. */
static void version_alone(void **state)
{
	uint64_t generation;
	struct lab_params old, is;

	(void)state;
	if (!begin("an entry that is written again"))
		skip();
	generation = lab_generation(handle);
	old = lab_params(&vm, 0);
	lab_register(&vm, 0);
	lab_run_all(&vm);
	is = lab_params(&vm, 0);
	assert_int_not_equal(is.version, old.version);
	assert_int_equal(is.tsc, old.tsc);
	assert_int_equal(look(), 0);
	assert_int_equal(lab_generation(handle), generation);
	end();
}

static unsigned count_of(uint32_t kind, int n)
{
	unsigned count = 0;
	int i;

	for (i = 0; i < n; i++)
		count += event[i].kind == kind;
	return count;
}

/* The master clock goes and comes; whoever learns of it first. */
static void stability(void **state)
{
	uint64_t generation, was;
	unsigned i;
	int n;

	(void)state;
	if (!begin("events of a master clock that goes"))
		skip();
	for (i = 0; i < 4; i++) {
		generation = lab_generation(handle);
		was = lab_now(handle);
		lab_out_of_step(&vm, i & 1);
		lab_run(&vm, i & 1);
		lab_run_all(&vm);
		n = look();
		assert_int_equal(count_of(PVCLOCK_EVENT_UNSTABLE, n), 1);
		assert_int_equal(count_of(PVCLOCK_EVENT_STABLE, n), 0);
		assert_true(lab_generation(handle) != generation);
		generation = lab_generation(handle);
		lab_in_step(&vm, i >> 1 & 1);
		lab_run(&vm, i >> 1 & 1);
		lab_run_all(&vm);
		assert_true(lab_is_stable(&vm));
		n = look();
		assert_int_equal(count_of(PVCLOCK_EVENT_STABLE, n), 1);
		assert_int_equal(count_of(PVCLOCK_EVENT_UNSTABLE, n), 0);
		assert_true(lab_generation(handle) != generation);
		assert_true(lab_now(handle) >= was);
	}
	lab_goes_on(&vm, handle);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(pauses),
		cmocka_unit_test(yanks),
		cmocka_unit_test(version_alone),
		cmocka_unit_test(stability),
		cmocka_unit_test(told_one_by_one_stable),
		cmocka_unit_test(told_one_by_one_percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
