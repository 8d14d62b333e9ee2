// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/measure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hwlat/text.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/stop.h"

enum {
	TICK_NS = 100000000, /* how often the supervisor looks, ... */
	TICK_MAX_NS = 1000000000, /* ... less often where looking takes long */
	TICK_SHARE = 5, /* it works a fifth of the time at most */
};

static bool kernel(const struct measure *s)
{
	return s->o->detector != HWLAT_SPIN;
}

static int decide(struct measure *s, struct err *e)
{
	struct plan_machine machine;
	int ret = plan_read(&machine, "/sys", e);

	if (!ret)
		ret = plan_make(&s->plan, &machine, s->o, e);
	if (!ret)
		ret = tsc_probe(&s->tsc, e);
	if (!ret && !s->o->allow_unstable_tsc)
		ret = tsc_trust(&s->tsc, e);
	if (!ret)
		ret = altered_look(&s->altered, s->o, &s->plan, e);
	if (!ret && !kernel(s) && s->o->limit == HWLAT_LIMIT_PAUSE && !s->o->width_given)
		altered_width(&s->altered, s->o->window_given, &s->o->window_ns, &s->o->width_ns);
	return ret;
}

/* The isolated ones that are watched are nobody else's until the end. */
static int claim(struct measure *s, struct err *e)
{
	const struct claim_opts o = {
		.alone = &s->plan.watched,
		.beside = &s->plan.housekeeping,
		.alone_for = "--cpus",
		.beside_for = "--housekeeping",
	};

	return claim_cpus(&s->claim, "/sys", &o, e);
}

static FILE *open_text(const char *path, struct err *e)
{
	FILE *f = fopen(path, "we");

	if (!f)
		err_sys(e, "writing %s failed", path);
	return f;
}

static int make_run(struct measure *s, struct err *e)
{
	char path[PATH_MAX];
	int ret = run_create(&s->run, s->o->out, "hwlat", e);

	if (ret < 0)
		return ret;
	ret = log_create(&s->log, run_path(&s->run, "latency.log", path), 0, e);
	if (ret < 0)
		return ret;
	s->log_open = true;
	s->found.spikes = open_text(run_path(&s->run, "spikes.jsonl", path), e);
	s->text = open_text(run_path(&s->run, "hwlat.txt", path), e);
	if (!s->found.spikes || !s->text)
		return e->code;
	run_file(&s->run, "log", "latency.log");
	run_file(&s->run, "spikes", "spikes.jsonl");
	run_file(&s->run, "text", "hwlat.txt");
	return 0;
}

static void on_gap(void *ctx, const struct gap *g)
{
	struct measure *s = ctx;
	char line[256];

	findings_add(&s->found, g);
	if (!s->o->watch || s->o->json)
		return;
	findings_sample_line(line, sizeof(line), g, &s->found.watch_previous_s);
	printf("%s\n", line);
	fflush(stdout);
}

static void head(struct measure *s, FILE *out)
{
	text_head(out, s->o, &s->plan, json_str(s->run.doc, "conditions", "unknown"));
}

static int step(struct measure *s, bool last, struct err *e)
{
	return kernel(s) ? ktracer_step(&s->ktracer, last, on_gap, s, e)
			 : gather_step(&s->gather, last, e);
}

/* Everything that can be refused is asked for before anything is altered or made. */
int measure_open(struct measure *s, struct hwlat_opts *o, struct err *e)
{
	int ret;

	*s = (struct measure){ .o = o,
			       .asked_window_ns = o->window_ns,
			       .asked_width_ns = o->width_ns,
			       .altered = ALTERED_INIT };
	s->evidence.trace.tfs = s->ktracer.tfs = (struct tfs)TFS_INIT;
	s->ktracer.root = -1;
	ret = decide(s, e);
	if (!ret)
		ret = claim(s, e);
	if (!ret)
		ret = findings_init(&s->found, &s->plan.watched, e);
	s->found.in_guest = o->guest;
	if (!ret && mlockall(MCL_CURRENT | MCL_FUTURE))
		ret = err_sys(e, "locking memory failed (run as root, or raise the memlock limit)");
	if (!ret)
		ret = cpulist_pin(&s->plan.housekeeping, 0, e);
	if (!ret && !kernel(s))
		ret = detector_prepare(&s->detector, &s->plan, o, s->tsc.hz, e);
	if (!ret)
		ret = evidence_open(&s->evidence, &s->plan.watched, o, &s->tsc, e);
	if (!ret && kernel(s))
		ret = ktracer_open(&s->ktracer, &s->plan, o, &s->tsc, &s->evidence, e);
	if (!ret)
		ret = make_run(s, e);
	if (!ret && o->report && !(s->found.samples = open_text(o->report, e)))
		ret = e->code;
	if (!ret)
		ret = altered_apply(&s->altered, o, e);
	if (!ret && !kernel(s))
		ret = gather_init(&s->gather, &s->detector, &s->evidence, &s->tsc, on_gap, s, e);
	return ret;
}

