/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One order for everybody, checked at every reading, wherever it is made: in a
 * thread, in a handler of a signal that has landed in another reading, in the
 * child of a fork. What is wrong is counted and told at the end, for threads and
 * handlers cannot fail a test themselves.
 */
#ifndef PVC_TESTS_TORTURE_H
#define PVC_TESTS_TORTURE_H

#include "ticks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The settable ones last. */
static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                   CLOCK_REALTIME, CLOCK_TAI};
#define CLOCKS (sizeof(clocks) / sizeof(*clocks))
#define STEADY 3

#define STABLE_HANDLES 16

/* A machine that is busy with other things may take longer to come to what a case is of. */
#define MOST_WAIT_NS (40 * SEC)

/* About 10 ns out of order is what is promised; this is not a matter of speed. */
#define UNORDERED 1000

enum wrong {
	REFUSED,
	BACKWARDS,
	BELOW_KERNEL,
	ABOVE_KERNEL,
	INTERVAL,
	UNORDERED_FAR,
	CHILD,
	WRONGS,
};

static const char *const wrong_text[WRONGS] = {
	"calls failed",
	"went back",
	"below the kernel's reading before",
	"above the kernel's reading after",
	"intervals that exclude what was read",
	"unordered readings far off",
	"children that failed",
};

/* One way of reading: the default reader (-1) or a handle. */
struct source {
	const char *name;
	int handle;
	uint32_t mode, found; /* asked for, and given */
	bool exact;           /* the kernel's clock, to the bit */
	_Atomic int64_t board[CLOCKS];
};

/* By whether the clock can be set; and by how much the first of each was. */
static _Atomic uint64_t wrongs[2][WRONGS];
static _Atomic int64_t wrong_by[2][WRONGS];

static inline void found(enum wrong what, size_t clock, int64_t by)
{
	bool settable = clock >= STEADY;

	if (!atomic_fetch_add(&wrongs[settable][what], 1))
		atomic_store(&wrong_by[settable][what], by);
}

static inline void raise_to(_Atomic int64_t *board, int64_t value)
{
	int64_t seen = atomic_load_explicit(board, memory_order_relaxed);

	while (seen < value &&
	       !atomic_compare_exchange_weak_explicit(board, &seen, value, memory_order_release,
	                                              memory_order_relaxed))
		;
}

static inline int64_t kernels(size_t clock)
{
	struct timespec ts = {0, 0};

	if (clock_gettime(clocks[clock], &ts) != 0)
		found(REFUSED, clock, errno);
	return ns_of(&ts);
}

/* What anybody was told before is no more than what we are told now. */
static inline void check(struct source *s, size_t clock)
{
	int64_t before = kernels(clock), now, after;
	/* Acquire: pairs with raise_to, so the other's reading was before ours. */
	int64_t seen = atomic_load_explicit(&s->board[clock], memory_order_acquire);
	struct timespec ts = {0, 0};
	int err = s->handle < 0 ? pvclock_gettime(clocks[clock], &ts)
	                        : pvclock_gettime_h(s->handle, clocks[clock], &ts);

	if (err)
		found(REFUSED, clock, err);
	now = ns_of(&ts);
	if (now < seen)
		found(BACKWARDS, clock, seen - now);
	raise_to(&s->board[clock], now);
	after = kernels(clock);
	if (s->exact && now < before)
		found(BELOW_KERNEL, clock, before - now);
	if (s->exact && now > after)
		found(ABOVE_KERNEL, clock, now - after);
}

/*
 * The kernel's readings before and after, and ours before, as the header has it:
 * what was read before is no more than latest, what is read after no less than
 * earliest.
 */
static inline void check_interval(struct source *s, size_t clock)
{
	int64_t before = kernels(clock), after;
	int64_t seen = atomic_load_explicit(&s->board[clock], memory_order_acquire);
	struct pvclock_interval i = {.size = sizeof(i)};
	int err = s->handle < 0 ? pvclock_gettime_interval(clocks[clock], &i)
	                        : pvclock_gettime_interval_h(s->handle, clocks[clock], &i);

	if (err)
		found(REFUSED, clock, err);
	after = kernels(clock);
	if (before > ns_of(&i.latest))
		found(INTERVAL, clock, before - ns_of(&i.latest));
	if (seen > ns_of(&i.latest))
		found(INTERVAL, clock, seen - ns_of(&i.latest));
	if (after < ns_of(&i.earliest))
		found(INTERVAL, clock, ns_of(&i.earliest) - after);
	/* Of the kernel's own answers no line of samples is told. */
	if (s->exact || i.certainty != PVCLOCK_BY_KERNEL)
		raise_to(&s->board[clock], ns_of(&i.earliest));
}

/* Not in the order: read, and not far from it. */
static inline void check_unordered(struct source *s, size_t clock)
{
	int64_t seen = atomic_load_explicit(&s->board[clock], memory_order_acquire);
	struct timespec ts = {0, 0};
	int err = s->handle < 0 ? pvclock_gettime_unordered(clocks[clock], &ts)
	                        : pvclock_gettime_unordered_h(s->handle, clocks[clock], &ts);

	if (err)
		found(REFUSED, clock, err);
	if (ns_of(&ts) + UNORDERED < seen)
		found(UNORDERED_FAR, clock, seen - ns_of(&ts));
	if (s->exact && ns_of(&ts) > kernels(clock) + UNORDERED)
		found(UNORDERED_FAR, clock, ns_of(&ts));
}

/* How long a case takes: PVCLOCK_TORTURE_SECONDS for long runs. */
static inline int64_t case_ns(void)
{
	const char *seconds = getenv("PVCLOCK_TORTURE_SECONDS");

	return seconds && atoll(seconds) > 0 ? atoll(seconds) * SEC : SEC;
}

