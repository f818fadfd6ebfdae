/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's own parameters: what its vDSO computes every clock from.
 *
 * They lie in the first page of [vvar], and the kernel rewrites them with each
 * tick, at each clock_settime and adjtimex, under a sequence count that is odd
 * meanwhile. While the count stands, the kernel's clocks are
 *
 *   ns(cycles) = (base + (cycles - cycle_last) * mult) >> shift
 *
 * to the last bit. A clock made from samples can only be near that; a clock made
 * from this is that, and the count says when it no longer is.
 *
 * Like the page's place this is no ABI. The layout (struct vdso_data since
 * Linux 5.3, struct vdso_clock since 6.15) is looked for by what it must hold,
 * and each clock computed from it is proved against the kernel's answer before
 * it is believed, and time and again after.
 */
#ifndef PVC_VVAR_H
#define PVC_VVAR_H

#include <stdatomic.h>

#include "arch_x86.h"

/* What cycles are, in a clock's second word (VDSO_CLOCKMODE_*). */
enum pvc_vvar_mode {
	PVC_VVAR_NONE = 0,            /* nothing user space can read: hpet, acpi_pm, ... */
	PVC_VVAR_TSC = 1,             /* the TSC */
	PVC_VVAR_PVCLOCK = 2,         /* hypervisor ns by entry 0 */
	PVC_VVAR_TIMENS = 0x7fffffff, /* not here: this process is in a time namespace */
};

#define PVC_VVAR_BASES 12 /* by clock id */

typedef const volatile uint64_t pvc_vvar_word;

/* The head of a clock; max_cycles may follow, then mask. */
#define PVC_VVAR_SEQ 0        /* u32 count, u32 mode */
#define PVC_VVAR_CYCLE_LAST 1 /* u64 */
#define PVC_VVAR_MASK 2       /* u64 all ones; word 3 since 6.10 */
/* From the word after the mask: */
#define PVC_VVAR_MULT 0 /* u32 mult, u32 shift */
#define PVC_VVAR_BASE 1 /* by id: u64 s, u64 ns << shift; or s64 s, u64 ns: an offset */

struct pvc_vvar {
	pvc_vvar_word *hres;   /* MONOTONIC, REALTIME, BOOTTIME, TAI; NULL: not found */
	pvc_vvar_word *raw;    /* MONOTONIC_RAW */
	pvc_vvar_word *offset; /* in a time namespace: the clock that holds hres's, or NULL */
	uint32_t scale;        /* in words, from a clock to its mult */
};

/* One clock's parameters, consistent. */
struct pvc_params {
	uint64_t cycle_last;
	uint64_t sec, nsec; /* the clock at cycle_last; ns << shift */
	uint32_t mult, shift;
	uint32_t seq, mode;
};

enum pvc_vvar_read {
	PVC_VVAR_OK,
	PVC_VVAR_BUSY, /* being rewritten */
	PVC_VVAR_AWAY, /* not made for the vDSO now: another clocksource, or namespace */
};

/* The kernel rewrites them in some 100 ns, but may be descheduled by its host. */
#define PVC_VVAR_TRIES 64

pvc_inline uint32_t pvc_vvar_seq(pvc_vvar_word *clock)
{
	return *(const volatile uint32_t *)clock;
}

/*
 * One try, begun with head. x86 keeps loads in order, so barriers to the compiler are
 * enough: volatile accesses stay in theirs. Pairs with the kernel's write barriers
 * between the count and the parameters; raw's are under the count of hres.
 *
 * A TSC that the parameters are to be used for is read after head: one from before
 * would belong to the parameters before these, whose rate was another.
 */
pvc_inline bool pvc_vvar_once(pvc_vvar_word *hres, uint64_t head, pvc_vvar_word *clock,
                              uint32_t scale, unsigned id, struct pvc_params *p)
{
	pvc_vvar_word *base = clock + scale + PVC_VVAR_BASE + 2 * (size_t)id;
	uint64_t mult;

	p->seq = (uint32_t)head;
	p->mode = (uint32_t)(head >> 32);
	p->cycle_last = clock[PVC_VVAR_CYCLE_LAST];
	mult = clock[scale + PVC_VVAR_MULT];
	p->mult = (uint32_t)mult;
	p->shift = (uint32_t)(mult >> 32);
	p->sec = base[0];
	p->nsec = base[1];
	return !(p->seq & 1) && hres[PVC_VVAR_SEQ] == head;
}

/*
 * The second page is there for as long as the first holds a namespace's offsets. In a
 * process that has left the namespace it raises SIGBUS.
 */
pvc_inline bool pvc_vvar_gone(const struct pvc_vvar *v)
{
	return v->offset && (uint32_t)(v->offset[PVC_VVAR_SEQ] >> 32) != PVC_VVAR_TIMENS;
}

static inline enum pvc_vvar_read pvc_vvar_read(const struct pvc_vvar *v, bool raw, unsigned id,
                                               struct pvc_params *p)
{
	pvc_vvar_word *clock = raw ? v->raw : v->hres, *offset;
	unsigned tries;

	if (pvc_vvar_gone(v))
		return PVC_VVAR_AWAY;
	for (tries = 0; tries < PVC_VVAR_TRIES; tries++) {
		bool consistent =
			pvc_vvar_once(v->hres, v->hres[PVC_VVAR_SEQ], clock, v->scale, id, p);

		if (p->mode != PVC_VVAR_TSC && p->mode != PVC_VVAR_PVCLOCK)
			return PVC_VVAR_AWAY;
		if (!consistent) {
			pvc_pause();
			continue;
		}
		if (v->offset) {
			/* They stand for as long as the namespace does. */
			offset = v->offset + (clock - v->hres) + v->scale + PVC_VVAR_BASE +
			         2 * (size_t)id;
			p->sec += offset[0];
			p->nsec += offset[1] << p->shift;
		}
		return PVC_VVAR_OK;
	}
	return PVC_VVAR_BUSY;
}

#endif /* PVC_VVAR_H */
