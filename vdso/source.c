// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page as a source of time: reading it as an input for the clocks and as
 * hypervisor ns, and noticing when it changes under us.
 *
 * Two kinds of change are told apart. A version that moved while the values
 * stayed (hosts do that) is looked at once and remembered in seen[]. Values that
 * changed, or a STABLE bit that was cleared, end everything that was derived
 * from the old ones before the new version is remembered, so that no reader on
 * any CPU can pair the new version with an old line:
 *
 *   here                                  reader (gettime.h)
 *   end lines and parameters (release)    current            (acquire)
 *   seen[entry] = version    (release)    TSC, version, seen[entry]
 *                                         fence, current again
 */
#include "gettime.h"

/* How often a read starts again when the page changes in the middle. */
#define SOURCE_TRIES 8

/*
 * A reader checks that nothing was published since it took its TSC, but the
 * processor may do the check some tens of ns before the TSC read. Whoever wants
 * to start after all such readers adds this.
 */
#define NS_MARGIN 1000ull

#define MOST_BACK 8 /* times that an input may go back before it is given up */

/* A clamp this far ahead of the page is no disagreement between CPUs. */
#define NS_RESTART PVC_NSEC_PER_SEC

/* 1.14 GHz: slower TSCs leave no room in 0.64 for a kernel that speeds up. */
#define RATE_LIMIT (UINT64_MAX / 8 * 7)

pvc_inline void load_now(const struct pvc_now_slot *s, struct pvc_reading *r, uint64_t *floor,
                         uint64_t *ended)
{
	uint64_t mul_shift = atomic_load_explicit(&s->mul_shift, memory_order_relaxed);

	r->tsc_timestamp = atomic_load_explicit(&s->tsc_timestamp, memory_order_relaxed);
	r->system_time = atomic_load_explicit(&s->system_time, memory_order_relaxed);
	r->mul = (uint32_t)mul_shift;
	r->shift = (int8_t)(mul_shift >> 32);
	*floor = atomic_load_explicit(&s->floor, memory_order_relaxed);
	*ended = atomic_load_explicit(&s->ended, memory_order_relaxed);
}

/* Publishes parameters in place of what current names; false if it moved on. */
static bool put_now(struct pvc_core *b, uint64_t current, const struct pvc_reading *r,
                    uint64_t floor, uint64_t ended)
{
	unsigned slot = pvc_latch_claim(&b->now_busy);
	struct pvc_now_slot *s = &b->now[slot];

	if (!slot)
		return false;
	atomic_store_explicit(&s->tsc_timestamp, r->tsc_timestamp, memory_order_relaxed);
	atomic_store_explicit(&s->system_time, r->system_time, memory_order_relaxed);
	atomic_store_explicit(&s->mul_shift, (uint64_t)(uint8_t)r->shift << 32 | r->mul,
	                      memory_order_relaxed);
	atomic_store_explicit(&s->floor, floor, memory_order_relaxed);
	atomic_store_explicit(&s->ended, ended, memory_order_relaxed);
	if (pvc_latch_publish(&b->now_current, &b->now_busy, current, slot))
		return true;
	pvc_latch_release(&b->now_busy, slot);
	return false;
}

static uint64_t ticks_of(struct pvc_core *b, uint64_t ns)
{
	return pvc_ns_to_x(ns, atomic_load_explicit(&b->rate, memory_order_relaxed));
}

/*
 * The parameters in service end: first for their readers, then, with a TSC
 * taken after that, we know how far any of them came. Both steps can be done by
 * any thread that finds the first one done. Returns false if it must be tried
 * again; *reach is what time has come to.
 */
static bool end_now(struct pvc_core *b, struct pvc_reading *old, uint64_t *current, uint64_t *reach)
{
	uint64_t floor, ended, ns;

	*current = pvc_latch_begin(&b->now_current);
	load_now(&b->now[pvc_latch_slot(*current)], old, &floor, &ended);
	if (!pvc_latch_valid(&b->now_current, *current))
		return false;
	*reach = floor;
	if (!pvc_latch_slot(*current))
		return true;
	if (!ended) {
		put_now(b, *current, old, floor, 1);
		return false;
	}
	ns = pvc_reading_ns_at(old, pvc_rdtsc_ordered(b->order)) + NS_MARGIN;
	if (ns > floor)
		*reach = ns;
	return true;
}

