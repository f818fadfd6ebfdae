// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Many threads and everything at once: signals that land in readings and in
 * updates, and read as well; threads that stop in the middle of a reading, that
 * end, that are cancelled and that jump out of it; forks; other handles opened
 * and closed. For all that no clock goes back for anybody, and what is made from
 * the kernel's parameters is between two of the kernel's readings.
 *
 * PVCLOCK_TORTURE_SECONDS=N takes N seconds for each case.
 */
#include "torture.h"

#include <sys/resource.h>

#define MOST_THREADS 64
#define TICK SIGUSR1
#define NAP_NS 20000000 /* 20 resyncs and more */
#define CHILD_NS 3000000
#define PAUSE_NS 1000000 /* between two things that a case does */
#define JUMPS 7          /* in a case: each may leave one of 63 slots behind for ever */

struct torture {
	const struct kind *kind;
	int threads;
	pthread_t thread[MOST_THREADS];
	_Atomic bool stop;
	_Atomic int may_jump, may_nap; /* so many, by who comes next */
	_Atomic uint64_t reads, ticks, naps, jumps, refused;
	uint64_t children, brief, handles;
};

/* The calling thread's, for its handlers. */
static __thread struct torture *volatile mine;
static __thread volatile unsigned turn;
static __thread sigjmp_buf way_out;
static __thread timer_t timer;

static bool take(_Atomic int *allowed)
{
	int left = atomic_load(allowed);

	return left > 0 && atomic_compare_exchange_strong(allowed, &left, left - 1);
}

/* The thread is stopped where it is, while the others go on. */
static void nap(struct torture *t)
{
	struct timespec duration = {0, NAP_NS};

	nanosleep(&duration, NULL);
	atomic_fetch_add(&t->naps, 1);
	check(pick(t->kind, turn), turn % CLOCKS);
}

static void on_tick(int number)
{
	struct torture *t = mine;
	int saved = errno;
	struct source *s;

	(void)number;
	if (!t)
		return;
	s = pick(t->kind, ++turn);
	check(s, turn % CLOCKS);
	check_interval(s, turn % CLOCKS);
	check_unordered(s, turn % CLOCKS);
	if (take(&t->may_nap))
		nap(t);
	atomic_fetch_add(&t->ticks, 1);
	aim(timer, TICK_NS, turn);
	errno = saved;
	/* Not out of a handle: who has jumped out of it is waited for at its close. */
	if (s->handle < 0 && take(&t->may_jump))
		siglongjmp(way_out, 1);
}

static void *worker(void *arg)
{
	struct torture *t = arg;

	/* So that children and all that comes and goes have their share of two CPUs. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 5);
	mine = t;
	if (sigsetjmp(way_out, 1))
		atomic_fetch_add(&t->jumps, 1);
	else if (!start_timer(&timer, TICK))
		atomic_fetch_add(&t->refused, 1);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		watch_ticks();
		turn++;
		check(pick(t->kind, turn), turn % CLOCKS);
		atomic_fetch_add_explicit(&t->reads, 1, memory_order_relaxed);
	}
	mine = NULL;
	timer_delete(timer);
	return NULL;
}

/* A thread that comes and goes; or is told to go. */
static void *brief(void *arg)
{
	const struct torture *t = arg;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		check(pick(t->kind, i), i % CLOCKS);
		if (i % 16 == 0)
			pthread_testcancel();
	}
	return NULL;
}

static void come_and_go(struct torture *t)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, brief, t) != 0) {
		atomic_fetch_add(&t->refused, 1);
		return;
	}
	if (t->brief++ % 2)
		pthread_cancel(thread);
	pthread_join(thread, NULL);
}

/* With the boards as they were at the fork, and whatever was half done. */
static void read_on_in_child(void)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + CHILD_NS;
	size_t i, clock;

	/* A child that hangs is killed, and so has failed. */
	alarm(60);
	forget_wrongs();
	do {
		for (i = 0; i < SOURCES; i++)
			for (clock = 0; clock < CLOCKS; clock++) {
				check(&sources[i], clock);
				check_interval(&sources[i], clock);
			}
	} while (kernel_ns(CLOCK_MONOTONIC) < end);
	_exit(child_status());
}

static void fork_one(struct torture *t)
{
	pid_t child = fork();

	if (!child)
		read_on_in_child();
	wait_for_child(child);
	t->children++;
}

