// SPDX-License-Identifier: LGPL-2.1-or-later
/* Foreign pages: what is refused, and what entries may do to those that read them. */
#include "page.h"

#include <fcntl.h>

static struct page page;
static struct entry entry;

static struct pvclock_options prepared(void)
{
	entry = entry_at(tsc_now());
	put_all(&page, &entry);
	return memory_options(&page, PVCLOCK_MODE_AUTO);
}

/* Errno is nobody's to touch, also when a system call has failed. */
#define refused(o, err)                                                                            \
	do {                                                                                       \
		errno = EDOM;                                                                      \
		assert_int_equal(pvclock_open(&(o)), err);                                         \
		assert_int_equal(errno, EDOM);                                                     \
	} while (0)

#define REFUSED(err, change)                                                                       \
	do {                                                                                       \
		o = prepared();                                                                    \
		change;                                                                            \
		refused(o, err);                                                                   \
	} while (0)

static void bad_options(void **state)
{
	struct pvclock_options o;
	static const int64_t offsets[4];
	(void)state;

	REFUSED(-EINVAL, o.size--);
	REFUSED(-EINVAL, o.size = 0);
	REFUSED(-EINVAL, o.source = 3);
	REFUSED(-EINVAL, o.mode = 4);
	REFUSED(-EINVAL, o.scope = 2);
	REFUSED(-EINVAL, o.offset = 4);
	REFUSED(-EINVAL, o.stride = 36);
	REFUSED(-EINVAL, o.stride = 24);
	REFUSED(-EINVAL, o.stride = 4104);
	REFUSED(-EINVAL, o.count = 65);
	REFUSED(-EINVAL, o.memory = (const char *)o.memory + 4);
	REFUSED(-EINVAL, (o.tsc_ratio = 1, o.tsc_ratio_bits = 64));
	REFUSED(-EINVAL, o.reserved32 = 1);
	REFUSED(-EINVAL, o.reserved[0] = 1);
	/* Of how many entries? */
	REFUSED(-EINVAL, (o.tsc_offsets = offsets, o.count = 0));
}

/* What is of foreign pages has no meaning for this machine's. */
static void bad_for_machine(void **state)
{
	struct pvclock_options o;
	static const int64_t offsets[4];
	(void)state;

#define MACHINE(change)                                                                            \
	REFUSED(-EINVAL, {                                                                         \
		memset(&o, 0, sizeof(o));                                                          \
		o.size = sizeof(o);                                                                \
		o.mode = PVCLOCK_MODE_AUTO;                                                        \
		change;                                                                            \
	})
	MACHINE(o.fd = 3);
	MACHINE(o.memory = &page);
	MACHINE(o.length = 1);
	MACHINE(o.offset = 8);
	MACHINE(o.stride = 64);
	MACHINE(o.count = 1);
	MACHINE(o.tsc_ratio = 1);
	MACHINE(o.tsc_ratio_bits = 1);
	MACHINE(o.tsc_offset = 1);
	MACHINE(o.tsc_offsets = offsets);
}

static void too_short(void **state)
{
	char name[] = "/tmp/pvclock-short-XXXXXX";
	struct pvclock_options o;
	(void)state;

	REFUSED(-ERANGE, o.length = 31);
	REFUSED(-ERANGE, o.length = 3 * 64 + 31);
	REFUSED(-ERANGE, o.length = 0);
	REFUSED(-ERANGE, o.offset = o.length);
	REFUSED(-ERANGE, o.offset = UINT64_MAX - 7);
	REFUSED(-ERANGE, (o.count = 1, o.offset = o.length - 24));
	o = prepared();
	o.source = PVCLOCK_SOURCE_FD;
	o.fd = mkstemp(name);
	unlink(name);
	refused(o, -ERANGE);
	assert_int_equal(ftruncate(o.fd, 3 * 64 + 31), 0);
	refused(o, -ERANGE);
	assert_int_equal(ftruncate(o.fd, 4096), 0);
	refused(o, -ENXIO);
	o.offset = 1ull << 62;
	refused(o, -ERANGE);
	o.offset = UINT64_MAX - 7;
	refused(o, -ERANGE);
	close(o.fd);
}

