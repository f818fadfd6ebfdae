/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the linked library share. */
#ifndef PVC_LIB_H
#define PVC_LIB_H

#include "../include/pvclock.h"
#include "attach/attach.h"

/* Nodes that records are spread over; what is beyond shares the last one's. */
#define PVC_NODES 16

/* default.c: the block behind the calls without a handle, and its options */
extern struct pvc_core pvc_default_core PVC_INTERNAL;
extern struct pvc_options pvc_default_options PVC_INTERNAL;

/* status.c: the calls that report, on any block; 0 or a negative errno */
PVC_INTERNAL int pvc_status_of(struct pvc_core *b, const struct pvc_options *o,
                               struct pvclock_status *status);
PVC_INTERNAL int pvc_interval_of(struct pvc_core *b, int id, struct pvclock_interval *interval);
PVC_INTERNAL int pvc_sample_of(struct pvc_core *b, struct pvclock_sample *sample);
PVC_INTERNAL int pvc_now_of(struct pvc_core *b, uint64_t *ns);
PVC_INTERNAL int pvc_now_entry_of(struct pvc_core *b, uint32_t entry, uint64_t *ns);
PVC_INTERNAL int pvc_sample_valid_of(struct pvc_core *b, const struct pvclock_sample *sample);
PVC_INTERNAL int pvc_entry_status_of(struct pvc_core *b, uint32_t cpu, struct pvclock_entry *entry);

/* vmclock.c */
struct pvc_vmclock {
	void *map; /* NULL: none */
};

/* path NULL: the machine's, which need not be there. 0 or a negative errno. */
PVC_INTERNAL int pvc_vmclock_map(struct pvc_vmclock *v, const char *path, bool machine);
PVC_INTERNAL void pvc_vmclock_unmap(struct pvc_vmclock *v);
PVC_INTERNAL void pvc_vmclock_watch(struct pvc_core *b, const struct pvc_vmclock *v);

/* source.c: where a handle's entries are; zeros: this machine's page */
struct pvc_place {
	bool foreign;
	bool any_count; /* as many as are there */
	bool has_offset;
	pvc_entry *entry;
	uint32_t stride, count;
	uint32_t tsc_ratio_bits;
	uint64_t tsc_ratio;
	int64_t tsc_offset[PVCLOCK_PAGE_SLOTS];
	void *map; /* ours to unmap */
	size_t map_length;
	struct pvc_vmclock vmclock;
};

PVC_INTERNAL bool pvc_source_valid(const struct pvclock_options *o);
/* 0 or a negative errno; then there is nothing to leave. */
PVC_INTERNAL int pvc_place_find(struct pvc_place *p, const struct pvclock_options *o);
PVC_INTERNAL void pvc_place_leave(struct pvc_place *p);
PVC_INTERNAL void pvc_place_attach(struct pvc_core *b, const struct pvc_options *o,
                                   const struct pvc_place *p);

/* events.c */
PVC_INTERNAL int pvc_events_of(struct pvc_core *b, uint64_t *after, struct pvclock_event *events,
                               unsigned count, uint64_t *lost);

/* node.c: zeroed memory on the NUMA node of the CPU that asks */
PVC_INTERNAL void *pvc_node_alloc(size_t size);
PVC_INTERNAL void pvc_node_free(void *memory, size_t size);
/*
 * Each CPU's record on that CPU's node. Where there is one node, or no NUMA, those in the
 * block are as near, and nothing is allocated.
 */
struct pvc_node_records {
	void *memory[PVC_NODES];
	size_t size[PVC_NODES];
};

/* Of a block that has no readers now. */
PVC_INTERNAL void pvc_node_records(struct pvc_core *b, struct pvc_node_records *n, bool foreign);
PVC_INTERNAL void pvc_node_records_free(struct pvc_node_records *n);
/* Of a CPU that can have an entry; -1: not known. Not async-signal-safe. */
PVC_INTERNAL int pvc_node_of_cpu(unsigned cpu);

/* The core's timespec is libc's, by another name. */
_Static_assert(sizeof(struct timespec) == sizeof(struct pvc_timespec) &&
                       offsetof(struct timespec, tv_nsec) == offsetof(struct pvc_timespec, nsec),
               "struct timespec is two 64-bit words");

static inline struct pvc_timespec *pvc_timespec(struct timespec *ts)
{
	return (struct pvc_timespec *)ts;
}

#endif /* PVC_LIB_H */
