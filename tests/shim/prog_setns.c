// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Goes itself from one time namespace into another and back, by setns. From its
 * first reading there its clocks are those of the namespace that it is in, also
 * where that is lower than what it was told.
 *
 * prog_setns SECONDS
 *
 * SECONDS are added to MONOTONIC and BOOTTIME in one namespace, twice as many in
 * another. It goes there from where it is; then a child does that does not become
 * another program, and then one that was started there. Exits with 77 where namespaces are not to
 * be had.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "prog.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define NOT_HERE 77
#define READINGS 2000
#define ROUNDS 20
#define SIGNALS 500
/*
 * ns: more than a sample is off by on a machine that is not given its CPUs, and less
 * than a namespace's clock by far.
 */
#define AGREEMENT 1000000

/* Those that a namespace has of its own; and RAW, which goes with MONOTONIC. */
static const clockid_t every[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW};
#define EVERY (sizeof(every) / sizeof(*every))

static void read_all(int times, const char *where)
{
	size_t i;
	int n;

	for (n = 0; n < times; n++)
		for (i = 0; i < EVERY; i++) {
			int64_t low = kernel_ns(every[i]), is = read_ns(every[i]);
			int64_t high = kernel_ns(every[i]);

			if (is < low - AGREEMENT || is > high + AGREEMENT)
				DIE("%s: reading %d of clock %d: %lld before, %lld after the "
				    "kernel's\n",
				    where, n, (int)every[i], (long long)(low - is),
				    (long long)(is - high));
		}
}

static void leave_for_children(long seconds)
{
	char text[128];
	int fd, length;

	if (unshare(CLONE_NEWTIME) != 0)
		_exit(NOT_HERE);
	length =
		snprintf(text, sizeof(text), "monotonic %ld 0\nboottime %ld 0\n", seconds, seconds);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		_exit(1);
	close(fd);
}

/* A namespace is empty, and takes offsets, until its maker has a child. */
static int make_namespace(long seconds)
{
	int ready[2], fd, status;
	char text[128];
	pid_t pid;

	if (pipe(ready) != 0 || (pid = fork()) < 0)
		DIE("%s\n", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		leave_for_children(seconds);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], text, 1) != 1) {
		while (waitpid(pid, &status, 0) < 0)
			;
		_exit(WEXITSTATUS(status));
	}
	close(ready[0]);
	snprintf(text, sizeof(text), "/proc/%d/ns/time_for_children", (int)pid);
	fd = open(text, O_RDONLY);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		;
	if (fd < 0)
		DIE("%s\n", text);
	return fd;
}

/* By each of the ways that a program may take. */
static void go(int fd, unsigned way)
{
	long ret;

	switch (way % 3) {
	case 0:
		ret = setns(fd, CLONE_NEWTIME);
		break;
	case 1:
		ret = setns(fd, 0);
		break;
	default:
		ret = syscall(SYS_setns, fd, CLONE_NEWTIME);
		break;
	}
	if (ret != 0)
		DIE("setns: %ld, %s\n", ret, strerror(errno));
}

/* Right when setns returns, before anybody else has learned of it. */
static void on_timer(int signal)
{
	struct timespec ts;
	size_t i;

	(void)signal;
	for (i = 0; i < EVERY; i++)
		clock_gettime(every[i], &ts);
}

/* A handler that reads, at some time before, in or after the call. */
static void go_under_signals(int there, int back)
{
	struct itimerval timer = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_timer};
	unsigned i;

	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < SIGNALS; i++) {
		timer.it_value.tv_usec = 1 + i % 25;
		setitimer(ITIMER_REAL, &timer, NULL);
		go(i & 1 ? back : there, 0);
		read_all(3, "under signals");
	}
	timer.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void go_round(const int fd[3], const char *const where[3])
{
	unsigned i, round;

	/* Lines are made, and from samples the first ones take a while. */
	read_all(10 * READINGS, "at the start");
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < 3; i++) {
			go(fd[i], round + i);
			read_all(round ? 50 : READINGS, where[i]);
			/* What stands is left alone. */
			if (setns(-1, 0) != -1 || errno != EBADF)
				DIE("setns(-1, 0): %s\n", strerror(errno));
			read_all(1, where[i]);
		}
	go_under_signals(fd[0], fd[2]);
}

static void wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		DIE("who was in the namespace: status %x\n", status);
}

int main(int argc, char **argv)
{
	static const char *const out[] = {"in one", "in another", "outside again"};
	static const char *const in[] = {"outside", "in another", "inside again"};
	char one[16], another[16], outside[16];
	pid_t pid;
	int fd[3];

	if (argc == 5) {
		go_round((int[]){atoi(argv[4]), atoi(argv[3]), atoi(argv[2])}, in);
		return 0;
	}
	if (argc != 2)
		DIE("prog_setns SECONDS\n");
	fd[0] = make_namespace(atol(argv[1]));
	fd[1] = make_namespace(2 * atol(argv[1]));
	fd[2] = open("/proc/self/ns/time", O_RDONLY);
	go_round(fd, out);
	snprintf(one, sizeof(one), "%d", fd[0]);
	snprintf(another, sizeof(another), "%d", fd[1]);
	snprintf(outside, sizeof(outside), "%d", fd[2]);
	leave_for_children(atol(argv[1]));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		read_all(READINGS, "a child");
		_exit(0);
	}
	read_all(READINGS, "its parent");
	wait_for(pid);
	go(fd[0], 0);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", argv[0], argv[1], one, another, outside, NULL);
		DIE("exec: %s\n", strerror(errno));
	}
	wait_for(pid);
	return 0;
}
