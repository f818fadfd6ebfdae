// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim says of itself: the line at start, the line at the end, and the object of
 * PVCLOCK_STATS, read back by somebody else's JSON. Counts are exact.
 */
#include "report.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static const char *const modes[] = {"kernel", "stable", "percpu"};
#define MODES (sizeof(modes) / sizeof(*modes))

static const char *in_mode(const char *mode)
{
	static char env[64];

	snprintf(env, sizeof(env), "PVCLOCK_MODE=%s", mode);
	return env;
}

/* ---- the line at start ------------------------------------------------------------ */

/* Of the start's line: what follows "; clocksource ". */
static void start_line(char clocksource[64], char cost[64])
{
	const char *at = strstr(r.err, "; clocksource ");

	assert_one_line(r.err, WORDS("pvclock: mode ", "; page ", " entries; clocksource "));
	assert_non_null(at);
	if (sscanf(at, "; clocksource %63[^;]; %63s ns per call\n", clocksource, cost) != 2)
		fail_msg("no clocksource or no cost: %s", r.err);
}

static void assert_cost(const char *cost)
{
	unsigned ns = 0, tenth = 10;
	int end = 0;

	if (sscanf(cost, "%u.%1u%n", &ns, &tenth, &end) != 2 || cost[end] || (!ns && !tenth))
		fail_msg("\"%s\" ns per call", cost);
}

static void at_start(void **state)
{
	char clocksource[64], cost[64];
	static struct result is;
	size_t i;

	(void)state;
	run_tool(&is, WORDS("cat", CLOCKSOURCE));
	is.out[strcspn(is.out, "\n")] = '\0';
	for (i = 0; i < MODES; i++) {
		run_count(WORDS("PVCLOCK_VERBOSE=1", in_mode(modes[i])), WORDS(prog(), "0", "0"));
		start_line(clocksource, cost);
		assert_string_equal(clocksource, is.out);
		assert_cost(cost);
	}
}

static void without_sys(void **state)
{
	char clocksource[64], cost[64];

	(void)state;
	if (!run_without("/sys", WORDS("PVCLOCK_VERBOSE=1")))
		return;
	start_line(clocksource, cost);
	assert_string_equal(clocksource, "unknown");
	assert_cost(cost);
}

/*
 * Where the TSC is forbidden the vDSO is not used: to measure, the shim would have to make
 * system calls, and all for nobody.
 */
static void without_vdso(void **state)
{
	struct shimmed s = {.argv = WORDS(prog(), "1", "1"),
	                    .env = WORDS("PVCLOCK_VERBOSE=1"),
	                    .after = built("lib_notsc.so")};
	char clocksource[64], cost[64], *line;

	(void)state;
	run_shimmed(&r, &s);
	assert_exit(&r, 0);
	line = strstr(r.err, "pvclock: mode ");
	assert_non_null(line);
	memmove(r.err, line, strlen(line) + 1);
	start_line(clocksource, cost);
	assert_string_equal(cost, "unknown");
}

/* ---- counts ----------------------------------------------------------------------- */

static void exact_counts(void **state)
{
	char name[64];
	size_t i;

	(void)state;
	for (i = 0; i < MODES; i++) {
		begin();
		run_count(WORDS(to_file("out"), in_mode(modes[i])), WORDS(prog(), "4", "300"));
		assert_string_equal(r.err, "");
		objects("out", 1);
		assert_turns(1200);
		snprintf(name, sizeof(name), ".mode='%s'\n", modes[i]);
		if (mode_works(modes[i], "the mode in the object"))
			assert_contains(r.out, name);
		assert_contains(r.out, ".program='prog_count'\n");
		end();
	}
}

/* In the line as well, where what was not called is not named. */
static void summary(void **state)
{
	(void)state;
	run_count(WORDS("PVCLOCK_VERBOSE=2"), WORDS(prog(), "2", "10"));
	assert_int_equal(count_lines(r.err), 2);
	assert_contains(r.err, " anchors, ");
	assert_contains(r.err, " kernel reads, ");
	assert_contains(r.err, " fallbacks, ");
	assert_contains(r.err, " events; calls: CLOCK_REALTIME 20, CLOCK_MONOTONIC 40, ");
	assert_contains(r.err, ", CLOCK_TAI 240, other 60, gettimeofday 80, time 100, "
	                       "clock_getres 120, setting 140\n");
	run_count(WORDS("PVCLOCK_VERBOSE=2"), WORDS(prog(), "0", "0"));
	assert_int_equal(count_lines(r.err), 2);
	assert_contains(r.err, " events; no calls\n");
}