/* What the loop knows besides the gaps in its ring. */
static void from_loop(struct measure *s, unsigned int i)
{
	struct spinner *spin = &s->detector.cpus[i].spin;

	findings_quiet(&s->found, i, tsc_ns(s->tsc.hz, spin_quiet_max(spin)));
	findings_lost(&s->found, i, atomic_load(&spin->lost) - s->found.cpus[i].lost,
		      tsc_ns(s->tsc.hz, atomic_load(&spin->lost_max_tsc)));
}

static int write_slice(struct measure *s, unsigned int i, const struct tsc_point *now,
		       struct err *e)
{
	struct findings_cpu *c = &s->found.cpus[i];
	struct log_slice slice = {
		.instrument = "hwlat",
		.cpu = c->cpu,
		.host_cpu = c->cpu,
		.start_wall_ns = s->slice_begin.wall_ns,
		.start_mono_ns = s->slice_begin.mono_ns,
		.duration_ns = now->mono_ns - s->slice_begin.mono_ns,
		.max_wall_ns = c->slice_max_wall_ns,
	};
	int ret;

	if (!kernel(s))
		from_loop(s, i);
	if (s->evidence.guest)
		log_count(&slice, LOG_STEAL_NS, counters_steal_total(&s->evidence.counters, i));
	ret = log_write(&s->log, &slice, &c->slice, e);
	hist_merge(&c->all, &c->slice);
	hist_init(&c->slice);
	c->slice_max_ns = c->slice_max_wall_ns = 0;
	return ret;
}

void measure_cut(struct tsc_point *now, const struct tsc_point *begin, uint64_t until_tsc,
		 uint64_t tsc_hz)
{
	uint64_t ns = until_tsc < now->tsc ? tsc_ns(tsc_hz, now->tsc - until_tsc) : 0;

	if (ns > now->mono_ns - begin->mono_ns)
		ns = now->mono_ns - begin->mono_ns;
	now->tsc -= tsc_cycles(tsc_hz, ns);
	now->mono_ns -= ns;
	now->wall_ns -= ns;
	now->raw_ns -= ns;
}

/* What nobody watched is in no slice: we may be late, and a thread may have ended by itself. */
static int end_slice(struct measure *s, struct err *e)
{
	struct tsc_point now;
	int ret = 0;

	tsc_point(&now);
	tsc_rebase(&s->tsc, &now);
	measure_cut(&now, &s->slice_begin, detector_until(&s->detector), s->tsc.hz);
	for (unsigned int i = 0; !ret && i < s->found.n_cpus; i++)
		ret = write_slice(s, i, &now, e);
	counters_mark_steal(&s->evidence.counters);
	s->slice_begin = now;
	if (!ret && s->found.spikes_failed)
		ret = err_set(e, -EIO, "writing %s/spikes.jsonl failed; is the disk full?",
			      s->run.dir);
	return ret ? ret : log_sync(&s->log, e);
}

