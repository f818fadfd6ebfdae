// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The core inside of a virtual machine with nothing else in it: no kernel, no libc,
 * no vDSO. What it says there is between what the host says before and after.
 *
 * Guest instructions take a microsecond each where KVM carries them out one by one.
 * A sample of the kernel's clock by port I/O is then wider than the core accepts, and
 * the kernel answers each call. So the kernel's own parameters are given to the guest
 * as well: the page that this process has them in, live, as memory of the guest's.
 */
#include "../../../lib/attach/attach.h"
#include "payload_vm.h"

#define READINGS 1000
#define SEC 1000000000ull

/* As sampled.c has it: what a line made from samples may be off by. */
#define WORST_BRACKET 50000ull

static struct lab_payload p;

static uint64_t host_ns(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(id, &ts), 0);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

/* Hypervisor ns in the guest. */
static uint64_t now(void)
{
	lab_do(&p, PAYLOAD_NOW, 0);
	assert_int_equal(p.mail->err, 0);
	return p.mail->ns;
}

/* A clock in the guest, between the host's own before and after; slack ns to spare. */
static uint64_t clock_in_bracket(clockid_t id, uint64_t slack)
{
	uint64_t before = host_ns(id), ns, after;

	lab_do(&p, PAYLOAD_TIME, (uint64_t)id);
	after = host_ns(id);
	assert_int_equal(p.mail->err, 0);
	assert_in_range(p.mail->ns, 0, SEC - 1);
	ns = p.mail->sec * SEC + p.mail->ns;
	if (ns + slack < before || ns > after + slack)
		fail_msg("clock %d: %llu is not between %llu and %llu", (int)id,
		         (unsigned long long)ns, (unsigned long long)before,
		         (unsigned long long)after);
	return ns;
}

/* By KVM's clock, and by the entry at the TSCs that the guest itself has read. */
static void hypervisor_ns(void **state)
{
	uint64_t before, ns, after, last = 0;
	struct lab_params entry;
	unsigned i;

	(void)state;
	if (!lab_open_payload(&p, "the core in a bare guest"))
		skip();
	lab_do(&p, PAYLOAD_START, 0);
	assert_int_equal(p.mail->mode, PVC_MODE_STABLE);
	for (i = 0; i < READINGS; i++) {
		before = lab_clock(&p.vm).clock;
		ns = now();
		after = lab_clock(&p.vm).clock;
		assert_in_range(ns, before, after);
		entry = lab_params(&p.vm, 0);
		assert_in_range(ns, lab_formula(&entry, p.mail->before),
		                lab_formula(&entry, p.mail->after));
		assert_true(ns >= last);
		last = ns;
	}
	lab_close(&p.vm);
}

/* What hosts do to a guest, as the guest sees it: time goes on. */
static void changes(void **state)
{
	const int64_t step[] = {1000 * (int64_t)SEC, -1000 * (int64_t)SEC, 100000};
	uint64_t last, started, known;
	unsigned i, reads;

	(void)state;
	if (!lab_open_payload(&p, "changes under a bare guest"))
		skip();
	lab_do(&p, PAYLOAD_START, 0);
	last = now();
	for (i = 0; i < sizeof(step) / sizeof(*step); i++) {
		known = p.mail->param_changes;
		lab_set_clock(&p.vm, lab_clock(&p.vm).clock + (uint64_t)step[i]);
		started = now();
		assert_true(p.mail->param_changes > known);
		assert_true(started >= last + (step[i] > 0 ? (uint64_t)step[i] : 0));
		/* Not frozen, but for what it took to change over. */
		for (reads = 0; (last = now()) == started && reads < READINGS;)
			reads++;
		assert_true(last > started);
	}
	known = p.mail->param_changes;
	lab_paused(&p.vm, 0);
	assert_true(now() >= last);
	assert_int_equal(p.mail->stopped, 1);
	assert_int_equal(p.mail->param_changes, known);
	lab_close(&p.vm);
}

