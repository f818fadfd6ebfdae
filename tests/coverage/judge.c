// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * judge ARGUED EXPORT...: what of the core no test has reached, less what is argued away.
 *
 * An EXPORT is llvm-cov's JSON; they are added up by place, so that code which is compiled
 * several times is reached if it is in any of them. What counts is each side of each
 * condition that is reached, and each function: a line is reached unless it is behind one
 * of those. ARGUED names them by the text of the condition, which outlives line numbers:
 *
 *     vdso/line.c pvc_clock_end false: tries < END_TRIES
 *         why nothing takes that side, on indented lines
 *     vdso/vvar.h pvc_vvar_read
 *         why no test calls that function
 *
 * Exit 1 if anything is left, or argued that is not there. What is argued and reached all
 * the same is told of: threads that meet by chance reach it at times.
 */
#include <ctype.h>
#include <errno.h>
#include <error.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORE "vdso/"
#define MOST_PLACES 4096
#define MOST_ARGUED 512
#define MOST_TEXT 400

/* The processor's instructions beside those that are simulated. */
#define SIMULATED "pvc_hw_"

/* llvm-cov's arrays */
enum {
	REGION_FILE = 5,
	REGION_EXPANDS = 6,
	REGION_KIND = 7,
	KIND_EXPANSION = 1,
	BRANCH_TRUE = 4,
	BRANCH_FALSE = 5,
	BRANCH_FILE = 6,
};

struct place {
	char name[MOST_TEXT]; /* as it is argued away, without its sides */
	int line, column;
	bool condition;
	json_int_t taken[2]; /* times it was false, and true; of a function what it was called */
};

struct argument {
	char name[MOST_TEXT];
	bool has_reason, found, reached;
};

static struct place place[MOST_PLACES];
static struct argument argued[MOST_ARGUED];
static unsigned places, arguments;

/* The text of a range of a file, any white space in it as one space. */
static void text_of(const char *file, const int range[4], char *text, size_t size)
{
	FILE *f = fopen(file, "r");
	int c, line = 1, column = 1;
	size_t n = 0;

	if (!f)
		error(1, errno, "%s", file);
	while ((c = getc(f)) != EOF && (line < range[2] || column < range[3])) {
		bool inside = line > range[0] || (line == range[0] && column >= range[1]);

		if (inside && n + 1 < size && !(isspace(c) && n && text[n - 1] == ' '))
			text[n++] = isspace(c) ? ' ' : (char)c;
		column = c == '\n' ? 1 : column + 1;
		line += c == '\n';
	}
	fclose(f);
	text[n] = '\0';
}

static struct place *find(const char *name, int line, int column)
{
	unsigned i;

	for (i = 0; i < places; i++)
		if (place[i].line == line && place[i].column == column &&
		    !strncmp(place[i].name, name, strlen(name)))
			return &place[i];
	if (places == MOST_PLACES)
		error(1, 0, "more than %d places", MOST_PLACES);
	snprintf(place[places].name, MOST_TEXT, "%s", name);
	place[places].line = line;
	place[places].column = column;
	return &place[places++];
}

/* The path within the tree, NULL if it is not the core's. */
static const char *core_file(json_t *files, size_t index)
{
	const char *path = json_string_value(json_array_get(files, index));
	const char *core = path ? strstr(path, "/" CORE) : NULL;

	return core ? core + 1 : NULL;
}

static int number(json_t *list, size_t index)
{
	return (int)json_integer_value(json_array_get(list, index));
}

/*
 * Where a range stands in the source: [line, column, to line, to column, ...], of a file by
 * its index. What is in a macro counts where the macro is used; each use has an index.
 */
static size_t place_of(json_t *function, json_t *item, size_t file, int range[4])
{
	json_t *regions = json_object_get(function, "regions"), *region;
	size_t i;
	int k;

	for (k = 0; k < 4; k++)
		range[k] = number(item, (size_t)k);
	for (i = 0; (region = json_array_get(regions, i)); i++)
		if (number(region, REGION_KIND) == KIND_EXPANSION &&
		    (size_t)number(region, REGION_EXPANDS) == file)
			return place_of(function, region, (size_t)number(region, REGION_FILE),
			                range);
	return file;
}

