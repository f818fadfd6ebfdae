/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text on the stack, of one write(2): a line, or an object. */
#ifndef PVC_TEXT_H
#define PVC_TEXT_H

#include <stddef.h>

/* Appended to; what does not fit is left out. */
struct pvc_text {
	size_t length;
	char at[4096];
};

__attribute__((format(printf, 2, 3))) void pvc_text_add(struct pvc_text *t, const char *format,
                                                        ...);
/* The first bytes of a value, those that a terminal shows. */
void pvc_text_add_shown(struct pvc_text *t, const char *value, size_t most);
/* To stderr. */
void pvc_text_say(const struct pvc_text *t);

#endif /* PVC_TEXT_H */
