// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The latch: one at a time, and with writers that race, fail and never return.
 */
#include "sim.h"

#define WORDS 8

struct box {
	_Atomic uint64_t current;
	_Atomic uint64_t busy;
	struct {
		_Atomic uint64_t word[WORDS];
	} slot[PVC_SLOTS];
};

/* Content that shows by itself when it is torn. */
static uint64_t word_of(uint64_t value, unsigned i)
{
	return (value + i) * 0x9e3779b97f4a7c15ull;
}

static void fill(struct box *x, unsigned slot, uint64_t value)
{
	unsigned i;

	atomic_store_explicit(&x->slot[slot].word[0], value, memory_order_relaxed);
	for (i = 1; i < WORDS; i++)
		atomic_store_explicit(&x->slot[slot].word[i], word_of(value, i),
		                      memory_order_relaxed);
}

/* False: replaced meanwhile. *torn: it was not, and yet it is a mixture. */
static bool take(struct box *x, uint64_t current, uint64_t *value, bool *torn)
{
	unsigned i, slot = pvc_latch_slot(current);
	uint64_t word[WORDS];

	for (i = 0; i < WORDS; i++)
		word[i] = atomic_load_explicit(&x->slot[slot].word[i], memory_order_relaxed);
	if (!pvc_latch_valid(&x->current, current))
		return false;
	*value = word[0];
	for (i = 1; i < WORDS; i++)
		if (slot ? word[i] != word_of(word[0], i) : word[i])
			*torn = true;
	return true;
}

static void publishes(void **state)
{
	static struct box x;
	unsigned first, second;
	uint64_t current = pvc_latch_begin(&x.current);

	(void)state;
	assert_int_equal(current, 0);
	assert_true(pvc_latch_valid(&x.current, 0));
	first = pvc_latch_claim(&x.busy);
	assert_int_not_equal(first, 0);
	assert_true(pvc_latch_publish(&x.current, &x.busy, current, first));
	assert_false(pvc_latch_valid(&x.current, current));
	current = pvc_latch_begin(&x.current);
	assert_int_equal(pvc_latch_slot(current), first);
	assert_int_equal(current / PVC_SLOT_GENERATION, 1);
	/* The current one is nobody else's, the one it replaces is free again. */
	second = pvc_latch_claim(&x.busy);
	assert_int_not_equal(second, first);
	assert_true(pvc_latch_publish(&x.current, &x.busy, current, second));
	assert_int_equal(pvc_latch_begin(&x.current) / PVC_SLOT_GENERATION, 2);
	assert_int_equal(atomic_load(&x.busy), 1ull << second);
	assert_int_equal(pvc_latch_claim(&x.busy), first);
}

static void stale_writer_fails(void **state)
{
	static struct box x;
	uint64_t current = pvc_latch_begin(&x.current), before;
	unsigned slow = pvc_latch_claim(&x.busy), fast = pvc_latch_claim(&x.busy);

	(void)state;
	assert_int_not_equal(slow, fast);
	assert_true(pvc_latch_publish(&x.current, &x.busy, current, fast));
	before = pvc_latch_begin(&x.current);
	assert_false(pvc_latch_publish(&x.current, &x.busy, current, slow));
	assert_int_equal(pvc_latch_begin(&x.current), before);
	/* It is still the loser's, until he returns it. */
	assert_int_equal(atomic_load(&x.busy), 1ull << slow | 1ull << fast);
	pvc_latch_release(&x.busy, slow);
	assert_int_equal(atomic_load(&x.busy), 1ull << fast);
	/* Same slot, same content, and yet not what it was. */
	assert_true(pvc_latch_publish(&x.current, &x.busy, before, fast));
	assert_false(pvc_latch_valid(&x.current, before));
	assert_int_equal(atomic_load(&x.busy), 1ull << fast);
	assert_false(pvc_latch_publish(&x.current, &x.busy, before, 0));
}

static void orphans_exhaust_it(void **state)
{
	static struct box x;
	uint64_t seen = 0;
	unsigned i, slot, kept = pvc_latch_claim(&x.busy);

	(void)state;
	assert_true(pvc_latch_publish(&x.current, &x.busy, 0, kept));
	for (i = 2; i < PVC_SLOTS; i++) {
		slot = pvc_latch_claim(&x.busy);
		assert_in_range(slot, 1, PVC_SLOTS - 1);
		assert_false(seen & 1ull << slot);
		assert_int_not_equal(slot, kept);
		seen |= 1ull << slot;
	}
	for (i = 0; i < 100; i++)
		assert_int_equal(pvc_latch_claim(&x.busy), 0);
	/* What is published stays readable, and the empty slot can be made current. */
	assert_int_equal(pvc_latch_slot(pvc_latch_begin(&x.current)), kept);
	assert_true(pvc_latch_publish(&x.current, &x.busy, pvc_latch_begin(&x.current), 0));
	assert_int_equal(pvc_latch_slot(pvc_latch_begin(&x.current)), 0);
	/* Which frees one for those who go on. */
	assert_int_equal(pvc_latch_claim(&x.busy), kept);
	assert_int_equal(pvc_latch_claim(&x.busy), 0);
	/* Slot 0 is no slot: releasing it changes nothing. */
	pvc_latch_release(&x.busy, 0);
	assert_int_equal(pvc_latch_claim(&x.busy), 0);
}

