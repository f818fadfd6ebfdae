// SPDX-License-Identifier: LGPL-2.1-or-later
/* What may be touched here, and what may be trusted. */
#include "attach.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A page that the kernel never enabled is mapped all the same, and raises
 * SIGBUS on touch. A system call that copies from it says EFAULT instead.
 * rt_sigprocmask copies the set first and then refuses a bad "how", so it
 * changes nothing and, unlike a write to a pipe, needs no file descriptor.
 */
bool pvc_probe(const void *page)
{
	uintptr_t byte = (uintptr_t)page;
	int saved = errno;
	bool live = true;
	size_t at;

	for (at = 0; at < PVCLOCK_PAGE_SIZE && live; at += PVCLOCK_PAGE_SIZE - sizeof(uint64_t)) {
		long ret = syscall(SYS_rt_sigprocmask, ~0l, byte + at, NULL, sizeof(uint64_t));

		live = ret == -1 && errno == EINVAL;
	}
	errno = saved;
	return live;
}

bool pvc_tsc_allowed(void)
{
	int saved = errno, mode = PR_TSC_ENABLE;

	/* A kernel without this prctl has no way to forbid the TSC. */
	if (prctl(PR_GET_TSC, &mode, 0, 0, 0) != 0)
		mode = PR_TSC_ENABLE;
	errno = saved;
	return mode == PR_TSC_ENABLE;
}

/*
 * AMD: APM vol. 3, leaf 8000001f, EAX bit 3 SEV-ES, bit 4 SEV-SNP; they are zero
 * in an ordinary guest. Intel: TDX module specification, leaf 21 "IntelTDX".
 */
bool pvc_confidential(void)
{
	uint32_t id[4];

	pvc_cpuid(0, 0, id);
	if (id[1] == 0x756e6547u) { /* "Genu"ineIntel */
		if (id[0] < 0x21)
			return false;
		pvc_cpuid(0x21, 0, id);
		return id[1] == 0x65746e49u && id[3] == 0x5844546cu; /* "Inte" "lTDX" */
	}
	if (id[1] != 0x68747541u && id[1] != 0x6f677948u) /* "Auth"enticAMD, "Hygo"nGenuine */
		return false;
	pvc_cpuid(0x80000000u, 0, id);
	if (id[0] < 0x8000001fu)
		return false;
	pvc_cpuid(0x8000001fu, 0, id);
	return id[0] & (1u << 3 | 1u << 4);
}
