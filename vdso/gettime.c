// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * clock_gettime off the fast path: anchoring a clock anew, asking the kernel,
 * and forwarding what is not ours.
 *
 * Every value returned for one of our clocks is either what a published line
 * says for an input x, or the kernel's, committed by moving the latch on. So a
 * line that was computed without knowing of that value cannot be published, and
 * the next one is computed with a floor that does.
 */
#include "gettime.h"

#define EFAULT 14

#define UPDATE_TRIES 4
#define COMMIT_TRIES 64
#define SAMPLE_TRIES 3
#define NS_GOOD_BRACKET 1000ull   /* the vDSO's are 50, a system call's 300 */
#define NS_WORST_BRACKET 50000ull /* a wider one tells too little: the kernel answers */
#define NS_PROOF 1000000ull       /* how long the page's rate is watched at first */
#define NS_DISAGREE 10000ull      /* 2.6 us were seen between two CPUs (OSv) */
#define PROOF_FAILURES 3          /* a clock may be set while it is watched, but not thrice */
#define NS_SET 3000000ull         /* a clock lower by more was set, and not found so by its line */
#define NS_MARGIN 1000ull         /* see change.c */

static bool settable(int id)
{
	return id == PVC_CLOCK_REALTIME || id == PVC_CLOCK_TAI;
}

static int kernel_gettime(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (b->kernel.clock_gettime && ts)
		return (int)b->kernel.clock_gettime(id, ts);
	return (int)pvc_syscall2(PVC_NR_clock_gettime, id, (long)ts);
}

static uint64_t join(const struct pvc_timespec *ts)
{
	return (uint64_t)ts->sec * PVC_NSEC_PER_SEC + (uint64_t)ts->nsec;
}

static void split(uint64_t ns, struct pvc_timespec *ts)
{
	ts->sec = (int64_t)(ns / PVC_NSEC_PER_SEC);
	ts->nsec = (int64_t)(ns % PVC_NSEC_PER_SEC);
}

static bool load_line(struct pvc_core *b, int id, uint64_t current, struct pvc_line *line)
{
	const struct pvc_slot *s = pvc_slot_of(b, current);
	uint64_t *word = (uint64_t *)line;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		word[i] = pvc_word(s, i);
	return pvc_latch_valid(&b->current[id], current);
}

static bool move_latch(struct pvc_core *b, int id, uint64_t current, unsigned slot)
{
	return pvc_latch_publish(&b->current[id], &b->line_busy, current, slot);
}

static bool put_line(struct pvc_core *b, int id, uint64_t current, const struct pvc_line *line)
{
	unsigned i, slot = pvc_latch_claim(&b->line_busy);
	const uint64_t *word = (const uint64_t *)line;

	if (!slot)
		return false;
	for (i = 0; i < PVC_LINE_WORDS; i++)
		atomic_store_explicit(&b->slot[slot].word[i], word[i], memory_order_relaxed);
	if (move_latch(b, id, current, slot))
		return true;
	pvc_latch_release(&b->line_busy, slot);
	return false;
}

/*
 * Ends what current names. The line is kept, unreadable, for its successor to
 * start from. Without a free slot the latch moves to the empty one, and the
 * floor remembers the furthest that the line could have said.
 */
static bool end_line(struct pvc_core *b, int id, uint64_t current, struct pvc_line *line,
                     uint64_t cut)
{
	if (line->expiry) {
		line->expiry = 0;
		line->cut = cut ? cut : 1;
		if (put_line(b, id, current, line))
			return true;
		/* Somebody else has moved on: it is not for us to end. */
		if (pvc_latch_begin(&b->current[id]) != current)
			return false;
		pvc_raise(&b->floor[id], pvc_line_reach(line, line->x0 + line->span));
		return move_latch(b, id, current, 0);
	}
	if (line->span && line->cut < cut) {
		line->cut = cut;
		return put_line(b, id, current, line);
	}
	/* Nothing to end, but updates under way must not land. */
	return move_latch(b, id, current, pvc_latch_slot(current));
}

