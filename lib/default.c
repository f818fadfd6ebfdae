// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls without a handle. Their block is static: nothing to look up, nothing
 * that can be unmapped, so no grace period to wait for. Before the constructor
 * has run it is all zeros, and forwards.
 */
#include "lib.h"

#include <errno.h>
#include <pthread.h>

#include "../vdso/entry.h"
#include "../vdso/gettime.h"

#define PVC_PUBLIC __attribute__((visibility("default")))

struct pvc_core pvc_default_core PVC_BLOCK_ALIGNED;
struct pvc_options pvc_default_options;
static struct pvc_vmclock vmclock;
static struct pvc_node_records records;

static void forked(void)
{
	pvc_clocks_forked(&pvc_default_core);
}

__attribute__((constructor)) static void attach_default(void)
{
	pvc_options_default(&pvc_default_options);
	pvc_options_environment(&pvc_default_options, NULL);
	pvc_vmclock_map(&vmclock, NULL, true);
	pvc_vmclock_watch(&pvc_default_core, &vmclock);
	pvc_node_records(&pvc_default_core, &records, false);
	pvc_attach(&pvc_default_core, &pvc_default_options);
	pthread_atfork(NULL, NULL, forked);
}

/* libc's convention, for the drop-ins */
static inline int libc_result(int err)
{
	if (pvc_likely(!err))
		return 0;
	errno = -err;
	return -1;
}

/* Apart, so that the fast path has nothing to save. */
static __attribute__((noinline)) PVC_BESIDE int gettime_slow(int id, struct timespec *ts)
{
	return libc_result(pvc_gettime_slow(&pvc_default_core, id, pvc_timespec(ts)));
}

PVC_PUBLIC PVC_BESIDE int pvclock_gettime(int id, struct timespec *ts)
{
	if (pvc_gettime_fast(&pvc_default_core, id, pvc_timespec(ts)))
		return 0;
	return gettime_slow(id, ts);
}

PVC_PUBLIC int pvclock_getres(int id, struct timespec *res)
{
	return libc_result(pvc_getres(&pvc_default_core, id, pvc_timespec(res)));
}

PVC_PUBLIC int pvclock_gettimeofday(struct timeval *tv, void *tz)
{
	return libc_result(pvc_gettimeofday(&pvc_default_core, tv, tz));
}

PVC_PUBLIC time_t pvclock_time(time_t *t)
{
	int64_t now = pvc_time(&pvc_default_core, t);

	/* Without a vDSO: the system call's, which refuses a bad pointer. */
	return now < 0 && now >= -4095 ? libc_result((int)now) : now;
}

PVC_PUBLIC int pvclock_gettime_unordered(int id, struct timespec *ts)
{
	return pvc_gettime_unordered(&pvc_default_core, id, pvc_timespec(ts));
}

PVC_PUBLIC int pvclock_gettime_interval(int id, struct pvclock_interval *interval)
{
	return pvc_interval_of(&pvc_default_core, id, interval);
}

PVC_PUBLIC int pvclock_now(uint64_t *ns)
{
	return pvc_now_of(&pvc_default_core, ns);
}

PVC_PUBLIC int pvclock_sample(struct pvclock_sample *sample)
{
	return pvc_sample_of(&pvc_default_core, sample);
}

PVC_PUBLIC int pvclock_status(struct pvclock_status *status)
{
	return pvc_status_of(&pvc_default_core, &pvc_default_options, status);
}

PVC_PUBLIC int pvclock_sample_valid(const struct pvclock_sample *sample)
{
	return pvc_sample_valid_of(&pvc_default_core, sample);
}

PVC_PUBLIC int pvclock_entry(uint32_t cpu, struct pvclock_entry *entry)
{
	return pvc_entry_status_of(&pvc_default_core, cpu, entry);
}

PVC_PUBLIC uint64_t pvclock_generation(void)
{
	return pvc_generation(&pvc_default_core);
}

PVC_PUBLIC const volatile uint64_t *pvclock_generation_word(void)
{
	return (const volatile uint64_t *)&pvc_default_core.events;
}

PVC_PUBLIC int pvclock_events(uint64_t *after, struct pvclock_event *events, unsigned count,
                              uint64_t *lost)
{
	return pvc_events_of(&pvc_default_core, after, events, count, lost);
}
