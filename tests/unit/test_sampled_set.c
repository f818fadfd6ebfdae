// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The program itself has set a clock: lines made from samples do not know of it, so
 * they are told, and the very next call says the new time. Clocks that cannot be set
 * never go back by it.
 */
#include "simslew.h"

#define MS 1000000ull
#define HOUR (3600 * (int64_t)PVC_NSEC_PER_SEC)
#define THREADS 3

static const int64_t by[] = {-1000, 1000, -(int64_t)MS, MS, -HOUR, HOUR, -1, -200, -20000};
#define BY (sizeof(by) / sizeof(*by))

static const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_STABLE_NS, PVC_MODE_PERCPU};

static void start(enum pvc_mode mode)
{
	unsigned i;

	slew_attach(mode, 20 * MS);
	prove();
	/* Until lines are long, so that none ends by itself. */
	core.resync_ns = 20 * MS;
	for (i = 0; i < 200000; i++)
		slew_read(i & 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
	assert_false(pvc_exact(&core));
}

/* As settimeofday does, and then tells. */
static void set(int64_t ns)
{
	atomic_fetch_add(&slew.set[CLOCK_REALTIME], ns);
	atomic_fetch_add(&slew.set[CLOCK_TAI], ns);
	pvc_clocks_were_set(&core);
}

/*
 * What was the kernel's between two instants, to what a bracket hides; true if that
 * bracket was narrow.
 */
static bool follows(int id)
{
	uint64_t before = slew_now(id), ns = now(id), after = slew_now(id);
	uint64_t width = slew_line(id).last_width;

	if (ns + width < before || ns > after + width)
		print_error("clock %d: %+lld to %+lld of the kernel, bracket %llu\n", id,
		            (long long)(ns - before), (long long)(ns - after),
		            (unsigned long long)width);
	assert_true(ns + width >= before);
	assert_true(ns <= after + width);
	/* Or the smallest step of note would hide in it. */
	return width < 1000;
}

static void next_call_follows(void **state)
{
	unsigned m, i, n, narrow = 0;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 3 : 2); m++) {
		start(modes[m]);
		for (n = 0; n < 100; n++)
			for (i = 0; i < BY; i++) {
				slew_read(CLOCK_MONOTONIC);
				set(by[i]);
				narrow += follows(n & 1 ? CLOCK_REALTIME : CLOCK_TAI);
				narrow += follows(n & 1 ? CLOCK_TAI : CLOCK_REALTIME);
				slew_read(CLOCK_MONOTONIC);
				slew_read(CLOCK_BOOTTIME);
				slew_interval(CLOCK_REALTIME);
				slew_interval(CLOCK_MONOTONIC);
			}
		assert_int_equal(atomic_load(&core.count_of.violated), 0);
		assert_int_equal(atomic_load(&core.mode), modes[m]);
	}
	assert_true(narrow > BY);
}

/* The kernel answers because every bracket is too wide: the very next call all the same. */
static void next_call_follows_the_kernel(void **state)
{
	unsigned i, n;

	(void)state;
	start(PVC_MODE_STABLE);
	slew.late_one_in = 1;
	slew.late = slew_ticks(60000);
	for (n = 0; n < 5; n++)
		for (i = 0; i < BY; i++) {
			uint64_t before, ns, after;

			slew_read(CLOCK_MONOTONIC);
			set(by[i]);
			before = slew_now(CLOCK_REALTIME);
			ns = now(CLOCK_REALTIME);
			after = slew_now(CLOCK_REALTIME);
			assert_true(ns >= before && ns <= after);
			slew_read(CLOCK_MONOTONIC);
		}
}

static unsigned hooked;

static void set_once(void)
{
	if (hooked && !--hooked)
		set(-2 * (int64_t)MS);
}

static void forget_once(void)
{
	if (hooked && !--hooked)
		pvc_floor_forget(&core, CLOCK_REALTIME);
}

static void forget(void)
{
	pvc_floor_forget(&core, CLOCK_REALTIME);
}