bool pvc_clock_end(struct pvc_core *b, int id, uint64_t cut)
{
	unsigned tries;

	for (tries = 0; tries < UPDATE_TRIES * 4; tries++) {
		uint64_t current = pvc_latch_begin(&b->current[id]);
		struct pvc_line line;

		if (load_line(b, id, current, &line) && end_line(b, id, current, &line, cut))
			return true;
	}
	return false;
}

/* How far readers of a line can have come by now, without a page to ask. */
static uint64_t reach_now(struct pvc_core *b, const struct pvc_line *line)
{
	uint64_t x = PVC_X_IS_NS(line->x0) ? PVC_X_NS(atomic_load(&b->last))
	                                   : pvc_rdtsc_ordered((enum pvc_order)b->order);

	if (!line->span)
		return 0;
	return pvc_line_reach(line, x);
}

/*
 * No less than floor, unless the clock was set back: by more than the line that
 * may have made the floor can have been ahead.
 */
static uint64_t not_below(uint64_t ns, uint64_t floor, int id, const struct pvc_line *line)
{
	uint64_t ahead = NS_SET + pvc_mulhi(line->span, line->rate);

	if (ns >= floor || (settable(id) && floor - ns > ahead))
		return ns;
	return floor;
}

/*
 * One try to commit a value that is not a line's: past all that readers of the
 * line can have been told, and with the latch moved on, so that no line under way
 * lands below it.
 */
static bool commit(struct pvc_core *b, int id, uint64_t *ns)
{
	uint64_t current = pvc_latch_begin(&b->current[id]), floor;
	struct pvc_line line;

	if (!load_line(b, id, current, &line))
		return false;
	if (line.expiry) {
		end_line(b, id, current, &line, pvc_ns_to_x(NS_MARGIN, line.rate));
		return false;
	}
	floor = reach_now(b, &line);
	if (floor < atomic_load(&b->floor[id]))
		floor = atomic_load(&b->floor[id]);
	*ns = not_below(*ns, floor, id, &line);
	/* Nothing is published any more, and the kernel's clock needs no help. */
	if (atomic_load(&b->mode) == PVC_MODE_KERNEL)
		return true;
	if (*ns < floor)
		atomic_store(&b->floor[id], *ns);
	pvc_raise(&b->floor[id], *ns);
	return move_latch(b, id, current, pvc_latch_slot(current));
}

/*
 * The kernel answers. A try fails because another thread's has succeeded, so as
 * many as this fail for none; and then the floor still has what we return.
 */
static int fall_back(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	int err = kernel_gettime(b, id, ts);
	unsigned tries;
	uint64_t ns;

	if (err)
		return err;
	pvc_count(&b->count_of.kernel_reads);
	pvc_count(&b->count_of.fallbacks);
	ns = join(ts);
	for (tries = 0; tries < COMMIT_TRIES && !commit(b, id, &ns); tries++)
		;
	split(ns, ts);
	return 0;
}

enum update {
	UPDATE_DONE,
	UPDATE_AGAIN,  /* somebody else moved the clock or the page */
	UPDATE_KERNEL, /* the page is of no use now */
	UPDATE_ERROR,  /* the kernel refuses */
};

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
static enum update take_sample(struct pvc_core *b, int id, uint64_t good,
                               const struct pvc_input *first, struct pvc_sample *best, int *err)
{
	uint64_t rate = pvc_rate_of(b, first->x);
	struct pvc_timespec ts = {0, 0};
	struct pvc_input in = *first, out;
	unsigned tries;

	best->x1 = 0;
	best->x2 = UINT64_MAX;
	best->ns = 0;
	for (tries = 0; tries < SAMPLE_TRIES; tries++) {
		/* Nothing but these two in the bracket. */
		*err = kernel_gettime(b, id, &ts);
		if (*err)
			return UPDATE_ERROR;
		if (!pvc_source_input(b, &out))
			return UPDATE_KERNEL;
		pvc_count(&b->count_of.kernel_reads);
		if (out.generation != first->generation || out.x < in.x)
			return UPDATE_AGAIN;
		if (out.x - in.own < best->x2 - best->x1) {
			best->x1 = in.own;
			best->x2 = out.x;
			best->ns = join(&ts);
		}
		if (pvc_mulhi(best->x2 - best->x1, rate) <= good)
			return UPDATE_DONE;
		in = out;
	}
	return pvc_mulhi(best->x2 - best->x1, rate) <= NS_WORST_BRACKET ? UPDATE_DONE
	                                                                : UPDATE_KERNEL;
}