static void progress(const struct measure *s, uint64_t done_ns)
{
	uint64_t all = s->o->duration_ns;

	if (s->o->quiet || s->o->watch || s->o->json || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%3.0f %%, %ju s left, %ju samples, max %.1f us \033[K",
		100.0 * done_ns / all,
		(uintmax_t)((all > done_ns ? all - done_ns : 0) / NSEC_PER_SEC),
		(uintmax_t)s->found.gaps, s->found.max_ns / 1e3);
}

static void progress_end(const struct measure *s)
{
	if (!s->o->quiet && !s->o->watch && !s->o->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static uint64_t rest_ns(uint64_t worked_ns)
{
	uint64_t ns = worked_ns * (TICK_SHARE - 1);

	return ns < TICK_NS ? TICK_NS : ns < TICK_MAX_NS ? ns : TICK_MAX_NS;
}

/*
 * Before the time was up: we may be held up past the end, and a thread that watched until then has
 * done what was asked, however long ago its lease ran out.
 */
static bool stopped_by_itself(struct measure *s)
{
	uint64_t end_ns = s->begin.mono_ns + s->o->duration_ns;
	int cpu = detector_ended(&s->detector);

	if (cpu < 0 || tsc_mono_ns(&s->tsc, detector_until(&s->detector)) >= end_ns)
		return false;
	snprintf(s->why_ended, sizeof(s->why_ended), "CPU %d stopped watching: %s", cpu,
		 detector_why_ended(&s->detector));
	return true;
}

static bool ends_early(struct measure *s)
{
	if (stopped_by_itself(s)) /* first: it was not watching when we were told to end */
		return true;
	s->interrupted = stop_requested();
	if (s->interrupted)
		snprintf(s->why_ended, sizeof(s->why_ended), "interrupted");
	else if (ferror(stdout))
		snprintf(s->why_ended, sizeof(s->why_ended), "nobody reads the output");
	return s->why_ended[0];
}

static int watch(struct measure *s, struct err *e)
{
	uint64_t begin = s->begin.mono_ns, end = begin + s->o->duration_ns;
	uint64_t slice_end = begin + MEASURE_SLICE_S * NSEC_PER_SEC;
	uint64_t before = begin;
	int ret = 0;

	for (uint64_t now = clock_now_ns(); !ret && now < end; now = clock_now_ns()) {
		uint64_t wake = now + rest_ns(now - before);

		if (wake > end)
			wake = end;
		clock_sleep_until(wake);
		detector_alive(&s->detector);
		if (ends_early(s))
			break;
		before = clock_now_ns();
		ret = step(s, false, e);
		if (!ret && clock_now_ns() >= slice_end) {
			ret = end_slice(s, e);
			slice_end += MEASURE_SLICE_S * NSEC_PER_SEC;
		}
		progress(s, clock_now_ns() - begin);
	}
	progress_end(s);
	if (!ret && !s->why_ended[0]) /* we may have been held up past the end */
		stopped_by_itself(s);
	return ret;
}

static void final_figures(struct measure *s, struct tsc_point end)
{
	s->found.tsc_drift_ppm = tsc_drift_ppm(s->tsc.hz, &s->begin, &end, NULL);
	measure_cut(&end, &s->begin, detector_until(&s->detector), s->tsc.hz);
	s->found.elapsed_ns = end.mono_ns - s->begin.mono_ns;
	for (unsigned int i = 0; i < s->found.n_cpus; i++)
		s->found.cpus[i].smi_known =
			counters_smi_total(&s->evidence.counters, i, &s->found.cpus[i].smis);
	for (unsigned int i = 0; i < s->detector.n; i++) {
		const struct detector_cpu *d = &s->detector.cpus[i];
		struct findings_cpu *c = &s->found.cpus[i];

		c->tid = d->tid;
		c->priority = d->priority;
		c->loop_ns = d->speed.mean_tsc * 1e9 / s->tsc.hz;
		c->loop_min_ns = d->speed.min_tsc * 1e9 / s->tsc.hz;
		c->loops = atomic_load(&d->spin.loops);
		c->watched_ns = tsc_ns(s->tsc.hz, d->spin.watched_tsc);
		c->blind_ns = tsc_ns(s->tsc.hz, atomic_load(&d->spin.blind_tsc));
	}
}

static int start(struct measure *s, struct err *e)
{
	_cleanup_free_ int *tids = calloc(s->detector.n + 1, sizeof(*tids));
	int ret;

	if (!tids)
		return err_set(e, -ENOMEM, "no memory for %u threads", s->detector.n);
	for (unsigned int i = 0; i < s->detector.n; i++)
		tids[i] = s->detector.cpus[i].tid;
	ret = evidence_start(&s->evidence, tids, e);
	if (ret < 0)
		return ret;
	if (kernel(s))
		return ktracer_start(&s->ktracer, e);
	s->start_tsc = detector_start(&s->detector);
	return 0;
}

/* Everything that was recorded up to now is judged before the figures are drawn up. */
static int stop(struct measure *s, struct err *e)
{
	int ret = kernel(s) ? ktracer_stop(&s->ktracer, e) : 0;

	detector_stop(&s->detector);
	if (!ret)
		ret = evidence_stop(&s->evidence, e);
	if (!ret)
		ret = step(s, true, e);
	return ret ? ret : end_slice(s, e);
}

static void print_plan(const struct measure *s, const char *what)
{
	char list[512];

	printf("%s: CPU %s with %s, threshold %ju ns, %.1f %% of %.3f s", what,
	       cpulist_format(&s->plan.watched, list, sizeof(list)),
	       hwlat_detector_name(s->o->detector), (uintmax_t)s->o->threshold_ns,
	       100.0 * s->o->width_ns / s->o->window_ns, s->o->duration_ns / 1e9);
	if (kernel(s))
		printf("\n");
	else
		printf(", SCHED_FIFO %d\n", s->o->priority);
	printf("supervisor: CPU %s\n", cpulist_format(&s->plan.housekeeping, list, sizeof(list)));
	printf("clock: TSC at %.6f MHz (%s)%s\n", s->tsc.hz / 1e6, tsc_source_name(s->tsc.source),
	       s->tsc.invariant ? ", invariant" : ", not known to be invariant");
	if (s->o->evidence != HWLAT_EVIDENCE_COUNTERS && !kernel(s))
		printf("events: %s\n", hwtrace_events());
}

static void print_debug(const struct measure *s)
{
	print_plan(s, "watches");
	for (unsigned int i = 0; i < s->detector.n; i++)
		printf("CPU %d: thread %d, a reading takes %.1f ns, bookkeeping of a gap %.0f ns\n",
		       s->detector.cpus[i].cpu, s->detector.cpus[i].tid,
		       s->detector.cpus[i].speed.mean_tsc * 1e9 / s->tsc.hz,
		       s->detector.cpus[i].speed.note_tsc * 1e9 / s->tsc.hz);
}

int measure_run(struct measure *s, struct err *e)
{
	struct tsc_point end;
	int ret;

	if (s->o->debug && !s->o->json)
		print_debug(s);
	if (!s->o->quiet && !s->o->json)
		head(s, stdout);
	head(s, s->text);
	ret = start(s, e);
	if (ret < 0)
		return ret;
	tsc_point(&s->begin);
	s->slice_begin = s->begin;
	ret = watch(s, e);
	tsc_point(&end);
	if (!ret)
		ret = stop(s, e);
	final_figures(s, end);
	findings_sort(&s->found);
	return ret;
}

int measure_close(struct measure *s, struct err *e)
{
	struct err why = { 0 };
	int ret;

	detector_free(&s->detector);
	ret = ktracer_close(&s->ktracer, &why);
	evidence_close(&s->evidence);
	gather_free(&s->gather);
	if (altered_undo(&s->altered, &why) < 0)
		ret = why.code;
	if (ret < 0)
		ret = err_set(e, ret, "%s", why.text);
	if (s->log_open)
		log_close(&s->log, e);
	run_close(&s->run);
	if (s->text)
		fclose(s->text);
	findings_free(&s->found);
	claim_drop(&s->claim);
	return ret;
}

static bool change(const struct measure *s, bool tracing, bool planned, unsigned int i, char *buf,
		   size_t size)
{
	unsigned int n = 0;

	while (altered_line(&s->altered, s->o, tracing || kernel(s), planned, n, buf, size))
		if (n++ == i)
			return true;
	return ktracer_line(&s->ktracer, planned, i - n, buf, size);
}

bool measure_altered(const struct measure *s, unsigned int i, char *buf, size_t size)
{
	return change(s, s->evidence.tracing, false, i, buf, size);
}

int measure_dry_run(struct hwlat_opts *o, struct err *e)
{
	struct measure s = { .o = o, .altered = ALTERED_INIT };
	bool tracing = o->evidence != HWLAT_EVIDENCE_COUNTERS;
	char line[1024];
	int ret = decide(&s, e);

	if (!ret && kernel(&s))
		ret = ktracer_choose(&s.ktracer, &s.plan, o, e);
	if (ret < 0)
		return ret;
	print_plan(&s, "would watch");
	for (unsigned int i = 0; change(&s, tracing, true, i, line, sizeof(line)); i++)
		printf("would alter: %s\n", line);
	printf("would write: %s\n", o->out ? o->out : "runs/TIME-hwlat");
	return VERDICT_PASS;
}
