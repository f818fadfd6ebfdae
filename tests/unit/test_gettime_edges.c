// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The whole block while the host changes the page under it.
 */
#include "../../vdso/now.h"
#include "simblock.h"

#define MS 1000000ll
#define SEC 1000000000ll

static void host_moves(int64_t ns)
{
	entry = sim_moved(&entry, ns);
	sim_put_all(&page, &entry);
}

static void agrees(int id, unsigned count)
{
	uint64_t last = 0;

	while (count--) {
		uint64_t before = sim_kernel_ns(id), ns = now(id), after = sim_kernel_ns(id);

		assert_true(ns + 60000 >= before);
		assert_true(ns <= after + 60000);
		assert_true(ns >= last);
		last = ns;
	}
}

static void spin(int64_t ns)
{
	uint64_t end = sim_kernel_ns(CLOCK_MONOTONIC) + (uint64_t)ns;

	while (sim_kernel_ns(CLOCK_MONOTONIC) < end)
		;
}

static uint64_t monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

/* Reads for 5 ms; in that time it must have passed 4, and never gone back. */
static void goes_on(uint64_t (*read)(void), uint64_t from)
{
	uint64_t first = read(), start = sim_kernel_ns(CLOCK_MONOTONIC), last = first, end;

	assert_true(first >= from);
	do {
		uint64_t ns = read();

		assert_true(ns >= last);
		last = ns;
		end = sim_kernel_ns(CLOCK_MONOTONIC);
	} while (end - start < 5 * MS);
	assert_true(read() - first >= 4 * MS);
}

static void version_alone_moves(void **state)
{
	uint64_t anchors, before;
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	prove();
	hyper();
	for (i = 0; i < 100; i++) {
		before = hyper();
		anchors = atomic_load(&core.count_of.version_moves);
		sim_put_all(&page, &entry);
		now(CLOCK_MONOTONIC);
		assert_true(atomic_load(&core.count_of.version_moves) > anchors);
		assert_true(hyper() >= before);
		/* seen already: nothing more to look at on this CPU */
	}
	assert_int_equal(atomic_load(&core.count_of.param_changes), 0);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	agrees(CLOCK_MONOTONIC, 1000);
}

static void values_change(void **state)
{
	/* One below 1 us may be taken for rounding. */
	const int64_t by[] = {2000, 50000, -50000, 1, -2000, 3 * MS, -3 * MS, 5 * SEC};
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	prove();
	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		uint64_t clock = now(CLOCK_MONOTONIC), ns = hyper();
		uint64_t changes = atomic_load(&core.count_of.param_changes);

		/* By 20 ppm as well, as when a host corrects the rate. */
		entry.mul += i & 1 ? entry.mul / 50000 : 0;
		host_moves(by[i]);
		assert_true(now(CLOCK_MONOTONIC) >= clock);
		assert_true(hyper() >= ns);
		assert_true(atomic_load(&core.count_of.param_changes) > changes);
		spin(4 * MS);
		agrees(CLOCK_MONOTONIC, 10000);
		goes_on(hyper, ns);
	}
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
}

/* REALTIME is set by who sets it, not by a page that changes. */
static void change_is_not_set(void **state)
{
	uint64_t last = 0, ns;
	unsigned i, n;

	(void)state;
	attach(PVC_MODE_STABLE);
	prove();
	for (i = 0; i < 200; i++) {
		for (n = 0; n < 300; n++) {
			ns = now(CLOCK_REALTIME);
			assert_true(ns >= last);
			last = ns;
		}
		host_moves(i & 1 ? 200000 : -200000);
	}
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
}

/* As a thread does that is killed right after: the parameters, but not in service. */
static void put_by_hand(uint64_t ended)
{
	uint64_t current = pvc_latch_begin(&core.now_current);
	struct pvc_now_slot *old = &core.slot[pvc_latch_slot(current)].now, *s;
	unsigned slot = pvc_latch_claim(&core.busy);

	s = &core.slot[slot].now;
	s->tsc_timestamp = old->tsc_timestamp;
	s->system_time = old->system_time;
	s->mul_shift = old->mul_shift;
	s->floor = old->floor;
	s->bias = old->bias;
	s->ended = ended;
	assert_true(pvc_latch_publish(&core.now_current, &core.busy, current, slot));
}

