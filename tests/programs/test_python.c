// SPDX-License-Identifier: LGPL-2.1-or-later
/* Python: a program of ours, and the tests that Python has of its own clocks. */
#include "proof.h"

/* The system's, whichever others are in PATH: its tests come in a package. */
#define PYTHON "/usr/bin/python3"

static void clocks(void **state)
{
	struct program p = {.argv = WORDS(PYTHON, source("clock.py")), .name = "python3"};

	(void)state;
	if (!have(PYTHON))
		return;
	assert_same_program(&p, 0);
}

static void check_ok(const struct result *r)
{
	assert_string_equal(r->out, "");
	assert_contains(r->err, "\nOK");
}

static void own_tests(void **state)
{
	struct program p = {.argv = WORDS(PYTHON, "-m", "unittest", "-q", "test.test_time"),
	                    .name = "python3",
	                    .check = check_ok};
	struct command c = {.argv = WORDS(PYTHON, "-c", "import test.test_time")};
	static struct result r;

	(void)state;
	if (!have(PYTHON))
		return;
	run(&r, &c);
	if (r.status != 0) {
		skip_line("Python's own tests", "not installed");
		return;
	}
	assert_same_program(&p, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks),
		cmocka_unit_test(own_tests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
