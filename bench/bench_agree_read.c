// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One thread's readings.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_agree.h"

#define NSEC_PER_SEC 1000000000ll

typedef int kernel_clock(clockid_t id, struct timespec *ts);

struct worker {
	struct agree_reader *reader;
	struct agree_shared *shared;
	kernel_clock *kernel;
	unsigned until_interval;
	int64_t last[AGREE_CLOCKS];
	struct agree_distance distance[AGREE_CLOCKS];
	int64_t blind_until[AGREE_CLOCKS]; /* MONOTONIC; until then a setting may go unnoticed */
	bool blind[AGREE_CLOCKS];
	struct agree_reading block[AGREE_BLOCK];
};

static int by_syscall(clockid_t id, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, id, ts);
}

static inline int64_t ns_of(const struct timespec *ts)
{
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static int64_t kernel_ns(struct worker *w, clockid_t id)
{
	struct timespec ts = {0, 0};

	if (w->kernel(id, &ts))
		w->reader->err = errno;
	return ns_of(&ts);
}

static void raise_to(_Atomic int64_t *most, int64_t ns)
{
	int64_t old = atomic_load_explicit(most, memory_order_relaxed);

	while (old < ns && !atomic_compare_exchange_weak_explicit(
				   most, &old, ns, memory_order_release, memory_order_relaxed))
		;
}

/* What is on the board was read before this. Who sees ours sees the kernel's. */
static inline void look_at_board(struct agree_shared *shared, unsigned clock,
                                 struct agree_reading *r)
{
	r->board = atomic_load_explicit(&shared->board[clock].ours, memory_order_acquire);
	r->kernel = atomic_load_explicit(&shared->board[clock].kernel, memory_order_acquire);
}

/* Pairs with look_at_board; so ours comes last. */
static inline void publish(struct agree_shared *shared, unsigned clock,
                           const struct agree_reading *r)
{
	raise_to(&shared->board[clock].kernel, r->after);
	raise_to(&shared->board[clock].ours, r->ours);
}

static inline int ours(int handle, clockid_t id, struct timespec *ts)
{
	if (handle >= 0)
		return -pvclock_gettime_h(handle, id, ts);
	return pvclock_gettime(id, ts) ? errno : 0;
}

static inline int interval(int handle, clockid_t id, struct pvclock_interval *i)
{
	return handle >= 0 ? -pvclock_gettime_interval_h(handle, id, i)
	                   : -pvclock_gettime_interval(id, i);
}

/* False: a call has failed. */
static bool take(struct worker *w, unsigned clock, struct agree_reading *r)
{
	clockid_t id = agree_clocks[clock].id;
	bool steady = !agree_clocks[clock].settable;
	struct pvclock_interval i = {.size = sizeof(i)};
	struct timespec before, us, after;
	int err;

	r->board = r->kernel = AGREE_NOTHING;
	if (steady)
		look_at_board(w->shared, clock, r);
	err = w->kernel(id, &before) ? errno : 0;
	err |= ours(w->shared->handle, id, &us);
	err |= w->kernel(id, &after) ? errno : 0;
	r->before = ns_of(&before);
	r->ours = ns_of(&us);
	r->after = r->end = ns_of(&after);
	if (steady)
		publish(w->shared, clock, r);
	r->bounded = w->until_interval && !--w->until_interval;
	if (r->bounded) {
		w->until_interval = w->shared->options->interval;
		/* The reading above began, and ended, before the interval's call. */
		err |= interval(w->shared->handle, id, &i);
		r->end = kernel_ns(w, id);
		r->earliest = ns_of(&i.earliest);
		r->latest = ns_of(&i.latest);
		r->certainty = i.certainty;
	}
	if (err)
		w->reader->err = err;
	return !w->reader->err;
}

/* Has somebody set the clock since this was last asked? */
static bool was_set(struct worker *w, unsigned clock)
{
	int64_t before, ns, after;

	if (!agree_clocks[clock].settable)
		return false;
	before = kernel_ns(w, CLOCK_MONOTONIC);
	ns = kernel_ns(w, agree_clocks[clock].id);
	after = kernel_ns(w, CLOCK_MONOTONIC);
	w->blind[clock] = after < w->blind_until[clock];
	if (!agree_distance_moved(&w->distance[clock], before, ns, after))
		return false;
	w->reader->tally[clock].set++;
	w->blind_until[clock] = after + (int64_t)w->shared->blind_ns;
	w->blind[clock] = w->shared->blind_ns > 0;
	w->last[clock] = AGREE_NOTHING;
	return true;
}

static bool read_block(struct worker *w, unsigned clock, unsigned count)
{
	struct agree_tally *tally = &w->reader->tally[clock];
	bool out;
	unsigned i;

	was_set(w, clock);
	out = w->blind[clock];
	for (i = 0; i < count; i++)
		if (!take(w, clock, &w->block[i]))
			return false;
	out |= was_set(w, clock);
	/* Set, and set back within the block. */
	out |= agree_clocks[clock].settable && agree_kernel_back(w->block, count);
	if (out) {
		w->last[clock] = AGREE_NOTHING;
		tally->left_out += count;
	} else {
		agree_judge(w->block, count, &w->last[clock], tally);
	}
	return !w->reader->err;
}

static void read_all(struct worker *w)
{
	const struct agree_options *options = w->shared->options;
	int64_t end = kernel_ns(w, CLOCK_MONOTONIC) + options->seconds * NSEC_PER_SEC;
	unsigned clock, count = AGREE_BLOCK, done = 0;

	for (;;) {
		if (!options->seconds && options->count - done < count)
			count = options->count - done;
		for (clock = 0; clock < AGREE_CLOCKS; clock++)
			if (options->clocks >> clock & 1 && !read_block(w, clock, count))
				return;
		done += count;
		if (options->seconds ? kernel_ns(w, CLOCK_MONOTONIC) >= end
		                     : done == options->count)
			return;
	}
}

/* After the thread was pinned: memory that is touched first here is near. */
static struct worker *worker_new(struct agree_reader *reader)
{
	struct worker *w = calloc(1, sizeof(*w));
	unsigned i;

	reader->tally = calloc(AGREE_CLOCKS, sizeof(*reader->tally));
	if (!w || !reader->tally) {
		free(w);
		return NULL;
	}
	w->reader = reader;
	w->shared = reader->shared;
	w->kernel = w->shared->options->syscall ? by_syscall : clock_gettime;
	w->until_interval = w->shared->options->interval;
	for (i = 0; i < AGREE_CLOCKS; i++)
		w->last[i] = AGREE_NOTHING;
	return w;
}

void *agree_read(void *data)
{
	struct agree_reader *reader = data;
	struct worker *w = NULL;

	reader->err = bench_place_pin(reader->cpu);
	if (!reader->err) {
		w = worker_new(reader);
		reader->err = w ? 0 : ENOMEM;
	}
	pthread_barrier_wait(&reader->shared->start);
	if (w)
		read_all(w);
	free(w);
	pthread_mutex_lock(&reader->lock);
	reader->running = false;
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}
