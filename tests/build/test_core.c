// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The core runs where there is no libc and no dynamic linker: its objects want
 * nothing, keep nothing, and are compiled from nothing but the tree's headers and
 * the compiler's own. So does the image that is made of them.
 */
#include "build.h"

static struct result r;
static char object[PATH_MAX], scratch[PATH_MAX], dir[PATH_MAX];

#define IMAGE "\"$PVCLOCK_BUILD\"/pvclock-vdso.so"

/* All of the core as one object, so that what its parts owe each other is paid. */
static int link_core(void **state)
{
	(void)state;
	make_tree(dir);
	snprintf(object, sizeof(object), "%.4000s/core.o", dir);
	snprintf(scratch, sizeof(scratch), "%.4000s/headers", dir);
	shell_well(&r,
	           "for c in vdso/*.c; do\n"
	           "	[ $c = vdso/image.c ] || set -- \"$@\" \"$PVCLOCK_BUILD/${c%.c}.o\"\n"
	           "done\n"
	           "out=$1; shift; ld -r -o \"$out\" \"$@\"",
	           object);
	return 0;
}

static int remove_core(void **state)
{
	(void)state;
	remove_tree(dir);
	return 0;
}

static void nothing_undefined(void **state)
{
	(void)state;
	shell_says_nothing(&r, "nm -u \"$1\"", object);
	/* And it is the core that was looked at. */
	shell_well(&r, "nm --defined-only \"$1\"", object);
	assert_contains(r.out, " T pvc_gettime_slow\n");
	assert_contains(r.out, " T pvc_source_input\n");
	assert_contains(r.out, " T pvc_discipline\n");
}

/* "[ 3] .text PROGBITS address offset size ..."; the sections that hold state */
static void no_state_of_its_own(void **state)
{
	char *text = r.out, *line;
	unsigned sections = 0;

	(void)state;
	shell_well(&r, "readelf -SW \"$1\"", object);
	while ((line = next_line(&text))) {
		char name[64], type[64];
		unsigned long size;

		if (sscanf(line, " [%*[ 0-9]] %63s %63s %*s %*s %lx", name, type, &size) != 3)
			continue;
		sections++;
		if (strstr(name, ".tdata") || strstr(name, ".tbss"))
			fail_msg("the core has TLS: %s", line);
		if ((!strncmp(name, ".data", 5) || !strncmp(name, ".bss", 4)) && size)
			fail_msg("the core has state: %s", line);
		if (strstr(name, "init_array") || strstr(name, "ctors"))
			fail_msg("the core has a constructor: %s", line);
	}
	assert_true(sections > 5);
	shell_well(&r, "readelf -sW \"$1\"", object);
	assert_null(strstr(r.out, " TLS "));
}

static void image_wants_nothing(void **state)
{
	(void)state;
	shell_well(&r, "readelf -rW " IMAGE, NULL);
	assert_contains(r.out, "There are no relocations in this file.");
	shell_says_nothing(&r, "nm -D --undefined-only " IMAGE, NULL);
	shell_well(&r, "readelf -dW " IMAGE, NULL);
	assert_contains(r.out, "Library soname: [linux-vdso.so.1]");
	assert_null(strstr(r.out, "(NEEDED)"));
	assert_null(strstr(r.out, "TEXTREL"));
	assert_null(strstr(r.out, "(INIT"));
	assert_null(strstr(r.out, "(FINI"));
	assert_contains(r.out, "(HASH)");
	assert_contains(r.out, "(GNU_HASH)");
}

static void image_segments(void **state)
{
	char *text = r.out, *line;
	unsigned loads = 0, code = 0;

	(void)state;
	shell_well(&r, "readelf -lW " IMAGE, NULL);
	while ((line = next_line(&text))) {
		char type[32], flags[32];

		if (sscanf(line, " %31s 0x%*s 0x%*s 0x%*s 0x%*s 0x%*s %31[RWE ]", type, flags) != 2)
			continue;
		if (strchr(flags, 'W') && strchr(flags, 'E'))
			fail_msg("writable and executable: %s", line);
		if (!strcmp(type, "TLS") || !strcmp(type, "INTERP"))
			fail_msg("needs a dynamic linker: %s", line);
		loads += !strcmp(type, "LOAD");
		code += !strcmp(type, "LOAD") && strchr(flags, 'E') != NULL;
	}
	assert_true(loads >= 2);
	assert_int_equal(code, 1);
}

