// SPDX-License-Identifier: LGPL-2.1-or-later
/* Conversions against arithmetic of their own, in 128 bits; and what rounding loses. */
#include "page.h"

#include <math.h>

static uint64_t state_of_random = 88172645463325252ull;

static uint64_t any(void)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	/* As often a few bits as many. */
	return state_of_random >> (state_of_random * 2685821657736338717ull >> 58);
}

static struct pvclock_sample sample_of(int shift)
{
	return (struct pvclock_sample){
		.size = sizeof(struct pvclock_sample),
		.tsc_timestamp = any() >> 1,
		.system_time = any() >> 1,
		.mul = (uint32_t)any() | 1u << 31,
		.shift = shift,
	};
}

/* False: more than 64 bits, or more ticks than are converted. */
static bool ns_at(const struct pvclock_sample *s, uint64_t ticks, uint64_t *ns)
{
	u128 d = ticks;

	if (ticks >> 63)
		return false;
	d = s->shift < 0 ? d >> -s->shift : d << s->shift;
	/* d is below 2^94: in two halves, for 128 bits do not hold the product. */
	d = ((d >> 32) * s->mul) + ((d & UINT32_MAX) * s->mul >> 32) + s->system_time;
	*ns = (uint64_t)d;
	return !(d >> 64);
}

static void forth(const struct pvclock_sample *s, uint64_t ticks)
{
	uint64_t ns = 0, expected = 0;
	bool fits = ns_at(s, ticks, &expected) && s->tsc_timestamp + ticks >= ticks;
	int err = pvclock_tsc_to_ns(s, s->tsc_timestamp + ticks, &ns);

	/* All ones is what saturation says: not told from it. */
	if (fits && expected != UINT64_MAX && expected - s->system_time != UINT64_MAX) {
		assert_int_equal(err, 0);
		assert_int_equal(ns, expected);
	} else if (!fits) {
		assert_int_equal(err, -ERANGE);
	}
}

/* The first TSC at which it is that many ns, or past them. */
static void back(const struct pvclock_sample *s, uint64_t since)
{
	uint64_t tsc = 0, ns = s->system_time + since, at = 0, tick;
	int err = pvclock_ns_to_tsc(s, ns, &tsc);

	if (ns < since) {
		assert_int_equal(err, since ? -ERANGE : 0);
		return;
	}
	if (err) {
		/* Not even the last tick that is converted gets there, or its TSC wraps. */
		assert_int_equal(err, -ERANGE);
		tick = INT64_MAX < UINT64_MAX - s->tsc_timestamp ? (uint64_t)INT64_MAX
		                                                 : UINT64_MAX - s->tsc_timestamp;
		assert_true(ns_at(s, tick, &at));
		assert_true(at < ns);
		return;
	}
	tick = tsc - s->tsc_timestamp;
	if (ns_at(s, tick, &at))
		assert_true(at >= ns);
	if (tick) {
		assert_true(ns_at(s, tick - 1, &at));
		assert_true(at < ns);
	}
	/* A tick, or what a shift to the right makes one of, is how much more it may be. */
	if (ns_at(s, tick, &at)) {
		uint64_t most = s->shift > 0 ? ((uint64_t)s->mul << s->shift >> 32) + 1 : 1;

		assert_true(at - ns < most);
	}
}

static void random_parameters(void **state)
{
	int shift, i;
	(void)state;

	for (shift = -31; shift <= 31; shift++)
		for (i = 0; i < 20000; i++) {
			struct pvclock_sample s = sample_of(shift);

			forth(&s, any());
			back(&s, any());
		}
}

