// SPDX-License-Identifier: LGPL-2.1-or-later
/* The ring of events itself: overwriting, writers that never come back, and many at once. */
#include "sim.h"

#define THREADS 4
#define EACH 20000

static struct pvc_core core;

static void begin(void)
{
	memset((void *)&core, 0, sizeof(core));
}

static bool add(uint32_t kind, uint32_t cpu, int64_t step)
{
	/* Each word tells of the step, so that a torn event is known by it. */
	struct pvc_event e = {
		.kind = kind,
		.cpu = cpu,
		.step = step,
		.tsc = (uint64_t)step * 3,
		.ns = (uint64_t)step * 5,
		.rate = (int64_t)((uint64_t)step * 7),
	};

	return pvc_event_add(&core, &e);
}

static enum pvc_event_read get(uint64_t number, struct pvc_event *e)
{
	*e = (struct pvc_event){.number = number};
	return pvc_event_get(&core, e);
}

static bool whole(const struct pvc_event *e)
{
	return e->tsc == (uint64_t)e->step * 3 && e->ns == (uint64_t)e->step * 5 &&
	       e->rate == (int64_t)((uint64_t)e->step * 7);
}

static void overwritten(void **state)
{
	struct pvc_event e;
	int64_t i, n;
	(void)state;

	begin();
	assert_int_equal(get(1, &e), PVC_EVENT_PENDING);
	for (i = 1; i <= 100; i++) {
		assert_true(add(PVC_EVENT_WENT_BACK, 3, i));
		assert_int_equal(atomic_load(&core.events), i);
		for (n = 1; n <= i; n++) {
			enum pvc_event_read got = get((uint64_t)n, &e);

			assert_int_equal(got, i - n < PVC_EVENTS ? PVC_EVENT_OK : PVC_EVENT_GONE);
			if (got != PVC_EVENT_OK)
				continue;
			assert_int_equal(e.step, n);
			assert_int_equal(e.kind, PVC_EVENT_WENT_BACK);
			assert_int_equal(e.cpu, 3);
			assert_true(whole(&e));
		}
	}
}

/* What each CPU's entry shows is one event; what one shows again is another. */
static void merged(void **state)
{
	const int64_t s = 1000000000000;
	(void)state;

	begin();
	assert_true(add(PVC_EVENT_CHANGED, 0, s));
	assert_false(add(PVC_EVENT_CHANGED, 1, s + 5));
	assert_false(add(PVC_EVENT_CHANGED, 63, s - 5000));
	assert_true(add(PVC_EVENT_CHANGED, 2, -s));
	assert_true(add(PVC_EVENT_CHANGED, 0, s));
	assert_false(add(PVC_EVENT_CHANGED, 1, s));
	assert_true(add(PVC_EVENT_CHANGED, 1, s));
	assert_int_equal(atomic_load(&core.events), 4);
	assert_true(add(PVC_EVENT_STOPPED, 0, 0));
	assert_false(add(PVC_EVENT_STOPPED, 5, 0));
	assert_true(add(PVC_EVENT_STOPPED, 5, 0));
	assert_true(add(PVC_EVENT_UNSTABLE, 0, 0));
	assert_true(add(PVC_EVENT_UNSTABLE, 1, 0));
	assert_true(add(PVC_EVENT_SET, 0, 50));
	assert_false(add(PVC_EVENT_SET, 11, 50));
	/* The largest steps there are do not overflow. */
	assert_true(add(PVC_EVENT_CHANGED, 7, INT64_MIN));
	assert_true(add(PVC_EVENT_CHANGED, 8, INT64_MAX));
}

/* Its number is taken and nothing comes: that one is lost, and its place, no other. */
static void orphaned(void **state)
{
	struct pvc_event_slot *s = &core.event[5 % PVC_EVENTS];
	struct pvc_event e;
	int64_t i;
	(void)state;

	begin();
	for (i = 1; i <= 4; i++)
		add(PVC_EVENT_WENT_BACK, 0, i);
	atomic_store(&core.events, 5);
	atomic_store(&s->stamp, 5 * 2 + 1);
	assert_int_equal(get(5, &e), PVC_EVENT_PENDING);
	for (i = 6; i <= 100; i++) {
		assert_true(add(PVC_EVENT_CHANGED, 0, i * 1000000));
		assert_int_equal(atomic_load(&core.events), i);
		if (i % PVC_EVENTS == 5)
			continue;
		assert_int_equal(get((uint64_t)i, &e), PVC_EVENT_OK);
		assert_true(whole(&e));
	}
	assert_int_not_equal(get(69, &e), PVC_EVENT_OK);
	/* A number taken, and the place not yet: the next round has it. */
	begin();
	atomic_store(&core.events, 1);
	for (i = 2; i <= 33; i++)
		add(PVC_EVENT_WENT_BACK, 0, i);
	assert_int_equal(get(33, &e), PVC_EVENT_OK);
	assert_int_equal(get(1, &e), PVC_EVENT_GONE);
}

static _Atomic unsigned added, torn, seen_events, running;

static void *writer(void *arg)
{
	int64_t i, mine = (int64_t)(uintptr_t)arg;

	for (i = 0; i < EACH; i++)
		if (add(i & 1 ? PVC_EVENT_WENT_BACK : PVC_EVENT_CHANGED, (uint32_t)mine,
		        (i * THREADS + mine) * 1000000))
			atomic_fetch_add(&added, 1);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void *watcher(void *arg)
{
	bool over;

	(void)arg;
	/* Once more when all is written: it may not have run before. */
	do {
		uint64_t newest, back;
		struct pvc_event e;

		over = !atomic_load(&running);
		newest = atomic_load(&core.events);

		for (back = 0; back < PVC_EVENTS && back < newest; back++) {
			if (get(newest - back, &e) != PVC_EVENT_OK)
				continue;
			atomic_fetch_add(&seen_events, 1);
			if (!whole(&e) || e.number != newest - back)
				atomic_fetch_add(&torn, 1);
		}
	} while (!over);
	return NULL;
}

/* Every event has a number of its own, and what is read of one is one's. */
static void hammered(void **state)
{
	pthread_t thread[THREADS + 1];
	uintptr_t i;
	(void)state;

	begin();
	atomic_store(&running, THREADS);
	assert_int_equal(pthread_create(&thread[THREADS], NULL, watcher, NULL), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, writer, (void *)i), 0);
	for (i = 0; i <= THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&core.events), atomic_load(&added));
	assert_int_equal(atomic_load(&torn), 0);
	assert_true(atomic_load(&seen_events) > 0);
	for (i = 0; i < PVC_EVENTS; i++)
		assert_int_equal(atomic_load(&core.event[i].stamp) & 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overwritten),
		cmocka_unit_test(merged),
		cmocka_unit_test(orphaned),
		cmocka_unit_test(hammered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
