// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/interrupts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

enum {
	TEXT_FIRST = 64 << 10,
	TEXT_MAX = 64 << 20, /* 4096 CPUs and 1000 lines: 45 MB */
	ROWS_SPARE = 64, /* lines that may come */
};

/* Column of that CPU in the heading, -1: not online. *columns: how many there are. */
static int column_of(const char *heading, int cpu, int *columns)
{
	int found = -1, at = 0;

	for (const char *p = strstr(heading, "CPU"); p && p < heading + strcspn(heading, "\n");
	     p = strstr(p + 3, "CPU"), at++)
		if (strtol(p + 3, NULL, 10) == cpu)
			found = at;
	*columns = at;
	return found;
}

/* "LABEL:" and the last word of the line, for lines of a number */
static void set_name(char name[INTERRUPTS_NAME_BYTES], const char *line, size_t len)
{
	size_t end = len, start;
	int label = strcspn(line, ":");

	if (!isdigit((unsigned char)line[0])) {
		snprintf(name, INTERRUPTS_NAME_BYTES, "%.*s", label, line);
		return;
	}
	while (end && isspace((unsigned char)line[end - 1]))
		end--;
	for (start = end; start && !isspace((unsigned char)line[start - 1]); start--)
		;
	snprintf(name, INTERRUPTS_NAME_BYTES, "%.*s %.*s", label, line, (int)(end - start),
		 line + start);
}

/* The numbers of one line into counts; false for a line without one for each column (ERR, MIS) */
static bool take_counts(const char *line, const int *column, int n, int columns, uint64_t *counts)
{
	char *p = strchr(line, ':');

	for (int at = 0; at < columns; at++) {
		char *next;
		uint64_t v = strtoull(p + 1, &next, 10);

		if (next == p + 1 || (*next != ' ' && *next != '\n' && *next))
			return false;
		p = next - 1;
		for (int i = 0; i < n; i++)
			if (column[i] == at)
				counts[i] = v;
	}
	return true;
}

static int make_room(struct interrupts *t, size_t rows)
{
	void *names, *counts;

	if (rows <= t->room)
		return 0;
	rows += ROWS_SPARE;
	names = realloc(t->names, rows * sizeof(*t->names));
	if (names)
		t->names = names;
	counts = realloc(t->counts, rows * t->n_cpus * sizeof(*t->counts));
	if (counts)
		t->counts = counts;
	if (!names || !counts)
		return -ENOMEM;
	t->room = rows;
	return 0;
}

int interrupts_reserve(struct interrupts *t, const struct interrupts *as, struct err *e)
{
	t->n_cpus = as->n_cpus;
	return make_room(t, as->n) ? err_set(e, -ENOMEM, "no memory for interrupt counts") : 0;
}

static int parse_lines(struct interrupts *t, const char *at, const int *column, int columns)
{
	while (*at) {
		const char *line = at + strspn(at, " ");
		size_t len = strcspn(line, "\n");
		size_t label = strcspn(line, ":\n");

		at = line + len + (line[len] == '\n');
		if (line[label] != ':' || !label)
			continue;
		if (make_room(t, t->n + 1))
			return -ENOMEM;
		if (!take_counts(line, column, t->n_cpus, columns, t->counts + t->n * t->n_cpus))
			continue;
		set_name(t->names[t->n++], line, len);
	}
	return 0;
}

int interrupts_parse(struct interrupts *t, const char *text, const int *cpus, int n, struct err *e)
{
	_cleanup_free_ int *column = calloc(n, sizeof(*column));
	const char *lines = strchr(text, '\n');
	int columns = 0;

	if (t->n_cpus != n)
		interrupts_free(t);
	t->n_cpus = n;
	t->n = 0;
	for (int i = 0; column && i < n; i++) {
		column[i] = lines ? column_of(text, cpus[i], &columns) : -1;
		if (column[i] < 0)
			return err_set(e, -EINVAL, "/proc/interrupts has no column for CPU %d",
				       cpus[i]);
	}
	if (!column || parse_lines(t, lines + 1, column, columns)) {
		interrupts_free(t);
		return err_set(e, -ENOMEM, "no memory for interrupt counts");
	}
	return 0;
}

static int grow_text(struct interrupts_text *text, struct err *e)
{
	size_t size = text->size ? 2 * text->size : TEXT_FIRST;
	char *at = size <= TEXT_MAX ? realloc(text->at, size) : NULL;

	if (!at)
		return err_set(e, -ENOMEM, "no memory for /proc/interrupts");
	*text = (struct interrupts_text){ at, size };
	return 0;
}

int interrupts_read(struct interrupts *t, struct interrupts_text *text, const int *cpus, int n,
		    struct err *e)
{
	/* half of it stays free: the file grows by a digit here and a line there */
	ssize_t len = text->size ? file_read("/proc/interrupts", text->at, text->size, e)
				 : TEXT_FIRST;

	while (len >= 0 && (size_t)len + 1 >= text->size - text->size / 2) {
		if (grow_text(text, e) < 0)
			return e->code;
		len = file_read("/proc/interrupts", text->at, text->size, e);
	}
	t->n = 0;
	return len < 0 ? (int)len : interrupts_parse(t, text->at, cpus, n, e);
}

void interrupts_free(struct interrupts *t)
{
	free(t->names);
	free(t->counts);
	memset(t, 0, sizeof(*t));
}

/* Both tables have nearly the same rows in the same order: look near the row first. */
static uint64_t before(const struct interrupts *t, const char *name, size_t near, int cpu)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t row = (near + i) % t->n;

		if (!strcmp(t->names[row], name))
			return t->counts[row * t->n_cpus + cpu];
	}
	return 0; /* a line that has come since */
}

json_object *interrupts_json(const struct interrupts *from, const struct interrupts *to, int i)
{
	json_object *o;

	if (!from->n || !to->n)
		return NULL;
	o = json_object_new_object();
	for (size_t row = 0; row < to->n; row++) {
		uint64_t n = to->counts[row * to->n_cpus + i];

		uint64_t old = before(from, to->names[row], row, i);

		n = n > old ? n - old : 0; /* a line freed and taken again counts anew */
		if (n)
			json_set_int(o, to->names[row], n);
	}
	return o;
}
