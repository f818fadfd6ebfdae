// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The PVCLOCK_* environment with any values: each is taken or complained of, once,
 * and what comes of it is in range.
 */
#include "../../lib/attach/attach.h"
#include "fuzz.h"

#define VARIABLES 6

static const char *const names[VARIABLES] = {"PVCLOCK_MODE",      "PVCLOCK_SCOPE",
                                             "PVCLOCK_RESYNC_US", "PVCLOCK_VERBOSE",
                                             "PVCLOCK_SYSCALL",   "PVCLOCK_STATS"};
static unsigned complaints[VARIABLES];

static void complain(const char *name, const char *value, const char *expected)
{
	const char *is = getenv(name);
	unsigned i;

	fuzz_must(*expected && is && !strcmp(value, is), "%s", name);
	for (i = 0; i < VARIABLES && strcmp(name, names[i]) != 0; i++)
		;
	fuzz_must(i < VARIABLES, "%s", name);
	complaints[i]++;
}

static bool is_word(const char *value, unsigned got, const char *const words[], unsigned count)
{
	return got < count && !strcmp(value, words[got]);
}

static bool is_number(const char *value, uint32_t got)
{
	char text[16];

	while (value[0] == '0' && value[1])
		value++;
	snprintf(text, sizeof(text), "%u", got);
	return !strcmp(value, text);
}

/* Is what was understood, spelled out, what was written? */
static bool understood(unsigned i, const char *value, const struct pvc_options *o)
{
	static const char *const modes[] = {"kernel", "stable", "percpu", "auto"};
	static const char *const scopes[] = {"process", "thread"};

	switch (i) {
	case 0:
		return is_word(value, o->mode, modes, 4);
	case 1:
		return is_word(value, o->scope, scopes, 2);
	case 2:
		return is_number(value, o->resync_us);
	case 3:
		return is_number(value, o->verbose);
	case 4:
		return is_number(value, o->syscall);
	default:
		return *value && o->stats == value;
	}
}

static uint32_t option(unsigned i, const struct pvc_options *o)
{
	const uint32_t value[VARIABLES] = {o->mode,    o->scope,   o->resync_us,
	                                   o->verbose, o->syscall, o->stats != NULL};

	return value[i];
}

static void check(const struct pvc_options *o)
{
	struct pvc_options otherwise;
	unsigned i;

	pvc_options_default(&otherwise);
	fuzz_must(o->mode <= PVC_WISH_AUTO && o->scope <= PVC_SCOPE_THREAD && o->verbose <= 2 &&
	                  o->syscall <= 1 && o->resync_us >= PVC_RESYNC_MIN_US &&
	                  o->resync_us <= PVC_RESYNC_MAX_US,
	          "%d %d %u %u", o->mode, o->scope, o->resync_us, o->verbose);
	for (i = 0; i < VARIABLES; i++) {
		const char *value = getenv(names[i]);

		if (value && !complaints[i])
			fuzz_must(understood(i, value, o), "%s=%s: %u", names[i], value,
			          option(i, o));
		else
			fuzz_must(option(i, o) == option(i, &otherwise), "%s: %u", names[i],
			          option(i, o));
		fuzz_must(complaints[i] <= !!value, "%s: %u complaints", names[i], complaints[i]);
	}
}

/* The first byte says which are set; their values follow, each up to a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint64_t set = fuzz_take(&in, 1);
	struct pvc_options o, silent;
	unsigned i;

	memset(complaints, 0, sizeof(complaints));
	for (i = 0; i < VARIABLES; i++) {
		size_t length = strnlen((const char *)in.at, in.left);
		char *value = (char *)fuzz_copy(in.at, length + 1 < in.left ? length + 1 : in.left);

		unsetenv(names[i]);
		if (set >> i & 1 && length < in.left)
			setenv(names[i], value, 1);
		free(value);
		length += length < in.left;
		in.at += length;
		in.left -= length;
	}
	pvc_options_default(&o);
	silent = o;
	pvc_options_environment(&o, complain);
	check(&o);
	pvc_options_environment(&silent, NULL);
	for (i = 0; i < VARIABLES; i++)
		fuzz_must(option(i, &o) == option(i, &silent), "nobody listens, and it differs");
	return 0;
}
