// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Entries that are looked at each by itself: what a change of one has done to time.
 *
 * A version that moved is looked at by one thread, which claims the entry's record by
 * its stamp; the others cannot know the bias that goes with the new values, and try again.
 * A claimant that does not come back (fork, a killed thread) is not waited for for long:
 * after some visits its claim is taken over, and if it comes back all the same, the record
 * is void.
 */
#include "entry.h"
#include "now.h"

#define STAMP_WRITING 1ull
#define STAMP_HOLDS 2ull
#define STAMP_VERSION 2
#define STAMP_VOID (1ull << 63) /* while it is being written: what is written will not hold */
#define MOST_WAITED 1000
#define VOID_TRIES 64

/*
 * Without a master clock a host rewrites entries as it moves vCPUs about, and each time
 * they start from another reading of its clocks. Less than this is no event.
 */
#define NS_NOTE 10000ll
#define PPB_NOTE 1000ll

/* For so long nobody may have asked, while another entry's bias is still taken for this one's. */
#define NS_UNASKED 10000000000ull

static struct pvc_record *record_of(struct pvc_core *b, unsigned entry)
{
	return b->record_of[entry] ? b->record_of[entry] : &b->record[entry];
}

static bool claim(struct pvc_record *rec, uint64_t *stamp, uint64_t *mine)
{
	uint64_t waited;

	*stamp = atomic_load(&rec->stamp);
	*mine = *stamp | STAMP_WRITING;
	if (*stamp & STAMP_WRITING) {
		waited = atomic_fetch_add(&rec->waited, 1) + 1;
		if (waited % MOST_WAITED)
			return false;
		/* One that no other claim has. */
		*mine = waited << 34 | STAMP_WRITING;
	}
	return atomic_compare_exchange_strong(&rec->stamp, stamp, *mine);
}

static void release(struct pvc_record *rec, uint64_t mine, uint64_t stamp)
{
	if (!atomic_compare_exchange_strong(&rec->stamp, &mine, stamp))
		atomic_store(&rec->stamp, 0);
}

/*
 * What it says is not so any more. A claim stays its claimant's, or another would write
 * beside him, and what is read of the two be of neither. Who loses each exchange takes it
 * away all the same: release finds that, and leaves the record void.
 */
static void make_void(struct pvc_record *rec)
{
	uint64_t stamp = atomic_load(&rec->stamp);
	unsigned tries;

	for (tries = 0; tries < VOID_TRIES; tries++)
		if (atomic_compare_exchange_strong(&rec->stamp, &stamp,
		                                   stamp & STAMP_WRITING ? stamp | STAMP_VOID : 0))
			return;
	atomic_store(&rec->stamp, 0);
}

static void load(const struct pvc_record *rec, struct pvc_reading *r)
{
	struct pvc_record *from = (struct pvc_record *)rec;
	uint64_t mul_shift = atomic_load_explicit(&from->mul_shift, memory_order_relaxed);

	r->tsc_timestamp = atomic_load_explicit(&from->tsc_timestamp, memory_order_relaxed);
	r->system_time = atomic_load_explicit(&from->system_time, memory_order_relaxed);
	r->mul = (uint32_t)mul_shift;
	r->shift = (int8_t)(mul_shift >> 32);
	r->flags = (uint8_t)(mul_shift >> 40);
}

static void store(struct pvc_record *rec, const struct pvc_reading *r)
{
	atomic_store_explicit(&rec->tsc_timestamp, r->tsc_timestamp, memory_order_relaxed);
	atomic_store_explicit(&rec->system_time, r->system_time, memory_order_relaxed);
	atomic_store_explicit(&rec->mul_shift,
	                      (uint64_t)r->flags << 40 | (uint64_t)(uint8_t)r->shift << 32 | r->mul,
	                      memory_order_relaxed);
}

/*
 * A step ahead takes back what was added for one back before it, as far as it goes; a
 * step back is bridged when it is found to be one. From the bias as it was at the claim:
 * whoever has lost his claim changes nothing.
 */
static void carry_over(struct pvc_own *own, uint64_t bias, int64_t step)
{
	uint64_t next;

	if (step <= 0 || !bias)
		return;
	next = bias > (uint64_t)step ? bias - (uint64_t)step : 0;
	/* First: see read_recorded in percpu.c. */
	atomic_store(&own->recorded, PVC_UNSEEN);
	atomic_compare_exchange_strong(&own->bias, &bias, next);
}

