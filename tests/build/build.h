/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree and what was built from it, for tests that look at both as files. */
#ifndef TESTS_BUILD_H
#define TESTS_BUILD_H

#include "../shim/process.h"

/*
 * A line of shell in the source tree, with the compiler in $CC. Its words may
 * come after it, as $1 and so on.
 */
static inline int shell(struct result *r, const char *script, const char *word)
{
	static char text[8192];
	struct command c = {.argv = (const char *const[]){"sh", "-c", text, "sh", word, NULL}};

	setting("PVCLOCK_BUILD");
	setting("PVCLOCK_SOURCE");
	setenv("CC", "cc", 0);
	assert_true((size_t)snprintf(text, sizeof(text), "cd \"$PVCLOCK_SOURCE\" || exit 99\n%s",
	                             script) < sizeof(text));
	run(r, &c);
	return r->status;
}

/* The same, and it must end well; what it says is in r->out. */
static inline void shell_well(struct result *r, const char *script, const char *word)
{
	shell(r, script, word);
	assert_exit(r, 0);
}

static inline void shell_says_nothing(struct result *r, const char *script, const char *word)
{
	shell_well(r, script, word);
	if (*r->out || *r->err)
		fail_msg("expected nothing, not: %s%s", r->out, r->err);
}

#endif /* TESTS_BUILD_H */
