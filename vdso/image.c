// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The core as an ELF image that can stand in for the kernel's vDSO: the same
 * names and version (vdso(7)), its block inside it, nothing left to a dynamic
 * linker. Whoever maps it fills pvclock_vdso_core as attach does, with the
 * addresses of the process it is mapped into; until then it makes system calls.
 */
#include "gettime.h"

#define PVC_EXPORT __attribute__((visibility("default")))
#define PVC_WEAK(name) __attribute__((weak, visibility("default"), alias(#name)))

/* Two names of one object: ours goes through no global offset table. */
static struct pvc_core image_core __attribute__((used));
extern struct pvc_core pvclock_vdso_core
	__attribute__((visibility("default"), alias("image_core")));

int __vdso_clock_gettime(int id, struct pvc_timespec *ts);
int __vdso_clock_getres(int id, struct pvc_timespec *res);
int __vdso_gettimeofday(void *tv, void *tz);
int64_t __vdso_time(int64_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

PVC_EXPORT int __vdso_clock_gettime(int id, struct pvc_timespec *ts)
{
	return pvc_gettime(&image_core, id, ts);
}

PVC_EXPORT int __vdso_clock_getres(int id, struct pvc_timespec *res)
{
	return pvc_getres(&image_core, id, res);
}

PVC_EXPORT int __vdso_gettimeofday(void *tv, void *tz)
{
	return pvc_gettimeofday(&image_core, tv, tz);
}

PVC_EXPORT int64_t __vdso_time(int64_t *t)
{
	return pvc_time(&image_core, t);
}

/* libc takes this from the vDSO as well, so an image without it is slower. */
PVC_EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	uint32_t packed = pvc_cpu_segment();

	(void)unused;
	if (cpu)
		*cpu = packed & PVC_AUX_CPU;
	if (node)
		*node = packed >> 12;
	return 0;
}

int clock_gettime(int id, struct pvc_timespec *ts) PVC_WEAK(__vdso_clock_gettime);
int clock_getres(int id, struct pvc_timespec *res) PVC_WEAK(__vdso_clock_getres);
int gettimeofday(void *tv, void *tz) PVC_WEAK(__vdso_gettimeofday);
int64_t time(int64_t *t) PVC_WEAK(__vdso_time);
long getcpu(unsigned *cpu, unsigned *node, void *unused) PVC_WEAK(__vdso_getcpu);