static void changed(struct pvc_core *b, struct pvc_record *rec, uint64_t bias,
                    const struct pvc_reading *old, const struct pvc_reading *r)
{
	struct pvc_event e;

	pvc_change_event(old, r, &e);
	pvc_count(&b->count_of.param_changes);
	pvc_count(&rec->changes);
	carry_over(&b->own[r->cpu], bias, e.step);
	/* With a master clock they are rewritten for a reason only. */
	if (!(old->flags & r->flags & PVCLOCK_TSC_STABLE_BIT) && e.step < NS_NOTE &&
	    e.step > -NS_NOTE && e.rate < PPB_NOTE && e.rate > -PPB_NOTE)
		return;
	/* Clocks' lines run on ns that have moved under them. */
	pvc_change_end_clocks(b, pvc_ns_to_x(PVC_NS_MARGIN, PVC_X_NS_RATE));
	atomic_fetch_add(&b->generation, 1);
	pvc_event_add(b, &e);
}

/*
 * The first entry that is without STABLE, and the last that has it again, are events; here
 * of pages that mode stable cannot read, where edge.c does not tell them.
 */
static void stability(struct pvc_core *b, const struct pvc_reading *old,
                      const struct pvc_reading *r)
{
	bool stable = r->flags & PVCLOCK_TSC_STABLE_BIT;
	uint64_t bit = 1ull << r->cpu, was;
	struct pvc_event e;

	was = stable ? atomic_fetch_and(&b->unstable, ~bit) : atomic_fetch_or(&b->unstable, bit);
	if (!old || was != (stable ? bit : 0))
		return;
	pvc_change_event(old, r, &e);
	e.kind = stable ? PVC_EVENT_STABLE : PVC_EVENT_UNSTABLE;
	pvc_count(stable ? &b->count_of.stable_edges : &b->count_of.unstable_edges);
	pvc_event_add_single(b, &e);
}

/* A reading made after the claim: no older than what others have recorded. */
static bool read_again(struct pvc_core *b, unsigned entry, struct pvc_reading *r)
{
	enum pvc_read status = b->foreign ? pvc_read_entry(b, entry, r) : pvc_source_sample(b, r);

	if (status != PVC_OK && status != PVC_UNSTABLE)
		return false;
	return r->cpu == entry && !pvc_ns_absurd(pvc_reading_ns(r));
}

static uint64_t stamp_of(const struct pvc_reading *r)
{
	return (uint64_t)r->version << STAMP_VERSION | STAMP_HOLDS;
}

/* Recorded; not remembered so while there is something to wait for, see regain. */
static bool is_recorded(struct pvc_core *b, const struct pvc_reading *r)
{
	struct pvc_own *own = &b->own[r->cpu];

	/* On the short way nobody asks whether it is far above. */
	if (pvc_off_the_clamp(pvc_reading_ns(r) + atomic_load(&own->bias), atomic_load(&b->last)) ||
	    !pvc_edge_regain(b, r))
		return true;
	atomic_store(&own->recorded, r->version);
	/* Forgotten meanwhile, see pvc_record_forget: readers would go by a bias of before. */
	if (atomic_load(&record_of(b, r->cpu)->stamp) != stamp_of(r))
		atomic_store(&own->recorded, PVC_UNSEEN);
	return true;
}

/*
 * What the record held, read at once after the claim: who is kept from running from here
 * on is overtaken, and finds what is newer than what he goes on to read of the entry.
 */
static bool load_held(struct pvc_record *rec, uint64_t stamp, uint64_t mine,
                      struct pvc_reading *old)
{
	if (mine != stamp + STAMP_WRITING || !(stamp & STAMP_HOLDS))
		return false;
	load(rec, old);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load(&rec->stamp) == mine;
}

/* *old: what the record held, NULL if it held nothing. */
static void compare(struct pvc_core *b, struct pvc_record *rec, uint64_t bias,
                    const struct pvc_reading *old, const struct pvc_reading *r)
{
	if (b->foreign && !b->may_stable)
		stability(b, old, r);
	if (!old) {
		/* The first since mode stable, where all entries had one bias. */
		atomic_compare_exchange_strong(&b->own[r->cpu].bias, &bias, atomic_load(&b->bias));
		return;
	}
	pvc_count(&b->count_of.version_moves);
	pvc_count(&rec->moves);
	if (!pvc_same_values(old, r))
		changed(b, rec, bias, old, r);
}

