// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A reading that is left at each of its instructions in turn: the processor traps
 * after every one of them, and at the Nth the handler does what the argument says.
 * What was told before, nobody reads less than after it.
 *
 * prog_step jump    the handler jumps out of it, and it is never finished
 * prog_step exit    the thread ends there
 * prog_step fork    a child is made there, in which it is finished, and others begun
 * prog_step vm      the same with a child in the same memory (clone, CLONE_VM)
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "prog.h"

#define MOST_STEPS 4000
#define TURNS 4
#define FEWEST_TURNS 2
#define LONG_ENOUGH (4ll * NSEC) /* on a machine that has no time for us */
#define TRAP_FLAG 0x100
#define NOT_LEFT 3

static _Atomic int64_t seen[STEADY];
static volatile unsigned left, action;
static volatile bool was_left, was_read;
static sigjmp_buf out;
static char stack[1 << 16] __attribute__((aligned(16)));

/* By a pointer: the dynamic linker's way to a function is not ours. */
static int (*volatile gettime)(clockid_t id, struct timespec *ts) = clock_gettime;

static void wait_for(pid_t pid)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status != 0)
		DIE("a child ended with %#x\n", (unsigned)status);
}

static int read_in_child(void *arg)
{
	unsigned i;

	for (i = 0; i < 20; i++)
		read_steady(seen, arg);
	return 0;
}

static void fork_here(void)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		read_in_child("the child");
	} else {
		wait_for(pid);
	}
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	if (!was_read && left && --left) {
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	if (was_read)
		return;
	was_left = true;
	switch (action) {
	case 'j':
		siglongjmp(out, 1);
	case 'e':
		pthread_exit(NULL);
	case 'f':
		fork_here();
		break;
	default:
		wait_for(clone(read_in_child, stack + sizeof(stack), CLONE_VM | SIGCHLD,
		               "the child in our memory"));
	}
}

/* The trap of the first instruction here begins the others. */
static void read_in_steps(clockid_t id)
{
	struct timespec ts = {0, 0};

	__asm__ volatile("int3" ::: "memory");
	gettime(id, &ts);
	was_read = true;
}

static void *thread(void *arg)
{
	read_in_steps(*(clockid_t *)arg);
	return NULL;
}

/* In the child of fork the reading goes on to its end, and so does the child. */
static void leave(clockid_t id)
{
	pid_t self = getpid();
	pthread_t other;

	if (action == 'e') {
		if (pthread_create(&other, NULL, thread, &id) != 0 ||
		    pthread_join(other, NULL) != 0)
			DIE("no thread\n");
		return;
	}
	if (sigsetjmp(out, 1) == 0)
		read_in_steps(id);
	if (getpid() != self)
		_exit(read_in_child("the child, after it"));
}

/* Until what was made by a reading before has come to an end. */
static void let_time_pass(unsigned turn)
{
	static const int64_t pauses[] = {110000, 1050000, 0};
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + pauses[turn % 3];

	while (kernel_ns(CLOCK_MONOTONIC) < end)
		;
}

/* True if the reading had so many instructions. */
static bool leave_at(unsigned step, unsigned turn)
{
	clockid_t id = steady[turn % STEADY];

	/* The first of a while may be another way than the second. */
	if (turn / STEADY % 2)
		read_steady(seen, "the reader");
	let_time_pass(turn + step / 3);
	was_left = was_read = false;
	left = step;
	leave(id);
	read_steady(seen, "after it");
	return was_left;
}

/* Other ones each turn; few of those far in, which are a rare and long way's. */
static unsigned some_steps(unsigned turn)
{
	unsigned step, most = 0;

	for (step = 2 + turn % 3; step < MOST_STEPS; step += step < 200 ? 3 : 41) {
		if (leave_at(step, turn))
			most = step;
		else if (step > 100)
			break;
	}
	return most;
}

/* The first reading of a process is another way, and has but once to be left. */
static bool leave_first(unsigned step)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		left = step;
		leave(steady[step % STEADY]);
		read_in_child("after the first");
		_exit(was_left ? 0 : NOT_LEFT);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || (status != 0 && status != NOT_LEFT << 8))
		DIE("a process ended with %#x\n", (unsigned)status);
	return status == 0;
}

/* To be called before this process has read any clock. */
static void first_steps(void)
{
	unsigned step;

	for (step = 2; step < MOST_STEPS; step += step < 300 ? 7 : 41)
		if (!leave_first(step))
			break;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + LONG_ENOUGH;
	unsigned turn, most = 0, steps, i;

	if (argc < 2 || sigaction(SIGTRAP, &sa, NULL) != 0)
		DIE("prog_step jump|exit|fork|vm\n");
	action = (unsigned char)argv[1][0];
	first_steps();
	for (turn = 0; turn < TURNS; turn++) {
		if (turn >= FEWEST_TURNS && kernel_ns(CLOCK_MONOTONIC) > end)
			break;
		steps = some_steps(turn);
		most = steps > most ? steps : most;
	}
	/* Whatever has been left behind, time goes on and is the kernel's. */
	for (i = 0; i < 100000; i++)
		read_steady(seen, "at the end");
	for (i = 0; i < STEADY; i++)
		if (llabs(read_ns(steady[i]) - kernel_ns(steady[i])) > NSEC)
			DIE("clock %d is not the kernel's\n", (int)steady[i]);
	printf("%u instructions\n", most);
	return most < 5;
}
