/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated machine: time, physical CPUs' TSCs, virtual CPUs and the guest
 * kernel's clocks. All of it is a function of one virtual time in picoseconds,
 * in whole fractions of 128 bits; nothing here is the core's arithmetic.
 */
#ifndef PVC_LAB_MACHINE_H
#define PVC_LAB_MACHINE_H

#include "arch_sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../lib/attach/attach.h"
#include "../../../vdso/gettime.h"
#include "kvmmath.h"

#define VM_CPUS 4
#define VM_IDS 16

#define PS_PER_NS 1000ull
#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull
#define DAY 86400000000000ull

typedef unsigned __int128 vm_u128;

/* Ticks since, exactly: base + (t - since) * num / den, t in ps. */
struct vm_counter {
	vm_u128 since, num, den;
	uint64_t base;
};

struct vm_pcpu {
	struct vm_counter tsc;
	uint32_t khz; /* what its host believes */
};

struct vm_vcpu {
	unsigned on;     /* physical CPU */
	uint64_t offset; /* guest TSC = host TSC (scaled) + offset */
	uint64_t ratio;
	unsigned frac;
	bool out;   /* not in guest mode: nothing of the guest runs on it */
	bool stale; /* its entry is to be rewritten before it runs again */
};

/* A clock of the guest kernel: ns + (t - since) at the rate of 1 + ppb / 10^9. */
struct vm_kclock {
	vm_u128 since;
	uint64_t ns;
	int64_t ppb;
};

struct vm_page {
	struct pvclock_slot slot[PVCLOCK_PAGE_SLOTS];
} __attribute__((aligned(PVCLOCK_PAGE_SIZE)));

static struct {
	vm_u128 now; /* ps */
	uint64_t random;
	unsigned vcpus, entries;
	struct vm_pcpu pcpu[VM_CPUS];
	struct vm_vcpu vcpu[VM_CPUS];
	struct vm_kclock raw, mono;
	uint64_t boot_ns, real_ns; /* added to mono */
	uint64_t real_sets;
	uint64_t kernel_min, kernel_max; /* ns that a call of the kernel takes */
	enum pvc_order order;
} vm;

static struct vm_page page;
static struct pvc_core core;

/* ---- chance: the same everywhere, so that a printed seed is enough ------------------ */

