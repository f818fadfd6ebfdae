/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pvclock ABI: what a hypervisor (KVM, Xen) writes and a guest reads.
 *
 * FROZEN. Both sides of a virtual machine are compiled against this layout and
 * neither can ask the other to change. Never reorder, widen or re-use a field.
 *
 * The protocol, per vCPU:
 *
 *   writer (hypervisor)                  reader (guest)
 *   version += 1     (odd: in progress)  v = version          (acquire)
 *   write barrier                        if v is odd: try again
 *   fields                               tsc = ordered read of the TSC
 *   write barrier                        fields, flags
 *   version += 1     (even: done)        if version != v: try again
 *
 *   time = system_time + scale(tsc - tsc_timestamp)
 *   scale(d) = ((d shifted left by tsc_shift) * tsc_to_system_mul) >> 32
 *   where a negative tsc_shift shifts right, and truncates there, before the
 *   multiplication. Unit of the result: nanoseconds since the VM was created.
 *
 * The version is 32 bits and wraps. It may move while the values stay as they
 * are. An entry speaks of its own vCPU's TSC; only while PVCLOCK_TSC_STABLE_BIT
 * is set in it may another vCPU's TSC be used with it.
 *
 * Sources: Linux Documentation/virt/kvm/x86/msr.rst (MSR_KVM_SYSTEM_TIME_NEW,
 * MSR_KVM_WALL_CLOCK_NEW) and cpuid.rst; Xen public/xen.h (vcpu_time_info).
 */
#ifndef PVCLOCK_ABI_H
#define PVCLOCK_ABI_H

#include <stdint.h>

/* The TSCs of all vCPUs agree and every entry gives the same time. */
#define PVCLOCK_TSC_STABLE_BIT (1u << 0)
/* The host paused the VM since the guest last cleared this. */
#define PVCLOCK_GUEST_STOPPED (1u << 1)

/* One vCPU's entry: 32 bytes, little endian, naturally aligned. */
struct pvclock_vcpu_time_info {
	uint32_t version; /* odd while the host writes */
	uint32_t pad0;
	uint64_t tsc_timestamp;     /* this vCPU's TSC at system_time */
	uint64_t system_time;       /* ns since the VM was created */
	uint32_t tsc_to_system_mul; /* 0.32 fixed point, after the shift */
	int8_t tsc_shift;           /* -31..31, negative shifts right */
	uint8_t flags;              /* PVCLOCK_* bits above */
	uint8_t pad[2];
};

/* Wall clock at system_time 0; the host writes it when asked, not since. */
struct pvclock_wall_clock {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};

/*
 * A guest kernel's array of entries: one to a cache line, so that a host CPU
 * writing one vCPU's entry does not disturb the readers of another's.
 */
#define PVCLOCK_SLOT_SIZE 64

struct pvclock_slot {
	struct pvclock_vcpu_time_info info;
	uint8_t reserved[PVCLOCK_SLOT_SIZE - sizeof(struct pvclock_vcpu_time_info)];
};

/* The kernel's boot array fills one page: entries of vCPU 0 to 63. */
#define PVCLOCK_PAGE_SIZE 4096
#define PVCLOCK_PAGE_SLOTS (PVCLOCK_PAGE_SIZE / PVCLOCK_SLOT_SIZE)

#ifdef __cplusplus
#define PVCLOCK_ABI_ASSERT(cond, text) static_assert(cond, text)
#define PVCLOCK_ABI_OFFSET(field, offset)                                                          \
	PVCLOCK_ABI_ASSERT(__builtin_offsetof(pvclock_vcpu_time_info, field) == (offset), #field)
#else
#define PVCLOCK_ABI_ASSERT(cond, text) _Static_assert(cond, text)
#define PVCLOCK_ABI_OFFSET(field, offset)                                                          \
	PVCLOCK_ABI_ASSERT(__builtin_offsetof(struct pvclock_vcpu_time_info, field) == (offset),   \
	                   #field)
#endif

PVCLOCK_ABI_ASSERT(sizeof(struct pvclock_vcpu_time_info) == 32, "entry is 32 bytes");
PVCLOCK_ABI_ASSERT(sizeof(struct pvclock_wall_clock) == 12, "wall clock is 12 bytes");
PVCLOCK_ABI_ASSERT(sizeof(struct pvclock_slot) == PVCLOCK_SLOT_SIZE, "slot is 64 bytes");
PVCLOCK_ABI_OFFSET(version, 0);
PVCLOCK_ABI_OFFSET(tsc_timestamp, 8);
PVCLOCK_ABI_OFFSET(system_time, 16);
PVCLOCK_ABI_OFFSET(tsc_to_system_mul, 24);
PVCLOCK_ABI_OFFSET(tsc_shift, 28);
PVCLOCK_ABI_OFFSET(flags, 29);

#undef PVCLOCK_ABI_OFFSET
#undef PVCLOCK_ABI_ASSERT

#endif /* PVCLOCK_ABI_H */
