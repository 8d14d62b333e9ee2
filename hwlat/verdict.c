// SPDX-License-Identifier: GPL-2.0-only
/* verdict - what a measurement leaves in run.json, and how it ends */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "hwlat/measure.h"
#include "hwlat/text.h"
#include "lib/json.h"

enum { DRIFT_PPM = 1000 }; /* a counter further off than this was not steady */

static json_object *seconds(uint64_t ns)
{
	return json_object_new_double(ns / 1e9);
}

static void set_asked(struct measure *s)
{
	json_object *o = run_section(&s->run, "asked");
	char list[512];

	json_set_str(o, "detector", hwlat_detector_name(s->o->detector));
	json_set_str(o, "cpus", cpulist_format(&s->plan.watched, list, sizeof(list)));
	json_object_object_add(o, "duration_s", seconds(s->o->duration_ns));
	json_set_int(o, "threshold_ns", s->o->threshold_ns);
	json_set_int(o, "hardlimit_ns", s->o->hardlimit_ns);
	json_set_int(o, "window_ns", s->asked_window_ns);
	json_set_int(o, "width_ns", s->asked_width_ns);
	json_set_int(o, "priority", s->o->priority);
	json_set_bool(o, "smoke", s->o->smoke); /* reports judge as we did */
}

static json_object *altered_json(const struct measure *s)
{
	json_object *lines = json_object_new_array();
	char line[1024];

	for (unsigned int i = 0; measure_altered(s, i, line, sizeof(line)); i++)
		json_object_array_add(lines, json_object_new_string(line));
	return lines;
}

void measure_inforce(const struct measure *s, json_object *o)
{
	char text[1024];

	json_set_str(o, "housekeeping", cpulist_format(&s->plan.housekeeping, text, sizeof(text)));
	if (s->detector.n) {
		json_set_str(o, "policy", "fifo");
		json_set_int(o, "priority", s->detector.cpus[0].priority);
	}
	json_set_int(o, "window_ns", s->o->window_ns);
	json_set_int(o, "width_ns", s->o->width_ns);
	json_object_object_add(o, "elapsed_s", seconds(s->found.elapsed_ns));
	json_set_int(o, "tsc_hz", s->tsc.hz);
	json_set_str(o, "tsc_source", tsc_source_name(s->tsc.source));
	json_set_bool(o, "tsc_invariant", s->tsc.invariant);
	json_set_bool(o, "tsc_kernel_trusts", s->tsc.kernel_trusts);
	json_set_double(o, "tsc_drift_ppm", s->found.tsc_drift_ppm);
	json_set_int(o, "rt_runtime_us",
		     altered_limit_lifted(&s->altered) ? -1 : s->altered.rt_runtime_us);
	json_set_int(o, "rt_period_us", s->altered.rt_period_us);
	json_set_str(o, "evidence", evidence_text(&s->evidence, text, sizeof(text)));
	json_set_int(o, "trace_events_lost",
		     (int64_t)(s->evidence.tracing ? s->evidence.trace.lost : s->ktracer.lost));
	json_object_object_add(o, "altered", altered_json(s));
}

static void set_causes(struct measure *s)
{
	json_object *o = run_section(&s->run, "causes");

	for (int k = 0; k < CULPRIT_KINDS; k++)
		if (s->found.causes[k].count)
			json_set_int(o, culprit_kind_name(k), s->found.causes[k].count);
}

static json_object *cpu_json(const struct findings_cpu *c)
{
	json_object *o = json_object_new_object();

	json_set_int(o, "cpu", c->cpu);
	json_set_int(o, "tid", c->tid);
	json_set_int(o, "gaps", c->gaps);
	json_set_int(o, "gaps_unrecorded", c->lost);
	json_set_int(o, "longest_ns", c->all.count ? c->all.max_ns : 0);
	json_set_int(o, "taken_ns", c->gap_ns);
	json_set_int(o, "watched_ns", c->watched_ns);
	json_set_int(o, "blind_ns", c->blind_ns);
	json_set_int(o, "readings", c->loops);
	json_set_double(o, "loop_ns", c->loop_ns);
	json_set_double(o, "loop_min_ns", c->loop_min_ns);
	if (c->smi_known)
		json_set_int(o, "smis", c->smis);
	return o;
}

