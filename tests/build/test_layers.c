// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who includes whom: the layers hold only as long as somebody looks. The compiler
 * is asked about every file, so it does not matter by which way a header comes in.
 */
#include "build.h"

static struct result r;
static char dir[PATH_MAX], scratch[PATH_MAX];

static int make_scratch(void **state)
{
	(void)state;
	make_tree(dir);
	snprintf(scratch, sizeof(scratch), "%.4000s/deps", dir);
	return 0;
}

static int remove_scratch(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

/*
 * A line "file header" for each of the shell's pattern of files and each header
 * that it reads, from the top of the tree. Option -MM leaves the system's headers
 * out, -M has them too.
 */
static void dependencies(const char *files, const char *option)
{
	char script[1024];

	snprintf(script, sizeof(script),
	         "for c in %s; do\n"
	         "	$CC -std=gnu11 -D_GNU_SOURCE -Iinclude %s -x c $c >\"$1\" || exit 1\n"
	         "	tr -d '\\\\\\\\' <\"$1\" | tr ' ' '\\n' | grep '\\.[ch]$' |\n"
	         "	xargs realpath --relative-base=. | sed \"s|^|$c |\"\n"
	         "done",
	         files, option);
	shell_well(&r, script, scratch);
	if (!*r.out)
		fail_msg("%s: no file", files);
}

static bool one_of(const char *path, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (!strncmp(path, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

/* Each of the files reads what begins with one of these and nothing else of ours. */
static void assert_reads_only(const char *files, const char *const *allowed)
{
	char *text = r.out, *line, *header;

	dependencies(files, "-MM");
	while ((line = next_line(&text))) {
		header = strchr(line, ' ');
		assert_non_null(header);
		if (!one_of(header + 1, allowed))
			fail_msg("%.*s includes%s", (int)(header - line), line, header);
	}
}

#define ABI "include/pvclock/abi.h"

static void ground(void **state)
{
	(void)state;
	assert_reads_only(ABI, WORDS(ABI));
	assert_reads_only("include/pvclock.h", WORDS("include/"));
	/* Fixed-width integers are all that two machines have to share. */
	shell_well(&r, "grep -h '^#[ 	]*include' " ABI, NULL);
	assert_string_equal(r.out, "#include <stdint.h>\n");
}

static void core(void **state)
{
	(void)state;
	assert_reads_only("vdso/*.c vdso/*.h", WORDS("vdso/", ABI));
}

static void library(void **state)
{
	(void)state;
	/* Not the shim, which is beside it and not below. */
	assert_reads_only("lib/*.c lib/*.h",
	                  WORDS("lib/lib.h", "lib/convert.c", "lib/default.c", "lib/events.c",
	                        "lib/handle.c", "lib/node.c", "lib/source.c", "lib/status.c",
	                        "lib/vmclock.c", "lib/attach/", "vdso/", "include/"));
	assert_reads_only("lib/attach/*.c lib/attach/*.h", WORDS("lib/attach/", "vdso/", ABI));
	/* No header of the linked library, and not its API. */
	assert_reads_only("lib/preload/*.c", WORDS("lib/preload/", "lib/attach/", "vdso/", ABI));
}

static void outside(void **state)
{
	(void)state;
	assert_reads_only("bench/*.c", WORDS("bench/", "include/"));
	assert_reads_only("tests/shim/*.c", WORDS("tests/shim/"));
	assert_reads_only("tests/build/*.c", WORDS("tests/build/", "tests/shim/process.h"));
	if (shell(&r, "ls tests/live/*.c", NULL) == 0)
		assert_reads_only("tests/live/*.c", WORDS("tests/live/", "include/"));
	assert_reads_only("tests/adjtime/*.c", WORDS("tests/adjtime/", "include/"));
	/* As users do; and what the library is compared with knows the ABI alone. */
	assert_reads_only("tests/lab/kvm/test_kvm_[!mp]*.c tests/lab/kvm/test_kvm_mi*.c",
	                  WORDS("tests/lab/kvm/", "include/"));
	assert_reads_only("tests/lab/kvm/formula.h", WORDS("tests/lab/kvm/", ABI));
	assert_reads_only("tests/lab/kvm/payload.c", WORDS("tests/lab/kvm/payload", "vdso/", ABI));
}

/* Each foreign library has one file that knows it. */
static void one_file_each(void **state)
{
	char *text = r.out, *line;
	bool urcu = false, numa = false;

	(void)state;
	dependencies("lib/*.c lib/*/*.c vdso/*.c", "-M");
	while ((line = next_line(&text))) {
		bool handle = !strncmp(line, "lib/handle.c ", 13);
		bool node = !strncmp(line, "lib/node.c ", 11);

		if (strstr(line, "/urcu") && !handle)
			fail_msg("liburcu is in two files: %s", line);
		if ((strstr(line, "/numa.h") || strstr(line, "/numaif.h")) && !node)
			fail_msg("libnuma is in two files: %s", line);
		if (strstr(line, "/cmocka") || strstr(line, "/jansson"))
			fail_msg("not for a library: %s", line);
		urcu |= handle && strstr(line, "/urcu");
		numa |= node && strstr(line, "/numa.h");
	}
	assert_true(urcu && numa);
}

static void headers_alone(const char *compiler, const char *flags)
{
	char script[1024];

	snprintf(script, sizeof(script),
	         "for h in $(find include -name '*.h'); do\n"
	         "	%s %s -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only $h || exit "
	         "1\n"
	         "done",
	         compiler, flags);
	shell_says_nothing(&r, script, NULL);
}

static void headers_in_c(void **state)
{
	(void)state;
	headers_alone("$CC", "-x c -std=c11");
	headers_alone("$CC", "-x c -std=c17 -D_POSIX_C_SOURCE=200809L");
	headers_alone("$CC", "-x c -std=gnu11 -D_GNU_SOURCE");
}

static void headers_in_cxx(void **state)
{
	(void)state;
	if (!have_program("g++")) {
		skip_line("headers in C++", "g++ is missing");
		return;
	}
	headers_alone("g++", "-x c++ -std=c++17");
	headers_alone("g++", "-x c++ -std=gnu++20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ground),         cmocka_unit_test(core),
		cmocka_unit_test(library),        cmocka_unit_test(outside),
		cmocka_unit_test(one_file_each),  cmocka_unit_test(headers_in_c),
		cmocka_unit_test(headers_in_cxx),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
