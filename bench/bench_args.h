/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How both programs take their arguments: argp, except that a mistake is one
 * line on stderr, where argp would add advice on the lines below it.
 */
#ifndef PVCLOCK_BENCH_ARGS_H
#define PVCLOCK_BENCH_ARGS_H

#include <argp.h>
#include <errno.h>
#include <error.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_EXIT_FAILURE 1
#define ARGS_EXIT_USAGE 2

#define ARGS_STRING_(x) #x
#define ARGS_STRING(x) ARGS_STRING_(x)
#define ARGS_VERSION                                                                               \
	ARGS_STRING(PVCLOCK_VERSION_MAJOR)                                                         \
	"." ARGS_STRING(PVCLOCK_VERSION_MINOR) "." ARGS_STRING(PVCLOCK_VERSION_PATCH)

static inline unsigned args_number(const char *option, const char *text, unsigned min, unsigned max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	/* strtoul would take a sign or a space. */
	if (errno || *text < '0' || *text > '9' || *end || value < min || value > max)
		error(ARGS_EXIT_USAGE, 0, "--%s: '%s' is not a whole number from %u to %u", option,
		      text, min, max);
	return (unsigned)value;
}

/* What every parser does with the keys that are not its own. */
static inline error_t args_common(int key, const char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		/* getopt has its say on stderr; the advice would go here. */
		state->err_stream = NULL;
		return 0;
	case ARGP_KEY_ARG:
		error(ARGS_EXIT_USAGE, 0, "'%s': no arguments are expected, only options", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static inline void args_parse(const struct argp *argp, const char *version, int argc, char **argv,
                              void *input)
{
	/* Assigned, not defined: a definition with hidden visibility is not seen. */
	argp_program_version = version;
	/* Messages start with the program's name, however it was called. */
	program_invocation_name = program_invocation_short_name;
	if (argc > 0)
		argv[0] = program_invocation_name;
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		exit(ARGS_EXIT_USAGE);
}

#endif /* PVCLOCK_BENCH_ARGS_H */
