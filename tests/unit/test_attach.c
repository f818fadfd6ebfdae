// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Attach: the maps of every kernel layout, pages that are absent, dead or
 * nonsense, and the mode and reason that come of each; then the real maps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/attach/attach.h"
#include "../../vdso/gettime.h"

/* As each kernel prints them; addresses are such as were seen there. */
static const char maps_4_5[] =
	"00400000-0040c000 r-xp 00000000 08:01 131   /bin/cat\n"
	"7ffc1a9d8000-7ffc1a9f9000 rw-p 00000000 00:00 0                          [stack]\n"
	"7ffc1a9fb000-7ffc1a9fe000 r--p 00000000 00:00 0                          [vvar]\n"
	"7ffc1a9fe000-7ffc1aa00000 r-xp 00000000 00:00 0                          [vdso]\n"
	"ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]\n";
static const char maps_4_7[] =
	"7ffd2b5d2000-7ffd2b5d4000 r--p 00000000 00:00 0                          [vvar]\n"
	"7ffd2b5d4000-7ffd2b5d6000 r-xp 00000000 00:00 0                          [vdso]\n";
static const char maps_5_6[] =
	"7ffe6a7b1000-7ffe6a7b5000 r--p 00000000 00:00 0                          [vvar]\n"
	"7ffe6a7b5000-7ffe6a7b7000 r-xp 00000000 00:00 0                          [vdso]\n";
static const char maps_6_13[] =
	"7f6ab8f9b000-7f6ab8f9f000 r--p 00000000 00:00 0                          [vvar]\n"
	"7f6ab8f9f000-7f6ab8fa1000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
	"7f6ab8fa1000-7f6ab8fa3000 r-xp 00000000 00:00 0                          [vdso]\n";

static struct pvc_maps parsed(const char *text, size_t piece)
{
	struct pvc_maps maps = {0};
	struct pvc_maps_parser parser = {.maps = &maps};
	size_t at, size = strlen(text);

	for (at = 0; at < size; at += piece)
		pvc_maps_feed(&parser, text + at, size - at < piece ? size - at : piece);
	return maps;
}

static void has(const struct pvc_maps *maps, uintptr_t page)
{
	unsigned i;

	for (i = 0; i < maps->count; i++)
		if (maps->candidate[i] == page)
			return;
	fail_msg("no candidate %#lx", (unsigned long)page);
}

static void layouts(void **state)
{
	size_t piece;
	(void)state;

	/* Read in any pieces: a line may be cut anywhere. */
	for (piece = 1; piece < 400; piece += 7) {
		struct pvc_maps maps = parsed(maps_4_5, piece);

		has(&maps, 0x7ffc1a9fd000);
		assert_int_equal(maps.vdso, 0x7ffc1a9fe000);
		assert_int_equal(maps.vdso_end, 0x7ffc1aa00000);
		maps = parsed(maps_4_7, piece);
		has(&maps, 0x7ffd2b5d3000);
		assert_int_equal(maps.count, 1);
		maps = parsed(maps_5_6, piece);
		has(&maps, 0x7ffe6a7b2000);
		maps = parsed(maps_6_13, piece);
		has(&maps, 0x7f6ab8f9f000);
	}
}

static void strange_maps(void **state)
{
	char text[2000];
	struct pvc_maps maps;
	int i;
	(void)state;

	assert_int_equal(parsed("", 1).count, 0);
	assert_int_equal(parsed("\n\n\n", 1).count, 0);
	assert_int_equal(parsed("garbage [vvar]\n", 4).count, 0);
	assert_int_equal(parsed("7000-8000 r--p [vvar_vclock", 9).count, 0);
	assert_int_equal(parsed("7001-9001 r--p 0 0 0 [vvar_vclock]\n", 9).count, 0);
	assert_int_equal(parsed("9000-7000 r--p 0 0 0 [vvar_vclock]\n", 9).count, 0);
	assert_int_equal(parsed("9000-9800 r--p 0 0 0 [vvar_vclock]\n", 9).count, 0);
	assert_int_equal(parsed("fffffffffffffffff000-fff r--p 0 0 0 [vvar_vclock]\n", 9).count, 0);
	assert_int_equal(parsed("fffffffffffff000-ffffffffffffffff r--p [vvar]\n", 9).count, 0);
	/* A path that merely ends like one of ours is longer than the line. */
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 20, " [vvar_vclock]\n", 16);
	memcpy(text, "7000-9000 ", 10);
	assert_int_equal(parsed(text, 100).count, 0);
	/* More of them than there is room for. */
	text[0] = '\0';
	for (i = 0; i < 30; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		         "7000-9000 r--p 0 0 0 [vvar_vclock]\n");
	maps = parsed(text, 33);
	assert_int_equal(maps.count, PVC_CANDIDATES);
}

/* ---- pages ------------------------------------------------------------------- */

