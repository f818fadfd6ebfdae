/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mode stable is left, and entered again, while readers go on that began before.
 *
 *   host       rewrites the entries: both without STABLE, then both with it
 *   reader     pvc_source_now (vdso/source.c), with
 *     percpu     pvc_percpu_now, clamp_to (vdso/percpu.c), and the mode once more
 *     record     pvc_record_look (vdso/record.c) of an entry whose version moved
 *     regain     pvc_edge_regain, enter_stable (vdso/edge.c): parameters that have ended,
 *                then the mode
 *     stable     stable_try
 *     look       pvc_change_look, take_values (vdso/change.c): the mode, last, then
 *                parameters
 *     leave      pvc_edge_leave (vdso/edge.c): parameters end, last, then the mode
 * edge.pml has the leaving, where TSCs differ. Here they do not: the stable parameters are
 * ns = TSC, and TIME stands still. An entry that is not stable is off by OFF. The 10 ms
 * for which STABLE must have been there again are no time at all here, but it is entered
 * once: what was read before may come to be clamped at any step after.
 *
 * Claims: no reader returns less than what any reader returned before it began; and it
 * ends, though nothing counts how often it starts again.
 *
 * Broken on purpose: NO_MODE_AGAIN does not look at the mode after the clamp. LIVE_AT_ONCE
 * puts parameters in service that are above last as it is before the mode is set.
 */
#define TIME 2
#ifndef OFF
#define OFF 1
#endif

#define UNSEEN 255

bool stable[2] = {true, true};
short off[2];          /* an entry's ns, less the time */
byte version[2];
byte seen[2];
byte recorded[2] = {UNSEEN, UNSEEN};

byte mode = 1;         /* 2 * era, + 1: stable */
#define IS_STABLE(m) ((m) & 1)

/* The latch: how often it has moved, and what it names. */
#define LIVE 0
#define ENDED 1
#define LEFT_OF(mode) (2 + ((mode) >> 1))
byte latch;
byte ended = LIVE;
short least;           /* pvc_now.floor */

short last;
short now_reach;

short most;            /* what readers have returned */

inline rewrite(cpu, is_stable, by)
{
	atomic {
		stable[cpu] = is_stable;
		off[cpu] = by;
		version[cpu] = version[cpu] + 2
	}
}

init {
	atomic {
		run reader(1);
		run reader(2)
	}
	rewrite(1, false, OFF);
	rewrite(0, false, 0);
	rewrite(1, true, 0);
	rewrite(0, true, 0)
}

inline somewhere(cpu)
{
	if
	:: cpu = 0
	:: cpu = 1
	fi
}

proctype reader(byte count)
{
	byte reads, exchanges, was_mode, was_latch, was_ended, was_version;
	bit on;
	bool was_stable;
	short ns, was, start, above;

	do
	:: reads < count ->
		atomic { reads++; start = most };
again:
		atomic {
			was_mode = mode;
			if
			:: IS_STABLE(was_mode) -> goto by_parameters
			:: else
			fi
		};
		/* percpu */
		atomic {
			somewhere(on);
			ns = TIME + off[on];
			was_version = version[on];
			was_stable = stable[on]
		};
		if
		:: recorded[on] != was_version && was_stable && stable[0] && stable[1] ->
			goto regain
		:: recorded[on] != was_version && !(was_stable && stable[0] && stable[1]) ->
			goto record
		:: else -> goto clamp
		fi;
record:
		recorded[on] = was_version;
clamp:
		was = last;
		do
		:: ns > was && exchanges < 2 ->
			atomic {
				exchanges++;
				if
				:: last == was -> last = ns; was = ns
				:: else -> was = last
				fi
			}
		:: else -> break
		od;
		atomic { ns = was; exchanges = 0 };
#ifndef NO_MODE_AGAIN
		if
		:: IS_STABLE(mode) -> goto again
		:: else
		fi;
#endif
		goto answer;
regain:
		atomic { was_latch = latch; was_ended = ended; above = least };
		atomic {
			was_mode = mode;
			if
			:: was_mode != 0 || latch != was_latch || was_ended == LIVE ->
				goto record
			:: else
			fi
		};
#ifdef LIVE_AT_ONCE
		above = (last > above -> last : above);
#endif
		atomic {
			if
			:: latch != was_latch -> goto record
			:: else ->
				latch++;
#ifdef LIVE_AT_ONCE
				ended = LIVE;
#else
				ended = ENDED;
#endif
				least = above
			fi
		};
		atomic { seen[0] = UNSEEN; seen[1] = UNSEEN };
		atomic {
			if
			:: mode == was_mode -> mode = mode + 3 /* the next era, stable */
			:: else -> goto record
			fi
		};
		atomic { recorded[0] = UNSEEN; recorded[1] = UNSEEN };
		goto again;
by_parameters:
		atomic { was_latch = latch; was_ended = ended; above = least };
		atomic {
			somewhere(on);
			ns = TIME
		};
		if
		:: seen[on] != version[on] -> goto look
		:: else
		fi;
		atomic {
			if
			:: was_ended != LIVE || latch != was_latch -> seen[on] = UNSEEN
			:: else ->
				ns = (ns > above -> ns : above);
				goto answer
			fi
		};
look:
		atomic {
			was_version = version[on];
			if
			:: !stable[on] -> goto leave
			:: else
			fi
		};
		atomic { was_latch = latch; was_ended = ended };
		if
		:: was_ended > ENDED -> goto leave
		:: was_ended == LIVE -> goto known
		:: else
		fi;
		/* take_values */
		if
		:: !IS_STABLE(mode) -> goto again
		:: else
		fi;
		atomic { above = (last > now_reach -> last : now_reach) };
		if
		:: version[on] != was_version -> goto again
		:: else
		fi;
		atomic { now_reach = (above > now_reach -> above : now_reach) };
		atomic {
			if
			:: latch != was_latch -> goto again
			:: else -> latch++; ended = LIVE; least = above
			fi
		};
known:
		seen[on] = was_version;
		goto again;
leave:
		atomic {
			was_mode = mode;
			if
			:: !IS_STABLE(was_mode) -> goto again
			:: else
			fi
		};
		atomic { was_latch = latch; was_ended = ended; above = least };
		if
		:: was_ended < LEFT_OF(was_mode) ->
			atomic {
				if
				:: latch == was_latch -> latch++; ended = LEFT_OF(was_mode)
				:: else
				fi
			};
			goto again
		:: was_ended > LEFT_OF(was_mode) -> goto again
		:: else
		fi;
		/* How far its readers came: they found the latch as it was before it was left. */
		atomic {
			ns = (TIME > above -> TIME : above);
			if
			:: latch != was_latch -> goto again
			:: else
			fi
		};
		atomic { last = (ns > last -> ns : last) };
		atomic {
			if
			:: mode == was_mode -> mode--
			:: else
			fi
		};
		goto again;
answer:
		atomic {
			assert(ns >= start);
			most = (ns > most -> ns : most)
		};
		atomic { /* fewer states: none of these is looked at again */
			ns = 0;
			was = 0;
			start = 0;
			above = 0;
			on = 0;
			exchanges = 0;
			was_mode = 0;
			was_latch = 0;
			was_ended = 0;
			was_version = 0;
			was_stable = false
		}
	:: else -> break
	od
}
