/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking for the simulated kernel's parameters, and what it means to have found them. */
#ifndef PVC_TEST_SIMFIND_H
#define PVC_TEST_SIMFIND_H

#include "simexact.h"

#define WORDS (PVCLOCK_PAGE_SIZE / sizeof(uint64_t))

static inline struct pvc_vvar find(const void *pages, size_t size)
{
	struct pvc_maps maps = {.vvar = (uintptr_t)pages, .vvar_end = (uintptr_t)pages + size};
	struct pvc_vvar v;

	memset(&v, 0x5a, sizeof(v));
	pvc_vvar_find(&v, &maps);
	return v;
}

static inline struct pvc_vvar find_simulated(void)
{
	return find(simv.ro, SIMV_PAGES * PVCLOCK_PAGE_SIZE);
}

static inline bool nothing(struct pvc_vvar v)
{
	return !v.hres && !v.raw && !v.offset;
}

/* What was found reads as what the kernel put there. */
static inline bool reads_right(const struct pvc_vvar *v)
{
	struct simv_time t = simv_mine();
	unsigned i;

	for (i = 0; i < SIMV_IDS; i++) {
		bool raw = simv_ids[i] == CLOCK_MONOTONIC_RAW;
		struct pvc_params p;
		uint64_t sec, nsec;

		simv_base(&t, simv_ids[i], &sec, &nsec);
		if (pvc_vvar_read(v, raw, (unsigned)simv_ids[i], &p) != PVC_VVAR_OK ||
		    p.cycle_last != t.cycle_last || p.sec != sec || p.nsec != nsec ||
		    p.mult != (raw ? t.raw_mult : t.mult) ||
		    p.shift != (raw ? t.raw_shift : t.shift) || p.mode != t.mode ||
		    p.seq != simv_seq())
			return false;
	}
	return true;
}

static inline uint64_t *seen(bool raw)
{
	return simv_clock_in(simv.ro, simv.data, raw);
}

static inline bool found(void)
{
	struct pvc_vvar v = find_simulated();

	return v.hres == seen(false) && v.raw == seen(true) && !v.offset &&
	       v.scale == simv_scale() && reads_right(&v);
}

#endif /* PVC_TEST_SIMFIND_H */
