/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How KVM turns frequencies into what a guest reads, in rational arithmetic, and
 * how far two ways of doing it drift apart.
 *
 * Facts, from Linux arch/x86/kvm/x86.c (kvm_get_time_scale, set_tsc_khz, kvm_scale_tsc),
 * arch/x86/include/asm/pvclock.h (the reader's side), and the widths of the TSC's ratio
 * in vmx.c (48 bits of fraction) and svm.c (32):
 *  - frequencies are whole kHz;
 *  - the shift is the one that brings the TSC's frequency above 1 GHz, but not above
 *    2 GHz, so the multiplier has its top bit set; it is cut off, not rounded;
 *  - with a scaled TSC the ratio is guest kHz / host kHz, cut off, and so is the guest's
 *    TSC at each read.
 */
#ifndef PVC_LAB_KVMMATH_H
#define PVC_LAB_KVMMATH_H

#include <stdbool.h>
#include <stdint.h>

#define KVM_NS_PER_SEC 1000000000u
#define KVM_FRAC_INTEL 48u
#define KVM_FRAC_AMD 32u

typedef unsigned __int128 kvm_u128;

struct kvm_scale {
	uint32_t mul;
	int8_t shift;
};

/* What the page says of a TSC of so many kHz; from 1 to 2^32-1. */
static inline struct kvm_scale kvm_scale_of_khz(uint32_t khz)
{
	uint64_t hz = khz * 1000ull;
	int shift = 0;

	for (; hz <= KVM_NS_PER_SEC; hz *= 2)
		shift++;
	/* Bits that go out to the right are lost to the multiplier. */
	for (; hz > 2ull * KVM_NS_PER_SEC; hz /= 2)
		shift--;
	return (struct kvm_scale){(uint32_t)(((kvm_u128)KVM_NS_PER_SEC << 32) / hz), (int8_t)shift};
}

/* ns of so many ticks, cut off where a reader cuts off. A shift is -31 to 31. */
static inline kvm_u128 kvm_wide_ns(uint64_t ticks, struct kvm_scale s)
{
	kvm_u128 shifted = s.shift < 0 ? ticks >> -s.shift : (kvm_u128)ticks << s.shift;

	return shifted * s.mul >> 32;
}

static inline uint64_t kvm_ns_of_ticks(uint64_t ticks, struct kvm_scale s)
{
	return (uint64_t)kvm_wide_ns(ticks, s);
}

/* The TSC's ratio; 0 frac_bits: this host cannot scale. */
static inline uint64_t kvm_ratio(uint32_t guest_khz, uint32_t host_khz, unsigned frac_bits)
{
	return (uint64_t)(((kvm_u128)guest_khz << frac_bits) / host_khz);
}

static inline uint64_t kvm_guest_tsc(uint64_t host_tsc, uint64_t ratio, unsigned frac_bits)
{
	return frac_bits ? (uint64_t)((kvm_u128)host_tsc * ratio >> frac_bits) : host_tsc;
}

/*
 * How much faster (ii) runs than (i), as an exact fraction of (i):
 *
 *   (i)   host ticks by the multiplier of host_khz
 *   (ii)  host ticks by the ratio, then by the multiplier of guest_khz
 *
 * ns per host tick are m * 2^s / 2^32 and ratio / 2^frac * m' * 2^s' / 2^32, so their
 * quotient is ratio * m' * 2^(s' - s) / (m * 2^frac): numerator and denominator stay
 * below 2^127 for all that a kHz and a shift can be.
 */
struct kvm_drift {
	kvm_u128 num, den; /* (ii) / (i) */
};

static inline struct kvm_drift kvm_drift_of(uint32_t host_khz, uint32_t guest_khz,
                                            unsigned frac_bits)
{
	struct kvm_scale host = kvm_scale_of_khz(host_khz), guest = kvm_scale_of_khz(guest_khz);
	int up = guest.shift - host.shift;
	struct kvm_drift d = {(kvm_u128)kvm_ratio(guest_khz, host_khz, frac_bits) * guest.mul,
	                      (kvm_u128)host.mul << frac_bits};

	if (up >= 0)
		d.num <<= up;
	else
		d.den <<= -up;
	return d;
}

static inline __int128 kvm_drift_times(struct kvm_drift d, uint64_t times)
{
	bool faster = d.num >= d.den;
	kvm_u128 diff = faster ? d.num - d.den : d.den - d.num, den = d.den;

	/* Bits below 2^-64 of the quotient are given up where they would not fit. */
	for (; diff >> 64; diff >>= 1)
		den >>= 1;
	return faster ? (__int128)(diff * times / den) : -(__int128)(diff * times / den);
}

/* ns by which (ii) gains on (i) in a day, towards zero. */
static inline int64_t kvm_drift_ns_per_day(struct kvm_drift d)
{
	return (int64_t)kvm_drift_times(d, 86400ull * KVM_NS_PER_SEC);
}

/* The same in parts per 10^15: ppm * 10^9. */
static inline int64_t kvm_drift_ppq(struct kvm_drift d)
{
	return (int64_t)kvm_drift_times(d, 1000000000000000ull);
}

#endif /* PVC_LAB_KVMMATH_H */
