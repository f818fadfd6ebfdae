// SPDX-License-Identifier: LGPL-2.1-or-later
/* The page as a source: readings by one entry, and looking at what has happened to them. */
#include "../../vdso/entry.h"
#include "../../vdso/now.h"
#include "simblock.h"

#define SEC 1000000000ll

static unsigned cpu; /* the one that we are pinned to */

/* Stands in for the word where glibc's rseq says on which CPU this thread is. */
static __thread uint32_t rseq_cpu;

static bool begin(enum pvc_mode mode)
{
	if (!pinned(&cpu))
		return false;
	attach(mode);
	return true;
}

static void begin_rseq(uint32_t on)
{
	uint64_t fs;

	__asm__("movq %%fs:0, %0" : "=r"(fs));
	rseq_cpu = on;
	core.rseq_cpu = (int32_t)((int64_t)(uintptr_t)&rseq_cpu - (int64_t)fs);
	pvc_source_calm(&core);
}

static unsigned other_than_ours(void)
{
	return cpu ? 0 : 1;
}

/* Entry 0 spoke for CPUs without one. Without STABLE each has its own again. */
static void no_mask_per_cpu(void **state)
{
	struct pvc_reading r;
	uint64_t ns;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	ns = hyper();
	atomic_store(&core.cpu_mask, 0);
	entry = sim_moved(&entry, 0);
	entry.flags = 0;
	sim_put_all(&page, &entry);
	assert_true(hyper() >= ns);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_PERCPU);
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	assert_int_equal(pvc_source_sample(&core, &r), PVC_OK);
	assert_int_equal(r.cpu, cpu);
	assert_int_equal(r.version, page.slot[cpu].info.version);
	assert_int_equal(r.system_time, entry.system_time);
	sim_unpin();
}

/* An entry is asked for, and one of the two that it takes cannot be read. */
static void one_of_two_is_busy(void **state)
{
	unsigned other;
	uint64_t ns = 0, first = 0;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	other = other_than_ours();
	hyper();
	assert_int_equal(pvc_source_now_of(&core, other, &first), PVC_OK);
	/* Ours, by whose TSC it is computed. */
	sim_begin(&page.slot[cpu]);
	assert_int_equal(pvc_source_now_of(&core, other, &ns), PVC_BUSY);
	sim_end(&page.slot[cpu]);
	assert_int_equal(pvc_source_now_of(&core, other, &ns), PVC_OK);
	assert_true(ns >= first);
	/* The one that was asked for. */
	sim_begin(&page.slot[other]);
	assert_int_equal(pvc_source_now_of(&core, other, &first), PVC_BUSY);
	assert_int_equal(pvc_source_now_of(&core, cpu, &first), PVC_OK);
	sim_end(&page.slot[other]);
	assert_int_equal(pvc_source_now_of(&core, other, &first), PVC_OK);
	assert_true(first >= ns);
	assert_int_equal(pvc_source_now_of(&core, PVCLOCK_PAGE_SLOTS, &ns), PVC_NO_ENTRY);
	sim_unpin();
}

/* Stopped, and then in mid-update: what the flag says now is not known, and not told. */
static void stopped_and_busy(void **state)
{
	(void)state;
	if (!begin(PVC_MODE_STABLE))
		return;
	hyper();
	entry.flags |= PVCLOCK_GUEST_STOPPED;
	sim_put(&page, cpu, &entry);
	pvc_source_look(&core);
	assert_int_equal(atomic_load(&core.stopped), 1ull << cpu);
	assert_int_equal(atomic_load(&core.events), 1);
	entry.flags &= (uint8_t)~PVCLOCK_GUEST_STOPPED;
	sim_begin(&page.slot[cpu]);
	sim_fields(&page.slot[cpu], &entry);
	pvc_source_look(&core);
	assert_int_equal(atomic_load(&core.stopped), 1ull << cpu);
	sim_end(&page.slot[cpu]);
	pvc_source_look(&core);
	assert_int_equal(atomic_load(&core.stopped), 0);
	assert_int_equal(atomic_load(&core.events), 1);
	sim_unpin();
}

