/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This thread one instruction at a time, by the processor's trap flag: a test is shown each
 * one before it runs, and does then what another thread would have done, or the host, or a
 * signal handler. What takes two threads and the right nanosecond happens each time, as
 * often as the test likes; and CPUID can be another processor's.
 */
#ifndef PVC_TEST_SIMSTEP_H
#define PVC_TEST_SIMSTEP_H

#include <signal.h>
#include <ucontext.h>
#include <x86intrin.h>

#include "sim.h"

#define STEP_TRAP_FLAG 0x100

typedef void step_before(const uint8_t *instruction, greg_t *registers);

static struct {
	step_before *before; /* may change the registers, and clear armed */
	volatile bool armed;
	struct sigaction old;
} stepper;

static inline void step_on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (stepper.armed)
		stepper.before((const uint8_t *)(uintptr_t)r[REG_RIP], r);
	if (!stepper.armed)
		r[REG_EFL] &= ~(greg_t)STEP_TRAP_FLAG;
}

static inline __attribute__((always_inline)) void step_begin(step_before *before)
{
	struct sigaction action = {.sa_sigaction = step_on_trap, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGTRAP, &action, &stepper.old), 0);
	stepper.before = before;
	stepper.armed = true;
	__writeeflags(__readeflags() | STEP_TRAP_FLAG);
	/* The first trap comes after the instruction behind it. */
	__asm__ volatile("nop" : : : "memory");
}

static inline __attribute__((always_inline)) void step_end(void)
{
	/* The trap after this store is the last. */
	stepper.armed = false;
	__asm__ volatile("nop" : : : "memory");
	assert_int_equal(sigaction(SIGTRAP, &stepper.old, NULL), 0);
}

/* With or without the lock: what may lose to another thread, or to a signal handler. */
static inline bool step_is_exchange(const uint8_t *instruction)
{
	if (*instruction == 0xf0)
		instruction++;
	if ((*instruction & 0xf0) == 0x40)
		instruction++;
	return instruction[0] == 0x0f && instruction[1] == 0xb1;
}

static inline bool step_is_cpuid(const uint8_t *instruction)
{
	return instruction[0] == 0x0f && instruction[1] == 0xa2;
}

/* A whole call, told how many instructions it is in. */

static bool (*step_other)(unsigned long n); /* false: no more of it */
static unsigned long steps;

static inline void step_count(const uint8_t *instruction, greg_t *registers)
{
	(void)instruction;
	(void)registers;
	steps++;
	stepper.armed = step_other(steps);
}

/* Returns how many instructions were looked at: none where that is not to be had. */
static inline unsigned long step_by_step(void (*call)(void), bool (*other)(unsigned long n))
{
	step_other = other;
	steps = 0;
	step_begin(step_count);
	call();
	step_end();
	return steps;
}

static inline void step_nothing(void)
{
	__asm__ volatile("nop\n\tnop\n\tnop");
}

static inline bool step_on(unsigned long n)
{
	(void)n;
	return true;
}

/* An emulator may not step at all. */
static inline bool step_possible(void)
{
	if (step_by_step(step_nothing, step_on) > 1)
		return true;
	printf("SKIP: instruction by instruction: not on this machine\n");
	return false;
}

static unsigned long step_place;
static void (*step_act)(void);

static inline bool step_at_place(unsigned long n)
{
	if (n < step_place)
		return true;
	step_act();
	return false;
}

/*
 * At one place after another, as far as these many go: prepare, then the call with act in
 * the middle of it, then check. PVCLOCK_PLACES in the environment: at so many.
 */
static inline void step_sweep(unsigned long places, void (*prepare)(void), void (*call)(void),
                              void (*act)(void), void (*check)(void))
{
	const char *more = getenv("PVCLOCK_PLACES");
	unsigned long n;

	if (more)
		places = strtoul(more, NULL, 10) | 1;
	prepare();
	n = step_by_step(call, step_on);
	step_act = act;
	for (step_place = 2; step_place <= n; step_place += n / places + 1) {
		prepare();
		step_by_step(call, step_at_place);
		check();
	}
}

#endif /* PVC_TEST_SIMSTEP_H */
