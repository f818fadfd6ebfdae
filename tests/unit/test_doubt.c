// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A page is given up for a doubt, and taken back when it was found good twice; whatever
 * was told in between, by the page or by the kernel, stays.
 */
#include "../../vdso/now.h"
#include "simreaders.h"

#define SEC 1000000000ll
#define MS 1000000ll
#define STUCK_CALLS 10000000
#define WAIT_FIRST 24
#define WAIT_LONGEST 35

static const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_STABLE_NS, PVC_MODE_PERCPU};

static unsigned modes_here(void)
{
	return sim_has_rdtscp("mode percpu") && sim_tsc_in_step("mode percpu") ? 3 : 2;
}

static uint32_t mode_is(void)
{
	return atomic_load(&core.mode);
}

static void begin(enum pvc_mode mode)
{
	attach(mode);
	core.may_return = 1;
	core.may_stable = mode != PVC_MODE_PERCPU;
	prove();
}

static void write_half(void)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
}

static void write_rest(void)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_end(&page.slot[i]);
}

/* Reads on, and never less. */
static uint64_t read_on(unsigned calls)
{
	uint64_t ns = now(CLOCK_MONOTONIC), last;
	unsigned i;

	for (i = 1; i < calls; i++) {
		last = ns;
		ns = now(CLOCK_MONOTONIC);
		assert_true(ns >= last);
	}
	return ns;
}

static void give_up(void)
{
	unsigned i;

	write_half();
	for (i = 0; i < STUCK_CALLS && pvc_is_live(mode_is()); i++)
		now(CLOCK_MONOTONIC);
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_BUSY);
}

/* As if the wait were over. */
static void time_passes(void)
{
	atomic_store(&core.looked_at, sim_tsc() - (1ull << WAIT_LONGEST) - 1);
}

/* It is not over for a while, however long this thread is kept from running. */
static void no_time_passes(void)
{
	atomic_store(&core.looked_at, sim_tsc() + (1ull << 29));
}

static void look(void)
{
	time_passes();
	now(CLOCK_MONOTONIC);
}

/* The page is good again, and is waited for as any program waits. */
static void comes_back(uint32_t mode)
{
	uint64_t last = now(CLOCK_MONOTONIC), ns, end = last + 20 * SEC;

	while (!pvc_is_live(mode_is())) {
		ns = now(CLOCK_MONOTONIC);
		assert_true(ns >= last);
		last = ns;
		assert_true(ns < end);
	}
	assert_int_equal(mode_is(), mode);
	assert_true(now(CLOCK_MONOTONIC) >= last);
}

static void stuck_for_long(void **state)
{
	struct pvc_event e;
	unsigned i;
	(void)state;

	for (i = 0; i < modes_here(); i++) {
		uint64_t ns, clock;

		begin(modes[i]);
		ns = hyper();
		clock = now(CLOCK_MONOTONIC);
		give_up();
		assert_int_equal(atomic_load(&core.count_of.given_up), 1);
		assert_false(sim_now(&core, &(uint64_t){0}));
		e.number = atomic_load(&core.events);
		assert_int_equal(pvc_event_get(&core, &e), PVC_EVENT_OK);
		assert_int_equal(e.kind, PVC_EVENT_LOST);
		write_rest();
		/* STABLE_NS is what a slow TSC makes of stable: this one is fast. */
		comes_back(i == 1 ? PVC_MODE_STABLE : modes[i]);
		assert_int_equal(atomic_load(&core.count_of.taken_back), 1);
		e.number = atomic_load(&core.events);
		assert_int_equal(pvc_event_get(&core, &e), PVC_EVENT_OK);
		assert_int_equal(e.kind, PVC_EVENT_FOUND);
		assert_in_range(hyper(), ns, ns + 100 * SEC);
		assert_true(read_on(100000) > clock);
		assert_true(atomic_load(&core.proved));
	}
}

/* Busy often enough; how long it is, is known by a TSC that another CPU's may be ahead of. */
static void stuck_since_later(void **state)
{
	(void)state;
	begin(PVC_MODE_STABLE);
	atomic_store(&core.stuck.anchors, atomic_load(&core.count_of.anchors));
	atomic_store(&core.stuck.times, 5000);
	atomic_store(&core.stuck_since, sim_tsc() + (1ull << 40));
	pvc_doubt_busy(&core);
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	atomic_store(&core.stuck_since, sim_tsc() - (1ull << 30));
	pvc_doubt_busy(&core);
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
}

