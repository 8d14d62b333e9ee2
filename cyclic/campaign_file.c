// SPDX-License-Identifier: GPL-2.0-only
/* From INI text to struct campaign; one row a key. */
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
#include "lib/opt.h"

enum { LINE_BYTES = 190 }; /* inih's own limit is 200 with its end; a longer line is a mistake */

#define MAX_DURATION_NS (366 * 86400 * NSEC_PER_SEC)

static const char *const instruments[RUN_KINDS] = {
	[RUN_NONE] = "none",   [RUN_DOCTOR] = "doctor", [RUN_HWLAT] = "hwlat",
	[RUN_GAP] = "gap",     [RUN_SAMPLE] = "sample", [RUN_CYCLICTEST] = "cyclictest",
	[RUN_OSLAT] = "oslat",
};

const char *instrument_name(enum instrument i)
{
	return instruments[i];
}

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

/* --- values: each setter checks one value and stores it in a field --- */

static int set_text(void *field, const char *key, const char *value, struct err *e)
{
	if (strlen(value) >= CAMPAIGN_TEXT_BYTES)
		return err_set(e, -EINVAL, "%s: longer than %d bytes", key,
			       CAMPAIGN_TEXT_BYTES - 1);
	strcpy(field, value);
	return 0;
}

static int set_path(void *field, const char *key, const char *value, struct err *e)
{
	if (strlen(value) >= PATH_MAX)
		return err_set(e, -EINVAL, "%s: the path is too long", key);
	strcpy(field, value);
	return 0;
}

static int set_name(void *field, const char *key, const char *value, struct err *e)
{
	const char *p = value;

	while (isalnum((unsigned char)*p) || (p > value && strchr("-_.", *p) && *p))
		p++;
	if (!*value || *p || p - value >= CAMPAIGN_NAME_BYTES)
		return err_set(e, -EINVAL,
			       "%s: \"%.40s\" is no name: letters, digits, \"-\", \"_\" and \".\", "
			       "at most %d",
			       key, value, CAMPAIGN_NAME_BYTES - 1);
	strcpy(field, value);
	return 0;
}

static int set_bool(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither yes nor no", key, value);
	*(bool *)field = !strcmp(value, "yes");
	return 0;
}

static int set_on_stall(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "end") != 0 && strcmp(value, "continue") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither continue nor end", key, value);
	*(bool *)field = !strcmp(value, "end");
	return 0;
}

static int set_on_spike(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "record") != 0 && strcmp(value, "stop") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither record nor stop", key, value);
	*(bool *)field = !strcmp(value, "stop");
	return 0;
}

static int set_vmm(void *field, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "rtkvm") != 0 && strcmp(value, "qemu") != 0)
		return err_set(e, -EINVAL, "%s: \"%s\" is neither rtkvm nor qemu", key, value);
	strcpy(field, value);
	return 0;
}

static int set_cpus(void *field, const char *key, const char *value, struct err *e)
{
	(void)key;
	return cpulist_parse(field, value, e);
}

static int set_size(void *field, const char *key, const char *value, struct err *e)
{
	int ret = opt_size(key, value, field, e);

	if (!ret && !*(uint64_t *)field)
		return err_set(e, -EINVAL, "%s: 0 is no size", key);
	return ret;
}

static int set_u64(void *field, const char *key, const char *value, struct err *e)
{
	return opt_u64(key, value, 0, UINT64_MAX, field, e);
}

static int set_priority(void *field, const char *key, const char *value, struct err *e)
{
	return opt_u64(key, value, 1, 98, field, e);
}

static int set_duration(void *field, const char *key, const char *value, struct err *e)
{
	uint64_t *ns = field;
	int ret = opt_duration(key, value, ns, e);

	if (!ret && !*ns)
		ret = err_set(e, -EINVAL, "%s: 0 is no duration", key);
	if (!ret && *ns > MAX_DURATION_NS)
		ret = err_set(e, -EINVAL, "%s: \"%s\" is more than 366 days", key, value);
	if (ret < 0)
		*ns = 0; /* one mistake, not a second one about what follows from it */
	return ret;
}

static int set_kind(void *field, const char *key, const char *value, struct err *e)
{
	const struct noise_kind *kind = noise_find(value);

	if (!kind)
		return err_set(e, -EINVAL,
			       "%s: there is no load \"%s\"; rtkvm noise --help lists "
			       "them",
			       key, value);
	*(const struct noise_kind **)field = kind;
	return 0;
}

static int set_run(void *field, const char *key, const char *value, struct err *e)
{
	for (int i = RUN_NONE + 1; i < RUN_KINDS; i++)
		if (!strcmp(instruments[i], value)) {
			*(enum instrument *)field = i;
			return 0;
		}
	return err_set(e, -EINVAL,
		       "%s: \"%s\" is none of doctor, hwlat, gap, sample, cyclictest, oslat", key,
		       value);
}

