// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The edges of mode stable: a host clears STABLE when vCPUs' TSCs are found out of step,
 * and sets it again when they are not. Entries are rewritten one by one, so for a while
 * some say this and some that; the first that says unstable is believed, and the last
 * that says stable.
 */
#include "entry.h"
#include "now.h"

/* STABLE is believed again when no entry was without it for this long. */
#define NS_HOLD 10000000ull

/*
 * STABLE was cleared: what stable readers may have returned is the least that
 * per-CPU readers may return, then the mode changes, then lines on the TSC end.
 */
void pvc_edge_leave(struct pvc_core *b, const struct pvc_reading *r)
{
	/* Before the parameters end: the mode that is left is the one that they were of. */
	uint64_t before = atomic_load(&b->mode_and_era), current, reach;
	enum pvc_mode mode = pvc_mode_of(before);
	struct pvc_now old;
	struct pvc_event e;

	if (!b->may_percpu) {
		pvc_count(&b->count_of.unstable_edges);
		pvc_source_stop(b, PVC_WHY_UNSTABLE);
		return;
	}
	if (mode != PVC_MODE_STABLE && mode != PVC_MODE_STABLE_NS)
		return;
	if (!pvc_now_end(b, pvc_now_left(before), &old, &current, &reach))
		return;
	pvc_raise(&b->last, reach);
	atomic_store(&b->edge_ns, PVC_EDGE_NONE);
	pvc_record_begin(b);
	/* Those on ns, too: per CPU these may go on from elsewhere. */
	pvc_change_end_clocks(b, UINT64_MAX);
	if (!atomic_compare_exchange_strong(&b->mode_and_era, &before,
	                                    pvc_era_of(before) | PVC_MODE_PERCPU))
		return;
	pvc_source_slow(b);
	atomic_store(&b->reason, PVC_WHY_UNSTABLE);
	atomic_fetch_add(&b->generation, 1);
	pvc_count(&b->count_of.unstable_edges);
	/* Those that are left run on the TSC, which is no input any more. */
	pvc_change_end_clocks(b, UINT64_MAX);
	/* Without any that were in service nothing has stepped: what ended is of zeros. */
	pvc_change_event(old.r.mul ? &old.r : r, r, &e);
	e.kind = PVC_EVENT_UNSTABLE;
	pvc_event_add(b, &e);
}

static bool all_stable(struct pvc_core *b, const struct pvc_reading *r)
{
	uint64_t ns = pvc_reading_ns(r);
	unsigned i;

	for (i = 0; i < b->count; i++) {
		struct pvc_reading other;
		uint64_t at;

		if (pvc_read_entry(b, i, &other) != PVC_OK || !pvc_reading_plausible(&other))
			return false;
		at = pvc_reading_ns_at(&other, r->tsc);
		if ((at > ns ? at - ns : ns - at) > PVC_NS_AGREE)
			return false;
	}
	return true;
}

/*
 * All entries have STABLE set again. The parameters are put in service as ended ones,
 * then the mode is set, then last is read by whoever continues them:
 *
 *   here, and take_values      per-CPU reader (percpu.c)
 *   mode = stable              last raised to what it will return
 *   floor = last               mode is still percpu
 *
 * Each side does its two things in this order, with a full barrier between: a value that
 * is returned is in the floor, or its reader finds the mode changed and starts again.
 */
static void enter_stable(struct pvc_core *b, uint64_t before, uint64_t current,
                         const struct pvc_now *old, const struct pvc_reading *r)
{
	struct pvc_now next = {.r = *r, .floor = old->floor, .ended = PVC_NOW_ENDED};
	enum pvc_mode mode = pvc_mode_of_stable(r);
	struct pvc_event e = {
		.tsc = r->tsc,
		.ns = pvc_reading_ns(r),
		.kind = PVC_EVENT_STABLE,
		.cpu = r->cpu,
	};
	unsigned i;

	next.bias = atomic_load(&b->own[r->cpu].bias);
	if (!pvc_now_unused(b, current, r->tsc) || !pvc_now_put(b, current, &next))
		return;
	atomic_store(&b->bias, next.bias);
	/* Nothing of before is taken for looked at. */
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		atomic_store(&b->seen[i], PVC_UNSEEN);
	if (!atomic_compare_exchange_strong(&b->mode_and_era, &before,
	                                    (pvc_era_of(before) + PVC_NEXT_ERA) | mode))
		return;
	atomic_store(&b->reason, PVC_WHY_STABLE);
	pvc_count(&b->count_of.stable_edges);
	atomic_fetch_add(&b->generation, 1);
	/* For when it is left again: what is recorded is of before. */
	pvc_record_forget(b);
	pvc_change_end_clocks(b, UINT64_MAX);
	pvc_source_fast(b, mode);
	pvc_event_add(b, &e);
}

bool pvc_edge_regain(struct pvc_core *b, const struct pvc_reading *r)
{
	uint64_t current, before, ns = pvc_reading_ns(r), since = atomic_load(&b->edge_ns);
	struct pvc_now old;

	if (!b->may_stable)
		return true;
	if (!(r->flags & PVCLOCK_TSC_STABLE_BIT) || !all_stable(b, r)) {
		atomic_store(&b->edge_ns, PVC_EDGE_NONE);
		return true;
	}
	/* The last to be found clear may have been so until now; so may a time that began anew. */
	if (since > ns) {
		atomic_store(&b->edge_ns, ns);
		return false;
	}
	if (ns - since < NS_HOLD)
		return false;
	current = pvc_latch_begin(&b->now_current);
	pvc_now_load(b, current, &old);
	/* Both at one time: what ends parameters while stable is still to be left by them. */
	before = atomic_load(&b->mode_and_era);
	if (pvc_mode_of(before) == PVC_MODE_PERCPU && pvc_latch_valid(&b->now_current, current) &&
	    (old.ended || !pvc_latch_slot(current)))
		enter_stable(b, before, current, &old, r);
	return true;
}
