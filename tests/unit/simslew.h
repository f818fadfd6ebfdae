/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel's clocks as a function of the real TSC, for the whole core: they slew by
 * turns, may be set, move in steps as coarse clocksources do, cost what a system call
 * costs, and return late. What they are at any TSC can be asked without all that.
 */
#ifndef PVC_TEST_SIMSLEW_H
#define PVC_TEST_SIMSLEW_H

#include "../../vdso/anchor.h"
#include "simblock.h"

#define SLEW_PPM 500

static struct {
	uint64_t start, ns;  /* the TSC at which the clocks were ns */
	uint64_t slow, more; /* ns a tick, 0.64: at the lower end, and to the upper */
	uint64_t half;       /* ticks for which each holds */
	uint64_t grain;      /* ns */
	uint64_t cost;       /* ticks, before the clock is read: the worst that is */
	unsigned late_one_in;
	uint64_t late; /* ticks */
	_Atomic int64_t set[PVC_IDS];
	_Atomic uint64_t calls;
	void (*_Atomic hook)(void); /* inside the kernel */
} slew;

static inline uint64_t slew_tsc(void)
{
	return pvc_rdtsc_ordered((enum pvc_order)core.order);
}

static inline uint64_t slew_ticks(uint64_t ns)
{
	return pvc_ns_to_x(ns, slew.slow);
}

/* The clock that nobody rounds. */
static inline uint64_t slew_at(int id, uint64_t tsc)
{
	uint64_t d = tsc - slew.start, phase = d % (2 * slew.half);
	uint64_t fast = d / (2 * slew.half) * slew.half + (phase < slew.half ? phase : slew.half);

	return slew.ns + pvc_mulhi(d, slew.slow) + pvc_mulhi(fast, slew.more) +
	       (uint64_t)atomic_load(&slew.set[id]);
}

static inline uint64_t slew_now(int id)
{
	uint64_t ns = slew_at(id, slew_tsc());

	return ns - ns % slew.grain;
}

static inline void slew_spin(uint64_t ticks)
{
	uint64_t start = slew_tsc();

	while (slew_tsc() - start < ticks)
		;
}

static long slew_gettime(long id, struct pvc_timespec *ts)
{
	uint64_t n = atomic_fetch_add(&slew.calls, 1), ns;
	bool late = slew.late_one_in && n % slew.late_one_in == 0;
	void (*hook)(void) = atomic_load(&slew.hook);

	if (slew.cost)
		slew_spin(slew.cost);
	if (late && n & 1)
		slew_spin(slew.late);
	ns = slew_now((int)id);
	if (hook)
		hook();
	if (late && !(n & 1))
		slew_spin(slew.late);
	pvc_ns_split(ns, ts);
	return 0;
}

/* What was asked since slew_attach. */
static struct {
	uint64_t asked, certain[4];
	uint64_t width[65536];
	uint64_t last[PVC_IDS];
} told;

static inline uint64_t slew_read(int id)
{
	uint64_t ns = now(id);

	assert_true(pvc_settable(id) || ns >= told.last[id]);
	told.last[id] = ns;
	return ns;
}

/* The kernel and we, the interval, we and the kernel. */
static inline struct pvc_interval slew_interval(int id)
{
	uint64_t before = slew_now(id), ours = slew_read(id), after, earliest, latest;
	struct pvc_interval i;

	assert_int_equal(pvc_gettime_interval(&core, id, &i), 0);
	after = slew_now(id);
	earliest = pvc_ns_of(&i.earliest);
	latest = pvc_ns_of(&i.latest);
	if (before > latest || after < earliest || ours > latest)
		print_error("clock %d, certainty %d: %llu to %llu; the kernel's %+lld to %+lld, "
		            "ours %+lld\n",
		            id, (int)i.certainty, (unsigned long long)earliest,
		            (unsigned long long)latest, (long long)(before - earliest),
		            (long long)(after - earliest), (long long)(ours - earliest));
	assert_true(before <= latest);
	assert_true(after >= earliest);
	assert_true(ours <= latest);
	assert_true(slew_read(id) >= earliest);
	assert_in_range(i.earliest.nsec, 0, PVC_NSEC_PER_SEC - 1);
	assert_in_range(i.latest.nsec, 0, PVC_NSEC_PER_SEC - 1);
	told.width[told.asked++ % 65536] = latest - earliest;
	told.certain[i.certainty]++;
	return i;
}

/* The line in service, for a look at it. */
static inline struct pvc_line slew_line(int id)
{
	struct pvc_line line;

	while (!pvc_line_load(&core, id, pvc_latch_begin(&core.current[id]), &line))
		;
	return line;
}

/* A block on it, whose page has the middle of its rates. */
static inline void slew_attach(enum pvc_mode mode, uint64_t half_ns)
{
	unsigned i;

	attach(PVC_MODE_KERNEL);
	slew.slow = pvc_reading_rate(&(struct pvc_reading){.mul = entry.mul, .shift = entry.shift});
	slew.more = slew.slow / (1000000 / (2 * SLEW_PPM));
	slew.slow -= slew.more / 2;
	slew.half = slew_ticks(half_ns);
	slew.start = slew_tsc();
	slew.ns = 1700000000 * PVC_NSEC_PER_SEC;
	slew.grain = 1;
	slew.cost = slew.late = 0;
	slew.late_one_in = 0;
	atomic_store(&slew.hook, NULL);
	for (i = 0; i < PVC_IDS; i++)
		atomic_store(&slew.set[i], 0);
	memset(&told, 0, sizeof(told));
	core.kernel.clock_gettime = slew_gettime;
	pvc_source_start(&core, mode, PVC_WHY_STABLE);
}

#endif /* PVC_TEST_SIMSLEW_H */
