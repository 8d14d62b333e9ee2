// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/hostspike.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/spiketrace.h"
#include "cyclic/vmproc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/paths.h"

enum {
	JSON_BYTES = 64 << 20,
	LATE_LISTED = 1000,
	NEAR_NS = 1000000, /* between the ends of a wake-up in both views */
};

/* rtkvm-trace(1)'s causes of a guest, as what they are on the host. */
static const struct {
	const char *guest, *host, *detail; /* detail NULL: as it is */
} names[] = {
	{ "guest-irq", "host-irq", NULL },
	{ "guest-softirq", "host-softirq", NULL },
	{ "guest-thread", "host-thread", NULL },
	{ "guest-off", "host-off", NULL },
	{ "guest-off-or-hw", "host-off-or-hw", NULL },
	{ "guest-throttled", "host-throttled", NULL },
	{ "below-guest", "unexplained", "interrupts off, an idle state, or hardware" },
	{ "guest-unknown", "unexplained", "the timer's state is unknown" },
	{ "guest-or-exit", "unexplained", NULL },
};

static void rename_one(json_object *o)
{
	const char *cause = json_str(o, "cause", "");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(cause, names[i].guest) != 0)
			continue;
		if (names[i].detail)
			json_set_str(o, "detail", names[i].detail);
		json_set_str(o, "cause", names[i].host);
		return;
	}
}

