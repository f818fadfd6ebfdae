/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host, as KVM is one: what it writes into the page, in which order, and
 * which vCPUs are in guest mode meanwhile.
 *
 * Definition A of its clock: the host's CLOCK_MONOTONIC_RAW and an offset.
 * Definition B: one instant of that, and from there on the guest's TSC.
 * Definition C: the same instant, and from there on the host's TSC.
 */
#ifndef PVC_LAB_HOST_H
#define PVC_LAB_HOST_H

#include "schedule.h"

static struct {
	bool master;         /* B is in use, A otherwise */
	uint64_t master_tsc; /* the host's, at master_ns */
	uint64_t master_ns;
	uint64_t offset;       /* modulo 2^64: ns since the VM was created = A + offset */
	uint8_t flags;         /* beside STABLE */
	uint32_t khz[VM_CPUS]; /* of the guest's TSC, by vCPU */
	bool bytes;            /* fields are written byte by byte */
	bool done;             /* the script is at its end */
} host;

static inline uint64_t host_ns(void)
{
	return vm_ns() + host.offset;
}

/* What the entry of a vCPU must say now. */
static inline struct pvclock_vcpu_time_info host_entry(unsigned v)
{
	struct kvm_scale s = kvm_scale_of_khz(host.khz[v]);
	struct pvclock_vcpu_time_info i = {
		.tsc_to_system_mul = s.mul, .tsc_shift = s.shift, .flags = host.flags};

	if (host.master) {
		i.tsc_timestamp =
			kvm_guest_tsc(host.master_tsc, vm.vcpu[v].ratio, vm.vcpu[v].frac) +
			vm.vcpu[v].offset;
		i.system_time = host.master_ns + host.offset;
		i.flags |= PVCLOCK_TSC_STABLE_BIT;
	} else {
		i.tsc_timestamp = vm_guest_tsc(v);
		i.system_time = host_ns();
	}
	return i;
}

/* One store, and then perhaps somebody else's. */
static inline void host_store(volatile void *to, const void *from, size_t size)
{
	volatile unsigned char *t = to;
	const unsigned char *f = from;
	size_t i;

	if (host.bytes) {
		for (i = 0; i < size; i++) {
			t[i] = f[i];
			vm_point();
		}
		return;
	}
	if (size == 8)
		*(volatile uint64_t *)to = *(const uint64_t *)from;
	else if (size == 4)
		*(volatile uint32_t *)to = *(const uint32_t *)from;
	else
		*t = *f;
	vm_point();
}

static inline void host_fields(volatile struct pvclock_vcpu_time_info *to,
                               const struct pvclock_vcpu_time_info *i)
{
	host_store(&to->tsc_timestamp, &i->tsc_timestamp, 8);
	host_store(&to->system_time, &i->system_time, 8);
	host_store(&to->tsc_to_system_mul, &i->tsc_to_system_mul, 4);
	host_store(&to->tsc_shift, &i->tsc_shift, 1);
	host_store(&to->flags, &i->flags, 1);
}

static inline void host_write(unsigned slot, const struct pvclock_vcpu_time_info *i)
{
	volatile struct pvclock_vcpu_time_info *to = &page.slot[slot].info;

	to->version |= 1;
	vm_point();
	host_fields(to, i);
	to->version += 1;
	vm_point();
}

static inline void host_out(unsigned v)
{
	vm.vcpu[v].out = true;
}

/* Into guest mode again, the entry being rewritten on the way. */
static inline void host_enter(unsigned v)
{
	struct pvclock_vcpu_time_info i;

	host_out(v);
	vm_point();
	i = host_entry(v);
	if (v < vm.entries)
		host_write(v, &i);
	vm.vcpu[v].out = false;
	vm_point();
}

/* Each in its time, in any order: those that come late run with what they had. */
static inline void host_enter_all(void)
{
	unsigned i, first = (unsigned)vm_below(vm.vcpus);

	for (i = 0; i < vm.vcpus; i++) {
		if (vm_one_in(2))
			sched_sleep(vm_below(vm_one_in(8) ? 3 * MS : 5 * US));
		host_enter((first + i) % vm.vcpus);
	}
}

static inline void host_stop_all(void)
{
	unsigned v;

	for (v = 0; v < vm.vcpus; v++) {
		host_out(v);
		vm_point();
	}
}

static inline void host_snapshot(void)
{
	host.master_tsc = vm_host_tsc(0);
	host.master_ns = vm_ns();
}

/* A master clock update: none runs while the new instant is taken. */
static inline void host_master(bool on)
{
	host_stop_all();
	host.master = on;
	if (on)
		host_snapshot();
	host_enter_all();
}

/* Definition C: how much, after how many of the host's ticks. */
static inline uint64_t host_ns_by_c(void)
{
	struct kvm_scale s = kvm_scale_of_khz(vm.pcpu[vm.vcpu[0].on].khz);

	return host.master_ns + host.offset + kvm_ns_of_ticks(vm_host_tsc(0) - host.master_tsc, s);
}

/* A VM of so many vCPUs, whose TSCs are the host's but for an offset. */
static inline void host_create(uint32_t khz, unsigned vcpus, bool master)
{
	uint64_t shift = vm_below(1ull << 40);
	unsigned v;

	memset(&host, 0, sizeof(host));
	sched.self = 0;
	sched.task[0].cpu = 0;
	vm_boot(khz, vcpus);
	host.master = master;
	host.offset = -vm_below(100000 * SEC);
	for (v = 0; v < VM_CPUS; v++) {
		vm.vcpu[v].offset = -shift;
		host.khz[v] = khz;
	}
	host_snapshot();
	vm_pass(vm_below(100 * SEC));
	for (v = 0; v < vcpus; v++)
		host_enter(v);
}

/* The same, its TSC being up to so many ppm off what the host takes it for. */
static inline void host_create_off(uint32_t khz, unsigned ppm)
{
	uint64_t most = (uint64_t)ppm * khz / 1000, off = vm_below(2 * most + 1);
	unsigned i;

	host_create(khz, (unsigned)vm_between(2, VM_CPUS), true);
	for (i = 0; i < VM_CPUS; i++)
		vm_set_hz(&vm.pcpu[i].tsc, khz * 1000ull - most + off);
	host_snapshot();
	for (i = 0; i < vm.vcpus; i++)
		host_enter(i);
}

/* TSCs are in step, and STABLE mostly says so. */
static inline void host_in_step(void)
{
	host_create((uint32_t)vm_between(800000, 5000000), (unsigned)vm_between(2, VM_CPUS),
	            !vm_one_in(4));
}

#endif /* PVC_LAB_HOST_H */
