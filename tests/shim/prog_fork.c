// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Forks while other threads read, so that some of them are in the middle of it:
 * the child has their half-done work and not them, and must read on, from what
 * its parent had seen.
 *
 * prog_fork FORKS
 */
#include <pthread.h>
#include <sys/wait.h>

#include "prog.h"

#define READERS 4
#define READS 3000 /* by each child */

static _Atomic bool done;

static void *reader(void *arg)
{
	_Atomic int64_t seen[STEADY] = {0};

	(void)arg;
	while (!atomic_load(&done))
		read_steady(seen, "a thread of the parent");
	return NULL;
}

static void child(_Atomic int64_t seen[STEADY])
{
	pid_t grandchild;
	int i, status;

	for (i = 0; i < READS; i++)
		read_steady(seen, "the child");
	grandchild = fork();
	if (!grandchild) {
		for (i = 0; i < READS; i++)
			read_steady(seen, "the child's child");
		_exit(0);
	}
	if (grandchild < 0 || waitpid(grandchild, &status, 0) < 0)
		_exit(1);
	_exit(status != 0);
}

int main(int argc, char **argv)
{
	int forks = argc > 1 ? atoi(argv[1]) : 1, i, status;
	_Atomic int64_t seen[STEADY] = {0};
	pthread_t thread[READERS];

	for (i = 0; i < READERS; i++)
		if (pthread_create(&thread[i], NULL, reader, NULL) != 0)
			DIE("no thread\n");
	while (forks--) {
		pid_t pid;

		read_steady(seen, "the parent");
		pid = fork();
		if (!pid)
			child(seen);
		read_steady(seen, "the parent");
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			DIE("a child ended with %#x\n", (unsigned)status);
	}
	atomic_store(&done, true);
	for (i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
