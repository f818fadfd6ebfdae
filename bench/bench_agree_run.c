// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The run: the reader, the threads, and what they have counted, together.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_agree.h"
#include "bench_args.h"

static struct pvclock_status status_of(int handle)
{
	struct pvclock_status status = {.size = sizeof(status)};
	int err = handle < 0 ? pvclock_status(&status) : pvclock_status_h(handle, &status);

	if (err)
		error(ARGS_EXIT_FAILURE, -err, "cannot learn the reader's status");
	return status;
}

/* Negative: the default one. */
static int open_reader(const struct agree_options *options)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = (uint32_t)options->mode};
	struct pvclock_status status;
	int handle;

	if (options->mode < 0)
		return -1;
	handle = pvclock_open(&o);
	if (handle < 0)
		error(ARGS_EXIT_FAILURE, -handle, "cannot open a reader");
	status = status_of(handle);
	/* The kernel would agree with itself. */
	if (o.mode != PVCLOCK_MODE_AUTO && status.mode != o.mode)
		error(ARGS_EXIT_FAILURE, 0, "mode %s cannot be had here: %s",
		      bench_mode_name(o.mode), status.reason);
	return handle;
}

/*
 * For how long a setting of a clock may go unnoticed: not at all where lines are
 * made from the kernel's parameters. Learned from another reader of the kind, as
 * the first readings of this one are to be judged, too.
 */
static uint64_t find_blind_ns(const struct agree_options *options)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = (uint32_t)options->mode};
	int handle = pvclock_open(options->mode < 0 ? NULL : &o);
	struct pvclock_status status;
	struct timespec ts;

	if (handle < 0)
		error(ARGS_EXIT_FAILURE, -handle, "cannot open a reader");
	pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts);
	status = status_of(handle);
	pvclock_close(handle);
	return status.exact ? 0 : 2000ull * status.resync_us;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static struct agree_reader *start_readers(struct agree_shared *shared,
                                          const struct bench_cpus *cpus)
{
	unsigned i, threads = shared->options->threads;
	struct agree_reader *readers = calloc(threads, sizeof(*readers));
	int err = readers ? 0 : ENOMEM;

	for (i = 0; !err && i < threads; i++) {
		readers[i].shared = shared;
		readers[i].cpu = cpus->cpu[i % cpus->count];
		readers[i].running = true;
		err = pthread_mutex_init(&readers[i].lock, NULL);
		if (!err)
			err = pthread_create(&readers[i].thread, NULL, agree_read, &readers[i]);
	}
	if (err)
		error(ARGS_EXIT_FAILURE, err, "cannot start %u threads", threads);
	return readers;
}

static void gather(struct agree_result *result, struct agree_reader *reader)
{
	unsigned i;

	if (reader->err)
		error(ARGS_EXIT_FAILURE, reader->err, "a clock cannot be read on CPU %d",
		      reader->cpu);
	for (i = 0; i < AGREE_CLOCKS; i++)
		agree_merge(&result->tally[i], &reader->tally[i]);
	free(reader->tally);
	pthread_mutex_destroy(&reader->lock);
}

static struct agree_shared *shared_new(const struct agree_options *options)
{
	struct agree_shared *shared = aligned_alloc(64, sizeof(*shared));
	unsigned i;

	if (!shared)
		error(ARGS_EXIT_FAILURE, ENOMEM, "cannot start");
	memset(shared, 0, sizeof(*shared));
	shared->options = options;
	shared->handle = open_reader(options);
	shared->blind_ns = find_blind_ns(options);
	for (i = 0; i < AGREE_CLOCKS; i++) {
		atomic_store(&shared->board[i].ours, AGREE_NOTHING);
		atomic_store(&shared->board[i].kernel, AGREE_NOTHING);
	}
	/* And the main thread, once all is as it shall be. */
	pthread_barrier_init(&shared->start, NULL, options->threads + 1);
	return shared;
}

static void count(struct agree_result *result)
{
	struct agree_shared *shared = shared_new(&result->options);
	struct agree_disturber *disturber;
	struct agree_reader *readers;
	double start;
	unsigned i;

	result->before = status_of(shared->handle);
	readers = start_readers(shared, &result->cpus);
	disturber = agree_disturb(&result->options, readers, &result->cpus);
	pthread_barrier_wait(&shared->start);
	start = now();
	for (i = 0; i < result->options.threads; i++)
		pthread_join(readers[i].thread, NULL);
	result->seconds = now() - start;
	result->moves = agree_disturb_end(disturber);
	for (i = 0; i < result->options.threads; i++)
		gather(result, &readers[i]);
	result->env.status = status_of(shared->handle);
	if (shared->handle >= 0)
		pvclock_close(shared->handle);
	pthread_barrier_destroy(&shared->start);
	free(readers);
	free(shared);
}

void agree_run(struct agree_result *result)
{
	result->tally = calloc(AGREE_CLOCKS, sizeof(*result->tally));
	if (!result->tally)
		error(ARGS_EXIT_FAILURE, ENOMEM, "cannot start");
	bench_cpus_allowed(&result->cpus);
	bench_env_read(&result->env);
	count(result);
}

uint64_t agree_failures(const struct agree_result *result, unsigned clock)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < AGREE_COUNTS; i++)
		if (result->options.only >> i & 1)
			sum += result->tally[clock].count[i];
	return sum;
}

uint64_t agree_violated(const struct agree_result *result)
{
	unsigned i;

	for (i = 0; i < AGREE_CLOCKS; i++)
		if (result->tally[i].set)
			return 0;
	if (!(result->options.only >> AGREE_BOUNDS & 1))
		return 0;
	return result->env.status.violated - result->before.violated;
}

bool agree_failed(const struct agree_result *result)
{
	uint64_t sum = agree_violated(result);
	unsigned i;

	for (i = 0; i < AGREE_CLOCKS; i++)
		sum += agree_failures(result, i);
	return sum > 0;
}

void agree_result_free(struct agree_result *result)
{
	free(result->tally);
	result->tally = NULL;
}
