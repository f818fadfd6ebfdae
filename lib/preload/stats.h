/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of PVCLOCK_STATS. */
#ifndef PVC_STATS_H
#define PVC_STATS_H

#include "count.h"

/* At start. False, and a line on stderr: it cannot be opened. */
bool pvc_stats_check(const char *name);
/* At exit; told: there is a stderr to complain to. */
void pvc_stats_write(struct pvc_core *b, bool told);

#endif /* PVC_STATS_H */
