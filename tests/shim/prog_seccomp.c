// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * prog_seccomp CLOCK COUNT: locks itself up so that any system call but
 * clock_gettime of that very clock, and what it needs to end, is its death; then
 * reads the clock so many times.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "prog.h"

#define ALLOW(name)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static void lock_up(clockid_t id)
{
	struct sock_filter filter[] = {
		LOAD(nr),
		ALLOW(write),
		ALLOW(exit),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)id, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
		printf("no seccomp: %s\n", strerror(errno));
		exit(2);
	}
}

int main(int argc, char **argv)
{
	clockid_t id = argc > 1 ? atoi(argv[1]) : CLOCK_MONOTONIC;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	static const char well[] = "well\n";
	_Atomic int64_t seen = 0;

	lock_up(id);
	while (count--)
		read_on(&seen, id, "the prisoner");
	/* The filter works: with COUNT 0 and another argument it kills us. */
	if (argc > 3)
		syscall(SYS_getpid);
	return write(STDOUT_FILENO, well, sizeof(well) - 1) < 0;
}
