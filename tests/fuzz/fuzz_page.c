// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The whole core on a page that its host rewrites as it likes: between calls, and
 * in the middle of those that ask the kernel or look for their thread's last
 * value. The input is a program of such writes and of calls (fuzzhost.h).
 *
 * What must hold then: every call ends; a time is a time; MONOTONIC, RAW and
 * BOOTTIME do not go back and are nowhere near centuries off, and made from the
 * kernel's own parameters they are the kernel's whatever the page says; hypervisor
 * ns do not go back. And once the host is sane again, so are the clocks, before long.
 */
#include "../../lib/lib.h"
#include "../../vdso/entry.h"
#include "fuzzhost.h"

/* Page rates a third of the real one, and lines that run out, explain less. */
#define MOST_OFF (4 * PVC_NSEC_PER_SEC)
#define HEALED 1000000ull

#define NOBODYS 15 /* a clock id */

static uint64_t said[PVC_IDS], said_now, began[PVC_IDS], told;
static bool always_exact;

static uint64_t checked(int id, const struct pvc_timespec *ts)
{
	fuzz_must((uint64_t)ts->nsec < PVC_NSEC_PER_SEC, "clock %d: %lld ns", id,
	          (long long)ts->nsec);
	fuzz_must(ts->sec >= 0, "clock %d: %lld s", id, (long long)ts->sec);
	return sim_ns(ts);
}

static void near_kernel(int id, uint64_t before, uint64_t ns, uint64_t after)
{
	fuzz_must(ns + MOST_OFF + (before - began[id]) >= before && ns <= after + MOST_OFF,
	          "clock %d: %llu, kernel %llu to %llu", id, (unsigned long long)ns,
	          (unsigned long long)before, (unsigned long long)after);
}

/* Always, until now: what samples told may be ahead of the kernel, and is waited for. */
static bool exact(void)
{
	always_exact &= atomic_load(&core.mode) == PVC_MODE_STABLE && pvc_exact(&core) &&
	                !core.count_of.unstable_edges;
	return always_exact;
}

static void call_gettime(int id, bool unordered)
{
	uint64_t before = host_kernel_ns(id), ns, after;
	struct pvc_timespec ts = {-1, -1};
	int err = unordered ? pvc_gettime_unordered(&core, id, &ts) : pvc_gettime(&core, id, &ts);

	if (err) {
		fuzz_must(host.kernel_error || id == NOBODYS, "clock %d: error %d", id, err);
		return;
	}
	ns = checked(id, &ts);
	if (!pvc_is_ours(id) || pvc_settable(id))
		return;
	after = host_kernel_ns(id);
	near_kernel(id, before, ns, after);
	if (unordered)
		return;
	fuzz_must(!exact() || (ns >= before && ns <= after),
	          "clock %d: %llu, not from %llu to %llu", id, (unsigned long long)ns,
	          (unsigned long long)before, (unsigned long long)after);
	fuzz_must(ns >= said[id], "clock %d: %llu after %llu, mode %u", id, (unsigned long long)ns,
	          (unsigned long long)said[id], (unsigned)core.mode);
	said[id] = ns;
}

static void call_interval(int id)
{
	struct pvc_interval i = {{-1, -1}, {-1, -1}, PVC_SYNCHRONISED};
	int err = pvc_gettime_interval(&core, id, &i);

	if (err) {
		fuzz_must(host.kernel_error || id == NOBODYS, "clock %d: error %d", id, err);
		return;
	}
	/* A clock that is set back while it is asked for is the one exception. */
	fuzz_must(checked(id, &i.earliest) <= checked(id, &i.latest) || pvc_settable(id),
	          "clock %d: %llu to %llu", id, (unsigned long long)sim_ns(&i.earliest),
	          (unsigned long long)sim_ns(&i.latest));
	fuzz_must(i.certainty <= PVC_VIOLATED, "%d", i.certainty);
}

static bool call_now(void)
{
	uint64_t ns, own;

	if (!pvc_source_now(&core, &ns, &own))
		return false;
	fuzz_must(ns >= said_now, "hypervisor ns: %llu after %llu, mode %u", (unsigned long long)ns,
	          (unsigned long long)said_now, (unsigned)core.mode);
	fuzz_must(!pvc_ns_absurd(ns), "hypervisor ns: %llu", (unsigned long long)ns);
	said_now = ns;
	return true;
}

static void call_sample(void)
{
	struct pvc_reading r;

	/* As pvclock_sample does. */
	if (!pvc_is_live(atomic_load(&core.mode)))
		return;
	switch (pvc_source_sample(&core, &r)) {
	case PVC_OK:
	case PVC_UNSTABLE:
		fuzz_must(!(r.version & 1), "version %u", r.version);
		fuzz_must(core.tsc_ratio || r.tsc <= sim_tsc(), "a TSC of the future");
		break;
	case PVC_BUSY:
	case PVC_NO_ENTRY:
		break;
	}
}

static void call_prove(void)
{
	struct pvc_proof proof =
		pvc_prove(page.slot, PVCLOCK_PAGE_SLOTS, (enum pvc_order)core.order);

	fuzz_must(proof.entries <= PVCLOCK_PAGE_SLOTS, "%u", proof.entries);
	fuzz_must(proof.reason == PVC_WHY_STABLE || proof.reason == PVC_WHY_UNSTABLE ||
	                  proof.reason == PVC_WHY_DISAGREE || !proof.entries,
	          "reason %d", proof.reason);
}

