// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What happens when the page is not what it was. Two kinds of change are told
 * apart. A version that moved while the values stayed (hosts do that) is looked
 * at once and remembered in seen[]. Values that changed, or a STABLE bit that was
 * cleared, end everything that was derived from the old ones before the new
 * version is remembered, so that no reader on any CPU can pair the new version
 * with an old line:
 *
 *   here                                  reader (gettime.h)
 *   end lines and parameters (release)    current            (acquire)
 *   seen[entry] = version    (release)    TSC, version, seen[entry]
 *                                         fence, current again
 */
#include "entry.h"
#include "now.h"

#define RATE_TRIES 8

bool pvc_change_end_clocks(struct pvc_core *b, uint64_t cut)
{
	bool all = true;
	int id;

	for (id = 0; id < PVC_IDS; id++)
		if (pvc_is_ours(id) && !pvc_clock_end(b, id, cut))
			all = false;
	return all;
}

/* Has an event told, since time last started lower, of what made it do so now? */
static bool is_explained(struct pvc_core *b, uint32_t entry)
{
	uint64_t events = atomic_load(&b->events);

	return atomic_exchange(&b->own[entry].back_events, events) != events;
}

static bool add_bias(struct pvc_core *b, _Atomic uint64_t *to, uint64_t bias, uint64_t by)
{
	if (!atomic_compare_exchange_strong(to, &bias, bias + by))
		return false;
	pvc_count(&b->count_of.restarts);
	/* Per CPU, lines run on ns that have lost the time since somebody last read them. */
	if (atomic_load(&b->mode) == PVC_MODE_PERCPU)
		pvc_change_end_clocks(b, pvc_ns_to_x(PVC_NS_MARGIN, PVC_X_NS_RATE));
	atomic_fetch_add(&b->generation, 1);
	return true;
}

void pvc_change_bridge(struct pvc_core *b, _Atomic uint64_t *to, const struct pvc_reading *r,
                       uint64_t bias, uint64_t last)
{
	uint64_t ns = pvc_reading_ns(r);
	struct pvc_event e = {
		.tsc = r->tsc,
		.ns = ns,
		.step = (int64_t)(ns + bias - last),
		.kind = PVC_EVENT_WENT_BACK,
		.cpu = r->cpu,
	};

	if (!add_bias(b, to, bias, last - ns - bias) || is_explained(b, r->cpu))
		return;
	pvc_event_add(b, &e);
	atomic_store(&b->own[r->cpu].back_events, atomic_load(&b->events));
	pvc_source_went_back(b);
}

/* Parts in 10^9. In range: a rate is from 2^-32 to 1, whatever an entry says that scales. */
static int64_t rate_change(uint64_t was, uint64_t is)
{
	uint64_t change = is > was ? is - was : was - is;
	uint64_t ppb = pvc_div128(pvc_mulhi(change, PVC_NSEC_PER_SEC), change * PVC_NSEC_PER_SEC,
	                          was ? was : 1);

	return is > was ? (int64_t)ppb : -(int64_t)ppb;
}

void pvc_change_event(const struct pvc_reading *old, const struct pvc_reading *r,
                      struct pvc_event *e)
{
	*e = (struct pvc_event){
		.tsc = r->tsc,
		.ns = pvc_reading_ns(r),
		.step = (int64_t)(pvc_reading_ns(r) - pvc_reading_ns_at(old, r->tsc)),
		.rate = rate_change(pvc_reading_rate(old), pvc_reading_rate(r)),
		.kind = PVC_EVENT_CHANGED,
		.cpu = r->cpu,
	};
}

/* Set, it is an event; that it is clear again is seen when the entry is next looked at. */
void pvc_change_flags(struct pvc_core *b, const struct pvc_reading *r)
{
	uint64_t bit = 1ull << r->cpu % PVCLOCK_PAGE_SLOTS;
	struct pvc_event e = {
		.tsc = r->tsc,
		.ns = pvc_reading_ns(r),
		.kind = PVC_EVENT_STOPPED,
		.cpu = r->cpu,
	};

	if (!(r->flags & PVCLOCK_GUEST_STOPPED)) {
		if (pvc_unlikely(atomic_load_explicit(&b->stopped, memory_order_relaxed) & bit)) {
			atomic_fetch_and(&b->stopped, ~bit);
			pvc_source_calm(b);
		}
		return;
	}
	if (atomic_fetch_or(&b->stopped, bit) & bit)
		return;
	atomic_store(&b->calm, 0);
	pvc_count(&b->count_of.stopped);
	pvc_event_add(b, &e);
}

