// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every clock id by libc and by the kernel: the same result, the same errno, and
 * a time that lies between two of the kernel's.
 *
 * prog_clocks [rounds]
 */
#include <limits.h>
#include <pthread.h>

#include "prog.h"

#define AGREEMENT 1000 /* ns: our clocks may be off by so much, and still go together */
#define FIRST_AUX 16   /* CLOCK_AUX: to 8 auxiliary clocks */
#define LAST_AUX 23
#define KEPT 12345 /* an errno that nobody sets */

static void between(clockid_t id)
{
	int64_t low, high, is;
	struct timespec ts;
	int ret;

	low = kernel_ns(id);
	errno = KEPT;
	ret = clock_gettime(id, &ts);
	if (ret != 0 || errno != KEPT)
		DIE("clock %d: returns %d, errno %d\n", (int)id, ret, errno);
	high = kernel_ns(id);
	is = join(&ts);
	if (ts.tv_nsec < 0 || ts.tv_nsec >= NSEC || is < low - AGREEMENT || is > high + AGREEMENT)
		DIE("clock %d: %lld before or %lld after the kernel's %lld wide\n", (int)id,
		    (long long)(low - is), (long long)(is - high), (long long)(high - low));
}

static void same_refusal(clockid_t id)
{
	struct timespec ours = {1, 2}, kernels = {1, 2};
	long kernel = KERNEL(clock_gettime, id, &kernels);
	int error = errno, ret;

	errno = KEPT;
	ret = clock_gettime(id, &ours);
	if (ret != kernel || errno != (kernel ? error : KEPT))
		DIE("clock %d: returns %d errno %d, the kernel %ld %d\n", (int)id, ret, errno,
		    kernel, error);
	if (kernel && memcmp(&ours, &kernels, sizeof(ours)) != 0)
		DIE("clock %d: refused, yet written to\n", (int)id);
}

static void same_resolution(clockid_t id)
{
	struct timespec ours = {1, 2}, kernels = {1, 2};
	long kernel = KERNEL(clock_getres, id, &kernels);
	int error = errno, ret;

	errno = KEPT;
	ret = clock_getres(id, &ours);
	if (ret != kernel || errno != (kernel ? error : KEPT) ||
	    memcmp(&ours, &kernels, sizeof(ours)) != 0)
		DIE("clock_getres %d: returns %d errno %d, the kernel %ld %d\n", (int)id, ret,
		    errno, kernel, error);
	if (clock_getres(id, NULL) != kernel)
		DIE("clock_getres %d, NULL: not as the kernel\n", (int)id);
}

static const clockid_t known[] = {CLOCK_REALTIME,
                                  CLOCK_MONOTONIC,
                                  CLOCK_MONOTONIC_RAW,
                                  CLOCK_BOOTTIME,
                                  CLOCK_TAI,
                                  CLOCK_REALTIME_COARSE,
                                  CLOCK_MONOTONIC_COARSE,
                                  CLOCK_PROCESS_CPUTIME_ID,
                                  CLOCK_THREAD_CPUTIME_ID};

/* 10 was CLOCK_SGI_CYCLE, for which no one answers; ALARM clocks need an RTC. */
static const clockid_t doubtful[] = {CLOCK_REALTIME_ALARM,
                                     CLOCK_BOOTTIME_ALARM,
                                     10,
                                     12,
                                     13,
                                     15,
                                     16,
                                     17,
                                     31,
                                     32,
                                     63,
                                     64,
                                     1 << 16,
                                     (1 << 16) + CLOCK_MONOTONIC,
                                     INT_MAX,
                                     INT_MIN,
                                     INT_MIN + CLOCK_MONOTONIC,
                                     -1,
                                     -2,
                                     -3,
                                     -15,
                                     -16};

static void of_threads(void)
{
	clockid_t id;

	if (clock_getcpuclockid(getpid(), &id) != 0)
		DIE("no CPU clock of the process\n");
	between(id);
	same_resolution(id);
	if (clock_getcpuclockid(0, &id) != 0)
		DIE("no CPU clock of the caller\n");
	between(id);
	if (pthread_getcpuclockid(pthread_self(), &id) != 0)
		DIE("no CPU clock of the thread\n");
	between(id);
	same_resolution(id);
	/* A file's clock, of a file that is none: (~fd << 3) | 3 */
	same_refusal((clockid_t)((~(unsigned)STDOUT_FILENO << 3) | 3));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, round;
	size_t i;

	for (i = 0; i < sizeof(doubtful) / sizeof(*doubtful); i++) {
		same_refusal(doubtful[i]);
		/*
		 * Of an auxiliary clock that is not in use (Linux 6.17) the
		 * kernel's vDSO tells the resolution, its system call does not.
		 */
		if (doubtful[i] < FIRST_AUX || doubtful[i] > LAST_AUX)
			same_resolution(doubtful[i]);
	}
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < sizeof(known) / sizeof(*known); i++)
			between(known[i]);
		/* Rested clocks as well as busy ones. */
		if (round % 1000 == 0)
			usleep(3000);
	}
	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		same_resolution(known[i]);
	of_threads();
	return 0;
}
