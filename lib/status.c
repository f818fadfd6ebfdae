// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a block has to say of itself and of its page. */
#include "lib.h"

#include <errno.h>
#include <string.h>

#include "../vdso/entry.h"

/* A struct of this size or more was there in the first release. */
#define STATUS_FIRST_SIZE sizeof(struct pvclock_status)

static int error_of(struct pvc_core *b, enum pvc_read status)
{
	uint32_t mode = atomic_load(&b->mode);

	if (mode == PVC_MODE_KERNEL || mode == PVC_MODE_DOUBTED)
		return -ENODEV;
	return status == PVC_NO_ENTRY ? -ENOENT : -EAGAIN;
}

static int now_error(struct pvc_core *b)
{
	struct pvc_reading r;

	/* The kernel has no answer to this, but a page that was given up may be good again. */
	pvc_doubt_remember(b);
	if (atomic_load(&b->mode) != PVC_MODE_PERCPU)
		return error_of(b, PVC_BUSY);
	return error_of(b, pvc_source_sample(b, &r));
}

int pvc_now_of(struct pvc_core *b, uint64_t *ns)
{
	uint64_t own;

	if (!ns)
		return -EFAULT;
	if (pvc_likely(pvc_source_now(b, ns, &own)))
		return 0;
	return now_error(b);
}

int pvc_sample_of(struct pvc_core *b, struct pvclock_sample *sample)
{
	struct pvc_reading r;
	enum pvc_read status;

	if (!sample)
		return -EFAULT;
	if (sample->size < sizeof(*sample))
		return -EINVAL;
	if (!pvc_is_live(atomic_load(&b->mode)))
		return error_of(b, PVC_BUSY);
	status = pvc_source_sample(b, &r);
	if (status == PVC_BUSY || status == PVC_NO_ENTRY)
		return error_of(b, status);
	sample->cpu = r.cpu;
	sample->tsc = r.tsc;
	sample->ns = pvc_reading_ns(&r);
	sample->version = r.version;
	sample->flags = r.flags;
	sample->tsc_timestamp = r.tsc_timestamp;
	sample->system_time = r.system_time;
	sample->mul = r.mul;
	sample->shift = (int32_t)r.shift;
	return 0;
}

int pvc_now_entry_of(struct pvc_core *b, uint32_t entry, uint64_t *ns)
{
	enum pvc_read status;

	if (!ns)
		return -EFAULT;
	status = pvc_source_now_of(b, entry, ns);
	return status == PVC_OK ? 0 : error_of(b, status);
}

/* Any CPU may look at any entry's parameters: no TSC goes with them. */
static int read_parameters(struct pvc_core *b, uint32_t entry, struct pvc_reading *r)
{
	enum pvc_read status;

	if (!pvc_is_live(atomic_load(&b->mode)))
		return error_of(b, PVC_BUSY);
	if (entry >= b->count)
		return -ENOENT;
	status = pvc_read_entry(b, entry, r);
	return status == PVC_OK || status == PVC_UNSTABLE ? 0 : error_of(b, status);
}

/* Entry 0 speaks for CPUs without one: a sample of those has its parameters. */
int pvc_sample_valid_of(struct pvc_core *b, const struct pvclock_sample *s)
{
	struct pvc_reading r;
	int err;

	if (!s)
		return -EFAULT;
	if (s->size < sizeof(*s))
		return -EINVAL;
	err = read_parameters(b, pvc_source_own_entries(b) ? s->cpu : 0, &r);
	if (err)
		return err;
	return r.tsc_timestamp == s->tsc_timestamp && r.system_time == s->system_time &&
	       r.mul == s->mul && r.shift == s->shift;
}

