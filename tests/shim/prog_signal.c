// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A timer's handler reads the clocks that the threads it interrupts are reading.
 * Ends after so many signals.
 *
 * prog_signal SIGNALS
 */
#include <pthread.h>
#include <signal.h>

#include "prog.h"

#define PERIOD_US 200

/* What a thread has seen, in its handler or outside; a thread's own alone. */
static __thread _Atomic int64_t seen[STEADY];
static _Atomic int signals;
static int wanted;

static void handler(int sig)
{
	int saved = errno;

	(void)sig;
	read_steady(seen, "the handler");
	atomic_fetch_add(&signals, 1);
	errno = saved;
}

static void *reader(void *arg)
{
	(void)arg;
	while (atomic_load(&signals) < wanted)
		read_steady(seen, "the interrupted");
	return NULL;
}

int main(int argc, char **argv)
{
	struct itimerval period = {{0, PERIOD_US}, {0, PERIOD_US}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t other;

	wanted = argc > 1 ? atoi(argv[1]) : 1000;
	if (sigaction(SIGALRM, &sa, NULL) != 0 || pthread_create(&other, NULL, reader, NULL) != 0 ||
	    setitimer(ITIMER_REAL, &period, NULL) != 0)
		DIE("no timer: %s\n", strerror(errno));
	reader(NULL);
	pthread_join(other, NULL);
	setitimer(ITIMER_REAL, &off, NULL);
	return 0;
}
