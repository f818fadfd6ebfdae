/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A simulated counter, a simulated kernel and a reader between them, for the
 * discipline alone: every run is the same, and a week takes no longer than a
 * second.
 *
 * While watched, every reading looks at the line's interval as well: is the
 * kernel's clock in it? And every sample that finds the kernel far outside of it
 * must say so.
 */
#ifndef PVC_TEST_SIMLINE_H
#define PVC_TEST_SIMLINE_H

#include "sim.h"

#define PAGE_RATE 0x68b8d4fdf3b645a2ull /* 0.409 ns a tick: 2.445 GHz */
#define MS 1000000ull
#define S PVC_NSEC_PER_SEC
#define NS_OFFSET (86400 * S) /* hypervisor ns at tick 0 */

/* What adjtimex does to the kernel's rate, at exact ticks: also amid a sample. */
struct slew {
	uint64_t nominal; /* ns a tick, 0.64: the middle */
	int swing;        /* ppm to both sides */
	uint64_t every;   /* ticks; 0: never */
	bool randomly;    /* at times by chance, to rates by chance */
	uint64_t left;    /* ticks to the next */
	bool up;
};

/* What the intervals were worth. */
struct watch {
	bool on;
	uint64_t checked;
	uint64_t escaped;   /* the kernel's clock was outside */
	uint64_t worst;     /* ns, by the most */
	uint64_t outside;   /* our own value was */
	uint64_t broken;    /* samples that said so */
	uint64_t unnoticed; /* samples that had to, and did not */
};

struct sim {
	uint64_t t;           /* ticks */
	pvc_u128 kernel;      /* ns, 64.64 */
	uint64_t kernel_rate; /* ns a tick, 0.64 */
	uint64_t grain;       /* ns: the kernel's clock ticks this coarsely */
	uint64_t bracket;     /* ns */
	unsigned late_one_in; /* samples whose bracket is late, ns; 0: none */
	uint64_t late;
	bool lopsided; /* all of a bracket before or after, often */
	struct slew slew;
	struct watch watch;
	bool on_ns; /* the input is hypervisor ns */
	bool set;   /* the kernel's clock was, since the last anchor */
	struct pvc_rules rules;
	struct pvc_line line;
	uint64_t told; /* the latest that a reader was told */
	uint64_t seed;
	unsigned anchors, sets, outside, backwards;
	bool judged;
	uint64_t ahead, behind; /* the worst while judged */
};

static inline uint64_t ppm(uint64_t rate, int by)
{
	return rate + (uint64_t)((int64_t)(rate / 1000000) * by);
}

static inline uint64_t ticks(uint64_t ns)
{
	return pvc_div128(ns, 0, PAGE_RATE);
}

static inline void pass_straight(struct sim *s, uint64_t n)
{
	s->t += n;
	s->kernel += (pvc_u128)n * s->kernel_rate;
}

static inline void slew_now(struct sim *s)
{
	struct slew *w = &s->slew;

	w->up = !w->up;
	w->left = w->every;
	s->kernel_rate = ppm(w->nominal, w->up ? w->swing : -w->swing);
	if (!w->randomly)
		return;
	w->left = 1 + sim_below(&s->seed, 2 * w->every);
	if (sim_random(&s->seed) >> 63)
		s->kernel_rate =
			ppm(w->nominal, (int)sim_below(&s->seed, 2 * w->swing + 1) - w->swing);
}

static inline void pass(struct sim *s, uint64_t n)
{
	while (s->slew.every && s->slew.left <= n) {
		n -= s->slew.left;
		pass_straight(s, s->slew.left);
		slew_now(s);
	}
	s->slew.left -= n;
	pass_straight(s, n);
}

/* From here on, at +swing and -swing ppm by turns. */
static inline void slewing_by(struct sim *s, int swing, uint64_t every_ns)
{
	s->slew =
		(struct slew){.nominal = s->kernel_rate, .swing = swing, .every = ticks(every_ns)};
	slew_now(s);
}

static inline void step(struct sim *s, int64_t ns)
{
	s->kernel += (pvc_u128)ns << 64;
	s->set |= ns != 0;
}

