// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel changes its parameters in the middle of a call, at each of its accesses
 * to the page: as an interrupt does that comes there, and takes its time.
 */
#include "simexact.h"

#define MOST_ACCESSES 40

static uint64_t seed;

/* Where a call is found by the change: each is another way through the core. */
enum state {
	FIRST,   /* nothing is known of the clock */
	LIVE,    /* a line that holds */
	TICKED,  /* one that a tick has ended */
	AUDITED, /* and the kernel is asked when the next is made */
	RARE,    /* nobody has asked for milliseconds */
	STATES,
};

static void enter(enum state s, int id)
{
	simx_attach(PVC_MODE_STABLE);
	core.resync_ns = s == AUDITED ? 1000 : MSEC;
	if (s == FIRST)
		return;
	now(id);
	now(id);
	now(id);
	if (s == AUDITED)
		simx_spin_us(150);
	if (s == TICKED || s == AUDITED)
		simv_update(SIMV_TICK, 0);
	if (s == RARE)
		simx_spin_us(1800);
}

static struct {
	int id;
	const struct simx_event *event;
	unsigned delay;       /* us, before the change */
	uint64_t from, until; /* the clock just before it and just after */
} change;

static void act(void)
{
	simx_spin_us(change.delay);
	change.from = simv_now(change.id);
	simx_happens(&seed, change.event);
	change.until = simv_now(change.id);
}

/*
 * One instant in the call is what it may be of. Where the change is a jump none of
 * the values that are jumped over is the clock's.
 */
static bool is_of_one_instant(bool happened, uint64_t before, uint64_t ns, uint64_t after)
{
	bool jump = change.event->kind >= SIMV_INJECT && pvc_settable(change.id);

	if (!happened || !jump)
		return ns >= before && ns <= after;
	return (ns >= before && ns <= change.from) || (ns >= change.until && ns <= after);
}

static bool interrupted(enum state s, unsigned at)
{
	struct pvc_timespec ts = {-1, -1};
	uint64_t before, ns, after;
	bool happened;
	int err;

	enter(s, change.id);
	before = simv_now(change.id);
	simx_irq_begin(at, act);
	err = pvc_gettime(&core, change.id, &ts);
	happened = simx_irq_end();
	after = simv_now(change.id);
	assert_int_equal(err, 0);
	ns = sim_ns(&ts);
	if (!is_of_one_instant(happened, before, ns, after)) {
		print_error("state %d, access %u, event %d by %lld, %u us late: from %+lld until "
		            "%+lld\n",
		            (int)s, at, (int)change.event->kind, (long long)change.event->arg,
		            change.delay, (long long)(change.from - before),
		            (long long)(change.until - before));
		return simx_fail("is of no instant", change.id, before, ns, after);
	}
	simx_last[change.id] = change.id == CLOCK_REALTIME ? 0 : ns;
	/* The first access is the comparison of the counts, if there is nothing else. */
	return simx_within(change.id, 0) && (happened || at > 1);
}

static void any_change(void)
{
	change.id = simv_ids[sim_below(&seed, SIMV_IDS)];
	/* The last two are leap seconds, which come when a second ends. */
	change.event = &simx_events[sim_below(&seed, SIMX_EVENTS - 2)];
	change.delay = 1u << sim_below(&seed, 9);
}

/* In a namespace lines are made another way, and so they are for kvm-clock. */
static void at_every_access(void **state)
{
	unsigned i, at, s;

	(void)state;
	for (i = 0; i < 10; i++) {
		if (i % 5 == 0)
			simx_start(3, PVC_VVAR_TSC);
		if (i == 5)
			simv_enter(-HOUR, HOUR);
		for (s = 0; s < STATES; s++)
			for (at = 1; at <= MOST_ACCESSES; at++) {
				any_change();
				assert_true(interrupted((enum state)s, at));
			}
	}
}

