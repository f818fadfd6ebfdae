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
	PVC_NOW_LEFT,  /* none do: mode stable is being left. And its era is joined to this */
};

/* More than the same of any mode before that one. */
pvc_inline uint64_t pvc_now_left(uint64_t mode_and_era)
{
	return pvc_era_of(mode_and_era) | PVC_NOW_LEFT;
}

struct pvc_now {
	struct pvc_reading r; /* tsc_timestamp, system_time, mul, shift; cpu: whose entry's */
	uint64_t floor;       /* ns: what the parameters before these had reached */
	uint64_t bias;        /* ns: added, to bridge restarts */
	uint64_t ended;       /* PVC_NOW_LIVE, PVC_NOW_ENDED, pvc_now_left() */
};

/* The caller checks that current is still valid. */
pvc_inline void pvc_now_load(struct pvc_core *b, uint64_t current, struct pvc_now *now)
{
	const struct pvc_now_slot *s = &pvc_slot_of(b, current)->now;
	uint64_t mul_shift = atomic_load_explicit(&s->mul_shift, memory_order_relaxed);

	now->r.tsc_timestamp = atomic_load_explicit(&s->tsc_timestamp, memory_order_relaxed);
	now->r.system_time = atomic_load_explicit(&s->system_time, memory_order_relaxed);
	now->r.mul = (uint32_t)mul_shift;
	now->r.shift = (int8_t)(mul_shift >> 32);
	now->r.cpu = (uint32_t)(mul_shift >> 40);
	now->floor = atomic_load_explicit(&s->floor, memory_order_relaxed);
	now->bias = atomic_load_explicit(&s->bias, memory_order_relaxed);
	now->ended = atomic_load_explicit(&s->ended, memory_order_relaxed);
}

pvc_inline uint64_t pvc_now_at(const struct pvc_now *now, uint64_t tsc)
{
	uint64_t ns = pvc_reading_ns_at(&now->r, tsc) + now->bias;

	return ns < now->floor ? now->floor : ns;
}

/*
 * How far the parameters in service have been read, so that what follows them starts no
 * lower; and no higher, which matters to who was idle: a TSC that has moved on while
 * nobody read, at another frequency or while the host's clock stood still, says nothing
 * of what was told. In steps, so that a reader seldom has to write it.
 */
#define PVC_USED_TAG 0xffffull
#define PVC_USED_STEP 0x20000ull

pvc_inline uint64_t pvc_used_tag(uint64_t current)
{
	return current / PVC_SLOT_GENERATION & PVC_USED_TAG;
}

/* To be called before the latch is found valid. False: not with these parameters. */
PVC_INTERNAL bool pvc_now_use_more(struct pvc_core *b, uint64_t current, uint64_t tsc);

pvc_inline bool pvc_now_use(struct pvc_core *b, uint64_t current, uint64_t tsc)
{
	uint64_t used = atomic_load_explicit(&b->now_used, memory_order_relaxed);

	if (pvc_likely(((used ^ pvc_used_tag(current)) & PVC_USED_TAG) == 0 &&
	               tsc < (used & ~PVC_USED_TAG)))
		return true;
	return pvc_now_use_more(b, current, tsc);
}

/* Before parameters are put in service in place of what current names. */
PVC_INTERNAL bool pvc_now_unused(struct pvc_core *b, uint64_t current, uint64_t tsc);

/* 1.14 GHz: slower TSCs leave no room in 0.64 for a kernel that speeds up. */
#define PVC_RATE_LIMIT (UINT64_MAX / 8 * 7)

pvc_inline enum pvc_mode pvc_mode_of_stable(const struct pvc_reading *r)
{
	return pvc_reading_rate(r) > PVC_RATE_LIMIT ? PVC_MODE_STABLE_NS : PVC_MODE_STABLE;
}

