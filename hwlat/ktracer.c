// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/ktracer.h"

#include <errno.h>
#include <event-parse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

#define TRACEFS "/sys/kernel/tracing"

static void want(struct ktracer *k, const char *path, const char *text)
{
	snprintf(k->text[k->n_knobs], sizeof(k->text[0]), "%s", text);
	k->knobs[k->n_knobs] = (struct knob){ .path = path, .want = k->text[k->n_knobs] };
	k->n_knobs++;
}

static void want_us(struct ktracer *k, const char *path, uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%ju", (uintmax_t)(ns / 1000));
	want(k, path, text);
}

/* The kernel refuses a width above the window at every moment, so the order depends. */
static void want_hwlat(struct ktracer *k)
{
	char text[32];
	uint64_t width_us = strtoull(
		file_read_line(TRACEFS "/hwlat_detector/width", text, sizeof(text)), NULL, 10);
	bool window_first = k->o->window_ns / 1000 >= width_us;

	if (window_first)
		want_us(k, TRACEFS "/hwlat_detector/window", k->o->window_ns);
	want_us(k, TRACEFS "/hwlat_detector/width", k->o->width_ns);
	if (!window_first)
		want_us(k, TRACEFS "/hwlat_detector/window", k->o->window_ns);
	want(k, TRACEFS "/hwlat_detector/mode", "per-cpu");
}

/* Both tracers live in osnoise/; what others set to stop the trace would stop ours. */
static void want_osnoise(struct ktracer *k, const struct plan *plan)
{
	char list[200];

	if (k->o->detector == HWLAT_TIMERLAT) {
		want_us(k, TRACEFS "/osnoise/timerlat_period_us", k->o->window_ns);
	} else {
		want_us(k, TRACEFS "/osnoise/period_us", k->o->window_ns);
		want_us(k, TRACEFS "/osnoise/runtime_us", k->o->width_ns);
	}
	want(k, TRACEFS "/osnoise/cpus", cpulist_format(&plan->watched, list, sizeof(list)));
	want(k, TRACEFS "/osnoise/stop_tracing_us", "0");
	want(k, TRACEFS "/osnoise/stop_tracing_total_us", "0");
}

static int choose_events(struct ktracer *k, struct err *e)
{
	static const char *const osnoise[] = { "nmi_noise", "irq_noise", "softirq_noise",
					       "thread_noise", "sample_threshold" };
	size_t n = ARRAY_SIZE(osnoise) - (k->o->detector == HWLAT_TIMERLAT);
	int ret = 0;

	if (k->o->detector != HWLAT_OSNOISE)
		ret = tfs_learn(&k->tfs, "ftrace", hwlat_detector_name(k->o->detector), e);
	for (size_t i = 0; k->o->detector != HWLAT_TRACER && !ret && i < n; i++)
		ret = tfs_enable(&k->tfs, "osnoise", osnoise[i], NULL, e);
	return ret;
}