/* Without the kernel's parameters. Lines from samples, if brackets are narrow enough. */
static void kernel_by_port(void **state)
{
	uint64_t ns, last = 0;
	unsigned i;

	(void)state;
	if (!lab_open_payload(&p, "the host as a bare guest's kernel"))
		skip();
	lab_do(&p, PAYLOAD_START, 0);
	for (i = 0; i < READINGS / 4; i++) {
		ns = clock_in_bracket(CLOCK_MONOTONIC, p.mail->anchors ? WORST_BRACKET : 0);
		assert_true(ns >= last);
		last = ns;
	}
	assert_true(p.mail->anchors || p.mail->fallbacks == i);
	assert_true(p.asked >= p.mail->fallbacks);
	/* An id that is not computed here is asked for, once. */
	p.asked = 0;
	clock_in_bracket(CLOCK_PROCESS_CPUTIME_ID, 0);
	assert_int_equal(p.asked, 1);
	lab_close(&p.vm);
}

/* The page that this process has the kernel's parameters in, as memory of the guest's. */
static bool share_parameters(void)
{
	struct kvm_userspace_memory_region region = {.slot = 1,
	                                             .flags = KVM_MEM_READONLY,
	                                             .guest_phys_addr = PAYLOAD_VVAR,
	                                             .memory_size = PVCLOCK_PAGE_SIZE};
	struct pvc_vvar vvar = {0};
	struct pvc_maps maps;
	uint64_t page;

	if (pvc_maps_read(&maps))
		pvc_vvar_find(&vvar, &maps);
	if (!vvar.hres || vvar.offset || vvar.hres[PVC_VVAR_SEQ] >> 32 != PVC_VVAR_TSC) {
		printf("SKIP: a bare guest on the kernel's parameters: they are not on the TSC\n");
		return false;
	}
	page = (uintptr_t)vvar.hres & ~(PVCLOCK_PAGE_SIZE - 1ull);
	region.userspace_addr = page;
	LAB_IOCTL(p.vm.fd, KVM_SET_USER_MEMORY_REGION, &region);
	p.mail->hres = PAYLOAD_VVAR + ((uintptr_t)vvar.hres - page);
	p.mail->raw = PAYLOAD_VVAR + ((uintptr_t)vvar.raw - page);
	p.mail->scale = vvar.scale;
	return true;
}

/* To the last bit, and the host is asked now and then only. */
static void kernel_by_parameters(void **state)
{
	const clockid_t id[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME,
	                        CLOCK_BOOTTIME, CLOCK_TAI};
	const unsigned ids = sizeof(id) / sizeof(*id);
	unsigned i;

	(void)state;
	if (!lab_open_payload(&p, "a bare guest on the kernel's parameters") || !share_parameters())
		skip();
	lab_do(&p, PAYLOAD_START, 0);
	for (i = 0; i < READINGS; i++)
		clock_in_bracket(id[i * ids / READINGS], 0);
	assert_int_equal(p.mail->exact, 1);
	assert_int_equal(p.mail->mode, PVC_MODE_STABLE);
	assert_in_range(p.mail->anchors, ids, READINGS);
	/* A tick that comes in between is an answer of the kernel's. */
	assert_in_range(p.mail->fallbacks, 0, READINGS / 2);
	assert_in_range(p.asked, ids, READINGS / 2);
	printf("%u readings: asked %llu, lines %llu, forwarded %llu; %llu instructions assisted\n",
	       i, (unsigned long long)p.asked, (unsigned long long)p.mail->anchors,
	       (unsigned long long)p.mail->fallbacks, (unsigned long long)p.assisted);
	lab_close(&p.vm);
}

/* STABLE is cleared, and this guest cannot read per CPU: the kernel answers all. */
static void unstable(void **state)
{
	unsigned i;

	(void)state;
	if (!lab_open_payload(&p, "a bare guest without a master clock") || !share_parameters())
		skip();
	lab_do(&p, PAYLOAD_START, 0);
	clock_in_bracket(CLOCK_MONOTONIC, 0);
	now();
	lab_out_of_step(&p.vm, 1);
	lab_run(&p.vm, 1);
	for (i = 0; i < 20; i++)
		clock_in_bracket(CLOCK_MONOTONIC, 0);
	assert_int_equal(p.mail->mode, PVC_MODE_KERNEL);
	assert_int_equal(p.mail->reason, PVC_WHY_UNSTABLE);
	p.asked = 0;
	clock_in_bracket(CLOCK_MONOTONIC, 0);
	assert_int_equal(p.asked, 1);
	lab_do(&p, PAYLOAD_NOW, 0);
	assert_int_equal(p.mail->err, -1);
	lab_close(&p.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hypervisor_ns),  cmocka_unit_test(changes),
		cmocka_unit_test(kernel_by_port), cmocka_unit_test(kernel_by_parameters),
		cmocka_unit_test(unstable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
