// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * libc's syscall: all six arguments get to the kernel, its results and errors back,
 * on any stack. Prints what each call gives, to be compared; or, with a COUNT, only
 * asks the time by number, so many times.
 *
 * prog_syscall [COUNT]
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "prog.h"

#define AGREEMENT 1000 /* ns, as in prog_clocks */
#define NO_CALL 4000   /* no system call has this number */
#define KEPT 12345     /* an errno that nobody sets */

/* ---- the time ---------------------------------------------------------------- */

static void asks_the_time(clockid_t id)
{
	struct timespec ts = {0, -1};
	struct timeval tv = {0, -1};
	int64_t low, is, high;
	long t = 0, returned;

	low = kernel_ns(id);
	if (syscall(SYS_clock_gettime, id, &ts) != 0)
		DIE("SYS_clock_gettime: %s\n", strerror(errno));
	is = join(&ts);
	high = kernel_ns(id);
	if (ts.tv_nsec < 0 || ts.tv_nsec >= NSEC || is < low - AGREEMENT || is > high + AGREEMENT)
		DIE("SYS_clock_gettime: %lld before, %lld after the kernel's\n",
		    (long long)(low - is), (long long)(is - high));
	low = kernel_ns(CLOCK_REALTIME);
	if (syscall(SYS_gettimeofday, &tv, NULL) != 0)
		DIE("SYS_gettimeofday: %s\n", strerror(errno));
	is = (int64_t)tv.tv_sec * NSEC + tv.tv_usec * 1000l;
	high = kernel_ns(CLOCK_REALTIME);
	if (is < low - 2 * AGREEMENT || is > high + AGREEMENT)
		DIE("SYS_gettimeofday: %lld before, %lld after the kernel's\n",
		    (long long)(low - is), (long long)(is - high));
	low = KERNEL(time, NULL, NULL);
	returned = syscall(SYS_time, &t);
	high = KERNEL(time, NULL, NULL);
	if (returned != t || t < low || t > high)
		DIE("SYS_time: %ld and %ld, not %lld\n", returned, t, (long long)low);
}

/* Of every id what the kernel says: the same result, and the same errno. */
static void every_id(void)
{
	clockid_t id;

	for (id = -20; id < 30; id++) {
		struct timespec ours = {-1, -2}, kernels = {-1, -2};
		long kernel = KERNEL(clock_gettime, id, &kernels), ret;
		int error = errno;

		errno = KEPT;
		ret = syscall(SYS_clock_gettime, id, &ours);
		if (ret != kernel || errno != (kernel ? error : KEPT) ||
		    (kernel ? ours.tv_nsec != -2 : ours.tv_sec < kernels.tv_sec))
			DIE("SYS_clock_gettime of %d: %ld, %s; the kernel: %ld, %s\n", (int)id, ret,
			    strerror(errno), kernel, strerror(error));
		ret = syscall(SYS_clock_gettime, id, NULL);
		if (ret != -1 || (KERNEL(clock_gettime, id, NULL), error = errno,
		                  syscall(SYS_clock_gettime, id, NULL), errno != error))
			DIE("SYS_clock_gettime of %d, NULL: %s, the kernel: %s\n", (int)id,
			    strerror(errno), strerror(error));
	}
	if (syscall(SYS_gettimeofday, NULL, &(struct timezone){0, 0}) != 0 ||
	    syscall(SYS_gettimeofday, NULL, NULL) != 0 || syscall(SYS_time, NULL) < 0)
		DIE("of nothing: %s\n", strerror(errno));
}

/* ---- arguments and results ------------------------------------------------------ */

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define UNLESS(value, jump) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, jump)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define ARG(n) (0x1111111100000000ull * (n) + 0x0101010101010101ull * (n))
#define AT(n, half) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n) + 4 * (half))
/* Those of NO_CALL are right: four instructions each. */
#define HAS(n, left)                                                                               \
	LOAD(AT((n)-1, 0)), UNLESS((uint32_t)ARG(n), (left) + 2), LOAD(AT((n)-1, 1)),              \
		UNLESS((uint32_t)(ARG(n) >> 32), left)

#define WELL 77
#define BADLY 78

/* The kernel's own look at what has come: NO_CALL gives WELL, or as its first argument says. */
static void watch_arguments(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		UNLESS(NO_CALL, 29),
		LOAD(AT(0, 0)),
		UNLESS(4095, 1),
		RETURN(SECCOMP_RET_ERRNO | 4095),
		HAS(1, 21),
		HAS(2, 17),
		HAS(3, 13),
		HAS(4, 9),
		HAS(5, 5),
		HAS(6, 1),
		RETURN(SECCOMP_RET_ERRNO | WELL),
		RETURN(SECCOMP_RET_ERRNO | BADLY),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
		DIE("no seccomp: %s\n", strerror(errno));
}

