// SPDX-License-Identifier: LGPL-2.1-or-later
/* The parameters in service: putting others in their place, and ending them. */
#include "now.h"

#define USE_TRIES 8

/* Publishes parameters in place of what current names; false if it moved on. */
bool pvc_now_put(struct pvc_core *b, uint64_t current, const struct pvc_now *now)
{
	unsigned slot = pvc_latch_claim(&b->busy);
	struct pvc_now_slot *s = &b->slot[slot].now;

	if (!slot)
		return false;
	atomic_store_explicit(&s->tsc_timestamp, now->r.tsc_timestamp, memory_order_relaxed);
	atomic_store_explicit(&s->system_time, now->r.system_time, memory_order_relaxed);
	atomic_store_explicit(&s->mul_shift,
	                      (uint64_t)now->r.cpu << 40 | (uint64_t)(uint8_t)now->r.shift << 32 |
	                              now->r.mul,
	                      memory_order_relaxed);
	atomic_store_explicit(&s->floor, now->floor, memory_order_relaxed);
	atomic_store_explicit(&s->bias, now->bias, memory_order_relaxed);
	atomic_store_explicit(&s->ended, now->ended, memory_order_relaxed);
	if (pvc_latch_publish(&b->now_current, &b->busy, current, slot))
		return true;
	pvc_latch_release(&b->busy, slot);
	return false;
}

static uint64_t used_until(uint64_t tsc, uint64_t tag)
{
	uint64_t until = (tsc & ~PVC_USED_TAG) + PVC_USED_STEP;

	return (until < tsc ? ~PVC_USED_TAG : until) | tag;
}

/* Only while they are in service: the exchange is with what was there for them. */
bool pvc_now_use_more(struct pvc_core *b, uint64_t current, uint64_t tsc)
{
	uint64_t used = atomic_load(&b->now_used), tag = pvc_used_tag(current);
	unsigned tries;

	for (tries = 0; tries < USE_TRIES; tries++) {
		if ((used & PVC_USED_TAG) != tag)
			return false;
		if (tsc < (used & ~PVC_USED_TAG) ||
		    atomic_compare_exchange_strong(&b->now_used, &used, used_until(tsc, tag)))
			return true;
	}
	return false;
}

bool pvc_now_unused(struct pvc_core *b, uint64_t current, uint64_t tsc)
{
	uint64_t used = atomic_load(&b->now_used), until = used & ~PVC_USED_TAG;
	uint64_t tag = pvc_used_tag(current + PVC_SLOT_GENERATION);

	/* Published by somebody else, who has done this. */
	if (!pvc_latch_valid(&b->now_current, current))
		return false;
	if ((used & PVC_USED_TAG) == tag && tsc < until) {
		if (until - tsc <= PVC_USED_STEP)
			return true;
		/* By a TSC that has gone back since: not with this generation. */
		pvc_latch_publish(&b->now_current, &b->busy, current, pvc_latch_slot(current));
		return false;
	}
	return atomic_compare_exchange_strong(&b->now_used, &used, used_until(tsc, tag));
}

/* Parameters that have ended are not used by anybody: that is of others, to follow them. */
static bool is_of_next(uint64_t used, uint64_t current)
{
	uint64_t tag = used & PVC_USED_TAG;

	return tag == pvc_used_tag(current) || tag == pvc_used_tag(current + PVC_SLOT_GENERATION);
}

/*
 * The parameters in service end: first for their readers, then, with a TSC
 * taken after that, we know how far any of them came. Both steps can be done by
 * any thread that finds the first one done. Returns false if it must be tried
 * again; *reach is what time has come to.
 *
 * how: PVC_NOW_ENDED by who has others to follow, pvc_now_left() by who leaves mode
 * stable. The second also ends what has ended already, so that what follows
 * after it cannot be published any more: its readers would pass the reach. That is also
 * so where mode stable was left before and has come again: who began to enter it then
 * may still put others in place of what it was left by then, and this mode is not left
 * by that.
 */
bool pvc_now_end(struct pvc_core *b, uint64_t how, struct pvc_now *old, uint64_t *current,
                 uint64_t *reach)
{
	uint64_t used, tsc;

	*current = pvc_latch_begin(&b->now_current);
	pvc_now_load(b, *current, old);
	if (!pvc_latch_valid(&b->now_current, *current))
		return false;
	*reach = 0;
	if (!pvc_latch_slot(*current) && how == PVC_NOW_ENDED)
		return true;
	if (old->ended < how) {
		old->ended = how;
		pvc_now_put(b, *current, old);
		return false;
	}
	if (old->ended > how)
		return false;
	used = atomic_load(&b->now_used);
	if (!pvc_latch_valid(&b->now_current, *current))
		return false;
	/* Whoever has done that has told the reach before it. */
	if (is_of_next(used, *current)) {
		*reach = atomic_load(&b->now_reach);
		return true;
	}
	used &= ~PVC_USED_TAG;
	tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	/* The same TSC, still in the last step. */
	if (used - tsc < PVC_USED_STEP)
		used = tsc;
	*reach = pvc_now_at(old, used) + PVC_NS_MARGIN;
	return true;
}
