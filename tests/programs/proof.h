/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that people use, without the shim and under it: they end alike, and the shim
 * was asked for the time.
 */
#ifndef TESTS_PROOF_H
#define TESTS_PROOF_H

#include <dirent.h>
#include <linux/capability.h>
#include <time.h>

#include "../shim/spawn.h"

/* What the shim has counted in the processes of one name. */
struct proof {
	unsigned processes;
	unsigned long anchors, kernel_reads; /* the most of one process */
};

struct program {
	const char *const *argv;
	const char *name;  /* of the process that asks for the time: /proc/PID/comm */
	const char *also;  /* another one that does, if only for a moment; may be NULL */
	const char *first; /* a library that must be loaded before all others; may be NULL */
	const char *const *env;
	bool (*before)(void);
	bool brief; /* over before a clock is made from samples */
	/* Where the output is not the same each time: called for each run. */
	void (*check)(const struct result *r);
};

/* A file of this directory. In a ring, for lists. */
static inline const char *source(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/tests/programs/%s", setting("PVCLOCK_SOURCE"), name);
	return path;
}

static inline const char *made(const char *name)
{
	return built_in("programs", name);
}

static char proof_tree[PATH_MAX]; /* with copies of the libraries that anybody can read */
static char proof_preload[3 * PATH_MAX];

/*
 * Where they are built, another user may not come. As they are installed by packages,
 * without debug information: a valgrind that is older than the compiler gives up on that.
 */
static inline void copy_library(const char *path)
{
	static struct result r;

	run_tool(&r, WORDS("install", "-s", "-m", "755", path, proof_tree));
}

/*
 * Some set the clock if they are allowed to: stress-ng by its time since 1970, Python's tests
 * to what it is. No program that is started from here on is, whoever runs the tests.
 */
static inline void forbid_setting(void)
{
	assert_true(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0) == 0 || geteuid() != 0);
}

/* Called by each test: what was proved before it counts no more. */
static inline void begin_proof(void)
{
	static struct result r;
	char path[PATH_MAX + 8];

	forbid_setting();
	if (!proof_tree[0]) {
		make_tree(proof_tree);
		assert_int_equal(chmod(proof_tree, 0755), 0);
		copy_library(shim_path());
		copy_library(made("lib_proof.so"));
		snprintf(proof_preload, sizeof(proof_preload), "%s/lib_proof.so:%s/%s", proof_tree,
		         proof_tree, "libpvclock-preload.so");
	}
	snprintf(path, sizeof(path), "%s/proof", proof_tree);
	run_tool(&r, WORDS("rm", "-rf", path));
	assert_int_equal(mkdir(path, 0), 0);
	assert_int_equal(chmod(path, 01777), 0);
}

#define PROOF_WORDS 16

/*
 * The environment of a command under the shim, and under a way to see what the shim does.
 * The words are the caller's to keep; first is preloaded before all, or NULL.
 */
struct shim_env {
	char text[4][5 * PATH_MAX];
	const char *words[PROOF_WORDS];
};

static inline const char *const *shim_env(struct shim_env *e, const char *mode, const char *first,
                                          const char *const *more)
{
	size_t i;

	snprintf(e->text[0], sizeof(*e->text), "LD_PRELOAD=%s%s%s", first ? first : "",
	         first ? ":" : "", proof_preload);
	snprintf(e->text[1], sizeof(*e->text), "PVCLOCK_MODE=%s", mode);
	snprintf(e->text[2], sizeof(*e->text), "PVCLOCK_PROOF=%s/proof", proof_tree);
	snprintf(e->text[3], sizeof(*e->text), "PVCLOCK_STATS=%s/proof/%%p", proof_tree);
	for (i = 0; i < 4; i++)
		e->words[i] = e->text[i];
	for (; more && *more; more++) {
		assert_true(i + 1 < PROOF_WORDS);
		e->words[i++] = *more;
	}
	e->words[i] = NULL;
	return e->words;
}

