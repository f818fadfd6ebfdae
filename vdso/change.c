// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What happens when the page is not what it was. Two kinds of change are told
 * apart. A version that moved while the values stayed (hosts do that) is looked
 * at once and remembered in seen[]. Values that changed, or a STABLE bit that was
 * cleared, end everything that was derived from the old ones before the new
 * version is remembered, so that no reader on any CPU can pair the new version
 * with an old line:
 *
 *   here                                  reader (gettime.h)
 *   end lines and parameters (release)    current            (acquire)
 *   seen[entry] = version    (release)    TSC, version, seen[entry]
 *                                         fence, current again
 */
#include "now.h"

/*
 * A reader checks that nothing was published since it took its TSC, but the
 * processor may do the check some tens of ns before the TSC read. Whoever wants
 * to start after all such readers adds this.
 */
#define NS_MARGIN 1000ull

/*
 * An input may go back: a VM was restored. When it does so time and again while
 * clocks were anchored only a few times, it is not one clock.
 */
#define MOST_BACK 8
#define FEW_ANCHORS 64

/* Publishes parameters in place of what current names; false if it moved on. */
static bool put_now(struct pvc_core *b, uint64_t current, const struct pvc_now *now)
{
	unsigned slot = pvc_latch_claim(&b->now_busy);
	struct pvc_now_slot *s = &b->now[slot];

	if (!slot)
		return false;
	atomic_store_explicit(&s->tsc_timestamp, now->r.tsc_timestamp, memory_order_relaxed);
	atomic_store_explicit(&s->system_time, now->r.system_time, memory_order_relaxed);
	atomic_store_explicit(&s->mul_shift, (uint64_t)(uint8_t)now->r.shift << 32 | now->r.mul,
	                      memory_order_relaxed);
	atomic_store_explicit(&s->floor, now->floor, memory_order_relaxed);
	atomic_store_explicit(&s->bias, now->bias, memory_order_relaxed);
	atomic_store_explicit(&s->ended, now->ended, memory_order_relaxed);
	if (pvc_latch_publish(&b->now_current, &b->now_busy, current, slot))
		return true;
	pvc_latch_release(&b->now_busy, slot);
	return false;
}

/*
 * The parameters in service end: first for their readers, then, with a TSC
 * taken after that, we know how far any of them came. Both steps can be done by
 * any thread that finds the first one done. Returns false if it must be tried
 * again; *reach is what time has come to.
 *
 * how: PVC_NOW_ENDED by who has others to follow, PVC_NOW_LEFT by who leaves mode
 * stable. The second also ends what has ended already, so that what follows
 * after it cannot be published any more: its readers would pass the reach.
 */
static bool end_now(struct pvc_core *b, uint64_t how, struct pvc_now *old, uint64_t *current,
                    uint64_t *reach)
{
	*current = pvc_latch_begin(&b->now_current);
	pvc_now_load(b, *current, old);
	if (!pvc_latch_valid(&b->now_current, *current))
		return false;
	*reach = 0;
	if (!pvc_latch_slot(*current) && how == PVC_NOW_ENDED)
		return true;
	if (old->ended < how) {
		old->ended = how;
		put_now(b, *current, old);
		return false;
	}
	if (old->ended > how)
		return false;
	*reach = pvc_now_at(old, pvc_rdtsc_ordered((enum pvc_order)b->order)) + NS_MARGIN;
	return true;
}

bool pvc_change_end_clocks(struct pvc_core *b, uint64_t cut)
{
	bool all = true;
	int id;

	for (id = 0; id < PVC_IDS; id++)
		if (pvc_is_ours(id) && !pvc_clock_end(b, id, cut))
			all = false;
	return all;
}

bool pvc_change_bridge(struct pvc_core *b, uint64_t raw, uint64_t bias, uint64_t last)
{
	if (!atomic_compare_exchange_strong(&b->bias, &bias, last - raw))
		return false;
	pvc_count(&b->count_of.restarts);
	atomic_fetch_add(&b->generation, 1);
	pvc_source_went_back(b);
	return true;
}

void pvc_source_went_back(struct pvc_core *b)
{
	uint64_t anchors = atomic_load(&b->count_of.anchors);

	pvc_count(&b->count_of.went_back);
	if (anchors - atomic_exchange(&b->back_anchors, anchors) > FEW_ANCHORS)
		atomic_store(&b->back_lately, 0);
	if (atomic_fetch_add(&b->back_lately, 1) + 1 >= MOST_BACK)
		pvc_source_stop(b, PVC_WHY_BACK);
}

static bool same_values(const struct pvc_reading *a, const struct pvc_reading *r)
{
	return a->tsc_timestamp == r->tsc_timestamp && a->system_time == r->system_time &&
	       a->mul == r->mul && a->shift == r->shift;
}

