// SPDX-License-Identifier: LGPL-2.1-or-later
/* The library's names: those of its map, each declared in the header, and back. */
#include "build.h"

static struct result r, names;

/* One a line and sorted, all three. */
#define MAP                                                                                        \
	"sed -n '/PVCLOCK_0.1/,/local:/s/^[ \t]*\\([a-z_]*\\);$/\\1/p' lib/libpvclock.map | "      \
	"LC_ALL=C sort"
#define EXPORTS                                                                                    \
	"nm -D --defined-only --with-symbol-versions \"$PVCLOCK_BUILD\"/libpvclock.so | "          \
	"awk '$2 != \"A\" { print $2, $3 }' | LC_ALL=C sort"
#define DECLARED                                                                                   \
	"$CC -E -P -Iinclude include/pvclock.h | tr '\\n' ' ' | "                                  \
	"grep -o 'pvclock_[a-z_]*(' | tr -d '(' | LC_ALL=C sort"

static void as_the_map_says(void **state)
{
	char *text = names.out, *exports = r.out, *name, *export;
	char expected[256];

	(void)state;
	shell_well(&names, MAP, NULL);
	shell_well(&r, EXPORTS, NULL);
	while ((name = next_line(&text))) {
		export = next_line(&exports);
		if (!export)
			fail_msg("%s is not exported", name);
		snprintf(expected, sizeof(expected), "T %.200s@@PVCLOCK_0.1", name);
		assert_string_equal(export, expected);
	}
	assert_null(next_line(&exports));
}

static void as_the_header_says(void **state)
{
	(void)state;
	shell_well(&names, MAP, NULL);
	assert_true(count_lines(names.out) > 10);
	shell_well(&r, DECLARED, NULL);
	assert_string_equal(r.out, names.out);
}

static void needs(void **state)
{
	static const char *const known[] = {"libc.so", "libnuma.so", "liburcu-bp.so",
	                                    "liburcu-common.so", "ld-linux"};
	char *text = r.out, *line;
	size_t i;

	(void)state;
	shell_well(&r, "readelf -dW \"$PVCLOCK_BUILD\"/libpvclock.so", NULL);
	assert_contains(r.out, "Library soname: [libpvclock.so.1]");
	assert_null(strstr(r.out, "TEXTREL"));
	while ((line = next_line(&text))) {
		if (!strstr(line, "(NEEDED)"))
			continue;
		for (i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (strstr(line, known[i]))
				break;
		if (i == sizeof(known) / sizeof(*known))
			fail_msg("the library needs more than it says: %s", line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_map_says),
		cmocka_unit_test(as_the_header_says),
		cmocka_unit_test(needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