bool pvc_record_look(struct pvc_core *b, const struct pvc_reading *seen)
{
	struct pvc_record *rec = record_of(b, seen->cpu);
	struct pvc_reading old, r;
	uint64_t stamp, mine, bias;
	bool held;

	if (atomic_load(&rec->stamp) == stamp_of(seen))
		return is_recorded(b, seen);
	if (!claim(rec, &stamp, &mine))
		return false;
	bias = atomic_load(&b->own[seen->cpu].bias);
	held = load_held(rec, stamp, mine, &old);
	/* Mode stable again since it was read: what changes there is told there. */
	if (atomic_load(&b->mode) != PVC_MODE_PERCPU || !read_again(b, seen->cpu, &r)) {
		release(rec, mine, mine == stamp + STAMP_WRITING ? stamp : 0);
		return false;
	}
	compare(b, rec, bias, held ? &old : NULL, &r);
	pvc_change_flags(b, &r);
	/* Overtaken: what is there now is newer. */
	if ((atomic_load(&rec->stamp) & ~STAMP_VOID) != mine)
		return false;
	store(rec, &r);
	release(rec, mine, stamp_of(&r));
	return is_recorded(b, &r);
}

/*
 * Where an entry goes on that is at ns, and far below last. What has set it back may have
 * done so to others, and who has read one of them has found by how much: by the same this
 * one is where time is now, and last only where it was when somebody last asked.
 */
static uint64_t goes_on_at(struct pvc_core *b, uint64_t ns, uint64_t last)
{
	uint64_t to = UINT64_MAX;
	unsigned i;

	for (i = 0; i < b->count; i++) {
		uint64_t at = ns + atomic_load(&b->own[i].bias);

		if (at + PVC_NS_SKEW >= last && at < last + NS_UNASKED && at < to)
			to = at;
	}
	return to == UINT64_MAX ? last : to;
}

void pvc_record_bridge(struct pvc_core *b, unsigned entry, uint64_t last)
{
	struct pvc_record *rec = record_of(b, entry);
	struct pvc_reading r;
	uint64_t stamp, mine, bias;

	if (!claim(rec, &stamp, &mine))
		return;
	bias = atomic_load(&b->own[entry].bias);
	/* A version that has moved is looked at first: it may explain it. */
	if (read_again(b, entry, &r)) {
		bool holds = stamp == stamp_of(&r);
		bool below = pvc_reading_ns(&r) + bias + PVC_NS_SKEW < last;

		/* Nobody goes by a bias while lines are there that ran on the one before. */
		if (!holds || below)
			atomic_store(&b->own[entry].recorded, PVC_UNSEEN);
		/*
		 * Of threads that each have a last the others come along: by an entry that went
		 * on from years above them they would be told nothing any more.
		 */
		if (holds && below && b->thread_last)
			pvc_raise(&b->last, last);
		if (holds && below)
			pvc_change_bridge(b, &b->own[entry].bias, &r, bias,
			                  goes_on_at(b, pvc_reading_ns(&r), last));
	}
	release(rec, mine, mine == stamp + STAMP_WRITING ? stamp : 0);
}

void pvc_record_begin(struct pvc_core *b)
{
	unsigned i;

	for (i = 0; i < b->count; i++) {
		uint64_t never = 0;

		atomic_compare_exchange_strong(&b->own[i].recorded, &never, PVC_UNSEEN);
	}
}

void pvc_record_forget(struct pvc_core *b)
{
	unsigned i;

	atomic_store(&b->unstable, 0);
	for (i = 0; i < b->count; i++) {
		/* In this order: who has just recorded it looks at the stamp afterwards. */
		if (atomic_load(&record_of(b, i)->stamp))
			make_void(record_of(b, i));
		if (atomic_load(&b->own[i].recorded))
			atomic_store(&b->own[i].recorded, PVC_UNSEEN);
	}
	atomic_store(&b->edge_ns, PVC_EDGE_NONE);
}
