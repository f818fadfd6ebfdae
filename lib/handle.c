// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Handles, and the one file that knows liburcu. A handle is an index into a
 * table of RCU-protected pointers: a reader that came before the close finishes
 * on memory that is still there, one that came after finds nothing. The "bp"
 * flavour, because a library cannot ask its users to register their threads.
 */
#define _LGPL_SOURCE /* inlines liburcu's readers: we are of its licence */
#include <urcu-bp.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../vdso/entry.h"
#include "../vdso/gettime.h"
#include "lib.h"

#define PVC_PUBLIC __attribute__((visibility("default")))
#define HANDLES 64

struct handle {
	struct pvc_core core;
	struct pvc_options options;
	struct pvc_place place;
	struct pvc_node_records records;
	/* By whom it is being replaced or closed: one at a time, and nobody waits. */
	atomic_bool changing;
	/* What TSan knows the end of readers by; a store would undo what it knows. */
	char readers;
};

static _Atomic(struct handle *) table[HANDLES];
static bool has_membarrier;

/* A grace period puts readers before it: TSan takes our word for that. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define reader_done(h) ((h) ? __tsan_release(&(h)->readers) : (void)0)
#define after_readers(h) __tsan_acquire(&(h)->readers)
#else
#define reader_done(h) ((void)0)
#define after_readers(h) ((void)0)
#endif

static long expedited(void)
{
	int saved = errno;
	long ret = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);

	errno = saved;
	return ret;
}

/*
 * Nobody forks while a handle is between two sources: the child would have it so for ever.
 * Signals are blocked first, for a handler may fork.
 */
static pthread_mutex_t between_sources = PTHREAD_MUTEX_INITIALIZER;
static sigset_t mask_of_fork;

static void begin_alone(sigset_t *mask)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, mask);
	pthread_mutex_lock(&between_sources);
}

