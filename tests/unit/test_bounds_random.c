// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Schedules by chance of all that happens to a line made from samples. The legal
 * ones stay within what adjtimex's frequency can do: no interval may be wrong.
 * In the wild ones the clock is set, its tick changed and its counter moved: what
 * was wrong must be noticed, and nothing is left of it when all is quiet again.
 *
 * PVCLOCK_SCHEDULES=n runs that many of each kind, PVCLOCK_SEED=s from there on.
 */
#include "simline.h"

#define DEFAULT_SCHEDULES 600
#define EVENTS 120

static uint64_t schedules(void)
{
	const char *text = getenv("PVCLOCK_SCHEDULES");

	return text ? strtoull(text, NULL, 0) : DEFAULT_SCHEDULES;
}

/* One schedule's, from its number: neighbours have nothing in common. */
static uint64_t scramble(uint64_t seed)
{
	seed = (seed + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	return (seed ^ seed >> 29) | 1;
}

static void any_source(struct sim *s, bool on_ns)
{
	static const uint64_t grains[] = {1, 1, 70, 279};
	uint64_t r = sim_random(&s->seed), grain = grains[r & 3];
	/* Only what is behind a system call is coarse. */
	uint64_t least = grain > 1 || r & 4 ? 150 : 20;

	set_source(s, on_ns, grain, least + (r >> 8) % (r & 8 ? 60 : 1500),
	           500000 + (r >> 32) % (r & 16 ? 2 * MS : 100 * MS));
}

static void any_lateness(struct sim *s)
{
	uint64_t r = sim_random(&s->seed);

	s->late_one_in = r & 1 ? 0 : 1 + (r >> 8) % (r & 2 ? 2 : 100);
	s->late = r & 4 ? 10 * MS : (r >> 32) % 50000;
	s->lopsided = r & 8;
}

static void any_slew(struct sim *s)
{
	uint64_t r = sim_random(&s->seed);

	s->slew.swing = (int)(r % 501);
	s->slew.every = ticks(1000 + (r >> (24 + (r >> 58) % 20)));
	s->slew.randomly = r & 1 << 10;
	slew_now(s);
}

static void rare_readings(struct sim *s)
{
	unsigned i;

	if (s->slew.every < ticks(S))
		s->slew.every = s->slew.left = ticks(S);
	for (i = 0; i < 20; i++) {
		pass(s, ticks(sim_random(&s->seed) >> (30 + i)));
		reading(s);
	}
}

/* Up to three days; nobody changes the frequency a million times meanwhile. */
static void pause_by_chance(struct sim *s, uint64_t r)
{
	uint64_t pause = ticks((r >> 16) % (259200 * S) >> (r & 31));

	if (s->slew.every < pause / 100)
		s->slew.every = s->slew.left = pause / 100;
	pass(s, pause);
}

static void legal_event(struct sim *s)
{
	uint64_t r = sim_random(&s->seed);

	switch (r >> 60 & 7) {
	case 0:
	case 1:
		any_slew(s);
		break;
	case 2:
		pause_by_chance(s, r);
		break;
	case 3:
		any_lateness(s);
		break;
	case 4:
		end(s, r & 1 ? UINT64_MAX : ticks(1000 + (r >> 44)));
		break;
	case 5:
		fall_back(s);
		break;
	case 6:
		any_source(s, r & 1);
		end(s, UINT64_MAX);
		break;
	case 7:
		rare_readings(s);
		break;
	}
}

static void wild_event(struct sim *s)
{
	uint64_t r = sim_random(&s->seed);
	int64_t by = (int64_t)(r >> (16 + r % 40));

	switch (r >> 61) {
	case 0:
		step(s, r & 1 << 20 ? by : -by);
		break;
	case 1:
		s->slew.nominal = ppm(PAGE_RATE, (int)(r % 200001) - 100000);
		slew_now(s);
		break;
	case 2:
		if (!s->on_ns)
			s->t -= ticks((r >> 8) % (MS << (r & 15)));
		end(s, UINT64_MAX);
		break;
	default:
		legal_event(s);
		break;
	}
}

static void set_out(struct sim *s, uint64_t seed)
{
	reset(s, seed >> 32 & 1);
	s->seed = seed;
	any_source(s, seed >> 33 & 1);
	/* The page's rate was proved to 0.2 %; adjtimex's 500 ppm are in that. */
	s->rules.rate = ppm(s->rules.rate, (int)(seed >> 34) % 1400);
	slewing_by(s, 500, S / 2);
	any_slew(s);
	first_sample(s);
	s->watch.on = true;
}

static void tell(const struct sim *s, uint64_t seed)
{
	const struct watch *w = &s->watch;

	print_error("PVCLOCK_SEED=%llu PVCLOCK_SCHEDULES=1: %s, %llu of %llu outside, by %llu ns "
	            "at worst; %llu broken, %llu unnoticed, %llu of our own outside, %u back\n",
	            (unsigned long long)seed, s->rules.settable ? "settable" : "monotonic",
	            (unsigned long long)w->escaped, (unsigned long long)w->checked,
	            (unsigned long long)w->worst, (unsigned long long)w->broken,
	            (unsigned long long)w->unnoticed, (unsigned long long)w->outside, s->backwards);
}

static bool held(const struct sim *s)
{
	const struct watch *w = &s->watch;

	return !w->escaped && !w->broken && !w->unnoticed && !w->outside && !s->backwards;
}

static void legal(void **state)
{
	uint64_t seed = sim_seed(), i, n = schedules(), failed = 0;
	struct sim s;
	unsigned k;

	(void)state;
	for (i = 0; i < n; i++) {
		set_out(&s, scramble(seed + i));
		for (k = 0; k < EVENTS; k++) {
			run(&s, sim_below(&s.seed, 2 * MS), 20000);
			legal_event(&s);
		}
		if (held(&s))
			continue;
		tell(&s, seed + i);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* The frequency is good again, and a sample is what it should be. */
static void quiet(struct sim *s)
{
	any_source(s, s->on_ns);
	end(s, UINT64_MAX);
	s->late_one_in = 0;
	s->slew.nominal = PAGE_RATE;
	slewing_by(s, 0, S);
	s->kernel_rate = PAGE_RATE;
	run(s, 300 * MS, 20000);
}

static void wild(void **state)
{
	uint64_t seed = sim_seed(), i, n = schedules(), failed = 0;
	struct sim s;
	unsigned k;
	bool good;

	(void)state;
	for (i = 0; i < n; i++) {
		set_out(&s, scramble(seed + i));
		for (k = 0; k < EVENTS; k++) {
			run(&s, sim_below(&s.seed, 2 * MS), 20000);
			wild_event(&s);
		}
		good = !s.watch.unnoticed && !s.watch.outside;
		if (!s.rules.settable)
			good = good && !s.backwards;
		quiet(&s);
		if (good) {
			s.watch = (struct watch){.on = true};
			s.backwards = 0;
			run(&s, 200 * MS, 20000);
			good = held(&s);
		}
		if (good)
			continue;
		tell(&s, seed + i);
		failed++;
	}
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legal),
		cmocka_unit_test(wild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
