// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/findings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

int findings_init(struct findings *r, const struct cpulist *cpus, struct err *e)
{
	unsigned int i = 0;

	*r = (struct findings){ .n_cpus = cpulist_count(cpus),
				.previous_s = NAN,
				.watch_previous_s = NAN };
	r->cpus = calloc(r->n_cpus, sizeof(*r->cpus));
	r->kept = calloc(FINDINGS_KEPT, sizeof(*r->kept));
	if (!r->cpus || !r->kept) {
		findings_free(r);
		return err_set(e, -ENOMEM, "no memory for the results of %u CPUs", r->n_cpus);
	}
	cpulist_for_each(cpu, cpus) {
		r->cpus[i].cpu = cpu;
		hist_init(&r->cpus[i].slice);
		hist_init(&r->cpus[i].all);
		i++;
	}
	return 0;
}

void findings_free(struct findings *r)
{
	if (r->spikes)
		fclose(r->spikes);
	if (r->samples)
		fclose(r->samples);
	free(r->cpus);
	free(r->kept);
	*r = (struct findings){ 0 };
}

/* Past FINDINGS_KEPT the shortest gives way. A scan is cheap enough for what happens rarely. */
static void keep(struct findings *r, const struct gap *g)
{
	size_t at = 0;

	if (r->n_kept < FINDINGS_KEPT) {
		r->kept[r->n_kept++] = *g;
		return;
	}
	r->not_kept++;
	for (size_t i = 1; i < r->n_kept; i++)
		if (r->kept[i].ns < r->kept[at].ns)
			at = i;
	if (r->kept[at].ns < g->ns)
		r->kept[at] = *g;
}

static void write_spike(struct findings *r, const struct gap *g)
{
	_cleanup_json_ json_object *o = gap_json(g, r->in_guest);

	if (fprintf(r->spikes, "%s\n",
		    json_object_to_json_string_ext(
			    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) < 0 ||
	    fflush(r->spikes))
		r->spikes_failed = true;
}

void findings_add(struct findings *r, const struct gap *g)
{
	struct findings_cause *cause = &r->causes[g->cause.kind];
	struct findings_cpu *c = &r->cpus[g->index];

	hist_add(&c->slice, g->ns);
	c->gaps++;
	c->gap_ns += g->ns;
	if (g->ns > c->max_gap_ns)
		c->max_gap_ns = g->ns;
	if (g->ns > c->slice_max_ns) {
		c->slice_max_ns = g->ns;
		c->slice_max_wall_ns = g->wall_ns;
	}
	cause->count++;
	cause->ns += g->ns;
	if (g->ns > cause->max_ns)
		cause->max_ns = g->ns;
	r->gaps++;
	if (g->ns > r->max_ns)
		r->max_ns = g->ns;
	if (g->cause.kind == CULPRIT_PLATFORM && g->group > r->last_platform_group) {
		r->platform_events++;
		r->last_platform_group = g->group;
	}
	keep(r, g);
	if (r->spikes)
		write_spike(r, g);
	if (r->samples) {
		char line[256];

		findings_sample_line(line, sizeof(line), g, &r->previous_s);
		fprintf(r->samples, "%s\n", line);
		fflush(r->samples);
	}
}

void findings_quiet(struct findings *r, unsigned int index, uint64_t ns)
{
	if (ns)
		hist_add(&r->cpus[index].slice, ns);
}

void findings_lost(struct findings *r, unsigned int index, uint64_t n, uint64_t max_ns)
{
	struct findings_cpu *c = &r->cpus[index];

	if (!n)
		return;
	c->lost += n;
	hist_add_n(&c->slice, max_ns, 1); /* the maximum has to be right whatever was dropped */
	if (max_ns > c->max_gap_ns)
		c->max_gap_ns = max_ns;
	if (max_ns > r->max_ns)
		r->max_ns = max_ns;
}

static int by_time(const void *x, const void *y)
{
	const struct gap *a = x, *b = y;

	return a->start_tsc < b->start_tsc ? -1 : a->start_tsc > b->start_tsc;
}

void findings_sort(struct findings *r)
{
	qsort(r->kept, r->n_kept, sizeof(*r->kept), by_time);
}

void findings_sample_line(char *buf, size_t size, const struct gap *g, double *previous_s)
{
	double now_s = g->wall_ns / 1e9;
	char detail[CULPRIT_DETAIL_BYTES + 4] = "";

	if (g->cause.detail[0])
		snprintf(detail, sizeof(detail), " (%s)", g->cause.detail);
	snprintf(buf, size,
		 "ts: %ju.%09ju, delta:%.6f, inner:%ju, outer:0, cpu:%d, count:1, cause:%s%s",
		 (uintmax_t)(g->wall_ns / 1000000000), (uintmax_t)(g->wall_ns % 1000000000),
		 now_s - *previous_s, (uintmax_t)(g->ns / 1000), g->cpu,
		 culprit_kind_name(g->cause.kind), detail);
	*previous_s = now_s;
}

static json_object *parts_json(const struct culprit_facts *f)
{
	json_object *parts = json_object_new_array();

	for (unsigned int i = 0; i < f->n_parts; i++) {
		json_object *o = json_object_new_object();

		json_set_str(o, "kind", culprit_kind_name(f->parts[i].kind));
		json_set_str(o, "name", f->parts[i].name);
		json_set_int(o, "ns", f->parts[i].ns);
		json_object_array_add(parts, o);
	}
	return parts;
}

json_object *gap_json(const struct gap *g, bool in_guest)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "instrument", "hwlat");
	json_set_int(o, "cpu", g->cpu);
	json_set_int(o, "wall_ns", g->wall_ns + g->ns);
	json_set_int(o, "mono_ns", g->mono_ns);
	json_set_int(o, "tsc", g->start_tsc);
	json_set_int(o, "latency_ns", g->ns);
	json_set_str(o, "cause", culprit_spike_name(g->cause.kind, in_guest));
	json_set_str(o, "kind", culprit_kind_name(g->cause.kind));
	json_set_str(o, "detail", g->cause.detail);
	json_set_str(o, "evidence", culprit_evidence_name(g->cause.evidence));
	json_set_int(o, "explained_ns", g->cause.explained_ns);
	if (g->group) {
		json_set_int(o, "group", g->group);
		json_set_int(o, "group_cpus", g->facts.group_cpus);
	}
	json_set_int(o, "preempted", g->facts.preempted);
	if (g->facts.trace)
		json_object_object_add(o, "parts", parts_json(&g->facts));
	return o;
}
