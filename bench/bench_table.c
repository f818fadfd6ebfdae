// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table, for people.
 */
#include <stdio.h>

#include "bench.h"
#include "bench_args.h"

static void print_env(const struct bench_result *r)
{
	const struct bench_env *env = &r->env;
	char other[32] = "", node[32] = "";

	if (r->place.other >= 0)
		snprintf(other, sizeof(other), ", contended from %d", r->place.other);
	if (r->place.node >= 0)
		snprintf(node, sizeof(node), ", memory on node %d", r->place.node);
	printf("pvclock      %s, mode %s: %s\n", ARGS_VERSION, bench_mode_name(env->status.mode),
	       env->status.reason);
	if (env->status.page)
		printf("page         %u entries, STABLE %s\n", env->status.entries,
		       env->status.flags & PVCLOCK_TSC_STABLE_BIT ? "set" : "clear");
	else
		printf("page         none\n");
	printf("kernel       Linux %s, clocksource %s, hypervisor %s\n", env->kernel,
	       env->clocksource, env->hypervisor);
	printf("CPU          %s, %ld online, allowed %s\n", env->model, env->cpus,
	       r->place.allowed);
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

static void print_cost(const char *name, const struct bench_cost *cost)
{
	if (*cost->skipped)
		printf("%-42s  skipped: %s\n", name, cost->skipped);
	else
		printf("%-42s %8.1f %8.1f %8.1f\n", name, cost->without, cost->with, cost->more);
}

void bench_print_table(const struct bench_result *r)
{
	print_env(r);
	print_rows();
	print_comparison("shim / the same program without, MONOTONIC", "shim_monotonic",
	                 "program_monotonic");
	print_comparison("shim / the same program without, REALTIME", "shim_realtime",
	                 "program_realtime");
	print_comparison("system call / pvclock per-CPU+clamp, 1 thread", "syscall_monotonic",
	                 "percpu_monotonic");
	print_comparison("system call / pvclock_now, per-CPU+clamp", "syscall_monotonic",
	                 "percpu_now");
	printf("\n%-42s %8s %8s %8s\n", "cost of the shim", "without", "with", "more");
	print_cost("start and end of 'true', us", &r->cost[BENCH_START_UP]);
	print_cost("private memory of an idle program, KiB", &r->cost[BENCH_MEMORY_IDLE]);
	print_cost("private memory of a clock reader, KiB", &r->cost[BENCH_MEMORY_READER]);
}
