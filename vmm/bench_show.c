// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"
#include "vmm/bench.h"

/* The figures of a row, in the order in which tables show them. */
static const struct quantile {
	const char *key, *label;
	double q;
} quantiles[] = { { "p50", "p50", 0.5 }, { "p99", "p99", 0.99 }, { "p999", "p99.9", 0.999 } };

static uint64_t ns(const struct bench *b, uint64_t cycles)
{
	return bench_ns(cycles, b->tsc_khz);
}

/* "KEY_ns" and "KEY_cycles"; NULL: null, too few samples. */
static void add_figure(json_object *o, const struct bench *b, const char *key,
		       const uint64_t *cycles)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_ns", key);
	json_object_object_add(o, name, cycles ? json_object_new_uint64(ns(b, *cycles)) : NULL);
	snprintf(name, sizeof(name), "%s_cycles", key);
	json_object_object_add(o, name, cycles ? json_object_new_uint64(*cycles) : NULL);
}

static void add_figures(json_object *o, const struct bench *b, const struct bench_row *row)
{
	uint64_t cycles;

	json_set_int(o, "n", row->head.n);
	add_figure(o, b, "min", row->head.n ? &row->head.min : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
		add_figure(o, b, quantiles[i].key,
			   bench_quantile(row, quantiles[i].q, &cycles) ? &cycles : NULL);
	add_figure(o, b, "max", row->head.n ? &row->head.max : NULL);
}

static json_object *timer_row(const struct bench *b, size_t i)
{
	const struct bench_row *row = &b->result.row[i];
	json_object *o = json_object_new_object();

	json_set_str(o, "mode", bench_row_name(row));
	json_set_int(o, "period_ns", b->opts.period_ns[i / 2]);
	add_figures(o, b, row);
	json_set_int(o, "missed", row->head.missed);
	return o;
}

static json_object *exit_row(const struct bench *b, size_t i)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "operation", bench_row_name(&b->result.row[i]));
	add_figures(o, b, &b->result.row[i]);
	return o;
}

static json_object *gap_list(const struct bench *b)
{
	const struct bench_result *r = &b->result;
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->n_gaps; i++) {
		json_object *o = json_object_new_object();

		json_set_int(o, "at_ns", ns(b, r->gap[i].tsc - r->start));
		json_set_int(o, "length_ns", ns(b, r->gap[i].length));
		json_object_object_add(o, "tsc", json_object_new_uint64(r->gap[i].tsc));
		json_object_array_add(list, o);
	}
	return list;
}

static json_object *gap_row(const struct bench *b)
{
	const struct bench_row *loop = &b->result.row[0], *gaps = &b->result.row[1];
	json_object *o = json_object_new_object();

	json_set_int(o, "duration_ns", ns(b, b->result.end - b->result.start));
	json_set_int(o, "loops", loop->head.n);
	json_set_int(o, "loop_min_ns", ns(b, loop->head.min));
	json_set_int(o, "loop_median_ns", ns(b, bench_median(loop)));
	json_set_int(o, "threshold_ns", b->opts.threshold_ns);
	add_figures(o, b, gaps);
	json_object_object_add(o, "gaps", gap_list(b));
	json_set_int(o, "lost", gaps->head.n - b->result.n_gaps);
	return o;
}

static json_object *rows(const struct bench *b)
{
	json_object *list = json_object_new_array();

	if (b->opts.payload == BENCH_GAP)
		json_object_array_add(list, gap_row(b));
	for (size_t i = 0; b->opts.payload != BENCH_GAP && i < b->result.n; i++)
		json_object_array_add(list, b->opts.payload == BENCH_TIMER ? timer_row(b, i)
									   : exit_row(b, i));
	return list;
}

static json_object *first_vcpu(json_object *event)
{
	json_object *vcpus = json_at(event, "vcpus");

	return json_object_is_type(vcpus, json_type_array) ? json_object_array_get_idx(vcpus, 0)
							   : NULL;
}

static void copy(json_object *to, const char *key, json_object *from, const char *path)
{
	json_object_object_add(to, key, json_object_get(json_at(from, path)));
}

/* The kernel's limit on real-time tasks takes a vCPU that spins off its CPU; INT64_MIN: unknown. */
static int64_t rt_runtime_us(void)
{
	char text[32];
	const char *line =
		file_read_line("/proc/sys/kernel/sched_rt_runtime_us", text, sizeof(text));

	return line[0] ? strtoll(line, NULL, 10) : INT64_MIN;
}

/* What the kernel said of the vCPU's thread, and what the VMM cost while the payload measured. */
static void add_inforce(json_object *o, const struct bench *b)
{
	json_object *placed = first_vcpu(b->vm.started), *ended = first_vcpu(b->vm.ended);

	copy(o, "policy", placed, "policy");
	copy(o, "priority", placed, "priority");
	if (rt_runtime_us() != INT64_MIN)
		json_set_int(o, "sched_rt_runtime_us", rt_runtime_us());
	copy(o, "tsc_is_host", b->vm.ended, "tsc_is_host");
	copy(o, "halt_poll_ns", b->vm.ended, "halt_poll_ns");
	copy(o, "userspace_exits", ended, "window.userspace_exits");
	copy(o, "page_faults", ended, "window.page_faults");
	copy(o, "involuntary_switches", ended, "window.involuntary_switches");
}

