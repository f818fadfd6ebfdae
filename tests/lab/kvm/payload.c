// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A bare guest: no kernel, no libc, one vCPU in long mode, and the core as it is in
 * the library. Its block is on the entry that KVM writes for this vCPU; its kernel is
 * the host, which it asks by port I/O.
 */
#include "../../../vdso/anchor.h"
#include "payload.h"

static struct pvc_core block PVC_BLOCK_ALIGNED;
static struct payload_mail *const mail = (struct payload_mail *)PAYLOAD_MAIL;

void payload_start(void) __attribute__((section(".start"), noreturn));

/* The host reads and writes the mail meanwhile. */
static void leave(uint16_t port)
{
	__asm__ volatile("outb %%al, %0" : : "d"(port), "a"(0) : "memory");
}

static long ask_host(long id, struct pvc_timespec *ts)
{
	mail->id = (uint64_t)id;
	leave(PAYLOAD_ASK);
	ts->sec = mail->kernel_sec;
	ts->nsec = mail->kernel_nsec;
	return mail->kernel_err;
}

/* As attach does it, by what the host says instead of /proc/self/maps. */
static void start(void)
{
	block.entry = (pvc_entry *)mail->page;
	block.count = 1;
	/* Not every KVM without the hardware's help knows RDTSCP. */
	block.order = PVC_ORDER_LFENCE;
	block.resync_ns = mail->resync_ns;
	block.kernel.clock_gettime = ask_host;
	block.vvar.hres = (pvc_vvar_word *)mail->hres;
	block.vvar.raw = (pvc_vvar_word *)mail->raw;
	block.vvar.scale = (uint32_t)mail->scale;
	pvc_source_start(&block, PVC_MODE_STABLE, PVC_WHY_STABLE);
}

static void now(void)
{
	uint64_t ns = 0, own;

	mail->before = pvc_rdtsc_lfence();
	mail->err = pvc_source_now(&block, &ns, &own) ? 0 : -1;
	mail->after = pvc_rdtsc_lfence();
	mail->ns = ns;
}

static void time_of(int id)
{
	struct pvc_timespec ts = {0, 0};

	mail->before = pvc_rdtsc_lfence();
	mail->err = pvc_gettime(&block, id, &ts);
	mail->after = pvc_rdtsc_lfence();
	mail->sec = (uint64_t)ts.sec;
	mail->ns = (uint64_t)ts.nsec;
}

static void report(void)
{
	mail->mode = atomic_load(&block.mode);
	mail->reason = atomic_load(&block.reason);
	mail->exact = pvc_exact(&block);
	mail->anchors = atomic_load(&block.count_of.anchors);
	mail->fallbacks = atomic_load(&block.count_of.fallbacks);
	mail->kernel_reads = atomic_load(&block.count_of.kernel_reads);
	mail->param_changes = atomic_load(&block.count_of.param_changes);
	mail->stopped = atomic_load(&block.count_of.stopped);
}

void payload_start(void)
{
	for (;;) {
		switch ((enum payload_command)mail->command) {
		case PAYLOAD_START:
			start();
			break;
		case PAYLOAD_NOW:
			now();
			break;
		case PAYLOAD_TIME:
			time_of((int)mail->id);
			break;
		}
		report();
		leave(PAYLOAD_DONE);
	}
}