/*
 * The kernel answers one thread, and before that has kept the answer as a floor another
 * thread sets the clock back: the next answer is not held up by it.
 */
static void set_amid_an_answer(void **state)
{
	unsigned n, at;

	(void)state;
	for (at = 1; at <= 4; at++)
		for (n = 0; n < 5; n++) {
			uint64_t reads;

			start(PVC_MODE_STABLE);
			slew.late_one_in = 1;
			slew.late = slew_ticks(60000);
			pvc_clock_end(&core, CLOCK_REALTIME, 1000);
			hooked = at;
			atomic_store(&slew.hook, set_once);
			now(CLOCK_REALTIME);
			now(CLOCK_REALTIME);
			assert_int_equal(hooked, 0);
			assert_true(now(CLOCK_REALTIME) <= slew_now(CLOCK_REALTIME));
			/* That the floor was forgotten is seen without anything else. */
			reads = atomic_load(&core.count_of.kernel_reads);
			hooked = at;
			atomic_store(&slew.hook, forget_once);
			now(CLOCK_REALTIME);
			now(CLOCK_REALTIME);
			assert_int_equal(hooked, 0);
			assert_true(atomic_load(&core.count_of.kernel_reads) > reads);
			/* Time and again: there is an end to asking. */
			reads = atomic_load(&core.count_of.kernel_reads);
			atomic_store(&slew.hook, forget);
			now(CLOCK_REALTIME);
			assert_in_range(atomic_load(&core.count_of.kernel_reads) - reads, 16, 32);
			atomic_store(&slew.hook, NULL);
		}
}

/* As setns does, where no parameters tell of it; and where it has failed. */
static void moved_to_a_namespace(void **state)
{
	const int64_t into[] = {-HOUR, HOUR, -(int64_t)MS};
	unsigned m, i;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 3 : 2); m++) {
		start(modes[m]);
		for (i = 0; i < 3; i++) {
			slew_read(CLOCK_MONOTONIC);
			slew_read(CLOCK_REALTIME);
			pvc_clocks_moving(&core);
			pvc_clocks_moved(&core, false);
			slew_read(CLOCK_MONOTONIC);
			pvc_clocks_moving(&core);
			atomic_fetch_add(&slew.set[CLOCK_MONOTONIC], into[i]);
			pvc_clocks_moved(&core, true);
			follows(CLOCK_MONOTONIC);
			told.last[CLOCK_MONOTONIC] = 0;
			slew_read(CLOCK_MONOTONIC);
		}
		/* Nothing is forgotten where nothing has happened. */
		atomic_fetch_sub(&slew.set[CLOCK_MONOTONIC], HOUR);
		pvc_clocks_moving(&core);
		pvc_clocks_moved(&core, false);
		slew_read(CLOCK_MONOTONIC);
		assert_int_equal(atomic_load(&core.moving), 0);
	}
}

/* Before there is a page, before it is proved, and when it was given up. */
static void at_any_stage(void **state)
{
	static struct pvc_core zero;
	struct pvc_timespec ts;
	unsigned stage;

	(void)state;
	pvc_clocks_were_set(&zero);
	assert_int_equal(pvc_gettime(&zero, CLOCK_REALTIME, &ts), 0);
	for (stage = 0; stage < 3; stage++) {
		slew_attach(stage ? PVC_MODE_STABLE : PVC_MODE_KERNEL, 20 * MS);
		if (stage == 2) {
			prove();
			slew_read(CLOCK_REALTIME);
			pvc_source_stop(&core, PVC_WHY_RATE);
		}
		slew_read(CLOCK_MONOTONIC);
		set(-HOUR);
		follows(CLOCK_REALTIME);
		slew_read(CLOCK_MONOTONIC);
	}
}

static _Atomic uint64_t max[2];
static _Atomic unsigned backwards, failed, running;

