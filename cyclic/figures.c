// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cyclictest and oslat left, in a guest or on the host, becomes cpus[] and latency.log; what hwlat
 * left in a guest does in guesthwlat.c.
 */
#include "cyclic/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cyclic/guestfacts.h"
#include "cyclic/guesthwlat.h"
#include "cyclic/guestjob.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

enum { SOON_US = 1000000 }; /* its threads are looked at several times within it */

/* -1: an instrument without periods. */
static int64_t expected(const struct ctopts *o)
{
	return o->interval_us ? (int64_t)(o->duration_s * 1000000 / o->interval_us) : -1;
}

/*
 * Periods that late wake-ups hid, at least: cyclictest goes on at the first point of its grid that
 * lies ahead (rt-tests src/cyclictest/cyclictest.c, timerthread). Of those beyond its histogram the
 * range and the largest are known: -1 where these leave it open how many they hid.
 */
static int64_t hidden(const struct hist *h, uint64_t period_ns)
{
	if (h->over > 1 && h->over_from_ns / period_ns != h->max_ns / period_ns)
		return -1;
	return hist_hidden(h, period_ns, false);
}

/* How much of what was asked was done. */
struct extent {
	int64_t expected, missed; /* -1: not known */
	uint64_t duration_ns; /* 0: not known */
	uint64_t periods_ns; /* that its periods take; 0: it has none */
};

/*
 * An oslat measured what its thread tells, which is the guest's word where it ran in one: never more than
 * was asked, or than the job took. The wall clock, by which its JSON tells of start and end, may have been
 * set meanwhile. Where it was not cut off, what is whole is what was asked, so that nobody goes on for a
 * rest of some milliseconds.
 */
static uint64_t oslat_ns(const struct gathered *g, const struct rttests_thread *t)
{
	uint64_t asked_ns = g->o->duration_s * NSEC_PER_SEC, ns = outcome_job_ns(g);

	if (!ns || (t->runtime_ns < ns && (t->runtime_ns || g->interrupted)))
		ns = t->runtime_ns;
	if (ns > asked_ns || (!g->interrupted && outcome_whole(g->o, ns)))
		return asked_ns;
	return ns;
}

/* What its periods take; by this host's clock its job may have been shorter, for a guest may count fast. */
static void short_extent(struct extent *x, const struct gathered *g, const struct rttests_thread *t)
{
	uint64_t job_ns = outcome_job_ns(g), periods = t->cycles;

	x->missed = hidden(&t->hist, g->o->interval_us * 1000);
	if (x->missed > 0)
		periods += x->missed;
	x->expected = x->missed < 0 ? -1 : (int64_t)periods;
	if (__builtin_mul_overflow(periods, g->o->interval_us * 1000, &x->periods_ns))
		x->periods_ns = UINT64_MAX;
	x->duration_ns = job_ns && job_ns < x->periods_ns ? job_ns : x->periods_ns;
}

static struct extent extent(const struct gathered *g, const struct rttests_thread *t)
{
	struct extent x = { .expected = expected(g->o),
			    .missed = -1,
			    .duration_ns = g->o->duration_s * NSEC_PER_SEC };

	if (x.expected < 0) {
		x.duration_ns = oslat_ns(g, t);
	} else if (!gathered_short(g)) { /* it may do one more than fit */
		x.missed = x.expected > (int64_t)t->cycles ? x.expected - t->cycles : 0;
	} else {
		short_extent(&x, g, t);
	}
	return x;
}

static void doubt_short(struct run *run, const struct gathered *g, int cpu, uint64_t ns)
{
	if (!gathered_short(g) && (ns || outcome_job_ns(g)) && ns < g->o->duration_s * NSEC_PER_SEC)
		run_doubt(run, "%sCPU %d was measured for %.1f s of the %ju s asked",
			  g->o->host ? "" : "v", cpu, (double)ns / NSEC_PER_SEC,
			  (uintmax_t)g->o->duration_s);
}

