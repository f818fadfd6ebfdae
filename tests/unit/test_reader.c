// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading entries that a host is rewriting, has left half-written, or never
 * wrote.
 */
#include "sim.h"

static struct sim_page page;

static enum pvc_order order(void)
{
	return pvc_order_of_this_cpu();
}

/* All fields follow from one number, so that a mixture shows. */
static struct sim_entry entry_of(uint64_t k)
{
	struct sim_entry e = {
		.tsc_timestamp = k * 0x9e3779b97f4a7c15ull,
		.system_time = k,
		.mul = (uint32_t)(k * 0x85ebca6bu) | 1u << 31,
		.shift = (int8_t)(k % 63 - 31),
		.flags = (uint8_t)(k & 3),
	};

	return e;
}

static bool consistent(const struct pvc_reading *r)
{
	struct sim_entry e = entry_of(r->system_time);

	return r->tsc_timestamp == e.tsc_timestamp && r->mul == e.mul && r->shift == e.shift &&
	       r->flags == e.flags && !(r->version & 1);
}

static void fields_are_read(void **state)
{
	struct sim_entry e = sim_real();
	struct pvc_reading r;
	uint64_t before;

	(void)state;
	sim_put(&page, 0, &e);
	before = sim_tsc();
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_OK);
	assert_true(r.tsc >= before && r.tsc <= sim_tsc());
	assert_int_equal(r.tsc_timestamp, e.tsc_timestamp);
	assert_int_equal(r.system_time, e.system_time);
	assert_int_equal(r.mul, e.mul);
	assert_int_equal(r.shift, e.shift);
	assert_int_equal(r.flags, PVCLOCK_TSC_STABLE_BIT);
	assert_int_equal(r.version, page.slot[0].info.version);
	assert_int_equal(pvc_reading_ns(&r),
	                 e.system_time + pvc_scale_delta(r.tsc - e.tsc_timestamp, e.mul, e.shift));
}

/* A TSC below tsc_timestamp is no time at all, not centuries. */
static void timestamp_ahead(void **state)
{
	struct sim_entry e = sim_real();
	struct pvc_reading r;

	(void)state;
	e.tsc_timestamp = sim_tsc() + (1ull << 40);
	sim_put(&page, 0, &e);
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_OK);
	assert_int_equal(pvc_reading_ns(&r), e.system_time);
}

static void stable_clear_is_a_status(void **state)
{
	struct sim_entry e = sim_real();
	struct pvc_reading r;

	(void)state;
	e.flags = PVCLOCK_GUEST_STOPPED;
	sim_put(&page, 0, &e);
	memset(&r, 0x55, sizeof(r));
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_UNSTABLE);
	assert_int_equal(r.system_time, e.system_time);
	assert_int_equal(r.tsc_timestamp, e.tsc_timestamp);
	assert_int_equal(r.mul, e.mul);
	assert_int_equal(r.flags, PVCLOCK_GUEST_STOPPED);
	e.flags |= PVCLOCK_TSC_STABLE_BIT;
	sim_put(&page, 0, &e);
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_OK);
	assert_int_equal(r.flags, e.flags);
}

/* Returns at all: a host thread may be gone for good in mid-update. */
static void stuck_is_busy(void **state)
{
	struct sim_entry e = sim_real();
	struct pvc_reading r;
	unsigned i;

	(void)state;
	sim_put_all(&page, &e);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
	for (i = 0; i < 1000; i++)
		assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_BUSY);
	if (!sim_has_rdtscp("per-CPU reader"))
		return;
	for (i = 0; i < 1000; i++)
		assert_int_equal(pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, i % 80, &r),
		                 PVC_BUSY);
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_end(&page.slot[i]);
	assert_int_equal(pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, 0, &r), PVC_OK);
}

static void version_wraps(void **state)
{
	struct sim_entry e = sim_real();
	struct pvc_reading r;

	(void)state;
	sim_put(&page, 0, &e);
	__atomic_store_n(&page.slot[0].info.version, 0xfffffffeu, __ATOMIC_RELEASE);
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_OK);
	assert_int_equal(r.version, 0xfffffffeu);
	e.system_time++;
	sim_begin(&page.slot[0]);
	assert_int_equal(page.slot[0].info.version, 0xffffffffu);
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_BUSY);
	sim_fields(&page.slot[0], &e);
	sim_end(&page.slot[0]);
	assert_int_equal(page.slot[0].info.version, 0);
	assert_int_equal(pvc_read_stable(page.slot, order(), &r), PVC_OK);
	assert_int_equal(r.version, 0);
	assert_int_equal(r.system_time, e.system_time);
}

static _Atomic bool stop;

static void *rewrite(void *arg)
{
	uint64_t k = 1;

	(void)arg;
	while (!atomic_load(&stop)) {
		struct sim_entry e = entry_of(k++);
		unsigned i, wait = k % 7 * 20;

		for (i = 0; i < 4; i++)
			sim_put(&page, i, &e);
		while (wait--)
			pvc_pause();
	}
	return NULL;
}

