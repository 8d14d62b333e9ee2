// SPDX-License-Identifier: GPL-2.0-only
/* explain_out - an explanation as text and as JSON */
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "tracing/explain.h"
#include "tracing/reasons.h"

enum { PARTS_SHOWN = 4, TEXT_CELLS = 60, STRIDE = PICTURE_CELLS / TEXT_CELLS };

static bool of_guest(enum cause c)
{
	return c >= CAUSE_GUEST_IRQ && c <= CAUSE_GUEST_WAKEUP;
}

const char *explain_detail(const struct explanation *x, const struct part *p,
			   char buf[static DETAIL_BYTES])
{
	const struct side *side = &x->model.side[of_guest(p->cause) ? GUEST : HOST];
	const struct thread *t;
	char reason[REASON_BYTES];

	*buf = '\0';
	if (p->detail == DETAIL_SEVERAL)
		return strcpy(buf, "several");
	switch (cause_info[p->cause].detail) {
	case DETAIL_NAME:
		return names_text(&side->names, p->detail);
	case DETAIL_SOFTIRQ:
		return cause_softirq_name(p->detail);
	case DETAIL_THREAD:
		t = threads_find(&side->threads, p->detail);
		if (!t || !*t->comm)
			snprintf(buf, DETAIL_BYTES, "thread %u", p->detail);
		else
			snprintf(buf, DETAIL_BYTES, "%s/%u (prio %d)", t->comm, t->tid, t->prio);
		return buf;
	case DETAIL_IDLE:
		snprintf(buf, DETAIL_BYTES, "state %u", p->detail);
		return buf;
	case DETAIL_EXIT:
		snprintf(buf, DETAIL_BYTES, "%s",
			 reason_name(p->detail >> 30, p->detail & ~(3u << 30), reason));
		return buf;
	case DETAIL_WHY:
		return p->detail < WHY_COUNT ? cause_why[p->detail] : "";
	default:
		return buf;
	}
}

static double us(uint64_t ns)
{
	return ns / 1e3;
}

static void print_clock(FILE *f, const struct explanation *x)
{
	const struct session *s = &x->session;
	const struct clock_bound *b = &x->bound;

	fprintf(f, "clock: %s", s->dat[GUEST].clock);
	if (!strcmp(s->dat[GUEST].clock, "x86-tsc"))
		fprintf(f, " at %.3f MHz (%s)", session_hz(s) / 1e6, s->rate_from);
	if (!s->has[HOST]) {
		fprintf(f, "; no host trace: what happens outside the guest is not seen\n");
		return;
	}
	fprintf(f, "; guest offset %jd%s (%s)", (intmax_t)s->file[GUEST].clock.offset,
		s->same_offset ? "" : " and others", s->offset_from);
	if (explain_error_known(x))
		fprintf(f, ", off by %jd to %+jd ns at most", -(intmax_t)clock_ns(s->rate, -b->low),
			(intmax_t)clock_ns(s->rate, b->high));
	if (!b->inside)
		fprintf(f, ", not checked: no kvm_entry and kvm_exit in the host's trace\n");
	else if (explain_error_known(x))
		fprintf(f, " (%ju guest events)\n", (uintmax_t)b->inside);
	else
		fprintf(f, ", not checked: too few entries and exits\n");
}

/* A wrong match would blame another thread: so a guess is told, and what it was. */
static void print_vcpus(FILE *f, const struct explanation *x)
{
	if (!x->session.has[HOST])
		return;
	fprintf(f, "vCPUs: by %s", x->vcpus_from);
	for (size_t i = 0; i < x->n_vcpus; i++)
		fprintf(f, "%s%u", i ? "," : "; KVM's vCPUs ", x->vcpus[i].id);
	for (size_t i = 0; i < x->n_vcpus; i++)
		fprintf(f, "%s%zu", i ? "," : " taken for the guest's ", i);
	fprintf(f, "\n");
}

/* Threads named as measured ones are: told of, so that whoever means them can name them. */
static void print_left_out(FILE *f, const struct explanation *x)
{
	const char *comma = "left out, not real-time: ";

	for (size_t i = 0; i < x->model.n_samplers; i++) {
		const struct sampler *s = &x->model.samplers[i];

		if (!s->left_out || s->samples)
			continue;
		fprintf(f, "%s%s/%u (%ju wake-ups)", comma, s->thread->comm, s->thread->tid,
			(uintmax_t)s->left_out);
		comma = ", ";
	}
	if (*comma == ',')
		fprintf(f, "; --thread shows them\n");
}

