// SPDX-License-Identifier: LGPL-2.1-or-later
/* Node.js: its clocks, its timers, and a thread of its own. */
#include "proof.h"

static void clocks(void **state)
{
	struct program p = {.argv = WORDS("node", source("clock.js")), .name = "node"};

	(void)state;
	if (!have("node"))
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