/* Somebody has counted the first, and was not run since: the others do not take its place. */
static void stuck_for_no_time(void **state)
{
	unsigned i;
	(void)state;

	begin(PVC_MODE_STABLE);
	atomic_store(&core.stuck.anchors, atomic_load(&core.count_of.anchors));
	atomic_store(&core.stuck.times, 1);
	for (i = 0; i < 1100; i++)
		pvc_doubt_busy(&core);
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	atomic_store(&core.stuck_since, sim_tsc() - (1ull << 40));
	atomic_fetch_add(&core.count_of.anchors, 2);
	for (i = 0; i < 1100; i++)
		pvc_doubt_busy(&core);
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
}

/* A page that is no better each time is looked at less and less. */
static void wait_doubles(void **state)
{
	uint32_t wait;
	(void)state;

	begin(PVC_MODE_STABLE);
	give_up();
	for (wait = WAIT_FIRST; wait < WAIT_LONGEST + 3; wait++) {
		assert_int_equal(atomic_load(&core.wait),
		                 wait < WAIT_LONGEST ? wait : WAIT_LONGEST);
		/* Not before it is time. */
		no_time_passes();
		read_on(10);
		look();
		assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	}
}

static void given_up_again(uint32_t wait)
{
	give_up();
	assert_int_equal(atomic_load(&core.wait), wait);
	write_rest();
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
}

/* Also one that is good for a while each time; until it was so for long. */
static void wait_doubles_again(void **state)
{
	(void)state;
	begin(PVC_MODE_STABLE);
	given_up_again(WAIT_FIRST);
	given_up_again(WAIT_FIRST + 1);
	given_up_again(WAIT_FIRST + 2);
	atomic_store(&core.wait, WAIT_LONGEST);
	given_up_again(WAIT_LONGEST);
	atomic_store(&core.looked_at, sim_tsc() - (1ull << 40));
	given_up_again(WAIT_FIRST);
}

/* Found good once is not enough. */
static void doubted(void **state)
{
	unsigned i;
	(void)state;

	begin(PVC_MODE_STABLE);
	give_up();
	for (i = 0; i < 3; i++) {
		write_rest();
		look();
		assert_int_equal(mode_is(), PVC_MODE_DOUBTED);
		assert_false(sim_now(&core, &(uint64_t){0}));
		/* It is not time for the second look. */
		no_time_passes();
		now(CLOCK_MONOTONIC);
		assert_int_equal(mode_is(), PVC_MODE_DOUBTED);
		write_half();
		look();
		assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	}
	write_rest();
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.count_of.taken_back), 1);
}

/* What the kernel says is kept as a floor by the time that a line may follow it. */
static void floors(void **state)
{
	uint64_t ns;
	(void)state;

	begin(PVC_MODE_STABLE);
	give_up();
	atomic_store(&core.floor[CLOCK_MONOTONIC], 0);
	no_time_passes();
	read_on(10);
	assert_int_equal(atomic_load(&core.floor[CLOCK_MONOTONIC]), 0);
	write_rest();
	look();
	assert_int_equal(mode_is(), PVC_MODE_DOUBTED);
	no_time_passes();
	ns = read_on(10);
	assert_true(atomic_load(&core.floor[CLOCK_MONOTONIC]) >= ns);
	/* Nor is one forgotten that nobody has read before. */
	ns = now(CLOCK_BOOTTIME);
	assert_true(atomic_load(&core.floor[CLOCK_BOOTTIME]) >= ns);
}

/* A TSC that was put back, by some ticks or to its beginning, does not say how long it was. */
static void tsc_goes_back(void **state)
{
	uint64_t at;
	(void)state;

	begin(PVC_MODE_STABLE);
	give_up();
	write_rest();
	at = sim_tsc() + (1ull << 29);
	atomic_store(&core.looked_at, at);
	now(CLOCK_MONOTONIC);
	assert_true(atomic_load(&core.looked_at) == at);
	at = sim_tsc() + (1ull << 50);
	atomic_store(&core.looked_at, at);
	now(CLOCK_MONOTONIC);
	assert_true(atomic_load(&core.looked_at) <= sim_tsc());
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	comes_back(PVC_MODE_STABLE);
}

/* Who was looking never comes back, or nobody may look: the kernel answers. */
static void nobody_looks(void **state)
{
	(void)state;
	begin(PVC_MODE_STABLE);
	give_up();
	write_rest();
	atomic_store(&core.looking, 1);
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	begin(PVC_MODE_STABLE);
	core.may_return = 0;
	give_up();
	write_rest();
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	/* While it is in service there is nothing to look for. */
	begin(PVC_MODE_STABLE);
	atomic_store(&core.wait, WAIT_FIRST);
	time_passes();
	pvc_doubt_look(&core);
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.looking), 0);
}

