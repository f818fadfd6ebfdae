// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From one line to the next: how our clocks stay with the kernel's.
 *
 * A sample is (x1, kernel, x2): the kernel's clock, whose value was ns at some
 * instant in between, lies in [ns, ns + bracket] at x2. So does it lie in the
 * interval that the last line had for it, carried on to x2 and widened by what
 * the rate leaves open. Both are true, so their intersection is; and it is much
 * narrower than one bracket, most of whose width is a cold cache's on one side.
 * A new line starts in its middle, but never below what a reader may have been
 * told: then it starts there, and runs slower until the kernel has come level.
 * An empty intersection means that the kernel's rate has changed or its clock
 * was set: the sample alone counts, and lines are short until they hold again.
 *
 * The rate starts as the page's own, and is moved only when a baseline of 0.2
 * to 0.4 s proves it wrong: only as far as the brackets at its two ends demand.
 *
 * Pure functions of their arguments: the tests hand them any kernel they like.
 */
#include "anchor.h"

#define NS_FIRST_SPAN 50000ull   /* until rate and phase have shown to hold */
#define NS_BASELINE 200000000ull /* brackets of 50 ns then bound it to 0.25 ppm */
#define NS_NARROW 1000ull        /* a bracket whose middle means something */
#define NS_WIGGLE 4ull           /* the kernel's own steps of rate, tick by tick */
#define NS_SLACK 1000ull         /* what phase error alone can explain */

/* Nanoseconds, 64.64 */
typedef pvc_u128 fix;

static fix fix_ns(uint64_t ns)
{
	return (fix)ns << 64;
}

static fix line_start(const struct pvc_line *line)
{
	return fix_ns(line->sec * PVC_NSEC_PER_SEC + line->nsec) | line->frac;
}

