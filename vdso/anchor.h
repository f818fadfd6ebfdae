/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Anchoring: what gettime.c does when no line answers, in pieces.
 *
 *   line.c      a clock's line in its latch
 *   exact.c     lines made from the kernel's parameters
 *   direct.h    the same, where all that has happened is the kernel's tick
 *   sampled.c   lines made from samples of the kernel's clock
 *
 * Every value returned for one of our clocks is either what a published line
 * says for an input x, or the kernel's, committed by moving the latch on. So a
 * line that was computed without knowing of that value cannot be published, and
 * the next one is computed with a floor that does.
 */
#ifndef PVC_ANCHOR_H
#define PVC_ANCHOR_H

#include "gettime.h"

#define PVC_NS_SET 3000000ull      /* a clock lower by more was set, and not found so by its line */
#define PVC_X_LONGEST (1ull << 31) /* of a span: the fast path reckons in 32 bits */

enum pvc_update {
	PVC_UPDATE_DONE,
	PVC_UPDATE_AGAIN,  /* somebody else moved the clock or the page */
	PVC_UPDATE_KERNEL, /* the page is of no use now */
	PVC_UPDATE_ERROR,  /* the kernel refuses */
};

/* One try to bring a clock's line up to now. */
struct pvc_anchor {
	int id;
	uint64_t current;    /* the latch when it was begun */
	struct pvc_line old; /* and what it named */
	struct pvc_input in;
	struct pvc_timespec ts; /* the answer, of PVC_UPDATE_DONE */
	int err;                /* of PVC_UPDATE_ERROR */
};

pvc_inline bool pvc_settable(int id)
{
	return id == PVC_CLOCK_REALTIME || id == PVC_CLOCK_TAI;
}

static inline int pvc_kernel_gettime(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (b->kernel.clock_gettime && ts)
		return (int)b->kernel.clock_gettime(id, ts);
	return (int)pvc_syscall2(PVC_NR_clock_gettime, id, (long)ts);
}

pvc_inline uint64_t pvc_ns_of(const struct pvc_timespec *ts)
{
	return (uint64_t)ts->sec * PVC_NSEC_PER_SEC + (uint64_t)ts->nsec;
}

pvc_inline void pvc_ns_split(uint64_t ns, struct pvc_timespec *ts)
{
	ts->sec = (int64_t)(ns / PVC_NSEC_PER_SEC);
	ts->nsec = (int64_t)(ns % PVC_NSEC_PER_SEC);
}

pvc_inline uint64_t pvc_line_ns(const struct pvc_line *line)
{
	return line->sec * PVC_NSEC_PER_SEC + line->nsec;
}

/* line.c */
PVC_INTERNAL PVC_BESIDE bool pvc_line_load(struct pvc_core *b, int id, uint64_t current,
                                           struct pvc_line *line);
PVC_INTERNAL PVC_BESIDE bool pvc_line_put(struct pvc_core *b, int id, uint64_t current,
                                          const struct pvc_line *line);
/* False: try again, with the latch as it is now. */
PVC_INTERNAL bool pvc_line_end(struct pvc_core *b, int id, uint64_t current, struct pvc_line *line,
                               uint64_t cut);
/* Nothing is known of the clock any more, nor what it has said. */
PVC_INTERNAL void pvc_clock_forget(struct pvc_core *b, int id);
/*
 * What was told is no floor any more. As low as 0, but each time another number, so that
 * who has seen the floor before finds that it was forgotten since.
 */
PVC_INTERNAL void pvc_floor_forget(struct pvc_core *b, int id);
/* The same slot under a new generation: updates under way do not land. */
PVC_INTERNAL bool pvc_line_renew(struct pvc_core *b, int id, uint64_t current);
/* What readers may have been told by now, of the line and outside of lines. */
PVC_INTERNAL uint64_t pvc_line_floor(struct pvc_core *b, int id, const struct pvc_line *line);
/*
 * No less than floor, unless the clock was set back: by more than the line that
 * may have made the floor can have been ahead. Of an empty line nothing is known: one
 * that was ended without a free slot for it has left its floor, and nothing else.
 */
PVC_INTERNAL uint64_t pvc_line_not_below(struct pvc_core *b, uint64_t ns, uint64_t floor, int id,
                                         const struct pvc_line *line);

/* A clock was found to have been set when its new line was made. */
PVC_INTERNAL void pvc_clock_was_set(struct pvc_core *b, int id, const struct pvc_line *old,
                                    const struct pvc_line *line);

/* exact.c */
pvc_inline bool pvc_exact(struct pvc_core *b)
{
	return atomic_load_explicit(&b->seq, memory_order_relaxed) != &b->no_seq;
}

/* Lines are made from the kernel's parameters from here on, if they are there. */
PVC_INTERNAL bool pvc_exact_begin(struct pvc_core *b);
/* From samples from here on. */
PVC_INTERNAL void pvc_exact_stop(struct pvc_core *b);
/* The time namespace of this process; a number that only equals itself. */
PVC_INTERNAL uint64_t pvc_exact_namespace(struct pvc_core *b);
/* True, once, in a forked child whose namespace is another: its clocks begin anew. */
PVC_INTERNAL bool pvc_exact_entered(struct pvc_core *b);
/* Before the first sample after an exact line: what that may have told. */
PVC_INTERNAL void pvc_exact_floor(struct pvc_core *b, const struct pvc_anchor *a, uint64_t kernel);
PVC_INTERNAL enum pvc_update pvc_exact_update(struct pvc_core *b, struct pvc_anchor *a);

/* sampled.c */
PVC_INTERNAL enum pvc_update pvc_sampled_update(struct pvc_core *b, struct pvc_anchor *a);

#endif /* PVC_ANCHOR_H */