/*
 * Is the page's rate the kernel's? Watched over a millisecond on the clock that
 * the program asks for, so that no call is made that it does not make itself.
 */
static bool watching(struct pvc_core *b, const struct pvc_line *line, uint64_t x)
{
	return !atomic_load_explicit(&b->proved, memory_order_relaxed) && line->base_x &&
	       PVC_X_IS_NS(line->base_x) == PVC_X_IS_NS(x) && x >= line->base_x &&
	       pvc_mulhi(x - line->base_x, pvc_rate_of(b, x)) < NS_PROOF;
}

static bool prove(struct pvc_core *b, const struct pvc_line *line, const struct pvc_sample *s)
{
	uint64_t rate = pvc_rate_of(b, s->x2), expected, passed, off;

	if (atomic_load_explicit(&b->proved, memory_order_relaxed))
		return true;
	if (!line->base_x || PVC_X_IS_NS(line->base_x) != PVC_X_IS_NS(s->x2) ||
	    s->x2 < line->base_x)
		return false;
	expected = pvc_mulhi(s->x2 - line->base_x, rate);
	passed = s->ns > line->base_ns ? s->ns - line->base_ns : 0;
	off = passed > expected ? passed - expected : expected - passed;
	/* 0.2 %, what the brackets leave open, and what two CPUs' entries may differ by */
	if (off <=
	    (expected >> 9) + line->base_width + pvc_mulhi(s->x2 - s->x1, rate) + NS_DISAGREE) {
		atomic_store(&b->proved, 1);
		return true;
	}
	if (atomic_fetch_add(&b->misproved, 1) + 1 >= PROOF_FAILURES)
		pvc_source_stop(b, PVC_WHY_RATE);
	return false;
}

/* What the line starts with is the answer, its x being that of the sample. */
static enum update publish(struct pvc_core *b, int id, uint64_t current,
                           const struct pvc_line *line, enum pvc_agreement agreement,
                           struct pvc_timespec *ts)
{
	if (!put_line(b, id, current, line)) {
		pvc_count(&b->count_of.lost_races);
		return pvc_latch_begin(&b->current[id]) == current ? UPDATE_KERNEL : UPDATE_AGAIN;
	}
	pvc_count(&b->count_of.anchors);
	if (agreement == PVC_SET && settable(id)) {
		atomic_store(&b->floor[id], 0);
		pvc_count(&b->count_of.steps);
	} else if (agreement != PVC_INSIDE) {
		pvc_count(&b->count_of.outside);
	}
	ts->sec = (int64_t)line->sec;
	ts->nsec = (int64_t)line->nsec;
	return UPDATE_DONE;
}

/*
 * An input before the line's start: another CPU's TSC or entry, some ticks
 * behind, or a VM that was put back. The first is told the start, the second
 * is known by how far it is.
 */
static bool just_before(struct pvc_core *b, const struct pvc_line *line, uint64_t x)
{
	if (!line->expiry || PVC_X_IS_NS(line->x0) != PVC_X_IS_NS(x) || x >= line->x0)
		return false;
	if (pvc_mulhi(line->x0 - x, pvc_rate_of(b, x)) < PVC_NS_SKEW)
		return true;
	pvc_source_went_back(b);
	return false;
}

static enum update update(struct pvc_core *b, int id, struct pvc_timespec *ts, int *err)
{
	uint64_t current = pvc_latch_begin(&b->current[id]);
	struct pvc_rules rules;
	struct pvc_line line, next;
	struct pvc_sample s;
	struct pvc_input in;
	enum update status;
	enum pvc_agreement agreement;

