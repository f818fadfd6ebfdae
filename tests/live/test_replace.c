// SPDX-License-Identifier: LGPL-2.1-or-later
/* pvclock_replace: another source under threads that read. */
#include "page.h"
#include "sandbox.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define THREADS 3
#define TIMES 500

static int handle;
static _Atomic uint64_t highest[4];
static _Atomic unsigned backwards, wrong, answers;
static _Atomic int stop;
/* Reads that went well: now_h, now_entry_h */
static const int clocks[3] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};

static void not_back(unsigned which, uint64_t before, uint64_t ns)
{
	uint64_t max = atomic_load(&highest[which]);

	if (ns < before)
		atomic_fetch_add(&backwards, 1);
	while (max < ns && !atomic_compare_exchange_weak(&highest[which], &max, ns))
		;
}

/* -ENODEV and -ENOENT are of sources that this test has: a kernel's, and of one entry. */
static void expect(int err, int other)
{
	if (err && err != -EAGAIN && err != other && err != -ENODEV)
		atomic_fetch_add(&wrong, 1);
	if (!err)
		atomic_fetch_add_explicit(&answers, 1, memory_order_relaxed);
}

static void read_hypervisor(void)
{
	struct pvclock_sample s = {.size = sizeof(s)};
	struct pvclock_entry e = {.size = sizeof(e)};
	uint64_t ns, before = atomic_load(&highest[3]);
	int err = pvclock_now_h(handle, &ns);

	if (!err)
		not_back(3, before, ns);
	expect(err, 0);
	before = atomic_load(&highest[3]);
	err = pvclock_now_entry_h(handle, 0, &ns);
	if (!err)
		not_back(3, before, ns);
	/* This machine's, while it is unstable or asked for per CPU, is its own CPU's. */
	expect(err, -ENOENT);
	err = pvclock_sample_h(handle, &s);
	expect(err, 0);
	if (!err) {
		err = pvclock_sample_valid_h(handle, &s);
		expect(err == 1 ? 0 : err, -ENOENT);
	}
	expect(pvclock_entry_h(handle, 0, &e), 0);
}

static void *reader(void *arg)
{
	struct pvclock_event events[8];
	uint64_t after = 0, lost, generation, last = 0;
	(void)arg;

	while (!atomic_load(&stop)) {
		struct pvclock_status s = {.size = sizeof(s)};
		struct timespec ts;
		unsigned i;
		int n;

		for (i = 0; i < 3; i++) {
			uint64_t before = atomic_load(&highest[i]);

			if (pvclock_gettime_h(handle, clocks[i], &ts))
				atomic_fetch_add(&wrong, 1);
			else
				not_back(i, before, (uint64_t)ns_of(&ts));
		}
		read_hypervisor();
		if (pvclock_generation_h(handle, &generation) || generation < last ||
		    pvclock_status_h(handle, &s))
			atomic_fetch_add(&wrong, 1);
		last = generation;
		n = pvclock_events_h(handle, &after, events, 8, &lost);
		if (n < 0 || (n > 0 && events[n - 1].number != after))
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void start(pthread_t thread[THREADS])
{
	unsigned i;

	for (i = 0; i < 4; i++)
		atomic_store(&highest[i], 0);
	atomic_store(&stop, 0);
	atomic_store(&answers, 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, NULL), 0);
}

static void finish(pthread_t thread[THREADS])
{
	unsigned i;

	atomic_store(&stop, 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(atomic_load(&answers) > 0);
}

static int vmclock_file(void)
{
	struct {
		uint32_t magic, size;
		uint16_t version;
		uint8_t id, type;
		uint32_t seq;
		uint64_t marker;
	} head = {0x4b4c4356, 4096, 1, 0, 0, 0, 7};
	int fd = memfd_create("vmclock", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &head, sizeof(head)), sizeof(head));
	assert_int_equal(ftruncate(fd, 4096), 0);
	return fd;
}

/* The next source: memory, a file, this machine's page or none, in every mode and scope. */
static struct pvclock_options next(unsigned i, struct page *p, int *fd, const char *vmclock)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = i % 7 % 4, .scope = i / 2 % 2};
	struct entry e = entry_at(tsc_now());
	static const int64_t offsets[4] = {5, 5, 5, 5};

	*fd = -1;
	*p = (struct page){0};
	if (i % 5 == 0)
		return o;
	p->count = 1 + i % 4;
	p->stride = i % 3 ? 64 : 96;
	/* Seconds to a day off what was told before, both ways. */
	e.system_time += (uint64_t)(i * 7919ull % 86400) * SEC;
	e.flags = i % 11 ? STABLE : 0;
	if (i % 2) {
		size_t size = (size_t)p->count * p->stride;

		*fd = memfd_create("entries", MFD_CLOEXEC);
		assert_int_equal(ftruncate(*fd, (off_t)size), 0);
		p->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	} else {
		*p = new_page(p->count, p->stride);
	}
	put_all(p, &e);
	o = memory_options(p, o.mode);
	o.scope = i / 2 % 2;
	if (*fd >= 0) {
		o.source = PVCLOCK_SOURCE_FD;
		o.fd = *fd;
	}
	if (i % 4 == 3)
		o.tsc_offsets = offsets;
	if (i % 3 == 0)
		o.vmclock = vmclock;
	return o;
}

