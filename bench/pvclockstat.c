// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What pvclock does here, and why: its status, after a few milliseconds of use,
 * because only use proves the page's rate and moves the counters. And what has
 * happened to the VM's time, then or as it happens.
 */
#include "stat.h"

#define FOLLOW_SECONDS 0.1

enum {
	OPT_JSON = 256,
	OPT_WATCH,
	OPT_FOLLOW,
	OPT_COUNT,
	OPT_MODE,
	OPT_SCOPE,
	OPT_FILE,
	OPT_VMCLOCK,
	OPT_DRIFT,
};

static const char *const modes[] = {
	[PVCLOCK_MODE_KERNEL] = "kernel",
	[PVCLOCK_MODE_STABLE] = "stable",
	[PVCLOCK_MODE_PERCPU] = "percpu",
	[PVCLOCK_MODE_AUTO] = "auto",
};

static const char *const scopes[] = {
	[PVCLOCK_SCOPE_PROCESS] = "process",
	[PVCLOCK_SCOPE_THREAD] = "thread",
};

/* ---- arguments ------------------------------------------------------------ */

static const struct argp_option option_list[] = {
	{"json", OPT_JSON, NULL, 0,
         "Print a JSON object, with --watch or --follow one on each line", 0},
	{"watch", OPT_WATCH, "SECONDS", 0, "Again every so often, 0.1 to 86400", 0},
	{"follow", OPT_FOLLOW, "SECONDS", OPTION_ARG_OPTIONAL,
         "Print a line for each event as it comes; look for them every so often, 0.01 to "
         "86400, by default 0.1",
         0},
	{"count", OPT_COUNT, "N", 0,
         "With --watch: so many times; with --follow: so many events; 1 to 1000000", 0},
	{"mode", OPT_MODE, "MODE", 0,
         "Of a reader opened in this mode: auto, stable, percpu or "
         "kernel",
         0},
	{"scope", OPT_SCOPE, "SCOPE", 0, "Of a reader opened with this scope: process or thread",
         0},
	{"file", OPT_FILE, "PATH", 0, "Of the entries in a file or device: another VM's page", 0},
	{"vmclock", OPT_VMCLOCK, "PATH", 0, "With this VMClock device instead of /dev/vmclock0", 0},
	{"drift", OPT_DRIFT, "HOST_KHZ:GUEST_KHZ[:BITS]", 0,
         "What KVM's clock loses by rounding at these TSC frequencies; BITS of the ratio's "
         "fraction, 48 with Intel (the default), 32 with AMD",
         0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const char doc[] =
	"How pvclock reads the time on this machine, and why: mode, page, counters, events, "
	"entries."
	"\vWithout --mode, --scope, --file and --vmclock this is the reader that programs get "
	"by default, as the PVCLOCK_* variables choose it.";

static double number_of_seconds(const char *option, const char *text, double least)
{
	char *end;
	double value = strtod(text, &end);

	/* strtod would also take signs, spaces, exponents, nan and 0x. */
	if (text[strspn(text, "0123456789.")] || *end || !(value >= least && value <= 86400))
		error(ARGS_EXIT_USAGE, 0, "--%s: '%s' is not a number of seconds from %g to 86400",
		      option, text, least);
	return value;
}

static int choice(const char *option, const char *text, const char *const names[], size_t count,
                  const char *expected)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i], text))
			return (int)i;
	error(ARGS_EXIT_USAGE, 0, "--%s: '%s' is not one of %s", option, text, expected);
	return -1;
}

/* What does not go together. */
static void check(const struct stat_settings *s)
{
	if (s->watch > 0 && s->follow > 0)
		error(ARGS_EXIT_USAGE, 0, "--watch and --follow: not together");
	if (s->count && s->watch == 0 && s->follow == 0)
		error(ARGS_EXIT_USAGE, 0, "--count: needs --watch or --follow");
	if (s->drift && (s->watch > 0 || s->follow > 0 || s->mode >= 0 || s->scope >= 0 ||
	                 s->file || s->vmclock))
		error(ARGS_EXIT_USAGE, 0, "--drift: goes with --json alone");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stat_settings *settings = state->input;

	switch (key) {
	case OPT_JSON:
		settings->json = true;
		return 0;
	case OPT_WATCH:
		settings->watch = number_of_seconds("watch", arg, 0.1);
		return 0;
	case OPT_FOLLOW:
		settings->follow = arg ? number_of_seconds("follow", arg, 0.01) : FOLLOW_SECONDS;
		return 0;
	case OPT_COUNT:
		settings->count = args_number("count", arg, 1, 1000000);
		return 0;
	case OPT_MODE:
		settings->mode =
			choice("mode", arg, modes, COUNT(modes), "auto, stable, percpu, kernel");
		return 0;
	case OPT_SCOPE:
		settings->scope = choice("scope", arg, scopes, COUNT(scopes), "process, thread");
		return 0;
	case OPT_FILE:
		settings->file = arg;
		return 0;
	case OPT_VMCLOCK:
		settings->vmclock = arg;
		return 0;
	case OPT_DRIFT:
		settings->drift = arg;
		return 0;
	case ARGP_KEY_SUCCESS:
		check(settings);
		return 0;
	default:
		return args_common(key, arg, state);
	}
}

/* ---- once, or again and again --------------------------------------------- */

void stat_sleep(double seconds)
{
	struct timespec pause = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * (double)NSEC_PER_SEC),
	};

	nanosleep(&pause, NULL);
}

void stat_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		error(ARGS_EXIT_FAILURE, errno, "cannot write");
}

static void show(int handle, const struct stat_settings *settings)
{
	struct stat_view view;

	stat_visit_cpus(handle, settings);
	stat_exercise(handle);
	stat_look(handle, 0, &view);
	view.foreign = settings->file != NULL;
	if (settings->json)
		stat_print_json(&view, settings->watch > 0 ? JSON_COMPACT : JSON_INDENT(2));
	else
		stat_print_text(&view);
	stat_flush();
}

static void watch(int handle, const struct stat_settings *settings)
{
	unsigned shown = 0;

	for (;;) {
		show(handle, settings);
		if (++shown == settings->count)
			return;
		if (!settings->json)
			putchar('\n');
		stat_sleep(settings->watch);
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
	struct stat_settings settings = {.mode = -1, .scope = -1};
	int handle;

	args_parse(&argp, "pvclockstat " ARGS_VERSION, argc, argv, &settings);
	if (settings.drift) {
		stat_drift(&settings);
		return 0;
	}
	handle = stat_open(&settings);
	if (settings.follow > 0)
		stat_follow(handle, &settings);
	else if (settings.watch > 0)
		watch(handle, &settings);
	else
		show(handle, &settings);
	if (handle != DEFAULT_READER)
		pvclock_close(handle);
	return 0;
}
