// SPDX-License-Identifier: LGPL-2.1-or-later
/* A look in words. */
#include "pvclock/abi.h"
#include "stat.h"

static const char *name_of(const char *const names[], size_t count, uint32_t value)
{
	return value < count ? names[value] : "unknown";
}

const char *stat_mode_name(uint32_t mode)
{
	static const char *const names[] = {
		[PVCLOCK_MODE_KERNEL] = "kernel",
		[PVCLOCK_MODE_STABLE] = "stable",
		[PVCLOCK_MODE_PERCPU] = "percpu",
	};

	return name_of(names, COUNT(names), mode);
}

const char *stat_scope_name(uint32_t scope)
{
	static const char *const names[] = {
		[PVCLOCK_SCOPE_PROCESS] = "process",
		[PVCLOCK_SCOPE_THREAD] = "thread",
	};

	return name_of(names, COUNT(names), scope);
}

#define COUNTER(field, meaning)                                                                    \
	{                                                                                          \
		offsetof(struct pvclock_status, field), #field, meaning                            \
	}

const struct stat_counter stat_counters[] = {
	COUNTER(kernel_reads, "times the kernel's clock was read"),
	COUNTER(anchors, "times a clock was re-anchored"),
	COUNTER(fallbacks, "calls that the kernel had to answer"),
	COUNTER(version_moves, "times an entry's version moved"),
	COUNTER(param_changes, "times its values moved with it"),
	COUNTER(unstable_edges, "times STABLE was cleared"),
	COUNTER(stable_edges, "times STABLE was set again"),
	COUNTER(stopped, "times GUEST_STOPPED was seen"),
	COUNTER(restarts, "times hypervisor time started lower"),
	COUNTER(steps, "times REALTIME or TAI was set"),
	COUNTER(outside, "samples that were not predicted"),
	COUNTER(violated, "samples outside of the promised interval"),
	COUNTER(went_back, "times the TSC was found to have gone back"),
	COUNTER(busy, "reads given up in mid-update"),
	COUNTER(given_up, "times the page was given up"),
	COUNTER(taken_back, "times it was found good again"),
	COUNTER(generation, "events so far"),
};
const size_t stat_counters_count = COUNT(stat_counters);

uint64_t stat_counter_of(const struct stat_view *view, const struct stat_counter *counter)
{
	uint64_t value;

	memcpy(&value, (const char *)&view->status + counter->offset, sizeof(value));
	return value;
}

static const char *flag_names(uint32_t flags)
{
	if (flags & PVCLOCK_GUEST_STOPPED)
		return flags & PVCLOCK_TSC_STABLE_BIT ? "STABLE, GUEST_STOPPED"
		                                      : "not STABLE, GUEST_STOPPED";
	return flags & PVCLOCK_TSC_STABLE_BIT ? "STABLE" : "not STABLE";
}

static const char *made_from(const struct stat_view *view)
{
	const struct pvclock_status *s = &view->status;

	if (s->mode == PVCLOCK_MODE_KERNEL || view->foreign)
		return "the kernel's answers";
	return s->exact ? "made from the kernel's own parameters"
	                : "made from samples of the kernel's";
}

static void print_events(const struct stat_view *view)
{
	unsigned i;

	if (!view->events && !view->lost)
		return;
	putchar('\n');
	stat_event_heading();
	if (view->lost)
		printf("%ju earlier ones are lost\n", (uintmax_t)view->lost);
	for (i = 0; i < view->events; i++)
		stat_event_text(view, &view->event[i]);
}

static void print_entries(const struct stat_view *view)
{
	unsigned i;

	if (!view->entries)
		return;
	printf("\nentry node    version        kHz    behind ns      moves    changes  flags\n");
	for (i = 0; i < view->entries; i++) {
		const struct pvclock_entry *e = &view->entry[i].entry;

		if (view->entry[i].err)
			printf("%5u  %s\n", i, strerror(-view->entry[i].err));
		else
			printf("%5u %4d %10u %10ju %12jd %10ju %10ju  %s\n", i, e->node, e->version,
			       (uintmax_t)e->tsc_khz, (intmax_t)e->behind_ns,
			       (uintmax_t)e->version_moves, (uintmax_t)e->param_changes,
			       flag_names(e->flags));
	}
}

void stat_print_text(const struct stat_view *view)
{
	const struct pvclock_status *s = &view->status;
	size_t i;

	printf("mode            %s: %s\n", stat_mode_name(s->mode), s->reason);
	printf("scope           %s\n", stat_scope_name(s->scope));
	if (s->page) {
		printf("page            0x%jx, %u entries\n", (uintmax_t)s->page, s->entries);
		printf("flags           %s\n", flag_names(s->flags));
		printf("tsc_khz         %ju\n", (uintmax_t)s->tsc_khz);
	} else {
		printf("page            none\n");
	}
	printf("rate            %s\n", s->proved ? "proved against the kernel's" : "not proved");
	printf("clocks          %s\n", made_from(view));
	printf("resync          %u us\n", s->resync_us);
	if (view->sampled)
		printf("hypervisor time %ju.%09ju s, TSC %ju on CPU %u, version %u\n",
		       (uintmax_t)(view->sample.ns / NSEC_PER_SEC),
		       (uintmax_t)(view->sample.ns % NSEC_PER_SEC), (uintmax_t)view->sample.tsc,
		       view->sample.cpu, view->sample.version);
	for (i = 0; i < stat_counters_count; i++)
		printf("%-15s %-12ju %s\n", stat_counters[i].key,
		       (uintmax_t)stat_counter_of(view, &stat_counters[i]),
		       stat_counters[i].meaning);
	print_events(view);
	print_entries(view);
}
