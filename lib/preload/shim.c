// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shim: libc's time calls under an unmodified program. The core and attach,
 * and libc: nothing else is loaded into a stranger's process, no thread, no
 * allocation, no lock, and no dlsym but in the constructor.
 *
 * The block is static and all zeros until the constructor has run, so a call
 * from an earlier constructor, from an IFUNC resolver, or from malloc itself is
 * forwarded to the kernel by the core.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/timeb.h>

#include "report.h"
#include "shim.h"

/*
 * Behind the few data of the library, in the page that its relocation has written anyway:
 * what the fast path reads is in the rest of that page.
 */
struct pvc_core core __attribute__((aligned(256)));
/* Initialised, so that it lies in a page that is written to anyway. */
static struct pvc_options options = {.resync_us = PVC_RESYNC_DEFAULT_US};

int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts);
/* Under a name that no other library's clock_gettime can take the place of. */
static __typeof__(pvc_shim_clock_gettime) own_gettime
	__attribute__((alias("pvc_shim_clock_gettime"), hot));

/*
 * libc's own answers, of bases that we do not know. NULL: it has none, or we have not
 * looked yet. With the options' page.
 */
#define BESIDE_OPTIONS __attribute__((section(".data")))
static BESIDE_OPTIONS int (*libc_get)(struct timespec *ts, int base) = NULL;
static BESIDE_OPTIONS int (*libc_getres)(struct timespec *ts, int base) = NULL;

/* Weak, and by their old version: libc itself has them since 2.34, and we run without. */
extern __attribute__((weak)) void *libc_dlsym(void *handle, const char *name);
extern __attribute__((weak)) char *libc_dlerror(void);
__asm__(".symver libc_dlsym,dlsym@GLIBC_2.2.5");
__asm__(".symver libc_dlerror,dlerror@GLIBC_2.2.5");

static void *find(const char *name)
{
	void *function = libc_dlsym ? libc_dlsym(RTLD_NEXT, name) : NULL;

	/* What we did not find is not for the program to hear of. */
	if (!function && libc_dlerror)
		libc_dlerror();
	return function;
}

/* time() costs less than to look whether it is counted: it has its own way if it is. */
static BESIDE_OPTIONS long (*kernel_time)(int64_t *t) = NULL;

static long time_counted(int64_t *t)
{
	pvc_report_call(PVC_CALL_TIME);
	return kernel_time(t);
}

__attribute__((constructor)) static void shim_start(void)
{
	int saved = errno;

	pvc_options_default(&options);
	pvc_options_environment(&options, pvc_report_complain);
	core.counted = pvc_report_begin(&options);
	pvc_attach(&core, &options);
	if (core.counted && core.kernel.time) {
		kernel_time = core.kernel.time;
		core.kernel.time = time_counted;
	}
	pthread_atfork(NULL, NULL, pvc_shim_forked);
	pvc_shim_call_start(options.syscall);
	*(void **)&libc_get = find("timespec_get");
	*(void **)&libc_getres = find("timespec_getres");
	pvc_report_start(&core, &options, own_gettime);
	errno = saved;
}

__attribute__((destructor)) static void shim_end(void)
{
	int saved = errno;

	pvc_report_end(&core);
	errno = saved;
}

int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
int pvc_shim_clock_gettime_private(clockid_t id, struct timespec *ts);
int pvc_shim_clock_getres(clockid_t id, struct timespec *res);
int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);
int pvc_shim_gettimeofday(struct timeval *tv, void *tz);
int pvc_shim_gettimeofday_2(struct timeval *tv, void *tz);
time_t pvc_shim_time(time_t *t);
int pvc_shim_timespec_get(struct timespec *ts, int base);
int pvc_shim_timespec_getres(struct timespec *ts, int base);
int pvc_shim_ftime(struct timeb *tb);

/* The fast path is closed to them: here they are counted, and then it is open. */
static __attribute__((noinline)) int gettime_counted(clockid_t id, struct timespec *ts)
{
	pvc_report_count(id);
	return pvc_libc_result(pvc_gettime(&core, id, (struct pvc_timespec *)ts));
}

