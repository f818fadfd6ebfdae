// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page of a running program is found in mid-update for long: the kernel answers, and
 * then the page again; the shim tells of both, and counts them. Of the live page nobody
 * can make that, so the program puts another one in its place.
 */
#include "report.h"

#define NOT_HERE 77

static bool taken;

static void run_page(const char *mode, const char *more)
{
	struct shimmed s = {.argv = WORDS(built("prog_page")), .env = WORDS(mode, more)};

	run_shimmed(&r, &s);
	taken = r.status != NOT_HERE;
	if (!taken) {
		skip_line("a page in doubt", "there is no pvclock page that a program may replace");
		return;
	}
	assert_exit(&r, 0);
	assert_string_equal(r.out, "");
}

static void told_by_a_line(const char *mode)
{
	static char env[64], line[64];
	char *rest = r.err;

	snprintf(env, sizeof(env), "PVCLOCK_MODE=%s", mode);
	run_page(env, "PVCLOCK_VERBOSE=1");
	if (!taken)
		return;
	assert_int_equal(count_lines(r.err), 3);
	snprintf(line, sizeof(line), "pvclock: mode %s: ", mode);
	assert_contains(next_line(&rest), line);
	assert_contains(next_line(&rest), "pvclock: mode kernel: the host left an entry in the "
	                                  "middle of an update");
	assert_contains(next_line(&rest), line);
}

static void by_a_line(void **state)
{
	(void)state;
	told_by_a_line("stable");
	told_by_a_line("percpu");
}

static void counted(void **state)
{
	(void)state;
	begin();
	run_page("PVCLOCK_MODE=auto", to_file("stats"));
	if (taken) {
		static struct result text;

		assert_string_equal(r.err, "");
		run_tool(&text, WORDS("cat", in_dir("stats")));
		assert_contains(text.out, "\"given_up\":1,");
		assert_contains(text.out, "\"taken_back\":1");
	}
	end();
}

/* Nobody has asked: not a word. */
static void in_silence(void **state)
{
	(void)state;
	run_page("PVCLOCK_MODE=auto", "PVCLOCK_VERBOSE=0");
	assert_string_equal(r.err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_line),
		cmocka_unit_test(counted),
		cmocka_unit_test(in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
