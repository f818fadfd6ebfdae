/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that read a machine's time while the test's thread drives the machine, and
 * one order for all of them: nobody is told less than what anybody was told before.
 */
#ifndef LAB_KVM_READERS_H
#define LAB_KVM_READERS_H

#include "handle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LAB_THREADS 8

struct lab_readers {
	int handle;
	unsigned entries, threads;
	pthread_t thread[LAB_THREADS];
	/* The most that anybody was told, alone on its cache line. */
	_Atomic uint64_t told __attribute__((aligned(64)));
	_Atomic bool stop __attribute__((aligned(64)));
	_Atomic uint64_t reads, busy, refused, back, back_by;
	_Atomic int error; /* the last of those refused */
};

static inline void lab_raise(_Atomic uint64_t *most, uint64_t value)
{
	uint64_t seen = atomic_load_explicit(most, memory_order_relaxed);

	while (seen < value &&
	       !atomic_compare_exchange_weak_explicit(most, &seen, value, memory_order_release,
	                                              memory_order_relaxed))
		;
}

/* By each entry in turn, and by the one that the library picks. */
static inline void lab_read(struct lab_readers *r, unsigned turn)
{
	/* Acquire: pairs with lab_raise, so the other's reading was before ours. */
	uint64_t seen = atomic_load_explicit(&r->told, memory_order_acquire), ns = 0;
	unsigned entry = turn % (r->entries + 1);
	int err = entry < r->entries ? pvclock_now_entry_h(r->handle, entry, &ns)
	                             : pvclock_now_h(r->handle, &ns);

	/* KVM may be kept from running in the middle of an update. */
	if (err == -EAGAIN) {
		atomic_fetch_add(&r->busy, 1);
		return;
	}
	if (err) {
		atomic_fetch_add(&r->refused, 1);
		atomic_store(&r->error, err);
		return;
	}
	if (ns < seen) {
		atomic_fetch_add(&r->back, 1);
		lab_raise(&r->back_by, seen - ns);
	}
	lab_raise(&r->told, ns);
}

#define LAB_BATCH 1024

static inline void *lab_reader(void *arg)
{
	struct lab_readers *r = arg;
	unsigned turn = 0, i;

	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		for (i = 0; i < LAB_BATCH; i++)
			lab_read(r, turn++);
		atomic_fetch_add_explicit(&r->reads, LAB_BATCH, memory_order_relaxed);
	}
	return NULL;
}

static inline void lab_start_readers(struct lab_readers *r, int handle, unsigned entries,
                                     unsigned threads)
{
	memset(r, 0, sizeof(*r));
	r->handle = handle;
	r->entries = entries;
	for (; r->threads < threads; r->threads++)
		assert_int_equal(pthread_create(&r->thread[r->threads], NULL, lab_reader, r), 0);
}

/* So many readings more: what the test has just done is read, and read again. */
static inline void lab_await_reads(struct lab_readers *r, uint64_t more)
{
	uint64_t until = atomic_load(&r->reads) + more;

	while (atomic_load(&r->reads) < until)
		usleep(20);
}

static inline void lab_stop_readers(struct lab_readers *r, const char *what)
{
	unsigned i;

	atomic_store(&r->stop, true);
	for (i = 0; i < r->threads; i++)
		assert_int_equal(pthread_join(r->thread[i], NULL), 0);
	printf("%s: %llu readings in %u threads, %llu backwards (most %llu ns), %llu busy\n", what,
	       (unsigned long long)r->reads, r->threads, (unsigned long long)r->back,
	       (unsigned long long)r->back_by, (unsigned long long)r->busy);
	if (r->refused)
		fail_msg("readings were refused: %s", strerror(-r->error));
	assert_int_equal(r->back, 0);
}

/* As many as there are CPUs, two at least: order among threads is what it is about. */
static inline unsigned lab_threads(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 2 ? 2 : cpus > LAB_THREADS ? LAB_THREADS : (unsigned)cpus;
}

#endif /* LAB_KVM_READERS_H */
