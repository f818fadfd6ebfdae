/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel in this process. It keeps time as Linux's timekeeping does, from the
 * real TSC or from entry 0 of the simulated host, publishes its parameters in
 * pages that are laid out as [vvar], and answers clock_gettime from its own copy
 * of them, by arithmetic that has nothing in common with the core's.
 *
 * As with the real one its pages are mapped twice: the kernel writes one mapping,
 * everybody else reads the other. So a test may take the second away and be told
 * of each access; and TSan, which knows a memory by its address, has no race to
 * report between volatile loads and a writer that it cannot be told about.
 */
#ifndef PVC_TEST_SIMVVAR_H
#define PVC_TEST_SIMVVAR_H

#include <sys/mman.h>

#include "../../lib/attach/attach.h"
#include "../../vdso/anchor.h"
#include "simblock.h"

#define SEC PVC_NSEC_PER_SEC
#define MSEC 1000000ll
#define USEC 1000ll
#define HOUR (3600ll * 1000000000)

#define SIMV_PAGES 8
#define SIMV_TIMENS 0x7fffffffu
#define SIMV_ALL_WORDS 1000u

static const int simv_ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                               CLOCK_TAI};
#define SIMV_IDS (sizeof(simv_ids) / sizeof(*simv_ids))

struct simv_layout {
	const char *name;
	unsigned at;     /* bytes, of the first clock in its page */
	bool max_cycles; /* before the mask */
	bool data;       /* struct vdso_data: a time zone and a resolution behind the bases */
};

static const struct simv_layout simv_layouts[] = {
	{"5.3-6.9", 128, false, true},
	{"6.10-6.12", 128, true, true},
	{"6.13-6.14", 0, true, true},
	{"6.15-", 0, true, false},
};
#define SIMV_LAYOUTS (sizeof(simv_layouts) / sizeof(*simv_layouts))

/* struct timekeeper, all in words; ns are shifted where Linux has them shifted. */
struct simv_time {
	uint64_t cycle_last, mult, shift, raw_mult, raw_shift;
	uint64_t source;              /* of cycles: PVC_VVAR_TSC or PVC_VVAR_PVCLOCK */
	uint64_t mode;                /* what the vDSO is told: the source, or PVC_VVAR_NONE */
	uint64_t sec, nsec;           /* REALTIME */
	uint64_t raw_sec, raw_nsec;   /* MONOTONIC_RAW */
	uint64_t mono_sec, mono_nsec; /* from REALTIME to MONOTONIC, ns not shifted */
	uint64_t boot_sec, boot_nsec; /* from MONOTONIC to BOOTTIME */
	uint64_t tai;
	uint64_t leap;                   /* 1: inserted when this second ends, -1: deleted */
	uint64_t space_mono, space_boot; /* ns: offsets of the time namespace */
};
#define SIMV_WORDS (sizeof(struct simv_time) / sizeof(uint64_t))

static struct {
	_Atomic uint64_t count; /* odd: the copy is being rewritten */
	_Atomic uint64_t word[SIMV_WORDS];
	const struct simv_layout *layout;
	unsigned char *rw, *ro; /* the two mappings */
	unsigned data;          /* the page that holds the parameters */
	/* Makes the published parameters say something else than the kernel does. */
	void (*lie)(uint64_t *hres, uint64_t *raw, unsigned scale);
	enum pvc_order order;
	uint64_t slow; /* ticks that a call of the kernel takes, before and after */
} simv;

/* Without the CPUID, which traps, so that calls are as near as they are in use. */
static inline uint64_t simv_tsc(void)
{
	return pvc_rdtsc_ordered(simv.order);
}

static inline void simv_pages(void)
{
	int fd;

	simv.order = pvc_order_of_this_cpu();
	if (simv.rw) {
		mprotect(simv.ro, SIMV_PAGES * PVCLOCK_PAGE_SIZE, PROT_READ);
		memset(simv.rw, 0, SIMV_PAGES * PVCLOCK_PAGE_SIZE);
		return;
	}
	fd = memfd_create("vvar", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIMV_PAGES * PVCLOCK_PAGE_SIZE), 0);
	simv.rw = mmap(NULL, SIMV_PAGES * PVCLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	               0);
	simv.ro = mmap(NULL, SIMV_PAGES * PVCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(simv.rw != MAP_FAILED && simv.ro != MAP_FAILED);
	close(fd);
}

