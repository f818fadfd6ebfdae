// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An ordinary program that asks for the time everywhere at once: in threads, in
 * handlers of the signals that interrupt them, in children and their children. What
 * any of them was told before, none of them reads less than after it; the time
 * of day neither, by both of its calls, unless it was set.
 *
 * prog_torture THREADS MILLISECONDS
 */
#include <pthread.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "prog.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_NS 200000 /* for each thread that runs: 10 kHz on two CPUs */
#define CHILD_READS 500
#define US 1000

static _Atomic int64_t seen[STEADY], seen_day;
static _Atomic bool done;
static _Atomic unsigned long ticks;
static int sets; /* tells if the time of day was set */

/* The descriptor tells one reader only, who tells the others. */
static bool was_set(void)
{
	static _Atomic bool set;
	uint64_t expired;

	if (read(sets, &expired, sizeof(expired)) < 0 && errno == ECANCELED)
		atomic_store(&set, true);
	else if (!atomic_load(&set))
		usleep(10000);
	return atomic_load(&set);
}

static void watch_sets(void)
{
	struct itimerspec never = {.it_value = {INT32_MAX, 0}};

	sets = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (sets < 0 ||
	    timerfd_settime(sets, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) != 0)
		DIE("no timer: %s\n", strerror(errno));
}

static int64_t time_of_day(void)
{
	struct timeval tv = {0, -1};

	if (gettimeofday(&tv, NULL) != 0)
		DIE("gettimeofday: %s\n", strerror(errno));
	if (tv.tv_usec < 0 || tv.tv_usec >= NSEC / US)
		DIE("gettimeofday: %ld microseconds\n", (long)tv.tv_usec);
	return (int64_t)tv.tv_sec * NSEC + tv.tv_usec * US;
}

/* The coarser call cuts off what is left of a microsecond. */
static void read_day(const char *who, unsigned turn)
{
	int64_t before = atomic_load(&seen_day), now;

	now = turn % 2 ? time_of_day() : read_ns(CLOCK_REALTIME);
	if (now < (turn % 2 ? before / US * US : before) && !was_set())
		DIE("%s: the time of day went back by %lld ns\n", who, (long long)(before - now));
	while (before < now && !atomic_compare_exchange_weak(&seen_day, &before, now))
		;
}

static void read_all(const char *who, unsigned turn)
{
	read_steady(seen, who);
	read_day(who, turn);
}

static void on_tick(int number)
{
	int saved = errno;

	(void)number;
	read_all("a handler", (unsigned)atomic_fetch_add(&ticks, 1));
	errno = saved;
}

static void start_timer(timer_t *timer)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec often = {{0, TICK_NS}, {0, TICK_NS}};

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0 ||
	    timer_settime(*timer, 0, &often, NULL) != 0)
		DIE("no timer: %s\n", strerror(errno));
}

static void *reader(void *arg)
{
	timer_t timer;
	unsigned turn;

	(void)arg;
	start_timer(&timer);
	for (turn = 0; !atomic_load(&done); turn++)
		read_all("a thread", turn);
	timer_delete(timer);
	return NULL;
}

static void fork_and_read(int generations)
{
	int status = 0;
	unsigned i;
	pid_t pid;

	if (!generations)
		return;
	pid = fork();
	if (!pid) {
		alarm(20);
		for (i = 0; i < CHILD_READS; i++)
			read_all("a child", i);
		fork_and_read(generations - 1);
		_exit(0);
	}
	read_all("the parent", 0);
	while (pid > 0 && waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			DIE("waitpid: %s\n", strerror(errno));
	if (pid < 0 || status != 0)
		DIE("a child ended with %#x\n", (unsigned)status);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	int count = argc > 1 ? atoi(argv[1]) : 2, ms = argc > 2 ? atoi(argv[2]) : 100, i;
	pthread_t thread[64];
	int64_t end;

	if (count < 1 || count > 64)
		DIE("usage: prog_torture THREADS MILLISECONDS\n");
	watch_sets();
	if (sigaction(SIGALRM, &sa, NULL) != 0)
		DIE("no handler: %s\n", strerror(errno));
	end = kernel_ns(CLOCK_MONOTONIC) + ms * (int64_t)(NSEC / 1000);
	for (i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, reader, NULL) != 0)
			DIE("no thread\n");
	do
		fork_and_read(2);
	while (kernel_ns(CLOCK_MONOTONIC) < end || !atomic_load(&ticks));
	atomic_store(&done, true);
	for (i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