/* The generation does not run into the slot's bits, nor wrap in anyone's life. */
static void generation_is_wide(void **state)
{
	static struct box x;
	unsigned slot = pvc_latch_claim(&x.busy);
	uint64_t last = 0xffffffffull * PVC_SLOT_GENERATION,
		 old = last | (uint64_t)slot << PVC_SLOT_SHIFT;

	(void)state;
	atomic_store(&x.current, old);
	assert_true(pvc_latch_publish(&x.current, &x.busy, old, slot));
	assert_int_equal(pvc_latch_begin(&x.current), old + PVC_SLOT_GENERATION);
	assert_int_equal(pvc_latch_slot(pvc_latch_begin(&x.current)), slot);
}

#define WRITERS 3
#define READERS 3
#define ORPHANS 3

static struct box torture;
static _Atomic unsigned owner[PVC_SLOTS]; /* writers in this slot: at most one */
static _Atomic unsigned torn_lines, shared_slots, lost_updates, running;
static _Atomic uint64_t published;

static bool write_once(struct box *x, bool orphan)
{
	uint64_t value, current = pvc_latch_begin(&x->current);
	unsigned slot;
	bool done, torn = false;

	if (!take(x, current, &value, &torn))
		return false;
	slot = pvc_latch_claim(&x->busy);
	if (!slot)
		return false;
	if (atomic_fetch_add(&owner[slot], 1))
		atomic_fetch_add(&shared_slots, 1);
	fill(x, slot, value + 1);
	if (torn)
		atomic_fetch_add(&torn_lines, 1);
	/* One that dies half way, with its slot in its hands. */
	if (orphan)
		return true;
	atomic_fetch_sub(&owner[slot], 1);
	done = pvc_latch_publish(&x->current, &x->busy, current, slot);
	if (done)
		atomic_fetch_add(&published, 1);
	else
		pvc_latch_release(&x->busy, slot);
	return done;
}

static void *writer(void *arg)
{
	unsigned i, orphans = 0;

	(void)arg;
	for (i = 0; i < 400000; i++)
		if (write_once(&torture, i % 40000 == 39999 && orphans < ORPHANS))
			orphans += i % 40000 == 39999;
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void *reader(void *arg)
{
	uint64_t value, last = 0, generation = 0;

	(void)arg;
	while (atomic_load(&running)) {
		uint64_t current = pvc_latch_begin(&torture.current);
		bool torn = false;

		if (current / PVC_SLOT_GENERATION < generation)
			atomic_fetch_add(&lost_updates, 1);
		generation = current / PVC_SLOT_GENERATION;
		if (!take(&torture, current, &value, &torn))
			continue;
		if (torn)
			atomic_fetch_add(&torn_lines, 1);
		if (value < last)
			atomic_fetch_add(&lost_updates, 1);
		last = value;
	}
	return NULL;
}

/* Every publication adds one to the one it replaces: none may be lost. */
static void writers_race(void **state)
{
	pthread_t thread[WRITERS + READERS];
	uint64_t value = 0;
	bool torn = false;
	unsigned i;

	(void)state;
	atomic_store(&running, WRITERS);
	for (i = 0; i < WRITERS + READERS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, i < WRITERS ? writer : reader, NULL), 0);
	for (i = 0; i < WRITERS + READERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&torn_lines), 0);
	assert_int_equal(atomic_load(&shared_slots), 0);
	assert_int_equal(atomic_load(&lost_updates), 0);
	assert_true(take(&torture, pvc_latch_begin(&torture.current), &value, &torn));
	assert_int_equal(value, atomic_load(&published));
	assert_int_equal(pvc_latch_begin(&torture.current) / PVC_SLOT_GENERATION, value);
	assert_true(value > 1000);
	/* Left in use: the current one, and what the orphans hold. */
	assert_in_range(__builtin_popcountll(atomic_load(&torture.busy)), 1, 1 + WRITERS * ORPHANS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publishes),          cmocka_unit_test(stale_writer_fails),
		cmocka_unit_test(orphans_exhaust_it), cmocka_unit_test(generation_is_wide),
		cmocka_unit_test(writers_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