static inline uint64_t kernel(const struct sim *s)
{
	uint64_t ns = (uint64_t)(s->kernel >> 64);

	return ns - ns % s->grain;
}

static inline uint64_t input(const struct sim *s)
{
	return s->on_ns ? PVC_X_NS(NS_OFFSET + pvc_mulhi(s->t, PAGE_RATE)) : s->t;
}

static inline void set_rules(struct sim *s, uint64_t rate)
{
	s->rules.rate = rate;
	s->rules.resync = pvc_ns_to_x(MS, rate);
}

/* What the kernel is asked for takes some time, before and after. */
static inline struct pvc_sample sample(struct sim *s)
{
	bool late = s->late_one_in && sim_below(&s->seed, s->late_one_in) == 0;
	uint64_t width = ticks(late ? s->late : s->bracket);
	uint64_t before = sim_below(&s->seed, width + 1);
	struct pvc_sample sample = {.x1 = input(s)};

	if (s->lopsided && before & 2)
		before = before & 1 ? width : 0;

	pass(s, before);
	sample.ns = kernel(s);
	pass(s, width - before);
	sample.x2 = input(s);
	return sample;
}

static inline void reset(struct sim *s, bool settable)
{
	memset(s, 0, sizeof(*s));
	s->t = 1ull << 50;
	s->kernel = (pvc_u128)(1700000000 * S) << 64;
	s->kernel_rate = PAGE_RATE;
	s->grain = 1;
	s->bracket = 50;
	s->seed = 42;
	s->rules.settable = settable;
	set_rules(s, PAGE_RATE);
}

static inline void first_sample(struct sim *s)
{
	struct pvc_sample first = sample(s);

	pvc_discipline_begin(&first, s->rules.rate, &s->line);
	pass(s, ticks(MS));
}

static inline void begin(struct sim *s, bool settable)
{
	reset(s, settable);
	first_sample(s);
}

/* ns by which the kernel's clock is outside. */
static inline uint64_t escape(const struct sim *s, struct pvc_bounds b)
{
	uint64_t ns = kernel(s);

	return ns < b.earliest ? b.earliest - ns : ns > b.latest ? ns - b.latest : 0;
}

static inline uint64_t line_says(const struct pvc_line *line, uint64_t x)
{
	pvc_u128 part = (pvc_u128)(x - line->x0) * line->mult + line->frac;

	return line->sec * S + line->nsec + (uint64_t)(part >> 64);
}

/* Where the line holds. */
static inline void look(struct sim *s)
{
	struct pvc_bounds b = pvc_line_bounds(&s->line, input(s));
	uint64_t by = escape(s, b), says = line_says(&s->line, input(s));

	if (!s->watch.on)
		return;
	s->watch.checked++;
	s->watch.escaped += by > 0;
	s->watch.outside += says < b.earliest || says > b.latest;
	if (by > s->watch.worst)
		s->watch.worst = by;
}

/* Further outside than the sample itself leaves open, and nobody says so? */
static inline bool unnoticed(const struct sim *s, const struct pvc_sample *now,
                             const struct pvc_line *next, enum pvc_agreement how)
{
	/* A kernel that runs wild does so within the bracket, too. */
	uint64_t open = next->last_width + next->last_width / 4 + s->rules.grain;
	bool fresh = !s->line.span || s->line.cut || (int64_t)(now->x2 - s->line.x0) < 0 ||
	             PVC_X_IS_NS(now->x2) != PVC_X_IS_NS(s->line.x0);

	if (fresh || next->broken || (how == PVC_SET && s->rules.settable))
		return false;
	return escape(s, pvc_line_bounds(&s->line, now->x2)) > open;
}

static inline void told(struct sim *s, uint64_t ns)
{
	if (ns < s->told && !(s->rules.settable && s->set))
		s->backwards++;
	s->told = ns;
	if (!s->judged)
		return;
	if (ns > kernel(s) && ns - kernel(s) > s->ahead)
		s->ahead = ns - kernel(s);
	if (ns < kernel(s) && kernel(s) - ns > s->behind)
		s->behind = kernel(s) - ns;
}

