// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The whole core on a kernel whose parameters are not to be had, so that its clocks
 * are made from samples: what pvc_gettime says never goes back, and the kernel's
 * clock is always in what pvc_gettime_interval says.
 */
#include "simslew.h"

#define MS 1000000ull

static const struct source {
	uint64_t grain, cost; /* ns */
} sources[] = {{1, 0}, {1, 250}, {70, 500}, {279, 1500}};
#define SOURCES (sizeof(sources) / sizeof(*sources))

static const int ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                           CLOCK_TAI};
#define OURS (sizeof(ours) / sizeof(*ours))

/* So long, and so many lines, however rarely a busy machine lets us run. */
static void read_for(uint64_t ns, unsigned clocks)
{
	uint64_t start = slew_tsc(), ticks = slew_ticks(ns);
	uint64_t anchors = atomic_load(&core.count_of.anchors) + 150;
	unsigned i;

	while (slew_tsc() - start < ticks || atomic_load(&core.count_of.anchors) < anchors)
		for (i = 0; i < 50; i++) {
			slew_read(ours[i % clocks]);
			if (i % 5 == 0)
				slew_interval(ours[i / 5 % clocks]);
		}
}

static void start(enum pvc_mode mode, const struct source *source, uint64_t half_ns)
{
	slew_attach(mode, half_ns);
	slew.grain = source->grain;
	slew.cost = slew_ticks(source->cost);
	prove();
	assert_false(pvc_exact(&core));
	assert_int_equal(atomic_load(&core.mode), mode);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void tell(enum pvc_mode mode, const struct source *source)
{
	uint64_t n = told.asked < 65536 ? told.asked : 65536;

	qsort(told.width, n, sizeof(*told.width), by_size);
	printf("mode %d, grain %llu, system call %llu ns: +-%llu ns, %llu of %llu estimating\n",
	       (int)mode, (unsigned long long)source->grain, (unsigned long long)source->cost,
	       (unsigned long long)told.width[n / 2] / 2,
	       (unsigned long long)told.certain[PVC_ESTIMATING], (unsigned long long)told.asked);
}

static void kept(enum pvc_mode mode)
{
	struct pvc_line line = slew_line(CLOCK_REALTIME);

	/* The interval grows with a line's age, so samples are taken more often than asked for. */
	assert_in_range(pvc_mulhi(line.span, line.rate), 1, core.resync_ns / 4 + 1000);
	assert_true(told.asked > 100);
	assert_int_equal(told.certain[PVC_VIOLATED], 0);
	assert_int_equal(atomic_load(&core.count_of.violated), 0);
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
	assert_true(atomic_load(&core.count_of.anchors) > 100);
	assert_int_equal(atomic_load(&core.mode), mode);
}

static void held_in(enum pvc_mode mode)
{
	unsigned i;

	if (!sim_tsc_in_step("clocks made from samples"))
		return;
	for (i = 0; i < SOURCES; i++) {
		start(mode, &sources[i], 30 * MS);
		read_for(60 * MS, OURS);
		read_for(90 * MS, 1);
		tell(mode, &sources[i]);
		kept(mode);
	}
	/* Long enough for a baseline, and for changes to come after it. */
	start(mode, &sources[0], 350 * MS);
	for (i = 0; i < 10 && !told.certain[PVC_SYNCHRONISED]; i++)
		read_for(800 * MS, OURS);
	tell(mode, &sources[0]);
	kept(mode);
	assert_true(told.certain[PVC_ESTIMATING] > 0);
	assert_true(told.certain[PVC_SYNCHRONISED] > 0);
}

static void held_in_stable(void **state)
{
	(void)state;
	held_in(PVC_MODE_STABLE);
}

static void held_in_stable_ns(void **state)
{
	(void)state;
	held_in(PVC_MODE_STABLE_NS);
}

static void held_in_percpu(void **state)
{
	(void)state;
	if (sim_has_rdtscp("mode percpu"))
		held_in(PVC_MODE_PERCPU);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_in_stable),
		cmocka_unit_test(held_in_stable_ns),
		cmocka_unit_test(held_in_percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
