// SPDX-License-Identifier: GPL-2.0-only
#include "results/run.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/host.h"

enum { RUN_JSON_BYTES = 64 << 20 };

static bool good_name(const char *name)
{
	size_t n = strlen(name);

	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	return n > 0 && n <= 100 && name[0] != '.' && name[0] != '-';
}

/* runs/20261120T101500Z-name */
static int default_dir(char *buf, size_t size, const char *name, struct err *e)
{
	char iso[CLOCK_ISO_BYTES], *to = iso;

	clock_iso8601(clock_wall_ns(), iso);
	for (const char *p = iso; *p; p++) /* colons trouble shells and other file systems */
		if (*p != '-' && *p != ':')
			*to++ = *p;
	*to = '\0';
	if (!file_path(buf, size, "runs/%s-%s", iso, name))
		return err_sys(e, "naming the run directory failed");
	return 0;
}

static bool dir_is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool empty = true;

	while (dir && empty && (entry = readdir(dir)))
		empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
	if (dir)
		closedir(dir);
	return empty;
}

void run_discard(struct run *r)
{
	_cleanup_closedir_ DIR *dir = opendir(r->dir);
	struct err ignored = { 0 };
	char path[PATH_MAX];
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    file_path(path, sizeof(path), "%s/%s", r->dir, d->d_name))
			file_remove_tree(path, &ignored);
	file_unmake(&r->made);
}

static int make_dir(struct run *r, const char *path, struct err *e)
{
	int ret = file_make(path, &r->made, e);

	if (ret < 0)
		return ret;
	if (!dir_is_empty(path))
		return err_set(e, -EEXIST,
			       "using %s as run directory failed: it is not empty; name another, "
			       "or remove it",
			       path);
	if (!realpath(path, r->dir))
		return err_sys(e, "finding %s failed", path);
	return 0;
}

static void first_doc(json_object *doc, const char *name)
{
	static const char *const objects[] = { "guest",	 "vmm",	   "asked", "inforce",
					       "window", "causes", "files" };
	char iso[CLOCK_ISO_BYTES], signature[CPUID_SIGNATURE_BYTES];
	const char *why;
	enum conditions c = conditions_detect("", cpuid_signature(signature), &why);

	json_set_int(doc, "schema", RUN_SCHEMA);
	json_set_str(doc, "name", name);
	json_set_str(doc, "rtkvm", RTKVM_VERSION);
	json_set_str(doc, "started", clock_iso8601(clock_wall_ns(), iso));
	json_set_str(doc, "ended", NULL);
	json_set_str(doc, "verdict", verdict_name(VERDICT_INCOMPLETE));
	json_object_object_add(doc, "reasons", json_object_new_array());
	json_set_str(doc, "conditions", conditions_name(c));
	json_set_str(doc, "conditions_why", why);
	json_object_object_add(doc, "host", host_facts(""));
	json_object_object_add(doc, "limits", json_object_new_array());
	json_object_object_add(doc, "cpus", json_object_new_array());
	json_set_int(doc, "spikes", 0);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		json_object_object_add(doc, objects[i], json_object_new_object());
}

static int first_save(struct run *r, const char *name, struct err *e)
{
	r->doc = json_object_new_object();
	if (!r->doc)
		return err_set(e, -ENOMEM, "making %s failed: no memory", r->dir);
	first_doc(r->doc, name);
	return run_save(r, e);
}

int run_create(struct run *r, const char *out, const char *name, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	memset(r, 0, sizeof(*r));
	if (!good_name(name))
		return err_set(e, -EINVAL,
			       "run name \"%s\" is not usable: letters, digits, \".\", \"_\" "
			       "and \"-\" only, at most 100",
			       name);
	ret = out ? 0 : default_dir(path, sizeof(path), name, e);
	if (!ret)
		ret = make_dir(r, out ? out : path, e);
	if (!ret)
		ret = first_save(r, name, e);
	if (ret < 0) {
		file_unmake(&r->made); /* empty: nothing could be written */
		run_close(r);
	}
	return ret;
}

/* What every reader relies on. The full schema is docs/run.schema.json; the tests apply it. */
static int check_doc(const struct run *r, struct err *e)
{
	static const struct {
		const char *key;
		json_type type;
	} basic[] = {
		{ "name", json_type_string },	    { "verdict", json_type_string },
		{ "conditions", json_type_string }, { "reasons", json_type_array },
		{ "limits", json_type_array },	    { "cpus", json_type_array },
		{ "host", json_type_object },
	};
	int64_t schema = json_int(r->doc, "schema", -1);

	if (schema > RUN_SCHEMA)
		return err_set(
			e, -EPROTONOSUPPORT,
			"reading %s/run.json failed: schema %jd is newer than %d, which this "
			"rtkvm reads; use the rtkvm that wrote it or a newer one",
			r->dir, (intmax_t)schema, RUN_SCHEMA);
	if (schema != RUN_SCHEMA)
		return err_set(e, -EINVAL, "reading %s/run.json failed: no \"schema\": %d in it",
			       r->dir, RUN_SCHEMA);
	for (size_t i = 0; i < ARRAY_SIZE(basic); i++)
		if (!json_object_is_type(json_at(r->doc, basic[i].key), basic[i].type))
			return err_set(e, -EINVAL,
				       "reading %s/run.json failed: \"%s\" is missing or not %s",
				       r->dir, basic[i].key, json_type_to_name(basic[i].type));
	return 0;
}

