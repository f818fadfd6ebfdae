// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines made from samples of the kernel's clock: where its parameters are not to
 * be had, because their layout is not known, the clocksource is not one that user
 * space can read, or our own input is not the TSC.
 */
#include "anchor.h"

#define SAMPLE_TRIES 3
#define NS_GOOD_BRACKET 1000ull   /* the vDSO's are 50, a system call's 300 */
#define NS_WORST_BRACKET 50000ull /* a wider one tells too little: the kernel answers */
#define NS_PROOF 1000000ull       /* how long the page's rate is watched at first */
#define NS_DISAGREE 10000ull      /* 2.6 us were seen between two CPUs (OSv) */
#define PROOF_FAILURES 3          /* a clock may be set while it is watched, but not thrice */

/*
 * Behind a system call may be acpi_pm, whose clock moves in steps of 279.4 ns: the
 * coarsest there is on x86. What answers faster than one is the TSC.
 */
#define NS_SYSTEM_CALL 150ull
#define NS_GRAIN 280ull

/*
 * The interval grows with a line's age, so samples are taken more often than
 * the longest time that the user allows: as often as keeps the growth beside the
 * bracket small, and their cost under 0.2 %.
 */
#define OFTEN_VDSO 10
#define OFTEN_SYSTEM_CALL 4
#define NS_SHORTEST 50000ull

/*
 * A bracket that is good enough to stop at. In a loop a second try costs
 * nothing against what it tells; a caller that comes rarely pays for one.
 */
static uint64_t good_bracket(const struct pvc_line *line, uint64_t x)
{
	if (!line->narrow || x - line->x0 > 4 * line->span)
		return NS_GOOD_BRACKET;
	return line->narrow + line->narrow / 8;
}

/* The narrowest of some brackets around the kernel's read. */
static enum pvc_update take_sample(struct pvc_core *b, struct pvc_anchor *a, uint64_t good,
                                   struct pvc_sample *best)
{
	uint64_t rate = pvc_rate_of(b, a->in.x);
	struct pvc_timespec ts = {0, 0};
	struct pvc_input in = a->in, out;
	unsigned tries;

	best->x1 = 0;
	best->x2 = UINT64_MAX;
	best->ns = 0;
	for (tries = 0; tries < SAMPLE_TRIES; tries++) {
		/* Nothing but these two in the bracket. */
		a->err = pvc_kernel_gettime(b, a->id, &ts);
		if (a->err)
			return PVC_UPDATE_ERROR;
		if (!pvc_source_input(b, &out))
			return PVC_UPDATE_KERNEL;
		pvc_count(&b->count_of.kernel_reads);
		if (out.generation != a->in.generation || out.x < in.x)
			return PVC_UPDATE_AGAIN;
		if (out.x - in.own < best->x2 - best->x1) {
			best->x1 = in.own;
			best->x2 = out.x;
			best->ns = pvc_ns_of(&ts);
		}
		if (pvc_mulhi(best->x2 - best->x1, rate) <= good)
			return PVC_UPDATE_DONE;
		in = out;
	}
	return pvc_mulhi(best->x2 - best->x1, rate) <= NS_WORST_BRACKET ? PVC_UPDATE_DONE
	                                                                : PVC_UPDATE_KERNEL;
}

/* There is something to measure from, and of the input as it is now: no page came between. */
static bool has_base(const struct pvc_line *line, uint64_t x)
{
	return line->base_x && !line->cut && PVC_X_IS_NS(line->base_x) == PVC_X_IS_NS(x) &&
	       x >= line->base_x;
}

/*
 * Is the page's rate the kernel's? Watched over a millisecond on the clock that
 * the program asks for, so that no call is made that it does not make itself.
 */
static bool watching(struct pvc_core *b, const struct pvc_line *line, uint64_t x)
{
	return !atomic_load_explicit(&b->proved, memory_order_relaxed) && has_base(line, x) &&
	       pvc_mulhi(x - line->base_x, pvc_rate_of(b, x)) < NS_PROOF;
}

enum verdict {
	PROVED,
	NOT_YET,
	MISPROVED,
};

static enum verdict prove(struct pvc_core *b, const struct pvc_line *line,
                          const struct pvc_sample *s)
{
	uint64_t rate = pvc_rate_of(b, s->x2), expected, passed, off;

	if (atomic_load_explicit(&b->proved, memory_order_relaxed))
		return PROVED;
	if (!has_base(line, s->x2))
		return NOT_YET;
	expected = pvc_mulhi(s->x2 - line->base_x, rate);
	passed = s->ns > line->base_ns ? s->ns - line->base_ns : 0;
	off = passed > expected ? passed - expected : expected - passed;
	/* 0.2 %, what the brackets leave open, and what two CPUs' entries may differ by */
	if (off <=
	    (expected >> 9) + line->base_width + pvc_mulhi(s->x2 - s->x1, rate) + NS_DISAGREE) {
		atomic_store(&b->proved, 1);
		return PROVED;
	}
	return MISPROVED;
}

