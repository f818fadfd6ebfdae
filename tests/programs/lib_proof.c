// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Preloaded with the shim, which writes what it did into a file that has the process's
 * number: here is the name that goes with it, as $PVCLOCK_PROOF/NAME.PID.
 *
 * _exit runs no destructor: those of the shim are called here then, so that children that
 * end so (of a shell, of a load generator) are seen as well.
 */
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*fini)(void);

static const fini *shim_fini;
static size_t shim_finis;
static char directory[256];
static bool said;

static void leave_name(void)
{
	char name[17] = "", path[300];
	size_t i;
	int fd;

	if (!directory[0])
		return;
	prctl(PR_GET_NAME, name);
	for (i = 0; name[i]; i++)
		if (name[i] == '/')
			name[i] = '_';
	snprintf(path, sizeof(path), "%s/%s.%d", directory, name, (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	said = true;
}

static void find_fini(const struct link_map *map)
{
	const ElfW(Dyn) * d;

	for (d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_FINI_ARRAY)
			shim_fini = (const fini *)(map->l_addr + d->d_un.d_ptr);
		if (d->d_tag == DT_FINI_ARRAYSZ)
			shim_finis = d->d_un.d_val / sizeof(fini);
	}
}

__attribute__((constructor)) static void begin(void)
{
	const char *value = getenv("PVCLOCK_PROOF");
	const struct link_map *map;

	if (value)
		snprintf(directory, sizeof(directory), "%s", value);
	for (map = _r_debug.r_map; map; map = map->l_next)
		if (strstr(map->l_name, "libpvclock-preload.so"))
			find_fini(map);
}

__attribute__((destructor)) static void end(void)
{
	leave_name();
}

EXPORT void _exit(int status)
{
	size_t i = shim_finis;

	if (!said)
		leave_name();
	/* Backwards, as ld.so does, but for the first, which is the compiler's own. */
	while (i > 1)
		shim_fini[--i]();
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}
