// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How far off we can be: between which two times the kernel's clock is.
 */
#include "anchor.h"

#define INTERVAL_TRIES 4

/*
 * Two answers: at any instant between them the clock is between them. Unless it
 * was set back in between; then the second answer and a third.
 */
static int ask_twice(struct pvc_core *b, int id, struct pvc_interval *i)
{
	int err = pvc_kernel_gettime(b, id, &i->latest);
	unsigned tries;

	i->certainty = PVC_BY_KERNEL;
	for (tries = 0; !err && tries < INTERVAL_TRIES; tries++) {
		i->earliest = i->latest;
		err = pvc_kernel_gettime(b, id, &i->latest);
		if (!err && pvc_ns_of(&i->latest) >= pvc_ns_of(&i->earliest))
			break;
	}
	/* Set back each time: the last answer is all that is known. */
	if (!err && pvc_ns_of(&i->latest) < pvc_ns_of(&i->earliest))
		i->earliest = i->latest;
	return err;
}

/* What we say is in it, too: it may be held ahead of what the kernel says. */
static int cover_ours(struct pvc_core *b, int id, struct pvc_interval *i)
{
	struct pvc_timespec ours;
	int err = pvc_gettime_slow(b, id, &ours);

	if (!err && pvc_ns_of(&ours) < pvc_ns_of(&i->earliest))
		i->earliest = ours;
	if (!err && pvc_ns_of(&ours) > pvc_ns_of(&i->latest))
		i->latest = ours;
	return err;
}

static enum pvc_certainty certainty(const struct pvc_line *line)
{
	if (line->broken)
		return PVC_VIOLATED;
	return line->seq || line->next_x ? PVC_SYNCHRONISED : PVC_ESTIMATING;
}

/* By the line in service, if it holds now. */
static bool by_line(struct pvc_core *b, int id, struct pvc_interval *i)
{
	uint64_t current = pvc_latch_begin(&b->current[id]), own;
	struct pvc_input in;
	struct pvc_line line;

	if (!pvc_source_input(b, &in) || !pvc_line_load(b, id, current, &line) ||
	    in.x - line.x0 >= line.expiry || line.seq != *pvc_seq(b) ||
	    !pvc_latch_valid(&b->current[id], current))
		return false;
	/* A clamp may have raised the input: it was somewhere from own to x. */
	own = in.own - line.x0 < line.expiry ? in.own : line.x0;
	pvc_ns_split(pvc_line_bounds(&line, own).earliest, &i->earliest);
	pvc_ns_split(pvc_line_bounds(&line, in.x).latest, &i->latest);
	i->certainty = certainty(&line);
	return true;
}

int pvc_gettime_interval(struct pvc_core *b, int id, struct pvc_interval *i)
{
	struct pvc_timespec ts;
	unsigned tries;
	int err;

	for (tries = 0; pvc_is_ours(id) && tries < INTERVAL_TRIES; tries++) {
		if (!pvc_is_live(atomic_load(&b->mode)) || b->foreign)
			break;
		if (by_line(b, id, i))
			return 0;
		pvc_gettime_slow(b, id, &ts);
	}
	err = ask_twice(b, id, i);
	return err || !pvc_is_ours(id) ? err : cover_ours(b, id, i);
}
