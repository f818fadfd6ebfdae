// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Intervals where only the kernel is asked: two of its answers, and ours in between.
 */
#include "../../vdso/anchor.h"
#include "simblock.h"

#define S PVC_NSEC_PER_SEC
#define SET_AT (1700000000 * S)

/* What the kernel says in turn; each one after these is by_each more than the last. */
static struct {
	uint64_t ns[3];
	unsigned given, asked;
	int64_t by_each;
} script;

static long scripted(long id, struct pvc_timespec *ts)
{
	unsigned last = script.given - 1, n = script.asked++;
	uint64_t ns = script.ns[n < last ? n : last];

	(void)id;
	if (n > last)
		ns += (uint64_t)(script.by_each * (int64_t)(n - last));
	pvc_ns_split(ns, ts);
	return 0;
}

static struct pvc_interval ask(int id)
{
	struct pvc_interval i = {{-1, -1}, {-1, -1}, PVC_VIOLATED};

	attach(PVC_MODE_KERNEL);
	core.kernel.clock_gettime = scripted;
	script.asked = 0;
	assert_int_equal(pvc_gettime_interval(&core, id, &i), 0);
	assert_int_equal(i.certainty, PVC_BY_KERNEL);
	return i;
}

/* The answers before it was set say nothing of the clock as it is. */
static void set_back_in_between(void **state)
{
	const int64_t later[] = {1, 70, -3, -30};
	unsigned n;

	(void)state;
	for (n = 0; n < 4; n++) {
		uint64_t ours = SET_AT + 60 + (uint64_t)later[n];
		struct pvc_interval i;

		script.given = 3;
		script.ns[0] = SET_AT + 3600 * S;
		script.ns[1] = SET_AT + 50;
		script.ns[2] = SET_AT + 60;
		script.by_each = later[n];
		i = ask(CLOCK_REALTIME);
		assert_int_equal(script.asked, 4);
		/* What we said last is in it, wherever that is. */
		assert_int_equal(pvc_ns_of(&i.earliest), ours < SET_AT + 50 ? ours : SET_AT + 50);
		assert_int_equal(pvc_ns_of(&i.latest), ours > SET_AT + 60 ? ours : SET_AT + 60);
	}
}

/* Whoever keeps setting it back: the call returns, and what it says is an interval. */
static void set_back_each_time(void **state)
{
	struct pvc_interval i;
	uint64_t last;

	(void)state;
	script.given = 1;
	script.ns[0] = SET_AT;
	script.by_each = -(int64_t)S;
	i = ask(CLOCK_REALTIME);
	assert_in_range(script.asked, 3, 10);
	last = SET_AT - (script.asked - 1) * S;
	assert_int_equal(pvc_ns_of(&i.earliest), last);
	assert_int_equal(pvc_ns_of(&i.latest), last + S);
	/* Nor of one that is the kernel's alone. */
	i = ask(CLOCK_REALTIME_COARSE);
	assert_int_equal(pvc_ns_of(&i.earliest), SET_AT - (script.asked - 1) * S);
	assert_int_equal(pvc_ns_of(&i.latest), pvc_ns_of(&i.earliest));
}

/* Of a clock that is not ours we have said nothing: it is the kernel's two answers. */
static void of_another_clock(void **state)
{
	const int id[] = {CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID, -6, 1000};
	struct pvc_interval i;
	unsigned n;

	(void)state;
	for (n = 0; n < sizeof(id) / sizeof(*id); n++) {
		script.given = 2;
		script.ns[0] = 5 * S;
		script.ns[1] = 5 * S + 7;
		script.by_each = (int64_t)S;
		i = ask(id[n]);
		assert_int_equal(script.asked, 2);
		assert_int_equal(pvc_ns_of(&i.earliest), 5 * S);
		assert_int_equal(pvc_ns_of(&i.latest), 5 * S + 7);
	}
}

static unsigned refused_from;

static long refuses(long id, struct pvc_timespec *ts)
{
	return script.asked >= refused_from ? (script.asked++, -22) : scripted(id, ts);
}

/* At whichever of its answers the kernel refuses, it is the answer. */
static void refused(void **state)
{
	struct pvc_interval i;

	(void)state;
	script.given = 1;
	script.ns[0] = SET_AT;
	script.by_each = 1;
	for (refused_from = 0; refused_from < 3; refused_from++) {
		attach(PVC_MODE_KERNEL);
		core.kernel.clock_gettime = refuses;
		script.asked = 0;
		assert_int_equal(pvc_gettime_interval(&core, CLOCK_REALTIME, &i), -22);
		assert_int_equal(script.asked, refused_from + 1);
	}
}

/*
 * Per CPU, this CPU's entry behind another's: x was raised to what that one had come to, and
 * a line may have begun there. The interval goes from its beginning to x.
 */
static void held_by_the_clamp(void **state)
{
	const uint64_t ahead = 900000;
	struct pvc_timespec ts = {0, 0};
	struct pvc_interval i;
	uint64_t ns, clock, n;

	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	attach(PVC_MODE_PERCPU);
	prove();
	for (n = 0; n < 20; n++) {
		ns = hyper();
		atomic_store(&core.last, ns + ahead);
		clock = now(CLOCK_MONOTONIC);
		assert_int_equal(pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i), 0);
		assert_true(pvc_ns_of(&i.latest) >= clock);
		assert_true(pvc_ns_of(&i.earliest) <= now(CLOCK_MONOTONIC));
		assert_true(pvc_kernel_gettime(&core, CLOCK_MONOTONIC, &ts) == 0 &&
		            pvc_ns_of(&i.earliest) <= pvc_ns_of(&ts));
		/* Until the clamp is passed. */
		while (hyper() <= ns + ahead)
			;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_back_in_between), cmocka_unit_test(set_back_each_time),
		cmocka_unit_test(of_another_clock),    cmocka_unit_test(refused),
		cmocka_unit_test(held_by_the_clamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
