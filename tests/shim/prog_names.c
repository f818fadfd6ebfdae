// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * By which ways a program comes by the time calls, and to whose: a line
 * "way name version object" each, the object by its file's name.
 */
#include <dlfcn.h>
#include <sys/timeb.h>

#include "prog.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* What a program that was linked before glibc 2.17 asks for. */
extern int old_gettime(clockid_t id, struct timespec *ts);
extern int old_getres(clockid_t id, struct timespec *ts);
__asm__(".symver old_gettime,clock_gettime@GLIBC_2.2.5");
__asm__(".symver old_getres,clock_getres@GLIBC_2.2.5");

static void say(const char *way, const char *name, const char *version, void *address)
{
	Dl_info info;
	const char *file;

	if (!address || !dladdr(address, &info) || !info.dli_fname)
		DIE("%s %s %s nothing\n", way, name, version);
	file = strrchr(info.dli_fname, '/');
	printf("%s %s %s %s\n", way, name, version, file ? file + 1 : info.dli_fname);
}

int main(void)
{
	static const char *const names[][2] = {
		{"clock_gettime", "GLIBC_2.17"},
		{"clock_gettime", "GLIBC_2.2.5"},
		{"clock_getres", "GLIBC_2.17"},
		{"clock_getres", "GLIBC_2.2.5"},
		{"gettimeofday", "GLIBC_2.2.5"},
		{"time", "GLIBC_2.2.5"},
		{"__clock_gettime", "GLIBC_PRIVATE"},
		{"__gettimeofday", "GLIBC_2.2.5"},
		{"timespec_get", "GLIBC_2.16"},
		{"timespec_getres", "GLIBC_2.34"},
		{"ftime", "GLIBC_2.2.5"},
		{"clock_settime", "GLIBC_2.17"},
		{"clock_settime", "GLIBC_2.2.5"},
		{"settimeofday", "GLIBC_2.2.5"},
		{"stime", "GLIBC_2.2.5"},
		{"adjtime", "GLIBC_2.2.5"},
		{"adjtimex", "GLIBC_2.2.5"},
		{"__adjtimex", "GLIBC_2.2.5"},
		{"ntp_adjtime", "GLIBC_2.2.5"},
		{"clock_adjtime", "GLIBC_2.14"},
		{"unshare", "GLIBC_2.4"},
		{"setns", "GLIBC_2.14"},
		{"syscall", "GLIBC_2.2.5"},
	};
	struct timespec ts;
	size_t i;

	/* Whoever looked something up before us has kept that to himself. */
	if (dlerror())
		DIE("something was not found before main\n");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *name = names[i][0], *version = names[i][1];

		say("dlvsym", name, version, dlvsym(RTLD_DEFAULT, name, version));
		/* What is there for old programs only has no default. */
		if (strcmp(name, "stime") != 0)
			say("dlsym", name, "default", dlsym(RTLD_DEFAULT, name));
	}
	say("linked", "clock_gettime", "default", (void *)clock_gettime);
	say("linked", "clock_getres", "default", (void *)clock_getres);
	say("linked", "gettimeofday", "default", (void *)gettimeofday);
	say("linked", "time", "default", (void *)time);
	say("linked", "ftime", "default", (void *)ftime);
	say("linked", "syscall", "default", (void *)syscall);
	say("linked", "timespec_get", "default", (void *)timespec_get);
	say("linked", "clock_gettime", "GLIBC_2.2.5", (void *)old_gettime);
	say("linked", "clock_getres", "GLIBC_2.2.5", (void *)old_getres);
	if (old_gettime(CLOCK_MONOTONIC, &ts) != 0 || old_getres(CLOCK_MONOTONIC, &ts) != 0)
		DIE("the old versions fail: %s\n", strerror(errno));
	if (dlvsym(RTLD_DEFAULT, "time", "GLIBC_2.17"))
		DIE("time has a version that glibc does not have\n");
	return 0;
}