/* The kernel takes the flag back in place: that is looked at, though no version moved. */
static void no_longer_stopped(void **state)
{
	(void)state;
	if (!begin(PVC_MODE_STABLE))
		return;
	begin_rseq(cpu);
	hyper();
	entry.flags |= PVCLOCK_GUEST_STOPPED;
	sim_put(&page, cpu, &entry);
	assert_int_equal(pvc_generation(&core), 1);
	assert_int_equal(atomic_load(&core.calm), 0);
	assert_int_equal(pvc_generation(&core), 1);
	assert_int_equal(atomic_load(&core.stopped), 1ull << cpu);
	__atomic_store_n(&page.slot[cpu].info.flags, PVCLOCK_TSC_STABLE_BIT, __ATOMIC_RELEASE);
	assert_int_equal(pvc_generation(&core), 1);
	assert_int_equal(atomic_load(&core.stopped), 0);
	assert_int_equal(atomic_load(&core.calm), 1);
	/* And the next stop is another event. */
	sim_put(&page, cpu, &entry);
	assert_int_equal(pvc_generation(&core), 2);
	sim_unpin();
}

/* A CPU beyond the entries has none of which something could be told. */
static void beyond_the_entries(void **state)
{
	(void)state;
	if (!begin(PVC_MODE_PERCPU))
		return;
	begin_rseq(cpu);
	hyper();
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	begin_rseq(core.count);
	assert_int_equal(pvc_generation(&core), 0);
	begin_rseq(UINT32_MAX);
	assert_int_equal(pvc_generation(&core), 0);
	begin_rseq(cpu);
	assert_int_equal(pvc_generation(&core), 1);
	sim_unpin();
}

/* Which CPU this is takes longer to learn than a load: entry 0 is what is looked at. */
static void without_rseq(void **state)
{
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	core.rseq_cpu = 0;
	pvc_source_calm(&core);
	hyper();
	assert_int_equal(pvc_generation(&core), 0);
	entry = sim_moved(&entry, 5000000);
	sim_put(&page, 0, &entry);
	assert_int_equal(pvc_generation(&core), 1);
	sim_unpin();
}

/* Nonsense in another entry than 0 is looked at some times, and not for ever. */
static void nonsense_in_one(void **state)
{
	const struct sim_entry zero = {0};
	uint64_t ns;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	ns = hyper();
	sim_put(&page, 3, &zero);
	pvc_source_look_at_all(&core);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_STABLE);
	assert_int_equal(atomic_load(&core.cpu_mask), 0);
	assert_true(atomic_load(&core.seen[3]) == PVC_UNSEEN);
	assert_int_equal(atomic_load(&core.seen[5]), page.slot[5].info.version);
	assert_true(hyper() >= ns);
	sim_unpin();
}

/* In entry 0, by which the others would be known: the page is given up, and left alone. */
static void nonsense_in_entry_0(void **state)
{
	const struct sim_entry zero = {0};
	uint64_t ns;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	hyper();
	sim_put_all(&page, &entry);
	sim_put(&page, 0, &zero);
	pvc_source_look_at_all(&core);
	assert_int_equal(atomic_load(&core.mode), PVC_MODE_KERNEL);
	assert_int_equal(atomic_load(&core.reason), PVC_WHY_NONSENSE);
	assert_int_equal(atomic_load(&core.events), 1);
	assert_true(atomic_load(&core.seen[5]) != page.slot[5].info.version);
	assert_false(sim_now(&core, &ns));
	sim_unpin();
}

