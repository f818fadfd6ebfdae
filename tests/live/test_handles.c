// SPDX-License-Identifier: LGPL-2.1-or-later
/* Handles: options, limits, and closing under readers. */
#include "live.h"
#include "sandbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static void options(void **state)
{
	struct pvclock_options good = {.size = sizeof(good), .mode = PVCLOCK_MODE_AUTO}, o;
	struct pvclock_status s = {.size = sizeof(s)};
	int handle;
	(void)state;

	o = good;
	o.size--;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o = good;
	o.mode = 4;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o = good;
	o.scope = 2;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o = good;
	o.resync_us = 99;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o.resync_us = 100001;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o = good;
	o.reserved[3] = 1;
	assert_int_equal(pvclock_open(&o), -EINVAL);
	o = good;
	o.scope = PVCLOCK_SCOPE_THREAD;
	o.resync_us = 250;
	handle = pvclock_open(&o);
	assert_true(handle >= 0);
	assert_int_equal(pvclock_status_h(handle, &s), 0);
	assert_int_equal(s.scope, PVCLOCK_SCOPE_THREAD);
	assert_int_equal(s.resync_us, 250);
	assert_int_equal(pvclock_close(handle), 0);
}

static void no_handle(void **state)
{
	struct pvclock_sample sample = {.size = sizeof(sample)};
	struct pvclock_status s = {.size = sizeof(s)};
	static const int none[] = {-1, 0, 63, 64, 0x7fffffff, -0x7fffffff - 1};
	struct timespec ts;
	uint64_t ns;
	size_t i;
	(void)state;

	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		assert_int_equal(pvclock_gettime_h(none[i], CLOCK_MONOTONIC, &ts), -EBADF);
		assert_int_equal(pvclock_gettime_unordered_h(none[i], CLOCK_MONOTONIC, &ts),
		                 -EBADF);
		assert_int_equal(pvclock_now_h(none[i], &ns), -EBADF);
		assert_int_equal(pvclock_sample_h(none[i], &sample), -EBADF);
		assert_int_equal(pvclock_status_h(none[i], &s), -EBADF);
		assert_int_equal(pvclock_close(none[i]), -EBADF);
	}
}

static void all_of_them(void **state)
{
	int handle[64], i;
	struct timespec ts;
	(void)state;

	for (i = 0; i < 64; i++) {
		handle[i] = pvclock_open(NULL);
		assert_true(handle[i] >= 0);
		assert_int_equal(pvclock_gettime_h(handle[i], CLOCK_MONOTONIC, &ts), 0);
	}
	assert_int_equal(pvclock_open(NULL), -EMFILE);
	for (i = 0; i < 64; i++)
		assert_int_equal(pvclock_close(handle[i]), 0);
	handle[0] = pvclock_open(NULL);
	assert_true(handle[0] >= 0);
	assert_int_equal(pvclock_gettime_h(handle[0], CLOCK_MONOTONIC, NULL), -EFAULT);
	assert_int_equal(pvclock_gettime_h(handle[0], 1000, &ts), -EINVAL);
	assert_int_equal(pvclock_close(handle[0]), 0);
}

static void kernel_only(void **state)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = PVCLOCK_MODE_KERNEL};
	struct pvclock_sample sample = {.size = sizeof(sample)};
	struct timespec ts;
	uint64_t ns;
	int handle = pvclock_open(&o);
	(void)state;

	assert_int_equal(pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts), 0);
	assert_int_equal(pvclock_now_h(handle, &ns), -ENODEV);
	assert_int_equal(pvclock_sample_h(handle, &sample), -ENODEV);
	assert_int_equal(pvclock_close(handle), 0);
}

static _Atomic int open_handle, stop;

static void *read_through(void *arg)
{
	uint64_t *reads = arg;
	struct timespec ts;

	while (!atomic_load(&stop)) {
		int err = pvclock_gettime_h(atomic_load(&open_handle), CLOCK_MONOTONIC, &ts);

		/* Closed, or closed and opened anew: never anything else. */
		if (err != 0 && err != -EBADF)
			return arg;
		if (!err)
			++*reads;
	}
	return NULL;
}

/* What a reader holds is unmapped only when it has let go of it. */
static void closed_under_readers(void **state)
{
	pthread_t thread[2];
	uint64_t reads[2] = {0, 0};
	void *failed;
	int i;
	(void)state;

	atomic_store(&open_handle, pvclock_open(NULL));
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_through, &reads[i]), 0);
	for (i = 0; i < 500; i++) {
		int old = atomic_load(&open_handle);

		atomic_store(&open_handle, pvclock_open(NULL));
		assert_true(atomic_load(&open_handle) >= 0);
		assert_int_equal(pvclock_close(old), 0);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(reads[0] + reads[1] > 0);
	assert_int_equal(pvclock_close(atomic_load(&open_handle)), 0);
}

/* The child has none of the parent's readers, and waits for none of them. */
static void closed_in_a_child(void **state)
{
	pthread_t thread[2];
	uint64_t reads[2] = {0, 0};
	int i, status;
	(void)state;

	atomic_store(&stop, 0);
	atomic_store(&open_handle, pvclock_open(NULL));
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_through, &reads[i]), 0);
	for (i = 0; i < 50; i++) {
		pid_t child = fork();

		if (child == 0) {
			struct timespec ts;
			int handle = atomic_load(&open_handle);

			_exit(pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts) ||
			      pvclock_close(handle));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(pvclock_close(atomic_load(&open_handle)), 0);
}

#define MANY 100

static pthread_barrier_t all_known;
static _Atomic unsigned bad;

static void *first_read(void *arg)
{
	struct timespec ts;
	unsigned i;

	for (i = 0; i < 2; i++) {
		errno = EDOM;
		if (pvclock_gettime_h(*(int *)arg, CLOCK_MONOTONIC, &ts) || errno != EDOM)
			atomic_fetch_add(&bad, 1);
	}
	pthread_barrier_wait(&all_known);
	return NULL;
}

/* liburcu's list of readers has to grow for some of them. */
static void first_reads(void **state)
{
	pthread_t thread[MANY];
	int handle = pvclock_open(NULL);
	unsigned i;
	(void)state;

	assert_true(handle >= 0);
	atomic_store(&bad, 0);
	assert_int_equal(pthread_barrier_init(&all_known, NULL, MANY), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, first_read, &handle), 0);
	for (i = 0; i < MANY; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&bad), 0);
	pthread_barrier_destroy(&all_known);
	assert_int_equal(pvclock_close(handle), 0);
}

/* A sandbox that forbids what a grace period needs: an error, not an abort. */
static void sandboxed(void **state)
{
	int status;
	pid_t child = fork();
	(void)state;

	if (child == 0) {
		int handle = pvclock_open(NULL);
		struct timespec ts;

		if (handle < 0 || forbid_membarrier())
			_exit(2);
		if (pvclock_close(handle) != -EPERM)
			_exit(3);
		_exit(pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts) ? 4 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),
		cmocka_unit_test(no_handle),
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(kernel_only),
		cmocka_unit_test(closed_under_readers),
		cmocka_unit_test(closed_in_a_child),
		cmocka_unit_test(first_reads),
		cmocka_unit_test(sandboxed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