static int set_guest_load(void *field, const char *key, const char *value, struct err *e)
{
	const struct guest_load *load = guest_load_find(value);

	if (!load)
		return err_set(e, -EINVAL, "%s: \"%s\" is none of fork, hackbench, memory", key,
			       value);
	*(const struct guest_load **)field = load;
	return 0;
}

static int set_seed(void *field, const char *key, const char *value, struct err *e)
{
	struct phase_entry *p = field; /* the whole phase: two fields are set */

	p->simulate = true;
	return opt_u64(key, value, 0, UINT64_MAX, &p->seed, e);
}

/* "40us p99.999=20us": separated by blanks or commas */
static int set_limits(void *field, const char *key, const char *value, struct err *e)
{
	struct phase_entry *p = field;
	char copy[CAMPAIGN_TEXT_BYTES], *rest = copy, *word;
	int ret = set_text(copy, key, value, e);

	p->n_limits = 0;
	while (!ret && (word = strsep(&rest, " \t,"))) {
		if (!*word)
			continue;
		if (p->n_limits == SAMPLE_LIMITS)
			return err_set(e, -EINVAL, "%s: more than %d", key, SAMPLE_LIMITS);
		ret = sample_limit_parse(&p->limits[p->n_limits++], word, e);
	}
	if (!ret && !p->n_limits)
		return err_set(e, -EINVAL, "%s: empty", key);
	return ret;
}

#define CAMPAIGN(m)  SECTION_CAMPAIGN, offsetof(struct campaign, m)
#define GUEST(m)     SECTION_GUEST, offsetof(struct guest_entry, m)
#define LOAD(m)	     SECTION_LOAD, offsetof(struct load_entry, m)
#define PHASE(m)     SECTION_PHASE, offsetof(struct phase_entry, m)
#define PHASE_ITSELF SECTION_PHASE, 0
#define FOR(i)	     (1u << RUN_##i)
#define GAPS	     (FOR(HWLAT) | FOR(GAP))
#define TIMED	     (GAPS | TIMERS | FOR(OSLAT))
#define IN_GUESTS    (TIMERS | FOR(OSLAT))
#define TIMERS	     (FOR(SAMPLE) | FOR(CYCLICTEST))
#define ANY_PHASE    (FOR(DOCTOR) | TIMED)

const struct campaign_key campaign_keys[] = {
	{ "name", CAMPAIGN(name), set_name, KEY_REQUIRED },
	{ "smoke", CAMPAIGN(smoke), set_bool },
	{ "slice", CAMPAIGN(slice_ns), set_duration },
	{ "on-stall", CAMPAIGN(end_on_stall), set_on_stall },

	{ "image", GUEST(image), set_path, KEY_REQUIRED },
	{ "cpus", GUEST(cpus_text), set_text, KEY_REQUIRED },
	{ "memory", GUEST(memory_bytes), set_size },
	{ "vmm", GUEST(vmm), set_vmm },
	{ "allow-shared", GUEST(allow_shared), set_bool },

	{ "kind", LOAD(kind), set_kind, KEY_REQUIRED },
	{ "cpus", LOAD(cpus), set_cpus, KEY_REQUIRED },
	{ "floor", LOAD(floor), set_u64 },
	{ "dir", LOAD(dir), set_path },

	{ "run", PHASE(run), set_run, KEY_REQUIRED, ANY_PHASE },
	{ "gate", PHASE(gate), set_bool, 0, ANY_PHASE },
	{ "cpus", PHASE(cpus), set_cpus, 0, GAPS | FOR(SAMPLE) },
	{ "guests", PHASE(guests_text), set_text, 0, IN_GUESTS },
	{ "loads", PHASE(loads_text), set_text, 0, TIMED },
	{ "guest-load", PHASE(guest_load), set_guest_load, 0, IN_GUESTS },
	{ "duration", PHASE(duration_ns), set_duration, KEY_REQUIRED, TIMED },
	{ "segment", PHASE(segment_ns), set_duration, 0, IN_GUESTS },
	{ "interval", PHASE(interval_ns), set_duration, 0, TIMERS },
	{ "priority", PHASE(priority), set_priority, 0, IN_GUESTS },
	{ "limit", PHASE_ITSELF, set_limits, 0, IN_GUESTS | FOR(GAP) },
	{ "threshold", PHASE(threshold_ns), set_duration, 0, GAPS },
	{ "width", PHASE(width_ns), set_duration, 0, FOR(HWLAT) },
	{ "spike", PHASE(spike_ns), set_duration, 0, FOR(SAMPLE) },
	{ "on-spike", PHASE(stop_at_spike), set_on_spike, 0, FOR(SAMPLE) },
	{ "simulate", PHASE_ITSELF, set_seed, 0, FOR(SAMPLE) },
	{ 0 },
};

_Static_assert(ARRAY_SIZE(campaign_keys) <= CAMPAIGN_KEYS, "each key has its place in lines[]");

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
	if (p->section == SECTION_CAMPAIGN ? *name : set_name(checked, word, name, &e)) {
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
	char line[LINE_BYTES];

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
