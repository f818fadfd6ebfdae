// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What an exact line is made from is gone, or another, when it is half made: between
 * the parameters and their proof, and while the kernel is asked.
 */
#include "../../vdso/now.h"
#include "simexact.h"
#include "simstep.h"

#define SLACK 2 /* ns: what rounding twice loses, on kvm-clock */

static void start_on_kvm_clock(void)
{
	entry = sim_real();
	sim_put_all(&page, &entry);
	simv_boot(3, PVC_VVAR_PVCLOCK);
	simx_attach(PVC_MODE_STABLE);
}

/* ---- the first line: MONOTONIC_RAW's parameters prove the page's rate -------------------- */

static uint64_t odd_raw;

static void raw_is_odd(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	(void)hres;
	raw[scale] = odd_raw;
}

/* Not a clock's, or of a TSC that ticks slower than once a ns. */
static void proof_is_nonsense(void **state)
{
	const uint64_t odd[] = {24ull << 32, 11ull << 32 | 0x400, 33ull << 32 | 0x80000000,
	                        24ull << 32 | 1 << 24, 12ull << 32 | 0xffffffff};
	unsigned i, n;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		simx_start(3, PVC_VVAR_TSC);
		odd_raw = odd[i];
		simv.lie = raw_is_odd;
		simv_update(SIMV_TICK, 0);
		for (n = 0; n < 100; n++)
			assert_true(simx_within(CLOCK_MONOTONIC, 0));
		assert_int_equal(simx_count(&core.count_of.anchors), 0);
		assert_int_equal(atomic_load(&core.proved), 0);
		/* It is no proof of another machine's page either. */
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
		simv.lie = NULL;
		simv_update(SIMV_TICK, 0);
		for (n = 0; n < 100; n++)
			assert_true(simx_all_within(0));
		assert_int_equal(atomic_load(&core.proved), 1);
		assert_true(pvc_exact(&core));
	}
}

static void begins_an_update(void)
{
	simv_set_seq(simv_seq() + 1);
}

static void leaves_the_tsc(void)
{
	simv_update(SIMV_MODE, PVC_VVAR_NONE);
}

/* True: the clock's own parameters were there, and those that prove were not any more. */
static bool proof_goes_at(unsigned at, void (*act)(void))
{
	struct pvc_timespec ts = {-1, -1};
	uint64_t before;
	bool unproved;

	simx_start(3, PVC_VVAR_TSC);
	before = simv_now(CLOCK_MONOTONIC);
	simx_irq_begin(at, act);
	assert_int_equal(pvc_gettime(&core, CLOCK_MONOTONIC, &ts), 0);
	simx_irq_end();
	assert_in_range(sim_ns(&ts), before, simv_now(CLOCK_MONOTONIC));
	unproved = pvc_exact(&core) && !atomic_load(&core.proved);
	if (unproved)
		assert_int_equal(simx_count(&core.count_of.anchors), 0);
	if (act == begins_an_update)
		simv_set_seq(simv_seq() + 1);
	else
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
	simx_last[CLOCK_MONOTONIC] = sim_ns(&ts);
	/* Where samples have begun meanwhile, they say what they said until they run out. */
	assert_true(simx_within(CLOCK_MONOTONIC, 60000));
	return unproved;
}

static void proof_goes_away(void **state)
{
	unsigned at, unproved[2] = {0, 0};

	(void)state;
	for (at = 1; at < 30; at++) {
		unproved[0] += proof_goes_at(at, begins_an_update);
		unproved[1] += proof_goes_at(at, leaves_the_tsc);
	}
	assert_true(unproved[0] > 0 && unproved[1] > 0);
}

/* ---- while the kernel is asked ------------------------------------------------------------ */

static void (*meanwhile)(void);
static unsigned asked;

static long slow_kernel(long id, struct pvc_timespec *ts)
{
	long err = simv_clock_gettime(id, ts);

	if (!asked++)
		meanwhile();
	return err;
}

static void page_is_taken(void)
{
	pvc_source_pause(&core);
}

static void page_is_stuck(void)
{
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
}

static void page_is_another(void)
{
	entry = sim_moved(&entry, 700000);
	sim_put_all(&page, &entry);
}

/* One call, in the middle of which that happens: the kernel's clock, and so many lines. */
static void asked_while(void (*what)(void), unsigned lines, unsigned calls)
{
	unsigned i;

	for (i = 0; i < SIMV_IDS; i++) {
		simx_start(3, PVC_VVAR_TSC);
		core.kernel.clock_gettime = slow_kernel;
		meanwhile = what;
		asked = 0;
		assert_true(simx_within(simv_ids[i], 0));
		assert_int_equal(asked, calls);
		assert_int_equal(simx_count(&core.count_of.anchors), lines);
		assert_int_equal(simx_count(&core.count_of.fallbacks), !lines);
		assert_int_equal(atomic_load(&core.exact_refused), 0);
		if (what == page_is_stuck)
			sim_put_all(&page, &entry);
		assert_true(simx_all_within(0) && simx_all_within(0));
	}
}

static void page_goes_while_asked(void **state)
{
	(void)state;
	asked_while(page_is_taken, 0, 2);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PAUSED);
	asked_while(page_is_stuck, 0, 2);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	/* The answer lies between TSCs of which one is not what it was: once more. */
	asked_while(page_is_another, 1, 2);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/* ---- kvm-clock: the parameters in service are what makes cycles of a TSC ------------------ */

static void put_now(uint64_t ended)
{
	uint64_t current = pvc_latch_begin(&core.now_current);
	struct pvc_now now_in;

	pvc_now_load(&core, current, &now_in);
	now_in.ended = ended;
	assert_true(pvc_now_put(&core, current, &now_in));
}

