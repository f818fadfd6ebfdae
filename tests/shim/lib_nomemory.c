// SPDX-License-Identifier: LGPL-2.1-or-later
/* Leaves no room for another page, before others' constructors run. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "prog.h"

__attribute__((constructor)) static void fill(void)
{
	static const char well[] = "nomemory: well\n";
	struct rlimit none = {4096, 4096};

	if (setrlimit(RLIMIT_AS, &none) != 0 || setrlimit(RLIMIT_DATA, &none) != 0)
		DIE("nomemory: %s\n", strerror(errno));
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		DIE("nomemory: there is room\n");
	if (write(STDERR_FILENO, well, sizeof(well) - 1) < 0)
		DIE("nomemory: no stderr\n");
}
