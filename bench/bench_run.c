// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The run: rounds of one batch of each row, and the TSC's rate measured against
 * the kernel's raw clock from the first round to the last.
 */
#include <cpuid.h>
#include <errno.h>
#include <error.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "bench_args.h"

/*
 * Until a page's rate is proved, calls are forwarded to the kernel: a
 * millisecond for each clock of each reader. Caches and branch predictors
 * are warm long before.
 */
#define WARM_SECONDS 0.05
#define WARM_ROUNDS 10
#define ANCHOR_TRIES 32

struct run {
	const struct bench_options *options;
	int handle[BENCH_READERS];
	struct bench_contender *contender;
	struct bench_child worker[BENCH_WHERES];
};

struct anchor {
	uint64_t tsc;
	double seconds;
};

/* The raw clock and the TSC at one instant: the narrowest of some brackets. */
static struct anchor take_anchor(void)
{
	struct anchor anchor = {0, 0};
	uint64_t narrowest = UINT64_MAX;
	int i;

	for (i = 0; i < ANCHOR_TRIES; i++) {
		struct timespec raw;
		uint64_t before = bench_ticks(), width;

		clock_gettime(CLOCK_MONOTONIC_RAW, &raw);
		width = bench_ticks() - before;
		if (width >= narrowest)
			continue;
		narrowest = width;
		anchor.tsc = before + width / 2;
		anchor.seconds = (double)raw.tv_sec + (double)raw.tv_nsec * 1e-9;
	}
	return anchor;
}

static void skip_where(enum bench_where where, const char *reason)
{
	size_t i;

	for (i = 0; i < bench_row_count; i++)
		if (bench_rows[i].where == where)
			bench_row_skip(&bench_rows[i], reason);
}

static void check_rdtscp(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(d & 1u << 27))
		bench_row_skip(bench_row("rdtscp"), "this CPU does not have it");
}

static void start_contender(struct run *run, const struct bench_place *place)
{
	char reason[BENCH_REASON];
	size_t i;

	run->contender = bench_contender_new(place, reason);
	for (i = 0; !run->contender && i < bench_row_count; i++)
		if (bench_rows[i].contended)
			bench_row_skip(&bench_rows[i], reason);
}

/*
 * Whatever needs other programs. The costs come while nobody has the shim yet:
 * with a second process under it, its text would be shared and look like less.
 */
static void start_programs(struct run *run, struct bench_cost cost[BENCH_COSTS])
{
	struct bench_child *program = &run->worker[BENCH_PROGRAM];
	struct bench_child *shimmed = &run->worker[BENCH_SHIMMED];
	char shim[PATH_MAX], reason[BENCH_REASON];
	int i;

	if (!bench_worker_start(program, NULL, reason))
		skip_where(BENCH_PROGRAM, reason);
	if (bench_find_shim(run->options->shim, shim, reason) &&
	    bench_worker_start(shimmed, shim, reason)) {
		bench_child_end(shimmed);
		bench_costs_take(cost, shim);
		if (bench_worker_start(shimmed, shim, reason))
			return;
	}
	skip_where(BENCH_SHIMMED, reason);
	for (i = 0; i < BENCH_COSTS; i++)
		snprintf(cost[i].skipped, BENCH_REASON, "%s", reason);
}

static uint64_t measure(struct run *run, const struct bench_row *row)
{
	unsigned calls = run->options->batch;
	int handle = run->handle[row->reader];

	if (row->where != BENCH_HERE)
		return bench_worker_batch(&run->worker[row->where], row, calls);
	if (row->contended)
		return bench_contended_batch(run->contender, row->loop, calls, handle);
	return bench_batch(row->loop, calls, handle);
}

static void run_round(struct run *run, bool keep)
{
	size_t i;

	for (i = 0; i < bench_row_count; i++) {
		struct bench_row *row = &bench_rows[i];
		uint64_t ticks;

		if (*row->skipped)
			continue;
		ticks = measure(run, row);
		if (!ticks) {
			/* An answer that comes late would be taken for the next one. */
			bench_child_end(&run->worker[row->where]);
			bench_row_skip(row, "the program stopped answering");
		} else if (keep) {
			row->samples[row->taken++] = (double)ticks / run->options->batch;
		}
	}
}

static void run_rounds(struct run *run, struct bench_result *result)
{
	struct anchor first = take_anchor(), last;
	unsigned i;

	for (i = 0; i < WARM_ROUNDS || take_anchor().seconds - first.seconds < WARM_SECONDS; i++)
		run_round(run, false);
	first = take_anchor();
	for (i = 0; i < run->options->rounds; i++)
		run_round(run, true);
	last = take_anchor();
	result->seconds = last.seconds - first.seconds;
	result->tsc_mhz = (double)(last.tsc - first.tsc) / result->seconds * 1e-6;
}

static void finish_row(struct bench_row *row, double tsc_mhz)
{
	size_t i;

	for (i = 0; i < row->taken; i++)
		row->samples[i] *= 1e3 / tsc_mhz;
	row->ns = bench_stats(row->samples, row->taken);
}

void bench_run(struct bench_result *result)
{
	size_t i, each = result->options.rounds * sizeof(double), all = bench_row_count * each;
	double *samples = bench_place_alloc(&result->place, all);
	struct run run = {.options = &result->options, .worker = {{0, -1}, {0, -1}, {0, -1}}};

	for (i = 0; i < bench_row_count; i++)
		bench_rows[i].samples = samples + i * result->options.rounds;
	check_rdtscp();
	bench_readers_open(run.handle);
	bench_readers_check(run.handle);
	start_contender(&run, &result->place);
	start_programs(&run, result->cost);
	run_rounds(&run, result);
	bench_singles_take(&result->singles);
	/* A mode that changed meanwhile would be in the wrong rows. */
	bench_readers_check(run.handle);
	bench_singles_finish(&result->singles, result->tsc_mhz);
	bench_env_read(&result->env);
	bench_child_end(&run.worker[BENCH_PROGRAM]);
	bench_child_end(&run.worker[BENCH_SHIMMED]);
	if (run.contender)
		bench_contender_free(&result->place, run.contender);
	bench_readers_close(run.handle);
	for (i = 0; i < bench_row_count; i++)
		finish_row(&bench_rows[i], result->tsc_mhz);
	bench_place_free(&result->place, samples, all);
}
