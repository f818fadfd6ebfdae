// SPDX-License-Identifier: LGPL-2.1-or-later
/* Says whether it runs with more rights than its caller (setuid). */
#include <sys/auxv.h>

#include "prog.h"

int main(void)
{
	read_ns(CLOCK_MONOTONIC);
	puts(getauxval(AT_SECURE) ? "secure" : "plain");
	return 0;
}
