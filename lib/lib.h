/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the linked library share. */
#ifndef PVC_LIB_H
#define PVC_LIB_H

#include "../include/pvclock.h"
#include "attach/attach.h"

/* default.c: the block behind the calls without a handle, and its options */
extern struct pvc_core pvc_default_core PVC_INTERNAL;
extern struct pvc_options pvc_default_options PVC_INTERNAL;

/* status.c: the calls that report, on any block; 0 or a negative errno */
PVC_INTERNAL int pvc_status_of(struct pvc_core *b, const struct pvc_options *o,
                               struct pvclock_status *status);
PVC_INTERNAL int pvc_sample_of(struct pvc_core *b, struct pvclock_sample *sample);
PVC_INTERNAL int pvc_now_of(struct pvc_core *b, uint64_t *ns);

/* node.c: zeroed memory on the NUMA node of the CPU that asks */
PVC_INTERNAL void *pvc_node_alloc(size_t size);
PVC_INTERNAL void pvc_node_free(void *memory, size_t size);

/* The core's timespec is libc's, by another name. */
_Static_assert(sizeof(struct timespec) == sizeof(struct pvc_timespec) &&
                       offsetof(struct timespec, tv_nsec) == offsetof(struct pvc_timespec, nsec),
               "struct timespec is two 64-bit words");

static inline struct pvc_timespec *pvc_timespec(struct timespec *ts)
{
	return (struct pvc_timespec *)ts;
}

#endif /* PVC_LIB_H */
