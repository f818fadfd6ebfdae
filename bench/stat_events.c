// SPDX-License-Identifier: LGPL-2.1-or-later
/* Events: in words, in a table and as they come. */
#include "stat.h"

#define NO_TIME (-1.0)
/* The words of an event, with a clock's name or id. */
#define WORDS_MAX 64

struct kind {
	const char *key, *words;
};

static struct kind kind_of(uint32_t value)
{
	static const struct kind kinds[] = {
		[PVCLOCK_EVENT_CHANGED] = {"changed", "the entry's parameters changed"},
		[PVCLOCK_EVENT_STOPPED] = {"stopped", "the host had paused the VM"},
		[PVCLOCK_EVENT_UNSTABLE] = {"unstable", "STABLE was cleared"},
		[PVCLOCK_EVENT_STABLE] = {"stable", "STABLE is set again"},
		[PVCLOCK_EVENT_WENT_BACK] = {"went_back", "the TSC went back"},
		[PVCLOCK_EVENT_SET] = {"set", "a clock was set"},
		[PVCLOCK_EVENT_LOST] = {"lost", "the page was given up"},
		[PVCLOCK_EVENT_DISRUPTED] = {"disrupted", "VMClock: the VM was moved or restored"},
		[PVCLOCK_EVENT_REPLACED] = {"replaced", "the page was replaced"},
		[PVCLOCK_EVENT_FOUND] = {"found", "the page is used again"},
	};
	static const struct kind unknown = {"unknown", "a kind that pvclockstat does not know"};

	return value < COUNT(kinds) && kinds[value].key ? kinds[value] : unknown;
}

/* Not every event has a CPU: of a clock that was set it is the clock. */
static void words_of(const struct pvclock_event *e, char *words)
{
	const char *clock = e->cpu == CLOCK_REALTIME ? "REALTIME"
	                    : e->cpu == CLOCK_TAI    ? "TAI"
	                                             : "a clock";

	if (e->kind == PVCLOCK_EVENT_SET)
		snprintf(words, WORDS_MAX, "%s was set", clock);
	else
		snprintf(words, WORDS_MAX, "%s", kind_of(e->kind).words);
}

static bool is_of_an_entry(const struct pvclock_event *e)
{
	return e->kind <= PVCLOCK_EVENT_WENT_BACK;
}

static double by_tsc(const struct stat_view *view, const struct pvclock_event *e)
{
	if (!view->status.tsc_khz || view->sample.tsc < e->tsc)
		return NO_TIME;
	return (double)(view->sample.tsc - e->tsc) / (double)view->status.tsc_khz / 1000;
}

static double by_ns(const struct stat_view *view, const struct pvclock_event *e)
{
	if (!e->ns || view->sample.ns < e->ns)
		return NO_TIME;
	return (double)(view->sample.ns - e->ns) / (double)NSEC_PER_SEC;
}

/* By the TSC, which later steps of the ns do not move, if all CPUs have the same. */
static double seconds_ago(const struct stat_view *view, const struct pvclock_event *e)
{
	double ago;

	if (!view->sampled)
		return NO_TIME;
	if (view->status.mode == PVCLOCK_MODE_STABLE) {
		ago = by_tsc(view, e);
		return ago >= 0 ? ago : by_ns(view, e);
	}
	ago = by_ns(view, e);
	return ago >= 0 ? ago : by_tsc(view, e);
}

void stat_event_heading(void)
{
	printf("event  seconds ago         step ns    rate ppb   CPU  what happened\n");
}

void stat_event_text(const struct stat_view *view, const struct pvclock_event *e)
{
	double ago = seconds_ago(view, e);
	char words[WORDS_MAX], when[32] = "-", cpu[16] = "-";

	words_of(e, words);
	if (ago >= 0)
		snprintf(when, sizeof(when), "%.6f", ago);
	if (is_of_an_entry(e))
		snprintf(cpu, sizeof(cpu), "%u", e->cpu);
	printf("%5ju %12s %15jd %11jd %5s  %s\n", (uintmax_t)e->number, when, (intmax_t)e->step_ns,
	       (intmax_t)e->rate_ppb, cpu, words);
}

json_t *stat_event_json(const struct stat_view *view, const struct pvclock_event *e)
{
	double ago = seconds_ago(view, e);
	bool entry = is_of_an_entry(e);

	return json_pack("{s:I, s:s, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "number",
	                 (json_int_t)e->number, "kind", kind_of(e->kind).key, "seconds_ago",
	                 ago >= 0 ? json_real(ago) : json_null(), "step_ns", (json_int_t)e->step_ns,
	                 "rate_ppb", (json_int_t)e->rate_ppb, "tsc", (json_int_t)e->tsc, "ns",
	                 (json_int_t)e->ns, "cpu", entry ? json_integer(e->cpu) : json_null(),
	                 "clock",
	                 e->kind == PVCLOCK_EVENT_SET ? json_integer(e->cpu) : json_null());
}

static void print_time(void)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	if (localtime_r(&now, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		printf("%s  ", text);
}

static void print_one(const struct stat_view *view, const struct pvclock_event *e, bool as_json)
{
	json_t *object;

	if (!as_json) {
		print_time();
		stat_event_text(view, e);
		return;
	}
	object = stat_event_json(view, e);
	if (!object)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(object);
}

static void print_lost(uint64_t lost, bool as_json)
{
	if (lost && as_json)
		printf("{\"lost\":%ju}\n", (uintmax_t)lost);
	else if (lost)
		printf("%ju events are lost\n", (uintmax_t)lost);
}

void stat_follow(int handle, const struct stat_settings *settings)
{
	struct stat_view view;
	unsigned shown = 0, i;
	uint64_t after = 0;

	stat_look(handle, UINT64_MAX, &view);
	if (!settings->json) {
		printf("mode %s: %s\n", stat_mode_name(view.status.mode), view.status.reason);
		printf("%-19s  ", "when it was noticed");
		stat_event_heading();
	}
	for (;;) {
		stat_visit_cpus(handle, settings);
		stat_look(handle, after, &view);
		print_lost(view.lost, settings->json);
		for (i = 0; i < view.events; i++) {
			print_one(&view, &view.event[i], settings->json);
			after = view.event[i].number;
			if (++shown == settings->count)
				break;
		}
		stat_flush();
		if (settings->count && shown == settings->count)
			return;
		stat_sleep(settings->follow);
	}
}
