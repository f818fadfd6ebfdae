/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The block of state, and what the core does with it.
 *
 * Everything the core knows is in one struct pvc_core, passed first to every
 * function: no globals, no TLS, no libc, no relocation. The same code runs in
 * the library, in the shim, in an image that stands in for the kernel's vDSO,
 * and inside a bare guest. A block of zeros is valid: it forwards every call to
 * the kernel by system call, so that a call that comes before anybody has
 * attached a page is answered all the same.
 *
 * Everything here is async-signal-safe and never waits for another thread.
 */
#ifndef PVC_CORE_H
#define PVC_CORE_H

#include <stdatomic.h>
#include <stddef.h>

#include "continuity.h"
#include "latch.h"
#include "reader.h"
#include "vvar.h"

#define PVC_NSEC_PER_SEC 1000000000ull
#define PVC_CACHE_LINE 64

/* TSCs and entries of two CPUs do not differ by this: something has gone back. */
#define PVC_NS_SKEW 1000000ull

/*
 * A reader checks that nothing was published since it took its TSC, but the
 * processor may do the check some tens of ns before the TSC read. Whoever wants
 * to start after all such readers adds this.
 */
#define PVC_NS_MARGIN 1000ull

/* Entries that call themselves stable differ by rounding, not by this. */
#define PVC_NS_AGREE 1000ull

/* clockid_t values of the Linux ABI (include/uapi/linux/time.h) */
enum {
	PVC_CLOCK_REALTIME = 0,
	PVC_CLOCK_MONOTONIC = 1,
	PVC_CLOCK_MONOTONIC_RAW = 4,
	PVC_CLOCK_BOOTTIME = 7,
	PVC_CLOCK_TAI = 11,
};

#define PVC_IDS 16 /* ids beyond are forwarded */

/* The clocks that we compute ourselves. */
#define PVC_OURS                                                                                   \
	(1u << PVC_CLOCK_REALTIME | 1u << PVC_CLOCK_MONOTONIC | 1u << PVC_CLOCK_MONOTONIC_RAW |    \
	 1u << PVC_CLOCK_BOOTTIME | 1u << PVC_CLOCK_TAI)

pvc_inline bool pvc_is_ours(int id)
{
	return (unsigned)id < PVC_IDS && PVC_OURS >> id & 1;
}

enum pvc_mode {
	PVC_MODE_KERNEL = 0,    /* forward everything */
	PVC_MODE_STABLE = 1,    /* all entries agree: the TSC itself is the input */
	PVC_MODE_PERCPU = 2,    /* own entry, clamped: pvclock ns are the input */
	PVC_MODE_STABLE_NS = 3, /* stable, but a tick is a ns or more: see PVC_X_NS */
	PVC_MODE_PAUSED = 4,    /* the page is being replaced: the kernel answers meanwhile */
	PVC_MODE_DOUBTED = 5,   /* it was given up, and looks good again: see doubt.c */
};

/* The page is read. */
pvc_inline bool pvc_is_live(uint32_t mode)
{
	return mode != PVC_MODE_KERNEL && mode < PVC_MODE_PAUSED;
}

/*
 * Lines run on an input x: the TSC, or pvclock ns where the TSC is not one
 * clock for all CPUs or ticks too slowly for a 0.64 rate. Pvclock ns are
 * counted in halves, so that their rate is near 1/2, and the top bit is set,
 * so that no TSC ever falls inside a line that runs on ns or the other way.
 */
#define PVC_X_NS(ns) (1ull << 63 | (ns) << 1)
#define PVC_X_IS_NS(x) ((x) >> 63)
#define PVC_X_NS_RATE (1ull << 63)

