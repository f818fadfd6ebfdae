/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvclock: time straight from the hypervisor's pvclock page.
 *
 * Drop-ins (pvclock_gettime, pvclock_getres, pvclock_gettimeofday,
 * pvclock_time) keep libc's conventions: 0 on success; -1 and errno on failure.
 * All other calls return 0 (or a handle, 0 or more) on success and a negative
 * errno on failure, and leave errno alone.
 *
 * The library attaches when it is loaded. If there is no page to trust, every
 * call is forwarded to the kernel, and pvclock_status says why. It never
 * prints, exits, starts a thread, installs a signal handler or waits for another
 * thread while time is read.
 *
 * Unless a call says otherwise it is thread-safe and async-signal-safe, also
 * while another thread, or the interrupted one, is inside the same call; and it
 * may be used after fork in the child.
 *
 * Costs are medians on one KVM guest (AMD EPYC, kernel vDSO 26.9 ns, system
 * call 290 ns); see pvclock-bench(1) for yours.
 */
#ifndef PVCLOCK_H
#define PVCLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PVCLOCK_VERSION_MAJOR 0
#define PVCLOCK_VERSION_MINOR 1
#define PVCLOCK_VERSION_PATCH 0

/* How time is read. */
enum pvclock_mode {
	PVCLOCK_MODE_KERNEL = 0, /* every call is forwarded to the kernel */
	PVCLOCK_MODE_STABLE = 1, /* the TSC, while all vCPUs' entries agree */
	PVCLOCK_MODE_PERCPU = 2, /* this CPU's own entry, clamped */
	PVCLOCK_MODE_AUTO = 3,   /* in options only: the best that is proved */
};

/* Among whom per-CPU time does not go back. */
enum pvclock_scope {
	PVCLOCK_SCOPE_PROCESS = 0, /* all threads of the process */
	PVCLOCK_SCOPE_THREAD = 1,  /* each thread by itself; scales better */
};

/*
 * clock_gettime(2) for CLOCK_REALTIME, MONOTONIC, MONOTONIC_RAW, BOOTTIME and
 * TAI, in user space; every other id is forwarded. (An id is a clockid_t, which
 * is an int, by the only name that ISO C has for it.)
 *
 * ts: seconds and nanoseconds of the clock, as the kernel counts them.
 * Agreement: re-anchored to the kernel's clock at least every
 *   PVCLOCK_RESYNC_US (1 ms by default). MONOTONIC, MONOTONIC_RAW and BOOTTIME
 *   never go back, in any thread (scope thread: in each by itself); REALTIME
 *   and TAI only when they are set.
 * Errors: those of clock_gettime(2): EINVAL unknown id, EFAULT ts is NULL.
 * Cost: 24 ns in mode stable, 33 ns in mode percpu; every PVCLOCK_RESYNC_US one
 *   call pays for reading the kernel's clock as well.
 */
int pvclock_gettime(int id, struct timespec *ts);

/*
 * clock_getres(2), forwarded: our resolution is the kernel's, 1 ns.
 * Errors: EINVAL unknown id. res may be NULL.
 */
int pvclock_getres(int id, struct timespec *res);

/*
 * gettimeofday(2): pvclock_gettime(CLOCK_REALTIME) in microseconds. With a tz
 * (obsolete) the call is forwarded; tv may be NULL then.
 * Errors: EFAULT as the kernel gives it.
 */
int pvclock_gettimeofday(struct timeval *tv, void *tz);

/*
 * time(2), forwarded to the kernel's vDSO: 4 ns, nothing to gain.
 * Returns seconds since the Epoch, also in *t unless it is NULL.
 */
time_t pvclock_time(time_t *t);

/*
 * As pvclock_gettime, but the TSC is read without waiting for the instructions
 * before the call: the time is of some instant within about 10 ns of it, and
 * two calls in a row may be out of order by as much. For tracing.
 * Errors: -EINVAL, -EFAULT. Cost: 11 ns in mode stable.
 */
int pvclock_gettime_unordered(int id, struct timespec *ts);

/*
 * The hypervisor's own clock: nanoseconds since the VM was created, at the rate
 * of the host's CLOCK_MONOTONIC_RAW. Not CLOCK_MONOTONIC. Does not go back
 * within the scope, also when the VM's TSCs lose or regain step.
 * Errors: -ENODEV mode kernel, -EAGAIN the entry stayed in mid-update, -ENOENT
 *   this CPU has none, -EFAULT ns is NULL.
 */
int pvclock_now(uint64_t *ns);

/*
 * One instant, captured together: the TSC, the hypervisor's ns by this CPU's
 * entry at that TSC (not clamped), the CPU, the entry's flags and version.
 */
