// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Many threads read all clocks while the kernel's parameters change under them some
 * ten thousand times a second. A board that all of them share keeps the highest that
 * anybody was told, and each reading is between two answers of the kernel.
 */
#include "simexact.h"

#define READERS 4
#define TICK_NS 20000

static _Atomic uint64_t board[PVC_IDS];
static _Atomic unsigned running, ready, backwards, below, above, failed, settings;
static _Atomic uint64_t readings;
static bool exact; /* every reading must be, and it is said which one is not */
static uint64_t seed;

/* Until then, in turns with the readers where there are no CPUs to spare. */
static void wait_until(uint64_t ns)
{
	while (simv_now(CLOCK_MONOTONIC_RAW) < ns)
		sched_yield();
}

static void judge(int id, uint64_t before, uint64_t ns, uint64_t after)
{
	_Atomic unsigned *count = ns < before ? &below : &above;

	if ((ns < before || ns > after) && atomic_fetch_add(count, 1) < 3 && exact)
		simx_fail("is not the kernel's", id, before, ns, after);
}

static void read_one(int id)
{
	unsigned set = atomic_load(&settings);
	uint64_t highest = atomic_load(&board[id]);
	uint64_t before = simv_now(id), after, ns;
	struct pvc_timespec ts = {0, 0};

	if (pvc_gettime(&core, id, &ts))
		atomic_fetch_add(&failed, 1);
	ns = sim_ns(&ts);
	after = simv_now(id);
	if (!pvc_settable(id) && !sim_not_back(&board[id], highest, ns) &&
	    atomic_fetch_add(&backwards, 1) < 3)
		simx_fail("goes back", id, highest, ns, after);
	/* Where REALTIME was set in between, before and after are of two times. */
	if (!pvc_settable(id) || (!(set & 1) && set == atomic_load(&settings)))
		judge(id, before, ns, after);
}

static void read_interval(int id)
{
	struct pvc_interval i = {{0, 0}, {0, 0}, PVC_BY_KERNEL};
	uint64_t before = simv_now(id), after;

	if (pvc_gettime_interval(&core, id, &i))
		atomic_fetch_add(&failed, 1);
	after = simv_now(id);
	if (sim_ns(&i.latest) < before)
		atomic_fetch_add(&below, 1);
	if (sim_ns(&i.earliest) > after)
		atomic_fetch_add(&above, 1);
}

static void *reader(void *arg)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu), i;
	unsigned me = (unsigned)(uintptr_t)arg;

	atomic_fetch_add(&ready, 1);
	for (i = 0; atomic_load(&running); i++) {
		if (i % 2000 == 0)
			sim_pin(cpu[(i / 2000 + me) % n]);
		read_one(simv_ids[(i + me) % SIMV_IDS]);
		if (i % 16 == 0)
			read_interval(CLOCK_BOOTTIME);
	}
	atomic_fetch_add(&readings, i);
	return NULL;
}

static pthread_t thread[READERS];

static void begin(bool all_exact)
{
	uintptr_t i;

	exact = all_exact;
	for (i = 0; i < PVC_IDS; i++)
		atomic_store(&board[i], 0);
	atomic_store(&backwards, 0);
	atomic_store(&below, 0);
	atomic_store(&above, 0);
	atomic_store(&failed, 0);
	atomic_store(&readings, 0);
	atomic_store(&ready, 0);
	atomic_store(&settings, 0);
	atomic_store(&running, 1);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, (void *)i), 0);
	while (atomic_load(&ready) < READERS)
		sched_yield();
}

