// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guesthwlat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/collect.h"
#include "cyclic/framelog.h"
#include "cyclic/guestjob.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/opt.h"

enum {
	JSON_BYTES = 64 << 20,
	WORD_BYTES = 512,
	LINE_BYTES = 1024, /* of what hwlat has altered */
	ALTERED_LINES = 64,
};

struct taking {
	struct run *run;
	const struct gathered *g;
	json_object *doc; /* hwlat.json */
	int64_t wall_ns; /* the host's CLOCK_REALTIME - the guest's CLOCK_MONOTONIC */
	struct hist *totals; /* by vCPU */
	uint64_t *watched_ns; /* by vCPU: the sum of its slices */
	struct log_writer log;
	FILE *spikes;
	int64_t n_spikes;
};

static int find(const struct taking *t, const struct frames *f, const char *name,
		const struct frame_file **file, struct err *e)
{
	*file = frames_find(f, name);
	return *file ? 0
		     : err_set(e, -EPROTO,
			       "the guest sent no %s; %s/console.log has what it printed", name,
			       t->run->dir);
}

static char *text_of(const struct frame_file *f)
{
	return f->len > JSON_BYTES ? NULL : strndup((const char *)f->data, f->len);
}

/* The guest read its clock at a mark that the VMM stamped with ours. */
static int take_clock(struct taking *t, const struct frames *f, struct err *e)
{
	const struct frame_file *file;
	_cleanup_free_ char *text = NULL;
	uint64_t mark_ns = t->g->mark_ns[ABI_MARK_CLOCK], guest_ns;
	struct err why = { 0 };
	int ret = find(t, f, "hwlat-clock", &file, e);

	if (ret < 0)
		return ret;
	text = text_of(file);
	if (text)
		text[strcspn(text, "\n")] = '\0';
	if (!text || !mark_ns || text[strspn(text, "0123456789")] ||
	    opt_u64("its clock", text, 1, INT64_MAX, &guest_ns, &why) < 0)
		return err_set(e, -EPROTO, "the guest did not tell its clock");
	t->wall_ns = clock_wall_ns() - clock_now_ns() + (int64_t)(mark_ns - guest_ns);
	return 0;
}

static bool measured(const struct taking *t, int64_t cpu)
{
	return cpu >= 1 && cpu < t->g->cpus->n;
}

/* Of the counters only those mean the same on this side. */
static int take_slice(struct taking *t, struct log_reader *r, struct err *e)
{
	struct log_slice *s = &r->slice;
	int64_t shift = (int64_t)(s->start_mono_ns + t->wall_ns - s->start_wall_ns);

	if (!measured(t, s->cpu) || s->duration_ns > t->g->o->timeout_s * NSEC_PER_SEC)
		return err_set(e, -EPROTO, "the guest's hwlat sent a slice that cannot be");
	s->known &= 1u << LOG_STEAL_NS;
	s->host_cpu = t->g->cpus->host[s->cpu];
	s->start_wall_ns += shift;
	if (s->max_wall_ns)
		s->max_wall_ns += shift;
	snprintf(s->instrument, sizeof(s->instrument), "hwlat");
	t->watched_ns[s->cpu] += s->duration_ns;
	hist_merge(&t->totals[s->cpu], &r->hist);
	return log_write(&t->log, s, &r->hist, e);
}

static int take_record(void *ctx, struct log_reader *r, int got, struct err *e)
{
	if (got == LOG_DAMAGE)
		return err_set(e, -EPROTO, "the guest's latency.log is damaged");
	return got == LOG_SLICE ? take_slice(ctx, r, e) : 0;
}

static int take_log(struct taking *t, const struct frames *f, struct err *e)
{
	const struct frame_file *file;
	int ret = find(t, f, "latency.log", &file, e);

	return ret < 0 ? ret : framelog_each(file, take_record, t, e);
}

/* A gap, in our words: a guest may have put anything into its own. */
static int take_spike(struct taking *t, json_object *from, struct err *e)
{
	static const char *const numbers[] = { "mono_ns", "tsc", "latency_ns", "explained_ns" };
	static const char *const words[] = { "cause", "kind", "detail", "evidence" };
	_cleanup_json_ json_object *o = json_object_new_object();
	int64_t cpu = json_int(from, "cpu", -1);

	if (!measured(t, cpu))
		return err_set(e, -EPROTO, "the guest's hwlat sent a gap of no measured vCPU");
	if (json_int(from, "latency_ns", 0) <= 0 || json_int(from, "explained_ns", 0) < 0)
		return err_set(e, -EPROTO, "the guest's hwlat sent a gap of no length");
	json_set_str(o, "instrument", "hwlat");
	json_set_int(o, "cpu", cpu);
	json_set_int(o, "host_cpu", t->g->cpus->host[cpu]);
	json_set_int(o, "wall_ns",
		     (int64_t)((uint64_t)json_int(from, "mono_ns", 0) + (uint64_t)t->wall_ns +
			       (uint64_t)json_int(from, "latency_ns", 0)));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_set_int(o, numbers[i], json_int(from, numbers[i], 0));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		json_set_str(o, words[i], json_str(from, words[i], ""));
	if (fprintf(t->spikes, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) <
	    0)
		return err_sys(e, "writing the spikes failed");
	return 0;
}

