// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * clock_gettime off the fast path: anchoring a clock anew, asking the kernel,
 * and forwarding what is not ours.
 */
#include "anchor.h"
#include "direct.h"

#define EFAULT 14

#define UPDATE_TRIES 4
#define COMMIT_TRIES 64
#define ASK_TRIES 16

/* What was told outside of lines, as it was before the kernel was asked. */
struct before {
	uint64_t current, floor;
};

static struct before look_before(struct pvc_core *b, int id)
{
	uint64_t current = pvc_latch_begin(&b->current[id]);

	return (struct before){current, atomic_load(&b->floor[id])};
}

/*
 * Of a clock that can be set the floor must be the one from before the kernel was asked:
 * an answer from before a setting would hold the clock where it was.
 */
static bool raise_floor(struct pvc_core *b, int id, uint64_t before, uint64_t ns)
{
	if (!pvc_settable(id)) {
		pvc_raise(&b->floor[id], ns);
		return true;
	}
	/* Exact lines say what the kernel says, also of a clock that was set back. */
	return pvc_exact(b) || atomic_compare_exchange_strong(&b->floor[id], &before, ns);
}

/*
 * One try to commit a value that is not a line's: past all that readers of the
 * line can have been told, and with the latch moved on, so that no line under way
 * lands below it. Readers of an exact line may go on: it says what the kernel says.
 */
static bool commit(struct pvc_core *b, int id, const struct before *before, uint64_t *ns)
{
	uint64_t current = before->current, floor;
	struct pvc_line line;

	if (!pvc_line_load(b, id, current, &line))
		return false;
	if (line.expiry && !line.seq) {
		pvc_line_end(b, id, current, &line, pvc_ns_to_x(PVC_NS_MARGIN, line.rate));
		return false;
	}
	floor = pvc_line_floor(b, id, &line);
	*ns = pvc_line_not_below(b, *ns, floor, id, &line);
	/* Nothing is published any more, and the kernel's clock needs no help. */
	if (atomic_load(&b->mode) == PVC_MODE_KERNEL)
		return true;
	return raise_floor(b, id, before->floor, *ns) && pvc_line_renew(b, id, current);
}

/*
 * The kernel answers. A try fails because another thread's has succeeded, so as
 * many as this fail for none; and then the floor still has what we return.
 */
static int fall_back(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	struct before before;
	unsigned tries;
	uint64_t ns = 0;
	int err;

	for (tries = 0; tries < COMMIT_TRIES; tries++) {
		before = look_before(b, id);
		if (!tries || (pvc_settable(id) && tries < ASK_TRIES)) {
			err = pvc_kernel_gettime(b, id, ts);
			if (err)
				return err;
			pvc_count(&b->count_of.kernel_reads);
			ns = pvc_ns_of(ts);
		}
		if (commit(b, id, &before, &ns))
			break;
	}
	pvc_count(&b->count_of.fallbacks);
	pvc_ns_split(ns, ts);
	pvc_doubt_remember(b);
	return 0;
}

/*
 * An input before the line's start: another CPU's TSC or entry, some ticks
 * behind, or a VM that was put back. The first is told the start, the second
 * is known by how far it is.
 */
static bool just_before(struct pvc_core *b, const struct pvc_line *line, uint64_t x)
{
	if (!line->expiry || PVC_X_IS_NS(line->x0) != PVC_X_IS_NS(x) || x >= line->x0)
		return false;
	if (pvc_mulhi(line->x0 - x, pvc_rate_of(b, x)) < PVC_NS_SKEW)
		return line->seq == *pvc_seq(b);
	pvc_source_went_back(b);
	return false;
}

static enum pvc_update update(struct pvc_core *b, struct pvc_anchor *a)
{
	a->current = pvc_latch_begin(&b->current[a->id]);
	if (!pvc_source_input(b, &a->in))
		return PVC_UPDATE_KERNEL;
	if (pvc_line_read(b, a->id, a->current, a->in.x, (uint32_t)a->in.x, &a->ts))
		return PVC_UPDATE_DONE;
	if (!pvc_line_load(b, a->id, a->current, &a->old))
		return PVC_UPDATE_AGAIN;
	if (just_before(b, &a->old, a->in.x)) {
		a->ts.sec = (int64_t)a->old.sec;
		a->ts.nsec = (int64_t)a->old.nsec;
		return PVC_UPDATE_DONE;
	}
	if (!pvc_exact(b))
		return pvc_sampled_update(b, a);
	if (!PVC_X_IS_NS(a->in.x))
		return pvc_exact_update(b, a);
	/* The input is not the TSC any more. */
	pvc_exact_stop(b);
	return PVC_UPDATE_AGAIN;
}

