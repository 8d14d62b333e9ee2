// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/collect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

int collect_init(struct collect *c, const char *instrument, const struct cpulist *cpus,
		 uint64_t period_ns, const char *log, const char *spikes, struct err *e)
{
	*c = (struct collect){ .instrument = instrument, .period_ns = period_ns };
	c->log.fd = -1;
	c->cpus = calloc(cpulist_count(cpus), sizeof(*c->cpus));
	if (!c->cpus)
		return err_set(e, -ENOMEM, "preparing the histograms failed: no memory");
	cpulist_for_each(cpu, cpus) {
		c->cpus[c->n_cpus].cpu = cpu;
		hist_init(&c->cpus[c->n_cpus++].total);
	}
	if (log_create(&c->log, log, 0, e) < 0)
		return e->code;
	c->spikes = fopen(spikes, "axe"); /* appending: a shipper may cut it off behind us */
	return c->spikes ? 0 : err_sys(e, "making %s failed", spikes);
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

int collect_spike_line(FILE *f, const char *instrument, int cpu, int host_cpu,
		       const struct loop_spike *s, int64_t offset_ns)
{
	return fprintf(f,
		       "{\"instrument\":\"%s\",\"cpu\":%d,\"host_cpu\":%d,\"wall_ns\":%" PRIu64
		       ",\"mono_ns\":%" PRIu64 ",\"tsc\":%" PRIu64 ",\"cycle\":%" PRIu64
		       ",\"latency_ns\":%" PRIu64 ",\"missed\":%" PRIu64 "}\n",
		       instrument, cpu, host_cpu, s->mono_ns + offset_ns, s->mono_ns, s->tsc,
		       s->cycle, s->late_ns, s->missed);
}

int collect_spike(struct collect *c, size_t i, const struct loop_spike *s, int64_t offset_ns,
		  struct err *e)
{
	int cpu = c->cpus[i].cpu;

	c->n_spikes++;
	if (c->n_listed == COLLECT_SPIKES_LISTED)
		return 0;
	c->n_listed++;
	if (collect_spike_line(c->spikes, c->instrument, cpu, cpu, s, offset_ns) < 0)
		return err_sys(e, "writing the spikes failed");
	return 0;
}

void collect_note(struct collect *c, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_object_array_add(c->reasons, json_object_new_string(text));
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
		return err_sys(e, "writing the spikes failed");
	if (log_sync(&c->log, e) < 0)
		return e->code;
	return c->ship ? c->ship(c, e) : 0;
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