static void extremes(void **state)
{
	static const uint64_t v[] = {0,
	                             1,
	                             2,
	                             1ull << 31,
	                             1ull << 32,
	                             (1ull << 63) - 1,
	                             1ull << 63,
	                             (1ull << 63) + 5,
	                             UINT64_MAX - 1,
	                             UINT64_MAX};
	static const uint32_t mul[] = {1u << 31, (1u << 31) + 1, UINT32_MAX};
	unsigned m, a, b;
	int shift;
	(void)state;

	for (shift = -31; shift <= 31; shift++)
		for (m = 0; m < 3; m++)
			for (a = 0; a < 10; a++)
				for (b = 0; b < 10; b++) {
					struct pvclock_sample s = sample_of(shift);

					s.mul = mul[m];
					s.system_time = s.tsc_timestamp = v[b];
					forth(&s, v[a]);
					back(&s, v[a]);
				}
}

/* 292 years and more, which a fast shift reaches in few ticks. */
static void far_ahead(void **state)
{
	struct pvclock_sample s = {.size = sizeof(s), .mul = 1u << 31, .shift = 31};
	uint64_t tsc = 0, ns = 0;
	(void)state;

	assert_int_equal(pvclock_tsc_to_ns(&s, (1ull << 33) + 1, &ns), 0);
	assert_int_equal(ns, (1ull << 63) + (1 << 30));
	assert_int_equal(pvclock_ns_to_tsc(&s, ns, &tsc), 0);
	assert_int_equal(tsc, (1ull << 33) + 1);
	assert_int_equal(pvclock_ns_to_tsc(&s, ns - 1, &tsc), 0);
	assert_int_equal(tsc, (1ull << 33) + 1);
}

static void bad(void **state)
{
	struct pvclock_sample good = {
		.size = sizeof(good), .mul = 1u << 31, .tsc_timestamp = 100, .system_time = 50};
	struct pvclock_sample s;
	uint64_t v;
	(void)state;

#define BOTH(err, change)                                                                          \
	do {                                                                                       \
		s = good;                                                                          \
		change;                                                                            \
		assert_int_equal(pvclock_tsc_to_ns(&s, 200, &v), err);                             \
		assert_int_equal(pvclock_ns_to_tsc(&s, 200, &v), err);                             \
	} while (0)
	BOTH(0, );
	BOTH(-EINVAL, s.size--);
	BOTH(-EINVAL, s.mul >>= 1);
	BOTH(-EINVAL, s.shift = 32);
	BOTH(-EINVAL, s.shift = -32);
	BOTH(-ERANGE, s.tsc_timestamp = s.system_time = 201);
	assert_int_equal(pvclock_tsc_to_ns(NULL, 200, &v), -EFAULT);
	assert_int_equal(pvclock_ns_to_tsc(NULL, 200, &v), -EFAULT);
	assert_int_equal(pvclock_tsc_to_ns(&good, 200, NULL), -EFAULT);
	assert_int_equal(pvclock_ns_to_tsc(&good, 200, NULL), -EFAULT);
}

/* Valid until the values change, not the version alone; on this machine's page too. */
static void validity(void **state)
{
	struct pvclock_sample s = {.size = sizeof(s)};
	struct page p = new_page(1, 64);
	struct entry e = entry_at(tsc_now());
	uint64_t ns = 0;
	int handle, err;
	(void)state;

	put(&p, 0, &e);
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	assert_int_equal(pvclock_sample_h(handle, &s), 0);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), 1);
	put(&p, 0, &e);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), 1);
	e = moved(&e, 0);
	put(&p, 0, &e);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), 0);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
	if (!has_page("samples of the page"))
		skip();
	err = pvclock_sample(&s);
	assert_int_equal(err, 0);
	assert_int_equal(pvclock_tsc_to_ns(&s, s.tsc, &ns), 0);
	assert_int_equal(ns, s.ns);
	assert_int_equal(pvclock_ns_to_tsc(&s, s.ns, &ns), 0);
	assert_true(ns <= s.tsc && s.tsc - ns < 1000);
	assert_in_range(pvclock_sample_valid(&s), 0, 1);
}

