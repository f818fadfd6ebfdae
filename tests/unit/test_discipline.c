// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From line to line against kernels of all kinds. Time, counter and kernel are
 * simulated, so that every run is the same and a week takes no longer than
 * a second.
 */
#include "simline.h"

static void constant_rate(void **state)
{
	struct sim s;
	int by;

	(void)state;
	for (by = -100; by <= 100; by += 50) {
		begin(&s, by == 50);
		s.kernel_rate = ppm(PAGE_RATE, by);
		s.judged = true;
		run(&s, 300 * MS, 20000);
		judge(&s, 300, 300);
		run(&s, 3 * S, 20000);
		judge(&s, 100, 100);
		assert_int_equal(s.sets, 0);
	}
}

static void wrong_first_rate(void **state)
{
	struct sim s;
	int by;

	(void)state;
	for (by = -300; by <= 300; by += 600) {
		begin(&s, by > 0);
		set_rules(&s, ppm(PAGE_RATE, by));
		s.judged = true;
		run(&s, S, 20000);
		judge(&s, 1000, 1000);
		run(&s, 3 * S, 20000);
		judge(&s, 100, 100);
		assert_int_equal(s.sets, 0);
	}
}

/* In one span of 1 ms, 1000 ppm of change are 1000 ns. */
static void slewing(void **state)
{
	struct sim s;
	int i;

	(void)state;
	begin(&s, false);
	run(&s, 500 * MS, 20000);
	s.judged = true;
	for (i = 0; i < 12; i++) {
		s.kernel_rate = ppm(PAGE_RATE, i & 1 ? 500 : -500);
		run(&s, 500 * MS, 20000);
	}
	judge(&s, 2000, 2000);
	assert_int_equal(s.sets, 0);
}

/* adjtimex allows ticks 10 % longer or shorter, at any time. */
static void tick_off(int by, bool settable)
{
	struct sim s;

	begin(&s, settable);
	run(&s, 500 * MS, 20000);
	s.kernel_rate = ppm(PAGE_RATE, by);
	/* What is lost in one span until it is noticed looks like a step, once. */
	s.set = true;
	s.judged = true;
	run(&s, 500 * MS, 20000);
	judge(&s, 120000, 120000);
	s.sets = 0;
	run(&s, 2 * S, 20000);
	judge(&s, 1000, 1000);
	assert_int_equal(s.sets, 0);
}

static void tick_slower(void **state)
{
	(void)state;
	tick_off(-100000, false);
}

static void tick_faster(void **state)
{
	(void)state;
	tick_off(100000, false);
}

/* Not set, so it must not go back either. */
static void tick_slower_settable(void **state)
{
	(void)state;
	tick_off(-100000, true);
}

static void tick_faster_settable(void **state)
{
	(void)state;
	tick_off(100000, true);
}

static void set_is_followed(void **state)
{
	const int64_t by[] = {3600 * (int64_t)S, -3600 * (int64_t)S, 100000, -100000};
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		begin(&s, true);
		run(&s, 500 * MS, 20000);
		assert_int_equal(s.sets, 0);
		step(&s, by[i]);
		pass(&s, s.line.expiry);
		s.judged = true;
		run(&s, S, 20000);
		judge(&s, 1000, 1000);
		assert_int_equal(s.sets, 1);
	}
}

/* Forward at once; back never, but level again as soon as half speed allows. */
static void monotonic_when_set(void **state)
{
	struct sim s;

	(void)state;
	begin(&s, false);
	run(&s, 500 * MS, 20000);
	step(&s, 100000);
	pass(&s, s.line.expiry);
	s.judged = true;
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
	step(&s, -100000);
	pass(&s, s.line.expiry);
	run(&s, 10 * MS, 20000);
	judge(&s, 101000, 1000);
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
	step(&s, 3600 * (int64_t)S);
	pass(&s, s.line.expiry);
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
}

static void idle(void **state)
{
	const uint64_t gap[] = {10 * MS, 3600 * S, 7ull * 86400 * S};
	struct sim s;
	unsigned i;
	int by;

	(void)state;
	for (i = 0; i < 3; i++)
		for (by = -500; by <= 500; by += 500) {
			begin(&s, by == 0);
			run(&s, 500 * MS, 20000);
			s.judged = true;
			s.kernel_rate = ppm(PAGE_RATE, by);
			pass(&s, ticks(gap[i]));
			run(&s, S, 20000);
			pass(&s, ticks(gap[i]));
			run(&s, S, 20000);
			judge(&s, 1000, 1000);
			assert_int_equal(s.sets, 0);
		}
}

