// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The interval that a line made from samples promises, against kernels that do
 * whatever adjtimex's frequency allows: the kernel's clock is in it at every
 * instant at which the line holds, and no sample says otherwise.
 */
#include "simline.h"

#define DAY (86400 * S)

struct source {
	uint64_t grain, bracket;
};

/* The vDSO's, and a system call's with the TSC, hpet and acpi_pm behind it. */
static const struct source sources[] = {{1, 45}, {1, 300}, {70, 300}, {279, 300}, {279, 1500}};
#define SOURCES (sizeof(sources) / sizeof(*sources))

static void set_out(struct sim *s, const struct source *source, unsigned variant)
{
	reset(s, variant & 1);
	set_source(s, variant & 2, source->grain, source->bracket, MS);
	s->seed += variant;
	s->lopsided = true;
}

/* By the first line the page's rate is judged; from the second on all must hold. */
static void go(struct sim *s)
{
	first_sample(s);
	until_sample(s);
	until_sample(s);
	s->watch.on = true;
}

static void held(const struct sim *s, const char *what)
{
	const struct watch *w = &s->watch;

	if (w->escaped || w->broken || w->outside || s->backwards)
		print_error(
			"%s: grain %llu, bracket %llu, %s, %s: %llu of %llu outside, by %llu ns at "
			"worst; %llu broken, %llu of our own outside, %u back\n",
			what, (unsigned long long)s->grain, (unsigned long long)s->bracket,
			s->on_ns ? "ns" : "TSC", s->rules.settable ? "settable" : "monotonic",
			(unsigned long long)w->escaped, (unsigned long long)w->checked,
			(unsigned long long)w->worst, (unsigned long long)w->broken,
			(unsigned long long)w->outside, s->backwards);
	assert_true(w->checked > 100);
	assert_int_equal(w->escaped, 0);
	assert_int_equal(w->broken, 0);
	assert_int_equal(w->outside, 0);
	assert_int_equal(s->backwards, 0);
}

static void over_all(const char *what, void (*kind)(struct sim *s))
{
	struct sim s;
	unsigned i, variant;

	for (i = 0; i < SOURCES; i++)
		for (variant = 0; variant < 4; variant++) {
			set_out(&s, &sources[i], variant);
			kind(&s);
			held(&s, what);
		}
}

static void steady(struct sim *s)
{
	go(s);
	run(s, 2 * S, 20000);
}

static void flips(struct sim *s)
{
	slewing_by(s, 500, S / 2);
	go(s);
	run(s, 4 * S, 20000);
}

/* The worst that may come right after a baseline at the other end. */
static void flips_after_long(struct sim *s)
{
	slewing_by(s, 500, 3 * S);
	go(s);
	run(s, 10 * S, 50000);
}

static void flips_by_chance(struct sim *s)
{
	slewing_by(s, 500, 100 * MS);
	s->slew.randomly = true;
	go(s);
	run(s, 4 * S, 20000);
}

static void flips_often(struct sim *s)
{
	slewing_by(s, 500, 300000);
	s->slew.randomly = true;
	go(s);
	run(s, 2 * S, 20000);
}

/* A tick that is off all the time is a rate like any other. */
static void slow_tick(struct sim *s)
{
	s->kernel_rate = ppm(PAGE_RATE, -100000);
	flips(s);
}

static void fast_tick(struct sim *s)
{
	s->kernel_rate = ppm(PAGE_RATE, 100000);
	flips(s);
}

static void late_now_and_then(struct sim *s)
{
	s->late_one_in = 20;
	s->late = 10 * MS;
	flips_by_chance(s);
}

static void late_a_little(struct sim *s)
{
	s->late_one_in = 5;
	s->late = 50000;
	flips_by_chance(s);
}

static void always_late(struct sim *s)
{
	s->late_one_in = 1;
	s->late = 10 * MS;
	flips_by_chance(s);
	run(s, 60 * S, 20000);
}

