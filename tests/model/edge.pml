/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two vCPUs leave mode stable, one after the other: vCPU 1 is given another TSC, so
 * its entry loses STABLE, while that of vCPU 0 still has it until vCPU 0 runs.
 *
 *   host       rewrites the entries; a vCPU does not run while its own is rewritten
 *   reader     pvc_source_now (vdso/source.c), with
 *     stable     stable_try: by the parameters in the latch, if the version is known
 *                of the entry whose TSC was read, and the latch has not moved on
 *     look       pvc_change_look (vdso/change.c): STABLE is clear, or somebody has
 *                begun to leave, so pvc_edge_leave (vdso/edge.c)
 *     leave      pvc_now_end (vdso/now.c) with PVC_NOW_LEFT, then the seed of last: what
 *                time has come to for readers of the stable parameters; then the mode
 *     percpu     pvc_percpu_now, clamp_to (vdso/percpu.c)
 * The way back is in regain.pml.
 *
 * The stable parameters are ns = TSC, and both TSCs are the time until vCPU 1's is
 * moved by MOVED. Its own entry makes up for that, but for BEHIND: an entry that is not
 * stable is reckoned by the host's clock anew, and off by up to SKEW. A reading of an
 * entry is one step, for entry.pml says that it is as good as one.
 *
 * Claims: no reader returns less than what any reader returned before it began; and it
 * ends.
 *
 * Broken on purpose: ENTRY_0 has entry 0 for the witness of every CPU, as the
 * kernel's vDSO has. NO_SEED leaves last as it was. SEED_ANY_TSC takes the seed from
 * the stable parameters at the TSC of whichever CPU it is on alone: of one that was put
 * back, it is too low. NO_VALID does not look at the latch again.
 */
#define TIME 1
#define BASE 4  /* so that nothing is below 0 */
#define TRIES 4 /* SOURCE_TRIES is more */
#define SKEW 1

#ifndef MOVED
#define MOVED (-3)
#endif
#ifndef BEHIND
#define BEHIND (-1)
#endif

short time = BASE;
short moved;     /* vCPU 1's TSC, less the time */
bool stable[2] = {true, true};
short off[2];    /* an entry's ns, less the time */
byte version[2];
byte seen[2];    /* pvc_core.seen; all ones: PVC_UNSEEN */
bit left;        /* the latch: 0 the stable parameters, 1 the same, PVC_NOW_LEFT */
bit percpu;      /* pvc_core.mode */
short last;

short most;      /* what readers have returned */

#define UNSEEN 255
#define TSC(c) (time + (c -> moved : 0))

active proctype passes()
{
	do
	:: time < BASE + TIME -> time++
	:: else -> break
	od
}

active proctype host()
{
	atomic {
		moved = MOVED;
		stable[1] = false;
		off[1] = BEHIND;
		version[1] = version[1] + 2
	};
	atomic {
		stable[0] = false;
		version[0] = version[0] + 2
	}
}

/* A thread may be anywhere, and anywhere else the next time it looks. */
inline somewhere(cpu)
{
	if
	:: cpu = 0
	:: cpu = 1
	fi
}

proctype reader(byte count)
{
	byte reads, tries, exchanges;
	bit begun, on;
	short ns, was, start;

	do
	:: reads < count ->
		atomic { reads++; start = most };
again:
		if
		:: atomic { tries == TRIES -> goto kernel }
		:: atomic { else -> tries++ }
		fi;
		if
		:: percpu -> goto by_own_entry
		:: else
		fi;
		/* stable */
		begun = left;
		atomic {
			somewhere(on); /* RDTSCP: the TSC and whose it is */
			ns = TSC(on)
		};
#ifdef ENTRY_0
		on = 0;
#endif
		if
		:: seen[on] != version[on] -> goto look
		:: else
		fi;
#ifndef NO_VALID
		if
		:: begun || left -> /* ended: stable_again has a look at it, too */
			seen[on] = UNSEEN;
			goto look
		:: else
		fi;
#endif
		goto answer;
look:
		if
		:: stable[on] && !left -> /* what had moved was a version alone */
			seen[on] = version[on];
			goto again
		:: else
		fi;
		/* leave */
		if
		:: !left ->
			left = 1;
			goto again
		:: else
		fi;
		atomic {
			somewhere(on);
#ifdef SEED_ANY_TSC
			ns = TSC(on)
#else
			ns = time + off[on];
			/* What an entry that is not stable may be behind. */
			ns = (stable[on] -> ns : ns + SKEW);
			ns = (ns > TSC(on) -> ns : TSC(on))
#endif
		};
#ifndef NO_SEED
		atomic { /* pvc_raise */
			last = (ns > last -> ns : last)
		};
#endif
		percpu = 1;
		goto again;
by_own_entry:
		atomic {
			somewhere(on);
			ns = time + off[on]
		};
		was = last;
		do
		:: ns > was && exchanges < 2 ->
			exchanges++;
			atomic {
				if
				:: last == was -> last = ns; was = ns
				:: else -> was = last
				fi
			}
		:: else -> break
		od;
		ns = was;
answer:
		atomic {
			assert(ns >= start);
			most = (ns > most -> ns : most)
		};
kernel:		atomic { /* fewer states: none of these is looked at again */
			tries = 0;
			ns = 0;
			was = 0;
			start = 0;
			begun = 0;
			on = 0;
			exchanges = 0
		}
	:: else -> break
	od
}

init {
	atomic {
		run reader(1);
		run reader(2)
	}
}
