// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The image that can stand in for the kernel's vDSO, loaded as a library: its
 * names are there, and before anybody has filled its block it makes system calls.
 */
#include "build.h"

#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <sys/time.h>
#include <time.h>

#define NSEC 1000000000

static void *image;

static int load(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/pvclock-vdso.so", setting("PVCLOCK_BUILD"));
	image = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!image)
		print_error("%s\n", dlerror());
	return image ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	return dlclose(image);
}

static void *function(const char *name)
{
	void *address = dlvsym(image, name, "LINUX_2.6");

	if (!address)
		fail_msg("%s: %s", name, dlerror());
	/* A vDSO's names come in two forms. */
	assert_ptr_equal(dlvsym(image, strstr(name, "__vdso_") + 7, "LINUX_2.6"), address);
	return address;
}

static int64_t kernel_ns(int id)
{
	struct timespec ts;

	assert_int_equal(syscall(SYS_clock_gettime, id, &ts), 0);
	return (int64_t)ts.tv_sec * NSEC + ts.tv_nsec;
}

static void gettime(void **state)
{
	int (*call)(int id, struct timespec *ts) = function("__vdso_clock_gettime");
	static const int ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 11};
	size_t i, round;

	(void)state;
	for (round = 0; round < 100; round++) {
		for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
			struct timespec ts = {-1, -1};
			int64_t low = kernel_ns(ids[i]), high;

			assert_int_equal(call(ids[i], &ts), 0);
			high = kernel_ns(ids[i]);
			assert_in_range(ts.tv_nsec, 0, NSEC - 1);
			assert_true((int64_t)ts.tv_sec * NSEC + ts.tv_nsec >= low);
			assert_true((int64_t)ts.tv_sec * NSEC + ts.tv_nsec <= high);
		}
	}
}

/* Errors come as the kernel's own vDSO gives them: negative, no errno. */
static void errors(void **state)
{
	int (*call)(int id, struct timespec *ts) = function("__vdso_clock_gettime");
	static const int ids[] = {10, 12, 15, 16, 32, INT_MAX, INT_MIN, -1};
	struct timespec ts;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		long ret = syscall(SYS_clock_gettime, ids[i], &ts);
		int expected = ret ? -errno : 0;

		errno = 4711;
		assert_int_equal(call(ids[i], &ts), expected);
		assert_int_equal(errno, 4711);
	}
	assert_int_equal(call(CLOCK_MONOTONIC, NULL), -EFAULT);
	assert_int_equal(call(CLOCK_MONOTONIC_COARSE, NULL), -EFAULT);
}

static void getres(void **state)
{
	int (*call)(int id, struct timespec *res) = function("__vdso_clock_getres");
	int id;

	(void)state;
	for (id = 0; id < 12; id++) {
		struct timespec ours = {1, 2}, kernels = {1, 2};
		long ret = syscall(SYS_clock_getres, id, &kernels);

		assert_int_equal(call(id, &ours), ret ? -errno : 0);
		assert_memory_equal(&ours, &kernels, sizeof(ours));
		assert_int_equal(call(id, NULL), ret ? -errno : 0);
	}
}

static void gettimeofday_and_time(void **state)
{
	int (*day)(struct timeval * tv, void *tz) = function("__vdso_gettimeofday");
	time_t (*seconds)(time_t * t) = function("__vdso_time");
	struct timezone ours = {7, 7}, kernels = {8, 8};
	struct timeval tv = {-1, -1};
	int64_t low = kernel_ns(CLOCK_REALTIME) / 1000;
	int64_t coarse = kernel_ns(CLOCK_REALTIME_COARSE);
	time_t t, same;

	(void)state;
	assert_int_equal(day(&tv, NULL), 0);
	assert_in_range(tv.tv_usec, 0, 999999);
	assert_true(tv.tv_sec * 1000000 + tv.tv_usec >= low);
	assert_true(tv.tv_sec * 1000000 + tv.tv_usec <= kernel_ns(CLOCK_REALTIME) / 1000);
	syscall(SYS_gettimeofday, NULL, &kernels);
	assert_int_equal(day(NULL, &ours), 0);
	assert_memory_equal(&ours, &kernels, sizeof(ours));
	t = seconds(&same);
	assert_int_equal(t, same);
	assert_true(t >= coarse / NSEC && t <= kernel_ns(CLOCK_REALTIME) / NSEC);
	assert_true(seconds(NULL) >= t);
}

static void getcpu_where_we_are(void **state)
{
	long (*call)(unsigned *cpu, unsigned *node, void *unused) = function("__vdso_getcpu");
	cpu_set_t allowed, one;
	int cpu;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		unsigned is = ~0u, node = ~0u, kernels = ~0u;

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(syscall(SYS_getcpu, NULL, &kernels, NULL), 0);
		assert_int_equal(call(&is, &node, NULL), 0);
		assert_int_equal(is, cpu);
		assert_int_equal(node, kernels);
		assert_int_equal(call(NULL, NULL, NULL), 0);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* All zeros, aligned as the core wants it, and no call changes a thing. */
static void block(void **state)
{
	const unsigned char *core = dlsym(image, "pvclock_vdso_core");
	const ElfW(Sym) * sym;
	Dl_info info;
	size_t i;

	(void)state;
	assert_non_null(core);
	assert_ptr_equal(dlvsym(image, "pvclock_vdso_core", "PVCLOCK_0.1"), core);
	assert_int_equal((uintptr_t)core % 64, 0);
	assert_int_not_equal(dladdr1(core, &info, (void **)&sym, RTLD_DL_SYMENT), 0);
	assert_true(sym->st_size > 1024);
	for (i = 0; i < sym->st_size; i++)
		if (core[i])
			fail_msg("byte %zu of the block is %#x", i, core[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gettime),
		cmocka_unit_test(errors),
		cmocka_unit_test(getres),
		cmocka_unit_test(gettimeofday_and_time),
		cmocka_unit_test(getcpu_where_we_are),
		cmocka_unit_test(block),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
