// SPDX-License-Identifier: LGPL-2.1-or-later
/* The PVCLOCK_* environment. */
#include "attach.h"

#include <stdlib.h>
#include <string.h>

void pvc_options_default(struct pvc_options *o)
{
	o->mode = PVC_WISH_AUTO;
	o->scope = PVC_SCOPE_PROCESS;
	o->resync_us = PVC_RESYNC_DEFAULT_US;
	o->verbose = 0;
	o->stats = NULL;
	o->syscall = 0;
}

/* secure_getenv: a setuid program's caller has no say in its time. */
static const char *variable(const char *name)
{
	return secure_getenv(name);
}

/* The index of the word that the variable holds, or otherwise. */
static unsigned word(const char *name, const char *const words[], const char *expected,
                     unsigned otherwise, pvc_complain *complain)
{
	const char *value = variable(name);
	unsigned i;

	if (!value)
		return otherwise;
	for (i = 0; words[i]; i++)
		if (!strcmp(value, words[i]))
			return i;
	if (complain)
		complain(name, value, expected);
	return otherwise;
}

static uint32_t number(const char *name, uint32_t low, uint32_t high, const char *expected,
                       uint32_t otherwise, pvc_complain *complain)
{
	const char *value = variable(name), *p;
	uint64_t n = 0;

	if (!value)
		return otherwise;
	for (p = value; *p >= '0' && *p <= '9' && n <= high; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p != value && !*p && n >= low && n <= high)
		return (uint32_t)n;
	if (complain)
		complain(name, value, expected);
	return otherwise;
}

static const char *name_of_file(const char *name, const char *otherwise, pvc_complain *complain)
{
	const char *value = variable(name);

	if (!value || *value)
		return value ? value : otherwise;
	if (complain)
		complain(name, value, "the name of a file");
	return otherwise;
}

void pvc_options_environment(struct pvc_options *o, pvc_complain *complain)
{
	static const char *const modes[] = {"kernel", "stable", "percpu", "auto", NULL};
	static const char *const scopes[] = {"process", "thread", NULL};

	o->mode = (enum pvc_wish)word("PVCLOCK_MODE", modes, "auto, stable, percpu or kernel",
	                              o->mode, complain);
	o->scope = (enum pvc_scope)word("PVCLOCK_SCOPE", scopes, "thread or process", o->scope,
	                                complain);
	o->resync_us = number("PVCLOCK_RESYNC_US", PVC_RESYNC_MIN_US, PVC_RESYNC_MAX_US,
	                      "100 to 100000", o->resync_us, complain);
	o->verbose = number("PVCLOCK_VERBOSE", 0, 2, "0, 1 or 2", o->verbose, complain);
	o->stats = name_of_file("PVCLOCK_STATS", o->stats, complain);
	o->syscall = number("PVCLOCK_SYSCALL", 0, 1, "0 or 1", o->syscall, complain);
}
