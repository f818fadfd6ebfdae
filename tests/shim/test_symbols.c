// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim is as a file: the names it puts before libc's, and no more; and which
 * of libc's names that is.
 */
#include <dlfcn.h>
#include <fnmatch.h>

#include "spawn.h"

static struct result r;

/* A set of names: each is wanted once, and nothing else is. */
struct names {
	const char *const *wanted;
	uint64_t seen; /* bit by bit */
};

static void take(struct names *n, const char *name)
{
	unsigned i;

	for (i = 0; n->wanted[i]; i++) {
		if (strcmp(n->wanted[i], name) != 0)
			continue;
		assert_int_equal(n->seen & 1ull << i, 0);
		n->seen |= 1ull << i;
		return;
	}
	fail_msg("%s is not expected", name);
}

static void assert_complete(const struct names *n)
{
	unsigned i;

	for (i = 0; n->wanted[i]; i++)
		if (!(n->seen & 1ull << i))
			fail_msg("%s is missing", n->wanted[i]);
}

/* The doors. Without @@ only programs that were linked to an older libc come by it. */
static const char *const doors[] = {
	"clock_gettime@@GLIBC_2.17",
	"clock_gettime@GLIBC_2.2.5",
	"__clock_gettime@@GLIBC_PRIVATE",
	"clock_getres@@GLIBC_2.17",
	"clock_getres@GLIBC_2.2.5",
	"gettimeofday@@GLIBC_2.2.5",
	"__gettimeofday@@GLIBC_2.2.5",
	"time@@GLIBC_2.2.5",
	"timespec_get@@GLIBC_2.16",
	"timespec_getres@@GLIBC_2.34",
	"ftime@@GLIBC_2.2.5",
	"syscall@@GLIBC_2.2.5",
	/* These set clocks, */
	"clock_settime@@GLIBC_2.17",
	"clock_settime@GLIBC_2.2.5",
	"settimeofday@@GLIBC_2.2.5",
	"stime@GLIBC_2.2.5",
	"adjtime@@GLIBC_2.2.5",
	"adjtimex@@GLIBC_2.2.5",
	"__adjtimex@@GLIBC_2.2.5",
	"ntp_adjtime@@GLIBC_2.2.5",
	"clock_adjtime@@GLIBC_2.14",
	/* and these the clocks that are meant. */
	"setns@@GLIBC_2.14",
	"unshare@@GLIBC_2.4",
	NULL,
};

static void exports(void **state)
{
	struct names names = {.wanted = doors};
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

/* What else of libc has to do with time, and why it is left alone. */
static const struct {
	const char *name, *why;
} left_alone[] = {
	{"clock", "the CPU time of the process"},
	{"times", "ticks and CPU times, by the kernel"},
	{"vtimes", "CPU times"},
	{"clock_getcpuclockid", "names a clock"},
	{"pthread_getcpuclockid", "names a clock"},
	{"pthread_condattr_[gs]etclock", "names a clock"},
	{"ntp_gettime", "how well the clock is set, by the kernel, with its time"},
	{"ntp_gettimex", "how well the clock is set, by the kernel, with its time"},
	{"nanosleep", "the kernel waits"},
	{"__nanosleep", "the kernel waits"},
	{"clock_nanosleep", "the kernel waits"},
	{"timer_*", "the kernel waits"},
	{"timerfd_*", "the kernel waits"},
	{"*timedwait", "the kernel waits"},
	{"*clockwait", "the kernel waits"},
	{"pthread_*_clocklock", "the kernel waits"},
	{"pthread_rwlock_clock*lock", "the kernel waits"},
	{"pthread_*timed*", "the kernel waits"},
	{"pthread_clockjoin_np", "the kernel waits"},
	{"mtx_timedlock", "the kernel waits"},
	{"mq_timed*", "the kernel waits"},
	{"semtimedop", "the kernel waits"},
	{"sigtimedwait", "the kernel waits"},
	{"getitimer", "what is left, by the kernel"},
	{"setitimer", "the kernel waits"},
	{"rtime", "asks another machine"},
	{"*utime*", "files"},
	{"*futimens*", "files"},
	{"asctime*", "converts"},
	{"ctime*", "converts"},
	{"*gmtime*", "converts"},
	{"localtime*", "converts"},
	{"mktime", "converts"},
	{"timegm", "converts"},
	{"timelocal", "converts"},
	{"difftime", "converts"},
	{"*strftime*", "converts"},
	{"strptime*", "converts"},
	{"*wcsftime*", "converts"},
	{"*timezone", "how it converts"},
};

/* A part of the name says that it has to do with it. */
static bool is_about_time(const char *name)
{
	static const char *const parts[] = {"time", "clock", "ntp_", "tick"};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(name, parts[i]) && strncmp(name, "grantpt", 7) != 0)
			return true;
	return false;
}

