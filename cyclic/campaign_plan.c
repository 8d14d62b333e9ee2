// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_plan.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"

static void add_cpus(struct vmproc_argv *a, const struct cpulist *cpus)
{
	char text[1024];

	argv_add(a, "--cpus");
	argv_add(a, "%s", cpulist_format(cpus, text, sizeof(text)));
}

/* Only all attempts together may have the samples that a quantile needs: the campaign judges those. */
static void add_limits(struct vmproc_argv *a, const struct phase_entry *p)
{
	for (size_t i = 0; i < p->n_limits; i++)
		if (!strcmp(p->limits[i].what, "max_ns"))
			argv_add(a, "--limit=max=%juns", (uintmax_t)p->limits[i].ns);
}

static void add_on_spike(struct vmproc_argv *a, const struct phase_entry *p,
			 const struct plan_ask *ask)
{
	/* cyclictest knows a spike only as where it ends */
	if (p->spike_ns && (p->run == RUN_SAMPLE || ask->on_spike != SPIKE_RECORD))
		argv_add(a, "--spike=%juns", (uintmax_t)p->spike_ns);
	if (ask->on_spike != SPIKE_RECORD)
		argv_add(a, "--on-spike=%s", spike_action_name(ask->on_spike));
}

static void add_sample(struct vmproc_argv *a, const struct campaign *c, const struct phase_entry *p,
		       const struct plan_ask *ask)
{
	uint64_t ns = ask->ns;

	argv_add(a, "--interval=%juns", (uintmax_t)p->interval_ns);
	argv_add(a, "--duration=%juns", (uintmax_t)ns);
	argv_add(a, "--slice=%juns", (uintmax_t)c->slice_ns);
	argv_add(a, "--fifo=%ju", (uintmax_t)p->priority);
	add_on_spike(a, p, ask);
	if (p->simulate)
		argv_add(a, "--simulate=%ju", (uintmax_t)p->seed);
	add_limits(a, p);
}

