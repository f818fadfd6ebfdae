// SPDX-License-Identifier: LGPL-2.1-or-later
/* A line put together on the stack. */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void pvc_text_add(struct pvc_text *t, const char *format, ...)
{
	size_t room = sizeof(t->at) - t->length;
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(t->at + t->length, room, format, list);
	va_end(list);
	if (length > 0)
		t->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* What would make two lines of it, or speak to the terminal, is not shown. */
void pvc_text_add_shown(struct pvc_text *t, const char *value, size_t most)
{
	size_t i;

	for (i = 0; i < most && value[i]; i++)
		pvc_text_add(t, "%c", value[i] < ' ' || value[i] > '~' ? '?' : value[i]);
}

void pvc_text_say(const struct pvc_text *t)
{
	/* Nobody to tell if it cannot be written. */
	if (write(STDERR_FILENO, t->at, t->length) < 0)
		errno = 0;
}
