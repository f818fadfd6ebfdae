// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Many threads fork at once, and start programs, while others read; each child reads
 * on from what had been seen before it was made. One of the readings may be anywhere.
 *
 * prog_forks THREADS CHILDREN
 */
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "prog.h"

#define MOST_THREADS 32
#define READS 500 /* by each child */
#define READERS 2

static _Atomic int64_t seen[STEADY];
static _Atomic bool done;
static int children;
static char *self;

static void ended_well(pid_t pid)
{
	int status = -1;

	if (pid < 0)
		DIE("no child\n");
	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			DIE("waitpid: %s\n", strerror(errno));
	if (status != 0)
		DIE("a child ended with %#x\n", (unsigned)status);
}

static void child(const char *who)
{
	int i;

	for (i = 0; i < READS; i++)
		read_steady(seen, who);
}

static void by_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* A hang is a failure of this program's, and no orphan. */
		alarm(40);
		child("the child of fork");
		_exit(0);
	}
	ended_well(pid);
}

static void by_vfork(void)
{
	/* To be tried because others do it. */
	pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)

	if (!pid) {
		child("the child of vfork"); // NOLINT(clang-analyzer-unix.Vfork)
		_exit(0);
	}
	ended_well(pid);
}

static void by_spawn(void)
{
	char *args[] = {self, "0", "0", NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) != 0)
		DIE("posix_spawn fails\n");
	ended_well(pid);
}

static void *parent(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < children; i++) {
		read_steady(seen, "a parent");
		if (i % 8 == 7)
			by_spawn();
		else if (i % 4 == 3)
			by_vfork();
		else
			by_fork();
	}
	return NULL;
}

static void *reader(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		read_steady(seen, "a reader");
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 4, i;
	pthread_t thread[MOST_THREADS], readers[READERS];

	self = argv[0];
	children = argc > 2 ? atoi(argv[2]) : 20;
	if (!count) {
		child("a program of its own");
		return 0;
	}
	if (count < 0 || count > MOST_THREADS)
		DIE("prog_forks THREADS CHILDREN: up to %d\n", MOST_THREADS);
	for (i = 0; i < READERS; i++)
		if (pthread_create(&readers[i], NULL, reader, NULL) != 0)
			DIE("no thread\n");
	for (i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, parent, NULL) != 0)
			DIE("no thread\n");
	for (i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&done, true);
	for (i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	return 0;
}