/* Why the mode is what it is; the words are in lib/attach/reason.c. */
enum pvc_reason {
	PVC_WHY_NOT_ATTACHED = 0,
	PVC_WHY_ASKED,        /* PVCLOCK_MODE or the caller chose it */
	PVC_WHY_STABLE,       /* STABLE set, entries agree */
	PVC_WHY_UNSTABLE,     /* STABLE clear, entries per CPU */
	PVC_WHY_NO_MAPS,      /* /proc/self/maps cannot be read */
	PVC_WHY_NO_PAGE,      /* no candidate in the maps */
	PVC_WHY_DEAD_PAGE,    /* candidates, but the kernel never enabled them */
	PVC_WHY_NONSENSE,     /* readable, but no hypervisor wrote it */
	PVC_WHY_DISAGREE,     /* entries differ although STABLE */
	PVC_WHY_ONE_ENTRY,    /* unstable, and CPUs without an entry */
	PVC_WHY_NO_TSC,       /* prctl forbids reading the TSC */
	PVC_WHY_NO_RDTSCP,    /* per-CPU reads need it */
	PVC_WHY_CONFIDENTIAL, /* the host is not trusted, and it writes the page */
	PVC_WHY_RATE,         /* the page's rate is not the kernel's */
	PVC_WHY_BUSY,         /* an entry stayed in mid-update */
	PVC_WHY_NOT_STABLE,   /* mode stable asked for, STABLE clear */
	PVC_WHY_BACK,         /* the TSC went back again and again */
	PVC_WHY_FOREIGN,      /* entries that count another TSC */
	PVC_WHY_VIOLATED,     /* intervals did not hold, again and again */
	PVC_WHY_NO_VDSO,      /* taken away; its data is left, but not for us */
	PVC_WHYS,
};

pvc_inline enum pvc_mode pvc_mode_of(uint64_t mode_and_era)
{
	return (enum pvc_mode)(uint32_t)mode_and_era;
}

pvc_inline uint64_t pvc_era_of(uint64_t mode_and_era)
{
	return mode_and_era & ~(uint64_t)UINT32_MAX;
}

#define PVC_NEXT_ERA (1ull << 32)

struct pvc_timespec {
	int64_t sec;
	int64_t nsec;
};

/*
 * A straight piece of one clock: for inputs x in [x0, x0 + expiry)
 *
 *   ns(x) = sec * 10^9 + nsec + (frac + (x - x0) * mult >> 64)
 *
 * and nowhere else. That end is hard, and is what makes the clock monotonic
 * without a shared maximum: what a clock says is a function of x alone, and a
 * later piece starts after every x of the earlier ones, no lower than their
 * ends. A thread that was preempted with an old piece in its hands still
 * returns what that piece says for its x.
 *
 * The rest is what the discipline carries from one piece to the next. It lies
 * in the same slot, so that a successor is computed from one consistent
 * predecessor, and publishing the clock publishes its history.
 */
struct pvc_line {
	uint64_t x0;
	uint64_t expiry; /* in x; 0: says nothing, or nothing more */
	uint64_t mult;   /* ns per x, 0.64: the slope that readers use */
	uint64_t sec;
	uint64_t nsec;
	uint64_t frac;   /* of a ns, 0.64: kept, so that nothing leaks */
	uint64_t seq;    /* the kernel's count it is exact under; 0: made from samples */
	uint64_t direct; /* 1: direct.h can compute this clock as well */
	uint64_t rate;   /* ns per x, 0.64: the estimate */
	uint64_t drift;  /* ns per x, 0.64: what the kernel's rate may differ from it by */
	uint64_t span;   /* the expiry it was published with */
	uint64_t cut;    /* ended early: no reader was further than this past the end */
	uint64_t period; /* the next one's span, as far as agreement allows */
	/* The kernel's clock at x0 less our start, in 32.32 ns: no less, no more */
	uint64_t least, most;
	/* The kernel's clock lay in [ns, ns + width] at x, three times: */
	uint64_t last_x, last_ns, last_width; /* the newest sample */
	uint64_t base_x, base_ns, base_width; /* where the rate is measured from */
	uint64_t next_x, next_ns, next_width; /* what becomes the base after it */
	uint64_t narrow;                      /* ns: the width that brackets have at best here */
	/* The same as least and most, but whatever the kernel's rate has become: */
	uint64_t sure_least, sure_most;
	uint64_t broken;   /* the line before this one broke its promise */
	uint64_t audit_at; /* exact lines: the x from which on the kernel is asked again */
	uint64_t reserved[3];
};

