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
	static struct result plain;
	size_t i;

	(void)state;
	run_plain(&plain, WORDS(built("prog_calls")));
	assert_contains(plain.out, "base 1: 1 1\n");
	for (i = 0; i < MODES; i++) {
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_calls"), "null"));
		assert_string_equal(r.out, plain.out);
	}
}

/* The answer of a libc that knows more bases than we do: looked up once, before main. */
static void bases_of_another_libc(void **state)
{
	struct shimmed s = {.argv = WORDS(built("prog_calls")), .after = built("lib_bases.so")};

	(void)state;
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_contains(r.out, "base 6: 0 0, untouched\n");
	assert_contains(r.out, "base 7: 7 7\n");
	assert_string_equal(r.err, "bases: before the shim 0\n");
	s.after = built("lib_lookup.so");
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	assert_contains(r.out, "base 7: 0 0, untouched\n");
	assert_string_equal(r.err, "looked up: 2 before main, 2 at the end\n");
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

/* By number: whether those of the time are ours or not, all are what libc's are. */
static void every_number(void **state)
{
	static struct result plain;
	size_t i;

	(void)state;
	run_plain(&plain, WORDS(built("prog_syscall")));
	assert_contains(plain.out, "ARG(5), ARG(6)): -1, errno 77\n");
	assert_contains(plain.out, "ARG(6) + 1): -1, errno 78\n");
	assert_contains(plain.out, "4095): -1, errno 4095\n");
	for (i = 0; i < MODES; i++) {
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_syscall")));
		assert_string_equal(r.out, plain.out);
		run_quietly(&r, WORDS(modes[i], "PVCLOCK_SYSCALL=1"), WORDS(built("prog_syscall")));
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
	assert_int_equal(lines, 54);
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

/* Linked behind libc it answers nothing, finds nothing behind itself, and says nothing. */
static void behind_libc(void **state)
{
	char dir[PATH_MAX], program[PATH_MAX], rpath[PATH_MAX + 16];
	const char *cc = getenv("CC");

	(void)state;
	make_tree(dir);
	snprintf(program, sizeof(program), "%.4000s/last", dir);
	snprintf(rpath, sizeof(rpath), "-Wl,-rpath,%s", setting("PVCLOCK_BUILD"));
	run_tool(&r,
	         WORDS("sh", "-c", "exec $0 \"$@\"", cc && *cc ? cc : "cc", built("prog_names.o"),
	               "-o", program, "-Wl,--no-as-needed", "-lc", shim_path(), rpath));
	run_tool(&r, WORDS(program));
	assert_string_equal(r.err, "");
	assert_contains(r.out, "linked ftime default libc.so.6\n");
	remove_tree(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_clock),           cmocka_unit_test(every_call),
		cmocka_unit_test(bases_of_another_libc), cmocka_unit_test(every_setting),
		cmocka_unit_test(every_number),          cmocka_unit_test(every_name),
		cmocka_unit_test(behind_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
