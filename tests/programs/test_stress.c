// SPDX-License-Identifier: LGPL-2.1-or-later
/* stress-ng's clock and timers; its stressors are children that end by _exit. */
#include "proof.h"

static void assert_absent(const struct result *r, const char *part)
{
	if (strstr(r->out, part) || strstr(r->err, part))
		fail_msg("%s%s", r->out, r->err);
}

/* It also says how long it took; in which of the two depends on the version. */
static void check_run(const struct result *r)
{
	if (!strstr(r->out, "successful run completed"))
		assert_contains(r->err, "successful run completed");
	assert_absent(r, "fail:");
	assert_absent(r, "error:");
}

static void stress(const char *option, const char *ops_option, const char *ops, const char *name)
{
	struct program p = {.argv = WORDS("stress-ng", option, "2", ops_option, ops, "--verify",
	                                  "--timeout", "0"),
	                    .name = name,
	                    .check = check_run};

	if (!have("stress-ng"))
		return;
	assert_same_program(&p, 0);
}

/* Reads, sets timers on, and sleeps by each clock that there is. */
static void clocks(void **state)
{
	(void)state;
	stress("--clock", "--clock-ops", "20000", "stress-ng-clock");
}

static void timers(void **state)
{
	(void)state;
	stress("--timer", "--timer-ops", "20000", "stress-ng-timer");
}

static void timerfds(void **state)
{
	(void)state;
	stress("--timerfd", "--timerfd-ops", "20000", "stress-ng-timer");
}

static void hrtimers(void **state)
{
	(void)state;
	stress("--hrtimers", "--hrtimers-ops", "20000", "stress-ng-hrtim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks),
		cmocka_unit_test(timers),
		cmocka_unit_test(timerfds),
		cmocka_unit_test(hrtimers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
