// SPDX-License-Identifier: GPL-2.0-only
/* What a run came to: its figures against its limits, and all that forbids it to pass. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "results/host.h"
#include "results/run.h"

static size_t length(json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static bool holds(json_object *list, json_object *text)
{
	for (size_t i = 0; i < length(list); i++)
		if (json_object_equal(json_object_array_get_idx(list, i), text))
			return true;
	return false;
}

/* takes text over */
static void add_once(json_object *list, json_object *text)
{
	if (holds(list, text))
		json_object_put(text);
	else
		json_object_array_add(list, text);
}

void run_judged(struct run *r, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!json_object_is_type(json_at(r->doc, "judged"), json_type_array))
		json_object_object_add(r->doc, "judged", json_object_new_array());
	json_object_array_add(json_at(r->doc, "judged"), json_object_new_string(text));
	add_once(json_at(r->doc, "reasons"), json_object_new_string(text));
}

/* The reasons that no judgement made, taken out of the document; the caller puts them. */
static json_object *take_kept(struct run *r)
{
	json_object *kept = json_object_new_array(), *reasons = json_at(r->doc, "reasons");

	for (size_t i = 0; i < length(reasons); i++) {
		json_object *text = json_object_array_get_idx(reasons, i);

		if (!holds(json_at(r->doc, "judged"), text))
			json_object_array_add(kept, json_object_get(text));
	}
	json_object_object_add(r->doc, "reasons", json_object_new_array());
	json_object_object_add(r->doc, "judged", json_object_new_array());
	return kept;
}

void run_add_limit(struct run *r, const char *what, uint64_t limit_ns)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "what", what);
	json_set_int(o, "limit_ns", limit_ns);
	json_object_object_add(o, "cpu", NULL);
	json_object_object_add(o, "value_ns", NULL);
	json_object_object_add(o, "met", NULL);
	json_object_array_add(json_at(r->doc, "limits"), o);
}

/* The figure of one CPU that a limit speaks of: NULL when it was not measured or is unsupported. */
static json_object *limited_value(json_object *cpu, const char *what)
{
	json_object *v = NULL, *quantiles;

	if (!strcmp(what, "max_ns"))
		return json_at(cpu, "max_ns");
	quantiles = json_at(cpu, "quantiles_ns");
	for (int i = 0; i < HIST_LEVELS; i++) {
		size_t n = strlen(hist_levels[i].label);

		if (!strncmp(what, hist_levels[i].label, n) && !strcmp(what + n, "_ns"))
			json_object_object_get_ex(quantiles, hist_levels[i].key, &v);
	}
	return v;
}

/* Nothing was seen where anything above ns would have been. */
static bool none_above(json_object *cpu, int64_t ns)
{
	int64_t from_ns = json_int(cpu, "none_from_ns", -1);

	return !json_int(cpu, "samples", -1) && from_ns >= 0 && from_ns <= ns;
}

bool run_none_above(const struct run *r, const char *instrument, int cpu, uint64_t ns)
{
	json_object *cpus = json_at(r->doc, "cpus");

	for (size_t i = 0; i < json_object_array_length(cpus); i++) {
		json_object *c = json_object_array_get_idx(cpus, i);

		if (json_int(c, "cpu", -1) == cpu && none_above(c, ns) &&
		    !strcmp(json_str(c, "instrument", ""), instrument))
			return true;
	}
	return false;
}

static enum verdict judge_limit(struct run *r, json_object *limit)
{
	json_object *cpus = json_at(r->doc, "cpus"), *worst = NULL;
	const char *what = json_str(limit, "what", "");
	int64_t bound = json_int(limit, "limit_ns", 0), most = -1;
	size_t n = json_object_array_length(cpus);
	bool all = n > 0;
	int name = strcspn(what, "_"); /* "max" of "max_ns" */

