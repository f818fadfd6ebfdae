// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Doubt: a page that is not what it seemed to be is given up, and taken back when it is
 * found good again.
 *
 * What happens once may be chance: a restore, a clock that was set, a host that was not
 * run in the middle of an update. What happens time and again while clocks are hardly
 * ever anchored is the page. Then the kernel answers; and now and then, after a wait that
 * doubles with each time in vain, one of the callers whom it has answered looks at the
 * page. The page is taken back when it was found good twice:
 *
 *   kernel     what the kernel says is returned as it is
 *   doubted    found good once; what is returned is kept as a floor
 *   live       found good again, at least 4 ms later
 *
 * Without the stage between, a thread with an answer of the kernel in its hands could
 * next be told less, by a line that is some ns behind the kernel.
 *
 * One looks at a time. Who is looking and does not come back (a killed thread) leaves it
 * at that: the kernel answers for ever, which is right. In the child of a fork it is known
 * that nobody does but the thread that forked.
 */
#include "now.h"

/* An input may go back: a VM was restored. When it does so all the time it is not one clock. */
#define MOST_BACK 8
#define FEW_ANCHORS_BACK 64

/*
 * In a row. The kernel changes its rate when it likes to, but not with every sample of ours;
 * a thread moved between CPUs whose entries are 2.6 us apart (OSv) has seen 69 in a row.
 */
#define MOST_BROKEN 1024

/*
 * Each costs some us, and a call of the kernel; but who writes may not be run for a while:
 * it must be so for 2^28 ticks of the TSC, 70 to 270 ms.
 */
#define MOST_STUCK 1024
#define FEW_ANCHORS_STUCK 1
#define LONG_STUCK 28

/* log2 of TSC ticks: 4 to 16 ms; 10 to 35 s; and in service for 1 to 5 min what comes is new. */
#define WAIT_FIRST 24
#define WAIT_LONGEST 35
#define WAIT_SETTLED 38
/* CPUs' TSCs do not differ by so many: it has gone back. */
#define TICKS_SKEW (1ll << 30)

/* Clocks were anchored meanwhile: what was counted is of another time. */
static bool is_past(struct pvc_core *b, struct pvc_doubt *d, unsigned few)
{
	uint64_t anchors = atomic_load(&b->count_of.anchors);

	return anchors - atomic_exchange(&d->anchors, anchors) > few;
}

static bool repeats(struct pvc_core *b, struct pvc_doubt *d, unsigned most)
{
	/* Of a foreign page nothing else tells the time; its entries may differ by hours. */
	return atomic_fetch_add(&d->times, 1) + 1 >= most && !b->foreign;
}

void pvc_source_went_back(struct pvc_core *b)
{
	pvc_count(&b->count_of.went_back);
	if (is_past(b, &b->back, FEW_ANCHORS_BACK))
		atomic_store(&b->back.times, 0);
	if (repeats(b, &b->back, MOST_BACK))
		pvc_source_stop(b, PVC_WHY_BACK);
}

void pvc_doubt_busy(struct pvc_core *b)
{
	uint64_t tsc = pvc_rdtsc_ordered((enum pvc_order)b->order), since = 0;

	pvc_count(&b->count_of.busy);
	/* Before it is counted, by whoever is the first to come here: others may go on from 1. */
	if (atomic_compare_exchange_strong(&b->stuck_since, &since, tsc))
		since = tsc;
	if (is_past(b, &b->stuck, FEW_ANCHORS_STUCK)) {
		since = tsc;
		atomic_store(&b->stuck_since, since);
		atomic_store(&b->stuck.times, 0);
	}
	/* Signed: somebody on another CPU may have begun anew since our TSC was read. */
	if (repeats(b, &b->stuck, MOST_STUCK) && (int64_t)(tsc - since) >> LONG_STUCK > 0)
		pvc_source_stop(b, PVC_WHY_BUSY);
}

void pvc_doubt_interval(struct pvc_core *b, bool held)
{
	if (!held && atomic_fetch_add(&b->broken, 1) + 1 >= MOST_BROKEN && !b->foreign)
		pvc_source_stop(b, PVC_WHY_VIOLATED);
	if (held && pvc_unlikely(atomic_load_explicit(&b->broken, memory_order_relaxed)))
		atomic_store(&b->broken, 0);
}