/* Of one that was cut off nobody knows how many periods it should have served, but not in how much time. */
static void doubt_periods(struct run *run, const struct gathered *g, int cpu,
			  const struct extent *x)
{
	uint64_t ns = outcome_job_ns(g);

	if (ns && !outcome_lasted(ns, x->periods_ns))
		run_doubt(
			run,
			"%sCPU %d tells of periods of %.1f s in the %.1f s that cyclictest took by "
			"the host's clock: the guest's clock runs fast, or its figures are wrong",
			g->o->host ? "" : "v", cpu, (double)x->periods_ns / NSEC_PER_SEC,
			(double)ns / NSEC_PER_SEC);
}

static int add_cpu(struct run *run, struct log_writer *log, const struct gathered *g,
		   const struct rttests_thread *t, struct err *e)
{
	const char *name = guest_tool(g->o->instrument)->name;
	int64_t exits = outcome_exits(g, t->cpu);
	const struct extent x = extent(g, t);
	struct run_cpu cpu = {
		.cpu = t->cpu,
		.host_cpu = g->o->host ? t->cpu : g->cpus->host[t->cpu],
		.instrument = name,
		.expected = x.expected,
		.missed = x.missed,
	};
	struct log_slice slice = {
		.cpu = t->cpu,
		.host_cpu = cpu.host_cpu,
		.start_wall_ns = g->job_wall_ns,
		.duration_ns = x.duration_ns,
		.period_ns = g->o->interval_us * 1000,
	};

	snprintf(slice.instrument, sizeof(slice.instrument), "%s", name);
	if (x.expected >= 0) {
		log_count(&slice, LOG_EXPECTED, cpu.expected);
		log_count(&slice, LOG_MISSED, cpu.missed);
	}
	if (exits >= 0)
		log_count(&slice, LOG_EXITS, exits);
	if (g->o->interval_us)
		doubt_periods(run, g, t->cpu, &x);
	else
		doubt_short(run, g, t->cpu, x.duration_ns);
	run_add_cpu(run, &cpu, &t->hist);
	return log_write(log, &slice, &t->hist, e);
}

/* In a guest vCPU 0 keeps house, and the others are measured; on the host all of those named. */
static int measured(const struct gathered *g)
{
	return g->cpus->n - !g->o->host;
}

static int measured_cpu(const struct gathered *g, size_t i)
{
	return g->o->host ? g->cpus->host[i] : (int)i + 1;
}

static int check_cpus(const struct gathered *g, const struct rttests *r, struct err *e)
{
	const char *program = guest_tool(g->o->instrument)->program;
	const char *where = g->o->host ? "" : " in the guest", *v = g->o->host ? "" : "v";

	if (r->n != (size_t)measured(g))
		return err_set(e, -EPROTO, "%s ran %zu threads%s, asked were %d", program, r->n,
			       where, measured(g));
	for (size_t i = 0; i < r->n; i++)
		if (r->threads[i].cpu != measured_cpu(g, i))
			return err_set(
				e, -EPROTO, "%s's thread %zu ran on %sCPU %d%s, asked was %sCPU %d",
				program, i, v, r->threads[i].cpu, where, v, measured_cpu(g, i));
	return 0;
}

/* A guest whose clock runs fast has served all periods before their time. */
static void doubt_clock(struct run *run, const struct gathered *g)
{
	uint64_t ns = outcome_job_ns(g);

	if (outcome_end_known(run, g) && !g->o->host && g->o->interval_us && !gathered_short(g) &&
	    !outcome_whole(g->o, ns))
		run_doubt(
			run,
			"cyclictest ended after %.1f s of the %ju s asked by the host's clock: it "
			"stopped early, or the guest's clock runs fast",
			(double)ns / NSEC_PER_SEC, (uintmax_t)g->o->duration_s);
}

static int add_cpus(struct run *run, struct gathered *g, struct rttests *r, struct err *e)
{
	struct log_writer log;
	char path[PATH_MAX];
	int ret = check_cpus(g, r, e), closed;

	if (!ret)
		ret = breakoff_count(&g->broke, r, e);
	if (!ret)
		ret = log_create(&log, run_path(run, "latency.log", path), 0, e);
	if (ret < 0)
		return ret;
	for (size_t i = 0; !ret && i < r->n; i++)
		ret = add_cpu(run, &log, g, &r->threads[i], e);
	doubt_clock(run, g);
	closed = log_close(&log, e);
	run_file(run, "log", "latency.log");
	return ret < 0 ? ret : closed;
}

