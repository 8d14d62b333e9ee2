// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/vmclock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

enum { LINE_BYTES = 1 << 18, LINES_MAX = 64, READINGS = 3 };

/* Readings further apart say too little to be worth keeping, and must not overflow. */
static const uint64_t apart_max_ticks = 1ull << 40;

static bool get_bracket(json_object *list, struct clock_range *range)
{
	uint64_t at[READINGS];

	if (!json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) != READINGS)
		return false;
	for (size_t i = 0; i < READINGS; i++)
		at[i] = json_object_get_int64(json_object_array_get_idx(list, i));
	if (at[2] < at[0] || at[2] - at[0] > apart_max_ticks)
		return false;
	*range = clock_bracket(at[0], at[1], at[2]);
	return true;
}

static int get_vcpu(struct vmclocks *c, json_object *o, const char *path, struct err *e)
{
	int64_t index = json_int(o, "index", -1), tid = json_int(o, "tid", 0);
	struct vmclock *v;

	if (index >= MANIFEST_VCPUS)
		return 0;
	if (index < 0 || tid < 0 || tid > INT32_MAX)
		return err_set(e, -EINVAL, "reading %s failed: a vCPU %jd of thread %jd", path,
			       (intmax_t)index, (intmax_t)tid);
	v = &c->vcpus[index];
	v->tid = tid;
	v->exact = json_at(o, "tsc_offset") != NULL;
	v->offset = json_int(o, "tsc_offset", 0);
	v->bracketed = get_bracket(json_at(o, "tsc"), &v->range);
	if (c->n <= (size_t)index)
		c->n = index + 1;
	return 0;
}

static int get_vcpus(struct vmclocks *c, json_object *list, const char *path, struct err *e)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++)
		ret = get_vcpu(c, json_object_array_get_idx(list, i), path, e);
	return ret;
}

/* It is among the first lines: what follows need not be looked at. */
static int find_started(struct vmclocks *c, FILE *f, const char *path, struct err *e)
{
	_cleanup_free_ char *line = malloc(LINE_BYTES);

	if (!line)
		return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
	for (int i = 0; i < LINES_MAX && fgets(line, LINE_BYTES, f); i++) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		if (!strcmp(json_str(o, "event", ""), "started"))
			return get_vcpus(c, json_at(o, "vcpus"), path, e);
	}
	return ferror(f) ? err_sys(e, "reading %s failed", path) : 0;
}

int vmclock_load(struct vmclocks *c, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;
	int ret = file_stream(path, &f, e);

	*c = (struct vmclocks){ 0 };
	if (f)
		return find_started(c, f, path, e);
	return ret ? ret : err_set(e, -ENOENT, "reading %s failed: %s", path, strerror(ENOENT));
}

bool vmclock_exact(const struct vmclocks *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->vcpus[i].exact)
			return false;
	return c->n > 0;
}

bool vmclock_bracketed(const struct vmclocks *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->vcpus[i].bracketed)
			return false;
	return c->n > 0;
}