#define PVC_LINE_WORDS (sizeof(struct pvc_line) / sizeof(uint64_t))

#define PVC_WORD(field) (offsetof(struct pvc_line, field) / sizeof(uint64_t))

/* An entry's parameters, cached: what pvclock_now computes with. */
struct pvc_now_slot {
	_Atomic uint64_t tsc_timestamp, system_time, mul_shift;
	_Atomic uint64_t floor; /* ns: what the parameters before these reached */
	_Atomic uint64_t bias;  /* ns: added, to bridge restarts */
	_Atomic uint64_t ended; /* how: now.h */
};

/* Either in shared memory: every word atomic. */
struct pvc_slot {
	union {
		_Atomic uint64_t word[PVC_LINE_WORDS];
		struct pvc_now_slot now;
	};
};

/* The kernel's own answers: the vDSO's entry points, or NULL for the call. */
struct pvc_kernel {
	long (*clock_gettime)(long id, struct pvc_timespec *ts);
	long (*clock_getres)(long id, struct pvc_timespec *ts);
	long (*gettimeofday)(void *tv, void *tz);
	long (*time)(int64_t *t);
};

/* Counters move only off the fast path. */
struct pvc_counters {
	_Atomic uint64_t kernel_reads;   /* samples and fallbacks */
	_Atomic uint64_t anchors;        /* lines published */
	_Atomic uint64_t lost_races;     /* lines computed but not published */
	_Atomic uint64_t fallbacks;      /* calls the kernel had to answer */
	_Atomic uint64_t version_moves;  /* an entry's version moved */
	_Atomic uint64_t param_changes;  /* ... and its values with it */
	_Atomic uint64_t unstable_edges; /* STABLE was cleared */
	_Atomic uint64_t stable_edges;   /* ... and set again */
	_Atomic uint64_t stopped;        /* GUEST_STOPPED seen in a moved entry */
	_Atomic uint64_t restarts;       /* pvclock ns started lower, bridged */
	_Atomic uint64_t steps;          /* REALTIME or TAI was set */
	_Atomic uint64_t outside;        /* samples outside of what the line said */
	_Atomic uint64_t violated;       /* ... and outside of the interval it promised */
	_Atomic uint64_t went_back;      /* the input, by more than CPUs differ */
	_Atomic uint64_t busy;           /* reads given up in mid-update */
	_Atomic uint64_t given_up;       /* times the page was, for a doubt */
	_Atomic uint64_t taken_back;     /* ... and was in service again */
};

/* What makes the page doubted if it happens time and again: see doubt.c. */
struct pvc_doubt {
	_Atomic uint64_t anchors; /* how many there were when it last happened */
	_Atomic uint32_t times;   /* it happened since, never far apart */
};

/*
 * What is remembered of one entry where each is looked at by itself: its parameters, to
 * tell what a change of them did to time, and what has happened to it.
 */
struct pvc_record {
	_Atomic uint64_t stamp; /* version * 4, + 2: parameters are there, + 1: being written */
	_Atomic uint64_t tsc_timestamp, system_time, mul_shift;
	_Atomic uint64_t moves;   /* of the version */
	_Atomic uint64_t changes; /* of the values with it */
	_Atomic uint64_t waited;  /* for whoever is writing here */
};

struct pvc_own {
	_Atomic uint64_t recorded;    /* the version that its record is of; 0 until any is */
	_Atomic uint64_t bias;        /* ns: added, so that time goes on where it started lower */
	_Atomic uint64_t back_events; /* how many events there were when it last started lower */
	_Atomic uint64_t told;        /* what last was when somebody on that CPU left it; a guess */
} __attribute__((aligned(PVCLOCK_SLOT_SIZE))); /* found as the entry is */