/* What the parent has counted is not the child's. */
static void child_counts_its_own(void **state)
{
	(void)state;
	begin();
	run_count(WORDS(to_file("out")), WORDS(prog(), "2", "50", "fork"));
	objects("out", 2);
	/* The child ends first. */
	assert_contains(strstr(r.out, "{"), "calls.CLOCK_MONOTONIC=2\n");
	*strchr(r.out + 1, '}') = '\0';
	assert_turns(1);
	objects("out", 2);
	memmove(r.out, strrchr(r.out, '{'), strlen(strrchr(r.out, '{')) + 1);
	assert_turns(100);
	end();
}

/* Each of struct pvc_counters, by its name. */
static void every_counter(void **state)
{
	static const char script[] =
		"sed -n '/^struct pvc_counters {/,/^}/"
		"s/^\t_Atomic uint64_t \\([a-z_]*\\);.*/\\1/p' \"$0\"/vdso/core.h";
	static struct result fields;
	char *text = fields.out, *name, key[96];
	unsigned n = 0;

	(void)state;
	run_tool(&fields, WORDS("sh", "-c", script, setting("PVCLOCK_SOURCE")));
	begin();
	run_count(WORDS(to_file("out")), WORDS(prog(), "1", "1"));
	objects("out", 1);
	for (; (name = next_line(&text)); n++) {
		snprintf(key, sizeof(key), ".counters.%s=", name);
		assert_contains(r.out, key);
	}
	assert_in_range(n, 10, 100);
	snprintf(key, sizeof(key), ".counters has %u\n", n);
	assert_contains(r.out, key);
	end();
}

static int anchors_of(const char *object)
{
	const char *at = strstr(object, ".counters.anchors=");

	assert_non_null(at);
	return atoi(strchr(at, '=') + 1);
}

/* Lines are made all the time in the parent, and in its child, for one turn, a few. */
static void counters_count(void **state)
{
	(void)state;
	if (!mode_works("stable", "anchors are counted"))
		return;
	begin();
	run_count(WORDS(to_file("out"), "PVCLOCK_MODE=stable"),
	          WORDS(prog(), "1", "20000", "fork"));
	objects("out", 2);
	/* The child ends first. */
	assert_true(anchors_of(r.out) < anchors_of(strrchr(r.out, '{')));
	end();
}

/* Counted or not, the program is told the time that the kernel has. */
static void same_answers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < MODES; i++) {
		run_quietly(&r, WORDS("PVCLOCK_STATS=/dev/null", in_mode(modes[i])),
		            WORDS(built("prog_threads"), "4", "20000", "together"));
		run_quietly(&r, WORDS("PVCLOCK_STATS=/dev/null", in_mode(modes[i])),
		            WORDS(built("prog_calls"), "null"));
		run_quietly(&r, WORDS("PVCLOCK_STATS=/dev/null", in_mode(modes[i])),
		            WORDS(built("prog_clocks"), "20000"));
	}
}

static void nothing_when_off(void **state)
{
	(void)state;
	begin();
	run_count(WORDS("PVCLOCK_VERBOSE=0"),
	          WORDS("sh", "-c", "cd $0 && exec $1 1 10", dir, prog()));
	assert_string_equal(r.err, "");
	run_tool(&r, WORDS("ls", "-A", dir));
	assert_string_equal(r.out, "");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_start),      cmocka_unit_test(without_sys),
		cmocka_unit_test(without_vdso),  cmocka_unit_test(exact_counts),
		cmocka_unit_test(summary),       cmocka_unit_test(child_counts_its_own),
		cmocka_unit_test(every_counter), cmocka_unit_test(counters_count),
		cmocka_unit_test(same_answers),  cmocka_unit_test(nothing_when_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
