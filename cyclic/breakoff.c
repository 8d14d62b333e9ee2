// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/breakoff.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cyclic/spiketrace.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

enum { LINE_BYTES = 64 };

/* It breaks off at more than that, in microseconds rounded down. */
uint64_t breakoff_option(uint64_t spike_ns)
{
	return (spike_ns - 1) / 1000;
}

/* The number behind a line's label; 0: there is no such line, or it holds none. */
static uint64_t labelled(const char *text, size_t len, const char *label)
{
	const char *at = memmem(text, len, label, strlen(label));
	char number[LINE_BYTES] = "";
	size_t left;

	if (!at || (at > text && at[-1] != '\n'))
		return 0;
	at += strlen(label);
	left = text + len - at;
	memcpy(number, at, left < sizeof(number) - 1 ? left : sizeof(number) - 1);
	return *number == '-' ? 0 : strtoull(number, NULL, 10);
}

/* "# Thread Ids: 00101 00102": which of them is it? */
static size_t place_in(const char *ids, size_t len, uint64_t tid)
{
	_cleanup_free_ char *line = strndup(ids, len);
	char *save = NULL;
	size_t n = 0;

	if (!line)
		return SIZE_MAX;
	line[strcspn(line, "\n")] = '\0';
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save), n++)
		if (strtoull(word, NULL, 10) == tid)
			return n;
	return SIZE_MAX;
}

void breakoff_read(struct breakoff *b, const char *text, size_t len)
{
	static const char label[] = "# Thread Ids:";
	uint64_t tid, us;
	const char *ids;

	*b = (struct breakoff){ .thread = SIZE_MAX, .cpu = -1 };
	if (!len)
		return;
	tid = labelled(text, len, "# Break thread:");
	us = labelled(text, len, "# Break value:");
	if (!tid || !us || us > (uint64_t)INT64_MAX / 1000)
		return;
	b->late_ns = us * 1000;
	ids = memmem(text, len, label, strlen(label));
	if (ids)
		b->thread = place_in(ids + strlen(label), text + len - ids - strlen(label), tid);
}

int breakoff_check(const struct breakoff *b, uint64_t spike_ns, uint64_t job_ns, struct err *e)
{
	uint64_t least_us = breakoff_option(spike_ns) + 1;

	if (!b->late_ns)
		return 0;
	if (b->late_ns < least_us * 1000)
		return err_set(e, -EPROTO,
			       "cyclictest says that it broke off at a wake-up %ju us late, but it "
			       "was to at %ju us or more",
			       (uintmax_t)b->late_ns / 1000, (uintmax_t)least_us);
	if (job_ns && b->late_ns > job_ns)
		return err_set(
			e, -EPROTO,
			"cyclictest says that it broke off at a wake-up %.3f s late, but its "
			"job took %.3f s by the host's clock",
			(double)b->late_ns / NSEC_PER_SEC, (double)job_ns / NSEC_PER_SEC);
	return 0;
}

/* By its id, or as the one that was so late. */
static struct rttests_thread *find(const struct breakoff *b, const struct rttests *r)
{
	if (b->thread < r->n)
		return &r->threads[b->thread];
	for (size_t i = 0; i < r->n; i++)
		if (r->threads[i].hist.max_ns >= b->late_ns)
			return &r->threads[i];
	return NULL;
}

int breakoff_count(struct breakoff *b, struct rttests *r, struct err *e)
{
	struct rttests_thread *t = find(b, r);

	if (!b->late_ns)
		return 0;
	if (!t)
		return err_set(e, -EPROTO,
			       "cyclictest broke off at a wake-up %.3f us late, which none of its "
			       "threads shows",
			       b->late_ns / 1e3);
	b->cpu = t->cpu;
	if (t->hist.over || hist_next(&t->hist, hist_index(b->late_ns)) < HIST_BINS)
		return 0;
	hist_add(&t->hist, b->late_ns);
	t->cycles++;
	return 0;
}

static int add_line(const struct run *run, json_object *o, struct err *e)
{
	const char *line = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	char path[PATH_MAX];
	_cleanup_fclose_ FILE *out = fopen(run_path(run, "spikes.jsonl", path), "ae");
	bool bad = !out || fprintf(out, "%s\n", line) < 0;

	return bad || fflush(out) ? err_sys(e, "writing %s failed", path) : 0;
}

int breakoff_spike(const struct breakoff *b, struct run *run, int host_cpu, uint64_t wall_ns,
		   struct err *e)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	_cleanup_json_ json_object *seen = spiketrace_worst(run, b->cpu, b->late_ns);
	uint64_t dated_ns = json_int(seen, "wall_ns", 0); /* 0: no trace that tells */

	json_set_str(o, "instrument", "cyclictest");
	json_set_int(o, "cpu", b->cpu);
	json_set_int(o, "host_cpu", host_cpu);
	json_set_int(o, "wall_ns", dated_ns ? dated_ns : wall_ns);
	if (json_at(seen, "tsc"))
		json_set_int(o, "tsc", json_int(seen, "tsc", 0));
	json_set_int(o, "latency_ns", b->late_ns);
	if (add_line(run, o, e) < 0)
		return e->code;
	run_file(run, "spikes", "spikes.jsonl");
	json_set_int(run->doc, "spikes", 1);
	return run_save(run, e);
}
