// SPDX-License-Identifier: GPL-2.0-only
/* From INI text to struct campaign: lines, sections, and which key a line sets (campaign_keys.c). */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign.h"
#include "cyclic/campaign_keys.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

void mistake(struct mistakes *m, int line, const char *fmt, ...)
{
	va_list args;

	if (m->n++ >= MISTAKES)
		return;
	m->v[m->n - 1].line = line;
	va_start(args, fmt);
	vsnprintf(m->v[m->n - 1].text, MISTAKE_BYTES, fmt, args);
	va_end(args);
}

static int by_line(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void mistakes_print(struct mistakes *m, const char *file, FILE *out)
{
	size_t n = m->n < MISTAKES ? m->n : MISTAKES;

	qsort(m->v, n, sizeof(m->v[0]), by_line);
	for (size_t i = 0; i < n; i++)
		if (m->v[i].line)
			fprintf(out, "%s:%d: %s\n", file, m->v[i].line, m->v[i].text);
		else
			fprintf(out, "%s: %s\n", file, m->v[i].text);
	if (m->n > n)
		fprintf(out, "%s: and %zu more\n", file, m->n - n);
}

/* --- sections --- */

struct parser {
	struct campaign *c;
	struct mistakes *m;
	const char *text; /* what is left */
	int line;
	enum campaign_section section; /* of the lines that come; SECTION_NONE: they are skipped */
	struct entry *entry;
	bool any_section;
};

static const char *const section_words[] = {
	[SECTION_CAMPAIGN] = "campaign",
	[SECTION_GUEST] = "guest",
	[SECTION_LOAD] = "load",
	[SECTION_PHASE] = "phase",
};

/* The next free entry of a kind; NULL when there is none. */
static struct entry *new_entry(struct campaign *c, enum campaign_section s)
{
	switch (s) {
	case SECTION_CAMPAIGN:
		return &c->entry;
	case SECTION_GUEST:
		return c->n_guests < CAMPAIGN_GUESTS ? &c->guests[c->n_guests++].entry : NULL;
	case SECTION_LOAD:
		return c->n_loads < CAMPAIGN_LOADS ? &c->loads[c->n_loads++].entry : NULL;
	case SECTION_PHASE:
		return c->n_phases < CAMPAIGN_PHASES ? &c->phases[c->n_phases++].entry : NULL;
	default:
		return NULL;
	}
}

static struct entry *find_entry(struct campaign *c, enum campaign_section s, const char *name)
{
	for (size_t i = 0; s == SECTION_GUEST && i < c->n_guests; i++)
		if (!strcmp(c->guests[i].entry.name, name))
			return &c->guests[i].entry;
	for (size_t i = 0; s == SECTION_LOAD && i < c->n_loads; i++)
		if (!strcmp(c->loads[i].entry.name, name))
			return &c->loads[i].entry;
	for (size_t i = 0; s == SECTION_PHASE && i < c->n_phases; i++)
		if (!strcmp(c->phases[i].entry.name, name))
			return &c->phases[i].entry;
	return s == SECTION_CAMPAIGN && c->entry.line ? &c->entry : NULL;
}

static enum campaign_section section_of(const char *word)
{
	for (int s = SECTION_CAMPAIGN; s <= SECTION_PHASE; s++)
		if (!strcmp(section_words[s], word))
			return s;
	return SECTION_NONE;
}

/* "[phase host-idle]": line is the header without its end, which is written into */
static void begin_section(struct parser *p, char *line)
{
	char *end = strchr(line, ']'), *word = line + 1, *name;
	struct err e = { 0 };
	struct entry *old;
	char checked[CAMPAIGN_NAME_BYTES] = "";

	p->section = SECTION_NONE;
	p->any_section = true;
	if (!end ||
	    (end[1 + strspn(end + 1, " \t")] && !strchr(";#", end[1 + strspn(end + 1, " \t")]))) {
		mistake(p->m, p->line,
			"a section is [campaign], [guest NAME], [load NAME] or "
			"[phase NAME]");
		return;
	}
	*end = '\0';
	name = word + strcspn(word, " \t");
	if (*name)
		*name++ = '\0';
	name += strspn(name, " \t");
	p->section = section_of(word);
	if (p->section == SECTION_NONE) {
		mistake(p->m, p->line, "there is no section [%.40s]", word);
		return;
	}
	if (p->section == SECTION_CAMPAIGN ? *name : campaign_set_name(checked, word, name, &e)) {
		mistake(p->m, p->line, "%s",
			*name && p->section == SECTION_CAMPAIGN ? "[campaign] takes no name"
								: e.text);
		p->section = SECTION_NONE;
		return;
	}
	old = find_entry(p->c, p->section, checked);
	if (old) {
		mistake(p->m, p->line, "[%s%s%s] is there already, in line %d", word,
			*checked ? " " : "", checked, old->line);
		p->section = SECTION_NONE;
		return;
	}
	p->entry = new_entry(p->c, p->section);
	if (!p->entry) {
		mistake(p->m, p->line, "too many sections of the kind [%s]", word);
		p->section = SECTION_NONE;
		return;
	}
	p->entry->line = p->line;
	strcpy(p->entry->name, checked);
}

/* One line of the text without what leads and trails; NULL at the end. */
static bool next_line(struct parser *p, char *line, size_t size)
{
	size_t n, lead;

	if (!*p->text)
		return false;
	n = strcspn(p->text, "\n");
	p->line++;
	lead = strspn(p->text, " \t\r");
	if (lead > n)
		lead = n;
	if (n - lead >= size) {
		mistake(p->m, p->line, "the line is longer than %zu bytes", size - 1);
		line[0] = '\0';
	} else {
		memcpy(line, p->text + lead, n - lead);
		line[n - lead] = '\0';
	}
	p->text += n + (p->text[n] == '\n');
	for (n = strlen(line); n && isspace((unsigned char)line[n - 1]);)
		line[--n] = '\0';
	return true;
}

/*
 * inih's reader: hands it one line after the other. It neither tells its handler line numbers nor
 * goes on after a malformed line in a way that one could report, so both are seen to here.
 */
static char *read_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	char line[CAMPAIGN_LINE_BYTES];

	(void)size;
	while (next_line(p, line, sizeof(line))) {
		if (!*line || *line == ';' || *line == '#')
			continue;
		if (*line == '[') {
			begin_section(p, line);
			continue;
		}
		if (!strpbrk(line, "=:")) {
			mistake(p->m, p->line, "\"%.40s\" is neither a section nor KEY = VALUE",
				line);
			continue;
		}
		return strcpy(buf, line);
	}
	return NULL;
}

