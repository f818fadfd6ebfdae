// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libc's syscall(2). A symbol cannot be withdrawn, so every call by number of the
 * program goes through here: those of the time are answered if the user has asked for
 * it, with PVCLOCK_SYSCALL=1; all others are what libc's are.
 *
 * A call by number may be clone, vfork or something that ends on another stack. So
 * nothing is pushed, and nothing is called, between the program and the kernel and
 * back. Only setns, which knows nothing of stacks, takes the way of the function of
 * that name: it can take away a page that our clocks read.
 */
#include <sys/syscall.h>

#include "shim.h"

long pvc_shim_syscall(long number, ...);

/* What the code below looks at: asked for, and where errno is, from fs. 0: not known yet. */
PVC_INTERNAL uint32_t pvc_call_ours = 0;
PVC_INTERNAL int64_t pvc_call_errno = 0;

PVC_INTERNAL long pvc_call_gettime(clockid_t id, struct timespec *ts);
PVC_INTERNAL long pvc_call_gettimeofday(struct timeval *tv, void *tz);
PVC_INTERNAL long pvc_call_time(time_t *t);
PVC_INTERNAL long pvc_call_failed(long err);

/* libc's errno lies in memory that each thread has at the same distance from fs. */
void pvc_shim_call_start(bool ours)
{
	uintptr_t fs;

	__asm__("movq %%fs:0, %0" : "=r"(fs));
	pvc_call_errno = (int64_t)((uintptr_t)&errno - fs);
	pvc_call_ours = ours;
}

long pvc_call_gettime(clockid_t id, struct timespec *ts)
{
	if (core.counted)
		pvc_report_count(id);
	return pvc_libc_result(pvc_gettime(&core, id, (struct pvc_timespec *)ts));
}

long pvc_call_gettimeofday(struct timeval *tv, void *tz)
{
	pvc_shim_count(PVC_CALL_GETTIMEOFDAY);
	return pvc_libc_result(pvc_gettimeofday(&core, tv, tz));
}

long pvc_call_time(time_t *t)
{
	/* The vDSO's is counted on its way. */
	if (!core.kernel.time)
		pvc_shim_count(PVC_CALL_TIME);
	return pvc_libc_time(pvc_time(&core, t));
}

/* Before the constructor has run. */
long pvc_call_failed(long err)
{
	return pvc_libc_result((int)err);
}

#define TEXT(number) #number
/* Is this the number? Then on at the label. */
#define ON_(number, label) "\tcmpq $" TEXT(number) ", %rdi\n\tje " label "\n"
#define ON(number, label) ON_(number, label)

/* clang-format off */
/* The number and up to six arguments, the last of them on the stack. */
__attribute__((naked)) PVC_EXPORT long pvc_shim_syscall(__attribute__((unused)) long number, ...)
{
	__asm__("	cmpl $0, pvc_call_ours(%rip)\n"
		"	jne 3f\n"
		"1:" ON(SYS_setns, "7f")
		"	movq %rdi, %rax\n"
		"	movq %rsi, %rdi\n"
		"	movq %rdx, %rsi\n"
		"	movq %rcx, %rdx\n"
		"	movq %r8, %r10\n"
		"	movq %r9, %r8\n"
		"	movq 8(%rsp), %r9\n"
		"	syscall\n"
		"	cmpq $-4095, %rax\n"
		"	jae 2f\n"
		"	ret\n"
		"2:	movq pvc_call_errno(%rip), %rcx\n"
		"	movq %rax, %rdi\n"
		"	testq %rcx, %rcx\n"
		"	jz pvc_call_failed\n"
		"	negl %eax\n"
		"	movl %eax, %fs:(%rcx)\n"
		"	movq $-1, %rax\n"
		"	ret\n"
		"3:" ON(SYS_clock_gettime, "4f") ON(SYS_gettimeofday, "5f") ON(SYS_time, "6f")
		"	jmp 1b\n"
		"4:	movl %esi, %edi\n"
		"	movq %rdx, %rsi\n"
		"	jmp pvc_call_gettime\n"
		"5:	movq %rsi, %rdi\n"
		"	movq %rdx, %rsi\n"
		"	jmp pvc_call_gettimeofday\n"
		"6:	movq %rsi, %rdi\n"
		"	jmp pvc_call_time\n"
		"7:	movl %esi, %edi\n"
		"	movl %edx, %esi\n"
		"	jmp pvc_call_setns");
}
/* clang-format on */

__asm__(".symver pvc_shim_syscall,syscall@@GLIBC_2.2.5");
