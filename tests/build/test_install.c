// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What "make install" gives to a user: the files, a program that is compiled
 * against them in the ways people do it, and nothing left after "make uninstall".
 * Done with a copy of the build, as a build is not the tests' to change.
 */
#include "build.h"

static struct result r;
static char dir[PATH_MAX];

/*
 * .flags is taken as it stands: the build under test is installed, whatever make
 * would be given here. With another PREFIX than it was made with, as in
 * "make && sudo make install PREFIX=/usr".
 */
#define MAKE                                                                                       \
	"make -s O=\"$1/build\" DESTDIR=\"$1/root\" PREFIX=/usr -o \"$1/build/.flags\" "           \
	"CC=\"$CC\" "

static int install(void **state)
{
	(void)state;
	make_tree(dir);
	shell_well(&r, "cp -a \"$PVCLOCK_BUILD\" \"$1/build\" && " MAKE "install", dir);
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static void files(void **state)
{
	static const char *const wanted[] = {
		"bin/pvclock-bench",        "bin/pvclock-run",       "bin/pvclockstat",
		"include/pvclock.h",        "include/pvclock/abi.h", "lib/libpvclock-preload.so",
		"lib/libpvclock.a",         "lib/libpvclock.so",     "lib/libpvclock.so.1",
		"lib/pkgconfig/pvclock.pc", "lib/pvclock-vdso.so"};
	char *text = r.out, *line;
	unsigned i, found = 0;

	(void)state;
	shell_well(&r, "cd \"$1/root/usr\" && find . ! -type d | sed 's|^\\./||' | LC_ALL=C sort",
	           dir);
	while ((line = next_line(&text))) {
		if (!strncmp(line, "share/man/man", 13))
			continue;
		for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
			if (!strcmp(line, wanted[i]))
				break;
		if (i == sizeof(wanted) / sizeof(*wanted))
			fail_msg("%s is not in the contract", line);
		found |= 1u << i;
	}
	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!(found & 1u << i))
			fail_msg("%s is not installed", wanted[i]);
	/* And nothing outside of the prefix. */
	shell_well(&r, "ls \"$1/root\"", dir);
	assert_string_equal(r.out, "usr\n");
}

static void man_pages(void **state)
{
	(void)state;
	shell_says_nothing(&r,
	                   "for m in man/*.[137]; do\n"
	                   "	cmp $m \"$1/root/usr/share/man/man${m##*.}/${m#man/}\"\n"
	                   "done",
	                   dir);
}

static void modes(void **state)
{
	(void)state;
	shell_says_nothing(&r,
	                   "cd \"$1/root/usr\"\n"
	                   "find . -type f ! -perm 644 ! -path './bin/*' ! -name '*.so*'\n"
	                   "find bin lib -type f ! -perm 755 ! -name '*.a' ! -name '*.pc'\n"
	                   "find . -type l -name '*.so' ! -lname libpvclock.so.1",
	                   dir);
}

/* $1/root is the sysroot: what the .pc says is looked for below it. */
#define PC                                                                                         \
	"export PKG_CONFIG_PATH=\"$1/root/usr/lib/pkgconfig\" "                                    \
	"PKG_CONFIG_SYSROOT_DIR=\"$1/root\"\n"

static void pkg_config(void **state)
{
	(void)state;
	/* As it is written, before the sysroot is put before it. */
	shell_well(
		&r,
		"grep -E '^(prefix|libdir|includedir)=' \"$1/root/usr/lib/pkgconfig/pvclock.pc\"",
		dir);
	assert_string_equal(r.out, "prefix=/usr\nlibdir=/usr/lib\nincludedir=/usr/include\n");
	shell_well(&r, PC "pkg-config --modversion pvclock", dir);
	assert_string_equal(r.out, "0.1.0\n");
	shell_well(&r, PC "pkg-config --libs --static pvclock", dir);
	assert_contains(r.out, "-lpvclock");
	assert_contains(r.out, "-lurcu-bp");
	assert_contains(r.out, "-lnuma");
}

