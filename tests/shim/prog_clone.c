// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Children by clone(2) itself, in their parent's memory, of which libc knows nothing:
 * its thread state is their parent's, or a block of zeros, and some of them are killed
 * at a moment that nobody chose. All of them read the same clocks.
 *
 * prog_clone vm|vfork|thread|settls ROUNDS
 */
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/wait.h>

#include "prog.h"

#define READS 3000
#define STACK (1 << 16)

static _Atomic int64_t seen[STEADY];
static _Atomic int finished;
static _Atomic bool done;
static char stack[STACK] __attribute__((aligned(64)));
/* A thread's state that libc has not made; it reaches to both sides of the pointer. */
static char state[1 << 16] __attribute__((aligned(64)));

static int read_them(void *arg)
{
	int i;

	for (i = 0; i < READS; i++)
		read_steady(seen, arg);
	atomic_fetch_add(&finished, 1);
	/* Not libc's, which would end what is not begun. */
	syscall(SYS_exit, 0);
	return 0;
}

static int read_for_ever(void *arg)
{
	for (;;)
		read_steady(seen, arg);
	return 0;
}

static void *reader(void *arg)
{
	(void)arg;
	while (!atomic_load(&done))
		read_steady(seen, "a thread");
	return NULL;
}

static void ended(pid_t pid, int how)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || status != how)
		DIE("a child ended with %#x\n", (unsigned)status);
}

/* It is no child that could be waited for. */
static void thread_of_ours(void)
{
	int before = atomic_load(&finished);
	/* CLONE_CHILD_CLEARTID: when it is 0 again the stack is free. */
	static _Atomic int running;

	atomic_store(&running, 1);
	if (clone(read_them, stack + STACK,
	          CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
	                  CLONE_CHILD_CLEARTID,
	          "a thread by clone", NULL, NULL, &running) < 0)
		DIE("clone: %s\n", strerror(errno));
	while (atomic_load(&running))
		read_steady(seen, "the parent");
	if (atomic_load(&finished) != before + 1)
		DIE("a thread did not come to its end\n");
}

static void child_in_our_memory(int flags)
{
	pid_t pid = clone(read_them, stack + STACK, CLONE_VM | SIGCHLD | flags,
	                  "a child in our memory", NULL, state + sizeof(state) / 2, NULL);

	read_steady(seen, "the parent");
	ended(pid, 0);
	if (flags & CLONE_VFORK)
		return;
	pid = clone(read_for_ever, stack + STACK, CLONE_VM | SIGCHLD | flags,
	            "a child that is killed", NULL, state + sizeof(state) / 2, NULL);
	usleep(300);
	if (pid > 0)
		kill(pid, SIGKILL);
	ended(pid, SIGKILL);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 1;
	pthread_t other;

	if (argc < 2 || pthread_create(&other, NULL, reader, NULL) != 0)
		DIE("prog_clone vm|vfork|thread|settls ROUNDS\n");
	while (rounds--) {
		read_steady(seen, "the parent");
		if (!strcmp(argv[1], "thread"))
			thread_of_ours();
		else if (!strcmp(argv[1], "vfork"))
			child_in_our_memory(CLONE_VFORK);
		else
			child_in_our_memory(!strcmp(argv[1], "settls") ? CLONE_SETTLS : 0);
	}
	atomic_store(&done, true);
	pthread_join(other, NULL);
	return 0;
}
