// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * gettimeofday, time, timespec_get and ftime in all their forms, and with "null" what
 * the kernel answers with EFAULT (libc's own reads through the pointer, and dies).
 * Prints which bases timespec_get knows, to be compared.
 */
#include <dlfcn.h>
#include <sys/timeb.h>

#include "prog.h"

/* It is only asked whether it still works. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define AGREEMENT 1 /* us */

/* By pointers, as compilers refuse to pass NULL by name. */
static int (*volatile day)(struct timeval *tv, void *tz) = gettimeofday;
static int (*volatile gettime)(clockid_t id, struct timespec *ts) = clock_gettime;

/* The names that libc has for itself. */
extern int own_day(struct timeval *tv, void *tz);
__asm__(".symver own_day,__gettimeofday@GLIBC_2.2.5");
static int (*own_gettime)(clockid_t id, struct timespec *ts);

static int64_t us(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

static void time_of_day(int (*ask)(struct timeval *tv, void *tz))
{
	struct timeval low = {0, 0}, tv = {0, -1}, high = {0, 0};

	KERNEL(gettimeofday, &low, NULL);
	if (ask(&tv, NULL) != 0 || tv.tv_usec < 0 || tv.tv_usec > 999999)
		DIE("gettimeofday: %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	KERNEL(gettimeofday, &high, NULL);
	if (us(&tv) < us(&low) - AGREEMENT || us(&tv) > us(&high) + AGREEMENT)
		DIE("gettimeofday: %lld us before, %lld after the kernel's\n",
		    (long long)(us(&low) - us(&tv)), (long long)(us(&tv) - us(&high)));
}

static void time_zones(void)
{
	struct timezone ours = {77, 78}, kernels = {79, 80};
	struct timeval low = {0, 0}, tv, high = {0, 0};

	KERNEL(gettimeofday, NULL, &kernels);
	if (day(NULL, &ours) != 0 || ours.tz_minuteswest != kernels.tz_minuteswest ||
	    ours.tz_dsttime != kernels.tz_dsttime)
		DIE("gettimeofday(NULL, tz): not the kernel's zone\n");
	memset(&ours, 77, sizeof(ours));
	KERNEL(gettimeofday, &low, NULL);
	if (gettimeofday(&tv, &ours) != 0 || ours.tz_minuteswest != kernels.tz_minuteswest)
		DIE("gettimeofday(tv, tz): not the kernel's zone\n");
	KERNEL(gettimeofday, &high, NULL);
	if (us(&tv) < us(&low) - AGREEMENT || us(&tv) > us(&high) + AGREEMENT)
		DIE("gettimeofday(tv, tz): not the kernel's time\n");
	if (own_day(NULL, &ours) != 0 || ours.tz_dsttime != kernels.tz_dsttime)
		DIE("__gettimeofday(NULL, tz): not the kernel's zone\n");
	if (day(NULL, NULL) != 0)
		DIE("gettimeofday(NULL, NULL): %s\n", strerror(errno));
}

static void seconds(void)
{
	long low = KERNEL(time, NULL, NULL), high;
	time_t t = 0, returned, also;

	returned = time(NULL);
	also = time(&t);
	high = KERNEL(time, NULL, NULL);
	if (also != t)
		DIE("time(&t) says %lld and %lld\n", (long long)also, (long long)t);
	if (returned < low || returned > high || also < returned || also > high)
		DIE("time: %lld is not in %ld to %ld\n", (long long)returned, low, high);
}

#define MS_PER_SEC 1000

/* Within 1 us, and in whole ms rounded down. */
static void other_forms(void)
{
	struct timespec ts = {0, -1};
	int64_t low, is, high;
	struct timeb tb;

	low = kernel_ns(CLOCK_REALTIME);
	if (timespec_get(&ts, TIME_UTC) != TIME_UTC)
		DIE("timespec_get fails\n");
	is = join(&ts);
	high = kernel_ns(CLOCK_REALTIME);
	if (ts.tv_nsec < 0 || ts.tv_nsec >= NSEC || is < low - 1000 || is > high + 1000)
		DIE("timespec_get: %lld is not in %lld to %lld\n", (long long)is, (long long)low,
		    (long long)high);
	memset(&tb, 77, sizeof(tb));
	low = kernel_ns(CLOCK_REALTIME);
	if (ftime(&tb) != 0 || tb.millitm >= MS_PER_SEC || tb.timezone || tb.dstflag)
		DIE("ftime: %d ms, zone %d, %d\n", tb.millitm, tb.timezone, tb.dstflag);
	is = (int64_t)tb.time * MS_PER_SEC + tb.millitm;
	high = kernel_ns(CLOCK_REALTIME);
	if (is < (low - 1000) / 1000000 || is > (high + 1000) / 1000000)
		DIE("ftime: %lld is not in %lld to %lld\n", (long long)is, (long long)low,
		    (long long)high);
	low = kernel_ns(CLOCK_MONOTONIC);
	if (own_gettime(CLOCK_MONOTONIC, &ts) != 0)
		DIE("__clock_gettime: %s\n", strerror(errno));
	is = join(&ts);
	high = kernel_ns(CLOCK_MONOTONIC);
	if (is < low - 1000 || is > high + 1000)
		DIE("__clock_gettime: not the kernel's time\n");
}

#define NO_BASE 8

static void bases(void)
{
	struct timespec res = {0, 0}, ts = {0, 0};
	int base, got, getres;

	if (clock_getres(CLOCK_REALTIME, &res) != 0 || timespec_getres(&ts, TIME_UTC) != TIME_UTC ||
	    join(&ts) != join(&res) || timespec_getres(NULL, TIME_UTC) != TIME_UTC)
		DIE("timespec_getres: %ld ns, not %ld\n", ts.tv_nsec, res.tv_nsec);
	for (base = -1; base <= NO_BASE; base++) {
		ts.tv_sec = res.tv_sec = -5;
		got = timespec_get(&ts, base);
		getres = timespec_getres(&res, base);
		printf("base %d: %d %d%s\n", base, got, getres,
		       ts.tv_sec == -5 && res.tv_sec == -5 ? ", untouched" : "");
	}
}

static void nulls(void)
{
	clockid_t id;

	for (id = -3; id < 20; id++) {
		long kernel = KERNEL(clock_gettime, id, NULL);
		int error = errno, ret;

		errno = 0;
		ret = gettime(id, NULL);
		if (ret != kernel || errno != error)
			DIE("clock %d, NULL: %d, the kernel: %d\n", (int)id, errno, error);
	}
}

int main(int argc, char **argv)
{
	int i;

	*(void **)&own_gettime = dlvsym(RTLD_DEFAULT, "__clock_gettime", "GLIBC_PRIVATE");
	if (!own_gettime)
		DIE("no __clock_gettime\n");
	for (i = 0; i < 20000; i++) {
		time_of_day(day);
		time_of_day(own_day);
		seconds();
		other_forms();
	}
	bases();
	time_zones();
	if (argc > 1 && !strcmp(argv[1], "null"))
		nulls();
	return 0;
}
