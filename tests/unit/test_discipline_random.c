// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines that are ended early, inputs that change under them, kernels that do
 * what none should, and schedules of all that by chance.
 */
#include "simline.h"

static void begin_says_nothing(void **state)
{
	struct pvc_sample first = {1000, 2000, 5 * S};
	struct pvc_line line;

	(void)state;
	memset(&line, 0x55, sizeof(line));
	pvc_discipline_begin(&first, PAGE_RATE, &line);
	assert_int_equal(line.expiry, 0);
	assert_int_equal(line.span, 0);
	assert_int_equal(line.base_x, 2000);
	assert_int_equal(line.base_ns, 5 * S);
	/* 1000 ticks of 0.41 ns */
	assert_in_range(line.base_width, 409, 412);
}

static void reach_of_lines(void **state)
{
	struct pvc_line line = {.x0 = 1000, .expiry = 1000, .mult = 1ull << 63};

	(void)state;
	line.span = 1000;
	line.sec = 1;
	/* Live: to its end, wherever we are. */
	assert_int_equal(pvc_line_reach(&line, 1010), S + 500);
	line.expiry = 0;
	line.cut = 20;
	assert_int_equal(pvc_line_reach(&line, 1010), S + 15);
	assert_int_equal(pvc_line_reach(&line, 1990), S + 500);
	assert_int_equal(pvc_line_reach(&line, 5000), S + 500);
	/* A counter that went back tells nothing of how far they came. */
	assert_int_equal(pvc_line_reach(&line, 999), S + 500);
	line.cut = UINT64_MAX;
	assert_int_equal(pvc_line_reach(&line, 1010), S + 500);
}

static void cut_a_little(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(&s, i);
		run(&s, 500 * MS, 20000);
		s.judged = true;
		for (unsigned n = 0; n < 1000; n++) {
			run(&s, sim_random(&s.seed) % (2 * MS), 20000);
			end(&s, ticks(1000));
		}
		judge(&s, 2000, 1000);
		assert_int_equal(s.sets, 0);
	}
}

/* Cut where nobody knows how far readers came: at most a span ahead, for long. */
static void cut_blindly(void **state)
{
	struct sim s;

	(void)state;
	begin(&s, false);
	run(&s, 500 * MS, 20000);
	s.judged = true;
	end(&s, UINT64_MAX);
	run(&s, 10 * MS, 20000);
	judge(&s, MS + 1000, 1000);
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
	assert_int_equal(s.sets, 0);
}

/* A line that ends is no setting of the clock. */
static void cut_is_not_set(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, true);
	for (i = 0; i < 100; i++) {
		run(&s, 10 * MS, 20000);
		end(&s, UINT64_MAX);
		run(&s, 10 * MS, 20000);
	}
	assert_int_equal(s.backwards, 0);
	assert_int_equal(s.sets, 0);
}

/*
 * Nor is what a late return has hidden. After a long pause the rate is known well,
 * and wrong as soon as the kernel slews: in a second without a reading by 500 us.
 */
static void cut_is_not_set_when_late(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, true);
	set_source(&s, false, 1, 45, MS);
	s.late = 10 * MS;
	for (i = 0; i < 20; i++) {
		s.kernel_rate = PAGE_RATE;
		run(&s, 500 * MS, 20000);
		pass(&s, ticks(100 * S));
		run(&s, MS, 20000);
		s.kernel_rate = ppm(PAGE_RATE, -500);
		pass(&s, ticks(S));
		s.late_one_in = 1;
		reading(&s);
		end(&s, UINT64_MAX);
		s.late_one_in = 0;
		run(&s, 100 * MS, 20000);
	}
	assert_int_equal(s.backwards, 0);
	assert_int_equal(s.sets, 0);
}

/* The counter is no longer one for all CPUs: go on by hypervisor ns, and back. */
static void input_changes(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin(&s, false);
		run(&s, 500 * MS, 20000);
		s.judged = true;
		for (unsigned n = 0; n < 10; n++) {
			s.on_ns = !s.on_ns;
			set_rules(&s, s.on_ns ? PVC_X_NS_RATE : PAGE_RATE);
			/* announced, or found so */
			if (i)
				end(&s, UINT64_MAX);
			run(&s, 10 * MS, 20000);
			judge(&s, MS + 1000, 1000);
			run(&s, S, 20000);
			judge(&s, 1000, 1000);
		}
		assert_int_equal(s.sets, 0);
	}
}

