/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that runs while a test asks it things. It is gone at the end of the test, also
 * if that fails (stop_servers is each test's teardown) or is killed (PR_SET_PDEATHSIG).
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include "proof.h"

struct server {
	pid_t pid; /* and its group; 0: none */
	int out, err;
};

static struct server servers[2];

static inline struct server *start_server(const struct command *c)
{
	struct server *s = servers[0].pid ? &servers[1] : &servers[0];

	assert_int_equal(s->pid, 0);
	s->out = open_capture("out");
	s->err = open_capture("err");
	fflush(NULL);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		become(c, s->out, s->err);
	setpgid(s->pid, s->pid);
	return s;
}

static inline bool server_runs(const struct server *s)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && !info.si_pid;
}

/* Asked to end by a signal, it does, and leaves no process behind. */
static inline void stop_server(struct server *s, struct result *r, int sig)
{
	int status = 0;
	bool ended, left;
	pid_t pid = s->pid;

	kill(pid, sig);
	ended = wait_for(pid, &status);
	left = kill(-pid, SIGKILL) == 0;
	s->pid = 0;
	collect(s->out, r->out);
	collect(s->err, r->err);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!ended)
		fail_msg("signal %d does not end it; it said: %s%s", sig, r->out, r->err);
	if (left)
		fail_msg("a server left a process behind; it said: %s%s", r->out, r->err);
}

/* SIGQUIT: the shortest way in which a database still puts away what it has shared. */
static inline int stop_servers(void **state)
{
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
		if (!servers[i].pid)
			continue;
		kill(servers[i].pid, SIGQUIT);
		wait_for(servers[i].pid, &status);
		kill(-servers[i].pid, SIGKILL);
		close(servers[i].out);
		close(servers[i].err);
		servers[i].pid = 0;
	}
	return 0;
}

/* Until a client says that it is there. The watchdog is process.h's, for its tries. */
static inline void await_server(const struct server *s, const char *const *client)
{
	static struct result r;
	struct command c = {.argv = client};
	unsigned tries = WATCHDOG_MS / 50;

	do {
		run(&r, &c);
		if (r.status == 0)
			return;
		usleep(50000);
	} while (--tries && server_runs(s));
	collect(s->err, r.err);
	fail_msg("the server cannot be reached; it said: %s", r.err);
}

#endif /* TESTS_SERVER_H */
