/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the JSON of the table and of agree have in common. */
#ifndef PVCLOCK_BENCH_JSON_H
#define PVCLOCK_BENCH_JSON_H

#include <jansson.h>

#include "bench.h"

/* 64 significant bits would be printed as noise; no clock is that good. */
#define JSON_PRECISION 7

json_t *bench_json_env(const struct bench_env *env, const char *allowed);
/* Prints it and frees it. Exits if there is none. */
void bench_json_print(json_t *root);

#endif /* PVCLOCK_BENCH_JSON_H */
