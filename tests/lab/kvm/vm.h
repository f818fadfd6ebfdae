/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A virtual machine of the test's own on /dev/kvm: KVM itself writes the pvclock
 * entries, into memory that the test reads as well.
 *
 * A vCPU writes its entry at its next KVM_RUN after something has changed, and not
 * before: so a test decides who learns of a change when. What they run is one HLT
 * in real mode, over and over. One thread drives them all: KVM waits for a grace
 * period of RCU when another one does.
 *
 * The guest's TSC is the host's plus offset[], which is asked for 0; what is there
 * is what KVM says it is. A KVM that runs without the hardware's help may not be
 * able to offset a TSC at all, and still treats the vCPU as one whose TSC differs.
 */
#ifndef LAB_KVM_VM_H
#define LAB_KVM_VM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pvclock/abi.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LAB_VCPUS 4

/* The guest's memory. */
#define LAB_MEMORY 0x400000ul
#define LAB_HLT 0x1000ul
#define LAB_TABLES 0x2000ul /* of pages, for long mode: three */
#define LAB_PAGE 0x10000ul  /* the entries */

#define LAB_MSR_TSC 0x10u
#define LAB_MSR_SYSTEM_TIME 0x4b564d01u /* MSR_KVM_SYSTEM_TIME_NEW; bit 0: enabled */

struct lab_vm {
	int kvm, fd, memory_fd;
	uint8_t *memory;
	unsigned count;
	size_t run_size;
	int vcpu[LAB_VCPUS];
	struct kvm_run *run[LAB_VCPUS];
	int64_t offset[LAB_VCPUS]; /* of each one's TSC to the host's */
};

static inline int lab_ioctl(int fd, unsigned long request, const void *arg, const char *name)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return ret;
}

#define LAB_IOCTL(fd, request, arg) lab_ioctl(fd, request, arg, #request)

static inline uint64_t lab_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("mfence\n\tlfence\n\trdtsc\n\tlfence"
	                 : "=a"(low), "=d"(high)
	                 :
	                 : "memory");
	return (uint64_t)high << 32 | low;
}

static inline volatile struct pvclock_vcpu_time_info *lab_entry(struct lab_vm *vm, unsigned cpu)
{
	return &((volatile struct pvclock_slot *)(vm->memory + LAB_PAGE))[cpu].info;
}