/* The next one finds the same on the page. What the floor kept must stay kept. */
static void ended_and_the_same(void **state)
{
	uint64_t ns;

	(void)state;
	attach(PVC_MODE_STABLE);
	hyper();
	host_moves(-500 * MS);
	ns = hyper();
	put_by_hand(PVC_NOW_ENDED);
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/*
 * One thread was leaving mode stable while another CPU's entry brought values
 * that still are: these must not come into service, for who leaves has reckoned
 * without them. The other completes what the first began.
 */
static void left_and_moved(void **state)
{
	uint64_t ns;

	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	attach(PVC_MODE_STABLE);
	ns = hyper();
	put_by_hand(PVC_NOW_LEFT);
	host_moves(700);
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
}

/*
 * A mode that was stable before it, and somebody who left that one and comes late to it,
 * are not what this one is left by: who began to enter it then, and comes as late, must
 * not put parameters in service from which this one's readers would go on.
 */
static void left_in_another_era(void **state)
{
	struct pvc_now now;
	uint64_t current;

	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	attach(PVC_MODE_STABLE);
	hyper();
	put_by_hand(PVC_NOW_LEFT);
	current = pvc_latch_begin(&core.now_current);
	pvc_now_load(&core, current, &now);
	hyper();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	now.ended = PVC_NOW_ENDED;
	assert_false(pvc_now_put(&core, current, &now));
	pvc_now_load(&core, pvc_latch_begin(&core.now_current), &now);
	assert_int_equal(now.ended, pvc_now_left(atomic_load(&core.mode_and_era)));
}

static void nonsense_appears(void **state)
{
	struct sim_entry zero = {0};
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);

	(void)state;
	/* A CPU that came later and was given no entry: entry 0 speaks for it. */
	for (i = 0; i < n && pvc_order_of_this_cpu() == PVC_ORDER_RDTSCP; i++) {
		if (!cpu[i] || !sim_pin(cpu[i]))
			continue;
		attach(PVC_MODE_STABLE);
		sim_put(&page, cpu[i], &zero);
		prove();
		agrees(CLOCK_MONOTONIC, 1000);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	}
	sim_unpin();
	attach(PVC_MODE_STABLE);
	prove();
	sim_put_all(&page, &zero);
	/* On CPUs other than 0 it takes a look at their own entry first. */
	agrees(CLOCK_MONOTONIC, 1000);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_NONSENSE);
	agrees(CLOCK_REALTIME, 1000);
}

/* Stuck in mid-update, not for long: the kernel answers, and then the page again. */
static void stuck(enum pvc_mode mode)
{
	uint64_t anchors, fallbacks, ns = 0;
	unsigned i;

	attach(mode);
	prove();
	agrees(CLOCK_REALTIME, 1000);
	fallbacks = atomic_load(&core.count_of.fallbacks);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
	agrees(CLOCK_MONOTONIC, 50);
	agrees(CLOCK_REALTIME, 50);
	assert_false(sim_now(&core, &ns));
	assert_true(atomic_load(&core.count_of.fallbacks) >= fallbacks + 100);
	assert_true(atomic_load(&core.count_of.busy) > 0);
	assert_int_equal(atomic_load(&core.mode), mode);
	ns = now(CLOCK_MONOTONIC);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_end(&page.slot[i]);
	anchors = atomic_load(&core.count_of.anchors);
	assert_true(now(CLOCK_MONOTONIC) >= ns);
	agrees(CLOCK_MONOTONIC, 10000);
	assert_true(atomic_load(&core.count_of.anchors) > anchors);
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
	hyper();
}

static void stuck_pages(void **state)
{
	(void)state;
	stuck(PVC_MODE_STABLE);
	stuck(PVC_MODE_STABLE_NS);
	if (sim_has_rdtscp("mode percpu"))
		stuck(PVC_MODE_PERCPU);
}

/*
 * A kernel read takes half a microsecond, and the instant it tells of is at its
 * start or at its end, as an interrupt has it.
 */
static bool at_its_end;

