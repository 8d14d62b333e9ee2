// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/evidence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COUNTERS_SPACING_NS = 50000000,
	SMI_FRESH_NS = 1000000000, /* how old the reading before a gap may become */
	SMI_COST_NS = 10000, /* more than reading it takes from the CPU it is read on */
	SMI_REST_NS = 100000000, /* where it costs nothing */
};

int evidence_open(struct evidence *v, const struct cpulist *watched, const struct hwlat_opts *o,
		  const struct tsc *tsc, struct err *e)
{
	struct err why = { 0 };
	int ret;

	*v = (struct evidence){
		.trace.tfs = TFS_INIT,
		.guest = o->guest || tsc->hypervisor,
		.tsc_hz = tsc->hz,
		.threshold_ns = o->threshold_ns,
		.watched = cpulist_count(watched),
	};
	v->toll_ns = calloc(v->watched, sizeof(*v->toll_ns));
	if (!v->toll_ns)
		return err_set(e, -ENOMEM, "no memory for the evidence of %u CPUs", v->watched);
	ret = counters_open(&v->counters, watched, "/proc",
			    tsc_cycles(tsc->hz, COUNTERS_SPACING_NS), e);
	if (ret < 0) {
		evidence_close(v);
		return ret;
	}
	if (o->evidence == HWLAT_EVIDENCE_COUNTERS) {
		snprintf(v->without_trace, sizeof(v->without_trace), "not wanted");
		return 0;
	}
	if (o->detector != HWLAT_SPIN) {
		snprintf(v->without_trace, sizeof(v->without_trace),
			 "the kernel's tracer speaks for itself");
		return 0;
	}
	ret = hwtrace_open(&v->trace, watched, tsc->hz, &why);
	v->tracing = !ret;
	if (ret < 0 && o->evidence == HWLAT_EVIDENCE_TRACE) {
		evidence_close(v);
		return err_set(e, ret, "%s", why.text);
	}
	if (ret < 0)
		snprintf(v->without_trace, sizeof(v->without_trace), "%s", why.text);
	return 0;
}

void evidence_close(struct evidence *v)
{
	if (v->tracing)
		hwtrace_close(&v->trace);
	v->tracing = false;
	free(v->toll_ns);
	v->toll_ns = NULL;
	counters_close(&v->counters);
}

int evidence_start(struct evidence *v, const int *tids, struct err *e)
{
	int ret = v->tracing ? hwtrace_start(&v->trace, tids, e) : 0;

	return ret < 0 ? ret : counters_read(&v->counters, e);
}

int evidence_read(struct evidence *v, struct err *e)
{
	int ret = counters_read(&v->counters, e);

	return !ret && v->tracing ? hwtrace_read(&v->trace, e) : ret;
}

int evidence_stop(struct evidence *v, struct err *e)
{
	return v->tracing ? hwtrace_stop(&v->trace, e) : 0;
}

enum {
	TOLL_FACTOR = 3, /* this many times the median is still usual */
	TOLL_MAX_NS = 1000000, /* more than this no way into the kernel costs */
};

/*
 * The trace sees an interruption from inside the kernel. What it costs to get there is learnt from
 * the interruptions themselves: a step up or down for each moves the estimate to their median.
 */
static void learn_toll(struct evidence *v, struct gap *gap)
{
	uint64_t *toll = &v->toll_ns[gap->index], sum = 0, rest;

	if (!gap->facts.n_parts)
		return;
	for (unsigned int i = 0; i < gap->facts.n_parts; i++)
		sum += gap->facts.parts[i].ns;
	rest = gap->ns > sum ? gap->ns - sum : 0;
	if (rest > *toll)
		*toll += *toll / 8 + 1;
	else
		*toll -= *toll / 8;
	gap->facts.toll_ns = TOLL_FACTOR * *toll < TOLL_MAX_NS ? TOLL_FACTOR * *toll : TOLL_MAX_NS;
}

void evidence_facts(struct evidence *v, struct gap *gap)
{
	struct culprit_facts *f = &gap->facts;
	const char *irq;

	f->gap_ns = gap->ns;
	f->threshold_ns = v->threshold_ns;
	f->guest = v->guest;
	f->watched_cpus = v->watched;
	f->steal_known = v->guest;
	f->steal_ns = counters_steal_ns(&v->counters, gap->index, gap->start_tsc);
	f->nmi = counters_nmi(&v->counters, gap->index, gap->start_tsc);
	f->irq_count = counters_busiest(&v->counters, gap->index, gap->start_tsc, &irq);
	snprintf(f->irq, sizeof(f->irq), "%s", irq);
	if (v->tracing)
		activity_explain(&v->trace.activity[gap->index], gap->start_tsc, gap->end_tsc,
				 v->tsc_hz, f);
	learn_toll(v, gap);
}

void evidence_watch_smi(struct evidence *v, unsigned int index, bool rests)
{
	uint64_t age = counters_smi_age(&v->counters, index);

	if (age == UINT64_MAX)
		return;
	if (rests ? age >= tsc_cycles(v->tsc_hz, SMI_REST_NS)
		  : v->threshold_ns >= SMI_COST_NS && age >= tsc_cycles(v->tsc_hz, SMI_FRESH_NS))
		counters_smi_read(&v->counters, index);
}

void evidence_smi(struct evidence *v, struct gap *gaps, size_t n)
{
	struct counters_smi s;

	for (size_t i = 0; i < n; i++) {
		struct culprit_facts *f = &gaps[i].facts;

		f->smi_known = !culprit_explained(f) &&
			       counters_smi_ask(&v->counters, gaps[i].index, gaps[i].end_tsc);
	}
	for (size_t i = 0; i < n; i++) {
		struct culprit_facts *f = &gaps[i].facts;

		if (!f->smi_known)
			continue;
		f->smi_known = counters_smi(&v->counters, gaps[i].index, gaps[i].start_tsc, &s);
		f->smi = f->smi_known ? s.count : 0;
		f->smi_gaps = f->smi_known ? s.gaps : 0;
		f->smi_span_ns = f->smi_known ? tsc_ns(v->tsc_hz, s.span_tsc) : 0;
	}
}

char *evidence_text(const struct evidence *v, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s", v->tracing ? "trace" : "no trace (");

	if (!v->tracing)
		n += snprintf(buf + n, size - n, "%.200s)", v->without_trace);
	else if (v->trace.missing[0])
		n += snprintf(buf + n, size - n, " (this kernel lacks %s)", v->trace.missing);
	snprintf(buf + n, size - n, ", /proc counters, SMI counter: %s", v->counters.smi_source);
	return buf;
}
