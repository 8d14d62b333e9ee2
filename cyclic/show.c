// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/show.h"

#include <inttypes.h>

#include "lib/json.h"

static void print_us(json_object *c, const char *key, FILE *out)
{
	double ns = json_double(c, key, -1);

	if (ns < 0)
		fprintf(out, " %10s", "-");
	else
		fprintf(out, " %10.1f", ns / 1000);
}

static void print_cpus(const struct run *run, FILE *out)
{
	json_object *cpus = json_at(run->doc, "cpus");

	fprintf(out, "%4s %8s %12s %12s %10s %10s %10s\n",
		json_at(run->doc, "vmm.kind") ? "vCPU" : "CPU", "host CPU", "samples", "missed",
		"min us", "avg us", "max us");
	for (size_t i = 0; i < json_object_array_length(cpus); i++) {
		json_object *c = json_object_array_get_idx(cpus, i);

		fprintf(out, "%4" PRId64 " %8" PRId64 " %12" PRId64 " %12" PRId64,
			json_int(c, "cpu", -1), json_int(c, "host_cpu", -1),
			json_int(c, "samples", 0), json_int(c, "missed", 0));
		print_us(c, "min_ns", out);
		print_us(c, "mean_ns", out);
		print_us(c, "max_ns", out);
		fputc('\n', out);
	}
}

static void print_exits(const struct run *run, FILE *out)
{
	json_object *rates = json_at(run->doc, "window.exits_per_wakeup");
	int64_t user = json_int(run->doc, "window.userspace_exits", -1);
	int64_t runs = json_int(run->doc, "window.vmm_thread_runs", -1);

	if (rates) {
		fprintf(out, "VM exits per wake-up:");
		json_object_object_foreach(rates, reason, rate) {
			if (json_object_get_double(rate) >= 0.01)
				fprintf(out, " %s %.2f", reason, json_object_get_double(rate));
		}
		fprintf(out, "%s\n", json_object_object_length(rates) ? "" : " none seen");
	}
	if (user >= 0)
		fprintf(out, "Returns to user space on the measured vCPUs: %" PRId64 "\n", user);
	if (runs >= 0)
		fprintf(out, "Runs of the VMM's other threads on their CPUs: %" PRId64 "\n", runs);
}

void show_run(const struct run *run, FILE *out)
{
	json_object *reasons = json_at(run->doc, "reasons");

	if (!run_is_hardware(run))
		fprintf(out, "Conditions: %s: latencies show function, not what hardware does.\n",
			json_str(run->doc, "conditions", ""));
	print_cpus(run, out);
	print_exits(run, out);
	fprintf(out, "Verdict: %s\n", json_str(run->doc, "verdict", ""));
	for (size_t i = 0; i < json_object_array_length(reasons); i++)
		fprintf(out, "  %s\n",
			json_object_get_string(json_object_array_get_idx(reasons, i)));
	fprintf(out, "Run directory: %s\n", run->dir);
}
