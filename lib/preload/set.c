// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls by which a program sets a clock, or the rate of all of them, or goes
 * into another time namespace: done by the system call that libc would make, with
 * its results, and then our clocks know of it with the next read.
 */
#include <limits.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#include "report.h"
#include "shim.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define USEC_PER_SEC 1000000l
/* What libc takes of adjtime: that the kernel's own arithmetic has room for. */
#define MOST_ADJTIME (INT_MAX / USEC_PER_SEC - 2)

int pvc_shim_clock_settime(clockid_t id, const struct timespec *ts);
int pvc_shim_clock_settime_225(clockid_t id, const struct timespec *ts);
int pvc_shim_settimeofday(const struct timeval *tv, const struct timezone *tz);
int pvc_shim_stime(const time_t *t);
int pvc_shim_clock_adjtime(clockid_t id, struct timex *tx);
int pvc_shim_adjtimex(struct timex *tx);
int pvc_shim_adjtimex_2(struct timex *tx);
int pvc_shim_ntp_adjtime(struct timex *tx);
int pvc_shim_adjtime(const struct timeval *delta, struct timeval *olddelta);
int pvc_shim_unshare(int flags);
int pvc_shim_setns(int fd, int type);

/* Not by libc's syscall, which is ours as well. */
static int call(long number, long a, long b)
{
	long ret = pvc_syscall2(number, a, b);

	return ret < 0 ? pvc_libc_result((int)ret) : (int)ret;
}

static int after_setting(int ret)
{
	if (ret >= 0)
		pvc_clocks_were_set(&core);
	return ret;
}

static int settime(clockid_t id, const struct timespec *ts)
{
	pvc_shim_count(PVC_CALL_SETTING);
	/* Looked at first: some clocks would say EPERM to it. */
	if (ts && (ts->tv_nsec < 0 || ts->tv_nsec >= (long)PVC_NSEC_PER_SEC))
		return pvc_libc_result(-EINVAL);
	return after_setting(call(SYS_clock_settime, id, (long)ts));
}

PVC_EXPORT int pvc_shim_clock_settime(clockid_t id, const struct timespec *ts)
{
	return settime(id, ts);
}

/* As libc has it: a time or a zone, not both; and a time by clock_settime. */
PVC_EXPORT int pvc_shim_settimeofday(const struct timeval *tv, const struct timezone *tz)
{
	struct timespec ts;

	if (tv && tz)
		return pvc_libc_result(-EINVAL);
	/* The first zone that a machine is told moves its clock by as much. */
	if (!tv) {
		pvc_shim_count(PVC_CALL_SETTING);
		return after_setting(call(SYS_settimeofday, 0, (long)tz));
	}
	ts = (struct timespec){tv->tv_sec, (long)((unsigned long)tv->tv_usec * 1000)};
	return settime(CLOCK_REALTIME, &ts);
}

PVC_EXPORT int pvc_shim_stime(const time_t *t)
{
	struct timespec ts = {*t, 0};

	return settime(CLOCK_REALTIME, &ts);
}

static int adjust(clockid_t id, struct timex *tx)
{
	int ret = call(SYS_clock_adjtime, id, (long)tx);

	pvc_shim_count(PVC_CALL_SETTING);
	/* Daemons ask far more often than they set. */
	return ret >= 0 && !tx->modes ? ret : after_setting(ret);
}

PVC_EXPORT int pvc_shim_clock_adjtime(clockid_t id, struct timex *tx)
{
	return adjust(id, tx);
}

PVC_EXPORT int pvc_shim_adjtimex(struct timex *tx)
{
	return adjust(CLOCK_REALTIME, tx);
}

/* What is left of the last delta is told in microseconds, both parts of its sign. */
PVC_EXPORT int pvc_shim_adjtime(const struct timeval *delta, struct timeval *olddelta)
{
	struct timex tx = {.modes = ADJ_OFFSET_SS_READ};

	if (delta) {
		unsigned long carry = (unsigned long)(delta->tv_usec / USEC_PER_SEC);
		long sec = (long)((unsigned long)delta->tv_sec + carry);

		if (sec < -MOST_ADJTIME || sec > MOST_ADJTIME)
			return pvc_libc_result(-EINVAL);
		tx.modes = ADJ_OFFSET_SINGLESHOT;
		tx.offset = sec * USEC_PER_SEC + delta->tv_usec % USEC_PER_SEC;
	}
	if (adjust(CLOCK_REALTIME, &tx) < 0)
		return -1;
	if (olddelta) {
		olddelta->tv_sec = tx.offset / USEC_PER_SEC;
		olddelta->tv_usec = tx.offset % USEC_PER_SEC;
	}
	return 0;
}

/* The process has told its children to be in another time namespace. */
static atomic_bool children_leave;

void pvc_shim_forked(void)
{
	pvc_clocks_forked(&core);
	pvc_report_forked(&core);
	if (!atomic_load(&children_leave))
		return;
	pvc_clocks_moving(&core);
	pvc_clocks_moved(&core, true);
}

/* Of time, the children's: they find out by pvc_shim_forked, or start anew. */
PVC_EXPORT int pvc_shim_unshare(int flags)
{
	int ret = call(SYS_unshare, flags, 0);

	if (ret >= 0 && flags & CLONE_NEWTIME)
		atomic_store(&children_leave, true);
	return ret;
}

/* Of time, that of the caller, from here on. */
static int set_namespace(int fd, int type)
{
	bool time = !type || type & CLONE_NEWTIME;
	int ret;

	if (!time)
		return call(SYS_setns, fd, type);
	pvc_clocks_moving(&core);
	ret = call(SYS_setns, fd, type);
	pvc_clocks_moved(&core, ret >= 0);
	return ret;
}

PVC_EXPORT int pvc_shim_setns(int fd, int type)
{
	return set_namespace(fd, type);
}

long pvc_call_setns(int fd, int type)
{
	return set_namespace(fd, type);
}

PVC_ALIAS(pvc_shim_clock_settime)
int pvc_shim_clock_settime_225(clockid_t id, const struct timespec *ts);
PVC_ALIAS(pvc_shim_adjtimex) int pvc_shim_adjtimex_2(struct timex *tx);
PVC_ALIAS(pvc_shim_adjtimex) int pvc_shim_ntp_adjtime(struct timex *tx);

__asm__(".symver pvc_shim_clock_settime,clock_settime@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_settime_225,clock_settime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_settimeofday,settimeofday@@GLIBC_2.2.5");
/* As in libc since 2.31: for programs that were linked before. */
__asm__(".symver pvc_shim_stime,stime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_adjtime,clock_adjtime@@GLIBC_2.14");
__asm__(".symver pvc_shim_adjtimex,adjtimex@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_adjtimex_2,__adjtimex@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_ntp_adjtime,ntp_adjtime@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_adjtime,adjtime@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_unshare,unshare@@GLIBC_2.4");
__asm__(".symver pvc_shim_setns,setns@@GLIBC_2.14");
