/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the payload, inside of the virtual machine, and the test around it agree on.
 *
 * The host writes a command into the mail and enters the vCPU. The payload does it,
 * answers in the mail and leaves by PAYLOAD_DONE; the next entry begins the next
 * command. While it works it may leave by PAYLOAD_ASK: it asks for the kernel's clock.
 */
#ifndef LAB_KVM_PAYLOAD_H
#define LAB_KVM_PAYLOAD_H

#include <stdint.h>

/* Where in the guest's memory; the linker script has the first as well. */
#define PAYLOAD_CODE 0x100000ul
#define PAYLOAD_STACK 0x300000ul /* its end */
#define PAYLOAD_MAIL 0x20000ul
#define PAYLOAD_VVAR 0x800000ul /* the kernel's parameters, if the host has any to give */

/* I/O ports; what is written to them says nothing. */
#define PAYLOAD_DONE 0x510
#define PAYLOAD_ASK 0x511

enum payload_command {
	PAYLOAD_START, /* a block on the entry at page, and what else is given */
	PAYLOAD_NOW,   /* hypervisor ns, and the TSC before and after */
	PAYLOAD_TIME,  /* the clock id, likewise */
};

struct payload_mail {
	uint64_t command;
	uint64_t page, resync_ns;
	uint64_t hres, raw, scale; /* of struct pvc_vvar: addresses, or 0 */
	uint64_t id;               /* of the clock that is asked for */
	/* the host's answer to PAYLOAD_ASK: seconds and ns, or a negative errno */
	int64_t kernel_err, kernel_sec, kernel_nsec;
	/* the answer */
	int64_t err;
	uint64_t before, after; /* TSC */
	uint64_t sec, ns;
	/* what the block has come to */
	uint64_t mode, reason, exact, anchors, fallbacks, kernel_reads, param_changes, stopped;
};

#endif /* LAB_KVM_PAYLOAD_H */
