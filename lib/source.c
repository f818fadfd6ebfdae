// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Foreign pages: entries in a file, a device or memory, and the TSC that they count.
 * What is found is mapped and proved before a block knows of it.
 */
#include "lib.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../vdso/entry.h"

#define STRIDE_LEAST sizeof(struct pvclock_vcpu_time_info)
#define STRIDE_MOST PVCLOCK_PAGE_SIZE
#define ALIGNMENT 8

static bool all_zero(const struct pvclock_options *o)
{
	return !o->reserved32 && !o->reserved[0] && !o->reserved[1] && !o->reserved[2] &&
	       !o->reserved[3];
}

static bool valid_place(const struct pvclock_options *o)
{
	if (o->source == PVCLOCK_SOURCE_MACHINE)
		return !o->fd && !o->memory && !o->length && !o->offset && !o->stride &&
		       !o->count && !o->tsc_ratio && !o->tsc_ratio_bits && !o->tsc_offset &&
		       !o->tsc_offsets;
	if (o->source > PVCLOCK_SOURCE_MEMORY || o->offset % ALIGNMENT || o->stride % ALIGNMENT ||
	    o->count > PVCLOCK_PAGE_SLOTS || o->tsc_ratio_bits > 63)
		return false;
	if (o->stride && (o->stride < STRIDE_LEAST || o->stride > STRIDE_MOST))
		return false;
	if (o->source == PVCLOCK_SOURCE_MEMORY && (uintptr_t)o->memory % ALIGNMENT)
		return false;
	/* Of how many entries would the offsets be? */
	return !o->tsc_offsets || o->count;
}

bool pvc_source_valid(const struct pvclock_options *o)
{
	if (o->size < sizeof(*o) || o->mode > PVCLOCK_MODE_AUTO || o->scope > PVCLOCK_SCOPE_THREAD)
		return false;
	if (o->resync_us && (o->resync_us < PVC_RESYNC_MIN_US || o->resync_us > PVC_RESYNC_MAX_US))
		return false;
	return all_zero(o) && valid_place(o);
}

/* Bytes from the first entry to the end of the last one that was asked for. */
static uint64_t extent(const struct pvc_place *p)
{
	uint64_t last = p->count ? p->count - 1 : 0;

	return last * p->stride + sizeof(struct pvclock_vcpu_time_info);
}

/* Without a count: as many as there is room for. */
static int fit(struct pvc_place *p, uint64_t offset, uint64_t length)
{
	uint64_t room;

	if (offset > length || length - offset < extent(p))
		return -ERANGE;
	if (p->count)
		return 0;
	room = (length - offset - sizeof(struct pvclock_vcpu_time_info)) / p->stride + 1;
	p->count = room < PVCLOCK_PAGE_SLOTS ? (uint32_t)room : PVCLOCK_PAGE_SLOTS;
	p->any_count = true;
	return 0;
}

static int map_file(struct pvc_place *p, const struct pvclock_options *o)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = o->offset & ~(page - 1);
	struct stat file;
	int err;

	if (fstat(o->fd, &file) != 0)
		return -errno;
	/* A device has no size: how much it maps, mmap says. */
	if (S_ISREG(file.st_mode))
		err = fit(p, o->offset, (uint64_t)file.st_size);
	else
		err = fit(p, o->offset, (o->offset | (page - 1)) + 1 + (o->count ? extent(p) : 0));
	if (err)
		return err;
	p->map_length = o->offset - start + extent(p);
	p->map = mmap(NULL, p->map_length, PROT_READ, MAP_SHARED, o->fd, (off_t)start);
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return -errno;
	}
	p->entry = (pvc_entry *)((const char *)p->map + (o->offset - start));
	return 0;
}

static int take_memory(struct pvc_place *p, const struct pvclock_options *o)
{
	int err = fit(p, o->offset, o->length);

	if (err)
		return err;
	/* In numbers: whether there is memory is asked later. */
	p->entry = (pvc_entry *)((uintptr_t)o->memory + (uintptr_t)o->offset);
	return 0;
}

