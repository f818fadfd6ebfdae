// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hypervisor ns by each CPU's own entry, where entries do not speak for each other:
 * clamped, so that no CPU says less than another has said.
 */
#include "entry.h"
#include "now.h"

/* How often a reading is made again when something changes in the middle of it. */
#define PERCPU_TRIES 32

/*
 * Never below what anybody in the scope was told. Who loses the exchange has learned
 * of a larger value and may return that one instead, so the number of tries is a
 * matter of fairness only.
 *
 * A full barrier: pvc_source_now reads the mode after it, see enter_stable in edge.c.
 */
pvc_inline uint64_t clamp_to(_Atomic uint64_t *last, uint64_t seen, uint64_t ns)
{
	unsigned tries;

	for (tries = 0; tries < PERCPU_TRIES && ns > seen; tries++)
		if (atomic_compare_exchange_weak(last, &seen, ns))
			return ns;
	return seen;
}

/* The same where only this thread and its signal handlers write. */
pvc_inline uint64_t clamp_alone(_Atomic uint64_t *last, uint64_t seen, uint64_t ns)
{
	unsigned tries;

	for (tries = 0; tries < PERCPU_TRIES && ns > seen; tries++)
		if (pvc_exchange_alone(last, &seen, ns))
			return ns;
	return seen;
}

/* One consistent reading, of this CPU's entry or of the one that was asked for. */
static enum pvc_read sample(struct pvc_core *b, unsigned entry, struct pvc_reading *r)
{
	enum pvc_read status;

	if (!b->foreign)
		return pvc_source_sample(b, r);
	status = pvc_read_entry(b, entry, r);
	if (status == PVC_BUSY)
		pvc_doubt_busy(b);
	return status == PVC_UNSTABLE ? PVC_OK : status;
}

/* The long way: PVC_OK, or why not. */
static enum pvc_read look_and_clamp(struct pvc_core *b, unsigned entry, _Atomic uint64_t *last,
                                    uint64_t *ns, uint64_t *own)
{
	unsigned tries, at = entry;
	struct pvc_reading r;

	for (tries = 0; tries < PERCPU_TRIES; tries++) {
		uint64_t bias = atomic_load_explicit(&b->own[at].bias, memory_order_acquire);
		uint64_t seen = atomic_load_explicit(last, memory_order_relaxed), value;
		enum pvc_read status = sample(b, at, &r);

		if (status != PVC_OK)
			return status;
		/* Told while a rate was absurd; no time goes on from there. */
		if (pvc_ns_absurd(seen)) {
			pvc_source_stop(b, PVC_WHY_NONSENSE);
			return PVC_BUSY;
		}
		if (r.cpu != at) {
			at = r.cpu;
			continue;
		}
		if (r.version != atomic_load_explicit(&b->own[at].recorded, memory_order_acquire) &&
		    !pvc_record_look(b, &r)) {
			pvc_pause();
			continue;
		}
		/* The reading belongs to the bias that was there before it. */
		if (atomic_load_explicit(&b->own[at].bias, memory_order_acquire) != bias)
			continue;
		value = pvc_reading_ns(&r) + bias;
		/*
		 * The entry has started lower, or another's has stepped ahead, or this thread
		 * was kept from running between the page and the clamp.
		 */
		if (pvc_off_the_clamp(value, seen)) {
			pvc_record_bridge(b, at, seen);
			continue;
		}
		*own = value;
		*ns = clamp_to(last, seen, value);
		return PVC_OK;
	}
	return PVC_BUSY;
}

/* Thread scope: what the process had reached when STABLE was cleared. */
static _Atomic uint64_t *last_of_scope(struct pvc_core *b)
{
	_Atomic uint64_t *last = b->thread_last ? b->thread_last() : &b->last;

	if (last != &b->last)
		pvc_raise(last, atomic_load(&b->last));
	return last;
}

enum pvc_read pvc_percpu_now_of(struct pvc_core *b, unsigned entry, uint64_t *ns, uint64_t *own)
{
	return look_and_clamp(b, entry < b->count ? entry : 0, last_of_scope(b), ns, own);
}

