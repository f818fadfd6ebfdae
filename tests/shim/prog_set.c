// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls that set a clock, in forms that set none: asked only to tell, with
 * arguments that are refused, and as somebody who may not. Prints what each gives,
 * to be compared with what it gives elsewhere.
 */
#include <sys/timex.h>

#include "prog.h"

/* By pointers, as compilers refuse to pass NULL by name. */
static int (*volatile settime)(clockid_t id, const struct timespec *ts) = clock_settime;
static int (*volatile setday)(const struct timeval *tv, const struct timezone *tz) = settimeofday;
static int (*volatile adjust)(clockid_t id, struct timex *tx) = clock_adjtime;
static int (*volatile adjust_real)(struct timex *tx) = adjtimex;
static int (*volatile adjust_ntp)(struct timex *tx) = ntp_adjtime;

#define SHOW(call)                                                                                 \
	do {                                                                                       \
		errno = 0;                                                                         \
		ret = (call);                                                                      \
		printf("%s: %d %s\n", #call, ret, ret < 0 ? strerror(errno) : "");                 \
	} while (0)

static void telling(void)
{
	struct timex tx = {.modes = 0}, raw = {.modes = 0};
	int ret;

	SHOW(adjust_real(&tx) >= 0);
	if (syscall(SYS_adjtimex, &raw) < 0 || tx.freq != raw.freq || tx.tick != raw.tick)
		DIE("adjtimex: freq %ld, tick %ld\n", tx.freq, tx.tick);
	SHOW(adjust_ntp(&tx) >= 0);
	SHOW(adjust(CLOCK_REALTIME, &tx) >= 0);
	SHOW(adjust(CLOCK_MONOTONIC, &tx));
	SHOW(adjust(-1, &tx));
	SHOW(adjust(CLOCK_REALTIME, NULL));
	SHOW(adjust_real(NULL));
}

static void refused(void)
{
	struct timespec none = {0, 0}, bad = {0, 1000000000}, worse = {0, -1};
	struct timeval day = {0, 0}, bad_day = {0, 1000000};
	struct timezone zone = {0, 0};
	int ret;

	SHOW(settime(CLOCK_MONOTONIC, &none));
	SHOW(settime(CLOCK_MONOTONIC_RAW, &none));
	SHOW(settime(CLOCK_REALTIME, &bad));
	SHOW(settime(CLOCK_REALTIME, &worse));
	SHOW(settime(CLOCK_PROCESS_CPUTIME_ID, &none));
	SHOW(settime(CLOCK_PROCESS_CPUTIME_ID, &bad));
	SHOW(settime(99, &none));
	SHOW(setday(&day, &zone));
	SHOW(setday(&bad_day, NULL));
}

static void not_allowed(void)
{
	struct timespec ts;
	struct timeval tv = {0, 0};
	struct timex tx = {.modes = ADJ_FREQUENCY};
	int ret;

	/* As root none of these would be refused. */
	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		DIE("setuid: %s\n", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &ts);
	tv.tv_sec = ts.tv_sec;
	SHOW(settime(CLOCK_REALTIME, &ts));
	SHOW(setday(&tv, NULL));
	SHOW(adjust_real(&tx));
	SHOW(adjust_ntp(&tx));
	SHOW(adjust(CLOCK_REALTIME, &tx));
}

int main(void)
{
	telling();
	refused();
	not_allowed();
	return 0;
}
