/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TSC ticks to nanoseconds, bit for bit as the guest kernel and KVM compute it:
 * shift first (a right shift truncates), then 64x32 bits, then >> 32.
 */
#ifndef PVC_SCALE_H
#define PVC_SCALE_H

#include "arch_x86.h"

/*
 * The ticks from then to now. TSCs of two CPUs may differ by a few ticks and a
 * restored VM may start lower: a negative difference counts as none, so that
 * it never becomes a jump of centuries.
 */
pvc_inline uint64_t pvc_ticks_since(uint64_t now, uint64_t then)
{
	uint64_t delta = now - then;

	/* A branch, which is predicted, so that the result does not wait for it. */
	if (pvc_unlikely((int64_t)delta < 0))
		return 0;
	return delta;
}

/*
 * For every delta and every shift of -31..31. A left shift that would push
 * bits out of 64 is done wide, and what does not fit the result saturates:
 * an entry may stand for days, and delta grows without bound.
 */
pvc_inline uint64_t pvc_scale_delta(uint64_t delta, uint32_t mul, int shift)
{
	pvc_u128 wide;

	/*
	 * (d * mul) >> 32 is (d * (mul << 32)) >> 64: one instruction's high half. The mask is
	 * what the instruction does: a shift that has no meaning has a result.
	 */
	if (pvc_likely(shift <= 0))
		return pvc_mulhi(delta >> (-shift & 63), (uint64_t)mul << 32);
	/* cppcheck-suppress shiftNegative ; it cannot see that shift is positive here */
	wide = (((pvc_u128)delta << (shift & 63)) * mul) >> 32;
	return wide >> 64 ? UINT64_MAX : (uint64_t)wide;
}

#endif /* PVC_SCALE_H */
