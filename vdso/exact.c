// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines made from the kernel's own parameters (vvar.h): the kernel's clock itself,
 * bit for bit, for as long as its count stands.
 *
 * Nothing here is taken on trust. A clock's first line is published only after the
 * kernel has been asked for that clock, and its answer has been found between
 * what the parameters say for the TSC before and after the question; and the
 * first line after every 64 PVCLOCK_RESYNC_US asks again. An answer outside means
 * that the layout is not what we took it for: from then on lines are made from
 * samples.
 */
#include "direct.h"
#include "now.h"

/* An hour without a tick: beyond, the arithmetic would not fit. */
#define MOST_CYCLES (1ull << 43)

/* The kernel's tick ends lines, every 1 to 10 ms. Should it not come, this does. */
#define NS_SPAN 100000000ull

/* In PVCLOCK_RESYNC_US. It proves the layout; that the time is right, the count does. */
#define AUDIT_EVERY 64

/* Nanoseconds, 64.64 */
typedef pvc_u128 fix;

/* The parameters, and what they are in terms of the TSC. */
struct exact {
	struct pvc_params p;
	struct pvc_reading r; /* entry 0: what makes cycles of the TSC, of PVC_VVAR_PVCLOCK */
	uint64_t slope;       /* ns per tick, 0.64 */
	uint64_t slack;       /* ns: what rounding twice loses, where the kernel does */
};

/* Cycles since cycle_last, 64.64. A TSC that is a little behind counts as none. */
static fix cycles(const struct exact *e, uint64_t tsc)
{
	uint64_t delta;
	fix now, last;

	if (e->p.mode == PVC_VVAR_TSC)
		return (fix)pvc_ticks_since(tsc, e->p.cycle_last) << 64;
	delta = pvc_ticks_since(tsc, e->r.tsc_timestamp);
	now = e->r.shift < 0 ? delta >> -e->r.shift : (fix)delta << e->r.shift;
	now = now * e->r.mul + ((fix)e->r.system_time << 32);
	last = (fix)e->p.cycle_last << 32;
	return now > last ? (now - last) << 32 : 0;
}

/* The clock less p.sec. */
static fix clock_at(const struct exact *e, uint64_t tsc)
{
	fix since = cycles(e, tsc);
	fix whole = (since >> 64) * e->p.mult + e->p.nsec;
	fix part = (fix)(uint64_t)since * e->p.mult >> e->p.shift;

	return (whole << (64 - e->p.shift)) + part;
}

static uint64_t ns_at(const struct exact *e, uint64_t tsc)
{
	/* cppcheck-suppress ctuuninitvar ; of the TSC p is all that is looked at, and it is set */
	return e->p.sec * PVC_NSEC_PER_SEC + (uint64_t)(clock_at(e, tsc) >> 64);
}

/* ns per cycle, .64; Linux chooses shifts of 20 and more for clocks like these */
static bool scale_of(const struct pvc_params *p, fix *scale)
{
	if (!p->mult || p->shift < 12 || p->shift > 32)
		return false;
	*scale = (fix)p->mult << (64 - p->shift);
	return true;
}

void pvc_exact_stop(struct pvc_core *b)
{
	atomic_store(&b->seq, &b->no_seq);
}

/* These are not the parameters of a clock, or not as we read them. */
static enum pvc_update refuse(struct pvc_core *b)
{
	atomic_store(&b->exact_refused, 1);
	pvc_exact_stop(b);
	return PVC_UPDATE_AGAIN;
}

/* The TSC to cycles, by the parameters of entry 0 that are in service. */
static enum pvc_update find_slope(struct pvc_core *b, struct exact *e)
{
	uint64_t current;
	struct pvc_now now;
	fix scale;

	if (!scale_of(&e->p, &scale))
		return refuse(b);
	e->slack = 0;
	if (e->p.mode == PVC_VVAR_PVCLOCK) {
		current = pvc_latch_begin(&b->now_current);
		pvc_now_load(b, current, &now);
		if (now.ended || !pvc_latch_valid(&b->now_current, current))
			return PVC_UPDATE_AGAIN;
		e->r = now.r;
		scale = (scale >> 32) * (pvc_reading_rate(&now.r) >> 32);
		/* To whole cycles, to whole ns; and a shift to the right drops ticks. */
		e->slack = 2;
	}
	if (scale >> 64)
		return refuse(b);
	e->slope = (uint64_t)scale;
	return PVC_UPDATE_DONE;
}

