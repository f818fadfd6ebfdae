// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Lines of /proc/PID/maps: any bytes, in pieces of any size. How the text was cut
 * makes no difference, and what is taken from it are whole pages in order.
 */
#include "../../lib/attach/attach.h"
#include "fuzz.h"

static struct pvc_maps fed(const uint8_t *text, size_t size, const uint8_t *cuts, size_t count)
{
	struct pvc_maps maps = {0};
	struct pvc_maps_parser parser = {.maps = &maps};
	size_t done = 0, piece, i = 0;

	while (done < size) {
		unsigned char *copy;

		piece = count ? cuts[i++ % count] : size;
		if (piece > size - done)
			piece = size - done;
		copy = fuzz_copy(text + done, piece);
		pvc_maps_feed(&parser, (const char *)copy, piece);
		free(copy);
		/* A piece of nothing is one, too; but not for ever. */
		done += piece;
		if (!piece && i >= count)
			count = 0;
	}
	return maps;
}

/* What a line says does not depend on those before it. */
static struct pvc_maps line_by_line(const uint8_t *text, size_t size)
{
	struct pvc_maps maps = {0};

	while (size) {
		struct pvc_maps_parser parser = {.maps = &maps};
		const uint8_t *end = memchr(text, '\n', size);
		size_t length = end ? (size_t)(end - text) + 1 : size;

		pvc_maps_feed(&parser, (const char *)text, length);
		text += length;
		size -= length;
	}
	return maps;
}

static void check(const struct pvc_maps *m)
{
	unsigned i;

	fuzz_must(m->count <= PVC_CANDIDATES, "%u", m->count);
	for (i = 0; i < PVC_CANDIDATES; i++) {
		fuzz_must(m->candidate[i] % PVCLOCK_PAGE_SIZE == 0, "%#lx", m->candidate[i]);
		fuzz_must(i < m->count || !m->candidate[i], "%u", i);
		fuzz_must(m->candidate[i] <= UINTPTR_MAX - PVCLOCK_PAGE_SIZE + 1, "%u", i);
	}
	fuzz_must(m->vdso % PVCLOCK_PAGE_SIZE == 0 && m->vdso_end >= m->vdso, "%#lx-%#lx", m->vdso,
	          m->vdso_end);
	fuzz_must(m->vvar % PVCLOCK_PAGE_SIZE == 0 && m->vvar_end >= m->vvar, "%#lx-%#lx", m->vvar,
	          m->vvar_end);
}

static bool same(const struct pvc_maps *a, const struct pvc_maps *b)
{
	unsigned i;

	for (i = 0; i < PVC_CANDIDATES; i++)
		if (a->candidate[i] != b->candidate[i])
			return false;
	return a->count == b->count && a->vdso == b->vdso && a->vdso_end == b->vdso_end &&
	       a->vvar == b->vvar && a->vvar_end == b->vvar_end;
}

/* Sixteen bytes say where it is cut, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t cuts = size < 16 ? size : 16;
	struct pvc_maps pieces = fed(data + cuts, size - cuts, data, cuts);
	struct pvc_maps whole = fed(data + cuts, size - cuts, NULL, 0);
	struct pvc_maps lines = line_by_line(data + cuts, size - cuts);

	check(&whole);
	fuzz_must(same(&pieces, &whole), "cut otherwise, read otherwise");
	fuzz_must(same(&lines, &whole), "a line says more than itself");
	return 0;
}
