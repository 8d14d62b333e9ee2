// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/text.h"

#include <math.h>
#include <string.h>

#include "lib/clock.h"

void text_head(FILE *out, const struct hwlat_opts *o, const struct plan *p, const char *conditions)
{
	char watched[512];

	if (strcmp(conditions, "hardware"))
		fprintf(out,
			"conditions: %s: this shows what works, not how this machine performs\n",
			conditions);
	fprintf(out, "rtkvm hwlat:  test duration %ju seconds\n",
		(uintmax_t)(o->duration_ns / NSEC_PER_SEC));
	fprintf(out, "   detector: %s\n", hwlat_detector_name(o->detector));
	fprintf(out, "   parameters:\n");
	fprintf(out, "        CPU list:          %s\n",
		cpulist_format(&p->watched, watched, sizeof(watched)));
	fprintf(out, "        Latency threshold: %juus\n", (uintmax_t)(o->threshold_ns / 1000));
	fprintf(out, "        Sample window:     %juus\n", (uintmax_t)(o->window_ns / 1000));
	fprintf(out, "        Sample width:      %juus\n", (uintmax_t)(o->width_ns / 1000));
	fprintf(out, "     Non-sampling period:  %juus\n",
		(uintmax_t)((o->window_ns - o->width_ns) / 1000));
	fprintf(out, "        Output File:       %s\n", o->report ? o->report : "None");
	fprintf(out, "\nStarting test\n");
	fflush(out);
}

static uint64_t lost(const struct findings *r)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < r->n_cpus; i++)
		sum += r->cpus[i].lost;
	return sum;
}

static void smis(FILE *out, const struct findings *r)
{
	uint64_t sum = 0;
	bool known = false;

	for (unsigned int i = 0; i < r->n_cpus; i++) {
		if (!r->cpus[i].smi_known)
			continue;
		known = true;
		sum += r->cpus[i].smis;
		if (r->cpus[i].smis) /* spelt as hwlatdetect spells it */
			fprintf(out, "%ju SMIs occured on cpu %d\n", (uintmax_t)r->cpus[i].smis,
				r->cpus[i].cpu);
	}
	if (known)
		fprintf(out, "SMIs during run: %ju\n", (uintmax_t)sum);
}

static void sample_lines(FILE *out, const struct findings *r)
{
	double previous_s = NAN;
	char line[256];

	for (size_t i = 0; i < r->n_kept; i++) {
		findings_sample_line(line, sizeof(line), &r->kept[i], &previous_s);
		fprintf(out, "%s\n", line);
	}
	if (r->not_kept)
		fprintf(out, "# %ju shorter samples are not listed; spikes.jsonl has them\n",
			(uintmax_t)r->not_kept);
}

static void causes(FILE *out, const struct findings *r)
{
	fprintf(out, "\n%-10s %10s %14s %14s\n", "Cause", "count", "longest us", "total ms");
	for (int k = 0; k < CULPRIT_KINDS; k++)
		if (r->causes[k].count)
			fprintf(out, "%-10s %10ju %14.1f %14.3f\n", culprit_kind_name(k),
				(uintmax_t)r->causes[k].count, r->causes[k].max_ns / 1e3,
				r->causes[k].ns / 1e6);
	if (r->platform_events)
		fprintf(out, "Platform-wide events: %ju\n", (uintmax_t)r->platform_events);
}

/* The kernel's tracers do not tell how long they watched. */
static void cpus(FILE *out, const struct findings *r)
{
	if (!r->cpus[0].loops)
		return;
	fprintf(out, "\n%4s %9s %9s %12s %10s %9s %10s %8s\n", "CPU", "watched", "samples",
		"longest us", "taken ppm", "loop ns", "readings", "blind us");
	for (unsigned int i = 0; i < r->n_cpus; i++) {
		const struct findings_cpu *c = &r->cpus[i];
		uint64_t watched = c->watched_ns - c->blind_ns;
		double share = r->elapsed_ns ? 100.0 * watched / r->elapsed_ns : 0;

		fprintf(out, "%4d %8.3f%% %9ju %12.1f %10.2f %9.1f %10.3g %8.1f\n", c->cpu,
			share < 100 ? share : 100, (uintmax_t)c->gaps,
			c->all.count ? c->all.max_ns / 1e3 : 0.0,
			c->watched_ns ? 1e6 * c->gap_ns / c->watched_ns : 0.0, c->loop_ns,
			(double)c->loops, c->blind_ns / 1e3);
	}
}

void text_tail(FILE *out, const struct findings *r, const struct hwlat_opts *o, bool samples)
{
	uint64_t all = r->gaps + lost(r);

	fprintf(out, "test finished\n");
	if (all)
		fprintf(out, "Max Latency: %juus\n", (uintmax_t)(r->max_ns / 1000));
	else
		fprintf(out, "Max Latency: Below threshold\n");
	fprintf(out, "Samples recorded: %ju\n", (uintmax_t)r->gaps);
	fprintf(out, "Samples exceeding threshold: %ju\n", (uintmax_t)all);
	if (all > 1)
		fprintf(out, "MTBF: %.3f seconds\n", r->elapsed_ns / 1e9 / all);
	smis(out, r);
	if (samples)
		sample_lines(out, r);
	if (lost(r))
		fprintf(out, "# %ju samples came too fast to be recorded\n", (uintmax_t)lost(r));
	if (all)
		causes(out, r);
	cpus(out, r);
	fprintf(out, "\nHard limit: %juus\n", (uintmax_t)(o->hardlimit_ns / 1000));
}
