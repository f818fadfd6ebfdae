// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How little stack the shim needs: handlers and coroutines have a few KiB, and it is
 * theirs. A call's greatest depth was measured here as 450 bytes in mode kernel, 1000
 * in mode stable and 1240 in mode percpu, where the kernel's vDSO alone takes 160.
 */
#include "spawn.h"

#define MOST 1536 /* bytes: leaves a quarter of what a 4 KiB stack has beside the frame */

static struct result r;

static size_t depth(void)
{
	char *end;
	size_t bytes = strtoul(r.out, &end, 10);

	if (end == r.out || *end != '\n')
		fail_msg("prog_stack says: %s", r.out);
	return bytes;
}

static void calls_are_shallow(void **state)
{
	run_quietly(&r, *state, WORDS(built("prog_stack"), "depth"));
	if (depth() > MOST)
		fail_msg("a call takes %zu bytes of stack, not %d at most", depth(), MOST);
	/* A look that finds nothing would pass as well. */
	if (depth() < 64)
		fail_msg("a call takes %zu bytes of stack", depth());
}

static void in_small_handlers(void **state)
{
	run_plain(&r, WORDS(built("prog_stack"), "small"));
	run_quietly(&r, *state, WORDS(built("prog_stack"), "small"));
}

static void modes_work(void **state)
{
	(void)state;
	mode_works("stable", "stack in mode stable");
	mode_works("percpu", "stack in mode percpu");
}

static const char *kernel[] = {"PVCLOCK_MODE=kernel", NULL};
static const char *stable[] = {"PVCLOCK_MODE=stable", NULL};
static const char *percpu[] = {"PVCLOCK_MODE=percpu", NULL};
static const char *own[] = {"PVCLOCK_MODE=percpu", "PVCLOCK_SCOPE=thread", NULL};
static const char *often[] = {"PVCLOCK_RESYNC_US=100", NULL};

#define IN(test, env) ((struct CMUnitTest){#test " " #env, test, NULL, NULL, env})

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_work),  IN(calls_are_shallow, kernel),
		IN(calls_are_shallow, stable), IN(calls_are_shallow, percpu),
		IN(calls_are_shallow, own),    IN(calls_are_shallow, often),
		IN(in_small_handlers, kernel), IN(in_small_handlers, stable),
		IN(in_small_handlers, percpu), IN(in_small_handlers, own),
		IN(in_small_handlers, often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
