// SPDX-License-Identifier: LGPL-2.1-or-later
/* Foreign pages: where entries lie, which TSC they count, and in which mode they are read. */
#include "page.h"

#include <fcntl.h>
#include <sched.h>

static const uint32_t strides[] = {32, 64, 96, 4096};

/* A page in memory of its own, in a memfd or in a plain file. */
static int new_file(enum pvclock_source source, size_t size, unsigned char **at)
{
	char name[] = "/tmp/pvclock-foreign-XXXXXX";
	int fd = -1;

	if (source == PVCLOCK_SOURCE_FD) {
		fd = size & 1 ? mkstemp(name) : memfd_create("entries", MFD_CLOEXEC);
		assert_true(fd >= 0);
		if (size & 1)
			unlink(name);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
	}
	*at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	           fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*at, MAP_FAILED);
	return fd;
}

/* Each entry is read where it lies: entry i is i seconds off the first one. */
static void read_where(const struct pvclock_options *o, const struct page *p, uint32_t count)
{
	int handle = pvclock_open(o);
	uint32_t i;

	assert_true(handle >= 0);
	assert_int_equal(status_of(handle).entries, count);
	for (i = 0; i < count; i++) {
		struct pvclock_entry e = {.size = sizeof(e)};
		uint64_t before = tsc_now(), ns = 0;
		struct entry is = entry_at(info_of(p, i)->tsc_timestamp);

		is.system_time = info_of(p, i)->system_time;
		assert_int_equal(pvclock_now_entry_h(handle, i, &ns), 0);
		assert_in_range(ns, ns_by(&is, before), ns_by(&is, tsc_now()));
		assert_int_equal(pvclock_entry_h(handle, i, &e), 0);
		assert_int_equal(e.version, info_of(p, i)->version);
		assert_int_equal(e.node, -1);
		assert_in_range(e.tsc_khz, 3499990, 3500010);
		assert_in_range(e.behind_ns + i * SEC + 1000, 0, 2000);
	}
	assert_int_equal(pvclock_now_entry_h(handle, count, &(uint64_t){0}), -ENOENT);
	assert_int_equal(pvclock_now_entry_h(handle, UINT32_MAX, &(uint64_t){0}), -ENOENT);
	assert_int_equal(pvclock_close(handle), 0);
}

static void layout(uint32_t source, uint32_t stride, uint32_t count, uint64_t offset, bool plain)
{
	/* An odd size is a plain file; the page goes on past the last entry. */
	size_t size = (offset + (size_t)count * stride + 4096 + 32) | 1;
	struct pvclock_options o = {
		.size = sizeof(o),
		.mode = PVCLOCK_MODE_AUTO,
		.source = source,
		.offset = offset,
		.stride = stride,
		.count = count,
	};
	struct page p = {.stride = stride, .count = count};
	unsigned char *at;
	uint64_t tsc = tsc_now();
	uint32_t i;

	size += !plain;
	o.fd = new_file(source, size, &at);
	if (source == PVCLOCK_SOURCE_MEMORY) {
		o.fd = 0;
		o.memory = at;
		o.length = size;
	}
	p.base = at + offset;
	for (i = 0; i < count; i++) {
		struct entry e = entry_at(tsc);

		/* In rising order, so that the clamp is in nobody's way. */
		e.system_time += (uint64_t)i * SEC;
		e.flags = 0;
		put(&p, i, &e);
	}
	read_where(&o, &p, count);
	o.count = 0;
	read_where(&o, &p, count);
	munmap(at, size);
	if (source == PVCLOCK_SOURCE_FD)
		close(o.fd);
}

static void layouts(void **state)
{
	static const uint32_t counts[] = {1, 2, 5, 63};
	static const uint64_t offsets[] = {0, 8, 4096 - 16, 3 * 4096 + 64};
	unsigned s, c, o;
	(void)state;

	for (s = 0; s < 4; s++)
		for (c = 0; c < 4; c++)
			for (o = 0; o < 4; o++) {
				layout(PVCLOCK_SOURCE_MEMORY, strides[s], counts[c], offsets[o],
				       false);
				layout(PVCLOCK_SOURCE_FD, strides[s], counts[c], offsets[o], false);
				layout(PVCLOCK_SOURCE_FD, strides[s], counts[c], offsets[o], true);
			}
}

/* All 64, and room for more that is not looked at. */
static void no_more_than_64(void **state)
{
	struct page p = new_page(80, 64);
	struct pvclock_options o = memory_options(&p, PVCLOCK_MODE_AUTO);
	struct entry e = entry_at(tsc_now());
	int handle;
	(void)state;

	put_all(&p, &e);
	o.count = 0;
	handle = pvclock_open(&o);
	assert_int_equal(status_of(handle).entries, 64);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_STABLE);
	assert_int_equal(pvclock_now_entry_h(handle, 63, &(uint64_t){0}), 0);
	assert_int_equal(pvclock_now_entry_h(handle, 64, &(uint64_t){0}), -ENOENT);
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

struct mapping {
	uint64_t ratio;
	uint32_t bits;
	int64_t offset, offsets[3];
};

static uint64_t tsc_by(const struct mapping *m, uint32_t i, uint64_t tsc)
{
	if (m->ratio)
		tsc = (uint64_t)((u128)tsc * m->ratio >> m->bits);
	return tsc + (uint64_t)m->offset + (uint64_t)m->offsets[i];
}

