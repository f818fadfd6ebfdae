// SPDX-License-Identifier: LGPL-2.1-or-later
/* strace: of a program with threads, and itself under the shim, which stamps its lines. */
#include "proof.h"

/* $0 is a directory, $1 the program: of which each thread's end is a line, with a stamp. */
static const char script[] = "strace -f -ttt -e trace=none -o \"$0/trace\" \"$1\" &&\n"
			     "grep -c '[0-9] +++ exited with 0 +++$' \"$0/trace\"";

static void threads(void **state)
{
	char tree[PATH_MAX];
	struct program p = {.argv = WORDS("sh", "-c", script, tree, made("prog_clock-plain")),
	                    .name = "prog_clock-plai",
	                    .also = "strace"};

	(void)state;
	if (!have_ptrace("strace"))
		return;
	make_tree(tree);
	assert_same_program(&p, 0);
	remove_tree(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
