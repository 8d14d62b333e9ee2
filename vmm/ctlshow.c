// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/ctlshow.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* "io 12, mmio 3", or "none" */
static void show_counts(FILE *out, const char *what, json_object *counts)
{
	const char *separator = " ";

	if (!json_object_is_type(counts, json_type_object))
		return;
	fprintf(out, "  %s:", what);
	json_object_object_foreach(counts, key, value) {
		fprintf(out, "%s%s %" PRId64, separator, key, json_object_get_int64(value));
		separator = ", ";
	}
	fputs(separator[0] == ' ' ? " none\n" : "\n", out);
}

static void show_thread(FILE *out, json_object *t)
{
	fprintf(out, "  %-15s %7" PRId64 "  CPU %-8s %s %" PRId64 "%s%s%s%s\n",
		json_str(t, "name", "?"), json_int(t, "tid", 0), json_str(t, "cpus", "?"),
		json_str(t, "policy", "?"), json_int(t, "priority", 0),
		json_int(t, "seccomp", 0) == 2 ? ", filtered" : "",
		json_int(t, "capabilities", -1) ? "" : ", no capabilities",
		json_at(t, "cgroup") ? ", cgroup " : "", json_str(t, "cgroup", ""));
}

static void show_mean(FILE *out, json_object *r, const char *what, const char *mean)
{
	fprintf(out, " %" PRId64 " %s", json_int(r, what, 0), what);
	if (json_at(r, mean))
		fprintf(out, " (by %" PRId64 " ns on average)", json_int(r, mean, 0));
}

/* How early KVM fires the vCPU's timer, and what is left of that at the deadlines. */
static void show_timer(FILE *out, json_object *v)
{
	json_object *left = json_at(v, "lapic_timer_residual");
	int64_t ns = json_int(v, "lapic_timer_advance_ns", -1);

	if (ns < 0)
		fputs("  timer: advance not known (debugfs)", out);
	else
		fprintf(out, "  timer: advanced by %" PRId64 " ns", ns);
	if (!left) {
		fputs("; its residual is not counted (run --timer-residual)\n", out);
		return;
	}
	fputs("; at its deadlines", out);
	show_mean(out, left, "early", "early_mean_ns");
	fputs(",", out);
	show_mean(out, left, "late", "late_mean_ns");
	fputs("\n", out);
}

/* What the scheduler has been asked for, and has said that it goes by. */
static void show_boost(FILE *out, json_object *v)
{
	int64_t least = json_int(v, "uclamp_min", -1);

	if (least < 0)
		fputs("  no utilization clamp (this kernel has none)", out);
	else
		fprintf(out, "  utilization clamped to at least %" PRId64 " of 1024", least);
	fputs(json_object_get_boolean(json_at(v, "core_cookie")) ? "; shares its core with nobody\n"
								 : "; no core scheduling cookie\n",
	      out);
}

static void show_vcpu(FILE *out, json_object *v)
{
	show_thread(out, v);
	show_boost(out, v);
	show_timer(out, v);
}

static void show_helper(FILE *out, json_object *h)
{
	fprintf(out, "  %-15s %7" PRId64 "  CPU %-8s (the kernel's, for this VM)\n",
		json_str(h, "name", "?"), json_int(h, "tid", 0), json_str(h, "cpus", "?"));
}

static void show_partition(FILE *out, json_object *o)
{
	if (json_at(o, "cpuset_partition"))
		fprintf(out, "cpuset partition %s: %s\n", json_str(o, "cpuset_partition", "?"),
			json_str(o, "cpuset_partition_state", "?"));
}

static void show_extras(FILE *out, json_object *o)
{
	int64_t us = json_int(o, "cpu_dma_latency_us", -1);
	int64_t held = json_int(o, "cpu_dma_latency_held_us", -1);

	if (us >= 0)
		fprintf(out,
			"CPUs leave idle states within %" PRId64 " us: this run holds %" PRId64
			"%s\n",
			us, held, us < held ? ", another process less" : "");
	if (json_at(o, "resctrl"))
		fprintf(out, "resctrl group of the vCPU threads: %s\n",
			json_str(o, "resctrl", "?"));
}

static void show_each(FILE *out, json_object *all, void (*show)(FILE *, json_object *))
{
	if (json_object_is_type(all, json_type_array))
		for (size_t i = 0; i < json_object_array_length(all); i++)
			show(out, json_object_array_get_idx(all, i));
}

