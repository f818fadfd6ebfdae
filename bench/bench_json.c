// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The same as one JSON object, for programs.
 */
#include <jansson.h>
#include <stdio.h>

#include "bench.h"
#include "bench_args.h"
#include "bench_json.h"

static json_t *ratio(double ns, double of)
{
	return of > 0 ? json_real(ns / of) : json_null();
}

static json_t *index_or_null(int index)
{
	return index < 0 ? json_null() : json_integer(index);
}

json_t *bench_json_env(const struct bench_env *env, const char *allowed)
{
	const struct pvclock_status *s = &env->status;

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:i, s:s, s:s, s:s, s:s, s:I, s:s}", "pvclock",
	                 ARGS_VERSION, "mode", bench_mode_name(s->mode), "reason", s->reason,
	                 "exact", (int)s->exact, "stable", (int)(s->flags & PVCLOCK_TSC_STABLE_BIT),
	                 "entries", (int)s->entries, "kernel", env->kernel, "clocksource",
	                 env->clocksource, "hypervisor", env->hypervisor, "cpu_model", env->model,
	                 "cpus_online", (json_int_t)env->cpus, "cpus_allowed", allowed);
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

static json_t *difference(const char *key, const char *of)
{
	const struct bench_row *a = bench_row(key), *b = bench_row(of);

	return *a->skipped || *b->skipped ? json_null() : json_real(a->ns.median - b->ns.median);
}

static json_t *cost(const struct bench_cost *c)
{
	if (*c->skipped)
		return json_pack("{s:s}", "skipped", c->skipped);
	return json_pack("{s:f, s:f, s:f}", "without", c->without, "with", c->with, "more",
	                 c->more);
}

static json_t *often(const struct bench_single *s)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "median", s->median, "p99", s->p99, "p99_9",
	                 s->p99_9, "p99_99", s->p99_99);
}

static json_t *rare(const struct bench_single *s)
{
	return json_pack("{s:f, s:f}", "median", s->median, "p99", s->p99);
}

/* Ours only where it is in mode stable, as for the rows. */
static json_t *ours_or(const struct bench_singles *s, json_t *ours)
{
	if (!*s->skipped)
		return ours;
	json_decref(ours);
	return json_pack("{s:s}", "skipped", s->skipped);
}

static json_t *singles(const struct bench_singles *s)
{
	const struct bench_single *kernel = &s->single[BENCH_SINGLE_KERNEL];
	const struct bench_single *ours = &s->single[BENCH_SINGLE_OURS];
	const struct bench_single *kernel_rare = &s->rare[BENCH_SINGLE_KERNEL];
	const struct bench_single *ours_rare = &s->rare[BENCH_SINGLE_OURS];
	double more = ours_rare->median - kernel_rare->median;

	return json_pack("{s:{s:I, s:o, s:o, s:o}, s:{s:I, s:o, s:o, s:o}}", "call_after_call",
	                 "calls", (json_int_t)s->calls, "vdso_monotonic", often(kernel),
	                 "stable_monotonic", ours_or(s, often(ours)), "p99_99_x_vdso",
	                 *s->skipped ? json_null() : ratio(ours->p99_99, kernel->p99_99),
	                 "every_10_ms", "calls", (json_int_t)s->wakes, "vdso_monotonic",
	                 rare(kernel_rare), "stable_monotonic", ours_or(s, rare(ours_rare)),
	                 "median_more", *s->skipped ? json_null() : json_real(more));
}

void bench_json_print(json_t *root)
{
	if (!root)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	/* A failed write shows at the end, as for the table. */
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(JSON_PRECISION));
	putchar('\n');
	json_decref(root);
}

void bench_print_json(const struct bench_result *r)
{
	bench_json_print(json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o}",
		"environment", bench_json_env(&r->env, r->place.allowed.text), "method", method(r),
		"ns_per_call", rows(), "floor", ratio(bench_floor(), 1), "shim_x_program_monotonic",
		comparison("shim_monotonic", "program_monotonic"), "shim_x_program_realtime",
		comparison("shim_realtime", "program_realtime"), "shim_more_coarse_ns",
		difference("shim_coarse", "program_coarse"), "shim_more_cpu_ns",
		difference("shim_cpu", "program_cpu"), "shim_more_time_ns",
		difference("shim_time", "program_time"), "syscall_x_percpu",
		comparison("syscall_monotonic", "percpu_monotonic"), "syscall_x_percpu_now",
		comparison("syscall_monotonic", "percpu_now"), "percpu_2_x_plain_2",
		comparison("percpu_monotonic_2", "plain_clamp_2"), "percpu_thread_2_x_1",
		comparison("percpu_thread_monotonic_2", "percpu_thread_monotonic"), "start_up_us",
		cost(&r->cost[BENCH_START_UP]), "memory_idle_kib",
		cost(&r->cost[BENCH_MEMORY_IDLE]), "memory_reader_kib",
		cost(&r->cost[BENCH_MEMORY_READER]), "ns_of_single_calls", singles(&r->singles)));
}