/* Another handle comes and goes beside the readers of this one. */
static void another_handle(struct torture *t)
{
	struct pvclock_options o = {.size = sizeof(o), .resync_us = 100};
	struct source other = {.handle = -1};
	int i;

	o.mode = t->handles++ % 2 ? PVCLOCK_MODE_PERCPU : PVCLOCK_MODE_STABLE;
	other.handle = pvclock_open(&o);
	if (other.handle < 0) {
		atomic_fetch_add(&t->refused, 1);
		return;
	}
	for (i = 0; i < 50; i++)
		check(&other, (size_t)i % CLOCKS);
	if (pvclock_close(other.handle) != 0)
		atomic_fetch_add(&t->refused, 1);
}

/* Everything has happened, so a case without a failure says something. */
static bool was_torture(const struct torture *t)
{
	bool jumps = atomic_load(&t->jumps) > 0 || pick(t->kind, 0)->handle >= 0;

	return jumps && atomic_load(&t->naps) && atomic_load(&t->ticks) && t->children &&
	       t->brief > 1 && t->handles > 1;
}

static void disturb(struct torture *t)
{
	static void (*const how[])(struct torture *) = {fork_one, come_and_go, another_handle};
	int64_t start = kernel_ns(CLOCK_MONOTONIC), now = start, duration = case_ns();
	int64_t next_jump = start, next_nap = start, latest = start + duration + MOST_WAIT_NS;
	struct timespec pause = {0, PAUSE_NS};
	unsigned i, jumps = 0;

	for (i = 0; now < latest; i++, now = kernel_ns(CLOCK_MONOTONIC)) {
		if (now >= start + duration && was_torture(t))
			return;
		if (now >= next_jump && jumps < JUMPS) {
			jumps++;
			next_jump += duration / JUMPS;
			atomic_fetch_add(&t->may_jump, 1);
		}
		/* One thread in four, half of the time. */
		if (now >= next_nap) {
			next_nap = now + 2ll * NAP_NS;
			atomic_store(&t->may_nap, (t->threads + 3) / 4);
		}
		nanosleep(&pause, NULL);
		how[i % 3](t);
	}
}

static void tell(const struct torture *t, const struct pvclock_status *was,
                 const struct pvclock_status *is)
{
	printf("%s, %d threads: %llu reads, %llu ticks, %llu naps, %llu jumps, %llu children, "
	       "%llu brief threads, %llu handles; %llu anchors, %llu fallbacks\n",
	       t->kind->name, t->threads, (unsigned long long)atomic_load(&t->reads),
	       (unsigned long long)atomic_load(&t->ticks),
	       (unsigned long long)atomic_load(&t->naps),
	       (unsigned long long)atomic_load(&t->jumps), (unsigned long long)t->children,
	       (unsigned long long)t->brief, (unsigned long long)t->handles,
	       (unsigned long long)(is->anchors - was->anchors),
	       (unsigned long long)(is->fallbacks - was->fallbacks));
}

static void torture(const struct kind *kind, int threads)
{
	struct torture t = {.kind = kind, .threads = threads};
	struct source *s = pick(kind, 0);
	struct pvclock_status was = status_of(s), is;
	int i, fd = watch_sets();

	for (i = 0; i < threads; i++)
		assert_int_equal(pthread_create(&t.thread[i], NULL, worker, &t), 0);
	disturb(&t);
	atomic_store(&t.stop, true);
	for (i = 0; i < threads; i++)
		assert_int_equal(pthread_join(t.thread[i], NULL), 0);
	is = status_of(s);
	tell(&t, &was, &is);
	assert_true(all_right("threads", was_set(fd)));
	assert_int_equal(atomic_load(&t.refused), 0);
	assert_true(was_torture(&t));
}

static int begin(void **state)
{
	struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	(void)state;

	if (sigaction(TICK, &tick, NULL) != 0)
		return -1;
	begin_sources();
	return all_right("at first", false) ? 0 : -1;
}

/* Nothing of it has moved a reader to another way of telling time. */
static int end(void **state)
{
	(void)state;
	return same_sources() && close_sources() ? 0 : -1;
}

static void with_2(void **state)
{
	torture(*state, 2);
}

static void with_8(void **state)
{
	torture(*state, 8);
}

static void with_32(void **state)
{
	torture(*state, 32);
}

static void with_64(void **state)
{
	torture(*state, 64);
}

#define BY(kind, test) ((struct CMUnitTest){#test " " #kind, test, NULL, NULL, (void *)&by_##kind})

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY(default, with_2),  BY(default, with_8), BY(default, with_32),
		BY(default, with_64), BY(stable, with_2),  BY(stable, with_8),
		BY(stable, with_32),  BY(stable, with_64), BY(percpu, with_2),
		BY(percpu, with_8),   BY(percpu, with_32), BY(percpu, with_64),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
