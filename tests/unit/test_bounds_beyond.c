// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Kernels that do more than adjtimex's frequency allows. No interval can have
 * foreseen that; but the next sample must find it out and say so, and once the
 * kernel is good again so are we.
 */
#include "simline.h"

static const struct {
	uint64_t grain, bracket;
} sources[] = {{1, 45}, {1, 300}, {279, 1500}};
#define SOURCES (sizeof(sources) / sizeof(*sources))
/* Brackets that tell a rate within one short line. */
#define NARROW 2

static void amid_a_line(struct sim *s)
{
	until_sample(s);
	pass(s, ticks(8000));
	assert_true(input(s) - s->line.x0 < s->line.expiry);
}

/* Half a second of a kernel that slews, up to some instant amid a line. */
static void set_out(struct sim *s, unsigned i, bool on_ns, bool settable)
{
	reset(s, settable);
	set_source(s, on_ns, sources[i].grain, sources[i].bracket, MS);
	s->seed += i;
	s->lopsided = true;
	slewing_by(s, 500, 70 * MS);
	first_sample(s);
	s->watch.on = true;
	run(s, 500 * MS, 20000);
	amid_a_line(s);
	assert_int_equal(s->watch.broken, 0);
	assert_int_equal(s->sets, 0);
}

static void begin_anew(struct sim *s)
{
	s->watch = (struct watch){.on = true};
	s->sets = 0;
}

/* Nothing is left of what happened. */
static void all_is_well(struct sim *s)
{
	begin_anew(s);
	run(s, S, 20000);
	assert_true(s->watch.checked > 1000);
	assert_int_equal(s->watch.escaped, 0);
	assert_int_equal(s->watch.outside, 0);
	assert_int_equal(s->watch.broken, 0);
	assert_int_equal(s->backwards, 0);
	/* A clock that is held, for hours, is off from its line all that time. */
	if (s->rules.settable)
		assert_int_equal(s->sets, 0);
}

/*
 * The sample after it counts it: as a step where clocks may be set, as a broken
 * promise where they may not. The sample after that finds nothing.
 */
static void one_step(struct sim *s, int64_t by)
{
	bool settable = s->rules.settable;

	begin_anew(s);
	step(s, by);
	until_sample(s);
	assert_int_equal(s->sets, 1);
	assert_int_equal(s->watch.broken, settable ? 0 : 1);
	assert_int_equal(s->line.broken, settable ? 0 : 1);
	assert_int_equal(s->watch.unnoticed, 0);
	begin_anew(s);
	until_sample(s);
	assert_int_equal(s->line.broken, 0);
	all_is_well(s);
}

static const int64_t steps[] = {
	3600 * (int64_t)S, -3600 * (int64_t)S, MS, -(int64_t)MS, 100000, -100000, 20000, -20000};
#define STEPS (sizeof(steps) / sizeof(*steps))

static void over_steps(bool settable)
{
	struct sim s;
	unsigned i, n, on_ns;

	for (i = 0; i < SOURCES; i++)
		for (on_ns = 0; on_ns < 2; on_ns++)
			for (n = 0; n < STEPS; n++) {
				set_out(&s, i, on_ns, settable);
				one_step(&s, steps[n]);
			}
}

static void steps_of_settable(void **state)
{
	(void)state;
	over_steps(true);
}

/* As BOOTTIME after a suspension, or a kernel that is broken. */
static void steps_of_monotonic(void **state)
{
	(void)state;
	over_steps(false);
}

/* REALTIME is followed to the very value, TAI does not know of it. */
static void leap(int64_t by)
{
	struct sim realtime, tai;

	set_out(&realtime, 0, false, true);
	set_out(&tai, 0, false, true);
	one_step(&realtime, by);
	step(&tai, 0);
	begin_anew(&tai);
	all_is_well(&tai);
	realtime.judged = true;
	run(&realtime, S, 20000);
	judge(&realtime, 1000, 1000);
}

static void leap_second_inserted(void **state)
{
	(void)state;
	leap(-(int64_t)S);
}

static void leap_second_deleted(void **state)
{
	(void)state;
	leap(S);
}

/*
 * The tick is set 10 % off, and back: the first sample takes it for a step, the
 * second knows the rate, and so the third finds nothing.
 */
