// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ticks to nanoseconds, against a schoolbook computation in 32-bit words that
 * shares nothing with the one under test.
 */
#include "sim.h"

#define WORDS 6

/* 192 bits, least significant word first */
struct big {
	uint32_t w[WORDS];
};

static struct big big_of(uint64_t value)
{
	struct big b = {{(uint32_t)value, (uint32_t)(value >> 32)}};

	return b;
}

static struct big big_left(struct big b, unsigned bits)
{
	while (bits--) {
		unsigned i;

		for (i = WORDS; i-- > 1;)
			b.w[i] = b.w[i] << 1 | b.w[i - 1] >> 31;
		b.w[0] <<= 1;
	}
	return b;
}

static struct big big_right(struct big b, unsigned bits)
{
	while (bits--) {
		unsigned i;

		for (i = 0; i < WORDS - 1; i++)
			b.w[i] = b.w[i] >> 1 | b.w[i + 1] << 31;
		b.w[WORDS - 1] >>= 1;
	}
	return b;
}

static struct big big_times(struct big b, uint32_t factor)
{
	uint64_t carry = 0;
	unsigned i;

	for (i = 0; i < WORDS; i++) {
		carry += (uint64_t)b.w[i] * factor;
		b.w[i] = (uint32_t)carry;
		carry >>= 32;
	}
	return b;
}

static uint64_t big_saturated(struct big b)
{
	unsigned i;

	for (i = 2; i < WORDS; i++)
		if (b.w[i])
			return UINT64_MAX;
	return (uint64_t)b.w[1] << 32 | b.w[0];
}

static uint64_t expected(uint64_t delta, uint32_t mul, int shift)
{
	struct big b = big_of(delta);

	b = shift < 0 ? big_right(b, (unsigned)-shift) : big_left(b, (unsigned)shift);
	return big_saturated(big_right(big_times(b, mul), 32));
}

static const uint32_t some_mul[] = {0,          1,          2,          0x7fffffff,
                                    0x80000000, 0x80000001, 0xd1733333, 0xffffffff};

/* Every delta next to a power of two, by every shift and some multipliers. */
static void every_shift(void **state)
{
	unsigned bit, m;
	int shift, off;

	(void)state;
	for (shift = -31; shift <= 31; shift++)
		for (m = 0; m < sizeof(some_mul) / sizeof(*some_mul); m++)
			for (bit = 0; bit < 64; bit++)
				for (off = -2; off <= 2; off++) {
					uint64_t delta = (1ull << bit) + (uint64_t)(int64_t)off;

					assert_int_equal(pvc_scale_delta(delta, some_mul[m], shift),
					                 expected(delta, some_mul[m], shift));
				}
}

static void random_values(void **state)
{
	uint64_t seed = sim_seed();
	unsigned i;

	(void)state;
	for (i = 0; i < 300000; i++) {
		uint64_t delta = sim_random(&seed) >> (sim_random(&seed) & 63);
		uint32_t mul = (uint32_t)sim_random(&seed);
		int shift = (int)(sim_random(&seed) % 63) - 31;

		assert_int_equal(pvc_scale_delta(delta, mul, shift), expected(delta, mul, shift));
	}
}

/* The guest kernel keeps 64 bits of the shifted delta, and so must we there. */
static void as_the_kernel(void **state)
{
	uint64_t seed = sim_seed();
	unsigned i;

	(void)state;
	for (i = 0; i < 300000; i++) {
		int shift = (int)(sim_random(&seed) % 63) - 31;
		uint64_t shifted, delta = sim_random(&seed) >> (sim_random(&seed) & 63);
		uint32_t mul = (uint32_t)sim_random(&seed);

		if (shift > 0)
			delta >>= shift;
		shifted = shift < 0 ? delta >> -shift : delta << shift;
		/* high and low halves apart: no 128 bits here */
		assert_int_equal(pvc_scale_delta(delta, mul, shift),
		                 (shifted >> 32) * mul + ((shifted & 0xffffffff) * mul >> 32));
		if (!(shifted >> 32))
			assert_int_equal(pvc_scale_delta(delta, mul, shift), shifted * mul >> 32);
	}
}

/* Where 64-bit products wrap, at about two seconds of ticks, nothing happens. */
static void no_wrap(void **state)
{
	uint64_t delta, last = 0;
	unsigned bit;

	(void)state;
	for (bit = 30; bit < 60; bit++)
		for (delta = (1ull << bit) - 1000; delta < (1ull << bit) + 1000; delta++) {
			/* 2.4 GHz: 0.41 ns to the tick */
			uint64_t ns = pvc_scale_delta(delta, 0xd1733333, -1);

			if (delta > (1ull << bit) - 1000)
				assert_true(ns - last <= 1);
			last = ns;
		}
	/* A month at 2.4 GHz, within a second of a month. */
	delta = 2445ull * 1000000 * 86400 * 30;
	last = pvc_scale_delta(delta, (uint32_t)((PVC_NSEC_PER_SEC << 33) / 2445000000), -1);
	assert_in_range(last / PVC_NSEC_PER_SEC, 86400 * 30 - 10, 86400 * 30 + 10);
}

