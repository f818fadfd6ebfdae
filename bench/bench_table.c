// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table, for people.
 */
#include <stdio.h>

#include "bench.h"
#include "bench_args.h"

void bench_print_env(const struct bench_env *env, const char *allowed)
{
	const struct pvclock_status *s = &env->status;

	printf("pvclock      %s, mode %s: %s\n", ARGS_VERSION, bench_mode_name(s->mode), s->reason);
	if (s->page)
		printf("page         %u entries, STABLE %s\n", s->entries,
		       s->flags & PVCLOCK_TSC_STABLE_BIT ? "set" : "clear");
	else
		printf("page         none\n");
	printf("exact        %s\n", s->exact ? "yes: clocks are made from the kernel's parameters"
	                                     : "no: clocks are made from samples");
	printf("kernel       Linux %s, clocksource %s, hypervisor %s\n", env->kernel,
	       env->clocksource, env->hypervisor);
	printf("CPU          %s, %ld online, allowed %s\n", env->model, env->cpus, allowed);
}

static void print_method(const struct bench_result *r)
{
	char other[32] = "", node[32] = "";

	if (r->place.other >= 0)
		snprintf(other, sizeof(other), ", contended from %d", r->place.other);
	if (r->place.node >= 0)
		snprintf(node, sizeof(node), ", memory on node %d", r->place.node);
	printf("placement    measured on %d%s%s\n", r->place.cpu, other, node);
	printf("method       %u rounds of %u calls of each row, in %.1f s; TSC at %.3f MHz\n\n",
	       r->options.rounds, r->options.batch, r->seconds, r->tsc_mhz);
}

static void print_ratio(double ns, double of)
{
	if (of > 0)
		printf(" %8.3f", ns / of);
	else
		printf(" %8s", "-");
}

static void print_rows(void)
{
	double vdso = bench_row("vdso_monotonic")->ns.median, floor = bench_floor();
	size_t i;

	printf("%-42s %8s %8s %8s %8s %8s\n", "ns per call", "min", "median", "p99", "x vDSO",
	       "x floor");
	for (i = 0; i < bench_row_count; i++) {
		const struct bench_row *row = &bench_rows[i];

		if (*row->skipped) {
			printf("%-42s  skipped: %s\n", row->name, row->skipped);
			continue;
		}
		printf("%-42s %8.2f %8.2f %8.2f", row->name, row->ns.min, row->ns.median,
		       row->ns.p99);
		print_ratio(row->ns.median, vdso);
		print_ratio(row->ns.median, floor);
		putchar('\n');
	}
	printf("\nfloor: %.2f ns, the lower median of 'lfence; rdtsc' and 'rdtscp'\n", floor);
}

static void print_comparison(const char *text, const char *key, const char *of)
{
	const struct bench_row *a = bench_row(key), *b = bench_row(of);

	if (!*a->skipped && !*b->skipped)
		printf("%s: %.3f\n", text, a->ns.median / b->ns.median);
}

static void print_difference(const char *text, const char *key, const char *of)
{
	const struct bench_row *a = bench_row(key), *b = bench_row(of);

	if (!*a->skipped && !*b->skipped)
		printf("%s: %+.2f ns\n", text, a->ns.median - b->ns.median);
}

/* The last two are of many calls only. */
static void print_single(const char *name, const struct bench_single *s, bool many)
{
	printf("%-42s %8.1f %8.1f", name, s->median, s->p99);
	if (many)
		printf(" %8.1f %8.1f\n", s->p99_9, s->p99_99);
	else
		printf(" %8s %8s\n", "-", "-");
}

static void print_singles(const struct bench_singles *s)
{
	const struct bench_single *kernel = &s->single[BENCH_SINGLE_KERNEL];
	const struct bench_single *ours = &s->single[BENCH_SINGLE_OURS];

	printf("\n%-42s %8s %8s %8s %8s\n", "ns of a single call, MONOTONIC", "median", "p99",
	       "p99.9", "p99.99");
	print_single("kernel vDSO, call after call", kernel, true);
	if (!*s->skipped)
		print_single("pvclock stable, call after call", ours, true);
	print_single("kernel vDSO, every 10 ms", &s->rare[BENCH_SINGLE_KERNEL], false);
	if (*s->skipped) {
		printf("%-42s  skipped: %s\n", "pvclock stable", s->skipped);
		return;
	}
	print_single("pvclock stable, every 10 ms", &s->rare[BENCH_SINGLE_OURS], false);
	printf("\npvclock stable / kernel vDSO, p99.99 of single calls: %.3f\n",
	       ours->p99_99 / kernel->p99_99);
	printf("pvclock stable - kernel vDSO, median every 10 ms: %+.1f ns\n",
	       s->rare[BENCH_SINGLE_OURS].median - s->rare[BENCH_SINGLE_KERNEL].median);
}

static void print_cost(const char *name, const struct bench_cost *cost)
{
	if (*cost->skipped)
		printf("%-42s  skipped: %s\n", name, cost->skipped);
	else
		printf("%-42s %8.1f %8.1f %8.1f\n", name, cost->without, cost->with, cost->more);
}

void bench_print_table(const struct bench_result *r)
{
	bench_print_env(&r->env, r->place.allowed.text);
	print_method(r);
	print_rows();
	print_comparison("shim / the same program without, MONOTONIC", "shim_monotonic",
	                 "program_monotonic");
	print_comparison("shim / the same program without, REALTIME", "shim_realtime",
	                 "program_realtime");
	print_difference("shim - the same program without, MONOTONIC_COARSE", "shim_coarse",
	                 "program_coarse");
	print_difference("shim - the same program without, PROCESS_CPUTIME_ID", "shim_cpu",
	                 "program_cpu");
	print_difference("shim - the same program without, time()", "shim_time", "program_time");
	print_comparison("system call / pvclock per-CPU+clamp, 1 thread", "syscall_monotonic",
	                 "percpu_monotonic");
	print_comparison("system call / pvclock_now, per-CPU+clamp", "syscall_monotonic",
	                 "percpu_now");
	print_comparison("pvclock per-CPU+clamp / plain clamp, 2 threads", "percpu_monotonic_2",
	                 "plain_clamp_2");
	print_comparison("pvclock per-CPU, scope thread, 2 threads / 1",
	                 "percpu_thread_monotonic_2", "percpu_thread_monotonic");
	print_singles(&r->singles);
	printf("\n%-42s %8s %8s %8s\n", "cost of the shim", "without", "with", "more");
	print_cost("start and end of 'true', us", &r->cost[BENCH_START_UP]);
	print_cost("private memory of an idle program, KiB", &r->cost[BENCH_MEMORY_IDLE]);
	print_cost("private memory of a clock reader, KiB", &r->cost[BENCH_MEMORY_READER]);
}
