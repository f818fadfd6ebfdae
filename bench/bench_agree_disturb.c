// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What makes it harder to agree. A thread that is moved by another one is moved
 * wherever it happens to be: between its reading of the TSC and what belongs to
 * that. And on a CPU with something else to do it is preempted there.
 *
 * All are threads of this program: they end when it does, however it does.
 */
#include <errno.h>
#include <error.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bench_agree.h"
#include "bench_args.h"

/* About as long as 10000 readings take. */
#define MOVE_NS 1500000

struct agree_disturber {
	const struct agree_options *options;
	struct agree_reader *readers;
	const struct bench_cpus *cpus;
	_Atomic bool stop;
	uint64_t moves;
	pthread_t mover;
	pthread_t *spinner; /* one of each CPU */
};

struct spinner {
	struct agree_disturber *d;
	int cpu;
};

static bool move(struct agree_reader *reader, int cpu)
{
	bool moved = false;
	cpu_set_t *set = CPU_ALLOC(BENCH_CPUS);

	if (!set)
		return false;
	CPU_ZERO_S(CPU_ALLOC_SIZE(BENCH_CPUS), set);
	CPU_SET_S(cpu, CPU_ALLOC_SIZE(BENCH_CPUS), set);
	/* One that has ended has no name any more that it could be moved by. */
	pthread_mutex_lock(&reader->lock);
	if (reader->running)
		moved = !pthread_setaffinity_np(reader->thread, CPU_ALLOC_SIZE(BENCH_CPUS), set);
	pthread_mutex_unlock(&reader->lock);
	CPU_FREE(set);
	return moved;
}

/* Each to the next CPU, now and then two, so that they meet others than before. */
static void *move_about(void *data)
{
	struct agree_disturber *d = data;
	const struct timespec pause = {.tv_nsec = MOVE_NS};
	unsigned turn, i;

	for (turn = 1; !atomic_load(&d->stop); turn++) {
		nanosleep(&pause, NULL);
		for (i = 0; i < d->options->threads; i++) {
			unsigned to = (i + turn + (i ? turn / 8 : 0)) % d->cpus->count;

			d->moves += move(&d->readers[i], d->cpus->cpu[to]);
		}
	}
	return NULL;
}

static void *spin(void *data)
{
	struct spinner *s = data;
	struct agree_disturber *d = s->d;

	bench_place_pin(s->cpu);
	free(s);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed))
		_mm_pause();
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), void *data)
{
	int err = pthread_create(thread, NULL, run, data);

	if (err)
		error(ARGS_EXIT_FAILURE, err, "cannot start a thread");
}

static void *memory(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		error(ARGS_EXIT_FAILURE, ENOMEM, "cannot start a thread");
	return p;
}

struct agree_disturber *agree_disturb(const struct agree_options *options,
                                      struct agree_reader *readers, const struct bench_cpus *cpus)
{
	struct agree_disturber *d = memory(1, sizeof(*d));
	unsigned i;

	d->options = options;
	d->readers = readers;
	d->cpus = cpus;
	if (options->load)
		d->spinner = memory(cpus->count, sizeof(*d->spinner));
	for (i = 0; options->load && i < cpus->count; i++) {
		struct spinner *s = memory(1, sizeof(*s));

		*s = (struct spinner){d, cpus->cpu[i]};
		start(&d->spinner[i], spin, s);
	}
	if (options->migrate)
		start(&d->mover, move_about, d);
	return d;
}

uint64_t agree_disturb_end(struct agree_disturber *d)
{
	uint64_t moves;
	unsigned i;

	atomic_store(&d->stop, true);
	if (d->options->migrate)
		pthread_join(d->mover, NULL);
	for (i = 0; d->options->load && i < d->cpus->count; i++)
		pthread_join(d->spinner[i], NULL);
	moves = d->moves;
	free(d->spinner);
	free(d);
	return moves;
}
