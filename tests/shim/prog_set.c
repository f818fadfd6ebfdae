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
static int (*volatile adjust_us)(const struct timeval *d, struct timeval *old) = adjtime;

/* Programs that were linked before 2.31 have it. */
extern int old_stime(const time_t *t);
__asm__(".symver old_stime,stime@GLIBC_2.2.5");

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
	if (KERNEL(adjtimex, &raw, NULL) < 0 || tx.freq != raw.freq || tx.tick != raw.tick)
		DIE("adjtimex: freq %ld, tick %ld\n", tx.freq, tx.tick);
	SHOW(adjust_ntp(&tx) >= 0);
	SHOW(adjust(CLOCK_REALTIME, &tx) >= 0);
	SHOW(adjust(CLOCK_MONOTONIC, &tx));
	SHOW(adjust(-1, &tx));
	SHOW(adjust(CLOCK_REALTIME, NULL));
	SHOW(adjust_real(NULL));
}

/* What is left of a delta changes while we look, if there is one. */
static void left(void)
{
	struct timeval old = {77, 77};
	struct timex tx = {.modes = 0};
	int64_t high, low, is;

	tx.modes = ADJ_OFFSET_SS_READ;
	if (KERNEL(adjtimex, &tx, NULL) < 0 || adjust_us(NULL, &old) != 0)
		DIE("adjtime: %s\n", strerror(errno));
	high = tx.offset;
	is = (int64_t)old.tv_sec * 1000000 + old.tv_usec;
	tx.modes = ADJ_OFFSET_SS_READ;
	KERNEL(adjtimex, &tx, NULL);
	low = tx.offset;
	if ((is - low) * (is - high) > 0)
		DIE("adjtime: %lld us are left, not %lld to %lld\n", (long long)is, (long long)low,
		    (long long)high);
	if (adjust_us(NULL, NULL) != 0)
		DIE("adjtime(NULL, NULL): %s\n", strerror(errno));
}

#define SECONDS_OF_ADJTIME 2145

/* Who may not set the time is told of a bad delta before that. */
static void deltas(void)
{
	static const struct timeval delta[] = {
		{0, 0},
		{SECONDS_OF_ADJTIME, 0},
		{SECONDS_OF_ADJTIME, 999999},
		{SECONDS_OF_ADJTIME, 1000000},
		{SECONDS_OF_ADJTIME + 1, 0},
		{SECONDS_OF_ADJTIME + 1, -1},
		{SECONDS_OF_ADJTIME + 1, -1000000},
		{-SECONDS_OF_ADJTIME, 0},
		{-SECONDS_OF_ADJTIME, -999999},
		{-SECONDS_OF_ADJTIME, -1000000},
		{-SECONDS_OF_ADJTIME - 1, 0},
		{-SECONDS_OF_ADJTIME - 1, 1000000},
		{0, 2146000000},
		{0, 2145999999},
		{0, -2145999999},
		{INT64_MAX, 0},
		{INT64_MIN, 0},
		{0, INT64_MAX},
		{0, INT64_MIN},
		{INT64_MAX, INT64_MAX},
		{INT64_MIN, INT64_MIN},
	};
	struct timeval old = {77, 77};
	size_t i;
	int ret;

	for (i = 0; i < sizeof(delta) / sizeof(*delta); i++) {
		printf("%lld s, %lld us: ", (long long)delta[i].tv_sec,
		       (long long)delta[i].tv_usec);
		SHOW(adjust_us(&delta[i], &old));
	}
	if (old.tv_sec != 77 || old.tv_usec != 77)
		DIE("adjtime: refused, yet written to\n");
}

#define NO_FLAGS 1 /* no namespace's */

static void namespaces(void)
{
	int ret;

	SHOW(unshare(0));
	SHOW(unshare(NO_FLAGS));
	SHOW(setns(-1, 0));
	SHOW(setns(-1, CLONE_NEWNET));
	SHOW(setns(STDIN_FILENO, 0));
	SHOW(setns(STDIN_FILENO, NO_FLAGS));
	SHOW((int)syscall(SYS_setns, -1, 0));
	SHOW((int)syscall(SYS_setns, STDIN_FILENO, CLONE_NEWNET));
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
	struct timezone zone = {0, 0};
	int ret;

	/* As root none of these would be refused. */
	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		DIE("setuid: %s\n", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &ts);
	tv.tv_sec = ts.tv_sec;
	SHOW(settime(CLOCK_REALTIME, &ts));
	SHOW(setday(&tv, NULL));
	SHOW(setday(NULL, &zone));
	SHOW(old_stime(&tv.tv_sec));
	SHOW(unshare(CLONE_NEWNS));
	deltas();
	left();
	SHOW(adjust_real(&tx));
	SHOW(adjust_ntp(&tx));
	SHOW(adjust(CLOCK_REALTIME, &tx));
}

int main(void)
{
	telling();
	left();
	refused();
	namespaces();
	not_allowed();
	return 0;
}
