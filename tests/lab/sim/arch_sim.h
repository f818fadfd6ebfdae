/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processor, replaced: given to the compiler with -include, so that the
 * core's sources are compiled as they are, and read a simulated TSC.
 *
 * Every read of the TSC, every pause and every access to an atomic is a point
 * where the simulation may run another thread, or the host, for any length of
 * virtual time. Accesses to the page itself are not; what stands between them
 * is.
 */
#ifndef PVC_ARCH_SIM_H
#define PVC_ARCH_SIM_H

#include <stdatomic.h>

#define pvc_rdtsc pvc_hw_rdtsc
#define pvc_rdtsc_lfence pvc_hw_rdtsc_lfence
#define pvc_rdtsc_mfence pvc_hw_rdtsc_mfence
#define pvc_rdtscp pvc_hw_rdtscp
#define pvc_rdtscp_low pvc_hw_rdtscp_low
#define pvc_rdtsc_ordered pvc_hw_rdtsc_ordered
#define pvc_cpu_segment pvc_hw_cpu_segment
#define pvc_pause pvc_hw_pause
#define pvc_order_of_this_cpu pvc_hw_order_of_this_cpu
#define pvc_cpuid pvc_hw_cpuid
#include "../../../vdso/arch_x86.h"
#undef pvc_rdtsc
#undef pvc_rdtsc_lfence
#undef pvc_rdtsc_mfence
#undef pvc_rdtscp
#undef pvc_rdtscp_low
#undef pvc_rdtsc_ordered
#undef pvc_cpu_segment
#undef pvc_pause
#undef pvc_order_of_this_cpu
#undef pvc_cpuid

/* How many CPUs there are, attach asks libc. */
#define get_nprocs_conf vm_nprocs
extern int vm_nprocs(void);

/* The simulation's, in machine.h and schedule.h. */
extern uint64_t vm_rdtsc(uint32_t *aux);
extern uint32_t vm_cpu(void);
extern void vm_pause(void);
extern void vm_point(void);
extern enum pvc_order vm_order(void);

pvc_inline uint64_t pvc_rdtscp(uint32_t *aux)
{
	return vm_rdtsc(aux);
}

pvc_inline uint64_t pvc_rdtscp_low(uint32_t *aux, uint32_t *low)
{
	uint64_t tsc = vm_rdtsc(aux);

	*low = (uint32_t)tsc;
	return tsc;
}

pvc_inline uint64_t pvc_rdtsc(void)
{
	uint32_t aux;

	return vm_rdtsc(&aux);
}

pvc_inline uint64_t pvc_rdtsc_lfence(void)
{
	return pvc_rdtsc();
}

pvc_inline uint64_t pvc_rdtsc_mfence(void)
{
	return pvc_rdtsc();
}

pvc_inline uint64_t pvc_rdtsc_ordered(enum pvc_order order)
{
	(void)order;
	return pvc_rdtsc();
}

pvc_inline uint32_t pvc_cpu_segment(void)
{
	return vm_cpu();
}

pvc_inline void pvc_pause(void)
{
	vm_pause();
}

static inline enum pvc_order pvc_order_of_this_cpu(void)
{
	return vm_order();
}

/* No vendor, no leaf: whatever machine this is, the simulated one is not confidential. */
pvc_inline void pvc_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)leaf;
	(void)subleaf;
	out[0] = out[1] = out[2] = out[3] = 0;
}

/* ---- atomics with a point before them -------------------------------------------- */

/* A compiler's own stdatomic.h is made of these. */
#ifdef __clang__
#define VM_LOAD(p, order) __c11_atomic_load(p, order)
#define VM_STORE(p, v, order) __c11_atomic_store(p, v, order)
#define VM_CAS(p, old, v, weak, yes, no)                                                           \
	((weak) ? __c11_atomic_compare_exchange_weak(p, old, v, yes, no)                           \
	        : __c11_atomic_compare_exchange_strong(p, old, v, yes, no))
#else
#define VM_LOAD(p, order) __atomic_load_n(p, order)
#define VM_STORE(p, v, order) __atomic_store_n(p, v, order)
#define VM_CAS(p, old, v, weak, yes, no) __atomic_compare_exchange_n(p, old, v, weak, yes, no)
#endif

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(p, order) (vm_point(), VM_LOAD(p, order))
#define atomic_load(p) atomic_load_explicit(p, __ATOMIC_SEQ_CST)
#define atomic_store_explicit(p, v, order) (vm_point(), VM_STORE(p, v, order))
#define atomic_store(p, v) atomic_store_explicit(p, v, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_strong_explicit(p, old, v, yes, no)                                \
	(vm_point(), VM_CAS(p, old, v, 0, yes, no))
#define atomic_compare_exchange_strong(p, old, v)                                                  \
	atomic_compare_exchange_strong_explicit(p, old, v, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define atomic_compare_exchange_weak_explicit(p, old, v, yes, no)                                  \
	(vm_point(), VM_CAS(p, old, v, 1, yes, no))

#endif /* PVC_ARCH_SIM_H */
