// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/collect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/json.h"

int collect_open(struct collect *c, struct run *run, const char *instrument,
		 const struct cpulist *cpus, uint64_t period_ns, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	*c = (struct collect){ .run = run, .instrument = instrument, .period_ns = period_ns };
	c->log.fd = -1;
	c->cpus = calloc(cpulist_count(cpus), sizeof(*c->cpus));
	if (!c->cpus)
		return err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
	cpulist_for_each(cpu, cpus) {
		c->cpus[c->n_cpus].cpu = cpu;
		hist_init(&c->cpus[c->n_cpus++].total);
	}
	ret = log_create(&c->log, run_path(run, "latency.log", path), 0, e);
	if (ret < 0)
		return ret;
	c->spikes = fopen(run_path(run, "spikes.jsonl", path), "wxe");
	if (!c->spikes)
		return err_sys(e, "making %s failed", path);
	run_file(run, "log", "latency.log");
	run_file(run, "spikes", "spikes.jsonl");
	return 0;
}

int collect_slice(struct collect *c, size_t i, const struct loop_slice *s, int64_t offset_ns,
		  struct err *e)
{
	struct collect_cpu *cpu = &c->cpus[i];
	struct log_slice slice = {
		.cpu = cpu->cpu,
		.host_cpu = cpu->cpu,
		.start_mono_ns = s->start_ns,
		.start_wall_ns = s->start_ns + offset_ns,
		.duration_ns = s->end_ns - s->start_ns,
		.period_ns = c->period_ns,
		.max_wall_ns = s->max_at_ns + offset_ns,
	};
	uint64_t expected = slice.duration_ns / c->period_ns;

	if (!s->hist.count)
		return 0;
	snprintf(slice.instrument, sizeof(slice.instrument), "%s", c->instrument);
	log_count(&slice, LOG_EXPECTED, expected);
	log_count(&slice, LOG_MISSED, s->missed);
	cpu->expected += expected;
	cpu->missed += s->missed;
	hist_merge(&cpu->total, &s->hist);
	return log_write(&c->log, &slice, &s->hist, e);
}

int collect_spike(struct collect *c, size_t i, const struct loop_spike *s, int64_t offset_ns,
		  struct err *e)
{
	c->n_spikes++;
	if (c->n_listed == COLLECT_SPIKES_LISTED)
		return 0;
	c->n_listed++;
	if (fprintf(c->spikes,
		    "{\"instrument\":\"%s\",\"cpu\":%d,\"host_cpu\":%d,\"wall_ns\":%" PRIu64
		    ",\"mono_ns\":%" PRIu64 ",\"tsc\":%" PRIu64 ",\"cycle\":%" PRIu64
		    ",\"latency_ns\":%" PRIu64 ",\"missed\":%" PRIu64 "}\n",
		    c->instrument, c->cpus[i].cpu, c->cpus[i].cpu, s->mono_ns + offset_ns,
		    s->mono_ns, s->tsc, s->cycle, s->late_ns, s->missed) < 0)
		return err_sys(e, "writing %s/spikes.jsonl failed", c->run->dir);
	return 0;
}

uint64_t collect_samples(const struct collect *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->n_cpus; i++)
		n += c->cpus[i].total.count;
	return n;
}

int collect_sync(struct collect *c, struct err *e)
{
	if (fflush(c->spikes))
		return err_sys(e, "writing %s/spikes.jsonl failed", c->run->dir);
	return log_sync(&c->log, e);
}

int collect_close(struct collect *c, struct err *e)
{
	int ret = collect_sync(c, e);

	if (!ret)
		ret = log_close(&c->log, e);
	for (size_t i = 0; i < c->n_cpus; i++) {
		struct run_cpu rc = {
			.cpu = c->cpus[i].cpu,
			.host_cpu = c->cpus[i].cpu,
			.instrument = c->instrument,
			.expected = c->cpus[i].expected,
			.missed = c->cpus[i].missed,
		};

		run_add_cpu(c->run, &rc, &c->cpus[i].total);
	}
	json_set_int(c->run->doc, "spikes", c->n_spikes);
	if (c->n_listed < c->n_spikes)
		run_reason(c->run, "spikes.jsonl lists the first %d of %" PRIu64 " spikes",
			   COLLECT_SPIKES_LISTED, c->n_spikes);
	return ret;
}

void collect_free(struct collect *c)
{
	struct err ignored = { 0 };

	log_close(&c->log, &ignored);
	if (c->spikes)
		fclose(c->spikes);
	free(c->cpus);
	*c = (struct collect){ .log.fd = -1 };
}
