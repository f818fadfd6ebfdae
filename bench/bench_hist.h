/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A histogram of fixed size, for as many values as there may come: each by itself
 * up to 255, and from there on to 1 part in 128. The least and the most are kept
 * as they are.
 */
#ifndef PVCLOCK_BENCH_HIST_H
#define PVCLOCK_BENCH_HIST_H

#include <stdint.h>

#define HIST_BITS 7
#define HIST_LARGEST 48 /* bits: ticks or half nanoseconds of a day */
#define HIST_SIZE ((HIST_LARGEST - HIST_BITS + 1) << HIST_BITS)

/* Of zeros it is an empty one. */
struct bench_hist {
	uint64_t count;
	int64_t min, max;
	uint64_t above[HIST_SIZE]; /* 0 and more */
	uint64_t below[HIST_SIZE]; /* less, by size */
};

static inline unsigned hist_place(uint64_t size)
{
	unsigned bits;

	if (size >> HIST_LARGEST)
		return HIST_SIZE - 1;
	if (size < 2u << HIST_BITS)
		return (unsigned)size;
	bits = 63 - (unsigned)__builtin_clzll(size);
	return (unsigned)(size >> (bits - HIST_BITS)) + ((bits - HIST_BITS) << HIST_BITS);
}

static inline void bench_hist_add(struct bench_hist *h, int64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (!h->count || value > h->max)
		h->max = value;
	h->count++;
	if (value < 0)
		h->below[hist_place((uint64_t)-value)]++;
	else
		h->above[hist_place((uint64_t)value)]++;
}

/* What is in from comes to what is in h. */
void bench_hist_merge(struct bench_hist *h, const struct bench_hist *from);
/* The smallest value that this share of them does not exceed; of none, 0. */
double bench_hist_at(const struct bench_hist *h, double share);

#endif /* PVCLOCK_BENCH_HIST_H */