	for (size_t i = 0; i < n; i++) {
		json_object *cpu = json_object_array_get_idx(cpus, i);
		json_object *v = limited_value(cpu, what);

		if (!v)
			all = all && !strcmp(what, "max_ns") && none_above(cpu, bound);
		else if (json_object_get_int64(v) > most) {
			most = json_object_get_int64(v);
			worst = cpu;
		}
	}
	if (worst) {
		json_set_int(limit, "value_ns", most);
		json_set_int(limit, "cpu", json_int(worst, "cpu", -1));
	}
	if (worst && most > bound) {
		json_set_bool(limit, "met", false);
		run_judged(r, "%.*s is %.2f us on CPU %jd, above its limit of %.2f us", name, what,
			   most / 1e3, (intmax_t)json_int(worst, "cpu", -1), bound / 1e3);
		return VERDICT_FAIL;
	}
	if (!all) {
		run_judged(r, "%.*s cannot be held against its limit: %s", name, what,
			   n ? "too few samples" : "nothing was measured");
		return VERDICT_INCONCLUSIVE;
	}
	json_set_bool(limit, "met", true);
	return VERDICT_PASS;
}

bool run_is_hardware(const struct run *r)
{
	return !strcmp(json_str(r->doc, "conditions", ""), conditions_name(CONDITIONS_HARDWARE));
}

static enum verdict judge_limits(struct run *r, bool smoke)
{
	json_object *limits = json_at(r->doc, "limits");
	enum verdict all = VERDICT_PASS;
	size_t n = json_object_array_length(limits);

	for (size_t i = 0; i < n; i++) {
		enum verdict v = judge_limit(r, json_object_array_get_idx(limits, i));

		if (v == VERDICT_FAIL || all == VERDICT_PASS)
			all = v;
	}
	if (n && !smoke && !run_is_hardware(r) && all != VERDICT_INCONCLUSIVE) {
		run_judged(r, "no verdict on latency: the conditions are \"%s\", not \"hardware\"",
			   json_str(r->doc, "conditions", "unknown"));
		all = VERDICT_INCONCLUSIVE;
	}
	return all;
}

static bool is_set(const struct run *r, const char *key)
{
	return json_object_get_boolean(json_at(r->doc, key));
}

bool run_cut_short(json_object *doc)
{
	return json_object_get_boolean(json_at(doc, "interrupted")) ||
	       length(json_at(doc, "shortfalls"));
}

enum verdict run_phases_verdict(json_object *phases)
{
	enum verdict v = VERDICT_PASS;

	for (size_t i = 0; i < length(phases); i++) {
		json_object *phase = json_object_array_get_idx(phases, i);
		const char *own = json_str(phase, "verdict", NULL);

		if (own || strcmp(json_str(phase, "status", ""), "skipped") != 0)
			v = verdict_worse(v, verdict_of(own ? own : "incomplete"));
	}
	return v;
}

/*
 * However little was late before a spike ended it: that it stays so for the time asked is not known. A smoke
 * test wants to know no more; that somebody calls for one later is no excuse for a run that was none.
 */
static bool lacks_time(const struct run *r, bool smoke)
{
	return is_set(r, "stopped_at_spike") && !(smoke && is_set(r, "asked.smoke"));
}

/* What is known of the run beside its figures; a broken limit stays broken. */
static enum verdict judge_rest(struct run *r, bool smoke, enum verdict v)
{
	if (v == VERDICT_FAIL && (is_set(r, "throttled") || is_set(r, "clock_drifted")))
		v = VERDICT_INCONCLUSIVE;
	if (is_set(r, "interrupted")) {
		run_judged(r, "interrupted before its time was over; what was measured counts");
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	}
	if (v != VERDICT_FAIL && lacks_time(r, smoke)) {
		run_judged(r,
			   "ended at a spike before its time was over; what was measured counts");
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	}
	if (length(json_at(r->doc, "shortfalls")))
		v = verdict_worse(v, VERDICT_INCOMPLETE);
	v = verdict_worse(v, run_phases_verdict(json_at(r->doc, "phases")));
	if (v == VERDICT_ERROR) /* of a phase: it was not gone through, as run_finish has it */
		v = VERDICT_INCOMPLETE;
	if (length(json_at(r->doc, "doubts")))
		v = verdict_worse(v, VERDICT_INCONCLUSIVE);
	return v;
}

enum verdict run_judge(struct run *r, bool smoke)
{
	_cleanup_json_ json_object *kept = take_kept(r);
	enum verdict v = judge_limits(r, smoke); /* first: its reasons are the report's headline */

	for (size_t i = 0; i < json_object_array_length(kept); i++)
		add_once(json_at(r->doc, "reasons"),
			 json_object_get(json_object_array_get_idx(kept, i)));
	return judge_rest(r, smoke, v);
}
