// SPDX-License-Identifier: LGPL-2.1-or-later
/* PostgreSQL: its own test of the clock, and a server with clients, both under the shim. */
#include <glob.h>
#include <grp.h>
#include <pwd.h>

#include "server.h"

static char tree[PATH_MAX];

/* Debian keeps them beside each other, by version, and out of PATH. */
static const char *program(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 8];
	glob_t found;

	snprintf(path, PATH_MAX, "/usr/lib/postgresql/*/bin/%s", name);
	if (glob(path, 0, NULL, &found) == 0)
		snprintf(path, PATH_MAX, "%s", found.gl_pathv[found.gl_pathc - 1]);
	else
		snprintf(path, PATH_MAX, "%s", name);
	globfree(&found);
	return path;
}

/* It refuses to run as root. If the test is killed, SIGQUIT: with what it shares put away. */
static bool as_nobody(void)
{
	if (geteuid() == 0) {
		struct passwd *nobody = getpwnam("nobody");

		if (!nobody || setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 ||
		    setuid(nobody->pw_uid) != 0)
			return false;
	}
	return chdir("/") == 0 && prctl(PR_SET_PDEATHSIG, SIGQUIT) == 0;
}

static void run_ok(struct result *r, const char *const *argv, const char *const *env)
{
	struct command c = {.argv = argv, .env = env, .before = as_nobody};

	run(r, &c);
	assert_exit(r, 0);
}

static void make_database(struct result *r, const char *const *env)
{
	struct passwd *nobody = getpwnam("nobody");

	make_tree(tree);
	if (geteuid() == 0) {
		assert_non_null(nobody);
		assert_int_equal(chown(tree, nobody->pw_uid, nobody->pw_gid), 0);
	}
	run_ok(r,
	       WORDS(program("initdb"), "--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust",
	             "-U", "tester", "-D", tree),
	       env);
	assert_string_equal(r->err, "");
}

static void query(struct result *r, const char *sql)
{
	run_ok(r, WORDS(program("psql"), "-h", tree, "-U", "tester", "-XAtc", sql, "postgres"),
	       NULL);
	assert_string_equal(r->err, "");
}

static void check_time(struct result *r)
{
	time_t begun = time(NULL);
	long long is;

	query(r, "select floor(extract(epoch from clock_timestamp()))");
	is = atoll(r->out);
	if (is < begun || is > time(NULL))
		fail_msg("the server says %lld", is);
}

static void bench(struct result *r, const char *const *env)
{
	run_ok(r, WORDS(program("pgbench"), "-h", tree, "-U", "tester", "-i", "-q", "postgres"),
	       env);
	run_ok(r,
	       WORDS(program("pgbench"), "-h", tree, "-U", "tester", "-c", "4", "-j", "2", "-t",
	             "100", "-r", "-P", "1", "postgres"),
	       env);
	assert_contains(r->out, "number of transactions actually processed: 400/400\n");
	assert_contains(r->out, "number of failed transactions: 0 ");
}

static void session(struct result *r, const char *const *env)
{
	struct command c = {.argv = WORDS(program("postgres"), "-D", tree, "-k", tree, "-c",
	                                  "listen_addresses=", "-F", "-c",
	                                  "log_min_messages=error"),
	                    .env = env,
	                    .before = as_nobody};
	struct server *s = start_server(&c);

	await_server(s, WORDS(program("pg_isready"), "-q", "-h", tree));
	bench(r, env);
	check_time(r);
	stop_server(s, r, SIGINT);
	assert_exit(r, 0);
	assert_string_equal(r->out, "");
}

static void server(void **state)
{
	static struct result r;
	static struct shim_env e;
	size_t i;

	(void)state;
	if (!have(program("postgres")))
		return;
	begin_proof();
	make_database(&r, shim_env(&e, "auto", NULL, NULL));
	session(&r, NULL);
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], "postgres"))
			continue;
		begin_proof();
		session(&r, shim_env(&e, live_modes[i], NULL, NULL));
		assert_answered("postgres", live_modes[i], false);
		assert_answered("pgbench", live_modes[i], false);
	}
	remove_tree(tree);
}

/* It ends with 1 if the clock goes back. */
static void check_timing(const struct result *r)
{
	assert_contains(r->out, "Testing timing overhead for 1 second.\n");
	assert_contains(r->out, "Per loop time including overhead:");
	assert_string_equal(r->err, "");
}

static void test_timing(void **state)
{
	struct program p = {.argv = WORDS(program("pg_test_timing"), "-d", "1"),
	                    .name = "pg_test_timing",
	                    .check = check_timing};

	(void)state;
	if (!have(p.argv[0]))
		return;
	assert_same_program(&p, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timing),
		cmocka_unit_test_teardown(server, stop_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
