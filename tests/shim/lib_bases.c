// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stands behind the shim as a libc that knows one base more; and asks for it in its
 * constructor, before the shim's.
 */
#include <dlfcn.h>

#include "prog.h"

#define PUBLIC __attribute__((visibility("default")))
#define KNOWN 7

static int answer(struct timespec *ts, int base)
{
	if (base != KNOWN)
		return 0;
	*ts = (struct timespec){77, 77};
	return base;
}

PUBLIC int timespec_get(struct timespec *ts, int base)
{
	return answer(ts, base);
}

PUBLIC int timespec_getres(struct timespec *ts, int base)
{
	return answer(ts, base);
}

/* As a program comes by it: compilers take a name of this file for this file's. */
typedef int from_base(struct timespec *ts, int base);

static from_base *find(const char *name)
{
	from_base *function;

	*(void **)&function = dlsym(RTLD_DEFAULT, name);
	if (!function)
		DIE("bases: no %s\n", name);
	return function;
}

__attribute__((constructor)) static void early(void)
{
	from_base *get = find("timespec_get"), *getres = find("timespec_getres");
	struct timespec ts = {0, 0};
	char text[64];
	int length = snprintf(text, sizeof(text), "bases: before the shim %d\n",
	                      get(&ts, KNOWN) | getres(&ts, KNOWN));

	if (get(&ts, TIME_UTC) != TIME_UTC || !ts.tv_sec)
		DIE("bases: no UTC before the shim\n");
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		DIE("bases: no stderr\n");
}
