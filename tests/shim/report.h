/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs whose calls are counted, in a directory of their own, and what came of it. */
#ifndef TESTS_REPORT_H
#define TESTS_REPORT_H

#include <sched.h>
#include <sys/mount.h>

#include "spawn.h"

static struct result r;
static char dir[PATH_MAX];

static inline const char *prog(void)
{
	return built("prog_count");
}

static inline void begin(void)
{
	make_tree(dir);
}

static inline void end(void)
{
	remove_tree(dir);
}

/* In a ring, for lists. */
static inline const char *in_dir(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	assert_true((size_t)snprintf(path, PATH_MAX, "%.2000s/%.2000s", dir, name) < PATH_MAX);
	return path;
}

static inline const char *to_file(const char *name)
{
	static char env[PATH_MAX + 16];

	snprintf(env, sizeof(env), "PVCLOCK_STATS=%s", in_dir(name));
	return env;
}

static inline void run_count(const char *const *env, const char *const *argv)
{
	struct shimmed s = {.argv = argv, .env = env};

	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_string_equal(r.out, "");
}

/*
 * Of each line of the file, which must be one object: braces, and in between a line for
 * each value, and how many an object has. No key may be there twice.
 */
static inline void objects(const char *name, unsigned count)
{
	static const char script[] = "import json, sys\n"
				     "def once(pairs):\n"
				     "    assert len(dict(pairs)) == len(pairs), pairs\n"
				     "    return dict(pairs)\n"
				     "def show(key, value):\n"
				     "    if isinstance(value, dict):\n"
				     "        print(key, 'has', len(value))\n"
				     "        for k in value: show(key + '.' + k, value[k])\n"
				     "    else: print(key + '=' + ascii(value))\n"
				     "text = open(sys.argv[1], 'rb').read().decode('utf-8')\n"
				     "assert not text or text[-1] == '\\n', text\n"
				     "lines = text.split('\\n')[:-1]\n"
				     "assert len(lines) == int(sys.argv[2]), text\n"
				     "for line in lines:\n"
				     "    print('{')\n"
				     "    show('', json.loads(line, object_pairs_hook=once))\n"
				     "    print('}')\n";
	char number[16];

	snprintf(number, sizeof(number), "%u", count);
	run_tool(&r, WORDS("python3", "-c", script, in_dir(name), number));
}

/* The counts of so many turns of prog_count, and no other. */
static inline void assert_turns(unsigned long turns)
{
	static const struct {
		const char *name;
		unsigned each;
	} calls[] = {
		{"CLOCK_REALTIME", 1},
		{"CLOCK_MONOTONIC", 2},
		{"CLOCK_PROCESS_CPUTIME_ID", 3},
		{"CLOCK_THREAD_CPUTIME_ID", 4},
		{"CLOCK_MONOTONIC_RAW", 5},
		{"CLOCK_REALTIME_COARSE", 6},
		{"CLOCK_MONOTONIC_COARSE", 7},
		{"CLOCK_BOOTTIME", 8},
		{"CLOCK_REALTIME_ALARM", 9},
		{"CLOCK_BOOTTIME_ALARM", 10},
		{"CLOCK_SGI_CYCLE", 11},
		{"CLOCK_TAI", 12},
		{"other", 3},
		{"gettimeofday", 4},
		{"time", 5},
		{"clock_getres", 6},
		{"setting", 7},
	};
	char key[96];
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		snprintf(key, sizeof(key), ".calls.%s=%lu\n", calls[i].name, calls[i].each * turns);
		assert_contains(r.out, key);
	}
	snprintf(key, sizeof(key), ".calls has %zu\n", i);
	assert_contains(r.out, key);
}

/* ---- a file system that is not there ---------------------------------------------- */

static const char *hidden;

static inline bool map_root(void)
{
	FILE *f = fopen("/proc/self/uid_map", "w");
	bool well = f && fputs("0 0 1", f) >= 0;

	return f && fclose(f) == 0 && well;
}

/* In a mount namespace of its own; who is not root needs one of users as well. */
static inline bool hide(void)
{
	if (unshare(CLONE_NEWNS) != 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !map_root()))
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", hidden, "tmpfs", 0, NULL) == 0;
}

/* False: that cannot be tried here. */
static inline bool run_without(const char *what, const char *const *env)
{
	struct shimmed s = {.argv = WORDS(prog(), "1", "1"), .env = env, .before = hide};

	hidden = what;
	run_shimmed(&r, &s);
	if (r.status == EXIT_NO_SETUP) {
		skip_line(what, "mount namespaces are not permitted here");
		return false;
	}
	assert_exit(&r, 0);
	return true;
}

#endif /* TESTS_REPORT_H */