/* It is watched, or watched anew, from this sample on; what the line before told stays. */
static void watch(struct pvc_core *b, struct pvc_anchor *a, const struct pvc_sample *s,
                  enum verdict verdict)
{
	struct pvc_line next;

	pvc_raise(&b->floor[a->id], pvc_line_floor(b, a->id, &a->old));
	pvc_discipline_begin(s, pvc_rate_of(b, s->x2), &next);
	/* Once for each base, however many threads have measured from it. */
	if (pvc_line_put(b, a->id, a->current, &next) && verdict == MISPROVED &&
	    atomic_fetch_add(&b->misproved, 1) + 1 >= PROOF_FAILURES)
		pvc_source_stop(b, PVC_WHY_RATE);
}

/* What the line starts with is the answer, its x being that of the sample. */
static enum pvc_update publish(struct pvc_core *b, struct pvc_anchor *a,
                               const struct pvc_line *line, enum pvc_agreement agreement)
{
	if (!pvc_line_put(b, a->id, a->current, line)) {
		pvc_count(&b->count_of.lost_races);
		return pvc_latch_begin(&b->current[a->id]) == a->current ? PVC_UPDATE_KERNEL
		                                                         : PVC_UPDATE_AGAIN;
	}
	pvc_count(&b->count_of.anchors);
	if (agreement == PVC_SET && pvc_settable(a->id)) {
		pvc_floor_forget(b, a->id);
		pvc_clock_was_set(b, a->id, &a->old, line);
	} else if (agreement != PVC_INSIDE) {
		pvc_count(&b->count_of.outside);
	}
	a->ts.sec = (int64_t)line->sec;
	a->ts.nsec = (int64_t)line->nsec;
	if (line->broken)
		pvc_count(&b->count_of.violated);
	/* One that can be set may be, as often as somebody likes. */
	if (!pvc_settable(a->id))
		pvc_doubt_interval(b, !line->broken);
	return PVC_UPDATE_DONE;
}

static struct pvc_rules rules_of(struct pvc_core *b, int id, const struct pvc_sample *s)
{
	uint64_t rate = pvc_rate_of(b, s->x2), resync = b->resync_ns;
	bool call = pvc_mulhi(s->x2 - s->x1, rate) >= NS_SYSTEM_CALL;

	resync /= call ? OFTEN_SYSTEM_CALL : OFTEN_VDSO;
	return (struct pvc_rules){
		.settable = pvc_settable(id),
		.rate = rate,
		.resync = pvc_ns_to_x(resync > NS_SHORTEST ? resync : NS_SHORTEST, rate),
		.floor = atomic_load_explicit(&b->floor[id], memory_order_acquire),
		.grain = call ? NS_GRAIN : 0,
	};
}

/* An exact line said what the kernel says; there is nothing to go on from. */
static void forget(struct pvc_line *line)
{
	uint64_t *word = (uint64_t *)line;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		word[i] = 0;
}

enum pvc_update pvc_sampled_update(struct pvc_core *b, struct pvc_anchor *a)
{
	struct pvc_sample s;
	struct pvc_line next;
	struct pvc_rules rules;
	enum pvc_update status;
	enum pvc_agreement agreement;
	enum verdict verdict;
	bool was_exact;

	if (pvc_exact_entered(b) || (!PVC_X_IS_NS(a->in.x) && pvc_exact_begin(b)))
		return PVC_UPDATE_AGAIN;
	if (PVC_X_IS_NS(a->in.x) && b->may_stable)
		pvc_source_look_for_stable(b);
	was_exact = a->old.seq != 0;
	if (was_exact)
		forget(&a->old);
	if (watching(b, &a->old, a->in.x))
		return PVC_UPDATE_KERNEL;
	status = take_sample(b, a, good_bracket(&a->old, a->in.x), &s);
	if (status != PVC_UPDATE_DONE)
		return status;
	if (was_exact)
		pvc_exact_floor(b, a, s.ns);
	verdict = prove(b, &a->old, &s);
	if (verdict != PROVED) {
		watch(b, a, &s, verdict);
		return PVC_UPDATE_KERNEL;
	}
	rules = rules_of(b, a->id, &s);
	agreement = pvc_discipline(&a->old, &s, &rules, &next);
	return publish(b, a, &next, agreement);
}
