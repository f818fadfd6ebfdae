/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs under the shim, with and without it, and what they say. */
#ifndef TESTS_SPAWN_H
#define TESTS_SPAWN_H

#include "process.h"

static inline const char *shim_path(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/libpvclock-preload.so", setting("PVCLOCK_BUILD"));
	if (access(path, R_OK) != 0)
		fail_msg("%s is not there: make it first", path);
	return path;
}

/* Something that was built from a file of a directory of tests. In a ring, for lists. */
static inline const char *built_in(const char *directory, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/tests/%s/%s", setting("PVCLOCK_BUILD"), directory, name);
	if (access(path, R_OK) != 0)
		fail_msg("%s is not there: make it first", path);
	return path;
}

static inline const char *built(const char *name)
{
	return built_in("shim", name);
}

struct shimmed {
	const char *const *argv;
	const char *const *env;
	const char *after; /* also preloaded, behind the shim, so initialised before it */
	const char *ahead; /* also preloaded, before the shim: its symbols are found first */
	bool (*before)(void);
};

static inline void run_shimmed(struct result *r, const struct shimmed *s)
{
	static char preload[4 * PATH_MAX];
	const char *env[8] = {preload};
	struct command c = {.argv = s->argv, .env = env, .before = s->before};
	size_t i;

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s%s%s%s%s", s->ahead ? s->ahead : "",
	         s->ahead ? ":" : "", shim_path(), s->after ? ":" : "", s->after ? s->after : "");
	for (i = 0; s->env && s->env[i]; i++) {
		assert_true(i + 2 < sizeof(env) / sizeof(*env));
		env[i + 1] = s->env[i];
	}
	run(r, &c);
}

/* The program ends well and neither it nor the shim says a word on stderr. */
static inline void run_quietly(struct result *r, const char *const *env, const char *const *argv)
{
	struct shimmed s = {.argv = argv, .env = env};

	run_shimmed(r, &s);
	assert_exit(r, 0);
	assert_string_equal(r->err, "");
}

/* The same without the shim: what it holds against is true of the machine. */
static inline void run_plain(struct result *r, const char *const *argv)
{
	struct command c = {.argv = argv};

	run(r, &c);
	assert_exit(r, 0);
	assert_string_equal(r->err, "");
}

/* The first word after "pvclock: mode " of a verbose shim. */
static inline void assert_mode(const struct result *r, const char *mode)
{
	char text[64];

	snprintf(text, sizeof(text), "pvclock: mode %s: ", mode);
	assert_contains(r->err, text);
}

/*
 * Whether the shim can work in a mode here. A machine without a page, or whose
 * TSCs are not in step, runs the test as far as it can and says so.
 */
static inline bool mode_works(const char *mode, const char *what)
{
	static struct result r;
	char env[64], text[64];
	struct shimmed s = {.argv = WORDS("true"), .env = WORDS(env, "PVCLOCK_VERBOSE=1")};

	snprintf(env, sizeof(env), "PVCLOCK_MODE=%s", mode);
	snprintf(text, sizeof(text), "pvclock: mode %s: ", mode);
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	if (strstr(r.err, text))
		return true;
	fprintf(stderr, "SKIP: %s: %s", what, r.err);
	return false;
}

#endif /* TESTS_SPAWN_H */
