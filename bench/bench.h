/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvclock-bench: what reading the time costs, in ways that can be compared.
 *
 * A row of the table is one way of reading. A round is one batch of calls of
 * each row, so that whatever disturbs the machine disturbs all rows alike. The
 * rows that cannot run here stay in the table, with the reason.
 */
#ifndef PVCLOCK_BENCH_H
#define PVCLOCK_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <x86intrin.h>

#include "pvclock.h"
#include "pvclock/abi.h"

#define BENCH_REASON 256
/* As many CPUs as TSC_AUX can name; one cpu_set_t holds a quarter of them. */
#define BENCH_CPUS 4096

struct bench_options {
	unsigned rounds;
	unsigned batch;   /* calls */
	int cpu;          /* -1: the last one allowed */
	const char *shim; /* NULL: look for it */
	bool json;
	bool worker;
};

/* bench_stats.c */
struct bench_stats {
	double min, median, p99;
};

/* Sorts the samples; of none, all is 0. */
struct bench_stats bench_stats(double *samples, size_t count);

/* bench_loop.c: each makes that many calls and returns the TSC ticks it took. */
typedef uint64_t bench_loop(unsigned calls, int handle);

bench_loop bench_rdtsc, bench_lfence_rdtsc, bench_rdtscp;
bench_loop bench_libc_monotonic, bench_libc_realtime, bench_libc_coarse, bench_libc_cpu,
	bench_libc_time, bench_syscall_monotonic;
bench_loop bench_pvclock_monotonic, bench_pvclock_realtime, bench_pvclock_unordered;
bench_loop bench_pvclock_now, bench_handle_monotonic, bench_handle_now, bench_plain;

/* A batch, after some calls to warm up: every batch follows another row's. */
uint64_t bench_batch(bench_loop *loop, unsigned calls, int handle);

/* Ordered on both sides: what is timed neither leaks out nor is leaked into. */
static inline uint64_t bench_ticks(void)
{
	uint64_t tsc;

	_mm_lfence();
	tsc = __rdtsc();
	_mm_lfence();
	return tsc;
}

/* bench_plain.c: the entries of the handle's page, and a clamp without any art */
void bench_plain_begin(int handle);
uint64_t bench_plain_now(void);

/* bench_place.c: CPUs, and memory near them */
/* The CPUs that the process may use. */
struct bench_cpus {
	unsigned count;
	int cpu[BENCH_CPUS];
	char text[64]; /* as a list, or its start */
};

struct bench_place {
	int cpu;   /* where everything is measured */
	int other; /* where a second thread contends from; -1: nowhere */
	int node;  /* of cpu; -1: no NUMA */
	struct bench_cpus allowed;
};

/* Exits if they cannot be learned. */
void bench_cpus_allowed(struct bench_cpus *cpus);
/* Exits if cpu is not one of the allowed ones, or if it cannot be had. */
void bench_place_take(struct bench_place *place, int cpu);
/* The calling thread; 0 or an errno. */
int bench_place_pin(int cpu);
/* Zeros, already faulted in. Exits if there is none. */
void *bench_place_alloc(const struct bench_place *place, size_t size);
void bench_place_free(const struct bench_place *place, void *memory, size_t size);

/* bench_contend.c: a second thread that reads the same clock at the same time */
struct bench_contender;

/* NULL: there is no CPU for it, or no thread; then reason says so. */
struct bench_contender *bench_contender_new(const struct bench_place *place, char *reason);
void bench_contender_free(const struct bench_place *place, struct bench_contender *c);
/* As bench_batch, while the other thread runs the same loop. */
uint64_t bench_contended_batch(struct bench_contender *c, bench_loop *loop, unsigned calls,
                               int handle);

/* bench_child.c: other programs, with and without the shim */
struct bench_child {
	pid_t pid;
	int fd; /* a socket: its standard input and output; -1: there is no child */
};

/* The shim's path in buffer[PATH_MAX], or false and the reason. */
bool bench_find_shim(const char *wanted, char *buffer, char *reason);
/* Is the shim in this process? */
bool bench_under_shim(void);
/* Exits if it is. */
void bench_refuse_shim(void);
/* Children from here on have it, or with NULL do not. */
bool bench_child_preload(const char *shim);
/* Runs a program to its end: 0 or an errno. */
int bench_child_run(const char *file, char *const argv[]);
/* Starts one to talk to, which ends when its input does: 0 or an errno. */
int bench_child_start(struct bench_child *child, const char *file, char *const argv[]);
/* False: no answer. A request of no size only waits for one. */
bool bench_child_ask(const struct bench_child *child, const void *request, size_t size, void *reply,
                     size_t reply_size);
