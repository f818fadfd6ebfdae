/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A simulated counter, a simulated kernel and a reader between them, for the
 * discipline alone: every run is the same, and a week takes no longer than a
 * second.
 */
#ifndef PVC_TEST_SIMLINE_H
#define PVC_TEST_SIMLINE_H

#include "sim.h"

#define PAGE_RATE 0x68b8d4fdf3b645a2ull /* 0.409 ns a tick: 2.445 GHz */
#define MS 1000000ull
#define S PVC_NSEC_PER_SEC
#define NS_OFFSET (86400 * S) /* hypervisor ns at tick 0 */

struct sim {
	uint64_t t;           /* ticks */
	pvc_u128 kernel;      /* ns, 64.64 */
	uint64_t kernel_rate; /* ns a tick, 0.64 */
	uint64_t grain;       /* ns: the kernel's clock ticks this coarsely */
	uint64_t bracket;     /* ns */
	bool on_ns;           /* the input is hypervisor ns */
	bool set;             /* the kernel's clock was, since the last anchor */
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

static inline void pass(struct sim *s, uint64_t n)
{
	s->t += n;
	s->kernel += (pvc_u128)n * s->kernel_rate;
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
	uint64_t width = ticks(s->bracket), before = sim_below(&s->seed, width + 1);
	struct pvc_sample sample = {.x1 = input(s)};

	pass(s, before);
	sample.ns = kernel(s);
	pass(s, width - before);
	sample.x2 = input(s);
	return sample;
}

static inline void begin(struct sim *s, bool settable)
{
	struct pvc_sample first;

	memset(s, 0, sizeof(*s));
	s->t = 1ull << 50;
	s->kernel = (pvc_u128)(1700000000 * S) << 64;
	s->kernel_rate = PAGE_RATE;
	s->grain = 1;
	s->bracket = 50;
	s->seed = 42;
	s->rules.settable = settable;
	set_rules(s, PAGE_RATE);
	first = sample(s);
	pvc_discipline_begin(&first, s->rules.rate, &s->line);
	pass(s, ticks(MS));
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
	if (how == PVC_SET)
		s->rules.floor = 0;
	s->line = next;
	told(s, next.sec * S + next.nsec);
	s->set = false;
}

static inline void reading(struct sim *s)
{
	uint64_t delta = input(s) - s->line.x0;

	if (delta < s->line.expiry)
		told(s, s->line.sec * S + s->line.nsec + pvc_mulhi(delta, s->line.mult));
	else
		anchor(s);
}

/* Readings for so many ns, with up to so many between two. */
static inline void run(struct sim *s, uint64_t ns, uint64_t gap)
{
	uint64_t end = s->t + ticks(ns), most = ticks(gap);

	while (s->t < end) {
		pass(s, sim_random(&s->seed) % most + 1);
		reading(s);
	}
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
