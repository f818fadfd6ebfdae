// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readings that are never finished, or finished by somebody else too: left at every
 * instruction by a jump out of a handler or by a thread that ends, and cut in two by
 * a fork. What is left half done is in nobody's way, however often it happens.
 */
#include "spawn.h"

static struct result r;

static void at_each_instruction(const char *const *env, const char *action)
{
	run_plain(&r, WORDS(built("prog_step"), action));
	run_quietly(&r, env, WORDS(built("prog_step"), action));
}

static void by_a_jump(void **state)
{
	at_each_instruction(*state, "jump");
}

static void by_the_end_of_the_thread(void **state)
{
	at_each_instruction(*state, "exit");
}

static void by_a_fork(void **state)
{
	at_each_instruction(*state, "fork");
}

static void by_a_clone_in_the_same_memory(void **state)
{
	at_each_instruction(*state, "vm");
}

static const char *kernel[] = {"PVCLOCK_MODE=kernel", NULL};
static const char *stable[] = {"PVCLOCK_MODE=stable", "PVCLOCK_RESYNC_US=100", NULL};
static const char *percpu[] = {"PVCLOCK_MODE=percpu", "PVCLOCK_RESYNC_US=100", NULL};

#define IN(test, env) ((struct CMUnitTest){#test " " #env, test, NULL, NULL, env})
#define IN_ALL(test) IN(test, kernel), IN(test, stable), IN(test, percpu)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ALL(by_a_jump),
		IN_ALL(by_the_end_of_the_thread),
		IN_ALL(by_a_fork),
		IN_ALL(by_a_clone_in_the_same_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
