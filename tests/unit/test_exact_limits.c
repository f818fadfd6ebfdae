// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where exact lines cannot be made, or not be kept: every call is answered all the
 * same, and a kernel that is broken does not make us go back.
 */
#include "simexact.h"

static uint64_t seed;

/* As after many threads were killed in mid-update: before all, before lines, after. */
static void slots_exhausted(void **state)
{
	unsigned i, known;

	(void)state;
	for (known = 0; known < 3; known++) {
		simx_start(3, PVC_VVAR_TSC);
		if (known >= 1)
			hyper();
		for (i = 0; i < 4 && known >= 2; i++)
			assert_true(simx_all_within(0));
		while (pvc_latch_claim(&core.busy))
			;
		for (i = 0; i < 4000; i++) {
			if (i % 3 == 0)
				simx_happens(&seed, &simx_events[sim_below(&seed, SIMX_EVENTS)]);
			assert_true(simx_all_within(0));
		}
		assert_int_equal(simx_count(&core.count_of.lost_races) > 0, known >= 1);
		assert_int_equal(simx_count(&core.count_of.fallbacks) > 0, known == 0);
	}
}

/* Parameters of our own making; the kernel is asked with the same. */
static void put_time(const struct simv_time *t)
{
	struct simv_time old;

	simv_begin(&old);
	simv_end(t);
}

static void no_tick_for_long(void **state)
{
	const uint64_t since[] = {1ull << 32,       1ull << 42, (1ull << 43) - 10000000,
	                          (1ull << 43) + 1, 1ull << 45, 1ull << 50};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(since) / sizeof(*since); i++) {
		struct simv_time t;

		simx_start(3, PVC_VVAR_TSC);
		t = simv_mine();
		t.cycle_last = simv_tsc() - since[i];
		put_time(&t);
		for (n = 0; n < 100; n++)
			assert_true(simx_all_within(0));
		assert_int_equal(simx_count(&core.count_of.fallbacks) > 0, since[i] >= 1ull << 43);
		/* Nothing that would keep it from going on when a tick comes. */
		simv_update(SIMV_TICK, 0);
		for (n = 0; n < 100; n++)
			assert_true(simx_all_within(0));
		assert_true(pvc_exact(&core));
	}
}

/* Another CPU's TSC is ahead of ours, or ours was put back: no negative time. */
static void cycle_last_is_ahead(void **state)
{
	const uint64_t by[] = {1, 300, 5000, 1000000, 10ull * 2445000000};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		struct simv_time t;

		simx_start(3, PVC_VVAR_TSC);
		for (n = 0; n < 4; n++)
			assert_true(simx_all_within(0));
		t = simv_mine();
		simv_forward(&t, simv_tsc() + by[i]);
		put_time(&t);
		for (n = 0; n < 2000; n++)
			assert_true(simx_all_within(0));
		if (by[i] >= 10000000)
			continue;
		assert_true(pvc_exact(&core));
		/* Set before it has come there: that is seen at once. */
		simv_forward(&t, simv_tsc() + 2000000);
		put_time(&t);
		assert_true(simx_all_within(0) && simx_all_within(0));
		t.sec += 3600;
		t.mono_sec -= 3600;
		put_time(&t);
		assert_true(simx_all_within(0) && simx_all_within(0));
		t.sec -= 7200;
		t.mono_sec += 7200;
		put_time(&t);
		assert_true(simx_all_within(0) && simx_all_within(0));
	}
}

static uint64_t odd_scale;

static void scale_is_odd(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	(void)raw;
	hres[scale] = odd_scale;
}

/* What is found, but cannot be reckoned with, or is not what it is taken for. */
static void odd_scales(void **state)
{
	const uint64_t scales[] = {
		1ull << 32 | 1,           11ull << 32 | 1,          11ull << 32 | 0x800,
		12ull << 32 | 1,          12ull << 32 | 0x1000,     12ull << 32 | 0xffffffff,
		24ull << 32 | 0xffffffff, 31ull << 32 | 0xffffffff, 32ull << 32 | 1};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(scales) / sizeof(*scales); i++) {
		simx_start(3, PVC_VVAR_TSC);
		odd_scale = scales[i];
		simv.lie = scale_is_odd;
		simv_update(SIMV_TICK, 0);
		simx_attach(PVC_MODE_STABLE);
		simx_spin_us(300);
		for (n = 0; n < 5000; n++)
			assert_true(simx_all_within(60000));
		assert_false(pvc_exact(&core));
		assert_true(simx_count(&core.count_of.anchors) > 0);
	}
}

static long refusal;

static long refusing_kernel(long id, struct pvc_timespec *ts)
{
	return refusal ? refusal : simv_clock_gettime(id, ts);
}