struct pvc_core {
	/* Read by every call, written by attach and by changes of mode. */
	_Atomic uint32_t fast; /* mode stable, and RDTSCP: a bit for each of our ids; PVC_FAST_* */
	uint32_t order;        /* enum pvc_order */
	/*
	 * Mode stable that was left and has come again is another one: who began to leave
	 * the first must not end the second, whose readers he knows nothing of.
	 */
	union {
		struct {
			_Atomic uint32_t mode;
			uint32_t era; /* times that STABLE, or the page, was believed again */
		};
		_Atomic uint64_t mode_and_era;
	};
	_Atomic uint32_t cpu_mask; /* CPU -> witness entry; 0: entry 0 for all */
	uint32_t scale;            /* vvar.scale */
	pvc_entry *entry;          /* those of CPUs 0..count-1 are in use */
	/*
	 * Where lines' seq must be found: the kernel's count while lines are made from
	 * its parameters, no_seq while they are made from samples.
	 */
	_Atomic(const volatile uint32_t *) seq;
	/* What a caller that comes rarely needs besides: see direct.h. */
	_Atomic uint64_t lately; /* a stretch of time, and the ids asked for in it */
	uint32_t count;
	int32_t rseq_cpu;      /* where glibc's rseq cpu_id is, from fs; 0: nowhere */
	uint32_t apart;        /* per CPU by percpu.c's long way: thread scope, foreign entries */
	uint32_t counted;      /* 1: somebody counts the calls; set before attach, and stays */
	uint32_t may_percpu;   /* if STABLE is cleared: per CPU, or the kernel */
	uint32_t may_stable;   /* if STABLE is set again: back to it */
	_Atomic uint32_t calm; /* a version is all that pvc_generation has to look at */
	struct pvc_kernel kernel;

	/*
	 * The latch of each clock's line, by clock id: finding it takes one load,
	 * and the TSC waits for the loads before it. Ids that are not ours stay 0.
	 */
	_Atomic uint64_t current[PVC_IDS] __attribute__((aligned(PVC_CACHE_LINE)));

	/*
	 * The version of each entry under which the lines are good. Wider than
	 * a version, so that "not yet looked at" equals none of them.
	 */
	_Atomic uint64_t seen[PVCLOCK_PAGE_SLOTS] __attribute__((aligned(PVC_CACHE_LINE)));

	/* Off the fast path. */
	_Atomic uint64_t rate __attribute__((aligned(PVC_CACHE_LINE))); /* ns per tick, 0.64 */
	_Atomic uint64_t resync_ns;
	struct pvc_vvar vvar;
	uint32_t no_seq;                /* 0 */
	_Atomic uint32_t exact_refused; /* the kernel has contradicted its parameters */
	_Atomic uint64_t in_namespace;  /* see pvc_exact_namespace */
	_Atomic uint32_t moving;        /* calls of setns that have not returned */
	/* Thread scope: where this thread's last value is. NULL: process. */
	_Atomic uint64_t *(*thread_last)(void);
	_Atomic uint32_t reason;
	_Atomic uint32_t proved;
	_Atomic uint32_t misproved;
	struct pvc_doubt back, stuck;
	_Atomic uint64_t stuck_since; /* the TSC at the first of these; 0: none yet */
	_Atomic uint32_t broken;      /* intervals in a row that did not hold */
	uint32_t may_return;          /* if it is given up, it is looked at again */
	_Atomic uint32_t wait;        /* 2^wait ticks until then; 0: never */
	_Atomic uint64_t looking;     /* the thread that is, or 0 */
	_Atomic uint64_t looked_at;   /* the TSC when somebody last was, or gave it up */
	_Atomic uint32_t generation;  /* moves with every change of the source */
	_Atomic uint64_t edge_ns; /* hypervisor ns since when all have STABLE, or PVC_EDGE_NONE */
	/*
	 * Entries that are not this machine's: no CPU here is a vCPU there, and their
	 * TSC is ours * ratio >> ratio_bits, plus the entry's offset.
	 */
	_Atomic uint32_t foreign;
	uint32_t stride;    /* bytes from one entry to the next; 0: a slot's */
	uint64_t tsc_ratio; /* 0: 1 */
	uint32_t tsc_ratio_bits;
	const int64_t *tsc_offset;    /* of each entry; NULL: none */
	_Atomic uint64_t unstable;    /* foreign: a bit for each entry without STABLE */
	_Atomic uint64_t busy;        /* of slot[] */
	_Atomic uint64_t now_current; /* the latch of an entry's parameters */
	/* No reader of theirs has used a TSC as far as this; and their generation. See now.h */
	_Atomic uint64_t now_used;
	_Atomic uint64_t now_reach; /* ns: what those that have ended had come to */
	/* No value below this was or will be returned; rises outside of lines. */
	_Atomic uint64_t floor[PVC_IDS];
	_Atomic uint64_t forgotten; /* times that one was */
	struct pvc_counters count_of;

