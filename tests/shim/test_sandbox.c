// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim asks of the kernel once it runs: nothing where the kernel's vDSO
 * works, and at most clock_gettime of the clock that the program asked for. And
 * in a setuid program, nothing of its caller.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "spawn.h"

static struct result r;

static const char *const modes[] = {"PVCLOCK_MODE=stable", "PVCLOCK_MODE=percpu",
                                    "PVCLOCK_MODE=kernel", "PVCLOCK_RESYNC_US=100"};
#define MODES (sizeof(modes) / sizeof(*modes))

static bool has_seccomp(void)
{
	struct command c = {.argv = WORDS(built("prog_seccomp"), "1", "10")};

	run(&r, &c);
	if (r.status != 0)
		skip_line("seccomp", r.status == 2 ? "a filter is refused here"
		                                   : "libc's clock_gettime needs more than that");
	return r.status == 0;
}

static void under_seccomp(void **state)
{
	static const char *const clocks[] = {"0", "1", "4", "7", "11", "5"};
	size_t mode, i;

	(void)state;
	if (!has_seccomp())
		return;
	for (mode = 0; mode < MODES; mode++) {
		run_quietly(&r, WORDS(modes[mode]), WORDS(built("prog_seccomp"), "1", "1000000"));
		assert_string_equal(r.out, "well\n");
		for (i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
			run_quietly(&r, WORDS(modes[mode]),
			            WORDS(built("prog_seccomp"), clocks[i], "50000"));
			assert_string_equal(r.out, "well\n");
		}
	}
}

/* The filter does bite, or the test above would say nothing. */
static void seccomp_bites(void **state)
{
	struct shimmed s = {.argv = WORDS(built("prog_seccomp"), "1", "10", "bite")};

	(void)state;
	if (!has_seccomp())
		return;
	run_shimmed(&r, &s);
	assert_exit(&r, 128 + SIGSYS);
}

#define TIME_CALLS "trace=clock_gettime,gettimeofday,time,clock_getres"

