// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * prog_forbid [malloc|dlsym]: forbids allocation, if somebody is there who can, and
 * then makes every call that has to do with the time, also in a new thread and in the
 * child of a fork. With an argument, that as well.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "prog.h"

extern void forbid(bool on) __attribute__((weak));

#define READS 3000

static pthread_barrier_t ready;
static void *volatile block;

static void every_call(void)
{
	_Atomic int64_t seen[STEADY] = {0};
	struct timex tx = {.modes = 0};
	struct timespec ts;
	struct timeval tv;
	clockid_t id;
	int i;

	for (i = 0; i < READS; i++) {
		read_steady(seen, "the reader");
		gettimeofday(&tv, NULL);
		time(NULL);
		for (id = -3; id < 20 && i % 100 == 0; id++) {
			clock_gettime(id, &ts);
			clock_getres(id, &ts);
		}
	}
	adjtimex(&tx);
	clock_adjtime(CLOCK_REALTIME, &tx);
	ts = (struct timespec){0, -1};
	clock_settime(CLOCK_REALTIME, &ts);
}

/* Its first call is made when all is forbidden; a thread's end frees what it had. */
static void *thread(void *arg)
{
	pthread_barrier_wait(&ready);
	every_call();
	pthread_barrier_wait(&ready);
	return arg;
}

static void in_child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		every_call();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		DIE("the child ended with %#x\n", (unsigned)status);
}

int main(int argc, char **argv)
{
	pthread_t other;

	if (!forbid)
		DIE("nobody forbids\n");
	if (pthread_barrier_init(&ready, NULL, 2) != 0 ||
	    pthread_create(&other, NULL, thread, NULL) != 0)
		DIE("no thread\n");
	forbid(true);
	pthread_barrier_wait(&ready);
	every_call();
	in_child();
	if (argc > 1 && !strcmp(argv[1], "malloc"))
		block = malloc(1);
	if (argc > 1 && !strcmp(argv[1], "dlsym"))
		block = dlsym(RTLD_DEFAULT, "malloc");
	forbid(false);
	pthread_barrier_wait(&ready);
	pthread_join(other, NULL);
	return 0;
}
