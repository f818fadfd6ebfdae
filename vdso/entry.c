// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading an entry that may be any CPU's; what reads its own is in reader.h. */
#include "entry.h"

enum pvc_read pvc_read_entry(struct pvc_core *b, unsigned entry, struct pvc_reading *r)
{
	pvc_entry *e = pvc_entry_of(b, entry);
	unsigned tries;

	for (tries = 0; tries < PVC_READ_TRIES; tries++) {
		uint32_t version = pvc_entry_version(e);

		r->tsc = pvc_tsc_of(b, entry, pvc_rdtsc_ordered((enum pvc_order)b->order));
		r->cpu = entry;
		if (pvc_likely(pvc_entry_fields(e, version, r))) {
			if (!pvc_reading_scales(r))
				return PVC_NO_ENTRY;
			return r->flags & PVCLOCK_TSC_STABLE_BIT ? PVC_OK : PVC_UNSTABLE;
		}
		pvc_pause();
	}
	return PVC_BUSY;
}