static int parse_json(struct rttests *r, const struct gathered *g, const struct frame_file *json,
		      struct err *e)
{
	const char *text = (const char *)json->data;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", g->o->host ? "" : "the guest's ",
		 guest_tool(g->o->instrument)->json);
	if (g->o->instrument == GUEST_OSLAT)
		return rttests_parse_oslat(r, text, json->len, 1000, name, e);
	return rttests_parse(r, text, json->len, g->o->histogram_us, name, e);
}

/* The time of its cycles: the job's is longer by what starts it, and by what saves a trace. */
static bool broke_soon(const struct gathered *g, const struct rttests *r)
{
	if (!g->broke.late_ns || !g->o->interval_us)
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (r->threads[i].cycles > SOON_US / g->o->interval_us)
			return false;
	return true;
}

/* One that broke off may have done so before its threads had what was asked, or were looked at. */
static int take_threads(struct run *run, const struct gathered *g, const struct rttests *r,
			const struct frame_file *threads, struct err *e)
{
	struct err why = { 0 };
	int ret = guestfacts_threads(run, g->o, measured(g), threads, &why);

	if (ret == -EAGAIN && broke_soon(g, r))
		run_reason(run, "cyclictest broke off before the priority of all its threads could "
				"be read back");
	else if (ret < 0)
		return err_set(e, -EPROTO, "%s", why.text);
	return 0;
}

/* What ended it before its time, in a sentence. */
static void tell_broke(struct run *run, const struct gathered *g)
{
	if (!g->broke.late_ns)
		return;
	json_set_bool(run->doc, "stopped_at_spike", true);
	run_reason(run, "cyclictest broke off at a wake-up %ju us late on %sCPU %d, as asked",
		   (uintmax_t)g->broke.late_ns / 1000, g->o->host ? "" : "v", g->broke.cpu);
}

int figures_take(struct run *run, struct gathered *g, const struct figures_files *files,
		 struct err *e)
{
	struct rttests r;
	int ret = parse_json(&r, g, files->json, e);

	if (ret < 0)
		return ret;
	if (files->text && g->o->on_spike != SPIKE_RECORD)
		breakoff_read(&g->broke, (const char *)files->text->data, files->text->len);
	ret = breakoff_check(&g->broke, g->o->spike_ns, outcome_job_ns(g), e);
	json_set_str(run_section(run, g->o->host ? "inforce" : "guest"), "rt_tests", r.version);
	/* first: what was measured by other threads than asked must not reach a log that counts */
	if (!ret)
		ret = take_threads(run, g, &r, files->threads, e);
	if (!ret)
		ret = add_cpus(run, g, &r, e);
	if (!ret)
		tell_broke(run, g);
	rttests_free(&r);
	return ret;
}

/* --- of a guest --- */

static int keep_file(struct run *run, const struct frames *f, const char *name, const char *key,
		     struct err *e)
{
	const struct frame_file *file = frames_find(f, name);
	char path[PATH_MAX];
	int ret;

	if (!file)
		return err_set(e, -EPROTO,
			       "the guest sent no %s (%zu other files); %s/console.log "
			       "has what it printed",
			       name, f->n, run->dir);
	ret = file_replace(run_path(run, name, path), file->data, file->len, e);
	if (!ret)
		run_file(run, key, name);
	return ret;
}

int figures_of_guest(struct run *run, struct gathered *g, const struct frames *f, struct err *e)
{
	const struct guest_tool *tool = guest_tool(g->o->instrument);
	const struct figures_files files = {
		.json = frames_find(f, tool->json),
		.text = frames_find(f, tool->text),
		.threads = frames_find(f, "guest-threads"),
	};
	char text_key[32];
	int ret;

	snprintf(text_key, sizeof(text_key), "%s_text", tool->name);
	guestfacts_read(run, frames_find(f, "guest-facts"));
	outcome_load(run, g, frames_find(f, "guest-load"));
	ret = keep_file(run, f, tool->json, tool->name, e);
	if (!ret)
		ret = keep_file(run, f, tool->text, text_key, e);
	if (!ret && g->o->instrument == GUEST_HWLAT)
		ret = guesthwlat_take(run, g, f, e);
	else if (!ret)
		ret = figures_take(run, g, &files, e);
	if (!ret && g->o->interval_us)
		outcome_rates(run);
	return ret;
}
