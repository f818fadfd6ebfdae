// SPDX-License-Identifier: LGPL-2.1-or-later
/* Leaves no room for another open file, before others' constructors run. */
#include <fcntl.h>
#include <sys/resource.h>

#include "prog.h"

__attribute__((constructor)) static void fill(void)
{
	static const char well[] = "nofile: well\n";
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		DIE("nofile: %s\n", strerror(errno));
	limit.rlim_cur = 3;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		DIE("nofile: %s\n", strerror(errno));
	if (open("/dev/null", O_RDONLY) >= 0 || errno != EMFILE)
		DIE("nofile: there is room\n");
	if (write(STDERR_FILENO, well, sizeof(well) - 1) < 0)
		DIE("nofile: no stderr\n");
}
