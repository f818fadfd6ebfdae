// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim costs a process that it is loaded into: the time until the
 * program has started and ended, and memory that no other process shares.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define START_PAIRS 200
#define START_WARM 5
#define MEMORY_PAIRS 9
#define READER_CALLS 100000 /* past the first millisecond, and into a few re-anchorings */

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* One run of true; negative: it did not run. */
static double start_once(const char *shim)
{
	char *const argv[] = {(char *)"true", NULL};
	double start;

	if (!bench_child_preload(shim))
		return -1;
	start = now_us();
	return bench_child_run("true", argv) ? -1 : now_us() - start;
}

/* KiB that are this process's alone; negative: unknown. */
static double private_memory(pid_t pid, const char *file)
{
	char path[64], line[256];
	unsigned long kib;
	double sum = -1;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	maps = fopen(path, "re");
	if (!maps)
		return -1;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "Private_Clean: %lu", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			sum = (sum < 0 ? 0 : sum) + (double)kib;
	fclose(maps);
	return sum;
}

static double memory_of(const struct bench_child *child)
{
	double kib = private_memory(child->pid, "smaps_rollup");

	/* Linux before 4.14 leaves the adding to us. */
	return kib < 0 ? private_memory(child->pid, "smaps") : kib;
}

/* A program that waits for its input, past its start: it has echoed a byte. */
static bool start_waiting(struct bench_child *child, const char *shim)
{
	char *const argv[] = {(char *)"cat", NULL};
	char byte = '.';

	child->fd = -1;
	return bench_child_preload(shim) && !bench_child_start(child, "cat", argv) &&
	       bench_child_ask(child, &byte, 1, &byte, 1);
}

/* Takes a pair of measurements; false: could not. */
typedef bool take_pair(const char *shim, unsigned turn, double *without, double *with);

static bool take_start_up(const char *shim, unsigned turn, double *without, double *with)
{
	/* Who goes first changes, as the second finds warmer caches. */
	if (turn & 1)
		*with = start_once(shim);
	*without = start_once(NULL);
	if (!(turn & 1))
		*with = start_once(shim);
	return *without >= 0 && *with >= 0;
}

/* Both alive: what they have in common is nobody's alone. */
static bool memory_of_both(const struct bench_child *plain, const struct bench_child *shimmed,
                           double *without, double *with)
{
	*without = memory_of(plain);
	*with = memory_of(shimmed);
	return *without >= 0 && *with >= 0;
}

static bool take_idle(const char *shim, unsigned turn, double *without, double *with)
{
	struct bench_child plain, shimmed;
	bool taken;

	(void)turn;
	taken = start_waiting(&plain, NULL);
	taken = start_waiting(&shimmed, shim) && taken;
	taken = taken && memory_of_both(&plain, &shimmed, without, with);
	bench_child_end(&plain);
	bench_child_end(&shimmed);
	return taken;
}

/* A program that waits as well, but has read the time for some milliseconds. */
static bool start_reader(struct bench_child *child, const char *shim)
{
	char reason[BENCH_REASON];

	return bench_worker_start(child, shim, reason) &&
	       bench_worker_batch(child, bench_row("program_monotonic"), READER_CALLS) &&
	       bench_worker_batch(child, bench_row("program_realtime"), READER_CALLS);
}

static bool take_reader(const char *shim, unsigned turn, double *without, double *with)
{
	struct bench_child plain, shimmed;
	bool taken;

	(void)turn;
	taken = start_reader(&plain, NULL);
	taken = start_reader(&shimmed, shim) && taken;
	taken = taken && memory_of_both(&plain, &shimmed, without, with);
	bench_child_end(&plain);
	bench_child_end(&shimmed);
	return taken;
}

static bool take_pairs(struct bench_cost *cost, const char *shim, take_pair *take, unsigned pairs)
{
	double without[START_PAIRS], with[START_PAIRS], more[START_PAIRS];
	unsigned i;

	for (i = 0; i < pairs; i++) {
		if (!take(shim, i, &without[i], &with[i]))
			return false;
		more[i] = with[i] - without[i];
	}
	cost->without = bench_stats(without, pairs).median;
	cost->with = bench_stats(with, pairs).median;
	cost->more = bench_stats(more, pairs).median;
	return true;
}

static void take_cost(struct bench_cost *cost, const char *shim, take_pair *take, unsigned pairs,
                      const char *reason)
{
	if (!take_pairs(cost, shim, take, pairs))
		snprintf(cost->skipped, BENCH_REASON, "%s", reason);
}

void bench_costs_take(struct bench_cost cost[BENCH_COSTS], const char *shim)
{
	/* The first few fill the file cache and the dynamic linker's. */
	take_cost(&cost[BENCH_START_UP], shim, take_start_up, START_WARM, "'true' did not run");
	take_cost(&cost[BENCH_START_UP], shim, take_start_up, START_PAIRS, "'true' did not run");
	take_cost(&cost[BENCH_MEMORY_IDLE], shim, take_idle, MEMORY_PAIRS,
	          "'cat' did not run, or /proc is not readable");
	take_cost(&cost[BENCH_MEMORY_READER], shim, take_reader, MEMORY_PAIRS,
	          "the program did not run, or /proc is not readable");
}