	/* The clamp, alone on its line: every per-CPU reader writes it. */
	_Atomic uint64_t last __attribute__((aligned(PVC_CACHE_LINE)));
	/* Of mode stable: the same as own[].bias, for all entries. */
	_Atomic uint64_t bias __attribute__((aligned(PVC_CACHE_LINE)));

	/* The lowest that are free are taken: those in use are in the first page. */
	struct pvc_slot slot[PVC_SLOTS] __attribute__((aligned(PVC_CACHE_LINE)));

	/* Per CPU: of each entry, what its readers look at besides. */
	struct pvc_own own[PVCLOCK_PAGE_SLOTS] __attribute__((aligned(PVC_CACHE_LINE)));

	/* Continuity: how many events there have been, and the last of them. */
	_Atomic uint64_t events __attribute__((aligned(PVC_CACHE_LINE)));
	_Atomic uint64_t stopped; /* a bit for each entry with GUEST_STOPPED */
	/* VMClock's marker, and the last that was seen; NULL: there is none. */
	_Atomic(const volatile uint64_t *) disruption;
	_Atomic uint64_t disrupted;
	struct pvc_event_slot event[PVC_EVENTS] __attribute__((aligned(PVC_CACHE_LINE)));

	/* Those of entries that have no record elsewhere, on their CPU's node. */
	struct pvc_record *record_of[PVCLOCK_PAGE_SLOTS];
	struct pvc_record record[PVCLOCK_PAGE_SLOTS] __attribute__((aligned(PVC_CACHE_LINE)));
};

/*
 * Where in fast the bits of the ids begin. Where calls are counted, whoever counts must see
 * each of them first: those of a way that is for all are set, those of the other are not.
 */
#define PVC_FAST_ANY 0
#define PVC_FAST_PLAIN PVC_IDS

#define PVC_UNSEEN (1ull << 32)
/* STABLE was found clear in some entry, the last time that anybody looked. */
#define PVC_EDGE_NONE UINT64_MAX

_Static_assert(sizeof(struct pvc_line) == sizeof(struct pvc_slot), "a slot holds a line");
_Static_assert(sizeof(struct pvc_slot) == 1 << PVC_SLOT_SHIFT, "slot bits are an offset");
_Static_assert(sizeof(struct pvc_core) % PVC_CACHE_LINE == 0, "whole cache lines");

/* Of a block in static memory: what the fast path reads is in one page of it. */
#define PVC_BLOCK_ALIGNED __attribute__((aligned(4096)))

#define PVC_INTERNAL __attribute__((visibility("hidden")))
/* Beside the other readers' code: who comes rarely finds each page of it cold. */
#define PVC_BESIDE __attribute__((hot))

pvc_inline const struct pvc_slot *pvc_slot_of(struct pvc_core *b, uint64_t current)
{
	return (const struct pvc_slot *)((const char *)b->slot + (current & PVC_SLOT_MASK));
}

static inline __attribute__((always_inline)) void pvc_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Word by word: an assignment may become a call of memcpy, which is not there. */
static inline void pvc_line_copy(struct pvc_line *to, const struct pvc_line *from)
{
	const uint64_t *f = (const uint64_t *)from;
	uint64_t *t = (uint64_t *)to;
	unsigned i;

	for (i = 0; i < PVC_LINE_WORDS; i++)
		t[i] = f[i];
}

/* Raises *to to at least value. Bounded: who loses loses to a larger one. */
static inline void pvc_raise(_Atomic uint64_t *to, uint64_t value)
{
	uint64_t old = atomic_load_explicit(to, memory_order_relaxed);

	while (old < value && !atomic_compare_exchange_weak_explicit(
				      to, &old, value, memory_order_acq_rel, memory_order_relaxed))
		;
}

