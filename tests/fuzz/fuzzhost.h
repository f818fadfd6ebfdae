/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host and a kernel that do what the input says: writes to entries, with the
 * version's protocol or against it, and a kernel whose REALTIME is set or which
 * refuses. A write can be kept for later: it is then done in the middle of a
 * call, where that asks the kernel or looks for its thread's last value.
 */
#ifndef PVC_TEST_FUZZHOST_H
#define PVC_TEST_FUZZHOST_H

#include "../unit/sim.h"
#include "../../lib/attach/attach.h"
#include "../../vdso/anchor.h"
#include "fuzz.h"

#define LATER 8

struct host_write {
	unsigned kind, which;
	uint64_t value;
	uint8_t bytes[sizeof(struct pvclock_vcpu_time_info)];
};

static struct sim_page page;
static struct pvc_core core;

static struct {
	struct sim_entry entry; /* what a sane host wrote last */
	struct pvc_maps maps;   /* this process's own */
	unsigned cpu[PVCLOCK_PAGE_SLOTS], cpus;
	struct host_write later[LATER];
	unsigned first, last;
	int64_t realtime_off;
	long kernel_error;
	unsigned how; /* it is attached */
	uint32_t resync_us;
} host;

/* ---- the page ----------------------------------------------------------------- */

static inline struct host_write host_decode(struct fuzz_input *in)
{
	struct host_write w = {0};
	unsigned head = (unsigned)fuzz_take(in, 1);

	w.kind = head & 15;
	w.which = head >> 4;
	if (w.kind == 0)
		fuzz_take_into(in, w.bytes, sizeof(w.bytes));
	else if (w.kind < 12)
		w.value = fuzz_take(in, w.kind & 1 ? 8 : 3);
	return w;
}

/* Of three bytes: small numbers are as likely as large ones. */
static inline int64_t host_signed(uint64_t value)
{
	int64_t small = (int64_t)((value & 0xffff) << 48) >> 48;

	return small * (1ll << (value >> 16 & 31));
}

/* Some fields, under the protocol. */
static inline void host_fields(struct pvclock_slot *slot, const struct host_write *w)
{
	struct sim_entry e = {slot->info.tsc_timestamp, slot->info.system_time,
	                      slot->info.tsc_to_system_mul, slot->info.tsc_shift, slot->info.flags};

	switch (w->kind) {
	case 1:
		e.tsc_timestamp = w->value;
		break;
	case 2:
		e.tsc_timestamp = sim_tsc() + (uint64_t)host_signed(w->value);
		break;
	case 3:
		e.system_time = w->value;
		break;
	case 4:
		e.system_time += (uint64_t)host_signed(w->value);
		break;
	case 5:
		e.mul = (uint32_t)w->value;
		e.shift = (int8_t)(w->value >> 32);
		break;
	case 6:
		e.mul += (uint32_t)host_signed(w->value);
		break;
	case 8:
		e.flags = (uint8_t)w->value;
		break;
	case 10:
		e.shift = (int8_t)w->value;
		break;
	}
	sim_begin(slot);
	sim_fields(slot, &e);
	sim_end(slot);
}

static inline void host_write_slot(unsigned cpu, const struct host_write *w)
{
	struct pvclock_slot *slot = &page.slot[cpu];
	struct sim_entry e;

	switch (w->kind) {
	case 0:
		memcpy(&slot->info, w->bytes, sizeof(slot->info));
		break;
	case 7:
	case 9:
		/* Time goes on, moved by some ns. */
		e = sim_moved(&host.entry, host_signed(w->value));
		e.flags = w->kind == 7 ? PVCLOCK_TSC_STABLE_BIT : (uint8_t)(w->value >> 24 & 3);
		sim_put(&page, cpu, &e);
		break;
	case 11:
		/* Against the protocol: one byte somewhere. */
		((uint8_t *)&slot->info)[w->value % sizeof(slot->info)] = (uint8_t)(w->value >> 8);
		break;
	case 12:
		sim_begin(slot);
		break;
	case 13:
		sim_end(slot);
		break;
	case 14:
		sim_put(&page, cpu, &host.entry);
		break;
	case 15:
		memset(slot, 0, sizeof(*slot));
		break;
	default:
		host_fields(slot, w);
		break;
	}
}

static inline void host_write(struct host_write w)
{
	unsigned i;

	if (w.which == 0)
		host_write_slot((unsigned)sched_getcpu() % PVCLOCK_PAGE_SLOTS, &w);
	for (i = 0; w.which == 1 && i < PVCLOCK_PAGE_SLOTS; i++)
		host_write_slot(i, &w);
	if (w.which > 1)
		host_write_slot(w.which - 2, &w);
}

static inline void host_write_later(struct host_write w)
{
	if (host.last - host.first < LATER)
		host.later[host.last++ % LATER] = w;
}

