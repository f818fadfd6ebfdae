// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A kernel whose clocksource is kvm-clock: cycles are whole hypervisor ns by entry 0,
 * and it rounds twice. And the interval that is promised, on either clocksource.
 */
#include "simexact.h"

#define SLACK 2 /* ns: what rounding twice loses */
#define NEAR 60000

static uint64_t seed;

/* A TSC of so many ns a tick (0.64), as a host would describe it. */
static struct sim_entry described(uint64_t rate, int shift)
{
	struct sim_entry e = sim_real();

	e.mul = (uint32_t)(shift < 0 ? rate >> (32 + shift) : rate >> 32 >> shift);
	e.shift = (int8_t)shift;
	return e;
}

static void start(unsigned layout, const struct sim_entry *e)
{
	entry = *e;
	sim_put_all(&page, &entry);
	simv_boot(layout, PVC_VVAR_PVCLOCK);
	simx_attach(PVC_MODE_STABLE);
}

static bool all_within(unsigned times, uint64_t slack)
{
	bool all = true;

	while (times-- && all)
		all = simx_all_within(slack);
	return all;
}

static void two_ns(void **state)
{
	unsigned layout, i;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++) {
		struct sim_entry e = sim_real();

		start(layout, &e);
		for (i = 0; i < 20000; i++) {
			if (i % 5 == 0)
				simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
			assert_true(simx_all_within(SLACK));
		}
		assert_true(pvc_exact(&core));
		assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
		assert_int_equal(simx_count(&core.count_of.violated), 0);
	}
}

/*
 * A line at ticks of our choice: it rounds once where the kernel rounds twice, so it is
 * rarely below it, by what is left of its slope, and never above by more than SLACK.
 */
static bool at_any_tick(int id, unsigned *below)
{
	uint64_t current = pvc_latch_begin(&core.current[id]);
	struct simv_time t = simv_mine();
	struct pvc_timespec ts = {0, 0};
	struct pvc_line line;
	unsigned i;

	if (!pvc_line_load(&core, id, current, &line) || line.seq != simv_seq())
		return simx_fail("has no line", id, line.seq, 0, simv_seq());
	for (i = 0; i < 20; i++) {
		uint64_t x = line.x0 + sim_below(&seed, line.expiry);
		uint64_t ns = simv_at(&t, id, simv_cycles_at(&t, x));

		if (!pvc_line_read(&core, id, current, x, (uint32_t)x, &ts))
			return simx_fail("has no line", id, x, 0, 0);
		if (sim_ns(&ts) + 1 < ns || sim_ns(&ts) > ns + SLACK)
			return simx_fail("is off", id, ns, sim_ns(&ts), ns + SLACK);
		*below += sim_ns(&ts) < ns;
	}
	return true;
}

static void at_any_ticks(void **state)
{
	struct sim_entry e = sim_real();
	unsigned i, below = 0;

	(void)state;
	for (i = 0; i < 20000; i++) {
		int id = simv_ids[i % SIMV_IDS];

		if (i % 5000 == 0)
			start(i / 5000, &e);
		simx_happens(&seed, &simx_events[sim_below(&seed, 10)]);
		now(id);
		now(id);
		now(id);
		assert_true(at_any_tick(id, &below));
	}
	assert_true(below < 20000 * 20 / 10);
	assert_true(pvc_exact(&core));
}

/* The TSC counts faster or slower than the shift's 1, 2, 4 GHz. */
static void every_shift(void **state)
{
	const struct {
		uint64_t rate;
		int shift;
		enum pvc_mode mode;
	} machine[] = {
		{0x30ull << 56, -2, PVC_MODE_STABLE},
		{0x68ull << 56, -1, PVC_MODE_STABLE},
		{0x7full << 56, -1, PVC_MODE_STABLE},
		{0x81ull << 56, 0, PVC_MODE_STABLE},
		{0xc0ull << 56, 0, PVC_MODE_STABLE},
		{0xdfull << 56, 0, PVC_MODE_STABLE},
		/* A tick is longer than a ns, or nearly: lines on ns, made from samples. */
		{0xf0ull << 56, 0, PVC_MODE_STABLE_NS},
		{UINT64_MAX, 0, PVC_MODE_STABLE_NS},
		{UINT64_MAX, 1, PVC_MODE_STABLE_NS},
	};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(machine) / sizeof(*machine); i++) {
		struct sim_entry e = described(machine[i].rate, machine[i].shift);
		bool exact = machine[i].mode == PVC_MODE_STABLE;

		if (machine[i].shift == 1)
			e.mul = 0xc0000000u;
		start(3, &e);
		assert_int_equal(atomic_load(&core.mode), machine[i].mode);
		for (n = 0; n < 3000; n++) {
			if (n % 10 == 0)
				simv_update(n & 1 ? SIMV_TICK : SIMV_LATE, 0);
			assert_true(simx_all_within(exact ? SLACK : NEAR));
		}
		assert_int_equal(pvc_exact(&core), exact);
		assert_int_equal(atomic_load(&core.mode), machine[i].mode);
	}
}

