// SPDX-License-Identifier: LGPL-2.1-or-later
/* The page comes into service and out of it; between two, what was told stays. */
#include "anchor.h"
#include "entry.h"
#include "now.h"

#define LATCH_TRIES 8

/* A block in which nothing has happened stays memory that nobody has written. */
static void set(_Atomic uint64_t *word, uint64_t value)
{
	if (atomic_load(word) != value)
		atomic_store(word, value);
}

/* How far the furthest of the page's entries is; ns is where entry 0 is. */
static uint64_t furthest(struct pvc_core *b, uint64_t ns)
{
	struct pvc_reading r;
	unsigned i;

	for (i = 1; i < b->count; i++)
		if (pvc_read_entry(b, i, &r) != PVC_BUSY && pvc_reading_plausible(&r) &&
		    pvc_reading_ns(&r) > ns)
			ns = pvc_reading_ns(&r);
	return ns;
}

/*
 * A page in place of another: all of its entries go on from what that one had come to.
 * Per CPU by what the furthest lacks: with what entry 0 lacks, one that has not started
 * lower would run ahead by as much. Who is still behind then is bridged when it is read.
 */
static void carry_on(struct pvc_core *b, enum pvc_mode mode, const struct pvc_reading *r)
{
	uint64_t ns = pvc_reading_ns(r), last = atomic_load(&b->last), bias = 0, most = ns;
	unsigned i;

	if (mode == PVC_MODE_PERCPU && ns + PVC_NS_SKEW < last)
		most = furthest(b, ns);
	/* Told by nonsense: nothing goes on from there, nor could it. */
	if (pvc_ns_absurd(last))
		atomic_store(&b->last, 0);
	else if (ns + PVC_NS_SKEW < last)
		bias = most + PVC_NS_SKEW < last ? last - most : 0;
	/*
	 * However far above: it has been proved. Per CPU, where that is by another CPU's TSC,
	 * only if the clamp would else refuse it.
	 */
	else if (last && (mode != PVC_MODE_PERCPU || (ns - last) >> PVC_LEAP))
		pvc_raise(&b->last, ns);
	atomic_store(&b->bias, bias);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		set(&b->own[i].bias, bias);
}

/* Nothing of a page before is gone on from. Its last readers may have left some of it. */
static void forget_page(struct pvc_core *b)
{
	uint64_t current;
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		atomic_store(&b->seen[i], PVC_UNSEEN);
		set(&b->own[i].bias, 0);
	}
	for (i = 0; i < LATCH_TRIES; i++) {
		current = pvc_latch_begin(&b->now_current);
		if (!pvc_latch_slot(current) ||
		    pvc_latch_publish(&b->now_current, &b->busy, current, 0))
			break;
	}
	atomic_store(&b->bias, 0);
	set(&b->stopped, 0);
}

/* Out of which mode, and era, says before: whoever has changed it meanwhile decides. */
static bool put_in_service(struct pvc_core *b, enum pvc_mode mode, const struct pvc_reading *r,
                           uint64_t before)
{
	carry_on(b, mode, r);
	if (mode == PVC_MODE_STABLE)
		mode = pvc_mode_of_stable(r);
	atomic_store(&b->rate, pvc_reading_rate(r));
	if (mode == PVC_MODE_PERCPU)
		pvc_record_begin(b);
	/* Last: who sees the mode sees the rest. */
	if (!atomic_compare_exchange_strong(&b->mode_and_era, &before,
	                                    (pvc_era_of(before) + PVC_NEXT_ERA) | mode))
		return false;
	pvc_exact_begin(b);
	pvc_source_fast(b, mode);
	return true;
}

void pvc_source_start(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why)
{
	struct pvc_reading r;
	bool busy;

	forget_page(b);
	atomic_store(&b->reason, why);
	atomic_store(&b->seq, &b->no_seq);
	b->scale = b->vvar.scale;
	atomic_store(&b->in_namespace, pvc_exact_namespace(b));
	if (mode == PVC_MODE_KERNEL) {
		atomic_store(&b->mode, mode);
		return;
	}
	pvc_record_forget(b);
	busy = pvc_read_entry(b, 0, &r) == PVC_BUSY;
	/* The host may have rewritten it since it was proved. */
	if (busy || !pvc_reading_scales(&r)) {
		atomic_store(&b->reason, busy ? PVC_WHY_BUSY : PVC_WHY_NONSENSE);
		atomic_store(&b->mode, PVC_MODE_KERNEL);
		pvc_doubt_begin(b);
		return;
	}
	put_in_service(b, mode, &r, atomic_load(&b->mode_and_era));
}