#define PROGRAM                                                                                    \
	"cat >\"$1/user.c\" <<'END'\n"                                                             \
	"#include <pvclock.h>\n"                                                                   \
	"#include <stdio.h>\n"                                                                     \
	"int main(void)\n"                                                                         \
	"{\n"                                                                                      \
	"	struct timespec a, b;\n"                                                                 \
	"	struct pvclock_status s = {.size = sizeof(s)};\n"                                        \
	"	int h = pvclock_open(NULL);\n"                                                           \
	"	if (pvclock_gettime(CLOCK_MONOTONIC, &a) || h < 0 ||\n"                                  \
	"	    pvclock_gettime_h(h, CLOCK_MONOTONIC, &b) || pvclock_status(&s) ||\n"                \
	"	    pvclock_close(h) || !s.reason[0])\n"                                                 \
	"		return 1;\n"                                                                            \
	"	return printf(\"well\\n\") < 0;\n"                                                       \
	"}\n"                                                                                      \
	"END\n"

static void shared_program(void **state)
{
	(void)state;
	shell_well(&r,
	           PC PROGRAM "$CC -Wall -Werror \"$1/user.c\" -o \"$1/user\" "
	                      "$(pkg-config --cflags --libs pvclock) || exit 1\n"
	                      "LD_LIBRARY_PATH=\"$1/root/usr/lib\" \"$1/user\"",
	           dir);
	assert_string_equal(r.out, "well\n");
	/* By its soname, not by the name of the link. */
	shell_well(&r, "readelf -dW \"$1/user\"", dir);
	assert_contains(r.out, "[libpvclock.so.1]");
	assert_null(strstr(r.out, "urcu"));
}

static void static_program(void **state)
{
	(void)state;
	shell_well(&r,
	           PC PROGRAM
	           "$CC -Wall -Werror $(pkg-config --cflags pvclock) \"$1/user.c\" -o \"$1/user\" "
	           "-L\"$1/root/usr/lib\" -l:libpvclock.a -lurcu-bp -lnuma -pthread || exit 1\n"
	           "\"$1/user\"",
	           dir);
	assert_string_equal(r.out, "well\n");
	shell_well(&r, "readelf -dW \"$1/user\"", dir);
	assert_null(strstr(r.out, "libpvclock"));
}

/* Our names in a static program are those of the API: no internal one collides. */
static void static_names(void **state)
{
	(void)state;
	shell_says_nothing(&r,
	                   "nm -g --defined-only \"$1/root/usr/lib/libpvclock.a\" |\n"
	                   "awk 'NF == 3 && $3 !~ /^pvclock_/'",
	                   dir);
}

static void installed_programs(void **state)
{
	(void)state;
	shell_well(&r, "\"$1/root/usr/bin/pvclock-run\" -v true", dir);
	assert_one_line(r.err, WORDS("pvclock: mode "));
	/* They find the library beside them. */
	shell_well(&r, "ldd \"$1/root/usr/bin/pvclockstat\" \"$1/root/usr/bin/pvclock-bench\"",
	           dir);
	assert_contains(r.out, "/root/usr/bin/../lib/libpvclock.so.1");
	assert_null(strstr(r.out, "not found"));
}

/* Last: it takes away what the others look at. */
static void uninstall(void **state)
{
	(void)state;
	shell_well(&r, MAKE "uninstall", dir);
	shell_says_nothing(&r, "find \"$1/root\" ! -type d", dir);
	shell_says_nothing(&r, "find \"$1/root\" -name '*pvclock*'", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),          cmocka_unit_test(man_pages),
		cmocka_unit_test(modes),          cmocka_unit_test(pkg_config),
		cmocka_unit_test(shared_program), cmocka_unit_test(static_program),
		cmocka_unit_test(static_names),   cmocka_unit_test(installed_programs),
		cmocka_unit_test(uninstall),
	};

	return cmocka_run_group_tests(tests, install, remove_all);
}
