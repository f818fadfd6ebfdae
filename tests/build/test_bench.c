// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pvclock-bench as a program: "agree" proves what it is there for from whatever
 * folder it is started, tells it to programs and people, and to nobody who asks
 * wrongly.
 */
#include "tool.h"

static int find(void **state)
{
	(void)state;
	return find_tool("pvclock-bench");
}

/* Clocks made from samples may be some ns off; their interval may not. */
static const char *what_decides(void)
{
	run_shipped(NULL, WORDS(tool, "agree", "--count", "1", "--only", "bounds"), 0);
	if (strstr(r.out, "\nexact        yes"))
		return "below,above,back,across,bounds";
	skip_line("agreement to the last bit", "clocks are made from samples here");
	return "bounds";
}

#define ALL_CLOCKS "['REALTIME', 'MONOTONIC', 'MONOTONIC_RAW', 'BOOTTIME', 'TAI']"

/* A pipe would hide the exit status, so the object comes as an argument. */
static void as_json(void **state)
{
	static struct result parsed;
	const char *const script =
		"import json, sys\n"
		"d = json.loads(sys.argv[1])\n"
		"assert d['agree'] is True and d['environment']['mode']\n"
		"assert d['method']['threads'] == 3 and d['method']['migrate']\n"
		"assert [c['clock'] for c in d['clocks']] == " ALL_CLOCKS "\n"
		"for c in d['clocks']:\n"
		"    assert c['readings'] + c['left_out'] == 60000, c\n"
		"    assert c['intervals'] == c['readings'], c\n"
		"    assert sum(c['certainty'].values()) == c['intervals'], c\n"
		"    assert c['counts']['bounds'] == 0, c\n"
		"    assert c['offset_ns']['min'] <= c['offset_ns']['median'], c\n"
		"assert d['library']['violated'] == 0\n";
	struct command parse = {.argv = WORDS("python3", "-c", script, r.out)};
	const char *only = what_decides();

	(void)state;
	run_shipped(NULL,
	            WORDS(tool, "agree", "--count", "20000", "--threads", "3", "--migrate",
	                  "--json", "--only", only),
	            0);
	assert_string_equal(r.err, "");
	if (!have_program("python3")) {
		skip_line("the JSON of agree", "python3 is missing");
		return;
	}
	run(&parsed, &parse);
	assert_exit(&parsed, 0);
}

/* A run with a library that is wrong now and then, in one way. */
static void run_wrong(const char *how, const char *only, int status)
{
	char preload[PATH_MAX], wrong[64];

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%.4000s/tests/shim/lib_wrong.so",
	         setting("PVCLOCK_BUILD"));
	snprintf(wrong, sizeof(wrong), "WRONG=%s", how);
	run_shipped(WORDS(preload, wrong),
	            WORDS(tool, "agree", "--seconds=1", "--threads=2", "--only", only), status);
}

static void last_line_is(const char *words)
{
	char *text = r.out, *line, *last = r.out;

	while ((line = next_line(&text)))
		last = line;
	if (!strstr(last, words))
		fail_msg("the last line is \"%s\"", last);
}

static void in_words(void **state)
{
	(void)state;
	run_shipped(NULL,
	            WORDS(tool, "agree", "--count=3000", "--clock=tai,MONOTONIC", "--syscall",
	                  "--load", "--mode=kernel", "--interval=7"),
	            0);
	assert_contains(r.out, "mode kernel: asked for");
	assert_contains(r.out, "\nexact        no");
	assert_contains(r.out, "\nTAI ");
	assert_contains(r.out, "\nMONOTONIC ");
	assert_null(strstr(r.out, "\nBOOTTIME "));
	last_line_is("they agree: below 0 above 0 back 0 across 0 bounds 0");
	run_shipped(NULL, WORDS(tool, "agree", "--seconds=1", "--only=back", "--interval=0"), 0);
	last_line_is("they agree: back 0");
}

/* What is proved here would be found if it were not so. */
static void finds_mistakes(void **state)
{
	(void)state;
	run_wrong("below", "below", EXIT_FAILED);
	last_line_is("they do not agree: REALTIME below ");
	run_wrong("above", "above", EXIT_FAILED);
	last_line_is("MONOTONIC above ");
	run_wrong("bounds", "bounds", EXIT_FAILED);
	last_line_is("TAI bounds ");
}

/* Not a mistake of anybody's, and told. */
static void knows_a_setting(void **state)
{
	(void)state;
	run_wrong("set", what_decides(), 0);
	assert_contains(r.out, "\nREALTIME was set ");
	assert_null(strstr(r.out, "\nMONOTONIC was set "));
}

static void refuses(const char *const *argv, const char *told)
{
	run_shipped(NULL, argv, EXIT_USAGE);
	assert_one_line(r.err, WORDS("pvclock-bench agree: ", told));
	assert_string_equal(r.out, "");
}

static void wrong_arguments(void **state)
{
	(void)state;
	refuses(WORDS(tool, "agree", "--count", "0"), "--count: '0'");
	refuses(WORDS(tool, "agree", "--count=1e6"), "--count: '1e6'");
	refuses(WORDS(tool, "agree", "--threads=65"), "from 1 to 64");
	refuses(WORDS(tool, "agree", "--seconds=-1"), "--seconds: '-1'");
	refuses(WORDS(tool, "agree", "--seconds=1", "--count=1"), "not together");
	refuses(WORDS(tool, "agree", "--clock=TAI,"), "--clock: ''");
	refuses(WORDS(tool, "agree", "--clock=CPU"), "MONOTONIC_RAW");
	refuses(WORDS(tool, "agree", "--mode=fast"), "auto, stable, percpu, kernel");
	refuses(WORDS(tool, "agree", "--only=some"), "bounds");
	refuses(WORDS(tool, "agree", "--interval"), "--interval");
	refuses(WORDS(tool, "agree", "--wrong"), "--wrong");
	refuses(WORDS(tool, "agree", "disagree"), "'disagree'");
	/* The table's own are what they were. */
	run_shipped(NULL, WORDS(tool, "agreed"), EXIT_USAGE);
	assert_one_line(r.err, WORDS("pvclock-bench: ", "'agreed'"));
}

/* There the kernel's readings would be ours. */
static void under_the_shim(void **state)
{
	char preload[PATH_MAX];

	(void)state;
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%.4000s/libpvclock-preload.so",
	         setting("PVCLOCK_BUILD"));
	run_shipped(WORDS(preload), WORDS(tool, "agree", "--count=1"), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclock-bench agree: ", "the shim"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_json),         cmocka_unit_test(in_words),
		cmocka_unit_test(finds_mistakes),  cmocka_unit_test(knows_a_setting),
		cmocka_unit_test(wrong_arguments), cmocka_unit_test(under_the_shim),
	};

	return cmocka_run_group_tests(tests, find, leave_tool);
}
