// SPDX-License-Identifier: LGPL-2.1-or-later
/* Programs that are built with a sanitizer, whose runtime is preloaded before the shim. */
#include <sys/personality.h>

#include "proof.h"

static const char script[] = "ldd \"$0\" | tr ' ' '\\n' | grep '^/.*lib[^/]*san[^/]*$' | head -n 1";

/* The runtime that a program is linked with; empty if it has that within. */
static const char *runtime_of(const char *program)
{
	static struct result r;
	static char path[PATH_MAX];

	run_tool(&r, WORDS("sh", "-c", script, program));
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(r.out, "\n"), r.out);
	return path;
}

/* TSan's memory has fixed places, which a wide choice of addresses for others may take. */
static bool fixed_addresses(void)
{
	return personality(ADDR_NO_RANDOMIZE) >= 0;
}

static bool have_built(const char *sanitizer)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tests/programs/prog_clock-%s", setting("PVCLOCK_BUILD"),
	         sanitizer);
	if (access(path, X_OK) == 0)
		return true;
	skip_line(sanitizer, "the compiler has no runtime for it");
	return false;
}

static void check(const char *sanitizer)
{
	char file[32], name[16];
	const char *runtime;
	struct program p = {.name = name, .before = fixed_addresses};

	if (!have_built(sanitizer))
		return;
	snprintf(file, sizeof(file), "prog_clock-%s", sanitizer);
	memcpy(name, file, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	p.argv = WORDS(made(file));
	runtime = runtime_of(p.argv[0]);
	if (*runtime)
		p.first = runtime;
	assert_same_program(&p, 0);
}

static void address(void **state)
{
	(void)state;
	check("address");
}

static void undefined(void **state)
{
	(void)state;
	check("undefined");
}

static void thread(void **state)
{
	(void)state;
	check("thread");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address),
		cmocka_unit_test(undefined),
		cmocka_unit_test(thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
