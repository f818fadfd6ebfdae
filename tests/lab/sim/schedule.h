/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs when: some readers, and the host. A schedule is one number: all that
 * happens in it is drawn from that.
 */
#ifndef PVC_LAB_SCHEDULE_H
#define PVC_LAB_SCHEDULE_H

#include "machine.h"
#include "coroutine.h"

#define SCHED_READERS 3
#define SCHED_HOST SCHED_READERS

struct task {
	vm_u128 wake;
	unsigned cpu;
	bool live;
	uint64_t reads;        /* of the TSC, and pauses: in the call under way */
	_Atomic uint64_t last; /* of thread scope */
};

static struct coro coro[SCHED_READERS + 1];

static struct {
	struct task task[SCHED_READERS + 1];
	unsigned self;    /* who runs, or ran last */
	uint64_t quota;   /* points that are passed before the next switch */
	unsigned eager;   /* how rarely tasks switch: 2^0 to 2^eager points apart */
	uint64_t preempt; /* ns: the longest that a task is kept from running */
	uint64_t points;
	bool failed;
	char failure[512];
} sched;

/* The first thing that goes wrong; what follows from it is not told. */
static inline void __attribute__((format(printf, 2, 3))) must(bool holds, const char *format, ...)
{
	va_list args;
	int length;

	if (holds || sched.failed)
		return;
	sched.failed = true;
	va_start(args, format);
	length = vsnprintf(sched.failure, sizeof(sched.failure), format, args);
	va_end(args);
	if (length > 0 && (size_t)length < sizeof(sched.failure))
		snprintf(sched.failure + length, sizeof(sched.failure) - (size_t)length,
		         " (at %llu ns, task %u on CPU %u, mode %u)", (unsigned long long)vm_ns(),
		         sched.self, sched.task[sched.self].cpu,
		         __atomic_load_n((uint32_t *)&core.mode, __ATOMIC_RELAXED));
}

static inline bool sched_is_host(void)
{
	return sched.self == SCHED_HOST;
}

static inline bool sched_can_run(unsigned i)
{
	return sched.task[i].live && (i == SCHED_HOST || !vm.vcpu[sched.task[i].cpu].out);
}

/* Others run until at least this much time has passed. */
static inline void sched_sleep(uint64_t ns)
{
	sched.task[sched.self].wake = vm.now + (vm_u128)ns * PS_PER_NS;
	if (coro_self)
		coro_yield();
	else
		vm_pass(ns);
}

/* The guest's scheduler moves who it has taken the CPU from; never a CPU that is out. */
static inline void sched_away(void)
{
	struct task *t = &sched.task[sched.self];

	if (!sched_is_host() && vm_one_in(4))
		t->cpu = (unsigned)vm_below(vm.vcpus);
	sched_sleep(vm_one_in(64) ? vm_below(sched.preempt) : vm_one_in(4) ? vm_below(500) : 0);
}

void vm_point(void)
{
	if (!coro_self)
		return;
	sched.points++;
	if (sched.quota) {
		sched.quota--;
		return;
	}
	sched_away();
}

uint64_t vm_rdtsc(uint32_t *aux)
{
	uint64_t tsc;

	sched.task[sched.self].reads++;
	vm_pass(vm_between(5, 30));
	vm_point();
	*aux = vm_cpu();
	tsc = vm_guest_tsc(sched.task[sched.self].cpu);
	vm_point();
	return tsc;
}

/* The CPU's node is in the upper bits, as Linux has it. */
uint32_t vm_cpu(void)
{
	return sched.task[sched.self].cpu | (sched.task[sched.self].cpu & 1) << 12;
}

void vm_pause(void)
{
	sched.task[sched.self].reads++;
	vm_pass(vm_between(10, 40));
	vm_point();
}

enum pvc_order vm_order(void)
{
	return vm.order;
}

static inline unsigned sched_pick(void)
{
	unsigned i, first = (unsigned)vm_below(SCHED_READERS + 1), next = SCHED_READERS + 1;

	for (i = 0; i <= SCHED_READERS; i++) {
		unsigned t = (first + i) % (SCHED_READERS + 1);

		if (!sched_can_run(t))
			continue;
		if (sched.task[t].wake <= vm.now)
			return t;
		if (next > SCHED_READERS || sched.task[t].wake < sched.task[next].wake)
			next = t;
	}
	if (next <= SCHED_READERS)
		vm.now = sched.task[next].wake;
	return next;
}

static inline bool sched_any_live(void)
{
	unsigned i;

	for (i = 0; i <= SCHED_READERS; i++)
		if (sched.task[i].live)
			return true;
	return false;
}

/* All tasks to their ends. */
static inline void sched_run(void (*reader)(void *), void (*host)(void *))
{
	unsigned i;

	for (i = 0; i <= SCHED_READERS; i++) {
		sched.task[i].wake = vm.now;
		sched.task[i].cpu = (unsigned)vm_below(vm.vcpus);
		sched.task[i].live = true;
		__atomic_store_n((uint64_t *)&sched.task[i].last, 0, __ATOMIC_RELAXED);
		coro_begin(&coro[i], i == SCHED_HOST ? host : reader, NULL);
	}
	while (sched_any_live()) {
		i = sched_pick();
		if (i > SCHED_READERS) {
			must(false, "nobody can run");
			break;
		}
		sched.self = i;
		sched.quota = vm_below(1ull << vm_below(sched.eager + 1));
		coro_resume(&coro[i]);
		if (coro[i].done) {
			sched.task[i].live = false;
			coro_end(&coro[i]);
		}
	}
	sched.self = 0;
}

#endif /* PVC_LAB_SCHEDULE_H */
