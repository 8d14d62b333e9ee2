// SPDX-License-Identifier: GPL-2.0-only
/* Does a campaign make sense, as a whole and on this machine? Every mistake, not the first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/campaign.h"
#include "cyclic/campaign_keys.h"
#include "cyclic/campaign_trial.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

/* Required keys that are absent, and keys of a phase that its instrument does not know. */
static void check_keys(const struct entry *entry, enum campaign_section s, enum instrument run,
		       struct mistakes *m)
{
	for (const struct campaign_key *k = campaign_keys; k->name; k++) {
		int line = entry->lines[k - campaign_keys];
		bool applies = s != SECTION_PHASE || run == RUN_NONE ||
			       (k->instruments & 1u << run);

		if (k->section != s)
			continue;
		if (line && !applies)
			mistake(m, line, "\"%s\" does not apply to run = %s", k->name,
				instrument_name(run));
		if (!line && (k->flags & KEY_REQUIRED) && applies &&
		    (s != SECTION_PHASE || run != RUN_NONE || !strcmp(k->name, "run")))
			mistake(m, entry->line, "\"%s\" is missing", k->name);
	}
}

static void check_cpus(const struct cpulist *cpus, const struct campaign_machine *machine, int line,
		       struct mistakes *m)
{
	struct cpulist gone = cpulist_minus(cpus, &machine->online);
	char text[128];

	if (!cpulist_empty(&gone))
		mistake(m, line, "CPU %s is not online on this machine",
			cpulist_format(&gone, text, sizeof(text)));
}

static void check_image(const struct guest_entry *g, struct mistakes *m)
{
	static const char *const files[] = { "vmlinuz", "initrd", "manifest.json" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!file_path(path, sizeof(path), "%s/%s", g->image, files[i]) ||
		    !file_exists(path)) {
			mistake(m, campaign_line_of(&g->entry, SECTION_GUEST, "image"),
				"guest image %.200s has no %s; rtkvm guest build makes one",
				g->image, files[i]);
			return;
		}
}

static void check_guest(struct guest_entry *g, const struct campaign_machine *machine,
			struct mistakes *m)
{
	int line = campaign_line_of(&g->entry, SECTION_GUEST, "cpus");
	struct err e = { 0 };
	struct cpulist cpus;

	check_keys(&g->entry, SECTION_GUEST, RUN_NONE, m);
	if (g->memory_bytes % (1 << 20))
		mistake(m, campaign_line_of(&g->entry, SECTION_GUEST, "memory"),
			"memory is not a whole number of MiB");
	if (strlen(g->entry.name) > CAMPAIGN_GUEST_NAME)
		mistake(m, g->entry.line, "a guest's name has at most %d letters",
			CAMPAIGN_GUEST_NAME);
	if (g->image[0] && machine->images)
		check_image(g, m);
	if (!g->cpus_text[0])
		return;
	if (cpumap_parse(&g->cpus, g->cpus_text, &e) < 0) {
		mistake(m, line, "%s", e.text);
		return;
	}
	cpus = cpumap_cpus(&g->cpus);
	check_cpus(&cpus, machine, line, m);
	if (g->cpus.n < 2)
		mistake(m, line,
			"a guest needs two vCPUs: vCPU 0 keeps house, the others are measured");
}

static void check_load(struct load_entry *l, const struct campaign_machine *machine,
		       struct mistakes *m)
{
	int line = campaign_line_of(&l->entry, SECTION_LOAD, "cpus");

	check_keys(&l->entry, SECTION_LOAD, RUN_NONE, m);
	check_cpus(&l->cpus, machine, line, m);
	if (!l->kind)
		return;
	if (!cpulist_empty(&l->cpus) && cpulist_count(&l->cpus) < l->kind->min_cpus)
		mistake(m, line, "load %s needs at least %d CPUs", l->kind->name,
			l->kind->min_cpus);
	if (l->kind->needs_dir && !l->dir[0])
		mistake(m, l->entry.line, "load %s needs dir = DIRECTORY", l->kind->name);
	if (l->dir[0] && !file_exists(l->dir))
		mistake(m, campaign_line_of(&l->entry, SECTION_LOAD, "dir"),
			"there is no directory %.200s", l->dir);
}