static void under_readers(void **state)
{
	pthread_t thread[THREADS];
	char vmclock[64];
	struct page old = {0};
	int mark = vmclock_file();
	unsigned i;
	(void)state;

	snprintf(vmclock, sizeof(vmclock), "/proc/self/fd/%d", mark);
	handle = pvclock_open(NULL);
	start(thread);
	for (i = 0; i < TIMES && !atomic_load(&wrong) && !atomic_load(&backwards); i++) {
		struct page p;
		int fd;
		struct pvclock_options o = next(i, &p, &fd, vmclock);

		assert_int_equal(pvclock_replace(handle, &o), 0);
		/* No reader is in there any more. */
		if (old.base)
			free_page(&old);
		if (fd >= 0)
			close(fd);
		old = p;
	}
	finish(thread);
	assert_true(generation_of(handle) >= i);
	assert_int_equal(pvclock_close(handle), 0);
	if (old.base)
		free_page(&old);
	close(mark);
}

/* What it tells goes on from no less, and it says what has happened. */
static void goes_on_from(void **state)
{
	struct page p[2] = {new_page(2, 64), new_page(2, 64)};
	uint32_t mode, scope;
	(void)state;

	for (mode = 1; mode < 4; mode++)
		for (scope = 0; scope < 2; scope++) {
			struct pvclock_options o[2] = {memory_options(&p[0], mode),
			                               memory_options(&p[1], mode)};
			struct entry e = entry_at(tsc_now());
			struct pvclock_event event;
			uint64_t after = 0, lost, ns, more;

			put_all(&p[0], &e);
			e.system_time -= 5000ull * SEC;
			put_all(&p[1], &e);
			o[0].scope = scope;
			handle = pvclock_open(&o[0]);
			/* Whichever was asked for, this is the one that it is clamped in. */
			assert_int_equal(status_of(handle).scope, PVCLOCK_SCOPE_PROCESS);
			ns = now_of(handle);
			assert_int_equal(pvclock_replace(handle, &o[1]), 0);
			more = now_of(handle);
			assert_in_range(more, ns, ns + 10 * SEC);
			assert_int_equal(pvclock_events_h(handle, &after, &event, 1, &lost), 1);
			assert_int_equal(event.kind, PVCLOCK_EVENT_REPLACED);
			assert_int_equal(event.number, 1);
			spin_ns(5 * MS);
			assert_true(now_of(handle) > more + 1 * MS);
			/* To this machine's page, and back. */
			more = now_of(handle);
			assert_int_equal(pvclock_replace(handle, NULL), 0);
			if (!pvclock_now_h(handle, &ns))
				assert_true(ns >= more);
			assert_int_equal(pvclock_replace(handle, &o[0]), 0);
			assert_true(now_of(handle) >= more);
			assert_int_equal(pvclock_close(handle), 0);
		}
	free_page(&p[0]);
	free_page(&p[1]);
}

