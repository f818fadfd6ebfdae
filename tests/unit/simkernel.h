/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the simulated kernel does: how it starts, ticks, is slewed and set, and
 * what it answers.
 */
#ifndef PVC_TEST_SIMKERNEL_H
#define PVC_TEST_SIMKERNEL_H

#include "simvvar.h"

/* ---- updates ----------------------------------------------------------------------- */

/* The kernel's own copy; only who updates may use this. */
static inline struct simv_time simv_mine(void)
{
	struct simv_time t = {0};
	unsigned i;

	for (i = 0; i < SIMV_WORDS; i++)
		((uint64_t *)&t)[i] = atomic_load_explicit(&simv.word[i], memory_order_relaxed);
	return t;
}

static inline void simv_keep(const struct simv_time *t)
{
	unsigned i;

	for (i = 0; i < SIMV_WORDS; i++)
		atomic_store_explicit(&simv.word[i], ((const uint64_t *)t)[i],
		                      memory_order_release);
}

/*
 * Nobody reads a TSC above the returned cycles and takes the old parameters: the
 * counts are odd for all to see before it is read. Without that a kernel whose rate
 * drops would go back by a part of a ns, and nothing could be told from ours.
 */
static inline uint64_t simv_begin(struct simv_time *t)
{
	atomic_fetch_add(&simv.count, 1);
	simv_set_seq(simv_seq() + 1);
	atomic_thread_fence(memory_order_seq_cst);
	*t = simv_mine();
	return simv_cycles_at(t, simv_tsc());
}

static inline void simv_end(const struct simv_time *t)
{
	simv_put(t, SIMV_ALL_WORDS);
	simv_set_seq(simv_seq() + 1);
	simv_keep(t);
	atomic_fetch_add(&simv.count, 1);
}

enum simv_kind {
	SIMV_TICK,      /* cycle_last moves to now */
	SIMV_LATE,      /* by whole intervals of arg cycles: it stays a bit before */
	SIMV_MULT,      /* NTP or a tick: arg is the new mult */
	SIMV_LATE_MULT, /* both: the line has a kink now, but its base is before */
	SIMV_INJECT,    /* REALTIME by arg ns, the fraction is kept (adjtimex) */
	SIMV_SET,       /* the same, the fraction is lost (clock_settime) */
	SIMV_SLEEP,     /* the machine slept for arg cycles, which the TSC counted */
	SIMV_LEAP,      /* arg 1: insert, -1: delete, when this second is over */
	SIMV_MODE,      /* what the vDSO is told */
};

/* As timekeeping_apply_adjustment(): no change at now, where the offset ends. */
static inline void simv_adjust(struct simv_time *t, uint64_t offset, uint64_t mult)
{
	pvc_u128 before = (pvc_u128)offset * t->mult + t->nsec, after = (pvc_u128)offset * mult;

	for (; before < after; before += SEC << t->shift) {
		t->sec--;
	}
	t->nsec = (uint64_t)(before - after);
	t->mult = mult;
	for (; t->nsec >= SEC << t->shift; t->nsec -= SEC << t->shift)
		t->sec++;
}

static inline void simv_inject(struct simv_time *t, int64_t ns)
{
	int64_t sec = ns / (int64_t)SEC - (ns % (int64_t)SEC < 0);
	uint64_t part = (uint64_t)(ns - sec * (int64_t)SEC);

	t->sec += (uint64_t)sec;
	t->nsec += part << t->shift;
	t->mono_sec -= (uint64_t)sec;
	if (t->mono_nsec < part) {
		t->mono_nsec += SEC;
		t->mono_sec--;
	}
	t->mono_nsec -= part;
	for (; t->nsec >= SEC << t->shift; t->nsec -= SEC << t->shift)
		t->sec++;
}

/* timekeeping_resume(): MONOTONIC and RAW go on from where they were; the others do not. */
static inline void simv_sleep(struct simv_time *t, uint64_t cycles, uint64_t slept)
{
	uint64_t ns = (uint64_t)((pvc_u128)slept * t->mult >> t->shift);

	simv_forward(t, cycles - slept);
	t->cycle_last = cycles;
	simv_inject(t, (int64_t)ns);
	t->boot_nsec += ns;
	for (; t->boot_nsec >= SEC; t->boot_nsec -= SEC)
		t->boot_sec++;
}