/* --- phases --- */

static void resolve_guests(struct campaign *c, struct phase_entry *p, struct mistakes *m)
{
	int line = campaign_line_of(&p->entry, SECTION_PHASE, "guests");
	char copy[CAMPAIGN_TEXT_BYTES], *rest = strcpy(copy, p->guests_text), *word;

	while ((word = strsep(&rest, " \t,"))) {
		const struct guest_entry *found = NULL;

		for (size_t i = 0; i < c->n_guests; i++)
			if (!strcmp(c->guests[i].entry.name, word))
				found = &c->guests[i];
		if (*word && !found)
			mistake(m, line, "there is no [guest %s]", word);
		for (size_t i = 0; i < p->n_guests && found; i++)
			if (p->guests[i] == found) {
				mistake(m, line, "guest %s is named twice", word);
				found = NULL;
			}
		if (found)
			p->guests[p->n_guests++] = found;
	}
}

static void resolve_loads(struct campaign *c, struct phase_entry *p, struct mistakes *m)
{
	int line = campaign_line_of(&p->entry, SECTION_PHASE, "loads");
	char copy[CAMPAIGN_TEXT_BYTES], *rest = strcpy(copy, p->loads_text), *word;

	while ((word = strsep(&rest, " \t,"))) {
		const struct load_entry *found = NULL;

		for (size_t i = 0; i < c->n_loads; i++)
			if (!strcmp(c->loads[i].entry.name, word))
				found = &c->loads[i];
		if (*word && !found)
			mistake(m, line, "there is no [load %s]", word);
		for (size_t i = 0; i < p->n_loads && found; i++)
			if (p->loads[i] == found) {
				mistake(m, line, "load %s is named twice", word);
				found = NULL;
			}
		if (found)
			p->loads[p->n_loads++] = found;
	}
}

/* The host CPUs of the vCPUs that are measured: all but vCPU 0, which keeps the guest's house. */
static struct cpulist measured(const struct guest_entry *g)
{
	struct cpulist cpus = { 0 };

	for (int v = 1; v < g->cpus.n; v++)
		cpulist_add(&cpus, g->cpus.host[v]);
	return cpus;
}

struct cpulist phase_cpus(const struct phase_entry *p)
{
	struct cpulist all = p->cpus;

	for (size_t i = 0; i < p->n_guests; i++) {
		struct cpulist cpus = measured(p->guests[i]);

		cpulist_for_each(cpu, &cpus)
			cpulist_add(&all, cpu);
	}
	return all;
}

static void check_overlap(const struct phase_entry *p, struct mistakes *m)
{
	int line = campaign_line_of(&p->entry, SECTION_PHASE, "guests");
	char text[128];

	for (size_t a = 0; a < p->n_guests; a++)
		for (size_t b = a + 1; b < p->n_guests; b++) {
			struct cpulist x = cpumap_cpus(&p->guests[a]->cpus);
			struct cpulist y = cpumap_cpus(&p->guests[b]->cpus);
			struct cpulist both = cpulist_and(&x, &y);

			if (!cpulist_empty(&both))
				mistake(m, line, "guests %s and %s overlap on CPU %s",
					p->guests[a]->entry.name, p->guests[b]->entry.name,
					cpulist_format(&both, text, sizeof(text)));
		}
	for (size_t i = 0; i < p->n_loads; i++) {
		struct cpulist own = phase_cpus(p);
		struct cpulist both = cpulist_and(&own, &p->loads[i]->cpus);

		if (!cpulist_empty(&both))
			mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "loads"),
				"load %s would run on CPU %s, which this phase measures",
				p->loads[i]->entry.name, cpulist_format(&both, text, sizeof(text)));
	}
}

