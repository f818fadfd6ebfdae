// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What pvclock does here, and why: its status, after a few milliseconds of use,
 * because only use proves the page's rate and moves the counters.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "bench_args.h"
#include "pvclock.h"
#include "pvclock/abi.h"

#define EXERCISE_NS 5000000
#define NSEC_PER_SEC 1000000000ll
#define DEFAULT_READER (-1)

enum { OPT_JSON = 256, OPT_WATCH, OPT_COUNT, OPT_MODE, OPT_SCOPE };

struct settings {
	bool json;
	double watch;    /* seconds; 0: once */
	unsigned count;  /* 0: for ever */
	int mode, scope; /* -1: not asked for */
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

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const char *name_of(const char *const names[], size_t count, uint32_t value)
{
	return value < count ? names[value] : "unknown";
}

/* ---- arguments ------------------------------------------------------------ */

static const struct argp_option option_list[] = {
	{"json", OPT_JSON, NULL, 0, "Print a JSON object, with --watch one on each line", 0},
	{"watch", OPT_WATCH, "SECONDS", 0, "Again every so often, 0.1 to 86400", 0},
	{"count", OPT_COUNT, "N", 0, "With --watch: so many times, 1 to 1000000", 0},
	{"mode", OPT_MODE, "MODE", 0,
         "Of a reader opened in this mode: auto, stable, percpu or "
         "kernel",
         0},
	{"scope", OPT_SCOPE, "SCOPE", 0, "Of a reader opened with this scope: process or thread",
         0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const char doc[] =
	"How pvclock reads the time on this machine, and why: mode, page, counters."
	"\vWithout --mode and --scope this is the reader that programs get by default, "
	"as the PVCLOCK_* variables choose it.";

static double number_of_seconds(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	/* strtod would also take signs, spaces, exponents, nan and 0x. */
	if (text[strspn(text, "0123456789.")] || *end || !(value >= 0.1 && value <= 86400))
		error(ARGS_EXIT_USAGE, 0,
		      "--watch: '%s' is not a number of seconds from 0.1 to 86400", text);
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

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case OPT_JSON:
		settings->json = true;
		return 0;
	case OPT_WATCH:
		settings->watch = number_of_seconds(arg);
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
	case ARGP_KEY_SUCCESS:
		if (settings->count && settings->watch == 0)
			error(ARGS_EXIT_USAGE, 0, "--count: needs --watch");
		return 0;
	default:
		return args_common(key, arg, state);
	}
}

/* ---- the reader ----------------------------------------------------------- */

static int open_reader(const struct settings *settings)
{
	struct pvclock_options options = {
		.size = sizeof(options),
		.mode = PVCLOCK_MODE_AUTO,
		.scope = PVCLOCK_SCOPE_PROCESS,
	};
	int handle;

	if (settings->mode < 0 && settings->scope < 0)
		return DEFAULT_READER;
	if (settings->mode >= 0)
		options.mode = (uint32_t)settings->mode;
	if (settings->scope >= 0)
		options.scope = (uint32_t)settings->scope;
	handle = pvclock_open(&options);
	if (handle < 0)
		error(ARGS_EXIT_FAILURE, -handle, "cannot open a reader");
	return handle;
}

static void read_clock(int handle, clockid_t id)
{
	struct timespec ts;

	if (handle == DEFAULT_READER)
		pvclock_gettime(id, &ts);
	else
		pvclock_gettime_h(handle, id, &ts);
}

static int64_t kernel_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void exercise(int handle)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
	                                   CLOCK_BOOTTIME, CLOCK_TAI};
	int64_t end = kernel_ns() + EXERCISE_NS;
	size_t i;

	while (kernel_ns() < end)
		for (i = 0; i < COUNT(clocks); i++)
			read_clock(handle, clocks[i]);
}

struct view {
	struct pvclock_status status;
	struct pvclock_sample sample;
	bool sampled;
};

static void look(int handle, struct view *view)
{
	struct view v = {.status = {.size = sizeof(v.status)},
	                 .sample = {.size = sizeof(v.sample)}};
	int err;

	if (handle == DEFAULT_READER) {
		err = pvclock_status(&v.status);
		v.sampled = pvclock_sample(&v.sample) == 0;
	} else {
		err = pvclock_status_h(handle, &v.status);
		v.sampled = pvclock_sample_h(handle, &v.sample) == 0;
	}
	if (err)
		error(ARGS_EXIT_FAILURE, -err, "no status");
	*view = v;
}

/* ---- printing ------------------------------------------------------------- */

struct counter {
	size_t offset;
	const char *key, *meaning;
};

#define COUNTER(field, meaning)                                                                    \
	{                                                                                          \
		offsetof(struct pvclock_status, field), #field, meaning                            \
	}

/* One list for both forms; the order is the header's. */
static const struct counter counters[] = {
	COUNTER(kernel_reads, "times the kernel's clock was read"),
	COUNTER(anchors, "times a clock was re-anchored"),
	COUNTER(fallbacks, "calls that the kernel had to answer"),
	COUNTER(version_moves, "times an entry's version moved"),
	COUNTER(param_changes, "times its values moved with it"),
	COUNTER(unstable_edges, "times STABLE was cleared"),
	COUNTER(stopped, "times GUEST_STOPPED was seen"),
	COUNTER(restarts, "times hypervisor time started lower"),
	COUNTER(steps, "times REALTIME or TAI was set"),
	COUNTER(outside, "samples that were not predicted"),
	COUNTER(busy, "reads given up in mid-update"),
};

