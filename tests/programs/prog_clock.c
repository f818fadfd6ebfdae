// SPDX-License-Identifier: LGPL-2.1-or-later
/* Threads that read the clocks, and one place to stop at. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define THREADS 4
#define READS 5000

static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                CLOCK_REALTIME, CLOCK_TAI};
#define STEADY 3 /* of these: nobody can set them back */
#define IDS (sizeof(ids) / sizeof(*ids))

static int64_t read_ns(clockid_t id)
{
	struct timespec ts = {0, -1};

	if (clock_gettime(id, &ts) != 0 || ts.tv_nsec < 0 || ts.tv_nsec > 999999999) {
		printf("clock %d\n", (int)id);
		exit(1);
	}
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

__attribute__((noinline)) void halfway(const int64_t *last);

void halfway(const int64_t *last)
{
	__asm__ volatile("" : : "r"(last) : "memory");
}

static void *reader(void *arg)
{
	int64_t last[IDS] = {0}, ns;
	struct timeval tv;
	size_t i, n;

	for (n = 0; n < READS; n++) {
		for (i = 0; i < IDS; i++) {
			ns = read_ns(ids[i]);
			if (i < STEADY && ns < last[i]) {
				printf("clock %d went back\n", (int)ids[i]);
				exit(1);
			}
			last[i] = ns;
		}
		if (gettimeofday(&tv, NULL) != 0 || time(NULL) < 1)
			exit(1);
		if (!arg && n == READS / 2)
			halfway(last);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	size_t i;

	reader(NULL);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, reader, threads) != 0)
			return 1;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts("ok");
	return 0;
}
