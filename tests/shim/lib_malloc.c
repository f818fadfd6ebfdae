// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An allocator that asks the time in each of its calls, from the first that anybody
 * makes, as allocators do that give memory back after a while. Says so at the end.
 */
#include "prog.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

#define PUBLIC __attribute__((visibility("default")))

static _Atomic int64_t seen[STEADY];
static _Atomic unsigned long asked;

static void ask(void)
{
	int saved = errno;

	read_steady(seen, "the allocator");
	atomic_fetch_add(&asked, 1);
	errno = saved;
}

PUBLIC void *malloc(size_t size)
{
	ask();
	return __libc_malloc(size);
}

PUBLIC void *calloc(size_t count, size_t size)
{
	ask();
	return __libc_calloc(count, size);
}

PUBLIC void *realloc(void *p, size_t size)
{
	ask();
	return __libc_realloc(p, size);
}

PUBLIC void free(void *p)
{
	ask();
	__libc_free(p);
}

__attribute__((destructor)) static void tell(void)
{
	static const char well[] = "malloc: has asked\n";

	if (atomic_load(&asked) && write(STDERR_FILENO, well, sizeof(well) - 1) < 0)
		DIE("malloc: no stderr\n");
}
