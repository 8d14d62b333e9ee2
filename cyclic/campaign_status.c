// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_status.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/campaign_engine.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

enum { TAIL_BYTES = 65536 };

/* The campaign's file as it was when it began; what the machine has become since does not matter. */
static struct campaign *campaign_of(const struct state *s, struct err *e)
{
	_cleanup_free_ struct mistakes *ignored = calloc(1, sizeof(*ignored));
	struct campaign_machine machine = { .images = false };
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX + 16];
	struct campaign *c;

	snprintf(path, sizeof(path), "%s/campaign.ini", s->dir);
	if (!ignored || file_load(path, CAMPAIGN_FILE_BYTES, &text, e) < 0)
		return NULL;
	c = campaign_new(e);
	if (!c)
		return NULL;
	campaign_parse(c, text, ignored);
	campaign_check(c, &machine, ignored);
	return c;
}

/*
 * The latest proof of each load that a loads.jsonl tells of, with its age; phase: of that one only
 * (NULL: all). A guest's load (guest not NULL) is called LOAD@GUEST.
 */
static void read_loads(json_object *loads, const char *path, const char *phase, const char *guest)
{
	_cleanup_free_ char *tail = malloc(TAIL_BYTES + 1);
	_cleanup_fclose_ FILE *f = NULL;
	struct err ignored = { 0 };
	char *line, *rest = tail;
	size_t n;

	if (file_stream(path, &f, &ignored) < 0 || !f || !tail)
		return;
	if (fseek(f, -TAIL_BYTES, SEEK_END))
		rewind(f);
	n = fread(tail, 1, TAIL_BYTES, f);
	tail[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);
		const char *load = json_str(o, "load", NULL);
		json_object *last;
		char name[64];

		if (!load || (phase && strcmp(json_str(o, "phase", ""), phase) != 0))
			continue;
		snprintf(name, sizeof(name), "%.24s%s%s", load, guest ? "@" : "",
			 guest ? guest : "");
		last = json_object_new_object();
		json_set_double(last, "per_second", json_double(o, "per_second", 0));
		json_set_str(last, "unit", json_str(o, "unit", ""));
		json_set_double(last, "age_s",
				(double)(clock_wall_ns() - (uint64_t)json_int(o, "wall_ns", 0)) /
					NSEC_PER_SEC);
		json_object_object_add(loads, name, last);
	}
}

/* Those of the host, and those in the guests of the attempt that is under way. */
static json_object *current_loads(const struct state *s, const char *phase, json_object *doc)
{
	json_object *loads = json_object_new_object(), *attempts = json_at(doc, "attempts"), *jobs;
	size_t n = json_object_array_length(attempts);
	char path[PATH_MAX];

	if (file_path(path, sizeof(path), "%s/loads.jsonl", s->dir))
		read_loads(loads, path, phase, NULL);
	jobs = n ? json_at(json_object_array_get_idx(attempts, n - 1), "jobs") : NULL;
	for (size_t i = 0; jobs && i < json_object_array_length(jobs); i++) {
		json_object *job = json_object_array_get_idx(jobs, i);

		if (state_job_file(s, job, "loads.jsonl", path))
			read_loads(loads, path, NULL, json_str(job, "guest", "?"));
	}
	return loads;
}

static int read_current(json_object *out, const struct state *s, const struct campaign *c, size_t i,
			struct err *e)
{
	json_object *cpus = json_object_new_array(), *current = json_object_new_object();
	struct phaselog g = { 0 };
	uint64_t least = UINT64_MAX;
	int ret;

	json_object_object_add(out, "current", current);
	json_object_object_add(current, "cpus", cpus);
	json_set_int(current, "number", i + 1);
	json_set_str(current, "phase", c->phases[i].entry.name);
	json_object_object_add(current, "loads",
			       current_loads(s, c->phases[i].entry.name, state_phase(s, i)));
	ret = engine_add_up(s, c, i, &g, e);
	for (size_t k = 0; k < g.n && !ret; k++) {
		json_object *o = json_object_new_object();

		json_set_str(o, "group", g.cpus[k]->group);
		json_set_int(o, "cpu", g.cpus[k]->cpu);
		json_set_int(o, "samples", hist_total(&g.cpus[k]->hist));
		json_set_int(o, "missed", g.cpus[k]->missed);
		json_set_int(o, "max_ns", g.cpus[k]->hist.max_ns);
		json_object_array_add(cpus, o);
		if (g.cpus[k]->duration_ns < least)
			least = g.cpus[k]->duration_ns;
	}
	least = g.n ? least : 0;
	json_set_int(current, "measured_ns", least);
	json_set_int(current, "left_ns",
		     least < c->phases[i].duration_ns ? c->phases[i].duration_ns - least : 0);
	phaselog_free(&g);
	return ret;
}

