// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Forbids itself to read the TSC, once it has read clocks, and then goes on with those
 * clocks. So does who enters seccomp's strict mode.
 *
 * prog_tsc strict | strict-coarse | forbid | forbid-coarse | emulate | again | other
 */
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "prog.h"

#define READS 2000

static _Atomic int64_t seen[STEADY];
static _Atomic unsigned long emulated;

static void read_on_steadily(void)
{
	int i;

	for (i = 0; i < READS; i++)
		read_steady(seen, "the reader");
}

/* What needs no TSC, here and in the kernel's vDSO. */
static void read_coarsely(void)
{
	struct timespec ts;
	int i;

	for (i = 0; i < READS; i++)
		if (clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) != 0 ||
		    clock_gettime(CLOCK_REALTIME_COARSE, &ts) != 0 || time(NULL) < ts.tv_sec - 1 ||
		    clock_getres(CLOCK_MONOTONIC, &ts) != 0)
			DIE("a coarse clock fails\n");
}

static void set_tsc(int how)
{
	if (prctl(PR_SET_TSC, how, 0, 0, 0) != 0)
		DIE("PR_SET_TSC: %s\n", strerror(errno));
}

/* No system call but read, write, exit and sigreturn from here on; and no TSC. */
static void be_strict(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
		DIE("PR_SET_SECCOMP: %s\n", strerror(errno));
}

static void end_well(void)
{
	if (write(STDOUT_FILENO, "well\n", 5) != 5)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 0);
}

/* As programs do that want a time of their own. */
static void emulate(int sig, siginfo_t *info, void *context)
{
	greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *code = (const unsigned char *)reg[REG_RIP];
	bool rdtsc = code[0] == 0x0f && code[1] == 0x31;
	bool rdtscp = code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;
	unsigned low, high, aux;

	(void)sig;
	(void)info;
	if (!rdtsc && !rdtscp)
		_exit(2);
	set_tsc(PR_TSC_ENABLE);
	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
	set_tsc(PR_TSC_SIGSEGV);
	reg[REG_RAX] = low;
	reg[REG_RDX] = high;
	if (rdtscp)
		reg[REG_RCX] = aux;
	reg[REG_RIP] += rdtscp ? 3 : 2;
	atomic_fetch_add(&emulated, 1);
}

static void forbid_and_emulate(void)
{
	struct sigaction sa = {.sa_sigaction = emulate, .sa_flags = SA_SIGINFO};

	if (sigaction(SIGSEGV, &sa, NULL) != 0)
		DIE("no handler: %s\n", strerror(errno));
	set_tsc(PR_TSC_SIGSEGV);
	read_on_steadily();
	if (!atomic_load(&emulated))
		DIE("the TSC was not read\n");
}

/* It is a thread's own affair. */
static void *forbid_here(void *arg)
{
	set_tsc(PR_TSC_SIGSEGV);
	read_coarsely();
	return arg;
}

static void forbid_elsewhere(void)
{
	pthread_t other;

	if (pthread_create(&other, NULL, forbid_here, NULL) != 0)
		DIE("no thread\n");
	read_on_steadily();
	pthread_join(other, NULL);
	read_on_steadily();
}

static void forbid_for_a_while(void)
{
	set_tsc(PR_TSC_SIGSEGV);
	read_coarsely();
	set_tsc(PR_TSC_ENABLE);
	read_on_steadily();
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	read_on_steadily();
	read_coarsely();
	fflush(stdout);
	if (!strcmp(how, "emulate"))
		forbid_and_emulate();
	else if (!strcmp(how, "again"))
		forbid_for_a_while();
	else if (!strcmp(how, "other"))
		forbid_elsewhere();
	else if (!strncmp(how, "strict", 6))
		be_strict();
	else
		set_tsc(PR_TSC_SIGSEGV);
	if (strstr(how, "-coarse"))
		read_coarsely();
	else if (!strcmp(how, "strict") || !strcmp(how, "forbid"))
		read_on_steadily();
	end_well();
}