void bench_child_end(struct bench_child *child);

struct bench_row;

/* bench_worker.c: an ordinary program that reads the time with clock_gettime */
int bench_worker_serve(void);
bool bench_worker_start(struct bench_child *worker, const char *shim, char *reason);
/* 0: it did not answer */
uint64_t bench_worker_batch(const struct bench_child *worker, const struct bench_row *row,
                            unsigned calls);

/* bench_cost.c: what the shim costs a process that it is loaded into */
struct bench_cost {
	double without, with, more; /* medians; more is that of the differences */
	char skipped[BENCH_REASON];
};

enum { BENCH_START_UP, BENCH_MEMORY_IDLE, BENCH_MEMORY_READER, BENCH_COSTS };

void bench_costs_take(struct bench_cost cost[BENCH_COSTS], const char *shim);

/* bench_rows.c: what is measured */
enum bench_reader {
	BENCH_NO_READER, /* not ours: the TSC, libc */
	BENCH_DEFAULT,   /* the one without a handle, in mode stable */
	BENCH_PERCPU,
	BENCH_PERCPU_THREAD,
	BENCH_KERNEL,
	BENCH_READERS,
};

enum bench_where { BENCH_HERE, BENCH_PROGRAM, BENCH_SHIMMED, BENCH_WHERES };

struct bench_row {
	const char *key, *name;
	bench_loop *loop; /* NULL: a worker has it */
	enum bench_reader reader;
	enum bench_where where;
	bool contended;
	double *samples; /* ticks a call, then ns */
	size_t taken;
	struct bench_stats ns;
	char skipped[BENCH_REASON]; /* "": it ran */
};

extern struct bench_row bench_rows[];
extern const size_t bench_row_count;

struct bench_row *bench_row(const char *key);
void bench_row_skip(struct bench_row *row, const char *reason);
/* The lower median of the two ordered TSC reads; 0 if neither ran. */
double bench_floor(void);

/* Handles by bench_reader; those that are not open are negative. */
void bench_readers_open(int handles[BENCH_READERS]);
void bench_readers_close(const int handles[BENCH_READERS]);
/* Skips the rows whose reader is not in the mode that the row is about. */
void bench_readers_check(const int handles[BENCH_READERS]);

/* bench_env.c: where it was measured */
struct bench_env {
	char kernel[65], clocksource[32], model[64], hypervisor[13];
	long cpus;
	struct pvclock_status status;
};

void bench_env_read(struct bench_env *env);
const char *bench_mode_name(uint32_t mode);

/* bench_single.c: calls one by one, where a batch would hide the rare dear one */
enum { BENCH_SINGLE_KERNEL, BENCH_SINGLE_OURS, BENCH_SINGLES };

struct bench_single {
	double median, p99, p99_9, p99_99; /* ns, net of what timing itself takes */
};

struct bench_singles {
	unsigned calls, wakes;                     /* of each */
	struct bench_single single[BENCH_SINGLES]; /* call after call */
	struct bench_single rare[BENCH_SINGLES];   /* one call after a sleep */
	char skipped[BENCH_REASON];                /* of ours; "": it ran */
};

/* ns are ticks until bench_singles_finish. */
void bench_singles_take(struct bench_singles *singles);
void bench_singles_finish(struct bench_singles *singles, double tsc_mhz);

/* bench_run.c */
struct bench_result {
	struct bench_options options;
	struct bench_place place;
	struct bench_env env;
	struct bench_cost cost[BENCH_COSTS];
	struct bench_singles singles;
	double tsc_mhz;
	double seconds; /* how long the rounds took */
};

void bench_run(struct bench_result *result);

/* bench_table.c, bench_json.c */
void bench_print_env(const struct bench_env *env, const char *allowed);
void bench_print_table(const struct bench_result *result);
void bench_print_json(const struct bench_result *result);

#endif /* PVCLOCK_BENCH_H */
