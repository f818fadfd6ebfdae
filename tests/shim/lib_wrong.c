// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stands before the library and tells something else now and then, in the way that
 * WRONG says: so that what looks for mistakes has some to find.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PUBLIC __attribute__((visibility("default")))
#define NSEC_PER_SEC 1000000000l
#define OFTEN 1000
#define WRONG_NS 1000000l
#define SET_NS (-3600 * NSEC_PER_SEC)
#define SET_EVERY_NS 50000000l

struct interval {
	uint32_t size, certainty;
	struct timespec earliest, latest;
};

PUBLIC int pvclock_gettime(int id, struct timespec *ts);
PUBLIC int pvclock_gettime_interval(int id, struct interval *i);

static int (*kernel)(clockid_t, struct timespec *);
static int (*ours)(int, struct timespec *);
static int (*bounds)(int, struct interval *);
static const char *wrong = "";

__attribute__((constructor)) static void find(void)
{
	kernel = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	ours = (int (*)(int, struct timespec *))dlsym(RTLD_NEXT, "pvclock_gettime");
	bounds = (int (*)(int, struct interval *))dlsym(RTLD_NEXT, "pvclock_gettime_interval");
	if (getenv("WRONG"))
		wrong = getenv("WRONG");
}

static bool is(const char *what)
{
	static _Thread_local unsigned calls;

	return !strcmp(wrong, what) && ++calls % OFTEN == 0;
}

static void add(struct timespec *ts, long ns)
{
	ns += ts->tv_nsec;
	ts->tv_sec += ns / NSEC_PER_SEC;
	ts->tv_nsec = ns % NSEC_PER_SEC;
	if (ts->tv_nsec < 0) {
		ts->tv_nsec += NSEC_PER_SEC;
		ts->tv_sec--;
	}
}

/* As if somebody set the clock back by an hour, and then right again. */
static long is_set(int id)
{
	struct timespec now;

	if (strcmp(wrong, "set") != 0 || (id != CLOCK_REALTIME && id != CLOCK_TAI))
		return 0;
	kernel(CLOCK_MONOTONIC, &now);
	return now.tv_nsec / SET_EVERY_NS % 2 ? SET_NS : 0;
}

PUBLIC int clock_gettime(clockid_t id, struct timespec *ts)
{
	long by = is_set(id);
	int err = kernel(id, ts);

	add(ts, by);
	return err;
}

int pvclock_gettime(int id, struct timespec *ts)
{
	long by = is_set(id);
	int err = ours(id, ts);

	if (is("below"))
		by -= WRONG_NS;
	if (is("above"))
		by += WRONG_NS;
	add(ts, by);
	return err;
}

int pvclock_gettime_interval(int id, struct interval *i)
{
	long by = is_set(id);
	int err = bounds(id, i);

	if (is("bounds"))
		by += WRONG_NS;
	add(&i->earliest, by);
	add(&i->latest, by);
	return err;
}