/* As KVM derives it, once more: a shift and a multiplier of ns per tick. */
static void scale_of(uint64_t hz, uint32_t *mul, int *shift)
{
	for (*shift = 0; hz > 2000000000ull; hz /= 2)
		--*shift;
	for (; hz <= 1000000000ull; hz *= 2)
		++*shift;
	*mul = (uint32_t)(((u128)1000000000 << 32) / hz);
}

static void drift_of(uint64_t host, uint64_t guest, uint32_t bits)
{
	struct pvclock_drift d = {
		.size = sizeof(d), .ratio_bits = bits, .host_khz = host, .guest_khz = guest};
	uint32_t host_mul, guest_mul;
	int host_shift, guest_shift;
	u128 ratio = ((u128)guest << bits) / host, through, direct;
	double ppm;

	assert_int_equal(pvclock_drift(&d), 0);
	assert_int_equal(d.ratio, (uint64_t)ratio);
	assert_int_equal(d.scaled_khz, (uint64_t)(ratio * host >> bits));
	scale_of(host * 1000, &host_mul, &host_shift);
	scale_of(d.scaled_khz * 1000, &guest_mul, &guest_shift);
	assert_true(d.host_mul == host_mul && d.host_shift == host_shift);
	assert_true(d.guest_mul == guest_mul && d.guest_shift == guest_shift);
	/* ratio * guest_mul over host_mul << bits, both made whole by the shifts */
	through = ratio * guest_mul;
	direct = (u128)host_mul << bits;
	if (guest_shift > host_shift)
		through <<= guest_shift - host_shift;
	else
		direct <<= host_shift - guest_shift;
	/* The difference is exact; only the quotient is rounded. */
	ppm = through >= direct ? (double)(through - direct) : -(double)(direct - through);
	ppm = ppm / (double)direct * 1e6;
	assert_true(fabs(d.ppm - ppm) <= 1e-9 + fabs(ppm) * 1e-9);
	assert_true(fabs(d.ns_per_day - ppm * 86400e3) <= 1e-3 + fabs(ppm) * 1e-4);
	if (host == guest)
		assert_true(d.ppm == 0 && d.ns_per_day == 0);
}

static void drifts(void **state)
{
	struct pvclock_drift d = {
		.size = sizeof(d), .ratio_bits = 48, .host_khz = 3000000, .guest_khz = 2500000};
	int i;
	(void)state;

	assert_int_equal(pvclock_drift(&d), 0);
	assert_int_equal(d.scaled_khz, 2499999);
	for (i = 0; i < 100000; i++) {
		uint64_t host = 100000 + any() % 5900000, guest = 100000 + any() % 5900000;

		drift_of(host, guest, i & 1 ? 48 : 32);
		drift_of(host, host, i & 1 ? 48 : 32);
	}
}

static void bad_drifts(void **state)
{
	struct pvclock_drift good = {
		.size = sizeof(good), .ratio_bits = 48, .host_khz = 3000000, .guest_khz = 2500000};
	struct pvclock_drift d;
	(void)state;

#define BAD(change)                                                                                \
	do {                                                                                       \
		d = good;                                                                          \
		change;                                                                            \
		assert_int_equal(pvclock_drift(&d), -EINVAL);                                      \
	} while (0)
	BAD(d.size--);
	BAD(d.host_khz = 0);
	BAD(d.guest_khz = 0);
	BAD(d.host_khz = 1000000001);
	BAD(d.guest_khz = 1000000001);
	BAD(d.ratio_bits = 49);
	BAD((d.host_khz = 1, d.guest_khz = 1000000000));
	BAD((d.host_khz = 1000000000, d.guest_khz = 1, d.ratio_bits = 0));
	assert_int_equal(pvclock_drift(NULL), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_parameters), cmocka_unit_test(extremes),
		cmocka_unit_test(far_ahead),         cmocka_unit_test(bad),
		cmocka_unit_test(validity),          cmocka_unit_test(drifts),
		cmocka_unit_test(bad_drifts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
