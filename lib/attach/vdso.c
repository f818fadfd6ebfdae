// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The kernel's vDSO as an ELF image in memory (elf(5), vdso(7)): dynamic symbols
 * counted by whichever hash table there is. Every offset is checked against the
 * image's size, so that an image made by somebody else can be handed in too.
 */
#include "attach.h"

#include <elf.h>
#include <string.h>

struct image {
	const unsigned char *base;
	size_t size;
	uint64_t load; /* the address it was linked at */
	uint64_t symtab, strtab, strsz, hash, gnu_hash;
};

static const void *at(const struct image *im, uint64_t offset, uint64_t size, unsigned align)
{
	if (offset > im->size || size > im->size - offset || offset % align)
		return NULL;
	return im->base + offset;
}

static bool read_dynamic(struct image *im, const Elf64_Phdr *ph)
{
	uint64_t i, count = ph->p_filesz / sizeof(Elf64_Dyn);
	const Elf64_Dyn *dyn = at(im, ph->p_offset, ph->p_filesz, 8);

	if (!dyn)
		return false;
	for (i = 0; i < count && dyn[i].d_tag != DT_NULL; i++) {
		uint64_t value = dyn[i].d_un.d_val;

		switch (dyn[i].d_tag) {
		case DT_SYMTAB:
			im->symtab = value - im->load;
			break;
		case DT_STRTAB:
			im->strtab = value - im->load;
			break;
		case DT_STRSZ:
			im->strsz = value;
			break;
		case DT_HASH:
			im->hash = value - im->load;
			break;
		case DT_GNU_HASH:
			im->gnu_hash = value - im->load;
			break;
		default:
			break;
		}
	}
	return im->symtab && im->strtab && im->strtab <= im->size &&
	       im->strsz <= im->size - im->strtab && im->strsz;
}

static bool read_headers(struct image *im)
{
	const Elf64_Ehdr *eh = at(im, 0, sizeof(*eh), 8);
	const Elf64_Phdr *ph, *dynamic = NULL;
	bool loaded = false;
	unsigned i;

	if (!eh || memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_phentsize != sizeof(*ph))
		return false;
	ph = at(im, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(*ph), 8);
	if (!ph)
		return false;
	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !loaded) {
			im->load = ph[i].p_vaddr - ph[i].p_offset;
			loaded = true;
		} else if (ph[i].p_type == PT_DYNAMIC) {
			dynamic = &ph[i];
		}
	}
	return loaded && dynamic && read_dynamic(im, dynamic);
}

/* The number of symbols: the last chain of the GNU hash table ends the array. */
static uint64_t gnu_hash_symbols(const struct image *im)
{
	const uint32_t *head = at(im, im->gnu_hash, 16, 4), *bucket, *chain;
	uint64_t buckets, chains, last = 0, i;

	if (!head)
		return 0;
	buckets = im->gnu_hash + 16 + (uint64_t)head[2] * 8;
	bucket = at(im, buckets, (uint64_t)head[0] * 4, 4);
	if (!bucket)
		return 0;
	for (i = 0; i < head[0]; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < head[1])
		return 0;
	chains = buckets + (uint64_t)head[0] * 4;
	do {
		chain = at(im, chains + (last - head[1]) * 4, 4, 4);
		last++;
	} while (chain && !(*chain & 1));
	return chain ? last : 0;
}

static uint64_t count_symbols(const struct image *im)
{
	const uint32_t *head = im->hash ? at(im, im->hash, 8, 4) : NULL;

	if (head)
		return head[1];
	return im->gnu_hash ? gnu_hash_symbols(im) : 0;
}

static bool named(const struct image *im, const Elf64_Sym *sym, const char *name)
{
	uint64_t length = strlen(name) + 1;

	return sym->st_name < im->strsz && length <= im->strsz - sym->st_name &&
	       !memcmp(im->base + im->strtab + sym->st_name, name, length);
}

size_t pvc_vdso_size(const void *base)
{
	struct image im = {.base = base, .size = PVCLOCK_PAGE_SIZE};
	const Elf64_Ehdr *eh = at(&im, 0, sizeof(*eh), 8);
	const Elf64_Phdr *ph = at(&im, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(*ph), 8);
	unsigned i;

	for (i = 0; ph && i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0)
			return ph[i].p_filesz;
	return 0;
}

void *pvc_vdso_function(const void *base, size_t size, const char *name)
{
	struct image im = {.base = base, .size = size};
	const Elf64_Sym *sym;
	uint64_t i, count;

	if (!base || (uintptr_t)base % 8 || !read_headers(&im))
		return NULL;
	count = count_symbols(&im);
	if (count > size / sizeof(*sym))
		return NULL;
	sym = at(&im, im.symtab, count * sizeof(*sym), 8);
	for (i = 0; sym && i < count; i++) {
		uint64_t offset = sym[i].st_value - im.load;

		if (ELF64_ST_TYPE(sym[i].st_info) == STT_FUNC && sym[i].st_shndx != SHN_UNDEF &&
		    offset < size && named(&im, &sym[i], name))
			return (void *)((uintptr_t)base + offset);
	}
	return NULL;
}