static void end_alone(const sigset_t *mask)
{
	pthread_mutex_unlock(&between_sources);
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

/* Before liburcu's locks, which who replaces takes in this order too. */
static void before_fork(void)
{
	sigset_t mask;

	begin_alone(&mask);
	mask_of_fork = mask;
	urcu_bp_before_fork();
}

static void after_fork(void)
{
	sigset_t mask = mask_of_fork;

	urcu_bp_after_fork_parent();
	end_alone(&mask);
}

static void forked(void)
{
	sigset_t mask = mask_of_fork;
	struct handle *h;
	int i;

	urcu_bp_after_fork_child();
	for (i = 0; i < HANDLES; i++) {
		h = atomic_load(&table[i]);
		if (!h)
			continue;
		/* Whoever was at it is in the parent. */
		atomic_store(&h->changing, false);
		pvc_clocks_forked(&h->core);
	}
	end_alone(&mask);
}

/*
 * liburcu registers for membarrier when it is loaded, which is before us. Its
 * list of readers would have the parent's threads in a forked child, and a close
 * there wait for them for ever, if it were not told of forks.
 */
__attribute__((constructor)) static void prepare(void)
{
	pthread_atfork(before_fork, after_fork, forked);
	has_membarrier = expedited() == 0;
}

static void take_options(struct pvc_options *to, const struct pvclock_options *o)
{
	struct pvc_options took = pvc_default_options;

	if (o) {
		took.mode = (enum pvc_wish)o->mode;
		took.scope = (enum pvc_scope)o->scope;
		took.resync_us = o->resync_us ? o->resync_us : PVC_RESYNC_DEFAULT_US;
	}
	to->mode = took.mode;
	to->verbose = took.verbose;
	/* pvclock_status_h may be reading these. */
	__atomic_store_n(&to->scope, took.scope, __ATOMIC_RELAXED);
	__atomic_store_n(&to->resync_us, took.resync_us, __ATOMIC_RELAXED);
}

static void attach(struct handle *h)
{
	/* First: once attached it has readers. */
	pvc_node_records(&h->core, &h->records, h->place.foreign);
	pvc_place_attach(&h->core, &h->options, &h->place);
	/* Not of a foreign page, nor after one, whatever was asked for. */
	if (!h->core.thread_last)
		__atomic_store_n(&h->options.scope, PVC_SCOPE_PROCESS, __ATOMIC_RELAXED);
}

static void leave(struct handle *h)
{
	pvc_place_leave(&h->place);
	pvc_node_records_free(&h->records);
}

PVC_PUBLIC int pvclock_open(const struct pvclock_options *options)
{
	struct handle *h;
	int i, err;

	if (options && !pvc_source_valid(options))
		return -EINVAL;
	h = pvc_node_alloc(sizeof(*h));
	if (!h)
		return -ENOMEM;
	take_options(&h->options, options);
	err = pvc_place_find(&h->place, options);
	if (err) {
		pvc_node_free(h, sizeof(*h));
		return err;
	}
	attach(h);
	for (i = 0; i < HANDLES; i++) {
		struct handle *none = NULL;

		/* Release: pairs with find, which sees the block with the pointer. */
		if (atomic_compare_exchange_strong(&table[i], &none, h))
			return i;
	}
	leave(h);
	pvc_node_free(h, sizeof(*h));
	return -EMFILE;
}

static inline bool is_known(void)
{
	return URCU_TLS(urcu_bp_reader) != NULL;
}

/* liburcu makes the thread known, for which it may ask for memory, and be refused. */
static __attribute__((noinline)) void enter_first(void)
{
	int saved = errno;

	rcu_read_lock();
	errno = saved;
}

static inline void enter(void)
{
	if (pvc_likely(is_known()))
		rcu_read_lock();
	else
		enter_first();
}

/* For this thread to replace or close, until done_changing; 0 or a negative errno. */
static int begin_changing(int handle, struct handle **h)
{
	int err = 0;

	if (handle < 0 || handle >= HANDLES)
		return -EBADF;
	/* liburcu aborts when the barrier it has counted on is refused. */
	if (has_membarrier && expedited() != 0)
		return -EPERM;
	enter();
	*h = atomic_load(&table[handle]);
	if (!*h)
		err = -EBADF;
	else if (atomic_exchange(&(*h)->changing, true))
		err = -EBUSY;
	rcu_read_unlock();
	return err;
}

/*
 * The block stays, so that what it told is known to what it will tell. Its page is put
 * out of service, those who were reading it come to an end, and then it has another.
 */
PVC_PUBLIC int pvclock_replace(int handle, const struct pvclock_options *options)
{
	struct pvc_event replaced = {.kind = PVC_EVENT_REPLACED};
	struct pvc_place place, old;
	struct pvc_node_records records;
	struct handle *h;
	sigset_t mask;
	int err;

	if (options && !pvc_source_valid(options))
		return -EINVAL;
	err = begin_changing(handle, &h);
	if (err)
		return err;
	err = pvc_place_find(&place, options);
	if (err) {
		atomic_store(&h->changing, false);
		return err;
	}
	begin_alone(&mask);
	pvc_source_pause(&h->core);
	synchronize_rcu();
	after_readers(h);
	old = h->place;
	records = h->records;
	h->place = place;
	take_options(&h->options, options);
	if (pvc_tsc_allowed())
		replaced.tsc = pvc_rdtsc_ordered(pvc_order_of_this_cpu());
	pvc_event_add(&h->core, &replaced);
	attach(h);
	end_alone(&mask);
	pvc_place_leave(&old);
	pvc_node_records_free(&records);
	atomic_store(&h->changing, false);
	return 0;
}

PVC_PUBLIC int pvclock_close(int handle)
{
	struct handle *h;
	int err = begin_changing(handle, &h);

	if (err)
		return err;
	atomic_store(&table[handle], NULL);
	synchronize_rcu();
	after_readers(h);
	leave(h);
	pvc_node_free(h, sizeof(*h));
	return 0;
}

/* Inside enter and rcu_read_unlock. */
static inline struct handle *find(int handle)
{
	if (pvc_unlikely((unsigned)handle >= HANDLES))
		return NULL;
	return atomic_load_explicit(&table[handle], memory_order_acquire);
}

#define WITH_HANDLE(handle, call)                                                                  \
	do {                                                                                       \
		struct handle *h;                                                                  \
		int ret;                                                                           \
                                                                                                   \
		enter();                                                                           \
		h = find(handle);                                                                  \
		ret = pvc_likely(h != NULL) ? (call) : -EBADF;                                     \
		reader_done(h);                                                                    \
		rcu_read_unlock();                                                                 \
		return ret;                                                                        \
	} while (0)

PVC_PUBLIC int pvclock_gettime_h(int handle, int id, struct timespec *ts)
{
	WITH_HANDLE(handle, pvc_gettime(&h->core, id, pvc_timespec(ts)));
}

PVC_PUBLIC int pvclock_gettime_unordered_h(int handle, int id, struct timespec *ts)
{
	WITH_HANDLE(handle, pvc_gettime_unordered(&h->core, id, pvc_timespec(ts)));
}

PVC_PUBLIC int pvclock_gettime_interval_h(int handle, int id, struct pvclock_interval *interval)
{
	WITH_HANDLE(handle, pvc_interval_of(&h->core, id, interval));
}

PVC_PUBLIC int pvclock_now_h(int handle, uint64_t *ns)
{
	WITH_HANDLE(handle, pvc_now_of(&h->core, ns));
}

PVC_PUBLIC int pvclock_sample_h(int handle, struct pvclock_sample *sample)
{
	WITH_HANDLE(handle, pvc_sample_of(&h->core, sample));
}

PVC_PUBLIC int pvclock_status_h(int handle, struct pvclock_status *status)
{
	WITH_HANDLE(handle, pvc_status_of(&h->core, &h->options, status));
}

PVC_PUBLIC int pvclock_now_entry_h(int handle, uint32_t entry, uint64_t *ns)
{
	WITH_HANDLE(handle, pvc_now_entry_of(&h->core, entry, ns));
}

PVC_PUBLIC int pvclock_sample_valid_h(int handle, const struct pvclock_sample *sample)
{
	WITH_HANDLE(handle, pvc_sample_valid_of(&h->core, sample));
}

PVC_PUBLIC int pvclock_entry_h(int handle, uint32_t cpu, struct pvclock_entry *entry)
{
	WITH_HANDLE(handle, pvc_entry_status_of(&h->core, cpu, entry));
}

PVC_PUBLIC int pvclock_events_h(int handle, uint64_t *after, struct pvclock_event *events,
                                unsigned count, uint64_t *lost)
{
	WITH_HANDLE(handle, pvc_events_of(&h->core, after, events, count, lost));
}

static int generation_of(struct pvc_core *b, uint64_t *generation)
{
	if (!generation)
		return -EFAULT;
	*generation = pvc_generation(b);
	return 0;
}

PVC_PUBLIC int pvclock_generation_h(int handle, uint64_t *generation)
{
	WITH_HANDLE(handle, generation_of(&h->core, generation));
}
