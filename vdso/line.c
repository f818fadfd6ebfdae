// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A clock's line in its latch: loading, publishing and ending it, and what its
 * readers may have been told.
 */
#include "anchor.h"

#define END_TRIES 16

/* ns: no clock has come so near to its beginning again */
#define FORGOTTEN 1000

bool pvc_line_load(struct pvc_core *b, int id, uint64_t current, struct pvc_line *line)
{
	const struct pvc_slot *s = pvc_slot_of(b, current);
	uint64_t *word = (uint64_t *)line;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		word[i] = pvc_word(s, i);
	return pvc_latch_valid(&b->current[id], current);
}

static bool move_latch(struct pvc_core *b, int id, uint64_t current, unsigned slot)
{
	return pvc_latch_publish(&b->current[id], &b->busy, current, slot);
}

bool pvc_line_renew(struct pvc_core *b, int id, uint64_t current)
{
	return move_latch(b, id, current, pvc_latch_slot(current));
}

bool pvc_line_put(struct pvc_core *b, int id, uint64_t current, const struct pvc_line *line)
{
	unsigned i, slot = pvc_latch_claim(&b->busy);
	const uint64_t *word = (const uint64_t *)line;

	if (!slot)
		return false;
	for (i = 0; i < PVC_LINE_WORDS; i++)
		atomic_store_explicit(&b->slot[slot].word[i], word[i], memory_order_relaxed);
	if (move_latch(b, id, current, slot))
		return true;
	pvc_latch_release(&b->busy, slot);
	return false;
}

/*
 * Ends what current names. The line is kept, unreadable, for its successor to
 * start from. Without a free slot the latch moves to the empty one, and the
 * floor remembers the furthest that the line could have said.
 */
bool pvc_line_end(struct pvc_core *b, int id, uint64_t current, struct pvc_line *line, uint64_t cut)
{
	/* Where each thread has a last of its own, nobody knows how far the others have come. */
	if (b->thread_last && PVC_X_IS_NS(line->x0))
		cut = UINT64_MAX;
	if (line->expiry) {
		line->expiry = 0;
		line->cut = cut ? cut : 1;
		if (pvc_line_put(b, id, current, line))
			return true;
		/* Somebody else has moved on: it is not for us to end. */
		if (pvc_latch_begin(&b->current[id]) != current)
			return false;
		if (!line->seq)
			pvc_raise(&b->floor[id], pvc_line_reach(line, line->x0 + line->span));
		return move_latch(b, id, current, 0);
	}
	if (line->span && line->cut < cut) {
		line->cut = cut;
		return pvc_line_put(b, id, current, line);
	}
	/* Nothing to end, but updates under way must not land. */
	return pvc_line_renew(b, id, current);
}

bool pvc_clock_end(struct pvc_core *b, int id, uint64_t cut)
{
	unsigned tries;

	for (tries = 0; tries < END_TRIES; tries++) {
		uint64_t current = pvc_latch_begin(&b->current[id]);
		struct pvc_line line;

		if (pvc_line_load(b, id, current, &line) &&
		    pvc_line_end(b, id, current, &line, cut))
			return true;
	}
	return false;
}

void pvc_floor_forget(struct pvc_core *b, int id)
{
	atomic_store(&b->floor[id], atomic_fetch_add(&b->forgotten, 1) % FORGOTTEN);
}

/*
 * Between the two stores a signal handler, or another thread, may still go by the line
 * and raise the floor to what it says. Once the line is gone nobody does.
 */
void pvc_clock_forget(struct pvc_core *b, int id)
{
	unsigned tries;

	for (tries = 0; tries < END_TRIES; tries++) {
		pvc_floor_forget(b, id);
		if (move_latch(b, id, pvc_latch_begin(&b->current[id]), 0) &&
		    atomic_load(&b->floor[id]) < FORGOTTEN)
			return;
	}
}

/* How far readers of a line can have come by now, without a page to ask. */
static uint64_t reach_now(struct pvc_core *b, const struct pvc_line *line)
{
	uint64_t x = PVC_X_IS_NS(line->x0) ? PVC_X_NS(atomic_load(&b->last))
	                                   : pvc_rdtsc_ordered((enum pvc_order)b->order);

	if (!line->span)
		return 0;
	return pvc_line_reach(line, x);
}

/*
 * An exact line says what the kernel says, so the kernel's next answer is a
 * floor of its own; only a kernel that is broken falls below the line's start.
 */
uint64_t pvc_line_floor(struct pvc_core *b, int id, const struct pvc_line *line)
{
	uint64_t floor = atomic_load_explicit(&b->floor[id], memory_order_acquire), said;

	if (line->seq)
		said = pvc_settable(id) ? 0 : pvc_line_ns(line);
	else
		said = reach_now(b, line);
	return said > floor ? said : floor;
}

uint64_t pvc_line_not_below(struct pvc_core *b, uint64_t ns, uint64_t floor, int id,
                            const struct pvc_line *line)
{
	uint64_t span = line->span ? pvc_mulhi(line->span, line->rate) : b->resync_ns;

	if (ns >= floor || (pvc_settable(id) && floor - ns > PVC_NS_SET + span))
		return ns;
	return floor;
}

void pvc_clock_was_set(struct pvc_core *b, int id, const struct pvc_line *old,
                       const struct pvc_line *line)
{
	struct pvc_event e = {.kind = PVC_EVENT_SET, .cpu = (uint32_t)id};
	uint64_t passed = pvc_mulhi(line->x0 - old->x0, old->rate);

	pvc_count(&b->count_of.steps);
	e.tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	if (PVC_X_IS_NS(line->x0) == PVC_X_IS_NS(old->x0) && line->x0 >= old->x0)
		e.step = (int64_t)(pvc_line_ns(line) - pvc_line_ns(old) - passed);
	pvc_event_add(b, &e);
}