/* A vCPU that has not run since a change has an entry of before it, whenever that is looked at. */
static void of_before(void **state)
{
	struct sim_entry before;
	unsigned other;
	uint64_t ns, of;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	other = other_than_ours();
	ns = hyper();
	before = sim_moved(&entry, 0);
	sim_put(&page, other, &before);
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	ns += 5 * SEC;
	assert_in_range(hyper(), ns, ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	pvc_source_look_at_all(&core);
	assert_int_equal(pvc_source_now_of(&core, other, &of), PVC_BUSY);
	assert_true(atomic_load(&core.seen[other]) != page.slot[other].info.version);
	assert_in_range(hyper(), ns, ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	/* It runs. */
	sim_put(&page, other, &entry);
	assert_int_equal(pvc_source_now_of(&core, other, &of), PVC_OK);
	assert_in_range(of, ns, ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	sim_unpin();
}

static bool is_seen(unsigned i)
{
	return atomic_load(&core.seen[i]) == page.slot[i].info.version;
}

/* None of another VM's vCPUs runs here: of two entries the later one is believed. */
static void of_before_elsewhere(void **state)
{
	struct sim_entry before;
	struct pvc_now now;
	unsigned other;
	uint64_t ns, of, current;
	(void)state;

	if (!begin(PVC_MODE_STABLE))
		return;
	core.foreign = 1;
	other = other_than_ours();
	ns = hyper();
	before = sim_moved(&entry, 0);
	sim_put(&page, other, &before);
	entry = sim_moved(&entry, 5 * SEC);
	sim_put(&page, cpu, &entry);
	ns += 5 * SEC;
	assert_in_range(hyper(), ns, ns + 5 * SEC);
	pvc_source_look_at_all(&core);
	assert_true(is_seen(other));
	assert_in_range(hyper(), ns, ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.events), 1);
	/* That one is told of the next, and ours only of what went before. */
	before = sim_moved(&entry, 0);
	entry = sim_moved(&entry, 5 * SEC);
	ns += 5 * SEC;
	sim_put(&page, other, &entry);
	sim_put(&page, cpu, &before);
	assert_int_equal(pvc_source_now_of(&core, other, &of), PVC_OK);
	assert_int_equal(atomic_load(&core.events), 2);
	assert_true(is_seen(cpu));
	/* Somebody has ended them, and ours is all that is looked at. */
	assert_false(pvc_now_end(&core, PVC_NOW_ENDED, &now, &current, &of));
	assert_in_range(hyper(), ns, ns + 5 * SEC);
	assert_int_equal(atomic_load(&core.events), 2);
	/* What those in service are of is believed, whatever TSC it is of. */
	entry.tsc_timestamp -= SEC;
	sim_put(&page, other, &entry);
	pvc_source_look_at_all(&core);
	assert_int_equal(atomic_load(&core.events), 3);
	/* Also where ours is looked at, of before or not: theirs has been rewritten. */
	before.tsc_timestamp = entry.tsc_timestamp - SEC;
	sim_put(&page, cpu, &before);
	entry.tsc_timestamp -= SEC / 2;
	sim_put(&page, other, &entry);
	hyper();
	assert_int_equal(atomic_load(&core.events), 4);
	pvc_now_load(&core, atomic_load(&core.now_current), &now);
	assert_int_equal(now.r.cpu, other);
	/* Of a TSC to come: ours is believed, whatever it is of. */
	entry.tsc_timestamp += 1000000 * SEC;
	sim_put(&page, other, &entry);
	pvc_source_look_at_all(&core);
	before = sim_moved(&before, 0);
	sim_put(&page, cpu, &before);
	hyper();
	pvc_now_load(&core, atomic_load(&core.now_current), &now);
	assert_int_equal(now.r.cpu, cpu);
	assert_true(now.r.tsc_timestamp == before.tsc_timestamp);
	sim_unpin();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mask_per_cpu),     cmocka_unit_test(one_of_two_is_busy),
		cmocka_unit_test(stopped_and_busy),    cmocka_unit_test(no_longer_stopped),
		cmocka_unit_test(beyond_the_entries),  cmocka_unit_test(nonsense_in_one),
		cmocka_unit_test(nonsense_in_entry_0), cmocka_unit_test(without_rseq),
		cmocka_unit_test(of_before),           cmocka_unit_test(of_before_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
