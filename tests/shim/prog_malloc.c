// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads that allocate and free so much that an allocator has work to do with its
 * clock, and read the time between; and children that do the same.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "prog.h"

#define THREADS 4
#define ROUNDS 3000
#define KEPT 64

static _Atomic int64_t seen[STEADY];

static void *worker(void *arg)
{
	void *kept[KEPT] = {NULL};
	unsigned i, at;

	for (i = 0; i < ROUNDS; i++) {
		at = i * 7 % KEPT;
		free(kept[at]);
		kept[at] = malloc((size_t)1 << (i % 19));
		if (!kept[at])
			DIE("no memory\n");
		*(char *)kept[at] = 1;
		read_steady(seen, "a thread that allocates");
	}
	for (at = 0; at < KEPT; at++)
		free(kept[at]);
	return arg;
}

int main(void)
{
	pthread_t thread[THREADS];
	int i, status = -1;
	pid_t pid;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, worker, NULL) != 0)
			DIE("no thread\n");
	pid = fork();
	if (!pid) {
		worker(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		DIE("the child ended with %#x\n", (unsigned)status);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	puts("well");
	return 0;
}
