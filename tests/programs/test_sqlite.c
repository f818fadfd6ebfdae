// SPDX-License-Identifier: LGPL-2.1-or-later
/* SQLite: what the time is in SQL, and how long a statement took. */
#include "proof.h"

static long long begun_ms;

static long long now_ms(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* "1234567890 56.789": seconds, and those of the minute with their thousandths. */
static void check_now(const struct result *r)
{
	long long seconds, is, now = now_ms();
	int of_minute, ms;

	if (sscanf(r->out, "%lld %d.%d\n", &seconds, &of_minute, &ms) != 3)
		fail_msg("no time: %s%s", r->out, r->err);
	assert_int_equal(seconds % 60, of_minute);
	is = seconds * 1000 + ms;
	/* It rounds to the nearest. */
	if (is < begun_ms - 1 || is > now + 1)
		fail_msg("%lld is not in %lld to %lld", is, begun_ms, now);
}

static void now(void **state)
{
	struct program p = {.argv = WORDS("sqlite3", ":memory:", "select strftime('%s %f', 'now')"),
	                    .name = "sqlite3",
	                    .brief = true,
	                    .check = check_now};

	(void)state;
	if (!have("sqlite3"))
		return;
	begun_ms = now_ms();
	assert_same_program(&p, 0);
}

static void check_timer(const struct result *r)
{
	unsigned statements = 0;
	const char *at = r->out;
	double real;

	assert_string_equal(r->err, "");
	assert_contains(r->out, "50000|1\n");
	while ((at = strstr(at, "Run Time: real "))) {
		assert_int_equal(sscanf(at++, "Run Time: real %lf", &real), 1);
		assert_true(real >= 0);
		statements++;
	}
	assert_int_equal(statements, 3);
}

static void timer(void **state)
{
	char words[PATH_MAX + 16];
	struct program p = {.argv = WORDS("sqlite3", ":memory:", words),
	                    .name = "sqlite3",
	                    .brief = true,
	                    .check = check_timer};

	(void)state;
	if (!have("sqlite3"))
		return;
	snprintf(words, sizeof(words), ".read '%s'", source("clock.sql"));
	assert_same_program(&p, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now),
		cmocka_unit_test(timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