/* source.c: the page as an input; what to do when it changes is in change.c */
struct pvc_input {
	uint64_t x;   /* not going back within the scope */
	uint64_t own; /* what was read, which a clamp may have raised to x */
	uint32_t generation;
};

/* ns per x, 0.64, by the page: of the input that x is of */
pvc_inline uint64_t pvc_rate_of(struct pvc_core *b, uint64_t x)
{
	if (PVC_X_IS_NS(x))
		return PVC_X_NS_RATE;
	return atomic_load_explicit(&b->rate, memory_order_relaxed);
}

/* False: the page cannot be read now, ask the kernel. */
PVC_INTERNAL bool pvc_source_input(struct pvc_core *b, struct pvc_input *in);
/* Hypervisor ns, not going back within the scope; and as read, as above. */
PVC_INTERNAL bool pvc_source_now(struct pvc_core *b, uint64_t *ns, uint64_t *own);
/* The same by one entry, of those of a foreign page or while all are stable. */
PVC_INTERNAL enum pvc_read pvc_source_now_of(struct pvc_core *b, uint32_t entry, uint64_t *ns);
/* One consistent reading of this CPU's entry, not clamped. */
PVC_INTERNAL enum pvc_read pvc_source_sample(struct pvc_core *b, struct pvc_reading *r);
/* Is that the entry of r->cpu? Else entry 0 speaks for that CPU. */
PVC_INTERNAL bool pvc_source_own_entries(struct pvc_core *b);
/* Looks whether something has happened: at this CPU's entry, and at all of them. */
PVC_INTERNAL void pvc_source_look(struct pvc_core *b);
PVC_INTERNAL void pvc_source_look_at_all(struct pvc_core *b);
/* In mode percpu: are all entries stable again? The last to be so may be nobody's CPU. */
PVC_INTERNAL void pvc_source_look_for_stable(struct pvc_core *b);
/* What there is to look at besides versions may have changed. */
PVC_INTERNAL void pvc_source_calm(struct pvc_core *b);
/* The mode has just been entered; and it has just been left. */
PVC_INTERNAL void pvc_source_fast(struct pvc_core *b, enum pvc_mode mode);
PVC_INTERNAL void pvc_source_slow(struct pvc_core *b);
/* Told when an input is found far below the start of a line. */
PVC_INTERNAL void pvc_source_went_back(struct pvc_core *b);

/* prove.c */
struct pvc_proof {
	enum pvc_reason reason; /* PVC_WHY_STABLE, PVC_WHY_UNSTABLE, or what is wrong */
	unsigned entries;       /* CPUs 0..entries-1 have one */
};

/* Could this be a live pvclock page, of count entries at most? It must be readable. */
PVC_INTERNAL struct pvc_proof pvc_prove(pvc_entry *page, unsigned count, enum pvc_order order);

/* doubt.c */
/* A read was given up in mid-update. */
PVC_INTERNAL void pvc_doubt_busy(struct pvc_core *b);
/* A line's interval held, or did not, of a clock that nobody sets. */
PVC_INTERNAL void pvc_doubt_interval(struct pvc_core *b, bool held);
/* The page has just been given up. */
PVC_INTERNAL void pvc_doubt_begin(struct pvc_core *b);
PVC_INTERNAL void pvc_doubt_look(struct pvc_core *b);
PVC_INTERNAL void pvc_doubt_forked(struct pvc_core *b);

/* The kernel has answered. Was the page given up, and is it time to look at it again? */
pvc_inline void pvc_doubt_remember(struct pvc_core *b)
{
	if (pvc_unlikely(atomic_load_explicit(&b->wait, memory_order_relaxed)))
		pvc_doubt_look(b);
}

/* service.c */
/* The attached page goes into service; b->entry and what describes it are set. */
PVC_INTERNAL void pvc_source_start(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why);
/* The same page again, which was given up. False: somebody has changed the mode meanwhile. */
PVC_INTERNAL bool pvc_source_return(struct pvc_core *b, enum pvc_mode mode, enum pvc_reason why,
                                    uint64_t before);