static inline void host_interrupts(void)
{
	if (host.first != host.last)
		host_write(host.later[host.first++ % LATER]);
}

/* ---- the kernel ---------------------------------------------------------------- */

static inline uint64_t host_kernel_ns(int id)
{
	return pvc_is_ours(id) ? sim_kernel_ns(id) : 0;
}

static inline long host_gettime(long id, struct pvc_timespec *ts)
{
	long err;

	host_interrupts();
	if (host.kernel_error)
		return host.kernel_error;
	err = sim_kernel(id, ts);
	if (!err && (id == PVC_CLOCK_REALTIME || id == PVC_CLOCK_TAI))
		ts->sec += host.realtime_off;
	host_interrupts();
	return err;
}

static inline _Atomic uint64_t *host_thread_last(void)
{
	host_interrupts();
	return pvc_thread_last();
}

/* REALTIME is set by minutes to years; or every call is refused, until it is not. */
static inline void host_kernel(struct fuzz_input *in, unsigned what)
{
	if (what & 1)
		host.kernel_error = what & 2 ? -22 : 0;
	else
		host.realtime_off = (int64_t)(int16_t)fuzz_take(in, 2) * 60;
}

static inline void host_spin(unsigned what)
{
	uint64_t end = sim_kernel_ns(CLOCK_MONOTONIC) + (256ull << what % 12);

	while (sim_kernel_ns(CLOCK_MONOTONIC) < end)
		;
}

static inline void host_move(unsigned what)
{
	sim_pin(host.cpu[what % host.cpus]);
}

/* ---- beginning and end --------------------------------------------------------- */

static inline void host_init(void)
{
	host.cpus = sim_cpus(host.cpu);
	host.entry = sim_real();
	if (!pvc_maps_read(&host.maps))
		abort();
}

/* As if this page were another machine's: its TSC is ours, by a ratio of 1 or not. */
static inline void host_foreign(const struct pvc_options *o)
{
	const struct pvc_foreign f = {
		.entry = page.slot,
		.count = PVCLOCK_PAGE_SLOTS,
		.stride = PVCLOCK_SLOT_SIZE,
		.tsc_ratio = host.how & 8 ? 3ull << 31 : 0,
		.tsc_ratio_bits = host.how & 8 ? 32 : 0,
	};

	pvc_attach_foreign(&core, o, &f);
}

static inline void host_machine(const struct pvc_options *o)
{
	struct pvc_maps maps = {.count = 1, .candidate = {(uintptr_t)&page}};

	/* The kernel's own parameters, or none: then clocks are made from samples. */
	if (host.how & 8) {
		maps.vvar = host.maps.vvar;
		maps.vvar_end = host.maps.vvar_end;
	}
	pvc_attach_maps(&core, o, &maps);
}

static inline void host_options(void)
{
	struct pvc_options o;

	pvc_options_default(&o);
	o.mode = (enum pvc_wish)(host.how & 3);
	o.scope = host.how & 4 ? PVC_SCOPE_THREAD : PVC_SCOPE_PROCESS;
	o.resync_us = host.resync_us;
	if (host.how >> 6 == 2)
		host_foreign(&o);
	else
		host_machine(&o);
	core.kernel.clock_gettime = host_gettime;
	if (core.thread_last)
		core.thread_last = host_thread_last;
}

/* Out of service, and another page into it, which is the same one: see lib/handle.c. */
static inline void host_replace(void)
{
	pvc_source_pause(&core);
	host_options();
}

/*
 * The first byte says how it is attached, and whether to a sane page or to one
 * that the input writes first. A page that was sane may have been proved before
 * the program begins: that takes a millisecond, so it is set here.
 */
static inline void host_attach(struct fuzz_input *in)
{
	unsigned writes;

	host.how = (unsigned)fuzz_take(in, 1);
	writes = host.how >> 4 & 3 ? 0 : (unsigned)fuzz_take(in, 1) % 8;
	host.first = host.last = 0;
	host.realtime_off = host.kernel_error = 0;
	host_move(0);
	memset((void *)&core, 0, sizeof(core));
	atomic_store(pvc_thread_last(), 0);
	sim_put_all(&page, &host.entry);
	while (writes--)
		host_write(host_decode(in));
	host.resync_us = PVC_RESYNC_MIN_US + (uint32_t)fuzz_take(in, 2);
	host_options();
	if (host.how >> 4 & 2 && !core.tsc_ratio)
		core.proved = 1;
	if (host.how >> 6 == 3 && core.may_percpu && core.mode == PVC_MODE_STABLE)
		pvc_source_start(&core, PVC_MODE_STABLE_NS, PVC_WHY_STABLE);
}

static inline void host_sane(void)
{
	host.first = host.last;
	host.realtime_off = host.kernel_error = 0;
	sim_put_all(&page, &host.entry);
}

#endif /* PVC_TEST_FUZZHOST_H */