/* A bit for each id that the fast path may answer; none that the TSC is not needed for. */
pvc_inline uint32_t pvc_fast_ids(const struct pvc_core *b, enum pvc_mode mode)
{
	bool fast = mode == PVC_MODE_STABLE && b->order == PVC_ORDER_RDTSCP && !b->foreign;

	if (!fast)
		return 0;
	return PVC_OURS << PVC_FAST_ANY | (b->counted ? 0 : PVC_OURS << PVC_FAST_PLAIN);
}

pvc_inline bool pvc_same_values(const struct pvc_reading *a, const struct pvc_reading *r)
{
	return a->tsc_timestamp == r->tsc_timestamp && a->system_time == r->system_time &&
	       a->mul == r->mul && a->shift == r->shift;
}

#define PVC_LEAP 56 /* 2^56 ns: 2.3 years */

/*
 * Outside of what may be clamped to: further below last than CPUs differ, or years
 * above it, as nonsense in an entry makes it; clamped to, that would stand for ever,
 * and some of it, added up, come to where no time is any more.
 */
pvc_inline bool pvc_off_the_clamp(uint64_t value, uint64_t seen)
{
	uint64_t ahead = seen ? value + PVC_NS_SKEW - seen : 0;

	return pvc_unlikely(ahead >> PVC_LEAP || pvc_ns_absurd(value));
}

/* VMClock's marker, if there is one, is looked at. */
PVC_INTERNAL void pvc_change_disruption(struct pvc_core *b);

/* now.c */

/* Publishes parameters in place of what current names; false if it moved on. */
PVC_INTERNAL bool pvc_now_put(struct pvc_core *b, uint64_t current, const struct pvc_now *now);
/* Ends those in service; how is PVC_NOW_ENDED or pvc_now_left(). */
PVC_INTERNAL bool pvc_now_end(struct pvc_core *b, uint64_t how, struct pvc_now *old,
                              uint64_t *current, uint64_t *reach);

/* change.c */

/* An entry's version is not the one we know. False: it cannot be read now. */
PVC_INTERNAL bool pvc_change_look(struct pvc_core *b, uint32_t entry);
/* By *r and a bias time is far below last: it goes on from there. */
PVC_INTERNAL void pvc_change_bridge(struct pvc_core *b, _Atomic uint64_t *to,
                                    const struct pvc_reading *r, uint64_t bias, uint64_t last);
/* No reader uses a line from here on; false if that could not be had. */
PVC_INTERNAL bool pvc_change_end_clocks(struct pvc_core *b, uint64_t cut);
/* What the parameters of *r did to time after those of *old. */
PVC_INTERNAL void pvc_change_event(const struct pvc_reading *old, const struct pvc_reading *r,
                                   struct pvc_event *e);
/* Of an entry's flags: GUEST_STOPPED. */
PVC_INTERNAL void pvc_change_flags(struct pvc_core *b, const struct pvc_reading *r);

/* edge.c */

/* The entry of *r has STABLE cleared. */
PVC_INTERNAL void pvc_edge_leave(struct pvc_core *b, const struct pvc_reading *r);
/* In mode percpu: back to stable, if all entries are. False: not yet, look again. */
PVC_INTERNAL bool pvc_edge_regain(struct pvc_core *b, const struct pvc_reading *r);

/* record.c */

/*
 * An entry's version is not the one that is remembered; r->cpu says which. False: another
 * thread is at it, and its bias is not yet that of the reading.
 */
PVC_INTERNAL bool pvc_record_look(struct pvc_core *b, const struct pvc_reading *r);
/* What the entry says now is far below last: it goes on from there. */
PVC_INTERNAL void pvc_record_bridge(struct pvc_core *b, unsigned entry, uint64_t last);
/* Before readers look at records: no version is taken for one that was recorded. */
PVC_INTERNAL void pvc_record_begin(struct pvc_core *b);
/* What is remembered of entries is not theirs any more. */
PVC_INTERNAL void pvc_record_forget(struct pvc_core *b);

#endif /* PVC_NOW_H */
