// SPDX-License-Identifier: LGPL-2.1-or-later
/* Time namespaces: their clocks, in children and in programs started in them. */
#include "spawn.h"

#define NOT_HERE 77

static struct result r;

static const char *const modes[] = {"PVCLOCK_MODE=kernel", "PVCLOCK_MODE=stable",
                                    "PVCLOCK_MODE=auto"};
#define MODES (sizeof(modes) / sizeof(*modes))

static bool have_namespaces(void)
{
	struct command c = {.argv = WORDS(built("prog_namespace"), "1")};

	run(&r, &c);
	if (r.status != NOT_HERE)
		return true;
	skip_line("time namespaces", "the kernel makes none for us");
	return false;
}

static void every_way(const char *seconds)
{
	size_t i;

	if (!have_namespaces())
		skip();
	run_plain(&r, WORDS(built("prog_namespace"), seconds));
	for (i = 0; i < MODES; i++) {
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_namespace"), seconds));
		run_quietly(&r, WORDS(modes[i]),
		            WORDS(built("prog_namespace"), seconds, built("prog_clocks"), "20000"));
	}
	run_quietly(&r, WORDS("PVCLOCK_MODE=percpu"), WORDS(built("prog_namespace"), seconds));
}

static void later(void **state)
{
	(void)state;
	every_way("1000000");
}

/* Lower than what the parent was told: no floor of the parent's may hold. */
static void earlier(void **state)
{
	(void)state;
	every_way("-30");
}

/* A namespace in a namespace: the count stands, the offsets are others. */
static void nested(void **state)
{
	(void)state;
	if (!have_namespaces())
		skip();
	run_quietly(&r, NULL,
	            WORDS(built("prog_namespace"), "1000000", built("prog_namespace"), "-30"));
	run_quietly(&r, WORDS("PVCLOCK_MODE=percpu"),
	            WORDS(built("prog_namespace"), "1000000", built("prog_namespace"), "-30"));
}

static void there_and_back(const char *seconds)
{
	struct command c = {.argv = WORDS(built("prog_setns"), seconds)};
	size_t i;

	run(&r, &c);
	if (r.status == NOT_HERE) {
		skip_line("setns into a time namespace", "the kernel makes none for us");
		skip();
	}
	assert_exit(&r, 0);
	for (i = 0; i < MODES; i++)
		run_quietly(&r, WORDS(modes[i]), WORDS(built("prog_setns"), seconds));
	run_quietly(&r, WORDS("PVCLOCK_MODE=percpu"), WORDS(built("prog_setns"), seconds));
	run_quietly(&r, WORDS("PVCLOCK_MODE=percpu", "PVCLOCK_SCOPE=thread"),
	            WORDS(built("prog_setns"), seconds));
}

/* The process itself, and not its children. */
static void setns_later(void **state)
{
	(void)state;
	there_and_back("1000000");
}

static void setns_earlier(void **state)
{
	(void)state;
	there_and_back("-12");
}

/* Where nothing but the calls tells of the namespace. */
static void parameters_not_found(void **state)
{
	static const char *const seconds[] = {"1000000", "-12"};
	unsigned i;

	(void)state;
	if (!have_namespaces())
		skip();
	for (i = 0; i < 4; i++) {
		const char *mode = i & 1 ? "PVCLOCK_MODE=percpu" : "PVCLOCK_MODE=stable";
		struct shimmed s = {.argv = WORDS(built("prog_setns"), seconds[i / 2]),
		                    .env = WORDS(mode),
		                    .after = built("lib_novvar.so")};

		run_shimmed(&r, &s);
		assert_exit(&r, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later),         cmocka_unit_test(earlier),
		cmocka_unit_test(nested),        cmocka_unit_test(setns_later),
		cmocka_unit_test(setns_earlier), cmocka_unit_test(parameters_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