static void always_late_a_little(struct sim *s)
{
	s->late_one_in = 1;
	s->late = 50000;
	flips_by_chance(s);
}

/* The user's longest and shortest. */
static void long_periods(struct sim *s)
{
	set_source(s, s->on_ns, s->grain, s->bracket, 100 * MS);
	slewing_by(s, 500, S / 4);
	s->slew.randomly = true;
	go(s);
	run(s, 60 * S, MS);
}

static void short_periods(struct sim *s)
{
	set_source(s, s->on_ns, s->grain, s->bracket, 500000);
	flips_by_chance(s);
}

static void every_10_ms(struct sim *s)
{
	unsigned i;

	slewing_by(s, 500, S / 2);
	go(s);
	for (i = 0; i < 60000; i++) {
		pass(s, ticks(10 * MS));
		reading(s);
	}
}

static void every_hour(struct sim *s)
{
	unsigned i;

	slewing_by(s, 500, 1000 * S);
	s->slew.randomly = true;
	go(s);
	for (i = 0; i < 500; i++) {
		pass(s, ticks(3600 * S));
		run(s, 2 * MS, 10000);
	}
}

/* From one end to the other while nobody looks. */
static void pauses(struct sim *s)
{
	const uint64_t pause[] = {200 * S, 3 * DAY, 7 * DAY, 200 * S, 300 * DAY};
	unsigned i;

	slewing_by(s, 500, 200 * S);
	s->slew.randomly = true;
	go(s);
	for (i = 0; i < 5; i++) {
		run(s, S / 2, 20000);
		pass(s, ticks(pause[i]));
		run(s, S / 2, 20000);
	}
}

/* The page's rate is proved to 0.2 %, and no more. */
static void page_off(struct sim *s, int by)
{
	s->rules.rate = ppm(s->rules.rate, by);
	flips(s);
}

static void page_fast(struct sim *s)
{
	page_off(s, 1000);
}

static void page_slow(struct sim *s)
{
	page_off(s, -1000);
}

/* A baseline between late returns bounds nothing: the rate stays where the page has it. */
static void page_off_and_late(struct sim *s)
{
	s->rules.rate = ppm(s->rules.rate, 1000);
	s->late_one_in = 1;
	s->late = 10 * MS;
	slewing_by(s, 500, S);
	go(s);
	run(s, S, 20000);
	s->late_one_in = 0;
	run(s, 3 * S, 20000);
}

#define KIND(name)                                                                                 \
	static void of_##name(void **state)                                                        \
	{                                                                                          \
		(void)state;                                                                       \
		over_all(#name, name);                                                             \
	}

KIND(steady)
KIND(flips)
KIND(flips_after_long)
KIND(flips_by_chance)
KIND(flips_often)
KIND(slow_tick)
KIND(fast_tick)
KIND(late_now_and_then)
KIND(late_a_little)
KIND(always_late)
KIND(always_late_a_little)
KIND(long_periods)
KIND(short_periods)
KIND(every_10_ms)
KIND(every_hour)
KIND(pauses)
KIND(page_fast)
KIND(page_slow)
KIND(page_off_and_late)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_steady),
		cmocka_unit_test(of_flips),
		cmocka_unit_test(of_flips_after_long),
		cmocka_unit_test(of_flips_by_chance),
		cmocka_unit_test(of_flips_often),
		cmocka_unit_test(of_slow_tick),
		cmocka_unit_test(of_fast_tick),
		cmocka_unit_test(of_late_now_and_then),
		cmocka_unit_test(of_late_a_little),
		cmocka_unit_test(of_always_late),
		cmocka_unit_test(of_always_late_a_little),
		cmocka_unit_test(of_long_periods),
		cmocka_unit_test(of_short_periods),
		cmocka_unit_test(of_every_10_ms),
		cmocka_unit_test(of_every_hour),
		cmocka_unit_test(of_pauses),
		cmocka_unit_test(of_page_fast),
		cmocka_unit_test(of_page_slow),
		cmocka_unit_test(of_page_off_and_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
