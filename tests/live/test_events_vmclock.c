// SPDX-License-Identifier: LGPL-2.1-or-later
/* VMClock's disruption marker, in a file of its format; and events under many threads. */
#include "page.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

struct head {
	uint32_t magic, size;
	uint16_t version;
	uint8_t id, type;
	uint32_t seq;
	uint64_t marker;
};

static char name[] = "/tmp/pvclock-vmclock-XXXXXX";
static struct head *head;
static const struct head good = {0x4b4c4356, 4096, 1, 0, 0, 0, 41};
static struct page page;
static struct entry entry;

static int begin(void **state)
{
	int fd = mkstemp(name);
	(void)state;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	head = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(head, MAP_FAILED);
	close(fd);
	page = new_page(4, 64);
	return 0;
}

static int end(void **state)
{
	(void)state;
	munmap(head, 4096);
	unlink(name);
	free_page(&page);
	return 0;
}

static int open_it(void)
{
	struct pvclock_options o;

	entry = entry_at(tsc_now());
	put_all(&page, &entry);
	o = memory_options(&page, PVCLOCK_MODE_AUTO);
	o.vmclock = name;
	return pvclock_open(&o);
}

static int open_with(const struct head *h)
{
	*head = *h;
	return open_it();
}

static void disrupted(void **state)
{
	struct pvclock_event e[4];
	uint64_t after = 0, lost, i;
	int handle = open_with(&good);
	(void)state;

	assert_true(handle >= 0);
	assert_int_equal(generation_of(handle), 0);
	for (i = 1; i <= 5; i++) {
		__atomic_store_n(&head->marker, 41 + (i & 1), __ATOMIC_RELEASE);
		if (i & 1)
			assert_int_equal(generation_of(handle), i);
		assert_int_equal(pvclock_events_h(handle, &after, e, 4, &lost), 1);
		assert_int_equal(e[0].kind, PVCLOCK_EVENT_DISRUPTED);
		assert_int_equal(e[0].number, i);
		assert_int_equal(generation_of(handle), i);
		assert_int_equal(pvclock_events_h(handle, &after, e, 4, &lost), 0);
	}
	assert_int_equal(pvclock_close(handle), 0);
}

/* One that goes with this machine's page, and in mode kernel, too. */
static void of_this_machine(void **state)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = PVCLOCK_MODE_AUTO, .vmclock = name};
	uint64_t before;
	int handle;
	(void)state;

	*head = good;
	for (; o.mode != PVCLOCK_MODE_KERNEL; o.mode = PVCLOCK_MODE_KERNEL) {
		handle = pvclock_open(&o);
		assert_true(handle >= 0);
		before = generation_of(handle);
		head->marker++;
		assert_true(generation_of(handle) > before);
		assert_int_equal(pvclock_close(handle), 0);
	}
}

static void no_vmclock(void **state)
{
	struct head h = good;
	(void)state;

	h.magic++;
	assert_int_equal(open_with(&h), -ENXIO);
	h = good;
	h.version = 2;
	assert_int_equal(open_with(&h), -ENXIO);
	h = good;
	h.size = 16;
	assert_int_equal(open_with(&h), -ENXIO);
	/* Shorter than its beginning. */
	*head = good;
	assert_int_equal(truncate(name, 10), 0);
	assert_int_equal(open_it(), -ENXIO);
	assert_int_equal(truncate(name, 0), 0);
	assert_int_equal(open_it(), -ENXIO);
	assert_int_equal(truncate(name, 4096), 0);
	assert_int_equal(pvclock_close(open_with(&good)), 0);
}

static int handle_of_all;
static _Atomic int stop;
static _Atomic unsigned wrong;
static _Atomic uint64_t highest;

static void *reader(void *arg)
{
	struct pvclock_event e[32];
	uint64_t after = 0, lost, ns, number = 0, before;
	(void)arg;

	while (!atomic_load(&stop)) {
		int n = pvclock_events_h(handle_of_all, &after, e, 32, &lost), i;

		for (i = 0; i < n; i++) {
			if (e[i].number <= number || e[i].kind > PVCLOCK_EVENT_REPLACED)
				atomic_fetch_add(&wrong, 1);
			number = e[i].number;
		}
		before = atomic_load(&highest);
		if (pvclock_now_h(handle_of_all, &ns))
			continue;
		if (ns < before)
			atomic_fetch_add(&wrong, 1);
		while (before < ns && !atomic_compare_exchange_weak(&highest, &before, ns))
			;
	}
	return NULL;
}

/* Many look at the same steps: each is an event, and none is lost or out of order. */
static void many_lookers(void **state)
{
	struct pvclock_status s = {.size = sizeof(s)};
	pthread_t thread[4];
	uint64_t step, ns;
	int i;
	(void)state;

	handle_of_all = open_with(&good);
	/* What is stepped from: until somebody has read, nothing is. */
	assert_int_equal(pvclock_now_h(handle_of_all, &ns), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, NULL), 0);
	for (step = 1; step <= 500; step++) {
		entry = moved(&entry, (int64_t)(step % 20 + 1) * 5 * MS);
		put_all(&page, &entry);
		while (generation_of(handle_of_all) < step)
			;
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(pvclock_status_h(handle_of_all, &s), 0);
	/* Once it was given up for us, who were not run in the middle of a write, it is more. */
	if (s.given_up)
		assert_true(generation_of(handle_of_all) >= 500);
	else
		assert_int_equal(generation_of(handle_of_all), 500);
	assert_int_equal(pvclock_close(handle_of_all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disrupted),
		cmocka_unit_test(of_this_machine),
		cmocka_unit_test(no_vmclock),
		cmocka_unit_test(many_lookers),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
