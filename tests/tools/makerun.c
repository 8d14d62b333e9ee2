// SPDX-License-Identifier: GPL-2.0-only
/*
 * makerun - a run directory of made-up, seeded latencies for tests and benchmarks
 *
 *	makerun DIR [templates=N] [cpus=N] [slices=N] [seconds=N] [samples=N] [seed=N] [limit=US] [host=1]
 *		[smi=N] [scale=F] [conditions=WORD] [shift_half=F] [missed=N]
 *
 * samples, missed: a slice and CPU. smi: that many platform-wide events over the run, as spikes too.
 * scale: factor on all latencies. host=1: a second instrument on the CPUs below.
 * templates: draw that many histograms and give each slice one of them (a day in seconds).
 * shift_half: factor on the latencies of the second half (not stationary).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "results/record.h"

#define START_NS 1790000000000000000ull

struct option {
	const char *name;
	double value;
};

static struct option options[] = {
	{ "cpus", 4 },	{ "slices", 60 },    { "seconds", 10 },	 { "samples", 50000 },
	{ "seed", 1 },	{ "limit", 0 },	     { "host", 0 },	 { "smi", 0 },
	{ "scale", 1 }, { "shift_half", 1 }, { "templates", 0 }, { "missed", 0 },
};

static double option(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].name, name))
			return options[i].value;
	abort();
}

static double uniform(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* A body around 3 us with an exponential tail. */
static uint64_t latency(uint64_t *seed, double scale)
{
	double u = uniform(seed), v = uniform(seed);

	return scale * (u > 0.05 ? 2200 + 1800 * v * v : 4000 - 1100 * log(v));
}

struct maker {
	struct log_writer log;
	struct hist all[256];
	FILE *spikes;
	uint64_t seed;
};

static void draw_slice(struct maker *m, struct hist *h, uint64_t n, double scale)
{
	static struct hist drawn[64];
	static int have;
	int templates = fmin(option("templates"), 64);

	if (templates && have == templates) {
		*h = drawn[(int)(uniform(&m->seed) * templates)];
		return;
	}
	hist_init(h);
	for (uint64_t k = 0; k < n; k++)
		hist_add(h, latency(&m->seed, scale));
	if (templates)
		drawn[have++] = *h;
}

static void write_slice(struct maker *m, const char *instrument, int cpu, int host_cpu, int i,
			struct err *e)
{
	uint64_t length = option("seconds") * NSEC_PER_SEC, n = option("samples");
	uint64_t missed = option("missed");
	double scale = option("scale");
	struct log_slice s = {
		.cpu = cpu,
		.host_cpu = host_cpu,
		.start_wall_ns = START_NS + i * length,
		.start_mono_ns = i * length,
		.duration_ns = length,
		.period_ns = length / (n + missed),
		.max_wall_ns = START_NS + i * length + length / 3,
	};
	static struct hist h;

	snprintf(s.instrument, sizeof(s.instrument), "%s", instrument);
	if (2 * i >= option("slices"))
		scale *= option("shift_half");
	if (host_cpu < 0 && option("host"))
		scale *= 0.6;
	draw_slice(m, &h, n, scale);
	if (option("smi") && (host_cpu >= 0 || !option("host")) &&
	    i % (int)fmax(1, option("slices") / option("smi")) == 0) {
		uint64_t ns = 60000 + 1000 * cpu;

		hist_add(&h, ns);
		fprintf(m->spikes,
			"{\"wall_ns\":%ju,\"cpu\":%d,\"latency_ns\":%ju,\"instrument\":\"%s\","
			"\"cause\":\"smi\",\"detail\":\"SMI count +1\"}\n",
			(uintmax_t)s.max_wall_ns + 7000 * cpu, cpu, (uintmax_t)ns, instrument);
	}
	if (option("smi") && uniform(&m->seed) < 0.03) {
		static const char *const causes[] = { "host-irq", "host-thread", "vmexit",
						      "guest-thread", "unexplained" };

		fprintf(m->spikes,
			"{\"wall_ns\":%ju,\"cpu\":%d,\"latency_ns\":%ju,\"instrument\":\"%s\","
			"\"cause\":\"%s\",\"detail\":\"made up\"}\n",
			(uintmax_t)s.start_wall_ns + (uint64_t)(uniform(&m->seed) * length), cpu,
			(uintmax_t)h.max_ns, instrument, causes[(int)(5 * uniform(&m->seed))]);
	}
	log_count(&s, LOG_EXPECTED, n + missed);
	log_count(&s, LOG_MISSED, missed);
	log_write(&m->log, &s, &h, e);
	hist_merge(&m->all[cpu], &h);
}

