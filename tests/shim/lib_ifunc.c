// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A library that asks the time while it is being relocated: no constructor has
 * run anywhere, and the objects before it are not relocated themselves.
 */
#include "prog.h"

extern int answer(void);

static int well(void)
{
	return 1;
}

static int badly(void)
{
	return 0;
}

/* No failure can be told from in here, where even libc may not be ready. */
__attribute__((used)) static int (*resolve(void))(void)
{
	struct timespec first = {0, 0}, second = {0, 0};

	if (clock_gettime(CLOCK_MONOTONIC, &first) != 0 ||
	    clock_gettime(CLOCK_MONOTONIC, &second) != 0 || !first.tv_sec ||
	    join(&second) < join(&first))
		return badly;
	return well;
}

int __attribute__((visibility("default"), ifunc("resolve"))) answer(void);

__attribute__((constructor)) static void tell(void)
{
	const char *text = answer() ? "ifunc: well\n" : "ifunc: badly\n";

	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		DIE("ifunc: no stderr\n");
}