static int take_spikes(struct taking *t, const struct frames *f, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	const struct frame_file *file;
	char path[PATH_MAX], *save = NULL;
	int ret = find(t, f, "spikes.jsonl", &file, e);

	if (ret < 0)
		return ret;
	text = text_of(file);
	if (!text)
		return err_set(e, -EPROTO, "the guest's spikes.jsonl is too large to be read");
	t->spikes = fopen(run_path(t->run, "spikes.jsonl", path), "wxe");
	if (!t->spikes)
		return err_sys(e, "making %s failed", path);
	run_file(t->run, "spikes", "spikes.jsonl");
	for (char *line = strtok_r(text, "\n", &save); line && !ret;
	     line = strtok_r(NULL, "\n", &save)) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		if (t->n_spikes++ < COLLECT_SPIKES_LISTED)
			ret = take_spike(t, o, e);
	}
	if (!ret && fflush(t->spikes))
		ret = err_sys(e, "writing %s failed", path);
	if (t->n_spikes > COLLECT_SPIKES_LISTED)
		run_reason(t->run, "spikes.jsonl lists the first %d of %jd gaps",
			   COLLECT_SPIKES_LISTED, (intmax_t)t->n_spikes);
	json_set_int(t->run->doc, "spikes", t->n_spikes);
	return ret;
}

bool guesthwlat_is_kind(const char *name)
{
	static const char *const kinds[] = { "unknown",	  "smi",    "nmi",	 "irq",
					     "softirq",	  "thread", "throttled", "fault",
					     "frequency", "host",   "platform",	 "hardware" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(name, kinds[i]))
			return true;
	return false;
}

static int take_causes(struct taking *t, struct err *e)
{
	json_object *causes = run_section(t->run, "causes"), *from = json_at(t->doc, "causes");

	if (!json_object_is_type(from, json_type_object))
		return 0;
	json_object_object_foreach(from, cause, value) {
		int64_t n = json_object_get_int64(value);

		if (!guesthwlat_is_kind(cause) || !json_object_is_type(value, json_type_int) ||
		    n < 0 || n > t->n_spikes)
			return err_set(
				e, -EPROTO,
				"the guest's hwlat counts causes of other gaps than it sent");
		json_set_int(causes, cause, n);
	}
	return 0;
}

/* Nothing of a list that is longer than any of rtkvm hwlat's, or of other things than lines. */
static void take_altered(json_object *to, json_object *from)
{
	if (!json_object_is_type(from, json_type_array) ||
	    json_object_array_length(from) > ALTERED_LINES)
		return;
	for (size_t i = 0; i < json_object_array_length(from); i++) {
		json_object *line = json_object_array_get_idx(from, i);

		if (!json_object_is_type(line, json_type_string) ||
		    json_object_get_string_len(line) >= LINE_BYTES)
			return;
	}
	json_object_object_add(to, "altered", json_object_get(from));
}

void guesthwlat_inforce(json_object *to, json_object *from)
{
	static const struct {
		const char *key;
		json_type type;
	} told[] = {
		{ "housekeeping", json_type_string },
		{ "policy", json_type_string },
		{ "priority", json_type_int },
		{ "window_ns", json_type_int },
		{ "width_ns", json_type_int },
		{ "elapsed_s", json_type_double },
		{ "tsc_hz", json_type_int },
		{ "tsc_source", json_type_string },
		{ "tsc_invariant", json_type_boolean },
		{ "tsc_kernel_trusts", json_type_boolean },
		{ "tsc_drift_ppm", json_type_double },
		{ "rt_runtime_us", json_type_int },
		{ "rt_period_us", json_type_int },
		{ "evidence", json_type_string },
		{ "trace_events_lost", json_type_int },
	};

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		json_object *value = json_at(from, told[i].key);

		if (json_object_is_type(value, told[i].type) &&
		    (told[i].type != json_type_string ||
		     json_object_get_string_len(value) < WORD_BYTES))
			json_object_object_add(to, told[i].key, json_object_get(value));
	}
	take_altered(to, json_at(from, "altered"));
}

static bool has(json_object *list, const char *text)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *one = json_object_get_string(json_object_array_get_idx(list, i));

		if (one && !strcmp(one, text))
			return true;
	}
	return false;
}

const char *guesthwlat_verdict(json_object *doc)
{
	const char *verdict = json_str(doc, "verdict", NULL);

	if (verdict && !strcmp(verdict, "fail") && run_cut_short(doc))
		return "incomplete";
	return verdict;
}