	if (!pvc_source_input(b, &in))
		return UPDATE_KERNEL;
	if (pvc_line_read(b, id, current, in.x, (uint32_t)in.x, ts))
		return UPDATE_DONE;
	if (!load_line(b, id, current, &line))
		return UPDATE_AGAIN;
	if (just_before(b, &line, in.x)) {
		ts->sec = (int64_t)line.sec;
		ts->nsec = (int64_t)line.nsec;
		return UPDATE_DONE;
	}
	if (watching(b, &line, in.x))
		return UPDATE_KERNEL;
	status = take_sample(b, id, good_bracket(&line, in.x), &in, &s, err);
	if (status != UPDATE_DONE)
		return status;
	if (!prove(b, &line, &s)) {
		pvc_discipline_begin(&s, pvc_rate_of(b, s.x2), &next);
		put_line(b, id, current, &next);
		return UPDATE_KERNEL;
	}
	rules.settable = settable(id);
	rules.rate = pvc_rate_of(b, s.x2);
	rules.resync = pvc_ns_to_x(b->resync_ns, rules.rate);
	rules.floor = atomic_load_explicit(&b->floor[id], memory_order_acquire);
	agreement = pvc_discipline(&line, &s, &rules, &next);
	return publish(b, id, current, &next, agreement, ts);
}

/* Mode percpu's fast path: clamped pvclock ns, and the line on them. */
static bool percpu_fast(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	uint64_t current = pvc_latch_begin(&b->current[id]);
	uint64_t ns, own;

	return pvc_source_percpu(b, &ns, &own) &&
	       pvc_line_read(b, id, current, PVC_X_NS(ns), (uint32_t)PVC_X_NS(ns), ts);
}

static __attribute__((noinline)) int anchor(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	unsigned tries;
	int err = 0;

	if (atomic_load_explicit(&b->mode, memory_order_relaxed) == PVC_MODE_KERNEL &&
	    !pvc_latch_begin(&b->current[id]))
		return kernel_gettime(b, id, ts);
	for (tries = 0; tries < UPDATE_TRIES; tries++) {
		switch (update(b, id, ts, &err)) {
		case UPDATE_DONE:
			return 0;
		case UPDATE_ERROR:
			return err;
		case UPDATE_KERNEL:
			return fall_back(b, id, ts);
		case UPDATE_AGAIN:
			break;
		}
	}
	return fall_back(b, id, ts);
}

/* Short, and what it calls apart: in mode percpu this is the way of every call. */
int pvc_gettime_slow(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (pvc_unlikely(!pvc_is_ours(id) || !ts))
		return kernel_gettime(b, id, ts);
	if (pvc_likely(atomic_load_explicit(&b->mode, memory_order_relaxed) == PVC_MODE_PERCPU &&
	               percpu_fast(b, id, ts)))
		return 0;
	return anchor(b, id, ts);
}

int pvc_getres(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (b->kernel.clock_getres)
		return (int)b->kernel.clock_getres(id, ts);
	return (int)pvc_syscall2(PVC_NR_clock_getres, id, (long)ts);
}

int64_t pvc_time(struct pvc_core *b, int64_t *t)
{
	if (b->kernel.time)
		return b->kernel.time(t);
	return pvc_syscall2(PVC_NR_time, (long)t, 0);
}

/* struct timeval has the layout of a timespec. A timezone is the kernel's. */
int pvc_gettimeofday(struct pvc_core *b, void *tv, void *tz)
{
	struct pvc_timespec *ts = tv;
	int err;

	if (tz || !tv) {
		if (b->kernel.gettimeofday)
			return (int)b->kernel.gettimeofday(tv, tz);
		return (int)pvc_syscall2(PVC_NR_gettimeofday, (long)tv, (long)tz);
	}
	err = pvc_gettime(b, PVC_CLOCK_REALTIME, ts);
	if (!err)
		ts->nsec /= 1000;
	return err;
}
