// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The page as a source of time: an input for the clocks, and hypervisor ns.
 * What to do when the page is found changed is in change.c; how it comes into service
 * and out of it in service.c.
 */
#include "anchor.h"
#include "entry.h"
#include "now.h"

/* How often a read starts again when the page changes in the middle. */
#define SOURCE_TRIES 8

/* Entry 0 speaks for every CPU; which one this is, the TSC read does not say. */
static enum pvc_read sample_entry_0(struct pvc_core *b, struct pvc_reading *r)
{
	enum pvc_read status = pvc_read_stable(b->entry, (enum pvc_order)b->order, r);

	r->cpu = pvc_cpu_segment() & PVC_AUX_CPU;
	return status;
}

bool pvc_source_own_entries(struct pvc_core *b)
{
	return b->foreign ||
	       (b->order == PVC_ORDER_RDTSCP &&
	        (atomic_load(&b->cpu_mask) || atomic_load(&b->mode) == PVC_MODE_PERCPU));
}

enum pvc_read pvc_source_sample(struct pvc_core *b, struct pvc_reading *r)
{
	enum pvc_read status;

	if (b->foreign)
		status = pvc_read_entry(b, pvc_predicted_entry(b), r);
	else if (pvc_source_own_entries(b))
		status = pvc_read_percpu(b->entry, b->count, pvc_predicted_cpu(b), r);
	else
		status = sample_entry_0(b, r);
	if (status == PVC_BUSY)
		pvc_doubt_busy(b);
	return status;
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
	return pvc_likely(!now.ended && pvc_now_use(b, current, tsc) &&
	                  pvc_latch_valid(&b->now_current, current));
}

/* An entry that is not the one we know, or parameters that somebody has ended. */
static bool look_again(struct pvc_core *b, uint32_t entry)
{
	if (!pvc_witness(b, entry))
		return pvc_change_look(b, entry);
	/* Ended by somebody who has not begun anew: do it for him. */
	atomic_store(&b->seen[entry], PVC_UNSEEN);
	return true;
}

/* After the clamp, which is a full barrier, the mode again: see enter_stable in edge.c. */
pvc_inline bool percpu_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	return pvc_percpu_now(b, ns, own) && pvc_likely(atomic_load(&b->mode) == PVC_MODE_PERCPU);
}

static __attribute__((noinline)) bool now_again(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	unsigned tries;
	uint32_t entry;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (!pvc_is_live(mode))
			return false;
		if (mode == PVC_MODE_PERCPU) {
			if (percpu_now(b, ns, own))
				return true;
			if (atomic_load_explicit(&b->mode, memory_order_acquire) == mode)
				return false;
			continue;
		}
		if (stable_try(b, ns, own, &entry))
			return true;
		if (!look_again(b, entry))
			return false;
	}
	return false;
}

static bool stable_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint32_t entry;

	return pvc_likely(stable_try(b, ns, own, &entry)) || now_again(b, ns, own);
}

bool pvc_source_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

	if (mode == PVC_MODE_PERCPU)
		return percpu_now(b, ns, own) || now_again(b, ns, own);
	return pvc_is_live(mode) && stable_now(b, ns, own);
}

/*
 * While entries are stable any of them is as good: this one's version is looked at. After
 * ours, for by that it is known whether what this one says has come or is of before.
 */
static enum pvc_read stable_now_of(struct pvc_core *b, uint32_t entry, uint64_t *ns)
{
	uint64_t current = pvc_latch_begin(&b->now_current), own;
	uint32_t mine;

	pvc_tsc_and_entry(b, &mine);
	if (!pvc_witness(b, mine))
		return pvc_change_look(b, mine) ? PVC_UNSTABLE : PVC_BUSY;
	if (!pvc_witness(b, entry))
		return pvc_change_look(b, entry) ? PVC_UNSTABLE : PVC_BUSY;
	if (!stable_try(b, ns, &own, &mine)) {
		look_again(b, mine);
		return PVC_UNSTABLE;
	}
	return pvc_witness(b, entry) && pvc_latch_valid(&b->now_current, current) ? PVC_OK
	                                                                          : PVC_UNSTABLE;
}

static enum pvc_read percpu_now_of(struct pvc_core *b, uint32_t entry, uint64_t *ns)
{
	enum pvc_read status = PVC_NO_ENTRY;
	uint64_t own;

	/* This machine's are for their own CPU's TSC. */
	if (b->foreign)
		status = pvc_percpu_now_of(b, entry, ns, &own);
	if (status == PVC_OK && atomic_load(&b->mode) != PVC_MODE_PERCPU)
		status = PVC_BUSY;
	return status;
}

enum pvc_read pvc_source_now_of(struct pvc_core *b, uint32_t entry, uint64_t *ns)
{
	enum pvc_read status = PVC_BUSY;
	unsigned tries;

	for (tries = 0; tries < SOURCE_TRIES; tries++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (!pvc_is_live(mode))
			return PVC_BUSY;
		if (entry >= b->count)
			return PVC_NO_ENTRY;
		if (mode == PVC_MODE_PERCPU)
			status = percpu_now_of(b, entry, ns);
		else
			status = stable_now_of(b, entry, ns);
		if (status == PVC_OK || status == PVC_NO_ENTRY)
			return status;
	}
	return PVC_BUSY;
}