static void print_head(FILE *f, const struct explanation *x)
{
	uint64_t ns =
		clock_ns(x->session.rate, x->model.now) - clock_ns(x->session.rate, x->model.first);

	fprintf(f, "events: %ju in %.3f s", (uintmax_t)x->events, ns / 1e9);
	if (x->lost || x->lost_places)
		fprintf(f, "; LOST: %ju counted, and an unknown number at %ju places",
			(uintmax_t)x->lost, (uintmax_t)x->lost_places);
	for (int i = 0; i < SIDES; i++)
		if (x->session.has[i] && x->session.dat[i].dropped)
			fprintf(f, "; DROPPED by the %s's kernel, nobody knows where: %ju",
				i == HOST ? "host" : "guest", (uintmax_t)x->session.dat[i].dropped);
	if (x->begun_late)
		fprintf(f, "; the rings of %ju CPUs had overwritten what came before",
			(uintmax_t)x->begun_late);
	fprintf(f, "\n");
	print_clock(f, x);
	print_vcpus(f, x);
	for (size_t i = 0; i < x->model.n_samplers; i++) {
		const struct sampler *s = &x->model.samplers[i];

		if (s->samples)
			fprintf(f,
				"%s/%u: %ju wake-ups, min %.1f mean %.1f max %.1f us; %ju later than %.1f us\n",
				s->thread->comm, s->thread->tid, (uintmax_t)s->samples,
				us(s->min_ns), us(s->sum_ns / s->samples), us(s->max_ns),
				(uintmax_t)s->late, us(x->opts->threshold_ns));
	}
	print_left_out(f, x);
}

/* A ring that went on for long after a spike has overwritten what came before it. */
static void print_went_on(FILE *f, const struct explanation *x)
{
	fprintf(f, "recorded after the last of them: guest %.3f ms (%ju events followed)",
		explain_went_on_ns(x, GUEST) / 1e6, (uintmax_t)explain_went_on(x, GUEST));
	if (x->session.has[HOST])
		fprintf(f, ", host %.3f ms (%ju)", explain_went_on_ns(x, HOST) / 1e6,
			(uintmax_t)explain_went_on(x, HOST));
	fprintf(f, "\n");
}

static void print_picture(FILE *f, const struct spike *s)
{
	fprintf(f, "                 |");
	for (int i = STRIDE / 2; i < PICTURE_CELLS; i += STRIDE)
		fputc(cause_info[s->picture[i]].letter, f);
	fprintf(f, "|\n");
}

static void print_spike(FILE *f, const struct explanation *x, const struct spike *s)
{
	uint64_t rest = s->latency_ns;
	char buf[DETAIL_BYTES];

	fprintf(f, "%16.9f %4u %4d %10.1f ", clock_ns(x->session.rate, s->ran) / 1e9, s->guest_cpu,
		s->host_cpu == UINT32_MAX ? -1 : (int)s->host_cpu, us(s->latency_ns));
	for (size_t i = 0; i < s->budget.n && i < PARTS_SHOWN; i++) {
		const struct part *p = &s->budget.parts[i];
		const char *d = explain_detail(x, p, buf);

		fprintf(f, "%s %s%s%s %.1f", i ? ";" : "", cause_info[p->cause].title,
			*d ? " " : "", d, us(p->ns));
		rest -= p->ns;
	}
	if (rest)
		fprintf(f, "; others %.1f", us(rest));
	fprintf(f, "\n");
	if (x->opts->timeline)
		print_picture(f, s);
}

static void print_legend(FILE *f, const struct explanation *x)
{
	bool seen[CAUSE_COUNT] = { false };
	const char *comma = "";

	for (size_t i = 0; i < x->n_worst; i++)
		for (int k = STRIDE / 2; k < PICTURE_CELLS; k += STRIDE)
			seen[x->worst[i].picture[k]] = true;
	fprintf(f, "                 ");
	for (int c = 0; c < CAUSE_COUNT; c++)
		if (seen[c]) {
			fprintf(f, "%s%c %s", comma, cause_info[c].letter, cause_info[c].title);
			comma = ", ";
		}
	fprintf(f, "\n");
}

static void print_causes(FILE *f, const struct explanation *x)
{
	fprintf(f, "\n%-58s %9s %12s %6s %10s\n", "where the time went", "dominates", "us", "%",
		"worst us");
	for (int c = 0; c < CAUSE_COUNT; c++) {
		const struct cause_total *t = &x->causes[c];

		if (t->ns || c == CAUSE_UNEXPLAINED)
			fprintf(f, "%-58s %9ju %12.1f %6.2f %10.1f\n", cause_info[c].title,
				(uintmax_t)t->spikes, us(t->ns),
				x->ns ? 100.0 * t->ns / x->ns : 0.0, us(t->worst_ns));
	}
	fprintf(f, "%-58s %9ju %12.1f %6.2f\n", "sum", (uintmax_t)x->spikes, us(x->ns), 100.0);
}

