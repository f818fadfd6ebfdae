// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a block has to say of itself and of its page. */
#include "lib.h"

#include <errno.h>
#include <string.h>

/* A struct of this size or more was there in the first release. */
#define STATUS_FIRST_SIZE sizeof(struct pvclock_status)

static int error_of(const struct pvc_core *b, enum pvc_read status)
{
	if (atomic_load(&((struct pvc_core *)b)->mode) == PVC_MODE_KERNEL)
		return -ENODEV;
	return status == PVC_NO_ENTRY ? -ENOENT : -EAGAIN;
}

static int now_error(struct pvc_core *b)
{
	struct pvc_reading r;

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
	if (atomic_load(&b->mode) == PVC_MODE_KERNEL)
		return -ENODEV;
	status = pvc_source_sample(b, &r);
	if (status == PVC_BUSY || status == PVC_NO_ENTRY)
		return error_of(b, status);
	sample->cpu = r.cpu;
	sample->tsc = r.tsc;
	sample->ns = pvc_reading_ns(&r);
	sample->version = r.version;
	sample->flags = r.flags;
	return 0;
}

static uint32_t public_mode(uint32_t mode)
{
	return mode == PVC_MODE_STABLE_NS ? PVC_MODE_STABLE : mode;
}

static void describe_page(struct pvc_core *b, struct pvclock_status *s)
{
	struct pvc_reading r;

	if (!b->entry)
		return;
	s->page = (uint64_t)(uintptr_t)b->entry;
	s->entries = b->count;
	if (pvc_read_stable(b->entry, (enum pvc_order)b->order, &r) == PVC_BUSY)
		return;
	s->flags = r.flags;
	/* kHz = 10^6 / (ns per tick) */
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
	s->stopped = atomic_load(&c->stopped);
	s->restarts = atomic_load(&c->restarts);
	s->steps = atomic_load(&c->steps);
	s->outside = atomic_load(&c->outside);
	s->went_back = atomic_load(&c->went_back);
	s->busy = atomic_load(&c->busy);
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
	s.scope = (uint32_t)o->scope;
	s.proved = atomic_load(&b->proved);
	s.resync_us = o->resync_us;
	describe_page(b, &s);
	copy_counters(&b->count_of, &s);
	strncpy(s.reason, pvc_reason_text((enum pvc_reason)atomic_load(&b->reason)),
	        sizeof(s.reason) - 1);
	memcpy(status, &s, sizeof(s));
	return 0;
}
