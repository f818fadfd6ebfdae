// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Libraries that come and go: the named one, and its copy, have their clock_gettime
 * called while they are here, and nothing of them is called when they are gone.
 *
 * prog_load once|often|forks LIBRARY [COPY]
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "prog.h"

#define AGREEMENT 1000 /* ns, as in prog_clocks */
#define OFTEN 1000
#define FORKERS 4
#define FORKS 25

typedef int gettime(clockid_t id, struct timespec *ts);

static _Atomic int64_t seen[STEADY];
static _Atomic bool done;

/* Each goes on from what itself has told, and all of them agree with the kernel. */
static void read_by(gettime *read, int64_t told[STEADY], const char *who)
{
	size_t i;

	for (i = 0; i < STEADY; i++) {
		int64_t low = kernel_ns(steady[i]), is;
		struct timespec ts;

		if (read(steady[i], &ts) != 0)
			DIE("%s: clock %d: %s\n", who, (int)steady[i], strerror(errno));
		is = join(&ts);
		if (is < told[i])
			DIE("%s: clock %d went back by %lld ns\n", who, (int)steady[i],
			    (long long)(told[i] - is));
		if (is < low - AGREEMENT || is > kernel_ns(steady[i]) + AGREEMENT)
			DIE("%s: clock %d is not the kernel's\n", who, (int)steady[i]);
		told[i] = is;
	}
}

static void *load(const char *path, int how, gettime **read)
{
	void *library = dlopen(path, how);

	*read = library ? (gettime *)dlsym(library, "clock_gettime") : NULL;
	if (!*read)
		DIE("%s\n", dlerror());
	if (*read == clock_gettime)
		DIE("%s: its clock_gettime is the program's\n", path);
	return library;
}

static void load_once(const char *path, int how)
{
	int64_t told[STEADY] = {0};
	gettime *read;
	void *library = load(path, how, &read);
	int i;

	for (i = 0; i < 1000; i++) {
		read_by(read, told, "the loaded");
		read_steady(seen, "the program");
	}
	if (dlclose(library) != 0)
		DIE("%s\n", dlerror());
	if (dlopen(path, RTLD_NOW | RTLD_NOLOAD))
		DIE("%s: is still there\n", path);
	read_steady(seen, "the program");
}

static void load_both(const char *path, const char *copy)
{
	int64_t told_one[STEADY] = {0}, told_two[STEADY] = {0};
	gettime *first, *second;
	void *one = load(path, RTLD_NOW, &first), *two = load(copy, RTLD_NOW, &second);
	int i;

	if (first == second)
		DIE("the copy is not another\n");
	for (i = 0; i < 10000; i++) {
		read_by(first, told_one, "the first");
		read_by(second, told_two, "the second");
	}
	dlclose(one);
	for (i = 0; i < 1000; i++)
		read_by(second, told_two, "the one that stays");
	dlclose(two);
}

static void *reader(void *arg)
{
	_Atomic int64_t own[STEADY] = {0};

	(void)arg;
	while (!atomic_load(&done))
		read_steady(own, "a thread");
	return NULL;
}

static void *forker(void *arg)
{
	int i, status = -1;

	(void)arg;
	for (i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			DIE("a child ended with %#x\n", (unsigned)status);
	}
	return NULL;
}

/* Handlers for fork that were left behind would be called in memory that is gone. */
static void load_while_forking(const char *path)
{
	pthread_t thread[FORKERS], other;
	int i;

	load_once(path, RTLD_NOW);
	forker(NULL);
	if (pthread_create(&other, NULL, reader, NULL) != 0)
		DIE("no thread\n");
	for (i = 0; i < FORKERS; i++)
		if (pthread_create(&thread[i], NULL, forker, NULL) != 0)
			DIE("no thread\n");
	for (i = 0; i < FORKS; i++)
		load_once(path, RTLD_NOW);
	for (i = 0; i < FORKERS; i++)
		pthread_join(thread[i], NULL);
	atomic_store(&done, true);
	pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		DIE("prog_load once|often|forks LIBRARY [COPY]\n");
	switch (argv[1][1]) {
	case 'n':
		load_once(argv[2], RTLD_NOW | RTLD_LOCAL);
		load_once(argv[2], RTLD_NOW | RTLD_GLOBAL);
		load_once(argv[2], RTLD_LAZY | RTLD_GLOBAL | RTLD_DEEPBIND);
		break;
	case 'f':
		for (i = 0; i < OFTEN; i++) {
			int64_t told[STEADY] = {0};
			gettime *read;
			void *library = load(argv[2], RTLD_NOW, &read);

			read_by(read, told, "the loaded");
			dlclose(library);
		}
		break;
	default:
		load_while_forking(argv[2]);
	}
	if (argc > 3)
		load_both(argv[2], argv[3]);
	return 0;
}