static inline void anchor(struct sim *s)
{
	struct pvc_sample now = sample(s);
	struct pvc_line next;
	enum pvc_agreement how = pvc_discipline(&s->line, &now, &s->rules, &next);

	assert_int_equal(next.x0, now.x2);
	assert_in_range(next.expiry, 1, s->rules.resync);
	assert_in_range(next.nsec, 0, S - 1);
	s->anchors++;
	s->sets += how == PVC_SET;
	s->outside += how == PVC_OUTSIDE;
	s->watch.broken += next.broken;
	s->watch.unnoticed += unnoticed(s, &now, &next, how);
	if (how == PVC_SET)
		s->rules.floor = 0;
	s->line = next;
	told(s, next.sec * S + next.nsec);
	look(s);
	s->set = false;
}

static inline void reading(struct sim *s)
{
	uint64_t delta = input(s) - s->line.x0;

	if (delta >= s->line.expiry) {
		anchor(s);
		return;
	}
	told(s, line_says(&s->line, input(s)));
	look(s);
}

/* To the last tick of the line, where its interval is widest. */
static inline void to_the_end(struct sim *s)
{
	uint64_t delta = s->t - s->line.x0;

	if (s->on_ns || delta >= s->line.expiry)
		return;
	pass(s, s->line.expiry - 1 - delta);
	reading(s);
}

/* Readings for so many ns, with up to so many between two. */
static inline void run(struct sim *s, uint64_t ns, uint64_t gap)
{
	uint64_t end = s->t + ticks(ns), most = ticks(gap);

	while (s->t < end) {
		uint64_t r = sim_random(&s->seed);

		pass(s, r % most + 1);
		reading(s);
		if (s->watch.on && r >> 60 == 0)
			to_the_end(s);
	}
}

/* Readings until a new sample is taken. */
static inline void until_sample(struct sim *s)
{
	unsigned anchors = s->anchors;

	while (s->anchors == anchors) {
		pass(s, ticks(5000));
		reading(s);
	}
}

/* As the core does when it ends a line: nobody read it further than cut. */
static inline void end(struct sim *s, uint64_t cut)
{
	if (!s->line.expiry)
		return;
	s->line.expiry = 0;
	s->line.cut = cut;
}

/* As a call that the kernel answers: after the line has ended. */
static inline void fall_back(struct sim *s)
{
	uint64_t ns, floor = s->rules.floor;

	end(s, ticks(1000));
	if (s->line.span && pvc_line_reach(&s->line, input(s)) > floor)
		floor = pvc_line_reach(&s->line, input(s));
	ns = kernel(s) > floor || (s->rules.settable && s->set) ? kernel(s) : floor;
	s->rules.floor = ns;
	told(s, ns);
}

/* What a clock is read by: as the core has it, from the bracket and the user's longest period. */
static inline void set_source(struct sim *s, bool on_ns, uint64_t grain, uint64_t bracket,
                              uint64_t resync_ns)
{
	bool call = bracket >= 150;

	s->on_ns = on_ns;
	s->grain = grain;
	s->bracket = bracket;
	s->rules.rate = on_ns ? PVC_X_NS_RATE : PAGE_RATE;
	s->rules.grain = call ? 280 : 0;
	s->rules.resync = pvc_ns_to_x(resync_ns / (call ? 4 : 10), s->rules.rate);
}

static inline void judge(struct sim *s, uint64_t ahead, uint64_t behind)
{
	if (s->ahead > ahead || s->behind > behind)
		print_error("%llu ns ahead (of %llu), %llu behind (of %llu), %u set, %u outside\n",
		            (unsigned long long)s->ahead, (unsigned long long)ahead,
		            (unsigned long long)s->behind, (unsigned long long)behind, s->sets,
		            s->outside);
	assert_int_equal(s->backwards, 0);
	assert_true(s->ahead <= ahead);
	assert_true(s->behind <= behind);
	s->ahead = s->behind = 0;
}

#endif /* PVC_TEST_SIMLINE_H */
