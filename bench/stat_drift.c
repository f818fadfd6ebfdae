// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a hypervisor's clock loses by rounding, for two frequencies: no page is read. */
#include "stat.h"

/* Of Intel's TSC scaling; AMD has 32. */
#define DEFAULT_BITS 48

static void refuse(const char *text, const char *why)
{
	error(ARGS_EXIT_USAGE, 0, "--drift: '%s' %s", text, why);
}

/* A whole number and what ends it; *text moves behind both. */
static bool number(const char **text, uint64_t *value, char *end)
{
	char *rest;

	/* strtoull would take a sign or a space. */
	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*value = strtoull(*text, &rest, 10);
	*end = *rest;
	*text = rest + (*rest != '\0');
	return !errno && (!*rest || *rest == ':');
}

static void parse(const char *text, struct pvclock_drift *d)
{
	const char *p = text;
	uint64_t bits = DEFAULT_BITS;
	char end;

	if (!number(&p, &d->host_khz, &end) || end != ':' || !number(&p, &d->guest_khz, &end) ||
	    (end == ':' && (!number(&p, &bits, &end) || end)))
		refuse(text, "is not HOST_KHZ:GUEST_KHZ[:BITS]");
	/* The library knows what fits it. */
	d->ratio_bits = bits > UINT32_MAX ? UINT32_MAX : (uint32_t)bits;
	if (pvclock_drift(d) != 0)
		refuse(text, "is out of range: kHz are from 1 to 1000000000, bits from 0 to 48, "
		             "and the ratio must fit 64 bits and not be 0");
}

static void print_text(const struct pvclock_drift *d)
{
	printf("host_khz        %ju\n", (uintmax_t)d->host_khz);
	printf("guest_khz       %ju\n", (uintmax_t)d->guest_khz);
	printf("ratio           0x%jx, %u bits of it fraction\n", (uintmax_t)d->ratio,
	       d->ratio_bits);
	printf("scaled_khz      %ju\n", (uintmax_t)d->scaled_khz);
	printf("host            mul 0x%08x shift %d\n", d->host_mul, d->host_shift);
	printf("guest           mul 0x%08x shift %d\n", d->guest_mul, d->guest_shift);
	printf("ppm             %.9f\n", d->ppm);
	printf("ns_per_day      %.3f\n", d->ns_per_day);
}

static void print_json(const struct pvclock_drift *d)
{
	char ratio[19];
	json_t *root;

	/* A string: most readers of JSON keep 53 bits of a number. */
	snprintf(ratio, sizeof(ratio), "0x%jx", (uintmax_t)d->ratio);
	root = json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:i, s:I, s:i, s:f, s:f}", "host_khz",
	                 (json_int_t)d->host_khz, "guest_khz", (json_int_t)d->guest_khz,
	                 "ratio_bits", (json_int_t)d->ratio_bits, "ratio", ratio, "scaled_khz",
	                 (json_int_t)d->scaled_khz, "host_mul", (json_int_t)d->host_mul,
	                 "host_shift", (int)d->host_shift, "guest_mul", (json_int_t)d->guest_mul,
	                 "guest_shift", (int)d->guest_shift, "ppm", d->ppm, "ns_per_day",
	                 d->ns_per_day);
	if (!root)
		error(ARGS_EXIT_FAILURE, 0, "cannot make the JSON object");
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

void stat_drift(const struct stat_settings *settings)
{
	struct pvclock_drift drift = {.size = sizeof(drift)};

	parse(settings->drift, &drift);
	if (settings->json)
		print_json(&drift);
	else
		print_text(&drift);
	stat_flush();
}
