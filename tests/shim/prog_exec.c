// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Becomes other programs by vfork and by posix_spawn; each is told the time of
 * its parent and must not be earlier.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "prog.h"

static int successor(char **told)
{
	size_t i;

	for (i = 0; i < STEADY; i++) {
		int64_t parent = strtoll(told[i], NULL, 10), now = read_ns(steady[i]);

		if (now < parent)
			DIE("clock %d is %lld ns behind the parent's\n", (int)steady[i],
			    (long long)(parent - now));
	}
	return 0;
}

static void ended_well(pid_t pid, const char *how)
{
	int status = -1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		DIE("%s: ended with %#x\n", how, (unsigned)status);
}

int main(int argc, char **argv)
{
	char told[STEADY][32];
	char *args[STEADY + 2] = {argv[0]};
	_Atomic int64_t seen[STEADY] = {0};
	size_t i, round;
	pid_t pid;

	if (argc == STEADY + 1)
		return successor(argv + 1);
	for (round = 0; round < 5; round++) {
		read_steady(seen, "the parent");
		for (i = 0; i < STEADY; i++) {
			snprintf(told[i], sizeof(told[i]), "%lld", (long long)seen[i]);
			args[i + 1] = told[i];
		}
		/* To be tried because others do it. */
		pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
		if (!pid) {
			/* The parent's memory, the shim's in it, is ours for now. */
			// NOLINTNEXTLINE(clang-analyzer-unix.Vfork)
			read_steady(seen, "the child of vfork");
			execv("/proc/self/exe", args);
			_exit(1);
		}
		ended_well(pid, "vfork");
		read_steady(seen, "the parent");
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) != 0)
			DIE("posix_spawn fails\n");
		ended_well(pid, "posix_spawn");
		read_steady(seen, "the parent");
	}
	return 0;
}
