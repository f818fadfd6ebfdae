// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the shim's start can go wrong: others ask the time before it, there is no
 * /proc, no room for a file, no right to read the TSC. The program is unharmed,
 * and with PVCLOCK_VERBOSE=1 the shim says why it does what it does.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "spawn.h"

static struct result r, plain;

/* A library's word stands before the shim's: so does its constructor. */
static void assert_before_the_shim(const char *word)
{
	const char *theirs = strstr(r.err, word), *ours = strstr(r.err, "pvclock: mode ");

	if (!theirs || !ours || theirs > ours)
		fail_msg("\"%s\" is not before the shim in: %s", word, r.err);
}

static void run_after(const char *library, const char *const *env, const char *const *argv)
{
	struct shimmed s = {.argv = argv, .env = env, .after = built(library)};

	run_shimmed(&r, &s);
}

static void earlier_constructor(void **state)
{
	(void)state;
	run_after("lib_early.so", WORDS("PVCLOCK_VERBOSE=1"), WORDS(built("prog_echo"), "5", "x"));
	assert_exit(&r, 5);
	assert_string_equal(r.out, "x\n");
	assert_before_the_shim("early: well\n");
}

static void while_relocating(void **state)
{
	(void)state;
	run_after("lib_ifunc.so", WORDS("PVCLOCK_VERBOSE=1"), WORDS(built("prog_echo"), "5", "x"));
	assert_exit(&r, 5);
	assert_string_equal(r.out, "x\n");
	assert_before_the_shim("ifunc: well\n");
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool well = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return well;
}

/* In a mount namespace of its own; who is not root needs one of users as well. */
static bool hide_proc(void)
{
	if (unshare(CLONE_NEWNS) != 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
	                                  !write_file("/proc/self/uid_map", "0 0 1")))
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/proc", "tmpfs", 0, NULL) == 0 &&
	       access("/proc/self/maps", F_OK) != 0;
}

static void without_proc(void **state)
{
	struct shimmed s = {.argv = WORDS(built("prog_clocks"), "2000"),
	                    .env = WORDS("PVCLOCK_VERBOSE=1"),
	                    .before = hide_proc};

	(void)state;
	run_shimmed(&r, &s);
	if (r.status == EXIT_NO_SETUP) {
		skip_line("no /proc", "mount namespaces are not permitted here");
		return;
	}
	assert_exit(&r, 0);
	assert_one_line(r.err, WORDS("pvclock: mode kernel: /proc/self/maps cannot be read"));
	s.env = WORDS("PVCLOCK_VERBOSE=1", "PVCLOCK_MODE=kernel");
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_one_line(r.err, WORDS("pvclock: mode kernel: asked for"));
	s.env = NULL;
	s.argv = WORDS(built("prog_calls"), "null");
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_string_equal(r.err, "");
}

static void full_file_table(void **state)
{
	(void)state;
	run_after("lib_nofile.so", WORDS("PVCLOCK_VERBOSE=1"), WORDS(built("prog_clocks"), "2000"));
	assert_exit(&r, 0);
	assert_before_the_shim("nofile: well\n");
	assert_contains(r.err, "pvclock: mode kernel: /proc/self/maps cannot be read");
}

/*
 * PR_SET_TSC survives exec, but then the dynamic linker itself dies of its first
 * RDTSC, shim or no shim; so the right is lost between that and our constructor.
 * libc would die in the kernel's vDSO then, which executes RDTSC too.
 */
static void no_right_to_the_tsc(void **state)
{
	static const char *const modes[] = {"PVCLOCK_MODE=auto", "PVCLOCK_MODE=stable",
	                                    "PVCLOCK_MODE=percpu"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		run_after("lib_notsc.so", WORDS("PVCLOCK_VERBOSE=1", modes[i]),
		          WORDS(built("prog_clocks"), "2000"));
		assert_exit(&r, 0);
		assert_before_the_shim("notsc: well\n");
		assert_contains(r.err, "pvclock: mode kernel: this process may not read the TSC");
	}
	run_after("lib_notsc.so", WORDS("PVCLOCK_MODE=kernel"), WORDS(built("prog_calls"), "null"));
	assert_exit(&r, 0);
}

static bool close_stdin(void)
{
	return close(STDIN_FILENO) == 0;
}

static bool close_stderr(void)
{
	return close(STDERR_FILENO) == 0;
}

static bool close_both(void)
{
	return close_stdin() && close_stderr();
}

/* The shim leaves no file open and takes no number that a program counts on. */
static void leaves_no_file(void **state)
{
	static bool (*const before[])(void) = {NULL, close_stdin, close_stderr, close_both};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(before) / sizeof(*before); i++) {
		struct command c = {.argv = WORDS(built("prog_files")), .before = before[i]};
		struct shimmed s = {.argv = c.argv, .before = before[i]};

		run(&plain, &c);
		assert_exit(&plain, 0);
		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		assert_string_equal(r.out, plain.out);
		/* What it has to say is lost, and goes nowhere else. */
		s.env = WORDS("PVCLOCK_VERBOSE=2", "PVCLOCK_MODE=wrong", "PVCLOCK_STATS=/dev/null");
		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		assert_string_equal(r.out, plain.out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(earlier_constructor), cmocka_unit_test(while_relocating),
		cmocka_unit_test(without_proc),        cmocka_unit_test(full_file_table),
		cmocka_unit_test(no_right_to_the_tsc), cmocka_unit_test(leaves_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
