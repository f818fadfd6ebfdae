// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pvc_line_bounds: its arithmetic at the edges of what a line can hold, how fast
 * an interval grows, and how wide it is with the periods that the core chooses.
 */
#include "simline.h"

#include "../../vdso/anchor.h"

#define FAR (1ull << 62) /* where offsets saturate */

static struct pvc_line plain(uint64_t x0, uint64_t ns, uint64_t rate)
{
	struct pvc_line line = {
		.x0 = x0, .sec = ns / S, .nsec = ns % S, .mult = rate, .rate = rate};

	line.expiry = line.span = pvc_ns_to_x(MS, rate);
	return line;
}

static void at_the_start(void **state)
{
	/* 32.32 ns, below and above */
	const int64_t ns[] = {0, 1, 45, 1000, 50000, 1000000000, 1073741823};
	const int64_t count = sizeof(ns) / sizeof(*ns);
	struct pvc_line line = plain(1ull << 50, 1700000000 * S, PAGE_RATE);
	struct pvc_bounds b;
	int64_t i, k;

	(void)state;
	for (i = 1 - count; i < count; i++)
		for (k = i; k < count; k++) {
			int64_t low = i < 0 ? -ns[-i] : ns[i], high = k < 0 ? -ns[-k] : ns[k];

			line.sure_least = (uint64_t)low << 32;
			line.sure_most = (uint64_t)high << 32;
			b = pvc_line_bounds(&line, line.x0);
			/* Our own value is in it, whatever the kernel's is. */
			assert_int_equal(b.earliest, 1700000000 * (int64_t)S + (low < 0 ? low : 0));
			assert_int_equal(b.latest,
			                 1700000000 * (int64_t)S + (high > 0 ? high : 0) + 1);
		}
}

/* Fractions are rounded apart, never together. */
static void rounding(void **state)
{
	struct pvc_line line = plain(1000, 5 * S, PAGE_RATE);
	struct pvc_bounds b;

	(void)state;
	line.frac = 1ull << 63;
	line.sure_least = -(1ull << 30);
	line.sure_most = 1ull << 30;
	b = pvc_line_bounds(&line, 1000);
	assert_int_equal(b.earliest, 5 * S);
	assert_int_equal(b.latest, 5 * S + 1);
	line.sure_least = -(3ull << 30);
	line.sure_most = 3ull << 30;
	b = pvc_line_bounds(&line, 1000);
	assert_int_equal(b.earliest, 5 * S - 1);
	assert_int_equal(b.latest, 5 * S + 2);
}

/* Further ahead than an offset can say: no promise at the lower end, one at the upper. */
static void saturated(void **state)
{
	struct pvc_line line = plain(1ull << 50, 1700000000 * S, PAGE_RATE);
	struct pvc_bounds b;

	(void)state;
	line.sure_least = line.sure_most = -FAR;
	b = pvc_line_bounds(&line, line.x0 + 1000);
	assert_int_equal(b.earliest, 0);
	assert_in_range(b.latest, 1700000000 * S, 1700000001 * S);
	line.sure_least = -FAR + 1;
	b = pvc_line_bounds(&line, line.x0);
	assert_int_equal(b.earliest, 1700000000 * S - (1 << 30));
}

/* The interval opens with x, up to the last one, and never leaves our value out. */
static void opens(const struct pvc_line *line)
{
	struct pvc_bounds b, was = pvc_line_bounds(line, line->x0);
	unsigned i;

	for (i = 1; i <= 64; i++) {
		uint64_t delta = (pvc_u128)(line->span - 1) * i / 64, x = line->x0 + delta;
		uint64_t says = line_says(line, x);

		b = pvc_line_bounds(line, x);
		assert_true(b.earliest <= says && says <= b.latest);
		/* To a ns of rounding at each end. */
		assert_true(b.latest - b.earliest + 2 >= was.latest - was.earliest);
		assert_true(b.latest >= was.latest);
		was = b;
	}
}

