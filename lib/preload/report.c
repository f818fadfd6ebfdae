// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lines on stderr: of bad values, at start, at exit. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stats.h"
#include "text.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* The cost of a call: the least of batches, for so long and no longer. */
#define BATCH 64
#define MOST_BATCHES 2048
#define MOST_NS 2000000

/* Not touched where nothing was asked for. */
static struct {
	bool summary, stats;
	struct stat err; /* what fd 2 was at start; zeros, which no file has: closed */
} report;

void pvc_report_complain(const char *name, const char *value, const char *expected)
{
	struct pvc_text t = {0};

	pvc_text_add(&t, "pvclock: %s=", name);
	pvc_text_add_shown(&t, value, 40);
	pvc_text_add(&t, ": expected %s\n", expected);
	pvc_text_say(&t);
}

/* By number: libc's function has a version that older ones do not have. */
static bool stat_stderr(struct stat *st)
{
	return syscall(SYS_fstat, STDERR_FILENO, st) == 0;
}

/* Closed, or become a file of the program's, into which we do not write. */
static bool is_stderr_still(void)
{
	struct stat now;

	return stat_stderr(&now) && now.st_dev == report.err.st_dev &&
	       now.st_ino == report.err.st_ino;
}

static unsigned long long counted(struct pvc_core *b, unsigned number)
{
	return pvc_counter_of(b, number);
}

static const char *mode_of(struct pvc_core *b)
{
	return pvc_mode_text((enum pvc_mode)atomic_load(&b->mode));
}

/* What was not called is not named. */
static void add_calls(struct pvc_text *t)
{
	const char *before = "; calls: ";
	unsigned long long calls;
	unsigned i;

	for (i = 0; i < PVC_CALLS; i++) {
		calls = pvc_calls_of((enum pvc_call)i);
		if (!calls)
			continue;
		pvc_text_add(t, "%s%s %llu", before, pvc_call_name((enum pvc_call)i), calls);
		before = ", ";
	}
	pvc_text_add(t, "%s\n", *before == ';' ? "; no calls" : "");
}

static void say_summary(struct pvc_core *b)
{
	struct pvc_text t = {0};

	pvc_text_add(
		&t,
		"pvclock: mode %s: %llu anchors, %llu kernel reads, %llu fallbacks, %llu events",
		mode_of(b), counted(b, PVC_COUNTER(anchors)), counted(b, PVC_COUNTER(kernel_reads)),
		counted(b, PVC_COUNTER(fallbacks)), (unsigned long long)pvc_events_of(b));
	add_calls(&t);
	pvc_text_say(&t);
}

/* ---- when the page is given up, or taken back ---------------------------------------- */

/* Not touched where nothing was asked for. */
static struct {
	struct pvc_core *core;
	long (*gettime)(long id, struct pvc_timespec *ts); /* the vDSO's, or NULL */
	_Atomic uint32_t live;                             /* as it was told last */
} watch;

/* Without a buffer: it may be in a signal handler, on a small stack. */
static void say_mode(struct pvc_core *b)
{
	const char *const part[] = {"pvclock: mode ", mode_of(b), ": ",
	                            pvc_reason_text((enum pvc_reason)atomic_load(&b->reason)),
	                            "\n"};
	struct iovec line[sizeof(part) / sizeof(*part)];
	size_t i;

	for (i = 0; i < sizeof(part) / sizeof(*part); i++)
		line[i] = (struct iovec){(void *)part[i], strlen(part[i])};
	if (is_stderr_still() && writev(STDERR_FILENO, line, sizeof(part) / sizeof(*part)) < 0)
		return;
}

/*
 * In place of the kernel's: while a page is given up every answer is the kernel's, and soon
 * after it was taken back there is one. So nobody looks who has not asked for it.
 */
