/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of pvclockstat share. */
#ifndef PVCLOCK_BENCH_STAT_H
#define PVCLOCK_BENCH_STAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "bench_args.h"
#include "pvclock.h"

#define NSEC_PER_SEC 1000000000ll
#define DEFAULT_READER (-1)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* As many as the library keeps, and as there can be. */
#define STAT_EVENTS 32
#define STAT_ENTRIES 64

struct stat_settings {
	bool json;
	double watch;        /* seconds; 0: once */
	double follow;       /* seconds; 0: no */
	unsigned count;      /* of outputs or events; 0: for ever */
	int mode, scope;     /* -1: not asked for */
	const char *file;    /* whose entries; NULL: this machine's */
	const char *vmclock; /* NULL: this machine's */
	const char *drift;   /* NULL: no */
};

struct stat_entry {
	struct pvclock_entry entry;
	int err; /* a negative errno: there is nothing to show */
};

/* One look: what is shown belongs together. */
struct stat_view {
	bool foreign; /* another VM's entries, which have no clocks */
	struct pvclock_status status;
	struct pvclock_sample sample;
	bool sampled;
	struct pvclock_event event[STAT_EVENTS];
	unsigned events;
	uint64_t lost;
	struct stat_entry entry[STAT_ENTRIES];
	unsigned entries;
};

/* stat_read.c: the reader */
int stat_open(const struct stat_settings *settings);
/* For some milliseconds: only use proves the page's rate and moves the counters. */
void stat_exercise(int handle);
/* With the events after number after. */
void stat_look(int handle, uint64_t after, struct stat_view *view);
/* Reads clocks; in mode percpu on each CPU, as only there its entry is looked at. */
void stat_visit_cpus(int handle, const struct stat_settings *settings);

/* stat_text.c, stat_json.c */
const char *stat_mode_name(uint32_t mode);
const char *stat_scope_name(uint32_t scope);
void stat_print_text(const struct stat_view *view);
void stat_print_json(const struct stat_view *view, size_t style);

/* One list for both forms; the order is the header's. */
struct stat_counter {
	size_t offset;
	const char *key, *meaning;
};

extern const struct stat_counter stat_counters[];
extern const size_t stat_counters_count;
uint64_t stat_counter_of(const struct stat_view *view, const struct stat_counter *counter);

/* stat_events.c: events in words, in a table and as they come */
void stat_event_heading(void);
void stat_event_text(const struct stat_view *view, const struct pvclock_event *e);
json_t *stat_event_json(const struct stat_view *view, const struct pvclock_event *e);
void stat_follow(int handle, const struct stat_settings *settings);

/* stat_drift.c: HOST_KHZ:GUEST_KHZ[:BITS] */
void stat_drift(const struct stat_settings *settings);

/* pvclockstat.c */
void stat_sleep(double seconds);
/* Ends the program if what was printed has not gone out. */
void stat_flush(void);

#endif /* PVCLOCK_BENCH_STAT_H */
