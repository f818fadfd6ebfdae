// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pvclock-run: the program under the shim, its arguments and status untouched;
 * what is wrong with the command line is told before anything is run.
 */
#include "spawn.h"

#define EXIT_USAGE 2
#define EXIT_NOT_RUN 126
#define EXIT_NOT_FOUND 127

static struct result r;
static char runner[PATH_MAX];

static int find_runner(void **state)
{
	(void)state;
	snprintf(runner, sizeof(runner), "%s/pvclock-run", setting("PVCLOCK_BUILD"));
	if (access(runner, X_OK) != 0) {
		print_error("%s is not there: make it first\n", runner);
		return -1;
	}
	return 0;
}

static void run_in(const char *const *env, const char *const *argv, int status)
{
	struct command c = {.argv = argv, .env = env};

	run(&r, &c);
	assert_exit(&r, status);
}

static void under_the_shim(void **state)
{
	(void)state;
	run_in(NULL, WORDS(runner, "-v", "true"), 0);
	assert_one_line(r.err, WORDS("pvclock: mode "));
	run_in(NULL, WORDS(runner, "-v", "-v", "true"), 0);
	assert_int_equal(count_lines(r.err), 2);
	run_in(NULL, WORDS(runner, "--verbose", "--mode=kernel", "true"), 0);
	assert_one_line(r.err, WORDS("pvclock: mode kernel: asked for"));
	run_in(NULL, WORDS(runner, "-m", "percpu", "-s", "thread", "-r", "100", "true"), 0);
	assert_string_equal(r.err, "");
	run_in(NULL, WORDS(runner, "--syscall", "sh", "-c", "echo $PVCLOCK_SYSCALL"), 0);
	assert_string_equal(r.out, "1\n");
	run_in(WORDS("PVCLOCK_SYSCALL=0"), WORDS(runner, "-c", "sh", "-c", "echo $PVCLOCK_SYSCALL"),
	       0);
	assert_string_equal(r.out, "1\n");
	run_in(NULL, WORDS(runner, "sh", "-c", "echo $PVCLOCK_SYSCALL"), 0);
	assert_string_equal(r.out, "\n");
	run_in(NULL, WORDS(runner, built("prog_names")), 0);
	assert_contains(r.out, "linked clock_gettime default libpvclock-preload.so\n");
}

/* What the options say goes before what the environment says. */
static void options_before_environment(void **state)
{
	(void)state;
	run_in(WORDS("PVCLOCK_MODE=percpu"), WORDS(runner, "-v", "-m", "kernel", "true"), 0);
	assert_contains(r.err, "pvclock: mode kernel: asked for");
	run_in(WORDS("PVCLOCK_MODE=kernel"), WORDS(runner, "-v", "true"), 0);
	assert_contains(r.err, "pvclock: mode kernel: asked for");
}

static void status_and_arguments(void **state)
{
	(void)state;
	run_in(NULL, WORDS(runner, built("prog_echo"), "42", "a  b", "", "--mode", "-v", "-S"), 42);
	assert_string_equal(r.out, "a  b\n\n--mode\n-v\n-S\n");
	assert_string_equal(r.err, "");
	run_in(NULL, WORDS(runner, "--", built("prog_echo"), "1", "--", "x"), 1);
	assert_string_equal(r.out, "--\nx\n");
	run_in(NULL, WORDS(runner, "sh", "-c", "kill -KILL $$"), 128 + SIGKILL);
}

static void usage(const char *const *argv, const char *const *told)
{
	run_in(NULL, argv, EXIT_USAGE);
	assert_one_line(r.err, told);
	assert_string_equal(r.out, "");
}

static void bad_options(void **state)
{
	(void)state;
	usage(WORDS(runner, "-m", "fast", "echo", "x"),
	      WORDS("pvclock-run: ", "fast", "expected auto, stable, percpu or kernel"));
	usage(WORDS(runner, "--scope=cpu", "echo", "x"),
	      WORDS("pvclock-run: ", "cpu", "expected thread or process"));
	usage(WORDS(runner, "--resync-us", "99", "echo", "x"),
	      WORDS("pvclock-run: ", "99", "expected 100 to 100000"));
	usage(WORDS(runner), WORDS("pvclock-run: expected a program to run"));
	usage(WORDS(runner, "-v", "-m", "kernel"), WORDS("pvclock-run: expected a program to run"));
	usage(WORDS(runner, "--no-such-option", "echo", "x"), WORDS("--no-such-option"));
	usage(WORDS(runner, "-Z", "echo", "x"), WORDS("'Z'"));
	usage(WORDS(runner, "--mode"), WORDS("--mode"));
}

static void help_and_version(void **state)
{
	(void)state;
	run_in(NULL, WORDS(runner, "--help"), 0);
	assert_string_equal(r.err, "");
	assert_contains(r.out, "--resync-us");
	run_in(NULL, WORDS(runner, "--version"), 0);
	assert_string_equal(r.err, "");
	assert_contains(r.out, "pvclock-run 0.");
}

