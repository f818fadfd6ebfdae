/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs under the shim share. They call libc, and the kernel. */
#ifndef TESTS_PROG_H
#define TESTS_PROG_H

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NSEC 1000000000

/* The clocks that never go back, whoever sets the time. */
static const clockid_t steady[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
#define STEADY (sizeof(steady) / sizeof(*steady))

#define DIE(...)                                                                                   \
	do {                                                                                       \
		printf(__VA_ARGS__);                                                               \
		fflush(stdout);                                                                    \
		_exit(1);                                                                          \
	} while (0)

static inline int64_t join(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NSEC + ts->tv_nsec;
}

/*
 * What the kernel answers, whatever has been put before libc: libc's own syscall may be
 * among that.
 */
static inline long kernel_call(long number, long a, long b)
{
	long ret;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "0"(number), "D"(a), "S"(b)
	                 : "rcx", "r11", "memory");
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

#define KERNEL(name, a, b) kernel_call(SYS_##name, (long)(a), (long)(b))

/* As programs read it. */
static inline int64_t read_ns(clockid_t id)
{
	struct timespec ts = {0, -1};

	if (clock_gettime(id, &ts) != 0)
		DIE("clock %d: %s\n", (int)id, strerror(errno));
	if (ts.tv_nsec < 0 || ts.tv_nsec >= NSEC)
		DIE("clock %d: %ld nanoseconds\n", (int)id, ts.tv_nsec);
	return join(&ts);
}

/* As the kernel says it. */
static inline int64_t kernel_ns(clockid_t id)
{
	struct timespec ts = {0, 0};

	if (KERNEL(clock_gettime, id, &ts) != 0)
		DIE("clock %d: the kernel says: %s\n", (int)id, strerror(errno));
	return join(&ts);
}

/* Reads after what has been seen: a smaller value is a failure. */
static inline void read_on(_Atomic int64_t *seen, clockid_t id, const char *who)
{
	int64_t before = atomic_load(seen), now = read_ns(id), old = before;

	if (now < before)
		DIE("%s: clock %d went back by %lld ns\n", who, (int)id, (long long)(before - now));
	while (old < now && !atomic_compare_exchange_weak(seen, &old, now))
		;
}

static inline void read_steady(_Atomic int64_t seen[STEADY], const char *who)
{
	size_t i;

	for (i = 0; i < STEADY; i++)
		read_on(&seen[i], steady[i], who);
}

/* To another of the CPUs that we may run on; turn is the caller's count. */
static inline void migrate(const cpu_set_t *allowed, unsigned turn)
{
	unsigned skip = turn % (unsigned)CPU_COUNT(allowed);
	cpu_set_t one;
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, allowed) && !skip--)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	/* A CPU that went away is no failure: we stay where we are. */
	sched_setaffinity(0, sizeof(one), &one);
}

#endif /* TESTS_PROG_H */