void pvc_doubt_begin(struct pvc_core *b)
{
	uint64_t tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	uint32_t wait = atomic_load(&b->wait);

	pvc_count(&b->count_of.given_up);
	if (!b->may_return)
		return;
	if (!wait || (tsc - atomic_load(&b->looked_at)) >> WAIT_SETTLED)
		wait = WAIT_FIRST;
	else if (wait < WAIT_LONGEST)
		wait++;
	atomic_store(&b->looked_at, tsc);
	atomic_store(&b->wait, wait);
}

/* As it is to be read now; PVC_MODE_KERNEL: not at all. */
static enum pvc_mode mode_now(struct pvc_core *b, enum pvc_reason *why)
{
	struct pvc_proof proof = pvc_prove(b->entry, b->count, (enum pvc_order)b->order);

	*why = proof.reason;
	if (proof.entries < b->count)
		return PVC_MODE_KERNEL;
	if (proof.reason == PVC_WHY_STABLE && (b->may_stable || !b->may_percpu))
		return PVC_MODE_STABLE;
	return b->may_percpu ? PVC_MODE_PERCPU : PVC_MODE_KERNEL;
}

static void take_back(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why, uint64_t before)
{
	struct pvc_event e = {.kind = PVC_EVENT_FOUND};

	/* What was counted is of before. */
	atomic_store(&b->back.times, 0);
	atomic_store(&b->broken, 0);
	atomic_store(&b->stuck_since, 0);
	atomic_store(&b->stuck.times, 0);
	if (!pvc_source_return(b, mode, why, before))
		return;
	pvc_count(&b->count_of.taken_back);
	e.tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	pvc_event_add_single(b, &e);
}

static void look(struct pvc_core *b, uint64_t before)
{
	uint64_t era = pvc_era_of(before);
	uint32_t wait = atomic_load(&b->wait);
	enum pvc_reason why;
	enum pvc_mode mode = mode_now(b, &why);

	if (mode == PVC_MODE_KERNEL) {
		if (wait < WAIT_LONGEST)
			atomic_store(&b->wait, wait + 1);
		atomic_compare_exchange_strong(&b->mode_and_era, &before, era | PVC_MODE_KERNEL);
	} else if (pvc_mode_of(before) == PVC_MODE_KERNEL) {
		atomic_compare_exchange_strong(&b->mode_and_era, &before, era | PVC_MODE_DOUBTED);
	} else {
		take_back(b, mode, why, before);
	}
}

/* A TSC that has gone back tells nothing of how long it was: from here on it does. */
static bool is_time(struct pvc_core *b, uint32_t wait)
{
	uint64_t tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	int64_t since = (int64_t)(tsc - atomic_load(&b->looked_at));

	if (since >= 1ll << wait || since < -TICKS_SKEW)
		atomic_store(&b->looked_at, tsc);
	return since >= 1ll << wait;
}

/* Where its thread-local data are; without a registered rseq there may be none. */
static uint64_t this_thread(struct pvc_core *b)
{
	uint64_t fs = 1;

	if (b->rseq_cpu)
		__asm__ volatile("movq %%fs:0, %0" : "=r"(fs));
	return fs;
}

void pvc_doubt_forked(struct pvc_core *b)
{
	/* It may be we, in a signal handler in the middle of it. */
	if (atomic_load(&b->looking) != this_thread(b))
		atomic_store(&b->looking, 0);
}

void pvc_doubt_look(struct pvc_core *b)
{
	uint64_t before = atomic_load(&b->mode_and_era), nobody = 0;
	enum pvc_mode mode = pvc_mode_of(before);

	if ((mode != PVC_MODE_KERNEL && mode != PVC_MODE_DOUBTED) ||
	    !atomic_compare_exchange_strong(&b->looking, &nobody, this_thread(b)))
		return;
	/* Somebody who looked before us has moved it on, and the time of the next look. */
	if (atomic_load(&b->mode_and_era) == before &&
	    is_time(b, mode == PVC_MODE_KERNEL ? atomic_load(&b->wait) : WAIT_FIRST))
		look(b, before);
	atomic_store(&b->looking, 0);
}
