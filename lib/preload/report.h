/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the shim says: of bad values, what it found at start, and at exit what it
 * did. Of the calls that are counted for that, and only where somebody has asked.
 * libc only, no allocation, no lock, no file left open.
 */
#ifndef PVC_REPORT_H
#define PVC_REPORT_H

#include "count.h"

typedef int pvc_gettime_call(clockid_t id, struct timespec *ts);

/* One line, whatever the value holds. */
void pvc_report_complain(const char *name, const char *value, const char *expected);

/* Before attach. True: calls are to be counted. */
bool pvc_report_begin(const struct pvc_options *o);
/* After attach. gettime is the shim's own clock_gettime, whose cost is told. */
void pvc_report_start(struct pvc_core *b, const struct pvc_options *o, pvc_gettime_call *gettime);
/* In the child of a fork, at once: what it does is counted from here on. */
void pvc_report_forked(struct pvc_core *b);
void pvc_report_end(struct pvc_core *b);

#endif /* PVC_REPORT_H */
