// SPDX-License-Identifier: LGPL-2.1-or-later
/* From maps and options to a block in service. */
#include "attach.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/sysinfo.h>

/* glibc 2.35 registers rseq for every thread; elsewhere these are absent. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

#define RSEQ_CPU_ID 4 /* offset of cpu_id in struct rseq */

/* With the TSC forbidden the vDSO would raise the signal: those calls go in. */
static void find_kernel(struct pvc_core *b, const struct pvc_maps *maps, bool tsc_allowed)
{
	const void *vdso = (const void *)maps->vdso;
	size_t size = maps->vdso_end - maps->vdso;

	/* Found before: others may be calling them. */
	if (!vdso || b->kernel.clock_getres)
		return;
	*(void **)&b->kernel.clock_getres = pvc_vdso_function(vdso, size, "__vdso_clock_getres");
	*(void **)&b->kernel.time = pvc_vdso_function(vdso, size, "__vdso_time");
	if (!tsc_allowed)
		return;
	*(void **)&b->kernel.clock_gettime = pvc_vdso_function(vdso, size, "__vdso_clock_gettime");
	*(void **)&b->kernel.gettimeofday = pvc_vdso_function(vdso, size, "__vdso_gettimeofday");
}

/* The best of the candidates; the reason of the one that came furthest. */
static struct pvc_proof find_page(struct pvc_core *b, const struct pvc_maps *maps)
{
	struct pvc_proof best = {PVC_WHY_NO_PAGE, 0};
	unsigned i;

	for (i = 0; i < maps->count; i++) {
		pvc_entry *page = (pvc_entry *)maps->candidate[i];
		struct pvc_proof proof;

		if (!pvc_probe((const void *)maps->candidate[i])) {
			if (best.reason == PVC_WHY_NO_PAGE)
				best.reason = PVC_WHY_DEAD_PAGE;
			continue;
		}
		proof = pvc_prove(page, PVCLOCK_PAGE_SLOTS, (enum pvc_order)b->order);
		if (proof.entries) {
			b->entry = page;
			return proof;
		}
		best = proof;
	}
	return best;
}

/*
 * May CPUs be read by their own entries? On Xen only vCPU 0 has one; asking
 * how many CPUs there are reads files, so it is done only where it matters.
 */
static enum pvc_reason percpu_obstacle(const struct pvc_core *b, unsigned entries)
{
	if (b->order != PVC_ORDER_RDTSCP)
		return PVC_WHY_NO_RDTSCP;
	if (entries < 2 && get_nprocs_conf() > 1)
		return PVC_WHY_ONE_ENTRY;
	return PVC_WHY_STABLE;
}

static enum pvc_mode choose(const struct pvc_core *b, const struct pvc_options *o,
                            const struct pvc_proof *proof, enum pvc_reason *why)
{
	bool stable = proof->reason == PVC_WHY_STABLE;
	enum pvc_reason obstacle;

	*why = proof->reason;
	if (!proof->entries)
		return PVC_MODE_KERNEL;
	if (o->mode == PVC_WISH_STABLE || (o->mode == PVC_WISH_AUTO && stable)) {
		if (!stable)
			*why = PVC_WHY_NOT_STABLE;
		else if (o->mode == PVC_WISH_STABLE)
			*why = PVC_WHY_ASKED;
		return stable ? PVC_MODE_STABLE : PVC_MODE_KERNEL;
	}
	obstacle = percpu_obstacle(b, proof->entries);
	if (obstacle != PVC_WHY_STABLE) {
		*why = obstacle;
		return PVC_MODE_KERNEL;
	}
	if (o->mode == PVC_WISH_PERCPU)
		*why = PVC_WHY_ASKED;
	return PVC_MODE_PERCPU;
}

static enum pvc_reason obstacle_to_any(const struct pvc_options *o, bool tsc_allowed)
{
	if (o->mode == PVC_WISH_KERNEL)
		return PVC_WHY_ASKED;
	if (!tsc_allowed)
		return PVC_WHY_NO_TSC;
	/* Whoever names a mode has decided to trust the host. */
	if (o->mode == PVC_WISH_AUTO && pvc_confidential())
		return PVC_WHY_CONFIDENTIAL;
	return PVC_WHY_STABLE;
}

/*
 * A block that has had another source is told of the next one: what was found is not
 * so any more, what was told stays. Readers who ask the kernel meanwhile use the rest.
 */
static void begin(struct pvc_core *b, const struct pvc_options *o)
{
	enum pvc_order order = pvc_order_of_this_cpu();

	if (b->order != order)
		b->order = order;
	atomic_store(&b->resync_ns, (uint64_t)o->resync_us * 1000);
	atomic_store(&b->cpu_mask, 0);
	atomic_store(&b->proved, 0);
	atomic_store(&b->misproved, 0);
	atomic_store(&b->exact_refused, 0);
	atomic_store(&b->back.times, 0);
	atomic_store(&b->broken, 0);
	atomic_store(&b->stuck_since, 0);
	atomic_store(&b->stuck.times, 0);
	atomic_store(&b->wait, 0);
	b->entry = NULL;
	b->count = b->may_percpu = b->may_stable = b->may_return = 0;
	b->stride = b->tsc_ratio_bits = 0;
	b->tsc_ratio = 0;
	b->tsc_offset = NULL;
	b->vvar = (struct pvc_vvar){0};
	/*
	 * Thread scope's last values are of this machine's page, whichever block reads it. One
	 * that reads, or has read, another's page has a time of its own and clamps to that.
	 */
	b->thread_last = NULL;
	if (o->scope == PVC_SCOPE_THREAD && !atomic_load(&b->last))
		b->thread_last = pvc_thread_last;
	b->apart = b->thread_last != NULL;
	atomic_store(&b->foreign, 0);
	/* Once, for it stays, and readers of a block that is being replaced look at it. */
	if (!b->rseq_cpu && &__rseq_offset && &__rseq_size && __rseq_size)
		b->rseq_cpu = (int32_t)__rseq_offset + RSEQ_CPU_ID;
}

