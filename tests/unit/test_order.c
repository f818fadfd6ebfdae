// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The ordered reads of the TSC: which one a processor gets, that each of them is one, and
 * the whole block on a processor that has no RDTSCP.
 */
#include "simexact.h"
#include "simstep.h"

static const enum pvc_order orders[] = {PVC_ORDER_MFENCE, PVC_ORDER_LFENCE, PVC_ORDER_RDTSCP};
#define ORDERS (sizeof(orders) / sizeof(*orders))

static void pin(void)
{
	unsigned cpu[PVCLOCK_PAGE_SLOTS], n = sim_cpus(cpu);

	assert_true(sim_pin(cpu[n - 1]));
}

/* Each is of an instant between the calls around it. */
static void in_order(void **state)
{
	unsigned i, n;

	(void)state;
	if (!sim_has_rdtscp("ordered reads"))
		skip();
	pin();
	for (i = 0; i < 10000; i++)
		for (n = 0; n < ORDERS; n++) {
			uint32_t aux;
			uint64_t before = pvc_rdtscp(&aux), tsc, after;

			/* RDTSCP waits for what is before it, and nothing waits for it. */
			_mm_lfence();
			tsc = pvc_rdtsc_ordered(orders[n]);
			after = pvc_rdtscp(&aux);
			assert_true(before <= tsc && tsc <= after);
		}
	sim_unpin();
}

/* As attach leaves a block on a processor with that order. */
static void start_with(enum pvc_order order)
{
	simx_start(3, PVC_VVAR_TSC);
	simx_attach(PVC_MODE_KERNEL);
	core.order = order;
	core.may_percpu = order == PVC_ORDER_RDTSCP;
	pvc_source_start(&core, PVC_MODE_STABLE, PVC_WHY_STABLE);
}

/* The kernel's clock between two answers of the kernel, from the line and not from it. */
static void without_rdtscp(void **state)
{
	struct sim_entry e;
	unsigned i, n;
	uint64_t ns;

	(void)state;
	if (!sim_tsc_in_step("other orders"))
		skip();
	for (n = 0; n < ORDERS; n++) {
		if (orders[n] == PVC_ORDER_RDTSCP && !sim_has_rdtscp("RDTSCP"))
			continue;
		start_with(orders[n]);
		assert_int_equal(atomic_load(&core.fast) != 0, orders[n] == PVC_ORDER_RDTSCP);
		ns = hyper();
		for (i = 0; i < 2000; i++) {
			uint64_t more = hyper();

			if (i % 100 == 0)
				simv_update(SIMV_TICK, 0);
			assert_true(simx_all_within(0));
			assert_true(more >= ns);
			ns = more;
		}
		assert_true(pvc_exact(&core));
		assert_int_equal(simx_count(&core.count_of.fallbacks), 0);
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
		if (orders[n] == PVC_ORDER_RDTSCP)
			continue;
		/* Whose CPU's a TSC is, is not known: where that matters the kernel answers. */
		e = entry;
		e.flags = 0;
		sim_put_all(&page, &e);
		for (i = 0; i < 100; i++)
			assert_true(simx_all_within(0));
		assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	}
}

/* ---- which one a processor gets ------------------------------------------------------- */

struct processor {
	const char *name;
	uint32_t most_extended; /* EAX of 0x80000000 */
	uint32_t features;      /* EDX of 0x80000001 */
	uint32_t signature;     /* EAX of 1 */
	enum pvc_order order;
};

#define HAS_RDTSCP (1u << 27)

/* Signatures as in the vendors' documents. */
static const struct processor processors[] = {
	{"AuthenticAMD", 0x8000001e, HAS_RDTSCP, 0x00a20f10, PVC_ORDER_RDTSCP}, /* Zen 3 */
	{"GenuineIntel", 0x80000008, HAS_RDTSCP, 0x000906ea, PVC_ORDER_RDTSCP},
	{"GenuineIntel", 0x80000008, 0x20100800, 0x000006fb, PVC_ORDER_LFENCE}, /* Core 2 */
	{"GenuineIntel", 0x80000000, HAS_RDTSCP, 0x00000f29, PVC_ORDER_LFENCE}, /* no such leaf */
	{"GenuineIntel", 0, HAS_RDTSCP, 0x00000673, PVC_ORDER_LFENCE},
	{"AuthenticAMD", 0x80000018, 0, 0x00000f51, PVC_ORDER_MFENCE}, /* K8: 0Fh */
	{"AuthenticAMD", 0x8000001b, 0, 0x00100f42, PVC_ORDER_LFENCE}, /* K10: 10h */
	{"AuthenticAMD", 0x8000001e, 0, 0x00600f12, PVC_ORDER_LFENCE}, /* 15h */
	{"HygonGenuine", 0x8000001e, 0, 0x00900f01, PVC_ORDER_MFENCE},
	{"CentaurHauls", 0x80000008, 0, 0x000006fd, PVC_ORDER_MFENCE},
};

static const struct processor *is;
static unsigned asked;

static uint32_t letters(unsigned at)
{
	uint32_t four;

	memcpy(&four, is->name + at, sizeof(four));
	return four;
}

/* A leaf beyond the last says anything; here that there is nothing that it has not. */
static void another_processor(const uint8_t *instruction, greg_t *r)
{
	uint32_t leaf = (uint32_t)r[REG_RAX];

	if (!step_is_cpuid(instruction))
		return;
	asked++;
	r[REG_RIP] += 2;
	r[REG_RAX] = r[REG_RBX] = r[REG_RCX] = r[REG_RDX] = 0xffffffff;
	if (leaf == 0) {
		r[REG_RBX] = letters(0);
		r[REG_RDX] = letters(4);
		r[REG_RCX] = letters(8);
	} else if (leaf == 1) {
		r[REG_RAX] = is->signature;
	} else if (leaf == 0x80000000u) {
		r[REG_RAX] = is->most_extended;
	} else if (leaf == 0x80000001u && leaf <= is->most_extended) {
		r[REG_RDX] = is->features;
	}
}

static void order_of_each(void **state)
{
	enum pvc_order order;
	unsigned i;

	(void)state;
	if (!step_possible())
		skip();
	for (i = 0; i < sizeof(processors) / sizeof(*processors); i++) {
		is = &processors[i];
		asked = 0;
		step_begin(another_processor);
		order = pvc_order_of_this_cpu();
		step_end();
		if (order != is->order)
			print_error("%s, %x\n", is->name, is->signature);
		assert_int_equal(order, is->order);
		/* Each of them costs microseconds in a guest. */
		assert_in_range(asked, 2, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(without_rdtscp),
		cmocka_unit_test(order_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
