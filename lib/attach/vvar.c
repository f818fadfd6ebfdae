// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the kernel keeps its parameters. Not an ABI, and moved more than once:
 *
 *   kernel      the first page of [vvar] holds
 *   5.3-6.12    at 128 two of struct vdso_data, for hres and raw
 *   6.13-6.14   at 0 the same, and then what belongs to the machine
 *   6.15-       at 0 two of struct vdso_clock
 *
 * with max_cycles before the mask since 6.10. So they are looked for: by a mask of
 * ones, a mode that user space can read, and a second clock that is up to about
 * the same cycle. That a clock computed from them is the kernel's is proved by
 * the core when it is first asked for.
 *
 * In a time namespace the first page holds the namespace's offsets in the same
 * layout, under a mode of its own, and the parameters are in another page.
 */
#include "attach.h"

#define WORDS (PVCLOCK_PAGE_SIZE / sizeof(uint64_t))
#define MOST_PAGES 8

/* In words, from a clock's head to its end, with max_cycles. */
#define CLOCK_WORDS (PVC_VVAR_MASK + 2 + PVC_VVAR_BASE + 2ul * PVC_VVAR_BASES)

/* Two clocks of struct vdso_data lie at most so far apart. */
#define APART (CLOCK_WORDS + 8)

static bool readable(uint32_t mode)
{
	return mode == PVC_VVAR_TSC || mode == PVC_VVAR_PVCLOCK;
}

/* Words from a clock's head to its mult, or 0 if this is no clock. */
static unsigned scale_of(pvc_vvar_word *clock)
{
	unsigned mask = PVC_VVAR_MASK;
	uint64_t mult;

	if (!readable((uint32_t)(clock[PVC_VVAR_SEQ] >> 32)) || !clock[PVC_VVAR_CYCLE_LAST])
		return 0;
	if (~clock[mask] && ~clock[++mask])
		return 0;
	mult = clock[mask + 1 + PVC_VVAR_MULT];
	return (uint32_t)mult && mult >> 32 && mult >> 32 <= 32 ? mask + 1 : 0;
}

/* By less than the kernel could be in the middle of bringing them up to date by. */
static bool near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < 1ull << 40;
}

static bool find_raw(struct pvc_vvar *v, pvc_vvar_word *end)
{
	pvc_vvar_word *clock = v->hres + v->scale + PVC_VVAR_BASE + 2ul * PVC_VVAR_BASES;

	for (; clock + CLOCK_WORDS <= end && clock <= v->hres + APART; clock++)
		if (scale_of(clock) == v->scale &&
		    near(clock[PVC_VVAR_CYCLE_LAST], v->hres[PVC_VVAR_CYCLE_LAST])) {
			v->raw = clock;
			return true;
		}
	return false;
}

static bool find_in(struct pvc_vvar *v, pvc_vvar_word *page)
{
	pvc_vvar_word *clock, *end = page + WORDS;

	for (clock = page; clock + 2 * CLOCK_WORDS <= end; clock++) {
		v->hres = clock;
		v->scale = scale_of(clock);
		if (v->scale && find_raw(v, end))
			return true;
	}
	v->hres = v->raw = NULL;
	return false;
}

void pvc_vvar_find(struct pvc_vvar *v, const struct pvc_maps *maps)
{
	pvc_vvar_word *first = (pvc_vvar_word *)maps->vvar;
	size_t i, pages = (maps->vvar_end - maps->vvar) / PVCLOCK_PAGE_SIZE;
	bool found = false;

	*v = (struct pvc_vvar){0};
	for (i = 0; i < pages && i < MOST_PAGES && !found; i++)
		found = pvc_probe((const void *)(first + i * WORDS)) &&
		        find_in(v, first + i * WORDS);
	if (!found || v->hres < first + WORDS)
		return;
	/* Not in the first page, so that one should hold the namespace's offsets. */
	v->offset = first + (size_t)(v->hres - first) % WORDS;
	if (!pvc_probe((const void *)first) ||
	    (uint32_t)(v->offset[PVC_VVAR_SEQ] >> 32) != PVC_VVAR_TIMENS)
		*v = (struct pvc_vvar){0};
}