static void kernel_refuses(void **state)
{
	struct pvc_timespec ts = {7, 8};
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.kernel.clock_gettime = refusing_kernel;
	refusal = -EPERM;
	for (i = 0; i < SIMV_IDS * 4; i++)
		assert_int_equal(pvc_gettime(&core, simv_ids[i % SIMV_IDS], &ts), -EPERM);
	assert_int_equal(ts.sec, 7);
	assert_int_equal(ts.nsec, 8);
	refusal = 0;
	for (i = 0; i < 100; i++)
		assert_true(simx_all_within(0));
	assert_true(pvc_exact(&core));
	/* No line is made for ever without the kernel's word; meanwhile they are right. */
	refusal = -EPERM;
	while (!pvc_gettime(&core, CLOCK_BOOTTIME, &ts))
		assert_true(sim_ns(&ts) <= simv_now(CLOCK_BOOTTIME));
	refusal = 0;
	assert_true(simx_all_within(0));
}

/* The page is another machine's: its rate is not the one that the kernel measured. */
static void rate_of_another_machine(int64_t ppm, bool same)
{
	unsigned n;

	simx_start(3, PVC_VVAR_TSC);
	entry.mul += (uint32_t)((int64_t)entry.mul * ppm / 1000000);
	sim_put_all(&page, &entry);
	simx_attach(PVC_MODE_STABLE);
	for (n = 0; n < 200; n++)
		assert_true(simx_all_within(0));
	assert_int_equal(atomic_load(&core.mode), same ? PVC_MODE_STABLE : PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), same ? PVC_WHY_STABLE : PVC_WHY_RATE);
	assert_int_equal(atomic_load(&core.proved), same);
	if (!same)
		assert_int_equal(simx_count(&core.count_of.anchors), 0);
}

static void rates(void **state)
{
	(void)state;
	rate_of_another_machine(0, true);
	rate_of_another_machine(1500, true);
	rate_of_another_machine(-1500, true);
	rate_of_another_machine(2200, false);
	rate_of_another_machine(-2200, false);
	rate_of_another_machine(-100000, false);
	rate_of_another_machine(100000, false);
}

/* What a call said is no measure: not each call begins a line. */
static uint64_t line_began(int id)
{
	struct pvc_line line;

	assert_true(pvc_line_load(&core, id, pvc_latch_begin(&core.current[id]), &line));
	return pvc_line_ns(&line);
}

/*
 * The kernel's MONOTONIC goes back, as no kernel's may. It is the kernel's clock all the
 * same, but not below what its line began with, and not for longer than it takes the
 * kernel to come there. No clock stays behind or ahead, and REALTIME follows at once.
 */
static void goes_back(int64_t by, uint64_t ticks_since)
{
	uint64_t began[SIMV_IDS], before, ns;
	struct simv_time t;
	unsigned i, n;

	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 10; i++)
		assert_true(simx_all_within(0));
	simv_update(SIMV_TICK, 0);
	for (n = 0; n < SIMV_IDS; n++) {
		now(simv_ids[n]);
		now(simv_ids[n]);
		began[n] = line_began(simv_ids[n]);
	}
	simv_spin(ticks_since);
	/* REALTIME as if it had been set, and nothing that keeps MONOTONIC as it was. */
	before = simv_begin(&t);
	simv_apply(&t, before, SIMV_INJECT, -by);
	t.mono_sec = simv_mine().mono_sec;
	t.mono_nsec = simv_mine().mono_nsec;
	simv_end(&t);
	for (i = 0; i < 3000; i++)
		for (n = 0; n < SIMV_IDS; n++) {
			before = simv_now(simv_ids[n]);
			ns = now(simv_ids[n]);
			assert_true(ns >= before);
			if (!pvc_settable(simv_ids[n]) && ns < began[n]) {
				simx_fail("is below its line", simv_ids[n], began[n], ns, before);
				assert_true(false);
			}
		}
	memset(simx_last, 0, sizeof(simx_last));
	for (i = 0; i < 100; i++) {
		assert_true(simx_within(CLOCK_REALTIME, 0) && simx_within(CLOCK_TAI, 0));
		assert_true(simx_within(CLOCK_MONOTONIC_RAW, 0));
	}
	if (by < (int64_t)SEC) {
		simx_spin_us((unsigned)(by / 1000) * 2);
		assert_true(simx_all_within(0) && simx_all_within(0));
	}
}

static void kernel_goes_back(void **state)
{
	const uint64_t since[] = {0, 100000, 3000000};
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		goes_back(USEC, since[i]);
		goes_back(MSEC, since[i]);
		goes_back((int64_t)SEC, since[i]);
		goes_back(HOUR, since[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_exhausted),     cmocka_unit_test(no_tick_for_long),
		cmocka_unit_test(cycle_last_is_ahead), cmocka_unit_test(odd_scales),
		cmocka_unit_test(kernel_refuses),      cmocka_unit_test(rates),
		cmocka_unit_test(kernel_goes_back),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
