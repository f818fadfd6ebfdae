// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * chronyd: a server on loopback, of this machine's time, and a client that asks it how far
 * its own is off. Neither may touch the system's clock (-x and -Q), and both stay here.
 */
#include <arpa/inet.h>
#include <math.h>
#include <pwd.h>
#include <sys/socket.h>

#include "server.h"

static char tree[PATH_MAX], port[16];

/* One that nobody has at the moment. */
static void find_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	snprintf(port, sizeof(port), "%d", ntohs(at.sin_port));
	close(fd);
}

static const char *user(void)
{
	struct passwd *me = getpwuid(geteuid());

	assert_non_null(me);
	return me->pw_name;
}

static struct server *start(const char *const *env)
{
	char pid_file[PATH_MAX + 32], port_line[32];
	struct command c = {.argv = WORDS("chronyd", "-x", "-d", "-U", "-u", user(),
	                                  "local stratum 8", "allow 127.0.0.1",
	                                  "bindaddress 127.0.0.1", "cmdport 0", port_line,
	                                  pid_file),
	                    .env = env};

	find_port();
	snprintf(port_line, sizeof(port_line), "port %s", port);
	snprintf(pid_file, sizeof(pid_file), "pidfile %s/server.pid", tree);
	return start_server(&c);
}

/* It asks again until there is an answer; four within a sixteenth of a second. */
static void ask(struct result *r, const char *const *env)
{
	static const char says[] = "System clock wrong by ";
	char pid_file[PATH_MAX + 32], server_line[64];
	struct command c = {.argv = WORDS("chronyd", "-Q", "-d", "-U", "-u", user(), "-t", "50",
	                                  "cmdport 0", server_line, pid_file),
	                    .env = env};
	const char *at;
	double off = HUGE_VAL;

	snprintf(server_line, sizeof(server_line), "server 127.0.0.1 port %s iburst minpoll -6",
	         port);
	snprintf(pid_file, sizeof(pid_file), "pidfile %s/client.pid", tree);
	run(r, &c);
	assert_exit(r, 0);
	at = strstr(r->err, says);
	if (!at || sscanf(at + strlen(says), "%lf", &off) != 1)
		fail_msg("no answer: %s", r->err);
	/* Both have this machine's clock; the rest is for how late a loaded one answers. */
	if (fabs(off) > 1)
		fail_msg("off by %f s", off);
}

static void session(struct result *r, const char *const *server_env, const char *const *env)
{
	struct server *s = start(server_env);

	ask(r, env);
	stop_server(s, r, SIGTERM);
	assert_exit(r, 0);
	assert_contains(r->err, "chronyd exiting");
}

static void chrony(void **state)
{
	static struct result r;
	static struct shim_env e;
	size_t i;

	(void)state;
	if (!have("chronyd"))
		return;
	make_tree(tree);
	session(&r, NULL, NULL);
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], "chronyd"))
			continue;
		begin_proof();
		session(&r, NULL, shim_env(&e, live_modes[i], NULL, NULL));
		assert_answered("chronyd", live_modes[i], false);
		begin_proof();
		session(&r, shim_env(&e, live_modes[i], NULL, NULL), NULL);
		assert_answered("chronyd", live_modes[i], false);
	}
	remove_tree(tree);
}

/* Nobody answers: given up after the seconds that it was given. */
static void no_server(void **state)
{
	char line[64], pid_file[PATH_MAX + 32];
	struct program p = {.argv = WORDS("chronyd", "-Q", "-d", "-U", "-u", user(), "-t", "1",
	                                  "cmdport 0", line, pid_file),
	                    .name = "chronyd"};
	static struct result r;
	size_t i;

	(void)state;
	if (!have("chronyd"))
		return;
	make_tree(tree);
	find_port();
	snprintf(line, sizeof(line), "server 127.0.0.1 port %s iburst", port);
	snprintf(pid_file, sizeof(pid_file), "pidfile %s/client.pid", tree);
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], "chronyd"))
			continue;
		run_proved(&r, &p, live_modes[i]);
		assert_exit(&r, 1);
		assert_contains(r.err, "Timeout reached");
		assert_answered("chronyd", live_modes[i], false);
	}
	remove_tree(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(chrony, stop_servers),
		cmocka_unit_test(no_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