/* Mode percpu's fast path: clamped pvclock ns, and the line on them. */
static bool percpu_fast(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	uint64_t current = pvc_latch_begin(&b->current[id]);
	uint64_t ns, own;

	return pvc_percpu_now(b, &ns, &own) &&
	       pvc_line_read(b, id, current, PVC_X_NS(ns), (uint32_t)PVC_X_NS(ns), ts);
}

static __attribute__((noinline)) int anchor(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	struct pvc_anchor a;
	unsigned tries;

	/* A page that was in service and was given up has left its mark on each latch. */
	if (atomic_load_explicit(&b->mode, memory_order_relaxed) == PVC_MODE_KERNEL &&
	    !pvc_latch_begin(&b->current[id]))
		return pvc_kernel_gettime(b, id, ts);
	a.id = id;
	for (tries = 0; tries < UPDATE_TRIES; tries++) {
		switch (update(b, &a)) {
		case PVC_UPDATE_DONE:
			ts->sec = a.ts.sec;
			ts->nsec = a.ts.nsec;
			return 0;
		case PVC_UPDATE_ERROR:
			return a.err;
		case PVC_UPDATE_KERNEL:
			return fall_back(b, id, ts);
		case PVC_UPDATE_AGAIN:
			break;
		}
	}
	return fall_back(b, id, ts);
}

/* Short, and what it calls apart: in mode percpu this is the way of every call. */
int pvc_gettime_slow(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (pvc_unlikely(!pvc_is_ours(id) || !ts))
		return pvc_kernel_gettime(b, id, ts);
	/* The time of another machine is not this one's. */
	if (pvc_unlikely(b->foreign))
		return fall_back(b, id, ts);
	if (pvc_likely(atomic_load_explicit(&b->mode, memory_order_acquire) == PVC_MODE_PERCPU &&
	               percpu_fast(b, id, ts)))
		return 0;
	if (pvc_gettime_direct(b, id, ts))
		return 0;
	return anchor(b, id, ts);
}

int pvc_getres(struct pvc_core *b, int id, struct pvc_timespec *ts)
{
	if (b->kernel.clock_getres)
		return (int)b->kernel.clock_getres(id, ts);
	return (int)pvc_syscall2(PVC_NR_clock_getres, id, (long)ts);
}

int64_t pvc_time(struct pvc_core *b, int64_t *t)
{
	if (b->kernel.time)
		return b->kernel.time(t);
	return pvc_syscall2(PVC_NR_time, (long)t, 0);
}

/* struct timeval has the layout of a timespec. A timezone is the kernel's. */
int pvc_gettimeofday(struct pvc_core *b, void *tv, void *tz)
{
	struct pvc_timespec *ts = tv;
	int err;

	if (tz || !tv) {
		if (b->kernel.gettimeofday)
			return (int)b->kernel.gettimeofday(tv, tz);
		return (int)pvc_syscall2(PVC_NR_gettimeofday, (long)tv, (long)tz);
	}
	err = pvc_gettime(b, PVC_CLOCK_REALTIME, ts);
	if (!err)
		ts->nsec /= 1000;
	return err;
}

/*
 * Lines made from samples do not know of it, so the next call takes a new one;
 * and what it says is followed at once, however little it is behind.
 */
void pvc_clocks_were_set(struct pvc_core *b)
{
	int id;

	if (pvc_exact(b))
		return;
	for (id = 0; id < PVC_IDS; id++)
		if (pvc_settable(id))
			pvc_clock_forget(b, id);
		else if (pvc_is_ours(id))
			pvc_clock_end(b, id, pvc_ns_to_x(PVC_NS_MARGIN, pvc_rate_of(b, 0)));
}

/* Lines would find out by themselves, at the kernel's next tick or the next sample. */
void pvc_clocks_forked(struct pvc_core *b)
{
	/* Whoever was in setns is not here. */
	atomic_store(&b->moving, 0);
	pvc_doubt_forked(b);
	pvc_exact_entered(b);
}

/*
 * A process that goes on outside of the namespace that it began in has no second page
 * of parameters any more: from before the call on nobody looks there.
 */
void pvc_clocks_moving(struct pvc_core *b)
{
	atomic_fetch_add(&b->moving, 1);
	if (b->vvar.offset)
		pvc_exact_stop(b);
}

/* Where no parameters were found, none tell; then it is as if it had gone. */
void pvc_clocks_moved(struct pvc_core *b, bool perhaps)
{
	int id;

	atomic_fetch_sub(&b->moving, 1);
	if (pvc_exact_entered(b) || b->vvar.hres || !perhaps)
		return;
	for (id = 0; id < PVC_IDS; id++)
		if (pvc_is_ours(id) && !pvc_settable(id))
			pvc_clock_forget(b, id);
}