static void end(void)
{
	unsigned i;

	atomic_store(&running, 0);
	for (i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_true(atomic_load(&readings) > 0);
}

static void assert_never_off(void)
{
	if (atomic_load(&below) || atomic_load(&above))
		print_error("%u below, %u above of %llu\n", atomic_load(&below),
		            atomic_load(&above), (unsigned long long)atomic_load(&readings));
	assert_int_equal(atomic_load(&below), 0);
	assert_int_equal(atomic_load(&above), 0);
}

static void set_realtime(void)
{
	const int64_t by[] = {1, -1, USEC, -USEC, MSEC, -MSEC, HOUR, -HOUR};

	atomic_fetch_add(&settings, 1);
	simv_update(sim_below(&seed, 2) ? SIMV_SET : SIMV_INJECT, by[sim_below(&seed, 8)]);
	atomic_fetch_add(&settings, 1);
}

/* Ticks, dithering, slews from one end to the other; a setting now and then. */
static void change(unsigned tick)
{
	int64_t one = (int64_t)(tick & 1);

	if (tick % 50 == 0)
		set_realtime();
	else if (tick % 10 == 0)
		simv_update(SIMV_MULT, (int64_t)simx_ppm(tick & 16 ? 500 : -500));
	else if (tick % 10 == 5)
		simv_update(SIMV_LATE_MULT, (int64_t)simx_ppm(tick & 16 ? 500 : -500));
	else if (tick % 199 == 0)
		simv_update(SIMV_MULT, (int64_t)simx_ppm(tick & 1 ? 100000 : -100000));
	else
		simv_update(SIMV_MULT, (int64_t)(simv_mine().mult + 1 - 2 * (uint64_t)one));
}

static void ticks_and_flips(void **state)
{
	uint64_t start, next;
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 100000;
	begin(true);
	start = next = simv_now(CLOCK_MONOTONIC_RAW);
	for (i = 0; next < start + SEC; i++) {
		change(i);
		next += TICK_NS;
		wait_until(next);
	}
	end();
	printf("%llu readings, %u changes, %llu lines\n", (unsigned long long)readings, i,
	       (unsigned long long)simx_count(&core.count_of.anchors));
	assert_never_off();
	assert_true(pvc_exact(&core));
	assert_int_equal(simx_count(&core.count_of.violated), 0);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/* The rest of an update that was begun, by the time that it has become. */
static void resume(void)
{
	struct simv_time t = simv_mine();

	atomic_fetch_add(&simv.count, 1);
	atomic_thread_fence(memory_order_seq_cst);
	simv_forward(&t, simv_tsc());
	simv_end(&t);
}

/* The writer is stopped in mid-update for longer than a reader waits, again and again. */
static void stopped_in_mid_update(void **state)
{
	struct simv_time t;
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 100000;
	begin(true);
	for (i = 0; i < 1500; i++) {
		/* Its own copy is whole until it ends: the kernel answers by that. */
		simv_set_seq(simv_seq() + 1);
		t = simv_mine();
		t.cycle_last += 1000;
		t.nsec -= 1000;
		simv_put(&t, i % 20);
		wait_until(simv_now(CLOCK_MONOTONIC_RAW) + 100000);
		resume();
		wait_until(simv_now(CLOCK_MONOTONIC_RAW) + 100000);
	}
	end();
	assert_never_off();
	assert_true(simx_count(&core.count_of.fallbacks) > 0);
}

/* The clocksource goes and comes back: nobody is told less than anybody was. */
static void away_and_back(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 100000;
	begin(false);
	for (i = 0; i < 300; i++) {
		simv_update(SIMV_MODE, i & 1 ? PVC_VVAR_TSC : PVC_VVAR_NONE);
		wait_until(simv_now(CLOCK_MONOTONIC_RAW) + (i % 7 + 1) * 200000);
		simv_update(SIMV_MULT, (int64_t)simx_ppm(i & 2 ? 500 : -500));
		wait_until(simv_now(CLOCK_MONOTONIC_RAW) + 100000);
	}
	end();
	assert_true(simx_count(&core.count_of.anchors) > 0);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

static struct sim_entry unstable_entry(void)
{
	struct sim_entry e = sim_moved(&entry, -700);

	e.flags = 0;
	return e;
}

/* STABLE is cleared on one CPU while all threads have exact lines in their hands. */
static void leaving_stable(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu), stuck = 0, i, k;

	(void)state;
	if (!sim_has_rdtscp("mode percpu") || !sim_tsc_in_step("mode percpu"))
		skip();
	for (i = 0; i < 60; i++) {
		struct sim_entry e;

		simx_start(3, PVC_VVAR_TSC);
		begin(false);
		for (k = 0; k < 20; k++) {
			simv_update(SIMV_TICK, 0);
			wait_until(simv_now(CLOCK_MONOTONIC_RAW) + 20000);
		}
		e = unstable_entry();
		for (k = 0; k < n; k++)
			sim_put(&page, cpu[(k + i) % n], &e);
		for (k = 0; k < 20; k++) {
			simv_update(SIMV_TICK, 0);
			wait_until(simv_now(CLOCK_MONOTONIC_RAW) + 20000);
		}
		end();
		now(CLOCK_MONOTONIC);
		/* We were not run for long in the middle of a write. */
		if (atomic_load(&core.reason) == PVC_WHY_BUSY) {
			stuck++;
			continue;
		}
		assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
		assert_int_equal(simx_count(&core.count_of.unstable_edges), 1);
	}
	sim_unpin();
	assert_true(stuck < 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_and_flips),
		cmocka_unit_test(stopped_in_mid_update),
		cmocka_unit_test(away_and_back),
		cmocka_unit_test(leaving_stable),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
