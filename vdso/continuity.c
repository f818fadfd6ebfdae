// SPDX-License-Identifier: LGPL-2.1-or-later
/* The ring of events: adding to it, and reading it while others add. */
#include "core.h"

/* How far back an event may be that another CPU's entry shows as well. */
#define SAME_AMONG 8u
#define SAME_NS 10000u
/* Who adds loses to others who add, and waits for nobody. */
#define ADD_TRIES 64

static uint64_t distance(int64_t a, int64_t b)
{
	return a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
}

/* Every vCPU's entry is rewritten by itself, and TAI is set together with REALTIME. */
static bool shows_on_each(uint32_t kind)
{
	return kind == PVC_EVENT_CHANGED || kind == PVC_EVENT_STOPPED || kind == PVC_EVENT_SET;
}

static bool same(const struct pvc_event *seen, const struct pvc_event *e)
{
	uint64_t size = e->step < 0 ? -(uint64_t)e->step : (uint64_t)e->step;

	return seen->kind == e->kind && distance(seen->step, e->step) <= size / 4 + SAME_NS;
}

enum pvc_event_read pvc_event_get(struct pvc_core *b, struct pvc_event *e)
{
	struct pvc_event_slot *s = &b->event[e->number % PVC_EVENTS];
	/* Acquire: pairs with the release of a written event. */
	uint64_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire), kind_cpu;

	if (stamp != e->number * 2)
		return stamp > e->number * 2 + 1 ? PVC_EVENT_GONE : PVC_EVENT_PENDING;
	e->tsc = atomic_load_explicit(&s->tsc, memory_order_relaxed);
	e->ns = atomic_load_explicit(&s->ns, memory_order_relaxed);
	e->step = (int64_t)atomic_load_explicit(&s->step, memory_order_relaxed);
	e->rate = (int64_t)atomic_load_explicit(&s->rate, memory_order_relaxed);
	kind_cpu = atomic_load_explicit(&s->kind_cpu, memory_order_relaxed);
	e->kind = (uint32_t)(kind_cpu >> 32);
	e->cpu = (uint32_t)kind_cpu;
	/* Pairs with the fence in write_event: who read a later word sees its stamp. */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&s->stamp, memory_order_relaxed) == stamp ? PVC_EVENT_OK
	                                                                      : PVC_EVENT_GONE;
}

static enum pvc_event_read get_soon(struct pvc_core *b, struct pvc_event *e)
{
	enum pvc_event_read got = pvc_event_get(b, e);
	unsigned tries;

	for (tries = 0; got == PVC_EVENT_PENDING && tries < ADD_TRIES; tries++) {
		pvc_pause();
		got = pvc_event_get(b, e);
	}
	return got;
}

/* Is it one that another CPU's entry has shown already, and this one's has not? */
static bool shown(struct pvc_core *b, uint64_t newest, const struct pvc_event *e)
{
	uint64_t bit = 1ull << e->cpu % PVCLOCK_PAGE_SLOTS, old;
	unsigned i;

	for (i = 0; i < SAME_AMONG && i < newest; i++) {
		struct pvc_event seen = {.number = newest - i};
		struct pvc_event_slot *s = &b->event[seen.number % PVC_EVENTS];

		if (get_soon(b, &seen) != PVC_EVENT_OK)
			continue;
		if (seen.kind == e->kind && atomic_load(&s->shown) & bit)
			return false;
		if (!same(&seen, e))
			continue;
		old = atomic_fetch_or(&s->shown, bit);
		return !(old & bit);
	}
	return false;
}

/* The place of a number, for this writer alone. */
static void write_event(struct pvc_core *b, uint64_t number, const struct pvc_event *e,
                        uint64_t shown_by)
{
	struct pvc_event_slot *s = &b->event[number % PVC_EVENTS];
	uint64_t stamp = atomic_load_explicit(&s->stamp, memory_order_relaxed);

	/* Somebody has been at it for 32 events: it is his. */
	if (stamp & 1 || stamp > number * 2 ||
	    !atomic_compare_exchange_strong_explicit(&s->stamp, &stamp, number * 2 + 1,
	                                             memory_order_acquire, memory_order_relaxed))
		return;
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->tsc, e->tsc, memory_order_relaxed);
	atomic_store_explicit(&s->ns, e->ns, memory_order_relaxed);
	atomic_store_explicit(&s->step, (uint64_t)e->step, memory_order_relaxed);
	atomic_store_explicit(&s->rate, (uint64_t)e->rate, memory_order_relaxed);
	atomic_store_explicit(&s->kind_cpu, (uint64_t)e->kind << 32 | e->cpu, memory_order_relaxed);
	atomic_store_explicit(&s->shown, shown_by, memory_order_relaxed);
	atomic_store_explicit(&s->stamp, number * 2, memory_order_release);
}

bool pvc_event_add(struct pvc_core *b, const struct pvc_event *e)
{
	uint64_t newest = atomic_load(&b->events), bit = 1ull << e->cpu % PVCLOCK_PAGE_SLOTS;
	unsigned tries;

	for (tries = 0; tries < ADD_TRIES; tries++) {
		if (shows_on_each(e->kind) && shown(b, newest, e))
			return false;
		if (atomic_compare_exchange_weak(&b->events, &newest, newest + 1)) {
			write_event(b, newest + 1, e, bit);
			return true;
		}
	}
	write_event(b, atomic_fetch_add(&b->events, 1) + 1, e, bit);
	return true;
}

void pvc_event_add_single(struct pvc_core *b, const struct pvc_event *e)
{
	write_event(b, atomic_fetch_add(&b->events, 1) + 1, e, UINT64_MAX);
}
