/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hypervisor in this process: it owns a page of entries, and writes them as a
 * host does. The TSC is the real one. Everything is in a header so that a test
 * is one file and the objects of vdso/.
 */
#ifndef PVC_TEST_SIM_H
#define PVC_TEST_SIM_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../vdso/gettime.h"

struct sim_page {
	struct pvclock_slot slot[PVCLOCK_PAGE_SLOTS];
} __attribute__((aligned(PVCLOCK_PAGE_SIZE)));

/* What a host decides; the version is the protocol's. */
struct sim_entry {
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
};

/*
 * The host is another kernel, on another side of a virtual machine: its stores
 * meet the reader's volatile loads under the version's protocol, which TSan
 * does not know. Everything else is atomic and is checked.
 */
const char *__tsan_default_suppressions(void);
__attribute__((used)) const char *__tsan_default_suppressions(void)
{
	return "race:pvc_entry_version\nrace:pvc_entry_fields\nrace:pvc_entry_load\n"
	       "race:pvc_read_known\n";
}

static inline void sim_begin(struct pvclock_slot *slot)
{
	__atomic_store_n(&slot->info.version, slot->info.version | 1, __ATOMIC_RELEASE);
}

static inline void sim_fields(struct pvclock_slot *slot, const struct sim_entry *e)
{
	struct pvclock_vcpu_time_info *i = &slot->info;

	/* Each a release: none overtakes the odd version before it. */
	__atomic_store_n(&i->tsc_timestamp, e->tsc_timestamp, __ATOMIC_RELEASE);
	__atomic_store_n(&i->system_time, e->system_time, __ATOMIC_RELEASE);
	__atomic_store_n(&i->tsc_to_system_mul, e->mul, __ATOMIC_RELEASE);
	__atomic_store_n(&i->tsc_shift, e->shift, __ATOMIC_RELEASE);
	__atomic_store_n(&i->flags, e->flags, __ATOMIC_RELEASE);
}

static inline void sim_end(struct pvclock_slot *slot)
{
	__atomic_store_n(&slot->info.version, (slot->info.version | 1) + 1, __ATOMIC_RELEASE);
}

static inline void sim_put(struct sim_page *p, unsigned cpu, const struct sim_entry *e)
{
	sim_begin(&p->slot[cpu]);
	sim_fields(&p->slot[cpu], e);
	sim_end(&p->slot[cpu]);
}

static inline void sim_put_all(struct sim_page *p, const struct sim_entry *e)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_put(p, i, e);
}

/* The kernel's convention, by libc: 0 or a negative errno. */
static inline long sim_kernel(long id, struct pvc_timespec *ts)
{
	struct timespec t;

	if (clock_gettime((clockid_t)id, &t))
		return -errno;
	ts->sec = t.tv_sec;
	ts->nsec = t.tv_nsec;
	return 0;
}

static inline uint64_t sim_ns(const struct pvc_timespec *ts)
{
	return (uint64_t)ts->sec * PVC_NSEC_PER_SEC + (uint64_t)ts->nsec;
}

static inline uint64_t sim_kernel_ns(long id)
{
	struct pvc_timespec ts = {0, 0};

	sim_kernel(id, &ts);
	return sim_ns(&ts);
}

static inline uint64_t sim_tsc(void)
{
	return pvc_rdtsc_ordered(pvc_order_of_this_cpu());
}

/* The kernel's clock and the TSC at one instant, as near as 50 tries get. */
static inline void sim_pair(uint64_t *tsc, uint64_t *ns)
{
	enum pvc_order order = pvc_order_of_this_cpu();
	uint64_t best = UINT64_MAX;
	unsigned i;

	for (i = 0; i < 50; i++) {
		uint64_t before = pvc_rdtsc_ordered(order);
		uint64_t k = sim_kernel_ns(CLOCK_MONOTONIC_RAW);
		uint64_t after = pvc_rdtsc_ordered(order);

		if (after - before < best) {
			best = after - before;
			*tsc = before + best / 2;
			*ns = k;
		}
	}
}

