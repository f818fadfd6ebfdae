/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Schedules by the number, from one seed: PVCLOCK_SEED repeats what a failure has
 * printed, PVCLOCK_SCHEDULES is how many of each scenario are run.
 */
#ifndef PVC_LAB_RUN_H
#define PVC_LAB_RUN_H

#include "readers.h"

/*
 * Clocks are as near as the widest bracket that is believed. When the page's values
 * change by more than a line lasts, or the kernel has to answer in mode percpu, who
 * follows starts where the line's readers may have come to: a span further, which is a
 * quarter of PVCLOCK_RESYNC_US at most.
 */
#define NEAR (60 * US)
#define HELD (NEAR + 250 * US)

/*
 * Hypervisor ns go on from where their readers may have come to, by what is known of the
 * TSCs that those had: in steps of up to 2^17 ticks, at 0.8 GHz.
 */
#define NS_HELD (170 * US)

/*
 * Below the furthest that any has said time stands still until an entry has come level,
 * and so do the kernel's clocks, which follow it: by what CPUs may differ by.
 */
#define DISAGREEING (HELD + MS)

struct scenario {
	const char *name;
	void (*create)(void); /* the machine; NULL: a stable one */
	void (*script)(void); /* what the host does, a task */
	uint64_t clock_bound; /* ns that the kernel's clocks may be off */
	uint64_t ns_bound;    /* ns that the host's may */
	uint64_t most_reads;  /* of the TSC, and pauses, in one call */
	/* ns that REALTIME may be followed back by without having been set: what the clock
	 * that it runs on was ahead by. The others wait. */
	uint64_t real_back;
	uint64_t tick;      /* ns that a tick of the TSC takes, where it matters */
	unsigned schedules; /* by default */
	unsigned share;     /* of so many like it, among which schedules are divided */
	bool quiet;         /* says nothing of runs that were well */
};

static struct {
	uint64_t schedules, by_mode[4], by_reason[PVC_WHYS], edges, restarts, busy, changes, back;
} tally;

/* A thread of its own per task; the scheduler's own is that of task 0. */
static _Atomic uint64_t *run_thread_last(void)
{
	return &sched.task[sched.self].last;
}

static inline void run_attach(void)
{
	struct pvc_options o = {.mode = PVC_WISH_AUTO, .resync_us = 1000};
	struct pvc_maps maps = {.count = 1, .candidate = {(uintptr_t)&page}};

	if (check.per_thread)
		o.scope = PVC_SCOPE_THREAD;
	memset((void *)&core, 0, sizeof(core));
	core.kernel.clock_gettime = vm_kernel_gettime;
	pvc_attach_maps(&core, &o, &maps);
	/* That of this process would name a CPU of this machine. */
	core.rseq_cpu = 0;
	if (core.thread_last)
		core.thread_last = run_thread_last;
}

static inline void run_host(const struct scenario *s)
{
	s->script();
	host.done = true;
}

static const struct scenario *run_scenario;

static void run_host_task(void *arg)
{
	(void)arg;
	run_host(run_scenario);
}

static inline void run_tally(void)
{
	tally.schedules++;
	tally.by_mode[core.mode & 3]++;
	if (core.reason < PVC_WHYS)
		tally.by_reason[core.reason]++;
	tally.edges += core.count_of.unstable_edges;
	tally.restarts += core.count_of.restarts;
	tally.busy += core.count_of.busy;
	tally.changes += core.count_of.param_changes;
	tally.back += core.count_of.went_back;
}

static inline void run_check_pace(const char *what, uint64_t passed, uint64_t expected,
                                  uint64_t tick)
{
	uint64_t off = passed > expected ? passed - expected : expected - passed;

	must(off <= expected / 20 + 2 * tick, "%s went on by %llu ns in %llu", what,
	     (unsigned long long)passed, (unsigned long long)expected);
}

/*
 * All is well again: after some reads nothing of what was stands in the way. Time
 * goes on, at its rate, on every CPU.
 */