#define SHOW(call)                                                                                 \
	do {                                                                                       \
		long ret_;                                                                         \
                                                                                                   \
		errno = KEPT;                                                                      \
		ret_ = (call);                                                                     \
		printf("%s: %ld, errno %d\n", #call, ret_, errno);                                 \
	} while (0)

static void arguments(void)
{
	long (*volatile by_pointer)(long number, ...) = syscall;
	char text[3] = "";
	int fd[2];

	SHOW(syscall(NO_CALL, ARG(1), ARG(2), ARG(3), ARG(4), ARG(5), ARG(6)));
	SHOW(by_pointer(NO_CALL, ARG(1), ARG(2), ARG(3), ARG(4), ARG(5), ARG(6)));
	SHOW(syscall(NO_CALL, ARG(1), ARG(2), ARG(3), ARG(4), ARG(5), ARG(6) + 1));
	SHOW(syscall(NO_CALL, 4095));
	SHOW(syscall(-1l));
	SHOW(syscall(1l << 40 | SYS_close, -1));
	SHOW(syscall(1l << 40 | SYS_clock_gettime, 99, NULL));
	SHOW(syscall(SYS_close, -1));
	SHOW(syscall(SYS_getppid) == getppid());
	SHOW(syscall(SYS_read, -1, NULL, 0));
	if (pipe(fd) != 0)
		DIE("pipe: %s\n", strerror(errno));
	SHOW(syscall(SYS_write, fd[1], "ab", 2));
	SHOW(syscall(SYS_read, fd[0], text, 2));
	printf("%s\n", text);
}

/* What is no error though it looks like a large number: an address. */
static void addresses(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("pages", MFD_CLOEXEC);
	char *at;

	if (fd < 0 || ftruncate(fd, (off_t)(2 * page)) != 0 ||
	    pwrite(fd, "second", 6, (off_t)page) != 6)
		DIE("memfd: %s\n", strerror(errno));
	at = (char *)syscall(SYS_mmap, NULL, page, PROT_READ, MAP_SHARED, fd, page);
	if (at == MAP_FAILED || memcmp(at, "second", 6) != 0)
		DIE("SYS_mmap: not the second page\n");
	munmap(at, page);
	close(fd);
}

static void *own_errno(void *arg)
{
	errno = KEPT;
	if (syscall(SYS_close, -1) != -1 || errno != EBADF)
		DIE("a thread's errno is %d\n", errno);
	return arg;
}

static void threads(void)
{
	pthread_t thread;

	errno = KEPT;
	if (pthread_create(&thread, NULL, own_errno, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0 || errno != KEPT)
		DIE("errno is %d after another thread's error\n", errno);
}

/* ---- stacks ------------------------------------------------------------------------ */

/* No more than a call and its six arguments need: two words, and nothing may follow. */
static char *short_stack(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *low =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (low == MAP_FAILED || mprotect(low, page, PROT_NONE) != 0)
		DIE("mmap: %s\n", strerror(errno));
	return low + page;
}

/* f(number, a) with the stack pointer at top; the return address is pushed below it. */
static long call_on(char *top, long (*f)(long number, ...), long number, long a)
{
	register long on __asm__("r12") = (long)top;
	long ret = 0;

	__asm__ volatile("xchgq %%rsp, %%r12\n\t"
	                 "call *%%rax\n\t"
	                 "movq %%r12, %%rsp"
	                 : "=a"(ret), "+r"(on), "+D"(number), "+S"(a)
	                 : "0"(f)
	                 : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return ret;
}

__attribute__((naked)) static void end_of_child(void)
{
	__asm__("movl $60, %eax\n\t"
	        "movl $42, %edi\n\t"
	        "syscall");
}

static int exit_status(long pid)
{
	int status;

	while (waitpid((pid_t)pid, &status, __WALL) < 0)
		if (errno != EINTR)
			DIE("waitpid: %s\n", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void stacks(void)
{
	char *top = short_stack();
	long pid;

	/* Odd: aligned to nothing. */
	errno = KEPT;
	if (call_on(top + 9, syscall, SYS_getppid, 0) != getppid() || errno != KEPT)
		DIE("SYS_getppid on an odd stack\n");
	if (call_on(top + 8, syscall, SYS_close, -1) != -1 || errno != EBADF)
		DIE("SYS_close on a short stack: %s\n", strerror(errno));
	/* A child that shares memory, and returns into what its own stack says. */
	*(void (**)(void))top = end_of_child;
	pid = syscall(SYS_clone, CLONE_VM | SIGCHLD, top, NULL, NULL, 0);
	if (pid < 0 || exit_status(pid) != 42)
		DIE("SYS_clone with a stack\n");
	/* One that goes on where its parent is. */
	fflush(stdout);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (!pid)
		_exit(43);
	if (pid < 0 || exit_status(pid) != 43)
		DIE("SYS_clone as fork\n");
}

int main(int argc, char **argv)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, i;
	struct timespec ts;
	struct timeval tv;

	for (i = 0; i < count; i++) {
		syscall(SYS_clock_gettime, ids[i % 3], &ts);
		syscall(SYS_gettimeofday, &tv, NULL);
		syscall(SYS_time, NULL);
	}
	if (count)
		return 0;
	for (i = 0; i < 30000; i++)
		asks_the_time(ids[i % 3]);
	every_id();
	watch_arguments();
	arguments();
	addresses();
	threads();
	stacks();
	return 0;
}
