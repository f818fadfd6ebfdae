// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The whole block on a page that stays as it is: forwarding, agreement with the
 * kernel, threads, signals, errors, and slots that never come back.
 */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "simblock.h"

static const int ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                           CLOCK_TAI};
#define OURS (sizeof(ours) / sizeof(*ours))

/* In a process of its own, because what is wrong here may be a crash. */
static int zero_block_child(void)
{
	static struct pvc_core zero;
	struct pvc_timespec ts;
	struct timeval tv;
	uint64_t before, after, ns;
	unsigned i;

	for (i = 0; i < OURS; i++) {
		before = sim_kernel_ns(ours[i]);
		if (pvc_gettime(&zero, ours[i], &ts))
			return 1;
		after = sim_kernel_ns(ours[i]);
		if (sim_ns(&ts) < before || sim_ns(&ts) > after)
			return 2;
		if (pvc_gettime_unordered(&zero, ours[i], &ts))
			return 3;
	}
	for (i = 0; i < 20; i++)
		if (!!pvc_gettime(&zero, (int)i, &ts) != !!sim_kernel((int)i, &ts))
			return 4;
	if (sim_now(&zero, &ns))
		return 5;
	if (pvc_gettimeofday(&zero, &tv, NULL) || pvc_time(&zero, NULL) <= 0)
		return 6;
	return 0;
}

