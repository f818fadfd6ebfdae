/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the programs that are shipped, run from a folder that has nothing to do with it. */
#ifndef PVCLOCK_TEST_TOOL_H
#define PVCLOCK_TEST_TOOL_H

#include "build.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2

static struct result r;
static char tool[PATH_MAX], dir[PATH_MAX];

static inline int find_tool(const char *name)
{
	snprintf(tool, sizeof(tool), "%.4000s/%s", setting("PVCLOCK_BUILD"), name);
	if (access(tool, X_OK) != 0) {
		print_error("%s is not there: make it first\n", tool);
		return -1;
	}
	make_tree(dir);
	return 0;
}

static inline int leave_tool(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static inline void run_shipped(const char *const *env, const char *const *argv, int status)
{
	struct command c = {.argv = argv, .env = env};

	assert_int_equal(chdir(dir), 0);
	run(&r, &c);
	assert_exit(&r, status);
}

#endif /* PVCLOCK_TEST_TOOL_H */
