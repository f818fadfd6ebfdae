// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The edge on a machine's own page. This machine's host will not lose its master clock
 * for a test, but another's page can stand in: vCPU n's entry for this machine's CPU n,
 * for the TSCs are the same. So the core is used as inside of that machine, and its
 * readers are what every program's are: by TSC while STABLE is set, by their own CPU's
 * entry when it is not, and by TSC again.
 *
 * A vCPU that has left the guest runs nothing before its entry is up to date. So the
 * reader on CPU n is stopped, wherever in a reading it is, while vCPU n is outside.
 */
#include "vm.h"

#include "../../../lib/attach/attach.h"
#include "../../../vdso/gettime.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#define VCPUS 2
#define ROUNDS 300

/* Steps back that time waits for, and that it goes on over. */
#define CLAMPED 600000
#define BRIDGED 5000000

#define READS 2000 /* between two of the things that a host does */

struct reader {
	pthread_t thread;
	unsigned cpu;
	_Atomic bool outside, held;
};

static struct lab_vm vm;
static struct reader reader[VCPUS];
static __thread struct reader *me;
static struct pvc_core core PVC_BLOCK_ALIGNED;
static _Atomic bool stop;
static _Atomic uint64_t reads, busy, refused, back, back_by;
static _Atomic uint64_t told_ns, told_clock; /* the most that anybody was told */

static void check_order(_Atomic uint64_t *told, uint64_t seen, uint64_t ns)
{
	if (ns < seen) {
		atomic_fetch_add(&back, 1);
		pvc_raise(&back_by, seen - ns);
	}
	pvc_raise(told, ns);
}

static void read_both(void)
{
	uint64_t seen = atomic_load(&told_ns), ns = 0, own;
	struct pvc_timespec ts = {0, 0};

	if (pvc_source_now(&core, &ns, &own))
		check_order(&told_ns, seen, ns);
	else /* KVM may be kept from running in the middle of an update */
		atomic_fetch_add(&busy, 1);
	seen = atomic_load(&told_clock);
	if (!pvc_gettime(&core, PVC_CLOCK_MONOTONIC, &ts))
		check_order(&told_clock, seen,
		            (uint64_t)ts.sec * PVC_NSEC_PER_SEC + (uint64_t)ts.nsec);
	else
		atomic_fetch_add(&refused, 1);
	atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
}

static bool pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static void on_exit_of_vcpu(int number)
{
	const struct timespec moment = {0, 20000};
	int saved = errno;

	(void)number;
	atomic_store(&me->held, true);
	while (atomic_load(&me->outside))
		nanosleep(&moment, NULL);
	atomic_store(&me->held, false);
	errno = saved;
}

static void *read_on(void *arg)
{
	sigset_t set;

	me = arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (!pin(me->cpu))
		atomic_fetch_add(&refused, 1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		read_both();
	return NULL;
}

/* All vCPUs leave the guest: something has been asked of them. */
static void kick(void)
{
	unsigned i;

	for (i = 0; i < VCPUS; i++) {
		atomic_store(&reader[i].outside, true);
		assert_int_equal(pthread_kill(reader[i].thread, SIGUSR1), 0);
	}
	for (i = 0; i < VCPUS; i++)
		while (!atomic_load(&reader[i].held))
			usleep(10);
}

/* One enters it again, with an entry that is up to date. */
static void enter(unsigned cpu)
{
	lab_run(&vm, cpu);
	atomic_store(&reader[cpu].outside, false);
	while (atomic_load(&reader[cpu].held))
		usleep(10);
}

static void await_reads(void)
{
	uint64_t until = atomic_load(&reads) + READS;

	while (atomic_load(&reads) < until && !atomic_load(&refused))
		usleep(20);
}

/* Sooner or later: one of the readers looks at what has changed. */
static void await_mode(uint32_t mode)
{
	while (atomic_load(&core.mode) != mode && !atomic_load(&refused))
		usleep(100);
}

/* As attach does it, but for where the page is. */
static void attach(void)
{
	const struct pvc_options options = {.mode = PVC_WISH_AUTO, .resync_us = 1000};
	struct pvc_maps maps;

	assert_true(pvc_maps_read(&maps));
	maps.count = 1;
	maps.candidate[0] = (uintptr_t)vm.memory + LAB_PAGE;
	pvc_attach_maps(&core, &options, &maps);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
}

/* By more than the readers are stopped for, or nobody could see it. */
static void set_back(uint64_t ns)
{
	lab_set_clock(&vm, lab_clock(&vm).clock - ns);
}

/* Whoever learns first is believed, and whoever learns last that it is over. */
static void round_trip(unsigned down, unsigned up, uint64_t back_by_ns)
{
	kick();
	lab_out_of_step(&vm, down);
	set_back(back_by_ns);
	enter(down);
	await_mode(PVC_MODE_PERCPU);
	await_reads();
	enter(1 - down);
	await_reads();
	kick();
	lab_in_step(&vm, up);
	enter(up);
	await_reads();
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	enter(1 - up);
	await_mode(PVC_MODE_STABLE);
	await_reads();
	/* And a new master clock in between. */
	kick();
	set_back(back_by_ns);
	enter(up);
	await_reads();
	enter(1 - up);
	await_reads();
	usleep(1000); /* time comes up with what was told */
}

static void start_readers(void)
{
	struct sigaction action = {.sa_handler = on_exit_of_vcpu, .sa_flags = SA_RESTART};
	sigset_t set;
	unsigned i;

	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	/* Theirs alone, and not before they know who they are. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	for (i = 0; i < VCPUS; i++) {
		reader[i].cpu = i;
		assert_int_equal(pthread_create(&reader[i].thread, NULL, read_on, &reader[i]), 0);
	}
}

static bool may_run_on_both(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_ISSET(0, &set) && CPU_ISSET(1, &set);
}

static void edges(void **state)
{
	unsigned i;

	(void)state;
	if (!may_run_on_both()) {
		printf("SKIP: edges on a machine's own page: not on CPU 0 and 1\n");
		skip();
	}
	if (pvc_order_of_this_cpu() != PVC_ORDER_RDTSCP) {
		printf("SKIP: edges on a machine's own page: no RDTSCP\n");
		skip();
	}
	if (!lab_open_stable(&vm, VCPUS, "edges on a machine's own page"))
		skip();
	/* It has been up for so long that it can be set back that often. */
	lab_set_clock(&vm, 1000 * PVC_NSEC_PER_SEC);
	lab_run_all(&vm);
	attach();
	start_readers();
	await_reads();
	for (i = 0; i < ROUNDS; i++)
		round_trip(i & 1, i >> 1 & 1, i & 4 ? CLAMPED : BRIDGED);
	atomic_store(&stop, true);
	for (i = 0; i < VCPUS; i++)
		pthread_join(reader[i].thread, NULL);
	printf("%d edges each way, %llu readings of both, %llu backwards (most %llu ns), %llu "
	       "busy\n",
	       ROUNDS, (unsigned long long)reads, (unsigned long long)back,
	       (unsigned long long)back_by, (unsigned long long)busy);
	assert_int_equal(refused, 0);
	assert_int_equal(back, 0);
	assert_int_equal(core.count_of.unstable_edges, ROUNDS);
	/*
	 * Each of a round's three things is an event, on whichever CPU it is seen first. A
	 * reader that is stopped while it writes one down may find it told already.
	 */
	assert_in_range(core.events, 3 * ROUNDS, 3 * ROUNDS + ROUNDS / 20);
	lab_close(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
