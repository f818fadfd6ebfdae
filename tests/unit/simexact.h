/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A block on the simulated kernel, judged by it: between two answers of the kernel
 * ours lies between them, to the nanosecond; and where the kernel's clock is changed
 * in the middle of a call, ours is of before the change or of after it.
 */
#ifndef PVC_TEST_SIMEXACT_H
#define PVC_TEST_SIMEXACT_H

#include <signal.h>
#include <ucontext.h>

#include "simkernel.h"

static uint64_t simx_last[PVC_IDS];

static inline void simx_attach(enum pvc_mode mode)
{
	struct pvc_maps maps = {0};

	maps.vvar = (uintptr_t)simv.ro;
	maps.vvar_end = maps.vvar + SIMV_PAGES * PVCLOCK_PAGE_SIZE;
	sim_attach(&core, &page, PVC_MODE_KERNEL);
	core.kernel.clock_gettime = simv_clock_gettime;
	pvc_vvar_find(&core.vvar, &maps);
	pvc_source_start(&core, mode, PVC_WHY_STABLE);
	memset(simx_last, 0, sizeof(simx_last));
}

/* A machine and a block on it. */
static inline void simx_start(unsigned layout, enum pvc_vvar_mode source)
{
	entry = sim_real();
	sim_put_all(&page, &entry);
	simv_boot(layout, source);
	simx_attach(PVC_MODE_STABLE);
}

static inline bool simx_fail(const char *what, int id, uint64_t before, uint64_t ns, uint64_t after)
{
	print_error("clock %d %s: %llu between %llu and %llu (%+lld, %+lld)\n", id, what,
	            (unsigned long long)ns, (unsigned long long)before, (unsigned long long)after,
	            (long long)(ns - before), (long long)(after - ns));
	return false;
}

/* kernel <= ours <= kernel, but for so many ns of slack. */
static inline bool simx_within(int id, uint64_t slack)
{
	uint64_t before = simv_now(id), ns = now(id), after = simv_now(id);

	if (ns + slack < before || ns > after + slack)
		return simx_fail("is not the kernel's", id, before, ns, after);
	if (!pvc_settable(id) && ns < simx_last[id])
		return simx_fail("goes back", id, simx_last[id], ns, after);
	simx_last[id] = ns;
	return true;
}

static inline bool simx_all_within(uint64_t slack)
{
	unsigned i;
	bool all = true;

	for (i = 0; i < SIMV_IDS; i++)
		all &= simx_within(simv_ids[i], slack);
	return all;
}

static inline uint64_t simx_count(const _Atomic uint64_t *counter)
{
	return atomic_load(counter);
}

static inline void simx_spin_us(unsigned us)
{
	simv_spin(us * 2500ull);
}

/* ---- what a kernel does to its clocks -- */

static inline uint64_t simx_ppm(int64_t by)
{
	struct simv_time t = simv_mine();

	return t.raw_mult + (uint64_t)((int64_t)t.raw_mult * by / 1000000);
}

struct simx_event {
	enum simv_kind kind;
	int64_t arg; /* of a change of rate: ppm */
};

static const struct simx_event simx_events[] = {
	{SIMV_TICK, 0},
	{SIMV_LATE, 0},
	{SIMV_MULT, 500},
	{SIMV_MULT, -500},
	{SIMV_MULT, 100000},
	{SIMV_MULT, -100000},
	{SIMV_LATE_MULT, 500},
	{SIMV_LATE_MULT, -500},
	{SIMV_LATE_MULT, 100000},
	{SIMV_LATE_MULT, -100000},
	{SIMV_INJECT, 1},
	{SIMV_INJECT, -1},
	{SIMV_INJECT, USEC},
	{SIMV_INJECT, -USEC},
	{SIMV_INJECT, MSEC},
	{SIMV_INJECT, -MSEC},
	{SIMV_SET, USEC},
	{SIMV_SET, -USEC},
	{SIMV_SET, MSEC},
	{SIMV_SET, -MSEC},
	{SIMV_SET, 2 * MSEC + 999},
	{SIMV_SET, -5 * MSEC},
	{SIMV_SET, HOUR},
	{SIMV_SET, -HOUR},
	{SIMV_LEAP, 1},
	{SIMV_LEAP, -1},
};
#define SIMX_RATES 10 /* the first ones set nothing */
#define SIMX_EVENTS (sizeof(simx_events) / sizeof(*simx_events))

static inline void simx_happens(uint64_t *seed, const struct simx_event *e)
{
	bool rate = e->kind == SIMV_MULT || e->kind == SIMV_LATE_MULT;
	/* A multiplier dithers by one between two ticks. */
	int64_t one = (int64_t)sim_below(seed, 3) - 1;

	simv_update(e->kind, rate ? (int64_t)simx_ppm(e->arg) + one : e->arg);
}

/* ---- interrupts: something happens at the n-th access to what others write -------------- */

static struct {
	unsigned at, seen;
	bool armed;
	void (*act)(void);
} simx_irq;

/* The kernel's pages, and the host's. */
static inline void simx_protect(int prot)
{
	mprotect(simv.ro, SIMV_PAGES * PVCLOCK_PAGE_SIZE, prot);
	mprotect(&page, sizeof(page), prot == PROT_NONE ? PROT_NONE : PROT_READ | PROT_WRITE);
}

static inline bool simx_is_within(const void *at, const void *start, size_t size)
{
	return (uintptr_t)at - (uintptr_t)start < size;
}

/* The access is made when the handler returns; the trap flag stops right after it. */
static inline void simx_on_access(int sig, siginfo_t *info, void *context)
{
	if (!simx_is_within(info->si_addr, simv.ro, SIMV_PAGES * PVCLOCK_PAGE_SIZE) &&
	    !simx_is_within(info->si_addr, &page, sizeof(page))) {
		signal(sig, SIG_DFL);
		return;
	}
	/* First, so that what happens may be a reading of ours. */
	simx_protect(PROT_READ);
	if (++simx_irq.seen == simx_irq.at)
		simx_irq.act();
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100;
}

static inline void simx_after_access(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
	if (simx_irq.armed)
		simx_protect(PROT_NONE);
}

static inline void simx_irq_begin(unsigned at, void (*act)(void))
{
	struct sigaction access = {.sa_flags = SA_SIGINFO}, after = {.sa_flags = SA_SIGINFO};

	access.sa_sigaction = simx_on_access;
	after.sa_sigaction = simx_after_access;
	assert_int_equal(sigaction(SIGSEGV, &access, NULL), 0);
	assert_int_equal(sigaction(SIGTRAP, &after, NULL), 0);
	simx_irq.at = at;
	simx_irq.seen = 0;
	simx_irq.act = act;
	simx_irq.armed = true;
	simx_protect(PROT_NONE);
}

/* True: it has happened. */
static inline bool simx_irq_end(void)
{
	simx_irq.armed = false;
	simx_protect(PROT_READ);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	return simx_irq.seen >= simx_irq.at;
}

#endif /* PVC_TEST_SIMEXACT_H */