void pvc_change_disruption(struct pvc_core *b)
{
	const volatile uint64_t *marker = atomic_load(&b->disruption);
	uint64_t is, was = atomic_load(&b->disrupted);
	struct pvc_event e = {.kind = PVC_EVENT_DISRUPTED};

	if (!marker)
		return;
	is = *marker;
	if (is == was || !atomic_compare_exchange_strong(&b->disrupted, &was, is))
		return;
	e.tsc = pvc_rdtsc_ordered((enum pvc_order)b->order);
	pvc_event_add(b, &e);
}

/*
 * Lines were made under the old values. The host keeps ns in step when it moves
 * a TSC, so a step of the ns bounds what the TSC itself may have gone back by.
 */
static bool end_clocks_of(struct pvc_core *b, const struct pvc_reading *old,
                          const struct pvc_reading *r)
{
	uint64_t was = pvc_reading_ns_at(old, r->tsc), is = pvc_reading_ns(r);
	uint64_t step = was > is ? was - is : is - was;
	uint64_t rate = pvc_rate_of(b, atomic_load(&b->mode) == PVC_MODE_STABLE ? 0 : PVC_X_NS(0));
	bool far = step > PVC_NSEC_PER_SEC / 2;

	if (!pvc_change_end_clocks(b, far ? UINT64_MAX : pvc_ns_to_x(step + PVC_NS_MARGIN, rate)))
		return false;
	atomic_fetch_add(&b->generation, 1);
	return true;
}

/*
 * The rate is that of the parameters in service, before a reader goes by them; and stays
 * it where somebody who has found earlier ones comes late to storing theirs.
 */
static void rate_follows(struct pvc_core *b)
{
	struct pvc_now now;
	uint64_t current, rate;
	unsigned tries;

	for (tries = 0; tries < RATE_TRIES; tries++) {
		rate = atomic_load(&b->rate);
		current = pvc_latch_begin(&b->now_current);
		pvc_now_load(b, current, &now);
		if (pvc_latch_valid(&b->now_current, current) &&
		    atomic_compare_exchange_strong(&b->rate, &rate, pvc_reading_rate(&now.r)) &&
		    pvc_latch_valid(&b->now_current, current))
			return;
	}
}

static bool is_stable_mode(struct pvc_core *b)
{
	uint32_t mode = atomic_load(&b->mode);

	return mode == PVC_MODE_STABLE || mode == PVC_MODE_STABLE_NS;
}

/*
 * From now on hypervisor ns are computed from *r. Never below what
 * per-CPU readers have come to: last is read after the mode was set to stable, see regain.
 * Who comes here with a mode from before it was left may find what ended it replaced, by
 * one who enters it again and has not set the mode; so it is looked at after the latch.
 */
static bool take_values(struct pvc_core *b, const struct pvc_reading *r)
{
	struct pvc_now old, next = {.r = *r};
	struct pvc_reading now = *r;
	struct pvc_event e;
	uint64_t current, last, raw;
	uint32_t entry;
	bool changed, mine;

	if (!pvc_now_end(b, PVC_NOW_ENDED, &old, &current, &next.floor) || !is_stable_mode(b))
		return false;
	changed = pvc_latch_slot(current) && !pvc_same_values(&old.r, r);
	if (changed && !end_clocks_of(b, &old.r, r))
		return false;
	last = atomic_load(&b->last);
	if (next.floor < last)
		next.floor = last;
	next.bias = atomic_load(&b->bias);
	/* With a TSC after that of the reach, whatever came in between. */
	now.tsc = pvc_tsc_and_entry(b, &entry);
	raw = pvc_reading_ns(&now);
	mine = b->foreign || entry == r->cpu;
	/* Moved to another CPU since: see is_newer. */
	if (changed && !mine)
		return false;
	/* Rewritten since it was read: that does not go with this TSC, nor back to what was. */
	if (pvc_entry_version(&b->entry[r->cpu]) != r->version)
		return false;
	/* Not even with what bridges have added up to: that would end in a wrap. */
	if (pvc_ns_absurd(raw | (raw + next.bias) | next.floor)) {
		pvc_source_stop(b, PVC_WHY_NONSENSE);
		return false;
	}
	if (raw + next.bias + PVC_NS_SKEW < next.floor) {
		uint64_t by = next.floor - raw - next.bias;

		/* A TSC that has gone back on another CPU, whose entry tells of it. */
		if (!mine)
			return false;
		if (!changed)
			pvc_change_bridge(b, &b->bias, &now, next.bias, next.floor);
		/* At once: the next reach of an absurd rate would be out of reach again. */
		if (!changed || !add_bias(b, &b->bias, next.bias, by))
			return false;
		next.bias += by;
	}
	/* For who comes to this before it is published, and cannot know the reach any more. */
	pvc_raise(&b->now_reach, next.floor);
	if (!pvc_now_unused(b, current, now.tsc) || !pvc_now_put(b, current, &next))
		return false;
	if (changed) {
		pvc_change_event(&old.r, r, &e);
		pvc_count(&b->count_of.param_changes);
		pvc_event_add_single(b, &e);
	}
	return true;
}