static void *reader(void *arg)
{
	const int ids[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct pvc_timespec ts;
	struct pvc_interval i;
	unsigned n;

	(void)arg;
	for (n = 0; atomic_load(&running); n++) {
		uint64_t before = atomic_load(&max[n & 1]);

		if (pvc_gettime(&core, ids[n & 1], &ts) ||
		    !sim_not_back(&max[n & 1], before, pvc_ns_of(&ts)))
			atomic_fetch_add(&backwards, 1);
		if (pvc_gettime(&core, CLOCK_REALTIME, &ts) || ts.nsec < 0 ||
		    (uint64_t)ts.nsec >= PVC_NSEC_PER_SEC)
			atomic_fetch_add(&failed, 1);
		before = slew_now(CLOCK_MONOTONIC);
		if (pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i) ||
		    before > pvc_ns_of(&i.latest) ||
		    slew_now(CLOCK_MONOTONIC) < pvc_ns_of(&i.earliest))
			atomic_fetch_add(&failed, 1);
	}
	return NULL;
}

/* Another thread may ask the kernel before the setting and be told after it: 3 us. */
#define NS_RACE 3000

static void under_readers(enum pvc_mode mode)
{
	pthread_t thread[THREADS];
	unsigned i, amid = 0;

	start(mode);
	atomic_store(&max[0], 0);
	atomic_store(&max[1], 0);
	atomic_store(&backwards, 0);
	atomic_store(&failed, 0);
	atomic_store(&running, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, NULL), 0);
	for (i = 0; i < 3000; i++) {
		uint64_t ns, after, width, anchors = atomic_load(&core.count_of.anchors);

		set(by[i % BY]);
		amid += atomic_load(&core.count_of.anchors) != anchors;
		ns = now(CLOCK_REALTIME);
		after = slew_now(CLOCK_REALTIME);
		width = slew_line(CLOCK_REALTIME).last_width;
		if (ns > after + width + NS_RACE)
			atomic_fetch_add(&failed, 1);
		slew_read(CLOCK_MONOTONIC);
	}
	atomic_store(&running, 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_int_equal(atomic_load(&failed), 0);
	/*
	 * Who anchors between the setting and what tells of it finds a clock that was set; a
	 * microsecond, of a line that is young, misleads its rate for some more.
	 */
	assert_in_range(atomic_load(&core.count_of.violated), 0, 32 * amid);
	assert_int_equal(atomic_load(&core.mode), mode);
}

static void concurrent_readers(void **state)
{
	unsigned m;

	(void)state;
	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (m = 0; m < (sim_has_rdtscp("mode percpu") ? 3 : 2); m++)
		under_readers(modes[m]);
}

/*
 * A line that was ended while no slot was free leaves a floor, up to a span ahead. That
 * is no clock that was set back: nothing goes below it when there are slots again.
 */
static void lost_line_is_no_set(void **state)
{
	const int id[] = {CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC};
	unsigned m, i, n;
	uint64_t last, ns, busy;

	(void)state;
	for (m = 0; m < sizeof(modes) / sizeof(*modes); m++) {
		for (i = 0; i < sizeof(id) / sizeof(*id); i++) {
			start(modes[m]);
			last = now(id[i]);
			busy = atomic_load(&core.busy);
			while (pvc_latch_claim(&core.busy))
				;
			pvc_clock_end(&core, id[i], 0);
			/* Somebody else has taken the line's own, too. */
			while (pvc_latch_claim(&core.busy))
				;
			for (n = 0; n < 3; n++) {
				ns = now(id[i]);
				assert_true(ns >= last);
				last = ns;
			}
			atomic_store(&core.busy, busy);
			for (n = 0; n < 1000; n++) {
				ns = now(id[i]);
				assert_true(ns >= last);
				last = ns;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_call_follows),
		cmocka_unit_test(next_call_follows_the_kernel),
		cmocka_unit_test(set_amid_an_answer),
		cmocka_unit_test(moved_to_a_namespace),
		cmocka_unit_test(at_any_stage),
		cmocka_unit_test(concurrent_readers),
		cmocka_unit_test(lost_line_is_no_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
