// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The file of PVCLOCK_STATS: an object of JSON for each process, added in one piece.
 * No file is open in between, for a program counts on the numbers of its own.
 */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* As it was at start: programs overwrite environ, and change directory. */
static struct {
	char program[NAME_MAX + 1];
	char directory[PATH_MAX]; /* where file is relative to */
	char file[PATH_MAX];
} stats;

/* libc's words are translated, for which it takes locks and allocates. */
static const char *reason_of(int err)
{
	switch (err) {
	case ENOENT:
		return "no such file or directory";
	case ENOTDIR:
		return "not a directory";
	case EISDIR:
		return "is a directory";
	case EACCES:
	case EPERM:
		return "permission denied";
	case EROFS:
		return "read-only file system";
	case ENAMETOOLONG:
		return "name too long";
	case EMFILE:
	case ENFILE:
		return "too many open files";
	case ENOSPC:
	case EDQUOT:
		return "no space left";
	case ENXIO:
		return "nobody reads it";
	}
	return NULL;
}

static void complain_of_file(const char *path, const char *what, int err)
{
	const char *reason = reason_of(err);
	struct pvc_text t = {0};

	pvc_text_add(&t, "pvclock: PVCLOCK_STATS=");
	pvc_text_add_shown(&t, path, 1024);
	if (reason)
		pvc_text_add(&t, ": cannot be %s: %s\n", what, reason);
	else
		pvc_text_add(&t, ": cannot be %s: error %d\n", what, err);
	pvc_text_say(&t);
}

/* The whole name, with the process's number for each %p. False: it is too long. */
static bool name_file(char path[PATH_MAX])
{
	bool relative = stats.file[0] != '/' && stats.directory[0];
	size_t length = 0;
	const char *p;

	if (relative)
		length = (size_t)snprintf(path, PATH_MAX, "%s/", stats.directory);
	for (p = stats.file; *p && length < PATH_MAX; p++)
		if (p[0] == '%' && p[1] == 'p') {
			length += (size_t)snprintf(path + length, PATH_MAX - length, "%d",
			                           (int)getpid());
			p++;
		} else {
			path[length++] = *p;
		}
	if (length >= PATH_MAX)
		return false;
	path[length] = '\0';
	return true;
}

/*
 * Nothing is waited for: a pipe that nobody reads is refused. Negative: an errno.
 * Appended to, in one piece, so that processes may share it.
 */
static int open_file(char path[PATH_MAX])
{
	int fd;

	if (!name_file(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	return fd < 0 ? -errno : fd;
}

/* Tried at once, when somebody is there to read of it; left open it would be in the way. */
bool pvc_stats_check(const char *name)
{
	char path[PATH_MAX];
	int fd = -ENAMETOOLONG;

	if (strlen(name) < sizeof(stats.file)) {
		memcpy(stats.file, name, strlen(name) + 1);
		if (!getcwd(stats.directory, sizeof(stats.directory)))
			stats.directory[0] = '\0';
		fd = open_file(path);
	}
	if (fd < 0) {
		complain_of_file(fd == -ENAMETOOLONG ? name : path, "opened", -fd);
		return false;
	}
	close(fd);
	snprintf(stats.program, sizeof(stats.program), "%s", program_invocation_short_name);
	return true;
}

/* Bytes of a well-formed character of UTF-8 that needs no escape; 0: there is none. */
static unsigned character(const unsigned char *p)
{
	unsigned i, more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : 1;

	if (p[0] < 0x80)
		return p[0] >= ' ' && p[0] != '"' && p[0] != '\\';
	/* Too long for what it says, half of a pair, or above the last. */
	if (p[0] < 0xc2 || p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	for (i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

/* As a string of JSON. A name is of any bytes: what is no UTF-8 is U+FFFD. */
static void add_string(struct pvc_text *t, const char *string)
{
	const unsigned char *p = (const unsigned char *)string;
	unsigned length;

	pvc_text_add(t, "\"");
	for (; *p; p += length ? length : 1) {
		length = character(p);
		if (length)
			pvc_text_add(t, "%.*s", (int)length, (const char *)p);
		else
			pvc_text_add(t, "\\u%04x", *p < 0x80 ? *p : 0xfffd);
	}
	pvc_text_add(t, "\"");
}

static void add_object(struct pvc_text *t, struct pvc_core *b)
{
	unsigned i;

	pvc_text_add(t, "{\"pid\":%d,\"program\":", (int)getpid());
	add_string(t, stats.program);
	pvc_text_add(t, ",\"mode\":\"%s\",\"reason\":",
	             pvc_mode_text((enum pvc_mode)atomic_load(&b->mode)));
	add_string(t, pvc_reason_text((enum pvc_reason)atomic_load(&b->reason)));
	pvc_text_add(t, ",\"generation\":%u,\"events\":%llu,\"calls\":{",
	             atomic_load(&b->generation), (unsigned long long)pvc_events_of(b));
	for (i = 0; i < PVC_CALLS; i++)
		pvc_text_add(t, "%s\"%s\":%llu", i ? "," : "", pvc_call_name((enum pvc_call)i),
		             (unsigned long long)pvc_calls_of((enum pvc_call)i));
	pvc_text_add(t, "},\"counters\":{");
	for (i = 0; i < PVC_COUNTERS; i++)
		pvc_text_add(t, "%s\"%s\":%llu", i ? "," : "", pvc_counter_name(i),
		             (unsigned long long)pvc_counter_of(b, i));
	pvc_text_add(t, "}}\n");
}

static void write_file(const struct pvc_text *t, bool told)
{
	char path[PATH_MAX];
	int fd = open_file(path), err = 0;

	if (fd >= 0) {
		ssize_t written = write(fd, t->at, t->length);

		if (written != (ssize_t)t->length)
			err = written < 0 ? errno : ENOSPC;
		close(fd);
	}
	if (told && (fd < 0 || err))
		complain_of_file(fd == -ENAMETOOLONG ? stats.file : path,
		                 fd < 0 ? "opened" : "written", fd < 0 ? -fd : err);
}

void pvc_stats_write(struct pvc_core *b, bool told)
{
	struct pvc_text t = {0};

	add_object(&t, b);
	write_file(&t, told);
}
