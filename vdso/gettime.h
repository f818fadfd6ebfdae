/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast path of clock_gettime: what a call costs, between its first
 * instruction and its last.
 *
 * Order matters three times:
 *  - current is read before the TSC and again after all else: the line did not
 *    change while the TSC was read (latch.h);
 *  - the entry's version is read after the TSC: a host that changes the TSC
 *    changes the entry of that vCPU before it runs again;
 *  - RDTSCP gives the CPU along with the TSC, so the version looked at is that
 *    of the CPU whose TSC was read. Looking at entry 0 alone, as the kernel's
 *    vDSO does, misses the time in which another vCPU has been told that the
 *    TSCs are no longer in step and vCPU 0 has not (Tosatti, 2015).
 */
#ifndef PVC_GETTIME_H
#define PVC_GETTIME_H

#include "core.h"

pvc_inline uint64_t pvc_word(const struct pvc_slot *s, size_t word)
{
	return atomic_load_explicit(&((struct pvc_slot *)s)->word[word], memory_order_relaxed);
}

/* Read after the TSC, as the kernel's vDSO does. */
pvc_inline const volatile uint32_t *pvc_seq(struct pvc_core *b)
{
	return atomic_load_explicit(&b->seq, memory_order_relaxed);
}

pvc_inline bool pvc_line_read(struct pvc_core *b, int id, uint64_t current, uint64_t x,
                              uint32_t low, struct pvc_timespec *ts)
{
	const struct pvc_slot *s = pvc_slot_of(b, current);
	uint64_t x0 = pvc_word(s, PVC_WORD(x0));
	uint64_t sec, ns;

	/* Unsigned: an x before x0 is as far outside as one after the end. */
	if (pvc_unlikely(x - x0 >= pvc_word(s, PVC_WORD(expiry))))
		return false;
	/* A span is shorter than 2^32, so the low halves give the difference. */
	ns = pvc_mul_add(low - (uint32_t)x0, &s->word[PVC_WORD(mult)], &s->word[PVC_WORD(frac)],
	                 &s->word[PVC_WORD(nsec)]);
	if (pvc_unlikely(pvc_word(s, PVC_WORD(seq)) != *pvc_seq(b)))
		return false;
	sec = pvc_word(s, PVC_WORD(sec));
	if (pvc_unlikely(!pvc_latch_valid(&b->current[id], current)))
		return false;
	/* A span is under a second, so there is at most one to carry. */
	if (ns >= PVC_NSEC_PER_SEC) {
		ns -= PVC_NSEC_PER_SEC;
		sec++;
	}
	ts->sec = (int64_t)sec;
	ts->nsec = (int64_t)ns;
	return true;
}

/* Is the entry still the one that the lines were made under? */
pvc_inline bool pvc_witness(struct pvc_core *b, uint32_t entry)
{
	return atomic_load_explicit(&b->seen[entry], memory_order_relaxed) ==
	       pvc_entry_version(&b->entry[entry]);
}

pvc_inline uint64_t pvc_tsc_and_entry(struct pvc_core *b, uint32_t *entry)
{
	uint32_t aux;
	uint64_t tsc;

	if (pvc_likely(b->order == PVC_ORDER_RDTSCP)) {
		tsc = pvc_rdtscp(&aux);
		*entry = aux & atomic_load_explicit(&b->cpu_mask, memory_order_relaxed);
		return tsc;
	}
	*entry = 0;
	return b->order == PVC_ORDER_LFENCE ? pvc_rdtsc_lfence() : pvc_rdtsc_mfence();
}

/*
 * The calls that any of the fast paths can answer: mode stable, an id that is ours,
 * somewhere to write. The others never come to the TSC: who has forbidden it to himself
 * goes on reading coarse clocks, as without us.
 * Acquire, which costs nothing here: who sees it set sees the page that it is set for.
 */
pvc_inline bool pvc_is_fast(struct pvc_core *b, int how, int id, const struct pvc_timespec *ts)
{
	return pvc_likely((unsigned)id < PVC_IDS && ts &&
	                  atomic_load_explicit(&b->fast, memory_order_acquire) >> how >> id & 1);
}

/* Of the calls that may be answered like this, PVC_FAST_*: a constant. */
pvc_inline bool pvc_gettime_fast_if(struct pvc_core *b, int how, int id, struct pvc_timespec *ts)
{
	uint64_t current, tsc;
	uint32_t aux, low;

	/* One base register instead of an address for each of its members. */
	__asm__("" : "+r"(b));
	if (!pvc_is_fast(b, how, id, ts))
		return false;
	current = pvc_latch_begin(&b->current[id]);
	tsc = pvc_rdtscp_low(&aux, &low);
	aux &= atomic_load_explicit(&b->cpu_mask, memory_order_relaxed);
	return pvc_likely(pvc_witness(b, aux) && pvc_line_read(b, id, current, tsc, low, ts));
}

/* True: answered. False: pvc_gettime_slow answers, if nobody counts; else pvc_gettime. */
pvc_inline bool pvc_gettime_fast(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	return pvc_gettime_fast_if(b, PVC_FAST_PLAIN, id, ts);
}

/*
 * Without waiting for the instructions before it: half the cost, and the time
 * is of some instant within about 10 ns of the call. No CPU number comes with
 * it, so entry 0 is the witness.
 */
pvc_inline bool pvc_gettime_fast_unordered(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	uint64_t current, tsc;

	__asm__("" : "+r"(b));
	if (!pvc_is_fast(b, PVC_FAST_PLAIN, id, ts))
		return false;
	current = pvc_latch_begin(&b->current[id]);
	tsc = pvc_rdtsc();
	return pvc_likely(pvc_witness(b, 0) &&
	                  pvc_line_read(b, id, current, tsc, (uint32_t)tsc, ts));
}

/* 0, or a negative errno of the kernel's. Of a call that is counted, or need not be. */
pvc_inline int pvc_gettime(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	return pvc_gettime_fast_if(b, PVC_FAST_ANY, id, ts) ? 0 : pvc_gettime_slow(b, id, ts);
}

pvc_inline int pvc_gettime_unordered(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	return pvc_gettime_fast_unordered(b, id, ts) ? 0 : pvc_gettime_slow(b, id, ts);
}

#endif /* PVC_GETTIME_H */