/* Out of service for a while: no reader touches the page who begins after this. */
PVC_INTERNAL void pvc_source_pause(struct pvc_core *b);
/* Out of service: the kernel answers, until the page is found good again. */
PVC_INTERNAL void pvc_source_stop(struct pvc_core *b, enum pvc_reason why);

/*
 * percpu.c: readings by the entry of the CPU they are made on, clamped. They may be
 * returned if the mode is still percpu; lines have an end of their own for that.
 */
PVC_INTERNAL bool pvc_percpu_now(struct pvc_core *b, uint64_t *ns, uint64_t *own);
PVC_INTERNAL enum pvc_read pvc_percpu_now_of(struct pvc_core *b, unsigned entry, uint64_t *ns,
                                             uint64_t *own);

/* discipline.c: from one line to the next; pure functions */
struct pvc_sample {
	uint64_t x1, x2; /* the input before and after the kernel's read */
	uint64_t ns;     /* what the kernel said in between */
};

enum pvc_agreement {
	PVC_INSIDE,  /* the line said what the kernel says */
	PVC_OUTSIDE, /* it did not: its rate or phase was off */
	PVC_SET,     /* the clock was set, and is followed */
};

struct pvc_rules {
	bool settable;   /* follows the kernel back as well */
	uint64_t rate;   /* the page's, ns per x, 0.64 */
	uint64_t resync; /* the longest span, in x */
	uint64_t floor;  /* ns */
	uint64_t grain;  /* ns: the steps that the kernel's clock may move in */
};

/* Between which the kernel's clock is at x, ns; pure, of a line that holds at x. */
struct pvc_bounds {
	uint64_t earliest, latest;
};

PVC_INTERNAL enum pvc_agreement pvc_discipline(const struct pvc_line *old,
                                               const struct pvc_sample *s,
                                               const struct pvc_rules *rules,
                                               struct pvc_line *line);
PVC_INTERNAL void pvc_discipline_begin(const struct pvc_sample *s, uint64_t rate,
                                       struct pvc_line *line);
PVC_INTERNAL struct pvc_bounds pvc_line_bounds(const struct pvc_line *line, uint64_t x);
/* ns that no reader of the line can have passed by input x */
PVC_INTERNAL uint64_t pvc_line_reach(const struct pvc_line *line, uint64_t x);
/* x in which about this many ns pass */
PVC_INTERNAL uint64_t pvc_ns_to_x(uint64_t ns, uint64_t rate);

/* interval.c: the values of enum pvclock_certainty */
enum pvc_certainty {
	PVC_SYNCHRONISED = 0,
	PVC_ESTIMATING,
	PVC_BY_KERNEL,
	PVC_VIOLATED,
};

struct pvc_interval {
	struct pvc_timespec earliest, latest;
	enum pvc_certainty certainty;
};

PVC_INTERNAL int pvc_gettime_interval(struct pvc_core *b, int id, struct pvc_interval *i);

/* gettime.c: the calls; the fast path is in gettime.h */
PVC_INTERNAL PVC_BESIDE int pvc_gettime_slow(struct pvc_core *b, int id, struct pvc_timespec *ts);
PVC_INTERNAL int pvc_getres(struct pvc_core *b, int id, struct pvc_timespec *ts);
PVC_INTERNAL int64_t pvc_time(struct pvc_core *b, int64_t *t);
PVC_INTERNAL int pvc_gettimeofday(struct pvc_core *b, void *tv, void *tz);
/* The program itself has set a clock, or the rate of them all. */
PVC_INTERNAL void pvc_clocks_were_set(struct pvc_core *b);
/* In the child of a fork, at once: it may be in another time namespace. */
PVC_INTERNAL void pvc_clocks_forked(struct pvc_core *b);
/* This process may be about to go into another time namespace, and has perhaps done so. */
PVC_INTERNAL void pvc_clocks_moving(struct pvc_core *b);
PVC_INTERNAL void pvc_clocks_moved(struct pvc_core *b, bool perhaps);
/* line.c: no reader uses the clock's line from here on; its successor starts past it. */
PVC_INTERNAL bool pvc_clock_end(struct pvc_core *b, int id, uint64_t cut);

#endif /* PVC_CORE_H */
