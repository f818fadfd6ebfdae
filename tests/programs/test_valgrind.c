// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Valgrind, which takes the vDSO away: the shim forwards, and has touched nothing that is
 * not the program's.
 */
#include "proof.h"

/* What it ends with if it has found one. */
static const char error_exit[] = "--error-exitcode=9";

/* The program's call is bound to the shim. */
static void assert_bound(const char *tree)
{
	static struct result r;
	char wanted[PATH_MAX + 64];

	run_tool(&r, WORDS("sh", "-c",
	                   "grep -h \"/prog_clock-plain .*clock_gettime'\" \"$0\"/bind.*", tree));
	snprintf(wanted, sizeof(wanted), "to %s/libpvclock-preload.so", proof_tree);
	assert_contains(r.out, wanted);
}

static void check(const char *tool, const char *option)
{
	static struct result r;
	char tree[PATH_MAX], output[PATH_MAX + 32], *line, *rest = r.err;
	static struct shim_env e;
	struct command c = {.argv = WORDS("valgrind", "-q", error_exit, tool, option,
	                                  made("prog_clock-plain"))};

	if (!have("valgrind"))
		return;
	run(&r, &c);
	assert_exit(&r, 0);
	assert_string_equal(r.err, "");
	make_tree(tree);
	begin_proof();
	snprintf(output, sizeof(output), "LD_DEBUG_OUTPUT=%s/bind", tree);
	c.env = shim_env(&e, "auto", NULL, WORDS("PVCLOCK_VERBOSE=1", "LD_DEBUG=bindings", output));
	run(&r, &c);
	assert_exit(&r, 0);
	assert_string_equal(r.out, "ok\n");
	if (mode_is_live("auto", "valgrind"))
		assert_contains(r.err, "pvclock: mode kernel: the vDSO was taken away, ");
	/* Those of its own programs, and this one's; not a word of valgrind's. */
	while ((line = next_line(&rest)))
		assert_contains(line, "pvclock: mode ");
	assert_bound(tree);
	remove_tree(tree);
}

static void memcheck(void **state)
{
	(void)state;
	check("--tool=memcheck", "--leak-check=full");
}

static void helgrind(void **state)
{
	(void)state;
	check("--tool=helgrind", "--history-level=none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memcheck),
		cmocka_unit_test(helgrind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