/* A TSC that starts lower, as after a restore, while the kernel goes on. */
static void counter_goes_back(void **state)
{
	struct sim s;

	(void)state;
	begin(&s, false);
	run(&s, 500 * MS, 20000);
	s.judged = true;
	s.t -= ticks(3600 * S);
	run(&s, 10 * MS, 20000);
	judge(&s, MS + 1000, 1000);
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
	/* By less than a line: then the host has told, and how much it may be. */
	end(&s, ticks(201000));
	s.t -= ticks(200000);
	run(&s, S, 20000);
	run(&s, S, 20000);
	s.ahead = s.behind = 0;
	run(&s, S, 20000);
	judge(&s, 1000, 1000);
}

/* It must not, and some have: we do not follow where we may not. */
static void kernel_goes_back(void **state)
{
	struct sim s;
	unsigned i;

	(void)state;
	begin(&s, false);
	for (i = 0; i < 2000; i++) {
		run(&s, sim_random(&s.seed) % (3 * MS), 20000);
		step(&s, -(int64_t)(sim_random(&s.seed) >> (34 + sim_random(&s.seed) % 30)));
	}
	assert_int_equal(s.backwards, 0);
}

static void one_by_chance(struct sim *s, uint64_t dice, bool steps)
{
	uint64_t r = sim_random(&s->seed);

	switch (dice) {
	case 0:
		s->kernel_rate = ppm(PAGE_RATE, (int)(r % 1001) - 500);
		break;
	case 1:
		pass(s, ticks(r >> (20 + (r & 31))));
		break;
	case 2:
		s->bracket = r >> 32 & 1 ? 50 : 20 + (r & 0xfffff) % 50000;
		break;
	case 3:
		end(s, r & 1 ? UINT64_MAX : ticks(1000 + (r >> 40)));
		break;
	case 4:
		fall_back(s);
		break;
	case 5:
		s->grain = 1 + (r & 0xff);
		break;
	case 6:
		s->on_ns = !s->on_ns;
		set_rules(s, s->on_ns ? PVC_X_NS_RATE : PAGE_RATE);
		end(s, UINT64_MAX);
		break;
	case 7:
		if (!s->rules.settable)
			step(s, (int64_t)(r >> (24 + r % 30)));
		else if (steps)
			step(s, (r & 1 ? 1 : -1) * (int64_t)(r >> (24 + r % 30)));
		break;
	}
}

static void by_chance(void **state)
{
	uint64_t seed = sim_seed();
	struct sim s;
	unsigned i, n;

	(void)state;
	for (i = 0; i < 200; i++) {
		begin(&s, i & 1);
		s.seed = sim_random(&seed) | 1;
		for (n = 0; n < 500; n++) {
			run(&s, sim_random(&s.seed) % (2 * MS), 20000);
			one_by_chance(&s, sim_random(&s.seed) % 8, i % 4 == 3);
		}
		/* A small step hides in a wide bracket, and shows any time later. */
		if (i % 4 == 3)
			s.backwards = 0;
		assert_int_equal(s.backwards, 0);
		/* And when all is quiet again, it is where the kernel is. */
		if (s.kernel >> 64 < s.told)
			continue;
		s.bracket = 50;
		s.grain = 1;
		run(&s, S, 20000);
		s.judged = true;
		run(&s, S, 20000);
		judge(&s, 1000, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin_says_nothing), cmocka_unit_test(reach_of_lines),
		cmocka_unit_test(cut_a_little),       cmocka_unit_test(cut_blindly),
		cmocka_unit_test(cut_is_not_set),     cmocka_unit_test(cut_is_not_set_when_late),
		cmocka_unit_test(input_changes),      cmocka_unit_test(counter_goes_back),
		cmocka_unit_test(kernel_goes_back),   cmocka_unit_test(by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