static void saturates(void **state)
{
	int shift;

	(void)state;
	assert_int_equal(pvc_scale_delta(UINT64_MAX, UINT32_MAX, 31), UINT64_MAX);
	assert_int_equal(pvc_scale_delta(UINT64_MAX, UINT32_MAX, 1), UINT64_MAX);
	for (shift = 2; shift <= 31; shift++) {
		/* The largest that fits, and the next power of two. */
		assert_int_equal(pvc_scale_delta(1ull << (64 - shift), 1u << 31, shift),
		                 1ull << 63);
		assert_int_equal(pvc_scale_delta(1ull << (65 - shift), 1u << 31, shift),
		                 UINT64_MAX);
	}
}

static void ticks(void **state)
{
	(void)state;
	assert_int_equal(pvc_ticks_since(5, 5), 0);
	assert_int_equal(pvc_ticks_since(6, 5), 1);
	assert_int_equal(pvc_ticks_since(5, 6), 0);
	assert_int_equal(pvc_ticks_since(0, UINT64_MAX), 1);
	assert_int_equal(pvc_ticks_since(0, 1ull << 62), 0);
	assert_int_equal(pvc_ticks_since(0, INT64_MAX), 0);
	assert_int_equal(pvc_ticks_since(INT64_MAX, 0), INT64_MAX);
	assert_int_equal(pvc_ticks_since(1ull << 63, 0), 0);
}

/* A reading of a clock does not fall when a product or a sum is too large. */
static void reading_never_wraps(void **state)
{
	struct pvc_reading r = {.mul = UINT32_MAX, .shift = 31, .system_time = 5};
	uint64_t tsc, last = 0;
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 63; bit++) {
		tsc = 1ull << bit;
		assert_true(pvc_reading_ns_at(&r, tsc) >= last);
		last = pvc_reading_ns_at(&r, tsc);
	}
	r.shift = 0;
	r.system_time = UINT64_MAX - 5;
	assert_true(pvc_reading_ns_at(&r, 1000) >= r.system_time);
}

/* a / b by one bit at a time */
static uint64_t long_division(uint64_t high, uint64_t low, uint64_t divisor)
{
	uint64_t quotient = 0;
	unsigned bit;

	for (bit = 0; bit < 64; bit++) {
		bool carry = high >> 63;

		high = high << 1 | low >> 63;
		low <<= 1;
		quotient <<= 1;
		if (carry || high >= divisor) {
			high -= divisor;
			quotient |= 1;
		}
	}
	return quotient;
}

static void division(void **state)
{
	uint64_t seed = sim_seed();
	unsigned i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		uint64_t divisor = sim_random(&seed) >> (sim_random(&seed) & 63) | 1;
		uint64_t high = sim_random(&seed) % divisor, low = sim_random(&seed);

		assert_int_equal(pvc_div128(high, low, divisor), long_division(high, low, divisor));
		assert_int_equal(pvc_div128(divisor, low, divisor), UINT64_MAX);
		assert_int_equal(pvc_div128(divisor - 1, UINT64_MAX, divisor), UINT64_MAX);
	}
	assert_int_equal(pvc_div128(UINT64_MAX, UINT64_MAX, 1), UINT64_MAX);
	assert_int_equal(pvc_div128(0, 7, 0), UINT64_MAX);
	assert_int_equal(pvc_div128(0, 7, 7), 1);
	assert_int_equal(pvc_div128(0, 0, UINT64_MAX), 0);
}

static void high_half(void **state)
{
	uint64_t seed = sim_seed();
	unsigned i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		uint64_t a = sim_random(&seed), b = sim_random(&seed);
		struct big low = big_times(big_of(a), (uint32_t)b);
		struct big high = big_left(big_times(big_of(a), (uint32_t)(b >> 32)), 32);
		uint64_t carry = 0;
		unsigned w;

		for (w = 0; w < WORDS; w++) {
			carry += (uint64_t)low.w[w] + high.w[w];
			low.w[w] = (uint32_t)carry;
			carry >>= 32;
		}
		assert_int_equal(pvc_mulhi(a, b), big_saturated(big_right(low, 64)));
	}
	assert_int_equal(pvc_mulhi(UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
	assert_int_equal(pvc_mulhi(1, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shift),         cmocka_unit_test(random_values),
		cmocka_unit_test(as_the_kernel),       cmocka_unit_test(no_wrap),
		cmocka_unit_test(saturates),           cmocka_unit_test(ticks),
		cmocka_unit_test(reading_never_wraps), cmocka_unit_test(division),
		cmocka_unit_test(high_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
