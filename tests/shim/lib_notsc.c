// SPDX-License-Identifier: LGPL-2.1-or-later
/* Takes the right to read the TSC away, before others' constructors run. */
#include <sys/prctl.h>

#include "prog.h"

__attribute__((constructor)) static void forbid(void)
{
	static const char well[] = "notsc: well\n";

	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) != 0)
		DIE("notsc: %s\n", strerror(errno));
	if (write(STDERR_FILENO, well, sizeof(well) - 1) < 0)
		DIE("notsc: no stderr\n");
}