static bool end_clocks(struct pvc_core *b, uint64_t cut)
{
	bool all = true;
	int id;

	for (id = 0; id < PVC_IDS; id++)
		if (pvc_is_ours(id) && !pvc_clock_end(b, id, cut))
			all = false;
	return all;
}

static bool same_values(const struct pvc_reading *a, const struct pvc_reading *r)
{
	return a->tsc_timestamp == r->tsc_timestamp && a->system_time == r->system_time &&
	       a->mul == r->mul && a->shift == r->shift;
}

/* From now on hypervisor ns and the page's rate are computed from *r. */
static bool take_values(struct pvc_core *b, const struct pvc_reading *r)
{
	struct pvc_reading old;
	uint64_t current, reach, was, is, step, cut, rate = pvc_reading_rate(r);

	if (!end_now(b, &old, &current, &reach))
		return false;
	if (pvc_latch_slot(current)) {
		if (same_values(&old, r))
			return put_now(b, current, r, 0, 0);
		/*
		 * The host keeps ns in step when it moves a TSC, so a step of
		 * the ns bounds what the TSC itself may have gone back by.
		 */
		was = pvc_reading_ns_at(&old, r->tsc);
		is = pvc_reading_ns(r);
		step = was > is ? was - is : is - was;
		cut = step > PVC_NSEC_PER_SEC ? UINT64_MAX : ticks_of(b, step + NS_MARGIN);
		if (!end_clocks(b, cut))
			return false;
		pvc_count(&b->count_of.param_changes);
	}
	if (atomic_load(&b->mode) != PVC_MODE_STABLE_NS)
		atomic_store(&b->rate, rate);
	atomic_fetch_add(&b->generation, 1);
	return put_now(b, current, r, reach, 0);
}

/*
 * STABLE was cleared: what stable readers may have returned is the least that
 * per-CPU readers may return, then the mode changes, then lines on the TSC end.
 */
static void leave_stable(struct pvc_core *b)
{
	struct pvc_reading old;
	uint64_t current, reach;
	uint32_t mode = atomic_load(&b->mode);

	if (!b->may_percpu) {
		pvc_source_stop(b, PVC_WHY_UNSTABLE);
		return;
	}
	if (!end_now(b, &old, &current, &reach))
		return;
	pvc_raise(&b->last, reach);
	if (mode != PVC_MODE_STABLE && mode != PVC_MODE_STABLE_NS)
		return;
	if (!atomic_compare_exchange_strong(&b->mode, &mode, PVC_MODE_PERCPU))
		return;
	atomic_store(&b->fast, 0);
	atomic_store(&b->rate, PVC_X_NS_RATE);
	atomic_store(&b->reason, PVC_WHY_UNSTABLE);
	atomic_fetch_add(&b->generation, 1);
	pvc_count(&b->count_of.unstable_edges);
	/* Those that are left run on the TSC, which is no input any more. */
	end_clocks(b, UINT64_MAX);
}