static inline void run_after(const struct scenario *s)
{
	uint64_t from = 0, to = 0, clock, pause = 20 * MS + 20 * s->tick;
	unsigned i;
	bool said, live;

	for (i = 0; i < 32 * vm.vcpus; i++) {
		sched.task[0].cpu = i % vm.vcpus;
		read_clock(CLOCK_MONOTONIC);
		read_hyper(&from);
		vm_pass(100 * US);
	}
	clock = read_clock(CLOCK_MONOTONIC);
	said = read_hyper(&from);
	live = pvc_is_live(core.mode);
	vm_pass(pause);
	run_check_pace("CLOCK_MONOTONIC", read_clock(CLOCK_MONOTONIC) - clock, pause, s->tick);
	must(said || !live, "no hypervisor ns");
	if (said && read_hyper(&to))
		run_check_pace("hypervisor ns", to - from, pause, s->tick);
}

static inline void run_one(const struct scenario *s, uint64_t seed)
{
	uint64_t tenth;

	vm.random = seed;
	memset(&check, 0, sizeof(check));
	memset(&sched, 0, sizeof(sched));
	sched.eager = (unsigned)vm_between(2, 10);
	tenth = vm_below(10);
	sched.preempt = tenth == 0 ? 50 * MS : tenth < 4 ? 2 * MS : 20 * US;
	check.per_thread = vm_one_in(4);
	if (s->create)
		s->create();
	else
		host_create((uint32_t)vm_between(800000, 5000000), (unsigned)vm_between(2, VM_CPUS),
		            true);
	check.trace = getenv("PVCLOCK_TRACE") != NULL;
	check.real_back = s->real_back;
	check.clock_bound = s->clock_bound;
	check.ns_bound = s->ns_bound;
	check.most_reads = s->most_reads;
	check.pause = 2 * MS;
	run_attach();
	/* Else what happens within its first millisecond speaks against the page's rate. */
	while (!vm_one_in(16) && !atomic_load(&core.proved) && core.mode != PVC_MODE_KERNEL) {
		read_clock(CLOCK_MONOTONIC);
		vm_pass(50 * US);
	}
	run_scenario = s;
	sched_run(reader, run_host_task);
	run_tally();
	if (!sched.failed)
		run_after(s);
}

static inline uint64_t run_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static inline void run(const struct scenario *s)
{
	static uint64_t first;
	uint64_t i, many = run_number("PVCLOCK_SCHEDULES", s->schedules), reads = 0, clock = 0,
		    ns = 0, calls = 0, refused = 0;

	if (s->share && many > s->share)
		many /= s->share;
	else if (s->share)
		many = 1;
	if (!first)
		/* The same each time, so that a failure is of the change; check-long has others. */
		first = run_number("PVCLOCK_SEED", 20261121);
	memset(&tally, 0, sizeof(tally));
	for (i = 0; i < many; i++) {
		run_one(s, first + i);
		if (sched.failed)
			fail_msg("%s: %s; to repeat: PVCLOCK_SEED=%llu PVCLOCK_SCHEDULES=1",
			         s->name, sched.failure, (unsigned long long)(first + i));
		reads = check.seen_reads > reads ? check.seen_reads : reads;
		clock = check.seen_clock > clock ? check.seen_clock : clock;
		ns = check.seen_ns > ns ? check.seen_ns : ns;
		calls += check.calls;
		refused += check.refused;
	}
	if (s->quiet)
		return;
	printf("%s: PVCLOCK_SEED=%llu PVCLOCK_SCHEDULES=%llu: %llu calls (%llu refused), at most "
	       "%llu reads in one, clocks off by %llu ns, hypervisor ns by %llu; "
	       "ends kernel %llu stable %llu percpu %llu stable-ns %llu; edges %llu changes %llu "
	       "restarts %llu back %llu busy %llu\n",
	       s->name, (unsigned long long)first, (unsigned long long)many,
	       (unsigned long long)calls, (unsigned long long)refused, (unsigned long long)reads,
	       (unsigned long long)clock, (unsigned long long)ns,
	       (unsigned long long)tally.by_mode[0], (unsigned long long)tally.by_mode[1],
	       (unsigned long long)tally.by_mode[2], (unsigned long long)tally.by_mode[3],
	       (unsigned long long)tally.edges, (unsigned long long)tally.changes,
	       (unsigned long long)tally.restarts, (unsigned long long)tally.back,
	       (unsigned long long)tally.busy);
	for (i = 0; i < PVC_WHYS; i++)
		if (tally.by_reason[i])
			printf("    %llu: %s\n", (unsigned long long)tally.by_reason[i],
			       pvc_reason_text(i));
}

#endif /* PVC_LAB_RUN_H */
