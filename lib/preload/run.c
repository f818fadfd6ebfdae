// SPDX-License-Identifier: LGPL-2.1-or-later
/* pvclock-run: a program under the shim, with the options as arguments. */
#include <argp.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../attach/attach.h"

#define SHIM "libpvclock-preload.so"
#define EXIT_USAGE 2
#define EXIT_NOT_RUN 126
#define EXIT_NOT_FOUND 127
#define OPTION_STATS 256 /* no letter */

struct arguments {
	const char *shim;
	char **program;
	unsigned verbose;
};

static const struct argp_option argp_options[] = {
	{"mode", 'm', "MODE", 0, "auto, stable, percpu or kernel", 0},
	{"scope", 's', "SCOPE", 0, "among whom per-CPU time does not go back: process or thread",
         0},
	{"resync-us", 'r', "US", 0, "longest time between two anchors, 100 to 100000", 0},
	{"syscall", 'c', NULL, 0, "answer also syscall(2), where it asks for the time", 0},
	{"verbose", 'v', NULL, 0, "the shim says what it does; twice: also at exit", 0},
	{"shim", 'S', "PATH", 0, "the shim to load", 0},
	{"stats", OPTION_STATS, "FILE", 0,
         "at exit the shim adds a JSON object to the file: what it did; %p is the process", 0},
	{0},
};

static void refuse(const char *name, const char *value, const char *expected)
{
	fprintf(stderr, "pvclock-run: %s=%s: expected %s\n", name, value, expected);
	exit(EXIT_USAGE);
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		err(EXIT_NOT_RUN, "%s", name);
}

/*
 * The shim reads the same variables and would make do with a default; whoever
 * starts a program by hand wants to hear of it first.
 */
static void check_environment(unsigned verbose)
{
	struct pvc_options o;

	pvc_options_default(&o);
	pvc_options_environment(&o, refuse);
	if (verbose > o.verbose)
		set("PVCLOCK_VERBOSE", verbose > 1 ? "2" : "1");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		/* getopt has its line on stderr; argp's advice would go here. */
		state->err_stream = NULL;
		return 0;
	case 'm':
		set("PVCLOCK_MODE", arg);
		return 0;
	case 's':
		set("PVCLOCK_SCOPE", arg);
		return 0;
	case 'r':
		set("PVCLOCK_RESYNC_US", arg);
		return 0;
	case 'c':
		set("PVCLOCK_SYSCALL", "1");
		return 0;
	case 'v':
		a->verbose++;
		return 0;
	case OPTION_STATS:
		set("PVCLOCK_STATS", arg);
		return 0;
	case 'S':
		a->shim = arg;
		return 0;
	case ARGP_KEY_ARGS:
		a->program = state->argv + state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		errx(EXIT_USAGE, "expected a program to run; see --help");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Beside this program, as built, or in ../lib, as installed. */
static const char *find_shim(void)
{
	static char path[PATH_MAX + sizeof("/../lib/" SHIM)];
	static const char *const beside[] = {"/" SHIM, "/../lib/" SHIM};
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *end;
	size_t i;

	if (length < 0)
		err(EXIT_NOT_RUN, "/proc/self/exe");
	path[length] = '\0';
	end = strrchr(path, '/');
	for (i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		snprintf(end, sizeof("/../lib/" SHIM), "%s", beside[i]);
		if (access(path, R_OK) == 0)
			return path;
	}
	errx(EXIT_NOT_RUN, "no " SHIM " beside this program; name it with --shim");
}

static void preload(const char *name)
{
	const char *others = getenv("LD_PRELOAD");
	/* Absolute: ld.so searches for a name without a slash, and programs chdir. */
	char *list, *shim = realpath(name, NULL);

	if (!shim || access(shim, R_OK) != 0)
		err(EXIT_NOT_RUN, "%s", name);
	/* ld.so splits the list at these, and has no way to quote them. */
	if (strpbrk(shim, " :"))
		errx(EXIT_NOT_RUN, "%s: a path to preload cannot hold a space or a colon", shim);
	if (asprintf(&list, "%s%s%s", shim, others && *others ? ":" : "", others ? others : "") < 0)
		err(EXIT_NOT_RUN, "LD_PRELOAD");
	if (setenv("LD_PRELOAD", list, 1) != 0)
		err(EXIT_NOT_RUN, "LD_PRELOAD");
	free(list);
	free(shim);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		parse,
		"PROGRAM [ARGUMENT...]",
		"Runs a program with its time calls answered from the pvclock page.",
		NULL,
		NULL,
		NULL};
	struct arguments a = {0};

	argp_program_version = "pvclock-run 0.1.0";
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a))
		return EXIT_USAGE;
	check_environment(a.verbose);
	preload(a.shim ? a.shim : find_shim());
	execvp(a.program[0], a.program);
	err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN, "%s", a.program[0]);
}