/* Room for the one entry behind the head. */
union lab_msrs {
	struct kvm_msrs head;
	uint8_t size[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static inline void lab_set_msr(struct lab_vm *vm, unsigned cpu, uint32_t msr, uint64_t value)
{
	union lab_msrs msrs = {.head.nmsrs = 1};

	msrs.head.entries[0].index = msr;
	msrs.head.entries[0].data = value;
	assert_int_equal(LAB_IOCTL(vm->vcpu[cpu], KVM_SET_MSRS, &msrs), 1);
}

static inline uint64_t lab_get_msr(struct lab_vm *vm, unsigned cpu, uint32_t msr)
{
	union lab_msrs msrs = {.head.nmsrs = 1};

	msrs.head.entries[0].index = msr;
	assert_int_equal(LAB_IOCTL(vm->vcpu[cpu], KVM_GET_MSRS, &msrs), 1);
	return msrs.head.entries[0].data;
}

/* As the guest's kernel asks for an entry. Asked again, KVM makes it anew. */
static inline void lab_register(struct lab_vm *vm, unsigned cpu)
{
	lab_set_msr(vm, cpu, LAB_MSR_SYSTEM_TIME,
	            (LAB_PAGE + cpu * sizeof(struct pvclock_slot)) | 1);
}

/* To the next exit, whatever it is. */
static inline uint32_t lab_enter(struct lab_vm *vm, unsigned cpu)
{
	while (ioctl(vm->vcpu[cpu], KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			fail_msg("KVM_RUN: %s", strerror(errno));
	return vm->run[cpu]->exit_reason;
}

/* vCPU cpu learns of what has changed. */
static inline void lab_run(struct lab_vm *vm, unsigned cpu)
{
	assert_int_equal(lab_enter(vm, cpu), KVM_EXIT_HLT);
}

static inline void lab_run_all(struct lab_vm *vm)
{
	unsigned i;

	for (i = 0; i < vm->count; i++)
		lab_run(vm, i);
}

/* ---- clocks ----------------------------------------------------------------- */

static inline struct kvm_clock_data lab_clock(struct lab_vm *vm)
{
	struct kvm_clock_data clock = {0};

	LAB_IOCTL(vm->fd, KVM_GET_CLOCK, &clock);
	return clock;
}

static inline void lab_set_clock(struct lab_vm *vm, uint64_t ns)
{
	struct kvm_clock_data clock = {.clock = ns};

	LAB_IOCTL(vm->fd, KVM_SET_CLOCK, &clock);
}

/* As a host tells a guest that it was stopped for a while. */
static inline void lab_paused(struct lab_vm *vm, unsigned cpu)
{
	LAB_IOCTL(vm->vcpu[cpu], KVM_KVMCLOCK_CTRL, NULL);
}

/* As a guest's kernel does when it has seen it. */
static inline void lab_pause_seen(struct lab_vm *vm)
{
	unsigned i;

	for (i = 0; i < vm->count; i++)
		lab_entry(vm, i)->flags &= (uint8_t)~PVCLOCK_GUEST_STOPPED;
}

static inline void lab_set_offset(struct lab_vm *vm, unsigned cpu, int64_t offset)
{
	struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL,
	                               .attr = KVM_VCPU_TSC_OFFSET,
	                               .addr = (uintptr_t)&offset};

	LAB_IOCTL(vm->vcpu[cpu], KVM_SET_DEVICE_ATTR, &attr);
	LAB_IOCTL(vm->vcpu[cpu], KVM_GET_DEVICE_ATTR, &attr);
	vm->offset[cpu] = offset;
}

/*
 * The TSCs come into step; first learns of it when it runs, and the others when they
 * run after that: KVM decides at the write that makes them all the same.
 */
static inline void lab_in_step(struct lab_vm *vm, unsigned first)
{
	unsigned i;

	for (i = 0; i < vm->count; i++)
		if (i != first)
			lab_set_offset(vm, i, 0);
	lab_set_offset(vm, first, 0);
}

/* One TSC is out of step, by one tick, and the master clock is gone: likewise. */
static inline void lab_out_of_step(struct lab_vm *vm, unsigned first)
{
	lab_set_offset(vm, first, 1);
}

/*
 * Out of step and back before anybody runs: KVM begins its master clock anew, at what
 * the host's clock says now. The rate that the guest is told is not the host's to the
 * last digit, so time is pulled to the host's by what they came apart by since.
 */
static inline void lab_yank(struct lab_vm *vm, unsigned first)
{
	lab_out_of_step(vm, first);
	lab_in_step(vm, first);
}

static inline bool lab_is_stable(struct lab_vm *vm)
{
	unsigned i;

	for (i = 0; i < vm->count; i++)
		if (!(lab_entry(vm, i)->flags & PVCLOCK_TSC_STABLE_BIT))
			return false;
	return true;
}

/* ---- the machine -------------------------------------------------------------- */

/* Real mode, at LAB_HLT, from where every run comes back by an exit. */
static inline void lab_vcpu(struct lab_vm *vm, unsigned cpu)
{
	struct kvm_regs regs = {.rip = LAB_HLT, .rflags = 2};
	struct kvm_sregs sregs;

	vm->vcpu[cpu] = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)cpu);
	assert_true(vm->vcpu[cpu] >= 0);
	vm->run[cpu] =
		mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[cpu], 0);
	assert_ptr_not_equal(vm->run[cpu], MAP_FAILED);
	LAB_IOCTL(vm->vcpu[cpu], KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	LAB_IOCTL(vm->vcpu[cpu], KVM_SET_SREGS, &sregs);
	LAB_IOCTL(vm->vcpu[cpu], KVM_SET_REGS, &regs);
}

static inline void lab_memory(struct lab_vm *vm)
{
	static const uint8_t hlt[] = {0xf4, 0xeb, 0xfd}; /* hlt; jmp to it */
	struct kvm_userspace_memory_region region = {.memory_size = LAB_MEMORY};

	vm->memory_fd = memfd_create("lab", MFD_CLOEXEC);
	assert_true(vm->memory_fd >= 0);
	assert_int_equal(ftruncate(vm->memory_fd, LAB_MEMORY), 0);
	vm->memory = mmap(NULL, LAB_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, vm->memory_fd, 0);
	assert_ptr_not_equal(vm->memory, MAP_FAILED);
	memcpy(vm->memory + LAB_HLT, hlt, sizeof(hlt));
	region.userspace_addr = (uintptr_t)vm->memory;
	LAB_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static inline void lab_close(struct lab_vm *vm)
{
	unsigned i;

	for (i = 0; i < vm->count; i++) {
		munmap(vm->run[i], vm->run_size);
		close(vm->vcpu[i]);
	}
	munmap(vm->memory, LAB_MEMORY);
	close(vm->memory_fd);
	close(vm->fd);
	close(vm->kvm);
}

/* What these tests ask of a KVM, or the first thing that it lacks. */
static inline const char *lab_obstacle(int kvm)
{
	if (kvm < 0)
		return strerror(errno);
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return "another version of KVM's API";
	if (!(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK) & KVM_CLOCK_TSC_STABLE))
		return "KVM_GET_CLOCK does not tell a stable clock";
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_ATTRIBUTES) <= 0)
		return "no KVM_VCPU_TSC_OFFSET";
	return NULL;
}

/* A machine whose vCPUs have run once, or false and a line of why there is none. */
static inline bool lab_open(struct lab_vm *vm, unsigned count, const char *what)
{
	const char *obstacle;
	unsigned i;

	assert_in_range(count, 1, LAB_VCPUS);
	memset(vm, 0, sizeof(*vm));
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	obstacle = lab_obstacle(vm->kvm);
	if (obstacle) {
		printf("SKIP: %s: /dev/kvm: %s\n", what, obstacle);
		if (vm->kvm >= 0)
			close(vm->kvm);
		return false;
	}
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0ul);
	assert_true(vm->fd >= 0);
	vm->run_size = (size_t)LAB_IOCTL(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
	lab_memory(vm);
	for (vm->count = 0; vm->count < count; vm->count++)
		lab_vcpu(vm, vm->count);
	for (i = 0; i < count; i++)
		lab_register(vm, i);
	lab_in_step(vm, 0);
	lab_run_all(vm);
	lab_run_all(vm);
	return true;
}

/* The same, and with the master clock that most tests begin with. */
static inline bool lab_open_stable(struct lab_vm *vm, unsigned count, const char *what)
{
	if (!lab_open(vm, count, what))
		return false;
	if (lab_is_stable(vm))
		return true;
	printf("SKIP: %s: this KVM has no master clock (is the host's clocksource tsc?)\n", what);
	lab_close(vm);
	return false;
}

#endif /* LAB_KVM_VM_H */
