// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Exchanges that are lost: just before each one somebody else makes his. Once, and the
 * next try must do it; every time, and there must be an end to it.
 */
#include "../../vdso/anchor.h"
#include "../../vdso/now.h"
#include "simblock.h"
#include "simstep.h"

#define ALWAYS UINT32_MAX

static unsigned times, lost;
static void (*somebody)(void);

static void just_before(const uint8_t *instruction, greg_t *registers)
{
	(void)registers;
	if (lost == times || !step_is_exchange(instruction))
		return;
	lost++;
	somebody();
}

static void begin(unsigned how_often, void (*who)(void))
{
	times = how_often;
	lost = 0;
	somebody = who;
}

/* ---- the latch of a clock --------------------------------------------------------------- */

static void renews(void)
{
	uint64_t current = atomic_load(&core.current[PVC_CLOCK_TAI]);

	assert_true(pvc_line_renew(&core, PVC_CLOCK_TAI, current));
}

static void latch_that_moves(void **state)
{
	const unsigned often[] = {0, 1, 15, ALWAYS};
	const uint64_t told = 1ull << 60;
	unsigned i, slot;
	uint64_t busy;

	(void)state;
	if (!step_possible())
		skip();
	for (i = 0; i < 4; i++) {
		attach(PVC_MODE_STABLE);
		prove();
		now(CLOCK_TAI);
		slot = pvc_latch_slot(atomic_load(&core.current[PVC_CLOCK_TAI]));
		assert_int_not_equal(slot, 0);
		busy = atomic_load(&core.busy);
		atomic_store(&core.floor[PVC_CLOCK_TAI], told);
		begin(often[i], renews);
		step_begin(just_before);
		pvc_clock_forget(&core, PVC_CLOCK_TAI);
		step_end();
		/* Whatever he has published, what it was told by is forgotten. */
		assert_true(atomic_load(&core.floor[PVC_CLOCK_TAI]) < 1000);
		if (often[i] == ALWAYS) {
			assert_in_range(lost, 16, 64);
			assert_int_equal(pvc_latch_slot(atomic_load(&core.current[PVC_CLOCK_TAI])),
			                 slot);
			assert_int_equal(atomic_load(&core.busy), busy);
		} else {
			assert_int_equal(lost, often[i]);
			assert_int_equal(pvc_latch_slot(atomic_load(&core.current[PVC_CLOCK_TAI])),
			                 0);
			assert_int_equal(atomic_load(&core.busy), busy & ~(1ull << slot));
		}
		now(CLOCK_TAI);
	}
}

/* ---- one thread's clamp ----------------------------------------------------------------- */

static _Atomic uint64_t mine;

static _Atomic uint64_t *thread_last(void)
{
	return &mine;
}

/* In this thread, as a signal handler does it: it was told a ns more. */
static void is_told_more(void)
{
	atomic_fetch_add(&mine, 1);
}

static uint64_t clamped(unsigned how_often, uint64_t *own)
{
	uint64_t ns = 0;
	bool done;

	begin(how_often, is_told_more);
	step_begin(just_before);
	done = pvc_percpu_now(&core, &ns, own);
	step_end();
	assert_true(done);
	return ns;
}

static void clamp_of_one_thread(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu), i;
	uint64_t before, ns, own = 0;

	(void)state;
	if (!step_possible() || !sim_has_rdtscp("mode percpu"))
		skip();
	assert_true(sim_pin(cpu[n - 1]));
	attach(PVC_MODE_PERCPU);
	core.thread_last = thread_last;
	core.apart = 1;
	atomic_store(&mine, 0);
	/* From here on by what is recorded of the entry. */
	hyper();
	hyper();
	for (i = 0; i < 5; i++) {
		before = atomic_load(&mine);
		ns = clamped(i, &own);
		assert_int_equal(lost, i);
		assert_true(ns == own && ns > before);
		assert_int_equal(atomic_load(&mine), ns);
	}
	/* What the last of the handlers was told, below what is read, but never above it. */
	before = atomic_load(&mine);
	ns = clamped(ALWAYS, &own);
	assert_in_range(lost, 16, 64);
	assert_int_equal(ns, before + lost);
	assert_int_equal(atomic_load(&mine), ns);
	assert_true(ns < own);
	assert_true(hyper() >= own);
	sim_unpin();
}

/* ---- the ring of events ------------------------------------------------------------------ */

/* The writer of the number that has the place next, 32 events later. */
static void writes_the_next(void)
{
	struct pvc_event_slot *s = &core.event[(1 + PVC_EVENTS) % PVC_EVENTS];

	atomic_store(&s->tsc, 77);
	atomic_store(&s->stamp, (1 + PVC_EVENTS) * 2);
}

static void place_that_is_taken(void **state)
{
	struct pvc_event e = {.kind = PVC_EVENT_LOST, .tsc = 5}, seen = {.number = 1};

	(void)state;
	if (!step_possible())
		skip();
	attach(PVC_MODE_STABLE);
	begin(1, writes_the_next);
	step_begin(just_before);
	pvc_event_add_single(&core, &e);
	step_end();
	assert_int_equal(lost, 1);
	/* It has happened, and is counted; what is in its place is another's, and whole. */
	assert_int_equal(atomic_load(&core.events), 1);
	assert_int_equal(pvc_event_get(&core, &seen), PVC_EVENT_GONE);
	seen.number = 1 + PVC_EVENTS;
	assert_int_equal(pvc_event_get(&core, &seen), PVC_EVENT_OK);
	assert_int_equal(seen.tsc, 77);
	assert_int_equal(seen.kind, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latch_that_moves),
		cmocka_unit_test(clamp_of_one_thread),
		cmocka_unit_test(place_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