/* Which time namespace the first page is of; 0: none. Offsets are all it has. */
uint64_t pvc_exact_namespace(struct pvc_core *b)
{
	pvc_vvar_word *first = b->vvar.offset ? b->vvar.offset : b->vvar.hres, *base;
	uint64_t monotonic, boottime;

	if (!first || first[PVC_VVAR_SEQ] >> 32 != PVC_VVAR_TIMENS)
		return 0;
	base = first + b->vvar.scale + PVC_VVAR_BASE;
	monotonic = base[2ul * PVC_CLOCK_MONOTONIC] * PVC_NSEC_PER_SEC +
	            base[2ul * PVC_CLOCK_MONOTONIC + 1];
	boottime = base[2ul * PVC_CLOCK_BOOTTIME] * PVC_NSEC_PER_SEC +
	           base[2ul * PVC_CLOCK_BOOTTIME + 1];
	return (monotonic * 3 + boottime) | 1;
}

bool pvc_exact_entered(struct pvc_core *b)
{
	uint64_t is = pvc_exact_namespace(b);
	int id;

	if (atomic_load_explicit(&b->in_namespace, memory_order_relaxed) == is)
		return false;
	atomic_store(&b->in_namespace, is);
	for (id = 0; id < PVC_IDS; id++)
		if (pvc_is_ours(id))
			pvc_clock_forget(b, id);
	return true;
}

static enum pvc_update load(struct pvc_core *b, int id, struct exact *e)
{
	switch (pvc_vvar_read(&b->vvar, id == PVC_CLOCK_MONOTONIC_RAW, (unsigned)id, &e->p)) {
	case PVC_VVAR_AWAY:
		/* Something else is behind the vDSO now. Samples, until it is back. */
		pvc_exact_stop(b);
		return PVC_UPDATE_AGAIN;
	case PVC_VVAR_BUSY:
		return PVC_UPDATE_KERNEL;
	case PVC_VVAR_OK:
		break;
	}
	/* 0 is what lines made from samples are marked by. */
	return e->p.seq ? find_slope(b, e) : PVC_UPDATE_KERNEL;
}

bool pvc_exact_begin(struct pvc_core *b)
{
	struct pvc_params p;

	if (!b->vvar.hres || atomic_load(&b->exact_refused) || atomic_load(&b->moving) ||
	    atomic_load(&b->mode) != PVC_MODE_STABLE ||
	    pvc_vvar_read(&b->vvar, false, PVC_CLOCK_MONOTONIC, &p) != PVC_VVAR_OK)
		return false;
	atomic_store(&b->seq, (const volatile uint32_t *)b->vvar.hres);
	return true;
}

/*
 * What was told by parameters that the kernel has contradicted since may be ahead
 * of it. Within reason: no clock stands still for more than a second.
 */
void pvc_exact_floor(struct pvc_core *b, const struct pvc_anchor *a, uint64_t kernel)
{
	struct exact e;
	fix scale;
	uint64_t ns;

	if (!atomic_load(&b->exact_refused) || pvc_settable(a->id) ||
	    pvc_vvar_read(&b->vvar, a->id == PVC_CLOCK_MONOTONIC_RAW, (unsigned)a->id, &e.p) !=
	            PVC_VVAR_OK ||
	    e.p.mode != PVC_VVAR_TSC || !scale_of(&e.p, &scale))
		return;
	ns = ns_at(&e, a->in.x);
	if (ns > kernel && ns - kernel < PVC_NSEC_PER_SEC)
		pvc_raise(&b->floor[a->id], ns);
}

/*
 * Is the page's rate the one that the kernel has for the TSC before NTP? Then its
 * entries are this machine's. A kernel on kvm-clock reads the page itself.
 */
static bool prove(struct pvc_core *b)
{
	uint64_t page = pvc_rate_of(b, 0), off;
	struct pvc_params raw;
	fix scale;

	if (atomic_load_explicit(&b->proved, memory_order_relaxed))
		return true;
	if (pvc_vvar_read(&b->vvar, true, PVC_CLOCK_MONOTONIC_RAW, &raw) != PVC_VVAR_OK)
		return false;
	if (raw.mode == PVC_VVAR_TSC) {
		if (!scale_of(&raw, &scale) || scale >> 64)
			return false;
		off = page > (uint64_t)scale ? page - (uint64_t)scale : (uint64_t)scale - page;
		if (off > page >> 9) {
			pvc_source_stop(b, PVC_WHY_RATE);
			return false;
		}
	}
	atomic_store(&b->proved, 1);
	return true;
}

/* The input at a time at which these parameters were the kernel's. */
static bool read_again(struct pvc_core *b, struct pvc_anchor *a, const struct exact *e)
{
	struct pvc_input out;

	if (!pvc_source_input(b, &out) || out.generation != a->in.generation ||
	    pvc_vvar_seq(b->vvar.hres) != e->p.seq)
		return false;
	a->in = out;
	return true;
}

/*
 * The kernel is asked, and must say what the parameters say: no less than at the
 * TSC before, no more than at the TSC after. The line begins at the second.
 */