/* A caller who reads only now and then pays a kernel read, and gets its value. */
static void rare_readings(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, false);
	s.kernel_rate = ppm(PAGE_RATE, 80);
	s.judged = true;
	for (i = 0; i < 10000; i++) {
		pass(&s, sim_random(&s.seed) % ticks(60 * S));
		reading(&s);
	}
	judge(&s, 100, 100);
}

static void wide_brackets(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, false);
	s.kernel_rate = ppm(PAGE_RATE, 20);
	run(&s, 500 * MS, 20000);
	s.judged = true;
	for (i = 0; i < 300; i++) {
		s.bracket = 10 * MS;
		anchor(&s);
		s.bracket = 50;
		run(&s, 10 * MS, 20000);
	}
	judge(&s, 1000, 1000);
	assert_int_equal(s.sets, 0);
}

static void coarse_kernel(void **state)
{
	const uint64_t grain[] = {70, 279};
	struct sim s;
	unsigned i, on_ns;

	(void)state;
	for (i = 0; i < 2; i++)
		for (on_ns = 0; on_ns < 2; on_ns++) {
			begin(&s, false);
			s.on_ns = on_ns;
			set_rules(&s, on_ns ? PVC_X_NS_RATE : PAGE_RATE);
			s.grain = grain[i];
			s.bracket = 1000;
			s.kernel_rate = ppm(PAGE_RATE, 15);
			run(&s, S, 20000);
			s.judged = true;
			run(&s, 3 * S, 20000);
			judge(&s, 1000 + 2 * grain[i], 1000 + 2 * grain[i]);
			assert_int_equal(s.sets, 0);
		}
}

/*
 * A sample amid a line that still holds, as who has lost a race may take one: readers may
 * be at the line's end, so the next begins no lower; nor higher, while the sample allows
 * for it.
 */
static void sample_within_a_line(void **state)
{
	const uint64_t at[] = {1, ticks(MS / 2), ticks(MS) - 1, ticks(MS)};
	const uint64_t width = 2 * MS;
	struct pvc_line old, line;
	struct pvc_rules rules;
	struct pvc_sample s;
	struct sim sim;
	unsigned i;

	(void)state;
	for (i = 0; i < 8; i++) {
		uint64_t end, said;

		begin(&sim, i & 1);
		run(&sim, 500 * MS, 20000);
		old = sim.line;
		rules = sim.rules;
		rules.floor = 0;
		assert_int_equal(old.span, rules.resync);
		end = pvc_line_reach(&old, old.x0 + old.span);
		said = old.sec * S + old.nsec + pvc_mulhi(at[i / 2], old.mult);
		s = (struct pvc_sample){.x2 = old.x0 + at[i / 2], .ns = said - width / 2};
		s.x1 = s.x2 - ticks(width);
		assert_int_equal(pvc_discipline(&old, &s, &rules, &line), PVC_INSIDE);
		assert_int_equal(line.x0, s.x2);
		assert_in_range(line.sec * S + line.nsec, end, end + 1);
	}
}

/*
 * Two misses in a row, as a clock that is set twice makes them, pass for a rate. How far
 * ahead a line of that rate has come is its own doing: the clock was not set back.
 */
static void own_rate_is_not_a_set(void **state)
{
	const uint64_t back[] = {0, 20 * MS};
	struct pvc_line old, line;
	struct pvc_sample s;
	struct sim sim;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		uint64_t end, kernel_ns;

		begin(&sim, true);
		run(&sim, 500 * MS, 20000);
		old = sim.line;
		old.mult = old.rate = old.rate + old.rate / 9;
		end = pvc_line_reach(&old, old.x0 + old.span);
		kernel_ns = old.sec * S + old.nsec + pvc_mulhi(old.span, PAGE_RATE) - back[i];
		s = (struct pvc_sample){.x2 = old.x0 + old.span, .ns = kernel_ns};
		s.x1 = s.x2 - ticks(30);
		pvc_discipline(&old, &s, &sim.rules, &line);
		if (back[i])
			assert_in_range(line.sec * S + line.nsec, kernel_ns, kernel_ns + 100);
		else
			assert_true(line.sec * S + line.nsec >= end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constant_rate),
		cmocka_unit_test(own_rate_is_not_a_set),
		cmocka_unit_test(wrong_first_rate),
		cmocka_unit_test(slewing),
		cmocka_unit_test(tick_slower),
		cmocka_unit_test(tick_faster),
		cmocka_unit_test(tick_slower_settable),
		cmocka_unit_test(tick_faster_settable),
		cmocka_unit_test(set_is_followed),
		cmocka_unit_test(monotonic_when_set),
		cmocka_unit_test(idle),
		cmocka_unit_test(rare_readings),
		cmocka_unit_test(wide_brackets),
		cmocka_unit_test(coarse_kernel),
		cmocka_unit_test(sample_within_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