static fix line_at(const struct pvc_line *line, uint64_t delta)
{
	return line_start(line) + (fix)delta * line->mult;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t pvc_ns_to_x(uint64_t ns, uint64_t rate)
{
	return pvc_div128(ns, 0, rate);
}

/*
 * Lines that ran out ended at their span. Those that were ended early were read
 * no further than shortly past the x at which somebody found them so; where x
 * cannot be compared (another input, a TSC that went back), their span is all
 * that is known.
 */
static uint64_t line_reach_delta(const struct pvc_line *line, uint64_t x)
{
	uint64_t delta = x - line->x0;

	if (line->expiry || (int64_t)delta < 0 || delta >= line->span ||
	    line->cut >= line->span - delta)
		return line->span;
	return delta + line->cut;
}

uint64_t pvc_line_reach(const struct pvc_line *line, uint64_t x)
{
	return (uint64_t)(line_at(line, line_reach_delta(line, x)) >> 64);
}

/* Where the line would be at x, had it not ended. */
static fix line_predict(const struct pvc_line *line, uint64_t x)
{
	uint64_t delta = x - line->x0;

	if (delta <= line->span)
		return line_at(line, delta);
	return line_at(line, line->span) + (fix)(delta - line->span) * line->rate;
}

/* Upper end of the bracket; the kernel counts whole ns, our rate is not exact. */
static uint64_t sample_width(const struct pvc_sample *s, uint64_t rate)
{
	uint64_t ns = pvc_mulhi(s->x2 - s->x1, rate);

	return ns + (ns >> 9) + 2;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

struct range {
	uint64_t low, high;
};

/* The rates that both ends of the baseline allow. */
static struct range rates(const struct pvc_line *line, const struct pvc_sample *s, uint64_t width)
{
	struct range r = {0, UINT64_MAX};
	uint64_t dx = s->x2 - line->base_x;

	if ((int64_t)dx <= 0 || s->ns < line->base_ns)
		return r;
	r.high = pvc_div128(s->ns + width - line->base_ns, 0, dx);
	if (s->ns > line->base_ns + line->base_width)
		r.low = pvc_div128(s->ns - line->base_ns - line->base_width, 0, dx);
	return r;
}

/* A tick set 10 % off and a slew on top is the most that a kernel does. */
static uint64_t possible(uint64_t rate, uint64_t page_rate)
{
	return clamp(rate, page_rate - page_rate / 8, page_rate + page_rate / 8);
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * What is certain does not rest on the kernel's rate having stayed. adjtimex moves
 * it between -500 and +500 ppm: whatever it is next, it is 1000 ppm at most from
 * what it was over the baseline, which the brackets bound, and no further from our
 * new rate than from the one before and what that moved by.
 */
static uint64_t drift(uint64_t rate, uint64_t old_rate, uint64_t old_drift, struct range r)
{
	uint64_t moved = old_drift + apart(rate, old_rate);
	uint64_t off =
		apart(rate, r.low) > apart(rate, r.high) ? apart(rate, r.low) : apart(rate, r.high);

	return least(moved, (rate >> 10) + (rate >> 13) + least(off, rate >> 3));
}

static void set_base(struct pvc_line *line, const struct pvc_sample *s, uint64_t width)
{
	line->base_x = s->x2;
	line->base_ns = s->ns;
	line->base_width = width;
	line->next_x = line->next_ns = line->next_width = 0;
}

static void set_next(struct pvc_line *line, const struct pvc_sample *s, uint64_t width)
{
	line->next_x = s->x2;
	line->next_ns = s->ns;
	line->next_width = width;
}

/* Keeps the baseline between one and two NS_BASELINE long. */
static void move_base(struct pvc_line *line, const struct pvc_sample *s, uint64_t width)
{
	uint64_t length = pvc_ns_to_x(NS_BASELINE, line->rate);

	if (!line->next_x) {
		if (s->x2 - line->base_x >= length)
			set_next(line, s, width);
	} else if (s->x2 - line->next_x >= length) {
		line->base_x = line->next_x;
		line->base_ns = line->next_ns;
		line->base_width = line->next_width;
		set_next(line, s, width);
	}
}

/* A start that is only measured from: it says nothing until it is proved. */
void pvc_discipline_begin(const struct pvc_sample *s, uint64_t rate, struct pvc_line *line)
{
	uint64_t width = sample_width(s, rate);
	uint64_t *word = (uint64_t *)line;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		word[i] = 0;
	line->rate = rate;
	/* Proved to 0.2 %. */
	line->drift = rate >> 9;
	set_base(line, s, width);
	line->last_x = s->x2;
	line->last_ns = s->ns;
	line->last_width = width;
}

/* What is known of the kernel's clock at one x. */
struct interval {
	fix low, high;
};

#define OFFSET_MOST (1ull << 62)

/* Saturates at 1 s: who is that far off is not carried on, but starts anew. */
static uint64_t offset_of(fix to, fix from)
{
	fix size = (to >= from ? to - from : from - to) >> 32;
	uint64_t offset = size >> 62 ? OFFSET_MOST : (uint64_t)size;

	return to >= from ? offset : -offset;
}

static fix offset_from(fix from, uint64_t offset)
{
	return (int64_t)offset >= 0 ? from + ((fix)offset << 32) : from - ((fix)-offset << 32);
}

/* How far the line may have been ahead of the kernel, at its beginning or its end. */
static fix line_ahead(const struct pvc_line *line)
{
	fix ahead = (int64_t)line->sure_least < 0 ? (fix)-line->sure_least << 32 : 0;

	return ahead + (fix)line->span * line->drift;
}

static fix middle(struct interval i)
{
	return i.low + (i.high - i.low) / 2;
}

/* The last line's interval, carried on to x at the kernel's rate, not at ours. */
static struct interval carry(const struct pvc_line *old, uint64_t x, struct range r)
{
	uint64_t dx = x - old->x0;
	fix at = line_start(old) + (fix)dx * old->rate;
	/* What the rate leaves open, and 1/4 ppm for what a tick of the kernel's does. */
	uint64_t open = r.high > r.low ? least(r.high - r.low, old->rate >> 9) : 0;
	fix grown = (fix)dx * ((old->rate >> 22) + open);
	struct interval i = {offset_from(at, old->least), offset_from(at, old->most)};

	i.low = i.low > grown ? i.low - grown : 0;
	i.high += grown;
	return i;
}

/*
 * False if there is no intersection. One that is missed by a few ns is where
 * the two are nearest: the kernel approaches a rate between two that its
 * multiplier can express by changing from one to the other with each tick.
 */
static bool intersect(struct interval *a, struct interval b)
{
	if (b.low > a->low)
		a->low = b.low;
	if (b.high < a->high)
		a->high = b.high;
	if (a->low > a->high) {
		if (a->low - a->high > fix_ns(NS_WIGGLE))
			return false;
		a->low = a->high = a->high + (a->low - a->high) / 2;
	}
	return true;
}

static struct interval surely(const struct pvc_line *line, uint64_t x)
{
	uint64_t dx = x - line->x0;
	fix at = line_start(line) + (fix)dx * line->rate, grown = (fix)dx * line->drift;
	struct interval i = {offset_from(at, line->sure_least), offset_from(at, line->sure_most)};

	/* Further ahead of the kernel than an offset can say. */
	i.low = i.low > grown && line->sure_least != -OFFSET_MOST ? i.low - grown : 0;
	i.high += grown;
	return i;
}

/* Of what was certain and what the sample says, the narrowest; false: they differ. */
static bool audit(const struct pvc_line *old, uint64_t x, struct interval *sure)
{
	struct interval was = surely(old, x);

	if (was.low > sure->high || was.high < sure->low)
		return false;
	if (was.low > sure->low)
		sure->low = was.low;
	if (was.high < sure->high)
		sure->high = was.high;
	return true;
}

/* Our own value is in it too: a clock that does not go back may be ahead. */
struct pvc_bounds pvc_line_bounds(const struct pvc_line *line, uint64_t x)
{
	struct interval i = surely(line, x);
	fix at = line_at(line, x - line->x0);

	if (at < i.low)
		i.low = at;
	if (at > i.high)
		i.high = at;
	return (struct pvc_bounds){(uint64_t)(i.low >> 64), (uint64_t)(i.high >> 64) + 1};
}

static void line_set(struct pvc_line *line, const struct pvc_sample *s, fix value,
                     struct interval kernel)
{
	uint64_t ns = (uint64_t)(value >> 64);

	line->x0 = s->x2;
	line->sec = ns / PVC_NSEC_PER_SEC;
	line->nsec = ns % PVC_NSEC_PER_SEC;
	line->frac = (uint64_t)value;
	line->expiry = line->span = least(line->period, PVC_X_LONGEST);
	line->cut = 0;
	line->mult = line->rate;
	line->least = offset_of(kernel.low, value);
	line->most = offset_of(kernel.high, value);
	if (value > kernel.high) {
		/* Ahead of the kernel: give back within the span, or half of it. */
		fix ahead = value - kernel.high;
		uint64_t slower = pvc_div128((uint64_t)(ahead >> 64), (uint64_t)ahead, line->span);

		line->mult -= least(slower, line->rate / 2);
	}
}

/* Asked when a line did not hold: had the one before it not, either? */
static bool missed_twice(const struct pvc_line *old)
{
	return old->base_x == old->last_x;
}

static void set_base_to_last(struct pvc_line *line, const struct pvc_line *old)
{
	line->base_x = old->last_x;
	line->base_ns = old->last_ns;
	line->base_width = old->last_width;
	line->next_x = line->next_ns = line->next_width = 0;
}

/*
 * The line did not hold. Has the clock jumped, which says nothing about its
 * rate, or has the rate changed, and the one since the last sample counts? A
 * small miss is the rate's. So is a second large one right after the first, if
 * a kernel can run at the rate that it makes.
 */
static enum pvc_agreement restart(const struct pvc_line *old, const struct pvc_sample *s,
                                  const struct pvc_rules *rules, fix off, struct pvc_line *line)
{
	struct range r;

	set_base_to_last(line, old);
	/* What a wide bracket hid may show now, and looks like a jump. */
	if (off <= fix_ns(NS_SLACK + old->last_width) + (fix)(s->x2 - old->x0) * (old->rate >> 9))
		return PVC_OUTSIDE;
	r = rates(line, s, line->last_width);
	if (missed_twice(old) && possible(r.low, rules->rate) == r.low &&
	    possible(r.high, rules->rate) == r.high)
		return PVC_OUTSIDE;
	set_base(line, s, line->last_width);
	return PVC_SET;
}

/* Where the kernel's clock is now, and how long the next line may be. */
static enum pvc_agreement judge(const struct pvc_line *old, const struct pvc_sample *s,
                                const struct pvc_rules *rules, struct pvc_line *line,
                                struct interval *kernel)
{
	struct interval was = carry(old, s->x2, rates(line, s, line->last_width)), is = *kernel;
	uint64_t first = least(pvc_ns_to_x(NS_FIRST_SPAN, rules->rate), rules->resync);

	if (intersect(kernel, was)) {
		line->period = least(old->period * 2, rules->resync);
		return PVC_INSIDE;
	}
	*kernel = is;
	line->period = old->period / 4 > first ? old->period / 4 : first;
	return restart(old, s, rules, was.low > is.high ? was.low - is.high : is.low - was.high,
	               line);
}

static fix start_value(const struct pvc_line *old, const struct pvc_sample *s, bool fresh,
                       struct interval kernel)
{
	fix at;

	if (kernel.high - kernel.low <= fix_ns(NS_NARROW))
		return middle(kernel);
	/* Behind is mended at once, ahead is not: doubt goes behind. */
	at = fresh ? kernel.low : line_predict(old, s->x2);
	return at < kernel.low ? kernel.low : at > kernel.high ? kernel.high : at;
}

/*
 * How far ahead a line may be that has ended. One that ended without a free slot has
 * left no more than its floor, and may have been as long as they are.
 */
static fix lost_ahead(const struct pvc_line *old, const struct pvc_rules *rules)
{
	if (old->span)
		return (fix)old->span * old->rate;
	return fix_ns(PVC_NS_SET) + 4 * (fix)rules->resync * rules->rate;
}

/*
 * How far ahead a line may be by its rate alone: one that two misses in a row have made, as
 * a clock that is set twice makes them, is wrong by as much as it is off the page's.
 */
static fix run_ahead(const struct pvc_line *old, const struct pvc_sample *s, uint64_t rate)
{
	return (fix)least(s->x2 - old->x0, old->span) * less(old->rate, rate);
}

enum pvc_agreement pvc_discipline(const struct pvc_line *old, const struct pvc_sample *s,
                                  const struct pvc_rules *rules, struct pvc_line *line)
{
	bool measured = old->base_x && !old->cut && PVC_X_IS_NS(old->base_x) == PVC_X_IS_NS(s->x2);
	bool fresh = !measured || !old->span || (int64_t)(s->x2 - old->x0) < 0;
	uint64_t bracket = sample_width(s, measured ? old->rate : rules->rate);
	/* Hypervisor ns are whole: that input moves in steps, too. */
	uint64_t grain = rules->grain + PVC_X_IS_NS(s->x2), width = bracket + grain;
	/* A coarse clock may stay where it was, or be about to move on: both are sure. */
	struct interval kernel = {fix_ns(less(s->ns, grain / 2)),
	                          fix_ns(s->ns + bracket + grain / 2)};
	struct interval sure = {fix_ns(less(s->ns, grain)), fix_ns(s->ns + width)};
	enum pvc_agreement agreement = PVC_INSIDE;
	fix floor = fix_ns(rules->floor), value;
	uint64_t rate;
	struct range r;

	if (old->span && line_at(old, line_reach_delta(old, s->x2)) > floor)
		floor = line_at(old, line_reach_delta(old, s->x2));
	if (measured)
		pvc_line_copy(line, old);
	else
		pvc_discipline_begin(s, rules->rate, line);
	if (!measured)
		line->base_width = width;
	line->last_width = width;
	if (fresh)
		line->period = least(pvc_ns_to_x(NS_FIRST_SPAN, rules->rate), rules->resync);
	else
		agreement = judge(old, s, rules, line, &kernel);
	value = start_value(old, s, fresh || agreement == PVC_SET, kernel);
	if (value < floor) {
		/* Ahead of the kernel: by more than a line can be, it was set back. */
		fix most = line_ahead(old) + fix_ns(2 * NS_SLACK) +
		           (fresh ? lost_ahead(old, rules) : run_ahead(old, s, rules->rate));

		if (rules->settable && (fresh || agreement == PVC_SET) &&
		    floor > kernel.high + most)
			agreement = PVC_SET;
		else
			value = floor;
	}
	r = rates(line, s, width);
	rate = line->rate;
	line->rate = clamp(line->rate, r.low, r.high);
	/* More than NTP can slew by takes two misses in a row to be believed. */
	if (!fresh && !missed_twice(old))
		line->rate = clamp(line->rate, old->rate - (old->rate >> 10),
		                   old->rate + (old->rate >> 10));
	line->rate = possible(line->rate, rules->rate);
	line->drift = drift(line->rate, rate, line->drift, r);
	move_base(line, s, width);
	line->last_x = s->x2;
	line->last_ns = s->ns;
	line->narrow = fresh ? bracket : least(bracket, old->narrow + old->narrow / 64 + 1);
	line->broken =
		!fresh && !(agreement == PVC_SET && rules->settable) && !audit(old, s->x2, &sure);
	line_set(line, s, value, kernel);
	line->sure_least = offset_of(sure.low, value);
	line->sure_most = offset_of(sure.high, value);
	return agreement;
}
