// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the benchmark runs: one CPU for all rows, a neighbour on the same node
 * for the thread that contends, and the samples in that node's memory.
 */
#include <errno.h>
#include <error.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench_args.h"

typedef struct {
	cpu_set_t part[BENCH_CPUS / CPU_SETSIZE];
} cpus;

static bool is_allowed(const cpus *set, int cpu)
{
	return CPU_ISSET_S(cpu, sizeof(*set), set->part);
}

static int node_of(int cpu)
{
	/* Without this check the rest of libnuma is undefined. */
	return numa_available() < 0 ? -1 : numa_node_of_cpu(cpu);
}

/* Any other allowed CPU, of the same node if there is one. */
static int find_other(const cpus *set, int cpu)
{
	int i, other = -1, node = node_of(cpu);

	for (i = 0; i < BENCH_CPUS; i++) {
		if (i == cpu || !is_allowed(set, i))
			continue;
		if (other < 0)
			other = i;
		if (node_of(i) == node)
			return i;
	}
	return other;
}

static void read_allowed(cpus *set)
{
	memset(set, 0, sizeof(*set));
	if (sched_getaffinity(0, sizeof(*set), set->part))
		error(ARGS_EXIT_FAILURE, errno, "cannot learn the allowed CPUs");
}

/* "0-3,8": as taskset -c takes it. */
static void list_allowed(const cpus *set, char *text, size_t size)
{
	size_t used = 0;
	int first, last;

	for (first = 0; first < BENCH_CPUS && used < size; first = last + 1) {
		last = first;
		if (!is_allowed(set, first))
			continue;
		while (last + 1 < BENCH_CPUS && is_allowed(set, last + 1))
			last++;
		used += (size_t)snprintf(text + used, size - used,
		                         last > first ? "%s%d-%d" : "%s%d", used ? "," : "", first,
		                         last);
	}
}

void bench_cpus_allowed(struct bench_cpus *all)
{
	cpus set;
	int i;

	read_allowed(&set);
	list_allowed(&set, all->text, sizeof(all->text));
	all->count = 0;
	for (i = 0; i < BENCH_CPUS; i++)
		if (is_allowed(&set, i))
			all->cpu[all->count++] = i;
}

int bench_place_pin(int cpu)
{
	cpus set;

	memset(&set, 0, sizeof(set));
	CPU_SET_S(cpu, sizeof(set), set.part);
	return sched_setaffinity(0, sizeof(set), set.part) ? errno : 0;
}

void bench_place_take(struct bench_place *place, int cpu)
{
	cpus set;
	int err;

	read_allowed(&set);
	bench_cpus_allowed(&place->allowed);
	place->cpu = place->allowed.cpu[place->allowed.count - 1];
	if (cpu >= 0 && !is_allowed(&set, cpu))
		error(ARGS_EXIT_USAGE, 0, "--cpu: '%d' is not one of the CPUs allowed here, %s",
		      cpu, place->allowed.text);
	if (cpu >= 0)
		place->cpu = cpu;
	err = bench_place_pin(place->cpu);
	if (err)
		error(ARGS_EXIT_FAILURE, err, "cannot stay on CPU %d", place->cpu);
	place->node = node_of(place->cpu);
	place->other = find_other(&set, place->cpu);
}

void *bench_place_alloc(const struct bench_place *place, size_t size)
{
	void *memory = place->node < 0 ? malloc(size) : numa_alloc_onnode(size, place->node);

	if (!memory)
		error(ARGS_EXIT_FAILURE, 0, "no memory for the samples");
	return memset(memory, 0, size);
}

void bench_place_free(const struct bench_place *place, void *memory, size_t size)
{
	if (place->node < 0)
		free(memory);
	else
		numa_free(memory, size);
}