static size_t length(json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

void hostspike_rename(json_object *late)
{
	json_object *parts = json_at(late, "parts");

	rename_one(late);
	for (size_t i = 0; i < length(parts); i++)
		rename_one(json_object_array_get_idx(parts, i));
	json_set_int(late, "host_cpu", json_int(late, "cpu", -1));
}

/* cpu: as for spiketrace_threads */
static int ask(const struct run *run, uint64_t spike_ns, int cpu, json_object **out, struct err *e)
{
	char self[PATH_MAX], path[PATH_MAX];
	struct vmproc_argv a = { .n = 0 };
	int bad = paths_self(self, sizeof(self), e);

	if (bad)
		return bad;
	bad |= argv_add(&a, "%s", self) | argv_add(&a, "trace") | argv_add(&a, "explain");
	bad |= argv_add(&a, "--json") | argv_add(&a, "--list=%d", LATE_LISTED) |
	       argv_add(&a, "--threshold=%juns", (uintmax_t)spiketrace_threshold(spike_ns));
	bad |= spiketrace_threads(&a, run, cpu);
	bad |= argv_add(&a, "--guest=%s", run_path(run, "trace/host.dat", path));
	if (bad)
		return err_set(e, -E2BIG, "explaining the spike failed: too long a command line");
	if (spiketrace_verb(a.argv, run_path(run, "trace/explain.json", path), e) < 0)
		return e->code;
	return json_load(path, JSON_BYTES, out, e);
}

/*
 * Is it the wake-up of that spike? By the TSC at its end, and nearly as late: the kernel's view ends a
 * little before the sampler's. The trace is stamped by the TSC alone: the spike dates it.
 */
static bool is_of(json_object *late, json_object *spike, double hz)
{
	int64_t ticks = json_int(late, "tsc", 0) - json_int(spike, "tsc", 0);
	double apart_ns = hz > 0 ? ticks * (NSEC_PER_SEC / hz) : 0;
	int64_t cpu = json_int(spike, "cpu", -1), latency_ns = json_int(spike, "latency_ns", 0);

	if (hz <= 0 || cpu < 0 || latency_ns <= 0 || apart_ns > NEAR_NS || apart_ns < -NEAR_NS ||
	    !spiketrace_fits(late, cpu, latency_ns))
		return false;
	json_set_int(late, "wall_ns", json_int(spike, "wall_ns", 0) + (int64_t)apart_ns);
	return true;
}

json_object *hostspike_of(json_object *doc, json_object *spike)
{
	json_object *list = json_at(doc, "list");
	double hz = json_double(doc, "clock.hz", 0);

	for (size_t i = 0; i < length(list); i++) {
		json_object *late = json_object_array_get_idx(list, i);

		if (!is_of(late, spike, hz))
			continue;
		hostspike_rename(late);
		return late;
	}
	return NULL;
}

/*
 * What the trace shows of the sampler's own spikes, in host names; borrowed by the array. Others that
 * it takes for late are left out: who was late is the sampler's to say.
 */
static json_object *explained(const struct run *run, json_object *doc)
{
	char path[PATH_MAX];
	_cleanup_fclose_ FILE *in = NULL;
	json_object *found = json_object_new_array(), *late;
	_cleanup_free_ char *line = NULL;
	struct err ignored = { 0 };
	size_t room = 0;

	file_stream(run_path(run, "spikes.jsonl", path), &in, &ignored);
	while (in && json_object_array_length(found) < LATE_LISTED &&
	       getline(&line, &room, in) > 0) {
		_cleanup_json_ json_object *spike = json_tokener_parse(line);

		late = hostspike_of(doc, spike);
		if (late)
			json_object_array_add(found, json_object_get(late));
	}
	return found;
}

/* The recorder has read both clocks when it ended. */
static uint64_t wall_of(json_object *manifest, int64_t tsc)
{
	double hz = json_double(manifest, "tsc_hz", 0);
	int64_t ticks = json_int(manifest, "end.ticks", 0) - tsc;

	return hz > 0 ? json_int(manifest, "end.wall_ns", 0) -
				(int64_t)(ticks * (NSEC_PER_SEC / hz))
		      : 0;
}

json_object *hostspike_of_break(json_object *doc, json_object *manifest, const struct breakoff *b)
{
	json_object *list = json_at(doc, "list"), *worst = NULL;

	for (size_t i = 0; i < length(list); i++) {
		json_object *late = json_object_array_get_idx(list, i);

		if (spiketrace_fits(late, b->cpu, b->late_ns) &&
		    json_int(late, "latency_ns", 0) > json_int(worst, "latency_ns", -1))
			worst = late;
	}
	if (!worst)
		return NULL;
	json_set_int(worst, "wall_ns", wall_of(manifest, json_int(worst, "tsc", 0)));
	hostspike_rename(worst);
	return worst;
}

/* That one alone, borrowed by the array. */
static json_object *explained_break(const struct run *run, json_object *doc,
				    const struct breakoff *b)
{
	json_object *found = json_object_new_array(), *late;
	_cleanup_json_ json_object *manifest = NULL;
	struct err ignored = { 0 };
	char path[PATH_MAX];

	/* without it the wake-up stands undated */
	json_load(run_path(run, "trace/host.json", path), JSON_BYTES, &manifest, &ignored);
	late = hostspike_of_break(doc, manifest, b);
	if (late)
		json_object_array_add(found, json_object_get(late));
	return found;
}

static int add_lines(const struct run *run, json_object *list, struct err *e)
{
	char path[PATH_MAX];
	_cleanup_fclose_ FILE *out = fopen(run_path(run, "spikes.jsonl", path), "ae");
	bool bad = !out;

	for (size_t i = 0; !bad && i < length(list); i++)
		bad = fprintf(out, "%s\n",
			      json_object_to_json_string_ext(json_object_array_get_idx(list, i),
							     JSON_C_TO_STRING_PLAIN)) < 0;
	return bad || fflush(out) ? err_sys(e, "writing %s failed", path) : 0;
}

static void count(struct run *run, json_object *late)
{
	json_object *causes = run_section(run, "causes");
	const char *cause = json_str(late, "cause", "unexplained");

	json_set_int(causes, cause, json_int(causes, cause, 0) + 1);
}

static void tell(struct run *run, json_object *worst)
{
	const char *detail = json_str(worst, "detail", "");
	char iso[CLOCK_ISO_BYTES], path[PATH_MAX];

	run_path(run, "trace/explain.json", path);
	if (!worst) {
		run_reason(run, "%s has no wake-up that is the spike's", path);
		return;
	}
	run_reason(run, "%.3f us late on CPU %jd at %s, by the trace: %s%s%.150s%s; %s has more",
		   json_int(worst, "latency_ns", 0) / 1e3, (intmax_t)json_int(worst, "cpu", -1),
		   clock_iso8601(json_int(worst, "wall_ns", 0), iso),
		   json_str(worst, "cause", "unexplained"), *detail ? " (" : "", detail,
		   *detail ? ")" : "", path);
}

/* b: NULL: the sampler's spikes. */
static int explain(struct run *run, uint64_t spike_ns, const struct breakoff *b, struct err *e)
{
	_cleanup_json_ json_object *doc = NULL;
	json_object *list, *worst = NULL;
	char path[PATH_MAX];
	int ret = ask(run, spike_ns, b ? b->cpu : -1, &doc, e);

	if (ret < 0)
		return ret;
	list = b ? explained_break(run, doc, b) : explained(run, doc);
	for (size_t i = 0; i < length(list); i++) {
		json_object *late = json_object_array_get_idx(list, i);

		count(run, late);
		if (json_int(late, "latency_ns", 0) > json_int(worst, "latency_ns", -1))
			worst = late;
	}
	json_object_object_del(doc, "causes"); /* by a guest's names; the list has them all */
	json_object_object_add(doc, "list", list);
	ret = json_save(run_path(run, "trace/explain.json", path), doc, e);
	if (!ret)
		ret = add_lines(run, list, e);
	if (ret < 0)
		return ret;
	run_file(run, "explanation", "trace/explain.json");
	tell(run, worst);
	return run_save(run, e);
}

int hostspike_explain(struct run *run, uint64_t spike_ns, struct err *e)
{
	return explain(run, spike_ns, NULL, e);
}

int hostspike_explain_break(struct run *run, uint64_t spike_ns, const struct breakoff *b,
			    struct err *e)
{
	return explain(run, spike_ns, b, e);
}
