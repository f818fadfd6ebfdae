/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted where somebody has asked for it: calls, and what the core counts. */
#ifndef PVC_COUNT_H
#define PVC_COUNT_H

#include <time.h>

#include "../attach/attach.h"

/* Clocks up to TAI have their ids; what else is counted follows. */
enum pvc_call {
	PVC_CALL_OTHER = PVC_CLOCK_TAI + 1, /* of clock_gettime, any other id */
	PVC_CALL_GETTIMEOFDAY,
	PVC_CALL_TIME,
	PVC_CALL_GETRES,
	PVC_CALL_SETTING,
	PVC_CALLS,
};

#define PVC_COUNTERS (sizeof(struct pvc_counters) / sizeof(uint64_t))
#define PVC_COUNTER(name) (offsetof(struct pvc_counters, name) / sizeof(uint64_t))

/* One call, if b->counted: of clock_gettime, and of something else. From any thread or signal. */
void pvc_report_count(clockid_t id);
void pvc_report_call(enum pvc_call call);

/* From here on, in one thread. Until then all are since the block was made. */
void pvc_count_begin(struct pvc_core *b);

uint64_t pvc_calls_of(enum pvc_call call);
const char *pvc_call_name(enum pvc_call call);
/* Those of struct pvc_counters, in its order. */
uint64_t pvc_counter_of(struct pvc_core *b, unsigned number);
const char *pvc_counter_name(unsigned number);
uint64_t pvc_events_of(struct pvc_core *b);

#endif /* PVC_COUNT_H */
