// SPDX-License-Identifier: LGPL-2.1-or-later
/* Functions of a vDSO image: the kernel's, ours, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "../../lib/attach/attach.h"

static const unsigned char *image;
static size_t image_size;

static int take_image(void **state)
{
	struct pvc_maps maps;
	(void)state;

	if (!pvc_maps_read(&maps) || !maps.vdso)
		return -1;
	image = (const unsigned char *)maps.vdso;
	image_size = maps.vdso_end - maps.vdso;
	return 0;
}

static void kernels(void **state)
{
	int (*getcpu)(unsigned *cpu, unsigned *node, void *unused);
	unsigned cpu = ~0u;
	size_t size = pvc_vdso_size(image);
	(void)state;

	assert_ptr_equal(image, (void *)getauxval(AT_SYSINFO_EHDR));
	assert_true(size > 0 && size <= image_size);
	assert_non_null(pvc_vdso_function(image, size, "__vdso_clock_gettime"));
	assert_non_null(pvc_vdso_function(image, image_size, "__vdso_gettimeofday"));
	assert_non_null(pvc_vdso_function(image, image_size, "__vdso_time"));
	assert_null(pvc_vdso_function(image, image_size, "__vdso_clock_gettim"));
	assert_null(pvc_vdso_function(image, image_size, "__vdso_clock_gettimeX"));
	assert_null(pvc_vdso_function(image, image_size, ""));
	*(void **)&getcpu = pvc_vdso_function(image, image_size, "__vdso_getcpu");
	assert_non_null(getcpu);
	assert_int_equal(getcpu(&cpu, NULL, NULL), 0);
	assert_true(cpu < 4096);
}

static void no_image(void **state)
{
	(void)state;
	assert_null(pvc_vdso_function(NULL, 0, "__vdso_time"));
	assert_null(pvc_vdso_function(image, 0, "__vdso_time"));
	assert_null(pvc_vdso_function(image, 63, "__vdso_time"));
	assert_null(pvc_vdso_function(image + 1, image_size - 1, "__vdso_time"));
}

/* Cut short, or with any bytes wrong: found or not, never out of bounds. */
static void damaged(void **state)
{
	unsigned char *copy = aligned_alloc(16, image_size);
	unsigned round;
	size_t size;
	(void)state;

	assert_non_null(copy);
	/* The end of the allocation is the end of the image, as ASan sees it. */
	for (size = 0; size < image_size; size += 8) {
		unsigned char *cut = size ? malloc(size) : NULL;

		if (cut) {
			memcpy(cut, image, size);
			(void)pvc_vdso_function(cut, size, "__vdso_clock_gettime");
		}
		free(cut);
	}
	srandom(2);
	for (round = 0; round < 20000; round++) {
		unsigned hits = 1 + (unsigned)random() % 8;
		const unsigned char *found;

		memcpy(copy, image, image_size);
		while (hits--)
			copy[(size_t)random() % 2048] = (unsigned char)random();
		found = pvc_vdso_function(copy, image_size, "__vdso_clock_gettime");
		assert_true(!found || (found >= copy && found < copy + image_size));
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels),
		cmocka_unit_test(no_image),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, take_image, NULL);
}