/* Every page that entries lie in can be read, by whatever reads them. */
static bool readable(const struct pvc_place *p)
{
	uintptr_t page = (uintptr_t)p->entry & ~(uintptr_t)(PVCLOCK_PAGE_SIZE - 1);
	uintptr_t end = (uintptr_t)p->entry + extent(p);

	/* Past the end of all addresses. */
	if (end < page)
		return false;
	for (; page < end; page += PVCLOCK_PAGE_SIZE)
		if (!pvc_probe((const void *)page))
			return false;
	return true;
}

/* Those that a host has written; fewer than were asked for is none. */
static int count_entries(struct pvc_place *p)
{
	struct pvc_core probe = {
		.order = (uint32_t)pvc_order_of_this_cpu(),
		.entry = p->entry,
		.stride = p->stride,
		.tsc_ratio = p->tsc_ratio,
		.tsc_ratio_bits = p->tsc_ratio_bits,
		.tsc_offset = p->has_offset ? p->tsc_offset : NULL,
	};
	struct pvc_reading r;
	uint32_t i;

	for (i = 0; i < p->count; i++) {
		enum pvc_read status = pvc_read_entry(&probe, i, &r);

		/* In mid-update: a host writes it. */
		if (status == PVC_NO_ENTRY || (status != PVC_BUSY && !pvc_reading_plausible(&r)))
			break;
	}
	if (!i || (i < p->count && !p->any_count))
		return -ENXIO;
	p->count = i;
	return 0;
}

static void take_tsc(struct pvc_place *p, const struct pvclock_options *o)
{
	uint32_t i;

	p->tsc_ratio = o->tsc_ratio;
	p->tsc_ratio_bits = o->tsc_ratio ? o->tsc_ratio_bits : 0;
	p->has_offset = o->tsc_offset || o->tsc_offsets;
	for (i = 0; i < PVCLOCK_PAGE_SLOTS; i++) {
		p->tsc_offset[i] = o->tsc_offset;
		if (o->tsc_offsets && i < o->count)
			/* Unsigned: the sum may wrap, as the TSC does. */
			p->tsc_offset[i] =
				(int64_t)((uint64_t)o->tsc_offset + (uint64_t)o->tsc_offsets[i]);
	}
}

void pvc_place_attach(struct pvc_core *b, const struct pvc_options *o, const struct pvc_place *p)
{
	struct pvc_foreign f = {
		.entry = p->entry,
		.count = p->count,
		.stride = p->stride,
		.tsc_ratio = p->tsc_ratio,
		.tsc_ratio_bits = p->tsc_ratio_bits,
		.tsc_offset = p->has_offset ? p->tsc_offset : NULL,
	};

	pvc_vmclock_watch(b, &p->vmclock);
	if (p->foreign)
		pvc_attach_foreign(b, o, &f);
	else
		pvc_attach(b, o);
}

int pvc_place_find(struct pvc_place *p, const struct pvclock_options *o)
{
	int err = 0, saved = errno;

	memset(p, 0, sizeof(*p));
	if (!o || o->source == PVCLOCK_SOURCE_MACHINE)
		return pvc_vmclock_map(&p->vmclock, o ? o->vmclock : NULL, true);
	p->foreign = true;
	p->stride = o->stride ? o->stride : PVCLOCK_SLOT_SIZE;
	p->count = o->count;
	if (!pvc_tsc_allowed())
		return -EPERM;
	err = o->source == PVCLOCK_SOURCE_FD ? map_file(p, o) : take_memory(p, o);
	if (!err && !readable(p))
		err = -EFAULT;
	take_tsc(p, o);
	if (!err)
		err = count_entries(p);
	if (!err && o->vmclock)
		err = pvc_vmclock_map(&p->vmclock, o->vmclock, false);
	if (err)
		pvc_place_leave(p);
	errno = saved;
	return err;
}

void pvc_place_leave(struct pvc_place *p)
{
	if (p->map)
		munmap(p->map, p->map_length);
	p->map = NULL;
	pvc_vmclock_unmap(&p->vmclock);
}
