// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guestsample.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cyclic/collect.h"
#include "cyclic/framelog.h"
#include "cyclic/guestfacts.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

enum {
	SILENT_SLICES = 3,
	FIRST_SLACK_S =
		60, /* the sampler starts and locks its memory: long on a busy emulated host */
	SILENT_SLACK_S = 5, /* a campaign finds it first, and keeps what the host did meanwhile */
	JOB_JSON_BYTES = 1 << 20,
};

int guestsample_open(struct guestsample *s, struct run *run, const struct gathered *g,
		     struct err *e)
{
	char path[PATH_MAX];
	int ret;

	s->cpus = calloc(g->cpus->n, sizeof(*s->cpus));
	if (!s->cpus)
		return err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
	for (int i = 0; i < g->cpus->n; i++)
		hist_init(&s->cpus[i].total);
	ret = log_create(&s->log, run_path(run, "latency.log", path), 0, e);
	if (ret < 0)
		return ret;
	s->spikes = fopen(run_path(run, "spikes.jsonl", path), "wxe");
	if (!s->spikes)
		return err_sys(e, "making %s failed", path);
	run_file(run, "log", "latency.log");
	run_file(run, "spikes", "spikes.jsonl");
	return 0;
}

/* From the guest's CLOCK_MONOTONIC to the host's CLOCK_REALTIME. */
static int64_t to_wall(const struct guestsample *s, const struct gathered *g)
{
	int64_t host = clock_wall_ns() - clock_now_ns();

	return host + (int64_t)(g->mark_ns[ABI_MARK_CLOCK] - s->clock_ns);
}

static int bad_slice(const char *what, struct err *e)
{
	return err_set(e, -EPROTO, "the guest's sampler sent a slice that cannot be: %s", what);
}

static int check_slice(const struct log_reader *r, const struct gathered *g, struct err *e)
{
	const struct log_slice *s = &r->slice;
	int64_t missed = s->counters[LOG_MISSED], expected = s->counters[LOG_EXPECTED];

	if (s->cpu < 1 || s->cpu >= g->cpus->n)
		return bad_slice("of a vCPU that is not measured", e);
	if (!log_known(s, LOG_EXPECTED) || !log_known(s, LOG_MISSED) || missed < 0 ||
	    r->hist.over || r->hist.resolution_ns != 1 || expected < missed ||
	    r->hist.count != (uint64_t)(expected - missed))
		return bad_slice("samples and missed periods are not the periods it should have",
				 e);
	if (s->period_ns != g->o->interval_us * 1000 ||
	    (uint64_t)expected != s->duration_ns / s->period_ns)
		return bad_slice("of another interval or duration than asked for", e);
	return 0;
}

static int take_slice(struct guestsample *s, const struct gathered *g, struct log_reader *r,
		      struct err *e)
{
	struct guestsample_cpu *cpu;
	struct log_slice *slice = &r->slice;
	int64_t offset = to_wall(s, g);

	if (check_slice(r, g, e) < 0)
		return e->code;
	cpu = &s->cpus[slice->cpu];
	cpu->expected += slice->counters[LOG_EXPECTED];
	cpu->missed += slice->counters[LOG_MISSED];
	hist_merge(&cpu->total, &r->hist);
	slice->known &= 1u << LOG_EXPECTED | 1u << LOG_MISSED;
	slice->host_cpu = g->cpus->host[slice->cpu];
	slice->max_wall_ns += slice->start_mono_ns + offset - slice->start_wall_ns;
	slice->start_wall_ns = slice->start_mono_ns + offset;
	snprintf(slice->instrument, sizeof(slice->instrument), "sample");
	cpu->slice_ns = clock_now_ns();
	return log_write(&s->log, slice, &r->hist, e);
}

struct piece {
	struct guestsample *s;
	const struct gathered *g;
};

static int take_record(void *ctx, struct log_reader *r, int got, struct err *e)
{
	const struct piece *p = ctx;

	if (got == LOG_DAMAGE || r->sequence != p->s->sequence++)
		return bad_slice("slices are missing before it", e);
	return got == LOG_SLICE ? take_slice(p->s, p->g, r, e) : 0;
}

static int take_log(struct guestsample *s, const struct gathered *g, const struct frame_file *f,
		    struct err *e)
{
	struct piece p = { s, g };
	int ret = framelog_each(f, take_record, &p, e);

	return ret < 0 ? ret : log_sync(&s->log, e);
}

static int take_spike(struct guestsample *s, const struct gathered *g, json_object *o,
		      struct err *e)
{
	int64_t cpu = json_int(o, "cpu", -1);
	const struct loop_spike spike = {
		.mono_ns = json_int(o, "mono_ns", 0),
		.tsc = json_int(o, "tsc", 0),
		.cycle = json_int(o, "cycle", 0),
		.late_ns = json_int(o, "latency_ns", 0),
		.missed = json_int(o, "missed", 0),
	};

