// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Finding the kernel's parameters: in every layout, among anything else, and while
 * they are being rewritten.
 */
#include "simfind.h"

static uint64_t seed;

static void every_layout(void **state)
{
	const enum pvc_vvar_mode mode[] = {PVC_VVAR_TSC, PVC_VVAR_PVCLOCK};
	unsigned layout, m;

	(void)state;
	entry = sim_real();
	sim_put_all(&page, &entry);
	for (layout = 0; layout < SIMV_LAYOUTS; layout++)
		for (m = 0; m < 2; m++) {
			simv_boot(layout, mode[m]);
			assert_true(found());
			/* At any count, and with bases of any kind. */
			simv_set_seq(0);
			assert_true(found());
			simv_set_seq(0xfffffffeu);
			assert_true(found());
			simv_update(SIMV_SET, -40 * 365 * 24 * HOUR);
			assert_true(found());
		}
}

static void as_many_pages_as_there_are(void **state)
{
	unsigned pages;

	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	for (pages = 1; pages <= SIMV_PAGES; pages++)
		assert_ptr_equal(find(simv.ro, pages * PVCLOCK_PAGE_SIZE).hres, seen(false));
	/* Less than a page is none, and neither is no mapping. */
	assert_true(nothing(find(simv.ro, PVCLOCK_PAGE_SIZE - 1)));
	assert_true(nothing(find(simv.ro, 0)));
	assert_true(nothing(find(NULL, 0)));
}

static void anything_else(void **state)
{
	unsigned i, w;

	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	memset(simv.rw, 0, SIMV_PAGES * PVCLOCK_PAGE_SIZE);
	assert_true(nothing(find_simulated()));
	memset(simv.rw, 0xff, SIMV_PAGES * PVCLOCK_PAGE_SIZE);
	assert_true(nothing(find_simulated()));
	for (i = 0; i < 300; i++) {
		uint64_t *word = (uint64_t *)simv.rw;

		/* Random, and of what clocks are made of in random order. */
		for (w = 0; w < SIMV_PAGES * WORDS; w++) {
			word[w] = sim_random(&seed);
			if (i & 1)
				word[w] = (uint64_t[]){0,          1,       1ull << 32,
				                       UINT64_MAX, word[w], 25ull << 32 | 77}
					[word[w] >> 5 & 3];
		}
		assert_true(nothing(find_simulated()));
	}
}

/* One thing is not as it should be. */
static void spoilt(bool raw, unsigned word, uint64_t value, bool good)
{
	uint64_t *at = simv_clock(raw) + word, old = *at;

	*at = value;
	assert_int_equal(nothing(find_simulated()), !good);
	*at = old;
}

static void almost_a_clock(void **state)
{
	unsigned layout, raw;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++) {
		unsigned scale = simv_layouts[layout].max_cycles ? 4 : 3;

		simv_boot(layout, PVC_VVAR_TSC);
		for (raw = 0; raw < 2; raw++) {
			uint64_t mult = simv_clock(raw)[scale] & 0xffffffff;

			spoilt(raw, 0, 1000, false);              /* mode none */
			spoilt(raw, 0, 3ull << 32 | 1000, false); /* mode hvclock */
			spoilt(raw, 0, ~0ull << 32 | 1000, false);
			spoilt(raw, 0, (uint64_t)SIMV_TIMENS << 32, false);
			spoilt(raw, 1, 0, false); /* cycle_last */
			simv_clock(!raw)[1] = 0;
			spoilt(raw, 1, 0, false);
			simv_clock(!raw)[1] = simv_clock(raw)[1];
			spoilt(raw, scale - 1, UINT64_MAX >> 1, false);
			spoilt(raw, scale - 1, UINT64_MAX << 1, false);
			spoilt(raw, scale - 1, 0xffffffff, false);
			spoilt(raw, scale - 1, 0, false);
			spoilt(raw, scale, mult, false); /* shift 0 */
			spoilt(raw, scale, mult | 33ull << 32, false);
			spoilt(raw, scale, mult | 64ull << 32, false);
			spoilt(raw, scale, 24ull << 32, false); /* mult 0 */
			assert_true(found());
		}
		if (simv_layouts[layout].max_cycles) {
			/* A clock, but of another layout than the first one is. */
			simv_clock(true)[2] = UINT64_MAX;
			spoilt(true, 3, simv_clock(true)[4], false);
			simv_clock(true)[2] = 1ull << 41;
		}
		/* Of another count, and brought up to another cycle than hres was. */
		simv_clock(true)[0] += 2;
		spoilt(true, 1, simv_clock(true)[1] + (1ull << 62), false);
		spoilt(true, 1, simv_clock(true)[1] - (1ull << 62), false);
		memset(simv_clock(true), 0, 29 * sizeof(uint64_t));
		assert_true(nothing(find_simulated()));
	}
}

/*
 * A process starts while the kernel is in the middle of an update, perhaps because its
 * host does not run it: with any part of the words written, it has the parameters.
 */
static void in_the_middle(void **state)
{
	unsigned layout, words;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++) {
		simv_boot(layout, PVC_VVAR_TSC);
		for (words = 0; words < 24; words++) {
			struct simv_time t = simv_mine();
			struct pvc_vvar v;

			t.cycle_last += 1000000;
			t.mult++;
			simv_set_seq(simv_seq() + 1);
			simv_put(&t, words);
			v = find_simulated();
			assert_ptr_equal(v.hres, seen(false));
			assert_ptr_equal(v.raw, seen(true));
			t = simv_mine();
			simv_put(&t, SIMV_ALL_WORDS);
			/* One count is odd and the other is not yet. */
			(*(uint32_t *)simv_clock(true))++;
			assert_ptr_equal(find_simulated().raw, seen(true));
			(*(uint32_t *)simv_clock(false))++;
		}
	}
}

static _Atomic unsigned ticking;

static void *ticker(void *arg)
{
	while (atomic_load(&ticking))
		simv_update(SIMV_TICK, 0);
	return arg;
}

/* Whoever starts in the middle of a tick has the parameters, too. */
static void while_it_ticks(void **state)
{
	unsigned i, missed = 0;
	pthread_t thread;

	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	atomic_store(&ticking, 1);
	assert_int_equal(pthread_create(&thread, NULL, ticker, NULL), 0);
	while (simv_seq() < 2000)
		sched_yield();
	for (i = 0; i < 20000; i++)
		missed += find_simulated().hres == NULL;
	atomic_store(&ticking, 0);
	pthread_join(thread, NULL);
	if (missed)
		print_error("missed %u times of 20000\n", missed);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout),  cmocka_unit_test(as_many_pages_as_there_are),
		cmocka_unit_test(anything_else), cmocka_unit_test(almost_a_clock),
		cmocka_unit_test(in_the_middle), cmocka_unit_test(while_it_ticks),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
