/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hypervisor ns by parameters that were copied from the page once, for as long
 * as the page's version says that they are still its own.
 */
#ifndef PVC_NOW_H
#define PVC_NOW_H

#include "core.h"

/* A slot's parameters are in service, or are kept only to be continued from. */
enum {
	PVC_NOW_LIVE = 0,
	PVC_NOW_ENDED, /* others follow */
	PVC_NOW_LEFT,  /* none do: mode stable is being left */
};

struct pvc_now {
	struct pvc_reading r; /* tsc_timestamp, system_time, mul, shift */
	uint64_t floor;       /* ns: what the parameters before these had reached */
	uint64_t bias;        /* ns: added, to bridge restarts */
	uint64_t ended;       /* PVC_NOW_* */
};

/* The caller checks that current is still valid. */
pvc_inline void pvc_now_load(struct pvc_core *b, uint64_t current, struct pvc_now *now)
{
	const struct pvc_now_slot *s = &b->now[pvc_latch_slot(current)];
	uint64_t mul_shift = atomic_load_explicit(&s->mul_shift, memory_order_relaxed);

	now->r.tsc_timestamp = atomic_load_explicit(&s->tsc_timestamp, memory_order_relaxed);
	now->r.system_time = atomic_load_explicit(&s->system_time, memory_order_relaxed);
	now->r.mul = (uint32_t)mul_shift;
	now->r.shift = (int8_t)(mul_shift >> 32);
	now->floor = atomic_load_explicit(&s->floor, memory_order_relaxed);
	now->bias = atomic_load_explicit(&s->bias, memory_order_relaxed);
	now->ended = atomic_load_explicit(&s->ended, memory_order_relaxed);
}

pvc_inline uint64_t pvc_now_at(const struct pvc_now *now, uint64_t tsc)
{
	uint64_t ns = pvc_reading_ns_at(&now->r, tsc) + now->bias;

	return ns < now->floor ? now->floor : ns;
}

/* change.c */

/* An entry's version is not the one we know. False: it cannot be read now. */
PVC_INTERNAL bool pvc_change_look(struct pvc_core *b, uint32_t entry);
/* raw ns by the page and bias are far below last: time goes on from last. */
PVC_INTERNAL bool pvc_change_bridge(struct pvc_core *b, uint64_t raw, uint64_t bias, uint64_t last);
/* No reader uses a line from here on; false if that could not be had. */
PVC_INTERNAL bool pvc_change_end_clocks(struct pvc_core *b, uint64_t cut);

#endif /* PVC_NOW_H */