static struct pvclock_slot *page;

static int make_page(void **state)
{
	(void)state;
	page = mmap(NULL, PVCLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	            -1, 0);
	return page == MAP_FAILED;
}

static int free_page(void **state)
{
	(void)state;
	return munmap(page, PVCLOCK_PAGE_SIZE);
}

static void good_entries(unsigned count, uint8_t flags)
{
	struct pvclock_vcpu_time_info e = {.version = 4,
	                                   .tsc_timestamp = pvc_rdtsc_lfence() - 1000000,
	                                   .system_time = 5000000000,
	                                   .tsc_to_system_mul = 3512655097u,
	                                   .tsc_shift = -1,
	                                   .flags = flags};
	unsigned i;

	memset(page, 0, PVCLOCK_PAGE_SIZE);
	for (i = 0; i < count; i++)
		page[i].info = e;
}

/* One block attached to the page in memory, with the mode that was asked for. */
static struct pvc_core *attached(enum pvc_wish mode, uintptr_t address)
{
	static struct pvc_core b;
	struct pvc_maps maps = {.count = 1, .candidate = {address}};
	struct pvc_options o;

	memset(&b, 0, sizeof(b));
	pvc_options_default(&o);
	o.mode = mode;
	pvc_attach_maps(&b, &o, &maps);
	return &b;
}

#define expect(b, expected_mode, expected_reason)                                                  \
	do {                                                                                       \
		assert_int_equal((b)->mode, expected_mode);                                        \
		assert_int_equal((b)->reason, expected_reason);                                    \
	} while (0)

/* Whatever came of it, the clock is answered. */
static void answers(struct pvc_core *b)
{
	struct pvc_timespec ts = {0, -1};

	assert_int_equal(pvc_gettime(b, PVC_CLOCK_MONOTONIC, &ts), 0);
	assert_in_range(ts.nsec, 0, 999999999);
}

static void good_pages(void **state)
{
	uintptr_t at = (uintptr_t)page;
	(void)state;

	good_entries(4, PVCLOCK_TSC_STABLE_BIT);
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_STABLE, PVC_WHY_STABLE);
	assert_int_equal(attached(PVC_WISH_AUTO, at)->count, 4);
	expect(attached(PVC_WISH_STABLE, at), PVC_MODE_STABLE, PVC_WHY_ASKED);
	expect(attached(PVC_WISH_PERCPU, at), PVC_MODE_PERCPU, PVC_WHY_ASKED);
	expect(attached(PVC_WISH_KERNEL, at), PVC_MODE_KERNEL, PVC_WHY_ASKED);
	good_entries(4, 0);
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_PERCPU, PVC_WHY_UNSTABLE);
	expect(attached(PVC_WISH_STABLE, at), PVC_MODE_KERNEL, PVC_WHY_NOT_STABLE);
	/* One vCPU of several has lost it. */
	good_entries(4, PVCLOCK_TSC_STABLE_BIT);
	page[2].info.flags = 0;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_PERCPU, PVC_WHY_UNSTABLE);
	/* They say stable and are 5 us apart. */
	good_entries(4, PVCLOCK_TSC_STABLE_BIT);
	page[3].info.system_time += 5000;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_PERCPU, PVC_WHY_DISAGREE);
	answers(attached(PVC_WISH_AUTO, at));
}

static void xen_page(void **state)
{
	uintptr_t at = (uintptr_t)page;
	(void)state;

	/* Only vCPU 0 has an entry: per CPU is out of the question. */
	good_entries(1, PVCLOCK_TSC_STABLE_BIT);
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_STABLE, PVC_WHY_STABLE);
	assert_int_equal(attached(PVC_WISH_AUTO, at)->cpu_mask, 0);
	if (sysconf(_SC_NPROCESSORS_CONF) < 2) {
		printf("SKIP: one entry, several CPUs: this machine has one CPU\n");
		skip();
	}
	good_entries(1, 0);
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_ONE_ENTRY);
	answers(attached(PVC_WISH_AUTO, at));
}

static void nonsense(void **state)
{
	uintptr_t at = (uintptr_t)page;
	unsigned i;
	(void)state;

	memset(page, 0, PVCLOCK_PAGE_SIZE);
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_NONSENSE);
	memset(page, 0xff, PVCLOCK_PAGE_SIZE);
	page[0].info.version = 2;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_NONSENSE);
	good_entries(2, PVCLOCK_TSC_STABLE_BIT);
	page[0].info.version = 5;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_BUSY);
	good_entries(2, PVCLOCK_TSC_STABLE_BIT);
	page[0].info.tsc_shift = 40;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_NONSENSE);
	good_entries(2, PVCLOCK_TSC_STABLE_BIT);
	page[0].info.system_time = UINT64_MAX;
	expect(attached(PVC_WISH_AUTO, at), PVC_MODE_KERNEL, PVC_WHY_NONSENSE);
	/* Bytes of any kind: never a crash, always an answer. */
	srandom(1);
	for (i = 0; i < 2000; i++) {
		size_t byte;

		for (byte = 0; byte < 2ul * PVCLOCK_SLOT_SIZE; byte++)
			((unsigned char *)page)[byte] = (unsigned char)random();
		answers(attached(PVC_WISH_AUTO, at));
	}
}