static enum pvc_update audit(struct pvc_core *b, struct pvc_anchor *a, const struct exact *e)
{
	struct pvc_timespec ts = {0, 0};
	struct pvc_input out;
	uint64_t ns;

	a->err = pvc_kernel_gettime(b, a->id, &ts);
	if (a->err)
		return PVC_UPDATE_ERROR;
	if (!pvc_source_input(b, &out))
		return PVC_UPDATE_KERNEL;
	pvc_count(&b->count_of.kernel_reads);
	if (pvc_vvar_seq(b->vvar.hres) != e->p.seq || out.generation != a->in.generation ||
	    out.x < a->in.x)
		return PVC_UPDATE_AGAIN;
	ns = pvc_ns_of(&ts);
	if (ns + e->slack < ns_at(e, a->in.x) || ns > ns_at(e, out.x) + e->slack) {
		if (a->old.seq)
			pvc_count(&b->count_of.violated);
		return refuse(b);
	}
	a->in = out;
	return PVC_UPDATE_DONE;
}

static void make_line(const struct exact *e, uint64_t x, struct pvc_line *line)
{
	uint64_t span = pvc_ns_to_x(NS_SPAN, e->slope), ns;
	fix at;

	pvc_direct_line(&e->p, x, line);
	if (e->p.mode == PVC_VVAR_PVCLOCK) {
		at = clock_at(e, x);
		ns = (uint64_t)(at >> 64);
		line->x0 = x;
		line->sec = e->p.sec + ns / PVC_NSEC_PER_SEC;
		line->nsec = ns % PVC_NSEC_PER_SEC;
		line->frac = (uint64_t)at;
		line->mult = line->rate = e->slope;
	}
	line->expiry = line->span = span < PVC_X_LONGEST ? span : PVC_X_LONGEST;
	line->sure_most = e->slack << 32;
	line->sure_least = -line->sure_most;
}

static void publish(struct pvc_core *b, struct pvc_anchor *a, const struct pvc_line *line)
{
	a->ts.sec = (int64_t)line->sec;
	a->ts.nsec = (int64_t)line->nsec;
	/* Not published, it is the kernel's clock all the same. */
	if (!pvc_line_put(b, a->id, a->current, line)) {
		pvc_count(&b->count_of.lost_races);
		return;
	}
	pvc_count(&b->count_of.anchors);
	if (pvc_settable(a->id))
		atomic_store(&b->floor[a->id], 0);
}

/*
 * A clock that was set is counted, and followed. A line below one that samples have
 * told more by is waited for; and so is one below the start of its predecessor,
 * which only a broken kernel makes. A little less than that cannot be told from a
 * machine that slept, where the TSC goes on and MONOTONIC does not.
 */
static bool may_follow(struct pvc_core *b, const struct pvc_anchor *a, const struct pvc_line *line,
                       uint64_t cycle_last)
{
	uint64_t ns = pvc_line_ns(line), floor = pvc_line_floor(b, a->id, &a->old);

	if (a->old.seq && pvc_settable(a->id) && pvc_line_off(&a->old, line, cycle_last))
		pvc_clock_was_set(b, a->id, &a->old, line);
	return pvc_line_not_below(b, ns, floor, a->id, &a->old) == ns;
}

enum pvc_update pvc_exact_update(struct pvc_core *b, struct pvc_anchor *a)
{
	struct exact e;
	struct pvc_line line;
	enum pvc_update status;
	uint64_t audit_at;

	if (pvc_exact_entered(b))
		return PVC_UPDATE_AGAIN;
	status = load(b, a->id, &e);
	if (status != PVC_UPDATE_DONE)
		return status;
	if (!prove(b) || cycles(&e, a->in.x) >> 64 >= MOST_CYCLES)
		return PVC_UPDATE_KERNEL;
	audit_at = a->old.audit_at;
	if (!a->old.seq || (int64_t)(audit_at - a->in.x) <= 0) {
		status = audit(b, a, &e);
		if (status != PVC_UPDATE_DONE)
			return status;
		audit_at = a->in.x + pvc_ns_to_x(b->resync_ns * AUDIT_EVERY, e.slope);
	} else if (!read_again(b, a, &e)) {
		return PVC_UPDATE_AGAIN;
	}
	/* The kernel's stands still until its entry has come to where it was read last. */
	if (e.p.mode == PVC_VVAR_PVCLOCK && !cycles(&e, a->in.x))
		return PVC_UPDATE_KERNEL;
	make_line(&e, a->in.x, &line);
	line.direct = e.p.mode == PVC_VVAR_TSC && !b->vvar.offset;
	line.audit_at = audit_at;
	if (!may_follow(b, a, &line, e.p.cycle_last))
		return PVC_UPDATE_KERNEL;
	publish(b, a, &line);
	return PVC_UPDATE_DONE;
}
