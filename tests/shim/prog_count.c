// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * prog_count THREADS TURNS [HOW [WHAT]]: a known number of calls of each kind, in each of the
 * threads. A turn is one of the clock with id 0, two of that with id 1, and so on up to TAI;
 * three of other ids; four of gettimeofday, five of time, six of clock_getres, and seven of
 * adjtimex. HOW is what happens before the end, or instead of it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "prog.h"

static unsigned long turns;

static void turn(void)
{
	struct timespec ts;
	struct timex tx = {.modes = 0};
	struct timeval tv;
	clockid_t id;
	int i;

	for (id = 0; id <= CLOCK_TAI; id++)
		for (i = 0; i <= id; i++)
			clock_gettime(id, &ts);
	clock_gettime(12, &ts);
	clock_gettime(1000, &ts);
	clock_gettime(-6, &ts);
	for (i = 0; i < 4; i++)
		gettimeofday(&tv, NULL);
	for (i = 0; i < 5; i++)
		time(NULL);
	for (i = 0; i < 6; i++)
		clock_getres(CLOCK_MONOTONIC, &ts);
	for (i = 0; i < 7; i++)
		adjtimex(&tx);
}

static void *work(void *arg)
{
	unsigned long i;

	for (i = 0; i < turns; i++)
		turn();
	return arg;
}

static void together(int count)
{
	pthread_t thread[64];
	int i;

	if (count < 0 || count > 64)
		DIE("0 to 64 threads\n");
	for (i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			DIE("no thread\n");
	for (i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

/* The child does a turn more, of its own, and ends as its parent does. */
static void fork_one(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		DIE("no child\n");
	if (!pid) {
		turn();
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		DIE("the child failed\n");
}

/* Not even with a higher number is one left. */
static void fill_table(void)
{
	struct rlimit few = {16, 16};

	if (setrlimit(RLIMIT_NOFILE, &few) != 0)
		DIE("no limit\n");
	while (dup(STDOUT_FILENO) >= 0)
		;
}

static void become_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		DIE("%s: %s\n", name, strerror(errno));
}

static void end(const char *how, const char *what)
{
	if (!strcmp(how, "fork"))
		fork_one();
	else if (!strcmp(how, "_exit"))
		_exit(0);
	else if (!strcmp(how, "kill"))
		raise(SIGKILL);
	else if (!strcmp(how, "full"))
		fill_table();
	else if (!strcmp(how, "closed"))
		close(STDERR_FILENO);
	else if (!strcmp(how, "stderr"))
		become_file(what);
	else if (strcmp(how, "chdir") == 0 ? chdir("/") != 0 : chroot(what) != 0 || chdir("/") != 0)
		DIE("%s: %s\n", how, strerror(errno));
}

int main(int argc, char **argv)
{
	if (argc < 3)
		DIE("usage: prog_count THREADS TURNS [HOW [WHAT]]\n");
	turns = strtoul(argv[2], NULL, 10);
	together(atoi(argv[1]));
	if (argc > 3)
		end(argv[3], argc > 4 ? argv[4] : "");
	return 0;
}
