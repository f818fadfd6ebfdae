// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page as a source of time: an input for the clocks, and hypervisor ns.
 * What to do when the page is found changed is in change.c.
 */
#include "gettime.h"
#include "now.h"

/* How often a read starts again when the page changes in the middle. */
#define SOURCE_TRIES 8

/* 1.14 GHz: slower TSCs leave no room in 0.64 for a kernel that speeds up. */
#define RATE_LIMIT (UINT64_MAX / 8 * 7)

pvc_inline unsigned predicted_cpu(struct pvc_core *b)
{
	uint32_t cpu;

	if (!b->rseq_cpu)
		return pvc_cpu_segment() & PVC_AUX_CPU;
	/* glibc keeps a registered rseq area for each thread: one load */
	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"((int64_t)b->rseq_cpu));
	return cpu;
}

/* Entry 0 speaks for every CPU; which one this is, the TSC read does not say. */
static enum pvc_read sample_entry_0(struct pvc_core *b, struct pvc_reading *r)
{
	enum pvc_read status = pvc_read_stable(b->entry, (enum pvc_order)b->order, r);

	r->cpu = pvc_cpu_segment() & PVC_AUX_CPU;
	return status;
}

enum pvc_read pvc_source_sample(struct pvc_core *b, struct pvc_reading *r)
{
	enum pvc_read status;

	if (b->order == PVC_ORDER_RDTSCP &&
	    (atomic_load(&b->cpu_mask) || atomic_load(&b->mode) == PVC_MODE_PERCPU))
		status = pvc_read_percpu(b->entry, b->count, predicted_cpu(b), r);
	else
		status = sample_entry_0(b, r);
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

/*
 * Further below than CPUs differ: the page has started lower, or this thread
 * was kept from running between the page and the clamp. A reading that is made
 * after last was seen tells.
 */
static __attribute__((noinline)) bool bridge(struct pvc_core *b, uint64_t bias, uint64_t seen)
{
	struct pvc_reading r;

	if (pvc_source_sample(b, &r) == PVC_OK && !pvc_ns_absurd(pvc_reading_ns(&r)) &&
	    pvc_reading_ns(&r) + bias + PVC_NS_SKEW < seen)
		pvc_change_bridge(b, pvc_reading_ns(&r), bias, seen);
	return false;
}

/*
 * Outside of what may be clamped to: further below last than CPUs differ, or
 * centuries above it, as nonsense in an entry makes it; clamped to, that would
 * stand for ever. One comparison of the sign, for every call comes by here.
 */
pvc_inline bool off_the_clamp(uint64_t value, uint64_t seen)
{
	return pvc_unlikely((int64_t)(value + PVC_NS_SKEW - seen) < 0);
}

/* False: the page moved underneath, and the reading is to be made again. */
pvc_inline bool clamp_reading(struct pvc_core *b, const struct pvc_reading *r, uint64_t bias,
                              _Atomic uint64_t *last, uint64_t *ns, uint64_t *own)
{
	uint64_t value = pvc_reading_ns(r) + bias;
	uint64_t seen = atomic_load_explicit(last, memory_order_relaxed);

	if (off_the_clamp(value, seen))
		return bridge(b, bias, seen);
	/* The reading belongs to the bias that was there before it. */
	if (pvc_unlikely(atomic_load_explicit(&b->bias, memory_order_acquire) != bias))
		return false;
	*own = value;
	*ns = clamp_to(last, seen, value);
	return true;
}

static __attribute__((noinline)) bool percpu_again(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	_Atomic uint64_t *last = b->thread_last ? b->thread_last() : &b->last;
	unsigned tries;

	/* Thread scope: what the process had reached when STABLE was cleared. */
	if (last != &b->last)
		pvc_raise(last, atomic_load(&b->last));
	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint64_t bias = atomic_load_explicit(&b->bias, memory_order_acquire);
		struct pvc_reading r;

		if (pvc_source_sample(b, &r) != PVC_OK)
			return false;
		if (clamp_reading(b, &r, bias, last, ns, own))
			return true;
	}
	return false;
}

static __attribute__((noinline)) bool percpu_thread(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	_Atomic uint64_t *last = b->thread_last();
	uint64_t bias = atomic_load_explicit(&b->bias, memory_order_acquire);
	unsigned cpu = predicted_cpu(b);
	struct pvc_reading r;

	if (pvc_likely(cpu < b->count && atomic_load(last) >= atomic_load(&b->last) &&
	               pvc_read_own(b->entry, cpu, &r) == PVC_OK &&
	               clamp_reading(b, &r, bias, last, ns, own)))
		return true;
	return percpu_again(b, ns, own);
}