/* Apart, so that the fast path has nothing to save. */
static __attribute__((noinline)) PVC_BESIDE int gettime_slow(clockid_t id, struct timespec *ts)
{
	if (pvc_unlikely(core.counted))
		return gettime_counted(id, ts);
	/* Cheaper than ours, some of them: on to the kernel's at once. */
	if (!pvc_is_ours(id) && ts && core.kernel.clock_gettime)
		return pvc_libc_result(
			(int)core.kernel.clock_gettime(id, (struct pvc_timespec *)ts));
	return pvc_libc_result(pvc_gettime_slow(&core, id, (struct pvc_timespec *)ts));
}

/* The exported names may be another library's: none of these calls another by its name. */
pvc_inline int gettime(clockid_t id, struct timespec *ts)
{
	if (pvc_gettime_fast(&core, id, (struct pvc_timespec *)ts))
		return 0;
	return gettime_slow(id, ts);
}

PVC_EXPORT PVC_BESIDE int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts)
{
	return gettime(id, ts);
}

PVC_EXPORT int pvc_shim_clock_getres(clockid_t id, struct timespec *res)
{
	pvc_shim_count(PVC_CALL_GETRES);
	return pvc_libc_result(pvc_getres(&core, id, (struct pvc_timespec *)res));
}

static __attribute__((noinline)) int gettimeofday_slow(struct timeval *tv, void *tz)
{
	pvc_shim_count(PVC_CALL_GETTIMEOFDAY);
	return pvc_libc_result(pvc_gettimeofday(&core, tv, tz));
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
	/* The vDSO's has no errors. */
	if (pvc_likely(core.kernel.time != NULL))
		return core.kernel.time((int64_t *)t);
	pvc_shim_count(PVC_CALL_TIME);
	return pvc_libc_time(pvc_time(&core, t));
}

PVC_EXPORT int pvc_shim_timespec_get(struct timespec *ts, int base)
{
	if (base == TIME_UTC)
		return gettime(CLOCK_REALTIME, ts) ? 0 : base;
	return libc_get ? libc_get(ts, base) : 0;
}

PVC_EXPORT int pvc_shim_timespec_getres(struct timespec *ts, int base)
{
	pvc_shim_count(PVC_CALL_GETRES);
	if (base == TIME_UTC)
		return pvc_getres(&core, CLOCK_REALTIME, (struct pvc_timespec *)ts) ? 0 : base;
	return libc_getres ? libc_getres(ts, base) : 0;
}

/* Without a time zone, as libc has it since 2.31. */
PVC_EXPORT int pvc_shim_ftime(struct timeb *tb)
{
	struct timespec ts;

	if (gettime(CLOCK_REALTIME, &ts))
		return -1;
	tb->time = ts.tv_sec;
	tb->millitm = (unsigned short)(ts.tv_nsec / 1000000);
	tb->timezone = 0;
	tb->dstflag = 0;
	return 0;
}

/*
 * The clock calls moved from librt to libc in 2.17, and a program links to
 * either version; dlvsym asks for one by name. Libraries of libc's own use a
 * private one.
 */
PVC_ALIAS(pvc_shim_clock_gettime)
PVC_BESIDE int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
PVC_ALIAS(pvc_shim_clock_gettime)
PVC_BESIDE int pvc_shim_clock_gettime_private(clockid_t id, struct timespec *ts);
PVC_ALIAS(pvc_shim_clock_getres) int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);
PVC_ALIAS(pvc_shim_gettimeofday) int pvc_shim_gettimeofday_2(struct timeval *tv, void *tz);

__asm__(".symver pvc_shim_clock_gettime,clock_gettime@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_gettime_225,clock_gettime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_gettime_private,__clock_gettime@@GLIBC_PRIVATE");
__asm__(".symver pvc_shim_clock_getres,clock_getres@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_getres_225,clock_getres@GLIBC_2.2.5");
__asm__(".symver pvc_shim_gettimeofday,gettimeofday@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_gettimeofday_2,__gettimeofday@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_time,time@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_timespec_get,timespec_get@@GLIBC_2.16");
__asm__(".symver pvc_shim_timespec_getres,timespec_getres@@GLIBC_2.34");
__asm__(".symver pvc_shim_ftime,ftime@@GLIBC_2.2.5");
