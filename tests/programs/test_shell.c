// SPDX-License-Identifier: LGPL-2.1-or-later
/* bash, dash and coreutils' date: many short programs, each with a shim of its own. */
#include "proof.h"

static time_t begun;

/* Seconds and nanoseconds, between the test's start and now. */
static void check_is_now(const struct result *r)
{
	char *end;
	long long is = strtoll(r->out, &end, 10);

	if (*end != '.' && *end != '\n')
		fail_msg("no time: %s", r->out);
	if (is < begun || is > time(NULL))
		fail_msg("not now: %s", r->out);
}

static void date(void **state)
{
	struct program p = {.argv = WORDS("date", "+%s.%N"),
	                    .name = "date",
	                    .brief = true,
	                    .check = check_is_now};

	(void)state;
	begun = time(NULL);
	assert_same_program(&p, 0);
	p.argv = WORDS("date", "--date=2001-09-09 01:46:40 UTC", "+%s");
	p.check = NULL;
	assert_same_program(&p, 0);
	p.argv = WORDS("date", "--date=no date");
	assert_same_program(&p, 1);
}

static void bash(void **state)
{
	struct program p = {.argv = WORDS("bash", "-c", "echo $EPOCHREALTIME"),
	                    .name = "bash",
	                    .brief = true,
	                    .check = check_is_now};

	(void)state;
	if (!have("bash"))
		return;
	begun = time(NULL);
	assert_same_program(&p, 0);
	/* The clock of seconds is time(2), which is the kernel's own: not after the other. */
	p.argv = WORDS("bash", "-c",
	               "for ((i = 0; i < 20000; i++)); do\n"
	               "	s=$EPOCHSECONDS; n=$EPOCHREALTIME\n"
	               "	((s <= ${n%.*})) || { echo $s after $n; exit 1; }\n"
	               "done; echo ok");
	p.brief = false;
	p.check = NULL;
	assert_same_program(&p, 0);
}

static void children(void **state)
{
	struct program p = {.argv = WORDS("bash", "-c",
	                                  "for i in {1..20}; do\n"
	                                  "	date +%s%N & wait; (echo ${EPOCHREALTIME/./}000)\n"
	                                  "done | sort -nc; exit ${PIPESTATUS[1]}"),
	                    .name = "date",
	                    .brief = true};

	(void)state;
	if (!have("bash"))
		return;
	assert_same_program(&p, 0);
	p.argv = WORDS("bash", "-c", "TIMEFORMAT=%0U; time sleep 0.01; exit 3");
	p.name = "bash";
	assert_same_program(&p, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(date),
		cmocka_unit_test(bash),
		cmocka_unit_test(children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
