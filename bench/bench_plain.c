// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the per-CPU reader of scope process is compared with: the same entries, and the
 * clamp as one writes it at first. Load what was told last, and if it is less, exchange
 * it, until that succeeds or somebody else has stored more.
 */
#include <stdatomic.h>

#include "bench.h"

#define CACHE_LINE 64
#define AUX_CPU 0xfffu /* TSC_AUX: CPU in the low 12 bits, node above */

typedef const volatile struct pvclock_slot entry;

static entry *page;

/* Alone on its cache line. */
static struct {
	_Atomic uint64_t ns __attribute__((aligned(CACHE_LINE)));
	char rest[CACHE_LINE - sizeof(uint64_t)];
} last;

/* The entry of the CPU that the thread was on the last time; true if it still is. */
static inline bool read_entry(unsigned *cpu, uint64_t *ns)
{
	entry *e = &page[*cpu];
	uint32_t aux, version = e->info.version;
	unsigned __int128 delta;
	int8_t shift;

	delta = __rdtscp(&aux) - e->info.tsc_timestamp;
	__asm__ volatile("" : : : "memory");
	shift = e->info.tsc_shift;
	delta = shift < 0 ? (uint64_t)delta >> -shift : delta << shift;
	*ns = e->info.system_time + (uint64_t)(delta * e->info.tsc_to_system_mul >> 32);
	if ((aux & AUX_CPU) != *cpu) {
		*cpu = aux & AUX_CPU;
		return false;
	}
	return !(version & 1) && e->info.version == version;
}

__attribute__((noinline)) uint64_t bench_plain_now(void)
{
	static __thread unsigned cpu;
	uint64_t ns, seen;

	while (!read_entry(&cpu, &ns))
		;
	seen = atomic_load_explicit(&last.ns, memory_order_relaxed);
	while (seen < ns)
		if (atomic_compare_exchange_weak(&last.ns, &seen, ns))
			return ns;
	return seen;
}

void bench_plain_begin(int handle)
{
	struct pvclock_status status = {.size = sizeof(status)};

	if (handle >= 0 && !pvclock_status_h(handle, &status))
		page = (entry *)(uintptr_t)status.page; /* NOLINT(performance-no-int-to-ptr) */
}
