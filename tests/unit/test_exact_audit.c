// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page says one thing and the kernel another: because its layout is not what we
 * took it for, from the first call, or from some call on. Nobody is told the page's.
 */
#include "simexact.h"

#define NEAR 60000 /* ns: a line made from samples */

/* ---- lies, by what they change in the clocks that are published ------------------ */

static int liar; /* the clock whose base is not its own */

static uint64_t *base_of(uint64_t *hres, uint64_t *raw, unsigned scale, int id)
{
	return (id == CLOCK_MONOTONIC_RAW ? raw : hres) + scale + 1 + 2ul * (unsigned)id;
}

static void base_of_another(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	int other = liar == CLOCK_MONOTONIC ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
	uint64_t *to = base_of(hres, raw, scale, liar), *from = base_of(hres, raw, scale, other);

	to[0] = from[0];
	to[1] = from[1];
}

static void no_base(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	uint64_t *base = base_of(hres, raw, scale, liar);

	base[0] = base[1] = 0;
}

/* 30 us: more than a bracket of the kernel's call is wide, and less than NEAR. */
static void a_bit(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	base_of(hres, raw, scale, liar)[1] += 30000ull << 24;
}

static void a_bit_less(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	base_of(hres, raw, scale, liar)[1] -= 30000ull << 24;
}

static void wrapped(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	base_of(hres, raw, scale, liar)[0] = UINT64_MAX;
}

static void another_shift(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	(void)raw;
	hres[scale] += 1ull << 32;
}

/* Half as fast, from a cycle that was some time ago. */
static void another_mult(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	(void)raw;
	hres[scale] -= (uint32_t)hres[scale] / 2;
}

static void another_cycle(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	(void)scale;
	hres[1] -= 1ull << 30;
	raw[1] = hres[1];
}

typedef void lie(uint64_t *hres, uint64_t *raw, unsigned scale);

static lie *const lies_of_one[] = {base_of_another, no_base, a_bit, a_bit_less, wrapped};
static lie *const lies_of_all[] = {another_shift, another_mult, another_cycle};

/* Goes on telling it, at a time that is well after the last tick. */
static void lies(lie *what)
{
	struct simv_time t = simv_mine();

	simv.lie = what;
	simv_put(&t, SIMV_ALL_WORDS);
}

/* ---- from the start ------------------------------------------------------------------ */

/* Reads the clock for so long, whatever happens; never off by more than samples are. */
static void near_the_kernel(int id, unsigned ms)
{
	uint64_t end = simv_now(CLOCK_MONOTONIC_RAW) + ms * (uint64_t)MSEC;

	while (simv_now(CLOCK_MONOTONIC_RAW) < end)
		assert_true(simx_within(id, NEAR));
}

/* A first call that nothing has interrupted: a bracket of milliseconds proves nothing. */
static void first_call(int id, unsigned layout, lie *what)
{
	uint64_t start;
	unsigned tries;

	for (tries = 0; tries < 1000; tries++) {
		simx_start(layout, PVC_VVAR_TSC);
		liar = id;
		lies(what);
		simx_spin_us(200);
		assert_non_null(core.vvar.hres);
		start = simv_tsc();
		now(id);
		if (simv_tsc() - start < 20 * 2445)
			return;
	}
}

static void refused(int id, unsigned layout, lie *what)
{
	uint64_t reads;

	first_call(id, layout, what);
	near_the_kernel(id, 4);
	assert_false(pvc_exact(&core));
	assert_int_equal(atomic_load(&core.exact_refused), 1);
	/* Nothing had been promised. */
	assert_int_equal(simx_count(&core.count_of.violated), 0);
	/* Samples serve, and not the kernel every time. */
	assert_true(simx_count(&core.count_of.anchors) > 0);
	reads = simx_count(&core.count_of.fallbacks);
	near_the_kernel(id, 2);
	assert_true(simx_count(&core.count_of.fallbacks) - reads < 20);
	/* For good, also when it tells the truth again: it cannot be known. */
	lies(NULL);
	simv_update(SIMV_TICK, 0);
	near_the_kernel(id, 1);
	assert_false(pvc_exact(&core));
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

static void refused_at_first_use(void **state)
{
	unsigned i, n, layout;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout += 3)
		for (i = 0; i < SIMV_IDS; i++) {
			for (n = 0; n < sizeof(lies_of_one) / sizeof(*lies_of_one); n++)
				refused(simv_ids[i], layout, lies_of_one[n]);
			for (n = 0; n < sizeof(lies_of_all) / sizeof(*lies_of_all); n++)
				if (simv_ids[i] != CLOCK_MONOTONIC_RAW)
					refused(simv_ids[i], layout, lies_of_all[n]);
		}
}