/* A CPU without an entry (Xen, hotplug): entry 0 speaks for it. */
static void no_entry(struct pvc_core *b, uint32_t entry)
{
	if (entry == 0)
		pvc_source_stop(b, PVC_WHY_NONSENSE);
	else
		atomic_store(&b->cpu_mask, 0);
}

/* What two entries of one master clock differ by, each rounded at a time of its own. */
#define NS_ROUNDED 2ull

/*
 * The entry says what those in service say. One whose version moved may have been changed
 * by little; one that is looked at for the first time is as it was found when it was proved.
 */
static bool is_same(const struct pvc_reading *now, const struct pvc_reading *r, bool first)
{
	uint64_t was = pvc_reading_ns_at(now, r->tsc), is = pvc_reading_ns(r);

	if (now->mul != r->mul || now->shift != r->shift)
		return false;
	return (was > is ? was - is : is - was) <= (first ? PVC_NS_AGREE : NS_ROUNDED);
}

/*
 * Where an entry says something else than those in service: is it what followed? A vCPU
 * that has not run since a change has an entry of before it. One that runs has been told,
 * so of this machine's page it is for who is on the entry's CPU to say; and he finds what
 * is in service first, and then that he is there. Of a foreign page it is what the entry
 * says now that had those in service, or what is of a later TSC; but of one to come nothing
 * can be that makes sense.
 */
static bool is_newer(struct pvc_core *b, const struct pvc_now *now, const struct pvc_reading *r)
{
	uint32_t entry;
	uint64_t tsc = pvc_tsc_and_entry(b, &entry);

	if (!b->foreign)
		return entry == r->cpu;
	return r->cpu == now->r.cpu || r->tsc_timestamp >= now->r.tsc_timestamp ||
	       now->r.tsc_timestamp > tsc;
}

/* *by: the entry to go on by; another one where this is older than what has ended. */
static bool look(struct pvc_core *b, uint32_t entry, uint32_t *by)
{
	struct pvc_reading r;
	enum pvc_read status = pvc_read_stable(&b->entry[entry], (enum pvc_order)b->order, &r);
	struct pvc_now now;
	uint64_t current;
	bool first, same, older;

	if (status == PVC_BUSY) {
		pvc_doubt_busy(b);
		return false;
	}
	if (!pvc_reading_plausible(&r)) {
		no_entry(b, entry);
		return true;
	}
	first = atomic_load(&b->seen[entry]) == PVC_UNSEEN;
	if (!first)
		pvc_count(&b->count_of.version_moves);
	r.cpu = entry;
	pvc_change_flags(b, &r);
	if (status == PVC_UNSTABLE) {
		pvc_edge_leave(b, &r);
		return true;
	}
	current = pvc_latch_begin(&b->now_current);
	pvc_now_load(b, current, &now);
	if (!pvc_latch_valid(&b->now_current, current))
		return true;
	if (now.ended > PVC_NOW_ENDED) {
		/* Whoever began to leave may not have come to the end of it. */
		pvc_edge_leave(b, &r);
		return true;
	}
	same = is_same(&now.r, &r, first);
	older = !same && pvc_latch_slot(current) && !is_newer(b, &now, &r);
	if (older && !b->foreign)
		return true;
	/* Nor are those in service the newest any more, where their entry is another. */
	if (older && (now.ended || !pvc_witness(b, now.r.cpu))) {
		*by = now.r.cpu;
		return true;
	}
	if (!older && (now.ended || !same) && !take_values(b, &r))
		return true;
	rate_follows(b);
	/* Last, and release: whoever sees it sees what was ended before it. */
	atomic_store_explicit(&b->seen[entry], r.version, memory_order_release);
	return true;
}

bool pvc_change_look(struct pvc_core *b, uint32_t entry)
{
	uint32_t by = entry;
	bool can = look(b, entry, &by);

	return by == entry ? can : look(b, by, &by);
}
