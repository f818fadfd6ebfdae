/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzz targets share: bytes to be taken from the front of an input, and
 * what must hold whatever they are.
 */
#ifndef PVC_TEST_FUZZ_H
#define PVC_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* Little endian; an input that is used up goes on with zeros. */
static inline uint64_t fuzz_take(struct fuzz_input *in, unsigned bytes)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < bytes && in->left; i++, in->at++, in->left--)
		value |= (uint64_t)*in->at << (8 * i);
	return value;
}

static inline void fuzz_take_into(struct fuzz_input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

/* A copy that ends where its allocation does: ASan sees any byte beyond. */
static inline unsigned char *fuzz_copy(const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The program dies of it, and the input is kept. */
#define fuzz_must(condition, ...)                                                                  \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);            \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif /* PVC_TEST_FUZZ_H */
