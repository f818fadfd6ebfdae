// SPDX-License-Identifier: LGPL-2.1-or-later
/* The modes and their reasons in words, for people. */
#include "attach.h"

const char *pvc_reason_text(enum pvc_reason reason)
{
	static const char *const text[PVC_WHYS] = {
		[PVC_WHY_NOT_ATTACHED] = "not attached yet",
		[PVC_WHY_ASKED] = "asked for",
		[PVC_WHY_STABLE] = "the host says that all TSCs are in step, and the entries agree",
		[PVC_WHY_UNSTABLE] = "the host does not say that the TSCs are in step",
		[PVC_WHY_NO_MAPS] = "/proc/self/maps cannot be read",
		[PVC_WHY_NO_PAGE] = "the kernel maps no pvclock page",
		[PVC_WHY_DEAD_PAGE] = "the kernel never enabled its pvclock page",
		[PVC_WHY_NONSENSE] = "what stands in the page is no hypervisor's",
		[PVC_WHY_DISAGREE] = "entries disagree although they claim to be in step",
		[PVC_WHY_ONE_ENTRY] = "the TSCs are not in step, and only vCPU 0 has an entry",
		[PVC_WHY_NO_TSC] = "this process may not read the TSC (PR_SET_TSC)",
		[PVC_WHY_NO_RDTSCP] = "the CPU lacks RDTSCP, which per-CPU reads need",
		[PVC_WHY_CONFIDENTIAL] = "a confidential guest does not trust a page of the host's",
		[PVC_WHY_RATE] = "the page does not run at the kernel's rate",
		[PVC_WHY_BUSY] = "the host left an entry in the middle of an update",
		[PVC_WHY_BACK] = "the TSC went back again and again",
		[PVC_WHY_FOREIGN] = "each entry of the foreign page counts a TSC of its own",
		[PVC_WHY_VIOLATED] = "the kernel's clock left its interval again and again",
		[PVC_WHY_NOT_STABLE] = "mode stable was asked for, but the TSCs are not in step",
		[PVC_WHY_NO_VDSO] = "the vDSO was taken away, so its data is not touched",
	};

	return reason < PVC_WHYS && text[reason] ? text[reason] : "unknown";
}

const char *pvc_mode_text(enum pvc_mode mode)
{
	switch (mode) {
	case PVC_MODE_STABLE:
	case PVC_MODE_STABLE_NS:
		return "stable";
	case PVC_MODE_PERCPU:
		return "percpu";
	case PVC_MODE_KERNEL:
	case PVC_MODE_PAUSED:
	case PVC_MODE_DOUBTED:
		break;
	}
	return "kernel";
}
