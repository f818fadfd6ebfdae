// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Is this page what it seems? At once: its entries must be such as a hypervisor
 * writes, and agree with each other at one TSC if they say they do. That its rate
 * is the kernel's is watched by the core over the first millisecond of use.
 */
#include "core.h"

struct pvc_proof pvc_prove(pvc_entry *page, unsigned count, enum pvc_order order)
{
	struct pvc_proof proof = {PVC_WHY_STABLE, 0};
	uint64_t tsc = 0, ns = 0;
	unsigned i;

	for (i = 0; i < count; i++) {
		struct pvc_reading r;
		enum pvc_read status = pvc_read_stable(&page[i], order, &r);
		uint64_t other;

		if (status == PVC_BUSY && i == 0)
			return (struct pvc_proof){PVC_WHY_BUSY, 0};
		/* CPUs are numbered from 0: the first gap ends the array. */
		if (status == PVC_BUSY || !pvc_reading_plausible(&r))
			break;
		proof.entries++;
		if (status == PVC_UNSTABLE) {
			proof.reason = PVC_WHY_UNSTABLE;
			continue;
		}
		if (i == 0) {
			tsc = r.tsc;
			ns = pvc_reading_ns(&r);
			continue;
		}
		other = pvc_reading_ns_at(&r, tsc);
		if (proof.reason == PVC_WHY_STABLE &&
		    (other > ns ? other - ns : ns - other) > PVC_NS_AGREE)
			proof.reason = PVC_WHY_DISAGREE;
	}
	if (!proof.entries)
		proof.reason = PVC_WHY_NONSENSE;
	return proof;
}
