// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Threads that read the steady clocks while they move from CPU to CPU. What any
 * of them has seen, none of them reads less than after it.
 *
 * prog_threads THREADS CALLS alone|together
 */
#include <pthread.h>

#include "prog.h"

#define STAY 1000 /* calls on one CPU */

static _Atomic int64_t together[STEADY];
static cpu_set_t allowed;
static unsigned long calls;
static bool alone;

static void *reader(void *arg)
{
	unsigned first = (unsigned)(uintptr_t)arg;
	_Atomic int64_t own[STEADY] = {0};
	unsigned long i;

	for (i = 0; i < calls; i += STEADY) {
		if (i / STEADY % (STAY / STEADY) == 0)
			migrate(&allowed, first + (unsigned)(i / STAY));
		read_steady(alone ? own : together, alone ? "one thread" : "all threads");
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	int count, i;

	if (argc != 4)
		DIE("usage: prog_threads THREADS CALLS alone|together\n");
	count = atoi(argv[1]);
	calls = strtoul(argv[2], NULL, 10);
	alone = !strcmp(argv[3], "alone");
	if (count < 1 || count > 64 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		DIE("1 to 64 threads\n");
	for (i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, reader, (void *)(uintptr_t)i) != 0)
			DIE("no thread\n");
	for (i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
