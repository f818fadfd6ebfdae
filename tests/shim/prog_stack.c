// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How much stack a reading takes, and handlers that have hardly any.
 *
 * prog_stack depth   prints the greatest depth of a clock_gettime, in bytes
 * prog_stack small   reads in handlers on a stack of 4 KiB, above a page that kills
 */
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "prog.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define PAGE 4096ul
#define ROOM (16 * PAGE)
#define MEANT_FOR_FRAME 2048 /* MINSIGSTKSZ, of the times before AVX-512 */
#define PAINT 0x5au
#define ROUNDS 80

/* By a pointer: the dynamic linker's way to a function is not ours. */
static int (*volatile gettime)(clockid_t id, struct timespec *ts) = clock_gettime;
static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_MONOTONIC_RAW,
                                CLOCK_BOOTTIME, CLOCK_TAI};
#define IDS (sizeof(ids) / sizeof(*ids))

/* Lines that still hold, that have just ended, and that ended long ago. */
static const int64_t pauses[] = {0, 20000, 120000, 1100000, 5000000};
#define PAUSES (sizeof(pauses) / sizeof(*pauses))

static unsigned char *bottom;
static size_t deepest;
static volatile sig_atomic_t handled;

static void pause_ns(int64_t ns)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + ns;

	while (ns && kernel_ns(CLOCK_MONOTONIC) < end)
		;
}

/* Nothing else is called between the painting and the look at it. */
static __attribute__((noinline)) void measure(clockid_t id)
{
	volatile unsigned char *top = (unsigned char *)__builtin_frame_address(0) - 160, *p;
	struct timespec ts;

	for (p = bottom; p < top; p++)
		*p = PAINT;
	gettime(id, &ts);
	for (p = bottom; p < top && *p == PAINT; p++)
		;
	if ((size_t)(top - p) + 160 > deepest)
		deepest = (size_t)(top - p) + 160;
}

static void on_depth(int sig)
{
	unsigned round, i;

	(void)sig;
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < IDS; i++) {
			pause_ns(pauses[(round + i) % PAUSES]);
			measure(ids[i]);
		}
}

static void on_small(int sig)
{
	static int64_t seen[IDS];
	unsigned i;

	(void)sig;
	for (i = 0; i < IDS; i++) {
		struct timespec ts;
		int64_t now;

		if (gettime(ids[i], &ts) != 0)
			_exit(2);
		now = join(&ts);
		if (now < seen[i] && ids[i] != CLOCK_REALTIME && ids[i] != CLOCK_TAI)
			_exit(3);
		seen[i] = now;
	}
	handled++;
}

/* Memory of exactly that size, with nothing below it. */
static void use_stack(size_t size, void (*handler)(int sig))
{
	size_t whole = (size + PAGE - 1) / PAGE * PAGE;
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_size = size};

	bottom = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	              0);
	if (bottom == MAP_FAILED || mprotect(bottom, PAGE, PROT_NONE) != 0)
		DIE("no memory: %s\n", strerror(errno));
	bottom += PAGE;
	stack.ss_sp = bottom;
	if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &sa, NULL) != 0)
		DIE("no stack: %s\n", strerror(errno));
}

/* What the kernel puts there is more on newer CPUs: so much more they get. */
static size_t small_size(void)
{
	size_t frame = getauxval(AT_MINSIGSTKSZ);

	return (frame > MEANT_FOR_FRAME ? frame - MEANT_FOR_FRAME : 0) + PAGE;
}

int main(int argc, char **argv)
{
	unsigned i;

	if (argc > 1 && !strcmp(argv[1], "depth")) {
		use_stack(ROOM, on_depth);
		raise(SIGUSR1);
		printf("%zu\n", deepest);
		return 0;
	}
	use_stack(small_size(), on_small);
	for (i = 0; i < ROUNDS; i++) {
		pause_ns(pauses[i % PAUSES]);
		raise(SIGUSR1);
	}
	return handled == ROUNDS ? 0 : 1;
}
