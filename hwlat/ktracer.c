// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/ktracer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"

#define TRACEFS "/sys/kernel/tracing"

enum { TELL_NS = 100000000 };

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

/* The outer one first where it grows; undone in reverse, that is right on the way back too. */
void ktracer_want_pair(struct ktracer *k, const char *outer, uint64_t outer_ns, const char *inner,
		       uint64_t inner_ns)
{
	char text[32];
	uint64_t inner_us = strtoull(file_read_line(inner, text, sizeof(text)), NULL, 10);
	bool outer_first = outer_ns / 1000 >= inner_us;

	if (outer_first)
		want_us(k, outer, outer_ns);
	want_us(k, inner, inner_ns);
	if (!outer_first)
		want_us(k, outer, outer_ns);
}

static void want_hwlat(struct ktracer *k)
{
	ktracer_want_pair(k, TRACEFS "/hwlat_detector/window", k->o->window_ns,
			  TRACEFS "/hwlat_detector/width", k->o->width_ns);
	want(k, TRACEFS "/hwlat_detector/mode", "per-cpu");
}

/* Both tracers live in osnoise/; what others set to stop the trace would stop ours. */
static void want_osnoise(struct ktracer *k, const struct plan *plan)
{
	char list[200];

	if (k->o->detector == HWLAT_TIMERLAT)
		want_us(k, TRACEFS "/osnoise/timerlat_period_us", k->o->window_ns);
	else
		ktracer_want_pair(k, TRACEFS "/osnoise/period_us", k->o->window_ns,
				  TRACEFS "/osnoise/runtime_us", k->o->width_ns);
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
	for (size_t i = 0; !ret && i < k->n_knobs; i++)
		ret = altered_not_held(k->knobs[i].path, "--detector", e);
	return ret;
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
	k->lost_tsc = calloc(k->n_cpus, sizeof(*k->lost_tsc));
	if (!k->pending || !k->cpus || !k->noises || !k->lost_tsc) {
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
	free(k->lost_tsc);
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
	return tfs_off(&k->tfs, &k->lost, e);
}

/* The tracer's word is the trace: what it does not name, the kernel did not do. */
static void complete(struct ktracer *k, struct gap *g)
{
	struct culprit_facts told = g->facts;

	evidence_facts(k->evidence, g);
	g->facts.trace = true;
	g->facts.asleep = told.asleep;
	g->facts.trace_lost = told.trace_lost;
	g->facts.nmi_events = told.nmi_events;
	g->facts.n_parts = told.n_parts;
	memcpy(g->facts.parts, told.parts, sizeof(told.parts));
}

static void complete_new(struct ktracer *k)
{
	for (size_t i = k->known; i < k->n; i++)
		complete(k, &k->pending[i]);
	evidence_smi(k->evidence, k->pending + k->known, k->n - k->known);
	k->known = k->n;
}

void ktracer_hand_on(struct ktracer *k, uint64_t horizon_tsc)
{
	uint64_t near_tsc = tsc_cycles(k->tsc->hz, GATHER_NEAR_US * 1000);
	size_t n;

	complete_new(k);
	gap_sort(k->pending, k->n);
	n = horizon_tsc == UINT64_MAX ? k->n : gap_settled(k->pending, k->n, horizon_tsc, near_tsc);
	gather_judge(k->pending, &k->n, n, near_tsc, &k->next_group, k->fn, k->ctx);
	k->known = k->n;
}

/* Never ends the reading: libtracefs would drop what else is on the pages it has read. */
static int on_event(struct tep_event *event, struct tep_record *record, int cpu, void *ctx)
{
	struct ktracer *k = ctx;
	struct gap g = { .cpu = cpu };

	for (g.index = 0; g.index < k->n_cpus && k->cpus[g.index] != cpu; g.index++)
		;
	if (g.index == k->n_cpus)
		return 0;
	if (record->missed_events) {
		k->lost_tsc[g.index] = record->ts;
		k->noises[g.index].n = 0;
	}
	if (!kevent_gap(event, record, k->o, k->tsc, &k->noises[g.index], &g))
		return 0;
	g.end_tsc = g.start_tsc + tsc_cycles(k->tsc->hz, g.ns);
	g.wall_ns = tsc_wall_ns(k->tsc, g.start_tsc);
	g.mono_ns = tsc_mono_ns(k->tsc, g.start_tsc);
	g.facts.trace_lost = k->lost_tsc[g.index] >= g.start_tsc;
	k->pending[k->n++] = g;
	if (k->n == GATHER_PENDING)
		ktracer_hand_on(k, UINT64_MAX);
	return 0;
}

/*
 * How long after its end a gap may be told: hwlat tells the longest of a width when that is over,
 * the others at once, but not all CPUs at the same moment.
 */
static uint64_t horizon(const struct ktracer *k)
{
	uint64_t late_ns = TELL_NS + (k->o->detector == HWLAT_TRACER ? k->o->window_ns : 0);

	return __rdtsc() - tsc_cycles(k->tsc->hz, late_ns);
}

/* A CPU whose interrupts hwlat has off answers late: one of them in a step must do. */
static void watch_smi(struct ktracer *k)
{
	unsigned int n = k->o->detector == HWLAT_TRACER ? 1 : k->n_cpus;

	for (; n; n--)
		evidence_watch_smi(k->evidence, k->next_smi++ % k->n_cpus, false);
}

int ktracer_step(struct ktracer *k, bool last, gather_fn *fn, void *ctx, struct err *e)
{
	int ret;

	k->fn = fn;
	k->ctx = ctx;
	watch_smi(k);
	ret = tfs_drain(&k->tfs, on_event, k, e);
	if (!ret)
		ret = evidence_read(k->evidence, e);
	if (!ret)
		ktracer_hand_on(k, last ? UINT64_MAX : horizon(k));
	return ret;
}

bool ktracer_line(const struct ktracer *k, bool planned, unsigned int i, char *buf, size_t size)
{
	for (size_t n = 0; n < k->n_knobs; n++)
		if (altered_knob_line(&k->knobs[n], planned, buf, size) && !i--)
			return true;
	return false;
}