static const struct campaign_key *find_key(enum campaign_section s, const char *name)
{
	for (const struct campaign_key *k = campaign_keys; k->name; k++)
		if (k->section == s && !strcmp(k->name, name))
			return k;
	return NULL;
}

static int take_value(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	const struct campaign_key *k;
	struct err e = { 0 };
	char *base = (char *)p->entry;
	int *line;

	(void)section;
	if (p->section == SECTION_NONE) {
		if (!p->any_section)
			mistake(p->m, p->line, "\"%.40s\" stands before the first section", name);
		return 1;
	}
	k = find_key(p->section, name);
	if (!k) {
		mistake(p->m, p->line, "there is no key \"%.40s\" in [%s]", name,
			section_words[p->section]);
		return 1;
	}
	line = &p->entry->lines[k - campaign_keys];
	if (*line)
		mistake(p->m, p->line, "\"%s\" is there already, in line %d", name, *line);
	*line = p->line;
	if (k->set(base + k->offset, name, value, &e) < 0)
		mistake(p->m, p->line, "%s", e.text);
	return 1;
}

struct campaign *campaign_new(struct err *e)
{
	struct campaign *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(e, -ENOMEM, "reading the campaign failed: no memory");
		return NULL;
	}
	c->slice_ns = 10 * NSEC_PER_SEC;
	for (size_t i = 0; i < CAMPAIGN_GUESTS; i++) {
		c->guests[i].memory_bytes = 512 << 20;
		strcpy(c->guests[i].vmm, "rtkvm");
	}
	for (size_t i = 0; i < CAMPAIGN_PHASES; i++) {
		c->phases[i].interval_ns = 200000;
		c->phases[i].traces = CAMPAIGN_TRACES;
	}
	return c;
}

_Static_assert(offsetof(struct campaign, entry) == 0 && offsetof(struct guest_entry, entry) == 0 &&
		       offsetof(struct load_entry, entry) == 0 &&
		       offsetof(struct phase_entry, entry) == 0,
	       "an entry's address is its section's");

void campaign_parse(struct campaign *c, const char *text, struct mistakes *m)
{
	struct parser p = { .c = c, .m = m, .text = text };

	ini_parse_stream(read_line, &p, take_value, &p);
}