int pvc_entry_status_of(struct pvc_core *b, uint32_t cpu, struct pvclock_entry *entry)
{
	struct pvclock_entry e = {.size = sizeof(e)};
	struct pvc_reading r, first;
	const struct pvc_record *rec;
	int err;

	if (!entry)
		return -EFAULT;
	if (entry->size < sizeof(e))
		return -EINVAL;
	err = read_parameters(b, cpu, &r);
	if (!err)
		err = read_parameters(b, 0, &first);
	if (err)
		return err;
	rec = b->record_of[cpu] ? b->record_of[cpu] : &b->record[cpu];
	e.node = b->foreign ? -1 : pvc_node_of_cpu(cpu);
	e.version = r.version;
	e.flags = r.flags;
	e.tsc_khz = pvc_ns_to_x(1000000, pvc_reading_rate(&r));
	e.behind_ns = (int64_t)(pvc_reading_ns_at(&first, r.tsc) - pvc_reading_ns(&r));
	e.version_moves = atomic_load(&((struct pvc_record *)rec)->moves);
	e.param_changes = atomic_load(&((struct pvc_record *)rec)->changes);
	memcpy(entry, &e, sizeof(e));
	return 0;
}

int pvc_interval_of(struct pvc_core *b, int id, struct pvclock_interval *interval)
{
	struct pvc_interval i;
	int err;

	if (!interval)
		return -EFAULT;
	if (interval->size < sizeof(*interval))
		return -EINVAL;
	err = pvc_gettime_interval(b, id, &i);
	if (err)
		return err;
	interval->certainty = (uint32_t)i.certainty;
	interval->earliest = (struct timespec){i.earliest.sec, i.earliest.nsec};
	interval->latest = (struct timespec){i.latest.sec, i.latest.nsec};
	return 0;
}

static uint32_t public_mode(uint32_t mode)
{
	if (mode == PVC_MODE_STABLE_NS)
		return PVC_MODE_STABLE;
	return mode == PVC_MODE_PERCPU || mode == PVC_MODE_STABLE ? mode : PVC_MODE_KERNEL;
}

static void describe_page(struct pvc_core *b, struct pvclock_status *s)
{
	enum pvc_read status;
	struct pvc_reading r;

	if (!pvc_is_live(atomic_load(&b->mode)) || !b->entry)
		return;
	s->page = (uint64_t)(uintptr_t)b->entry;
	s->entries = b->count;
	status = pvc_read_entry(b, 0, &r);
	if (status == PVC_BUSY)
		return;
	s->flags = r.flags;
	/* kHz = 10^6 / (ns per tick); of what does not scale there are none */
	if (status != PVC_NO_ENTRY)
		s->tsc_khz = pvc_ns_to_x(1000000, pvc_reading_rate(&r));
}

static void copy_counters(struct pvc_counters *c, struct pvclock_status *s)
{
	s->kernel_reads = atomic_load(&c->kernel_reads);
	s->anchors = atomic_load(&c->anchors);
	s->fallbacks = atomic_load(&c->fallbacks);
	s->version_moves = atomic_load(&c->version_moves);
	s->param_changes = atomic_load(&c->param_changes);
	s->unstable_edges = atomic_load(&c->unstable_edges);
	s->stable_edges = atomic_load(&c->stable_edges);
	s->stopped = atomic_load(&c->stopped);
	s->restarts = atomic_load(&c->restarts);
	s->steps = atomic_load(&c->steps);
	s->outside = atomic_load(&c->outside);
	s->violated = atomic_load(&c->violated);
	s->went_back = atomic_load(&c->went_back);
	s->busy = atomic_load(&c->busy);
	s->given_up = atomic_load(&c->given_up);
	s->taken_back = atomic_load(&c->taken_back);
}

int pvc_status_of(struct pvc_core *b, const struct pvc_options *o, struct pvclock_status *status)
{
	struct pvclock_status s = {0};
	size_t size;

	if (!status)
		return -EFAULT;
	size = status->size;
	if (size < STATUS_FIRST_SIZE)
		return -EINVAL;
	s.size = sizeof(s);
	s.mode = public_mode(atomic_load(&b->mode));
	s.scope = (uint32_t)__atomic_load_n(&o->scope, __ATOMIC_RELAXED);
	s.proved = atomic_load(&b->proved);
	s.exact = s.mode == PVC_MODE_STABLE && atomic_load(&b->seq) != &b->no_seq;
	s.resync_us = __atomic_load_n(&o->resync_us, __ATOMIC_RELAXED);
	describe_page(b, &s);
	copy_counters(&b->count_of, &s);
	s.generation = atomic_load(&b->events);
	strncpy(s.reason, pvc_reason_text((enum pvc_reason)atomic_load(&b->reason)),
	        sizeof(s.reason) - 1);
	memcpy(status, &s, sizeof(s));
	return 0;
}
