/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One entry and its version, as pvclock/abi.h has it.
 *
 *   host     the hypervisor: version odd, the fields, version even
 *   reader   pvc_read_stable, pvc_read_own (vdso/reader.h): PVC_READ_TRIES tries
 *
 * Every load and store is a step of its own, and any order of the steps of
 * different processes is tried. That is more than x86 leaves open to a host whose
 * write barriers are there and to a reader whose loads are in order.
 *
 * Claims: what a reader returns was written by one update, which is no older than
 * what any reader returned before it began; and it ends, wherever the host stops.
 *
 * Broken on purpose: NO_RECHECK does not look at the version again. ODD_TOO takes
 * what it finds in the middle of an update. UNBOUNDED tries until it succeeds, as
 * the kernel's vDSO does.
 */
#define UPDATES 2
#define TRIES 2
#define READS 2

byte version; /* twice the number of updates, plus 1 in the middle of one */
byte first;   /* two fields; each update writes its own number into both */
byte second;

byte most; /* what readers have returned */

active proctype host()
{
	byte n;

	do
	:: n < UPDATES ->
		version++;
		first = n + 1;
		second = n + 1;
		version++;
		n++
	:: else -> break
	od
}

active [2] proctype reader()
{
	byte reads, tries, seen, a, b, start;

	do
	:: reads < READS ->
		atomic { reads++; start = most };
again:
		if
#ifndef UNBOUNDED
		:: atomic { tries == TRIES -> goto busy } /* PVC_BUSY: the kernel is asked */
		:: atomic { else -> tries++ }
#else
		:: skip
#endif
		fi;
		seen = version;
		a = first;
		b = second;
		if
#ifndef ODD_TOO
		:: seen & 1 -> goto again
#endif
#ifndef NO_RECHECK
		:: seen != version -> goto again
#endif
		:: else
		fi;
		atomic {
			assert(a == b); /* not torn */
			assert(a >= start);
			most = (a > most -> a : most)
		};
busy:		atomic { /* fewer states: none of these is looked at again */
			tries = 0;
			seen = 0;
			a = 0;
			b = 0;
			start = 0
		}
	:: else -> break
	od
}
