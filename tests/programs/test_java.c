// SPDX-License-Identifier: LGPL-2.1-or-later
/* Java: a program of one file, compiled as it starts, with a heap that is small for it. */
#include "proof.h"

static void clocks(void **state)
{
	struct program p = {.argv = WORDS("java", "-Xmx64m", source("Clock.java")), .name = "java"};

	(void)state;
	if (!have("java"))
		return;
	assert_same_program(&p, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
