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
#include <sys/syscall.h>
#include <unistd.h>

#include "../vdso/gettime.h"
#include "lib.h"

#define PVC_PUBLIC __attribute__((visibility("default")))
#define HANDLES 64

struct handle {
	struct pvc_core core;
	struct pvc_options options;
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
#define reader_done(h) __tsan_release(h)
#define after_readers(h) __tsan_acquire(h)
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
 * liburcu registers for membarrier when it is loaded, which is before us. Its
 * list of readers would have the parent's threads in a forked child, and a close
 * there wait for them for ever, if it were not told of forks.
 */
__attribute__((constructor)) static void prepare(void)
{
	pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent, urcu_bp_after_fork_child);
	has_membarrier = expedited() == 0;
}

static bool valid_options(const struct pvclock_options *o)
{
	if (o->size < sizeof(*o) || o->mode > PVCLOCK_MODE_AUTO || o->scope > PVCLOCK_SCOPE_THREAD)
		return false;
	if (o->reserved[0] || o->reserved[1] || o->reserved[2] || o->reserved[3])
		return false;
	return !o->resync_us ||
	       (o->resync_us >= PVC_RESYNC_MIN_US && o->resync_us <= PVC_RESYNC_MAX_US);
}

static void take_options(struct pvc_options *to, const struct pvclock_options *o)
{
	*to = pvc_default_options;
	if (!o)
		return;
	to->mode = (enum pvc_wish)o->mode;
	to->scope = (enum pvc_scope)o->scope;
	to->resync_us = o->resync_us ? o->resync_us : PVC_RESYNC_DEFAULT_US;
}

PVC_PUBLIC int pvclock_open(const struct pvclock_options *options)
{
	struct handle *h;
	int i;

	if (options && !valid_options(options))
		return -EINVAL;
	h = pvc_node_alloc(sizeof(*h));
	if (!h)
		return -ENOMEM;
	take_options(&h->options, options);
	pvc_attach(&h->core, &h->options);
	for (i = 0; i < HANDLES; i++) {
		struct handle *none = NULL;

		/* Release: pairs with find, which sees the block with the pointer. */
		if (atomic_compare_exchange_strong(&table[i], &none, h))
			return i;
	}
	pvc_node_free(h, sizeof(*h));
	return -EMFILE;
}

PVC_PUBLIC int pvclock_close(int handle)
{
	struct handle *h;

	if (handle < 0 || handle >= HANDLES || !atomic_load(&table[handle]))
		return -EBADF;
	/* liburcu aborts when the barrier it has counted on is refused. */
	if (has_membarrier && expedited() != 0)
		return -EPERM;
	h = atomic_exchange(&table[handle], NULL);
	if (!h)
		return -EBADF;
	synchronize_rcu();
	after_readers(h);
	pvc_node_free(h, sizeof(*h));
	return 0;
}

/* Inside rcu_read_lock. */
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
		rcu_read_lock();                                                                   \
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
