// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * However processes and threads come to be and end, time does not go back for any of
 * them and nobody waits for the dead. Without the shim the same programs end the same.
 */
#include "spawn.h"

static struct result r;

static void from_many_threads(void **state)
{
	run_plain(&r, WORDS(built("prog_forks"), "4", "8"));
	run_quietly(&r, *state, WORDS(built("prog_forks"), "4", "16"));
	run_quietly(&r, *state, WORDS(built("prog_forks"), "12", "6"));
}

static void by_raw_clone(void **state)
{
	static const char *const ways[] = {"vm", "vfork", "thread", "settls"};
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		run_plain(&r, WORDS(built("prog_clone"), ways[i], "3"));
		run_quietly(&r, *state, WORDS(built("prog_clone"), ways[i], "8"));
	}
}

static void threads_are_cancelled(void **state)
{
	run_plain(&r, WORDS(built("prog_killed"), "cancel", "20"));
	run_quietly(&r, *state, WORDS(built("prog_killed"), "cancel", "80"));
}

static void children_of_the_killed(void **state)
{
	run_plain(&r, WORDS(built("prog_killed"), "parent", "2"));
	run_quietly(&r, *state, WORDS(built("prog_killed"), "parent", "6"));
}

static void modes_work(void **state)
{
	(void)state;
	mode_works("stable", "processes in mode stable");
	mode_works("percpu", "processes in mode percpu");
}

static const char *kernel[] = {"PVCLOCK_MODE=kernel", NULL};
static const char *stable[] = {"PVCLOCK_MODE=stable", "PVCLOCK_RESYNC_US=100", NULL};
static const char *percpu[] = {"PVCLOCK_MODE=percpu", "PVCLOCK_RESYNC_US=100", NULL};

#define IN(test, env) ((struct CMUnitTest){#test " " #env, test, NULL, NULL, env})
#define IN_ALL(test) IN(test, kernel), IN(test, stable), IN(test, percpu)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_work),  IN_ALL(from_many_threads),      IN_ALL(by_raw_clone),
		IN_ALL(threads_are_cancelled), IN_ALL(children_of_the_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