	if (cpu < 1 || cpu >= g->cpus->n)
		return err_set(e, -EPROTO, "the guest's sampler sent a spike of no measured vCPU");
	s->n_spikes++;
	if (s->n_listed == COLLECT_SPIKES_LISTED)
		return 0;
	s->n_listed++;
	if (collect_spike_line(s->spikes, "sample", cpu, g->cpus->host[cpu], &spike,
			       to_wall(s, g)) < 0)
		return err_sys(e, "writing the spikes failed");
	return 0;
}

static int take_spikes(struct guestsample *s, const struct gathered *g, const struct frame_file *f,
		       struct err *e)
{
	_cleanup_free_ char *text = strndup((const char *)f->data, f->len);
	char *save = NULL;
	int ret = text ? 0 : err_set(e, -ENOMEM, "reading the guest's spikes failed: no memory");

	for (char *line = ret ? NULL : strtok_r(text, "\n", &save); line && !ret;
	     line = strtok_r(NULL, "\n", &save)) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		ret = take_spike(s, g, o, e);
	}
	if (!ret && s->spikes && fflush(s->spikes))
		ret = err_sys(e, "writing the spikes failed");
	return ret;
}

static int take_piece(struct guestsample *s, const struct gathered *g, const struct frame_file *f,
		      struct err *e)
{
	bool sampler = g->o->instrument == GUEST_SAMPLE;

	if (!strcmp(f->name, "load"))
		return guestload_take(&s->load, f, e);
	if (!sampler && !strcmp(f->name, "beat") && !f->len) {
		s->beat_ns = clock_now_ns();
		s->beats++;
		return 0;
	}
	if (sampler && !strcmp(f->name, "latency.log"))
		return take_log(s, g, f, e);
	if (sampler && !strcmp(f->name, "spikes.jsonl"))
		return take_spikes(s, g, f, e);
	if (sampler && !strcmp(f->name, "clock") && f->len >= sizeof(s->clock_ns)) {
		memcpy(&s->clock_ns, f->data, sizeof(s->clock_ns));
		return 0;
	}
	return err_set(e, -EPROTO, "the guest sent a stream \"%s\" that nobody asked for", f->name);
}

/* Mapped where a page begins; pieces are not aligned to anything. */
int guestsample_take(struct guestsample *s, const struct gathered *g, int data, struct err *e)
{
	uint64_t page = sysconf(_SC_PAGESIZE), from = s->taken / page * page;
	struct stat st;
	uint8_t *map;
	ssize_t n = 0;

	/* the mark comes by another way: until it has, no slice can be dated */
	if ((g->o->instrument == GUEST_SAMPLE && !g->mark_ns[ABI_MARK_CLOCK]) || fstat(data, &st) ||
	    (uint64_t)st.st_size <= s->taken)
		return 0;
	map = mmap(NULL, st.st_size - from, PROT_READ, MAP_SHARED, data, from);
	if (map == MAP_FAILED)
		return err_sys(e, "reading the guest's slices failed");
	do {
		struct frame_file piece;

		n = frames_piece(&piece, map + (s->taken - from), st.st_size - s->taken, e);
		if (n > 0 && take_piece(s, g, &piece, e) < 0)
			n = e->code;
		if (n > 0)
			s->taken += n;
	} while (n > 0);
	munmap(map, st.st_size - from);
	/* what has been read need not stay in memory for a day */
	fallocate(data, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, s->taken / page * page);
	return n;
}

/* One that hangs must not be hidden by the others' slices; one that has sent all is not silent. */
static uint64_t cpu_silent(const struct guestsample_cpu *cpu, const struct gathered *g,
			   uint64_t now_ns)
{
	uint64_t since = cpu->slice_ns ? cpu->slice_ns : g->mark_ns[ABI_MARK_JOB_START];
	uint64_t slack = cpu->slice_ns ? SILENT_SLACK_S : FIRST_SLACK_S;
	uint64_t most = SILENT_SLICES * g->o->slice_ns + slack * NSEC_PER_SEC;
	uint64_t periods = g->o->duration_ns / (g->o->interval_us * 1000);

	return (uint64_t)cpu->expected >= periods || now_ns < since + most ? 0 : now_ns - since;
}

uint64_t guestsample_silent(const struct guestsample *s, const struct gathered *g, uint64_t now_ns)
{
	uint64_t longest = 0;

	if (!g->mark_ns[ABI_MARK_JOB_START] || g->mark_ns[ABI_MARK_JOB_END])
		return 0;
	for (int i = 1; i < g->cpus->n; i++) {
		uint64_t silent = cpu_silent(&s->cpus[i], g, now_ns);

		longest = silent > longest ? silent : longest;
	}
	return longest;
}