static uint64_t counter_of(const struct view *view, const struct counter *counter)
{
	uint64_t value;

	memcpy(&value, (const char *)&view->status + counter->offset, sizeof(value));
	return value;
}

static void print_flags(uint32_t flags)
{
	printf("%s%s\n", flags & PVCLOCK_TSC_STABLE_BIT ? "STABLE" : "not STABLE",
	       flags & PVCLOCK_GUEST_STOPPED ? ", GUEST_STOPPED" : "");
}

static void print_text(const struct view *view)
{
	const struct pvclock_status *s = &view->status;
	size_t i;

	printf("mode            %s: %s\n", name_of(modes, COUNT(modes), s->mode), s->reason);
	printf("scope           %s\n", name_of(scopes, COUNT(scopes), s->scope));
	if (s->page) {
		printf("page            0x%jx, %u entries\n", (uintmax_t)s->page, s->entries);
		printf("flags           ");
		print_flags(s->flags);
		printf("tsc_khz         %ju\n", (uintmax_t)s->tsc_khz);
	} else {
		printf("page            none\n");
	}
	printf("rate            %s\n", s->proved ? "proved against the kernel's" : "not proved");
	printf("resync          %u us\n", s->resync_us);
	if (view->sampled)
		printf("hypervisor time %ju.%09ju s, TSC %ju on CPU %u, version %u\n",
		       (uintmax_t)(view->sample.ns / NSEC_PER_SEC),
		       (uintmax_t)(view->sample.ns % NSEC_PER_SEC), (uintmax_t)view->sample.tsc,
		       view->sample.cpu, view->sample.version);
	for (i = 0; i < COUNT(counters); i++)
		printf("%-15s %-12ju %s\n", counters[i].key,
		       (uintmax_t)counter_of(view, &counters[i]), counters[i].meaning);
}

static json_t *sample_of(const struct view *view)
{
	const struct pvclock_sample *s = &view->sample;

	if (!view->sampled)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "cpu", (json_int_t)s->cpu, "tsc",
	                 (json_int_t)s->tsc, "ns", (json_int_t)s->ns, "version",
	                 (json_int_t)s->version, "flags", (json_int_t)s->flags);
}

static void print_json(const struct view *view, size_t style)
{
	const struct pvclock_status *s = &view->status;
	json_t *counts = json_object(), *root;
	char page[19];
	size_t i;

	for (i = 0; i < COUNT(counters); i++)
		json_object_set_new(counts, counters[i].key,
		                    json_integer((json_int_t)counter_of(view, &counters[i])));
	/* A string: most readers of JSON keep 53 bits of a number. */
	snprintf(page, sizeof(page), "0x%jx", (uintmax_t)s->page);
	root = json_pack("{s:s, s:s, s:s, s:o, s:I, s:b, s:b, s:I, s:b, s:I, s:o, s:o}", "mode",
	                 name_of(modes, COUNT(modes), s->mode), "reason", s->reason, "scope",
	                 name_of(scopes, COUNT(scopes), s->scope), "page",
	                 s->page ? json_string(page) : json_null(), "entries",
	                 (json_int_t)s->entries, "stable", (int)(s->flags & PVCLOCK_TSC_STABLE_BIT),
	                 "guest_stopped", (int)(s->flags & PVCLOCK_GUEST_STOPPED), "tsc_khz",
	                 (json_int_t)s->tsc_khz, "proved", (int)s->proved, "resync_us",
	                 (json_int_t)s->resync_us, "counters", counts, "sample", sample_of(view));
	if (!root)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	json_dumpf(root, stdout, style);
	putchar('\n');
	json_decref(root);
}

static void show(int handle, const struct settings *settings)
{
	struct view view;

	exercise(handle);
	look(handle, &view);
	if (settings->json)
		print_json(&view, settings->watch > 0 ? JSON_COMPACT : JSON_INDENT(2));
	else
		print_text(&view);
	if (fflush(stdout) || ferror(stdout))
		error(ARGS_EXIT_FAILURE, errno, "cannot write");
}

static void watch(int handle, const struct settings *settings)
{
	struct timespec pause = {
		.tv_sec = (time_t)settings->watch,
		.tv_nsec = (long)((settings->watch - (double)(time_t)settings->watch) *
	                          (double)NSEC_PER_SEC),
	};
	unsigned shown = 0;

	for (;;) {
		show(handle, settings);
		if (++shown == settings->count)
			return;
		if (!settings->json)
			putchar('\n');
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
	struct settings settings = {.mode = -1, .scope = -1};
	int handle;

	args_parse(&argp, "pvclockstat " ARGS_VERSION, argc, argv, &settings);
	handle = open_reader(&settings);
	if (settings.watch > 0)
		watch(handle, &settings);
	else
		show(handle, &settings);
	if (handle != DEFAULT_READER)
		pvclock_close(handle);
	return 0;
}
