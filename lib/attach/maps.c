// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the kernel keeps the pvclock page. Not an ABI: what is found here is a
 * candidate, and is proved before it is used.
 *
 *   kernel      mapping          pages                             pvclock at
 *   4.5-4.6     [vvar]           data, hpet, pvclock               + 0x2000
 *   4.7-6.12    [vvar]           data, pvclock, hvclock, timens    + 0x1000
 *   6.13-       [vvar_vclock]    pvclock, hvclock                  + 0
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void candidate(struct pvc_maps *maps, uintptr_t start, uintptr_t end, size_t offset)
{
	if (end > start && end - start >= offset + PVCLOCK_PAGE_SIZE &&
	    maps->count < PVC_CANDIDATES)
		maps->candidate[maps->count++] = start + offset;
}

static const char *hex(const char *s, uintptr_t *value)
{
	const char *start = s;
	uintptr_t v = 0;

	for (; s - start <= 16; s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uintptr_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v = v << 4 | (uintptr_t)(*s - 'a' + 10);
		else
			break;
	}
	*value = v;
	return s == start || s - start > 16 ? NULL : s;
}

static void take_line(struct pvc_maps *maps, const char *line)
{
	const char *name = strrchr(line, ' '), *s;
	uintptr_t start, end;

	s = hex(line, &start);
	if (!name || !s || *s != '-' || !hex(s + 1, &end) || start % PVCLOCK_PAGE_SIZE)
		return;
	name++;
	if (!strcmp(name, "[vvar_vclock]")) {
		candidate(maps, start, end, 0);
	} else if (!strcmp(name, "[vvar]") && end > start) {
		maps->vvar = start;
		maps->vvar_end = end;
		candidate(maps, start, end, PVCLOCK_PAGE_SIZE);
		candidate(maps, start, end, 2ul * PVCLOCK_PAGE_SIZE);
	} else if (!strcmp(name, "[vdso]") && end > start) {
		maps->vdso = start;
		maps->vdso_end = end;
	}
}

/* Lines that do not fit are paths of files: none of ours. */
void pvc_maps_feed(struct pvc_maps_parser *p, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (text[i] != '\n') {
			if (p->length + 1 < sizeof(p->line))
				p->line[p->length++] = text[i];
			else
				p->overlong = true;
			continue;
		}
		p->line[p->length] = '\0';
		if (!p->overlong)
			take_line(p->maps, p->line);
		p->length = 0;
		p->overlong = false;
	}
}

bool pvc_maps_read(struct pvc_maps *maps)
{
	struct pvc_maps_parser parser = {.maps = maps};
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char text[1024];
	ssize_t got;

	memset(maps, 0, sizeof(*maps));
	if (fd < 0)
		return false;
	for (;;) {
		got = read(fd, text, sizeof(text));
		if (got > 0)
			pvc_maps_feed(&parser, text, (size_t)got);
		else if (got == 0 || errno != EINTR)
			break;
	}
	close(fd);
	return got == 0;
}
