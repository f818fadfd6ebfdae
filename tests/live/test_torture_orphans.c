// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readings that never come back: jumped out of by a handler of a signal, cancelled
 * wherever they were, taken over by the child of a fork that the handler made. What
 * was half done stays so for ever, and with it a copy of the clock's parameters; when
 * none is left the kernel answers. No clock goes back on the way there, or after.
 *
 * Each case is a child, which takes what it has used up with it.
 */
#include "torture.h"

#define THREADS 4
#define TICK SIGUSR1
#define FAILED 1
#define VACUOUS 2 /* none of it has happened */
#define HANGS_S 60

struct orphans {
	const struct kind *kind;
	int64_t end;
	_Atomic uint64_t reads, lost;
};

static __thread struct orphans *volatile mine;
static __thread volatile unsigned turn;
static __thread sigjmp_buf way_out;
static __thread timer_t timer;

static bool is_over(const struct orphans *o)
{
	int64_t late = kernels(0) - o->end;

	return late >= 0 && (atomic_load(&o->lost) || late >= MOST_WAIT_NS);
}

static void read_on(struct orphans *o)
{
	while (!is_over(o)) {
		watch_ticks();
		turn++;
		check(pick(o->kind, turn), turn % CLOCKS);
		check_interval(pick(o->kind, turn), turn % CLOCKS);
		atomic_fetch_add_explicit(&o->reads, 1, memory_order_relaxed);
	}
}

/* Jumps out of the reading that it lands in. */
static void on_jump(int number)
{
	struct orphans *o = mine;

	(void)number;
	if (!o)
		return;
	aim(timer, TICK_NS / 8, ++turn);
	check(pick(o->kind, turn), turn % CLOCKS);
	atomic_fetch_add(&o->lost, 1);
	siglongjmp(way_out, 1);
}

/* The interrupted reading is in the child too, below the handler, and goes on. */
static void on_fork(int number)
{
	struct orphans *o = mine;
	int saved = errno;
	pid_t child;
	unsigned i;

	(void)number;
	if (!o)
		return;
	aim(timer, TICK_NS, turn);
	if (turn++ % 16)
		return;
	child = fork();
	if (!child) {
		alarm(HANGS_S);
		forget_wrongs();
		for (i = 0; i < 200; i++)
			check(pick(o->kind, i), i % CLOCKS);
		/* To the end, in the reading that was interrupted. */
		o->end = 0;
		errno = saved;
		return;
	}
	wait_for_child(child);
	atomic_fetch_add(&o->lost, 1);
	errno = saved;
}

static void *jumper(void *arg)
{
	struct orphans *o = arg;

	mine = o;
	if (!sigsetjmp(way_out, 1) && !start_timer(&timer, TICK))
		found(REFUSED, 0, errno);
	read_on(o);
	mine = NULL;
	timer_delete(timer);
	return NULL;
}

static void *forker(void *arg)
{
	pid_t self = getpid();

	jumper(arg);
	if (getpid() != self)
		_exit(child_status());
	return NULL;
}

static void *cancelled(void *arg)
{
	struct orphans *o = arg;

	/* A sanitizer's own work cannot be cancelled wherever it is. */
	if (!SANITIZED)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;) {
		turn++;
		check(pick(o->kind, turn), turn % CLOCKS);
		atomic_fetch_add_explicit(&o->reads, 1, memory_order_relaxed);
		pthread_testcancel();
	}
	return NULL;
}

/* Threads are started and cancelled one after another while others read. */
static void *canceller(void *arg)
{
	struct orphans *o = arg;
	struct timespec pause = {0, 50000};
	pthread_t thread;

	while (!is_over(o)) {
		if (pthread_create(&thread, NULL, cancelled, o) != 0)
			return NULL;
		nanosleep(&pause, NULL);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		atomic_fetch_add(&o->lost, 1);
		check(pick(o->kind, turn), turn % CLOCKS);
	}
	return NULL;
}

/* The rest of a case is in its child: nothing asserts there, the status tells. */
static int in_child(const struct kind *kind, void *(*thread)(void *))
{
	struct orphans o = {.kind = kind, .end = kernels(0) + case_ns()};
	struct pvclock_status was = status_of(pick(kind, 0)), is;
	pthread_t threads[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, &o) != 0)
			return FAILED;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* Whoever comes afterwards finds it in order. */
	for (i = 0; i < 10000; i++)
		check(pick(kind, i), i % CLOCKS);
	is = status_of(pick(kind, 0));
	printf("%s: %llu reads, %llu lost; %llu anchors, %llu fallbacks\n", kind->name,
	       (unsigned long long)atomic_load(&o.reads), (unsigned long long)atomic_load(&o.lost),
	       (unsigned long long)(is.anchors - was.anchors),
	       (unsigned long long)(is.fallbacks - was.fallbacks));
	return atomic_load(&o.reads) && atomic_load(&o.lost) ? 0 : VACUOUS;
}

static void run(const struct kind *kind, void *(*thread)(void *), void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	int status, fd = watch_sets();
	pid_t child;

	assert_int_equal(sigaction(TICK, &action, NULL), 0);
	child = fork();
	if (!child) {
		alarm((unsigned)(HANGS_S + case_ns() / SEC));
		status = in_child(kind, thread);
		/* Not closed: who has jumped out of a handle is waited for at its close. */
		_exit(all_right("orphans", was_set(fd)) && same_sources() ? status : FAILED);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
}

static void jumps(void **state)
{
	run(*state, jumper, on_jump);
}

static void cancels(void **state)
{
	run(*state, canceller, SIG_IGN);
}

static void forks_in_handlers(void **state)
{
	run(*state, forker, on_fork);
}

static int begin(void **state)
{
	(void)state;
	begin_sources();
	return all_right("at first", false) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return same_sources() && close_sources() ? 0 : -1;
}

#define BY(kind, test) ((struct CMUnitTest){#test " " #kind, test, NULL, NULL, (void *)&by_##kind})

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY(default, jumps),
		BY(stable, jumps),
		BY(percpu, jumps),
		BY(default, cancels),
		BY(default, forks_in_handlers),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
