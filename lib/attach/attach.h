/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attach: find the page, prove it, choose the mode, and hand a block to the
 * core. libc only, no allocation, no printing, errno kept: the shim runs it
 * inside programs that know nothing of it.
 */
#ifndef PVC_ATTACH_H
#define PVC_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../vdso/core.h"

/* ---- options.c: what was asked for ------------------------------------------ */

/* The public enum pvclock_mode; the core's modes are what came of it. */
enum pvc_wish {
	PVC_WISH_KERNEL = 0,
	PVC_WISH_STABLE = 1,
	PVC_WISH_PERCPU = 2,
	PVC_WISH_AUTO = 3,
};

enum pvc_scope {
	PVC_SCOPE_PROCESS = 0,
	PVC_SCOPE_THREAD = 1,
};

struct pvc_options {
	enum pvc_wish mode;
	enum pvc_scope scope;
	uint32_t resync_us;
	uint32_t verbose;
	const char *stats; /* where the shim writes what it did, in environ; NULL: nowhere */
	uint32_t syscall;  /* the shim's alone: answer libc's syscall(2) too */
};

#define PVC_RESYNC_MIN_US 100u
#define PVC_RESYNC_MAX_US 100000u
#define PVC_RESYNC_DEFAULT_US 1000u

/* Told of each variable with a bad value; the default stands instead. */
typedef void pvc_complain(const char *name, const char *value, const char *expected);

void pvc_options_default(struct pvc_options *o);
/*
 * The PVCLOCK_* variables of environ. Nothing is read in a setuid program.
 * complain may be NULL.
 */
void pvc_options_environment(struct pvc_options *o, pvc_complain *complain);

/* ---- maps.c: where a page may be --------------------------------------------- */

#define PVC_CANDIDATES 8

struct pvc_maps {
	unsigned count;
	uintptr_t candidate[PVC_CANDIDATES]; /* most likely first */
	uintptr_t vdso, vdso_end;            /* 0: none */
	uintptr_t vvar, vvar_end;            /* the kernel's parameters; 0: none */
};

/* Lines of /proc/PID/maps, in pieces of any size; begin with zeroed state. */
struct pvc_maps_parser {
	struct pvc_maps *maps;
	unsigned length;
	bool overlong;
	char line[160];
};

void pvc_maps_feed(struct pvc_maps_parser *p, const char *text, size_t size);
/* Of this process. False: they cannot be read. */
bool pvc_maps_read(struct pvc_maps *maps);

/* ---- probe.c ------------------------------------------------------------------ */

/* True if the page can be read. Raises no signal, whatever is there. */
bool pvc_probe(const void *page);
/* True if this thread may execute RDTSC. */
bool pvc_tsc_allowed(void);
/* True if the host is outside of what this guest trusts (SEV-ES/SNP, TDX). */
bool pvc_confidential(void);

/* ---- vvar.c ------------------------------------------------------------------- */

/* The kernel's parameters, by what they must hold; v->hres is NULL if not there. */
void pvc_vvar_find(struct pvc_vvar *v, const struct pvc_maps *maps);

/* ---- vdso.c ------------------------------------------------------------------- */

/* A function of an ELF vDSO image of size bytes, or NULL. Trusts nothing in it. */
void *pvc_vdso_function(const void *image, size_t size, const char *name);

/* The size that the kernel's own image says it has, when no maps tell. */
size_t pvc_vdso_size(const void *image);

/* ---- attach.c ----------------------------------------------------------------- */

/* b: zeroed, or paused. Always succeeds: at worst in mode kernel. */
void pvc_attach(struct pvc_core *b, const struct pvc_options *o);
/* The same on given maps, so that tests can hand in any. */
void pvc_attach_maps(struct pvc_core *b, const struct pvc_options *o, const struct pvc_maps *maps);

/* Entries that are another machine's; they must be readable, and stay. */
struct pvc_foreign {
	pvc_entry *entry;
	uint32_t count, stride;
	uint64_t tsc_ratio;
	uint32_t tsc_ratio_bits;
	const int64_t *tsc_offset; /* NULL: none */
};

void pvc_attach_foreign(struct pvc_core *b, const struct pvc_options *o,
                        const struct pvc_foreign *f);

/* ---- reason.c ----------------------------------------------------------------- */

const char *pvc_reason_text(enum pvc_reason reason);
const char *pvc_mode_text(enum pvc_mode mode);

/* ---- thread.c ----------------------------------------------------------------- */

/* Where thread scope keeps the calling thread's last value. */
_Atomic uint64_t *pvc_thread_last(void);

#endif /* PVC_ATTACH_H */