/* splitmix64 */
static inline uint64_t vm_random(void)
{
	uint64_t z = vm.random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 to limit - 1 */
static inline uint64_t vm_below(uint64_t limit)
{
	return limit ? vm_random() % limit : 0;
}

static inline uint64_t vm_between(uint64_t low, uint64_t high)
{
	return low + vm_below(high - low + 1);
}

static inline bool vm_one_in(uint64_t n)
{
	return !vm_below(n);
}

/* ---- time ---------------------------------------------------------------------------- */

static inline void vm_pass(uint64_t ns)
{
	vm.now += (vm_u128)ns * PS_PER_NS + vm_below(PS_PER_NS);
}

/* Which is the host's CLOCK_MONOTONIC_RAW, too. */
static inline uint64_t vm_ns(void)
{
	return (uint64_t)(vm.now / PS_PER_NS);
}

static inline uint64_t vm_count(const struct vm_counter *c)
{
	return c->base + (uint64_t)((vm.now - c->since) * c->num / c->den);
}

/* The counter goes on from where it is at another rate. */
static inline void vm_rerate(struct vm_counter *c, vm_u128 num, vm_u128 den)
{
	c->base = vm_count(c);
	c->since = vm.now;
	c->num = num;
	c->den = den;
}

static inline void vm_set_hz(struct vm_counter *c, uint64_t hz)
{
	vm_rerate(c, hz, 1000000000000ull);
}

static inline uint64_t vm_host_tsc(unsigned vcpu)
{
	return vm_count(&vm.pcpu[vm.vcpu[vcpu].on].tsc);
}

static inline uint64_t vm_tsc_less_offset(unsigned vcpu)
{
	struct vm_vcpu *v = &vm.vcpu[vcpu];

	return kvm_guest_tsc(vm_host_tsc(vcpu), v->ratio, v->frac);
}

static inline uint64_t vm_guest_tsc(unsigned vcpu)
{
	return vm_tsc_less_offset(vcpu) + vm.vcpu[vcpu].offset;
}

static inline void vm_write_tsc(unsigned vcpu, uint64_t value)
{
	vm.vcpu[vcpu].offset = value - vm_tsc_less_offset(vcpu);
}

/* ---- the guest kernel ---------------------------------------------------------------- */

static inline uint64_t vm_kclock_at(const struct vm_kclock *c)
{
	vm_u128 ps = vm.now - c->since;
	vm_u128 ns = ps * (vm_u128)(1000000000 + c->ppb) / ((vm_u128)SEC * PS_PER_NS);

	return c->ns + (uint64_t)ns;
}

/* As adjtimex does it: no jump. */
static inline void vm_slew(struct vm_kclock *c, int64_t ppb)
{
	c->ns = vm_kclock_at(c);
	c->since = vm.now;
	c->ppb = ppb;
}

/* What has just passed is not in the kernel's clocks; of a machine that slept, in some. */
static inline void vm_kernel_missed(uint64_t ns, bool slept)
{
	vm.raw.since += (vm_u128)ns * PS_PER_NS;
	vm.mono.since += (vm_u128)ns * PS_PER_NS;
	if (slept) {
		vm.boot_ns += ns;
		vm.real_ns += ns;
	}
}

static inline uint64_t vm_kernel_ns(int id)
{
	switch (id) {
	case CLOCK_MONOTONIC_RAW:
		return vm_kclock_at(&vm.raw);
	case CLOCK_BOOTTIME:
		return vm_kclock_at(&vm.mono) + vm.boot_ns;
	case CLOCK_REALTIME:
		return vm_kclock_at(&vm.mono) + vm.real_ns;
	case CLOCK_TAI:
		return vm_kclock_at(&vm.mono) + vm.real_ns + 37 * SEC;
	default:
		return vm_kclock_at(&vm.mono);
	}
}

static inline long vm_kernel_gettime(long id, struct pvc_timespec *ts)
{
	uint64_t ns;

	vm_pass(vm_between(vm.kernel_min, vm.kernel_max));
	vm_point();
	ns = vm_kernel_ns((int)id);
	ts->sec = (int64_t)(ns / SEC);
	ts->nsec = (int64_t)(ns % SEC);
	vm_pass(vm_between(vm.kernel_min, vm.kernel_max));
	vm_point();
	return 0;
}

/* ---- what a page says, by no code of the core's --------------------------------------- */

static inline uint64_t vm_reading_ns(const struct pvc_reading *r)
{
	int64_t passed = (int64_t)(r->tsc - r->tsc_timestamp);
	struct kvm_scale s = {r->mul, r->shift};
	kvm_u128 ns = r->system_time + kvm_wide_ns(passed < 0 ? 0 : (uint64_t)passed, s);

	return ns >> 64 ? UINT64_MAX : (uint64_t)ns;
}

int vm_nprocs(void)
{
	return (int)vm.vcpus;
}

/* ---- a machine that has been up for two days ------------------------------------------- */

static inline void vm_boot(uint32_t khz, unsigned vcpus)
{
	unsigned i;

	memset(&page, 0, sizeof(page));
	vm.now = (vm_u128)2 * DAY * PS_PER_NS + vm_below(SEC);
	vm.vcpus = vm.entries = vcpus;
	vm.order = PVC_ORDER_RDTSCP;
	vm.kernel_min = 15;
	vm.kernel_max = 40;
	for (i = 0; i < VM_CPUS; i++) {
		vm.pcpu[i].khz = khz;
		vm.pcpu[i].tsc = (struct vm_counter){vm.now, khz, 1000000000ull, vm_ns() * 3};
		vm.vcpu[i] = (struct vm_vcpu){.on = i};
	}
	vm.raw = (struct vm_kclock){vm.now, 100 * SEC + vm_below(SEC), 0};
	vm.mono = (struct vm_kclock){vm.now, 100 * SEC + vm_below(SEC), 12345};
	vm.boot_ns = 777 * SEC;
	vm.real_ns = 1700000000 * SEC + vm_below(SEC);
	vm.real_sets = 0;
}

#endif /* PVC_LAB_MACHINE_H */
