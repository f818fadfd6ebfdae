// SPDX-License-Identifier: LGPL-2.1-or-later
/* prog_reads COUNT: so many reads of the clocks that programs use most. */
#include "prog.h"

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, i;
	_Atomic int64_t seen[STEADY] = {0};
	struct timeval tv;

	for (i = 0; i < count; i += 5) {
		read_steady(seen, "the reader");
		read_ns(CLOCK_REALTIME);
		gettimeofday(&tv, NULL);
	}
	return 0;
}
