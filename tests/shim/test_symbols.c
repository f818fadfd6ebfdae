// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the shim is as a file: the names it puts before libc's, and no more. */
#include "spawn.h"

static struct result r;

/* A set of names: each is wanted once, and nothing else is. */
struct names {
	const char *const *wanted;
	unsigned seen; /* bit by bit */
};

static void take(struct names *n, const char *name)
{
	unsigned i;

	for (i = 0; n->wanted[i]; i++) {
		if (strcmp(n->wanted[i], name) != 0)
			continue;
		assert_int_equal(n->seen & 1u << i, 0);
		n->seen |= 1u << i;
		return;
	}
	fail_msg("%s is not expected", name);
}

static void assert_complete(const struct names *n)
{
	unsigned i;

	for (i = 0; n->wanted[i]; i++)
		if (!(n->seen & 1u << i))
			fail_msg("%s is missing", n->wanted[i]);
}

static void exports(void **state)
{
	struct names names = {
		.wanted = WORDS("clock_gettime@@GLIBC_2.17", "clock_gettime@GLIBC_2.2.5",
	                        "clock_getres@@GLIBC_2.17", "clock_getres@GLIBC_2.2.5",
	                        "gettimeofday@@GLIBC_2.2.5", "time@@GLIBC_2.2.5",
	                        "clock_settime@@GLIBC_2.17", "clock_settime@GLIBC_2.2.5",
	                        "settimeofday@@GLIBC_2.2.5", "clock_adjtime@@GLIBC_2.14",
	                        "adjtimex@@GLIBC_2.2.5", "__adjtimex@@GLIBC_2.2.5",
	                        "ntp_adjtime@@GLIBC_2.2.5")};
	char *text = r.out, *line, type, name[256];

	(void)state;
	run_tool(&r, WORDS("nm", "-D", "--defined-only", "--with-symbol-versions", shim_path()));
	while ((line = next_line(&text))) {
		assert_int_equal(sscanf(line, "%*s %c %255s", &type, name), 2);
		if (type == 'A') /* the versions themselves */
			continue;
		assert_int_equal(type, 'T');
		take(&names, name);
	}
	assert_complete(&names);
}

/* Nothing that could allocate, wait, look up a symbol, or start a thread. */
static void imports(void **state)
{
	static const char *const never[] = {"malloc",    "calloc",   "realloc",   "free", "dlopen",
	                                    "dlsym",     "dlvsym",   "pthread_",  "mtx_", "printf",
	                                    "fprintf",   "signal",   "sigaction", "mmap", "exit",
	                                    "abort",     "usleep",   "nanosleep", "sem_", "atexit",
	                                    "__tls_get", "localtime"};
	char *text = r.out, *line, name[256];
	size_t i;

	(void)state;
	run_tool(&r, WORDS("nm", "-D", "--undefined-only", "--with-symbol-versions", shim_path()));
	while ((line = next_line(&text))) {
		char type;

		assert_int_equal(sscanf(line, " %c %255s", &type, name), 2);
		for (i = 0; i < sizeof(never) / sizeof(*never); i++)
			if (!strncmp(name, never[i], strlen(never[i])))
				fail_msg("the shim calls %s", name);
		/* Weak ones may be absent, all others are libc's. */
		if (type != 'w' && !strstr(name, "@GLIBC_"))
			fail_msg("%s is not libc's", name);
	}
}

static void needs_libc_alone(void **state)
{
	char *text = r.out, *line;
	unsigned needed = 0;

	(void)state;
	run_tool(&r, WORDS("readelf", "-dW", shim_path()));
	assert_null(strstr(r.out, "TEXTREL"));
	assert_null(strstr(r.out, "RPATH"));
	assert_null(strstr(r.out, "RUNPATH"));
	/* Bound before the first call: a lazy binding allocates, and locks. */
	assert_contains(r.out, "NOW");
	assert_contains(r.out, "Library soname: [libpvclock-preload.so]");
	while ((line = next_line(&text))) {
		if (!strstr(line, "(NEEDED)"))
			continue;
		assert_contains(line, "[libc.so.6]");
		needed++;
	}
	assert_int_equal(needed, 1);
}

static void segments(void **state)
{
	char *text = r.out, *line;
	unsigned relro = 0, stack = 0;

	(void)state;
	run_tool(&r, WORDS("readelf", "-lW", shim_path()));
	while ((line = next_line(&text))) {
		char type[32], flags[32];

		if (sscanf(line, " %31s 0x%*s 0x%*s 0x%*s 0x%*s 0x%*s %31[RWE ]", type, flags) != 2)
			continue;
		if (strchr(flags, 'W') && strchr(flags, 'E'))
			fail_msg("writable and executable: %s", line);
		relro += !strcmp(type, "GNU_RELRO");
		stack += !strcmp(type, "GNU_STACK");
	}
	assert_int_equal(relro, 1);
	assert_int_equal(stack, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exports),
		cmocka_unit_test(imports),
		cmocka_unit_test(needs_libc_alone),
		cmocka_unit_test(segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