void pvc_source_stop(struct pvc_core *b, enum pvc_reason why)
{
	struct pvc_event e = {.kind = PVC_EVENT_LOST};

	if (!pvc_is_live(atomic_load(&b->mode)))
		return;
	atomic_store(&b->reason, why);
	if (!pvc_is_live(atomic_exchange(&b->mode, PVC_MODE_KERNEL)))
		return;
	pvc_source_slow(b);
	atomic_fetch_add(&b->generation, 1);
	/* Of an input that has not done anything wrong it is known how far readers have come. */
	pvc_change_end_clocks(b, why == PVC_WHY_BUSY ? pvc_ns_to_x(PVC_NS_MARGIN, pvc_rate_of(b, 0))
	                                             : UINT64_MAX);
	pvc_doubt_begin(b);
	e.tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	pvc_event_add(b, &e);
}

/* In thread scope last has not got what was told; each thread's is near its entry's. */
static void raise_last_of_threads(struct pvc_core *b)
{
	struct pvc_reading r;
	enum pvc_read status;
	uint64_t told;

	if (!b->thread_last || atomic_load(&b->mode) != PVC_MODE_PERCPU)
		return;
	/* Ours is known: the entry may have been rewritten since, and be lower. */
	told = atomic_load(b->thread_last());
	if (!pvc_ns_absurd(told))
		pvc_raise(&b->last, told);
	status = pvc_source_sample(b, &r);
	if ((status == PVC_OK || status == PVC_UNSTABLE) && !pvc_ns_absurd(pvc_reading_ns(&r)))
		pvc_raise(&b->last,
		          pvc_reading_ns(&r) + atomic_load(&b->own[r.cpu].bias) + PVC_NS_SKEW);
}

/*
 * The page was given up: how far those came who read its parameters, which nobody has
 * ended, or somebody who had others to follow them, or was leaving mode stable. False:
 * somebody has just moved them on.
 */
static bool reach_of_given_up(struct pvc_core *b, uint64_t *reach)
{
	uint64_t current = pvc_latch_begin(&b->now_current);
	struct pvc_now old;

	*reach = 0;
	pvc_now_load(b, current, &old);
	if (!pvc_latch_valid(&b->now_current, current))
		return false;
	if (!pvc_latch_slot(current))
		return true;
	if (old.ended)
		return pvc_now_end(b, old.ended, &old, &current, reach);
	*reach = pvc_now_at(&old, atomic_load(&b->now_used) & ~PVC_USED_TAG);
	return true;
}

/* How far time has come by the page that was in that mode: what follows starts no lower. */
static void keep_reach(struct pvc_core *b, enum pvc_mode was)
{
	uint64_t current, reach, left = pvc_now_left(atomic_load(&b->mode_and_era));
	struct pvc_now old;
	unsigned i;

	for (i = 0; i < LATCH_TRIES; i++)
		if (was == PVC_MODE_KERNEL ? reach_of_given_up(b, &reach)
		                           : pvc_now_end(b, left, &old, &current, &reach)) {
			if (!pvc_ns_absurd(reach))
				pvc_raise(&b->last, reach);
			break;
		}
}

bool pvc_source_return(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why, uint64_t before)
{
	struct pvc_reading r;

	keep_reach(b, PVC_MODE_KERNEL);
	forget_page(b);
	pvc_record_forget(b);
	atomic_store(&b->seq, &b->no_seq);
	atomic_store(&b->proved, 0);
	atomic_store(&b->misproved, 0);
	if (pvc_read_entry(b, 0, &r) == PVC_BUSY || !pvc_reading_scales(&r) ||
	    !put_in_service(b, mode, &r, before))
		return false;
	atomic_store(&b->reason, why);
	atomic_fetch_add(&b->generation, 1);
	return true;
}

/*
 * What was told is kept as floors, and as the least that the next page's entries may
 * say. The latch of hypervisor ns still names what has ended: it is emptied when nobody
 * is left who may take an empty one for the page's.
 */
void pvc_source_pause(struct pvc_core *b)
{
	enum pvc_mode was;

	raise_last_of_threads(b);
	was = (enum pvc_mode)atomic_exchange(&b->mode, PVC_MODE_PAUSED);
	pvc_source_slow(b);
	/* It is looked at in any mode, and goes with the page. */
	atomic_store(&b->disruption, NULL);
	atomic_fetch_add(&b->generation, 1);
	pvc_change_end_clocks(b, pvc_ns_to_x(PVC_NS_MARGIN, pvc_rate_of(b, 0)));
	if (was != PVC_MODE_PERCPU && was != PVC_MODE_PAUSED)
		keep_reach(b, was == PVC_MODE_DOUBTED ? PVC_MODE_KERNEL : was);
}