static inline void open_source(struct source *s, const char *name, uint32_t mode)
{
	struct pvclock_options o = {.size = sizeof(o), .mode = mode, .resync_us = 100};

	s->name = name;
	s->mode = mode;
	s->handle = pvclock_open(&o);
	assert_true(s->handle >= 0);
}

static inline struct pvclock_status status_of(const struct source *s)
{
	struct pvclock_status status = {.size = sizeof(status)};
	int err = s->handle < 0 ? pvclock_status(&status) : pvclock_status_h(s->handle, &status);

	assert_int_equal(err, 0);
	return status;
}

/* Past the first millisecond, in which the kernel answers while the page is proved. */
static inline void settle_source(struct source *s)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + 5000000;
	struct pvclock_status status;
	size_t i;

	while (kernel_ns(CLOCK_MONOTONIC) < end)
		for (i = 0; i < CLOCKS; i++)
			check(s, i);
	status = status_of(s);
	s->found = status.mode;
	s->exact = status.exact;
}

static inline void tell_skips(const struct source *s)
{
	struct pvclock_status status = status_of(s);

	if (s->mode != PVCLOCK_MODE_AUTO && s->found != s->mode)
		printf("SKIP: torture of %s: %s\n", s->name, status.reason);
	else if (s->found == PVCLOCK_MODE_STABLE && !s->exact)
		printf("SKIP: torture of %s: no parameters of the kernel\n", s->name);
}

#define SOURCES (2 + STABLE_HANDLES)
static struct source sources[SOURCES];

/* Readers of one kind: what a case reads by. Many handles have many updates. */
struct kind {
	const char *name;
	unsigned first, count;
};

static const struct kind by_default = {"default", 0, 1}, by_percpu = {"percpu", 1, 1},
			 by_stable = {"stable", 2, STABLE_HANDLES};

/* Each clock of one of them, and then of the next. */
static inline struct source *pick(const struct kind *kind, unsigned turn)
{
	return &sources[kind->first + turn / CLOCKS % kind->count];
}

static inline void begin_sources(void)
{
	size_t i;

	/* A child of a fork has nothing of ours to print. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	sources[0].name = by_default.name;
	sources[0].mode = PVCLOCK_MODE_AUTO;
	sources[0].handle = -1;
	open_source(&sources[1], by_percpu.name, PVCLOCK_MODE_PERCPU);
	for (i = 0; i < STABLE_HANDLES; i++)
		open_source(&sources[by_stable.first + i], by_stable.name, PVCLOCK_MODE_STABLE);
	for (i = 0; i < SOURCES; i++)
		settle_source(&sources[i]);
	/* The last is of the same kind as those before it. */
	tell_skips(&sources[0]);
	tell_skips(&sources[1]);
	tell_skips(&sources[SOURCES - 1]);
}

/* False: one of them tells time in another way than at first, or was contradicted. */
static inline bool same_sources(void)
{
	bool same = true;
	size_t i;

	for (i = 0; i < SOURCES; i++) {
		struct source *s = &sources[i];
		struct pvclock_status is = status_of(s);

		if (is.mode == s->found && is.exact == s->exact && !is.violated)
			continue;
		printf("%s: mode %u, now %u: %s; exact %d, now %u; %llu violated\n", s->name,
		       s->found, is.mode, is.reason, s->exact, is.exact,
		       (unsigned long long)is.violated);
		same = false;
	}
	return same;
}

static inline bool close_sources(void)
{
	bool closed = true;
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (sources[i].handle >= 0 && pvclock_close(sources[i].handle) != 0)
			closed = false;
	return closed;
}

/* Somebody sets the time of day: a descriptor that a read of will tell. */
static inline int watch_sets(void)
{
	struct itimerspec never = {.it_value = {INT32_MAX, 0}};
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(
		timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL), 0);
	return fd;
}

static inline bool was_set(int fd)
{
	uint64_t ticks;
	bool set = read(fd, &ticks, sizeof(ticks)) < 0 && errno == ECANCELED;

	close(fd);
	return set;
}

static inline uint64_t tell_wrongs(const char *who, bool settable)
{
	uint64_t count, all = 0;
	int i;

	for (i = 0; i < WRONGS; i++) {
		count = atomic_exchange(&wrongs[settable][i], 0);
		all += count;
		if (count)
			printf("%s, %s clocks: %llu %s, the first by %lld\n", who,
			       settable ? "settable" : "steady", (unsigned long long)count,
			       wrong_text[i], (long long)atomic_load(&wrong_by[settable][i]));
	}
	return all;
}

/* True if nothing was wrong. Tells, and begins anew. */
static inline bool all_right(const char *who, bool set)
{
	bool steady = !tell_wrongs(who, false), settable = !tell_wrongs(who, true);

	if (!settable && set)
		printf("SKIP: order of the clocks that can be set: the time was set\n");
	return steady && (settable || set);
}

/* For a child: nothing so far. And what its end tells its parent. */
static inline void forget_wrongs(void)
{
	int i;

	for (i = 0; i < WRONGS; i++) {
		atomic_store(&wrongs[false][i], 0);
		atomic_store(&wrongs[true][i], 0);
	}
}

static inline int child_status(void)
{
	return (tell_wrongs("a child", false) ? 1 : 0) | (tell_wrongs("a child", true) ? 2 : 0);
}

static inline void wait_for_child(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		found(CHILD, 0, errno);
	else if (status)
		/* If only the settable ones are wrong, it may be that they were set. */
		found(CHILD, status == 2 << 8 ? STEADY : 0, status);
}

#endif /* PVC_TESTS_TORTURE_H */
