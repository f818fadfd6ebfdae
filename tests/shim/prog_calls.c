// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * gettimeofday and time in all their forms, and with "null" what the kernel
 * answers with EFAULT (libc's own reads through the pointer, and dies).
 */
#include "prog.h"

#define AGREEMENT 1 /* us */

/* By pointers, as compilers refuse to pass NULL by name. */
static int (*volatile day)(struct timeval *tv, void *tz) = gettimeofday;
static int (*volatile gettime)(clockid_t id, struct timespec *ts) = clock_gettime;

static int64_t us(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

static void time_of_day(void)
{
	struct timeval low, tv = {0, -1}, high;

	syscall(SYS_gettimeofday, &low, NULL);
	if (gettimeofday(&tv, NULL) != 0 || tv.tv_usec < 0 || tv.tv_usec > 999999)
		DIE("gettimeofday: %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	syscall(SYS_gettimeofday, &high, NULL);
	if (us(&tv) < us(&low) - AGREEMENT || us(&tv) > us(&high) + AGREEMENT)
		DIE("gettimeofday: %lld us before, %lld after the kernel's\n",
		    (long long)(us(&low) - us(&tv)), (long long)(us(&tv) - us(&high)));
}

static void time_zones(void)
{
	struct timezone ours = {77, 78}, kernels = {79, 80};
	struct timeval low, tv, high;

	syscall(SYS_gettimeofday, NULL, &kernels);
	if (day(NULL, &ours) != 0 || ours.tz_minuteswest != kernels.tz_minuteswest ||
	    ours.tz_dsttime != kernels.tz_dsttime)
		DIE("gettimeofday(NULL, tz): not the kernel's zone\n");
	memset(&ours, 77, sizeof(ours));
	syscall(SYS_gettimeofday, &low, NULL);
	if (gettimeofday(&tv, &ours) != 0 || ours.tz_minuteswest != kernels.tz_minuteswest)
		DIE("gettimeofday(tv, tz): not the kernel's zone\n");
	syscall(SYS_gettimeofday, &high, NULL);
	if (us(&tv) < us(&low) - AGREEMENT || us(&tv) > us(&high) + AGREEMENT)
		DIE("gettimeofday(tv, tz): not the kernel's time\n");
	if (day(NULL, NULL) != 0)
		DIE("gettimeofday(NULL, NULL): %s\n", strerror(errno));
}

static void seconds(void)
{
	long low = syscall(SYS_time, NULL), high;
	time_t t = 0, returned, also;

	returned = time(NULL);
	also = time(&t);
	high = syscall(SYS_time, NULL);
	if (also != t)
		DIE("time(&t) says %lld and %lld\n", (long long)also, (long long)t);
	if (returned < low || returned > high || also < returned || also > high)
		DIE("time: %lld is not in %ld to %ld\n", (long long)returned, low, high);
}

static void nulls(void)
{
	clockid_t id;

	for (id = -3; id < 20; id++) {
		long kernel = syscall(SYS_clock_gettime, id, NULL);
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

	for (i = 0; i < 20000; i++) {
		time_of_day();
		seconds();
	}
	time_zones();
	if (argc > 1 && !strcmp(argv[1], "null"))
		nulls();
	return 0;
}
