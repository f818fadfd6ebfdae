// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The one file that knows libnuma: state that one thread's readers use lies on
 * that thread's node. Machines and kernels without NUMA get plain pages.
 */
#include "lib.h"

#include <errno.h>
#include <numa.h>
#include <pthread.h>
#include <sys/mman.h>

/*
 * libnuma keeps what it first read of a node, without a lock: two threads at once write
 * the same memory. So it is asked here by one thread, once; asked again it would say the
 * same. Not a mutex: a child forked while another thread asks begins anew.
 */
static pthread_once_t asked = PTHREAD_ONCE_INIT;
static int node_of_cpu[PVCLOCK_PAGE_SLOTS];

static void ask(void)
{
	int cpu;

	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		node_of_cpu[cpu] = numa_node_of_cpu(cpu);
}

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
	int saved = errno;

	if (numa_available() >= 0)
		numa_free(memory, size);
	else
		munmap(memory, size);
	errno = saved;
}

int pvc_node_of_cpu(unsigned cpu)
{
	int saved = errno, node = -1;

	if (numa_available() >= 0) {
		pthread_once(&asked, ask);
		node = node_of_cpu[cpu];
	}
	errno = saved;
	return node;
}

/* The node as an index; PVC_NODES: not known, as of a CPU that is not there. */
static unsigned slot_of(unsigned cpu)
{
	int node = pvc_node_of_cpu(cpu);

	if (node < 0)
		return PVC_NODES;
	return node < PVC_NODES ? (unsigned)node : PVC_NODES - 1;
}

/* How many entries the page has is not known yet. Where memory is short, the block's do. */
void pvc_node_records(struct pvc_core *b, struct pvc_node_records *n, bool foreign)
{
	unsigned used[PVC_NODES] = {0}, cpu, node;
	int saved = errno;

	*n = (struct pvc_node_records){0};
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		b->record_of[cpu] = NULL;
	if (foreign || numa_available() < 0 || numa_num_configured_nodes() < 2) {
		errno = saved;
		return;
	}
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		if ((node = slot_of(cpu)) < PVC_NODES)
			n->size[node] += sizeof(struct pvc_record);
	for (node = 0; node < PVC_NODES; node++)
		if (n->size[node])
			n->memory[node] = numa_alloc_onnode(n->size[node], (int)node);
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++) {
		node = slot_of(cpu);
		if (node < PVC_NODES && n->memory[node])
			b->record_of[cpu] = (struct pvc_record *)n->memory[node] + used[node]++;
	}
	errno = saved;
}

void pvc_node_records_free(struct pvc_node_records *n)
{
	unsigned node;

	for (node = 0; node < PVC_NODES; node++)
		if (n->memory[node])
			numa_free(n->memory[node], n->size[node]);
	*n = (struct pvc_node_records){0};
}
