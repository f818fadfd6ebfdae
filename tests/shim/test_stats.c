// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file of PVCLOCK_STATS where a program makes it hard: names of any bytes, several
 * processes, another directory, no stderr or another one, no room for a file; and where
 * there can be none. The program itself notices nothing.
 */
#include <sys/stat.h>

#include "report.h"

/* ---- who writes ------------------------------------------------------------------- */

/* Argument 0 decides; python says what it understands by the string. */
static void named(const char *name, const char *told)
{
	char key[2048];

	begin();
	assert_int_equal(symlink(prog(), in_dir(name)), 0);
	run_count(WORDS(to_file("out")), WORDS(in_dir(name), "1", "3"));
	assert_string_equal(r.err, "");
	objects("out", 1);
	assert_turns(3);
	snprintf(key, sizeof(key), ".program=%s\n", told);
	assert_contains(r.out, key);
	end();
}

static void odd_names(void **state)
{
	static char longest[NAME_MAX + 1], told[4 * NAME_MAX + 3];
	size_t i;

	(void)state;
	named("a b", "'a b'");
	named("\"", "'\"'");
	named("\\\"\\u0041", "'\\\\\"\\\\u0041'");
	named("one\nline\t\033\177", "'one\\nline\\t\\x1b\\x7f'");
	named("%s%n%p", "'%s%n%p'");
	/* Two, three and four bytes; the first and the last that each may have. */
	named("\u00e4\u20ac\U0001f552", "'\\xe4\\u20ac\\U0001f552'");
	named("\xc2\x80\xdf\xbf \xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
	      "'\\x80\\u07ff \\u0800\\ud7ff\\ue000\\uffff'");
	named("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "'\\U00010000\\U0010ffff'");
	/* None of these is a character: alone, cut short, too long, half a pair, too high. */
	named("\x80 \xff \xc3", "'\\ufffd \\ufffd \\ufffd'");
	named("\xe2\x82 \xf0\x9f\x95", "'\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd'");
	named("\xc1\xbf \xe0\x9f\xbf", "'\\ufffd\\ufffd \\ufffd\\ufffd\\ufffd'");
	named("\xf0\x8f\xbf\xbf", "'\\ufffd\\ufffd\\ufffd\\ufffd'");
	named("\xed\xa0\x80", "'\\ufffd\\ufffd\\ufffd'");
	named("\xf4\x90\x80\x80 \xf5", "'\\ufffd\\ufffd\\ufffd\\ufffd \\ufffd'");
	memset(longest, '"', NAME_MAX);
	snprintf(told, sizeof(told), "'%s'", longest);
	named(longest, told);
	/* The most that a name can take: six bytes for each of its own. */
	memset(longest, '\x01', NAME_MAX);
	for (i = 0; i < NAME_MAX; i++)
		snprintf(told + 1 + 4 * i, 6, "\\x01'");
	named(longest, told);
}

/* Each adds a line of its own, whole. */
static void shared_by_processes(void **state)
{
	static char preload[PATH_MAX + 16];

	(void)state;
	begin();
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", shim_path());
	run_tool(&r, WORDS("sh", "-c",
	                   "for i in 1 2 3 4 5 6 7 8 9 10; do env $1 $2 $0 1 $i & done; wait",
	                   prog(), preload, to_file("out")));
	assert_string_equal(r.err, "");
	objects("out", 10);
	assert_contains(r.out, ".calls.CLOCK_REALTIME=10\n");
	assert_contains(r.out, ".calls.CLOCK_REALTIME=7\n");
	assert_contains(r.out, ".calls.CLOCK_REALTIME=1\n");
	end();
}

static void file_of_each_process(void **state)
{
	char name[64], key[64];
	unsigned pid[2];
	static struct result list;

	(void)state;
	begin();
	run_count(WORDS(to_file("a%p.%p%")), WORDS(prog(), "1", "1", "fork"));
	run_tool(&list, WORDS("ls", dir));
	if (sscanf(list.out, "a%u.%*u%%\na%u.%*u%%\n", &pid[0], &pid[1]) != 2)
		fail_msg("not two files: %s", list.out);
	while (pid[0]) {
		snprintf(name, sizeof(name), "a%u.%u%%", pid[0], pid[0]);
		objects(name, 1);
		assert_turns(1);
		snprintf(key, sizeof(key), ".pid=%u\n", pid[0]);
		assert_contains(r.out, key);
		pid[0] = pid[1];
		pid[1] = 0;
	}
	end();
}

/* ---- where it ends ---------------------------------------------------------------- */

static bool go_there(void)
{
	return chdir(dir) == 0;
}

/* Where the program was started, not where it has gone. */
static void relative_name(void **state)
{
	struct shimmed s = {.argv = WORDS(prog(), "1", "2", "chdir"),
	                    .env = WORDS("PVCLOCK_STATS=out"),
	                    .before = go_there};

	(void)state;
	begin();
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_string_equal(r.err, "");
	objects("out", 1);
	assert_turns(2);
	end();
}

static bool may_chroot(void)
{
	struct command c = {.argv = WORDS(prog(), "0", "0", "chroot", "/")};

	run(&r, &c);
	if (r.status != 0)
		skip_line("chroot", "it is not permitted here");
	return r.status == 0;
}

/* By its name, as the program sees the files at its end. */
static void other_root(void **state)
{
	static char inside[2 * PATH_MAX];
	static struct result ls;

	(void)state;
	if (!may_chroot())
		return;
	begin();
	run_count(WORDS(to_file("out")), WORDS(prog(), "1", "2", "chroot", dir));
	assert_one_line(r.err, WORDS("pvclock: PVCLOCK_STATS=", "/out: cannot be opened: "
	                                                        "no such file or directory\n"));
	objects("out", 0);
	run_tool(&ls, WORDS("sh", "-c", "mkdir -p $0/$0", dir));
	run_count(WORDS(to_file("out")), WORDS(prog(), "1", "2", "chroot", dir));
	assert_string_equal(r.err, "");
	snprintf(inside, sizeof(inside), "%s/out", dir + 1);
	objects(inside, 1);
	assert_turns(2);
	end();
}

static void full_table(void **state)
{
	(void)state;
	begin();
	run_count(WORDS(to_file("out"), "PVCLOCK_VERBOSE=2"), WORDS(prog(), "1", "2", "full"));
	assert_int_equal(count_lines(r.err), 3);
	assert_contains(r.err, "/out: cannot be opened: too many open files\n");
	assert_contains(r.err, "CLOCK_MONOTONIC 4, ");
	objects("out", 0);
	end();
}

/* Programs close it, as those of coreutils do; the file is written all the same. */
static void closed_stderr(void **state)
{
	(void)state;
	begin();
	run_count(WORDS(to_file("out"), "PVCLOCK_VERBOSE=2"), WORDS(prog(), "1", "2", "closed"));
	assert_one_line(r.err, WORDS("pvclock: mode ", " ns per call"));
	objects("out", 1);
	assert_turns(2);
	end();
}

/* What is number 2 then is a file of the program's, into which the shim writes nothing. */
static void another_stderr(void **state)
{
	static const char script[] =
		"exec 2>$2/ours && exec env $0 PVCLOCK_STATS=/dev/full PVCLOCK_VERBOSE=2 "
		"$1 1 2 stderr $2/theirs";
	static char preload[PATH_MAX + 16];

	(void)state;
	begin();
	run_count(WORDS(to_file("out"), "PVCLOCK_VERBOSE=2"),
	          WORDS(prog(), "1", "2", "stderr", in_dir("theirs")));
	assert_one_line(r.err, WORDS("pvclock: mode ", " ns per call"));
	objects("out", 1);
	/* Of the same file system as what it was; and what else there is to say, neither. */
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", shim_path());
	run_tool(&r, WORDS("sh", "-c", script, preload, prog(), dir));
	run_tool(&r, WORDS("cat", in_dir("ours")));
	assert_one_line(r.out, WORDS("pvclock: mode ", " ns per call"));
	run_tool(&r, WORDS("cat", in_dir("theirs")));
	assert_string_equal(r.out, "");
	end();
}

static bool close_stderr(void)
{
	return close(STDERR_FILENO) == 0;
}

/* From the start: whatever gets that number is not for lines of the shim's. */
static void never_a_stderr(void **state)
{
	struct shimmed s = {.before = close_stderr};

	(void)state;
	begin();
	s.argv = WORDS(prog(), "1", "2", "stderr", in_dir("theirs"));
	s.env = WORDS(to_file("out"), "PVCLOCK_VERBOSE=2");
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	objects("out", 1);
	assert_turns(2);
	run_tool(&r, WORDS("cat", in_dir("theirs")));
	assert_string_equal(r.out, "");
	end();
}

/* Nobody runs what is to be done at the end. */
static void ends_at_once(void **state)
{
	struct shimmed s = {.env = NULL};

	(void)state;
	begin();
	run_count(WORDS(to_file("out")), WORDS(prog(), "1", "2", "_exit"));
	objects("out", 0);
	s.argv = WORDS(prog(), "1", "2", "kill");
	s.env = WORDS(to_file("out"));
	run_shimmed(&r, &s);
	assert_exit(&r, 128 + SIGKILL);
	objects("out", 0);
	end();
}

/* ---- where it cannot be ----------------------------------------------------------- */

/* One line at start, and no other; the program is what it was. */
static void refused(const char *env, const char *why)
{
	struct shimmed s = {.argv = WORDS(built("prog_echo"), "42", "x"), .env = WORDS(env)};

	run_shimmed(&r, &s);
	assert_exit(&r, 42);
	assert_string_equal(r.out, "x\n");
	assert_one_line(r.err, WORDS("pvclock: PVCLOCK_STATS=", ": cannot be opened: ", why));
}

static void unwritable(void **state)
{
	static char env[2 * PATH_MAX] = "PVCLOCK_STATS=/";
	size_t length;

	(void)state;
	begin();
	refused(to_file("no/such"), "/no/such: cannot be opened: no such file or directory\n");
	refused(to_file("."), "/.: cannot be opened: is a directory\n");
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	refused(to_file("pipe"), "/pipe: cannot be opened: nobody reads it\n");
	run_tool(&r, WORDS("touch", in_dir("file")));
	refused(to_file("file/x"), "/file/x: cannot be opened: not a directory\n");
	assert_int_equal(symlink("loop", in_dir("loop")), 0);
	refused(to_file("loop"), ": error ");
	refused(to_file("a\nb/c"), "/a?b/c: cannot");
	memset(env + strlen(env), 'x', sizeof(env) - strlen(env) - 1);
	refused(env, "name too long\n");
	/* Cut short it would be a name of something else, and well. */
	for (length = (size_t)snprintf(env, sizeof(env), "%s", to_file(""));
	     length < strlen("PVCLOCK_STATS=") + PATH_MAX - 8; length += 2)
		snprintf(env + length, sizeof(env) - length, "./%%p%%p%%p");
	refused(env, "name too long\n");
	memset(env, 'x', sizeof(env) - 1);
	memcpy(env, "PVCLOCK_STATS=/", strlen("PVCLOCK_STATS=/"));
	env[strlen("PVCLOCK_STATS=/") + PATH_MAX - 4] = '\0';
	memcpy(env + strlen(env) - 4, "/%p%p", 4);
	refused(env, "name too long\n");
	end();
}

static void no_space(void **state)
{
	(void)state;
	run_count(WORDS("PVCLOCK_STATS=/dev/full"), WORDS(prog(), "1", "1"));
	assert_string_equal(r.err, "pvclock: PVCLOCK_STATS=/dev/full: cannot be written: "
	                           "no space left\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_names),
		cmocka_unit_test(shared_by_processes),
		cmocka_unit_test(file_of_each_process),
		cmocka_unit_test(relative_name),
		cmocka_unit_test(other_root),
		cmocka_unit_test(full_table),
		cmocka_unit_test(closed_stderr),
		cmocka_unit_test(another_stderr),
		cmocka_unit_test(never_a_stderr),
		cmocka_unit_test(ends_at_once),
		cmocka_unit_test(unwritable),
		cmocka_unit_test(no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
