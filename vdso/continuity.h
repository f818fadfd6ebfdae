/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Continuity: what has happened to time. Each event is one of a small ring, and the
 * number of events there have been is what a program looks at to learn whether its VM
 * was paused, moved or stepped between two points.
 *
 * A writer may be any thread, and may never come back. So it takes a number first,
 * then the number's place if it is free, and whoever finds a place taken for good
 * loses his event, not his time: readers count it as lost.
 */
#ifndef PVC_CONTINUITY_H
#define PVC_CONTINUITY_H

#include <stdatomic.h>

#include "arch_x86.h"

struct pvc_core;

/* The values of enum pvclock_event_kind. */
enum pvc_event_kind {
	PVC_EVENT_CHANGED = 1,   /* an entry's parameters */
	PVC_EVENT_STOPPED = 2,   /* GUEST_STOPPED was found set */
	PVC_EVENT_UNSTABLE = 3,  /* STABLE was cleared */
	PVC_EVENT_STABLE = 4,    /* ... and is set again in every entry */
	PVC_EVENT_WENT_BACK = 5, /* the TSC, while its entry's version stood */
	PVC_EVENT_SET = 6,       /* REALTIME or TAI, by whomever */
	PVC_EVENT_LOST = 7,      /* the page is not used any more */
	PVC_EVENT_DISRUPTED = 8, /* VMClock's marker moved */
	PVC_EVENT_REPLACED = 9,  /* the handle has another source */
	PVC_EVENT_FOUND = 10,    /* a page that was given up is used again */
};

struct pvc_event {
	uint64_t number; /* 1, 2, 3... */
	uint64_t tsc;    /* when it was noticed */
	uint64_t ns;     /* hypervisor ns by the new parameters at that TSC */
	int64_t step;    /* ns: new parameters less old ones, at that TSC */
	int64_t rate;    /* parts in 10^9: of the new rate less the old one */
	uint32_t kind;
	uint32_t cpu; /* whose entry; of a clock that was set its id */
};

#define PVC_EVENTS 32u

/* Of an event that each CPU's entry may show: who has. */
struct pvc_event_slot {
	_Atomic uint64_t stamp; /* number * 2; + 1 while it is written */
	_Atomic uint64_t tsc, ns, step, rate, kind_cpu;
	_Atomic uint64_t shown; /* a bit for each CPU */
	uint64_t reserved;
};

/* One that no other entry will show again. */
__attribute__((visibility("hidden"))) void pvc_event_add_single(struct pvc_core *b,
                                                                const struct pvc_event *e);

/* False: it is one that another CPU's entry has shown before. */
__attribute__((visibility("hidden"))) bool pvc_event_add(struct pvc_core *b,
                                                         const struct pvc_event *e);

enum pvc_event_read {
	PVC_EVENT_OK,
	PVC_EVENT_GONE,    /* overwritten, or never written */
	PVC_EVENT_PENDING, /* being written */
};

/* e->number says which. */
__attribute__((visibility("hidden"))) enum pvc_event_read pvc_event_get(struct pvc_core *b,
                                                                        struct pvc_event *e);

#endif /* PVC_CONTINUITY_H */
