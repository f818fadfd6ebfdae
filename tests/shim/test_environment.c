// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The PVCLOCK_* variables: a bad value is one line on stderr that tells its name,
 * the value and what was expected; the program runs on with the default. Without
 * PVCLOCK_VERBOSE a good one is no word at all.
 */
#include "spawn.h"

static struct result r;

/* The program's own output and status are what they were. */
static void run_echo(const char *const *env)
{
	struct shimmed s = {.argv = WORDS(built("prog_echo"), "42", "a", "b c"), .env = env};

	run_shimmed(&r, &s);
	assert_exit(&r, 42);
	assert_string_equal(r.out, "a\nb c\n");
}

static void bad(const char *name, const char *value, const char *expected)
{
	char env[512], told[1024];

	snprintf(env, sizeof(env), "%s=%s", name, value);
	snprintf(told, sizeof(told), "pvclock: %s: expected %s\n", env, expected);
	run_echo(WORDS(env));
	assert_string_equal(r.err, told);
}

static void bad_values(void **state)
{
	static const char mode[] = "auto, stable, percpu or kernel";
	static const char scope[] = "thread or process";

	(void)state;
	bad("PVCLOCK_MODE", "fast", mode);
	bad("PVCLOCK_MODE", "", mode);
	bad("PVCLOCK_MODE", "STABLE", mode);
	bad("PVCLOCK_MODE", "stable,percpu", mode);
	bad("PVCLOCK_MODE", "%s%n", mode);
	bad("PVCLOCK_SCOPE", "system", scope);
	bad("PVCLOCK_SCOPE", "", scope);
	bad("PVCLOCK_RESYNC_US", "99", "100 to 100000");
	bad("PVCLOCK_RESYNC_US", "100001", "100 to 100000");
	bad("PVCLOCK_RESYNC_US", "", "100 to 100000");
	bad("PVCLOCK_RESYNC_US", "1e3", "100 to 100000");
	bad("PVCLOCK_RESYNC_US", "-1000", "100 to 100000");
	bad("PVCLOCK_RESYNC_US", "99999999999999999999999", "100 to 100000");
	bad("PVCLOCK_SYSCALL", "2", "0 or 1");
	bad("PVCLOCK_SYSCALL", "on", "0 or 1");
	bad("PVCLOCK_SYSCALL", "", "0 or 1");
	bad("PVCLOCK_VERBOSE", "3", "0, 1 or 2");
	bad("PVCLOCK_VERBOSE", "yes", "0, 1 or 2");
	bad("PVCLOCK_VERBOSE", "", "0, 1 or 2");
	bad("PVCLOCK_STATS", "", "the name of a file");
}

/* However long the value is, a line stays one, with all that belongs in it. */
static void long_value(void **state)
{
	static char env[4096] = "PVCLOCK_MODE=";

	(void)state;
	memset(env + strlen(env), 'x', sizeof(env) - strlen(env) - 1);
	run_echo(WORDS(env));
	assert_one_line(r.err, WORDS("PVCLOCK_MODE=xxxxxxxx", "expected auto, stable"));
}

/* Nor can a value make two lines of it, or speak to the terminal. */
static void unprintable_value(void **state)
{
	(void)state;
	run_echo(WORDS("PVCLOCK_MODE=one\nline\033[2J"));
	assert_one_line(r.err, WORDS("PVCLOCK_MODE=one", "expected auto, stable"));
	assert_null(strchr(r.err, '\033'));
}

static void several_bad_values(void **state)
{
	(void)state;
	run_echo(WORDS("PVCLOCK_MODE=a", "PVCLOCK_SCOPE=b", "PVCLOCK_RESYNC_US=c",
	               "PVCLOCK_VERBOSE=d"));
	assert_int_equal(count_lines(r.err), 4);
	assert_contains(r.err, "PVCLOCK_MODE=a");
	assert_contains(r.err, "PVCLOCK_SCOPE=b");
	assert_contains(r.err, "PVCLOCK_RESYNC_US=c");
	assert_contains(r.err, "PVCLOCK_VERBOSE=d");
}

/* With a bad mode the shim does what it does without one. */
static void default_stands(void **state)
{
	static char expected[CAPTURE_SIZE];
	char *end;

	(void)state;
	run_echo(WORDS("PVCLOCK_VERBOSE=1"));
	memcpy(expected, r.err, sizeof(expected));
	/* Up to the page's address, which is another one each time. */
	end = strstr(expected, "; page");
	assert_non_null(end);
	*end = '\0';
	run_echo(WORDS("PVCLOCK_VERBOSE=1", "PVCLOCK_MODE=fast"));
	assert_int_equal(count_lines(r.err), 2);
	assert_contains(r.err, expected);
}

static void silent_unless_asked(void **state)
{
	(void)state;
	run_echo(NULL);
	assert_string_equal(r.err, "");
	run_echo(WORDS("PVCLOCK_VERBOSE=0"));
	assert_string_equal(r.err, "");
	run_echo(WORDS("PVCLOCK_MODE=percpu", "PVCLOCK_SCOPE=thread", "PVCLOCK_RESYNC_US=100"));
	assert_string_equal(r.err, "");
}

static void verbose(void **state)
{
	(void)state;
	run_echo(WORDS("PVCLOCK_VERBOSE=1"));
	assert_one_line(r.err, WORDS("pvclock: mode "));
	run_echo(WORDS("PVCLOCK_VERBOSE=1", "PVCLOCK_MODE=kernel"));
	assert_one_line(r.err, WORDS("pvclock: mode kernel: asked for"));
	/* Twice: at the start and at the end. */
	run_echo(WORDS("PVCLOCK_VERBOSE=2"));
	assert_int_equal(count_lines(r.err), 2);
	assert_contains(r.err, "kernel reads");
}

/* A variable that is nobody's is none of ours. */
static void foreign_variable(void **state)
{
	(void)state;
	run_echo(WORDS("PVCLOCK_MODES=fast", "PVCLOCK_=1", "PVCLOCKMODE=x"));
	assert_string_equal(r.err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_values),        cmocka_unit_test(long_value),
		cmocka_unit_test(unprintable_value), cmocka_unit_test(several_bad_values),
		cmocka_unit_test(default_stands),    cmocka_unit_test(silent_unless_asked),
		cmocka_unit_test(verbose),           cmocka_unit_test(foreign_variable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
