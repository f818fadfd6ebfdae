// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shim beside other preloaded libraries, before them and after them: allocators
 * that ask the time, one that forbids everything, and another that changes the time.
 * The first of the list decides, and neither hangs for the other.
 */
#include <glob.h>
#include <time.h>

#include "spawn.h"

static struct result r;

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=percpu"};
#define MODES (sizeof(modes) / sizeof(*modes))

/* ld.so says so if a library is not there, and goes on. */
static bool can_preload(const char *name)
{
	char env[PATH_MAX + 16];
	struct command c = {.argv = WORDS("true"), .env = WORDS(env)};

	snprintf(env, sizeof(env), "LD_PRELOAD=%s", name);
	run(&r, &c);
	assert_exit(&r, 0);
	if (!strstr(r.err, "cannot be preloaded"))
		return true;
	skip_line(name, "not installed");
	return false;
}

/* A thousand readings between its mallocs, in both orders and every mode. */
static void with_allocator(const char *name, const char *conf, const char *says)
{
	size_t i;

	for (i = 0; i < 2 * MODES; i++) {
		struct shimmed s = {
			.argv = WORDS(built("prog_malloc")),
			.env = WORDS(modes[i / 2], "PVCLOCK_RESYNC_US=100", conf),
			.after = i % 2 ? name : NULL,
			.ahead = i % 2 ? NULL : name,
		};

		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		assert_string_equal(r.out, "well\n");
		assert_string_equal(r.err, says);
	}
}

static void jemalloc(void **state)
{
	(void)state;
	if (can_preload("libjemalloc.so.2"))
		with_allocator("libjemalloc.so.2",
		               "MALLOC_CONF=dirty_decay_ms:1,muzzy_decay_ms:1,"
		               "background_thread:true",
		               "");
}

static void tcmalloc(void **state)
{
	(void)state;
	if (can_preload("libtcmalloc_minimal.so.4"))
		with_allocator("libtcmalloc_minimal.so.4", "TCMALLOC_RELEASE_RATE=10", "");
}

static void an_allocator_that_always_asks(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s", built("lib_malloc.so"));
	with_allocator(path, NULL, "malloc: has asked\n");
}

static void allocates_nothing(void **state)
{
	char path[PATH_MAX];
	struct shimmed s = {.after = path};
	size_t i;

	(void)state;
	snprintf(path, sizeof(path), "%s", built("lib_forbid.so"));
	for (i = 0; i < MODES; i++) {
		s.argv = WORDS(built("prog_forbid"));
		s.env = WORDS(modes[i], "PVCLOCK_RESYNC_US=100");
		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		assert_string_equal(r.err, "");
	}
	/* It does forbid. */
	s.argv = WORDS(built("prog_forbid"), "malloc");
	run_shimmed(&r, &s);
	assert_exit(&r, 128 + SIGABRT);
	assert_string_equal(r.err, "forbidden: malloc\n");
	s.argv = WORDS(built("prog_forbid"), "dlsym");
	run_shimmed(&r, &s);
	assert_exit(&r, 128 + SIGABRT);
	assert_string_equal(r.err, "forbidden: dlsym\n");
}

/* In a directory of its own, which distributions name differently. */
static bool find_faketime(char path[PATH_MAX])
{
	static const char *const patterns[] = {"/usr/lib/*/faketime/libfaketimeMT.so.1",
	                                       "/usr/lib*/faketime/libfaketimeMT.so.1"};
	bool found = false;
	glob_t list;
	size_t i;

	for (i = 0; i < 2 && !found; i++) {
		if (glob(patterns[i], 0, NULL, &list) != 0)
			continue;
		found = (size_t)snprintf(path, PATH_MAX, "%s", list.gl_pathv[0]) < PATH_MAX;
		globfree(&list);
	}
	if (!found)
		skip_line("faketime", "not installed");
	return found;
}

static const char *const faked[] = {"FAKETIME=@2001-02-03 04:05:06", "FAKETIME_DISABLE_SHM=1",
                                    "TZ=UTC"};

static void run_faked(const char *ahead, const char *after, const char *mode,
                      const char *const *argv)
{
	struct shimmed s = {.argv = argv,
	                    .env = WORDS(faked[0], faked[1], faked[2], mode),
	                    .ahead = ahead,
	                    .after = after};

	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_string_equal(r.err, "");
}

static void faketime_first(void **state)
{
	char path[PATH_MAX];
	size_t i;

	(void)state;
	if (!find_faketime(path))
		return;
	for (i = 0; i < MODES; i++) {
		run_faked(path, NULL, modes[i], WORDS("date", "+%Y-%m-%d %H:%M"));
		assert_string_equal(r.out, "2001-02-03 04:05\n");
		run_faked(path, NULL, modes[i],
		          WORDS(built("prog_threads"), "4", "20000", "alone"));
	}
}

static void faketime_second(void **state)
{
	char path[PATH_MAX];
	size_t i;

	(void)state;
	if (!find_faketime(path))
		return;
	for (i = 0; i < MODES; i++) {
		time_t low = time(NULL);
		long long is;

		run_faked(NULL, path, modes[i], WORDS("date", "+%s"));
		is = atoll(r.out);
		if (is < low || is > time(NULL))
			fail_msg("it is %lld, not %lld", is, (long long)low);
		run_faked(NULL, path, modes[i],
		          WORDS(built("prog_threads"), "4", "20000", "together"));
		run_faked(NULL, path, modes[i], WORDS(built("prog_fork"), "10"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jemalloc),
		cmocka_unit_test(tcmalloc),
		cmocka_unit_test(an_allocator_that_always_asks),
		cmocka_unit_test(allocates_nothing),
		cmocka_unit_test(faketime_first),
		cmocka_unit_test(faketime_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