static void zero_block_forwards(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(zero_block_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void errors(void **state)
{
	const int unknown[] = {10, 12, 15, 16, 17, 63, 64, 1000, INT32_MAX};
	const enum pvc_mode modes[] = {PVC_MODE_KERNEL, PVC_MODE_STABLE};
	struct pvc_timespec ts = {7, 8};
	unsigned m, i;

	(void)state;
	for (m = 0; m < 2; m++) {
		attach(modes[m]);
		for (i = 0; i < OURS; i++) {
			assert_int_equal(pvc_gettime(&core, ours[i], NULL), -EFAULT);
			assert_int_equal(pvc_gettime_unordered(&core, ours[i], NULL), -EFAULT);
		}
		for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
			assert_int_equal(pvc_gettime(&core, unknown[i], &ts), -EINVAL);
			assert_int_equal(pvc_gettime(&core, unknown[i], NULL), -EINVAL);
		}
		assert_int_equal(pvc_gettime(&core, INT32_MIN, &ts), sim_kernel(INT32_MIN, &ts));
		/* this process' CPU time, by a negative id */
		assert_int_equal(pvc_gettime(&core, -6, &ts), 0);
		assert_int_equal(pvc_gettime(&core, CLOCK_MONOTONIC_COARSE, &ts), 0);
		assert_int_equal(pvc_gettime(&core, CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	}
}

static void other_calls(void **state)
{
	struct pvc_timespec ts;
	struct timeval tv, before, after;
	int64_t t = 0, t0, t1;
	int tz[2];

	(void)state;
	attach(PVC_MODE_STABLE);
	prove();
	assert_int_equal(pvc_getres(&core, CLOCK_MONOTONIC, &ts), 0);
	assert_int_equal(ts.sec, 0);
	assert_int_equal(pvc_getres(&core, CLOCK_MONOTONIC, NULL), 0);
	assert_int_equal(pvc_getres(&core, 15, &ts), -EINVAL);
	t0 = time(NULL);
	t1 = pvc_time(&core, &t);
	assert_int_equal(t, t1);
	assert_true(t1 >= t0 && t1 <= time(NULL));
	assert_true(pvc_time(&core, NULL) >= t1);
	gettimeofday(&before, NULL);
	assert_int_equal(pvc_gettimeofday(&core, &tv, NULL), 0);
	gettimeofday(&after, NULL);
	assert_in_range(tv.tv_usec, 0, 999999);
	/* To a microsecond, which is also our agreement. */
	assert_true(tv.tv_sec * 1000000 + tv.tv_usec + 60 >=
	            before.tv_sec * 1000000 + before.tv_usec);
	assert_true(tv.tv_sec * 1000000 + tv.tv_usec <=
	            after.tv_sec * 1000000 + after.tv_usec + 60);
	assert_int_equal(pvc_gettimeofday(&core, &tv, tz), 0);
	assert_int_equal(pvc_gettimeofday(&core, NULL, tz), 0);
	assert_int_equal(pvc_gettimeofday(&core, NULL, NULL), 0);
}

/*
 * kernel, ours, kernel, of which no preemption changes the order. A sample may be as
 * wide as 50 us on a busy machine, so that is the limit for one; few may be.
 */
static void agrees(int id, unsigned count)
{
	unsigned i, far = 0;
	uint64_t last = 0;

	for (i = 0; i < count; i++) {
		uint64_t before = sim_kernel_ns(id), ns = now(id), after = sim_kernel_ns(id);

		assert_true(ns + 60000 >= before);
		assert_true(ns <= after + 60000);
		if (ns + 1000 < before || ns > after + 1000)
			far++;
		assert_true(ns >= last);
		last = ns;
	}
	assert_true(far <= count / 50);
}

static void interleaved(void **state)
{
	unsigned i;

	(void)state;
	if (!sim_tsc_in_step("agreement with the kernel"))
		return;
	attach(PVC_MODE_STABLE);
	prove();
	for (i = 0; i < OURS; i++)
		agrees(ours[i], 200000);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_true(atomic_load(&core.count_of.anchors) > OURS);
	assert_int_equal(atomic_load(&core.count_of.steps), 0);
	assert_int_equal(atomic_load(&core.count_of.param_changes), 0);
	if (sim_has_rdtscp("mode percpu")) {
		attach(PVC_MODE_PERCPU);
		prove();
		for (i = 0; i < OURS; i++)
			agrees(ours[i], 50000);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	}
	attach(PVC_MODE_STABLE_NS);
	prove();
	agrees(CLOCK_MONOTONIC, 100000);
}

static void own_monotonicity(void **state)
{
	uint64_t last = 0, hyper = 0, ns;
	unsigned i;

	(void)state;
	if (!sim_tsc_in_step("monotonicity"))
		return;
	attach(PVC_MODE_STABLE);
	for (i = 0; i < 1000000; i++) {
		ns = now(CLOCK_MONOTONIC);
		assert_true(ns >= last);
		last = ns;
		if (i % 16)
			continue;
		assert_true(sim_now(&core, &ns));
		assert_true(ns >= hyper);
		hyper = ns;
	}
}

#define THREADS 4

static _Atomic uint64_t max[2];
static _Atomic unsigned backwards, failed;

static void *migrating_reader(void *arg)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], i, n = sim_cpus(cpu);
	unsigned me = (unsigned)(uintptr_t)arg;
	struct pvc_timespec ts;
	uint64_t before, ns;

	for (i = 0; i < 250000; i++) {
		if (i % 1000 == 0)
			sim_pin(cpu[(i / 1000 + me) % n]);
		before = atomic_load(&max[0]);
		if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts))
			atomic_fetch_add(&failed, 1);
		else if (!sim_not_back(&max[0], before, sim_ns(&ts)))
			atomic_fetch_add(&backwards, 1);
		if (i % 8)
			continue;
		before = atomic_load(&max[1]);
		if (!sim_now(&core, &ns))
			atomic_fetch_add(&failed, 1);
		else if (!sim_not_back(&max[1], before, ns))
			atomic_fetch_add(&backwards, 1);
	}
	return NULL;
}

static void threads_in(enum pvc_mode mode)
{
	pthread_t thread[THREADS];
	uintptr_t i;

	attach(mode);
	core.resync_ns = 100000; /* more edges */
	atomic_store(&max[0], 0);
	atomic_store(&max[1], 0);
	atomic_store(&backwards, 0);
	atomic_store(&failed, 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, migrating_reader, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&core.mode), mode);
}

static void across_threads(void **state)
{
	(void)state;
	if (!sim_tsc_in_step("monotonicity across threads"))
		return;
	threads_in(PVC_MODE_STABLE);
	if (sim_has_rdtscp("mode percpu"))
		threads_in(PVC_MODE_PERCPU);
	threads_in(PVC_MODE_STABLE_NS);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	uint64_t before = atomic_load(&max[0]), ns;
	struct pvc_timespec ts;

	(void)sig;
	signals++;
	if (pvc_gettime(&core, CLOCK_MONOTONIC, &ts) || !sim_now(&core, &ns))
		atomic_fetch_add(&failed, 1);
	else if (!sim_not_back(&max[0], before, sim_ns(&ts)))
		atomic_fetch_add(&backwards, 1);
}

