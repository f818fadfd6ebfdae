// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking for the kernel's parameters where there is less than there could be: pages
 * that end, that cannot be touched or are not there, and those of time namespaces.
 */
#include <sys/wait.h>

#include "simfind.h"

#define MOST 10 /* pages of a mapping of our own: two more than are looked at */

/* Memory of our own, the last page of which nobody may touch. */
static unsigned char *mapped(int *fd, size_t pages, size_t filled)
{
	unsigned char *at;

	*fd = memfd_create("pages", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, (off_t)(filled * PVCLOCK_PAGE_SIZE)), 0);
	at = mmap(NULL, pages * PVCLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_true(at != MAP_FAILED);
	return at;
}

/* Clocks at any place of a page, also where they do not fit any more. */
static void at_the_end(void **state)
{
	const size_t length = 2ul * (4 + 1 + 24);
	unsigned char *at;
	size_t word;
	int fd;

	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	at = mapped(&fd, 2, 1);
	for (word = 0; word < WORDS; word++) {
		size_t rest = WORDS - word, n = rest < length ? rest : length;
		struct pvc_vvar v;

		memset(at, 0, PVCLOCK_PAGE_SIZE);
		memcpy(at + word * 8, simv_clock(false), n * 8);
		v = find(at, 2ul * PVCLOCK_PAGE_SIZE);
		if (rest >= length)
			assert_ptr_equal(v.hres, at + word * 8);
		else
			assert_true(nothing(v));
	}
	munmap(at, 2ul * PVCLOCK_PAGE_SIZE);
	close(fd);
}

