// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A library that asks the time in its constructor, before others' constructors
 * have run, and says so on stderr, where the order of things can be seen.
 */
#include "prog.h"

__attribute__((constructor)) static void early(void)
{
	static const char well[] = "early: well\n";
	_Atomic int64_t seen[STEADY] = {0};
	struct timespec ts;
	struct timeval tv;
	int i;

	for (i = 0; i < 1000; i++)
		read_steady(seen, "the constructor");
	if (clock_gettime(9999, &ts) != -1 || errno != EINVAL)
		DIE("early: an unknown clock is known\n");
	if (clock_getres(CLOCK_MONOTONIC, &ts) != 0 || gettimeofday(&tv, NULL) != 0 ||
	    gettimeofday(&tv, &(struct timezone){0, 0}) != 0 || time(NULL) < tv.tv_sec - 1)
		DIE("early: a call fails\n");
	if (syscall(SYS_close, -1) != -1 || errno != EBADF || syscall(SYS_getppid) != getppid())
		DIE("early: a call by number is wrong\n");
	if (write(STDERR_FILENO, well, sizeof(well) - 1) < 0)
		DIE("early: no stderr\n");
}
