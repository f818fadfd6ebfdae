// SPDX-License-Identifier: LGPL-2.1-or-later
/* The image that can stand in for the kernel's vDSO, attached to the live page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../lib/attach/attach.h"

#define NSEC 1000000000

static int64_t ns_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NSEC + ts->tv_nsec;
}

static int64_t kernel_ns(void)
{
	struct timespec ts;

	assert_int_equal(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts), 0);
	return ns_of(&ts);
}

static void *load(void)
{
	const char *build = getenv("PVCLOCK_BUILD");
	char path[PATH_MAX];
	void *image;

	snprintf(path, sizeof(path), "%s/pvclock-vdso.so", build ? build : "build");
	image = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!image)
		fail_msg("%s", dlerror());
	return image;
}

/* Filled as whoever maps it will: with the page and vDSO of this process. */
static void attached(void **state)
{
	void *image = load();
	struct pvc_core *block = dlsym(image, "pvclock_vdso_core");
	int (*call)(int id, struct timespec *ts);
	struct pvc_options options;
	int64_t last = 0;
	int i;
	(void)state;

	*(void **)&call = dlsym(image, "__vdso_clock_gettime");
	assert_non_null(block);
	assert_non_null(call);
	pvc_options_default(&options);
	pvc_attach(block, &options);
	if (block->mode == PVC_MODE_KERNEL) {
		printf("SKIP: the image on the page: %s\n",
		       pvc_reason_text((enum pvc_reason)block->reason));
		skip();
	}
	for (i = 0; i < 1000000; i++) {
		int64_t before = kernel_ns(), now;
		struct timespec ts;

		assert_int_equal(call(CLOCK_MONOTONIC, &ts), 0);
		now = ns_of(&ts);
		assert_true(now >= before - 1000 && now <= kernel_ns() + 1000);
		assert_true(now >= last);
		last = now;
	}
	assert_int_equal(block->proved, 1);
	assert_true(block->count_of.anchors > 10);
	assert_int_equal(dlclose(image), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(attached)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
