// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/phaselog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"

static struct phaselog_cpu *find(struct phaselog *g, const char *group, const struct log_slice *s,
				 struct err *e)
{
	struct phaselog_cpu **more, *c;

	for (size_t i = 0; i < g->n; i++)
		if (g->cpus[i]->cpu == s->cpu && !strcmp(g->cpus[i]->group, group))
			return g->cpus[i];
	more = realloc(g->cpus, (g->n + 1) * sizeof(*more));
	if (more)
		g->cpus = more;
	c = more ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		err_set(e, -ENOMEM, "adding the logs up failed: no memory");
		return NULL;
	}
	snprintf(c->group, sizeof(c->group), "%s", group);
	c->cpu = s->cpu;
	c->host_cpu = s->host_cpu;
	hist_init(&c->hist);
	hist_init(&c->slice_hist);
	g->cpus[g->n++] = c;
	return c;
}

static int64_t plus_known(int64_t sum, const struct log_slice *s, enum log_counter c)
{
	return sum < 0 || !log_known(s, c) ? -1 : sum + s->counters[c];
}

static int write_slice(struct phaselog *g, struct phaselog_cpu *c, struct err *e)
{
	int ret;

	if (!c->slice.duration_ns)
		return 0;
	ret = log_write(g->log, &c->slice, &c->slice_hist, e);
	memset(&c->slice, 0, sizeof(c->slice));
	hist_init(&c->slice_hist);
	return ret;
}

/*
 * Join a slice to the one being filled. Counters that are levels (frequency, temperature) take the
 * latest value, the others add up; one that is unknown in any part is unknown in the whole.
 */
static int join(struct phaselog *g, struct phaselog_cpu *c, const struct log_slice *s,
		const struct hist *h, struct err *e)
{
	struct log_slice *to = &c->slice;

	if (!to->duration_ns) {
		*to = *s;
		snprintf(to->instrument, sizeof(to->instrument), "%s", c->group);
	} else {
		to->duration_ns += s->duration_ns;
		to->known &= s->known;
		for (int i = 0; i < LOG_COUNTERS; i++)
			if (i == LOG_FREQ_KHZ || i == LOG_TEMP_MC)
				to->counters[i] = s->counters[i];
			else
				to->counters[i] += s->counters[i];
		if (h->max_ns > c->slice_hist.max_ns)
			to->max_wall_ns = s->max_wall_ns;
	}
	hist_merge(&c->slice_hist, h);
	return to->duration_ns >= g->slice_ns ? write_slice(g, c, e) : 0;
}

static int add(struct phaselog *g, const struct log_slice *s, const struct hist *h,
	       const char *group, struct err *e)
{
	struct phaselog_cpu *c = find(g, group, s, e);

	if (!c)
		return e->code;
	if (hist_total(h) && h->max_ns > c->hist.max_ns)
		c->max_wall_ns = s->max_wall_ns;
	hist_merge(&c->hist, h);
	c->expected = plus_known(c->expected, s, LOG_EXPECTED);
	c->missed = plus_known(c->missed, s, LOG_MISSED);
	c->duration_ns += s->duration_ns;
	return g->log ? join(g, c, s, h, e) : 0;
}

int phaselog_add(struct phaselog *g, const char *path, const char *group, struct err *e)
{
	struct log_reader r;
	int ret;

	if (!file_exists(path))
		return 0;
	ret = log_open(&r, path, e);
	while (!ret && (ret = log_next(&r, e)) > 0) {
		if (ret == LOG_DAMAGE)
			g->damaged += r.damage_bytes;
		ret = ret == LOG_SLICE ? add(g, &r.slice, &r.hist, group, e) : 0;
	}
	log_reader_close(&r);
	return ret < 0 ? ret : 0;
}

int phaselog_flush(struct phaselog *g, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < g->n && g->log && !ret; i++)
		ret = write_slice(g, g->cpus[i], e);
	return ret;
}

uint64_t phaselog_measured(const struct phaselog *g, const char *group, size_t cpus)
{
	uint64_t least = UINT64_MAX;
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (strcmp(g->cpus[i]->group, group) != 0)
			continue;
		n++;
		if (g->cpus[i]->duration_ns < least)
			least = g->cpus[i]->duration_ns;
	}
	return n && n >= cpus ? least : 0;
}

/* One whole line that is an object; NULL: it was cut off, or is none. */
static json_object *parse_line(const char *line)
{
	json_object *o = strchr(line, '\n') ? json_tokener_parse(line) : NULL;

	if (json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/* The parts are the kernel's view of the delay: they add up to its length, not to the sampler's. */
static void join_cause(json_object *spike, json_object *explanation)
{
	static const char *const keys[] = { "cause", "detail", "parts" };

	if (!explanation)
		return;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		if (json_at(explanation, keys[k]))
			json_object_object_add(spike, keys[k],
					       json_object_get(json_at(explanation, keys[k])));
	json_set_int(spike, "explained_ns", json_int(explanation, "latency_ns", 0));
}

static int64_t copy_spikes(FILE *in, const struct explained *x, const char *group, FILE *out,
			   int64_t max, struct err *e)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	int64_t n = 0;

	while (n < max && getline(&line, &room, in) > 0) {
		_cleanup_json_ json_object *o = parse_line(line);

		if (!o || explained_is(o))
			continue;
		join_cause(o, explained_of(x, n));
		json_set_str(o, "instrument", group);
		if (fprintf(out, "%s\n",
			    json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0)
			return err_sys(e, "writing the campaign's spikes failed");
		n++;
	}
	return n;
}

int64_t phaselog_spikes(const char *path, const char *group, FILE *out, int64_t max, struct err *e)
{
	_cleanup_fclose_ FILE *in = NULL;
	struct explained x;
	int64_t n = explained_load(&x, path, e);

	if (!n)
		n = file_stream(path, &in, e);
	if (!n && in)
		n = copy_spikes(in, &x, group, out, max, e);
	explained_free(&x);
	return n;
}

void phaselog_free(struct phaselog *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->cpus[i]);
	free(g->cpus);
	*g = (struct phaselog){ 0 };
}