/* Time on the page began anew meanwhile: what was told is gone on from. */
static void began_anew(void **state)
{
	unsigned i;
	(void)state;

	for (i = 0; i < modes_here(); i++) {
		uint64_t ns, last;

		begin(modes[i]);
		ns = hyper();
		give_up();
		last = now(CLOCK_MONOTONIC);
		entry = sim_moved(&entry, -1000 * SEC);
		sim_put_all(&page, &entry);
		look();
		look();
		assert_true(pvc_is_live(mode_is()));
		assert_in_range(hyper(), ns, ns + 100 * SEC);
		assert_true(now(CLOCK_MONOTONIC) >= last);
	}
}

/* STABLE was cleared, where no CPU has an entry of its own; it is set again. */
static void stable_again(void **state)
{
	(void)state;
	begin(PVC_MODE_STABLE);
	core.may_percpu = core.may_stable = 0;
	entry = sim_moved(&entry, 0);
	entry.flags = 0;
	sim_put_all(&page, &entry);
	read_on(10);
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	entry.flags = PVCLOCK_TSC_STABLE_BIT;
	sim_put_all(&page, &entry);
	comes_back(PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_STABLE);
}

/* It comes back as what it is by then. */
static void unstable_by_then(void **state)
{
	(void)state;
	if (modes_here() < 3)
		return;
	begin(PVC_MODE_STABLE);
	give_up();
	entry = sim_moved(&entry, 0);
	entry.flags = 0;
	sim_put_all(&page, &entry);
	comes_back(PVC_MODE_PERCPU);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_UNSTABLE);
	read_on(10000);
}

static uint64_t odd_kernel;

/* A second further with each time that it is asked. */
static long broken_kernel(long id, struct pvc_timespec *ts)
{
	long err = sim_kernel(id, ts);

	if (id != CLOCK_REALTIME)
		ts->sec += (int64_t)odd_kernel++;
	return err;
}

static void let_it_end(void)
{
	uint64_t start = sim_tsc();

	while (sim_tsc() - start < 500000)
		;
}

/* No interval holds. Of a clock that can be set that is nobody's fault. */
static void violated(void **state)
{
	uint64_t broken;
	unsigned i;
	(void)state;

	begin(PVC_MODE_STABLE);
	core.resync_ns = 100000;
	core.kernel.clock_gettime = broken_kernel;
	for (i = 0; i < 10000 && mode_is() == PVC_MODE_STABLE; i++) {
		let_it_end();
		now(CLOCK_BOOTTIME);
	}
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_VIOLATED);
	assert_true(atomic_load(&core.count_of.violated) >= 1024);
	core.kernel.clock_gettime = sim_kernel;
	look();
	look();
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	/* Not in a row, not of one that is set, and not of a foreign page. */
	for (broken = 0; broken < 10000; broken++) {
		pvc_doubt_interval(&core, broken % 1000 == 999);
		assert_int_equal(mode_is(), PVC_MODE_STABLE);
	}
	core.foreign = 1;
	for (broken = 0; broken < 10000; broken++)
		pvc_doubt_interval(&core, false);
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
}

/* Between the second look and the mode it becomes another's affair, or is bad once more. */
static void not_taken_back(void **state)
{
	uint64_t before;
	(void)state;

	begin(PVC_MODE_STABLE);
	give_up();
	before = atomic_load(&core.mode_and_era);
	assert_false(pvc_source_return(&core, PVC_MODE_STABLE, PVC_WHY_STABLE, before));
	write_rest();
	page.slot[0].info.tsc_to_system_mul = 5;
	assert_false(pvc_source_return(&core, PVC_MODE_STABLE, PVC_WHY_STABLE, before));
	sim_put_all(&page, &entry);
	assert_false(pvc_source_return(&core, PVC_MODE_STABLE, PVC_WHY_STABLE, before + 1));
	assert_int_equal(mode_is(), PVC_MODE_KERNEL);
	assert_true(pvc_source_return(&core, PVC_MODE_STABLE, PVC_WHY_STABLE, before));
	assert_int_equal(mode_is(), PVC_MODE_STABLE);
	/* Who was late to give up what is out of service does it no harm. */
	pvc_source_pause(&core);
	pvc_source_stop(&core, PVC_WHY_BACK);
	assert_int_equal(mode_is(), PVC_MODE_PAUSED);
}

/* Its rate is not measured from what it said before it was given up. */
static void ahead_when_back(void **state)
{
	(void)state;
	if (modes_here() < 3)
		return;
	begin(PVC_MODE_PERCPU);
	give_up();
	entry = sim_moved(&entry, 100 * SEC);
	sim_put_all(&page, &entry);
	comes_back(PVC_MODE_PERCPU);
	prove();
	assert_int_equal(atomic_load(&core.misproved), 0);
	assert_int_equal(atomic_load(&core.count_of.given_up), 1);
}