/* The handler comes at any instruction, also between a claim and its publication. */
static void in_signal_handlers(void **state)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct itimerval once = {{0, 0}, {0, 1}};
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	core.resync_ns = 1000; /* an update every other call */
	atomic_store(&backwards, 0);
	atomic_store(&failed, 0);
	atomic_store(&max[0], 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	for (i = 0; i < 600000; i++) {
		uint64_t before = atomic_load(&max[0]);

		/* One at a time, or a slow handler would leave no time for us. */
		once.it_value.tv_usec = 1 + i % 29;
		if (i % 20 == 0)
			assert_int_equal(setitimer(ITIMER_REAL, &once, NULL), 0);

		if (!sim_not_back(&max[0], before, now(CLOCK_MONOTONIC)))
			atomic_fetch_add(&backwards, 1);
	}
	once.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &once, NULL);
	assert_true(signals > 0);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(atomic_load(&backwards), 0);
	assert_true(__builtin_popcountll(atomic_load(&core.busy)) <= (int)OURS);
}

static long kernel_error;

static long erring_kernel(long id, struct pvc_timespec *ts)
{
	return kernel_error ? kernel_error : sim_kernel(id, ts);
}

static void kernel_errors(void **state)
{
	struct pvc_timespec ts = {7, 8};
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	core.kernel.clock_gettime = erring_kernel;
	for (kernel_error = -EPERM; kernel_error; kernel_error = 0)
		for (i = 0; i < 100; i++)
			assert_int_equal(pvc_gettime(&core, CLOCK_MONOTONIC, &ts), -EPERM);
	/* Nothing was written, and nothing is lost when it answers again. */
	assert_int_equal(ts.sec, 7);
	assert_int_equal(ts.nsec, 8);
	prove();
	agrees(CLOCK_MONOTONIC, 1000);
	kernel_error = -EPERM;
	for (i = 0; i < 10000000 && !pvc_gettime(&core, CLOCK_MONOTONIC, &ts); i++)
		;
	assert_int_equal(pvc_gettime(&core, CLOCK_MONOTONIC, &ts), -EPERM);
	kernel_error = 0;
	agrees(CLOCK_MONOTONIC, 1000);
}

/* Where nobody but the kernel could answer: no page to read, and time of microseconds. */
static void kernel_errors_alone(void **state)
{
	struct timeval tv = {7, 999999};
	struct pvc_timespec ts = {7, 8};
	unsigned i;

	(void)state;
	attach(PVC_MODE_STABLE);
	core.kernel.clock_gettime = erring_kernel;
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++)
		sim_begin(&page.slot[i]);
	kernel_error = -EPERM;
	assert_int_equal(pvc_gettime(&core, CLOCK_TAI, &ts), -EPERM);
	assert_int_equal(pvc_gettimeofday(&core, &tv, NULL), -EPERM);
	assert_int_equal(ts.sec, 7);
	assert_int_equal(ts.nsec, 8);
	assert_int_equal(tv.tv_sec, 7);
	assert_int_equal(tv.tv_usec, 999999);
	/* It has not answered. */
	assert_int_equal(atomic_load(&core.count_of.fallbacks), 0);
	kernel_error = 0;
	agrees(CLOCK_TAI, 100);
	assert_int_equal(atomic_load(&core.count_of.fallbacks), 100);
	assert_int_equal(pvc_gettimeofday(&core, &tv, NULL), 0);
	assert_in_range(tv.tv_usec, 0, 999999);
}

/* As after many threads were killed in mid-update. */
static void slots_exhausted(void **state)
{
	uint64_t ns = 0, last = 0;
	unsigned i, live;

	(void)state;
	for (live = 0; live < 2; live++) {
		attach(PVC_MODE_STABLE);
		if (live)
			prove();
		while (pvc_latch_claim(&core.busy))
			;
		for (i = 0; i < OURS; i++)
			agrees(ours[i], 20000);
		while (pvc_latch_claim(&core.busy))
			;
		for (i = 0; i < 1000; i++)
			if (sim_now(&core, &ns)) {
				assert_true(ns >= last);
				last = ns;
			}
		agrees(CLOCK_MONOTONIC, 20000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_block_forwards), cmocka_unit_test(errors),
		cmocka_unit_test(other_calls),         cmocka_unit_test(interleaved),
		cmocka_unit_test(own_monotonicity),    cmocka_unit_test(across_threads),
		cmocka_unit_test(in_signal_handlers),  cmocka_unit_test(kernel_errors),
		cmocka_unit_test(slots_exhausted),     cmocka_unit_test(kernel_errors_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
