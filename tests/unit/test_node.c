// SPDX-License-Identifier: LGPL-2.1-or-later
/* Records on their CPUs' nodes, on machines of a libnuma that the test makes up. */
#include <numa.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "sim.h"

static int available, nodes;
static int node_of[PVCLOCK_PAGE_SLOTS];
static bool no_memory;
static int allocated, locals;
static size_t size_on[64];
static atomic_int inside, at_once;

int numa_available(void)
{
	errno = ENOSYS;
	return available;
}

int numa_num_configured_nodes(void)
{
	return nodes;
}

int numa_node_of_cpu(int cpu)
{
	if (atomic_fetch_add(&inside, 1))
		atomic_fetch_add(&at_once, 1);
	nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
	atomic_fetch_sub(&inside, 1);
	errno = EINVAL;
	return cpu < PVCLOCK_PAGE_SLOTS ? node_of[cpu] : -1;
}

static void *allocate(size_t size)
{
	if (no_memory)
		return NULL;
	allocated++;
	return calloc(1, size);
}

void *numa_alloc_onnode(size_t size, int node)
{
	size_on[node] += size;
	return allocate(size);
}

void *numa_alloc_local(size_t size)
{
	locals++;
	return allocate(size);
}

void numa_free(void *memory, size_t size)
{
	(void)size;
	allocated--;
	free(memory);
}

#include "../../lib/node.c" /* NOLINT(bugprone-suspicious-include): with libnuma made up */

static struct pvc_core core;
static struct pvc_node_records records;

static void machine(int is_available, int is_nodes)
{
	unsigned cpu;

	available = is_available;
	nodes = is_nodes;
	no_memory = false;
	asked = (pthread_once_t)PTHREAD_ONCE_INIT;
	allocated = locals = 0;
	memset(size_on, 0, sizeof(size_on));
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		node_of[cpu] = -1;
	errno = 77;
}

static void none_in_the_block(void)
{
	unsigned cpu;

	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++)
		assert_null(core.record_of[cpu]);
	assert_int_equal(allocated, 0);
	assert_int_equal(errno, 77);
	pvc_node_records_free(&records);
	assert_int_equal(allocated, 0);
}

static void nothing_to_spread(void **state)
{
	(void)state;
	machine(-1, 3);
	memset(core.record_of, 0xff, sizeof(core.record_of));
	pvc_node_records(&core, &records, false);
	none_in_the_block();
	assert_int_equal(pvc_node_of_cpu(0), -1);
	machine(0, 1);
	node_of[0] = 0;
	pvc_node_records(&core, &records, false);
	none_in_the_block();
	assert_int_equal(pvc_node_of_cpu(0), 0);
	machine(0, 3);
	node_of[0] = 1;
	pvc_node_records(&core, &records, true);
	none_in_the_block();
}

/* Each record in its node's memory, none of them twice; CPUs that are not there have none. */
static void spread(int is_nodes, unsigned cpus, int first)
{
	unsigned cpu, other, memories = 0, node;

	machine(0, is_nodes);
	for (cpu = 0; cpu < cpus; cpu++)
		node_of[cpu] = first + (int)(cpu * 5 % (unsigned)is_nodes);
	pvc_node_records(&core, &records, false);
	for (cpu = 0; cpu < PVCLOCK_PAGE_SLOTS; cpu++) {
		struct pvc_record *rec = core.record_of[cpu];

		assert_int_equal(rec != NULL, cpu < cpus);
		if (!rec)
			continue;
		node = node_of[cpu] < PVC_NODES ? (unsigned)node_of[cpu] : PVC_NODES - 1;
		assert_true((char *)rec >= (char *)records.memory[node] &&
		            (char *)(rec + 1) <= (char *)records.memory[node] + records.size[node]);
		assert_int_equal(atomic_load(&rec->stamp), 0);
		for (other = 0; other < cpu; other++)
			assert_ptr_not_equal(core.record_of[other], rec);
	}
	for (node = 0; node < PVC_NODES; node++) {
		memories += records.memory[node] != NULL;
		assert_int_equal(records.size[node], size_on[node]);
	}
	assert_int_equal(allocated, memories);
	assert_int_equal(errno, 77);
	pvc_node_records_free(&records);
	assert_int_equal(allocated, 0);
	pvc_node_records_free(&records);
	assert_int_equal(allocated, 0);
}

static void spread_over_nodes(void **state)
{
	(void)state;
	spread(3, 12, 0);
	spread(2, 64, 0);
	spread(3, 1, 2);
	spread(64, 64, 0);
	/* Nodes beyond those that records are spread over. */
	spread(4, 8, 14);
}

static void no_memory_left(void **state)
{
	void *memory;
	(void)state;
	machine(0, 2);
	node_of[0] = 0;
	node_of[1] = 1;
	no_memory = true;
	pvc_node_records(&core, &records, false);
	none_in_the_block();
	memory = pvc_node_alloc(100);
	assert_null(memory);
	assert_int_equal(errno, 77);
	free(memory);
}

static void blocks(void **state)
{
	unsigned char *memory;
	size_t i;
	(void)state;

	machine(0, 2);
	memory = pvc_node_alloc(5000);
	assert_int_equal(locals, 1);
	pvc_node_free(memory, 5000);
	assert_int_equal(allocated, 0);
	machine(-1, 2);
	memory = pvc_node_alloc(5000);
	assert_int_equal(locals, 0);
	for (i = 0; i < 5000; i++)
		assert_int_equal(memory[i], 0);
	pvc_node_free(memory, 5000);
	assert_int_equal(errno, 77);
	assert_null(pvc_node_alloc((size_t)1 << 60));
	assert_int_equal(errno, 77);
}

static void *ask_node(void *cpu)
{
	return pvc_node_of_cpu(*(unsigned *)cpu) == 5 ? cpu : NULL;
}

/* libnuma is not made for threads that ask it at once. */
static void by_one_thread(void **state)
{
	static unsigned cpu = 63;
	pthread_t thread[8];
	void *answer;
	unsigned i;
	(void)state;

	machine(0, 6);
	node_of[cpu] = 5;
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_node, &cpu), 0);
	for (i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(thread[i], &answer), 0);
		assert_ptr_equal(answer, &cpu);
	}
	assert_int_equal(atomic_load(&at_once), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_spread),
		cmocka_unit_test(spread_over_nodes),
		cmocka_unit_test(no_memory_left),
		cmocka_unit_test(by_one_thread),
		cmocka_unit_test(blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
