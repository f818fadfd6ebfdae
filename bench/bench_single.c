// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls one by one. A batch gives what calls cost on the average; what the dearest
 * of ten thousand costs, or the first one after a while, it hides.
 */
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench_args.h"
#include "bench_hist.h"

#define SINGLE_CALLS 16000000
#define STRETCH 400000
#define RARE_WAKES 120
#define RARE_PAUSE_NS 10000000
#define WARM_CALLS 10000

/* One more than there are readers: the timing of nothing. */
enum { EMPTY = BENCH_SINGLES, TIMED };

typedef uint64_t timed(void);

#define TIMED_CALL(name, call)                                                                     \
	__attribute__((noinline)) static uint64_t name(void)                                       \
	{                                                                                          \
		struct timespec ts;                                                                \
		unsigned aux;                                                                      \
		uint64_t start = __rdtscp(&aux);                                                   \
                                                                                                   \
		call;                                                                              \
		__asm__ volatile("" : : "r"(&ts) : "memory");                                      \
		return __rdtscp(&aux) - start;                                                     \
	}

TIMED_CALL(time_kernel, clock_gettime(CLOCK_MONOTONIC, &ts))
TIMED_CALL(time_ours, pvclock_gettime(CLOCK_MONOTONIC, &ts))
TIMED_CALL(time_nothing, (void)0)

static timed *const ways[TIMED] = {
	[BENCH_SINGLE_KERNEL] = time_kernel,
	[BENCH_SINGLE_OURS] = time_ours,
	[EMPTY] = time_nothing,
};

/* Ticks, by way. */
static struct bench_hist *hist_new(void)
{
	struct bench_hist *hist = calloc(TIMED, sizeof(*hist));

	if (!hist)
		error(ARGS_EXIT_FAILURE, 0, "no memory for the samples");
	return hist;
}

static struct bench_single numbers(const struct bench_hist *hist, const struct bench_hist *empty)
{
	double nothing = bench_hist_at(empty, 0.5);

	return (struct bench_single){
		.median = bench_hist_at(hist, 0.5) - nothing,
		.p99 = bench_hist_at(hist, 0.99) - nothing,
		.p99_9 = bench_hist_at(hist, 0.999) - nothing,
		.p99_99 = bench_hist_at(hist, 0.9999) - nothing,
	};
}

/*
 * In turns. Call after call, of some ticks of the kernel each: what a clock has to do once
 * in a tick is shared by the calls that a program makes in one. One call of each in turn
 * would have it shared by a fourth of them.
 */
static const uint8_t often[] = {EMPTY, BENCH_SINGLE_KERNEL, BENCH_SINGLE_OURS,
                                EMPTY, BENCH_SINGLE_OURS,   BENCH_SINGLE_KERNEL};
static const uint8_t rarely[] = {BENCH_SINGLE_KERNEL, BENCH_SINGLE_OURS,   EMPTY,
                                 BENCH_SINGLE_OURS,   BENCH_SINGLE_KERNEL, EMPTY};

static void call_often(struct bench_hist *hist, unsigned count)
{
	unsigned i, k, turns = (count + 2 * STRETCH - 1) / (2 * STRETCH);

	for (k = 0; k < turns * sizeof(often); k++) {
		unsigned way = often[k % sizeof(often)];

		for (i = 0; i < STRETCH; i++)
			bench_hist_add(&hist[way], (int64_t)ways[way]());
	}
}

static void call_rarely(struct bench_hist *hist, unsigned count)
{
	const struct timespec pause = {.tv_nsec = RARE_PAUSE_NS};
	unsigned i;

	for (i = 0; i < count * TIMED; i++) {
		unsigned way = rarely[i % sizeof(rarely)];

		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		bench_hist_add(&hist[way], (int64_t)ways[way]());
	}
}

static void take(struct bench_single out[BENCH_SINGLES],
                 void (*call)(struct bench_hist *hist, unsigned count), unsigned count)
{
	struct bench_hist *hist = hist_new();
	int i;

	call(hist, count);
	for (i = 0; i < BENCH_SINGLES; i++)
		out[i] = numbers(&hist[i], &hist[EMPTY]);
	free(hist);
}

static void check_mode(struct bench_singles *singles)
{
	struct pvclock_status status = {.size = sizeof(status)};
	int err = pvclock_status(&status);

	if (err)
		snprintf(singles->skipped, BENCH_REASON, "no status: %s", strerror(-err));
	else if (status.mode != PVCLOCK_MODE_STABLE)
		snprintf(singles->skipped, BENCH_REASON, "mode is %s: %s",
		         bench_mode_name(status.mode), status.reason);
}

void bench_singles_take(struct bench_singles *singles)
{
	struct bench_single warm[BENCH_SINGLES];

	take(warm, call_often, WARM_CALLS);
	singles->calls = SINGLE_CALLS;
	take(singles->single, call_often, SINGLE_CALLS);
	singles->wakes = RARE_WAKES;
	take(singles->rare, call_rarely, RARE_WAKES);
	check_mode(singles);
}

static void to_ns(struct bench_single *s, double tsc_mhz)
{
	s->median *= 1e3 / tsc_mhz;
	s->p99 *= 1e3 / tsc_mhz;
	s->p99_9 *= 1e3 / tsc_mhz;
	s->p99_99 *= 1e3 / tsc_mhz;
}

void bench_singles_finish(struct bench_singles *singles, double tsc_mhz)
{
	int i;

	for (i = 0; i < BENCH_SINGLES; i++) {
		to_ns(&singles->single[i], tsc_mhz);
		to_ns(&singles->rare[i], tsc_mhz);
	}
}