static const char *conditions(const char **why)
{
	char signature[CPUID_SIGNATURE_BYTES];

	return conditions_name(conditions_detect("", cpuid_signature(signature), why));
}

json_object *bench_json(const struct bench *b)
{
	json_object *o = json_object_new_object();
	const char *why;

	json_set_int(o, "schema", 1);
	json_set_str(o, "payload", bench_payload_name(b->opts.payload));
	json_set_str(o, "vmm", bench_vmm_name(b->opts.vmm));
	json_set_int(o, "cpu", b->opts.cpu);
	json_set_int(o, "tsc_hz", b->tsc_khz * 1000);
	json_set_str(o, "conditions", conditions(&why));
	json_set_str(o, "conditions_why", why);
	add_inforce(o, b);
	json_object_object_add(o, "rows", rows(b));
	return o;
}

/* Exits are compared across machines in cycles; latencies are times. */
static void print_figure(const struct bench *b, const uint64_t *cycles)
{
	if (!cycles)
		printf(" %10s", "-");
	else if (b->opts.payload == BENCH_EXITS)
		printf(" %10" PRIu64, *cycles);
	else
		printf(" %10.2f", ns(b, *cycles) / 1e3);
}

static void print_figures(const struct bench *b, const struct bench_row *row)
{
	uint64_t cycles;

	print_figure(b, row->head.n ? &row->head.min : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
		print_figure(b, bench_quantile(row, quantiles[i].q, &cycles) ? &cycles : NULL);
	print_figure(b, row->head.n ? &row->head.max : NULL);
	printf("\n");
}

static void print_heading(const struct bench *b, const char *first, const char *second,
			  const char *third)
{
	printf("%-10s %10s %10s %10s", first, second, third, "min");
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
		printf(" %10s", quantiles[i].label);
	printf(" %10s %s\n", "max", b->opts.payload == BENCH_EXITS ? "(cycles)" : "(us)");
}

static void print_timer(const struct bench *b)
{
	print_heading(b, "mode", "period/us", "n");
	for (size_t i = 0; i < b->result.n; i++) {
		const struct bench_row *row = &b->result.row[i];

		printf("%-10s %10.0f %10" PRIu64, bench_row_name(row),
		       b->opts.period_ns[i / 2] / 1e3, row->head.n);
		print_figures(b, row);
		if (row->head.missed)
			printf("note: %" PRIu64 " deadlines had passed before they could be set\n",
			       row->head.missed);
	}
}

static void print_exits(const struct bench *b)
{
	print_heading(b, "operation", "", "n");
	for (size_t i = 0; i < b->result.n; i++) {
		printf("%-10s %10s %10" PRIu64, bench_row_name(&b->result.row[i]), "",
		       b->result.row[i].head.n);
		print_figures(b, &b->result.row[i]);
	}
	if (b->no_hypercall)
		printf("note: hypercalls are not measured: this KVM (kvm_pvm) never ends one\n");
}

static void print_gap(const struct bench *b)
{
	const struct bench_row *loop = &b->result.row[0], *gaps = &b->result.row[1];

	printf("loop: %" PRIu64 " turns in %.3f s, min %" PRIu64 " ns, median %" PRIu64
	       " ns; threshold %.1f us\n",
	       loop->head.n, ns(b, b->result.end - b->result.start) / 1e9, ns(b, loop->head.min),
	       ns(b, bench_median(loop)), b->opts.threshold_ns / 1e3);
	print_heading(b, "", "", "gaps");
	printf("%-10s %10s %10" PRIu64, "gap", "", gaps->head.n);
	print_figures(b, gaps);
	if (gaps->head.n > b->result.n_gaps)
		printf("note: the first %zu gaps are listed (--json)\n", b->result.n_gaps);
}

void bench_print(const struct bench *b)
{
	const char *why, *name = conditions(&why);

	printf("conditions: %s (%s)\n", name, why);
	printf("%s under %s on CPU %d, TSC %.3f MHz\n", bench_payload_name(b->opts.payload),
	       bench_vmm_name(b->opts.vmm), b->opts.cpu, b->tsc_khz / 1e3);
	if (b->opts.fifo && rt_runtime_us() >= 0)
		printf("note: sched_rt_runtime_us is %" PRId64
		       ": the host stops a vCPU that spins longer than that in a period; -1 "
		       "lifts this\n",
		       rt_runtime_us());
	if (b->opts.payload == BENCH_GAP)
		print_gap(b);
	else if (b->opts.payload == BENCH_TIMER)
		print_timer(b);
	else
		print_exits(b);
}