/* This machine's TSC as a host would describe it, normalised as KVM does. */
static inline struct sim_entry sim_real(void)
{
	static struct sim_entry e;
	struct timespec wait = {0, 30000000};
	uint64_t tsc = 0, ns = 0;
	pvc_u128 rate;

	if (e.mul)
		return e;
	sim_pair(&e.tsc_timestamp, &e.system_time);
	nanosleep(&wait, NULL);
	sim_pair(&tsc, &ns);
	rate = ((pvc_u128)(ns - e.system_time) << 64) / (tsc - e.tsc_timestamp);
	for (; rate >> 64; rate >>= 1)
		e.shift++;
	for (; !(rate >> 63); rate <<= 1)
		e.shift--;
	e.mul = (uint32_t)(rate >> 32);
	/* As a VM that has been up for two days. */
	e.system_time = 172800 * PVC_NSEC_PER_SEC;
	e.flags = PVCLOCK_TSC_STABLE_BIT;
	return e;
}

/* What a host writes now for a time that goes on, moved by some ns. */
static inline struct sim_entry sim_moved(const struct sim_entry *e, int64_t ns)
{
	struct sim_entry n = *e;

	n.tsc_timestamp = sim_tsc();
	n.system_time += pvc_scale_delta(n.tsc_timestamp - e->tsc_timestamp, e->mul, e->shift) +
	                 (uint64_t)ns;
	return n;
}

/* As attach leaves a block. */
static inline void sim_attach(struct pvc_core *b, struct sim_page *p, enum pvc_mode mode)
{
	memset((void *)b, 0, sizeof(*b));
	b->entry = p->slot;
	b->order = pvc_order_of_this_cpu();
	b->count = PVCLOCK_PAGE_SLOTS;
	b->may_percpu = b->order == PVC_ORDER_RDTSCP;
	b->cpu_mask = PVCLOCK_PAGE_SLOTS - 1;
	b->resync_ns = 1000000;
	b->kernel.clock_gettime = sim_kernel;
	pvc_source_start(b, mode, PVC_WHY_STABLE);
}

/* Raises a shared maximum; false if ours is below what was there before us. */
static inline bool sim_not_back(_Atomic uint64_t *max, uint64_t before, uint64_t ns)
{
	pvc_raise(max, ns);
	return ns >= before;
}

static inline bool sim_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static inline bool sim_can_pin(unsigned cpu)
{
	cpu_set_t old;
	bool can;

	if (sched_getaffinity(0, sizeof(old), &old))
		return false;
	can = sim_pin(cpu);
	sched_setaffinity(0, sizeof(old), &old);
	return can;
}

/* CPUs that a test may pin itself to, and that have an entry: one at least. */
static inline unsigned sim_cpus(unsigned list[PVCLOCK_PAGE_SLOTS])
{
	cpu_set_t set;
	unsigned cpu, n = 0;

	list[0] = 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		if (CPU_ISSET(cpu, &set))
			list[n++] = cpu;
	return n ? n : 1;
}

static inline void sim_unpin(void)
{
	cpu_set_t set;
	unsigned cpu;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline bool sim_has_rdtscp(const char *what)
{
	if (pvc_order_of_this_cpu() == PVC_ORDER_RDTSCP)
		return true;
	printf("SKIP: %s: this CPU has no RDTSCP\n", what);
	return false;
}

/* The kernel strikes tsc from this list when the CPUs' TSCs are out of step. */
static inline bool sim_tsc_in_step(const char *what)
{
	char text[256] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource", "r");

	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = 0;
		fclose(f);
	}
	if (strstr(text, "tsc"))
		return true;
	printf("SKIP: %s: the kernel does not trust this machine's TSC\n", what);
	return false;
}

static inline bool sim_now(struct pvc_core *b, uint64_t *ns)
{
	uint64_t own;

	return pvc_source_now(b, ns, &own);
}

/* xorshift64*: the same everywhere, so that a printed seed is enough. */
static inline uint64_t sim_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/* 0 to limit - 1; the analyzer cannot see that a limit is never 0. */
static inline uint64_t sim_below(uint64_t *state, uint64_t limit)
{
	return limit ? sim_random(state) % limit : 0;
}

static inline uint64_t sim_seed(void)
{
	const char *text = getenv("PVCLOCK_SEED");
	uint64_t seed =
		text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) << 20 | (uint64_t)getpid();

	printf("PVCLOCK_SEED=%llu\n", (unsigned long long)seed);
	return seed ? seed : 1;
}

#endif /* PVC_TEST_SIM_H */