/* Many tries, since the writer may be preempted in the middle of an update. */
static void read_while_rewritten(bool percpu)
{
	struct sim_entry first = entry_of(1);
	unsigned i, good = 0, torn = 0;
	struct pvc_reading r;
	pthread_t writer;

	sim_put_all(&page, &first);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&writer, NULL, rewrite, NULL), 0);
	for (i = 0; i < 20000000 && good < 100000; i++) {
		enum pvc_read status =
			percpu ? pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, i & 3, &r)
			       : pvc_read_stable(&page.slot[i & 3], order(), &r);

		if (status == PVC_BUSY || status == PVC_NO_ENTRY)
			continue;
		good++;
		if (!consistent(&r))
			torn++;
		if (!percpu && (status == PVC_OK) != (r.flags & PVCLOCK_TSC_STABLE_BIT))
			torn++;
	}
	atomic_store(&stop, true);
	pthread_join(writer, NULL);
	assert_int_equal(torn, 0);
	assert_true(good > 0);
}

static void never_torn(void **state)
{
	(void)state;
	read_while_rewritten(false);
	if (sim_has_rdtscp("per-CPU reader"))
		read_while_rewritten(true);
}

/* Entry n says n seconds: who read whose? */
static void number_entries(void)
{
	struct sim_entry e = {.mul = 1u << 31};
	unsigned i;

	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		e.system_time = i;
		e.tsc_timestamp = i * 1000ull;
		sim_put(&page, i, &e);
	}
}

static void own_entry(void **state)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, hint, n = sim_cpus(cpu);
	struct pvc_reading r;

	(void)state;
	if (!sim_has_rdtscp("per-CPU reader"))
		return;
	number_entries();
	for (i = 0; i < n; i++) {
		if (!sim_pin(cpu[i]))
			continue;
		for (hint = 0; hint < PVCLOCK_PAGE_SLOTS + 3; hint++) {
			assert_int_equal(pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, hint, &r),
			                 PVC_OK);
			assert_int_equal(r.cpu, cpu[i]);
			assert_int_equal(r.system_time, cpu[i]);
			assert_int_equal(r.tsc_timestamp, cpu[i] * 1000);
		}
		assert_int_equal(pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, UINT32_MAX, &r),
		                 PVC_OK);
		assert_int_equal(r.system_time, cpu[i]);
		/* The first CPU without an entry is the count itself. */
		if (cpu[i])
			assert_int_equal(pvc_read_percpu(page.slot, cpu[i], 0, &r), PVC_NO_ENTRY);
	}
	sim_unpin();
}

static void *wander(void *arg)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu), wrong = 0, busy = 0;
	struct pvc_reading r;

	(void)arg;
	for (i = 0; i < 200000; i++) {
		if (i % 500 == 0)
			sim_pin(cpu[i / 500 % n]);
		if (pvc_read_percpu(page.slot, PVCLOCK_PAGE_SLOTS, i, &r) != PVC_OK)
			busy++;
		else if (r.system_time != r.cpu || r.tsc_timestamp != r.cpu * 1000ull)
			wrong++;
	}
	return (void *)(uintptr_t)(wrong + busy);
}

static void own_entry_while_migrating(void **state)
{
	pthread_t thread[4];
	void *wrong;
	unsigned i;

	(void)state;
	if (!sim_has_rdtscp("per-CPU reader"))
		return;
	number_entries();
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, wander, NULL), 0);
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
}

static struct pvc_reading plausible_one(void)
{
	struct pvc_reading r = {
		.tsc = 1ull << 50,
		.tsc_timestamp = 1ull << 49,
		.system_time = 1000 * PVC_NSEC_PER_SEC,
		.mul = 0xd1733333,
		.shift = -1,
		.flags = PVCLOCK_TSC_STABLE_BIT,
	};

	return r;
}

#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		struct pvc_reading n_ = plausible_one();                                           \
		n_.field = (value);                                                                \
		assert_false(pvc_reading_plausible(&n_));                                          \
	} while (0)

static void nonsense_is_refused(void **state)
{
	struct pvc_reading r = plausible_one(), zero = {0}, ones;

	(void)state;
	assert_true(pvc_reading_plausible(&r));
	r.flags = PVCLOCK_TSC_STABLE_BIT | PVCLOCK_GUEST_STOPPED;
	assert_true(pvc_reading_plausible(&r));
	r.tsc = 0; /* a restored VM's TSC starts lower */
	assert_true(pvc_reading_plausible(&r));
	assert_false(pvc_reading_plausible(&zero));
	memset(&ones, 0xff, sizeof(ones));
	assert_false(pvc_reading_plausible(&ones));
	REFUSED(mul, 0);
	REFUSED(mul, (1u << 31) - 1);
	REFUSED(shift, -32);
	REFUSED(shift, 32);
	REFUSED(shift, -128);
	REFUSED(shift, 127);
	REFUSED(flags, 4);
	REFUSED(flags, 0x80 | PVCLOCK_TSC_STABLE_BIT);
	REFUSED(system_time, 1ull << 63);
	REFUSED(system_time, 1ull << 62);
	REFUSED(tsc_timestamp, 1ull << 63);
	REFUSED(shift, 20);
}

/* The sum of system_time and what saturated is not a small number. */
static void overflow_is_refused(void **state)
{
	struct pvc_reading r = plausible_one();
	int shift;

	(void)state;
	r.tsc = (1ull << 62) - 1;
	r.tsc_timestamp = 0;
	for (shift = 13; shift <= 31; shift++) {
		r.shift = (int8_t)shift;
		assert_false(pvc_reading_plausible(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_read),
		cmocka_unit_test(timestamp_ahead),
		cmocka_unit_test(stable_clear_is_a_status),
		cmocka_unit_test(stuck_is_busy),
		cmocka_unit_test(version_wraps),
		cmocka_unit_test(never_torn),
		cmocka_unit_test(own_entry),
		cmocka_unit_test(own_entry_while_migrating),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(overflow_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
