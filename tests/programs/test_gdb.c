// SPDX-License-Identifier: LGPL-2.1-or-later
/* gdb: breakpoints, also in the reading of a clock, and a program stopped at each instruction. */
#include "proof.h"

static void run_gdb(const char *const *argv, void (*check)(const struct result *r))
{
	struct program p = {.argv = argv,
	                    .name = "prog_clock-plai",
	                    .also = "gdb",
	                    .env = WORDS("DEBUGINFOD_URLS=", "SHELL=/bin/sh", "LC_ALL=C"),
	                    .check = check};

	if (have_ptrace("gdb"))
		assert_same_program(&p, 0);
}

static void check_end(const struct result *r)
{
	/* Amid what gdb says of threads, perhaps. */
	assert_contains(r->out, "ok\n");
	assert_contains(r->out, "exited normally]\n");
}

static void check_steps(const struct result *r)
{
	assert_contains(r->out, "Breakpoint 1, halfway (");
	assert_contains(r->out, " in reader (");
	check_end(r);
	assert_string_equal(r->err, "");
}

/* Some readings of each clock, with a stop after each instruction. */
static void steps(void **state)
{
	(void)state;
	run_gdb(WORDS("gdb", "-nx", "-q", "-batch", "-ex", "break halfway", "-ex", "run", "-ex",
	              "backtrace", "-ex", "stepi 3000", "-ex", "continue", "--args",
	              made("prog_clock-plain")),
	        check_steps);
}

static void check_breakpoints(const struct result *r)
{
	assert_contains(r->out, "Breakpoint 1, halfway (");
	assert_contains(r->out, "already hit 201 times\n");
	check_end(r);
}

/*
 * In whatever answers to the name: libc, the vDSO, the shim. It complains that libc's source
 * is not here.
 */
static void breakpoints(void **state)
{
	(void)state;
	run_gdb(WORDS("gdb", "-nx", "-q", "-batch", "-ex", "break halfway", "-ex", "run", "-ex",
	              "break clock_gettime", "-ex", "ignore 2 200", "-ex", "continue", "-ex",
	              "info breakpoints", "-ex", "delete", "-ex", "continue", "--args",
	              made("prog_clock-plain")),
	        check_breakpoints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(breakpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
