// SPDX-License-Identifier: LGPL-2.1-or-later
/* The calls under the shim are libc's: same results, same errors, its names. */
#include "spawn.h"

static struct result r;

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=percpu", "PVCLOCK_MODE=auto"};
#define MODES (sizeof(modes) / sizeof(*modes))

static void every_clock(void **state)
{
	size_t i;

	(void)state;
	run_plain(&r, WORDS(built("prog_clocks"), "5000"));
	for (i = 0; i < MODES; i++)
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_clocks"), "20000"));
	run_quietly(&r, WORDS("PVCLOCK_MODE=percpu", "PVCLOCK_SCOPE=thread"),
	            WORDS(built("prog_clocks"), "20000"));
	run_quietly(&r, WORDS("PVCLOCK_RESYNC_US=100"), WORDS(built("prog_clocks"), "20000"));
}

static void every_call(void **state)
{
	size_t i;

	(void)state;
	run_plain(&r, WORDS(built("prog_calls")));
	for (i = 0; i < MODES; i++)
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_calls"), "null"));
}

/* No clock is set: what is refused, and what only tells. */
static void every_setting(void **state)
{
	static struct result plain;
	size_t i;

	(void)state;
	run_plain(&plain, WORDS(built("prog_set")));
	assert_contains(plain.out, "Operation not permitted");
	for (i = 0; i < MODES; i++) {
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_set")));
		assert_string_equal(r.out, plain.out);
	}
}

/* A line "way name version object": the object is always the shim, or libc. */
static void assert_all_from(char *text, const char *object)
{
	unsigned lines = 0;
	char *line;

	while ((line = next_line(&text))) {
		const char *last = strrchr(line, ' ');

		if (!last || strncmp(last + 1, object, strlen(object)) != 0)
			fail_msg("%s: not from %s", line, object);
		lines++;
	}
	assert_int_equal(lines, 18);
}

static void every_name(void **state)
{
	(void)state;
	/* libc's IFUNCs may resolve to the vDSO itself. */
	run_plain(&r, WORDS(built("prog_names")));
	run_quietly(&r, NULL, WORDS(built("prog_names")));
	assert_all_from(r.out, "libpvclock-preload.so");
	run_quietly(&r, WORDS("PVCLOCK_MODE=kernel", "LD_BIND_NOW=1"), WORDS(built("prog_names")));
	assert_all_from(r.out, "libpvclock-preload.so");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_clock),
		cmocka_unit_test(every_call),
		cmocka_unit_test(every_setting),
		cmocka_unit_test(every_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