/* The host writes entry 0 anew: the same, moved on, at another rate, a bit ahead. */
static void entry_changes(void **state)
{
	const int64_t by[] = {0, 1, 700, 100000, 5 * MSEC};
	struct sim_entry e = sim_real();
	unsigned i;

	(void)state;
	start(3, &e);
	for (i = 0; i < 3000; i++) {
		assert_true(all_within(1 + i % 4, SLACK));
		switch (i % 4) {
		case 0: /* a version alone */
			sim_put_all(&page, &entry);
			break;
		case 1:
			entry = sim_moved(&entry, by[i / 4 % 5]);
			sim_put_all(&page, &entry);
			break;
		case 2:
			entry = sim_moved(&entry, 0);
			entry.mul += (uint32_t)sim_below(&seed, 2000) - 1000;
			sim_put_all(&page, &entry);
			break;
		default:
			simv_update(SIMV_TICK, 0);
		}
		assert_true(simx_within(simv_ids[i % SIMV_IDS], SLACK));
	}
	assert_true(pvc_exact(&core));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(simx_count(&core.count_of.violated), 0);
}

/* Hypervisor ns below cycle_last, as on a CPU that is a bit behind: no negative time. */
static void cycle_last_is_ahead(void **state)
{
	struct sim_entry e = sim_real();
	unsigned i, n;

	(void)state;
	for (i = 1; i < 1000000; i *= 10) {
		struct simv_time t;
		uint64_t cycles;

		start(3, &e);
		assert_true(all_within(5, SLACK));
		cycles = simv_begin(&t);
		simv_forward(&t, cycles + i);
		simv_end(&t);
		for (n = 0; n < 1000; n++)
			assert_true(simx_all_within(SLACK));
	}
}

/* At each access to the page in the middle of a call: see test_exact_irq.c. */
static void moved_meanwhile(void)
{
	simx_spin_us(20);
	entry = sim_moved(&entry, 0);
	entry.mul += 1000;
	sim_put_all(&page, &entry);
	simv_update(SIMV_TICK, 0);
}

static void entry_changes_in_a_call(void **state)
{
	struct sim_entry e = sim_real();
	unsigned i, at, id;

	(void)state;
	start(3, &e);
	for (i = 0; i < 20; i++)
		for (at = 1; at < 20; at++) {
			struct pvc_timespec ts = {0, 0};
			uint64_t before, after;

			id = (unsigned)simv_ids[sim_below(&seed, SIMV_IDS)];
			if (i % 4 == 0)
				simv_update(SIMV_TICK, 0);
			if (i % 4 == 1)
				simx_attach(PVC_MODE_STABLE);
			before = simv_now((int)id);
			simx_irq_begin(at, moved_meanwhile);
			assert_int_equal(pvc_gettime(&core, (int)id, &ts), 0);
			simx_irq_end();
			after = simv_now((int)id);
			assert_in_range(sim_ns(&ts), before - SLACK, after + SLACK);
			assert_true(all_within(2, SLACK));
		}
}

/* STABLE is cleared while kvm-clock is the clocksource. */
static void leaving_stable(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n;
	struct sim_entry e = sim_real();

	(void)state;
	if (!sim_has_rdtscp("mode percpu") || !sim_tsc_in_step("mode percpu"))
		skip();
	n = sim_cpus(cpu);
	assert_true(sim_pin(cpu[n - 1]));
	start(3, &e);
	assert_true(all_within(100, SLACK));
	e = sim_moved(&entry, 0);
	e.flags = 0;
	sim_put_all(&page, &e);
	assert_true(all_within(5000, NEAR));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	assert_false(pvc_exact(&core));
	sim_unpin();
}

/* kvm-clock, then the TSC, and back, as /sys has it. */
static void another_clocksource(void **state)
{
	struct sim_entry e = sim_real();
	unsigned i;

	(void)state;
	start(3, &e);
	for (i = 0; i < 40; i++) {
		struct simv_time t;
		uint64_t cycles = simv_begin(&t);

		simv_forward(&t, cycles);
		t.source = t.mode = i & 1 ? PVC_VVAR_PVCLOCK : PVC_VVAR_TSC;
		t.mult = t.raw_mult = simv_mult((enum pvc_vvar_mode)t.source, 24);
		t.cycle_last = simv_cycles_at(&t, simv_tsc());
		simv_end(&t);
		assert_true(all_within(50, SLACK));
		assert_true(pvc_exact(&core));
	}
}