static void dead_pages(void **state)
{
	struct pvc_maps maps = {0};
	struct pvc_core b = {0};
	struct pvc_options o;
	(void)state;

	pvc_options_default(&o);
	pvc_attach_maps(&b, &o, &maps);
	expect(&b, PVC_MODE_KERNEL, PVC_WHY_NO_PAGE);
	answers(&b);
	assert_int_equal(mprotect(page, PVCLOCK_PAGE_SIZE, PROT_NONE), 0);
	assert_false(pvc_probe(page));
	expect(attached(PVC_WISH_AUTO, (uintptr_t)page), PVC_MODE_KERNEL, PVC_WHY_DEAD_PAGE);
	assert_int_equal(mprotect(page, PVCLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	assert_true(pvc_probe(page));
	/* Not mapped at all, and not canonical. */
	assert_false(pvc_probe((void *)0x1000));
	assert_false(pvc_probe((void *)0x8000000000000000));
	/* A dead candidate does not keep the live one after it from being found. */
	good_entries(2, PVCLOCK_TSC_STABLE_BIT);
	maps.count = 2;
	maps.candidate[0] = 0x1000;
	maps.candidate[1] = (uintptr_t)page;
	memset(&b, 0, sizeof(b));
	pvc_attach_maps(&b, &o, &maps);
	expect(&b, PVC_MODE_STABLE, PVC_WHY_STABLE);
}

/* PR_SET_TSC stays with the thread, so it is tried in a process of its own. */
static void tsc_forbidden(void **state)
{
	int status;
	pid_t child;
	(void)state;

	good_entries(2, PVCLOCK_TSC_STABLE_BIT);
	assert_true(pvc_tsc_allowed());
	child = fork();
	if (child == 0) {
		struct pvc_timespec ts;
		struct pvc_core *b;

		if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) != 0)
			_exit(2);
		b = attached(PVC_WISH_AUTO, (uintptr_t)page);
		if (b->mode != PVC_MODE_KERNEL || b->reason != PVC_WHY_NO_TSC)
			_exit(1);
		/* The vDSO reads the TSC and would be killed: the call is made. */
		_exit(pvc_gettime(b, PVC_CLOCK_MONOTONIC, &ts) || pvc_gettimeofday(b, &ts, NULL));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the real thing ---------------------------------------------------------- */

static void real_maps(void **state)
{
	static struct pvc_core b;
	struct pvc_options o;
	struct pvc_maps maps;
	struct pvc_timespec ts;
	(void)state;

	assert_true(pvc_maps_read(&maps));
	assert_int_not_equal(maps.vdso, 0);
	assert_true(maps.count > 0);
	pvc_options_default(&o);
	pvc_attach(&b, &o);
	assert_non_null(b.kernel.clock_gettime);
	assert_non_null(b.kernel.clock_getres);
	assert_non_null(b.kernel.gettimeofday);
	assert_non_null(b.kernel.time);
	assert_int_equal(b.kernel.clock_gettime(PVC_CLOCK_MONOTONIC, &ts), 0);
	if (!b.entry) {
		printf("SKIP: the live page: %s\n", pvc_reason_text((enum pvc_reason)b.reason));
		skip();
	}
	assert_int_not_equal(b.mode, PVC_MODE_KERNEL);
	assert_int_equal(b.count, sysconf(_SC_NPROCESSORS_CONF));
}

static void reasons(void **state)
{
	unsigned i;
	(void)state;

	for (i = 0; i < PVC_WHYS; i++)
		assert_string_not_equal(pvc_reason_text((enum pvc_reason)i), "unknown");
	assert_string_equal(pvc_reason_text(PVC_WHYS), "unknown");
	assert_string_equal(pvc_mode_text(PVC_MODE_STABLE_NS), "stable");
	assert_string_equal(pvc_mode_text(PVC_MODE_PERCPU), "percpu");
	assert_string_equal(pvc_mode_text(PVC_MODE_KERNEL), "kernel");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(strange_maps),
		cmocka_unit_test_setup_teardown(good_pages, make_page, free_page),
		cmocka_unit_test_setup_teardown(xen_page, make_page, free_page),
		cmocka_unit_test_setup_teardown(nonsense, make_page, free_page),
		cmocka_unit_test_setup_teardown(dead_pages, make_page, free_page),
		cmocka_unit_test_setup_teardown(tsc_forbidden, make_page, free_page),
		cmocka_unit_test(real_maps),
		cmocka_unit_test(reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
