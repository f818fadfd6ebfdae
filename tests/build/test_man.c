// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The manual against the code: the examples compile and run, and the functions,
 * variables, reasons and options are the same here and there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TEXT_MAX (256ul * 1024)

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		fail_msg("%s is not set", name);
	return value;
}

/* ---- texts --------------------------------------------------------------------- */

static char *read_stream(FILE *f)
{
	char *text = malloc(TEXT_MAX);
	size_t size;

	assert_non_null(f);
	assert_non_null(text);
	size = fread(text, 1, TEXT_MAX - 1, f);
	assert_true(feof(f));
	text[size] = '\0';
	return text;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;

	if (!f)
		fail_msg("%s cannot be opened", path);
	text = read_stream(f);
	fclose(f);
	return text;
}

static char *read_source(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", environment("PVCLOCK_SOURCE"), name);
	return read_file(path);
}

/* A copy of the first line; *text moves to the next. False at the end. */
static bool next_line(const char **text, char *line, size_t size)
{
	size_t length = strcspn(*text, "\n");

	if (!**text)
		return false;
	assert_true(length < size);
	memcpy(line, *text, length);
	line[length] = '\0';
	*text += length + ((*text)[length] == '\n');
	return true;
}

/* What mdoc prints for these; no others are expected in what we look at. */
static bool undo_escapes(char *line)
{
	static const char *const escape[][2] = {{"\\e", "\\"},   {"\\&", ""},    {"\\-", "-"},
	                                        {"\\(dq", "\""}, {"\\(aq", "'"}, {"\\(ti", "~"},
	                                        {"\\(ha", "^"},  {"\\(bs", "\\"}};
	char *to = line;
	size_t i;

	while (*line) {
		if (*line != '\\') {
			*to++ = *line++;
			continue;
		}
		for (i = 0; i < sizeof(escape) / sizeof(*escape); i++)
			if (!strncmp(line, escape[i][0], strlen(escape[i][0])))
				break;
		if (i == sizeof(escape) / sizeof(*escape))
			return false;
		line += strlen(escape[i][0]);
		to = stpcpy(to, escape[i][1]);
	}
	*to = '\0';
	return true;
}

/* ---- sets of words ------------------------------------------------------------- */

struct words {
	unsigned count;
	char word[64][160];
};

static bool has(const struct words *w, const char *word)
{
	unsigned i;

	for (i = 0; i < w->count; i++)
		if (!strcmp(w->word[i], word))
			return true;
	return false;
}

static void add(struct words *w, const char *start, size_t length)
{
	char word[sizeof(w->word[0])];

	assert_true(length < sizeof(word));
	memcpy(word, start, length);
	word[length] = '\0';
	if (has(w, word))
		return;
	assert_true(w->count < sizeof(w->word) / sizeof(w->word[0]));
	memcpy(w->word[w->count++], word, length + 1);
}

/* How many of a are not in b; each of them is named. */
static unsigned missing(const struct words *a, const struct words *b, const char *where)
{
	unsigned i, count = 0;

	for (i = 0; i < a->count; i++) {
		if (has(b, a->word[i]))
			continue;
		print_error("%s is not in %s\n", a->word[i], where);
		count++;
	}
	return count;
}

static void assert_same(const struct words *code, const char *code_name, const struct words *manual,
                        const char *manual_name)
{
	/* An empty set would agree with anything. */
	assert_true(code->count > 0);
	assert_int_equal(missing(code, manual, manual_name) + missing(manual, code, code_name), 0);
}

/* ---- what the code has --------------------------------------------------------- */

static void blank_comments(char *text)
{
	char *start, *end;

	while ((start = strstr(text, "/*")) != NULL) {
		end = strstr(start, "*/");
		assert_non_null(end);
		memset(start, ' ', (size_t)(end + 2 - start));
	}
}

