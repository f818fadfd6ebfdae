/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library on a machine's memory: as its users open one. */
#ifndef LAB_KVM_HANDLE_H
#define LAB_KVM_HANDLE_H

#include "formula.h"

#include <pvclock.h>

static inline struct pvclock_options lab_options(struct lab_vm *vm)
{
	return (struct pvclock_options){
		.size = sizeof(struct pvclock_options),
		.mode = PVCLOCK_MODE_AUTO,
		.source = PVCLOCK_SOURCE_MEMORY,
		.memory = vm->memory,
		.length = LAB_MEMORY,
		.offset = LAB_PAGE,
		.count = vm->count,
		.tsc_offsets = vm->offset,
	};
}

static inline int lab_handle(struct lab_vm *vm)
{
	struct pvclock_options options = lab_options(vm);
	int handle = pvclock_open(&options);

	if (handle < 0)
		fail_msg("pvclock_open: %s", strerror(-handle));
	return handle;
}

static inline struct pvclock_status lab_status(int handle)
{
	struct pvclock_status status = {.size = sizeof(status)};

	assert_int_equal(pvclock_status_h(handle, &status), 0);
	return status;
}

static inline uint64_t lab_generation(int handle)
{
	uint64_t generation = 0;

	assert_int_equal(pvclock_generation_h(handle, &generation), 0);
	return generation;
}

static inline uint64_t lab_now(int handle)
{
	uint64_t ns = 0;

	assert_int_equal(pvclock_now_h(handle, &ns), 0);
	return ns;
}

/* As fast as KVM's own: neither frozen at some maximum nor run away. */
static inline void lab_goes_on(struct lab_vm *vm, int handle)
{
	uint64_t outer = lab_clock(vm).clock, inner, first = lab_now(handle), passed;

	inner = lab_clock(vm).clock;
	usleep(20000);
	inner = lab_clock(vm).clock - inner;
	passed = lab_now(handle) - first;
	outer = lab_clock(vm).clock - outer;
	/* A clamp may be ahead of the entries by as much as they differ. */
	assert_in_range(passed, inner - inner / 8, outer + outer / 8);
}

#endif /* LAB_KVM_HANDLE_H */
