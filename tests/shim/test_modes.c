// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Time does not go back, in every mode: among threads that move from CPU to CPU,
 * in handlers of signals, in the children of fork, and over vfork and exec.
 */
#include "spawn.h"

static struct result r;

static void among_threads(void **state)
{
	(void)state;
	run_plain(&r, WORDS(built("prog_threads"), "4", "100000", "together"));
	run_quietly(&r, *state, WORDS(built("prog_threads"), "4", "1000000", "together"));
}

/* Each thread for itself is all that this scope promises. */
static void each_thread(void **state)
{
	run_quietly(&r, *state, WORDS(built("prog_threads"), "4", "1000000", "alone"));
}

static void in_handlers(void **state)
{
	run_quietly(&r, *state, WORDS(built("prog_signal"), "2000"));
}

static void over_fork(void **state)
{
	run_quietly(&r, *state, WORDS(built("prog_fork"), "40"));
}

static void over_exec(void **state)
{
	run_quietly(&r, *state, WORDS(built("prog_exec")));
}

static void asked_mode_is_taken(void **state)
{
	static const char *const names[] = {"kernel", "stable", "percpu"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		mode_works(names[i], "asked for mode");
}

static const char *kernel[] = {"PVCLOCK_MODE=kernel", NULL};
static const char *stable[] = {"PVCLOCK_MODE=stable", NULL};
static const char *percpu[] = {"PVCLOCK_MODE=percpu", NULL};
static const char *best[] = {"PVCLOCK_MODE=auto", NULL};
static const char *own[] = {"PVCLOCK_MODE=percpu", "PVCLOCK_SCOPE=thread", NULL};
static const char *own_stable[] = {"PVCLOCK_SCOPE=thread", NULL};
/* As many changes of the lines as there can be, and as few. */
static const char *often[] = {"PVCLOCK_RESYNC_US=100", NULL};
static const char *often_percpu[] = {"PVCLOCK_RESYNC_US=100", "PVCLOCK_MODE=percpu", NULL};
static const char *rarely[] = {"PVCLOCK_RESYNC_US=100000", NULL};
static const char *rarely_percpu[] = {"PVCLOCK_RESYNC_US=100000", "PVCLOCK_MODE=percpu", NULL};

#define IN(test, env) ((struct CMUnitTest){#test " " #env, test, NULL, NULL, env})

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_mode_is_taken),
		IN(among_threads, kernel),
		IN(among_threads, stable),
		IN(among_threads, percpu),
		IN(among_threads, best),
		IN(among_threads, often),
		IN(among_threads, often_percpu),
		IN(among_threads, rarely),
		IN(among_threads, rarely_percpu),
		/* With one shared line the scope makes no difference. */
		IN(among_threads, own_stable),
		IN(each_thread, own),
		IN(in_handlers, kernel),
		IN(in_handlers, often),
		IN(in_handlers, often_percpu),
		IN(in_handlers, own),
		IN(over_fork, kernel),
		IN(over_fork, stable),
		IN(over_fork, percpu),
		IN(over_fork, often),
		IN(over_fork, often_percpu),
		IN(over_exec, stable),
		IN(over_exec, percpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
