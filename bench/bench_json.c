// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The same as one JSON object, for programs.
 */
#include <jansson.h>
#include <stdio.h>

#include "bench.h"
#include "bench_args.h"

/* 64 significant bits would be printed as noise; no clock is that good. */
#define PRECISION 7

static json_t *ratio(double ns, double of)
{
	return of > 0 ? json_real(ns / of) : json_null();
}

static json_t *index_or_null(int index)
{
	return index < 0 ? json_null() : json_integer(index);
}

static json_t *environment(const struct bench_result *r)
{
	const struct bench_env *env = &r->env;
	const struct pvclock_status *s = &env->status;

	return json_pack("{s:s, s:s, s:s, s:b, s:i, s:s, s:s, s:s, s:s, s:I, s:s}", "pvclock",
	                 ARGS_VERSION, "mode", bench_mode_name(s->mode), "reason", s->reason,
	                 "stable", (int)(s->flags & PVCLOCK_TSC_STABLE_BIT), "entries",
	                 (int)s->entries, "kernel", env->kernel, "clocksource", env->clocksource,
	                 "hypervisor", env->hypervisor, "cpu_model", env->model, "cpus_online",
	                 (json_int_t)env->cpus, "cpus_allowed", r->place.allowed);
}

static json_t *method(const struct bench_result *r)
{
	return json_pack("{s:I, s:I, s:f, s:f, s:i, s:o, s:o}", "rounds",
	                 (json_int_t)r->options.rounds, "batch", (json_int_t)r->options.batch,
	                 "seconds", r->seconds, "tsc_mhz", r->tsc_mhz, "cpu", r->place.cpu,
	                 "contending_cpu", index_or_null(r->place.other), "node",
	                 index_or_null(r->place.node));
}

static json_t *rows(void)
{
	double vdso = bench_row("vdso_monotonic")->ns.median, floor = bench_floor();
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < bench_row_count; i++) {
		const struct bench_row *row = &bench_rows[i];
		json_t *item;

		if (*row->skipped)
			item = json_pack("{s:s, s:s, s:s}", "key", row->key, "name", row->name,
			                 "skipped", row->skipped);
		else
			item = json_pack("{s:s, s:s, s:f, s:f, s:f, s:o, s:o}", "key", row->key,
			                 "name", row->name, "min", row->ns.min, "median",
			                 row->ns.median, "p99", row->ns.p99, "x_vdso",
			                 ratio(row->ns.median, vdso), "x_floor",
			                 ratio(row->ns.median, floor));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *comparison(const char *key, const char *of)
{
	const struct bench_row *a = bench_row(key), *b = bench_row(of);

	return *a->skipped || *b->skipped ? json_null() : ratio(a->ns.median, b->ns.median);
}

static json_t *cost(const struct bench_cost *c)
{
	if (*c->skipped)
		return json_pack("{s:s}", "skipped", c->skipped);
	return json_pack("{s:f, s:f, s:f}", "without", c->without, "with", c->with, "more",
	                 c->more);
}

void bench_print_json(const struct bench_result *r)
{
	json_t *root = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "environment",
		environment(r), "method", method(r), "ns_per_call", rows(), "floor",
		ratio(bench_floor(), 1), "shim_x_program_monotonic",
		comparison("shim_monotonic", "program_monotonic"), "shim_x_program_realtime",
		comparison("shim_realtime", "program_realtime"), "syscall_x_percpu",
		comparison("syscall_monotonic", "percpu_monotonic"), "syscall_x_percpu_now",
		comparison("syscall_monotonic", "percpu_now"), "start_up_us",
		cost(&r->cost[BENCH_START_UP]), "memory_idle_kib",
		cost(&r->cost[BENCH_MEMORY_IDLE]), "memory_reader_kib",
		cost(&r->cost[BENCH_MEMORY_READER]));

	if (!root)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	/* A failed write shows at the end, as for the table. */
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(PRECISION));
	putchar('\n');
	json_decref(root);
}
