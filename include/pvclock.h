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
 * Agreement: in mode stable computed from the parameters that the kernel's vDSO
 *   uses, to the last bit, and checked against its answer from time to time
 *   (every 64 PVCLOCK_RESYNC_US, which is 1 ms by default); where these cannot be
 *   had, a line through samples of the kernel's clock. pvclock_gettime_interval says
 *   how far off it can be.
 *   MONOTONIC, MONOTONIC_RAW and BOOTTIME never go back, in any thread (scope
 *   thread: in each by itself); REALTIME and TAI only when they are set. (The
 *   kernel's own go back by some ns when adjtimex lowers its rate by percents.)
 * Errors: those of clock_gettime(2): EINVAL unknown id, EFAULT ts is NULL.
 * Cost: 24 ns in mode stable, 33 ns in mode percpu; the call that finds a line
 *   ended, by the kernel's tick or because a sample is due, pays for a new one.
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

/* What an interval rests on. */
enum pvclock_certainty {
	PVCLOCK_SYNCHRONISED = 0, /* the kernel's own parameters, or samples over 0.2 s and more */
	PVCLOCK_ESTIMATING = 1,   /* samples, and the rate is still the page's: it grows faster */
	PVCLOCK_BY_KERNEL = 2,    /* no line to answer from: two answers of the kernel */
	PVCLOCK_VIOLATED = 3,     /* the last sample was outside of what was promised for it */
};

struct pvclock_interval {
	uint32_t size;      /* sizeof(struct pvclock_interval), set by the caller */
	uint32_t certainty; /* enum pvclock_certainty */
	struct timespec earliest, latest;
};

/*
 * Between which two times the kernel's clock is, at one instant within the call:
 * a kernel reading that ended before the call is not above latest, one that began
 * after it is not below earliest, unless the clock is set in between. What
 * pvclock_gettime says at that instant is in the interval too, if it is not by the
 * kernel.
 *
 * Width: 1 ns while clocks are made from the kernel's own parameters (status.exact),
 *   5 ns if its clocksource is kvm-clock. Made from samples: the bracket of the last
 *   ones, and 1100 ppm of their age to either side (2000 ppm while estimating).
 *   That is what adjtimex(2) can do to the kernel's rate: from -500 to +500 ppm;
 *   pvclock_gettime(3) says what is beyond it. PVCLOCK_BY_KERNEL: as long as two
 *   calls took.
 * An id that is forwarded has an interval by the kernel.
 * Errors: -EINVAL size smaller than ours, or unknown id, -EFAULT interval is NULL.
 * Cost: 62 ns in mode stable.
 */
int pvclock_gettime_interval(int id, struct pvclock_interval *interval);

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
 * entry at that TSC (not clamped), the CPU, the entry's flags and version; and
 * the entry's parameters, with which pvclock_tsc_to_ns goes on from there. Where only
 * vCPU 0 has an entry, or the CPU has no RDTSCP, it is entry 0 that is read on every CPU.
 *
 * While PVCLOCK_TSC_STABLE_BIT is set in flags the sample speaks for every CPU's TSC;
 * when it is clear, for that of its own CPU alone. Through a handle on a foreign page
 * (below) cpu is the entry's index and tsc that entry's.
 */
struct pvclock_sample {
	uint32_t size; /* sizeof(struct pvclock_sample), set by the caller */
	uint32_t cpu;
	uint64_t tsc;
	uint64_t ns;
	uint32_t version;
	uint32_t flags; /* PVCLOCK_TSC_STABLE_BIT, PVCLOCK_GUEST_STOPPED */
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int32_t shift;
};

/*
 * Errors: -EINVAL size smaller than ours, -EFAULT sample is NULL, -ENODEV mode
 * kernel, -EAGAIN the entry stayed in mid-update, -ENOENT this CPU has none.
 */
int pvclock_sample(struct pvclock_sample *sample);

/*
 * Between TSC and hypervisor ns by a sample's parameters, for any time at which they
 * were or will be in force; whether they still are, pvclock_sample_valid says.
 *
 * pvclock_tsc_to_ns: ns at that TSC, bit for bit as guest kernels compute it.
 * pvclock_ns_to_tsc: the first TSC at which it is that many ns, or past them. So a
 *   timer that is armed with it does not fire early, and the two are each other's
 *   inverse: ns -> TSC -> ns gives ns again where a tick is shorter than a ns, and less
 *   than a tick more where it is not.
 * Errors: -EINVAL not a sample, or parameters that no host writes, -EFAULT NULL,
 *   -ERANGE before tsc_timestamp (system_time), where these parameters say nothing, or
 *   past 2^64 or 2^63 ticks after it.
 * Cost: 4 ns and 7 ns. Pure functions of their arguments.
 */
int pvclock_tsc_to_ns(const struct pvclock_sample *sample, uint64_t tsc, uint64_t *ns);
int pvclock_ns_to_tsc(const struct pvclock_sample *sample, uint64_t ns, uint64_t *tsc);

/*
 * Are a sample's parameters still those of its entry? 1, or 0: take another sample, and
 * reckon deadlines anew. A version that moved while the values stayed is still valid.
 * Errors: -EINVAL, -EFAULT as above, -ENODEV mode kernel, -EAGAIN the entry stayed in
 *   mid-update, -ENOENT there is no such entry.
 */
int pvclock_sample_valid(const struct pvclock_sample *sample);

/*
 * What a hypervisor loses by rounding. KVM's clock is defined more than once: by the
 * host's TSC, scaled to ns directly, and by the guest's TSC, which is the host's times a
 * ratio, scaled by the parameters in the page. Each scale is a 32-bit multiplier, rounded
 * down, and so is the ratio, and then the guest's frequency in kHz that comes of it. So
 * the definitions drift apart, and time steps by as much when KVM goes from one to
 * another and "yanks" the master clock. After David Woodhouse's patches to KVM of 2024.
 */
struct pvclock_drift {
	uint32_t size;       /* sizeof(struct pvclock_drift), set by the caller */
	uint32_t ratio_bits; /* set by the caller: of the ratio's fraction, 48 Intel, 32 AMD */
	uint64_t host_khz, guest_khz; /* set by the caller; equal: the TSC is not scaled */
	uint64_t ratio;               /* of the TSCs; 2^ratio_bits is 1 */
	uint64_t scaled_khz;          /* the guest's frequency as it comes of the ratio */
	uint32_t host_mul, guest_mul; /* as KVM derives them, of host_khz and scaled_khz */
	int32_t host_shift, guest_shift;
	double ppm;        /* the rate through the guest's TSC, relative to the direct one */
	double ns_per_day; /* the same over 86400 s */
};

/*
 * Fills *drift from its host_khz, guest_khz and ratio_bits.
 * Errors: -EINVAL size smaller than ours, a frequency of 0 or above 10^9 kHz,
 *   ratio_bits above 48, a ratio that does not fit 64 bits, or a ratio or scaled_khz
 *   that comes to 0, -EFAULT drift is NULL.
 */
int pvclock_drift(struct pvclock_drift *drift);

/*
 * Continuity: was the VM paused, moved or stepped between two points? The generation
 * is the number of events so far; the same number at both points says that nothing
 * was noticed in between. It moves when somebody looks: any reading of time does, and so
 * does this call, at the entry of the CPU it is on.
 * Cost: 2.5 ns, of which the call of a shared library is 2.1.
 */
uint64_t pvclock_generation(void);

/*
 * Where the generation is kept, for programs that want it for the price of a load: it
 * shows what has been noticed, and does not look. Valid for the life of the process.
 * Cost: a load.
 */
const volatile uint64_t *pvclock_generation_word(void);

enum pvclock_event_kind {
	/* An entry's parameters changed: a step, a rate. A master clock that was yanked, a
	   clock that the host set, a VM that was restored. By more than rounding explains; and
	   without STABLE, where hosts write entries anew all the time, from 10 us or 1 ppm on. */
	PVCLOCK_EVENT_CHANGED = 1,
	PVCLOCK_EVENT_STOPPED = 2,   /* GUEST_STOPPED was found set: the host paused the VM */
	PVCLOCK_EVENT_UNSTABLE = 3,  /* STABLE was cleared */
	PVCLOCK_EVENT_STABLE = 4,    /* STABLE is set again, in every entry */
	PVCLOCK_EVENT_WENT_BACK = 5, /* the TSC went back, and no entry told of it */
	PVCLOCK_EVENT_SET = 6,       /* REALTIME or TAI was set; cpu is the clock's id */
	PVCLOCK_EVENT_LOST = 7,      /* the page was given up: mode kernel */
	PVCLOCK_EVENT_DISRUPTED = 8, /* VMClock's disruption marker moved: a live migration */
	PVCLOCK_EVENT_REPLACED = 9,  /* pvclock_replace */
	PVCLOCK_EVENT_FOUND = 10,    /* a page that was given up is in use again */
};

struct pvclock_event {
	uint64_t number;  /* 1, 2, 3...: what the generation became by it */
	uint64_t tsc;     /* when it was noticed; of a foreign entry that entry's */
	uint64_t ns;      /* hypervisor ns at that TSC, by the entry's new parameters; or 0 */
	int64_t step_ns;  /* by how much it stepped: new parameters less old ones */
	int64_t rate_ppb; /* by how much it runs faster, parts in 10^9 */
	uint32_t kind;    /* enum pvclock_event_kind */
	uint32_t cpu;     /* whose entry showed it first */
	uint64_t reserved[2];
};

/*
 * The events after number *after (0: all), oldest first, at most count of them; *after
 * becomes the last one's number, *lost how many in between are not to be had any more
 * (the last 32 are kept). Looks at every entry first, so what has happened is there; at
 * this machine's in mode percpu only at that of its own CPU, whose TSC it is for.
 * A step or a pause that each vCPU's entry shows is one event, whenever that vCPU runs.
 * Returns how many were stored, 0 to count.
 * Errors: -EFAULT after, lost or events is NULL (events may be if count is 0).
 * Cost: under a microsecond; of a foreign page in mode percpu some 30 ns for each entry.
 */
int pvclock_events(uint64_t *after, struct pvclock_event *events, unsigned count, uint64_t *lost);

/* What the library does, and why. Counters start at 0 when it attaches. */
struct pvclock_status {
	uint32_t size;      /* sizeof(struct pvclock_status), set by the caller */
	uint32_t mode;      /* enum pvclock_mode */
	uint32_t scope;     /* enum pvclock_scope */
	uint32_t entries;   /* CPUs that have an entry */
	uint32_t flags;     /* of entry 0, 0 without a page */
	uint32_t proved;    /* 1: the page's rate was found to be the kernel's */
	uint32_t resync_us; /* how often clocks are compared with the kernel's */
	uint32_t exact;   /* 1: clocks are made from the kernel's own parameters; 0: from samples */
	uint64_t page;    /* address of the page, 0: none */
	uint64_t tsc_khz; /* by the page's multiplier, 0: none */
	uint64_t kernel_reads;   /* times the kernel's clock was read */
	uint64_t anchors;        /* times a clock's line was made anew */
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
	uint64_t violated;       /* samples outside of the interval that was promised */
	uint64_t generation;     /* events so far */
	uint64_t stable_edges;   /* times STABLE was set again */
	uint64_t given_up;       /* times the page was given up for a doubt */
	uint64_t taken_back;     /* times it was found good again, and used */
	uint64_t reserved[2];
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

/* Where a handle's page is. */
enum pvclock_source {
	PVCLOCK_SOURCE_MACHINE = 0, /* this machine's own */
	PVCLOCK_SOURCE_FD = 1,      /* in a file or device, which is mapped */
	PVCLOCK_SOURCE_MEMORY = 2,  /* in this process's memory: another VM's, say */
};

/*
 * A file, device or memory is a foreign page: its entries tell a time of their own,
 * so pvclock_now_h, pvclock_now_entry_h, samples and events are by it, and
 * pvclock_gettime_h and its kin, which tell this machine's, are forwarded. No CPU here is
 * a vCPU there: an entry's TSC is computed from ours,
 *
 *   (our TSC * tsc_ratio >> tsc_ratio_bits) + tsc_offset + tsc_offsets[entry]
 *
 * as KVM_VCPU_TSC_OFFSET and the CPU's TSC scaling have it. Whoever writes the page
 * is not trusted to write sense, and its readers are clamped in scope process, whichever
 * was asked for; but the memory must stay: a file that is cut short
 * under its readers raises SIGBUS in them.
 */
struct pvclock_options {
	uint32_t size;      /* sizeof(struct pvclock_options), set by the caller */
	uint32_t mode;      /* enum pvclock_mode */
	uint32_t scope;     /* enum pvclock_scope */
	uint32_t resync_us; /* 100 to 100000; 0: the default, 1000 */
	uint32_t source;    /* enum pvclock_source; what follows is of the other two */
	int32_t fd;         /* open for reading; not kept, and may be closed */
	const void *memory;
	uint64_t length;         /* of memory, bytes */
	uint64_t offset;         /* of entry 0 in memory or file, a multiple of 8 */
	uint32_t stride;         /* from entry to entry, a multiple of 8, 32 to 4096; 0: 64 */
	uint32_t count;          /* entries, 1 to 64; 0: those that are there */
	uint64_t tsc_ratio;      /* 0: 1 */
	uint32_t tsc_ratio_bits; /* fraction bits of it, 0 to 63 */
	uint32_t reserved32;     /* 0 */
	int64_t tsc_offset;
	const int64_t *tsc_offsets; /* of count entries, copied; NULL: 0 for all */
	/* Of any source: path of a VMClock device, or of a file in its format. NULL: with this
	   machine's page /dev/vmclock0, if there is one; with others none. */
	const char *vmclock;
	uint64_t reserved[4]; /* 0 */
};

/*
 * Opens a handle. options may be NULL: this machine's page, the defaults, with
 * the PVCLOCK_* environment. Not async-signal-safe. Asked-for modes that this machine's
 * page cannot give become PVCLOCK_MODE_KERNEL, as pvclock_status_h tells; of a foreign
 * page mode stable becomes PVCLOCK_MODE_PERCPU if its entries are not in step, count
 * another TSC than ours, or one stays in mid-update; if that is entry 0, any mode becomes
 * PVCLOCK_MODE_KERNEL.
 * Returns a handle, 0 or more.
 * Errors: -EINVAL an option out of range or size, -EMFILE too many handles,
 *   -ENOMEM. Of a foreign page: -ERANGE file or memory ends before the last entry,
 *   -EFAULT memory that cannot be read, -ENXIO no host has written that many entries
 *   there, or a vmclock is none, -EPERM this process may not read the TSC; what open(2),
 *   fstat(2) and mmap(2) say.
 */
int pvclock_open(const struct pvclock_options *options);

/*
 * Gives a handle another source and other options while threads read through it: after
 * a migration, a restore, a VM that was resized. What it tells goes on, from no less than
 * it told by the old one, and PVCLOCK_EVENT_REPLACED is the event. Meanwhile, about as
 * long as a grace period takes (a millisecond), hypervisor ns are -EAGAIN and clocks the
 * kernel's; fork(2) waits for it. The old memory may be unmapped by its owner when this
 * has returned. Not async-signal-safe.
 * Errors: those of pvclock_open and pvclock_close; the handle is as it was then.
 */
int pvclock_replace(int handle, const struct pvclock_options *options);

/*
 * Closes a handle. Other threads may be inside a read through it: they finish
 * first, later ones get -EBADF. Not async-signal-safe; waits for readers. In a
 * forked child, readers that were left in the parent are not waited for.
 * Errors: -EBADF; -EBUSY another thread is replacing or closing it; -EPERM a sandbox
 *   forbids membarrier(2), which the wait needs: the handle stays open.
 */
int pvclock_close(int handle);

/*
 * The same on a handle; -EBADF if it is not open. About 2 ns dearer. A thread's
 * first read through any handle makes it known to liburcu, which takes a lock.
 * All return 0 or a negative errno, pvclock_gettime_h too.
 */
int pvclock_gettime_h(int handle, int id, struct timespec *ts);
int pvclock_gettime_unordered_h(int handle, int id, struct timespec *ts);
int pvclock_gettime_interval_h(int handle, int id, struct pvclock_interval *interval);
int pvclock_now_h(int handle, uint64_t *ns);
int pvclock_sample_h(int handle, struct pvclock_sample *sample);
int pvclock_sample_valid_h(int handle, const struct pvclock_sample *sample);
int pvclock_status_h(int handle, struct pvclock_status *status);
int pvclock_events_h(int handle, uint64_t *after, struct pvclock_event *events, unsigned count,
                     uint64_t *lost);
/* 0, and the generation in *generation. */
int pvclock_generation_h(int handle, uint64_t *generation);

/*
 * As pvclock_now_h by one vCPU's entry, of a foreign page; or of any page in mode stable,
 * where all entries say the same. It is clamped among all that read through the handle.
 * Errors: those of pvclock_now_h; -ENOENT there is no such entry, or it is this machine's
 *   and speaks for its own CPU only; -EAGAIN also while it is this machine's and of before
 *   a change that its vCPU has not been told of, because it has not run since.
 */
int pvclock_now_entry_h(int handle, uint32_t entry, uint64_t *ns);

/* One entry, and what has happened to it. */
struct pvclock_entry {
	uint32_t size; /* sizeof(struct pvclock_entry), set by the caller */
	int32_t node;  /* NUMA node where what is kept of it lies; -1: not known */
	uint32_t version;
	uint32_t flags;
	uint64_t tsc_khz;       /* by its multiplier */
	int64_t behind_ns;      /* entry 0's ns less its own, at one TSC */
	uint64_t version_moves; /* mode percpu: times its version moved, as far as seen */
	uint64_t param_changes; /* ... and its values with it */
	uint64_t reserved[4];
};

/*
 * Thread-safe, but not async-signal-safe: the node comes from libnuma, which may allocate
 * memory and read files.
 * Errors: -EINVAL size smaller than ours, -EFAULT entry is NULL, -ENOENT there is no
 * such entry, -ENODEV mode kernel, -EAGAIN it, or entry 0, stayed in mid-update.
 */
int pvclock_entry(uint32_t cpu, struct pvclock_entry *entry);
int pvclock_entry_h(int handle, uint32_t cpu, struct pvclock_entry *entry);

#ifdef __cplusplus
}
#endif

#endif /* PVCLOCK_H */
