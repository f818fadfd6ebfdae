// SPDX-License-Identifier: LGPL-2.1-or-later
/* Events for a caller: those after the last that it has had, and how many it has missed. */
#include "lib.h"

#include <errno.h>

_Static_assert((int)PVCLOCK_EVENT_REPLACED == (int)PVC_EVENT_REPLACED, "kinds are the core's");

static void give(const struct pvc_event *e, struct pvclock_event *to)
{
	*to = (struct pvclock_event){
		.number = e->number,
		.tsc = e->tsc,
		.ns = e->ns,
		.step_ns = e->step,
		.rate_ppb = e->rate,
		.kind = e->kind,
		.cpu = e->cpu,
	};
}

/* Being written: it comes the next time, unless its writer has gone for good. */
static bool is_coming(struct pvc_core *b, uint64_t number)
{
	return atomic_load(&b->events) - number < PVC_EVENTS / 2;
}

int pvc_events_of(struct pvc_core *b, uint64_t *after, struct pvclock_event *events, unsigned count,
                  uint64_t *lost)
{
	struct pvc_event e = {0};
	uint64_t newest;
	unsigned stored = 0;

	if (!after || !lost || (count && !events))
		return -EFAULT;
	pvc_source_look_at_all(b);
	newest = atomic_load(&b->events);
	*lost = 0;
	if (*after > newest)
		*after = newest;
	for (e.number = *after + 1; e.number <= newest && stored < count; e.number++) {
		/* Far behind: all but the last are gone, and need not be looked for. */
		if (newest - e.number >= PVC_EVENTS) {
			*lost += newest - e.number - PVC_EVENTS + 1;
			e.number = newest - PVC_EVENTS + 1;
		}
		switch (pvc_event_get(b, &e)) {
		case PVC_EVENT_OK:
			give(&e, &events[stored++]);
			break;
		case PVC_EVENT_PENDING:
			if (is_coming(b, e.number))
				return (int)stored;
			/* fall through */
		case PVC_EVENT_GONE:
			++*lost;
			break;
		}
		*after = e.number;
	}
	return (int)stored;
}