/* ---- arithmetic of its own ----------------------------------------------------- */

/* Hypervisor ns by entry 0, as the guest kernel reads it. */
static inline uint64_t simv_hyper(uint64_t tsc)
{
	const struct pvclock_vcpu_time_info *i = &page.slot[0].info;
	uint32_t version;
	uint64_t ns;

	do {
		pvc_u128 delta;
		int shift;

		version = __atomic_load_n(&i->version, __ATOMIC_ACQUIRE);
		delta = tsc - __atomic_load_n(&i->tsc_timestamp, __ATOMIC_ACQUIRE);
		if ((int64_t)delta < 0)
			delta = 0;
		shift = __atomic_load_n(&i->tsc_shift, __ATOMIC_ACQUIRE);
		delta = shift < 0 ? delta >> -shift : delta << shift;
		ns = (uint64_t)(delta * __atomic_load_n(&i->tsc_to_system_mul, __ATOMIC_ACQUIRE) >>
		                32);
		ns += __atomic_load_n(&i->system_time, __ATOMIC_ACQUIRE);
	} while (version & 1 || version != __atomic_load_n(&i->version, __ATOMIC_ACQUIRE));
	return ns;
}

static inline uint64_t simv_cycles_at(const struct simv_time *t, uint64_t tsc)
{
	return t->source == PVC_VVAR_PVCLOCK ? simv_hyper(tsc) : tsc;
}

/* The base of a clock, without a namespace's offset. */
static inline void simv_base(const struct simv_time *t, int id, uint64_t *sec, uint64_t *nsec)
{
	uint64_t shift = id == CLOCK_MONOTONIC_RAW ? t->raw_shift : t->shift;

	*sec = t->sec;
	*nsec = t->nsec;
	if (id == CLOCK_MONOTONIC_RAW) {
		*sec = t->raw_sec;
		*nsec = t->raw_nsec;
	} else if (id == CLOCK_TAI) {
		*sec += t->tai;
	} else if (id != CLOCK_REALTIME) {
		*sec += t->mono_sec;
		*nsec += t->mono_nsec << shift;
	}
	if (id == CLOCK_BOOTTIME) {
		*sec += t->boot_sec;
		*nsec += t->boot_nsec << shift;
	}
	for (; *nsec >= SEC << shift; *nsec -= SEC << shift)
		++*sec;
}

/* What the clock says at some cycle. */
static inline uint64_t simv_at(const struct simv_time *t, int id, uint64_t cycles)
{
	bool raw = id == CLOCK_MONOTONIC_RAW;
	uint64_t delta = cycles - t->cycle_last, sec, nsec, ns;

	simv_base(t, id, &sec, &nsec);
	if (delta >> 63)
		delta = 0;
	ns = (uint64_t)(((pvc_u128)delta * (raw ? t->raw_mult : t->mult) + nsec) >>
	                (raw ? t->raw_shift : t->shift));
	ns += sec * SEC;
	if (id == CLOCK_MONOTONIC || raw)
		ns += t->space_mono;
	if (id == CLOCK_BOOTTIME)
		ns += t->space_boot;
	return ns;
}

/* A second is over: the leap second that was waiting for it is now. */
static inline void simv_second(struct simv_time *t)
{
	t->sec += 1 - t->leap;
	t->mono_sec += t->leap;
	t->tai += t->leap;
	t->leap = 0;
}

/* timekeeping_forward_now(): the base becomes the exact value at cycles. */
static inline void simv_forward(struct simv_time *t, uint64_t cycles)
{
	uint64_t delta = cycles - t->cycle_last;
	pvc_u128 ns = (pvc_u128)delta * t->mult + t->nsec;
	pvc_u128 raw = (pvc_u128)delta * t->raw_mult + t->raw_nsec;

	if (delta >> 63)
		return;
	for (; ns >= SEC << t->shift; ns -= SEC << t->shift)
		simv_second(t);
	for (; raw >= SEC << t->raw_shift; raw -= SEC << t->raw_shift)
		t->raw_sec++;
	t->nsec = (uint64_t)ns;
	t->raw_nsec = (uint64_t)raw;
	t->cycle_last = cycles;
}

