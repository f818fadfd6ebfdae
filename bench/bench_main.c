// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Options, and what must be so before anything is measured.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_agree.h"
#include "bench_args.h"

enum { OPT_ROUNDS = 256, OPT_BATCH, OPT_CPU, OPT_SHIM, OPT_JSON, OPT_WORKER };

static const struct argp_option option_list[] = {
	{"rounds", OPT_ROUNDS, "N", 0, "Batches of each row, 1 to 100000 (1000)", 0},
	{"batch", OPT_BATCH, "N", 0, "Calls in a batch, 100 to 1000000 (2000)", 0},
	{"cpu", OPT_CPU, "N", 0, "Measure on this CPU (the last one allowed)", 0},
	{"shim", OPT_SHIM, "PATH", 0,
         "The shim (libpvclock-preload.so beside this program, in "
         "../lib from it, or beside libpvclock)",
         0},
	{"json", OPT_JSON, NULL, 0, "Print one JSON object", 0},
	{"worker", OPT_WORKER, NULL, OPTION_HIDDEN, NULL, 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const char doc[] =
	"What reading the time costs on this machine, in nanoseconds per call: the TSC, the "
	"kernel's vDSO, the system call, pvclock's ways of reading, and a program under the shim; "
	"and what the shim costs a process in start-up and memory."
	"\vAll rows are measured in turns, batch by batch, on one CPU. The floor is the lower of "
	"the medians of the two ordered reads of the TSC, 'lfence; rdtsc' and 'rdtscp'. Ratios "
	"are of medians, to that floor and to the kernel's vDSO, MONOTONIC."
	"\n\n'pvclock-bench agree' proves the clocks against the kernel's instead; see "
	"'pvclock-bench agree --help'.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench_options *options = state->input;
	struct stat file;

	switch (key) {
	case OPT_ROUNDS:
		options->rounds = args_number("rounds", arg, 1, 100000);
		return 0;
	case OPT_BATCH:
		options->batch = args_number("batch", arg, 100, 1000000);
		return 0;
	case OPT_CPU:
		options->cpu = (int)args_number("cpu", arg, 0, BENCH_CPUS - 1);
		return 0;
	case OPT_SHIM:
		if (stat(arg, &file) || !S_ISREG(file.st_mode) || access(arg, R_OK))
			error(ARGS_EXIT_USAGE, 0, "--shim: '%s' is not a file to read", arg);
		options->shim = arg;
		return 0;
	case OPT_JSON:
		options->json = true;
		return 0;
	case OPT_WORKER:
		options->worker = true;
		return 0;
	default:
		return args_common(key, arg, state);
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
	struct bench_result result = {.options = {.rounds = 1000, .batch = 2000, .cpu = -1}};

	if (argc > 1 && !strcmp(argv[1], "agree"))
		return bench_agree(argc - 1, argv + 1);
	args_parse(&argp, "pvclock-bench " ARGS_VERSION, argc, argv, &result.options);
	if (result.options.worker)
		return bench_worker_serve();
	bench_refuse_shim();
	bench_place_take(&result.place, result.options.cpu);
	bench_run(&result);
	if (result.options.json)
		bench_print_json(&result);
	else
		bench_print_table(&result);
	if (fflush(stdout) || ferror(stdout))
		error(ARGS_EXIT_FAILURE, errno, "cannot write the result");
	return 0;
}