static void tick(struct sim *s, int by)
{
	begin_anew(s);
	s->slew.every = 0;
	s->kernel_rate = ppm(PAGE_RATE, by);
	/* So a clock that may be set is, back as well. */
	s->set = true;
	until_sample(s);
	assert_int_equal(s->sets, 1);
	assert_int_equal(s->line.broken, !s->rules.settable);
	until_sample(s);
	assert_int_equal(s->sets, 1);
	assert_int_equal(s->line.broken, 1);
	until_sample(s);
	assert_int_equal(s->line.broken, 0);
	assert_int_equal(s->watch.unnoticed, 0);
	slewing_by(s, 500, 70 * MS);
	all_is_well(s);
}

static void tick_set(void **state)
{
	struct sim s;
	unsigned i, variant;

	(void)state;
	for (i = 0; i < NARROW; i++)
		for (variant = 0; variant < 8; variant++) {
			int by = variant & 4 ? 100000 : -100000;

			set_out(&s, i, variant & 1, variant & 2);
			tick(&s, by);
			amid_a_line(&s);
			tick(&s, 0);
		}
}

/* At any instant: a sample that comes right after it does not see much of it. */
static void tick_set_at_any_time(void **state)
{
	struct sim s;
	unsigned i, n;

	(void)state;
	for (i = 0; i < 60; i++) {
		set_out(&s, i % NARROW, i & 2, i & 4);
		for (n = 0; n < 10; n++) {
			pass(&s, sim_below(&s.seed, ticks(MS)));
			s.slew.every = 0;
			s.kernel_rate = ppm(PAGE_RATE, n & 1 ? 0 : i & 8 ? 100000 : -100000);
			begin_anew(&s);
			until_sample(&s);
			until_sample(&s);
			until_sample(&s);
			assert_int_equal(s.watch.unnoticed, 0);
			until_sample(&s);
			assert_int_equal(s.line.broken, 0);
			begin_anew(&s);
			run(&s, 300 * MS, 20000);
			assert_int_equal(s.watch.escaped, 0);
			assert_int_equal(s.watch.broken, 0);
		}
		if (!s.rules.settable)
			assert_int_equal(s.backwards, 0);
	}
}

/* Coarse clocks take longer to learn a rate, but learn it. */
static void tick_set_on_coarse(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 60; i++) {
		set_out(&s, NARROW, i & 1, i & 2);
		s.slew.every = 0;
		s.kernel_rate = ppm(PAGE_RATE, i & 4 ? 100000 : -100000);
		begin_anew(&s);
		until_sample(&s);
		assert_true(s.sets + s.watch.broken > 0);
		run(&s, 50 * MS, 20000);
		assert_int_equal(s.watch.unnoticed, 0);
		/* What is behind us may have looked like a setting. */
		if (s.rules.settable)
			s.backwards = 0;
		all_is_well(&s);
	}
}

/* Lower and lower: what we have said we stand by, and the interval tells. */
static void goes_back_again_and_again(void **state)
{
	struct sim s;
	unsigned i, n;

	(void)state;
	for (i = 0; i < SOURCES; i++) {
		set_out(&s, i, false, false);
		for (n = 0; n < 3000; n++) {
			run(&s, sim_below(&s.seed, MS) + 1, 20000);
			step(&s,
			     -(int64_t)(sim_random(&s.seed) >> (34 + sim_random(&s.seed) % 30)));
		}
		assert_int_equal(s.backwards, 0);
		assert_int_equal(s.watch.unnoticed, 0);
		assert_true(s.watch.broken > 0);
		until_sample(&s);
		until_sample(&s);
		all_is_well(&s);
	}
}

/* To the start of time and to its end. */
static void nonsense(void **state)
{
	const int64_t to[] = {-INT64_MAX, INT64_MAX, -1700000000 * (int64_t)S, 1, -1};
	struct sim s;
	unsigned i, n;

	(void)state;
	for (i = 0; i < 5; i++)
		for (n = 0; n < 2; n++) {
			set_out(&s, 0, false, n);
			step(&s, to[i]);
			run(&s, S, 20000);
			assert_int_equal(s.backwards, 0);
			step(&s, -to[i]);
			run(&s, S, 20000);
			assert_int_equal(s.backwards, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_of_settable),
		cmocka_unit_test(steps_of_monotonic),
		cmocka_unit_test(leap_second_inserted),
		cmocka_unit_test(leap_second_deleted),
		cmocka_unit_test(tick_set),
		cmocka_unit_test(tick_set_at_any_time),
		cmocka_unit_test(tick_set_on_coarse),
		cmocka_unit_test(goes_back_again_and_again),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
