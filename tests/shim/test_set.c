// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The calls that set a clock, where the kernel says yes: it is asked for what libc
 * would ask it for, and the next reading asks it what came of that. The machine's time
 * stands (see prog_pretend).
 */
#include <fcntl.h>

#include "spawn.h"

static struct result r;

#define SETTINGS "trace=clock_settime,settimeofday,clock_adjtime,adjtimex"
#define LINES 15 /* 4 that look for the filter, and the doors' */

static bool have_filter(void)
{
	struct command c = {.argv = WORDS(built("prog_pretend"))};

	run(&r, &c);
	if (r.status == 2)
		skip_line("setting clocks", "a filter is refused here");
	else
		assert_exit(&r, 0);
	return r.status == 0;
}

/* Of adjtime's struct timex what stands before the parts that nobody has asked for. */
static void cut_timex(char *text)
{
	char *to = text, *line, *end;
	size_t length;

	while ((line = next_line(&text))) {
		end = strstr(line, ", freq=");
		if (end && strstr(line, "ADJ_OFFSET_SINGLESHOT"))
			*end = '\0';
		length = strlen(line);
		memmove(to, line, length);
		to += length;
		*to++ = '\n';
	}
	*to = '\0';
}

/* What the kernel was asked for; and what the program has printed, in r.out. */
static void traced(const char *env, char *log)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct command c = {.argv = WORDS("strace", "-qq", "-o", path, "-e", SETTINGS, "-E", env,
	                                  built("prog_pretend"))};
	int fd;

	make_tree(dir);
	assert_true((size_t)snprintf(path, sizeof(path), "%.4000s/log", dir) < sizeof(path));
	run(&r, &c);
	assert_exit(&r, 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	collect(fd, log);
	remove_tree(dir);
	cut_timex(log);
}

static void as_libc_asks(void **state)
{
	static char plain[CAPTURE_SIZE], ours[CAPTURE_SIZE], said[CAPTURE_SIZE];
	char preload[PATH_MAX + 16];
	struct command c = {.argv = WORDS("strace", "-o", "/dev/null", "true")};

	(void)state;
	if (!have_filter())
		return;
	if (have_program("strace"))
		run(&r, &c);
	if (!have_program("strace") || r.status != 0) {
		skip_line("setting clocks", "no strace, or it may not trace here");
		return;
	}
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", shim_path());
	traced("UNUSED=1", plain);
	memcpy(said, r.out, sizeof(said));
	traced(preload, ours);
	assert_string_equal(r.out, said);
	assert_int_equal(count_lines(plain), LINES);
	assert_string_equal(ours, plain);
}

#define TIMES 40000 /* several times as often as while the page is being proved */

static unsigned long kernel_reads(const char *text)
{
	const char *end = strstr(text, " kernel reads");

	if (!end) {
		fail_msg("the shim does not tell how often it has read the kernel: %s", text);
		return 0;
	}
	while (end > text && end[-1] >= '0' && end[-1] <= '9')
		end--;
	return strtoul(end, NULL, 10);
}

static void next_reading_has_it(void **state)
{
	static const char *const doors[] = {"clock_settime", "clock_settime@GLIBC_2.2.5",
	                                    "settimeofday",  "zone",
	                                    "stime",         "adjtime",
	                                    "adjtimex",      "__adjtimex",
	                                    "ntp_adjtime",   "clock_adjtime"};
	char times[16];
	size_t i;

	(void)state;
	if (!have_filter() || !mode_works("percpu", "clocks that are set"))
		return;
	snprintf(times, sizeof(times), "%d", TIMES);
	for (i = 0; i < sizeof(doors) / sizeof(*doors); i++) {
		struct shimmed s = {.argv = WORDS(built("prog_pretend"), doors[i], times),
		                    .env = WORDS("PVCLOCK_MODE=percpu", "PVCLOCK_VERBOSE=2")};

		run_shimmed(&r, &s);
		assert_exit(&r, 0);
		if (kernel_reads(r.err) < TIMES)
			fail_msg("after %d of %s: %s", TIMES, doors[i], r.err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_libc_asks),
		cmocka_unit_test(next_reading_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