static void check_times(const struct phase_entry *p, struct mistakes *m)
{
	if (!p->duration_ns)
		return; /* told already */
	if (p->interval_ns > p->duration_ns)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "interval"),
			"interval is longer than duration");
	if (p->segment_ns > p->duration_ns)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "segment"),
			"segment is longer than duration");
	if ((p->run == RUN_CYCLICTEST || p->run == RUN_OSLAT || phase_watches_guests(p)) &&
	    (p->duration_ns % NSEC_PER_SEC || p->segment_ns % NSEC_PER_SEC))
		mistake(m,
			campaign_line_of(&p->entry, SECTION_PHASE,
					 p->duration_ns % NSEC_PER_SEC ? "duration" : "segment"),
			"%s takes whole seconds", instrument_name(p->run));
	if (p->run == RUN_CYCLICTEST && p->interval_ns % 1000)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "interval"),
			"cyclictest takes whole microseconds");
	if (p->width_ns > NSEC_PER_SEC)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "width"),
			"width is the part of each second that is watched: at most 1s");
	if (p->run == RUN_GAP &&
	    (p->duration_ns < NSEC_PER_SEC / 10 || p->duration_ns > 24 * 3600 * NSEC_PER_SEC))
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "duration"),
			"run = gap takes 100ms to 24h");
	if (p->run == RUN_GAP && p->threshold_ns &&
	    (p->threshold_ns < 100 || p->threshold_ns > NSEC_PER_SEC))
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "threshold"),
			"the threshold of run = gap is 100ns to 1s");
}

/* The instruments' own defaults, made visible: the campaign judges all attempts together by them. */
static void defaults(const struct campaign *c, struct phase_entry *p)
{
	if (!p->priority)
		p->priority = p->run == RUN_OSLAT ? 1 : 95;
	if (!p->threshold_ns && p->run == RUN_HWLAT)
		p->threshold_ns = CTOPTS_HWLAT_THRESHOLD_NS;
	if (p->n_limits || c->smoke)
		return;
	if (p->run == RUN_CYCLICTEST)
		p->limits[0].ns = CTOPTS_LIMIT_NS;
	else if (p->run == RUN_OSLAT)
		p->limits[0].ns = CTOPTS_OSLAT_LIMIT_NS;
	else if (p->run == RUN_HWLAT)
		p->limits[0].ns = p->threshold_ns;
	else
		return;
	strcpy(p->limits[0].what, "max_ns");
	p->n_limits = 1;
}

/* What only one of both places has. */
static void check_place(const struct phase_entry *p, bool in_guest, struct mistakes *m)
{
	if (!in_guest && p->guest_load)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "guest-load"),
			"\"guest-load\" needs guests");
	if (!in_guest && p->run == RUN_HWLAT && p->segment_ns)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "segment"),
			"\"segment\" of run = hwlat needs guests");
	if (in_guest && p->simulate)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "simulate"),
			"\"simulate\" does not apply in guests");
}

/* On the host (cpus) or in guests: gap on the one, the others on either. */
static void check_where(const struct phase_entry *p, struct mistakes *m)
{
	int cpus = campaign_line_of(&p->entry, SECTION_PHASE, "cpus");
	int guests = campaign_line_of(&p->entry, SECTION_PHASE, "guests");
	bool host = cpus != p->entry.line, in_guest = guests != p->entry.line;

	if (p->run == RUN_NONE || p->run == RUN_DOCTOR)
		return;
	if (p->run == RUN_GAP) {
		if (!host)
			mistake(m, p->entry.line, "\"cpus\" is missing");
		if (cpulist_count(&p->cpus) > 1)
			mistake(m, cpus, "run = gap takes one CPU: its guest has one vCPU");
		return;
	}
	if (!host && !in_guest)
		mistake(m, p->entry.line, "\"cpus\" or \"guests\" is missing");
	if (host && in_guest)
		mistake(m, guests, "run = %s takes cpus or guests, not both",
			instrument_name(p->run));
	check_place(p, in_guest, m);
}

