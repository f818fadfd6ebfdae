/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which entry, and at which TSC: this machine's page has one for each CPU, at a slot's
 * distance and for the TSC that we read; another VM's may lie otherwise, and count
 * another TSC.
 */
#ifndef PVC_ENTRY_H
#define PVC_ENTRY_H

#include "gettime.h"

pvc_inline unsigned pvc_predicted_cpu(struct pvc_core *b)
{
	uint32_t cpu;

	if (!b->rseq_cpu)
		return pvc_cpu_segment() & PVC_AUX_CPU;
	/* glibc keeps a registered rseq area for each thread: one load */
	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"((int64_t)b->rseq_cpu));
	return cpu;
}

/* The entry that readers on this CPU use; of foreign ones any is as good. */
pvc_inline unsigned pvc_predicted_entry(struct pvc_core *b)
{
	unsigned cpu = pvc_predicted_cpu(b);

	return b->foreign && cpu >= b->count ? cpu % b->count : cpu;
}

pvc_inline pvc_entry *pvc_entry_of(struct pvc_core *b, unsigned entry)
{
	size_t stride = b->stride ? b->stride : sizeof(*b->entry);

	return (pvc_entry *)((const volatile char *)b->entry + entry * stride);
}

/* The entry's TSC, of ours. */
pvc_inline uint64_t pvc_tsc_of(struct pvc_core *b, unsigned entry, uint64_t tsc)
{
	if (b->tsc_ratio)
		tsc = (uint64_t)(((pvc_u128)tsc * b->tsc_ratio) >> b->tsc_ratio_bits);
	return b->tsc_offset ? tsc + (uint64_t)b->tsc_offset[entry] : tsc;
}

/*
 * One reading of an entry that may be read from any CPU: a foreign one, or one of those
 * that are stable. PVC_UNSTABLE still fills *r.
 */
PVC_INTERNAL enum pvc_read pvc_read_entry(struct pvc_core *b, unsigned entry,
                                          struct pvc_reading *r);

/* Nothing has happened, by the entry of the CPU that this thread is on, or was just now. */
static inline bool pvc_is_calm(struct pvc_core *b)
{
	uint32_t cpu;

	if (pvc_unlikely(!atomic_load_explicit(&b->calm, memory_order_acquire)))
		return false;
	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"((int64_t)b->rseq_cpu));
	return pvc_likely(
		pvc_witness(b, cpu & atomic_load_explicit(&b->cpu_mask, memory_order_relaxed)));
}

/* A call, so that who is calm saves no register for it. */
PVC_INTERNAL uint64_t pvc_generation_slow(struct pvc_core *b);

pvc_inline uint64_t pvc_generation(struct pvc_core *b)
{
	if (pvc_unlikely(!pvc_is_calm(b)))
		return pvc_generation_slow(b);
	return atomic_load_explicit(&b->events, memory_order_acquire);
}

#endif /* PVC_ENTRY_H */
