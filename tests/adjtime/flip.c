// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's rate is changed again and again, by as much as adjtimex can, while
 * "pvclock-bench agree" compares. Needs root; not part of "make check", as it
 * changes the rate of the whole machine's clocks while it runs. What was changed
 * is put back at the end, and also if this is interrupted or killed.
 */
#include <error.h>
#include <fcntl.h>
#include <pvclock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>

#include "clock.h"

#define FREQ_MOST (500 * PPM)
#define TICK_MOST 10 /* percent */
#define FREQ_FLIP_NS 500000000
#define TICK_FLIP_NS 100000000 /* the clocks are off by no more than a tenth of it at the end */

#define BY_SIGNAL 128

struct phase {
	const char *what;
	bool tick;        /* else the frequency */
	bool percpu;      /* a reader of mode percpu, else the default one */
	const char *only; /* NULL: all that agree counts */
};

static struct timex saved;

static void flip(const struct phase *phase, bool up)
{
	long tick = saved.tick / TICK_MOST;
	bool done = phase->tick ? clock_set(ADJ_TICK, 0, saved.tick + (up ? tick : -tick))
	                        : clock_set(ADJ_FREQUENCY, up ? FREQ_MOST : -FREQ_MOST, 0);

	if (!done)
		error(1, errno, "adjtimex");
}

static pid_t start_agree(const struct phase *phase, const char *bench, const char *seconds)
{
	const char *argv[16] = {"pvclock-bench", "agree",     "--threads", "2",
	                        "--migrate",     "--seconds", seconds};
	pid_t pid, parent = getpid();
	unsigned n = 7;
	sigset_t none;

	if (phase->only) {
		argv[n++] = "--only";
		argv[n++] = phase->only;
	}
	if (phase->percpu) {
		argv[n++] = "--mode";
		argv[n++] = "percpu";
	}
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(bench, (char *const *)argv);
	error(1, errno, "%s", bench);
	return -1;
}

/* True: pid has ended, and so well. */
static bool ended(pid_t pid, bool *well)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	*well = WIFEXITED(status) && !WEXITSTATUS(status);
	return true;
}

/* 0: they agreed, 1: not, BY_SIGNAL and more: the signal that ends all this. */
static int run_phase(const struct phase *phase, const char *bench, const char *seconds,
                     const sigset_t *signals)
{
	const struct timespec pause = {.tv_nsec = phase->tick ? TICK_FLIP_NS : FREQ_FLIP_NS};
	unsigned flips = 0;
	bool well = false;
	pid_t pid;

	printf("\n== %s\n", phase->what);
	fflush(stdout);
	pid = start_agree(phase, bench, seconds);
	if (pid < 0)
		error(1, errno, "fork");
	for (;;) {
		int got;

		flip(phase, flips++ % 2);
		got = sigtimedwait(signals, NULL, &pause);
		if (got > 0 && got != SIGCHLD) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return BY_SIGNAL + got;
		}
		if (ended(pid, &well))
			break;
	}
	if (!clock_restore(&saved))
		error(1, 0, "the kernel does not take its old rate");
	printf("== %s: %u changes, %s\n", phase->what, flips, well ? "passed" : "FAILED");
	fflush(stdout);
	return !well;
}

/* Clocks made from samples may be off for some microseconds, but know by how much. */
static bool is_exact(void)
{
	struct pvclock_status status = {.size = sizeof(status)};
	struct timespec ts;

	return !pvclock_gettime(CLOCK_MONOTONIC, &ts) && !pvclock_status(&status) && status.exact;
}

static bool has_percpu(void)
{
	struct pvclock_options options = {.size = sizeof(options), .mode = PVCLOCK_MODE_PERCPU};
	struct pvclock_status status = {.size = sizeof(status)};
	int handle = pvclock_open(&options);
	bool has = handle >= 0 && !pvclock_status_h(handle, &status) &&
	           status.mode == PVCLOCK_MODE_PERCPU;

	if (handle >= 0)
		pvclock_close(handle);
	return has;
}

static int run_phases(const char *bench, const char *seconds, const sigset_t *signals)
{
	bool exact = is_exact();
	const struct phase phases[] = {
		{"frequency -500/+500 ppm, default reader", .only = exact ? NULL : "bounds"},
		{"frequency -500/+500 ppm, mode percpu", .percpu = true, .only = "bounds"},
		/* More than an interval made from samples allows for: see pvclock(7). */
		{"tick -10/+10 %, default reader", .tick = true},
	};
	bool percpu = has_percpu();
	int result = 0;
	size_t i;

	for (i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		int got;

		if ((phases[i].tick && !exact) || (phases[i].percpu && !percpu)) {
			printf("SKIP: %s: %s\n", phases[i].what,
			       phases[i].tick ? "clocks are made from samples here" : "not here");
			continue;
		}
		got = run_phase(&phases[i], bench, seconds, signals);
		if (got > BY_SIGNAL)
			return got;
		result |= got;
	}
	return result;
}

/* Not two at a time: the second would save what the first has made. */
static void lock(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		error(1, 0, "it is running already");
}

static void check(int argc, char **argv)
{
	if (argc != 3 || atoi(argv[2]) < 1)
		error(2, 0, "expected: the path of pvclock-bench, and seconds for each phase");
	if (access(argv[1], X_OK))
		error(2, errno, "%s", argv[1]);
	lock();
	/* The frequency that it has: allowed, or not, and no change. */
	if (!clock_save(&saved) || !clock_set(ADJ_FREQUENCY, saved.freq, 0))
		error(1, errno, "the kernel's rate cannot be changed (needs root, CAP_SYS_TIME)");
}

int main(int argc, char **argv)
{
	struct guardian guardian;
	sigset_t signals;
	int result;

	program_invocation_name = program_invocation_short_name;
	check(argc, argv);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	/* Not to stop while the rate is another. */
	sigaddset(&signals, SIGTSTP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	clock_print("before");
	if (!guardian_start(&guardian, &saved))
		error(1, errno, "cannot start the process that puts the rate back");
	result = run_phases(argv[1], argv[2], &signals);
	/* Both of us, as either may have been killed. */
	clock_restore(&saved);
	if (!guardian_end(&guardian) && !clock_is(&saved))
		error(1, 0, "the kernel's rate is NOT what it was; before: freq %ld tick %ld",
		      saved.freq, saved.tick);
	putchar('\n');
	clock_print("after ");
	if (result > BY_SIGNAL) {
		signal(result - BY_SIGNAL, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &signals, NULL);
		raise(result - BY_SIGNAL);
	}
	return result;
}