void explain_text(FILE *f, const struct explanation *x)
{
	print_head(f, x);
	if (!x->spikes)
		return;
	print_went_on(f, x);
	if (x->n_worst) {
		fprintf(f, "\n%16s %4s %4s %10s  %s\n", "time s", "vCPU", "CPU", "late us",
			"where the time went, us");
		for (size_t i = 0; i < x->n_worst; i++)
			print_spike(f, x, &x->worst[i]);
		if (x->opts->timeline)
			print_legend(f, x);
		if (x->n_worst < x->spikes)
			fprintf(f, "the %zu longest of %ju are shown; --list N shows more\n",
				x->n_worst, (uintmax_t)x->spikes);
	}
	print_causes(f, x);
}

static json_object *parts_json(const struct explanation *x, const struct budget *b)
{
	json_object *list = json_object_new_array();
	char buf[DETAIL_BYTES];

	for (size_t i = 0; i < b->n; i++) {
		json_object *o = json_object_new_object();
		const char *d = explain_detail(x, &b->parts[i], buf);

		json_set_str(o, "cause", cause_info[b->parts[i].cause].key);
		if (*d)
			json_set_str(o, "detail", d);
		json_set_int(o, "ns", b->parts[i].ns);
		json_object_array_add(list, o);
	}
	return list;
}

/* What the picture shows: causes in order of time and their ns, to a cell's width. */
static json_object *timeline_json(const struct spike *s)
{
	json_object *list = json_object_new_array();
	unsigned __int128 span = s->latency_ns;

	for (int i = 0, k; i < PICTURE_CELLS; i = k) {
		json_object *run = json_object_new_array();

		for (k = i + 1; k < PICTURE_CELLS && s->picture[k] == s->picture[i]; k++)
			;
		json_object_array_add(run, json_object_new_string(cause_info[s->picture[i]].key));
		json_object_array_add(run,
				      json_object_new_int64((int64_t)(span * k / PICTURE_CELLS) -
							    (int64_t)(span * i / PICTURE_CELLS)));
		json_object_array_add(list, run);
	}
	return list;
}

/* When each stage was passed, from the timer's expiry on. */
static json_object *stages_json(const struct explanation *x, const struct spike *s)
{
	json_object *o = json_object_new_object();
	struct clock_rate r = x->session.rate;

	for (int i = 0; i < STAGES; i++)
		if (s->stage[i] != UINT64_MAX)
			json_set_int(o, stage_key[i],
				     (int64_t)(clock_ns(r, s->stage[i]) - clock_ns(r, s->due)));
	return o;
}

json_object *explain_spike_json(const struct explanation *x, const struct spike *s)
{
	json_object *o = json_object_new_object();
	enum cause verdict = budget_verdict(&s->budget);
	uint64_t at = clock_ns(x->session.rate, s->ran), wall = 0;
	char buf[DETAIL_BYTES];

	if (x->wall_known)
		wall = x->wall_ns + at - clock_ns(x->session.rate, x->wall_ts);
	json_set_int(o, "wall_ns", wall);
	json_set_int(o, "cpu", s->guest_cpu);
	json_set_int(o, "latency_ns", s->latency_ns);
	json_set_str(o, "instrument", "trace");
	if (s->host_cpu != UINT32_MAX)
		json_set_int(o, "host_cpu", s->host_cpu);
	if (!strcmp(x->session.dat[GUEST].clock, "x86-tsc") && x->session.same_offset)
		json_set_int(o, "tsc", clock_to_guest(&x->session.file[GUEST].clock, s->ran));
	json_set_str(o, "thread", s->comm);
	json_set_int(o, "tid", s->tid);
	json_set_int(o, "trace_ns", at);
	json_set_str(o, "cause", cause_info[verdict].key);
	for (size_t i = 0; i < s->budget.n; i++) {
		if (s->budget.parts[i].cause != verdict)
			continue;
		json_set_str(o, "detail", explain_detail(x, &s->budget.parts[i], buf));
		break;
	}
	json_object_object_add(o, "parts", parts_json(x, &s->budget));
	json_object_object_add(o, "stages", stages_json(x, s));
	json_object_object_add(o, "timeline", timeline_json(s));
	return o;
}

