/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time per CPU, by entries that differ, and the maximum that all readers share.
 *
 *   reader   pvc_percpu_now and clamp_to (vdso/percpu.c): the reading, last, and
 *            an exchange that fails because another thread's has succeeded
 *
 * A reading is one step, for entry.pml says that it is as good as one: this CPU's
 * ns at one instant. Each reader is on a CPU of its own, the first of which is
 * behind, the last ahead. What a reader returns it may return much later.
 *
 * Claims: no reader returns less than what any reader returned before it began;
 * and it ends.
 *
 * Broken on purpose: PLAIN_STORE compares and stores in two steps. NO_CHECK_AGAIN
 * returns its own after an exchange that failed, as if it had succeeded. UNBOUNDED
 * takes a failure for one of the processor's, and begins anew with its own reading.
 */
#define TIME 2
#define READS 2
#define TRIES 2 /* PERCPU_TRIES is more: the last try's failure is an answer, too */

byte time;
byte last;
byte most; /* what readers have returned */

active proctype passes()
{
	do
	:: time < TIME -> time++
	:: else -> break
	od
}

proctype reader(byte ahead)
{
	byte reads, tries, ns, seen, start;

	do
	:: reads < READS ->
		atomic { reads++; start = most };
		ns = time + ahead;
		seen = last;
		do
#ifdef PLAIN_STORE
		:: ns > seen ->
			last = ns;
			seen = ns
#elif defined(UNBOUNDED)
		:: ns > seen ->
			if
			:: atomic { last == seen -> last = ns; seen = ns }
			:: skip /* as if somebody had been faster */
			fi
#else
		:: ns > seen && tries < TRIES ->
			tries++;
			atomic {
				if
				:: last == seen -> last = ns; seen = ns
#ifdef NO_CHECK_AGAIN
				:: else -> seen = ns
#else
				:: else -> seen = last
#endif
				fi
			}
#endif
		:: else -> break
		od;
		atomic {
			assert(seen >= start);
			most = (seen > most -> seen : most);
			/* fewer states: none of these is looked at again */
			ns = 0;
			seen = 0;
			start = 0;
			tries = 0
		}
	:: else -> break
	od
}

init {
	atomic {
		run reader(0);
		run reader(1);
		run reader(2)
	}
}