/* Whoever ended them never comes back: the kernel answers until somebody begins anew. */
static void parameters_have_ended(void **state)
{
	unsigned i;

	(void)state;
	start_on_kvm_clock();
	/* All entries, so that no CPU has a version to look at. */
	pvc_source_look_at_all(&core);
	hyper();
	put_now(PVC_NOW_ENDED);
	for (i = 0; i < 20; i++)
		assert_true(simx_within(CLOCK_MONOTONIC, 0));
	assert_int_equal(simx_count(&core.count_of.fallbacks), 20);
	assert_int_equal(simx_count(&core.count_of.anchors), 0);
	assert_int_equal(atomic_load(&core.exact_refused), 0);
	hyper();
	for (i = 0; i < 20; i++)
		assert_true(simx_all_within(SLACK));
	assert_true(pvc_exact(&core));
	assert_true(simx_count(&core.count_of.anchors) > 0);
	assert_int_equal(simx_count(&core.count_of.fallbacks), 20);
}

static unsigned named, replace_at, later;

/* Is the latch's place in the block part of the instruction? */
static bool names_the_latch(const uint8_t *instruction)
{
	const uint32_t at = offsetof(struct pvc_core, now_current);
	unsigned i;

	for (i = 1; i < 5; i++)
		if (!memcmp(instruction + i, &at, sizeof(at)))
			return true;
	return false;
}

/* By another thread that has found a version moved: the same values, in another slot. */
static void replaces_parameters(const uint8_t *instruction, greg_t *registers)
{
	(void)registers;
	if (named < replace_at && names_the_latch(instruction))
		named++;
	if (named < replace_at || later--)
		return;
	put_now(PVC_NOW_LIVE);
	stepper.armed = false;
}

/* Around each look at the latch, in a call that makes the line after a tick. */
static bool replaced_around(unsigned look, unsigned instructions_later)
{
	uint64_t before, anchors = simx_count(&core.count_of.anchors);
	struct pvc_timespec ts = {-1, -1};

	simv_update(SIMV_TICK, 0);
	named = 0;
	replace_at = look;
	later = instructions_later;
	before = simv_now(CLOCK_MONOTONIC);
	step_begin(replaces_parameters);
	pvc_gettime(&core, CLOCK_MONOTONIC, &ts);
	step_end();
	assert_in_range(sim_ns(&ts) + SLACK, before, simv_now(CLOCK_MONOTONIC) + 2ul * SLACK);
	/* By those that had to begin again, too. */
	assert_int_equal(simx_count(&core.count_of.anchors), anchors + 1);
	return named == look;
}

static void parameters_are_replaced(void **state)
{
	unsigned look = 0, after;
	bool there = true;

	(void)state;
	if (!step_possible())
		skip();
	start_on_kvm_clock();
	pvc_source_look_at_all(&core);
	hyper();
	assert_true(simx_all_within(SLACK) && simx_all_within(SLACK));
	while (there)
		for (look++, after = 0; after < 9; after += 4)
			there = replaced_around(look, after);
	assert_true(look > 1);
	assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
	assert_int_equal(atomic_load(&core.exact_refused), 0);
}

/* ---- what parameters said that the kernel has contradicted -------------------------------- */

static uint64_t floor_after(int id, uint64_t kernel)
{
	struct pvc_anchor a = {.id = id, .in = {.x = simv_tsc()}};

	atomic_store(&core.floor[id], 0);
	pvc_exact_floor(&core, &a, kernel);
	return atomic_load(&core.floor[id]);
}

static void bad_shift(uint64_t *hres, uint64_t *raw, unsigned scale)
{
	hres[scale] = raw[scale] = 5ull << 32 | 0x80000000;
}

/* A floor, where it can be read; what cannot be read is none, however far it might be. */
static void floor_of_the_contradicted(void **state)
{
	const int id[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
	uint64_t kernel, ns;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		simx_start(3, PVC_VVAR_TSC);
		kernel = simv_now(id[i]) - 1000;
		assert_int_equal(floor_after(id[i], kernel), 0);
		atomic_store(&core.exact_refused, 1);
		ns = floor_after(id[i], kernel);
		assert_in_range(ns, kernel + 1000, simv_now(id[i]));
		/* Nobody was told more than a second too much. */
		assert_int_equal(floor_after(id[i], kernel - SEC), 0);
		simv_set_seq(simv_seq() + 1);
		assert_int_equal(floor_after(id[i], kernel), 0);
		simv_set_seq(simv_seq() + 1);
		simv_update(SIMV_MODE, PVC_VVAR_NONE);
		assert_int_equal(floor_after(id[i], kernel), 0);
		/* Cycles are not what x is. */
		simv_update(SIMV_MODE, PVC_VVAR_PVCLOCK);
		assert_int_equal(floor_after(id[i], kernel), 0);
		simv.lie = bad_shift;
		simv_update(SIMV_MODE, PVC_VVAR_TSC);
		assert_int_equal(floor_after(id[i], kernel), 0);
		simv.lie = NULL;
		simv_update(SIMV_TICK, 0);
		assert_true(floor_after(id[i], kernel) > ns);
	}
	simx_start(3, PVC_VVAR_TSC);
	atomic_store(&core.exact_refused, 1);
	assert_int_equal(floor_after(CLOCK_REALTIME, simv_now(CLOCK_REALTIME) - 1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proof_is_nonsense),
		cmocka_unit_test(proof_goes_away),
		cmocka_unit_test(page_goes_while_asked),
		cmocka_unit_test(parameters_have_ended),
		cmocka_unit_test(parameters_are_replaced),
		cmocka_unit_test(floor_of_the_contradicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
