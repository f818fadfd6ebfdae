// SPDX-License-Identifier: LGPL-2.1-or-later
/* Between TSC and ns by a sample's parameters, and what hypervisors lose by rounding. */
#include "lib.h"

#include <errno.h>

#define PVC_PUBLIC __attribute__((visibility("default")))

#define TICKS_MOST (1ull << 63)
#define KHZ_MOST 1000000000ull
#define RATIO_BITS_MOST 48u
#define SECONDS_PER_DAY 86400.0L

static int valid_sample(const struct pvclock_sample *s)
{
	if (!s)
		return -EFAULT;
	if (s->size < sizeof(*s) || !(s->mul >> 31) || s->shift < -31 || s->shift > 31)
		return -EINVAL;
	return 0;
}

PVC_PUBLIC int pvclock_tsc_to_ns(const struct pvclock_sample *sample, uint64_t tsc, uint64_t *ns)
{
	int err = valid_sample(sample);
	uint64_t since;

	if (err)
		return err;
	if (!ns)
		return -EFAULT;
	if (tsc < sample->tsc_timestamp || tsc - sample->tsc_timestamp >= TICKS_MOST)
		return -ERANGE;
	since = pvc_scale_delta(tsc - sample->tsc_timestamp, sample->mul, sample->shift);
	if (since == UINT64_MAX || sample->system_time + since < since)
		return -ERANGE;
	*ns = sample->system_time + since;
	return 0;
}

/*
 * The least d for which ((d shifted) * mul >> 32) >= since. Exactly: the product must
 * reach since * 2^32, so what is multiplied must reach that over mul, rounded up.
 */
static bool ticks_for(const struct pvclock_sample *s, uint64_t since, uint64_t *ticks)
{
	pvc_u128 product = (pvc_u128)since << 32, shifted;

	/* Of 292 years or more the quotient may take more than 64 bits: divided the long way. */
	if (since >> 32 < s->mul)
		shifted = pvc_div128(since >> 32, since << 32, s->mul);
	else
		shifted = product / s->mul;
	if (shifted * s->mul < product)
		shifted++;
	if (s->shift >= 0)
		shifted = (shifted + (1ull << s->shift) - 1) >> s->shift;
	else
		shifted <<= -s->shift;
	*ticks = (uint64_t)shifted;
	return shifted < TICKS_MOST;
}

PVC_PUBLIC int pvclock_ns_to_tsc(const struct pvclock_sample *sample, uint64_t ns, uint64_t *tsc)
{
	int err = valid_sample(sample);
	uint64_t ticks;

	if (err)
		return err;
	if (!tsc)
		return -EFAULT;
	if (ns < sample->system_time || !ticks_for(sample, ns - sample->system_time, &ticks) ||
	    sample->tsc_timestamp + ticks < ticks)
		return -ERANGE;
	*tsc = sample->tsc_timestamp + ticks;
	return 0;
}

/*
 * A multiplier as KVM derives it (kvm_get_time_scale in Linux arch/x86/kvm/x86.c): the
 * frequency is halved or doubled to above 10^9 and no more than twice that, and the
 * quotient cut to 32 bits. Halving drops a bit of the frequency.
 */
static void derive(uint64_t hz, uint32_t *mul, int32_t *shift)
{
	*shift = 0;
	for (; hz > 2 * PVC_NSEC_PER_SEC; hz >>= 1)
		--*shift;
	for (; hz <= PVC_NSEC_PER_SEC; hz <<= 1)
		++*shift;
	*mul = (uint32_t)((PVC_NSEC_PER_SEC << 32) / hz);
}

/* mul * 2^shift, exact: 64 bits are its mantissa */
static long double scaled(uint64_t mul, int shift)
{
	long double value = (long double)mul;

	for (; shift < 0; shift++)
		value /= 2;
	for (; shift > 0; shift--)
		value *= 2;
	return value;
}

PVC_PUBLIC int pvclock_drift(struct pvclock_drift *d)
{
	long double direct, through;
	pvc_u128 ratio;

	if (!d)
		return -EFAULT;
	if (d->size < sizeof(*d) || !d->host_khz || d->host_khz > KHZ_MOST || !d->guest_khz ||
	    d->guest_khz > KHZ_MOST || d->ratio_bits > RATIO_BITS_MOST)
		return -EINVAL;
	ratio = ((pvc_u128)d->guest_khz << d->ratio_bits) / d->host_khz;
	if (!ratio || ratio >> 64)
		return -EINVAL;
	d->ratio = (uint64_t)ratio;
	d->scaled_khz = (uint64_t)(ratio * d->host_khz >> d->ratio_bits);
	if (!d->scaled_khz)
		return -EINVAL;
	derive(d->host_khz * 1000, &d->host_mul, &d->host_shift);
	derive(d->scaled_khz * 1000, &d->guest_mul, &d->guest_shift);
	/* ns per tick of the host's TSC, both ways */
	direct = scaled(d->host_mul, d->host_shift - 32);
	through = scaled(d->ratio, -(int)d->ratio_bits) * scaled(d->guest_mul, d->guest_shift - 32);
	d->ppm = (double)((through - direct) / direct * 1e6L);
	d->ns_per_day = (double)((through - direct) / direct * SECONDS_PER_DAY * 1e9L);
	return 0;
}