static void write_slices(struct maker *m, struct err *e)
{
	uint64_t length = option("seconds") * NSEC_PER_SEC;
	int cpus = option("cpus"), n = option("slices");

	for (int i = 0; i < n && !e->code; i++) {
		uint64_t now = START_NS + i * length;

		if (i == n / 5)
			log_mark(&m->log, now, -1, "load hackbench start", e);
		if (i == 2 * n / 5)
			log_mark(&m->log, now, -1, "load hackbench end", e);
		if (i == n / 2)
			log_mark(&m->log, now, -1, "load fork start", e);
		if (i == 4 * n / 5)
			log_mark(&m->log, now, -1, "load fork end", e);
		for (int cpu = 0; cpu < cpus && !e->code; cpu++) {
			if (option("host"))
				write_slice(m, "timer", cpu + 2, -1, i, e);
			write_slice(m, "cyclictest", cpu, option("host") ? cpu + 2 : -1, i, e);
		}
		if (!e->code && i % 60 == 0)
			log_sync(&m->log, e);
	}
}

static int make(const char *dir, const char *conditions, struct err *e)
{
	static struct maker m;
	char path[PATH_MAX];
	struct run r;

	m.seed = option("seed");
	if (run_create(&r, dir, "made-up", e) ||
	    log_create(&m.log, run_path(&r, "latency.log", path), 0, e))
		return 2;
	m.spikes = fopen(run_path(&r, "spikes.jsonl", path), "w");
	for (int cpu = 0; cpu < 256; cpu++)
		hist_init(&m.all[cpu]);
	write_slices(&m, e);
	fclose(m.spikes);
	if (log_close(&m.log, e))
		return 2;
	if (!option("smi"))
		remove(run_path(&r, "spikes.jsonl", path));
	json_set_str(r.doc, "conditions", conditions);
	json_set_str(r.doc, "conditions_why", "made-up data");
	json_set_str(run_section(&r, "guest"), "kernel", "6.1.0-made-up-rt-amd64");
	for (int cpu = 0; cpu < option("cpus") && !option("host"); cpu++) {
		struct run_cpu c = { .cpu = cpu,
				     .host_cpu = -1,
				     .instrument = "cyclictest",
				     .expected = m.all[cpu].count,
				     .missed = 0 };

		run_add_cpu(&r, &c, &m.all[cpu]);
	}
	if (option("limit"))
		run_add_limit(&r, "max_ns", option("limit") * 1000);
	return run_finish(&r, run_judge(&r, false), e) ? 2 : 0;
}

int main(int argc, char **argv)
{
	const char *conditions = "hardware";
	struct err e = { 0 };
	int ret;

	for (int i = 2; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		size_t k = 0;

		if (!strncmp(argv[i], "conditions=", 11)) {
			conditions = eq + 1;
			continue;
		}
		while (eq && k < ARRAY_SIZE(options) &&
		       (strlen(options[k].name) != (size_t)(eq - argv[i]) ||
			strncmp(options[k].name, argv[i], eq - argv[i])))
			k++;
		if (!eq || k == ARRAY_SIZE(options)) {
			fprintf(stderr, "makerun: what is \"%s\"?\n", argv[i]);
			return 2;
		}
		options[k].value = atof(eq + 1);
	}
	if (argc < 2)
		return 2;
	ret = make(argv[1], conditions, &e);
	if (e.code)
		fprintf(stderr, "makerun: %s\n", e.text);
	return ret;
}
