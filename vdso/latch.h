/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The latch: parameters that readers never wait for, and that any thread may
 * replace at any moment, also in the middle of another's replacement.
 *
 * The kernel's NMI-safe clocks keep two copies and let a writer fill the one
 * that is not being read. That needs one writer at a time, so somebody must be
 * elected; and in user space the elected may be stopped for an hour, killed by
 * a longjmp out of a signal handler, or left behind in the parent by fork.
 * Taking its place is not safe either, because it may wake up and go on storing
 * into a copy that has been given away. So here are more copies than two, each
 * filled by one writer alone, and the election is the publication: a
 * compare-exchange of the word that names the current copy. A writer that
 * never comes back keeps its copy for ever and delays nobody.
 *
 *   current   generation and slot. Every publication is a new generation, so
 *             the word never repeats and names one content. The slot's bits lie
 *             where they are its offset in an array of 256 bytes each.
 *   busy      a bit for each slot that is current or being filled. Words that
 *             share it share the slots.
 *
 * Slot 0 is never filled: it holds zeros, which read as "expired". So a word of
 * zero is a latch that says nothing.
 */
#ifndef PVC_LATCH_H
#define PVC_LATCH_H

#include <stdatomic.h>

#include "arch_x86.h"

#define PVC_SLOTS 64u
#define PVC_SLOT_SHIFT 8
#define PVC_SLOT_MASK ((uint64_t)(PVC_SLOTS - 1) << PVC_SLOT_SHIFT)
#define PVC_SLOT_GENERATION (PVC_SLOT_MASK + (1ull << PVC_SLOT_SHIFT))

/* Pairs with the compare-exchange in pvc_latch_publish. */
pvc_inline uint64_t pvc_latch_begin(_Atomic uint64_t *current)
{
	return atomic_load_explicit(current, memory_order_acquire);
}

/*
 * True if what was read since pvc_latch_begin is the content it named. The
 * fence keeps those loads before this one, and pairs with the release fence of
 * pvc_latch_claim: who read a word of a later filling sees the later current.
 */
pvc_inline bool pvc_latch_valid(_Atomic uint64_t *current, uint64_t begun)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(current, memory_order_relaxed) == begun;
}

pvc_inline unsigned pvc_latch_slot(uint64_t current)
{
	return (unsigned)(current & PVC_SLOT_MASK) >> PVC_SLOT_SHIFT;
}

/* A slot for this writer alone, or 0 when all are taken. Async-signal-safe. */
static inline unsigned pvc_latch_claim(_Atomic uint64_t *busy)
{
	uint64_t taken = atomic_load_explicit(busy, memory_order_relaxed);
	unsigned slot, tries;

	for (tries = 0; tries < PVC_SLOTS; tries++) {
		uint64_t unused = ~taken & ~1ull;

		if (!unused)
			return 0;
		slot = (unsigned)__builtin_ctzll(unused);
		/* acquire: pairs with pvc_latch_release by its last owner */
		if (atomic_compare_exchange_weak_explicit(busy, &taken, taken | 1ull << slot,
		                                          memory_order_acquire,
		                                          memory_order_relaxed)) {
			/* before the filling stores; see pvc_latch_valid */
			atomic_thread_fence(memory_order_release);
			return slot;
		}
	}
	return 0;
}

pvc_inline void pvc_latch_release(_Atomic uint64_t *busy, unsigned slot)
{
	if (slot)
		atomic_fetch_and_explicit(busy, ~(1ull << slot), memory_order_release);
}

/*
 * Makes a slot current if expected still is, and frees the one it replaces.
 * On failure the slot still belongs to the caller. Release: pairs with
 * pvc_latch_begin.
 */
static inline bool pvc_latch_publish(_Atomic uint64_t *current, _Atomic uint64_t *busy,
                                     uint64_t expected, unsigned slot)
{
	uint64_t next = ((expected & ~PVC_SLOT_MASK) + PVC_SLOT_GENERATION) |
	                (uint64_t)slot << PVC_SLOT_SHIFT;
	unsigned old = pvc_latch_slot(expected);

	if (!atomic_compare_exchange_strong_explicit(current, &expected, next, memory_order_acq_rel,
	                                             memory_order_relaxed))
		return false;
	if (old != slot)
		pvc_latch_release(busy, old);
	return true;
}

#endif /* PVC_LATCH_H */
