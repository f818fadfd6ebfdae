// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * prog_jail DIRECTORY: once started, gives up whatever a process can give up: the file
 * system, its rights, files, memory; and reads on.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "prog.h"

#define READS 20000
#define NOBODY 65534
#define NOT_HERE 77

static void limit(int resource)
{
	struct rlimit none = {0, 0};

	if (setrlimit(resource, &none) != 0)
		DIE("limit %d: %s\n", resource, strerror(errno));
}

static void leave_file_system(const char *to)
{
	/* Who is not root is root of a namespace of his own. */
	if (chroot(to) != 0 && (unshare(CLONE_NEWUSER) != 0 || chroot(to) != 0))
		_exit(NOT_HERE);
	if (chdir("/") != 0 || access("/proc", F_OK) == 0)
		DIE("not in %s\n", to);
}

static void give_up_everything(void)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		DIE("setuid: %s\n", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		DIE("no_new_privs: %s\n", strerror(errno));
	limit(RLIMIT_NOFILE);
	limit(RLIMIT_NPROC);
	limit(RLIMIT_DATA);
	limit(RLIMIT_FSIZE);
	limit(RLIMIT_MEMLOCK);
	limit(RLIMIT_AS);
	if (open("/", O_RDONLY) >= 0 ||
	    mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		DIE("there is something left\n");
}

int main(int argc, char **argv)
{
	_Atomic int64_t seen[STEADY] = {0};
	struct timeval tv;
	int i;

	if (argc < 2)
		DIE("prog_jail DIRECTORY\n");
	read_steady(seen, "the free");
	leave_file_system(argv[1]);
	give_up_everything();
	for (i = 0; i < READS; i++) {
		read_steady(seen, "the prisoner");
		if (gettimeofday(&tv, NULL) != 0 || read_ns(CLOCK_REALTIME) < tv.tv_sec)
			DIE("no time of day\n");
		if (i % 1000 == 0)
			sched_yield();
	}
	return 0;
}