/* The kernel's names and its version: what libc looks for (vdso(7)). */
static void image_exports(void **state)
{
	(void)state;
	shell_well(&r,
	           "nm -D --defined-only --with-symbol-versions " IMAGE " |\n"
	           "awk '$2 != \"A\" { print $2, $3 }' | LC_ALL=C sort -k 2",
	           NULL);
	assert_string_equal(r.out, "T __vdso_clock_getres@@LINUX_2.6\n"
	                           "T __vdso_clock_gettime@@LINUX_2.6\n"
	                           "T __vdso_getcpu@@LINUX_2.6\n"
	                           "T __vdso_gettimeofday@@LINUX_2.6\n"
	                           "T __vdso_time@@LINUX_2.6\n"
	                           "W clock_getres@@LINUX_2.6\n"
	                           "W clock_gettime@@LINUX_2.6\n"
	                           "W getcpu@@LINUX_2.6\n"
	                           "W gettimeofday@@LINUX_2.6\n"
	                           "B pvclock_vdso_core@@PVCLOCK_0.1\n"
	                           "W time@@LINUX_2.6\n");
}

/*
 * The shim's block begins in the page of its other data, which is written to anyway, and
 * so early in it that what the fast path reads, with room for six lines, is there as well.
 */
static void block_of_the_shim(void **state)
{
	unsigned long block, data;

	(void)state;
	shell_well(&r, "nm \"$PVCLOCK_BUILD\"/libpvclock-preload.so | grep ' b core$'", NULL);
	assert_int_equal(sscanf(r.out, "%lx", &block), 1);
	shell_well(&r, "nm \"$PVCLOCK_BUILD\"/libpvclock-preload.so | grep ' d options$'", NULL);
	assert_int_equal(sscanf(r.out, "%lx", &data), 1);
	assert_int_equal(block / 4096, data / 4096);
	assert_in_range(block % 4096, 0, 1024);
}

/*
 * Every header that is read, libc's too: ours, the frozen ABI, and those that come
 * with the compiler. The C library's stdc-predef.h, which gcc reads on its own, has
 * only macros in it. By -H, since -M also names what was only asked for.
 */
static void headers(void **state)
{
	(void)state;
	shell_well(&r,
	           "own=$(realpath \"$(dirname \"$($CC -print-file-name=include/stdint.h)\")\")\n"
	           "for c in vdso/*.c; do\n"
	           "	$CC -std=gnu11 -ffreestanding -H -E -o /dev/null $c 2>\"$1\" || exit 1\n"
	           "	sed -n 's/^\\.\\.* //p' \"$1\"\n"
	           "done | sort -u | while read -r h; do\n"
	           "	f=$(realpath --relative-base=. \"$h\")\n"
	           "	case $f in\n"
	           "	vdso/*.h|include/pvclock/abi.h|*/stdc-predef.h|\"$own\"/*) ;;\n"
	           "	*) echo \"$f\" ;;\n"
	           "	esac\n"
	           "	[ $f != vdso/core.h ] || echo seen >&2\n"
	           "done",
	           scratch);
	assert_string_equal(r.out, "");
	assert_contains(r.err, "seen\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_undefined),   cmocka_unit_test(no_state_of_its_own),
		cmocka_unit_test(image_wants_nothing), cmocka_unit_test(image_segments),
		cmocka_unit_test(image_exports),       cmocka_unit_test(headers),
		cmocka_unit_test(block_of_the_shim),
	};

	return cmocka_run_group_tests(tests, link_core, remove_core);
}