static long slow_kernel(long id, struct pvc_timespec *ts)
{
	long err;

	if (at_its_end)
		spin(500);
	err = sim_kernel(id, ts);
	if (!at_its_end)
		spin(500);
	return err;
}

static uint64_t realtime_after(uint64_t last)
{
	uint64_t ns = now(CLOCK_REALTIME);

	assert_true(ns >= last);
	return ns;
}

/* REALTIME, which nobody sets, on a page that is busy now and then. */
static void realtime_by_turns(void **state)
{
	uint64_t last = 0;
	unsigned i, n, e;

	(void)state;
	attach(PVC_MODE_STABLE);
	core.kernel.clock_gettime = slow_kernel;
	prove();
	core.resync_ns = 100000;
	for (i = 0; i < 500; i++) {
		for (n = 0; n < 3000; n++)
			last = realtime_after(last);
		for (e = 0; e < PVCLOCK_PAGE_SLOTS; e++)
			sim_begin(&page.slot[e]);
		for (n = 0; n < 4; n++) {
			at_its_end = !(n & 1);
			last = realtime_after(last);
		}
		for (e = 0; e < PVCLOCK_PAGE_SLOTS; e++)
			sim_end(&page.slot[e]);
	}
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
}

/* Twice the rate that the kernel finds. */
static void wrong_rate(void **state)
{
	struct sim_entry e;
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	e = entry;
	e.shift++;
	sim_put_all(&page, &e);
	pvc_source_start(&core, PVC_MODE_STABLE, PVC_WHY_STABLE);
	for (i = 0; i < 5000 && atomic_load(&core.mode) != PVC_MODE_KERNEL; i++)
		agrees(CLOCK_MONOTONIC, 1000);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_RATE);
	assert_int_equal(atomic_load(&core.count_of.anchors), 0);
	agrees(CLOCK_MONOTONIC, 1000);
	agrees(CLOCK_REALTIME, 1000);
}

/* A restored VM: the page starts 1000 s lower than it was. */
static void restart(enum pvc_mode mode, int64_t by)
{
	uint64_t ns, clock;

	attach(mode);
	prove();
	ns = hyper();
	clock = monotonic();
	host_moves(-by);
	goes_on(monotonic, clock);
	goes_on(hyper, ns);
	agrees(CLOCK_MONOTONIC, 1000);
	assert_int_equal(atomic_load(&core.mode), mode);
	if (by > SEC)
		assert_int_equal(atomic_load(&core.count_of.restarts), 1);
}

static void restart_stable(void **state)
{
	(void)state;
	restart(PVC_MODE_STABLE, 1000 * SEC);
}

static void restart_stable_ns(void **state)
{
	(void)state;
	restart(PVC_MODE_STABLE_NS, 1000 * SEC);
}

static void restart_percpu(void **state)
{
	unsigned cpus[PVCLOCK_PAGE_SLOTS];
	(void)state;

	if (!sim_has_rdtscp("mode percpu"))
		return;
	/* On one CPU: each entry that is read is found to have started lower. */
	sim_cpus(cpus);
	assert_true(sim_pin(cpus[0]));
	restart(PVC_MODE_PERCPU, 1000 * SEC);
	sim_unpin();
}

/* Less than what counts as a restart: the clamp holds, but not the kernel's clocks. */
static void small_restart_percpu(void **state)
{
	(void)state;
	if (!sim_has_rdtscp("mode percpu"))
		return;
	attach(PVC_MODE_PERCPU);
	prove();
	host_moves(-300 * MS);
	goes_on(monotonic, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_alone_moves), cmocka_unit_test(values_change),
		cmocka_unit_test(change_is_not_set),   cmocka_unit_test(ended_and_the_same),
		cmocka_unit_test(left_and_moved),      cmocka_unit_test(left_in_another_era),
		cmocka_unit_test(nonsense_appears),    cmocka_unit_test(stuck_pages),
		cmocka_unit_test(realtime_by_turns),   cmocka_unit_test(wrong_rate),
		cmocka_unit_test(restart_stable),      cmocka_unit_test(restart_stable_ns),
		cmocka_unit_test(restart_percpu),      cmocka_unit_test(small_restart_percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