/* The entry's version is not the one we know: what happened? */
static bool look(struct pvc_core *b, uint32_t entry)
{
	struct pvc_reading r, now;
	enum pvc_read status = pvc_read_stable(&b->entry[entry], (enum pvc_order)b->order, &r);
	uint64_t current, floor, ended;

	if (status == PVC_BUSY) {
		pvc_count(&b->count_of.busy);
		return false;
	}
	if (!pvc_reading_plausible(&r)) {
		/* A CPU without an entry (Xen, hotplug): entry 0 speaks for it. */
		if (entry == 0)
			pvc_source_stop(b, PVC_WHY_NONSENSE);
		else
			atomic_store(&b->cpu_mask, 0);
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
	load_now(&b->now[pvc_latch_slot(current)], &now, &floor, &ended);
	if (!pvc_latch_valid(&b->now_current, current))
		return true;
	if ((ended || !same_values(&now, &r)) && !take_values(b, &r))
		return true;
	/* Last, and release: whoever sees it sees what was ended before it. */
	atomic_store_explicit(&b->seen[entry], r.version, memory_order_release);
	return true;
}

pvc_inline unsigned predicted_cpu(struct pvc_core *b)
{
	uint32_t cpu;

	if (!b->rseq_cpu)
		return pvc_cpu_segment() & PVC_AUX_CPU;
	/* glibc keeps a registered rseq area for each thread: one load */
	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"((int64_t)b->rseq_cpu));
	return cpu;
}

enum pvc_read pvc_source_sample(struct pvc_core *b, struct pvc_reading *r)
{
	enum pvc_read status;

	if (b->order == PVC_ORDER_RDTSCP &&
	    (atomic_load(&b->cpu_mask) || atomic_load(&b->mode) == PVC_MODE_PERCPU))
		status = pvc_read_percpu(b->entry, b->count, predicted_cpu(b), r);
	else
		status = pvc_read_stable(b->entry, (enum pvc_order)b->order, r);
	if (status == PVC_BUSY)
		pvc_count(&b->count_of.busy);
	return status;
}

/*
 * The clamp: never below what anybody in the scope was told. Who loses the
 * exchange has learned of a larger value and may return that one instead, so
 * the number of tries is a matter of fairness only.
 */
pvc_inline uint64_t clamp_to(_Atomic uint64_t *last, uint64_t seen, uint64_t ns)
{
	unsigned tries;

	for (tries = 0; tries < SOURCE_TRIES && ns > seen; tries++)
		if (atomic_compare_exchange_weak_explicit(last, &seen, ns, memory_order_relaxed,
		                                          memory_order_relaxed))
			return ns;
	return seen;
}

/* The page has started lower (a restored VM): time goes on from where it was. */
static void bridge_restart(struct pvc_core *b, uint64_t raw, uint64_t bias, uint64_t last)
{
	if (atomic_compare_exchange_strong(&b->bias, &bias, last - raw)) {
		pvc_count(&b->count_of.restarts);
		atomic_fetch_add(&b->generation, 1);
	}
}

static uint64_t not_less(_Atomic uint64_t *last, uint64_t seen, uint64_t least)
{
	if (pvc_likely(seen >= least))
		return seen;
	pvc_raise(last, least);
	return least;
}

/* True: done. False: the page moved underneath, or cannot be read now. */
pvc_inline bool percpu_try(struct pvc_core *b, uint64_t *ns, enum pvc_read *status)
{
	_Atomic uint64_t *last = b->thread_last ? b->thread_last() : &b->last;
	uint64_t bias = atomic_load_explicit(&b->bias, memory_order_acquire), raw, seen;
	struct pvc_reading r;

	*status = pvc_read_percpu(b->entry, b->count, predicted_cpu(b), &r);
	if (pvc_unlikely(*status != PVC_OK))
		return false;
	raw = pvc_reading_ns(&r);
	seen = atomic_load_explicit(last, memory_order_relaxed);
	/* Thread scope: what the process had reached when STABLE was cleared. */
	if (last != &b->last)
		seen = not_less(last, seen, atomic_load(&b->last));
	if (pvc_unlikely(raw + bias + NS_RESTART < seen)) {
		bridge_restart(b, raw, bias, seen);
		return false;
	}
	/* The reading belongs to the bias that was there before it. */
	if (pvc_unlikely(atomic_load_explicit(&b->bias, memory_order_acquire) != bias))
		return false;
	*ns = clamp_to(last, seen, raw + bias);
	return true;
}

static __attribute__((noinline)) bool percpu_again(struct pvc_core *b, uint64_t *ns,
                                                   enum pvc_read status)
{
	unsigned tries;

	for (tries = 0; tries < SOURCE_TRIES && status == PVC_OK; tries++)
		if (percpu_try(b, ns, &status))
			return true;
	if (status == PVC_BUSY)
		pvc_count(&b->count_of.busy);
	return false;
}

/* By the cached parameters; the version alone is read from the page. */
pvc_inline bool stable_now(struct pvc_core *b, uint64_t *ns, uint32_t *entry)
{
	uint64_t current = pvc_latch_begin(&b->now_current);
	const struct pvc_now_slot *s = &b->now[pvc_latch_slot(current)];
	uint64_t tsc = pvc_tsc_and_entry(b, entry);
	uint64_t floor, ended, value;
	struct pvc_reading r;

	if (pvc_unlikely(!pvc_witness(b, *entry)))
		return false;
	load_now(s, &r, &floor, &ended);
	value = pvc_reading_ns_at(&r, tsc);
	if (pvc_unlikely(ended || !pvc_latch_valid(&b->now_current, current)))
		return false;
	*ns = value < floor ? floor : value;
	return true;
}

static __attribute__((noinline)) bool stable_again(struct pvc_core *b, uint64_t *ns)
{
	unsigned tries;
	uint32_t entry;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (mode == PVC_MODE_PERCPU)
			return percpu_again(b, ns, PVC_OK);
		if (mode == PVC_MODE_KERNEL)
			return false;
		if (stable_now(b, ns, &entry))
			return true;
		if (!pvc_witness(b, entry)) {
			if (!look(b, entry))
				return false;
		} else {
			/* ended by somebody who has not begun anew: do it for him */
			atomic_store(&b->seen[entry], PVC_UNSEEN);
		}
	}
	return false;
}

