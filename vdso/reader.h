/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading an entry that the hypervisor may be rewriting.
 *
 * Every entry is a parameter, so that the same code reads the live page, a page
 * in a test's memory, and another VM's. Nothing here waits without limit: a
 * host thread can be descheduled in the middle of an update, and then the
 * caller is told PVC_BUSY and asks the kernel instead.
 */
#ifndef PVC_READER_H
#define PVC_READER_H

#include "../include/pvclock/abi.h"
#include "arch_x86.h"
#include "scale.h"

enum pvc_read {
	PVC_OK = 0,
	PVC_BUSY,     /* the version stayed odd, or kept moving */
	PVC_UNSTABLE, /* STABLE is clear: this entry is its own vCPU's only */
	PVC_NO_ENTRY, /* this CPU has none */
};

/* An update takes the host some 100 ns; 64 pauses are several microseconds. */
#define PVC_READ_TRIES 64

typedef const volatile struct pvclock_slot pvc_entry;

/* One entry's fields, consistent, and the TSC and CPU at which they held. */
struct pvc_reading {
	uint64_t tsc;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	uint32_t version;
	uint32_t cpu;
	int8_t shift;
	uint8_t flags;
};

/* Nanoseconds since the VM was created, at some TSC by these parameters. */
pvc_inline uint64_t pvc_reading_ns_at(const struct pvc_reading *r, uint64_t tsc)
{
	uint64_t since = pvc_scale_delta(pvc_ticks_since(tsc, r->tsc_timestamp), r->mul, r->shift);
	uint64_t ns = r->system_time + since;

	if (pvc_unlikely(ns < since)) {
		/* A branch, which is predicted: the result does not wait for it. */
		__asm__ volatile("");
		return UINT64_MAX;
	}
	return ns;
}

pvc_inline uint64_t pvc_reading_ns(const struct pvc_reading *r)
{
	return pvc_reading_ns_at(r, r->tsc);
}

/*
 * Could these be a hypervisor's? KVM and Xen normalise the multiplier, and no
 * other shift has a meaning. An entry that was never written fails this.
 */
pvc_inline bool pvc_reading_scales(const struct pvc_reading *r)
{
	return r->mul >> 31 && r->shift >= -31 && r->shift <= 31;
}

/* Nanoseconds per tick, 0.64, saturated: mul * 2^shift / 2^32. */
pvc_inline uint64_t pvc_reading_rate(const struct pvc_reading *r)
{
	pvc_u128 rate = (pvc_u128)r->mul << 32;

	rate = r->shift < 0 ? rate >> (-r->shift & 127) : rate << (r->shift & 127);
	return rate >> 64 ? UINT64_MAX : (uint64_t)rate;
}

/*
 * The version before and after: x86 keeps loads in order, so a barrier to the
 * compiler is enough on the reader's side. Pairs with the host's write barriers
 * between the version and the fields.
 */
pvc_inline uint32_t pvc_entry_version(pvc_entry *e)
{
	uint32_t version = e->info.version;

	__asm__ volatile("" : : : "memory");
	return version;
}

pvc_inline bool pvc_entry_fields(pvc_entry *e, uint32_t version, struct pvc_reading *r)
{
	r->tsc_timestamp = e->info.tsc_timestamp;
	r->system_time = e->info.system_time;
	r->mul = e->info.tsc_to_system_mul;
	r->shift = e->info.tsc_shift;
	r->flags = e->info.flags;
	__asm__ volatile("" : : : "memory");
	r->version = e->info.version;
	return r->version == version && !(version & 1);
}

/*
 * The reading that any CPU may make of any entry: right while STABLE is set.
 * PVC_UNSTABLE still fills *r. STABLE is judged on the flags read inside the
 * version loop, never on a second look.
 */
static inline enum pvc_read pvc_read_stable(pvc_entry *e, enum pvc_order order,
                                            struct pvc_reading *r)
{
	unsigned tries;

	for (tries = 0; tries < PVC_READ_TRIES; tries++) {
		uint32_t version = pvc_entry_version(e);

		r->tsc = pvc_rdtsc_ordered(order);
		r->cpu = 0;
		if (pvc_likely(pvc_entry_fields(e, version, r)))
			return r->flags & PVCLOCK_TSC_STABLE_BIT ? PVC_OK : PVC_UNSTABLE;
		pvc_pause();
	}
	return PVC_BUSY;
}

