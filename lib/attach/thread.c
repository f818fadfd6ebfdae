// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Initial-exec, because a general TLS access may allocate on a thread's first
 * use, and ours may be in a signal handler or inside malloc itself.
 */
#include "attach.h"

static __thread _Atomic uint64_t last __attribute__((tls_model("initial-exec")));

_Atomic uint64_t *pvc_thread_last(void)
{
	return &last;
}