/* The first clock was right, the next one is not: by none of their calls. */
static void one_of_five(void **state)
{
	unsigned i, n;

	(void)state;
	for (i = 0; i < SIMV_IDS; i++) {
		simx_start(3, PVC_VVAR_TSC);
		core.resync_ns = 1000;
		liar = simv_ids[i];
		lies(a_bit);
		for (n = 0; n < 500; n++)
			assert_true(simv_ids[n % SIMV_IDS] == liar ||
			            simx_within(simv_ids[n % SIMV_IDS], 0));
		assert_true(pvc_exact(&core));
		for (n = 0; n < 3000; n++) {
			simv_update(SIMV_TICK, 0);
			assert_true(simx_all_within(NEAR));
		}
		assert_false(pvc_exact(&core));
	}
}

/* ---- later ------------------------------------------------------------------------------ */

static void found_out(int id, lie *what)
{
	unsigned i;

	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 1000;
	for (i = 0; i < 100; i++)
		assert_true(simx_within(id, 0));
	/* From the next tick on; the audit is due by then. */
	simx_spin_us(300);
	liar = id;
	simv.lie = what;
	for (i = 0; i < 3000 && pvc_exact(&core); i++) {
		simv_update(SIMV_TICK, 0);
		simx_spin_us(20);
		now(id);
		now(id);
	}
	assert_false(pvc_exact(&core));
	assert_int_equal(simx_count(&core.count_of.violated), 1);
	/* An audit comes after some of these, not at the end of the day. */
	assert_true(i < 1000);
	simx_last[id] = 0;
	simx_spin_us(50);
	near_the_kernel(id, 2);
	assert_int_equal(simx_count(&core.count_of.violated), 1);
}

static void found_out_later(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < SIMV_IDS; i++) {
		found_out(simv_ids[i], a_bit);
		found_out(simv_ids[i], a_bit_less);
		found_out(simv_ids[i], no_base);
		found_out(simv_ids[i], wrapped);
	}
	found_out(CLOCK_REALTIME, another_cycle);
}

/* Who is told a time that is ahead does not go back when it is found out. */
static void told_ahead(int id, int other)
{
	uint64_t last = 0, last_other = 0, ns;
	unsigned i, n;

	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 1000;
	for (i = 0; i < 10; i++)
		assert_true(simx_all_within(0));
	liar = id;
	/* All of hres' clocks are ahead, but one of them is asked first. */
	simv.lie = id == other ? a_bit : another_cycle;
	simv_update(SIMV_TICK, 0);
	for (i = 0; i < 20000; i++) {
		if (i % 100 == 0)
			simv_update(SIMV_TICK, 0);
		for (n = 0; n < 2; n++) {
			ns = now(id);
			if (ns < last)
				simx_fail("goes back when found out", id, last, ns, simv_now(id));
			assert_true(ns >= last);
			last = ns;
		}
		if (i % 7)
			continue;
		ns = now(other);
		if (ns < last_other && id != other)
			simx_fail("goes back when found out", other, last_other, ns,
			          simv_now(other));
		assert_true(ns >= last_other || id == other);
		last_other = ns;
	}
	assert_false(pvc_exact(&core));
	assert_int_equal(simx_count(&core.count_of.violated), 1);
}

static void ahead_until_found_out(void **state)
{
	(void)state;
	told_ahead(CLOCK_MONOTONIC, CLOCK_MONOTONIC);
	told_ahead(CLOCK_BOOTTIME, CLOCK_BOOTTIME);
	told_ahead(CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_RAW);
	told_ahead(CLOCK_MONOTONIC, CLOCK_BOOTTIME);
}

/* An interval says what it rests on: before, and after it was found out. */
static void certainties(void **state)
{
	struct pvc_interval i;
	unsigned n;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	core.resync_ns = 1000;
	now(CLOCK_MONOTONIC);
	now(CLOCK_MONOTONIC);
	assert_int_equal(pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i), 0);
	assert_int_equal(i.certainty, PVC_SYNCHRONISED);
	simx_spin_us(300);
	liar = CLOCK_MONOTONIC;
	simv.lie = a_bit_less;
	for (n = 0; n < 1000 && pvc_exact(&core); n++) {
		simv_update(SIMV_TICK, 0);
		simx_spin_us(20);
		assert_int_equal(pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i), 0);
	}
	assert_false(pvc_exact(&core));
	for (n = 0; n < 1000; n++) {
		uint64_t before = simv_now(CLOCK_MONOTONIC), after;

		assert_int_equal(pvc_gettime_interval(&core, CLOCK_MONOTONIC, &i), 0);
		after = simv_now(CLOCK_MONOTONIC);
		assert_true(sim_ns(&i.latest) >= before && sim_ns(&i.earliest) <= after);
		assert_int_not_equal(i.certainty, PVC_SYNCHRONISED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_at_first_use), cmocka_unit_test(one_of_five),
		cmocka_unit_test(found_out_later),      cmocka_unit_test(ahead_until_found_out),
		cmocka_unit_test(certainties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
