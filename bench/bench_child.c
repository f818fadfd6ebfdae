// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Other programs, with and without the shim: where it is, how it gets into
 * them, and how they end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "bench_args.h"

#define SHIM "libpvclock-preload.so"
#define ANSWER_SECONDS 10 /* a batch takes milliseconds; longer is a hang */

/* path/../where/SHIM, if it is there. */
static bool shim_beside(const char *path, const char *where, char *buffer)
{
	char copy[PATH_MAX], candidate[2 * PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(candidate, sizeof(candidate), "%s/%s" SHIM, dirname(copy), where);
	return realpath(candidate, buffer) != NULL;
}

static bool find_default(char *buffer)
{
	char exe[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	Dl_info library;

	if (length > 0) {
		exe[length] = '\0';
		if (shim_beside(exe, "", buffer) || shim_beside(exe, "../lib/", buffer))
			return true;
	}
	/* Distributions have more than one lib; the library knows which. */
	return dladdr((void *)pvclock_gettime, &library) && library.dli_fname &&
	       shim_beside(library.dli_fname, "", buffer);
}

bool bench_find_shim(const char *wanted, char *buffer, char *reason)
{
	if (wanted ? !realpath(wanted, buffer) : !find_default(buffer)) {
		snprintf(reason, BENCH_REASON, "no " SHIM " found; --shim says where it is");
		return false;
	}
	if (strpbrk(buffer, " :")) {
		snprintf(reason, BENCH_REASON,
		         "LD_PRELOAD cannot name a path with a space or a colon");
		return false;
	}
	return true;
}

static int is_shim(struct dl_phdr_info *info, size_t size, void *data)
{
	const char *name = strrchr(info->dlpi_name, '/');

	(void)size;
	(void)data;
	return !strcmp(name ? name + 1 : info->dlpi_name, SHIM);
}

bool bench_under_shim(void)
{
	return dl_iterate_phdr(is_shim, NULL);
}

void bench_refuse_shim(void)
{
	if (bench_under_shim())
		error(ARGS_EXIT_FAILURE, 0,
		      "the shim is loaded into this program, where it would be taken for the "
		      "kernel; start it without");
}

bool bench_child_preload(const char *shim)
{
	/* A verbose shim would be measured writing, and one that counts at that. */
	if (unsetenv("PVCLOCK_VERBOSE") || unsetenv("PVCLOCK_STATS"))
		return false;
	return !(shim ? setenv("LD_PRELOAD", shim, 1) : unsetenv("LD_PRELOAD"));
}

static int spawn(pid_t *pid, const char *file, char *const argv[], int fd)
{
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err)
		return err;
	if (fd >= 0) {
		err = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
		if (!err)
			err = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	}
	if (!err)
		err = posix_spawnp(pid, file, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

int bench_child_run(const char *file, char *const argv[])
{
	pid_t pid;
	int status, err = spawn(&pid, file, argv, -1);

	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return status ? ENOEXEC : 0;
}

int bench_child_start(struct bench_child *child, const char *file, char *const argv[])
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	int err, fd[2];

	child->fd = -1;
	/* Closed on exec: only the child holds its end, and sees when we are gone. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return errno;
	setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	err = spawn(&child->pid, file, argv, fd[1]);
	close(fd[1]);
	if (err)
		close(fd[0]);
	else
		child->fd = fd[0];
	return err;
}

bool bench_child_ask(const struct bench_child *child, const void *request, size_t size, void *reply,
                     size_t reply_size)
{
	/* A child that died is an answer too few, not a signal. */
	if (size && send(child->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		return false;
	return recv(child->fd, reply, reply_size, MSG_WAITALL) == (ssize_t)reply_size;
}

void bench_child_end(struct bench_child *child)
{
	if (child->fd < 0)
		return;
	close(child->fd);
	child->fd = -1;
	/* One that hangs does not read that we are gone. */
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