static __attribute__((noinline)) bool percpu_again(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	return pvc_percpu_now_of(b, pvc_predicted_entry(b), ns, own) == PVC_OK;
}

/*
 * A reading by what is recorded of the entry; not yet clamped. The bias is the one of
 * that version: it is changed only while nothing is recorded, and the record is the same
 * before and after. Or it was raised since by a bridge (above), which is made where a
 * value by the old one is off the clamp.
 */
pvc_inline bool read_recorded(struct pvc_core *b, unsigned cpu, uint64_t *value)
{
	struct pvc_own *own = &b->own[cpu];
	uint64_t recorded = atomic_load_explicit(&own->recorded, memory_order_acquire);
	uint32_t aux;
	uint64_t tsc = pvc_rdtscp(&aux);

	if (pvc_unlikely((aux & PVC_AUX_CPU) != cpu ||
	                 !pvc_read_known(&b->entry[cpu], tsc, recorded, value)))
		return false;
	*value += atomic_load_explicit(&own->bias, memory_order_acquire);
	return pvc_likely(atomic_load_explicit(&own->recorded, memory_order_relaxed) == recorded);
}

/* Thread scope: only this thread and its signal handlers write last. */
static __attribute__((noinline)) bool apart(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	unsigned cpu = pvc_predicted_entry(b);
	uint64_t value, seen;
	_Atomic uint64_t *last;

	if (b->foreign || cpu >= b->count || !read_recorded(b, cpu, &value))
		return percpu_again(b, ns, own);
	last = b->thread_last();
	seen = atomic_load_explicit(last, memory_order_relaxed);
	if (pvc_off_the_clamp(value, seen) ||
	    pvc_unlikely(seen < atomic_load_explicit(&b->last, memory_order_relaxed)))
		return percpu_again(b, ns, own);
	*own = value;
	*ns = clamp_alone(last, seen, value);
	return true;
}

/* Where last is not what was told here: somebody on another CPU was told something since. */
static __attribute__((noinline)) bool overtaken(struct pvc_core *b, unsigned cpu, uint64_t seen,
                                                uint64_t *ns, uint64_t *own)
{
	uint64_t value = *own;

	if (pvc_off_the_clamp(value, seen))
		return percpu_again(b, ns, own);
	*ns = clamp_to(&b->last, seen, value);
	atomic_store_explicit(&b->own[cpu].told, *ns, memory_order_relaxed);
	return true;
}

/*
 * Scope process, where nothing is in the way: what look_and_clamp does, written so
 * that no call returns here and few registers have to be saved.
 *
 * Where CPUs contend, a load of last takes its line from the CPU that wrote it, and the
 * exchange takes it once more, to write there. So the exchange comes first: it expects
 * what was told on this CPU before, and fails where that is not the last any more. What
 * comes after a locked instruction waits for it, so the stores are made before it.
 */
bool pvc_percpu_now(struct pvc_core *b, uint64_t *ns, uint64_t *own)
{
	uint64_t value, seen;
	unsigned cpu;

	if (pvc_unlikely(b->apart))
		return apart(b, ns, own);
	cpu = pvc_predicted_cpu(b);
	if (pvc_unlikely(cpu >= b->count || !read_recorded(b, cpu, &value)))
		return percpu_again(b, ns, own);
	*ns = *own = value;
	seen = atomic_load_explicit(&b->own[cpu].told, memory_order_relaxed);
	/* Signed: what is centuries above it is no reading, and not above it here. */
	if (pvc_unlikely((int64_t)value <= (int64_t)seen)) {
		seen = atomic_load_explicit(&b->last, memory_order_relaxed);
		return overtaken(b, cpu, seen, ns, own);
	}
	if (pvc_unlikely(!atomic_compare_exchange_strong(&b->last, &seen, value)))
		return overtaken(b, cpu, seen, ns, own);
	atomic_store_explicit(&b->own[cpu].told, value, memory_order_relaxed);
	return true;
}
