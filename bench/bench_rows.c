// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The rows of the table, and which of them can run here.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

struct bench_row bench_rows[] = {
	{"rdtsc", "rdtsc, unordered", .loop = bench_rdtsc},
	{"lfence_rdtsc", "lfence; rdtsc", .loop = bench_lfence_rdtsc},
	{"rdtscp", "rdtscp", .loop = bench_rdtscp},
	{"vdso_monotonic", "kernel vDSO, MONOTONIC", .loop = bench_libc_monotonic},
	{"vdso_realtime", "kernel vDSO, REALTIME", .loop = bench_libc_realtime},
	{"syscall_monotonic", "system call, MONOTONIC", .loop = bench_syscall_monotonic},
	{"stable_monotonic", "pvclock stable, MONOTONIC", .loop = bench_pvclock_monotonic,
         .reader = BENCH_DEFAULT},
	{"stable_realtime", "pvclock stable, REALTIME", .loop = bench_pvclock_realtime,
         .reader = BENCH_DEFAULT},
	{"unordered_monotonic", "pvclock unordered, MONOTONIC", .loop = bench_pvclock_unordered,
         .reader = BENCH_DEFAULT},
	{"now", "pvclock_now", .loop = bench_pvclock_now, .reader = BENCH_DEFAULT},
	{"percpu_monotonic", "pvclock per-CPU+clamp, 1 thread", .loop = bench_handle_monotonic,
         .reader = BENCH_PERCPU},
	{"percpu_monotonic_2", "pvclock per-CPU+clamp, 2 threads", .loop = bench_handle_monotonic,
         .reader = BENCH_PERCPU, .contended = true},
	{"percpu_thread_monotonic", "pvclock per-CPU, scope thread", .loop = bench_handle_monotonic,
         .reader = BENCH_PERCPU_THREAD},
	{"percpu_thread_monotonic_2", "pvclock per-CPU, scope thread, 2 threads",
         .loop = bench_handle_monotonic, .reader = BENCH_PERCPU_THREAD, .contended = true},
	{"percpu_now", "pvclock_now, per-CPU+clamp", .loop = bench_handle_now,
         .reader = BENCH_PERCPU},
	{"plain_clamp", "plain compare-exchange clamp, 1 thread", .loop = bench_plain,
         .reader = BENCH_PERCPU},
	{"plain_clamp_2", "plain compare-exchange clamp, 2 threads", .loop = bench_plain,
         .reader = BENCH_PERCPU, .contended = true},
	{"forwarded_monotonic", "pvclock forwarding, MONOTONIC", .loop = bench_handle_monotonic,
         .reader = BENCH_KERNEL},
	{"program_monotonic", "a program, MONOTONIC", .where = BENCH_PROGRAM,
         .loop = bench_libc_monotonic},
	{"shim_monotonic", "the same under the shim, MONOTONIC", .where = BENCH_SHIMMED,
         .loop = bench_libc_monotonic},
	{"program_realtime", "a program, REALTIME", .where = BENCH_PROGRAM,
         .loop = bench_libc_realtime},
	{"shim_realtime", "the same under the shim, REALTIME", .where = BENCH_SHIMMED,
         .loop = bench_libc_realtime},
	{"program_coarse", "a program, MONOTONIC_COARSE", .where = BENCH_PROGRAM,
         .loop = bench_libc_coarse},
	{"shim_coarse", "the same under the shim, MONOTONIC_COARSE", .where = BENCH_SHIMMED,
         .loop = bench_libc_coarse},
	{"program_cpu", "a program, PROCESS_CPUTIME_ID", .where = BENCH_PROGRAM,
         .loop = bench_libc_cpu},
	{"shim_cpu", "the same under the shim, PROCESS_CPUTIME_ID", .where = BENCH_SHIMMED,
         .loop = bench_libc_cpu},
	{"program_time", "a program, time()", .where = BENCH_PROGRAM, .loop = bench_libc_time},
	{"shim_time", "the same under the shim, time()", .where = BENCH_SHIMMED,
         .loop = bench_libc_time},
};

const size_t bench_row_count = sizeof(bench_rows) / sizeof(*bench_rows);

struct bench_row *bench_row(const char *key)
{
	size_t i;

	for (i = 0; strcmp(bench_rows[i].key, key) != 0; i++)
		;
	return &bench_rows[i];
}

void bench_row_skip(struct bench_row *row, const char *reason)
{
	/* The first reason is the one that led to the others. */
	if (!*row->skipped)
		snprintf(row->skipped, BENCH_REASON, "%s", reason);
}

double bench_floor(void)
{
	const struct bench_row *a = bench_row("lfence_rdtsc"), *b = bench_row("rdtscp");

	if (*a->skipped || *b->skipped)
		return *a->skipped ? b->ns.median : a->ns.median;
	return a->ns.median < b->ns.median ? a->ns.median : b->ns.median;
}

static const struct pvclock_options readers[BENCH_READERS] = {
	[BENCH_PERCPU] = {.mode = PVCLOCK_MODE_PERCPU, .scope = PVCLOCK_SCOPE_PROCESS},
	[BENCH_PERCPU_THREAD] = {.mode = PVCLOCK_MODE_PERCPU, .scope = PVCLOCK_SCOPE_THREAD},
	[BENCH_KERNEL] = {.mode = PVCLOCK_MODE_KERNEL},
};

void bench_readers_open(int handles[BENCH_READERS])
{
	int i;

	for (i = BENCH_PERCPU; i < BENCH_READERS; i++) {
		struct pvclock_options options = readers[i];

		options.size = sizeof(options);
		handles[i] = pvclock_open(&options);
	}
	bench_plain_begin(handles[BENCH_PERCPU]);
}

void bench_readers_close(const int handles[BENCH_READERS])
{
	int i;

	for (i = BENCH_PERCPU; i < BENCH_READERS; i++)
		if (handles[i] >= 0)
			pvclock_close(handles[i]);
}

/* Empty: the reader is in the mode that its rows are about. */
static void check_reader(enum bench_reader reader, int handle, char *reason)
{
	uint32_t wanted = reader == BENCH_DEFAULT ? PVCLOCK_MODE_STABLE : readers[reader].mode;
	struct pvclock_status status = {.size = sizeof(status)};
	int err = handle;

	*reason = '\0';
	if (reader == BENCH_DEFAULT)
		err = pvclock_status(&status);
	else if (handle >= 0)
		err = pvclock_status_h(handle, &status);
	if (err < 0)
		snprintf(reason, BENCH_REASON, "cannot be opened: %s", strerror(-err));
	else if (status.mode != wanted)
		snprintf(reason, BENCH_REASON, "mode is %s: %s", bench_mode_name(status.mode),
		         status.reason);
}

void bench_readers_check(const int handles[BENCH_READERS])
{
	char reason[BENCH_REASON];
	int reader;
	size_t i;

	for (reader = BENCH_DEFAULT; reader < BENCH_READERS; reader++) {
		check_reader((enum bench_reader)reader, handles[reader], reason);
		for (i = 0; *reason && i < bench_row_count; i++)
			if (bench_rows[i].reader == (enum bench_reader)reader)
				bench_row_skip(&bench_rows[i], reason);
	}
}
