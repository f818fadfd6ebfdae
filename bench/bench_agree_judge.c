// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the readings say. Functions of their arguments alone.
 */
#include "bench_agree.h"

/* The kernel computes two clocks in whole ns, each by itself. */
#define NS_ROUNDING 2

static void judge_interval(const struct agree_reading *r, bool kernel_back,
                           struct agree_tally *tally)
{
	tally->intervals++;
	if (r->certainty < AGREE_CERTAINTIES)
		tally->certainty[r->certainty]++;
	bench_hist_add(&tally->width, r->latest - r->earliest);
	/* One whose ends are in the wrong order contains nothing. */
	if (r->earliest > r->latest ||
	    (!kernel_back && (r->after > r->latest || r->end < r->earliest)))
		tally->count[AGREE_BOUNDS]++;
}

/*
 * Between two readings of a clock that has gone back in the meantime nothing can be,
 * and who says what the kernel says has gone back as well. Then this reading tells
 * nothing of ours. (If ours is not above what the kernel says after it, then what is
 * on the board is not above what the kernel has said by then.)
 */
static bool kernel_went_back(const struct agree_reading *r, struct agree_tally *tally)
{
	int64_t by = r->kernel > r->before ? r->kernel - r->before : 0;

	if (r->before - r->after > by)
		by = r->before - r->after;
	if (r->after - r->end > by)
		by = r->after - r->end;
	if (!by)
		return false;
	tally->kernel_back++;
	if (by > tally->kernel_back_most)
		tally->kernel_back_most = by;
	return true;
}

void agree_judge(const struct agree_reading *reading, unsigned count, int64_t *last,
                 struct agree_tally *tally)
{
	const struct agree_reading *r;

	for (r = reading; r < reading + count; r++) {
		bool kernel_back = kernel_went_back(r, tally);

		if (!kernel_back) {
			tally->count[AGREE_BELOW] += r->ours < r->before;
			tally->count[AGREE_ABOVE] += r->ours > r->after;
			tally->count[AGREE_BACK] += r->ours < *last;
			tally->count[AGREE_ACROSS] += r->ours < r->board;
		}
		*last = r->ours;
		bench_hist_add(&tally->offset, 2 * r->ours - r->before - r->after);
		if (r->bounded)
			judge_interval(r, kernel_back, tally);
	}
	tally->readings += count;
}

bool agree_kernel_back(const struct agree_reading *reading, unsigned count)
{
	const struct agree_reading *r;

	for (r = reading; r < reading + count; r++)
		if (r->after < r->before || r->end < r->after ||
		    (r > reading && r->before < r[-1].end))
			return true;
	return false;
}

void agree_merge(struct agree_tally *to, const struct agree_tally *from)
{
	unsigned i;

	to->readings += from->readings;
	to->intervals += from->intervals;
	to->kernel_back += from->kernel_back;
	to->left_out += from->left_out;
	if (from->kernel_back_most > to->kernel_back_most)
		to->kernel_back_most = from->kernel_back_most;
	/* Every thread sees the same settings, though not all see the last. */
	if (from->set > to->set)
		to->set = from->set;
	for (i = 0; i < AGREE_COUNTS; i++)
		to->count[i] += from->count[i];
	for (i = 0; i < AGREE_CERTAINTIES; i++)
		to->certainty[i] += from->certainty[i];
	bench_hist_merge(&to->offset, &from->offset);
	bench_hist_merge(&to->width, &from->width);
}

bool agree_distance_moved(struct agree_distance *d, int64_t monotonic_before, int64_t ns,
                          int64_t monotonic_after)
{
	int64_t low = ns - monotonic_after - NS_ROUNDING,
		high = ns - monotonic_before + NS_ROUNDING;
	bool moved = d->known && (low > d->high || high < d->low);

	if (!d->known || moved) {
		*d = (struct agree_distance){.low = low, .high = high, .known = true};
		return moved;
	}
	if (low > d->low)
		d->low = low;
	if (high < d->high)
		d->high = high;
	return false;
}
