// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one file that knows libnuma: state that one thread's readers use lies on
 * that thread's node. Machines and kernels without NUMA get plain pages.
 */
#include "lib.h"

#include <errno.h>
#include <numa.h>
#include <sys/mman.h>

void *pvc_node_alloc(size_t size)
{
	int saved = errno;
	void *memory;

	if (numa_available() >= 0) {
		memory = numa_alloc_local(size);
	} else {
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		              0);
		if (memory == MAP_FAILED)
			memory = NULL;
	}
	errno = saved;
	return memory;
}

void pvc_node_free(void *memory, size_t size)
{
	if (numa_available() >= 0)
		numa_free(memory, size);
	else
		munmap(memory, size);
}