/* The sample's TSC is the mapped one, and its ns are of that TSC, bit for bit. */
static void samples(int handle, const struct mapping *m, const struct entry *e)
{
	unsigned n;

	for (n = 0; n < 1000; n++) {
		struct pvclock_sample s = {.size = sizeof(s)};
		uint64_t before = tsc_now(), after;

		assert_int_equal(pvclock_sample_h(handle, &s), 0);
		after = tsc_now();
		assert_in_range(s.cpu, 0, 2);
		assert_true(s.tsc - tsc_by(m, s.cpu, before) <=
		            tsc_by(m, s.cpu, after) - tsc_by(m, s.cpu, before));
		assert_int_equal(s.tsc_timestamp, e[s.cpu].tsc_timestamp);
		assert_int_equal(s.system_time, e[s.cpu].system_time);
		assert_int_equal(s.mul, e[s.cpu].mul);
		assert_int_equal(s.shift, e[s.cpu].shift);
		assert_int_equal(s.flags, e[s.cpu].flags);
		assert_int_equal(s.ns, ns_by(&e[s.cpu], s.tsc));
		assert_int_equal(pvclock_sample_valid_h(handle, &s), 1);
	}
}

static void map_tsc(const struct mapping *m)
{
	struct page p = new_page(3, 64);
	struct pvclock_options o = memory_options(&p, PVCLOCK_MODE_AUTO);
	uint64_t tsc = tsc_now();
	struct entry e[3];
	int handle, cpu;
	uint32_t i;

	for (i = 0; i < 3; i++) {
		e[i] = entry_at(tsc_by(m, i, tsc));
		put(&p, i, &e[i]);
	}
	o.tsc_ratio = m->ratio;
	o.tsc_ratio_bits = m->bits;
	o.tsc_offset = m->offset;
	o.tsc_offsets = m->offsets;
	handle = pvclock_open(&o);
	assert_true(handle >= 0);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_PERCPU);
	for (cpu = 0; cpu < 2; cpu++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		samples(handle, m, e);
	}
	for (i = 0; i < 3; i++) {
		uint64_t before = tsc_now(), ns = 0;

		assert_int_equal(pvclock_now_entry_h(handle, i, &ns), 0);
		/* 2 ns: the three round apart, and the clamp takes the highest. */
		assert_in_range(ns, ns_by(&e[i], tsc_by(m, i, before)),
		                ns_by(&e[i], tsc_by(m, i, tsc_now())) + 2);
	}
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

static void unpin(void)
{
	cpu_set_t set;
	int cpu;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void other_tscs(void **state)
{
	static const struct mapping m[] = {
		{0, 0, 0, {0, 0, 0}},
		{0, 0, 1000, {0, 0, 0}},
		{0, 0, -1000, {5, -5, 1ll << 40}},
		{0, 0, 1ll << 60, {-(1ll << 59), 1ll << 59, 7}},
		{1ull << 48, 48, 0, {0, 0, 0}},
		{(1ull << 48) * 5 / 6 + 1, 48, 12345, {1, 2, 3}},
		{1ull << 32, 32, 0, {9, 8, 7}},
		{0xfffffffffull, 32, -99999, {0, 1, -1}},
		{3, 0, 0, {0, 0, 0}},
		{1ull << 63, 63, 11, {0, 0, 0}},
		{UINT64_MAX, 63, 0, {0, 0, 1}},
		/* Their sum is taken as all of it is, in 64 bits. */
		{0, 0, INT64_MIN, {INT64_MIN, INT64_MIN + 1000, INT64_MIN}},
		{0, 0, INT64_MAX, {INT64_MAX, INT64_MAX, INT64_MAX}},
	};
	unsigned i;
	(void)state;

	for (i = 0; i < sizeof(m) / sizeof(*m); i++)
		map_tsc(&m[i]);
	unpin();
}

/* Offsets are copied; without a ratio its bits mean nothing. */
static void options_are_copied(void **state)
{
	struct page p = new_page(2, 64);
	struct pvclock_options o = memory_options(&p, PVCLOCK_MODE_AUTO);
	int64_t offsets[2] = {0, 0};
	struct entry e = entry_at(tsc_now());
	uint64_t before, ns = 0;
	int handle;
	(void)state;

	put_all(&p, &e);
	o.tsc_offsets = offsets;
	o.tsc_ratio_bits = 63;
	handle = pvclock_open(&o);
	assert_true(handle >= 0);
	offsets[0] = offsets[1] = 1ll << 50;
	memset(&o, 0xff, sizeof(o));
	before = tsc_now();
	assert_int_equal(pvclock_now_entry_h(handle, 1, &ns), 0);
	assert_in_range(ns, ns_by(&e, before), ns_by(&e, tsc_now()));
	assert_int_equal(pvclock_close(handle), 0);
	free_page(&p);
}

/* A file of which the descriptor is closed and the name is gone. */
static void closed_fd(void **state)
{
	struct page p = {.stride = 64, .count = 2};
	struct pvclock_options o = {.size = sizeof(o), .mode = PVCLOCK_MODE_AUTO};
	struct entry e = entry_at(tsc_now());
	uint64_t last = 0;
	int handle, i;
	(void)state;

	o.source = PVCLOCK_SOURCE_FD;
	o.fd = new_file(PVCLOCK_SOURCE_FD, 128, &p.base);
	put_all(&p, &e);
	handle = pvclock_open(&o);
	assert_true(handle >= 0);
	assert_int_equal(close(o.fd), 0);
	for (i = 0; i < 1000; i++) {
		uint64_t before = tsc_now(), ns = now_of(handle);

		assert_in_range(ns, ns_by(&e, before), ns_by(&e, tsc_now()));
		assert_true(ns >= last);
		last = ns;
	}
	assert_int_equal(pvclock_close(handle), 0);
	munmap(p.base, 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),    cmocka_unit_test(no_more_than_64),
		cmocka_unit_test(other_tscs), cmocka_unit_test(options_are_copied),
		cmocka_unit_test(closed_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
