/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's threads do, and what must hold for whatever they are told:
 *
 *  - no clock goes back, in any thread of the scope, on any CPU;
 *  - a call ends after a bounded number of reads of the TSC;
 *  - while the host is honest, its clock and the kernel's are what we say, within
 *    bounds that the scenario states.
 */
#ifndef PVC_LAB_READERS_H
#define PVC_LAB_READERS_H

#include "host.h"

#define HYPER 15 /* among the clock ids: hypervisor ns, which have none */
#define UNBOUNDED UINT64_MAX

static struct {
	uint64_t max[SCHED_READERS + 1][VM_IDS]; /* what completed calls have said */
	bool per_thread, trace;
	uint64_t real_back;             /* ns */
	vm_u128 woke;                   /* when a machine that slept did */
	uint64_t sets;                  /* of REALTIME, when the maxima were begun */
	uint64_t clock_bound, ns_bound; /* ns off, either way */
	uint64_t most_reads;            /* that a call may take */
	uint64_t seen_reads;            /* the most that one took */
	uint64_t seen_clock, seen_ns;   /* the furthest off */
	uint64_t calls, refused;        /* of pvc_source_now */
	uint64_t pause;                 /* ns: the longest between two calls */
} check;

static const int check_ids[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                CLOCK_REALTIME};

static inline uint64_t *check_max(int id)
{
	return &check.max[check.per_thread ? sched.self : 0][id];
}

/* PVCLOCK_TRACE=1: each answer, to be read after a failure. */
static inline void check_trace(int id, uint64_t ns)
{
	if (check.trace)
		fprintf(stderr,
		        "%llu: task %u CPU %u clock %d says %llu (%lld to now) TSC %llu mode %u\n",
		        (unsigned long long)vm_ns(), sched.self, sched.task[sched.self].cpu, id,
		        (unsigned long long)ns,
		        (long long)(ns - (id == HYPER ? host_ns() : vm_kernel_ns(id))),
		        (unsigned long long)vm_guest_tsc(sched.task[sched.self].cpu),
		        (unsigned)core.mode);
}

static inline void check_order(int id, uint64_t before, uint64_t ns)
{
	uint64_t least = id == CLOCK_REALTIME ? before - check.real_back : before;

	check_trace(id, ns);
	must((int64_t)(ns - least) >= 0, "clock %d went back by %llu ns, from %llu", id,
	     (unsigned long long)(before - ns), (unsigned long long)before);
	if (ns > *check_max(id))
		*check_max(id) = ns;
}

static inline void check_within(int id, uint64_t low, uint64_t ns, uint64_t high, uint64_t bound,
                                uint64_t *seen)
{
	uint64_t off = ns < low ? low - ns : ns > high ? ns - high : 0;

	if (bound == UNBOUNDED)
		return;
	if (off > *seen)
		*seen = off;
	must(off <= bound, "clock %d: %llu is off [%llu, %llu] by %llu ns", id,
	     (unsigned long long)ns, (unsigned long long)low, (unsigned long long)high,
	     (unsigned long long)off);
}

static inline void check_reads(int id)
{
	uint64_t reads = sched.task[sched.self].reads;

	if (reads > check.seen_reads)
		check.seen_reads = reads;
	must(reads <= check.most_reads, "clock %d: %llu reads in one call", id,
	     (unsigned long long)reads);
}

/* BOOTTIME and REALTIME jump where nothing else does: for a line they may be what they were. */
static inline bool check_jumps(int id, vm_u128 begun)
{
	return (id == CLOCK_BOOTTIME || id == CLOCK_REALTIME) && check.woke &&
	       begun < check.woke + (vm_u128)2 * MS * PS_PER_NS;
}

/* A clock that is set begins anew: see host_set_real. */
static inline uint64_t read_clock(int id)
{
	uint64_t before = *check_max(id), sets = vm.real_sets, low = vm_kernel_ns(id), ns;
	struct pvc_timespec ts = {-1, -1};
	vm_u128 begun = vm.now;

	sched.task[sched.self].reads = 0;
	must(!pvc_gettime(&core, id, &ts), "clock %d: error", id);
	must(ts.nsec >= 0 && ts.nsec < (int64_t)SEC && ts.sec >= 0, "clock %d: %lld.%lld", id,
	     (long long)ts.sec, (long long)ts.nsec);
	check_reads(id);
	ns = (uint64_t)ts.sec * SEC + (uint64_t)ts.nsec;
	check.calls++;
	if (id == CLOCK_REALTIME && (sets != vm.real_sets || check.sets != sets))
		return ns;
	check_order(id, before, ns);
	check_within(id, low, ns, vm_kernel_ns(id),
	             check_jumps(id, begun) ? UNBOUNDED : check.clock_bound, &check.seen_clock);
	return ns;
}

/* False: the page says nothing now. */
static inline bool read_hyper(uint64_t *ns)
{
	uint64_t before = *check_max(HYPER), low = host_ns(), own;
	bool said;

	sched.task[sched.self].reads = 0;
	said = pvc_source_now(&core, ns, &own);
	check_reads(HYPER);
	check.calls++;
	if (!said) {
		check.refused++;
		return false;
	}
	check_order(HYPER, before, *ns);
	check_within(HYPER, low, *ns, host_ns(), check.ns_bound, &check.seen_ns);
	return true;
}

/* A sample is not clamped: it is what the entry says, to the last bit. */
static inline void read_sample(void)
{
	struct pvc_reading r;

	sched.task[sched.self].reads = 0;
	if (pvc_source_sample(&core, &r) == PVC_OK && pvc_reading_scales(&r))
		must(pvc_reading_ns(&r) == vm_reading_ns(&r), "a sample's ns are not its own");
	check_reads(HYPER);
}

static inline void read_any(void)
{
	unsigned what = (unsigned)vm_below(8);
	uint64_t ns;

	if (what < 4)
		read_clock(check_ids[what]);
	else if (what == 4)
		read_sample();
	else
		read_hyper(&ns);
}

/* What its readers have been told by a millisecond after it is set, counts again. */
static inline void host_set_real(int64_t by)
{
	vm.real_ns += (uint64_t)by;
	vm.real_sets++;
	sched_sleep(5 * MS);
	for (unsigned i = 0; i <= SCHED_READERS; i++)
		check.max[i][CLOCK_REALTIME] = 0;
	check.sets = vm.real_sets;
}

/* Until the host is done, and a while longer. */
static inline void reader(void *arg)
{
	unsigned after = 20;

	(void)arg;
	while (after && !sched.failed) {
		read_any();
		if (vm_one_in(2))
			sched_sleep(vm_below(vm_one_in(16) ? check.pause : 2 * US));
		if (host.done)
			after--;
	}
}

#endif /* PVC_LAB_READERS_H */