/* Its doubts are ours; whether gaps break a limit is judged here. */
static void take_reasons(struct taking *t, const char *verdict)
{
	json_object *reasons = json_at(t->doc, "reasons"), *doubts = json_at(t->doc, "doubts");

	for (size_t i = 0; i < json_object_array_length(reasons); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(reasons, i));

		if (text && has(doubts, text))
			run_doubt(t->run, "in the guest: %.400s", text);
		else if (text && strcmp(verdict, "fail") != 0)
			run_reason(t->run, "in the guest: %.400s", text);
	}
	if (!strcmp(verdict, "incomplete") &&
	    !json_object_get_boolean(json_at(t->doc, "interrupted")))
		run_doubt(t->run,
			  "hwlat in the guest ended early by itself: nobody saw how late its vCPUs "
			  "were then");
}

/* What it said of itself: what was in force in the guest, and whether its run was whole. */
static int take_word(struct taking *t, const struct frames *f, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	const struct frame_file *file;
	json_object *inforce;
	const char *verdict;
	int ret = find(t, f, "hwlat.json", &file, e);

	if (ret < 0)
		return ret;
	text = text_of(file);
	t->doc = text ? json_tokener_parse(text) : NULL;
	verdict = guesthwlat_verdict(t->doc);
	if (!verdict || !json_object_is_type(json_at(t->doc, "inforce"), json_type_object) ||
	    !json_object_is_type(json_at(t->doc, "reasons"), json_type_array))
		return err_set(e, -EPROTO, "the guest's hwlat.json is not what rtkvm hwlat writes");
	json_set_str(run_section(t->run, "guest"), "hwlat_verdict", verdict);
	inforce = json_object_new_object();
	json_object_object_add(run_section(t->run, "inforce"), "hwlat", inforce);
	guesthwlat_inforce(inforce, json_at(t->doc, "inforce"));
	take_reasons(t, verdict);
	return 0;
}

/* All of its time, by the guest's slices and by our clock? */
static void judge_time(const struct taking *t)
{
	uint64_t job_ns = outcome_end_known(t->run, t->g) ? outcome_job_ns(t->g) : UINT64_MAX;

	for (int i = 1; i < t->g->cpus->n && !t->g->interrupted; i++) {
		uint64_t ns = t->watched_ns[i] < job_ns ? t->watched_ns[i] : job_ns;

		if (!outcome_whole(t->g->o, ns))
			run_doubt(t->run, "vCPU %d was watched for %.1f s of the %ju s asked", i,
				  (double)ns / NSEC_PER_SEC, (uintmax_t)t->g->o->duration_s);
	}
}

static void add_cpus(const struct taking *t)
{
	for (int i = 1; i < t->g->cpus->n; i++) {
		const struct run_cpu cpu = {
			.cpu = i,
			.host_cpu = t->g->cpus->host[i],
			.instrument = "hwlat",
			.expected = -1,
			.missed = -1,
		};

		run_add_cpu(t->run, &cpu, &t->totals[i]);
	}
}

static int take_all(struct taking *t, const struct frames *f, struct err *e)
{
	char path[PATH_MAX];
	int ret = take_clock(t, f, e), closed;

	if (!ret)
		ret = take_word(t, f, e);
	if (!ret)
		ret = log_create(&t->log, run_path(t->run, "latency.log", path), 0, e);
	if (ret < 0)
		return ret;
	run_file(t->run, "log", "latency.log");
	ret = take_log(t, f, e);
	closed = log_close(&t->log, e);
	if (!ret)
		ret = take_spikes(t, f, e);
	if (t->spikes)
		fclose(t->spikes);
	if (!ret)
		ret = take_causes(t, e);
	if (ret < 0)
		return ret;
	add_cpus(t);
	judge_time(t);
	return closed;
}

int guesthwlat_take(struct run *run, const struct gathered *g, const struct frames *f,
		    struct err *e)
{
	_cleanup_free_ struct hist *totals = calloc(g->cpus->n, sizeof(*totals));
	_cleanup_free_ uint64_t *watched_ns = calloc(g->cpus->n, sizeof(*watched_ns));
	struct taking t = { .run = run, .g = g, .totals = totals, .watched_ns = watched_ns };
	int ret;

	if (!totals || !watched_ns)
		return err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
	for (int i = 0; i < g->cpus->n; i++)
		hist_init(&totals[i]);
	ret = take_all(&t, f, e);
	json_object_put(t.doc);
	return ret;
}

void guesthwlat_judge(struct run *run)
{
	const char *own = json_str(run->doc, "guest.hwlat_verdict", "");

	if (!strcmp(own, "pass") || !strcmp(own, "fail"))
		return;
	if (strcmp(own, "inconclusive") != 0)
		run_short(run, "hwlat in the guest did not watch for all of its time");
	else if (!json_at(run->doc, "doubts"))
		run_doubt(run, "hwlat in the guest came to no verdict");
}