/* Keys that say something only beside another one. */
static void check_pairs(const struct phase_entry *p, struct mistakes *m)
{
	int traces = campaign_line_of(&p->entry, SECTION_PHASE, "traces");

	if (p->guest_load_floor && !p->guest_load)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "guest-load-floor"),
			"\"guest-load-floor\" needs guest-load");
	if (p->on_spike != SPIKE_TRACE && traces != p->entry.line)
		mistake(m, traces, "\"traces\" needs on-spike = trace");
	if (p->run == RUN_CYCLICTEST && p->on_spike == SPIKE_RECORD && p->spike_ns)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "spike"),
			"\"spike\" of run = cyclictest needs on-spike = trace or stop: it lists none");
}

/* Is one of the section's lines told of already? */
static bool is_mistaken(const struct mistakes *m, const struct entry *entry)
{
	for (size_t i = 0; i < m->n && i < MISTAKES; i++)
		for (size_t k = 0; k < CAMPAIGN_KEYS; k++)
			if (m->v[i].line == entry->line ||
			    (entry->lines[k] && m->v[i].line == entry->lines[k]))
				return true;
	return false;
}

static void check_phase(struct campaign *c, struct phase_entry *p,
			const struct campaign_machine *machine, struct mistakes *m)
{
	bool max_limit = false;

	check_keys(&p->entry, SECTION_PHASE, p->run, m);
	check_where(p, m);
	check_pairs(p, m);
	resolve_guests(c, p, m);
	defaults(c, p);
	resolve_loads(c, p, m);
	if (!p->simulate)
		check_cpus(&p->cpus, machine, campaign_line_of(&p->entry, SECTION_PHASE, "cpus"),
			   m);
	check_overlap(p, m);
	check_times(p, m);
	if (phase_breaks_off(p) && p->on_spike == SPIKE_TRACE && p->n_guests > 1 && !p->segment_ns)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "on-spike"),
			"on-spike = trace of run = cyclictest in several guests needs segment: the "
			"one that a spike ends goes on when the others' piece is over");
	for (size_t i = 0; i < p->n_limits; i++)
		max_limit |= !strcmp(p->limits[i].what, "max_ns");
	if (p->on_spike != SPIKE_RECORD && !p->spike_ns && !max_limit)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "on-spike"),
			"on-spike = %s needs spike, or a limit for max",
			spike_action_name(p->on_spike));
	if ((p->run == RUN_CYCLICTEST || p->run == RUN_OSLAT) && p->n_limits > max_limit)
		mistake(m, campaign_line_of(&p->entry, SECTION_PHASE, "limit"),
			"run = %s takes a limit for max alone", instrument_name(p->run));
	if (!is_mistaken(m, &p->entry))
		trial_phase(c, p, m);
}

static void check_slice(struct campaign *c, struct mistakes *m)
{
	if (c->slice_ns >= NSEC_PER_SEC / 10 && c->slice_ns <= 3600 * NSEC_PER_SEC)
		return;
	if (c->slice_ns) /* 0: told already */
		mistake(m, campaign_line_of(&c->entry, SECTION_CAMPAIGN, "slice"),
			"slice is out of range (100ms to 1h)");
	c->slice_ns = 10 * NSEC_PER_SEC; /* one mistake, not one more in every phase */
}

void campaign_check(struct campaign *c, const struct campaign_machine *machine, struct mistakes *m)
{
	if (!c->entry.line)
		mistake(m, 0, "there is no section [campaign]");
	else
		check_keys(&c->entry, SECTION_CAMPAIGN, RUN_NONE, m);
	check_slice(c, m);
	if (!c->n_phases)
		mistake(m, 0, "there is no section [phase NAME]: nothing would be measured");
	for (size_t i = 0; i < c->n_guests; i++)
		check_guest(&c->guests[i], machine, m);
	for (size_t i = 0; i < c->n_loads; i++)
		check_load(&c->loads[i], machine, m);
	for (size_t i = 0; i < c->n_phases; i++)
		check_phase(c, &c->phases[i], machine, m);
}