static void unreadable_memory(void **state)
{
	unsigned char *hole =
		mmap(NULL, 3ul * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct page p = {hole + 4096, 4096, 2};
	struct pvclock_options o;
	(void)state;

	entry = entry_at(tsc_now());
	put_all(&p, &entry);
	mprotect(hole, 4096, PROT_NONE);
	mprotect(hole + 2ul * 4096, 4096, PROT_NONE);
	o = memory_options(&p, PVCLOCK_MODE_AUTO);
	refused(o, -EFAULT);
	o.memory = hole;
	refused(o, -EFAULT);
	o.memory = NULL;
	refused(o, -EFAULT);
	/* Not canonical, the kernel's, and past the end of all addresses. */
	o.memory = (const void *)(1ull << 60);
	refused(o, -EFAULT);
	o.memory = (const void *)-8192ll;
	refused(o, -EFAULT);
	o.memory = (const void *)-4096ll;
	refused(o, -EFAULT);
	o.memory = (const void *)-32ll;
	refused(o, -EFAULT);
	o.length = UINT64_MAX;
	o.offset = UINT64_MAX / 2 + 1;
	o.memory = (const void *)(1ull << 63);
	refused(o, -EFAULT);
	munmap(hole, 3ul * 4096);
}

static void no_entries(void **state)
{
	struct pvclock_options o;
	struct entry e;
	(void)state;

	REFUSED(-ENXIO, memset(page.base, 0, 4ul * 64));
	REFUSED(-ENXIO, memset(page.base, 0xfe, 4ul * 64));
	REFUSED(-ENXIO, memset(page.base + 3ul * 64, 0, 64));
	REFUSED(-ENXIO, (e = entry, e.mul >>= 1, put(&page, 0, &e)));
	REFUSED(-ENXIO, (e = entry, e.shift = 32, put(&page, 1, &e)));
	REFUSED(-ENXIO, (e = entry, e.shift = -32, put(&page, 1, &e)));
	REFUSED(-ENXIO, (e = entry, e.flags = 4, put(&page, 1, &e)));
	REFUSED(-ENXIO, (e = entry, e.system_time = 1ull << 63, put(&page, 1, &e)));
}

static void bad_descriptors(void **state)
{
	struct pvclock_options o;
	int fd[2];
	(void)state;

#define BAD_FD(err, number) REFUSED(err, (o.source = PVCLOCK_SOURCE_FD, o.fd = (number)))
	BAD_FD(-EBADF, -1);
	BAD_FD(-EBADF, 1 << 20);
	fd[0] = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	BAD_FD(-ENODEV, fd[0]);
	close(fd[0]);
	assert_int_equal(pipe(fd), 0);
	BAD_FD(-ENODEV, fd[0]);
	close(fd[0]);
	close(fd[1]);
	fd[0] = open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd[0] >= 0) {
		assert_int_equal(ftruncate(fd[0], 4096), 0);
		BAD_FD(-EACCES, fd[0]);
		close(fd[0]);
	}
	/* A device that maps zeros: no host has written it. */
	fd[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	BAD_FD(-ENXIO, fd[0]);
	close(fd[0]);
}

/* What is refused leaves nothing behind: far more often than there are handles. */
static void nothing_is_left(void **state)
{
	struct pvclock_options o;
	unsigned i;
	(void)state;

	for (i = 0; i < 200; i++) {
		REFUSED(-ENXIO, memset(page.base, 0, 64));
		REFUSED(-ENOENT, o.vmclock = "/nonexistent/vmclock");
	}
	assert_int_equal(pvclock_close(open_page(&page, PVCLOCK_MODE_AUTO)), 0);
}

static void modes(void **state)
{
	static const struct {
		uint32_t asked, scope;
		uint8_t flags;
		uint32_t is;
	} m[] = {
		{PVCLOCK_MODE_AUTO, 0, STABLE, PVCLOCK_MODE_STABLE},
		{PVCLOCK_MODE_AUTO, 0, 0, PVCLOCK_MODE_PERCPU},
		{PVCLOCK_MODE_STABLE, 0, STABLE, PVCLOCK_MODE_STABLE},
		{PVCLOCK_MODE_STABLE, 0, 0, PVCLOCK_MODE_PERCPU},
		{PVCLOCK_MODE_PERCPU, 0, STABLE, PVCLOCK_MODE_PERCPU},
		{PVCLOCK_MODE_PERCPU, 1, 0, PVCLOCK_MODE_PERCPU},
		{PVCLOCK_MODE_AUTO, 1, STABLE, PVCLOCK_MODE_STABLE},
		{PVCLOCK_MODE_AUTO, 1, STABLE | STOPPED, PVCLOCK_MODE_STABLE},
	};
	unsigned i, n;
	(void)state;

	for (i = 0; i < sizeof(m) / sizeof(*m); i++) {
		struct pvclock_options o = prepared();
		int handle;

		o.mode = m[i].asked;
		o.scope = m[i].scope;
		entry.flags = m[i].flags;
		put_all(&page, &entry);
		handle = pvclock_open(&o);
		assert_true(handle >= 0);
		assert_int_equal(status_of(handle).mode, m[i].is);
		assert_int_equal(status_of(handle).flags, m[i].flags);
		assert_int_equal(status_of(handle).entries, 4);
		for (n = 0; n < 100; n++) {
			uint64_t before = tsc_now(), ns = now_of(handle);

			assert_in_range(ns, ns_by(&entry, before), ns_by(&entry, tsc_now()));
		}
		assert_int_equal(pvclock_close(handle), 0);
	}
}

static void mode_kernel(void **state)
{
	struct pvclock_sample s = {.size = sizeof(s)};
	struct pvclock_entry e = {.size = sizeof(e)};
	struct pvclock_options o = prepared();
	uint64_t ns;
	int handle;
	(void)state;

	o.mode = PVCLOCK_MODE_KERNEL;
	handle = pvclock_open(&o);
	assert_int_equal(status_of(handle).mode, PVCLOCK_MODE_KERNEL);
	assert_int_equal(status_of(handle).page, 0);
	assert_int_equal(pvclock_now_h(handle, &ns), -ENODEV);
	assert_int_equal(pvclock_now_entry_h(handle, 0, &ns), -ENODEV);
	assert_int_equal(pvclock_sample_h(handle, &s), -ENODEV);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), -ENODEV);
	assert_int_equal(pvclock_entry_h(handle, 0, &e), -ENODEV);
	assert_int_equal(generation_of(handle), 0);
	assert_int_equal(pvclock_close(handle), 0);
}