static bool is_left_alone(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(left_alone) / sizeof(*left_alone); i++)
		if (!fnmatch(left_alone[i].name, name, 0))
			return true;
	return false;
}

/* How the name of a door goes on at its version. NULL: this is no door. */
static const char *door_of(const char *door, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(door, name, length) && door[length] == '@' ? door + length : NULL;
}

/*
 * With the version that libc has. Whether that is the one that programs get linked to
 * is libc's affair: a newer one keeps it for the programs that have been.
 */
static void judge(const char *name, const char *version)
{
	bool is_door = false;
	size_t i;

	for (i = 0; doors[i]; i++) {
		const char *has = door_of(doors[i], name);

		is_door |= has != NULL;
		if (has && !strcmp(has + strspn(has, "@"), version))
			return;
	}
	if (is_door)
		fail_msg("libc has %s@%s, and the shim lacks that version", name, version);
	if (is_about_time(name) && !is_left_alone(name))
		fail_msg("libc has %s@%s: is it a door, or left alone?", name, version);
}

static const char *path_of_libc(void)
{
	Dl_info info;

	assert_true(dladdr((void *)fopen, &info) && info.dli_fname);
	return info.dli_fname;
}

/* Of the libc that is mapped here, so also of one that is newer than this list. */
static void doors_of_libc(void **state)
{
	char *text = r.out, *line;
	unsigned seen = 0;

	(void)state;
	run_tool(&r, WORDS("readelf", "-W", "--dyn-syms", path_of_libc()));
	while ((line = next_line(&text))) {
		char type[16], where[16], name[256], *version;

		if (sscanf(line, " %*d: %*s %*s %15s %*s %*s %15s %255s", type, where, name) != 3 ||
		    !strcmp(where, "UND") || !strcmp(where, "ABS"))
			continue;
		version = strchr(name, '@');
		assert_non_null(version);
		*version = '\0';
		judge(name, version + 1 + strspn(version + 1, "@"));
		seen += !strcmp(name, "clock_gettime") || !strcmp(name, "setns");
	}
	/* Those were its names, and there is one version of setns and at least one of the other. */
	assert_in_range(seen, 2, 3);
}

/*
 * Nothing that could allocate, wait, or start a thread. Symbols are looked up, but not
 * on the way of a call: test_calls counts how often.
 */
static void imports(void **state)
{
	static const char *const never[] = {
		"malloc", "calloc", "realloc",   "free",   "dlopen",    "dlvsym",    "pthread_",
		"mtx_",   "printf", "fprintf",   "signal", "sigaction", "mmap",      "exit",
		"abort",  "usleep", "nanosleep", "sem_",   "atexit",    "__tls_get", "localtime"};
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
		cmocka_unit_test(exports),  cmocka_unit_test(doors_of_libc),
		cmocka_unit_test(imports),  cmocka_unit_test(needs_libc_alone),
		cmocka_unit_test(segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
