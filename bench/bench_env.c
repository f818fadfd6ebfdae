// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where it was measured: without this a table of nanoseconds says nothing.
 */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* The rest of the first line that starts with prefix. */
static void read_line(const char *path, const char *prefix, char *out, size_t size)
{
	char line[512];
	FILE *file = fopen(path, "re");

	snprintf(out, size, "unknown");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, size, "%s", line + strlen(prefix));
		break;
	}
	fclose(file);
}

/* Twelve bytes that a hypervisor signs with, as "KVMKVMKVM". */
static void read_hypervisor(char out[13])
{
	unsigned a, b, c, d, signature[3];

	memcpy(out, "none", sizeof("none"));
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 31))
		return;
	__cpuid(0x40000000, a, signature[0], signature[1], signature[2]);
	memcpy(out, signature, sizeof(signature));
	out[12] = '\0';
}

void bench_env_read(struct bench_env *env)
{
	struct utsname name;

	memset(env, 0, sizeof(*env));
	if (!uname(&name))
		snprintf(env->kernel, sizeof(env->kernel), "%s", name.release);
	read_line(CLOCKSOURCE, "", env->clocksource, sizeof(env->clocksource));
	read_line("/proc/cpuinfo", "model name\t: ", env->model, sizeof(env->model));
	read_hypervisor(env->hypervisor);
	env->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	env->status.size = sizeof(env->status);
	pvclock_status(&env->status);
}

const char *bench_mode_name(uint32_t mode)
{
	static const char *const names[] = {
		[PVCLOCK_MODE_KERNEL] = "kernel",
		[PVCLOCK_MODE_STABLE] = "stable",
		[PVCLOCK_MODE_PERCPU] = "percpu",
	};

	return mode < sizeof(names) / sizeof(*names) ? names[mode] : "unknown";
}