int guestsample_finish(struct guestsample *s, struct run *run, const struct gathered *g,
		       struct err *e)
{
	int ret = log_close(&s->log, e);

	for (int i = 1; i < g->cpus->n && s->cpus; i++) {
		struct run_cpu rc = {
			.cpu = i,
			.host_cpu = g->cpus->host[i],
			.instrument = "sample",
			.expected = s->cpus[i].expected,
			.missed = s->cpus[i].missed,
		};

		if (hist_total(&s->cpus[i].total))
			run_add_cpu(run, &rc, &s->cpus[i].total);
	}
	json_set_int(run->doc, "spikes", s->n_spikes);
	if (s->n_listed < s->n_spikes)
		run_reason(run, "spikes.jsonl lists the first %d of %" PRIu64 " spikes",
			   COLLECT_SPIKES_LISTED, s->n_spikes);
	return ret;
}

/* What the sampler said of itself; its threads as the guest's kernel had them. */
static int read_word(struct guestsample *s, struct run *run, const struct frame_file *f,
		     struct err *e)
{
	_cleanup_json_ json_object *doc = NULL;
	json_object *reasons, *threads;
	char *text;

	if (!f || f->len > JOB_JSON_BYTES)
		return err_set(e, -EPROTO,
			       "the guest sent no sample.json; %s/console.log has what "
			       "it printed",
			       run->dir);
	text = strndup((const char *)f->data, f->len);
	doc = text ? json_tokener_parse(text) : NULL;
	free(text);
	reasons = json_at(doc, "reasons");
	threads = json_at(doc, "inforce.threads");
	if (!json_object_is_type(reasons, json_type_array) ||
	    !json_object_is_type(threads, json_type_array))
		return err_set(e, -EPROTO, "the guest's sample.json is not what a sampler writes");
	json_object_object_add(run_section(run, "inforce"), "threads", json_object_get(threads));
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		run_reason(run, "%s",
			   json_object_get_string(json_object_array_get_idx(reasons, i)));
	s->interrupted = json_object_get_boolean(json_at(doc, "interrupted"));
	s->at_spike = json_object_get_boolean(json_at(doc, "stopped_at_spike"));
	return 0;
}

int guestsample_files(struct guestsample *s, struct run *run, const struct gathered *g,
		      struct spiketrace *spike, const void *stream, size_t len, struct err *e)
{
	struct frames f;
	int ret = frames_parse(&f, stream, len, e);

	if (ret < 0)
		return ret;
	guestfacts_read(run, frames_find(&f, "guest-facts"));
	outcome_load(run, g, frames_find(&f, "guest-load"));
	ret = read_word(s, run, frames_find(&f, "sample.json"), e);
	spiketrace_take(spike, run, &f);
	frames_free(&f);
	if (!ret)
		outcome_rates(run);
	return ret;
}

/* Periods of a whole run; each slice has been checked against its own length (check_slice). */
static int64_t asked_periods(const struct ctopts *o)
{
	uint64_t period_ns = o->interval_us * 1000;

	return (o->duration_ns + period_ns - 1) / period_ns;
}

static void count_periods(const struct guestsample *s, struct run *run, const struct gathered *g)
{
	int64_t asked = asked_periods(g->o);

	for (int i = 1; i < g->cpus->n; i++) {
		if (s->cpus[i].expected >= asked)
			continue;
		run_short(run,
			  "vCPU %d was measured for %" PRId64 " of the %" PRId64
			  " periods asked for",
			  i, s->cpus[i].expected, asked);
	}
}

/* A guest may say what it likes: only a stop that was asked for excuses a short run. */
void guestsample_judge(const struct guestsample *s, struct run *run, const struct gathered *g)
{
	if (g->o->load) /* its silence is held against the job's time */
		outcome_end_known(run, g);
	if (s->at_spike && s->n_spikes && g->o->on_spike == SPIKE_STOP) {
		json_set_bool(run->doc, "stopped_at_spike", true);
		run_reason(run, "stopped at the first spike, as asked");
		return;
	}
	count_periods(s, run, g);
	if (s->interrupted && !g->interrupted)
		run_short(run, "interrupted before its time was over");
}

void guestsample_free(struct guestsample *s)
{
	struct err ignored = { 0 };

	guestload_free(&s->load);
	log_close(&s->log, &ignored);
	if (s->spikes)
		fclose(s->spikes);
	free(s->cpus);
	*s = (struct guestsample){ .log.fd = -1 };
}
