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
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../../vdso/gettime.h"
#include "../attach/attach.h"

static struct pvc_core core;
static struct pvc_options options;

static void say(const char *text, int length)
{
	/* Nobody to tell if it cannot be written. */
	if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
		errno = 0;
}

/* One line, whatever the value holds. */
static void complain(const char *name, const char *value, const char *expected)
{
	char text[200], shown[41];
	size_t i;

	for (i = 0; value[i] && i + 1 < sizeof(shown); i++)
		shown[i] = (char)(value[i] < ' ' || value[i] > '~' ? '?' : value[i]);
	shown[i] = '\0';
	say(text,
	    snprintf(text, sizeof(text), "pvclock: %s=%s: expected %s\n", name, shown, expected));
}

__attribute__((constructor)) static void shim_start(void)
{
	int saved = errno;
	char text[256];

	pvc_options_default(&options);
	pvc_options_environment(&options, complain);
	pvc_attach(&core, &options);
	if (options.verbose)
		say(text,
		    snprintf(text, sizeof(text), "pvclock: mode %s: %s; page %p, %u entries\n",
		             pvc_mode_text((enum pvc_mode)atomic_load(&core.mode)),
		             pvc_reason_text((enum pvc_reason)atomic_load(&core.reason)),
		             (const void *)(uintptr_t)core.entry, core.count));
	errno = saved;
}

__attribute__((destructor)) static void shim_end(void)
{
	int saved = errno;
	char text[256];

	if (options.verbose > 1)
		say(text, snprintf(text, sizeof(text),
		                   "pvclock: mode %s: %llu anchors, %llu kernel reads, "
		                   "%llu fallbacks\n",
		                   pvc_mode_text((enum pvc_mode)atomic_load(&core.mode)),
		                   (unsigned long long)atomic_load(&core.count_of.anchors),
		                   (unsigned long long)atomic_load(&core.count_of.kernel_reads),
		                   (unsigned long long)atomic_load(&core.count_of.fallbacks)));
	errno = saved;
}

static inline int libc_result(int err)
{
	if (pvc_likely(!err))
		return 0;
	errno = -err;
	return -1;
}

int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts);
int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
int pvc_shim_clock_getres(clockid_t id, struct timespec *res);
int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);
int pvc_shim_gettimeofday(struct timeval *tv, void *tz);
time_t pvc_shim_time(time_t *t);

#define PVC_EXPORT __attribute__((visibility("default")))
#define PVC_ALIAS(name) __attribute__((visibility("default"), alias(#name)))

/* Apart, so that the fast path has nothing to save. */
static __attribute__((noinline)) int gettime_slow(clockid_t id, struct timespec *ts)
{
	return libc_result(pvc_gettime_slow(&core, id, (struct pvc_timespec *)ts));
}

PVC_EXPORT int pvc_shim_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (pvc_gettime_fast(&core, id, (struct pvc_timespec *)ts))
		return 0;
	return gettime_slow(id, ts);
}

PVC_EXPORT int pvc_shim_clock_getres(clockid_t id, struct timespec *res)
{
	return libc_result(pvc_getres(&core, id, (struct pvc_timespec *)res));
}

PVC_EXPORT int pvc_shim_gettimeofday(struct timeval *tv, void *tz)
{
	return libc_result(pvc_gettimeofday(&core, tv, tz));
}

PVC_EXPORT time_t pvc_shim_time(time_t *t)
{
	int64_t now = pvc_time(&core, t);

	/* Without a vDSO: the system call's, which refuses a bad pointer. */
	return now < 0 && now >= -4095 ? libc_result((int)now) : now;
}

/*
 * The clock calls moved from librt to libc in 2.17, and a program links to
 * either version; dlvsym asks for one by name.
 */
PVC_ALIAS(pvc_shim_clock_gettime) int pvc_shim_clock_gettime_225(clockid_t id, struct timespec *ts);
PVC_ALIAS(pvc_shim_clock_getres) int pvc_shim_clock_getres_225(clockid_t id, struct timespec *res);

__asm__(".symver pvc_shim_clock_gettime,clock_gettime@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_gettime_225,clock_gettime@GLIBC_2.2.5");
__asm__(".symver pvc_shim_clock_getres,clock_getres@@GLIBC_2.17");
__asm__(".symver pvc_shim_clock_getres_225,clock_getres@GLIBC_2.2.5");
__asm__(".symver pvc_shim_gettimeofday,gettimeofday@@GLIBC_2.2.5");
__asm__(".symver pvc_shim_time,time@@GLIBC_2.2.5");