static void show_status(FILE *out, json_object *o)
{
	json_object *nodes = json_at(o, "memory.nodes"), *stay = json_at(o, "no_exit");

	fprintf(out, "%s: %s, process %" PRId64 ", rtkvm %s\n", json_str(o, "name", "VM"),
		json_str(o, "state", "?"), json_int(o, "pid", 0), json_str(o, "version", "?"));
	show_each(out, json_at(o, "vcpus"), show_vcpu);
	show_each(out, json_at(o, "threads"), show_thread);
	show_each(out, json_at(o, "helpers"), show_helper);
	show_partition(out, o);
	show_extras(out, o);
	fprintf(out,
		"memory: %" PRId64 " MiB in pages of %" PRId64 " KiB, %" PRId64
		" MiB resident, %" PRId64 " MiB locked, %" PRId64
		" MiB in KVM's tables at the start",
		json_int(o, "memory.bytes", 0) >> 20, json_int(o, "memory.page_bytes", 0) >> 10,
		json_int(o, "memory.resident_bytes", 0) >> 20,
		json_int(o, "memory.locked_bytes", 0) >> 20,
		json_int(o, "memory.prefaulted_bytes", 0) >> 20);
	if (json_object_is_type(nodes, json_type_array) && json_object_array_length(nodes))
		fprintf(out, ", NUMA nodes %s",
			json_object_to_json_string_ext(nodes, JSON_C_TO_STRING_PLAIN));
	fprintf(out,
		"\nTSC: %" PRId64 " kHz, %s; irqchip: %s; halt poll: %" PRId64
		" ns; nx_huge_pages: %s%s%s\n",
		json_int(o, "tsc_khz", 0),
		json_object_get_boolean(json_at(o, "tsc_is_host"))
			? "the guest's is the host's (offset 0)"
			: "the guest's offset to the host's is not known",
		json_str(o, "irqchip", "?"), json_int(o, "halt_poll_ns", -1),
		json_str(o, "nx_huge_pages", "?"), json_at(o, "nx_huge_pages_remedy") ? ": " : "",
		json_str(o, "nx_huge_pages_remedy", ""));
	if (json_object_is_type(stay, json_type_array) && json_object_array_length(stay))
		fprintf(out, "stays in the guest: %s\n",
			json_object_to_json_string_ext(stay, JSON_C_TO_STRING_PLAIN));
}

static void show_tids(FILE *out, json_object *o)
{
	json_object *all = json_at(o, "vcpus");

	if (json_object_is_type(all, json_type_array))
		for (size_t i = 0; i < json_object_array_length(all); i++)
			fprintf(out, "%" PRId64 "\n",
				json_object_get_int64(json_object_array_get_idx(all, i)));
}

static void show_span(FILE *out, json_object *o)
{
	fprintf(out, "  page faults: %" PRId64 ", involuntary switches: %" PRId64 "\n",
		json_int(o, "page_faults", 0), json_int(o, "involuntary_switches", 0));
	show_counts(out, "exits to user space", json_at(o, "exits"));
	fprintf(out, "  time in user space: %" PRId64 " ns\n", json_int(o, "user_ns", 0));
	show_counts(out, "exits below ns", json_at(o, "user_ns_below"));
	show_counts(out, "host interrupts", json_at(o, "host_interrupts"));
	show_counts(out, "KVM", json_at(o, "kvm"));
}

/* A thread's name may hold anything. */
static void show_preemptor(FILE *out, json_object *by)
{
	fputc(' ', out);
	for (const char *p = json_str(by, "name", "?"); *p; p++)
		fputc(isprint((unsigned char)*p) ? *p : '?', out);
	fprintf(out, " %" PRId64, json_int(by, "times", 0));
}

static void show_preempted(FILE *out, json_object *window)
{
	json_object *all = json_at(window, "preempted_by");
	int64_t others = json_int(window, "preempted_by_others", 0);

	if (!json_object_is_type(all, json_type_array))
		return;
	fputs("  CPU lost to:", out);
	show_each(out, all, show_preemptor);
	if (others > 0)
		fprintf(out, " others %" PRId64, others);
	fputs(others > 0 || json_object_array_length(all) ? "\n" : " nobody\n", out);
}

/* Known once the window is closed. */
static void show_own_runs(FILE *out, json_object *window)
{
	json_object *runs = json_at(window, "vmm_thread_runs");

	if (runs)
		fprintf(out, "  runs of the VMM's other threads on this CPU: %" PRId64 "\n",
			json_object_get_int64(runs));
}

static void show_vcpu_stats(FILE *out, json_object *v)
{
	json_object *window = json_at(v, "window");

	fprintf(out, "vCPU %" PRId64 " on CPU %" PRId64 ", since the start:\n",
		json_int(v, "index", 0), json_int(v, "cpu", 0));
	show_span(out, v);
	show_timer(out, v);
	if (!window)
		return;
	fprintf(out, "vCPU %" PRId64 ", window of %.3f s%s:\n", json_int(v, "index", 0),
		json_int(window, "duration_ns", 0) / 1e9,
		json_object_get_boolean(json_at(window, "open")) ? " (still open)" : "");
	show_span(out, window);
	show_preempted(out, window);
	show_own_runs(out, window);
}

void ctlshow(enum ctl_command command, json_object *reply, FILE *out)
{
	switch (command) {
	case CTL_STATUS:
		show_status(out, reply);
		break;
	case CTL_TIDS:
		show_tids(out, reply);
		break;
	case CTL_STATS:
		show_each(out, json_at(reply, "vcpus"), show_vcpu_stats);
		break;
	case CTL_PAUSE:
	case CTL_RESUME:
		fprintf(out, "%s\n", json_str(reply, "state", "?"));
		break;
	default:
		break; /* done, and nothing to say */
	}
}