/* Where each entry is looked at by itself. */
static void look_at_record(struct pvc_core *b, enum pvc_read status, const struct pvc_reading *r)
{
	if (status != PVC_OK && status != PVC_UNSTABLE)
		return;
	pvc_change_flags(b, r);
	if (atomic_load(&b->own[r->cpu].recorded) != r->version)
		pvc_record_look(b, r);
}

/* Where entries speak for each other. A change takes some passes: end, and begin anew. */
static void look_at_stable(struct pvc_core *b, unsigned entry, unsigned most)
{
	struct pvc_reading r;
	unsigned tries;

	if (atomic_load(&b->stopped) && pvc_read_entry(b, entry, &r) != PVC_BUSY)
		pvc_change_flags(b, &r);
	for (tries = 0; tries < most && !pvc_witness(b, entry); tries++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (!pvc_is_live(mode) || mode == PVC_MODE_PERCPU || !pvc_change_look(b, entry))
			return;
	}
}

void pvc_source_look(struct pvc_core *b)
{
	uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);
	struct pvc_reading r;

	pvc_change_disruption(b);
	if (mode == PVC_MODE_PERCPU)
		look_at_record(b, pvc_source_sample(b, &r), &r);
	else if (pvc_is_live(mode))
		look_at_stable(b, pvc_predicted_cpu(b) & atomic_load(&b->cpu_mask), SOURCE_TRIES);
}

/*
 * Has something happened that nobody has looked at? By the entry of the CPU that this
 * thread is on, or was a moment ago; without a registered rseq by entry 0, for that is
 * not known in a nanosecond.
 */
static bool has_moved(struct pvc_core *b)
{
	uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);
	const volatile uint64_t *marker = atomic_load(&b->disruption);
	_Atomic uint64_t *known;
	unsigned cpu;
	pvc_entry *e;

	if (marker && *marker != atomic_load(&b->disrupted))
		return true;
	/* Of a page that is being replaced nothing else is read. */
	if (!pvc_is_live(mode))
		return false;
	cpu = pvc_likely(b->rseq_cpu) ? pvc_predicted_entry(b) : 0;
	if (pvc_likely(mode == PVC_MODE_STABLE || mode == PVC_MODE_STABLE_NS)) {
		cpu &= atomic_load_explicit(&b->cpu_mask, memory_order_relaxed);
		known = &b->seen[cpu];
	} else if (cpu < b->count) {
		known = &b->own[cpu].recorded;
	} else {
		return false;
	}
	e = pvc_entry_of(b, cpu);
	if (pvc_unlikely(atomic_load_explicit(&b->stopped, memory_order_relaxed) >> cpu & 1) &&
	    !(e->info.flags & PVCLOCK_GUEST_STOPPED))
		return true;
	return pvc_unlikely(atomic_load_explicit(known, memory_order_relaxed) !=
	                    pvc_entry_version(e));
}

uint64_t pvc_generation_slow(struct pvc_core *b)
{
	if (has_moved(b))
		pvc_source_look(b);
	return atomic_load_explicit(&b->events, memory_order_acquire);
}

void pvc_source_calm(struct pvc_core *b)
{
	atomic_store(&b->calm, atomic_load(&b->fast) && b->rseq_cpu && !b->disruption &&
	                               !atomic_load(&b->stopped));
	if (!atomic_load(&b->fast))
		atomic_store(&b->calm, 0);
}

/*
 * Both are what the fast paths look at before they touch the page, so neither may stay
 * when the mode has gone, and the page is taken away:
 *
 *   here              who leaves the mode, and pvc_source_slow
 *   fast = 1          mode = another
 *   mode is still so  fast = 0
 *   calm = 1          calm = 0
 *   fast is still 1
 *
 * With a full barrier between each: who finds the mode as it was has stored before.
 */
void pvc_source_fast(struct pvc_core *b, enum pvc_mode mode)
{
	atomic_store(&b->fast, pvc_fast_ids(b, mode));
	if (atomic_load(&b->mode) != mode)
		atomic_store(&b->fast, 0);
	pvc_source_calm(b);
}

void pvc_source_slow(struct pvc_core *b)
{
	atomic_store(&b->fast, 0);
	atomic_store(&b->calm, 0);
}

void pvc_source_look_for_stable(struct pvc_core *b)
{
	struct pvc_reading r;

	if (atomic_load_explicit(&b->mode, memory_order_acquire) == PVC_MODE_PERCPU &&
	    pvc_source_sample(b, &r) == PVC_OK && r.flags & PVCLOCK_TSC_STABLE_BIT)
		pvc_edge_regain(b, &r);
}

void pvc_source_look_at_all(struct pvc_core *b)
{
	/* Of this machine's page it is for who is on another CPU to say more. */
	unsigned entry, most = b->foreign ? SOURCE_TRIES : 1;
	struct pvc_reading r;

	pvc_source_look(b);
	/* Being replaced: what describes the page is being written. */
	if (!pvc_is_live(atomic_load_explicit(&b->mode, memory_order_acquire)))
		return;
	for (entry = 0; entry < b->count; entry++) {
		uint32_t mode = atomic_load_explicit(&b->mode, memory_order_acquire);

		if (!pvc_is_live(mode))
			return;
		if (mode != PVC_MODE_PERCPU)
			look_at_stable(b, entry, most);
		else if (b->foreign) /* this machine's are for their own CPU's TSC */
			look_at_record(b, pvc_read_entry(b, entry, &r), &r);
	}
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
		if (!pvc_is_live(mode))
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
