// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * prog_echo STATUS [ARGUMENT...]: an argument a line, the time once on the way,
 * and ends with the status.
 */
#include "prog.h"

int main(int argc, char **argv)
{
	int i;

	if (read_ns(CLOCK_REALTIME) <= 0 || read_ns(CLOCK_MONOTONIC) <= 0)
		DIE("no time\n");
	for (i = 2; i < argc; i++)
		puts(argv[i]);
	return argc > 1 ? atoi(argv[1]) : 0;
}
