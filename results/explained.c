// SPDX-License-Identifier: GPL-2.0-only
#include "results/explained.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

enum { TICKS_A_NS = 8 }; /* of the fastest TSC */

bool explained_is(json_object *line)
{
	return !strcmp(json_str(line, "instrument", ""), "trace");
}

/*
 * How far are they apart, if they can be one wake-up at all? The kernel's view of it is shorter than
 * the sampler's, which returns from the system call after it. By the TSC the two must end within the
 * delay itself (TICKS_A_NS: its rate is not told); wall clocks are read apart, long before.
 */
static bool near(json_object *s, json_object *x, uint64_t *apart)
{
	int64_t late = json_int(s, "latency_ns", 0), seen = json_int(x, "latency_ns", 0);
	bool by_tsc = json_int(s, "tsc", 0) > 0 && json_int(x, "tsc", 0) > 0;
	const char *key = by_tsc ? "tsc" : "wall_ns";
	uint64_t at = json_int(s, key, 0), end = json_int(x, key, 0);
	uint64_t most = by_tsc ? (uint64_t)late * TICKS_A_NS : NSEC_PER_SEC;

	if (json_int(s, "cpu", -1) != json_int(x, "cpu", -2) || late < 0 || seen < 0 ||
	    seen - late > late / 100 || late - seen > late / 4)
		return false;
	*apart = at > end ? at - end : end - at;
	return *apart < most;
}

static int keep(struct explained *x, json_object *o, struct err *e)
{
	if (!(x->n & (x->n - 1))) { /* grows at powers of two */
		struct explained_line *more = realloc(x->v, (x->n ? 2 * x->n : 1) * sizeof(*more));

		if (!more)
			return err_set(e, -ENOMEM, "reading spikes failed: no memory");
		x->v = more;
	}
	x->v[x->n++] = (struct explained_line){ .o = json_object_get(o), .spike = SIZE_MAX };
	return 0;
}

static void compare(struct explained *x, json_object *spike)
{
	for (size_t i = 0; i < x->n; i++) {
		struct explained_line *l = &x->v[i];
		uint64_t apart;

		if (!near(spike, l->o, &apart) || (l->spike != SIZE_MAX && l->apart <= apart))
			continue;
		l->spike = x->n_spikes;
		l->apart = apart;
	}
}

/* Explanations stand behind the spikes that they explain: they are read first, then compared. */
static int pass(struct explained *x, FILE *f, bool comparing, struct err *e)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	int ret = 0;

	rewind(f);
	while (!ret && getline(&line, &room, f) > 0) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		if (!json_object_is_type(o, json_type_object))
			continue;
		if (explained_is(o)) {
			ret = comparing ? 0 : keep(x, o, e);
			continue;
		}
		if (comparing)
			compare(x, o);
		x->n_spikes++;
	}
	return ret;
}

int explained_load(struct explained *x, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;
	int ret = file_stream(path, &f, e);

	*x = (struct explained){ 0 };
	if (!f)
		return ret;
	ret = pass(x, f, false, e);
	if (!ret && x->n && x->n_spikes) {
		x->n_spikes = 0;
		ret = pass(x, f, true, e);
	}
	return ret;
}

json_object *explained_of(const struct explained *x, size_t spike)
{
	const struct explained_line *nearest = NULL;

	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].spike == spike && (!nearest || x->v[i].apart < nearest->apart))
			nearest = &x->v[i];
	return nearest ? nearest->o : NULL;
}

void explained_free(struct explained *x)
{
	for (size_t i = 0; i < x->n; i++)
		json_object_put(x->v[i].o);
	free(x->v);
	*x = (struct explained){ 0 };
}
