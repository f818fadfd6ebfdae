// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The measured loops: all of one shape, each around what a program would write.
 * Calls go through the PLT, as a program's do; reads of the TSC are inline, as
 * there is no function to call. The result goes to memory, where the compiler
 * must believe that somebody looks at it.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

union result {
	struct timespec ts;
	uint64_t ns;
};

#define BENCH_LOOP(name, read)                                                                     \
	__attribute__((noinline)) uint64_t name(unsigned calls, int handle)                        \
	{                                                                                          \
		union result out;                                                                  \
		uint64_t start;                                                                    \
		unsigned i;                                                                        \
                                                                                                   \
		(void)handle;                                                                      \
		start = bench_ticks();                                                             \
		for (i = 0; i < calls; i++) {                                                      \
			read;                                                                      \
			__asm__ volatile("" : : "r"(&out) : "memory");                             \
		}                                                                                  \
		return bench_ticks() - start;                                                      \
	}

static inline uint64_t rdtscp(void)
{
	unsigned aux;

	return __rdtscp(&aux);
}

static inline uint64_t lfence_rdtsc(void)
{
	_mm_lfence();
	return __rdtsc();
}

BENCH_LOOP(bench_rdtsc, out.ns = __rdtsc())
BENCH_LOOP(bench_lfence_rdtsc, out.ns = lfence_rdtsc())
BENCH_LOOP(bench_rdtscp, out.ns = rdtscp())

BENCH_LOOP(bench_libc_monotonic, clock_gettime(CLOCK_MONOTONIC, &out.ts))
BENCH_LOOP(bench_libc_realtime, clock_gettime(CLOCK_REALTIME, &out.ts))
BENCH_LOOP(bench_libc_coarse, clock_gettime(CLOCK_MONOTONIC_COARSE, &out.ts))
BENCH_LOOP(bench_libc_cpu, clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &out.ts))
BENCH_LOOP(bench_libc_time, time(&out.ts.tv_sec))
BENCH_LOOP(bench_syscall_monotonic, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &out.ts))

BENCH_LOOP(bench_pvclock_monotonic, pvclock_gettime(CLOCK_MONOTONIC, &out.ts))
BENCH_LOOP(bench_pvclock_realtime, pvclock_gettime(CLOCK_REALTIME, &out.ts))
BENCH_LOOP(bench_pvclock_unordered, pvclock_gettime_unordered(CLOCK_MONOTONIC, &out.ts))
BENCH_LOOP(bench_pvclock_now, pvclock_now(&out.ns))

BENCH_LOOP(bench_handle_monotonic, pvclock_gettime_h(handle, CLOCK_MONOTONIC, &out.ts))
BENCH_LOOP(bench_handle_now, pvclock_now_h(handle, &out.ns))

BENCH_LOOP(bench_plain, out.ns = bench_plain_now())

uint64_t bench_batch(bench_loop *loop, unsigned calls, int handle)
{
	loop(calls / 8 + 1, handle);
	return loop(calls, handle);
}