/* ---- intervals --------------------------------------------------------------------------- */

/* Also of what an earlier or a later reading says. */
static bool promised(int id, uint64_t *width)
{
	struct pvc_interval i = {{0, 0}, {0, 0}, PVC_VIOLATED};
	uint64_t before = simv_now(id), ours = now(id), after, later;

	assert_int_equal(pvc_gettime_interval(&core, id, &i), 0);
	later = now(id);
	after = simv_now(id);
	*width = sim_ns(&i.latest) - sim_ns(&i.earliest);
	if (sim_ns(&i.latest) < before || sim_ns(&i.earliest) > after)
		return simx_fail("is not promised", id, before, sim_ns(&i.earliest), after);
	if (sim_ns(&i.latest) < ours || sim_ns(&i.earliest) > later)
		return simx_fail("has ours outside", id, ours, sim_ns(&i.earliest), later);
	assert_in_range(i.earliest.nsec, 0, SEC - 1);
	assert_in_range(i.latest.nsec, 0, SEC - 1);
	return i.certainty == PVC_SYNCHRONISED;
}

static void widths(enum pvc_vvar_mode source, uint64_t least, uint64_t most)
{
	uint64_t width, widest = 0, narrowest = UINT64_MAX;
	unsigned i;

	simx_start(3, source);
	for (i = 0; i < 50000; i++) {
		if (i % 9 == 0)
			simx_happens(&seed, &simx_events[sim_below(&seed, 10)]);
		assert_true(promised(simv_ids[i % SIMV_IDS], &width));
		widest = width > widest ? width : widest;
		narrowest = width < narrowest ? width : narrowest;
	}
	assert_int_equal(narrowest, least);
	assert_int_equal(widest, most);
	/* A hundred times, REALTIME and TAI are set. */
	for (i = 0; i < 100; i++) {
		simv_update(SIMV_SET, i & 1 ? -MSEC : MSEC);
		assert_true(promised(i & 2 ? CLOCK_REALTIME : CLOCK_TAI, &width));
	}
}

static void interval_of_the_tsc(void **state)
{
	(void)state;
	widths(PVC_VVAR_TSC, 1, 1);
}

static void interval_of_kvm_clock(void **state)
{
	(void)state;
	widths(PVC_VVAR_PVCLOCK, 5, 5);
}

static void interval_otherwise(void **state)
{
	const int unknown[] = {12, 15, 16, 17, 63, 1000, INT32_MAX};
	const enum pvc_mode modes[] = {PVC_MODE_STABLE, PVC_MODE_PERCPU, PVC_MODE_KERNEL};
	struct pvc_interval i;
	uint64_t before, after;
	unsigned m, n;

	(void)state;
	for (m = 0; m < 3; m++) {
		simx_start(3, PVC_VVAR_TSC);
		simx_attach(modes[m]);
		assert_int_equal(pvc_exact(&core), modes[m] == PVC_MODE_STABLE);
		for (n = 0; n < sizeof(unknown) / sizeof(*unknown); n++)
			assert_int_equal(pvc_gettime_interval(&core, unknown[n], &i), -EINVAL);
		simx_spin_us(3000);
		for (n = 0; n < 20000; n++) {
			int id = simv_ids[n % SIMV_IDS];

			before = simv_now(id);
			assert_int_equal(pvc_gettime_interval(&core, id, &i), 0);
			after = simv_now(id);
			assert_true(sim_ns(&i.earliest) <= sim_ns(&i.latest));
			assert_true(sim_ns(&i.latest) >= before && sim_ns(&i.earliest) <= after);
			if (modes[m] == PVC_MODE_KERNEL)
				assert_int_equal(i.certainty, PVC_BY_KERNEL);
			if (modes[m] == PVC_MODE_STABLE)
				assert_int_equal(i.certainty, PVC_SYNCHRONISED);
			assert_int_not_equal(i.certainty, PVC_VIOLATED);
		}
		assert_int_equal(atomic_load(&core.mode), modes[m]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_ns),
		cmocka_unit_test(at_any_ticks),
		cmocka_unit_test(every_shift),
		cmocka_unit_test(entry_changes),
		cmocka_unit_test(cycle_last_is_ahead),
		cmocka_unit_test(entry_changes_in_a_call),
		cmocka_unit_test(leaving_stable),
		cmocka_unit_test(another_clocksource),
		cmocka_unit_test(interval_of_the_tsc),
		cmocka_unit_test(interval_of_kvm_clock),
		cmocka_unit_test(interval_otherwise),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
