// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Any bytes as an ELF vDSO: found or not, but never a byte read beyond the size
 * that was given, and never a function outside of it.
 */
#include "../../lib/attach/attach.h"
#include "fuzz.h"

static void look(const unsigned char *image, size_t size, const char *name)
{
	const unsigned char *found = pvc_vdso_function(image, size, name);

	fuzz_must(!found || (found >= image && found < image + size), "%s: at %p of %p, %zu", name,
	          (const void *)found, (const void *)image, size);
}

/* Its promise: it reads no more than the first page. */
static void size_of(const uint8_t *data, size_t size)
{
	unsigned char page[PVCLOCK_PAGE_SIZE] = {0}, *copy;

	memcpy(page, data, size < sizeof(page) ? size : sizeof(page));
	copy = fuzz_copy(page, sizeof(page));
	(void)pvc_vdso_size(copy);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *image = fuzz_copy(data, size);

	look(image, size, "__vdso_clock_gettime");
	look(image, size, "__vdso_time");
	look(image, size, "");
	if (size)
		look(image + 1, size - 1, "__vdso_time");
	free(image);
	size_of(data, size);
	return 0;
}