/* ---- its pages ------------------------------------------------------------------- */

static inline unsigned simv_scale(void)
{
	return simv.layout->max_cycles ? 4 : 3;
}

static inline uint64_t *simv_clock_in(unsigned char *pages, unsigned number, bool raw)
{
	uint64_t *clock = (uint64_t *)(pages + number * PVCLOCK_PAGE_SIZE + simv.layout->at);

	return raw ? clock + simv_scale() + 1 + 24 + (simv.layout->data ? 2 : 0) : clock;
}

static inline uint64_t *simv_clock(bool raw)
{
	return simv_clock_in(simv.rw, simv.data, raw);
}

static inline uint32_t simv_seq(void)
{
	return __atomic_load_n((uint32_t *)simv_clock(false), __ATOMIC_RELAXED);
}

static inline void simv_set_seq(uint32_t seq)
{
	__atomic_store_n((uint32_t *)simv_clock(false), seq, __ATOMIC_SEQ_CST);
	__atomic_store_n((uint32_t *)simv_clock(true), seq, __ATOMIC_SEQ_CST);
}

static inline void simv_store(uint64_t *at, uint64_t value, unsigned *left)
{
	if (*left) {
		--*left;
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	}
}

static inline void simv_put_clock(const struct simv_time *t, bool raw, unsigned *left)
{
	uint64_t *clock = simv_clock(raw), *scale = clock + simv_scale(), sec, nsec;
	unsigned i;

	if (*left)
		__atomic_store_n((uint32_t *)clock + 1, (uint32_t)t->mode, __ATOMIC_RELEASE);
	simv_store(clock + 1, t->cycle_last, left);
	if (simv.layout->max_cycles)
		simv_store(clock + 2, 1ull << 41, left);
	simv_store(scale - 1, UINT64_MAX, left);
	simv_store(scale, raw ? t->raw_mult | t->raw_shift << 32 : t->mult | t->shift << 32, left);
	for (i = 0; i < SIMV_IDS; i++) {
		if ((simv_ids[i] == CLOCK_MONOTONIC_RAW) != raw)
			continue;
		simv_base(t, simv_ids[i], &sec, &nsec);
		simv_store(scale + 1 + 2 * simv_ids[i], sec, left);
		simv_store(scale + 2 + 2 * simv_ids[i], nsec, left);
	}
}

/* The first so many words only; the count is the caller's. */
static inline void simv_put(const struct simv_time *t, unsigned words)
{
	simv_put_clock(t, false, &words);
	simv_put_clock(t, true, &words);
	if (simv.lie)
		simv.lie(simv_clock(false), simv_clock(true), simv_scale());
}

/* The first page becomes a namespace's: its offsets, by the layout of the clocks. */
static inline void simv_put_space(const struct simv_time *t)
{
	unsigned raw, i;

	for (raw = 0; raw < 2; raw++) {
		uint64_t *clock = simv_clock_in(simv.rw, 0, raw), *base = clock + simv_scale() + 1;

		memset(clock, 0, (simv_scale() + 1 + 24) * sizeof(*clock));
		clock[0] = (uint64_t)SIMV_TIMENS << 32 | 1;
		for (i = 0; i < 2; i++) {
			int64_t ns = (int64_t)(i ? t->space_boot : t->space_mono);
			int64_t sec = ns / (int64_t)SEC - (ns % (int64_t)SEC < 0);
			unsigned id = i ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;

			base[2ul * id] = (uint64_t)sec;
			base[2ul * id + 1] = (uint64_t)(ns - sec * (int64_t)SEC);
		}
		base[2 * CLOCK_MONOTONIC_RAW] = base[2 * CLOCK_MONOTONIC];
		base[2 * CLOCK_MONOTONIC_RAW + 1] = base[2 * CLOCK_MONOTONIC + 1];
	}
}

#endif /* PVC_TEST_SIMVVAR_H */
