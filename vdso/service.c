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

/* A page in place of another: all of its entries go on from what that one had come to. */
static void carry_on(struct pvc_core *b, const struct pvc_reading *r)
{
	uint64_t ns = pvc_reading_ns(r), last = atomic_load(&b->last), bias = 0;
	unsigned i;

	/* Told by nonsense: nothing goes on from there, nor could it. */
	if (pvc_ns_absurd(last))
		atomic_store(&b->last, 0);
	else if (ns + PVC_NS_SKEW < last)
		bias = last - ns;
	/* However far above: it has been proved. */
	else if (last)
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

void pvc_source_start(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why)
{
	struct pvc_reading r;

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
	if (pvc_read_entry(b, 0, &r) == PVC_BUSY) {
		atomic_store(&b->reason, PVC_WHY_BUSY);
		atomic_store(&b->mode, PVC_MODE_KERNEL);
		return;
	}
	/* The host may have rewritten it since it was proved. */
	if (!pvc_reading_scales(&r)) {
		atomic_store(&b->reason, PVC_WHY_NONSENSE);
		atomic_store(&b->mode, PVC_MODE_KERNEL);
		return;
	}
	carry_on(b, &r);
	if (mode == PVC_MODE_STABLE)
		mode = pvc_mode_of_stable(&r);
	atomic_store(&b->rate, pvc_reading_rate(&r));
	if (mode == PVC_MODE_PERCPU)
		pvc_record_begin(b);
	/* Last: who sees the mode sees the rest. */
	atomic_store(&b->mode, mode);
	pvc_exact_begin(b);
	atomic_store(&b->fast, pvc_fast_ids(b, mode));
	pvc_source_calm(b);
}

void pvc_source_stop(struct pvc_core *b, enum pvc_reason why)
{
	struct pvc_event e = {.kind = PVC_EVENT_LOST};

	atomic_store(&b->calm, 0);
	atomic_store(&b->fast, 0);
	atomic_store(&b->reason, why);
	if (atomic_exchange(&b->mode, PVC_MODE_KERNEL) == PVC_MODE_KERNEL)
		return;
	atomic_fetch_add(&b->generation, 1);
	pvc_change_end_clocks(b, UINT64_MAX);
	e.tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	pvc_event_add(b, &e);
}

/* In thread scope last has not got what was told; each thread's is near its entry's. */
static void raise_last_of_threads(struct pvc_core *b)
{
	struct pvc_reading r;
	enum pvc_read status;

	if (!b->thread_last || atomic_load(&b->mode) != PVC_MODE_PERCPU)
		return;
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

/*
 * What was told is kept as floors, and as the least that the next page's entries may
 * say. The latch of hypervisor ns still names what has ended: it is emptied when nobody
 * is left who may take an empty one for the page's.
 */
void pvc_source_pause(struct pvc_core *b)
{
	uint64_t current, reach;
	struct pvc_now old;
	uint32_t was;
	unsigned i;

	raise_last_of_threads(b);
	atomic_store(&b->calm, 0);
	atomic_store(&b->fast, 0);
	was = atomic_exchange(&b->mode, PVC_MODE_PAUSED);
	/* It is looked at in any mode, and goes with the page. */
	atomic_store(&b->disruption, NULL);
	atomic_fetch_add(&b->generation, 1);
	pvc_change_end_clocks(b, pvc_ns_to_x(PVC_NS_MARGIN, pvc_rate_of(b, 0)));
	if (was == PVC_MODE_PERCPU || was == PVC_MODE_PAUSED)
		return;
	for (i = 0; i < LATCH_TRIES; i++)
		if (was == PVC_MODE_KERNEL ? reach_of_given_up(b, &reach)
		                           : pvc_now_end(b, PVC_NOW_LEFT, &old, &current, &reach)) {
			if (!pvc_ns_absurd(reach))
				pvc_raise(&b->last, reach);
			break;
		}
}