/* The lines that strace has on calls of the time, with the program's words. */
static unsigned time_calls_of(const char *program, const char *env, const char *reads)
{
	static char preload[PATH_MAX + 16];
	char log[PATH_MAX], dir[PATH_MAX];
	struct command c = {.argv = WORDS("strace", "-f", "-qq", "-o", log, "-e", TIME_CALLS, "-E",
	                                  preload, "-E", env, built(program), reads)};
	int fd;

	make_tree(dir);
	assert_true((size_t)snprintf(log, sizeof(log), "%.4000s/log", dir) < sizeof(log));
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", shim_path());
	run(&r, &c);
	assert_exit(&r, 0);
	fd = open(log, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	collect(fd, r.out);
	remove_tree(dir);
	return count_lines(r.out);
}

static unsigned time_calls(const char *env, const char *reads)
{
	return time_calls_of("prog_reads", env, reads);
}

static bool has_strace(void)
{
	struct command c = {.argv = WORDS("strace", "-o", "/dev/null", "true")};

	if (!have_program("strace")) {
		skip_line("system calls", "strace is missing");
		return false;
	}
	run(&r, &c);
	if (r.status != 0)
		skip_line("system calls", "ptrace is not permitted here");
	return r.status == 0;
}

/* Without the shim none is made: only where the kernel's vDSO works. */
static bool vdso_works(void)
{
	static struct result plain;
	struct command c = {
		.argv = WORDS("strace", "-qq", "-e", TIME_CALLS, built("prog_reads"), "1000")};

	run(&plain, &c);
	assert_exit(&plain, 0);
	if (count_lines(plain.err) != 0)
		skip_line("no system calls", "the kernel's vDSO makes them itself here");
	return count_lines(plain.err) == 0;
}

/* Not where calls are counted, either. */
static void no_system_calls(void **state)
{
	static const char *const counting[] = {"PVCLOCK_STATS=/dev/null", "PVCLOCK_VERBOSE=2"};
	size_t i;

	(void)state;
	if (!has_strace() || !vdso_works())
		return;
	for (i = 0; i < MODES; i++)
		if (time_calls(modes[i], "1000000") != 0)
			fail_msg("%s: system calls: %.2000s", modes[i], r.out);
	for (i = 0; i < sizeof(counting) / sizeof(*counting); i++)
		if (time_calls(counting[i], "1000000") != 0)
			fail_msg("%s: system calls: %.2000s", counting[i], r.out);
}

/* The programs do call, and strace would show it. */
static void system_calls_are_seen(void **state)
{
	struct command c = {
		.argv = WORDS("strace", "-qq", "-e", TIME_CALLS, built("prog_clocks"), "1")};

	(void)state;
	if (!has_strace())
		return;
	run(&r, &c);
	assert_exit(&r, 0);
	assert_contains(r.err, "clock_gettime(CLOCK_MONOTONIC");
}

#define CALLS_BY_NUMBER "1000"
#define MADE 3000 /* each by three numbers */

/* By number: the kernel's, but where the user has asked for them. */
static void calls_by_number(void **state)
{
	(void)state;
	if (!has_strace() || !vdso_works())
		return;
	assert_int_equal(time_calls_of("prog_syscall", "PVCLOCK_SYSCALL=0", CALLS_BY_NUMBER), MADE);
	assert_int_equal(time_calls_of("prog_syscall", "PVCLOCK_MODE=auto", CALLS_BY_NUMBER), MADE);
	if (time_calls_of("prog_syscall", "PVCLOCK_SYSCALL=1", CALLS_BY_NUMBER) != 0)
		fail_msg("system calls: %.2000s", r.out);
}

/*
 * ld.so ignores LD_PRELOAD there, so the shim is linked to the program. The owner
 * is nobody, so that the program has fewer rights for it and not more.
 */
static bool make_setuid(const char *dir, const char *program)
{
	char rpath[PATH_MAX], shim[PATH_MAX];
	const char *cc = getenv("CC");
	struct command c = {.argv = WORDS("sh", "-c", "exec $0 \"$@\"", cc && *cc ? cc : "cc",
	                                  built("prog_secure.o"), "-o", program,
	                                  "-Wl,--no-as-needed", shim, rpath)};

	snprintf(shim, sizeof(shim), "%.4000s/libpvclock-preload.so", dir);
	snprintf(rpath, sizeof(rpath), "-Wl,-rpath,%.4000s", dir);
	run_tool(&r, WORDS("cp", shim_path(), shim));
	run(&r, &c);
	assert_exit(&r, 0);
	return chmod(dir, 0755) == 0 && chmod(shim, 0755) == 0 &&
	       chown(program, 65534, 65534) == 0 && chmod(program, 04755) == 0;
}

static void setuid_ignores_environment(void **state)
{
	char dir[PATH_MAX], program[PATH_MAX];
	bool made, secure;
	struct command c = {.argv = WORDS(program),
	                    .env = WORDS("PVCLOCK_VERBOSE=2", "PVCLOCK_MODE=wrong",
	                                 "PVCLOCK_RESYNC_US=1", "PVCLOCK_STATS=/no/such/file")};

	(void)state;
	make_tree(dir);
	snprintf(program, sizeof(program), "%.4000s/secure", dir);
	made = make_setuid(dir, program);
	run(&r, &c);
	remove_tree(dir);
	assert_exit(&r, 0);
	secure = !strcmp(r.out, "secure\n");
	if (!made || !secure) {
		skip_line("setuid", "no right to make such a program, or a file system without");
		/* Then at least the linked shim is heard. */
		assert_contains(r.err, "PVCLOCK_MODE=wrong");
		return;
	}
	assert_string_equal(r.err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_seccomp),   cmocka_unit_test(seccomp_bites),
		cmocka_unit_test(no_system_calls), cmocka_unit_test(system_calls_are_seen),
		cmocka_unit_test(calls_by_number), cmocka_unit_test(setuid_ignores_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