/* A base before now and a kink at now: what a tick leaves when NTP has changed the rate. */
static void a_kink_that_is_late(void **state)
{
	const struct simx_event kinks[] = {{SIMV_LATE_MULT, 500}, {SIMV_LATE_MULT, 100000}};
	unsigned i, at, s;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 4; i++)
		for (s = 0; s < STATES; s++)
			for (at = 1; at <= MOST_ACCESSES; at++) {
				any_change();
				simv_update(SIMV_TICK, 0);
				simv_update(SIMV_MULT, (int64_t)simx_ppm(-500));
				change.event = &kinks[i % 2];
				change.delay = 300;
				assert_true(interrupted((enum state)s, at));
			}
}

/* What is cleared and set again in between must not look as if nothing had been. */
static void twice_in_one_call(void **state)
{
	unsigned i;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 200; i++) {
		any_change();
		change.delay = 0;
		simv_set_seq((uint32_t)(0 - 2 * sim_below(&seed, 4)));
		assert_true(interrupted((enum state)(i % STATES), 1 + i % 12));
	}
}

/*
 * The interrupt is a signal whose handler reads the clocks as well, before and after the
 * change: the call that it has interrupted goes on with what it has left.
 */
static struct {
	uint64_t highest[PVC_IDS];
	bool right;
} handler;

static void read_in_handler(void)
{
	unsigned i, n;

	for (n = 0; n < 3; n++)
		for (i = 0; i < SIMV_IDS; i++) {
			int id = simv_ids[i];
			uint64_t before = simv_now(id), ns, after;
			struct pvc_timespec ts = {0, 0};

			handler.right &= !pvc_gettime(&core, id, &ts);
			ns = sim_ns(&ts);
			after = simv_now(id);
			if (ns < before || ns > after)
				handler.right = simx_fail("in a handler", id, before, ns, after);
			handler.highest[id] = ns;
		}
}

static void act_and_read(void)
{
	read_in_handler();
	act();
	read_in_handler();
}

static void handlers_that_read(void **state)
{
	unsigned i, at;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (i = 0; i < 15; i++)
		for (at = 1; at <= MOST_ACCESSES; at++) {
			struct pvc_timespec ts = {-1, -1};
			uint64_t before, after;
			bool happened;

			any_change();
			change.delay &= 15;
			enter((enum state)(i % STATES), change.id);
			handler.right = true;
			memset(handler.highest, 0, sizeof(handler.highest));
			before = simv_now(change.id);
			simx_irq_begin(at, act_and_read);
			assert_int_equal(pvc_gettime(&core, change.id, &ts), 0);
			happened = simx_irq_end();
			after = simv_now(change.id);
			assert_true(handler.right);
			if (!is_of_one_instant(happened, before, sim_ns(&ts), after))
				assert_true(simx_fail("is of no instant", change.id, before,
				                      sim_ns(&ts), after));
			memcpy(simx_last, handler.highest, sizeof(simx_last));
			if (sim_ns(&ts) > simx_last[change.id])
				simx_last[change.id] = sim_ns(&ts);
			assert_true(simx_all_within(0) && simx_all_within(0));
		}
}

static void between_the_bounds(void **state)
{
	struct pvc_interval i;
	uint64_t before, after, n;
	unsigned at;

	(void)state;
	simx_start(3, PVC_VVAR_TSC);
	for (n = 0; n < 15; n++)
		for (at = 1; at <= MOST_ACCESSES; at++) {
			any_change();
			if (change.event->kind >= SIMV_INJECT)
				change.event = &simx_events[n % 10]; /* no jump */
			enter((enum state)(n % STATES), change.id);
			before = simv_now(change.id);
			simx_irq_begin(at, act);
			assert_int_equal(pvc_gettime_interval(&core, change.id, &i), 0);
			simx_irq_end();
			after = simv_now(change.id);
			assert_true(sim_ns(&i.earliest) < sim_ns(&i.latest) ||
			            i.certainty == PVC_BY_KERNEL);
			assert_true(sim_ns(&i.latest) >= before);
			assert_true(sim_ns(&i.earliest) <= after);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_every_access),    cmocka_unit_test(a_kink_that_is_late),
		cmocka_unit_test(twice_in_one_call),  cmocka_unit_test(handlers_that_read),
		cmocka_unit_test(between_the_bounds),
	};

	seed = sim_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
