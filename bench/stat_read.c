// SPDX-License-Identifier: LGPL-2.1-or-later
/* The reader that pvclockstat shows: opening it, using it, looking at it. */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "stat.h"

#define EXERCISE_NS 5000000

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		error(ARGS_EXIT_FAILURE, errno, "cannot open '%s'", path);
	return fd;
}

/* Which of them it was the library does not say. */
static void refuse(const struct stat_settings *s, int err)
{
	const char *file = s->file, *vmclock = s->vmclock;

	if (file && vmclock)
		error(ARGS_EXIT_FAILURE, err, "cannot open a reader of '%s' with '%s'", file,
		      vmclock);
	if (file || vmclock)
		error(ARGS_EXIT_FAILURE, err, "cannot open a reader %s '%s'", file ? "of" : "with",
		      file ? file : vmclock);
	error(ARGS_EXIT_FAILURE, err, "cannot open a reader");
}

int stat_open(const struct stat_settings *settings)
{
	struct pvclock_options options = {
		.size = sizeof(options),
		.mode = PVCLOCK_MODE_AUTO,
		.scope = PVCLOCK_SCOPE_PROCESS,
		.vmclock = settings->vmclock,
	};
	int handle;

	if (settings->mode < 0 && settings->scope < 0 && !settings->file && !settings->vmclock)
		return DEFAULT_READER;
	if (settings->mode >= 0)
		options.mode = (uint32_t)settings->mode;
	if (settings->scope >= 0)
		options.scope = (uint32_t)settings->scope;
	if (settings->file) {
		options.source = PVCLOCK_SOURCE_FD;
		options.fd = open_file(settings->file);
	}
	handle = pvclock_open(&options);
	if (handle < 0)
		refuse(settings, -handle);
	if (settings->file)
		close(options.fd);
	return handle;
}

static void read_clocks(int handle)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
	                                   CLOCK_BOOTTIME, CLOCK_TAI};
	struct timespec ts;
	uint64_t ns;
	size_t i;

	for (i = 0; i < COUNT(clocks); i++) {
		if (handle == DEFAULT_READER)
			pvclock_gettime(clocks[i], &ts);
		else
			pvclock_gettime_h(handle, clocks[i], &ts);
	}
	/* What a foreign page is read for. */
	if (handle != DEFAULT_READER)
		pvclock_now_h(handle, &ns);
}

static int64_t kernel_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

void stat_exercise(int handle)
{
	int64_t end = kernel_ns() + EXERCISE_NS;

	while (kernel_ns() < end)
		read_clocks(handle);
}

static bool is_percpu(int handle)
{
	struct pvclock_status status = {.size = sizeof(status)};

	if (handle == DEFAULT_READER)
		return !pvclock_status(&status) && status.mode == PVCLOCK_MODE_PERCPU;
	return !pvclock_status_h(handle, &status) && status.mode == PVCLOCK_MODE_PERCPU;
}

void stat_visit_cpus(int handle, const struct stat_settings *settings)
{
	cpu_set_t allowed, one;
	int cpu;

	/* Some readings, not one: a clock that is read once in a while makes no line. */
	read_clocks(handle);
	read_clocks(handle);
	if (settings->file || !is_percpu(handle) ||
	    sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	for (cpu = 0; cpu < STAT_ENTRIES; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			read_clocks(handle);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static int events_of(int handle, uint64_t *after, struct stat_view *v)
{
	if (handle == DEFAULT_READER)
		return pvclock_events(after, v->event, STAT_EVENTS, &v->lost);
	return pvclock_events_h(handle, after, v->event, STAT_EVENTS, &v->lost);
}

static int entry_of(int handle, unsigned cpu, struct pvclock_entry *entry)
{
	if (handle == DEFAULT_READER)
		return pvclock_entry(cpu, entry);
	return pvclock_entry_h(handle, cpu, entry);
}

void stat_look(int handle, uint64_t after, struct stat_view *view)
{
	struct stat_view v = {.status = {.size = sizeof(v.status)},
	                      .sample = {.size = sizeof(v.sample)}};
	unsigned i;
	int err;

	/* First: what it finds is in the rest. */
	err = events_of(handle, &after, &v);
	if (err < 0)
		error(ARGS_EXIT_FAILURE, -err, "no events");
	v.events = (unsigned)err;
	if (handle == DEFAULT_READER) {
		err = pvclock_status(&v.status);
		v.sampled = pvclock_sample(&v.sample) == 0;
	} else {
		err = pvclock_status_h(handle, &v.status);
		v.sampled = pvclock_sample_h(handle, &v.sample) == 0;
	}
	if (err)
		error(ARGS_EXIT_FAILURE, -err, "no status");
	v.entries = v.status.entries < STAT_ENTRIES ? v.status.entries : STAT_ENTRIES;
	for (i = 0; i < v.entries; i++) {
		v.entry[i].entry.size = sizeof(v.entry[i].entry);
		v.entry[i].err = entry_of(handle, i, &v.entry[i].entry);
	}
	*view = v;
}
