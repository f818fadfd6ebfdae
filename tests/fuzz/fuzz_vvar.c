// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's parameters looked for in pages of any words: what is found lies in
 * the pages, and clocks are not made from it unless the kernel says the same.
 */
#include "../unit/sim.h"
#include "../../lib/attach/attach.h"
#include "fuzz.h"

#define PAGES 3
#define WORDS (PVCLOCK_PAGE_SIZE / sizeof(uint64_t))

static uint64_t all[PAGES * WORDS] __attribute__((aligned(PVCLOCK_PAGE_SIZE)));
static uint64_t *words; /* the last pages of them: ASan sees any word beyond */
static size_t count;    /* of words */
static struct sim_page page;
static struct sim_entry entry;
static struct pvc_core core;

/* Pairs of a place and a word on zeroed pages; two places in the list are a clock's. */
static void fill(struct fuzz_input *in)
{
	memset(all, 0, sizeof(all));
	while (in->left) {
		uint64_t where = fuzz_take(in, 2), at = where % count, what;

		if (where >> 15) {
			/* What a clock is known by, of the layout without max_cycles. */
			what = fuzz_take(in, 1);
			if (at + 16 > count)
				continue;
			words[at] = (what & 3) << 32 | (what & 0xc0);
			words[at + PVC_VVAR_CYCLE_LAST] = sim_tsc() >> (what >> 2 & 3);
			words[at + PVC_VVAR_MASK] = UINT64_MAX;
			words[at + PVC_VVAR_MASK + 1] = 24ull << 32 | entry.mul >> 8;
		} else {
			words[at] = fuzz_take(in, 8);
		}
	}
}

static bool inside(pvc_vvar_word *at, size_t size)
{
	return at >= words && at + size <= words + count;
}

static void check_found(const struct pvc_vvar *v)
{
	const size_t size = v->scale + PVC_VVAR_BASE + 2ul * PVC_VVAR_BASES;
	struct pvc_params p;
	unsigned id;

	if (!v->hres) {
		fuzz_must(!v->raw && !v->offset, "half of it");
		return;
	}
	fuzz_must(inside(v->hres, size) && inside(v->raw, size), "scale %u", v->scale);
	fuzz_must(!v->offset || inside(v->offset, size + (size_t)(v->raw - v->hres)), "offset");
	for (id = 0; id < PVC_VVAR_BASES; id++) {
		(void)pvc_vvar_read(v, false, id, &p);
		(void)pvc_vvar_read(v, true, id, &p);
	}
}

/* A millisecond off is nonsense that was believed. */
static void check_clock(int id)
{
	uint64_t before = sim_kernel_ns(id), ns, after;
	struct pvc_timespec ts = {-1, -1};

	fuzz_must(!pvc_gettime(&core, id, &ts), "clock %d", id);
	after = sim_kernel_ns(id);
	ns = sim_ns(&ts);
	fuzz_must((uint64_t)ts.nsec < PVC_NSEC_PER_SEC, "clock %d", id);
	fuzz_must(ns + 1000000 >= before && ns <= after + 1000000, "clock %d: %lld, not %lld", id,
	          (long long)ns, (long long)after);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	entry = sim_real();
	sim_put_all(&page, &entry);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct pvc_maps maps = {.count = 1, .candidate = {(uintptr_t)&page}};
	struct pvc_options o;
	unsigned i;

	count = (1 + fuzz_take(&in, 1) % PAGES) * WORDS;
	words = all + PAGES * WORDS - count;
	fill(&in);
	maps.vvar = (uintptr_t)words;
	maps.vvar_end = (uintptr_t)(words + count);
	memset((void *)&core, 0, sizeof(core));
	core.kernel.clock_gettime = sim_kernel;
	pvc_options_default(&o);
	pvc_attach_maps(&core, &o, &maps);
	check_found(&core.vvar);
	for (i = 0; i < 3; i++) {
		check_clock(PVC_CLOCK_MONOTONIC);
		check_clock(PVC_CLOCK_MONOTONIC_RAW);
		check_clock(PVC_CLOCK_REALTIME);
		check_clock(PVC_CLOCK_BOOTTIME);
		check_clock(PVC_CLOCK_TAI);
	}
	return 0;
}
