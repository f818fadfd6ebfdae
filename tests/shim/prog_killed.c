// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What dies in the middle of reading, and those that read on.
 *
 * prog_killed cancel COUNT   threads, cancelled wherever they are
 * prog_killed parent COUNT   a process of many threads, survived by its children
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "prog.h"

#define READERS 2
#define CHILDREN 3
#define READS 3000 /* by each child that is left */

static _Atomic int64_t seen[STEADY];
static _Atomic bool done;

static void *reader(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		read_steady(seen, "one who lives");
	return NULL;
}

static void *read_until_cancelled(void *arg)
{
	_Atomic int *reads = arg;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;) {
		read_steady(seen, "one who will be cancelled");
		atomic_fetch_add(reads, 1);
	}
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	if (pthread_create(thread, NULL, run, arg) != 0)
		DIE("no thread\n");
}

static void cancel(void)
{
	_Atomic int reads = 0;
	pthread_t victim;
	void *result;

	start(&victim, read_until_cancelled, &reads);
	while (atomic_load(&reads) < 10)
		read_steady(seen, "the canceller");
	pthread_cancel(victim);
	if (pthread_join(victim, &result) != 0 || result != PTHREAD_CANCELED)
		DIE("not cancelled\n");
}

static void read_on_alone(pid_t parent, int ready)
{
	int i;

	alarm(40);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	while (getppid() == parent)
		read_steady(seen, "a child");
	for (i = 0; i < READS; i++)
		read_steady(seen, "a child whose parent was killed");
	_exit(0);
}

static void be_parent(int ready)
{
	pid_t self = getpid();
	pthread_t thread;
	int i;

	start(&thread, reader, NULL);
	for (i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			read_on_alone(self, ready);
	alarm(40);
	reader(NULL);
}

static void reap(pid_t pid, int how)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			DIE("wait: %s\n", strerror(errno));
	if (status != how)
		DIE("ended with %#x, not %#x\n", (unsigned)status, (unsigned)how);
}

/* Its children become ours. */
static void kill_parent(void)
{
	char word;
	pid_t pid;
	int ready[2], i;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || pipe(ready) != 0)
		DIE("no children: %s\n", strerror(errno));
	pid = fork();
	if (!pid)
		be_parent(ready[1]);
	for (i = 0; i < CHILDREN; i++)
		if (pid < 0 || read(ready[0], &word, 1) != 1)
			DIE("no children: %s\n", strerror(errno));
	close(ready[0]);
	close(ready[1]);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	for (i = 0; i < CHILDREN; i++)
		reap(-1, 0);
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 1, i;
	void (*kill_one)(void) = NULL;
	pthread_t readers[READERS];

	if (argc > 1 && !strcmp(argv[1], "cancel"))
		kill_one = cancel;
	else if (argc > 1 && !strcmp(argv[1], "parent"))
		kill_one = kill_parent;
	else
		DIE("prog_killed cancel|parent COUNT\n");
	/* A process that forks has them in the parent alone. */
	for (i = 0; i < READERS && kill_one != kill_parent; i++)
		start(&readers[i], reader, NULL);
	while (count--)
		kill_one();
	atomic_store(&done, true);
	for (i = 0; i < READERS && kill_one != kill_parent; i++)
		pthread_join(readers[i], NULL);
	return 0;
}