static json_object *causes_json(const struct explanation *x)
{
	json_object *list = json_object_new_array();

	for (int c = 0; c < CAUSE_COUNT; c++) {
		json_object *o;

		if (!x->causes[c].ns)
			continue;
		o = json_object_new_object();
		json_set_str(o, "cause", cause_info[c].key);
		json_set_str(o, "title", cause_info[c].title);
		json_set_int(o, "dominates", x->causes[c].spikes);
		json_set_int(o, "ns", x->causes[c].ns);
		json_set_int(o, "worst_ns", x->causes[c].worst_ns);
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *threads_json(const struct explanation *x)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < x->model.n_samplers; i++) {
		const struct sampler *s = &x->model.samplers[i];
		json_object *o;

		if (!s->samples)
			continue;
		o = json_object_new_object();
		json_set_str(o, "thread", s->thread->comm);
		json_set_int(o, "tid", s->thread->tid);
		json_set_int(o, "samples", s->samples);
		json_set_int(o, "late", s->late);
		json_set_int(o, "min_ns", s->min_ns);
		json_set_int(o, "mean_ns", s->sum_ns / s->samples);
		json_set_int(o, "max_ns", s->max_ns);
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *left_out_json(const struct explanation *x)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < x->model.n_samplers; i++) {
		const struct sampler *s = &x->model.samplers[i];
		json_object *o;

		if (!s->left_out || s->samples)
			continue;
		o = json_object_new_object();
		json_set_str(o, "thread", s->thread->comm);
		json_set_int(o, "tid", s->thread->tid);
		json_set_int(o, "wakeups", s->left_out);
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *clock_json(const struct explanation *x)
{
	const struct session *s = &x->session;
	const struct clock_bound *b = &x->bound;
	json_object *o = json_object_new_object();

	json_set_str(o, "name", s->dat[GUEST].clock);
	json_set_double(o, "hz", session_hz(s));
	json_set_str(o, "hz_from", s->rate_from);
	if (!s->has[HOST])
		return o;
	json_set_int(o, "offset_ticks", s->file[GUEST].clock.offset);
	json_set_str(o, "offset_from", s->offset_from);
	json_set_int(o, "checked_events", b->inside);
	if (explain_error_known(x)) {
		json_set_int(o, "error_low_ns", -(int64_t)clock_ns(s->rate, -b->low));
		json_set_int(o, "error_high_ns", clock_ns(s->rate, b->high));
	}
	return o;
}

json_object *explain_vcpus_json(const struct explanation *x)
{
	json_object *o = json_object_new_object(), *ids;

	json_set_str(o, "from", x->vcpus_from);
	if (!x->n_vcpus)
		return o;
	ids = json_object_new_array();
	for (size_t i = 0; i < x->n_vcpus; i++)
		json_object_array_add(ids, json_object_new_int64(x->vcpus[i].id));
	json_object_object_add(o, "kvm_ids", ids);
	return o;
}

static json_object *went_on_json(const struct explanation *x)
{
	static const char *const name[SIDES] = { [HOST] = "host", [GUEST] = "guest" };
	json_object *o = json_object_new_object();

	for (int i = 0; i < SIDES; i++) {
		json_object *side;

		if (!x->session.has[i])
			continue;
		side = json_object_new_object();
		json_set_int(side, "events", explain_went_on(x, i));
		json_set_int(side, "ns", explain_went_on_ns(x, i));
		json_object_object_add(o, name[i], side);
	}
	return o;
}

json_object *explain_json(const struct explanation *x)
{
	json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_set_int(o, "events", x->events);
	json_set_int(o, "lost", x->lost);
	json_set_int(o, "lost_places", x->lost_places);
	json_set_int(o, "dropped_host", x->session.dat[HOST].dropped);
	json_set_int(o, "dropped_guest", x->session.dat[GUEST].dropped);
	json_set_int(o, "rings_begun_late", x->begun_late);
	json_object_object_add(o, "clock", clock_json(x));
	if (x->session.has[HOST])
		json_object_object_add(o, "vcpus", explain_vcpus_json(x));
	json_set_int(o, "threshold_ns", x->opts->threshold_ns);
	json_object_object_add(o, "threads", threads_json(x));
	json_object_object_add(o, "left_out", left_out_json(x));
	json_set_int(o, "spikes", x->spikes);
	json_set_int(o, "spikes_ns", x->ns);
	if (x->spikes)
		json_object_object_add(o, "after_last", went_on_json(x));
	json_object_object_add(o, "causes", causes_json(x));
	for (size_t i = 0; i < x->n_worst; i++)
		json_object_array_add(list, explain_spike_json(x, &x->worst[i]));
	json_object_object_add(o, "list", list);
	return o;
}
