// SPDX-License-Identifier: LGPL-2.1-or-later
/* The parameters in service, and how far they have been read. */
#include "../../vdso/now.h"
#include "simblock.h"

static uint64_t current_of(void)
{
	return atomic_load(&core.now_current);
}

static uint64_t tag_of_next(void)
{
	return pvc_used_tag(current_of() + PVC_SLOT_GENERATION);
}

/* The last step of all TSCs has no end that is a number: it does not begin with 0 again. */
static void last_step(void **state)
{
	const uint64_t tsc[] = {UINT64_MAX - PVC_USED_STEP, UINT64_MAX - PVC_USED_STEP / 2,
	                        UINT64_MAX - 1, UINT64_MAX};
	uint64_t used;
	unsigned i;
	(void)state;

	attach(PVC_MODE_STABLE);
	hyper();
	for (i = 0; i < sizeof(tsc) / sizeof(*tsc); i++) {
		assert_true(pvc_now_use(&core, current_of(), tsc[i]));
		used = atomic_load(&core.now_used);
		assert_int_equal(used & PVC_USED_TAG, pvc_used_tag(current_of()));
		assert_true((used | PVC_USED_TAG) >= tsc[i]);
	}
	/* Not with the parameters that come next. */
	assert_false(pvc_now_use(&core, current_of() + PVC_SLOT_GENERATION, 1));
}

/*
 * Somebody was about to put others in service and told his TSC, from which it has gone
 * back since: readers of this generation could not tell how far they came.
 */
static void prepared_with_another_tsc(void **state)
{
	uint64_t before, tsc = sim_tsc(), far = (tsc + 1000 * PVC_USED_STEP) & ~PVC_USED_TAG;
	(void)state;

	attach(PVC_MODE_STABLE);
	hyper();
	before = current_of();
	atomic_store(&core.now_used, far | tag_of_next());
	assert_false(pvc_now_unused(&core, before, tsc));
	/* The generation is another one, the parameters are what they were. */
	assert_int_equal(current_of(), before + PVC_SLOT_GENERATION);
	assert_true(atomic_load(&core.busy) >> pvc_latch_slot(before) & 1);
	assert_true(pvc_now_unused(&core, current_of(), tsc));
	assert_in_range(atomic_load(&core.now_used) & ~PVC_USED_TAG, tsc, tsc + PVC_USED_STEP);
	/* Done by somebody else, for the same and at nearly the same time. */
	assert_true(pvc_now_unused(&core, current_of(), tsc - 1));
	assert_false(pvc_now_unused(&core, before, tsc));
}

/* Who comes after that one puts them in service all the same, with his own TSC. */
static void read_after_that(void **state)
{
	uint64_t ns, far, current, reach;
	struct pvc_now old;
	(void)state;

	attach(PVC_MODE_STABLE);
	ns = hyper();
	far = (sim_tsc() + (1ull << 40)) & ~PVC_USED_TAG;
	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	assert_true(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	atomic_store(&core.now_reach, reach);
	atomic_store(&core.now_used, far | tag_of_next());
	assert_in_range(hyper(), ns, ns + 100 * PVC_NSEC_PER_SEC);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_true((atomic_load(&core.now_used) & ~PVC_USED_TAG) < far);
	/* The next reach is of a TSC that was read. */
	entry = sim_moved(&entry, 5000);
	sim_put_all(&page, &entry);
	assert_in_range(hyper(), ns, ns + 100 * PVC_NSEC_PER_SEC);
	assert_int_equal(atomic_load(&core.count_of.restarts), 0);
}

/* What ended as mode stable is being left is followed by nothing. */
static void left_is_not_ended(void **state)
{
	uint64_t current, left, reach = 1;
	struct pvc_now old;
	(void)state;

	attach(PVC_MODE_STABLE);
	hyper();
	assert_false(pvc_now_end(&core, PVC_NOW_LEFT, &old, &current, &reach));
	left = current_of();
	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	assert_int_equal(old.ended, PVC_NOW_LEFT);
	assert_int_equal(current_of(), left);
	/* The other way it is: who leaves ends what others would follow. */
	assert_true(pvc_now_end(&core, PVC_NOW_LEFT, &old, &current, &reach));
	assert_true(reach > entry.system_time);
	attach(PVC_MODE_STABLE);
	hyper();
	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &old, &current, &reach));
	assert_false(pvc_now_end(&core, PVC_NOW_LEFT, &old, &current, &reach));
	assert_true(pvc_now_end(&core, PVC_NOW_LEFT, &old, &current, &reach));
}

/* Each of the values tells one from another, the shift as well. */
static void same_values(void **state)
{
	const struct pvc_reading a = {.tsc_timestamp = 1, .system_time = 2, .mul = 3, .shift = -1};
	struct pvc_reading r[5] = {a, a, a, a, a};
	unsigned i;
	(void)state;

	r[0].tsc = 7;
	r[0].version = 8;
	r[0].flags = 1;
	assert_true(pvc_same_values(&a, &r[0]));
	r[1].tsc_timestamp++;
	r[2].system_time++;
	r[3].mul++;
	r[4].shift++;
	for (i = 1; i < 5; i++)
		assert_false(pvc_same_values(&a, &r[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_step),       cmocka_unit_test(prepared_with_another_tsc),
		cmocka_unit_test(read_after_that), cmocka_unit_test(left_is_not_ended),
		cmocka_unit_test(same_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