static long gettime_watched(long id, struct pvc_timespec *ts)
{
	bool live = pvc_is_live(atomic_load(&watch.core->mode));
	int saved = errno;

	if (atomic_load(&watch.live) != live && atomic_exchange(&watch.live, live) != live)
		say_mode(watch.core);
	errno = saved;
	return watch.gettime ? watch.gettime(id, ts)
	                     : pvc_syscall2(PVC_NR_clock_gettime, id, (long)ts);
}

static void watch_mode(struct pvc_core *b)
{
	watch.core = b;
	watch.gettime = b->kernel.clock_gettime;
	atomic_store(&watch.live, pvc_is_live(atomic_load(&b->mode)));
	b->kernel.clock_gettime = gettime_watched;
}

/* ---- at start ---------------------------------------------------------------------- */

static void add_clocksource(struct pvc_text *t)
{
	int fd = open(CLOCKSOURCE, O_RDONLY | O_CLOEXEC);
	char name[41] = "";
	ssize_t length = 0;

	if (fd >= 0) {
		length = read(fd, name, sizeof(name) - 1);
		close(fd);
	}
	name[length > 0 ? length : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	pvc_text_add_shown(t, *name ? name : "unknown", sizeof(name));
}

static uint64_t read_ns(pvc_gettime_call *gettime)
{
	struct timespec ts = {0, 0};

	gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * PVC_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ns of BATCH calls; 0: the clock stands still. */
static uint64_t measure(pvc_gettime_call *gettime)
{
	uint64_t start = read_ns(gettime), first, now = start, least = UINT64_MAX;
	unsigned batch, i;

	for (batch = 0; batch < MOST_BATCHES && now - start < MOST_NS; batch++) {
		first = read_ns(gettime);
		for (i = 1; i < BATCH; i++)
			read_ns(gettime);
		now = read_ns(gettime);
		if (now - first < least)
			least = now - first;
	}
	return least;
}

/*
 * Where the vDSO was not found, the kernel's answers would be system calls of our own,
 * which the program may not be allowed to make.
 */
static void add_cost(struct pvc_text *t, const struct pvc_core *b, pvc_gettime_call *gettime)
{
	uint64_t ns = b->kernel.clock_gettime ? measure(gettime) : 0;

	if (ns)
		pvc_text_add(t, "%u.%u", (unsigned)(ns / BATCH),
		             (unsigned)(ns % BATCH * 10 / BATCH));
	else
		pvc_text_add(t, "unknown");
}

bool pvc_report_begin(const struct pvc_options *o)
{
	if (!o->verbose && !o->stats)
		return false;
	report.summary = o->verbose > 1;
	report.stats = o->stats && pvc_stats_check(o->stats);
	stat_stderr(&report.err);
	return report.summary || report.stats;
}

static void say_start(struct pvc_core *b, pvc_gettime_call *gettime)
{
	struct pvc_text t = {0};

	pvc_text_add(&t, "pvclock: mode %s: %s; page %p, %u entries; clocksource ", mode_of(b),
	             pvc_reason_text((enum pvc_reason)atomic_load(&b->reason)),
	             (const void *)(uintptr_t)b->entry, b->count);
	add_clocksource(&t);
	pvc_text_add(&t, "; ");
	add_cost(&t, b, gettime);
	pvc_text_add(&t, " ns per call\n");
	pvc_text_say(&t);
}

void pvc_report_start(struct pvc_core *b, const struct pvc_options *o, pvc_gettime_call *gettime)
{
	if (o->verbose) {
		say_start(b, gettime);
		watch_mode(b);
	}
	/* Ours are not the program's. */
	if (b->counted)
		pvc_count_begin(b);
}

void pvc_report_forked(struct pvc_core *b)
{
	if (b->counted)
		pvc_count_begin(b);
}

void pvc_report_end(struct pvc_core *b)
{
	bool told;

	if (!b->counted)
		return;
	told = is_stderr_still();
	if (report.summary && told)
		say_summary(b);
	if (report.stats)
		pvc_stats_write(b, told);
}
