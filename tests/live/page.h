/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host in this process: it writes the entries of a page in memory or in a file, by the
 * version's protocol, and knows by itself what they say.
 */
#ifndef PVC_TESTS_PAGE_H
#define PVC_TESTS_PAGE_H

#include <pvclock/abi.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "live.h"

#define STABLE PVCLOCK_TSC_STABLE_BIT
#define STOPPED PVCLOCK_GUEST_STOPPED
#define MS 1000000ll

typedef unsigned __int128 u128;

/*
 * The host's stores meet the library's volatile loads under the version's protocol,
 * which TSan does not know.
 */
const char *__tsan_default_suppressions(void);
__attribute__((used)) const char *__tsan_default_suppressions(void)
{
	return "race:pvc_entry_version\nrace:pvc_entry_fields\nrace:pvc_entry_load\n"
	       "race:pvc_read_known\n";
}

struct entry {
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
};

struct page {
	unsigned char *base; /* entry 0 */
	uint32_t stride;
	uint32_t count;
};

static inline uint64_t tsc_now(void)
{
	uint64_t tsc;

	_mm_lfence();
	tsc = __rdtsc();
	_mm_lfence();
	return tsc;
}

/* 3.5 GHz, whatever the machine's is; up for two days at this TSC. */
static inline struct entry entry_at(uint64_t tsc)
{
	return (struct entry){
		.tsc_timestamp = tsc,
		.system_time = 172800ull * SEC,
		.mul = (uint32_t)((2000000000ull << 32) / 3500000000ull),
		.shift = -1,
		.flags = STABLE,
	};
}

/* As hypervisors define it, in 128 bits. */
static inline uint64_t ns_by(const struct entry *e, uint64_t tsc)
{
	u128 d = tsc - e->tsc_timestamp;

	if ((int64_t)(tsc - e->tsc_timestamp) < 0)
		return e->system_time;
	d = e->shift < 0 ? d >> -e->shift : d << e->shift;
	return e->system_time + (uint64_t)(d * e->mul >> 32);
}

static inline struct pvclock_vcpu_time_info *info_of(const struct page *p, uint32_t i)
{
	return (void *)(p->base + (size_t)i * p->stride);
}

static inline void put_begin(const struct page *p, uint32_t i)
{
	struct pvclock_vcpu_time_info *info = info_of(p, i);

	__atomic_store_n(&info->version, info->version | 1, __ATOMIC_RELEASE);
}

static inline void put_end(const struct page *p, uint32_t i)
{
	struct pvclock_vcpu_time_info *info = info_of(p, i);

	__atomic_store_n(&info->version, (info->version | 1) + 1, __ATOMIC_RELEASE);
}

static inline void put(const struct page *p, uint32_t i, const struct entry *e)
{
	struct pvclock_vcpu_time_info *info = info_of(p, i);

	put_begin(p, i);
	__atomic_store_n(&info->tsc_timestamp, e->tsc_timestamp, __ATOMIC_RELEASE);
	__atomic_store_n(&info->system_time, e->system_time, __ATOMIC_RELEASE);
	__atomic_store_n(&info->tsc_to_system_mul, e->mul, __ATOMIC_RELEASE);
	__atomic_store_n(&info->tsc_shift, e->shift, __ATOMIC_RELEASE);
	__atomic_store_n(&info->flags, e->flags, __ATOMIC_RELEASE);
	put_end(p, i);
}

static inline void put_all(const struct page *p, const struct entry *e)
{
	uint32_t i;

	for (i = 0; i < p->count; i++)
		put(p, i, e);
}

/* What a host writes now, of a time that goes on but for a step. */
static inline struct entry moved(const struct entry *e, int64_t step)
{
	struct entry n = *e;

	n.tsc_timestamp = tsc_now();
	n.system_time = ns_by(e, n.tsc_timestamp) + (uint64_t)step;
	return n;
}

static inline struct page new_page(uint32_t count, uint32_t stride)
{
	struct page p = {.stride = stride, .count = count};

	p.base = mmap(NULL, (size_t)count * stride, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p.base, MAP_FAILED);
	return p;
}

static inline void free_page(const struct page *p)
{
	munmap(p->base, (size_t)p->count * p->stride);
}

static inline struct pvclock_options memory_options(const struct page *p, uint32_t mode)
{
	return (struct pvclock_options){
		.size = sizeof(struct pvclock_options),
		.mode = mode,
		.source = PVCLOCK_SOURCE_MEMORY,
		.memory = p->base,
		.length = (uint64_t)p->count * p->stride,
		.stride = p->stride,
		.count = p->count,
	};
}

static inline int open_page(const struct page *p, uint32_t mode)
{
	struct pvclock_options o = memory_options(p, mode);
	int handle = pvclock_open(&o);

	assert_true(handle >= 0);
	return handle;
}

static inline struct pvclock_status status_of(int handle)
{
	struct pvclock_status s = {.size = sizeof(s)};

	assert_int_equal(pvclock_status_h(handle, &s), 0);
	return s;
}

static inline uint64_t now_of(int handle)
{
	uint64_t ns = 0;

	assert_int_equal(pvclock_now_h(handle, &ns), 0);
	return ns;
}

static inline uint64_t generation_of(int handle)
{
	uint64_t generation = 0;

	assert_int_equal(pvclock_generation_h(handle, &generation), 0);
	return generation;
}

static inline void spin_ns(int64_t ns)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + ns;

	while (kernel_ns(CLOCK_MONOTONIC) < end)
		;
}

#endif /* PVC_TESTS_PAGE_H */
