// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What agree has found, for people.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench_agree.h"

static bool is_read(const struct agree_result *r, unsigned clock)
{
	return r->options.clocks >> clock & 1;
}

static void print_method(const struct agree_result *r)
{
	const struct agree_options *o = &r->options;

	printf("threads      %u, ", o->threads);
	if (o->migrate)
		printf("moved from CPU to CPU %" PRIu64 " times", r->moves);
	else
		printf("pinned");
	printf("%s\n", o->load ? ", each CPU loaded" : "");
	printf("method       against the kernel's %s; the interval ",
	       o->syscall ? "system call" : "vDSO");
	if (o->interval > 1)
		printf("with every %u readings", o->interval);
	else
		printf("%s", o->interval ? "with each reading" : "never");
	printf("; %.1f s\n\n", r->seconds);
}

static void print_counts(const struct agree_result *r)
{
	unsigned i, k;

	printf("%-14s %13s", "clock", "readings");
	for (k = 0; k < AGREE_COUNTS; k++)
		printf(" %10s", agree_count_names[k]);
	printf(" %10s\n", "set");
	for (i = 0; i < AGREE_CLOCKS; i++) {
		const struct agree_tally *t = &r->tally[i];

		if (!is_read(r, i))
			continue;
		printf("%-14s %13" PRIu64, agree_clocks[i].name, t->readings);
		for (k = 0; k < AGREE_COUNTS; k++)
			if (k == AGREE_ACROSS && agree_clocks[i].settable)
				printf(" %10s", "-");
			else
				printf(" %10" PRIu64, t->count[k]);
		printf(" %10" PRIu64 "\n", t->set);
	}
}

/* Of histograms in half nanoseconds, or of widths in halves. */
static void print_half(double value)
{
	printf(" %9.1f", value / 2);
}

static void print_distances(const struct agree_result *r)
{
	unsigned i;

	printf("\n%-14s %9s %9s %9s %9s   %9s %9s %9s\n", "ns", "offset", "p99", "min", "max",
	       "+- bound", "p99", "max");
	for (i = 0; i < AGREE_CLOCKS; i++) {
		const struct bench_hist *offset = &r->tally[i].offset, *width = &r->tally[i].width;

		if (!is_read(r, i))
			continue;
		printf("%-14s", agree_clocks[i].name);
		print_half(bench_hist_at(offset, 0.5));
		print_half(bench_hist_at(offset, 0.99));
		print_half((double)offset->min);
		print_half((double)offset->max);
		printf("  ");
		print_half(bench_hist_at(width, 0.5));
		print_half(bench_hist_at(width, 0.99));
		print_half((double)width->max);
		putchar('\n');
	}
}

static void print_certainties(const struct agree_result *r)
{
	unsigned i, k;

	printf("\n%-14s", "certainty");
	for (k = 0; k < AGREE_CERTAINTIES; k++)
		printf(" %13s", agree_certainty_names[k]);
	putchar('\n');
	for (i = 0; i < AGREE_CLOCKS; i++) {
		if (!is_read(r, i))
			continue;
		printf("%-14s", agree_clocks[i].name);
		for (k = 0; k < AGREE_CERTAINTIES; k++)
			printf(" %13" PRIu64, r->tally[i].certainty[k]);
		putchar('\n');
	}
}

/* What the reader has counted meanwhile, and what came from outside. */
static void print_notes(const struct agree_result *r)
{
	const struct pvclock_status *a = &r->before, *b = &r->env.status;
	unsigned i;

	printf("\nlibrary: kernel_reads %" PRIu64 ", anchors %" PRIu64 ", fallbacks %" PRIu64
	       ", violated %" PRIu64 ", outside %" PRIu64 "\n",
	       b->kernel_reads - a->kernel_reads, b->anchors - a->anchors,
	       b->fallbacks - a->fallbacks, b->violated - a->violated, b->outside - a->outside);
	for (i = 0; i < AGREE_CLOCKS; i++) {
		const struct agree_tally *t = &r->tally[i];

		if (t->set || t->left_out)
			printf("%s was set %" PRIu64 " times by others, or went back: %" PRIu64
			       " readings do not count\n",
			       agree_clocks[i].name, t->set, t->left_out);
		if (t->kernel_back)
			printf("%s of the kernel itself went back %" PRIu64 " times, by %" PRId64
			       " ns at most\n",
			       agree_clocks[i].name, t->kernel_back, t->kernel_back_most);
	}
}

static void print_failures(const struct agree_result *r)
{
	const char *before = " ";
	unsigned i, k;

	printf("\nthey do not agree:");
	for (i = 0; i < AGREE_CLOCKS; i++) {
		if (!agree_failures(r, i))
			continue;
		printf("%s%s", before, agree_clocks[i].name);
		before = "; ";
		for (k = 0; k < AGREE_COUNTS; k++)
			if (r->options.only >> k & 1 && r->tally[i].count[k])
				printf(" %s %" PRIu64, agree_count_names[k], r->tally[i].count[k]);
	}
	if (agree_violated(r))
		printf("%slibrary violated %" PRIu64, before, agree_violated(r));
	putchar('\n');
}

void agree_print_table(const struct agree_result *r)
{
	unsigned k;

	bench_print_env(&r->env, r->cpus.text);
	print_method(r);
	print_counts(r);
	print_distances(r);
	print_certainties(r);
	print_notes(r);
	if (agree_failed(r)) {
		print_failures(r);
		return;
	}
	printf("\nthey agree:");
	for (k = 0; k < AGREE_COUNTS; k++)
		if (r->options.only >> k & 1)
			printf(" %s 0", agree_count_names[k]);
	putchar('\n');
}
