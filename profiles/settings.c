// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/opt.h"

enum { LINE = 2048, FILE_BYTES = 256 << 10, MOST_DEFAULTS = 16 };

struct reader {
	struct settings *s;
	const struct machine *m;
	settings_variable *variable;
	void *arg;
	const char *file;
	int line;
	int cpu; /* what {cpu} stands for */
	struct default_value {
		char name[32], value[64];
	} defaults[MOST_DEFAULTS];
	size_t n_defaults;
};

static const char *value_of(const struct reader *r, const char *name)
{
	const char *value = r->variable(r->arg, name);

	for (size_t i = 0; i < r->n_defaults && !*value; i++)
		if (!strcmp(r->defaults[i].name, name))
			value = r->defaults[i].value;
	return value;
}

static int bad(const struct reader *r, struct err *e, const char *what, const char *where)
{
	return err_set(e, -EINVAL, "%s, line %d: %s: %.64s", r->file, r->line, what, where);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "reading the profile's settings failed: no memory");
}

char *mask_format(const struct cpulist *l, char *buf, size_t size)
{
	size_t used = 0;
	bool started = false;

	for (int group = CPULIST_CPUS / 32 - 1; group >= 0; group--) {
		unsigned int bits = l->bits[group / 2] >> (group % 2 * 32);

		if (!started && !bits && group)
			continue;
		used += snprintf(buf + used, size - used, started ? ",%08x" : "%x", bits);
		started = true;
	}
	return buf;
}