static void set_hwlat(struct measure *s)
{
	json_object *o = run_section(&s->run, "hwlat");
	json_object *cpus = json_object_new_array(), *samples = json_object_new_array();

	for (unsigned int i = 0; i < s->found.n_cpus; i++) {
		struct run_cpu c = { .cpu = s->found.cpus[i].cpu,
				     .host_cpu = s->found.cpus[i].cpu,
				     .instrument = "hwlat",
				     .expected = -1,
				     .missed = -1 };

		if (s->o->detector !=
		    HWLAT_SPIN) /* the spin detector tells its longest step, too */
			c.none_from_ns = s->o->threshold_ns;
		run_add_cpu(&s->run, &c, &s->found.cpus[i].all);
		json_object_array_add(cpus, cpu_json(&s->found.cpus[i]));
	}
	for (size_t i = 0; i < s->found.n_kept; i++)
		json_object_array_add(samples, gap_json(&s->found.kept[i], s->o->guest));
	json_object_object_add(o, "cpus", cpus);
	json_set_int(o, "platform_events", s->found.platform_events);
	json_set_int(o, "samples_not_listed", s->found.not_kept);
	json_object_object_add(o, "samples", samples);
	json_set_int(s->run.doc, "spikes", s->found.gaps);
}

static enum verdict judge(struct measure *s)
{
	if (fabs(s->found.tsc_drift_ppm) > DRIFT_PPM) {
		json_set_bool(s->run.doc, "clock_drifted", true);
		run_doubt(&s->run,
			  "the time-stamp counter ran %.0f ppm off its rate: lengths are wrong",
			  s->found.tsc_drift_ppm);
	}
	if (s->ktracer.lost) /* its events are the samples */
		run_doubt(&s->run,
			  "the kernel dropped %ju events of its tracer: samples may be missing",
			  (uintmax_t)s->ktracer.lost);
	if (s->interrupted)
		json_set_bool(s->run.doc, "interrupted", true);
	else if (s->why_ended[0])
		run_short(&s->run, "ended early: %s", s->why_ended);
	return run_judge(&s->run, s->o->smoke);
}

static void foot(const struct measure *s, FILE *out, enum verdict v)
{
	json_object *reasons = json_at(s->run.doc, "reasons");
	char text[1024];

	text_tail(out, &s->found, s->o, out != stdout || !s->o->watch);
	fprintf(out, "Evidence: %s\n", evidence_text(&s->evidence, text, sizeof(text)));
	if (s->altered.limit_note[0])
		fprintf(out, "Limit on real-time threads: %jd of %jd us, %s\n",
			(intmax_t)s->altered.rt_runtime_us, (intmax_t)s->altered.rt_period_us,
			s->altered.limit_note);
	if (s->altered.watchdog_note[0])
		fprintf(out, "Lockup watchdog: %s\n", s->altered.watchdog_note);
	for (unsigned int i = 0; measure_altered(s, i, text, sizeof(text)); i++)
		fprintf(out, "Altered: %s\n", text);
	fprintf(out, "Run directory: %s\n", s->run.dir);
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		fprintf(out, "Because: %s\n",
			json_object_get_string(json_object_array_get_idx(reasons, i)));
	fprintf(out, "Verdict: %s\n", verdict_name(v));
}

int measure_verdict(struct measure *s, struct err *e)
{
	enum verdict v;
	int ret;

	set_asked(s);
	measure_inforce(s, run_section(&s->run, "inforce"));
	set_causes(s);
	set_hwlat(s);
	run_add_limit(&s->run, "max_ns", s->o->hardlimit_ns);
	v = judge(s);
	ret = run_finish(&s->run, v, e);
	if (ret < 0)
		return ret;
	foot(s, s->text, v);
	if (s->o->json)
		printf("%s\n", json_object_to_json_string_ext(
				       s->run.doc,
				       JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (!s->o->quiet)
		foot(s, stdout, v);
	return v;
}