void pvc_attach_maps(struct pvc_core *b, const struct pvc_options *o, const struct pvc_maps *maps)
{
	bool tsc_allowed = pvc_tsc_allowed();
	enum pvc_reason why = obstacle_to_any(o, tsc_allowed);
	struct pvc_proof proof;
	enum pvc_mode mode;

	find_kernel(b, maps, tsc_allowed);
	begin(b, o);
	if (why != PVC_WHY_STABLE) {
		pvc_source_start(b, PVC_MODE_KERNEL, why);
		return;
	}
	proof = find_page(b, maps);
	mode = choose(b, o, &proof, &why);
	b->count = proof.entries;
	b->may_percpu = mode != PVC_MODE_KERNEL && b->order == PVC_ORDER_RDTSCP && b->count > 1;
	/* Of what each thread was told in thread scope no one knows the most. */
	b->may_stable = o->mode != PVC_WISH_PERCPU && !b->thread_last;
	atomic_store(&b->cpu_mask, b->count > 1 ? PVCLOCK_PAGE_SLOTS - 1 : 0);
	b->may_return = mode != PVC_MODE_KERNEL;
	pvc_vvar_find(&b->vvar, maps);
	pvc_source_start(b, mode, why);
}

/* No more than there are: 2^n - 1. */
static uint32_t mask_within(uint32_t count)
{
	uint32_t mask = PVCLOCK_PAGE_SLOTS - 1;

	while (mask >= count)
		mask >>= 1;
	return mask;
}

static enum pvc_mode choose_foreign(const struct pvc_core *b, const struct pvc_options *o,
                                    enum pvc_reason *why)
{
	bool plain = b->stride == PVCLOCK_SLOT_SIZE && !b->tsc_ratio && !b->tsc_offset;
	struct pvc_proof proof;

	*why = PVC_WHY_ASKED;
	if (o->mode == PVC_WISH_KERNEL)
		return PVC_MODE_KERNEL;
	if (o->mode == PVC_WISH_PERCPU)
		return PVC_MODE_PERCPU;
	*why = PVC_WHY_FOREIGN;
	if (!plain)
		return PVC_MODE_PERCPU;
	proof = pvc_prove(b->entry, b->count, (enum pvc_order)b->order);
	*why = proof.reason;
	if (proof.reason != PVC_WHY_STABLE)
		return PVC_MODE_PERCPU;
	if (proof.entries == b->count)
		return PVC_MODE_STABLE;
	/* Those before it agree: that is not why. */
	*why = PVC_WHY_BUSY;
	return PVC_MODE_PERCPU;
}

void pvc_attach_foreign(struct pvc_core *b, const struct pvc_options *o,
                        const struct pvc_foreign *f)
{
	enum pvc_reason why;
	struct pvc_maps maps;
	enum pvc_mode mode;
	int saved = errno;

	if (pvc_maps_read(&maps))
		find_kernel(b, &maps, true);
	begin(b, o);
	atomic_store(&b->foreign, 1);
	b->thread_last = NULL;
	b->apart = 1;
	b->entry = f->entry;
	b->count = f->count;
	b->stride = f->stride;
	b->tsc_ratio = f->tsc_ratio;
	b->tsc_ratio_bits = f->tsc_ratio_bits;
	b->tsc_offset = f->tsc_offset;
	b->may_percpu = 1;
	atomic_store(&b->cpu_mask, mask_within(b->count));
	mode = choose_foreign(b, o, &why);
	b->may_stable = mode == PVC_MODE_STABLE;
	pvc_source_start(b, mode, why);
	errno = saved;
}

/* Nothing that is mapped here is to be touched; why not, unless nobody asked. */
static void attach_nothing(struct pvc_core *b, const struct pvc_options *o, struct pvc_maps *maps,
                           enum pvc_reason why)
{
	maps->count = 0;
	maps->vvar = maps->vvar_end = 0;
	pvc_attach_maps(b, o, maps);
	if (o->mode != PVC_WISH_KERNEL)
		atomic_store(&b->reason, why);
}

void pvc_attach(struct pvc_core *b, const struct pvc_options *o)
{
	struct pvc_maps maps;
	int saved = errno;

	if (!pvc_maps_read(&maps)) {
		/* No /proc: the vDSO is still where the kernel says. */
		maps.vdso = getauxval(AT_SYSINFO_EHDR);
		maps.vdso_end = maps.vdso;
		if (maps.vdso)
			maps.vdso_end += pvc_vdso_size((const void *)maps.vdso);
		attach_nothing(b, o, &maps, PVC_WHY_NO_MAPS);
	} else if (!maps.vdso && (maps.count || maps.vvar)) {
		/*
		 * Valgrind takes the vDSO away and leaves its data, and counts whoever
		 * touches that, or asks the kernel to, as an error of the program.
		 */
		attach_nothing(b, o, &maps, PVC_WHY_NO_VDSO);
	} else {
		pvc_attach_maps(b, o, &maps);
	}
	errno = saved;
}
