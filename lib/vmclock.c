// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * VMClock: a page in which a host says, among other things, that the VM was moved. Its
 * disruption marker changes whenever guests should distrust what they know of time.
 *
 * Source: Linux include/uapi/linux/vmclock-abi.h. All little endian.
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VMCLOCK_DEVICE "/dev/vmclock0"
#define VMCLOCK_MAGIC 0x4b4c4356u /* "VCLK" */
#define VMCLOCK_VERSION 1

/* Its beginning; what it says of the time itself follows. */
struct vmclock_head {
	uint32_t magic;
	uint32_t size;
	uint16_t version;
	uint8_t counter_id;
	uint8_t time_type;
	uint32_t seq_count;
	uint64_t disruption_marker;
};

_Static_assert(offsetof(struct vmclock_head, disruption_marker) == 16, "as the host writes it");

static int check(const struct pvc_vmclock *v)
{
	const struct vmclock_head *head = v->map;

	if (!head || !pvc_probe(head))
		return -EFAULT;
	if (head->magic != VMCLOCK_MAGIC || head->version != VMCLOCK_VERSION ||
	    head->size < sizeof(*head))
		return -ENXIO;
	return 0;
}

/* Of a file; a device has no size. */
static bool too_short(int fd)
{
	struct stat file;

	return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
	       (size_t)file.st_size < sizeof(struct vmclock_head);
}

/* A machine without one is an ordinary machine. */
int pvc_vmclock_map(struct pvc_vmclock *v, const char *path, bool machine)
{
	int fd, err = 0, saved = errno;

	v->map = NULL;
	fd = open(path ? path : VMCLOCK_DEVICE, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = path ? -errno : 0;
		errno = saved;
		return err;
	}
	v->map = mmap(NULL, PVCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (v->map == MAP_FAILED) {
		v->map = NULL;
		err = -errno;
	} else if (too_short(fd)) {
		err = -ENXIO;
	}
	close(fd);
	if (!err)
		err = check(v);
	if (err)
		pvc_vmclock_unmap(v);
	errno = saved;
	return machine && !path ? 0 : err;
}

void pvc_vmclock_unmap(struct pvc_vmclock *v)
{
	if (v->map)
		munmap(v->map, PVCLOCK_PAGE_SIZE);
	v->map = NULL;
}

/* Put in service: what it says from here on is news. */
void pvc_vmclock_watch(struct pvc_core *b, const struct pvc_vmclock *v)
{
	const struct vmclock_head *head = v->map;

	atomic_store(&b->disruption, NULL);
	if (!head)
		return;
	atomic_store(&b->disrupted, *(const volatile uint64_t *)&head->disruption_marker);
	atomic_store(&b->disruption, &head->disruption_marker);
}