static void errors(void **state)
{
	struct page p = new_page(2, 64);
	struct pvclock_options good = memory_options(&p, PVCLOCK_MODE_AUTO), bad = good;
	struct entry e = entry_at(tsc_now());
	uint64_t before, ns;
	(void)state;

	put_all(&p, &e);
	handle = open_page(&p, PVCLOCK_MODE_AUTO);
	bad.size = 8;
	assert_int_equal(pvclock_replace(handle, &bad), -EINVAL);
	bad = good;
	bad.length = 64;
	assert_int_equal(pvclock_replace(handle, &bad), -ERANGE);
	bad.memory = NULL;
	bad.length = 128;
	assert_int_equal(pvclock_replace(handle, &bad), -EFAULT);
	bad = good;
	bad.vmclock = "/nonexistent";
	assert_int_equal(pvclock_replace(handle, &bad), -ENOENT);
	before = tsc_now();
	ns = now_of(handle);
	assert_in_range(ns, ns_by(&e, before), ns_by(&e, tsc_now()));
	assert_int_equal(generation_of(handle), 0);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_STABLE);
	assert_int_equal(pvclock_close(handle), 0);
	assert_int_equal(pvclock_replace(handle, &good), -EBADF);
	assert_int_equal(pvclock_replace(-1, &good), -EBADF);
	assert_int_equal(pvclock_replace(64, &good), -EBADF);
	assert_int_equal(pvclock_replace(handle, NULL), -EBADF);
	free_page(&p);
}

static char fifo[] = "/tmp/pvclock-fifo-XXXXXX";

static void *slow_replace(void *arg)
{
	struct pvclock_options o = {.size = sizeof(o), .vmclock = fifo, .mode = PVCLOCK_MODE_AUTO};

	/* Opening it waits for somebody to write; then it is no file to map. */
	do {
		*(int *)arg = pvclock_replace(handle, &o);
	} while (*(int *)arg == -EBUSY);
	return NULL;
}

static void one_at_a_time(void **state)
{
	int dir = mkstemp(fifo), err = 0, fd, result = 0;
	pthread_t thread;
	uint64_t ns;
	(void)state;

	close(dir);
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	handle = pvclock_open(NULL);
	assert_int_equal(pthread_create(&thread, NULL, slow_replace, &result), 0);
	while ((err = pvclock_replace(handle, NULL)) == 0)
		;
	assert_int_equal(err, -EBUSY);
	assert_int_equal(pvclock_close(handle), -EBUSY);
	/* Readers are not concerned. */
	err = pvclock_now_h(handle, &ns);
	assert_true(err == 0 || err == -ENODEV);
	fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(result, -ENODEV);
	close(fd);
	unlink(fifo);
	assert_int_equal(pvclock_replace(handle, NULL), 0);
	assert_int_equal(pvclock_close(handle), 0);
}

static int in_a_sandbox(void)
{
	struct page p = new_page(1, 64);
	struct entry e = entry_at(tsc_now());
	struct pvclock_options o = memory_options(&p, PVCLOCK_MODE_AUTO);
	uint64_t ns, more;
	int h;

	put_all(&p, &e);
	h = pvclock_open(&o);
	if (h < 0 || pvclock_now_h(h, &ns) || forbid_membarrier())
		return 2;
	if (pvclock_replace(h, NULL) != -EPERM || pvclock_close(h) != -EPERM)
		return 3;
	/* It is as it was, and not thought to be in somebody's hands. */
	if (pvclock_now_h(h, &more) || more < ns || pvclock_replace(h, &o) != -EPERM)
		return 4;
	return 0;
}

static void sandboxed(void **state)
{
	int status;
	pid_t child = fork();
	(void)state;

	if (child == 0)
		_exit(in_a_sandbox());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_from),  cmocka_unit_test(errors),
		cmocka_unit_test(one_at_a_time), cmocka_unit_test(sandboxed),
		cmocka_unit_test(under_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
