/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the doors of the shim share. Each is libc's function of that name, by its versions. */
#ifndef PVC_SHIM_H
#define PVC_SHIM_H

#include <errno.h>
#include <sys/time.h>
#include <time.h>

#include "../../vdso/gettime.h"
#include "count.h"

#define PVC_EXPORT __attribute__((visibility("default")))
#define PVC_ALIAS(name) __attribute__((visibility("default"), alias(#name)))

extern PVC_INTERNAL struct pvc_core core;

/* 0 or a negative errno, to what libc returns. */
static inline int pvc_libc_result(int err)
{
	if (pvc_likely(!err))
		return 0;
	errno = -err;
	return -1;
}

/* Without a vDSO pvc_time is the system call, which refuses a bad pointer. */
static inline int64_t pvc_libc_time(int64_t now)
{
	return now < 0 && now >= -4095 ? pvc_libc_result((int)now) : now;
}

/* Tells of a call of something that is not clock_gettime, if somebody counts. */
static inline void pvc_shim_count(enum pvc_call call)
{
	if (pvc_unlikely(core.counted))
		pvc_report_call(call);
}

/* set.c: in the child of a fork */
PVC_INTERNAL void pvc_shim_forked(void);
PVC_INTERNAL long pvc_call_setns(int fd, int type);

/* call.c: are calls of the time by number ours too? */
PVC_INTERNAL void pvc_shim_call_start(bool ours);

#endif /* PVC_SHIM_H */