static void add_branch(json_t *function, const char *called, json_t *branch)
{
	char name[MOST_TEXT], text[MOST_TEXT / 2];
	struct place *p;
	const char *file;
	int range[4];

	file = core_file(json_object_get(function, "filenames"),
	                 place_of(function, branch, (size_t)number(branch, BRANCH_FILE), range));
	if (!file)
		return;
	text_of(file, range, text, sizeof(text));
	snprintf(name, sizeof(name), "%.60s %.60s: %.200s", file, called, text);
	p = find(name, range[0], range[1]);
	p->condition = true;
	p->taken[1] += json_integer_value(json_array_get(branch, BRANCH_TRUE));
	p->taken[0] += json_integer_value(json_array_get(branch, BRANCH_FALSE));
}

static void add_function(json_t *f)
{
	json_t *files = json_object_get(f, "filenames"), *branch;
	const char *name = json_string_value(json_object_get(f, "name"));
	const char *file = core_file(files, 0), *colon;
	char full[MOST_TEXT];
	size_t i;

	if (!file || !name || strstr(name, SIMULATED))
		return;
	/* Those of one file only are named with it. */
	colon = strrchr(name, ':');
	name = colon ? colon + 1 : name;
	snprintf(full, sizeof(full), "%.60s %.60s", file, name);
	find(full, 0, 0)->taken[1] += json_integer_value(json_object_get(f, "count"));
	for (i = 0; (branch = json_array_get(json_object_get(f, "branches"), i)); i++)
		add_branch(f, name, branch);
}

static void add_export(const char *path)
{
	json_error_t e;
	json_t *root = json_load_file(path, 0, &e), *data, *f;
	size_t i;

	if (!root)
		error(1, 0, "%s: %s", path, e.text);
	data = json_array_get(json_object_get(root, "data"), 0);
	for (i = 0; (f = json_array_get(json_object_get(data, "functions"), i)); i++)
		add_function(f);
	json_decref(root);
}

static void read_argued(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[MOST_TEXT];

	if (!f)
		error(1, errno, "%s", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (isspace((unsigned char)*line)) {
			if (arguments)
				argued[arguments - 1].has_reason = true;
			continue;
		}
		if (arguments == MOST_ARGUED)
			error(1, 0, "%s: more than %d entries", path, MOST_ARGUED);
		snprintf(argued[arguments++].name, MOST_TEXT, "%s", line);
	}
	fclose(f);
}

/* "file function: text" and a side make "file function side: text". */
static void side_name(const struct place *p, int side, char *name)
{
	const char *colon = strchr(p->name, ':');

	if (p->condition && colon)
		snprintf(name, MOST_TEXT, "%.*s %s%.*s", (int)(colon - p->name), p->name,
		         side ? "true" : "false", MOST_TEXT / 2, colon);
	else
		snprintf(name, MOST_TEXT, "%.*s", MOST_TEXT - 1, p->name);
}

/* Reached, or argued away: the same text twice in a function is argued once. */
static bool judged(const struct place *p, int side)
{
	bool reached = p->taken[side] > 0, away = false;
	char name[MOST_TEXT];
	unsigned i;

	side_name(p, side, name);
	for (i = 0; i < arguments; i++)
		if (!strcmp(argued[i].name, name)) {
			argued[i].found = away = true;
			argued[i].reached |= reached;
		}
	if (!reached && !away)
		printf("line %d: not reached: %s\n", p->line, name);
	return reached || away;
}

static unsigned judge_arguments(const char *path)
{
	unsigned i, bad = 0;

	for (i = 0; i < arguments; i++) {
		const char *wrong = NULL;

		if (!argued[i].found)
			wrong = "is not there";
		else if (!argued[i].has_reason)
			wrong = "has no reason";
		else if (argued[i].reached)
			printf("%s: reached all the same: %s\n", path, argued[i].name);
		if (wrong)
			printf("%s: %s: %s\n", path, wrong, argued[i].name);
		bad += wrong != NULL;
	}
	return bad;
}

int main(int argc, char **argv)
{
	unsigned i, all = 0, reached = 0, left = 0;
	int side;

	if (argc < 3)
		error(2, 0, "usage: judge ARGUED EXPORT...");
	read_argued(argv[1]);
	for (i = 2; i < (unsigned)argc; i++)
		add_export(argv[i]);
	if (!places)
		error(1, 0, "nothing of " CORE " in %s", argv[2]);
	for (i = 0; i < places; i++) {
		struct place *p = &place[i];

		/* Behind a side that is not reached: that one is told of. */
		if (p->condition && !p->taken[0] && !p->taken[1])
			continue;
		for (side = !p->condition; side < 2; side++) {
			all++;
			reached += p->taken[side] > 0;
			left += !judged(p, side);
		}
	}
	left += judge_arguments(argv[1]);
	printf("core: %u functions and sides of conditions, %u reached, %u argued away, %u left\n",
	       all, reached, arguments, left);
	return left != 0;
}
