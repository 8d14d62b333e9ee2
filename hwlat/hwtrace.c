// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/hwtrace.h"

#include <errno.h>
#include <event-parse.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "hwlat/tsc.h"
#include "lib/cleanup.h"
#include "lib/file.h"

enum { BUFFER_KIB = 1024 };

/* What each event does to the picture of a CPU; name: what /proc/interrupts calls it. */
static const struct source {
	const char *system, *event;
	enum activity_type type;
	enum culprit_kind kind;
	const char *name;
	bool needed;
} sources[] = {
	{ "sched", "sched_switch", ACTIVITY_SWITCH, CULPRIT_THREAD, NULL, true },
	{ "irq", "irq_handler_entry", ACTIVITY_ENTER, CULPRIT_IRQ, NULL, true },
	{ "irq", "irq_handler_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, NULL, true },
	{ "irq", "softirq_entry", ACTIVITY_ENTER, CULPRIT_SOFTIRQ, NULL, true },
	{ "irq", "softirq_exit", ACTIVITY_LEAVE, CULPRIT_SOFTIRQ, NULL, true },
	{ "nmi", "nmi_handler", ACTIVITY_SPAN, CULPRIT_NMI, "NMI", false },
	{ "exceptions", "page_fault_user", ACTIVITY_POINT, CULPRIT_FAULT, "page fault", false },
	{ "power", "cpu_frequency", ACTIVITY_POINT, CULPRIT_FREQUENCY, "frequency", false },
	{ "irq_vectors", "local_timer_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "LOC", false },
	{ "irq_vectors", "local_timer_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "LOC", false },
	{ "irq_vectors", "reschedule_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "RES", false },
	{ "irq_vectors", "reschedule_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "RES", false },
	{ "irq_vectors", "call_function_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "CAL", false },
	{ "irq_vectors", "call_function_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "CAL", false },
	{ "irq_vectors", "call_function_single_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "CAL", false },
	{ "irq_vectors", "call_function_single_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "CAL", false },
	{ "irq_vectors", "irq_work_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "IWI", false },
	{ "irq_vectors", "irq_work_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "IWI", false },
	{ "irq_vectors", "x86_platform_ipi_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "PLT", false },
	{ "irq_vectors", "x86_platform_ipi_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "PLT", false },
	{ "irq_vectors", "thermal_apic_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "TRM", false },
	{ "irq_vectors", "thermal_apic_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "TRM", false },
	{ "irq_vectors", "threshold_apic_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "THR", false },
	{ "irq_vectors", "threshold_apic_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "THR", false },
	{ "irq_vectors", "deferred_error_apic_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "DFR", false },
	{ "irq_vectors", "deferred_error_apic_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "DFR", false },
	{ "irq_vectors", "error_apic_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "ERR", false },
	{ "irq_vectors", "error_apic_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "ERR", false },
	{ "irq_vectors", "spurious_apic_entry", ACTIVITY_ENTER, CULPRIT_IRQ, "SPU", false },
	{ "irq_vectors", "spurious_apic_exit", ACTIVITY_LEAVE, CULPRIT_IRQ, "SPU", false },
};

const char *hwtrace_events(void)
{
	return "sched:sched_switch irq:irq_handler_* irq:softirq_* irq_vectors:* nmi:nmi_handler "
	       "exceptions:page_fault_user power:cpu_frequency";
}

static const struct source *find_source(const struct tep_event *event)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i].event, event->name) &&
		    !strcmp(sources[i].system, event->system))
			return &sources[i];
	return NULL;
}

static unsigned long long number(struct tep_event *event, struct tep_record *record,
				 const char *field)
{
	unsigned long long value = 0;

	tep_get_field_val(NULL, event, field, record, &value, 0);
	return value;
}

/* Kernel priorities: below 0 deadline, 0..99 real-time (99 - user's), 100..139 nice -20..19. */
static void thread_name(char *out, const char *comm, int pid, int prio)
{
	int policy = pid ? sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK : SCHED_OTHER;

	if (prio < 0)
		snprintf(out, CULPRIT_DETAIL_BYTES, "%.16s:%d deadline", comm, pid);
	else if (prio < 100)
		snprintf(out, CULPRIT_DETAIL_BYTES, "%.16s:%d %s %d", comm, pid,
			 policy == SCHED_FIFO ? "fifo"
			 : policy == SCHED_RR ? "rr"
					      : "real-time",
			 99 - prio);
	else
		snprintf(out, CULPRIT_DETAIL_BYTES, "%.16s:%d other", comm, pid);
}

/*
 * An ordinary thread gets past a runnable real-time one in two ways: by the kernel's deadline server
 * for starving threads (fair_server, Linux 6.12), which sched_rt_runtime_us does not turn off, or,
 * before there was one, when the real-time threads have used up sched_rt_runtime_us. Only that limit
 * lets the idle task in.
 */
static void let_in(struct activity_event *out, bool idle, bool fair_server)
{
	size_t n = strlen(out->name);

	if (idle) {
		out->kind = CULPRIT_THROTTLED;
		snprintf(out->name, sizeof(out->name), "by sched_rt_runtime_us");
	} else if (fair_server) {
		snprintf(out->name + n, sizeof(out->name) - n, ", let in by the fair server");
	} else {
		out->kind = CULPRIT_THROTTLED;
		snprintf(out->name + n, sizeof(out->name) - n, ", let in by the real-time limit");
	}
}

static void decode_switch(struct tep_event *event, struct tep_record *record,
			  struct hwtrace_thread *us, bool fair_server, struct activity_event *out)
{
	int next = number(event, record, "next_pid");
	int prio = number(event, record, "next_prio");
	char comm[17] = "";
	int len = 0;
	char *raw = tep_get_field_raw(NULL, event, "next_comm", record, &len, 0);

	if (raw)
		snprintf(comm, sizeof(comm), "%.*s", len < 16 ? len : 16, raw);
	if ((int)number(event, record, "prev_pid") == us->tid)
		us->waits = !(number(event, record, "prev_state") & 0xff);
	out->ours = next == us->tid;
	if (out->ours)
		us->waits = false;
	thread_name(out->name, comm, next, prio);
	if (us->waits && prio >= 100)
		let_in(out, !next, fair_server);
}

static void decode_irq(struct tep_event *event, struct tep_record *record,
		       struct activity_event *out)
{
	int irq = number(event, record, "irq"), len = 0;
	char *raw;

	if (out->type == ACTIVITY_LEAVE) {
		snprintf(out->name, sizeof(out->name), "%d ", irq);
		return;
	}
	raw = tep_get_field_raw(NULL, event, "name", record, &len, 0);
	snprintf(out->name, sizeof(out->name), "%d %.*s", irq, raw ? len : 0, raw ? raw : "");
}

static void decode_softirq(struct tep_event *event, struct tep_record *record,
			   struct activity_event *out)
{
	static const char *const names[] = { "HI",	 "TIMER",   "NET_TX", "NET_RX",	 "BLOCK",
					     "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU" };
	unsigned long long vec = number(event, record, "vec");

	if (vec < ARRAY_SIZE(names))
		snprintf(out->name, sizeof(out->name), "%s", names[vec]);
	else
		snprintf(out->name, sizeof(out->name), "softirq %llu", vec);
}

/* A frequency is set by whichever CPU runs the governor; the event says whose it is. */
int hwtrace_cpu(struct tep_event *event, struct tep_record *record, int cpu)
{
	const struct source *s = find_source(event);

	return s && s->kind == CULPRIT_FREQUENCY ? (int)number(event, record, "cpu_id") : cpu;
}

int hwtrace_decode(struct tep_event *event, struct tep_record *record, struct hwtrace_thread *us,
		   bool fair_server, uint64_t tsc_hz, struct activity_event *out)
{
	const struct source *s = find_source(event);

	if (!s)
		return 0;
	*out = (struct activity_event){ .type = s->type, .kind = s->kind, .tsc = record->ts };
	if (s->name)
		snprintf(out->name, sizeof(out->name), "%s", s->name);
	if (s->type == ACTIVITY_SWITCH)
		decode_switch(event, record, us, fair_server, out);
	else if (s->type == ACTIVITY_SPAN)
		out->length_tsc = tsc_cycles(tsc_hz, number(event, record, "delta_ns"));
	else if (s->kind == CULPRIT_SOFTIRQ)
		decode_softirq(event, record, out);
	else if (!s->name)
		decode_irq(event, record, out);
	return 1;
}

static int choose_events(struct hwtrace *t, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct source *s = &sources[i];
		struct err why = { 0 };
		char file[128];
		int ret;

		snprintf(file, sizeof(file), "events/%s/%s", s->system, s->event);
		if (!s->needed && !tfs_has(&t->tfs, file)) {
			size_t n = strlen(t->missing);

			if (s->type != ACTIVITY_LEAVE)
				snprintf(t->missing + n, sizeof(t->missing) - n, "%s%s",
					 n ? " " : "", s->event);
			continue;
		}
		ret = tfs_enable(&t->tfs, s->system, s->event, NULL, &why);
		if (ret < 0)
			return err_set(e, ret, "%s", why.text);
	}
	return 0;
}

bool hwtrace_has_fair_server(const char *release)
{
	int major = 0, minor = 0;

	return sscanf(release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 12));
}

/* Distributions put it into older kernels, too: then debugfs shows it. */
static bool find_fair_server(void)
{
	struct utsname u;

	return (!uname(&u) && hwtrace_has_fair_server(u.release)) ||
	       file_exists("/sys/kernel/debug/sched/fair_server");
}

int hwtrace_open(struct hwtrace *t, const struct cpulist *cpus, uint64_t tsc_hz, struct err *e)
{
	unsigned int n = cpulist_count(cpus), i = 0;
	int ret;

	*t = (struct hwtrace){ .tfs = TFS_INIT, .tsc_hz = tsc_hz, .n_cpus = n };
	t->cpus = calloc(n, sizeof(*t->cpus));
	t->threads = calloc(n, sizeof(*t->threads));
	t->fair_server = find_fair_server();
	t->activity = calloc(n, sizeof(*t->activity));
	if (!t->cpus || !t->threads || !t->activity) {
		ret = err_set(e, -ENOMEM, "no memory for the trace of %u CPUs", n);
		goto fail;
	}
	cpulist_for_each(cpu, cpus)
		t->cpus[i++] = cpu;
	for (i = 0; i < n; i++)
		activity_init(&t->activity[i]);
	ret = tfs_create(&t->tfs, "hwlat", e);
	if (!ret)
		ret = tfs_clock(&t->tfs, "x86-tsc", e);
	if (!ret)
		ret = tfs_buffer(&t->tfs, BUFFER_KIB, e);
	if (!ret)
		ret = tfs_cpumask(&t->tfs, cpus, e);
	if (!ret)
		ret = choose_events(t, e);
	if (!ret)
		return 0;
fail:
	hwtrace_close(t);
	return ret;
}

void hwtrace_close(struct hwtrace *t)
{
	tfs_destroy(&t->tfs);
	free(t->cpus);
	free(t->threads);
	free(t->activity);
	*t = (struct hwtrace){ .tfs = TFS_INIT };
}

int hwtrace_start(struct hwtrace *t, const int *tids, struct err *e)
{
	for (unsigned int i = 0; i < t->n_cpus; i++)
		t->threads[i] = (struct hwtrace_thread){ .tid = tids[i] };
	return tfs_on(&t->tfs, true, e);
}

int hwtrace_stop(struct hwtrace *t, struct err *e)
{
	return tfs_off(&t->tfs, &t->lost, e);
}

static int on_event(struct tep_event *event, struct tep_record *record, int cpu, void *ctx)
{
	struct hwtrace *t = ctx;
	int about = hwtrace_cpu(event, record, cpu);
	struct activity_event ev;

	for (unsigned int i = 0; i < t->n_cpus; i++) {
		if (t->cpus[i] == cpu && record->missed_events) {
			activity_lost(&t->activity[i], record->ts);
			t->threads[i].waits = false;
		}
		if (t->cpus[i] == about &&
		    hwtrace_decode(event, record, &t->threads[i], t->fair_server, t->tsc_hz, &ev))
			activity_feed(&t->activity[i], &ev);
	}
	return 0;
}

int hwtrace_read(struct hwtrace *t, struct err *e)
{
	return tfs_drain(&t->tfs, on_event, t, e);
}
