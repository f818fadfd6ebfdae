// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reads every clock, makes a time namespace, and has a child in it: which goes on
 * reading, or becomes another program. A child's clocks are the namespace's from
 * its first reading on, also where that is lower than what the parent was told.
 *
 * prog_namespace SECONDS [late | program...]
 *
 * SECONDS are added to MONOTONIC and BOOTTIME. Late: the child waits 5 ms first.
 * Exits with 77 where namespaces are not to be had.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "prog.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define NOT_HERE 77
#define READINGS 20000
#define AGREEMENT 1000 /* ns, as in prog_clocks */

static const clockid_t every[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
                                  CLOCK_REALTIME, CLOCK_TAI};
#define EVERY (sizeof(every) / sizeof(*every))

static void read_all(int times)
{
	size_t i;
	int n;

	for (n = 0; n < times; n++)
		for (i = 0; i < EVERY; i++) {
			int64_t low = kernel_ns(every[i]), is = read_ns(every[i]);
			int64_t high = kernel_ns(every[i]);

			if (is < low - AGREEMENT || is > high + AGREEMENT)
				DIE("clock %d: %lld before, %lld after the kernel's\n",
				    (int)every[i], (long long)(low - is), (long long)(is - high));
		}
}

static void enter(const char *seconds)
{
	char text[128];
	int fd, length;

	if (unshare(CLONE_NEWTIME) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0)
		_exit(NOT_HERE);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	length = snprintf(text, sizeof(text), "monotonic %s 0\nboottime %s 0\n", seconds, seconds);
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		DIE("timens_offsets: %s\n", strerror(errno));
	close(fd);
}

int main(int argc, char **argv)
{
	int64_t before;
	int status;
	pid_t pid;

	if (argc < 2)
		DIE("prog_namespace SECONDS [program...]\n");
	read_all(READINGS);
	enter(argv[1]);
	before = read_ns(CLOCK_MONOTONIC);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		DIE("fork: %s\n", strerror(errno));
	if (!pid) {
		if (argc > 2) {
			execv(argv[2], argv + 2);
			DIE("%s: %s\n", argv[2], strerror(errno));
		}
		if (llabs(read_ns(CLOCK_MONOTONIC) - kernel_ns(CLOCK_MONOTONIC)) > NSEC ||
		    llabs(kernel_ns(CLOCK_MONOTONIC) - before) < 10ll * NSEC)
			DIE("the child has the parent's clock\n");
		read_all(READINGS);
		_exit(0);
	}
	/* The parent stays where it was. */
	read_all(READINGS);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			DIE("waitpid: %s\n", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
