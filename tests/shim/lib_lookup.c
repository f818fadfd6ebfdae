// SPDX-License-Identifier: LGPL-2.1-or-later
/* Counts who looks up symbols, and finds none of those of the timespec_ family. */
#include <dlfcn.h>

#include "prog.h"

#define PUBLIC __attribute__((visibility("default")))

PUBLIC int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
                             void (*init)(void), void (*fini)(void), void (*rtld)(void), void *end);

static unsigned lookups, before_main;

PUBLIC void *dlsym(void *handle, const char *name)
{
	lookups++;
	return strncmp(name, "timespec_", strlen("timespec_")) ? dlvsym(handle, name, "GLIBC_2.2.5")
	                                                       : NULL;
}

/* Behind the shim's in the list, this library is initialised before it. */
static int (*program)(int argc, char **argv, char **envp);

static int count_from_here(int argc, char **argv, char **envp)
{
	before_main = lookups;
	return program(argc, argv, envp);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld)(void), void *end)
{
	__typeof__(__libc_start_main) *start;

	*(void **)&start = dlvsym(RTLD_NEXT, "__libc_start_main", "GLIBC_2.34");
	if (!start)
		*(void **)&start = dlvsym(RTLD_NEXT, "__libc_start_main", "GLIBC_2.2.5");
	program = main;
	return start(count_from_here, argc, argv, init, fini, rtld, end);
}

__attribute__((destructor)) static void tell(void)
{
	char text[80];
	int length = snprintf(text, sizeof(text), "looked up: %u before main, %u at the end\n",
	                      before_main, lookups);

	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		DIE("lookup: no stderr\n");
}