/* Entry 0, by another CPU's TSC, is no time of ours; a page that has gone years ahead is. */
static void entry_0_apart(void **state)
{
	const int64_t years = 90000000 * (int64_t)SEC;
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);
	uint64_t ns;
	(void)state;

	if (modes_here() < 3 || !cpu[n - 1] || !sim_pin(cpu[n - 1]))
		return;
	begin(PVC_MODE_PERCPU);
	ns = hyper();
	give_up();
	sim_put_all(&page, &entry);
	page.slot[0].info.system_time += 60 * SEC;
	comes_back(PVC_MODE_PERCPU);
	assert_in_range(hyper(), ns, ns + 30 * SEC);
	give_up();
	entry = sim_moved(&entry, years);
	sim_put_all(&page, &entry);
	comes_back(PVC_MODE_PERCPU);
	assert_in_range(hyper(), ns + (uint64_t)years, ns + (uint64_t)years + 60 * SEC);
	sim_unpin();
}

static uint64_t frozen;

static long frozen_kernel(long id, struct pvc_timespec *ts)
{
	long err = sim_kernel(id, ts);

	if (id == CLOCK_BOOTTIME)
		*ts = (struct pvc_timespec){(int64_t)(frozen / SEC), (int64_t)(frozen % SEC)};
	return err;
}

/* A clock that nobody read until the page was back has told what its last line told. */
static void told_before(void **state)
{
	uint64_t ns;
	unsigned i;
	(void)state;

	for (i = 0; i < modes_here(); i++) {
		begin(modes[i]);
		ns = now(CLOCK_BOOTTIME);
		give_up();
		sim_put_all(&page, &entry);
		comes_back(modes[i] == PVC_MODE_PERCPU ? PVC_MODE_PERCPU : PVC_MODE_STABLE);
		frozen = ns - 100;
		core.kernel.clock_gettime = frozen_kernel;
		assert_in_range(now(CLOCK_BOOTTIME), ns, ns + SEC);
	}
}

/* Taken out for another page while it was doubted. */
static void replaced_while_doubted(void **state)
{
	uint64_t ns;
	(void)state;

	begin(PVC_MODE_STABLE);
	ns = hyper();
	give_up();
	write_rest();
	look();
	assert_int_equal(mode_is(), PVC_MODE_DOUBTED);
	pvc_source_pause(&core);
	assert_int_equal(mode_is(), PVC_MODE_PAUSED);
	assert_true(atomic_load(&core.last) >= ns);
	look();
	assert_int_equal(mode_is(), PVC_MODE_PAUSED);
}

/* The page goes and comes under readers, each time a little off. */
static void under_threads(enum pvc_mode mode)
{
	const int64_t by[] = {0, 700, -700, 5 * MS, -5 * MS, 100 * SEC, -100 * SEC};
	unsigned i;

	begin(mode);
	readers_start();
	for (i = 0; i < 2 * sizeof(by) / sizeof(*by); i++) {
		answers(100);
		write_half();
		while (mode_is() != PVC_MODE_KERNEL)
			answers(10);
		/* Or it would be waited for longer and longer. */
		atomic_store(&core.wait, WAIT_FIRST);
		entry = sim_moved(&entry, by[i / 2]);
		sim_put_all(&page, &entry);
		while (!pvc_is_live(mode_is()))
			answers(10);
	}
	answers(100);
	readers_end();
	assert_int_equal(atomic_load(&core.count_of.taken_back), 14);
}

static void in_turn_under_threads(void **state)
{
	(void)state;
	under_threads(PVC_MODE_STABLE);
	if (modes_here() == 3)
		under_threads(PVC_MODE_PERCPU);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stuck_for_long),
		cmocka_unit_test(stuck_since_later),
		cmocka_unit_test(stuck_for_no_time),
		cmocka_unit_test(wait_doubles),
		cmocka_unit_test(wait_doubles_again),
		cmocka_unit_test(doubted),
		cmocka_unit_test(floors),
		cmocka_unit_test(tsc_goes_back),
		cmocka_unit_test(nobody_looks),
		cmocka_unit_test(began_anew),
		cmocka_unit_test(stable_again),
		cmocka_unit_test(unstable_by_then),
		cmocka_unit_test(violated),
		cmocka_unit_test(not_taken_back),
		cmocka_unit_test(ahead_when_back),
		cmocka_unit_test(told_before),
		cmocka_unit_test(entry_0_apart),
		cmocka_unit_test(replaced_while_doubted),
		cmocka_unit_test(in_turn_under_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
