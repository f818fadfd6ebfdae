// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A program of many threads, with signals and forks, under the shim: again and
 * again, for a process has its first calls but once.
 *
 * PVCLOCK_TORTURE_SECONDS=N takes N seconds for each run.
 */
#include "spawn.h"

#define RUNS 24
#define RUN_MS 100

static struct result r;

static const char *run_ms(void)
{
	static char text[24];
	const char *seconds = getenv("PVCLOCK_TORTURE_SECONDS");
	long long n = seconds ? atoll(seconds) : 0;

	/* Well below the watchdog, which ends a run that hangs. */
	if (n > WATCHDOG_MS / 2000)
		n = WATCHDOG_MS / 2000;
	snprintf(text, sizeof(text), "%lld", n > 0 ? n * 1000 : RUN_MS);
	return text;
}

static void again_and_again(void **state)
{
	static const char *const threads[] = {"2", "8", "32", "64"};
	unsigned i;

	/* What it holds against is true of the machine. */
	run_plain(&r, WORDS(built("prog_torture"), "8", run_ms()));
	for (i = 0; i < RUNS; i++)
		run_quietly(&r, *state, WORDS(built("prog_torture"), threads[i % 4], run_ms()));
}

static void modes_work(void **state)
{
	(void)state;
	mode_works("stable", "torture in mode stable");
	mode_works("percpu", "torture in mode percpu");
}

static const char *stable[] = {"PVCLOCK_MODE=stable", "PVCLOCK_RESYNC_US=100", NULL};
static const char *percpu[] = {"PVCLOCK_MODE=percpu", "PVCLOCK_RESYNC_US=100", NULL};

#define IN(test, env) ((struct CMUnitTest){#test " " #env, test, NULL, NULL, env})

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_work),
		IN(again_and_again, stable),
		IN(again_and_again, percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