/* cyclictest and oslat */
static void add_rttests(struct vmproc_argv *a, const struct phase_entry *p,
			const struct plan_ask *ask)
{
	uint64_t ns = ask->ns;

	if (p->run == RUN_CYCLICTEST)
		argv_add(a, "--interval=%juus", (uintmax_t)p->interval_ns / 1000);
	if (p->histogram_ns)
		argv_add(a, "--histogram=%juns", (uintmax_t)p->histogram_ns);
	argv_add(a, "--duration=%jus", (uintmax_t)((ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
	argv_add(a, "--priority=%ju", (uintmax_t)p->priority);
	for (size_t i = 0; i < p->n_limits; i++)
		argv_add(a, "--limit=%juns", (uintmax_t)p->limits[i].ns);
	add_on_spike(a, p, ask);
}

static void add_guest(struct vmproc_argv *a, const struct campaign *c, const struct phase_entry *p,
		      const struct guest_entry *g)
{
	argv_add(a, "--guest=%s", g->image);
	argv_add(a, "--cpus=%s", g->cpus_text);
	argv_add(a, "--memory=%juM", (uintmax_t)g->memory_bytes >> 20);
	argv_add(a, "--vmm=%s", g->vmm);
	if (g->allow_shared)
		argv_add(a, "--allow-shared");
	if (g->allow_tick)
		argv_add(a, "--allow-tick");
	if (p->guest_load)
		argv_add(a, "--guest-load=%s", p->guest_load->name);
	if (p->guest_load_floor)
		argv_add(a, "--guest-load-floor=%ju", (uintmax_t)p->guest_load_floor);
	if (p->run != RUN_SAMPLE) /* that one gets it anyway */
		argv_add(a, "--slice=%juns", (uintmax_t)c->slice_ns);
	argv_add(a, "--no-report");
}

/* cyclictest and oslat without a guest */
static void add_host(struct vmproc_argv *a, const struct phase_entry *p)
{
	argv_add(a, "--host");
	add_cpus(a, &p->cpus);
	argv_add(a, "--no-report");
}

static void add_hwlat(struct vmproc_argv *a, const struct campaign *c, const struct phase_entry *p,
		      uint64_t ns)
{
	add_cpus(a, &p->cpus);
	argv_add(a, "--duration=%juns", (uintmax_t)ns);
	if (p->threshold_ns)
		argv_add(a, "--threshold=%juns", (uintmax_t)p->threshold_ns);
	if (p->width_ns)
		argv_add(a, "--width=%juns", (uintmax_t)p->width_ns);
	argv_add(a, "--quiet");
	if (c->smoke)
		argv_add(a, "--allow-unstable-tsc"); /* an emulated machine has no other */
}

static void add_guest_hwlat(struct vmproc_argv *a, const struct phase_entry *p, uint64_t ns)
{
	argv_add(a, "--duration=%jus", (uintmax_t)((ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
	if (p->threshold_ns)
		argv_add(a, "--threshold=%juns", (uintmax_t)p->threshold_ns);
	if (p->width_ns)
		argv_add(a, "--width=%juns", (uintmax_t)p->width_ns);
}

/* A guest that only spins, interrupts off: what takes its vCPU away is the host's doing. */
static void add_gap(struct vmproc_argv *a, const struct campaign *c, const struct phase_entry *p,
		    uint64_t ns)
{
	argv_add(a, "--cpu=%d", cpulist_next(&p->cpus, 0));
	argv_add(a, "--duration=%juns", (uintmax_t)ns);
	if (p->threshold_ns)
		argv_add(a, "--threshold=%juns", (uintmax_t)p->threshold_ns);
	if (c->smoke)
		argv_add(a, "--allow-shared"); /* any machine, isolated CPUs or not */
}

int plan_job(struct vmproc_argv *a, const char *self, const struct campaign *c,
	     const struct phase_entry *p, const struct guest_entry *g, const struct plan_ask *ask,
	     struct err *e)
{
	uint64_t ns = ask->ns;

	*a = (struct vmproc_argv){ 0 };
	argv_add(a, "%s", self);
	if (p->run == RUN_GAP)
		argv_add(a, "bench");
	argv_add(a, "%s%s", instrument_name(p->run), p->run == RUN_HWLAT && g ? "-guest" : "");
	if (g)
		add_guest(a, c, p, g);
	else if (p->run == RUN_SAMPLE)
		add_cpus(a, &p->cpus);
	else if (p->run == RUN_CYCLICTEST || p->run == RUN_OSLAT)
		add_host(a, p);
	if (p->run == RUN_DOCTOR)
		argv_add(a, "--json");
	else if (p->run == RUN_HWLAT && g)
		add_guest_hwlat(a, p, ns);
	else if (p->run == RUN_HWLAT)
		add_hwlat(a, c, p, ns);
	else if (p->run == RUN_GAP)
		add_gap(a, c, p, ns);
	else if (p->run == RUN_SAMPLE)
		add_sample(a, c, p, ask);
	else
		add_rttests(a, p, ask);
	/* hwlat judges its machine; in a smoke campaign only that it worked counts */
	if (c->smoke && p->run != RUN_DOCTOR && (p->run != RUN_HWLAT || g) && p->run != RUN_GAP)
		argv_add(a, "--smoke");
	if (p->run != RUN_DOCTOR && argv_add(a, "--out=%s", ask->dir) < 0)
		return err_set(e, -E2BIG, "phase %s: its command line is too long", p->entry.name);
	return 0;
}

int plan_load(struct vmproc_argv *a, const char *self, const struct campaign *c,
	      const struct load_entry *l, struct err *e)
{
	*a = (struct vmproc_argv){ 0 };
	argv_add(a, "%s", self);
	argv_add(a, "noise");
	argv_add(a, "%s", l->kind->name);
	add_cpus(a, &l->cpus);
	if (l->dir[0])
		argv_add(a, "--dir=%s", l->dir);
	if (argv_add(a, "--interval=%juns", (uintmax_t)c->slice_ns) < 0)
		return err_set(e, -E2BIG, "load %s: its command line is too long", l->entry.name);
	return 0;
}

size_t plan_jobs(const struct phase_entry *p)
{
	return p->n_guests ? p->n_guests : 1;
}

char *plan_dir(char buf[static PATH_MAX], const char *dir, size_t phase,
	       const struct phase_entry *p, unsigned int attempt, const struct guest_entry *g)
{
	file_path(buf, PATH_MAX, "%s/%02zu-%s/%u%s%s", dir, phase + 1, p->entry.name, attempt,
		  g ? "-" : "", g ? g->entry.name : "");
	return buf;
}

static void print_argv(const struct vmproc_argv *a, FILE *out, const char *end)
{
	for (int i = 0; i < a->n; i++)
		fprintf(out, "%s%s", i ? " " : "", a->argv[i]);
	fputs(end, out);
}

int plan_print(const struct campaign *c, const char *self, const char *dir, FILE *out,
	       struct err *e)
{
	struct vmproc_argv a;

	for (size_t i = 0; i < c->n_phases; i++) {
		const struct phase_entry *p = &c->phases[i];
		char job_dir[PATH_MAX];

		fprintf(out, "# phase %s\n", p->entry.name);
		for (size_t k = 0; k < p->n_loads; k++) {
			if (plan_load(&a, self, c, p->loads[k], e) < 0)
				return e->code;
			print_argv(&a, out, " &\n");
		}
		for (size_t k = 0; k < plan_jobs(p); k++) {
			const struct guest_entry *g = p->n_guests ? p->guests[k] : NULL;
			const struct plan_ask ask = {
				.ns = p->segment_ns ? p->segment_ns : p->duration_ns,
				.dir = plan_dir(job_dir, dir, i, p, 1, g),
				.on_spike = p->on_spike,
			};

			if (plan_job(&a, self, c, p, g, &ask, e) < 0)
				return e->code;
			print_argv(&a, out, p->n_guests > 1 ? " &\n" : "\n");
		}
	}
	return 0;
}
