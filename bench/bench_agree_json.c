// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The same as one JSON object, for programs.
 */
#include "bench_agree.h"
#include "bench_json.h"

static json_t *method(const struct agree_result *r)
{
	const struct agree_options *o = &r->options;

	return json_pack("{s:I, s:b, s:I, s:b, s:s, s:I, s:f}", "threads", (json_int_t)o->threads,
	                 "migrate", (int)o->migrate, "moves", (json_int_t)r->moves, "load",
	                 (int)o->load, "kernel", o->syscall ? "syscall" : "vdso", "interval_every",
	                 (json_int_t)o->interval, "seconds", r->seconds);
}

static json_t *half(double value)
{
	return json_real(value / 2);
}

static json_t *offset(const struct bench_hist *h)
{
	if (!h->count)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "median", half(bench_hist_at(h, 0.5)), "p99",
	                 half(bench_hist_at(h, 0.99)), "min", half((double)h->min), "max",
	                 half((double)h->max));
}

static json_t *width(const struct bench_hist *h)
{
	if (!h->count)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "median", half(bench_hist_at(h, 0.5)), "p99",
	                 half(bench_hist_at(h, 0.99)), "max", half((double)h->max));
}

static json_t *numbers(const char *const names[], const uint64_t *values, unsigned count)
{
	json_t *object = json_object();
	unsigned i;

	for (i = 0; i < count; i++)
		json_object_set_new(object, names[i], json_integer((json_int_t)values[i]));
	return object;
}

static json_t *clock_of(const struct agree_result *r, unsigned i)
{
	const struct agree_tally *t = &r->tally[i];
	json_t *counts = numbers(agree_count_names, t->count, AGREE_COUNTS);

	/* Others may set it between two threads' readings. */
	if (agree_clocks[i].settable)
		json_object_set_new(counts, agree_count_names[AGREE_ACROSS], json_null());
	return json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "clock",
	                 agree_clocks[i].name, "readings", (json_int_t)t->readings, "intervals",
	                 (json_int_t)t->intervals, "counts", counts, "offset_ns",
	                 offset(&t->offset), "half_width_ns", width(&t->width), "certainty",
	                 numbers(agree_certainty_names, t->certainty, AGREE_CERTAINTIES), "set",
	                 (json_int_t)t->set, "left_out", (json_int_t)t->left_out, "kernel_back",
	                 (json_int_t)t->kernel_back, "kernel_back_ns",
	                 (json_int_t)t->kernel_back_most);
}

static json_t *clocks(const struct agree_result *r)
{
	json_t *list = json_array();
	unsigned i;

	for (i = 0; i < AGREE_CLOCKS; i++)
		if (r->options.clocks >> i & 1)
			json_array_append_new(list, clock_of(r, i));
	return list;
}

static json_t *library(const struct agree_result *r)
{
	const struct pvclock_status *a = &r->before, *b = &r->env.status;

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "kernel_reads",
	                 (json_int_t)(b->kernel_reads - a->kernel_reads), "anchors",
	                 (json_int_t)(b->anchors - a->anchors), "fallbacks",
	                 (json_int_t)(b->fallbacks - a->fallbacks), "violated",
	                 (json_int_t)(b->violated - a->violated), "outside",
	                 (json_int_t)(b->outside - a->outside));
}

static json_t *deciding(const struct agree_result *r)
{
	json_t *list = json_array();
	unsigned k;

	for (k = 0; k < AGREE_COUNTS; k++)
		if (r->options.only >> k & 1)
			json_array_append_new(list, json_string(agree_count_names[k]));
	return list;
}

void agree_print_json(const struct agree_result *r)
{
	bench_json_print(json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "environment",
	                           bench_json_env(&r->env, r->cpus.text), "method", method(r),
	                           "clocks", clocks(r), "library", library(r), "decides",
	                           deciding(r), "agree", !agree_failed(r)));
}