/* The user's words end up in a boot loader's configuration: letters, digits and a few signs. */
static bool harmless(const char *value)
{
	for (const char *p = value; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_.,:=/+-", *p))
			return false;
	return true;
}

/* 1 replaced, 0 empty: the line does not apply, -errno */
static int substitute(const struct reader *r, const char *name, char *buf, size_t size,
		      struct err *e)
{
	if (!strcmp(name, "isolated"))
		cpulist_format(&r->m->isolated, buf, size);
	else if (!strcmp(name, "housekeeping"))
		cpulist_format(&r->m->housekeeping, buf, size);
	else if (!strcmp(name, "isolated_mask"))
		mask_format(&r->m->isolated, buf, size);
	else if (!strcmp(name, "housekeeping_mask"))
		mask_format(&r->m->housekeeping, buf, size);
	else if (!strcmp(name, "cpu"))
		snprintf(buf, size, "%d", r->cpu);
	else if (!harmless(value_of(r, name)))
		return err_set(e, -EINVAL,
			       "the variable %s has a character that does not belong "
			       "there: %.64s",
			       name, value_of(r, name));
	else
		snprintf(buf, size, "%s", value_of(r, name));
	return *buf != '\0';
}

/* 1 expanded, 0 the line does not apply, -errno */
static int expand(const struct reader *r, const char *text, char *buf, size_t size, struct err *e)
{
	size_t used = 0;

	while (*text) {
		size_t len = strcspn(text, "{");
		char name[64], value[LINE];
		const char *end;
		int ret;

		if (used + len + 1 >= size)
			return bad(r, e, "the line becomes too long", text);
		memcpy(buf + used, text, len);
		used += len;
		text += len;
		if (!*text)
			break;
		end = strchr(text, '}');
		if (!end || (size_t)(end - text) > sizeof(name))
			return bad(r, e, "a brace is not closed", text);
		snprintf(name, sizeof(name), "%.*s", (int)(end - text - 1), text + 1);
		ret = substitute(r, name, value, sizeof(value), e);
		if (ret <= 0)
			return ret;
		used += snprintf(buf + used, size - used, "%s", value);
		if (used >= size)
			return bad(r, e, "the line becomes too long", text);
		text = end + 1;
	}
	buf[used] = '\0';
	return 1;
}

static bool yes(const char *value)
{
	return *value && strchr("YyTt1", *value);
}

/* Conditions after the keyword: "@amd@!managed". */
static bool holds(const struct reader *r, char *conditions)
{
	char *rest = NULL;

	for (char *c = strtok_r(conditions, "@", &rest); c; c = strtok_r(NULL, "@", &rest)) {
		bool negated = *c == '!', is;

		c += negated;
		if (!strcmp(c, "intel"))
			is = r->m->vendor == VENDOR_INTEL;
		else if (!strcmp(c, "amd"))
			is = r->m->vendor == VENDOR_AMD;
		else
			is = yes(value_of(r, c));
		if (is == negated)
			return false;
	}
	return true;
}

/* Makes room for one more element; the array doubles at powers of two. */
static void *more(void *array, size_t n, size_t size)
{
	return n & (n - 1) ? array : realloc(array, (n ? n * 2 : 1) * size);
}

static int add_word(struct paths *p, const char *word, struct err *e)
{
	char **grown = more(p->v, p->n, sizeof(*p->v));

	if (!grown)
		return no_memory(e);
	p->v = grown;
	p->v[p->n] = strdup(word);
	if (!p->v[p->n])
		return no_memory(e);
	p->n++;
	return 0;
}

/*
 * debugfs is refused under lockdown (Secure Boot), even to be read (fs/debugfs/file.c,
 * debugfs_locked_down); that is no reason to go without the other settings.
 */
static unsigned int knob_flags(const char *path)
{
	return KNOB_MAY_MISS | (strncmp(path, "/sys/kernel/debug/", 18) ? 0 : KNOB_MAY_REFUSE);
}

static int add_knob(struct settings *s, const char *path, const char *want, struct err *e)
{
	const char *bar = strchr(want, '|');
	struct knob *grown = more(s->knobs, s->n_knobs, sizeof(*grown)), *k;

	if (!grown)
		return no_memory(e);
	s->knobs = grown;
	k = &s->knobs[s->n_knobs];
	*k = (struct knob){ .path = strdup(path),
			    .want = bar ? strndup(want, bar - want) : strdup(want),
			    .also = bar ? strdup(bar + 1) : NULL,
			    .flags = knob_flags(path) };
	s->n_knobs++;
	return k->path && k->want && (k->also || !bar) ? 0 : no_memory(e);
}

/* "=NAME": what stands in the file NAME beside path; false when it cannot be read */
static bool sibling(const struct reader *r, const char *path, const char *name, char *buf,
		    size_t size)
{
	struct err ignored = { 0 };
	char other[512];

	return file_path(other, sizeof(other), "%.*s/%s", (int)(strrchr(path, '/') - path), path,
			 name) &&
	       knob_read(r->m->root, other, buf, size, &ignored) >= 0;
}

static int add_set(const struct reader *r, char *args, struct err *e)
{
	char *value = args + strcspn(args, " \t"), content[256];
	struct paths paths;
	int ret;

	if (!*value || *args != '/')
		return bad(r, e, "set takes a path and a value", args);
	*value++ = '\0';
	value += strspn(value, " \t");
	ret = machine_glob(r->m, args, &paths, e);
	for (size_t i = 0; i < paths.n && ret >= 0; i++)
		if (*value != '=')
			ret = add_knob(r->s, paths.v[i], value, e);
		else if (sibling(r, paths.v[i], value + 1, content, sizeof(content)))
			ret = add_knob(r->s, paths.v[i], content, e);
	paths_free(&paths);
	return ret;
}

static int add_boot(const struct reader *r, char *args, struct err *e)
{
	char *rest = NULL;
	int ret = 0;

	for (char *w = strtok_r(args, " \t", &rest); w && ret >= 0;
	     w = strtok_r(NULL, " \t", &rest))
		ret = harmless(w) ? add_word(&r->s->boot, w, e)
				  : bad(r, e, "no usable kernel parameter", w);
	return ret;
}

static int add_module(const struct reader *r, char *args, struct err *e)
{
	struct settings *s = r->s;
	struct module_option *grown = more(s->modules, s->n_modules, sizeof(*grown)), *o;
	char module[64], option[64], value[64], more_words[2];

	if (!grown)
		return no_memory(e);
	s->modules = grown;
	if (sscanf(args, "%63s %63s %63s %1s", module, option, value, more_words) != 3 ||
	    !harmless(module) || !harmless(option) || !harmless(value) || strchr(module, '/'))
		return bad(r, e, "module takes a name, an option and a value", args);
	o = &s->modules[s->n_modules++];
	*o = (struct module_option){ strdup(module), strdup(option), strdup(value) };
	return o->module && o->option && o->value ? 0 : no_memory(e);
}

static int add_priority(const struct reader *r, char *args, struct err *e)
{
	struct settings *s = r->s;
	struct kthread_priority *grown = more(s->priorities, s->n_priorities, sizeof(*grown));
	char name[16], number[8];
	uint64_t priority;
	int ret;

	if (!grown)
		return no_memory(e);
	s->priorities = grown;
	if (sscanf(args, "%15s %7s", name, number) != 2)
		return bad(r, e, "priority takes a name and a number", args);
	ret = opt_u64("priority", number, 1, 98, &priority, e);
	if (ret < 0)
		return ret;
	s->priorities[s->n_priorities] = (struct kthread_priority){ strdup(name), (int)priority };
	return s->priorities[s->n_priorities++].name ? 0 : no_memory(e);
}

static int add_number(const char *what, const char *text, uint64_t max, unsigned int *out,
		      struct err *e)
{
	uint64_t n;
	int ret = opt_u64(what, text, 1, max, &n, e);

	*out = ret < 0 ? 0 : n;
	return ret;
}

static int add_queues(const struct reader *r, char *args, struct err *e)
{
	return add_number("netdev_queue_count", args, 4096, &r->s->queues, e);
}

static int add_l3_ways(const struct reader *r, char *args, struct err *e)
{
	return add_number("resctrl_l3_ways", args, 63, &r->s->l3_ways, e);
}

static int add_mb_others(const struct reader *r, char *args, struct err *e)
{
	return add_number("resctrl_mb_others", args, 100, &r->s->mb_percent, e);
}

static int add_off(const struct reader *r, char *args, struct err *e)
{
	if (!*args || strpbrk(args, " \t/"))
		return bad(r, e, "off takes the name of a unit", args);
	return add_word(&r->s->units_off, args, e);
}

static int add_default(struct reader *r, const char *args, struct err *e)
{
	struct default_value *d = &r->defaults[r->n_defaults];

	if (r->n_defaults == MOST_DEFAULTS || sscanf(args, "%31s %63s", d->name, d->value) != 2)
		return bad(r, e, "default takes a name and a value, and not too often", args);
	r->n_defaults++;
	return 0;
}

static int add_flag(const struct reader *r, const char *keyword, const char *args, struct err *e)
{
	if (*args)
		return bad(r, e, "nothing may follow here", args);
	if (!strcmp(keyword, "irqs"))
		r->s->irqs = true;
	else if (!strcmp(keyword, "kthreads"))
		r->s->kthreads = true;
	else if (!strcmp(keyword, "irqbalance"))
		r->s->irqbalance = true;
	else
		return bad(r, e, "unknown keyword", keyword);
	return 0;
}

static int add(const struct reader *r, const char *keyword, const char *args, struct err *e)
{
	static const struct {
		const char *keyword;
		int (*add)(const struct reader *r, char *args, struct err *e);
	} t[] = {
		{ "boot", add_boot },	    { "set", add_set },
		{ "module", add_module },   { "priority", add_priority },
		{ "off", add_off },	    { "queues", add_queues },
		{ "l3_ways", add_l3_ways }, { "mb_others", add_mb_others },
	};
	char text[LINE];
	int ret = expand(r, args, text, sizeof(text), e);

	if (ret <= 0)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (!strcmp(keyword, t[i].keyword))
			return t[i].add(r, text, e);
	return add_flag(r, keyword, text, e);
}

static int read_line(struct reader *r, char *line, struct err *e)
{
	char *keyword = line + strspn(line, " \t"), *args, *at;
	int ret = 0;

	line[strcspn(line, "#\r")] = '\0';
	for (size_t len = strlen(line); len && isspace((unsigned char)line[len - 1]);)
		line[--len] = '\0';
	if (!*keyword)
		return 0;
	args = keyword + strcspn(keyword, " \t");
	if (*args)
		*args++ = '\0';
	args += strspn(args, " \t");
	at = strchr(keyword, '@');
	if (at) {
		*at++ = '\0';
		if (!holds(r, at))
			return 0;
	}
	if (!strcmp(keyword, "default"))
		return add_default(r, args, e);
	if (!strstr(args, "{cpu}"))
		return add(r, keyword, args, e);
	cpulist_for_each(cpu, &r->m->isolated) {
		r->cpu = cpu;
		ret = add(r, keyword, args, e);
		if (ret < 0)
			break;
	}
	return ret;
}

int settings_load(struct settings *s, const struct machine *m, const char *file,
		  settings_variable *variable, void *arg, struct err *e)
{
	struct reader r = { .s = s, .m = m, .variable = variable, .arg = arg, .file = file };
	_cleanup_free_ char *text = NULL;
	ssize_t n = file_load(file, FILE_BYTES, &text, e);
	char *next = text;
	int ret = 0;

	*s = (struct settings){ 0 };
	if (n < 0)
		return n;
	if (strlen(text) != (size_t)n)
		return err_set(e, -EINVAL, "%s is not text", file);
	while (next && ret >= 0) {
		char *line = strsep(&next, "\n");

		r.line++;
		ret = read_line(&r, line, e);
	}
	return ret < 0 ? ret : 0;
}

void settings_free(struct settings *s)
{
	knobs_free(s->knobs, s->n_knobs);
	for (size_t i = 0; i < s->n_knobs; i++) {
		free((char *)s->knobs[i].path);
		free((char *)s->knobs[i].want);
		free((char *)s->knobs[i].also);
	}
	for (size_t i = 0; i < s->n_modules; i++) {
		free(s->modules[i].module);
		free(s->modules[i].option);
		free(s->modules[i].value);
	}
	for (size_t i = 0; i < s->n_priorities; i++)
		free(s->priorities[i].name);
	free(s->knobs);
	free(s->modules);
	free(s->priorities);
	paths_free(&s->boot);
	paths_free(&s->units_off);
	*s = (struct settings){ 0 };
}
