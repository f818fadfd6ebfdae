// SPDX-License-Identifier: LGPL-2.1-or-later
/* Perl: Time::HiRes, its clocks, its sleeps and its alarms. */
#include "proof.h"

static void clocks(void **state)
{
	struct program p = {.argv = WORDS("perl", source("clock.pl")), .name = "perl"};

	(void)state;
	if (!have("perl"))
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
