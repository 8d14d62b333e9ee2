// SPDX-License-Identifier: GPL-2.0-only
/* bench_save - the run directory: run.json, latency.log and, for gaps, spikes.jsonl */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "vmm/bench.h"

struct save {
	const struct bench *b;
	struct run *run;
	struct log_writer log;
};

static uint64_t ns(const struct bench *b, uint64_t cycles)
{
	return bench_ns(cycles, b->tsc_khz);
}

uint64_t bench_mono_ns(const struct bench_span *s, uint64_t tsc)
{
	uint64_t cycles = s->end.tsc - s->start.tsc;

	if (tsc < s->start.tsc || tsc > s->end.tsc || !cycles)
		return 0;
	return s->start.mono_ns + (unsigned __int128)(tsc - s->start.tsc) *
					  (s->end.mono_ns - s->start.mono_ns) / cycles;
}

/* 0: unknown, the guest's TSC is not the host's (or nobody told). */
static uint64_t mono_of(const struct bench *b, uint64_t tsc)
{
	return json_object_get_boolean(json_at(b->vm.ended, "tsc_is_host"))
		       ? bench_mono_ns(&b->span, tsc)
		       : 0;
}

static uint64_t wall_of(const struct bench *b, uint64_t mono_ns)
{
	return mono_ns ? b->span.start.wall_ns + (mono_ns - b->span.start.mono_ns) : 0;
}

/* Cycles become nanoseconds by their bin's upper edge; the smallest and the largest stay exact. */
static void to_hist(struct hist *h, const struct bench *b, const struct bench_row *row)
{
	uint32_t index;
	uint64_t count;

	hist_init(h);
	for (size_t i = 0; i < row->head.bins; i++) {
		uint64_t high;

		bench_bin(row, i, &index, &count);
		high = abi_bench_high(index);
		if (!i) {
			hist_add(h, ns(b, row->head.min));
			count--;
		}
		if (count)
			hist_add_n(h, ns(b, high < row->head.max ? high : row->head.max), count);
	}
}

static int save_slice(struct save *s, struct log_slice *slice, const struct hist *h, struct err *e)
{
	struct run_cpu c = {
		.cpu = slice->cpu,
		.host_cpu = slice->host_cpu,
		.instrument = slice->instrument,
		.expected = log_known(slice, LOG_EXPECTED) ? slice->counters[LOG_EXPECTED] : -1,
		.missed = log_known(slice, LOG_MISSED) ? slice->counters[LOG_MISSED] : -1,
	};

	run_add_cpu(s->run, &c, h);
	return log_write(&s->log, slice, h, e);
}

/* Where the guest's clock is not ours, the run began when the VMM was started. */
static struct log_slice whole_run(const struct bench *b)
{
	uint64_t mono_ns = mono_of(b, b->result.start);

	return (struct log_slice){
		.cpu = 0,
		.host_cpu = b->opts.cpu,
		.start_mono_ns = mono_ns ? mono_ns : b->span.start.mono_ns,
		.start_wall_ns = mono_ns ? wall_of(b, mono_ns) : b->span.start.wall_ns,
		.duration_ns = ns(b, b->result.end - b->result.start),
	};
}

/* Modes and periods are different things measured: each row is its own instrument. */
static int save_row(struct save *s, size_t i, struct err *e)
{
	const struct bench *b = s->b;
	const struct bench_row *row = &b->result.row[i];
	struct log_slice slice = whole_run(b);
	struct hist h;

	slice.duration_ns /= b->result.n; /* they measured in turn, each as long as the others */
	slice.start_mono_ns += i * slice.duration_ns;
	slice.start_wall_ns += i * slice.duration_ns;
	if (b->opts.payload == BENCH_TIMER) {
		slice.period_ns = b->opts.period_ns[i / 2];
		snprintf(slice.instrument, sizeof(slice.instrument), "timer-%s-%uus",
			 bench_row_name(row), (unsigned int)(slice.period_ns / 1000));
		log_count(&slice, LOG_MISSED, row->head.missed);
		log_count(&slice, LOG_EXPECTED, row->head.n + row->head.missed);
	} else {
		snprintf(slice.instrument, sizeof(slice.instrument), "exit-%s",
			 bench_row_name(row));
	}
	to_hist(&h, b, row);
	return save_slice(s, &slice, &h, e);
}

static const struct abi_bench_gap *longest_gap(const struct bench_result *r)
{
	const struct abi_bench_gap *longest = NULL;

	for (size_t i = 0; i < r->n_gaps; i++)
		if (!longest || r->gap[i].length > longest->length)
			longest = &r->gap[i];
	return longest;
}

