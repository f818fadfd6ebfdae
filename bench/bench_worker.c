// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The unmodified program: this one again, which knows of clock_gettime and
 * nothing else, started with the shim and without. Both are alive at the same
 * time and asked in turns, so the two are compared in the same minute and on
 * the same CPU. Which of them has the shim they say themselves, because the
 * dynamic linker goes on without a library that it cannot preload.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"

struct request {
	unsigned row;
	unsigned calls;
};

int bench_worker_serve(void)
{
	uint64_t reply = bench_under_shim();
	struct request request;

	/* The end of the input says so too, but not in the middle of a batch. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (write(STDOUT_FILENO, &reply, sizeof(reply)) != sizeof(reply))
			return 1;
		if (read(STDIN_FILENO, &request, sizeof(request)) != sizeof(request))
			return 0;
		reply = bench_batch(bench_rows[request.row].loop, request.calls, -1);
	}
}

bool bench_worker_start(struct bench_child *worker, const char *shim, char *reason)
{
	char *const argv[] = {(char *)"pvclock-bench", (char *)"--worker", NULL};
	uint64_t shimmed = 0;
	int err = -1;

	worker->fd = -1;
	if (bench_child_preload(shim))
		err = bench_child_start(worker, "/proc/self/exe", argv);
	if (err) {
		snprintf(reason, BENCH_REASON, "cannot start it: %s",
		         err > 0 ? strerror(err) : "no memory");
		return false;
	}
	if (!bench_child_ask(worker, NULL, 0, &shimmed, sizeof(shimmed)))
		snprintf(reason, BENCH_REASON, "it did not start");
	else if (shimmed != (shim != NULL))
		snprintf(reason, BENCH_REASON,
		         shim ? "the dynamic linker did not load it"
		              : "every program has the shim here");
	else
		return true;
	bench_child_end(worker);
	return false;
}

uint64_t bench_worker_batch(const struct bench_child *worker, const struct bench_row *row,
                            unsigned calls)
{
	const struct request request = {.row = (unsigned)(row - bench_rows), .calls = calls};
	uint64_t ticks;

	if (!bench_child_ask(worker, &request, sizeof(request), &ticks, sizeof(ticks)))
		return 0;
	return ticks;
}
