/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's rate: what it was, what it is made to be, and how it comes back. */
#ifndef PVC_TESTS_ADJTIME_CLOCK_H
#define PVC_TESTS_ADJTIME_CLOCK_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#define PPM 65536l /* adjtimex's frequency: 2^16 to the ppm */

static inline bool clock_save(struct timex *saved)
{
	*saved = (struct timex){.modes = 0};
	return adjtimex(saved) >= 0;
}

static inline bool clock_is(const struct timex *saved)
{
	struct timex now;

	return clock_save(&now) && now.freq == saved->freq && now.tick == saved->tick;
}

/* All that is changed here; the status and a pending offset stay what they are. */
static inline bool clock_restore(const struct timex *saved)
{
	struct timex t = {.modes = ADJ_FREQUENCY | ADJ_TICK};

	t.freq = saved->freq;
	t.tick = saved->tick;
	return adjtimex(&t) >= 0 && clock_is(saved);
}

static inline bool clock_set(unsigned modes, long freq, long tick)
{
	struct timex t = {.modes = modes, .freq = freq, .tick = tick};

	return adjtimex(&t) >= 0;
}

static inline void clock_print(const char *when)
{
	struct timex t;

	if (clock_save(&t))
		printf("%s: freq %ld (%+.3f ppm), tick %ld, status 0x%x, offset %ld\n", when,
		       t.freq, (double)t.freq / PPM, t.tick, (unsigned)t.status, t.offset);
	fflush(stdout);
}

/*
 * The guardian: a process that does nothing but wait for the end of this one,
 * however it ends, and then puts the rate back. In a session of its own and with
 * all signals blocked, as what ends us shall not end it. It ends when told, too.
 */
struct guardian {
	pid_t pid;
	int fd;
};

static inline void guard(int fd, const struct timex *saved)
{
	char byte = '.';
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (write(fd, &byte, 1) != 1)
		_exit(1);
	/* The other end is in nobody's hands but ours: this is its end. */
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(clock_restore(saved) ? 0 : 1);
}

/* After this, and not before, the rate may be changed. */
static inline bool guardian_start(struct guardian *g, const struct timex *saved)
{
	char byte;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return false;
	g->fd = fd[0];
	g->pid = fork();
	if (!g->pid) {
		close(fd[0]);
		guard(fd[1], saved);
	}
	close(fd[1]);
	return g->pid > 0 && read(g->fd, &byte, 1) == 1;
}

/* False: it is not known that the rate is what it was. */
static inline bool guardian_end(struct guardian *g)
{
	int status;

	close(g->fd);
	while (waitpid(g->pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

#endif /* PVC_TESTS_ADJTIME_CLOCK_H */
