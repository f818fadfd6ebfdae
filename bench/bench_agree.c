// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The options of agree, and its exit status.
 */
#include <stdio.h>
#include <strings.h>

#include "bench_agree.h"
#include "bench_args.h"

enum {
	OPT_COUNT = 256,
	OPT_SECONDS,
	OPT_THREADS,
	OPT_CLOCK,
	OPT_MODE,
	OPT_MIGRATE,
	OPT_LOAD,
	OPT_SYSCALL,
	OPT_INTERVAL,
	OPT_ONLY,
	OPT_JSON
};

static const struct argp_option option_list[] = {
	{"count", OPT_COUNT, "N", 0,
         "Readings of each clock in each thread, 1 to 4000000000 (1000000)", 0},
	{"seconds", OPT_SECONDS, "S", 0, "Read for so long instead, 1 to 86400", 0},
	{"threads", OPT_THREADS, "N", 0, "Threads that read at the same time, 1 to 64 (1)", 0},
	{"clock", OPT_CLOCK, "NAME[,NAME]", 0,
         "Clocks: REALTIME, MONOTONIC, MONOTONIC_RAW, BOOTTIME, TAI (all)", 0},
	{"mode", OPT_MODE, "MODE", 0,
         "Of a reader opened in this mode: auto, stable, percpu or kernel", 0},
	{"migrate", OPT_MIGRATE, NULL, 0,
         "Move the threads from CPU to CPU, as often as about every 10000 readings", 0},
	{"load", OPT_LOAD, NULL, 0, "Let a thread spin on each CPU meanwhile", 0},
	{"syscall", OPT_SYSCALL, NULL, 0,
         "Take the kernel's clock from the system call, not from its vDSO", 0},
	{"interval", OPT_INTERVAL, "N", 0,
         "Check the interval with every so many readings, 0 to 1000000; 0: never (1)", 0},
	{"only", OPT_ONLY, "WHAT[,WHAT]", 0,
         "What decides whether they agree: below, above, back, across, bounds (all)", 0},
	{"json", OPT_JSON, NULL, 0, "Print one JSON object", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const char doc[] =
	"Do pvclock's clocks agree with the kernel's? Reads the kernel's clock, ours and the "
	"kernel's again, and counts what must not be: ours below the one before, above the one "
	"after, lower than ours before; and an interval that the kernel's clock is not in."
	"\vExit status 0: none of these. 1: some, which the last line names. 2: wrong arguments.";

static const char *const modes[] = {
	[PVCLOCK_MODE_KERNEL] = "kernel",
	[PVCLOCK_MODE_STABLE] = "stable",
	[PVCLOCK_MODE_PERCPU] = "percpu",
	[PVCLOCK_MODE_AUTO] = "auto",
};

const struct agree_clock agree_clocks[AGREE_CLOCKS] = {
	[AGREE_REALTIME] = {CLOCK_REALTIME, true, "REALTIME"},
	[AGREE_MONOTONIC] = {CLOCK_MONOTONIC, false, "MONOTONIC"},
	[AGREE_RAW] = {CLOCK_MONOTONIC_RAW, false, "MONOTONIC_RAW"},
	[AGREE_BOOTTIME] = {CLOCK_BOOTTIME, false, "BOOTTIME"},
	[AGREE_TAI] = {CLOCK_TAI, true, "TAI"},
};

const char *const agree_count_names[AGREE_COUNTS] = {
	[AGREE_BELOW] = "below",   [AGREE_ABOVE] = "above",   [AGREE_BACK] = "back",
	[AGREE_ACROSS] = "across", [AGREE_BOUNDS] = "bounds",
};

const char *const agree_certainty_names[AGREE_CERTAINTIES] = {
	[PVCLOCK_SYNCHRONISED] = "synchronised",
	[PVCLOCK_ESTIMATING] = "estimating",
	[PVCLOCK_BY_KERNEL] = "by_kernel",
	[PVCLOCK_VIOLATED] = "violated",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *clock_name(size_t i)
{
	return agree_clocks[i].name;
}

static const char *count_name(size_t i)
{
	return agree_count_names[i];
}

static const char *mode_name(size_t i)
{
	return modes[i];
}

/* Which one of them the text is; exits if it is none. */
static unsigned choice(const char *option, const char *text, size_t length,
                       const char *(*name)(size_t), size_t count, const char *expected)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (strlen(name(i)) == length && !strncasecmp(name(i), text, length))
			return i;
	error(ARGS_EXIT_USAGE, 0, "--%s: '%.*s' is not one of %s", option, (int)length, text,
	      expected);
	return 0;
}

/* A list with commas, as bits. */
static unsigned choices(const char *option, const char *text, const char *(*name)(size_t),
                        size_t count, const char *expected)
{
	unsigned bits = 0;

	for (;;) {
		size_t length = strcspn(text, ",");

		bits |= 1u << choice(option, text, length, name, count, expected);
		if (!text[length])
			return bits;
		text += length + 1;
	}
}

/* Zero where the user has not chosen. */
static void complete(struct agree_options *o)
{
	if (o->count && o->seconds)
		error(ARGS_EXIT_USAGE, 0, "--seconds: not together with --count");
	if (!o->count)
		o->count = 1000000;
	if (!o->clocks)
		o->clocks = (1u << AGREE_CLOCKS) - 1;
	if (!o->only)
		o->only = (1u << AGREE_COUNTS) - 1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct agree_options *o = state->input;

	switch (key) {
	case OPT_COUNT:
		o->count = args_number("count", arg, 1, 4000000000u);
		return 0;
	case OPT_SECONDS:
		o->seconds = args_number("seconds", arg, 1, 86400);
		return 0;
	case OPT_THREADS:
		o->threads = args_number("threads", arg, 1, AGREE_THREADS);
		return 0;
	case OPT_CLOCK:
		o->clocks |= choices("clock", arg, clock_name, AGREE_CLOCKS,
		                     "REALTIME, MONOTONIC, MONOTONIC_RAW, BOOTTIME, TAI");
		return 0;
	case OPT_MODE:
		o->mode = (int)choice("mode", arg, strlen(arg), mode_name, COUNT(modes),
		                      "auto, stable, percpu, kernel");
		return 0;
	case OPT_MIGRATE:
		o->migrate = true;
		return 0;
	case OPT_LOAD:
		o->load = true;
		return 0;
	case OPT_SYSCALL:
		o->syscall = true;
		return 0;
	case OPT_INTERVAL:
		o->interval = args_number("interval", arg, 0, 1000000);
		return 0;
	case OPT_ONLY:
		o->only |= choices("only", arg, count_name, AGREE_COUNTS,
		                   "below, above, back, across, bounds");
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_SUCCESS:
		complete(o);
		return 0;
	default:
		return args_common(key, arg, state);
	}
}

int bench_agree(int argc, char **argv)
{
	static const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
	static char name[] = "pvclock-bench agree";
	static struct agree_result result = {.options = {.threads = 1, .interval = 1, .mode = -1}};
	bool failed;

	program_invocation_short_name = name;
	args_parse(&argp, "pvclock-bench " ARGS_VERSION, argc, argv, &result.options);
	bench_refuse_shim();
	agree_run(&result);
	if (result.options.json)
		agree_print_json(&result);
	else
		agree_print_table(&result);
	if (fflush(stdout) || ferror(stdout))
		error(ARGS_EXIT_FAILURE, errno, "cannot write the result");
	failed = agree_failed(&result);
	agree_result_free(&result);
	return failed ? ARGS_EXIT_FAILURE : 0;
}