/*
 * Scope process, where nothing is in the way: what clamp_reading does, written
 * so that no call returns here and no register has to be saved.
 */
bool pvc_source_percpu(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint64_t bias = atomic_load_explicit(&b->bias, memory_order_acquire), value, seen;
	unsigned cpu = predicted_cpu(b);
	struct pvc_reading r;

	if (pvc_unlikely(b->thread_last != NULL))
		return percpu_thread(b, ns, own);
	if (pvc_unlikely(cpu >= b->count || pvc_read_own(b->entry, cpu, &r) != PVC_OK))
		return percpu_again(b, ns, own);
	value = pvc_reading_ns(&r) + bias;
	seen = atomic_load_explicit(&b->last, memory_order_relaxed);
	if (off_the_clamp(value, seen) ||
	    pvc_unlikely(atomic_load_explicit(&b->bias, memory_order_acquire) != bias))
		return percpu_again(b, ns, own);
	*own = value;
	*ns = clamp_to(&b->last, seen, value);
	return true;
}

/* By the cached parameters; the version alone is read from the page. */
pvc_inline bool stable_try(struct pvc_core *b, uint64_t *ns, uint64_t *own, uint32_t *entry)
{
	uint64_t current = pvc_latch_begin(&b->now_current);
	uint64_t tsc = pvc_tsc_and_entry(b, entry);
	struct pvc_now now;

	if (pvc_unlikely(!pvc_witness(b, *entry)))
		return false;
	pvc_now_load(b, current, &now);
	*own = pvc_reading_ns_at(&now.r, tsc) + now.bias;
	*ns = *own < now.floor ? now.floor : *own;
	return pvc_likely(!now.ended && pvc_latch_valid(&b->now_current, current));
}

static __attribute__((noinline)) bool stable_again(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	unsigned tries;
	uint32_t entry;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (mode == PVC_MODE_PERCPU)
			return percpu_again(b, ns, own);
		if (mode == PVC_MODE_KERNEL)
			return false;
		if (stable_try(b, ns, own, &entry))
			return true;
		if (!pvc_witness(b, entry)) {
			if (!pvc_change_look(b, entry))
				return false;
		} else {
			/* ended by somebody who has not begun anew: do it for him */
			atomic_store(&b->seen[entry], PVC_UNSEEN);
		}
	}
	return false;
}

static bool stable_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint32_t entry;

	return pvc_likely(stable_try(b, ns, own, &entry)) || stable_again(b, ns, own);
}

bool pvc_source_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

	if (mode == PVC_MODE_PERCPU)
		return pvc_source_percpu(b, ns, own);
	return mode != PVC_MODE_KERNEL && stable_now(b, ns, own);
}

bool pvc_source_input(struct pvc_core *b, struct pvc_input *in)
{
	unsigned tries;
	uint32_t entry;
	uint64_t ns = 0, own = 0;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode;

		in->generation = atomic_load_explicit(&b->generation, memory_order_acquire);
		mode = atomic_load_explicit(&b->mode, memory_order_acquire);
		if (mode == PVC_MODE_KERNEL)
			return false;
		if (pvc_likely(mode == PVC_MODE_STABLE)) {
			/* Kept up for the unordered path, which knows no CPU. */
			if (pvc_unlikely(!pvc_witness(b, 0)))
				pvc_change_look(b, 0);
			in->x = in->own = pvc_tsc_and_entry(b, &entry);
			if (pvc_likely(pvc_witness(b, entry)))
				return true;
			if (!pvc_change_look(b, entry))
				return false;
			continue;
		}
		if (!pvc_source_now(b, &ns, &own))
			return false;
		in->x = PVC_X_NS(ns);
		in->own = PVC_X_NS(own);
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
	atomic_store(&b->rate, pvc_reading_rate(&r));
	/* Last: who sees the mode sees the rest. */
	atomic_store(&b->mode, mode);
	atomic_store(&b->fast, mode == PVC_MODE_STABLE && b->order == PVC_ORDER_RDTSCP);
}

void pvc_source_stop(struct pvc_core *b, enum pvc_reason why)
{
	atomic_store(&b->fast, 0);
	atomic_store(&b->reason, why);
	atomic_store(&b->mode, PVC_MODE_KERNEL);
	atomic_fetch_add(&b->generation, 1);
	pvc_change_end_clocks(b, UINT64_MAX);
}
