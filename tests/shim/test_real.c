// SPDX-License-Identifier: LGPL-2.1-or-later
/* Programs that people use: the same status, and a time between two of ours. */
#include <time.h>

#include "spawn.h"

static struct result r;

static double now(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(id, &ts), 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Some microseconds of decimals, and of the clocks' agreement. */
#define TOLERANCE 1e-5

static void assert_prints_time(clockid_t id, const char *const *env, const char *const *argv)
{
	struct shimmed s = {.argv = argv, .env = env};
	double low = now(id), high, is;
	char *end;

	run_shimmed(&r, &s);
	high = now(id);
	assert_exit(&r, 0);
	assert_string_equal(r.err, "");
	is = strtod(r.out, &end);
	if (end == r.out || *end != '\n')
		fail_msg("%s says: %s", argv[0], r.out);
	if (is < low - TOLERANCE || is > high + TOLERANCE)
		fail_msg("%s says %.6f, not in %.6f to %.6f", argv[0], is, low, high);
}

static void assert_time(clockid_t id, const char *const *argv)
{
	assert_prints_time(id, WORDS("LC_ALL=C"), argv);
	assert_prints_time(id, WORDS("LC_ALL=C", "PVCLOCK_MODE=percpu"), argv);
	assert_prints_time(id, WORDS("LC_ALL=C", "PVCLOCK_MODE=kernel"), argv);
}

/* With the shim and without it, the status is the program's. */
static void assert_status(const char *const *argv, int status)
{
	struct command c = {.argv = argv};
	struct shimmed s = {.argv = argv};

	run(&r, &c);
	assert_exit(&r, status);
	run_shimmed(&r, &s);
	assert_exit(&r, status);
	assert_string_equal(r.err, "");
}

static bool have(const char *name)
{
	if (have_program(name))
		return true;
	skip_line(name, "not installed");
	return false;
}

static void date(void **state)
{
	struct shimmed s = {.argv = WORDS("date", "--no-such-option")};

	(void)state;
	assert_time(CLOCK_REALTIME, WORDS("date", "+%s.%N"));
	assert_status(WORDS("date", "+%Y"), 0);
	run_shimmed(&r, &s);
	assert_exit(&r, 1);
}

static void bash(void **state)
{
	(void)state;
	if (!have("bash"))
		return;
	assert_time(CLOCK_REALTIME, WORDS("bash", "-c", "echo $EPOCHREALTIME"));
	assert_status(WORDS("bash", "-c", "exit 3"), 3);
	assert_status(WORDS("bash", "-c", "sleep 0.01 & wait; (exit 4)"), 4);
	/* A pipeline of children, each with a shim of its own. */
	assert_status(WORDS("bash", "-c", "for i in 1 2 3 4 5; do date +%s%N; done | sort -nc"), 0);
}

static void python(void **state)
{
	(void)state;
	if (!have("python3"))
		return;
	assert_time(CLOCK_REALTIME, WORDS("python3", "-c", "import time; print(time.time())"));
	assert_time(CLOCK_MONOTONIC,
	            WORDS("python3", "-c", "import time; print(time.monotonic())"));
	assert_time(CLOCK_BOOTTIME,
	            WORDS("python3", "-c",
	                  "import time; print(time.clock_gettime(time.CLOCK_BOOTTIME))"));
	assert_status(WORDS("python3", "-c", "import sys; sys.exit(3)"), 3);
	/* Sleeps end by the kernel's clock, and are measured by ours. */
	assert_status(WORDS("python3", "-c",
	                    "import time, threading, sys\n"
	                    "short = []\n"
	                    "def nap():\n"
	                    "    for i in range(20):\n"
	                    "        t = time.monotonic(); time.sleep(0.003)\n"
	                    "        if time.monotonic() - t < 0.003 - 2e-6: short.append(i)\n"
	                    "ts = [threading.Thread(target=nap) for i in range(4)]\n"
	                    "[t.start() for t in ts]; [t.join() for t in ts]\n"
	                    "sys.exit(len(short))\n"),
	              0);
}

static void perl(void **state)
{
	struct command c = {.argv = WORDS("perl", "-MTime::HiRes", "-e", "1")};

	(void)state;
	if (!have("perl"))
		return;
	assert_status(WORDS("perl", "-e", "exit 3"), 3);
	assert_status(WORDS("perl", "-e", "exit(abs(time - `date +%s`) > 1)"), 0);
	run(&r, &c);
	if (r.status != 0) {
		skip_line("perl's Time::HiRes", "not installed");
		return;
	}
	assert_time(CLOCK_REALTIME,
	            WORDS("perl", "-MTime::HiRes=time", "-e", "printf \"%.6f\\n\", time"));
	assert_time(CLOCK_MONOTONIC,
	            WORDS("perl", "-MTime::HiRes=clock_gettime,CLOCK_MONOTONIC", "-e",
	                  "printf \"%.9f\\n\", clock_gettime(CLOCK_MONOTONIC)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(date),
		cmocka_unit_test(bash),
		cmocka_unit_test(python),
		cmocka_unit_test(perl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
