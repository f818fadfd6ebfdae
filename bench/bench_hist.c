// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a histogram says once all values are in.
 */
#include "bench_hist.h"

void bench_hist_merge(struct bench_hist *h, const struct bench_hist *from)
{
	unsigned i;

	if (!from->count)
		return;
	if (!h->count || from->min < h->min)
		h->min = from->min;
	if (!h->count || from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	for (i = 0; i < HIST_SIZE; i++) {
		h->above[i] += from->above[i];
		h->below[i] += from->below[i];
	}
}

/* The middle of the sizes that share a place. */
static double size_at(unsigned place)
{
	unsigned shift = place >> HIST_BITS;
	uint64_t first;

	if (shift < 2)
		return place;
	shift--;
	first = (uint64_t)(place - (shift << HIST_BITS)) << shift;
	return (double)first + (double)((1ull << shift) - 1) / 2;
}

static double within(const struct bench_hist *h, double value)
{
	if (value < (double)h->min)
		return (double)h->min;
	return value > (double)h->max ? (double)h->max : value;
}

double bench_hist_at(const struct bench_hist *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->count), seen = 0;
	unsigned i;

	rank += (double)rank < share * (double)h->count;
	if (!rank)
		return (double)h->min;
	for (i = HIST_SIZE; i-- > 0;) {
		seen += h->below[i];
		if (seen >= rank)
			return within(h, -size_at(i));
	}
	for (i = 0; i < HIST_SIZE; i++) {
		seen += h->above[i];
		if (seen >= rank)
			return within(h, size_at(i));
	}
	return (double)h->max;
}
