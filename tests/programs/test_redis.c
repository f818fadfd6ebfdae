// SPDX-License-Identifier: LGPL-2.1-or-later
/* Redis and its benchmark, both under the shim, on a socket that nobody else sees. */
#include "server.h"

static char tree[PATH_MAX], path[PATH_MAX + 8]; /* its directory, its socket */

static struct server *start(const char *const *env)
{
	struct command c = {.argv = WORDS("redis-server", "--port", "0", "--unixsocket", path,
	                                  "--save", "", "--appendonly", "no", "--daemonize", "no",
	                                  "--dir", tree),
	                    .env = env};
	struct server *s = start_server(&c);

	await_server(s, WORDS("redis-cli", "-s", path, "ping"));
	return s;
}

/* One command, from a client without the shim. */
static const char *ask(const char *script)
{
	static struct result r;

	run_tool(&r, WORDS("redis-cli", "-e", "-s", path, "eval", script, "0"));
	assert_string_equal(r.err, "");
	return r.out;
}

static void check_time(void)
{
	time_t begun = time(NULL);
	long long is = atoll(ask("return redis.call('time')[1]"));

	if (is < begun || is > time(NULL))
		fail_msg("the server says %lld", is);
}

/* A key is there until it expires, and that comes. */
static void check_expiry(void)
{
	unsigned tries = WATCHDOG_MS / 10;

	assert_string_equal(ask("redis.call('set', 'long', 1, 'ex', 86400)\n"
	                        "local left = redis.call('pttl', 'long')\n"
	                        "return left > 0 and left <= 86400000"),
	                    "1\n");
	ask("redis.call('set', 'short', 1, 'px', 40)");
	while (strcmp(ask("return redis.call('exists', 'short')"), "0\n") != 0) {
		assert_true(--tries);
		usleep(10000);
	}
	assert_string_equal(ask("return redis.call('exists', 'long')"), "1\n");
}

static void benchmark(struct result *r, const char *const *env)
{
	struct command c = {.argv = WORDS("redis-benchmark", "-s", path, "-n", "3000", "-c", "8",
	                                  "-t", "set,get,lpush", "--csv"),
	                    .env = env};

	run(r, &c);
	assert_exit(r, 0);
	assert_string_equal(r->err, "");
	assert_contains(r->out, "\"SET\",");
	assert_contains(r->out, "\"GET\",");
	assert_contains(r->out, "\"LPUSH\",");
}

static void session(struct result *r, const char *const *env)
{
	struct server *s = start(env);

	benchmark(r, env);
	check_time();
	check_expiry();
	stop_server(s, r, SIGTERM);
	assert_exit(r, 0);
	assert_string_equal(r->err, "");
}

static void redis(void **state)
{
	static struct result r;
	static struct shim_env e;
	size_t i;

	(void)state;
	if (!have("redis-server") || !have("redis-benchmark"))
		return;
	make_tree(tree);
	snprintf(path, sizeof(path), "%s/socket", tree);
	session(&r, NULL);
	for (i = 0; i < LIVE_MODES; i++) {
		if (!mode_is_live(live_modes[i], "redis"))
			continue;
		begin_proof();
		session(&r, shim_env(&e, live_modes[i], NULL, NULL));
		assert_answered("redis-server", live_modes[i], false);
		assert_answered("redis-benchmark", live_modes[i], false);
	}
	remove_tree(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(redis, stop_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