/* Of the last object, that of what the process was when it ended. */
static inline unsigned long value_of(const char *text, const char *key)
{
	const char *at = NULL, *next;

	for (next = strstr(text, key); next; next = strstr(next + 1, key))
		at = next;
	if (!at)
		fail_msg("no %s in: %s", key, text);
	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static inline void read_proof(struct proof *p, const char *path)
{
	static char text[1 << 16];
	unsigned long anchors, reads;
	FILE *f = fopen(path, "r");

	/* None, or empty: it was killed in between. */
	text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = '\0';
	if (*text) {
		anchors = value_of(text, "\"anchors\":");
		reads = value_of(text, "\"kernel_reads\":");
		p->processes++;
		p->anchors = anchors > p->anchors ? anchors : p->anchors;
		p->kernel_reads = reads > p->kernel_reads ? reads : p->kernel_reads;
	}
	if (f)
		fclose(f);
}

/* Of the processes of a name that have ended under the shim since begin_proof. */
static inline struct proof proof_of(const char *name)
{
	char path[PATH_MAX + 300];
	struct proof p = {0};
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proof", proof_tree);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		const char *dot = strrchr(d->d_name, '.');

		if (!dot || strncmp(d->d_name, name, strlen(name)) != 0 ||
		    d->d_name + strlen(name) != dot)
			continue;
		snprintf(path, sizeof(path), "%s/proof/%s", proof_tree, dot + 1);
		read_proof(&p, path);
	}
	closedir(dir);
	return p;
}

/*
 * An anchor is made by a call that the shim then answers from it; a kernel read by a call
 * that came to the shim. The shim makes neither of its own accord.
 */
static inline void assert_answered(const char *name, const char *mode, bool brief)
{
	struct proof p = proof_of(name);

	if (!p.processes)
		fail_msg("mode %s: no process %s ended under the shim", mode, name);
	if (!(brief ? p.kernel_reads : p.anchors))
		fail_msg("mode %s: the shim was not asked by %s", mode, name);
}

static const char *const live_modes[] = {"auto", "percpu"};
#define LIVE_MODES (sizeof(live_modes) / sizeof(*live_modes))

static inline bool mode_is_live(const char *mode, const char *what)
{
	return mode_works(!strcmp(mode, "auto") ? "stable" : mode, what);
}

static inline void run_proved(struct result *r, const struct program *p, const char *mode)
{
	static struct shim_env e;
	struct command c = {.argv = p->argv, .before = p->before};

	begin_proof();
	c.env = shim_env(&e, mode, p->first, p->env);
	run(r, &c);
}

/* As people have it: nothing is counted, and the way of a call is another. */
static inline void run_under_shim(struct result *r, const struct program *p)
{
	static struct shim_env e;
	struct command c = {.argv = p->argv, .before = p->before};

	begin_proof();
	c.env = shim_env(&e, "auto", p->first, p->env);
	snprintf(e.text[3], sizeof(*e.text), "PVCLOCK_VERBOSE=0");
	run(r, &c);
}

static inline void assert_alike(const struct result *plain, const struct result *shimmed,
                                const char *mode)
{
	if (plain->status != shimmed->status || strcmp(plain->out, shimmed->out) != 0 ||
	    strcmp(plain->err, shimmed->err) != 0)
		fail_msg("without the shim: %d\n%s%s\nmode %s: %d\n%s%s", plain->status, plain->out,
		         plain->err, mode, shimmed->status, shimmed->out, shimmed->err);
}

static inline void check_run_of(const struct program *p, const struct result *plain,
                                const struct result *shimmed, const char *mode)
{
	assert_exit(shimmed, plain->status);
	if (p->check)
		p->check(shimmed);
	else
		assert_alike(plain, shimmed, mode);
}

/* The whole of it: without the shim, under it, and in each mode that reads the page. */
static inline void assert_same_program(const struct program *p, int status)
{
	static struct result plain, shimmed;
	struct command c = {.argv = p->argv, .env = p->env, .before = p->before};
	size_t i;

	run(&plain, &c);
	assert_exit(&plain, status);
	if (p->check)
		p->check(&plain);
	run_under_shim(&shimmed, p);
	check_run_of(p, &plain, &shimmed, "auto");
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], p->argv[0]))
			continue;
		run_proved(&shimmed, p, live_modes[i]);
		check_run_of(p, &plain, &shimmed, live_modes[i]);
		assert_answered(p->name, live_modes[i], p->brief);
		if (p->also)
			assert_answered(p->also, live_modes[i], true);
	}
}

static inline bool have(const char *name)
{
	if (have_program(name))
		return true;
	skip_line(name, "not installed");
	return false;
}

/* Where this is forbidden, no debugger runs. */
static inline bool have_ptrace(const char *what)
{
	static struct result r;
	struct command c = {.argv = WORDS("strace", "-o", "/dev/null", "true")};

	if (!have("strace") || !have(what))
		return false;
	run(&r, &c);
	if (r.status == 0)
		return true;
	skip_line(what, "processes may not be traced here");
	return false;
}

#endif /* TESTS_PROOF_H */