/* The longest turn below the threshold stands beside the gaps: a run without one has a maximum. */
static int save_gap_row(struct save *s, struct err *e)
{
	const struct bench_result *r = &s->b->result;
	const struct abi_bench_gap *longest = longest_gap(r);
	struct log_slice slice = whole_run(s->b);
	struct hist h;

	snprintf(slice.instrument, sizeof(slice.instrument), "gap");
	if (longest && longest->length == r->row[1].head.max)
		slice.max_wall_ns = wall_of(s->b, mono_of(s->b, longest->tsc));
	to_hist(&h, s->b, &r->row[1]);
	hist_add(&h, ns(s->b, r->row[0].head.max));
	return save_slice(s, &slice, &h, e);
}

static int save_spikes(struct save *s, struct err *e)
{
	const struct bench *b = s->b;
	_cleanup_fclose_ FILE *f = NULL;
	char path[PATH_MAX];

	f = fopen(run_path(s->run, "spikes.jsonl", path), "wxe");
	if (!f)
		return err_sys(e, "making %s failed", path);
	for (size_t i = 0; i < b->result.n_gaps; i++) {
		const struct abi_bench_gap *g = &b->result.gap[i];
		uint64_t mono_ns = mono_of(b, g->tsc), wall_ns = wall_of(b, mono_ns);
		uint64_t length = ns(b, g->length);

		fprintf(f,
			"{\"instrument\":\"gap\",\"cpu\":0,\"host_cpu\":%d,\"wall_ns\":%" PRIu64
			",\"mono_ns\":%" PRIu64 ",\"tsc\":%" PRIu64 ",\"latency_ns\":%" PRIu64
			"}\n",
			b->opts.cpu, wall_ns ? wall_ns + length : 0, mono_ns, g->tsc, length);
	}
	if (fflush(f))
		return err_sys(e, "writing %s failed", path);
	run_file(s->run, "spikes", "spikes.jsonl");
	json_set_int(s->run->doc, "spikes", b->result.row[1].head.n);
	if (b->result.row[1].head.n > b->result.n_gaps)
		run_reason(s->run, "spikes.jsonl lists the first %zu of %" PRIu64 " gaps",
			   b->result.n_gaps, b->result.row[1].head.n);
	return 0;
}

/* Keys of --json's object that have a place of their own in run.json. */
static void copy(json_object *to, const char *key, json_object *from)
{
	json_object_object_add(to, key, json_object_get(json_at(from, key)));
}

static void describe(struct run *run, const struct bench *b)
{
	json_object *asked = run_section(run, "asked"), *vmm = run_section(run, "vmm");
	json_object *window = run_section(run, "window"), *inforce = run_section(run, "inforce");
	json_object *bench = bench_json(b);

	json_set_str(asked, "instrument", bench_payload_name(b->opts.payload));
	json_set_int(asked, "cpu", b->opts.cpu);
	json_set_int(asked, "priority", b->opts.fifo);
	json_set_int(asked, "duration_ns", b->opts.duration_ns);
	json_set_bool(asked, "allow_shared", b->opts.allow_shared);
	json_set_str(vmm, "kind", bench_vmm_name(b->opts.vmm));
	json_set_str(vmm, "version", b->opts.vmm == BENCH_RTKVM ? RTKVM_VERSION : NULL);
	copy(vmm, "overhead_bytes", b->vm.ended);
	copy(inforce, "policy", bench);
	copy(inforce, "priority", bench);
	copy(inforce, "tsc_is_host", bench);
	copy(inforce, "halt_poll_ns", bench);
	copy(inforce, "sched_rt_runtime_us", bench);
	json_set_double(window, "seconds", ns(b, b->result.end - b->result.start) / 1e9);
	copy(window, "userspace_exits", bench);
	copy(window, "page_faults", bench);
	copy(window, "involuntary_switches", bench);
	json_object_object_add(run_section(run, "guest"), "bench", bench);
}

static int save_rows(struct save *s, struct err *e)
{
	int ret = 0;

	if (s->b->opts.payload == BENCH_GAP) {
		ret = save_spikes(s, e);
		return ret < 0 ? ret : save_gap_row(s, e);
	}
	for (size_t i = 0; !ret && i < s->b->result.n; i++)
		ret = save_row(s, i, e);
	return ret;
}

static int save_all(struct save *s, struct err *e)
{
	char path[PATH_MAX];
	int ret = log_create(&s->log, run_path(s->run, "latency.log", path), 0, e);

	if (ret < 0)
		return ret;
	run_file(s->run, "log", "latency.log");
	describe(s->run, s->b);
	ret = save_rows(s, e);
	if (!ret)
		ret = log_close(&s->log, e);
	return ret < 0 ? ret : run_finish(s->run, VERDICT_PASS, e);
}

int bench_save(struct bench *b, struct err *e)
{
	struct save s = { .b = b, .run = &b->run, .log.fd = -1 };
	struct err ignored = { 0 };
	int ret = save_all(&s, e);

	log_close(&s.log, &ignored);
	return ret;
}