static void call_status(void)
{
	static const struct pvc_options options;
	struct pvclock_status s = {.size = sizeof(s)};
	struct pvclock_entry e = {.size = sizeof(e)};
	struct pvclock_sample sample = {.size = sizeof(sample)};

	fuzz_must(!pvc_status_of(&core, &options, &s), "status");
	fuzz_must(strcmp(s.reason, "unknown") != 0, "reason %u", (unsigned)core.reason);
	if (!pvc_sample_of(&core, &sample))
		(void)pvc_sample_valid_of(&core, &sample);
	(void)pvc_entry_status_of(&core, sample.cpu, &e);
}

/* Numbers without a gap but for those that are lost; and the count of them grows. */
static void call_events(void)
{
	struct pvclock_event events[8];
	uint64_t before = atomic_load(&core.events), after = told, lost;
	int got = pvc_events_of(&core, &after, events, 8, &lost), i;

	fuzz_must(pvc_generation_slow(&core) >= before, "generation");
	fuzz_must(got >= 0 && got <= 8, "%d events", got);
	fuzz_must(after == told + (uint64_t)got + lost, "%llu after %llu, %d, %llu lost",
	          (unsigned long long)after, (unsigned long long)told, got,
	          (unsigned long long)lost);
	for (i = 0; i < got; i++)
		fuzz_must(events[i].number > told && events[i].number <= after &&
		                  events[i].kind >= PVC_EVENT_CHANGED &&
		                  events[i].kind <= PVC_EVENT_REPLACED,
		          "event %llu, kind %u", (unsigned long long)events[i].number,
		          events[i].kind);
	told = after;
}

static void call_entry(unsigned entry)
{
	uint64_t ns;

	if (pvc_now_entry_of(&core, entry, &ns) != 0)
		return;
	fuzz_must(!pvc_ns_absurd(ns), "hypervisor ns of entry %u: %llu", entry,
	          (unsigned long long)ns);
}

static void call_others(unsigned which)
{
	struct pvc_timespec ts = {-1, -1};
	int64_t t;

	switch (which % 8) {
	case 0:
		if (!pvc_gettimeofday(&core, &ts, NULL))
			fuzz_must((uint64_t)ts.nsec < 1000000, "%lld us", (long long)ts.nsec);
		break;
	case 1:
		fuzz_must(!pvc_getres(&core, PVC_CLOCK_MONOTONIC, &ts), "getres");
		break;
	case 2:
		fuzz_must(pvc_time(&core, &t) > 0, "time");
		break;
	case 3:
		pvc_clocks_were_set(&core);
		break;
	case 4:
		call_status();
		break;
	case 5:
		call_events();
		break;
	case 6:
		call_entry(which);
		break;
	case 7:
		always_exact = false;
		host_replace();
		break;
	}
}

static void call(unsigned op, unsigned what)
{
	/* Ours, and one each that is coarse, the process's and nobody's. */
	static const int ids[8] = {0, 1, 4, 7, 11, 6, 2, NOBODYS};
	int id = ids[what & 7];

	switch (op) {
	case 7:
		call_others(what);
		break;
	case 8:
		call_prove();
		break;
	case 9:
		call_sample();
		break;
	case 10:
		call_interval(id);
		break;
	case 11:
		call_gettime(id, true);
		break;
	case 12:
	case 13:
		call_now();
		break;
	default:
		call_gettime(id, false);
		break;
	}
}

static void step(struct fuzz_input *in)
{
	unsigned byte = (unsigned)fuzz_take(in, 1), op = byte & 15, what = byte >> 4;

	switch (op) {
	case 0:
	case 1:
	case 2:
		host_write(host_decode(in));
		break;
	case 3:
		host_write_later(host_decode(in));
		break;
	case 4:
		host_kernel(in, what);
		break;
	case 5:
		host_spin(what);
		break;
	case 6:
		host_move(what);
		break;
	default:
		call(op, what);
		break;
	}
}

/*
 * Not a limit on speed: time itself is what is waited for. What was told too early
 * is waited for, too, and lines given back at half the rate take twice as long.
 */
static void heals(int id)
{
	uint64_t start = sim_kernel_ns(id), before, after;

	do {
		before = sim_kernel_ns(id);
		call_gettime(id, false);
		after = sim_kernel_ns(id);
		if (said[id] + HEALED >= before && said[id] <= after + HEALED)
			return;
	} while (after - start < 3 * MOST_OFF);
	fuzz_must(false, "clock %d: %llu, kernel %llu", id, (unsigned long long)said[id],
	          (unsigned long long)after);
}

static void goes_on(void)
{
	uint64_t start = sim_kernel_ns(CLOCK_MONOTONIC), first;

	while (pvc_is_live(atomic_load(&core.mode))) {
		first = said_now;
		if (call_now() && said_now > first)
			return;
		fuzz_must(sim_kernel_ns(CLOCK_MONOTONIC) - start < MOST_OFF,
		          "hypervisor ns stand at %llu", (unsigned long long)said_now);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	host_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int id;

	memset(said, 0, sizeof(said));
	said_now = told = 0;
	host_attach(&in);
	for (id = 0; id < PVC_IDS; id++)
		began[id] = pvc_is_ours(id) ? sim_kernel_ns(id) : 0;
	always_exact = true;
	while (in.left)
		step(&in);
	host_sane();
	heals(PVC_CLOCK_MONOTONIC);
	heals(PVC_CLOCK_MONOTONIC_RAW);
	heals(PVC_CLOCK_BOOTTIME);
	goes_on();
	return 0;
}
