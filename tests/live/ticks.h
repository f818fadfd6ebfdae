/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals that land in readings, and as often as can be in updates. */
#ifndef PVC_TESTS_TICKS_H
#define PVC_TESTS_TICKS_H

#include "live.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/*
 * For each thread, whose handler aims the next one, so the timers of threads that
 * wait for a CPU rest: 10 kHz on two CPUs. Sanitized code is 10 times slower, and
 * so are handlers.
 */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#define TICK_NS 2000000
#else
#define SANITIZED 0
#define TICK_NS 200000
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* For so long after a tick clocks are made anew: of one reader, of all handles. */
#define AIM_NS 2048
#define AIM_ALL_NS 32768

/*
 * The kernel rewrites its parameters with its tick, and clocks are made anew with
 * the next readings: that is when a signal hits an update. Seen by the clocks that
 * stand still between ticks.
 */
static _Atomic int64_t tick_at, coarse;

static inline int64_t kernel_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ns_of(&ts);
}

static inline void watch_ticks(void)
{
	struct timespec ts;
	int64_t is;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	is = ns_of(&ts);
	if (is == atomic_load_explicit(&coarse, memory_order_relaxed))
		return;
	atomic_store_explicit(&coarse, is, memory_order_relaxed);
	atomic_store_explicit(&tick_at, kernel_now(), memory_order_relaxed);
}

/*
 * The next signal: after a while, at random, as lines have a length of their own; or
 * just after the kernel's tick if that is before.
 */
static inline void aim(timer_t timer, int64_t after, unsigned turn)
{
	uint32_t random = turn * 2654435761u;
	static _Atomic int64_t period;
	int64_t length = atomic_load(&period), now = kernel_now(), tick;
	int64_t at = now + after / 2 + random % after;
	struct itimerspec next = {{0, 0}, {0, 0}};

	if (!length) {
		clock_getres(CLOCK_MONOTONIC_COARSE, &next.it_value);
		length = ns_of(&next.it_value);
		atomic_store(&period, length);
	}
	tick = now + length - (now - atomic_load(&tick_at)) % length;
	if (tick < at)
		at = tick + (random >> 16) % (random >> 31 ? AIM_NS : AIM_ALL_NS);
	next.it_value = (struct timespec){at / SEC, at % SEC};
	timer_settime(timer, TIMER_ABSTIME, &next, NULL);
}

/* Signals for the calling thread alone, wherever it is then; the first one. */
static inline bool start_timer(timer_t *timer, int number)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};

	event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
		return false;
	aim(*timer, TICK_NS, 0);
	return true;
}

#endif /* PVC_TESTS_TICKS_H */
