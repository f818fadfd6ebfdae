// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shim where it was not meant to be: loaded by dlopen(3) and gone again, loaded
 * beside a copy of itself, and preloaded twice.
 */
#include "spawn.h"

static struct result r;
static char dir[PATH_MAX], copy[PATH_MAX];

static int make_copy(void **state)
{
	(void)state;
	make_tree(dir);
	assert_true((size_t)snprintf(copy, sizeof(copy), "%.4000s/again.so", dir) < sizeof(copy));
	run_tool(&r, WORDS("cp", shim_path(), copy));
	return 0;
}

static int remove_copy(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=percpu"};
#define MODES (sizeof(modes) / sizeof(*modes))

/* By a program without the shim, and by one that has it already. */
static void loads(const char *how, const char *more)
{
	size_t i;

	for (i = 0; i < MODES; i++) {
		struct command c = {.argv = WORDS(built("prog_load"), how, shim_path(), more),
		                    .env = WORDS(modes[i])};

		run(&r, &c);
		assert_exit(&r, 0);
		assert_string_equal(r.err, "");
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_load"), how, copy));
	}
}

static void opened_and_closed(void **state)
{
	(void)state;
	loads("once", NULL);
}

static void a_thousand_times(void **state)
{
	(void)state;
	loads("often", NULL);
}

static void no_handler_is_left(void **state)
{
	(void)state;
	loads("forks", NULL);
}

static void with_a_copy(void **state)
{
	(void)state;
	loads("once", copy);
}

static void preloaded_twice(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < MODES; i++) {
		struct shimmed s = {.argv = WORDS(built("prog_fork"), "10"),
		                    .env = WORDS("PVCLOCK_VERBOSE=1", modes[i]),
		                    .after = copy};

		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		/* Each of them has started. */
		assert_int_equal(count_lines(r.err), 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened_and_closed),  cmocka_unit_test(a_thousand_times),
		cmocka_unit_test(no_handler_is_left), cmocka_unit_test(with_a_copy),
		cmocka_unit_test(preloaded_twice),
	};

	return cmocka_run_group_tests(tests, make_copy, remove_copy);
}
