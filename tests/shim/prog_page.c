// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Takes the kernel's pvclock page away from itself and is the host of what is there
 * instead: leaves every entry in mid-update for a while, and then goes on. Ends with 77
 * where there is no page that it can take.
 */
#include <sys/mman.h>

#include "prog.h"

#define NOT_HERE 77
#define PAGE 4096ul
#define SLOT 64ul
#define MANY 20000
#define STUCK_MS 400 /* until it is given up */
#define WHILE_MS 500 /* until it is taken back and that is told */
#define MS 1000000ll

static _Atomic int64_t seen[STEADY];

/* A mapping of its own, from Linux 6.13 on; before, it cannot be had alone. */
static uintptr_t find_page(size_t *size)
{
	uintptr_t at = 0, end = 0;
	char line[256];
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		return 0;
	while (!at && fgets(line, sizeof(line), f))
		if (strstr(line, "[vvar_vclock]") && sscanf(line, "%lx-%lx", &at, &end) != 2)
			at = 0;
	fclose(f);
	*size = end - at;
	return at;
}

/* Versions, which are what is wrong with it: 1 begins an update, and 1 more ends it. */
static void move_versions(char *page)
{
	size_t i;

	for (i = 0; i < PAGE; i += SLOT) {
		uint32_t *version = (uint32_t *)(page + i);

		__atomic_store_n(version, *version + 1, __ATOMIC_SEQ_CST);
	}
}

static void read_on_steadily(int times, int64_t ns)
{
	int64_t end = kernel_ns(CLOCK_MONOTONIC) + ns;
	int i;

	for (i = 0; i < times || kernel_ns(CLOCK_MONOTONIC) < end; i++)
		read_steady(seen, "the host");
}

int main(void)
{
	size_t size = 0;
	uintptr_t at = find_page(&size);
	static char copy[PAGE];
	int64_t begun;
	char *page;

	if (!at)
		_exit(NOT_HERE);
	read_on_steadily(MANY, 0);
	memcpy(copy, (const void *)at, PAGE);
	page = mmap((void *)at, size, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	/* A kernel may have sealed it. */
	if (page == MAP_FAILED)
		_exit(NOT_HERE);
	memcpy(page, copy, PAGE);
	read_on_steadily(MANY, 0);
	move_versions(page);
	begun = kernel_ns(CLOCK_MONOTONIC);
	read_on_steadily(MANY, STUCK_MS * MS);
	move_versions(page);
	/* The longer it was of no use, the later somebody looks again. */
	read_on_steadily(MANY, WHILE_MS * MS + 3 * (kernel_ns(CLOCK_MONOTONIC) - begun));
	return 0;
}