static void any_line(void **state)
{
	uint64_t seed = sim_seed();
	unsigned i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		uint64_t r = sim_random(&seed), rate = sim_random(&seed);
		struct pvc_line line;

		if (rate >> 60 == 0)
			rate |= 1ull << 60;
		/* To the year 2400, from the first ns on. */
		line = plain(r >> 1, sim_random(&seed) >> (1 + r % 63), rate);
		line.span = 1 + sim_below(&seed, PVC_X_LONGEST);
		line.frac = sim_random(&seed);
		line.sure_least = -(sim_random(&seed) >> (2 + r % 40));
		line.sure_most = sim_random(&seed) >> (2 + r % 40);
		/* Held ahead of the kernel: at half speed, and all of it negative. */
		if (r >> 62 == 0) {
			line.mult /= 2;
			line.sure_most = line.sure_least / 2;
		}
		opens(&line);
	}
}

static double grows_by(const struct sim *s)
{
	const struct pvc_line *line = &s->line;
	struct pvc_bounds a = pvc_line_bounds(line, line->x0);
	/* Long after its end, to measure it well. */
	struct pvc_bounds b = pvc_line_bounds(line, line->x0 + ticks(S));

	return (double)((b.latest - b.earliest) - (a.latest - a.earliest)) / 2e3;
}

/* ppm: what the kernel's rate may do, and what is not yet known of it. */
static void growth_by_age(void **state)
{
	struct sim s;

	(void)state;
	reset(&s, false);
	set_source(&s, false, 1, 45, MS);
	s.kernel_rate = ppm(PAGE_RATE, -500);
	first_sample(&s);
	until_sample(&s);
	assert_true(grows_by(&s) > 1000.5 && grows_by(&s) < 2010);
	run(&s, 150 * MS, 20000);
	assert_true(grows_by(&s) > 1000.5 && grows_by(&s) < 2010);
	run(&s, 150 * MS, 20000);
	assert_true(grows_by(&s) > 1000.5 && grows_by(&s) < 1110);
	/* A miss says that nothing is known any more. */
	s.kernel_rate = ppm(PAGE_RATE, 500);
	run(&s, 500 * MS, 20000);
	assert_true(grows_by(&s) > 1000.5 && grows_by(&s) < 1110);
}

static uint64_t width_now(const struct sim *s)
{
	struct pvc_bounds b = pvc_line_bounds(&s->line, input(s));

	return b.latest - b.earliest;
}

/* What was known is not forgotten: a sample that tells nothing adds its time's growth alone. */
static void late_return_widens_little(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, false);
	set_source(&s, false, 1, 45, MS);
	s.late = 10 * MS;
	s.lopsided = true;
	s.watch.on = true;
	for (i = 0; i < 50; i++) {
		run(&s, 300 * MS, 20000);
		s.late_one_in = 1;
		until_sample(&s);
		s.late_one_in = 0;
		/* To both sides, over the return and the line before it. */
		assert_in_range(width_now(&s), 45, 2 * 1110 * 10 + 1000);
		assert_int_equal(s.watch.escaped, 0);
	}
}

/* Just below, at and above what an offset can say, and through it while level is regained. */
static void held_far_ahead(void **state)
{
	const int64_t by[] = {999999999,  1073741000, 1073741823, 1073741824,
	                      1073742000, 1080000000, 1400000000};
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(by) / sizeof(*by); i++) {
		begin(&s, false);
		set_source(&s, false, 1, 45, 10 * MS);
		run(&s, 400 * MS, 20000);
		step(&s, -by[i]);
		until_sample(&s);
		assert_int_equal(s.line.broken, 1);
		s.watch = (struct watch){.on = true};
		slewing_by(&s, 500, 100 * MS);
		run(&s, 3 * S, 20000);
		assert_int_equal(s.watch.escaped, 0);
		assert_int_equal(s.watch.broken, 0);
		assert_int_equal(s.backwards, 0);
		/* Level again. */
		s.judged = true;
		run(&s, 10 * MS, 20000);
		judge(&s, 30000, 30000);
	}
}

