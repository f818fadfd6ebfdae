// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Of many batches, three numbers: the least that a call takes, what it usually
 * takes, and what it takes when the machine is busy with something else. Not
 * the mean, which one interrupt can move.
 */
#include <stdlib.h>

#include "bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct bench_stats bench_stats(double *samples, size_t count)
{
	struct bench_stats stats = {0, 0, 0};

	if (!count)
		return stats;
	qsort(samples, count, sizeof(*samples), compare);
	stats.min = samples[0];
	stats.median = (samples[(count - 1) / 2] + samples[count / 2]) / 2;
	/* the smallest sample that 99 % of them do not exceed */
	stats.p99 = samples[(count * 99 + 99) / 100 - 1];
	return stats;
}
