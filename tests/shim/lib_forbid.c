// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Once the program has said so, whoever allocates, frees or looks a symbol up ends it.
 */
#include <dlfcn.h>

#include "prog.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

#define PUBLIC __attribute__((visibility("default")))

static _Atomic bool forbidden;

PUBLIC void forbid(bool on);
void forbid(bool on)
{
	atomic_store(&forbidden, on);
}

static void check(const char *what)
{
	if (!atomic_load(&forbidden))
		return;
	atomic_store(&forbidden, false);
	if (write(STDERR_FILENO, what, strlen(what)) < 0)
		_exit(1);
	abort();
}

PUBLIC void *malloc(size_t size)
{
	check("forbidden: malloc\n");
	return __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
	check("forbidden: calloc\n");
	return __libc_calloc(count, size);
}

PUBLIC void *realloc(void *p, size_t size)
{
	check("forbidden: realloc\n");
	return __libc_realloc(p, size);
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
	check("forbidden: aligned_alloc\n");
	return __libc_memalign(alignment, size);
}

PUBLIC void free(void *p)
{
	check("forbidden: free\n");
	__libc_free(p);
}

PUBLIC void *dlsym(void *handle, const char *name)
{
	static void *(*real)(void *handle, const char *name);

	check("forbidden: dlsym\n");
	if (!real)
		real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
	return real ? real(handle, name) : NULL;
}