/* The slowest TSC that has lines of its own, faster ones than there are, ns, ticks 10 % off. */
static void rates_at_the_limits(void **state)
{
	const uint64_t rates[] = {UINT64_MAX / 8 * 7, UINT64_MAX / 8 * 7 - 1, UINT64_MAX / 100,
	                          PVC_X_NS_RATE};
	const int off[] = {0, 100000, -100000};
	struct sim s;
	unsigned i, n;

	(void)state;
	for (i = 0; i < 4; i++)
		for (n = 0; n < 3; n++) {
			reset(&s, false);
			s.rules.rate = rates[i];
			s.rules.resync = pvc_ns_to_x(MS / 10, rates[i]);
			s.kernel_rate = ppm(rates[i], off[n]);
			slewing_by(&s, 500, 100 * MS);
			first_sample(&s);
			run(&s, MS, 20000);
			s.watch.on = true;
			run(&s, 2 * S, 20000);
			assert_true(s.watch.checked > 1000);
			assert_int_equal(s.watch.escaped, 0);
			assert_int_equal(s.watch.outside, 0);
			assert_int_equal(s.backwards, 0);
		}
}

static void first_instants(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		reset(&s, i & 1);
		set_source(&s, false, i & 2 ? 279 : 1, i & 2 ? 300 : 45, MS);
		/* And nothing before it to go on from. */
		s.kernel = 0;
		s.watch.on = true;
		run(&s, 300 * MS, 1000);
		assert_int_equal(s.watch.escaped, 0);
		assert_int_equal(s.watch.broken, 0);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of half the width, over readings at any time. */
static uint64_t half_width(struct sim *s, uint64_t *most)
{
	static uint64_t half[20000];
	unsigned i;

	for (i = 0; i < 20000; i++) {
		struct pvc_bounds b;

		do {
			pass(s, sim_below(&s->seed, ticks(100000)) + 1);
			reading(s);
		} while (input(s) == s->line.x0);
		b = pvc_line_bounds(&s->line, input(s));
		half[i] = (b.latest - b.earliest + 1) / 2;
	}
	qsort(half, 20000, sizeof(*half), by_size);
	*most = half[19999];
	return half[10000];
}

static void widths(void **state)
{
	const uint64_t sources[][2] = {{1, 45}, {1, 300}, {279, 300}, {279, 1500}};
	uint64_t most, median, period;
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 8; i++) {
		reset(&s, false);
		set_source(&s, false, sources[i / 2][0], sources[i / 2][1], MS);
		if (i & 1)
			slewing_by(&s, 500, 250 * MS);
		first_sample(&s);
		run(&s, S, 20000);
		period = pvc_mulhi(s.rules.resync, PAGE_RATE);
		median = half_width(&s, &most);
		printf("bracket %llu ns, grain %llu, every %llu us, %s: +-%llu ns, %llu at most\n",
		       (unsigned long long)s.bracket, (unsigned long long)s.grain,
		       (unsigned long long)period / 1000, i & 1 ? "slewing" : "steady",
		       (unsigned long long)median, (unsigned long long)most);
		/* Half a bracket, the grain to both sides, and 2000 ppm of the age; rounding. */
		assert_true(most <= s.bracket / 2 + s.rules.grain + period / 500 + 4);
		assert_true(median <= s.bracket / 2 + s.rules.grain + period / 600 + 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_start),
		cmocka_unit_test(rounding),
		cmocka_unit_test(saturated),
		cmocka_unit_test(any_line),
		cmocka_unit_test(growth_by_age),
		cmocka_unit_test(held_far_ahead),
		cmocka_unit_test(rates_at_the_limits),
		cmocka_unit_test(first_instants),
		cmocka_unit_test(late_return_widens_little),
		cmocka_unit_test(widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
