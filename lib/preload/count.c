// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls are counted in static memory that is not touched unless somebody wants to know,
 * and tables are of characters and not of pointers, which the dynamic linker would have
 * to write to: what is not wanted costs nothing.
 */
#include "count.h"

/* Threads add in different places, most of them: sharing one costs tens of ns. */
#define STRIPES 16
#define STRIPE_SHIFT 60 /* of 64 bits, those of a stripe's number are left */

struct stripe {
	_Atomic uint64_t calls[PVC_CALLS];
} __attribute__((aligned(PVC_CACHE_LINE)));

static struct stripe stripes[STRIPES];

/* What does not count: of the parent, of our own start. */
static struct {
	struct pvc_counters counters;
	uint64_t events;
} before;

void pvc_report_call(enum pvc_call call)
{
	/* Where its stack is tells threads apart, and costs nothing to know. */
	uint64_t stack = (uintptr_t)__builtin_frame_address(0) >> 16;

	pvc_count(&stripes[stack * 0x9e3779b97f4a7c15ull >> STRIPE_SHIFT].calls[call]);
}

void pvc_report_count(clockid_t id)
{
	pvc_report_call((unsigned)id < PVC_CALL_OTHER ? (enum pvc_call)id : PVC_CALL_OTHER);
}

uint64_t pvc_calls_of(enum pvc_call call)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < STRIPES; i++)
		sum += atomic_load_explicit(&stripes[i].calls[call], memory_order_relaxed);
	return sum;
}

static _Atomic uint64_t *counter(struct pvc_counters *c, unsigned number)
{
	return (_Atomic uint64_t *)c + number;
}

static uint64_t word(struct pvc_counters *c, unsigned number)
{
	return atomic_load_explicit(counter(c, number), memory_order_relaxed);
}

void pvc_count_begin(struct pvc_core *b)
{
	unsigned i, call;

	for (i = 0; i < STRIPES; i++)
		for (call = 0; call < PVC_CALLS; call++)
			atomic_store_explicit(&stripes[i].calls[call], 0, memory_order_relaxed);
	for (i = 0; i < PVC_COUNTERS; i++)
		atomic_store_explicit(counter(&before.counters, i), word(&b->count_of, i),
		                      memory_order_relaxed);
	before.events = atomic_load(&b->events);
}

static const char call_name[PVC_CALLS][26] = {
	[CLOCK_REALTIME] = "CLOCK_REALTIME",
	[CLOCK_MONOTONIC] = "CLOCK_MONOTONIC",
	[CLOCK_PROCESS_CPUTIME_ID] = "CLOCK_PROCESS_CPUTIME_ID",
	[CLOCK_THREAD_CPUTIME_ID] = "CLOCK_THREAD_CPUTIME_ID",
	[CLOCK_MONOTONIC_RAW] = "CLOCK_MONOTONIC_RAW",
	[CLOCK_REALTIME_COARSE] = "CLOCK_REALTIME_COARSE",
	[CLOCK_MONOTONIC_COARSE] = "CLOCK_MONOTONIC_COARSE",
	[CLOCK_BOOTTIME] = "CLOCK_BOOTTIME",
	[CLOCK_REALTIME_ALARM] = "CLOCK_REALTIME_ALARM",
	[CLOCK_BOOTTIME_ALARM] = "CLOCK_BOOTTIME_ALARM",
	[10] = "CLOCK_SGI_CYCLE", /* which Linux had once */
	[CLOCK_TAI] = "CLOCK_TAI",
	[PVC_CALL_OTHER] = "other",
	[PVC_CALL_GETTIMEOFDAY] = "gettimeofday",
	[PVC_CALL_TIME] = "time",
	[PVC_CALL_GETRES] = "clock_getres",
	[PVC_CALL_SETTING] = "setting",
};

#define NAME(name) [PVC_COUNTER(name)] = #name

static const char counter_name[PVC_COUNTERS][20] = {
	NAME(kernel_reads),  NAME(anchors),       NAME(lost_races),     NAME(fallbacks),
	NAME(version_moves), NAME(param_changes), NAME(unstable_edges), NAME(stable_edges),
	NAME(stopped),       NAME(restarts),      NAME(steps),          NAME(outside),
	NAME(violated),      NAME(went_back),     NAME(busy),           NAME(given_up),
	NAME(taken_back),
};

const char *pvc_call_name(enum pvc_call call)
{
	return call_name[call];
}

const char *pvc_counter_name(unsigned number)
{
	return counter_name[number];
}

uint64_t pvc_counter_of(struct pvc_core *b, unsigned number)
{
	return word(&b->count_of, number) - word(&before.counters, number);
}

uint64_t pvc_events_of(struct pvc_core *b)
{
	return atomic_load(&b->events) - before.events;
}
