// SPDX-License-Identifier: LGPL-2.1-or-later
/* A look as one JSON object. */
#include "pvclock/abi.h"
#include "stat.h"

static json_t *sample_of(const struct stat_view *view)
{
	const struct pvclock_sample *s = &view->sample;

	if (!view->sampled)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "cpu", (json_int_t)s->cpu, "tsc",
	                 (json_int_t)s->tsc, "ns", (json_int_t)s->ns, "version",
	                 (json_int_t)s->version, "flags", (json_int_t)s->flags);
}

static json_t *counters_of(const struct stat_view *view)
{
	json_t *counts = json_object();
	size_t i;

	for (i = 0; i < stat_counters_count; i++)
		json_object_set_new(
			counts, stat_counters[i].key,
			json_integer((json_int_t)stat_counter_of(view, &stat_counters[i])));
	return counts;
}

static json_t *events_of(const struct stat_view *view)
{
	json_t *events = json_array();
	unsigned i;

	for (i = 0; i < view->events; i++)
		json_array_append_new(events, stat_event_json(view, &view->event[i]));
	return events;
}

/* An entry that could not be read is left out: each has its number. */
static json_t *entries_of(const struct stat_view *view)
{
	json_t *entries = json_array();
	unsigned i;

	for (i = 0; i < view->entries; i++) {
		const struct pvclock_entry *e = &view->entry[i].entry;

		if (view->entry[i].err)
			continue;
		json_array_append_new(
			entries,
			json_pack("{s:i, s:i, s:I, s:b, s:b, s:I, s:I, s:I, s:I}", "entry", (int)i,
		                  "node", (int)e->node, "version", (json_int_t)e->version, "stable",
		                  (int)(e->flags & PVCLOCK_TSC_STABLE_BIT), "guest_stopped",
		                  (int)(e->flags & PVCLOCK_GUEST_STOPPED), "tsc_khz",
		                  (json_int_t)e->tsc_khz, "behind_ns", (json_int_t)e->behind_ns,
		                  "version_moves", (json_int_t)e->version_moves, "param_changes",
		                  (json_int_t)e->param_changes));
	}
	return entries;
}

static json_t *page_of(const struct pvclock_status *s)
{
	char page[19];

	if (!s->page)
		return json_null();
	/* A string: most readers of JSON keep 53 bits of a number. */
	snprintf(page, sizeof(page), "0x%jx", (uintmax_t)s->page);
	return json_string(page);
}

void stat_print_json(const struct stat_view *view, size_t style)
{
	const struct pvclock_status *s = &view->status;
	json_t *root;

	root = json_pack("{s:s, s:s, s:s, s:o, s:I, s:b, s:b, s:I, s:b, s:b, s:I, s:o, s:o, "
	                 "s:o, s:I, s:o}",
	                 "mode", stat_mode_name(s->mode), "reason", s->reason, "scope",
	                 stat_scope_name(s->scope), "page", page_of(s), "entries",
	                 (json_int_t)s->entries, "stable", (int)(s->flags & PVCLOCK_TSC_STABLE_BIT),
	                 "guest_stopped", (int)(s->flags & PVCLOCK_GUEST_STOPPED), "tsc_khz",
	                 (json_int_t)s->tsc_khz, "proved", (int)s->proved, "exact", (int)s->exact,
	                 "resync_us", (json_int_t)s->resync_us, "counters", counters_of(view),
	                 "sample", sample_of(view), "events", events_of(view), "events_lost",
	                 (json_int_t)view->lost, "entry_list", entries_of(view));
	if (!root)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	json_dumpf(root, stdout, style);
	putchar('\n');
	json_decref(root);
}
