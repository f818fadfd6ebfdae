// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A program that forbids itself the TSC after its start, by PR_SET_TSC or by seccomp's
 * strict mode, which does so too: the shim's RDTSCP raises the signal that the kernel's
 * vDSO's would have raised, and what needs no TSC goes on. The shim does not look
 * at prctl(2): what is forbidden is forbidden to one thread, and a program whose
 * handler stands in for the TSC wants to be asked.
 */
#include "spawn.h"

static struct result r, plain;

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=percpu", "PVCLOCK_RESYNC_US=100"};
#define MODES (sizeof(modes) / sizeof(*modes))

static void the_same(const char *how)
{
	struct command c = {.argv = WORDS(built("prog_tsc"), how)};
	size_t i;

	run(&plain, &c);
	for (i = 0; i < MODES; i++) {
		struct shimmed s = {.argv = c.argv, .env = WORDS(modes[i])};

		run_shimmed(&r, &s);
		assert_exit(&r, plain.status);
		assert_string_equal(r.out, plain.out);
		assert_string_equal(r.err, plain.err);
	}
}

static void the_same_and_well(const char *how)
{
	the_same(how);
	assert_exit(&plain, 0);
	assert_string_equal(plain.out, "well\n");
}

/* Elsewhere the page can be read and the kernel's clock is a system call: see the man page. */
static bool vdso_reads_tsc(void)
{
	struct command c = {.argv = WORDS(built("prog_tsc"), "forbid")};

	run(&plain, &c);
	if (plain.status == 128 + SIGSEGV)
		return true;
	skip_line("TSC forbidden later", "the kernel's vDSO does not read it here");
	return false;
}

static void forbidden(void **state)
{
	(void)state;
	if (vdso_reads_tsc())
		the_same("forbid");
	the_same_and_well("forbid-coarse");
}

static void stood_in_for(void **state)
{
	(void)state;
	if (vdso_reads_tsc())
		the_same_and_well("emulate");
}

static void for_a_while(void **state)
{
	(void)state;
	the_same_and_well("again");
}

static void to_another_thread(void **state)
{
	(void)state;
	the_same_and_well("other");
}

static void strict_mode(void **state)
{
	(void)state;
	if (vdso_reads_tsc())
		the_same("strict");
	the_same_and_well("strict-coarse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden),   cmocka_unit_test(stood_in_for),
		cmocka_unit_test(for_a_while), cmocka_unit_test(to_another_thread),
		cmocka_unit_test(strict_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
