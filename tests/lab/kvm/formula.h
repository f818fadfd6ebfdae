/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time by an entry, computed from the words of the ABI alone and in 128 bits all the
 * way: what the library says is compared with this, so it shares no line with it.
 */
#ifndef LAB_KVM_FORMULA_H
#define LAB_KVM_FORMULA_H

#include "vm.h"

struct lab_params {
	uint32_t version;
	uint32_t mul;
	uint64_t tsc, ns; /* tsc_timestamp, system_time */
	int8_t shift;
	uint8_t flags;
};

/* KVM writes an entry inside of KVM_RUN: odd for good means that it does so no more. */
#define LAB_LOOKS 100000000ul

static inline struct lab_params lab_params(struct lab_vm *vm, unsigned cpu)
{
	volatile struct pvclock_vcpu_time_info *e = lab_entry(vm, cpu);
	struct lab_params p = {0};
	unsigned long looks;

	for (looks = 0; looks < LAB_LOOKS; looks++) {
		p.version = __atomic_load_n(&e->version, __ATOMIC_ACQUIRE);
		p.tsc = e->tsc_timestamp;
		p.ns = e->system_time;
		p.mul = e->tsc_to_system_mul;
		p.shift = e->tsc_shift;
		p.flags = e->flags;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(p.version & 1) && e->version == p.version)
			return p;
	}
	fail_msg("the entry of vCPU %u stays in mid-update", cpu);
	return p;
}

/* ns at a TSC of that vCPU. */
static inline uint64_t lab_formula(const struct lab_params *p, uint64_t tsc)
{
	unsigned __int128 delta = tsc > p->tsc ? tsc - p->tsc : 0;

	if (p->shift < 0)
		delta >>= -p->shift;
	else
		delta <<= p->shift;
	return (uint64_t)(p->ns + ((delta * p->mul) >> 32));
}

/* The same now, by the host's TSC. */
static inline uint64_t lab_ns(struct lab_vm *vm, unsigned cpu)
{
	struct lab_params p = lab_params(vm, cpu);

	return lab_formula(&p, lab_tsc() + (uint64_t)vm->offset[cpu]);
}

#endif /* LAB_KVM_FORMULA_H */
