// SPDX-License-Identifier: GPL-2.0-only
/* A collector's files in a run directory, and its figures in run.json. */
#include <inttypes.h>
#include <limits.h>

#include "cyclic/collect.h"
#include "lib/json.h"

int collect_open(struct collect *c, struct run *run, const char *instrument,
		 const struct cpulist *cpus, uint64_t period_ns, struct err *e)
{
	char log[PATH_MAX], spikes[PATH_MAX];
	int ret = collect_init(c, instrument, cpus, period_ns, run_path(run, "latency.log", log),
			       run_path(run, "spikes.jsonl", spikes), e);

	c->run = run;
	c->reasons = json_at(run->doc, "reasons");
	if (ret < 0)
		return ret;
	run_file(run, "log", "latency.log");
	run_file(run, "spikes", "spikes.jsonl");
	return 0;
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
		run_reason(c->run, "spikes.jsonl lists %" PRIu64 " of %" PRIu64 " spikes",
			   c->n_listed, c->n_spikes);
	return ret;
}