/*
 * The reading of this CPU's own entry, right also when STABLE is clear: one try.
 *
 * cpu, below count, is the CPU we expect to be on. RDTSCP says in one instruction
 * which CPU the TSC was read on, also in r->cpu; if it is another one, or the
 * host was writing, the answer is PVC_BUSY.
 *
 * Why equal even versions around the RDTSCP prove that the entry was this
 * vCPU's when the TSC was read: the host rewrites it only while this vCPU is
 * out of guest mode, and the guest kernel moves this thread only by an
 * interrupt. Both empty the pipeline, so although later loads may execute
 * before the RDTSCP does, they are executed again after either of them.
 */
pvc_inline enum pvc_read pvc_read_own(pvc_entry *base, unsigned cpu, struct pvc_reading *r)
{
	uint32_t aux, version = pvc_entry_version(&base[cpu]);

	r->tsc = pvc_rdtscp(&aux);
	r->cpu = aux & PVC_AUX_CPU;
	if (pvc_unlikely(r->cpu != cpu || !pvc_entry_fields(&base[cpu], version, r)))
		return PVC_BUSY;
	return pvc_likely(pvc_reading_scales(r)) ? PVC_OK : PVC_NO_ENTRY;
}

/*
 * ns at a TSC that RDTSCP has read on the entry's own CPU, where a version is known that
 * the entry had before, with fields that scale: while it still has it, they are those.
 * False otherwise, and for what is rare: TSCs below 1 GHz, which take a left shift, and
 * those behind tsc_timestamp. An entry that was wiped may have got the known version again:
 * it does not scale. Few registers have to be saved for this: each field is used when it is
 * loaded.
 */
pvc_inline bool pvc_read_known(pvc_entry *e, uint64_t tsc, uint64_t known, uint64_t *ns)
{
	uint64_t since = tsc - e->info.tsc_timestamp, scale;
	int8_t shift = e->info.tsc_shift;

	if (pvc_unlikely(shift > 0 || (int64_t)since < 0))
		return false;
	scale = (uint64_t)e->info.tsc_to_system_mul << 32;
	if (pvc_unlikely((int64_t)scale >= 0))
		return false;
	/* Masked as the instruction does it: before the version is found known, it may be any. */
	since = pvc_mulhi(since >> (-shift & 63), scale);
	*ns = e->info.system_time + since;
	return pvc_likely(*ns >= since && pvc_entry_version(e) == known);
}

/* The same, with as many tries as another reader gets. hint may be wrong. */
static inline enum pvc_read pvc_read_percpu(pvc_entry *base, unsigned count, unsigned hint,
                                            struct pvc_reading *r)
{
	unsigned tries, cpu = hint < count ? hint : 0;

	for (tries = 0; tries < PVC_READ_TRIES; tries++) {
		enum pvc_read status = pvc_read_own(base, cpu, r);

		if (status != PVC_BUSY)
			return status;
		if (r->cpu == cpu)
			pvc_pause();
		else if (r->cpu >= count)
			return PVC_NO_ENTRY;
		cpu = r->cpu;
	}
	return PVC_BUSY;
}

/*
 * 146 years: no uptime, and all arithmetic on less stays in range. A value like
 * this, once clamped to, would stand for ever.
 */
pvc_inline bool pvc_ns_absurd(uint64_t ns)
{
	return ns >> 62;
}

/* Could a hypervisor have written this? Not a proof, but nonsense fails it. */
static inline bool pvc_reading_plausible(const struct pvc_reading *r)
{
	if (!pvc_reading_scales(r))
		return false;
	if (r->flags & ~(PVCLOCK_TSC_STABLE_BIT | PVCLOCK_GUEST_STOPPED))
		return false;
	/* 292 years */
	if ((int64_t)r->system_time < 0 || (int64_t)r->tsc_timestamp < 0)
		return false;
	return !pvc_ns_absurd(pvc_reading_ns(r));
}

#endif /* PVC_READER_H */