static void bad_arguments(void **state)
{
	struct pvclock_sample s = {.size = sizeof(s) - 1};
	struct pvclock_entry e = {.size = sizeof(e) - 1};
	struct pvclock_event event;
	uint64_t after = 0, lost = 0;
	int handle;
	(void)state;

	prepared();
	handle = open_page(&page, PVCLOCK_MODE_AUTO);
	assert_int_equal(pvclock_now_h(handle, NULL), -EFAULT);
	assert_int_equal(pvclock_now_entry_h(handle, 0, NULL), -EFAULT);
	assert_int_equal(pvclock_sample_h(handle, NULL), -EFAULT);
	assert_int_equal(pvclock_sample_h(handle, &s), -EINVAL);
	assert_int_equal(pvclock_sample_valid_h(handle, NULL), -EFAULT);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), -EINVAL);
	assert_int_equal(pvclock_entry_h(handle, 0, NULL), -EFAULT);
	assert_int_equal(pvclock_entry_h(handle, 0, &e), -EINVAL);
	e.size++;
	assert_int_equal(pvclock_entry_h(handle, 4, &e), -ENOENT);
	s.size++;
	s.cpu = 4;
	assert_int_equal(pvclock_sample_valid_h(handle, &s), -ENOENT);
	assert_int_equal(pvclock_generation_h(handle, NULL), -EFAULT);
	assert_int_equal(pvclock_events_h(handle, NULL, &event, 1, &lost), -EFAULT);
	assert_int_equal(pvclock_events_h(handle, &after, &event, 1, NULL), -EFAULT);
	assert_int_equal(pvclock_events_h(handle, &after, NULL, 1, &lost), -EFAULT);
	assert_int_equal(pvclock_events_h(handle, &after, NULL, 0, &lost), 0);
	assert_int_equal(pvclock_close(handle), 0);
	assert_int_equal(pvclock_generation_h(handle, &after), -EBADF);
	assert_int_equal(pvclock_now_entry_h(handle, 0, &after), -EBADF);
	assert_int_equal(pvclock_events_h(handle, &after, NULL, 0, &lost), -EBADF);
	assert_int_equal(pvclock_entry_h(handle, 0, &e), -EBADF);
	assert_int_equal(pvclock_sample_valid_h(handle, &s), -EBADF);
}

static int setup(void **state)
{
	(void)state;
	page = new_page(4, 64);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_options),     cmocka_unit_test(bad_for_machine),
		cmocka_unit_test(too_short),       cmocka_unit_test(unreadable_memory),
		cmocka_unit_test(no_entries),      cmocka_unit_test(bad_descriptors),
		cmocka_unit_test(nothing_is_left), cmocka_unit_test(modes),
		cmocka_unit_test(mode_kernel),     cmocka_unit_test(bad_arguments),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
