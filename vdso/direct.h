/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The next line, when all that has happened is the kernel's tick: the kernel's
 * parameters once more, without asking the kernel and without looking at the rest.
 * It happens some hundred times a second, always with caches that the tick has
 * cooled, so it is short, and lies beside the fast path.
 *
 * And for a caller that comes rarely, every 10 ms or every hour, no line at all.
 * To make one for one reading would touch a dozen cold cache lines, each dearer
 * than a warm call. So the first reading of a clock in a stretch of about a
 * millisecond is computed as the vDSO does it, and forgotten; the second makes a line.
 */
#ifndef PVC_DIRECT_H
#define PVC_DIRECT_H

#include "anchor.h"

#define PVC_STRETCH 22 /* 2^22 ticks: 1 to 4 ms */
/* One stretch in 64 is for an audit by the kernel, also of who comes rarely. */
#define PVC_AUDIT_STRETCH 63

/* Has the id not been asked for in this stretch of time? From here on it has. */
pvc_inline bool pvc_first_lately(struct pvc_core *b, int id, uint64_t tsc)
{
	uint64_t stretch = tsc >> PVC_STRETCH << PVC_IDS, bit = 1ull << id;
	uint64_t lately = atomic_load_explicit(&b->lately, memory_order_relaxed);
	bool same = (lately ^ stretch) >> PVC_IDS == 0;

	if (same && lately & bit)
		return false;
	/* A store that is lost to another thread's costs one more reading like this. */
	atomic_store_explicit(&b->lately, (same ? lately : stretch) | bit, memory_order_relaxed);
	return (tsc >> PVC_STRETCH & PVC_AUDIT_STRETCH) != 0;
}

/* The line at x by parameters on the TSC, without what only audits know. */
pvc_inline void pvc_direct_line(const struct pvc_params *p, uint64_t x, struct pvc_line *line)
{
	uint64_t *word = (uint64_t *)line, ns;
	pvc_u128 at;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		word[i] = 0;
	/* No CPU's TSC is below it by more than TSCs differ. */
	if ((int64_t)(p->cycle_last - x) > 0)
		x = p->cycle_last;
	at = (pvc_u128)(x - p->cycle_last) * p->mult + p->nsec;
	ns = (uint64_t)(at >> p->shift);
	line->x0 = x;
	line->sec = p->sec + ns / PVC_NSEC_PER_SEC;
	line->nsec = ns % PVC_NSEC_PER_SEC;
	line->frac = (uint64_t)at << (64 - p->shift);
	line->mult = line->rate = (uint64_t)p->mult << (64 - p->shift);
	line->seq = p->seq;
	line->direct = 1;
}

/* Of the TSC: longer than a tick at 100 a second takes. */
#define PVC_X_TICK (1ull << 26)

/*
 * Does the line start further off where the one before it would be than the kernel
 * explains? It changes its rate without a jump, at one instant within a tick of
 * cycle_last; so after one change of the count all but a few ns are the difference
 * of the rates over that time. After more of them the rates in between are not known.
 */
pvc_inline bool pvc_line_off(const struct pvc_line *old, const struct pvc_line *line,
                             uint64_t cycle_last)
{
	uint64_t passed = pvc_mulhi(line->x0 - old->x0, old->rate);
	uint64_t change = line->rate > old->rate ? line->rate - old->rate : old->rate - line->rate;
	uint64_t slack = PVC_NS_SET + passed / 8;
	int64_t off = (int64_t)(pvc_line_ns(line) - pvc_line_ns(old) - passed);

	if (line->seq - old->seq <= 2)
		slack = 3 + pvc_mulhi(line->x0 - cycle_last + PVC_X_TICK, change);
	return (int64_t)(line->x0 - old->x0) >= 0 && (uint64_t)(off < 0 ? -off : off) > slack;
}

/* Nothing that has to be counted, or waited for. */
pvc_inline bool pvc_line_follows(int id, const struct pvc_line *old, const struct pvc_line *line,
                                 uint64_t cycle_last)
{
	if (pvc_settable(id))
		return !pvc_line_off(old, line, cycle_last);
	return pvc_line_ns(line) >= pvc_line_ns(old);
}

/* The next line, from the clock's parameters at x. */
static __attribute__((noinline)) PVC_BESIDE bool pvc_direct_renew(struct pvc_core *b, int id,
                                                                  uint64_t current, uint64_t x,
                                                                  const struct pvc_params *p,
                                                                  struct pvc_timespec *ts)
{
	struct pvc_line old, line;

	pvc_direct_line(p, x, &line);
	if (!pvc_line_load(b, id, current, &old) || (int64_t)(old.audit_at - line.x0) <= 0 ||
	    !pvc_line_follows(id, &old, &line, p->cycle_last))
		return false;
	line.expiry = line.span = old.span;
	line.audit_at = old.audit_at;
	if (pvc_line_put(b, id, current, &line))
		pvc_count(&b->count_of.anchors);
	ts->sec = (int64_t)line.sec;
	ts->nsec = (int64_t)line.nsec;
	return true;
}

/* False: not this way, or not now. */
pvc_inline bool pvc_gettime_direct(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	pvc_vvar_word *hres, *clock;
	struct pvc_params p;
	const struct pvc_slot *slot;
	uint64_t current, head, tsc, ns, said;
	uint32_t aux;

	if (!pvc_is_fast(b, PVC_FAST_ANY, id, ts))
		return false;
	clock = hres = (pvc_vvar_word *)pvc_seq(b);
	current = pvc_latch_begin(&b->current[id]);
	slot = pvc_slot_of(b, current);
	/* Only what has been a line, and so was audited: nothing was told above it. */
	if ((const volatile uint32_t *)hres == &b->no_seq || !pvc_word(slot, PVC_WORD(direct)))
		return false;
	if (id == PVC_CLOCK_MONOTONIC_RAW)
		clock = b->vvar.raw;
	head = hres[PVC_VVAR_SEQ];
	tsc = pvc_rdtscp(&aux);
	aux &= atomic_load_explicit(&b->cpu_mask, memory_order_relaxed);
	if (!pvc_witness(b, aux) || !pvc_vvar_once(hres, head, clock, b->scale, (unsigned)id, &p) ||
	    p.mode != PVC_VVAR_TSC || !p.seq)
		return false;
	if (!pvc_first_lately(b, id, tsc))
		return pvc_direct_renew(b, id, current, tsc, &p, ts);
	ns = (uint64_t)(((pvc_u128)pvc_ticks_since(tsc, p.cycle_last) * p.mult + p.nsec) >>
	                p.shift) +
	     p.sec * PVC_NSEC_PER_SEC;
	said = pvc_word(slot, PVC_WORD(sec)) * PVC_NSEC_PER_SEC + pvc_word(slot, PVC_WORD(nsec));
	if (!pvc_latch_valid(&b->current[id], current) || (ns < said && !pvc_settable(id)))
		return false;
	pvc_ns_split(ns, ts);
	return true;
}

#endif /* PVC_DIRECT_H */
