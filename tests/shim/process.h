/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a command in a process group of its own, with its output in memory, and
 * leaves nothing behind: a hang ends after a minute, as a failure of the test,
 * and so does a process that outlives the command.
 */
#ifndef TESTS_PROCESS_H
#define TESTS_PROCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHDOG_MS 60000
#define EXIT_NO_EXEC 125  /* the command could not be started */
#define EXIT_NO_SETUP 124 /* what was to be done before it was refused */
#define CAPTURE_SIZE (1u << 18)

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct result {
	int status; /* exit status, or 128 + the signal that ended it */
	char out[CAPTURE_SIZE];
	char err[CAPTURE_SIZE];
};

struct command {
	const char *const *argv;
	const char *const *env; /* NAME=VALUE, added to the tests' own; may be NULL */
	bool (*before)(void);   /* in the child, before it becomes the command */
	const char *out;        /* a file for stdout instead of memory; may be NULL */
};

/* A variable that tests/run sets. */
static inline const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		fail_msg("%s is not set: run this test by make check or tests/run", name);
	return value;
}

/* What the tests' own surroundings must not decide. */
static inline void clean_environment(void)
{
	static const char *const names[] = {
		"LD_PRELOAD",        "PVCLOCK_MODE",   "PVCLOCK_SCOPE",   "PVCLOCK_RESYNC_US",
		"PVCLOCK_VERBOSE",   "PVCLOCK_STATS",  "PVCLOCK_SYSCALL", "LD_BIND_NOW",
		"LD_LIBRARY_PATH",   "LD_DEBUG",       "MAKEFLAGS",       "MAKELEVEL",
		"PKG_CONFIG_LIBDIR", "PKG_CONFIG_PATH"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
}

static inline void become(const struct command *c, int out, int err)
{
	size_t i;

	setpgid(0, 0);
	/* If the tests are killed, so is this. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(EXIT_NO_EXEC);
	clean_environment();
	for (i = 0; c->env && c->env[i]; i++)
		putenv((char *)c->env[i]);
	if (c->before && !c->before())
		_exit(EXIT_NO_SETUP);
	execvp(c->argv[0], (char *const *)c->argv);
	_exit(EXIT_NO_EXEC);
}

/*
 * Appended to: writers of a memfd share its position without a lock, and processes that
 * write at the same moment would write over each other.
 */
static inline int open_capture(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
	return fd;
}

static inline void collect(int fd, char *text)
{
	ssize_t got = pread(fd, text, CAPTURE_SIZE - 1, 0);

	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
}

/* True if it ended by itself. Its group is gone in any case. */
static inline bool wait_for(pid_t pid, int *status)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	bool ended = fd >= 0 && poll(&poll_fd, 1, WATCHDOG_MS) == 1;

	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (fd >= 0)
		close(fd);
	return ended;
}

static inline void run(struct result *r, const struct command *c)
{
	int out = open_capture("out"), err = open_capture("err");
	bool ended, left;
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		become(c, out, err);
	setpgid(pid, pid); /* by both, as either may come first */
	ended = wait_for(pid, &status);
	left = kill(-pid, SIGKILL) == 0;
	collect(out, r->out);
	collect(err, r->err);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!ended)
		fail_msg("%s hangs; it said: %s%s", c->argv[0], r->out, r->err);
	if (left)
		fail_msg("%s left a process behind", c->argv[0]);
	if (r->status == EXIT_NO_EXEC)
		fail_msg("%s cannot be started", c->argv[0]);
}

static inline void assert_exit(const struct result *r, int status)
{
	if (r->status != status)
		fail_msg("exit status %d, not %d; it said: %s%s", r->status, status, r->out,
		         r->err);
}

static inline unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static inline void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

/* Exactly one line, with all of these in it. */
static inline void assert_one_line(const char *text, const char *const *parts)
{
	if (count_lines(text) != 1 || text[strlen(text) - 1] != '\n')
		fail_msg("expected one line, not: \"%s\"", text);
	for (; *parts; parts++)
		assert_contains(text, *parts);
}

static inline bool have_program(const char *name)
{
	static struct result r;
	const char *const words[] = {"sh", "-c", "command -v \"$0\"", name, NULL};
	struct command c = {.argv = words};

	run(&r, &c);
	return r.status == 0;
}

static inline void skip_line(const char *what, const char *reason)
{
	fprintf(stderr, "SKIP: %s: %s\n", what, reason);
}

/* Runs a tool that must be there and work, and keeps what it says. */
static inline void run_tool(struct result *r, const char *const *argv)
{
	struct command c = {.argv = argv};

	run(r, &c);
	assert_exit(r, 0);
}

/* Cuts the next line off a text; NULL after the last. */
static inline char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	if (end)
		*end = '\0';
	*text = end ? end + 1 : line + strlen(line);
	return line;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* The directories of this test program; removed at the end if a test failed. */
static char trees[8][PATH_MAX];

static inline void remove_tree(const char *path)
{
	size_t i;

	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	for (i = 0; i < sizeof(trees) / sizeof(*trees); i++)
		if (!strcmp(trees[i], path))
			trees[i][0] = '\0';
}

static inline void remove_trees(void)
{
	size_t i;

	for (i = 0; i < sizeof(trees) / sizeof(*trees); i++)
		if (trees[i][0])
			nftw(trees[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A directory under $TMPDIR or /tmp, to be removed with remove_tree. */
static inline void make_tree(char path[PATH_MAX])
{
	static bool registered;
	const char *under = getenv("TMPDIR");
	size_t i = 0;

	while (trees[i][0])
		assert_true(++i < sizeof(trees) / sizeof(*trees));
	snprintf(path, PATH_MAX, "%s/pvclock-test.XXXXXX", under && *under ? under : "/tmp");
	assert_non_null(mkdtemp(path));
	memcpy(trees[i], path, PATH_MAX);
	if (!registered)
		atexit(remove_trees);
	registered = true;
}

#endif /* TESTS_PROCESS_H */