/*
 * Lines were made under the old values. The host keeps ns in step when it moves
 * a TSC, so a step of the ns bounds what the TSC itself may have gone back by.
 */
static bool end_clocks_of(struct pvc_core *b, const struct pvc_reading *old,
                          const struct pvc_reading *r)
{
	uint64_t was = pvc_reading_ns_at(old, r->tsc), is = pvc_reading_ns(r);
	uint64_t step = was > is ? was - is : is - was;
	uint64_t rate = pvc_rate_of(b, atomic_load(&b->mode) == PVC_MODE_STABLE ? 0 : PVC_X_NS(0));
	bool far = step > PVC_NSEC_PER_SEC / 2;

	if (!pvc_change_end_clocks(b, far ? UINT64_MAX : pvc_ns_to_x(step + NS_MARGIN, rate)))
		return false;
	pvc_count(&b->count_of.param_changes);
	atomic_fetch_add(&b->generation, 1);
	return true;
}

/* From now on hypervisor ns and the page's rate are computed from *r. */
static bool take_values(struct pvc_core *b, const struct pvc_reading *r)
{
	struct pvc_now old, next = {.r = *r};
	uint64_t current, raw;

	if (!end_now(b, PVC_NOW_ENDED, &old, &current, &next.floor))
		return false;
	if (pvc_latch_slot(current) && !same_values(&old.r, r) && !end_clocks_of(b, &old.r, r))
		return false;
	next.bias = atomic_load(&b->bias);
	/* With a TSC after that of the reach, whatever came in between. */
	raw = pvc_reading_ns_at(r, pvc_rdtsc_ordered((enum pvc_order)b->order));
	if (raw + next.bias + PVC_NS_SKEW < next.floor) {
		pvc_change_bridge(b, raw, next.bias, next.floor);
		return false;
	}
	atomic_store(&b->rate, pvc_reading_rate(r));
	return put_now(b, current, &next);
}

/*
 * STABLE was cleared: what stable readers may have returned is the least that
 * per-CPU readers may return, then the mode changes, then lines on the TSC end.
 */
static void leave_stable(struct pvc_core *b)
{
	uint32_t mode = atomic_load(&b->mode);
	uint64_t current, reach;
	struct pvc_now old;

	if (!b->may_percpu) {
		pvc_count(&b->count_of.unstable_edges);
		pvc_source_stop(b, PVC_WHY_UNSTABLE);
		return;
	}
	if (!end_now(b, PVC_NOW_LEFT, &old, &current, &reach))
		return;
	pvc_raise(&b->last, reach);
	if (mode != PVC_MODE_STABLE && mode != PVC_MODE_STABLE_NS)
		return;
	if (!atomic_compare_exchange_strong(&b->mode, &mode, PVC_MODE_PERCPU))
		return;
	atomic_store(&b->fast, 0);
	atomic_store(&b->reason, PVC_WHY_UNSTABLE);
	atomic_fetch_add(&b->generation, 1);
	pvc_count(&b->count_of.unstable_edges);
	/* Those that are left run on the TSC, which is no input any more. */
	pvc_change_end_clocks(b, UINT64_MAX);
}

/* A CPU without an entry (Xen, hotplug): entry 0 speaks for it. */
static void no_entry(struct pvc_core *b, uint32_t entry)
{
	if (entry == 0)
		pvc_source_stop(b, PVC_WHY_NONSENSE);
	else
		atomic_store(&b->cpu_mask, 0);
}

bool pvc_change_look(struct pvc_core *b, uint32_t entry)
{
	struct pvc_reading r;
	enum pvc_read status = pvc_read_stable(&b->entry[entry], (enum pvc_order)b->order, &r);
	struct pvc_now now;
	uint64_t current;

	if (status == PVC_BUSY) {
		pvc_count(&b->count_of.busy);
		return false;
	}
	if (!pvc_reading_plausible(&r)) {
		no_entry(b, entry);
		return true;
	}
	if (atomic_load(&b->seen[entry]) != PVC_UNSEEN)
		pvc_count(&b->count_of.version_moves);
	if (r.flags & PVCLOCK_GUEST_STOPPED)
		pvc_count(&b->count_of.stopped);
	if (status == PVC_UNSTABLE) {
		leave_stable(b);
		return true;
	}
	current = pvc_latch_begin(&b->now_current);
	pvc_now_load(b, current, &now);
	if (!pvc_latch_valid(&b->now_current, current))
		return true;
	if (now.ended == PVC_NOW_LEFT) {
		/* Whoever began to leave may not have come to the end of it. */
		leave_stable(b);
		return true;
	}
	if ((now.ended || !same_values(&now.r, &r)) && !take_values(b, &r))
		return true;
	/* Last, and release: whoever sees it sees what was ended before it. */
	atomic_store_explicit(&b->seen[entry], r.version, memory_order_release);
	return true;
}
