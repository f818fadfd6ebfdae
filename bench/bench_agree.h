/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvclock-bench agree: the proof against the kernel itself. Its clock is read,
 * then ours, then its clock again; then our interval, and its clock once more.
 * Ours must not be below the reading before it nor above the one after it, never
 * go back, and the interval must contain the kernel's clock.
 *
 * A block of readings is taken first and judged after, so that nothing but the
 * readings themselves stands between two of them, and so that a block in which
 * somebody has set the clock can be left out.
 */
#ifndef PVCLOCK_BENCH_AGREE_H
#define PVCLOCK_BENCH_AGREE_H

#include <pthread.h>

#include "bench.h"
#include "bench_hist.h"

#define AGREE_THREADS 64
#define AGREE_BLOCK 256
#define AGREE_CERTAINTIES 4
#define AGREE_NOTHING INT64_MIN /* no reading yet */

enum { AGREE_REALTIME, AGREE_MONOTONIC, AGREE_RAW, AGREE_BOOTTIME, AGREE_TAI, AGREE_CLOCKS };

/* What must be zero. */
enum agree_count {
	AGREE_BELOW,  /* ours less than the kernel's reading before */
	AGREE_ABOVE,  /* ours more than the kernel's reading after */
	AGREE_BACK,   /* ours less than ours before, in one thread */
	AGREE_ACROSS, /* ... or than what any thread had been told before the call */
	AGREE_BOUNDS, /* the kernel's clock was not in our interval */
	AGREE_COUNTS,
};

struct agree_options {
	unsigned count;   /* readings of each clock in each thread */
	unsigned seconds; /* in place of count; 0: count */
	unsigned threads;
	unsigned interval; /* with every so many readings the interval; 0: never */
	unsigned clocks;   /* 1 << AGREE_REALTIME, ... */
	unsigned only;     /* 1 << AGREE_BELOW, ...: the counts that decide */
	int mode;          /* enum pvclock_mode; -1: the default reader */
	bool migrate, load, syscall, json;
};

struct agree_clock {
	clockid_t id;
	bool settable;
	const char *name;
};

extern const struct agree_clock agree_clocks[AGREE_CLOCKS];
extern const char *const agree_count_names[AGREE_COUNTS];
extern const char *const agree_certainty_names[AGREE_CERTAINTIES];

/* Nanoseconds of one clock, in the order in which they were read. */
struct agree_reading {
	int64_t board;  /* the most that any thread had been told before */
	int64_t kernel; /* ... and that any thread had been told by the kernel */
	int64_t before, ours, after;
	int64_t earliest, latest, end; /* the interval, and the kernel after it */
	uint32_t certainty;
	bool bounded; /* there is an interval */
};

struct agree_tally {
	uint64_t readings, intervals;
	uint64_t count[AGREE_COUNTS];
	uint64_t certainty[AGREE_CERTAINTIES];
	uint64_t kernel_back;     /* times the kernel's own clock was seen to go back */
	int64_t kernel_back_most; /* by so many ns */
	uint64_t set;             /* times somebody set the clock meanwhile */
	uint64_t left_out;        /* readings that do not count, for that reason */
	struct bench_hist offset; /* of ours from the middle of the kernel's two, in ns / 2 */
	struct bench_hist width;  /* of the interval, in ns */
};

/* bench_agree_judge.c: pure */
/* last: ours before these, AGREE_NOTHING if there is none; becomes the last of these. */
void agree_judge(const struct agree_reading *reading, unsigned count, int64_t *last,
                 struct agree_tally *tally);
/*
 * Does the kernel's clock go back among these? A clock that can be set may have been.
 * Any other does so by some ns, rarely, when its rate becomes much lower.
 */
bool agree_kernel_back(const struct agree_reading *reading, unsigned count);
void agree_merge(struct agree_tally *to, const struct agree_tally *from);

/*
 * How far one of the kernel's clocks is from its MONOTONIC: the same at all times
 * unless somebody sets it. Of zeros, nothing is known.
 */
struct agree_distance {
	int64_t low, high;
	bool known;
};

/* True: it was set since. Then the distance is what these readings say. */
bool agree_distance_moved(struct agree_distance *d, int64_t monotonic_before, int64_t ns,
                          int64_t monotonic_after);

/* bench_agree_read.c: what a thread does */
struct agree_shared {
	const struct agree_options *options;
	int handle;              /* -1: the default reader */
	uint64_t blind_ns;       /* for so long a setting may go unnoticed: lines from samples */
	pthread_barrier_t start; /* all threads begin at the same time */
	/* The most that any thread was told, by us and by the kernel */
	struct {
		_Atomic int64_t ours __attribute__((aligned(64)));
		_Atomic int64_t kernel;
	} board[AGREE_CLOCKS];
};

struct agree_reader {
	struct agree_shared *shared;
	struct agree_tally *tally; /* of each clock; this thread's memory */
	pthread_t thread;
	pthread_mutex_t lock;
	bool running; /* under the lock: may be moved */
	int cpu;      /* where it begins */
	int err;      /* positive errno */
};

void *agree_read(void *reader);

/* bench_agree_disturb.c: what makes it harder */
struct agree_disturber;

/* Exits if a thread cannot be had. */
struct agree_disturber *agree_disturb(const struct agree_options *options,
                                      struct agree_reader *readers, const struct bench_cpus *cpus);
/* How many times readers were moved. */
uint64_t agree_disturb_end(struct agree_disturber *d);

/* bench_agree_run.c */
struct agree_result {
	struct agree_options options;
	struct bench_cpus cpus;
	struct bench_env env;         /* with the reader's status at the end */
	struct pvclock_status before; /* the reader's status */
	double seconds;
	uint64_t moves;
	struct agree_tally *tally; /* of each clock, all threads together */
};

void agree_run(struct agree_result *result);
void agree_result_free(struct agree_result *result);
/* The sum of the counts that decide, of one clock. */
uint64_t agree_failures(const struct agree_result *result, unsigned clock);
/*
 * Samples that the library itself has found outside of the interval it had promised,
 * if bounds decide; 0 if a setting may be why.
 */
uint64_t agree_violated(const struct agree_result *result);
bool agree_failed(const struct agree_result *result);

/* bench_agree_table.c, bench_agree_json.c */
void agree_print_table(const struct agree_result *result);
void agree_print_json(const struct agree_result *result);

/* bench_agree.c: the program; argv[0] is the subcommand */
int bench_agree(int argc, char **argv);

#endif /* PVCLOCK_BENCH_AGREE_H */
