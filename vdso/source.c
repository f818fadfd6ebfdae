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

static uint64_t not_less(_Atomic uint64_t *last, uint64_t seen, uint64_t least)
{
	if (pvc_likely(seen >= least))
		return seen;
	pvc_raise(last, least);
	return least;
}

/*
 * Further below than CPUs differ: the page has started lower, or this thread
 * was kept from running between the page and the clamp. A reading that is made
 * after last was seen tells.
 */
static __attribute__((noinline)) void bridge(struct pvc_core *b, uint64_t bias, uint64_t seen)
{
	struct pvc_reading r;

	if (pvc_source_sample(b, &r) == PVC_OK && pvc_reading_ns(&r) + bias + PVC_NS_SKEW < seen)
		pvc_change_bridge(b, pvc_reading_ns(&r), bias, seen);
}

/* True: done. False: the page moved underneath, or cannot be read now. */
pvc_inline bool percpu_try(struct pvc_core *b, uint64_t *ns, uint64_t *own, enum pvc_read *status)
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
	if (pvc_unlikely(raw + bias + PVC_NS_SKEW < seen)) {
		bridge(b, bias, seen);
		return false;
	}
	/* The reading belongs to the bias that was there before it. */
	if (pvc_unlikely(atomic_load_explicit(&b->bias, memory_order_acquire) != bias))
		return false;
	*own = raw + bias;
	*ns = clamp_to(last, seen, raw + bias);
	return true;
}

static __attribute__((noinline)) bool percpu_again(struct pvc_core *b, uint64_t *ns, uint64_t *own,
                                                   enum pvc_read status)
{
	unsigned tries;

	for (tries = 0; tries < SOURCE_TRIES && status == PVC_OK; tries++)
		if (percpu_try(b, ns, own, &status))
			return true;
	if (status == PVC_BUSY)
		pvc_count(&b->count_of.busy);
	return false;
}

/* By the cached parameters; the version alone is read from the page. */
pvc_inline bool stable_now(struct pvc_core *b, uint64_t *ns, uint64_t *own, uint32_t *entry)
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
			return percpu_again(b, ns, own, PVC_OK);
		if (mode == PVC_MODE_KERNEL)
			return false;
		if (stable_now(b, ns, own, &entry))
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

bool pvc_source_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint32_t entry, mode = atomic_load_explicit(&b->mode, memory_order_acquire);
	enum pvc_read status;

	if (mode == PVC_MODE_PERCPU)
		return percpu_try(b, ns, own, &status) || percpu_again(b, ns, own, status);
	if (mode == PVC_MODE_KERNEL)
		return false;
	return stable_now(b, ns, own, &entry) || stable_again(b, ns, own);
}

bool pvc_source_input(struct pvc_core *b, struct pvc_input *in)
{
	unsigned tries;
	uint32_t entry;
	uint64_t ns, own;

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
