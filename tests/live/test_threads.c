// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One order for all threads: a value that anybody has seen before a call is no
 * higher than what the call returns. With signals landing anywhere, and forks.
 */
#include "live.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define READINGS 400000

struct shared {
	_Atomic int64_t board; /* the highest that anybody was told */
	_Atomic uint64_t backwards;
	int64_t (*read)(int handle);
	int handle;
	atomic_bool stop;
};

static int64_t read_monotonic(int handle)
{
	struct timespec ts;
	int err = handle < 0 ? pvclock_gettime(CLOCK_MONOTONIC, &ts)
	                     : pvclock_gettime_h(handle, CLOCK_MONOTONIC, &ts);

	return err ? -1 : ns_of(&ts);
}

static int64_t read_now(int handle)
{
	uint64_t ns = 0;
	int err = handle < 0 ? pvclock_now(&ns) : pvclock_now_h(handle, &ns);

	return err ? -1 : (int64_t)ns;
}

static void check(struct shared *s)
{
	int64_t seen = atomic_load(&s->board), now = s->read(s->handle);

	if (now < seen)
		atomic_fetch_add(&s->backwards, 1);
	while (now > seen && !atomic_compare_exchange_weak(&s->board, &seen, now))
		;
}

static void *reader(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < READINGS; i++) {
		check(s);
		if (i % 1000 == 0)
			sched_yield();
	}
	return NULL;
}

static void run(int64_t (*read)(int), int handle)
{
	struct shared s = {.read = read, .handle = handle, .board = INT64_MIN};
	pthread_t thread[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader, &s), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&s.backwards), 0);
	assert_true(atomic_load(&s.board) > 0);
}

static int opened(uint32_t mode)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = mode, .resync_us = 100};
	int handle = pvclock_open(&o);

	assert_true(handle >= 0);
	return handle;
}

static void monotonic(void **state)
{
	int stable = opened(PVCLOCK_MODE_STABLE), percpu = opened(PVCLOCK_MODE_PERCPU);
	(void)state;

	run(read_monotonic, -1);
	run(read_monotonic, stable);
	run(read_monotonic, percpu);
	assert_int_equal(pvclock_close(stable), 0);
	assert_int_equal(pvclock_close(percpu), 0);
}

static void hypervisor_ns(void **state)
{
	int percpu;
	(void)state;

	if (!has_page("hypervisor ns"))
		skip();
	percpu = opened(PVCLOCK_MODE_PERCPU);
	run(read_now, -1);
	run(read_now, percpu);
	assert_int_equal(pvclock_close(percpu), 0);
}

static struct shared on_signal = {.read = read_monotonic, .handle = -1, .board = INT64_MIN};
static _Atomic int signals;

static void handler(int number)
{
	int saved = errno;

	(void)number;
	check(&on_signal);
	atomic_fetch_add(&signals, 1);
	errno = saved;
}

/* A handler may interrupt a read, or the anchoring of a clock, and reads itself. */
static void signals_anywhere(void **state)
{
	struct sigaction action = {.sa_handler = handler}, before;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 100000}, {0, 100000}};
	timer_t timer;
	(void)state;

	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	while (atomic_load(&signals) < 3000)
		check(&on_signal);
	timer_delete(timer);
	sigaction(SIGUSR1, &before, NULL);
	assert_int_equal(atomic_load(&on_signal.backwards), 0);
}

static void *read_on(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop))
		check(s);
	return NULL;
}

/* Children read on from where the parent was, whatever its threads were doing. */
static void forks(void **state)
{
	struct shared s = {.read = read_monotonic, .handle = -1, .board = INT64_MIN};
	pthread_t thread;
	int i, status;
	(void)state;

	assert_int_equal(pthread_create(&thread, NULL, read_on, &s), 0);
	for (i = 0; i < 50; i++) {
		pid_t child;

		check(&s);
		child = fork();
		if (child == 0) {
			int n;

			for (n = 0; n < 20000; n++)
				check(&s);
			_exit(atomic_load(&s.backwards) != 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	atomic_store(&s.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&s.backwards), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(monotonic),
		cmocka_unit_test(hypervisor_ns),
		cmocka_unit_test(signals_anywhere),
		cmocka_unit_test(forks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
