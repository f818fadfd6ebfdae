// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * No memory, hardly any stack, nowhere to write, another root: before the shim starts,
 * and after. The program ends as it does without the shim.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "spawn.h"

#define NOT_HERE 77
#define KIB 1024ul
#define MIB (1024 * KIB)

static struct result r;

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=percpu"};
#define MODES (sizeof(modes) / sizeof(*modes))

static void no_memory_at_start(void **state)
{
	struct shimmed s = {.argv = WORDS(built("prog_clocks"), "2000"),
	                    .after = built("lib_nomemory.so")};
	size_t i;

	(void)state;
	for (i = 0; i < MODES; i++) {
		s.env = WORDS(modes[i], "PVCLOCK_VERBOSE=2");
		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		assert_contains(r.err, "nomemory: well\npvclock: mode ");
		/* It lacks nothing for that. */
		assert_null(strstr(r.err, "cannot be read"));
	}
}

static int limited;
static rlim_t limit;

static bool set_limit(void)
{
	struct rlimit l = {limit, limit};

	return setrlimit(limited, &l) == 0;
}

static bool lives_plain(const char *const *argv)
{
	struct command c = {.argv = argv, .before = set_limit};

	run(&r, &c);
	return r.status == 0;
}

static void assert_lives(const char *const *argv, const char *mode)
{
	struct shimmed s = {.argv = argv, .env = WORDS(mode), .before = set_limit};

	run_shimmed(&r, &s);
	if (r.status != 0 || r.err[0])
		fail_msg("limit %d of %lu: exit %d: %s%s", limited, (unsigned long)limit, r.status,
		         r.out, r.err);
}

/* From nothing up to where the program lives; and with so much more, under the shim too. */
static void lives_with(int resource, rlim_t step, rlim_t more, const char *const *argv)
{
	size_t i;

	limited = resource;
	for (limit = step; !lives_plain(argv); limit += step)
		if (limit > 64 * MIB)
			fail_msg("limit %d: the program never lives", resource);
	limit += more;
	for (i = 0; i < MODES; i++)
		assert_lives(argv, modes[i]);
}

static void little_address_space(void **state)
{
	(void)state;
	lives_with(RLIMIT_AS, 256 * KIB, 512 * KIB, WORDS(built("prog_clocks"), "200"));
}

static void little_data(void **state)
{
	(void)state;
	lives_with(RLIMIT_DATA, 16 * KIB, 64 * KIB, WORDS(built("prog_clocks"), "200"));
}

/* Threads have stacks of that size as well. */
static void little_stack(void **state)
{
	(void)state;
	lives_with(RLIMIT_STACK, 4 * KIB, 16 * KIB, WORDS(built("prog_clocks"), "200"));
	lives_with(RLIMIT_STACK, 4 * KIB, 16 * KIB,
	           WORDS(built("prog_threads"), "4", "20000", "together"));
}

/* Where it does not fit it is not there, or nothing is: by ld.so's word, not by a crash. */
static void no_room_for_it(void **state)
{
	const char *const argv[] = {built("prog_clocks"), "200", NULL};
	rlim_t enough;

	(void)state;
	limited = RLIMIT_AS;
	for (limit = 256 * KIB; !lives_plain(argv); limit += 256 * KIB)
		assert_true(limit < 64 * MIB);
	enough = limit + 512 * KIB;
	for (limit -= 256 * KIB; limit < enough; limit += 32 * KIB) {
		struct shimmed s = {.argv = argv, .before = set_limit};
		bool plain = lives_plain(argv);

		run_shimmed(&r, &s);
		if (r.status != 0 && (plain || r.status != 128 + SIGSEGV))
			assert_contains(r.err, "error while loading shared libraries");
	}
}

static bool own_mounts(void)
{
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool read_only(void)
{
	return own_mounts() && mount("/", "/", NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       chroot("/") == 0 &&
	       mount("none", "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0 &&
	       open("/pvclock-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS;
}

static bool no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static void runs_after(bool (*before)(void), const char *what)
{
	size_t i;

	for (i = 0; i < MODES; i++) {
		struct shimmed s = {.argv = WORDS(built("prog_clocks"), "2000"),
		                    .env = WORDS(modes[i], "PVCLOCK_VERBOSE=1"),
		                    .before = before};

		run_shimmed(&r, &s);
		if (r.status == EXIT_NO_SETUP) {
			skip_line(what, "not permitted here");
			return;
		}
		assert_exit(&r, 0);
		assert_one_line(r.err, WORDS("pvclock: mode "));
		assert_null(strstr(r.err, "cannot be read"));
	}
}

static void nowhere_to_write(void **state)
{
	(void)state;
	runs_after(read_only, "a read-only root");
}

static void without_new_privileges(void **state)
{
	(void)state;
	runs_after(no_new_privileges, "no_new_privs");
}

static char root[PATH_MAX];

static bool into_root(void)
{
	return (chroot(root) == 0 || (unshare(CLONE_NEWUSER) == 0 && chroot(root) == 0)) &&
	       chdir("/") == 0;
}

/* A root with the program, what it is linked with, the shim, and nothing else. */
static void in_a_bare_root(void **state)
{
	static const char copy[] =
		"for f in $(ldd \"$1\" | grep -o '/[^ ]*'); do "
		"mkdir -p \"$0${f%/*}\" && cp -L \"$f\" \"$0$f\" || exit 1; done; "
		"cp \"$1\" \"$2\" \"$0\"";
	struct command c = {.argv = WORDS("/prog_clocks", "2000"),
	                    .env = WORDS("LD_PRELOAD=/libpvclock-preload.so", "PVCLOCK_VERBOSE=1"),
	                    .before = into_root};

	(void)state;
	make_tree(root);
	run_tool(&r, WORDS("sh", "-c", copy, root, built("prog_clocks"), shim_path()));
	run(&r, &c);
	remove_tree(root);
	if (r.status == EXIT_NO_SETUP) {
		skip_line("chroot", "not permitted here");
		return;
	}
	assert_exit(&r, 0);
	assert_one_line(r.err, WORDS("pvclock: mode kernel: /proc/self/maps cannot be read"));
}

static void all_given_up(void **state)
{
	struct command c = {.argv = WORDS(built("prog_jail"), root)};
	size_t i;

	(void)state;
	make_tree(root);
	run(&r, &c);
	if (r.status == NOT_HERE) {
		remove_tree(root);
		skip_line("chroot after start", "not permitted here");
		return;
	}
	assert_exit(&r, 0);
	for (i = 0; i < MODES; i++)
		run_quietly(&r, WORDS(modes[i], "PVCLOCK_RESYNC_US=100"), c.argv);
	remove_tree(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_at_start),
		cmocka_unit_test(little_address_space),
		cmocka_unit_test(little_data),
		cmocka_unit_test(little_stack),
		cmocka_unit_test(no_room_for_it),
		cmocka_unit_test(nowhere_to_write),
		cmocka_unit_test(without_new_privileges),
		cmocka_unit_test(in_a_bare_root),
		cmocka_unit_test(all_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