struct pvclock_sample {
	uint32_t size; /* sizeof(struct pvclock_sample), set by the caller */
	uint32_t cpu;
	uint64_t tsc;
	uint64_t ns;
	uint32_t version;
	uint32_t flags; /* PVCLOCK_TSC_STABLE_BIT, PVCLOCK_GUEST_STOPPED */
};

/*
 * Errors: -EINVAL size smaller than ours, -EFAULT sample is NULL, -ENODEV mode
 * kernel, -EAGAIN the entry stayed in mid-update, -ENOENT this CPU has none.
 */
int pvclock_sample(struct pvclock_sample *sample);

/* What the library does, and why. Counters start at 0 when it attaches. */
struct pvclock_status {
	uint32_t size;      /* sizeof(struct pvclock_status), set by the caller */
	uint32_t mode;      /* enum pvclock_mode */
	uint32_t scope;     /* enum pvclock_scope */
	uint32_t entries;   /* CPUs that have an entry */
	uint32_t flags;     /* of entry 0, 0 without a page */
	uint32_t proved;    /* 1: the page's rate was found to be the kernel's */
	uint32_t resync_us; /* longest time between two anchors */
	uint32_t reserved0;
	uint64_t page;           /* address of the page, 0: none */
	uint64_t tsc_khz;        /* by the page's multiplier, 0: none */
	uint64_t kernel_reads;   /* times the kernel's clock was read */
	uint64_t anchors;        /* times a clock was re-anchored */
	uint64_t fallbacks;      /* calls that the kernel had to answer */
	uint64_t version_moves;  /* times an entry's version moved */
	uint64_t param_changes;  /* ... and its values with it */
	uint64_t unstable_edges; /* times STABLE was cleared */
	uint64_t stopped;        /* times GUEST_STOPPED was seen */
	uint64_t restarts;       /* times hypervisor ns started lower */
	uint64_t steps;          /* times REALTIME or TAI was seen to be set */
	uint64_t outside;        /* samples that the last line did not predict */
	uint64_t busy;           /* reads given up in mid-update */
	uint64_t went_back;      /* times the TSC was found to have gone back */
	uint64_t reserved[7];
	char reason[128]; /* why this mode, in words */
};

/*
 * Fills *status; size becomes the library's own. A newer library fills as much
 * of a caller's older, shorter struct as there is.
 * Errors: -EINVAL size smaller than the first release's, -EFAULT status is NULL.
 * Cost: under a microsecond; not for the hot path.
 */
int pvclock_status(struct pvclock_status *status);

/*
 * Handles: a reader with options of its own beside the default one. Each has
 * its own clocks; what agrees between two handles is what each agrees with the
 * kernel.
 */
struct pvclock_options {
	uint32_t size;        /* sizeof(struct pvclock_options), set by the caller */
	uint32_t mode;        /* enum pvclock_mode */
	uint32_t scope;       /* enum pvclock_scope */
	uint32_t resync_us;   /* 100 to 100000; 0: the default, 1000 */
	uint64_t reserved[4]; /* 0 */
};

/*
 * Opens a handle on the machine's page. options may be NULL: the defaults, with
 * the PVCLOCK_* environment. Not async-signal-safe. Asked-for modes that the page
 * cannot give become PVCLOCK_MODE_KERNEL, as pvclock_status_h tells.
 * Returns a handle, 0 or more.
 * Errors: -EINVAL an option out of range or size, -EMFILE too many handles,
 *   -ENOMEM.
 */
int pvclock_open(const struct pvclock_options *options);

/*
 * Closes a handle. Other threads may be inside a read through it: they finish
 * first, later ones get -EBADF. Not async-signal-safe; waits for readers. In a
 * forked child, readers that were left in the parent are not waited for.
 * Errors: -EBADF; -EPERM a sandbox forbids membarrier(2), which the wait needs:
 *   the handle stays open.
 */
int pvclock_close(int handle);

/*
 * The same on a handle; -EBADF if it is not open. About 2 ns dearer. A thread's
 * first read through any handle makes it known to liburcu, which takes a lock.
 * All return 0 or a negative errno, pvclock_gettime_h too.
 */
int pvclock_gettime_h(int handle, int id, struct timespec *ts);
int pvclock_gettime_unordered_h(int handle, int id, struct timespec *ts);
int pvclock_now_h(int handle, uint64_t *ns);
int pvclock_sample_h(int handle, struct pvclock_sample *sample);
int pvclock_status_h(int handle, struct pvclock_status *status);

#ifdef __cplusplus
}
#endif

#endif /* PVCLOCK_H */