bool pvc_source_now(struct pvc_core *b, uint64_t *ns)
{
	uint32_t entry, mode = atomic_load_explicit(&b->mode, memory_order_acquire);
	enum pvc_read status;

	if (mode == PVC_MODE_PERCPU)
		return percpu_try(b, ns, &status) || percpu_again(b, ns, status);
	if (mode == PVC_MODE_KERNEL)
		return false;
	return stable_now(b, ns, &entry) || stable_again(b, ns);
}

bool pvc_source_input(struct pvc_core *b, struct pvc_input *in)
{
	unsigned tries;
	uint32_t entry;
	uint64_t ns;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode;

		in->generation = atomic_load_explicit(&b->generation, memory_order_acquire);
		mode = atomic_load_explicit(&b->mode, memory_order_acquire);
		if (mode == PVC_MODE_KERNEL)
			return false;
		if (pvc_likely(mode == PVC_MODE_STABLE)) {
			/* Kept up for the unordered path, which knows no CPU. */
			if (pvc_unlikely(!pvc_witness(b, 0)))
				look(b, 0);
			in->x = pvc_tsc_and_entry(b, &entry);
			if (pvc_likely(pvc_witness(b, entry)))
				return true;
			if (!look(b, entry))
				return false;
			continue;
		}
		if (!pvc_source_now(b, &ns))
			return false;
		in->x = PVC_X_NS(ns);
		if (atomic_load_explicit(&b->generation, memory_order_acquire) == in->generation)
			return true;
	}
	return false;
}

void pvc_source_start(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why)
{
	struct pvc_reading r;
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		atomic_store(&b->seen[i], PVC_UNSEEN);
	atomic_store(&b->reason, why);
	if (mode == PVC_MODE_KERNEL)
		return;
	if (pvc_read_stable(b->entry, (enum pvc_order)b->order, &r) == PVC_BUSY) {
		atomic_store(&b->reason, PVC_WHY_BUSY);
		return;
	}
	if (mode == PVC_MODE_STABLE && pvc_reading_rate(&r) > RATE_LIMIT)
		mode = PVC_MODE_STABLE_NS;
	atomic_store(&b->rate, mode == PVC_MODE_STABLE ? pvc_reading_rate(&r) : PVC_X_NS_RATE);
	/* Last: who sees the mode sees the rest. */
	atomic_store(&b->mode, mode);
	atomic_store(&b->fast, mode == PVC_MODE_STABLE && b->order == PVC_ORDER_RDTSCP);
}

/*
 * The input has gone back by more than CPUs differ. Once is a restored VM; again
 * and again are TSCs that are not one clock, whatever STABLE says of them.
 */
void pvc_source_went_back(struct pvc_core *b)
{
	pvc_count(&b->count_of.went_back);
	if (atomic_load(&b->count_of.went_back) >= MOST_BACK)
		pvc_source_stop(b, PVC_WHY_BACK);
}

void pvc_source_stop(struct pvc_core *b, enum pvc_reason why)
{
	atomic_store(&b->fast, 0);
	atomic_store(&b->reason, why);
	atomic_store(&b->mode, PVC_MODE_KERNEL);
	atomic_fetch_add(&b->generation, 1);
	end_clocks(b, UINT64_MAX);
}