int run_open(struct run *r, const char *dir, struct err *e)
{
	struct err why = { 0 };
	char path[PATH_MAX];
	int ret;

	memset(r, 0, sizeof(*r));
	if (!realpath(dir, r->dir))
		return err_sys(e, "opening run directory %s failed", dir);
	ret = json_load(run_path(r, "run.json", path), RUN_JSON_BYTES, &r->doc, &why);
	if (ret == -ENOENT)
		return err_set(e, ret,
			       "opening run directory %s failed: there is no run.json in it", dir);
	if (ret < 0)
		err_set(e, ret, "%s", why.text);
	else
		ret = check_doc(r, e);
	if (ret < 0)
		run_close(r);
	return ret;
}

int run_save(struct run *r, struct err *e)
{
	char path[PATH_MAX];

	return json_save(run_path(r, "run.json", path), r->doc, e);
}

/* into reasons[], and, unless NULL, into the list of those that mean the same */
static void add_reason(struct run *r, const char *list, const char *fmt, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, args);
	json_object_array_add(json_at(r->doc, "reasons"), json_object_new_string(text));
	if (!list)
		return;
	if (!json_object_is_type(json_at(r->doc, list), json_type_array))
		json_object_object_add(r->doc, list, json_object_new_array());
	json_object_array_add(json_at(r->doc, list), json_object_new_string(text));
}

void run_reason(struct run *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_reason(r, NULL, fmt, args);
	va_end(args);
}

void run_doubt(struct run *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_reason(r, "doubts", fmt, args);
	va_end(args);
}

void run_short(struct run *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_reason(r, "shortfalls", fmt, args);
	va_end(args);
}

int run_finish(struct run *r, enum verdict v, struct err *e)
{
	char iso[CLOCK_ISO_BYTES];

	if (v == VERDICT_ERROR)
		v = VERDICT_INCOMPLETE;
	json_set_str(r->doc, "ended", clock_iso8601(clock_wall_ns(), iso));
	json_set_str(r->doc, "verdict", verdict_name(v));
	return run_save(r, e);
}

void run_close(struct run *r)
{
	json_object_put(r->doc);
	r->doc = NULL;
}

char *run_path(const struct run *r, const char *file, char buf[static PATH_MAX])
{
	/* too long a path is cut, and opening it then fails with the name in the error */
	file_path(buf, PATH_MAX, "%s/%s", r->dir, file);
	return buf;
}

json_object *run_section(struct run *r, const char *key)
{
	json_object *o = json_at(r->doc, key);

	if (!json_object_is_type(o, json_type_object)) {
		o = json_object_new_object();
		json_object_object_add(r->doc, key, o);
	}
	return o;
}

void run_file(struct run *r, const char *key, const char *file)
{
	json_set_str(run_section(r, "files"), key, file);
}

/* A count that may be unknown: null then, so that nobody takes it for zero. */
static void set_known(json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, value < 0 ? NULL : json_object_new_int64(value));
}

/* With one decimal, as text too: 3.9 shall not read 3.8999999999999999. */
static json_object *mean(const struct hist *h)
{
	char text[32];

	if (!h->count || h->over)
		return NULL;
	snprintf(text, sizeof(text), "%.1f", hist_mean_ns(h));
	return json_object_new_double_s(strtod(text, NULL), text);
}

void run_add_cpu(struct run *r, const struct run_cpu *c, const struct hist *h)
{
	json_object *o = json_object_new_object(), *quantiles = json_object_new_object();
	uint64_t total = hist_total(h), ns;

	json_set_int(o, "cpu", c->cpu);
	set_known(o, "host_cpu", c->host_cpu);
	json_set_str(o, "instrument", c->instrument);
	json_set_int(o, "samples", total);
	set_known(o, "expected", c->expected);
	set_known(o, "missed", c->missed);
	set_known(o, "min_ns", total ? (int64_t)h->min_ns : -1);
	json_object_object_add(o, "mean_ns", mean(h));
	set_known(o, "max_ns", total ? (int64_t)h->max_ns : -1);
	for (int i = 0; i < HIST_LEVELS; i++)
		if (hist_quantile(h, hist_levels[i].q, &ns))
			json_set_int(quantiles, hist_levels[i].key, ns);
	json_object_object_add(o, "quantiles_ns", quantiles);
	json_set_int(o, "resolution_ns", h->resolution_ns);
	if (c->none_from_ns)
		json_set_int(o, "none_from_ns", c->none_from_ns);
	if (h->over) {
		json_set_int(o, "over", h->over);
		json_set_int(o, "over_from_ns", h->over_from_ns);
	}
	json_object_array_add(json_at(r->doc, "cpus"), o);
}