static inline void simv_apply(struct simv_time *t, uint64_t cycles, enum simv_kind kind,
                              int64_t arg)
{
	uint64_t late = cycles - t->cycle_last, interval = 1 << 21;

	if (kind == SIMV_LATE || kind == SIMV_LATE_MULT) {
		if (!(late >> 63))
			simv_forward(t, cycles - late % interval);
		simv_adjust(t, late >> 63 ? 0 : late % interval,
		            kind == SIMV_LATE ? t->mult : (uint64_t)arg);
		return;
	}
	if (kind == SIMV_SLEEP) {
		simv_sleep(t, cycles, (uint64_t)arg);
		return;
	}
	simv_forward(t, cycles);
	if (kind == SIMV_MULT)
		t->mult = (uint64_t)arg;
	else if (kind == SIMV_INJECT || kind == SIMV_SET)
		simv_inject(t, arg);
	else if (kind == SIMV_LEAP)
		t->leap = (uint64_t)arg;
	else if (kind == SIMV_MODE)
		t->mode = (uint64_t)arg;
	if (kind == SIMV_SET)
		t->nsec = t->nsec >> t->shift << t->shift;
}

static inline void simv_update(enum simv_kind kind, int64_t arg)
{
	struct simv_time t;
	uint64_t cycles = simv_begin(&t);

	simv_apply(&t, cycles, kind, arg);
	simv_end(&t);
}

/*
 * What a fork into a time namespace does to the child: the first page is another, with
 * the namespace's offsets, and the parameters are further on.
 */
static inline void simv_enter(int64_t mono, int64_t boot)
{
	struct simv_time t;

	simv_begin(&t);
	t.space_mono = (uint64_t)mono;
	t.space_boot = (uint64_t)boot;
	simv_put_space(&t);
	simv.data = 3;
	simv_put(&t, SIMV_ALL_WORDS);
	simv_set_seq(5000);
	simv_keep(&t);
	atomic_fetch_add(&simv.count, 1);
}

/* ---- its answers --------------------------------------------------------------------- */

/* Parameters and cycles of one instant, by seq as in the vDSO. */
static inline uint64_t simv_instant(struct simv_time *t)
{
	for (;;) {
		uint64_t count = atomic_load_explicit(&simv.count, memory_order_acquire), cycles,
			 tsc;

		tsc = simv_tsc();
		/* What follows is not read before the TSC is. */
		__asm__ volatile("lfence" : : : "memory");
		*t = simv_mine();
		cycles = simv_cycles_at(t, tsc);
		atomic_thread_fence(memory_order_acquire);
		if (!(count & 1) &&
		    atomic_load_explicit(&simv.count, memory_order_relaxed) == count)
			return cycles;
		sched_yield();
	}
}

static inline uint64_t simv_now(int id)
{
	struct simv_time t;
	uint64_t cycles = simv_instant(&t);

	return simv_at(&t, id, cycles);
}

static inline void simv_spin(uint64_t ticks)
{
	uint64_t start = simv_tsc();

	while (ticks && simv_tsc() - start < ticks)
		;
}

static inline long simv_clock_gettime(long id, struct pvc_timespec *ts)
{
	uint64_t ns;

	if (!pvc_is_ours((int)id))
		return sim_kernel(id, ts);
	simv_spin(simv.slow);
	ns = simv_now((int)id);
	simv_spin(simv.slow);
	ts->sec = (int64_t)(ns / SEC);
	ts->nsec = (int64_t)(ns % SEC);
	return 0;
}

/* ---- its start ------------------------------------------------------------------------- */

/* mult for a rate of ns per cycle in 0.64, or for 1 */
static inline uint64_t simv_mult(enum pvc_vvar_mode source, unsigned shift)
{
	struct sim_entry e = sim_real();
	pvc_u128 rate = (pvc_u128)e.mul << 32;

	if (source == PVC_VVAR_PVCLOCK)
		return 1ull << shift;
	rate = e.shift < 0 ? rate >> -e.shift : rate << e.shift;
	return (uint64_t)(rate >> (64 - shift));
}

/* A machine that has been up for a while, 30 ppm fast. page must have been written. */
static inline void simv_boot(unsigned layout, enum pvc_vvar_mode source)
{
	struct simv_time t = {
		.shift = 24,
		.raw_shift = 24,
		.source = source,
		.mode = source,
		.sec = 1700000000,
		.raw_sec = 172000,
		.tai = 37,
		.mono_sec = (uint64_t)-1699800000,
		.mono_nsec = 600000000,
		.boot_sec = 12345,
		.boot_nsec = 700000000,
	};

	simv_pages();
	simv.layout = &simv_layouts[layout];
	simv.data = 0;
	simv.lie = NULL;
	simv.slow = 0;
	t.raw_mult = simv_mult(source, 24);
	t.mult = t.raw_mult + t.raw_mult * 30 / 1000000;
	t.nsec = 123456789ull << 24 | 0xabcdef;
	t.raw_nsec = 987654321ull << 24 | 0x123456;
	t.cycle_last = simv_cycles_at(&t, simv_tsc());
	simv_keep(&t);
	atomic_store(&simv.count, 0);
	simv_put(&t, SIMV_ALL_WORDS);
	simv_set_seq(1000);
}

#endif /* PVC_TEST_SIMKERNEL_H */
