/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of the payload: long mode, the image, and what it leaves for. */
#ifndef LAB_KVM_PAYLOAD_VM_H
#define LAB_KVM_PAYLOAD_VM_H

#include "assist.h"
#include "formula.h"
#include "payload.h"

#include <stdlib.h>
#include <time.h>

struct lab_payload {
	struct lab_vm vm;
	struct payload_mail *mail;
	uint64_t asked;    /* times it has asked for the kernel's clock */
	uint64_t assisted; /* instructions that KVM left to us */
};

/* Two megabytes to a page, one to one, a gigabyte of them. */
static inline void lab_page_tables(struct lab_vm *vm)
{
	uint64_t *table = (uint64_t *)(vm->memory + LAB_TABLES);
	uint64_t i;

	table[0] = (LAB_TABLES + 4096) | 3; /* present, writable */
	table[512] = (LAB_TABLES + 8192) | 3;
	for (i = 0; i < 512; i++)
		table[1024 + i] = i << 21 | 0x83; /* ... and large */
}

/* vCPU 0 stands at the payload's first instruction, and interrupts are off. */
static inline void lab_long_mode(struct lab_vm *vm)
{
	struct kvm_segment code = {.limit = UINT32_MAX,
	                           .selector = 8,
	                           .type = 11,
	                           .present = 1,
	                           .s = 1,
	                           .l = 1,
	                           .g = 1};
	struct kvm_segment data = {.limit = UINT32_MAX,
	                           .selector = 16,
	                           .type = 3,
	                           .present = 1,
	                           .s = 1,
	                           .db = 1,
	                           .g = 1};
	/* The stack as a call leaves it: 8 off what 16 divides. */
	struct kvm_regs regs = {.rip = PAYLOAD_CODE, .rsp = PAYLOAD_STACK - 8, .rflags = 2};
	struct kvm_sregs s;

	lab_page_tables(vm);
	LAB_IOCTL(vm->vcpu[0], KVM_GET_SREGS, &s);
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 = 0x80000033; /* PG, NE, ET, MP, PE */
	s.cr3 = LAB_TABLES;
	s.cr4 = 0x620;  /* OSXMMEXCPT, OSFXSR, PAE */
	s.efer = 0x500; /* LMA, LME */
	LAB_IOCTL(vm->vcpu[0], KVM_SET_SREGS, &s);
	LAB_IOCTL(vm->vcpu[0], KVM_SET_REGS, &regs);
}

static inline void lab_load_image(struct lab_vm *vm)
{
	const char *build = getenv("PVCLOCK_BUILD");
	char path[4096];
	size_t size = 0;
	FILE *f;

	if (!build)
		fail_msg("PVCLOCK_BUILD is not set: where is the payload?");
	assert_true((size_t)snprintf(path, sizeof(path), "%s/tests/lab/kvm/payload.bin", build) <
	            sizeof(path));
	f = fopen(path, "r");
	if (f) {
		size = fread(vm->memory + PAYLOAD_CODE, 1, PAYLOAD_STACK - PAYLOAD_CODE, f);
		fclose(f);
	}
	if (size < 4096)
		fail_msg("%s: no image of the payload's", path);
}

static inline void lab_answer(struct lab_payload *p)
{
	struct timespec ts = {0, 0};

	p->asked++;
	p->mail->kernel_err = clock_gettime((clockid_t)p->mail->id, &ts) ? -errno : 0;
	p->mail->kernel_sec = ts.tv_sec;
	p->mail->kernel_nsec = ts.tv_nsec;
}

static inline void lab_stuck(struct lab_payload *p, uint32_t why)
{
	struct kvm_regs regs;
	const uint8_t *at;

	LAB_IOCTL(p->vm.vcpu[0], KVM_GET_REGS, &regs);
	at = p->vm.memory + (regs.rip < LAB_MEMORY - LAB_LONGEST ? regs.rip : 0);
	fail_msg("the payload left for KVM_EXIT %u, at %#llx: %02x %02x %02x %02x %02x %02x", why,
	         regs.rip, at[0], at[1], at[2], at[3], at[4], at[5]);
}

/* One command, to its end. */
static inline void lab_do(struct lab_payload *p, enum payload_command command, uint64_t id)
{
	const struct kvm_run *run = p->vm.run[0];

	p->mail->command = command;
	p->mail->id = id;
	for (;;) {
		uint32_t why = lab_enter(&p->vm, 0);

		if (why == KVM_EXIT_IO && run->io.port == PAYLOAD_DONE)
			return;
		if (why == KVM_EXIT_IO && run->io.port == PAYLOAD_ASK) {
			lab_answer(p);
			continue;
		}
		if (why != KVM_EXIT_INTERNAL_ERROR ||
		    run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
		    !lab_assist(&p->vm, 0))
			lab_stuck(p, why);
		p->assisted++;
	}
}

/* Two vCPUs, the payload on the first; it has not been started yet. */
static inline bool lab_open_payload(struct lab_payload *p, const char *what)
{
	memset(p, 0, sizeof(*p));
	if (!lab_open_stable(&p->vm, 2, what))
		return false;
	p->mail = (struct payload_mail *)(p->vm.memory + PAYLOAD_MAIL);
	p->mail->page = LAB_PAGE;
	p->mail->resync_ns = 1000000;
	lab_load_image(&p->vm);
	lab_long_mode(&p->vm);
	return true;
}

#endif /* LAB_KVM_PAYLOAD_VM_H */
