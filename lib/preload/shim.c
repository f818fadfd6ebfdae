// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shim: libc's time calls under an unmodified program. The core and attach,
 * and libc: nothing else is loaded into a stranger's process, no thread, no
 * allocation, no lock, no dlsym.
 *
 * The block is static and all zeros until the constructor has run, so a call
 * from an earlier constructor, from an IFUNC resolver, or from malloc itself is
 * forwarded to the kernel by the core.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "../../vdso/gettime.h"
#include "report.h"

/*
 * Behind the few data of the library, in the page that its relocation has written anyway:
 * what the fast path reads is in the rest of that page.
 */
static struct pvc_core core __attribute__((aligned(256)));
/* Initialised, so that it lies in a page that is written to anyway. */
static struct pvc_options options = {.resync_us = PVC_RESYNC_DEFAULT_US};

int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts);
/* Under a name that no other library's clock_gettime can take the place of. */
static __typeof__(pvc_shim_clock_gettime) own_gettime
	__attribute__((alias("pvc_shim_clock_gettime"), hot));

/* Tells of a call of something that is not clock_gettime. */
static inline void count(enum pvc_call call)
{
	if (pvc_unlikely(core.counted))
		pvc_report_call(call);
}

static void forked(void)
{
	pvc_clocks_forked(&core);
	pvc_report_forked(&core);
}

__attribute__((constructor)) static void shim_start(void)
{
	int saved = errno;

	pvc_options_default(&options);
	pvc_options_environment(&options, pvc_report_complain);
	core.counted = pvc_report_begin(&options);
	pvc_attach(&core, &options);
	pthread_atfork(NULL, NULL, forked);
	pvc_report_start(&core, &options, own_gettime);
	errno = saved;
}

__attribute__((destructor)) static void shim_end(void)
{
	int saved = errno;

	pvc_report_end(&core);
	errno = saved;
}

static inline int libc_result(int err)
{
	if (pvc_likely(!err))
		return 0;
	errno = -err;
	return -1;
}

/*
 * The program sets a clock, or the rate of all of them: done by the system call
 * that libc would make, and then our clocks know of it with the next read.
 */
static int after_setting(long ret)
{
	if (ret >= 0)
		pvc_clocks_were_set(&core);
	return (int)ret;
}

int pvc_shim_clock_settime(clockid_t id, const struct timespec *ts);
int pvc_shim_clock_settime_225(clockid_t id, const struct timespec *ts);
int pvc_shim_settimeofday(const struct timeval *tv, const struct timezone *tz);
int pvc_shim_clock_adjtime(clockid_t id, struct timex *tx);
int pvc_shim_adjtimex(struct timex *tx);
int pvc_shim_adjtimex_2(struct timex *tx);
int pvc_shim_ntp_adjtime(struct timex *tx);
int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
int pvc_shim_clock_getres(clockid_t id, struct timespec *res);
int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);
int pvc_shim_gettimeofday(struct timeval *tv, void *tz);
time_t pvc_shim_time(time_t *t);

#define PVC_EXPORT __attribute__((visibility("default")))
#define PVC_ALIAS(name) __attribute__((visibility("default"), alias(#name)))

/* The fast path is closed to them: here they are counted, and then it is open. */
static __attribute__((noinline)) int gettime_counted(clockid_t id, struct timespec *ts)
{
	pvc_report_count(id);
	return libc_result(pvc_gettime(&core, id, (struct pvc_timespec *)ts));
}

/* Apart, so that the fast path has nothing to save. */
static __attribute__((noinline)) PVC_BESIDE int gettime_slow(clockid_t id, struct timespec *ts)
{
	if (pvc_unlikely(core.counted))
		return gettime_counted(id, ts);
	return libc_result(pvc_gettime_slow(&core, id, (struct pvc_timespec *)ts));
}

PVC_EXPORT PVC_BESIDE int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (pvc_gettime_fast(&core, id, (struct pvc_timespec *)ts))
		return 0;
	return gettime_slow(id, ts);
}

