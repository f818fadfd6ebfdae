// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A kernel whose parameters are not found: what is read of a file does not name their
 * mapping. The pvclock page, where it has a mapping of its own, still does.
 */
#include "prog.h"

__attribute__((visibility("default"))) ssize_t read(int fd, void *buffer, size_t size)
{
	static const char name[] = "[vvar]", none[] = "[none]";
	ssize_t got;
	char *at;

	__asm__ volatile("syscall"
	                 : "=a"(got)
	                 : "0"(SYS_read), "D"(fd), "S"(buffer), "d"(size)
	                 : "rcx", "r11", "memory");
	if (got < 0) {
		errno = (int)-got;
		return -1;
	}
	at = memmem(buffer, (size_t)got, name, sizeof(name) - 1);
	if (at)
		memcpy(at, none, sizeof(none) - 1);
	return got;
}