/* What is wrong there may be a signal, so it is done by a child. */
static int child(int (*what)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		/* Not cmocka's. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		print_error("signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The parameters in page number data, those of none readable but the ones in mask. */
static bool with_readable(unsigned data, unsigned mask, bool in_namespace, bool good)
{
	struct simv_time t;
	struct pvc_vvar v;
	unsigned i;
	bool right;

	simv_boot(3, PVC_VVAR_TSC);
	t = simv_mine();
	if (data) {
		memset(simv.rw, 0, PVCLOCK_PAGE_SIZE);
		simv.data = data;
		simv_put(&t, SIMV_ALL_WORDS);
		simv_set_seq(1000);
		if (in_namespace)
			simv_put_space(&t);
	}
	for (i = 0; i < SIMV_PAGES; i++)
		if (!(mask >> i & 1))
			mprotect(simv.ro + i * PVCLOCK_PAGE_SIZE, PVCLOCK_PAGE_SIZE, PROT_NONE);
	v = find_simulated();
	simx_protect(PROT_READ);
	right = good ? v.hres == seen(false) && v.raw == seen(true) : nothing(v);
	return right && (!good || !data == !v.offset);
}

static int unreadable_pages(void)
{
	unsigned data;

	for (data = 0; data < SIMV_PAGES; data++) {
		unsigned both = 1u | 1u << data;

		if (!with_readable(data, both, true, true))
			return 1;
		if (!with_readable(data, 0xff & ~(1u << data), true, false))
			return 2;
		/* No namespace's page in front of it: not what we take it for. */
		if (data && !with_readable(data, 0xff, false, false))
			return 3;
		/* The first one is the one that cannot be touched. */
		if (data && !with_readable(data, 0xff & ~1u, true, false))
			return 4;
	}
	return with_readable(0, 0, false, false) ? 0 : 5;
}

static void pages_that_cannot_be_read(void **state)
{
	(void)state;
	assert_int_equal(child(unreadable_pages), 0);
}

/* Beyond the end of what is behind a mapping: SIGBUS, as from a page never enabled. */
static int beyond_the_end(void)
{
	unsigned filled, pages;

	for (filled = 0; filled < 4; filled++)
		for (pages = 1; pages <= MOST; pages++) {
			int fd;
			unsigned char *at = mapped(&fd, pages, filled);
			struct pvc_vvar v;

			if (filled)
				memcpy(at, simv.rw, PVCLOCK_PAGE_SIZE);
			v = find(at, pages * PVCLOCK_PAGE_SIZE);
			if (!!v.hres != !!filled)
				return 1;
			munmap(at, pages * PVCLOCK_PAGE_SIZE);
			close(fd);
		}
	return 0;
}

static void pages_that_are_not_there(void **state)
{
	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	assert_int_equal(child(beyond_the_end), 0);
}

static void namespaces(void **state)
{
	unsigned layout, data;

	(void)state;
	for (layout = 0; layout < SIMV_LAYOUTS; layout++)
		for (data = 1; data < SIMV_PAGES; data++) {
			struct simv_time t;
			struct pvc_vvar v;

			simv_boot(layout, PVC_VVAR_TSC);
			t = simv_mine();
			t.space_mono = (uint64_t)(-2 * HOUR - 1);
			memset(simv.rw, 0, PVCLOCK_PAGE_SIZE);
			simv.data = data;
			simv_put(&t, SIMV_ALL_WORDS);
			simv_set_seq(1000);
			simv_put_space(&t);
			v = find_simulated();
			assert_ptr_equal(v.hres, seen(false));
			assert_ptr_equal(v.raw, seen(true));
			assert_ptr_equal(v.offset, simv_clock_in(simv.ro, 0, false));
			/* The namespace's page, but not where the clocks are in theirs. */
			memmove(simv.rw + 512, simv.rw, 1024);
			memset(simv.rw, 0, 512);
			assert_true(nothing(find_simulated()));
		}
}

/* A page too far, and a mapping of more than there are. */
static void the_most_pages(void **state)
{
	unsigned char *at;
	unsigned i;
	int fd;

	(void)state;
	simv_boot(3, PVC_VVAR_TSC);
	at = mapped(&fd, MOST, MOST);
	for (i = 1; i < MOST; i++) {
		struct simv_time t = simv_mine();
		unsigned char *old = simv.rw;

		memset(at, 0, MOST * PVCLOCK_PAGE_SIZE);
		memcpy(at + i * PVCLOCK_PAGE_SIZE, old, PVCLOCK_PAGE_SIZE);
		simv.rw = at;
		simv_put_space(&t);
		simv.rw = old;
		assert_int_equal(nothing(find(at, MOST * PVCLOCK_PAGE_SIZE)), i >= 8);
	}
	munmap(at, MOST * PVCLOCK_PAGE_SIZE);
	close(fd);
}

/* This machine's own kernel: computed from its page, its clocks are its clocks. */
static void the_real_one(void **state)
{
	const char *what = "the kernel's own parameters";
	struct pvc_maps maps;
	struct pvc_params p;
	struct pvc_vvar v;
	unsigned i, n;

	(void)state;
	assert_true(pvc_maps_read(&maps));
	pvc_vvar_find(&v, &maps);
	if (!v.hres || pvc_vvar_read(&v, false, CLOCK_MONOTONIC, &p) != PVC_VVAR_OK ||
	    p.mode != PVC_VVAR_TSC) {
		printf("SKIP: %s: its clocksource is not tsc\n", what);
		skip();
		return;
	}
	for (n = 0; n < 20000; n++)
		for (i = 0; i < SIMV_IDS; i++) {
			int id = simv_ids[i];
			uint64_t before = sim_kernel_ns(id), ns;
			enum pvc_vvar_read status;

			do
				status = pvc_vvar_read(&v, id == CLOCK_MONOTONIC_RAW, (unsigned)id,
				                       &p);
			while (status == PVC_VVAR_BUSY);
			assert_int_equal(status, PVC_VVAR_OK);
			ns = pvc_ticks_since(simv_tsc(), p.cycle_last);
			ns = (uint64_t)(((pvc_u128)ns * p.mult + p.nsec) >> p.shift);
			ns += p.sec * SEC;
			/* A tick in between has moved on with another rate. */
			if (pvc_vvar_seq(v.hres) == p.seq)
				assert_in_range(ns, before, sim_kernel_ns(id));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_end),
		cmocka_unit_test(pages_that_cannot_be_read),
		cmocka_unit_test(pages_that_are_not_there),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(the_most_pages),
		cmocka_unit_test(the_real_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