PVC_EXPORT int pvc_shim_clock_getres(clockid_t id, struct timespec *res)
{
	count(PVC_CALL_GETRES);
	return libc_result(pvc_getres(&core, id, (struct pvc_timespec *)res));
}

static __attribute__((noinline)) int gettimeofday_slow(struct timeval *tv, void *tz)
{
	count(PVC_CALL_GETTIMEOFDAY);
	return libc_result(pvc_gettimeofday(&core, tv, tz));
}

/* As the core does it, which has not got who counts. */
PVC_EXPORT int pvc_shim_gettimeofday(struct timeval *tv, void *tz)
{
	struct pvc_timespec *ts = (struct pvc_timespec *)tv;

	if (pvc_unlikely(tz != NULL) || !pvc_gettime_fast(&core, CLOCK_REALTIME, ts))
		return gettimeofday_slow(tv, tz);
	ts->nsec /= 1000;
	return 0;
}

PVC_EXPORT time_t pvc_shim_time(time_t *t)
{
	int64_t now = pvc_time(&core, t);

	count(PVC_CALL_TIME);
	/* Without a vDSO: the system call's, which refuses a bad pointer. */
	return now < 0 && now >= -4095 ? libc_result((int)now) : now;
}

PVC_EXPORT int pvc_shim_clock_settime(clockid_t id, const struct timespec *ts)
{
	count(PVC_CALL_SETTING);
	/* Looked at first: some clocks would say EPERM to it. */
	if (ts && (ts->tv_nsec < 0 || ts->tv_nsec >= (long)PVC_NSEC_PER_SEC)) {
		errno = EINVAL;
		return -1;
	}
	return after_setting(syscall(SYS_clock_settime, id, ts));
}

/* As libc has it: a time or a zone, not both; and a time by clock_settime. */
PVC_EXPORT int pvc_shim_settimeofday(const struct timeval *tv, const struct timezone *tz)
{
	struct timespec ts;

	if (tv && tz) {
		errno = EINVAL;
		return -1;
	}
	if (!tv)
		return (int)syscall(SYS_settimeofday, NULL, tz);
	ts = (struct timespec){tv->tv_sec, tv->tv_usec * 1000};
	return pvc_shim_clock_settime(CLOCK_REALTIME, &ts);
}

PVC_EXPORT int pvc_shim_clock_adjtime(clockid_t id, struct timex *tx)
{
	long ret = syscall(SYS_clock_adjtime, id, tx);

	count(PVC_CALL_SETTING);
	/* Daemons ask far more often than they set. */
	return ret >= 0 && !tx->modes ? (int)ret : after_setting(ret);
}

PVC_EXPORT int pvc_shim_adjtimex(struct timex *tx)
{
	return pvc_shim_clock_adjtime(CLOCK_REALTIME, tx);
}

/*
 * The clock calls moved from librt to libc in 2.17, and a program links to
 * either version; dlvsym asks for one by name.
 */
PVC_ALIAS(pvc_shim_clock_gettime)
PVC_BESIDE int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
PVC_ALIAS(pvc_shim_clock_settime)
int pvc_shim_clock_settime_225(clockid_t id, const struct timespec *ts);
PVC_ALIAS(pvc_shim_adjtimex) int pvc_shim_adjtimex_2(struct timex *tx);
PVC_ALIAS(pvc_shim_adjtimex) int pvc_shim_ntp_adjtime(struct timex *tx);
PVC_ALIAS(pvc_shim_clock_getres) int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);

__asm__(".symver pvc_shim_clock_gettime,clock_gettime@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_gettime_225,clock_gettime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_getres,clock_getres@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_getres_225,clock_getres@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_settime,clock_settime@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_settime_225,clock_settime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_settimeofday,settimeofday@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_adjtime,clock_adjtime@@GLIBC_2.14");
__asm__(".symver pvc_shim_adjtimex,adjtimex@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_adjtimex_2,__adjtimex@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_ntp_adjtime,ntp_adjtime@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_gettimeofday,gettimeofday@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_time,time@@GLIBC_2.2.5");