static json_object *brief(json_object *phase)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "name", json_str(phase, "name", ""));
	json_set_str(o, "status", json_str(phase, "status", ""));
	json_set_str(o, "verdict", json_str(phase, "verdict", NULL));
	json_set_int(o, "attempts", json_object_array_length(json_at(phase, "attempts")));
	return o;
}

int status_read(json_object **out, const char *dir, struct err *e)
{
	_cleanup_free_ struct campaign *c = NULL;
	json_object *phases = json_object_new_array();
	struct state s;
	int ret = state_open(&s, dir, e);
	pid_t owner;

	*out = json_object_new_object();
	json_object_object_add(*out, "phases", phases);
	if (!ret) {
		c = campaign_of(&s, e);
		ret = c ? 0 : e->code;
	}
	if (!ret) {
		owner = state_owner(s.dir);
		json_set_str(*out, "name", json_str(s.doc, "name", ""));
		json_set_str(*out, "dir", s.dir);
		json_set_int(*out, "pid", owner);
		json_set_str(*out, "status",
			     owner ? "running"
			     : strcmp(json_str(s.doc, "status", ""), "running")
				     ? json_str(s.doc, "status", "")
				     : "dead");
		json_set_str(*out, "verdict", json_str(s.doc, "verdict", NULL));
	}
	for (size_t i = 0; !ret && i < c->n_phases && state_phase(&s, i); i++) {
		json_object *phase = state_phase(&s, i);

		json_object_array_add(phases, brief(phase));
		if (!strcmp(json_str(phase, "status", ""), "running"))
			ret = read_current(*out, &s, c, i, e);
	}
	state_close(&s);
	return ret;
}

static void print_time(const char *what, int64_t ns)
{
	intmax_t s = ns / (int64_t)NSEC_PER_SEC;

	printf("%02jd:%02jd:%02jd %s", s / 3600, s / 60 % 60, s % 60, what);
}

static void print_current(json_object *current)
{
	json_object *cpus = json_at(current, "cpus");

	print_time("measured, ", json_int(current, "measured_ns", 0));
	print_time("left\n", json_int(current, "left_ns", 0));
	for (size_t i = 0; i < json_object_array_length(cpus); i++) {
		json_object *c = json_object_array_get_idx(cpus, i);

		printf("  %-20s CPU %3jd  max so far %10.1f us  %12jd samples, %jd missed\n",
		       json_str(c, "group", ""), (intmax_t)json_int(c, "cpu", -1),
		       json_int(c, "max_ns", 0) / 1e3, (intmax_t)json_int(c, "samples", 0),
		       (intmax_t)json_int(c, "missed", 0));
	}
	json_object_object_foreach(json_at(current, "loads"), name, load) {
		printf("  load %-15s %12.1f %s a second, %.0f s ago\n", name,
		       json_double(load, "per_second", 0), json_str(load, "unit", ""),
		       json_double(load, "age_s", 0));
	}
}

void status_print(json_object *status)
{
	json_object *phases = json_at(status, "phases"), *current = json_at(status, "current");
	const char *state = json_str(status, "status", "");

	printf("campaign %s in %s: %s", json_str(status, "name", ""), json_str(status, "dir", ""),
	       state);
	if (json_int(status, "pid", 0))
		printf(", process %jd", (intmax_t)json_int(status, "pid", 0));
	if (!strcmp(state, "dead"))
		printf("; rtkvm campaign resume goes on with it");
	printf("\n");
	for (size_t i = 0; i < json_object_array_length(phases); i++) {
		json_object *p = json_object_array_get_idx(phases, i);

		printf("%2zu %-16s %-12s %s\n", i + 1, json_str(p, "name", ""),
		       json_str(p, "status", ""), json_str(p, "verdict", ""));
	}
	if (current)
		print_current(current);
}
