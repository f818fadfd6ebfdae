// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sets clocks by every call that there is, under a filter that has the kernel say yes
 * and do nothing: so that the machine's time stands, and what was asked for can be
 * seen from outside. Prints what each call gives.
 *
 * prog_pretend [NAME COUNT]
 *
 * With a NAME it makes that call so many times, and reads the clock after each.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/timex.h>

#include "prog.h"

#define PRETEND(name)                                                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO)
#define NOWHERE 1 /* an address that the kernel would refuse */

/* Nothing is set before it has been seen that nothing will be. */
static void pretend(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		PRETEND(clock_settime),
		PRETEND(settimeofday),
		PRETEND(clock_adjtime),
		PRETEND(adjtimex),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0 ||
	    KERNEL(clock_settime, CLOCK_REALTIME, NOWHERE) != 0 ||
	    KERNEL(settimeofday, NOWHERE, NULL) != 0 ||
	    KERNEL(clock_adjtime, CLOCK_REALTIME, NOWHERE) != 0 ||
	    KERNEL(adjtimex, NOWHERE, NULL) != 0) {
		printf("no seccomp: %s\n", strerror(errno));
		exit(2);
	}
}

extern int old_stime(const time_t *t);
extern int own_adjtimex(struct timex *tx);
extern int old_settime(clockid_t id, const struct timespec *ts);
__asm__(".symver old_stime,stime@GLIBC_2.2.5");
__asm__(".symver own_adjtimex,__adjtimex@GLIBC_2.2.5");
__asm__(".symver old_settime,clock_settime@GLIBC_2.2.5");

static int by_clock_settime(void)
{
	return clock_settime(CLOCK_REALTIME, &(struct timespec){12345, 999999999});
}

static int by_old_settime(void)
{
	return old_settime(CLOCK_REALTIME, &(struct timespec){12346, 0});
}

static int by_settimeofday(void)
{
	return settimeofday(&(struct timeval){12347, 999999}, NULL);
}

static int by_zone(void)
{
	return settimeofday(NULL, &(struct timezone){60, 1});
}

static int by_stime(void)
{
	return old_stime(&(time_t){12348});
}

/* The filter leaves in old what was asked for. */
static int by_adjtime(void)
{
	struct timeval old = {77, 77};
	int ret = adjtime(&(struct timeval){-3, -4567890}, &old);

	if (old.tv_sec != -7 || old.tv_usec != -567890)
		DIE("adjtime: %ld s, %ld us\n", (long)old.tv_sec, (long)old.tv_usec);
	return ret;
}

static int by_mixed_adjtime(void)
{
	struct timeval old = {77, 77};
	int ret = adjtime(&(struct timeval){2, -1}, &old);

	if (old.tv_sec != 1 || old.tv_usec != 999999)
		DIE("adjtime: %ld s, %ld us\n", (long)old.tv_sec, (long)old.tv_usec);
	return ret;
}

static int by_adjtimex(void)
{
	return adjtimex(&(struct timex){.modes = ADJ_FREQUENCY, .freq = 1 << 16});
}

static int by_own_adjtimex(void)
{
	return own_adjtimex(&(struct timex){.modes = ADJ_TICK, .tick = 10001});
}

static int by_ntp_adjtime(void)
{
	return ntp_adjtime(&(struct timex){.modes = ADJ_OFFSET, .offset = 5});
}

static int by_clock_adjtime(void)
{
	return clock_adjtime(CLOCK_REALTIME,
	                     &(struct timex){.modes = ADJ_SETOFFSET, .time = {1, 2}});
}

static const struct {
	const char *name;
	int (*call)(void);
} doors[] = {
	{"clock_settime", by_clock_settime},
	{"clock_settime@GLIBC_2.2.5", by_old_settime},
	{"settimeofday", by_settimeofday},
	{"zone", by_zone},
	{"stime", by_stime},
	{"adjtime", by_adjtime},
	{"adjtime-mixed", by_mixed_adjtime},
	{"adjtimex", by_adjtimex},
	{"__adjtimex", by_own_adjtimex},
	{"ntp_adjtime", by_ntp_adjtime},
	{"clock_adjtime", by_clock_adjtime},
};
#define DOORS (sizeof(doors) / sizeof(*doors))

static int (*find(const char *name))(void)
{
	size_t i;

	for (i = 0; i < DOORS; i++)
		if (!strcmp(doors[i].name, name))
			return doors[i].call;
	DIE("%s is no door\n", name);
}

static void again(const char *name, unsigned long count)
{
	int (*call)(void) = find(name);

	while (count--) {
		if (call() != 0)
			DIE("%s: %s\n", name, strerror(errno));
		read_ns(CLOCK_REALTIME);
	}
}

#define WARM 300000 /* readings, after which clocks made from samples are */

int main(int argc, char **argv)
{
	unsigned i;

	pretend();
	if (argc > 2) {
		for (i = 0; i < WARM; i++)
			read_ns(CLOCK_REALTIME);
		again(argv[1], strtoul(argv[2], NULL, 10));
		return 0;
	}
	for (i = 0; i < DOORS; i++) {
		errno = 0;
		printf("%s: %d, errno %d\n", doors[i].name, doors[i].call(), errno);
	}
	return 0;
}
