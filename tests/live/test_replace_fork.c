// SPDX-License-Identifier: LGPL-2.1-or-later
/* A fork while another thread replaces a handle's source: the child has one or the other. */
#include "page.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define FORKS 100

static struct page page[2];
static int handle;
static atomic_int stop, failed;

static void *replacer(void *arg)
{
	unsigned i;
	(void)arg;

	for (i = 0; !atomic_load(&stop); i++) {
		struct pvclock_options o = memory_options(&page[i % 2], PVCLOCK_MODE_AUTO);

		if (pvclock_replace(handle, &o))
			atomic_fetch_add(&failed, 1);
		/* Who waits to fork comes in between. */
		usleep(100);
	}
	return NULL;
}

/* Nobody goes on replacing there: what is -EAGAIN stays so. */
static int read_in_child(void)
{
	uint64_t ns;

	return pvclock_now_h(handle, &ns) ? 2 : 0;
}

/* And it is the child's to replace, and to close. */
static int change_in_child(void)
{
	struct pvclock_options o = memory_options(&page[0], PVCLOCK_MODE_AUTO);
	uint64_t ns, more;

	if (pvclock_now_h(handle, &ns) || pvclock_replace(handle, &o))
		return 3;
	if (pvclock_now_h(handle, &more) || more < ns)
		return 4;
	return pvclock_close(handle) ? 5 : 0;
}

static void check_fork(int (*in_child)(void))
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(in_child());
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		atomic_fetch_add(&failed, 1);
}

static void start(pthread_t *thread)
{
	struct entry e = entry_at(tsc_now());
	unsigned i;

	for (i = 0; i < 2; i++) {
		page[i] = new_page(4, 64);
		put_all(&page[i], &e);
	}
	handle = open_page(&page[0], PVCLOCK_MODE_AUTO);
	atomic_store(&stop, 0);
	assert_int_equal(pthread_create(thread, NULL, replacer, NULL), 0);
}

static void finish(pthread_t thread)
{
	unsigned i;

	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&failed), 0);
	assert_int_equal(pvclock_close(handle), 0);
	for (i = 0; i < 2; i++)
		free_page(&page[i]);
}

static void while_replaced(void **state)
{
	pthread_t thread;
	unsigned i;
	(void)state;

	start(&thread);
	for (i = 0; i < FORKS; i++)
		check_fork(change_in_child);
	finish(thread);
}

static void on_signal(int number)
{
	(void)number;
	/* Changing a handle is nothing for a handler. */
	check_fork(read_in_child);
}

/* In a handler that interrupts the replacing itself: nobody waits for himself. */
static void by_who_replaces(void **state)
{
	struct sigaction act = {.sa_handler = on_signal}, old;
	pthread_t thread;
	unsigned i;
	(void)state;

	assert_int_equal(sigaction(SIGUSR1, &act, &old), 0);
	start(&thread);
	for (i = 0; i < FORKS; i++) {
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
		spin_ns(MS / 2);
	}
	finish(thread);
	sigaction(SIGUSR1, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_replaced),
		cmocka_unit_test(by_who_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