static void not_a_program(void **state)
{
	(void)state;
	run_in(NULL, WORDS(runner, "/no/such/program"), EXIT_NOT_FOUND);
	assert_one_line(r.err, WORDS("pvclock-run: /no/such/program: "));
	/* A directory in PATH that may not be searched is another failure. */
	run_in(WORDS("PATH=/usr/bin:/bin"), WORDS(runner, "no-such-program-anywhere", "x"),
	       EXIT_NOT_FOUND);
	assert_one_line(r.err, WORDS("pvclock-run: no-such-program-anywhere: "));
	run_in(NULL, WORDS(runner, "/"), EXIT_NOT_RUN);
	assert_one_line(r.err, WORDS("pvclock-run: /: "));
}

static void other_preloads_stay(void **state)
{
	static char early[PATH_MAX + 16];

	(void)state;
	snprintf(early, sizeof(early), "LD_PRELOAD=%s", built("lib_early.so"));
	run_in(WORDS(early), WORDS(runner, "sh", "-c", "echo $LD_PRELOAD"), 0);
	/* Twice: in pvclock-run itself, and under the shim. */
	assert_string_equal(r.err, "early: well\nearly: well\n");
	assert_int_equal(strncmp(r.out, shim_path(), strlen(shim_path())), 0);
	assert_contains(r.out, "/libpvclock-preload.so:");
	assert_contains(r.out, strchr(early, '/'));
	run_in(WORDS("LD_PRELOAD="), WORDS(runner, "sh", "-c", "echo $LD_PRELOAD"), 0);
	assert_int_equal(r.out[strlen(r.out) - 2], 'o');
}

static void another_shim(void **state)
{
	char dir[PATH_MAX], copy[PATH_MAX], colon[PATH_MAX];

	(void)state;
	run_in(NULL, WORDS(runner, "--shim", "/no/such/shim.so", "echo", "x"), EXIT_NOT_RUN);
	assert_one_line(r.err, WORDS("pvclock-run: /no/such/shim.so: "));
	assert_string_equal(r.out, "");
	make_tree(dir);
	snprintf(copy, sizeof(copy), "%.4000s/shim.so", dir);
	snprintf(colon, sizeof(colon), "%.4000s/a:b.so", dir);
	run_tool(&r, WORDS("cp", shim_path(), copy));
	run_tool(&r, WORDS("cp", shim_path(), colon));
	run_in(NULL, WORDS(runner, "--shim", copy, built("prog_names")), 0);
	assert_contains(r.out, "linked clock_gettime default shim.so\n");
	/* ld.so would look for a name without a slash where libraries are. */
	run_tool(&r, WORDS("sh", "-c", "cd \"$0\" && exec \"$1\" --shim shim.so \"$2\"", dir,
	                   runner, built("prog_names")));
	assert_contains(r.out, "linked clock_gettime default shim.so\n");
	run_in(NULL, WORDS(runner, "--shim", colon, "echo", "x"), EXIT_NOT_RUN);
	assert_one_line(r.err, WORDS("a:b.so"));
	assert_string_equal(r.out, "");
	remove_tree(dir);
}

static void stats_option(void **state)
{
	char dir[PATH_MAX], option[PATH_MAX + 16], file[PATH_MAX], env[PATH_MAX + 16];

	(void)state;
	make_tree(dir);
	snprintf(file, sizeof(file), "%.4000s/out", dir);
	snprintf(option, sizeof(option), "--stats=%.4000s", file);
	snprintf(env, sizeof(env), "PVCLOCK_STATS=%.4000s/other", dir);
	run_in(WORDS(env), WORDS(runner, option, built("prog_echo"), "0"), 0);
	run_in(NULL, WORDS(runner, "--stats", file, built("prog_echo"), "0"), 0);
	run_tool(&r, WORDS("sh", "-c", "cd $0 && ls && cat out", dir));
	assert_int_equal(count_lines(r.out), 3);
	assert_int_equal(strncmp(r.out, "out\n{\"pid\":", 11), 0);
	assert_contains(r.out, "\"program\":\"prog_echo\"");
	usage(WORDS(runner, "--stats=", "echo", "x"),
	      WORDS("pvclock-run: PVCLOCK_STATS=: expected the name of a file"));
	remove_tree(dir);
}

/* Installed, the shim is not beside the program but in ../lib. */
static void installed(void **state)
{
	char dir[PATH_MAX], program[PATH_MAX];

	(void)state;
	make_tree(dir);
	snprintf(program, sizeof(program), "%.4000s/bin/pvclock-run", dir);
	run_tool(&r, WORDS("sh", "-c", "mkdir $0/bin $0/lib && cp $1 $0/bin", dir, runner));
	run_in(NULL, WORDS(program, "echo", "x"), EXIT_NOT_RUN);
	assert_one_line(r.err, WORDS("pvclock-run: no libpvclock-preload.so"));
	run_tool(&r, WORDS("sh", "-c", "cp $1 $0/lib", dir, shim_path()));
	run_in(NULL, WORDS(program, "-v", "echo", "x"), 0);
	assert_string_equal(r.out, "x\n");
	assert_one_line(r.err, WORDS("pvclock: mode "));
	remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_the_shim),
		cmocka_unit_test(options_before_environment),
		cmocka_unit_test(status_and_arguments),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(not_a_program),
		cmocka_unit_test(other_preloads_stay),
		cmocka_unit_test(another_shim),
		cmocka_unit_test(stats_option),
		cmocka_unit_test(installed),
	};

	return cmocka_run_group_tests(tests, find_runner, NULL);
}
