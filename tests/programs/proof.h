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
	snprintf(e->text[3], sizeof(*e->text), "PVCLOCK_VERBOSE=2");
	for (i = 0; i < 4; i++)
		e->words[i] = e->text[i];
	for (; more && *more; more++) {
		assert_true(i + 1 < PROOF_WORDS);
		e->words[i++] = *more;
	}
	e->words[i] = NULL;
	return e->words;
}

static inline void read_proof(struct proof *p, const char *path)
{
	char text[256] = "", mode[16];
	unsigned long anchors, reads;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	/* Empty: it was killed in between. */
	if (fgets(text, sizeof(text), f)) {
		if (sscanf(text, "pvclock: mode %15[a-z]: %lu anchors, %lu kernel reads", mode,
		           &anchors, &reads) != 3)
			fail_msg("%s: %s", path, text);
		p->processes++;
		p->anchors = anchors > p->anchors ? anchors : p->anchors;
		p->kernel_reads = reads > p->kernel_reads ? reads : p->kernel_reads;
	}
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
		snprintf(path, sizeof(path), "%s/proof/%s", proof_tree, d->d_name);
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

/* What the shim says on stderr when a program starts is no part of what the program says. */
static inline void drop_shim_lines(char *text)
{
	char *to = text, *end;
	size_t length;

	while (*text) {
		end = strchr(text, '\n');
		length = end ? (size_t)(end - text) + 1 : strlen(text);
		if (strncmp(text, "pvclock: mode ", strlen("pvclock: mode ")) != 0) {
			memmove(to, text, length);
			to += length;
		}
		text += length;
	}
	*to = '\0';
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
	drop_shim_lines(r->err);
}

static inline void assert_alike(const struct result *plain, const struct result *shimmed,
                                const char *mode)
{
	if (plain->status != shimmed->status || strcmp(plain->out, shimmed->out) != 0 ||
	    strcmp(plain->err, shimmed->err) != 0)
		fail_msg("without the shim: %d\n%s%s\nmode %s: %d\n%s%s", plain->status, plain->out,
		         plain->err, mode, shimmed->status, shimmed->out, shimmed->err);
}

/* The whole of it: without the shim, and in each mode that reads the page. */
static inline void assert_same_program(const struct program *p, int status)
{
	static struct result plain, shimmed;
	struct command c = {.argv = p->argv, .env = p->env, .before = p->before};
	size_t i;

	run(&plain, &c);
	assert_exit(&plain, status);
	if (p->check)
		p->check(&plain);
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], p->argv[0]))
			continue;
		run_proved(&shimmed, p, live_modes[i]);
		assert_exit(&shimmed, status);
		if (p->check)
			p->check(&shimmed);
		else
			assert_alike(&plain, &shimmed, live_modes[i]);
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
