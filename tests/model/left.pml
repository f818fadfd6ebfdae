/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode and the latch of the parameters, which are two words: mode stable is left, and
 * entered again, by threads that may each be stopped for long between one and the other.
 * regain.pml has what readers are told meanwhile, with fewer threads.
 *
 *   enter   pvc_edge_regain, enter_stable (vdso/edge.c)
 *   leave   pvc_edge_leave (vdso/edge.c), pvc_now_end (vdso/now.c)
 *   take    pvc_change_look, take_values (vdso/change.c)
 *
 * Claims: no parameters come into service but in mode stable, nor are any in service when
 * it is left. Those that were would be read by who goes by an earlier mode; per-CPU readers
 * would not know how far.
 *
 * Broken on purpose: NO_ERA, a mode may be left by what ended the parameters of another
 * one. NO_MODE does not look at the mode after the latch.
 */
#define THREADS 3
#define TIMES 2

byte mode = 1;         /* 2 * era, + 1: stable */
#define IS_STABLE(m) ((m) & 1)

/* The latch: how often it has moved, and what it names. */
#define LIVE 0
#define ENDED 1
#ifdef NO_ERA
#define LEFT_OF(m) 2
#else
#define LEFT_OF(m) (2 + ((m) >> 1))
#endif
byte latch;
byte ended = LIVE;

init {
	byte n;

	atomic {
		do
		:: n < THREADS -> run thread(); n++
		:: else -> break
		od
	}
}

/* Of what was found in the latch. */
inline publish(next)
{
	atomic {
		if
		:: latch == was_latch -> latch++; ended = next
		:: else -> goto next_time
		fi
	}
}

proctype thread()
{
	byte times, was_mode, was_latch, was_ended;

	do
	:: times < TIMES ->
		times++;
		if
		:: goto enter
		:: goto leave
		:: goto take
		fi;
enter:
		atomic { was_latch = latch; was_ended = ended };
		atomic {
			was_mode = mode;
			if
			:: IS_STABLE(was_mode) || latch != was_latch || was_ended == LIVE ->
				goto next_time
			:: else
			fi
		};
		publish(ENDED);
		atomic {
			if
			:: mode == was_mode -> mode = mode + 3 /* the next era, stable */
			:: else
			fi
		};
		goto next_time;
leave:
		atomic {
			was_mode = mode;
			if
			:: !IS_STABLE(was_mode) -> goto next_time
			:: else
			fi
		};
		atomic { was_latch = latch; was_ended = ended };
		if
		:: was_ended < LEFT_OF(was_mode) -> publish(LEFT_OF(was_mode)); goto leave
		:: was_ended > LEFT_OF(was_mode) -> goto next_time
		:: else
		fi;
		/* How far readers came, for last; then: */
		atomic {
			if
			:: mode == was_mode -> assert(ended != LIVE); mode--
			:: else
			fi
		};
		goto next_time;
take:
		atomic { was_latch = latch; was_ended = ended };
		if
		:: was_ended == LIVE -> publish(ENDED); goto take
		:: was_ended > ENDED -> goto leave
		:: else
		fi;
#ifndef NO_MODE
		if
		:: !IS_STABLE(mode) -> goto next_time
		:: else
		fi;
#endif
		atomic {
			if
			:: latch == was_latch -> assert(IS_STABLE(mode)); latch++; ended = LIVE
			:: else
			fi
		};
next_time:
		atomic { was_mode = 0; was_latch = 0; was_ended = 0 } /* fewer states */
	:: else -> break
	od
}