static int check_tracer(const char *name, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err why = { 0 };
	char *save;
	ssize_t n;

	if (!file_exists(TRACEFS "/available_tracers"))
		return err_set(e, -ENOENT,
			       "--detector %s: tracefs is not mounted; mount -t tracefs tracefs %s",
			       name, TRACEFS);
	n = file_load(TRACEFS "/available_tracers", 4096, &text, &why);
	if (n < 0)
		return err_set(e, n, "%s%s", why.text, tfs_remedy(n));
	for (char *w = strtok_r(text, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
		if (!strcmp(w, name))
			return 0;
	return err_set(e, -ENOENT,
		       "--detector %s: this kernel has no such tracer (Debian's rt kernels have); "
		       "--detector spin needs none",
		       name);
}

int ktracer_choose(struct ktracer *k, const struct plan *plan, const struct hwlat_opts *o,
		   struct err *e)
{
	int ret;

	*k = (struct ktracer){ .tfs = TFS_INIT, .o = o, .root = -1 };
	ret = check_tracer(hwlat_detector_name(o->detector), e);
	if (ret < 0)
		return ret;
	if (o->detector == HWLAT_TRACER)
		want_hwlat(k);
	else
		want_osnoise(k, plan);
	if (o->detector != HWLAT_TIMERLAT) /* which has no use for it */
		want_us(k, TRACEFS "/tracing_thresh", o->threshold_ns);
	return 0;
}

static int set_up(struct ktracer *k, const struct plan *plan, struct err *e)
{
	int ret;

	snprintf(k->journal, sizeof(k->journal), ALTERED_DIR "/ktracer-%d.knobs", getpid());
	k->root = knob_root("/", e);
	if (k->root < 0)
		return k->root;
	ret = knobs_apply(k->root, k->journal, KNOB_PROCESS, k->knobs, k->n_knobs, e);
	if (ret < 0)
		return ret;
	k->set = ret > 0;
	ret = tfs_clock(&k->tfs, "x86-tsc", e);
	if (!ret)
		ret = tfs_cpumask(&k->tfs, &plan->watched, e);
	return ret ? ret : choose_events(k, e);
}

int ktracer_open(struct ktracer *k, const struct plan *plan, const struct hwlat_opts *o,
		 const struct tsc *tsc, struct evidence *v, struct err *e)
{
	const char *name = hwlat_detector_name(o->detector);
	unsigned int i = 0;
	int ret;

	ret = ktracer_choose(k, plan, o, e);
	if (ret < 0)
		return ret;
	k->tsc = tsc;
	k->evidence = v;
	k->next_group = 1;
	k->n_cpus = cpulist_count(&plan->watched);
	k->pending = calloc(GATHER_PENDING, sizeof(*k->pending));
	k->cpus = calloc(k->n_cpus, sizeof(*k->cpus));
	k->noises = calloc(k->n_cpus, sizeof(*k->noises));
	if (!k->pending || !k->cpus || !k->noises) {
		ret = err_set(e, -ENOMEM, "no memory for %s", name);
		goto fail;
	}
	cpulist_for_each(cpu, &plan->watched)
		k->cpus[i++] = cpu;
	ret = tfs_create(&k->tfs, name, e);
	if (!ret)
		ret = set_up(k, plan, e);
	if (!ret)
		return 0;
fail:
	ktracer_close(k, e);
	return ret;
}

int ktracer_close(struct ktracer *k, struct err *e)
{
	int ret = 0;

	tfs_destroy(&k->tfs);
	if (k->set)
		ret = knobs_undo(k->root, k->journal, e);
	knobs_free(k->knobs, k->n_knobs);
	if (k->root >= 0)
		close(k->root);
	free(k->pending);
	free(k->cpus);
	free(k->noises);
	*k = (struct ktracer){ .tfs = TFS_INIT, .root = -1 };
	return ret < 0 ? ret : 0;
}

int ktracer_start(struct ktracer *k, struct err *e)
{
	int ret = tfs_write(&k->tfs, "current_tracer", hwlat_detector_name(k->o->detector), e);

	return ret ? ret : tfs_on(&k->tfs, true, e);
}

int ktracer_stop(struct ktracer *k, struct err *e)
{
	return tfs_on(&k->tfs, false, e);
}

static unsigned long long number(struct tep_event *event, struct tep_record *record,
				 const char *field)
{
	unsigned long long value = 0;

	tep_get_field_val(NULL, event, field, record, &value, 0);
	return value;
}

static void text(struct tep_event *event, struct tep_record *record, const char *field, char *out,
		 size_t size)
{
	int len = 0;
	char *raw = tep_get_field_raw(NULL, event, field, record, &len, 0);

	snprintf(out, size, "%.*s", raw ? len : 0, raw ? raw : "");
}

/* Microseconds, and the wall-clock time of the first gap of the window; interrupts were off. */
static void from_hwlat(struct ktracer *k, struct tep_event *event, struct tep_record *record,
		       struct gap *g)
{
	uint64_t inner = number(event, record, "duration");
	uint64_t outer = number(event, record, "outer_duration");
	uint64_t wall_ns =
		number(event, record, "tv_sec") * NSEC_PER_SEC + number(event, record, "tv_nsec");
	int64_t back_ns = k->tsc->base.wall_ns - wall_ns;

	g->ns = (inner > outer ? inner : outer) * 1000;
	g->start_tsc = k->tsc->base.tsc + (back_ns > 0 ? -tsc_cycles(k->tsc->hz, back_ns)
						       : tsc_cycles(k->tsc->hz, -back_ns));
	g->facts.nmi_events = number(event, record, "nmi_count");
}

static void name_noise(struct tep_event *event, struct tep_record *record, struct culprit_part *p)
{
	char name[40];

	if (!strcmp(event->name, "irq_noise")) {
		p->kind = CULPRIT_IRQ;
		text(event, record, "desc", name, sizeof(name));
		snprintf(p->name, sizeof(p->name), "%d %s", (int)number(event, record, "vector"),
			 name);
	} else if (!strcmp(event->name, "softirq_noise")) {
		p->kind = CULPRIT_SOFTIRQ;
		snprintf(p->name, sizeof(p->name), "softirq %d",
			 (int)number(event, record, "vector"));
	} else if (!strcmp(event->name, "thread_noise")) {
		p->kind = CULPRIT_THREAD;
		text(event, record, "comm", name, 17);
		snprintf(p->name, sizeof(p->name), "%s:%d", name,
			 (int)number(event, record, "pid"));
	} else {
		p->kind = CULPRIT_NMI;
		snprintf(p->name, sizeof(p->name), "NMI");
	}
}

/* Noise is told when it is over. A sample in which nothing interfered is the hardware's. */
static bool from_osnoise(struct ktracer *k, struct tep_event *event, struct tep_record *record,
			 struct gap *g)
{
	bool sample = !strcmp(event->name, "sample_threshold");

	g->ns = number(event, record, "duration");
	if (g->ns < k->o->threshold_ns || (sample && number(event, record, "interference")))
		return false;
	g->start_tsc = record->ts - tsc_cycles(k->tsc->hz, g->ns);
	if (sample)
		return true;
	g->facts.n_parts = 1;
	g->facts.parts[0].ns = g->ns;
	name_noise(event, record, &g->facts.parts[0]);
	return true;
}

static void keep_noise(struct tep_event *event, struct tep_record *record,
		       struct ktracer_noises *noises)
{
	unsigned int at = noises->n++ % KTRACER_NOISES;

	noises->ring[at].end_tsc = record->ts;
	noises->ring[at].part.ns = number(event, record, "duration");
	name_noise(event, record, &noises->ring[at].part);
}

static int longest_first(const void *x, const void *y)
{
	const struct culprit_part *a = x, *b = y;

	return a->ns < b->ns ? 1 : a->ns > b->ns ? -1 : 0;
}

/* Net durations: a noise that began before the gap has at most what is left of it. */
void ktracer_explain(const struct ktracer_noises *noises, uint64_t start_tsc, uint64_t tsc_hz,
		     struct culprit_facts *f)
{
	unsigned int kept = noises->n < KTRACER_NOISES ? noises->n : KTRACER_NOISES;
	struct culprit_part parts[KTRACER_NOISES] = { 0 };
	unsigned int n = 0;

	for (unsigned int i = 0; i < kept; i++) {
		uint64_t end = noises->ring[i].end_tsc, within;

		if (end <= start_tsc)
			continue;
		within = tsc_ns(tsc_hz, end - start_tsc);
		parts[n] = noises->ring[i].part;
		if (parts[n].ns > within)
			parts[n].ns = within;
		n++;
	}
	qsort(parts, n, sizeof(*parts), longest_first);
	f->n_parts = n < CULPRIT_PARTS ? n : CULPRIT_PARTS;
	memcpy(f->parts, parts, f->n_parts * sizeof(*parts));
}

/*
 * A wake-up is told twice, by its interrupt and then by its thread, which was later by all that
 * came between: the second has it all.
 */
static bool from_timerlat(struct ktracer *k, struct tep_event *event, struct tep_record *record,
			  struct gap *g)
{
	enum { CONTEXT_THREAD = 1 };
	struct ktracer_noises *noises = &k->noises[g->index];

	if (!strcmp(event->system, "osnoise")) {
		keep_noise(event, record, noises);
		return false;
	}
	if (strcmp(event->name, "timerlat") || number(event, record, "context") != CONTEXT_THREAD)
		return false;
	g->ns = number(event, record, "timer_latency");
	if (g->ns < k->o->threshold_ns)
		return false;
	g->start_tsc = record->ts - tsc_cycles(k->tsc->hz, g->ns);
	g->facts.asleep = true;
	ktracer_explain(noises, g->start_tsc, k->tsc->hz, &g->facts);
	return true;
}

static bool read_gap(struct ktracer *k, struct tep_event *event, struct tep_record *record,
		     struct gap *g)
{
	if (k->o->detector == HWLAT_TIMERLAT)
		return from_timerlat(k, event, record, g);
	if (k->o->detector == HWLAT_OSNOISE)
		return !strcmp(event->system, "osnoise") && from_osnoise(k, event, record, g);
	if (strcmp(event->name, "hwlat"))
		return false;
	from_hwlat(k, event, record, g);
	return true;
}

static int on_event(struct tep_event *event, struct tep_record *record, int cpu, void *ctx)
{
	struct ktracer *k = ctx;
	struct gap g = { .cpu = cpu };

	for (g.index = 0; g.index < k->n_cpus && k->cpus[g.index] != cpu; g.index++)
		;
	if (g.index == k->n_cpus)
		return 0;
	if (!read_gap(k, event, record, &g))
		return 0;
	g.end_tsc = g.start_tsc + tsc_cycles(k->tsc->hz, g.ns);
	g.wall_ns = tsc_wall_ns(k->tsc, g.start_tsc);
	g.mono_ns = tsc_mono_ns(k->tsc, g.start_tsc);
	k->pending[k->n++] = g;
	return k->n == GATHER_PENDING; /* ktracer_step goes on reading when there is room */
}

/* The tracer's word is the trace: what it does not name, the kernel did not do. */
static void complete(struct ktracer *k, struct gap *g)
{
	struct culprit_facts told = g->facts;

	evidence_facts(k->evidence, g);
	g->facts.trace = true;
	g->facts.asleep = told.asleep;
	g->facts.trace_lost = false;
	g->facts.nmi_events = told.nmi_events;
	g->facts.n_parts = told.n_parts;
	memcpy(g->facts.parts, told.parts, sizeof(told.parts));
}

static void judge(struct ktracer *k, gather_fn *fn, void *ctx)
{
	uint64_t near_tsc = tsc_cycles(k->tsc->hz, GATHER_NEAR_US * 1000);

	for (size_t i = 0; i < k->n; i++)
		complete(k, &k->pending[i]);
	evidence_smi(k->evidence, k->pending, k->n);
	gap_sort(k->pending, k->n);
	gap_group(k->pending, k->n, near_tsc, &k->next_group);
	gap_judge(k->pending, k->n);
	for (size_t i = 0; i < k->n; i++)
		fn(ctx, &k->pending[i]);
}

int ktracer_step(struct ktracer *k, gather_fn *fn, void *ctx, struct err *e)
{
	size_t n;

	do {
		int ret = tfs_drain(&k->tfs, on_event, k, e);

		if (!ret)
			ret = evidence_read(k->evidence, e);
		if (ret < 0)
			return ret;
		judge(k, fn, ctx);
		n = k->n;
		k->n = 0;
	} while (n == GATHER_PENDING);
	return 0;
}

bool ktracer_line(const struct ktracer *k, bool planned, unsigned int i, char *buf, size_t size)
{
	for (size_t n = 0; n < k->n_knobs; n++)
		if (altered_knob_line(&k->knobs[n], planned, buf, size) && !i--)
			return true;
	return false;
}