static void functions_of(char *header, struct words *w)
{
	const char *p = header;
	size_t length;

	blank_comments(header);
	while ((p = strstr(p, "pvclock_")) != NULL) {
		length = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
		if (p[length] == '(')
			add(w, p, length);
		p += length;
	}
}

static void variables_of(const char *code, struct words *w)
{
	const char *p = code;
	size_t length;

	while ((p = strstr(p, "\"PVCLOCK_")) != NULL) {
		length = strspn(++p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		if (p[length] == '"')
			add(w, p, length);
	}
}

static void reasons_of(const char *code, struct words *w)
{
	const char *p = code, *end;

	while ((p = strstr(p, "[PVC_WHY_")) != NULL) {
		p = strchr(p, '"');
		assert_non_null(p);
		end = strchr(++p, '"');
		assert_non_null(end);
		add(w, p, (size_t)(end - p));
	}
}

/* Lines such as "  -m, --mode=MODE   words" of a program's help. */
static void options_of_help(const char *help, struct words *w)
{
	char line[512], *p;

	while (next_line(&help, line, sizeof(line))) {
		p = line + strspn(line, " ");
		if (p == line)
			continue;
		while (*p == '-') {
			add(w, p, strcspn(p, ", =["));
			p += strcspn(p, ", ");
			p += strspn(p, ", ");
		}
	}
}

/* ---- what the manual has ------------------------------------------------------- */

static bool starts(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

static void names_of_page(const char *page, struct words *w)
{
	bool in_name = false;
	char line[512];

	while (next_line(&page, line, sizeof(line))) {
		if (starts(line, ".Sh "))
			in_name = !strcmp(line, ".Sh NAME");
		else if (in_name && starts(line, ".Nm "))
			add(w, line + 4, strcspn(line + 4, " "));
	}
}

static void variables_of_page(const char *page, struct words *w)
{
	char line[512];

	while (next_line(&page, line, sizeof(line)))
		if (starts(line, ".It Ev "))
			add(w, line + 7, strcspn(line + 7, " "));
}

/* The tags of one section's list. */
static void tags_of_page(const char *page, const char *section, struct words *w)
{
	bool inside = false;
	char line[512];

	while (next_line(&page, line, sizeof(line))) {
		if (starts(line, ".Sh "))
			inside = !strcmp(line + 4, section);
		else if (inside && starts(line, ".It "))
			add(w, line + 4, strlen(line + 4));
	}
}

/* Of the lists only: .It Fl m Ar mode , Fl -mode Ns = Ns Ar mode */
static void options_of_page(const char *page, struct words *w)
{
	char line[512], word[64], *p;

	while (next_line(&page, line, sizeof(line))) {
		if (!starts(line, ".It "))
			continue;
		assert_true(undo_escapes(line));
		for (p = line; (p = strstr(p, "Fl ")) != NULL; p += 3) {
			snprintf(word, sizeof(word), "-%.*s", (int)strcspn(p + 3, " "), p + 3);
			add(w, word, strlen(word));
		}
	}
}

/* ---- examples ------------------------------------------------------------------ */

static int run(const char *command)
{
	int status = system(command);

	assert_int_not_equal(status, -1);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* 0, or the step that failed. */
static int try_example(const char *code)
{
	char dir[] = "/tmp/pvclock-man-XXXXXX", file[64], command[4 * PATH_MAX];
	const char *cc = getenv("CC");
	int failed = 0;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/a.c", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	assert_true(fputs(code, f) >= 0);
	assert_int_equal(fclose(f), 0);
	/* CC may be several words, so it is left to the shell to split. */
	snprintf(command, sizeof(command),
	         "%s -Wall -Wextra -Werror -I'%s/include' -o %s/a %s -L'%s' -lpvclock "
	         "-Wl,-rpath,'%s'",
	         cc ? cc : "cc", environment("PVCLOCK_SOURCE"), dir, file,
	         environment("PVCLOCK_BUILD"), environment("PVCLOCK_BUILD"));
	if (run(command) != 0)
		failed = 1;
	snprintf(command, sizeof(command), "%s/a >%s/out", dir, dir);
	if (!failed && run(command) != 0)
		failed = 2;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(run(command), 0);
	return failed;
}

/* The next .Bd -literal of EXAMPLES; *page moves behind it. -1: not to be read. */
static int next_example(const char **page, bool *in_examples, char *code)
{
	bool inside = false;
	char line[512];

	*code = '\0';
	while (next_line(page, line, sizeof(line))) {
		if (!inside && starts(line, ".Sh "))
			*in_examples = !strcmp(line, ".Sh EXAMPLES");
		else if (!inside)
			inside = *in_examples && starts(line, ".Bd -literal");
		else if (!strcmp(line, ".Ed"))
			return 1;
		else if (*line == '.' || *line == '\'' || !undo_escapes(line))
			return -1; /* a macro or an escape that we would not show as mdoc does */
		else
			code = stpcpy(stpcpy(code, line), "\n");
	}
	return inside ? -1 : 0;
}

/* How many examples of a page are right; -1 if one is not. */
static int try_page(const char *page)
{
	char *code = malloc(TEXT_MAX);
	bool in_examples = false;
	int count = 0, got;

	assert_non_null(code);
	while ((got = next_example(&page, &in_examples, code)) > 0) {
		count++;
		if (try_example(code) != 0) {
			print_error("example %d:\n%s", count, code);
			got = -1;
			break;
		}
	}
	free(code);
	return got < 0 ? -1 : count;
}

static void pages_of_section_3(glob_t *pages)
{
	char pattern[PATH_MAX];

	snprintf(pattern, sizeof(pattern), "%s/man/*.3", environment("PVCLOCK_SOURCE"));
	assert_int_equal(glob(pattern, 0, NULL, pages), 0);
}

/* ---- tests --------------------------------------------------------------------- */

static void examples_run(void **state)
{
	glob_t pages;
	size_t i;

	(void)state;
	pages_of_section_3(&pages);
	for (i = 0; i < pages.gl_pathc; i++) {
		char *page = read_file(pages.gl_pathv[i]);

		if (try_page(page) < 1)
			fail_msg("%s: a bad example, or none", pages.gl_pathv[i]);
		free(page);
	}
	globfree(&pages);
}

static void functions_have_a_page(void **state)
{
	char *header = read_source("include/pvclock.h");
	struct words declared = {0}, named = {0};
	glob_t pages;
	size_t i;

	(void)state;
	functions_of(header, &declared);
	pages_of_section_3(&pages);
	for (i = 0; i < pages.gl_pathc; i++) {
		char *page = read_file(pages.gl_pathv[i]);

		names_of_page(page, &named);
		free(page);
	}
	assert_same(&declared, "pvclock.h", &named, "a NAME section of man/*.3");
	globfree(&pages);
	free(header);
}

static void variables_are_described(void **state)
{
	char *code = read_source("lib/attach/options.c"), *page = read_source("man/pvclock.7");
	struct words read = {0}, described = {0};

	(void)state;
	variables_of(code, &read);
	variables_of_page(page, &described);
	assert_same(&read, "options.c", &described, "ENVIRONMENT of pvclock.7");
	free(page);
	free(code);
}

static void reasons_are_described(void **state)
{
	char *code = read_source("lib/attach/reason.c"), *page = read_source("man/pvclock.7");
	struct words given = {0}, described = {0};

	(void)state;
	reasons_of(code, &given);
	tags_of_page(page, "DIAGNOSTICS", &described);
	assert_same(&given, "reason.c", &described, "DIAGNOSTICS of pvclock.7");
	free(page);
	free(code);
}

static void compare_options(const char *program)
{
	char name[64], command[PATH_MAX + 32], *page, *help;
	struct words taken = {0}, described = {0};
	FILE *f;

	snprintf(name, sizeof(name), "man/%s.1", program);
	page = read_source(name);
	snprintf(command, sizeof(command), "'%s/%s' --help", environment("PVCLOCK_BUILD"), program);
	f = popen(command, "r");
	help = read_stream(f);
	assert_int_equal(pclose(f), 0);
	options_of_help(help, &taken);
	options_of_page(page, &described);
	assert_same(&taken, "--help", &described, name);
	free(help);
	free(page);
}

static void options_are_described(void **state)
{
	(void)state;
	compare_options("pvclock-run");
	compare_options("pvclockstat");
}

/* ---- the tests themselves: what is wrong is found ------------------------------- */

#define EXAMPLE(lines) ".Sh EXAMPLES\n.Bd -literal\n" lines "\n.Ed\n"

static void bad_examples_are_found(void **state)
{
	(void)state;
	assert_int_equal(try_page(EXAMPLE("int main(void) { return 0; }")), 1);
	assert_int_equal(try_page(EXAMPLE("int main(void) { return \"\\en\"[0] != 10; }")), 1);
	/* does not run, does not compile, warns, does not link */
	assert_int_equal(try_page(EXAMPLE("int main(void) { return 3; }")), -1);
	assert_int_equal(try_page(EXAMPLE("int main(void) { return x; }")), -1);
	assert_int_equal(try_page(EXAMPLE("int main(void) { int x; return 0; }")), -1);
	assert_int_equal(try_page(EXAMPLE("int y(void); int main(void) { return y(); }")), -1);
	/* not as mdoc shows it; not ended; not in EXAMPLES */
	assert_int_equal(try_page(EXAMPLE("int main(void)\n.Pp\n{ return 0; }")), -1);
	assert_int_equal(try_page(EXAMPLE("int main(void) { return \\0; }")), -1);
	assert_int_equal(try_page(".Sh EXAMPLES\n.Bd -literal\nint x;\n"), -1);
	assert_int_equal(try_page(".Sh ERRORS\n.Bd -literal\nint x;\n.Ed\n"), 0);
}

static void gaps_are_found(void **state)
{
	char header[] = "/* pvclock_no(1) */\nint pvclock_a(int);\nint pvclock_b(int);\n";
	struct words code = {0}, page = {0}, flags = {0}, tags = {0};

	(void)state;
	functions_of(header, &code);
	names_of_page(".Sh NAME\n.Nm pvclock_b ,\n.Nm pvclock_c\n.Nd d\n.Sh X\n.Nm pvclock_a\n",
	              &page);
	assert_int_equal(code.count, 2);
	assert_int_equal(missing(&code, &page, "this"), 1);
	assert_int_equal(missing(&page, &code, "that"), 1);
	options_of_help("Usage: -x\n\n  -a, --all=WHAT   does -b\n      --usage\n  -?, --help\n",
	                &flags);
	assert_int_equal(flags.count, 5);
	assert_true(has(&flags, "-a") && has(&flags, "--all") && has(&flags, "--usage"));
	memset(&page, 0, sizeof(page));
	options_of_page(".It Fl a Ar w , Fl -all Ns = Ns Ar w\n.Fl z\n.It Fl ?\\& , Fl -help\n",
	                &page);
	assert_int_equal(missing(&flags, &page, "this"), 1);
	assert_int_equal(missing(&page, &flags, "that"), 0);
	tags_of_page(".Sh A\n.It no\n.Sh B\n.It two words\n", "B", &tags);
	assert_int_equal(tags.count, 1);
	assert_true(has(&tags, "two words"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_examples_are_found),
		cmocka_unit_test(gaps_are_found),
		cmocka_unit_test(examples_run),
		cmocka_unit_test(functions_have_a_page),
		cmocka_unit_test(variables_are_described),
		cmocka_unit_test(reasons_are_described),
		cmocka_unit_test(options_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
