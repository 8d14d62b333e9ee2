// SPDX-License-Identifier: GPL-2.0-only
/* Checks of scheduler, timers, RCU and memory: what the profile sets at run time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/isolate.h"
#include "profiles/judge.h"

/* Medium on Intel, where the preemption timer serves the guests; on AMD every guest timer is one. */
static void judge_timer_migration(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[64];

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	if (wanted(text, c->want))
		found_pass(f, "%s", text);
	else if (m->vendor == VENDOR_AMD)
		found_bad(c, f, "%s", text);
	else
		found_warn(f, "%s", text);
}

static void judge_soft_watchdog(const struct machine *m, const struct check *c, struct finding *f)
{
	struct cpulist watched, both;
	struct err ignored = { 0 };
	int64_t on;
	char text[64];

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	if (wanted(text, "0")) {
		found_pass(f, "off");
		return;
	}
	if (machine_number(m, "/proc/sys/kernel/watchdog", &on) && !on) {
		found_pass(f, "all watchdogs are off");
		return;
	}
	if (machine_cpus(m, "/proc/sys/kernel/watchdog_cpumask", &watched, &ignored) < 0) {
		found_bad(c, f, "on, and its CPUs are not known");
		return;
	}
	both = cpulist_and(&watched, &m->isolated);
	if (cpulist_empty(&both))
		found_pass(f, "it leaves the isolated CPUs out");
	else
		found_bad(c, f, "on, for CPU %s too", cpulist_format(&both, text, sizeof(text)));
}

static void judge_fair_server(const struct machine *m, const struct check *c, struct finding *f)
{
	char path[128], text[64];

	cpulist_for_each(cpu, &m->isolated) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%d/runtime",
			 cpu);
		if (!look(m, c, path, text, sizeof(text), f))
			return;
		if (!wanted(text, "0")) {
			found_bad(c, f, "%s ns a period on CPU %d", text, cpu);
			return;
		}
	}
	found_pass(f, "no runtime on isolated CPUs");
}

static void judge_stalld(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[64];

	if (!tasks_known(m, c, f))
		return;
	if (!machine_running(m, "stalld"))
		found_pass(f, "stalld does not run");
	else if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	else if (wanted(text, "0"))
		found_pass(f, "stalld alone");
	else
		found_bad(c, f, "both: stalld runs, the fair server has %s ns", text);
}

static void judge_swap(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];
	const char *second;

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	second = strchr(text, '\n');
	if (!second || !second[1])
		found_pass(f, "none");
	else
		found_bad(c, f, "%.*s", (int)strcspn(second + 1, " \t\n"), second + 1);
}

/* Pages of one size on the nodes of the isolated CPUs; *missing is a node that has none. */
static long long pages_near(const struct machine *m, const struct topology *t, const char *size,
			    int *missing)
{
	struct paths nodes;
	struct err ignored = { 0 };
	long long total = 0;

	*missing = -1;
	if (machine_glob(m, "/sys/devices/system/node/node[0-9]*", &nodes, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < nodes.n; i++) {
		struct cpulist cpus;
		int64_t n = 0;
		char path[200];

		snprintf(path, sizeof(path), "%s/cpulist", nodes.v[i]);
		err_clear(&ignored);
		if (machine_cpus(m, path, &cpus, &ignored) < 0)
			continue;
		cpus = cpulist_and(&cpus, &m->isolated);
		if (cpulist_empty(&cpus))
			continue;
		snprintf(path, sizeof(path), "%s/hugepages/hugepages-%s/nr_hugepages", nodes.v[i],
			 size);
		if (!machine_number(m, path, &n) || !n)
			*missing = t->at[cpulist_next(&cpus, 0)].node;
		total += n;
	}
	paths_free(&nodes);
	return total;
}

static void judge_hugepages(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err e = { 0 };
	long long big, small;
	int no_big, no_small;

	if (topology_read(m, &t, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	big = pages_near(m, &t, "1048576kB", &no_big);
	small = pages_near(m, &t, "2048kB", &no_small);
	if (big && no_big < 0)
		found_pass(f, "%lld of 1 GiB", big);
	else if (small && no_small < 0)
		found_warn(f, "%lld of 2 MiB, none of 1 GiB", small);
	else if (big || small)
		found_bad(c, f, "none on the node of CPU %d", big ? no_big : no_small);
	else
		found_bad(c, f, "none on the nodes of the isolated CPUs");
}

/* One capability of an effective set in hex (include/uapi/linux/capability.h). */
static bool capable(const char *status, int bit)
{
	const char *line = strstr(status, "CapEff:");
	unsigned long long set = 0;

	return line && sscanf(line, "CapEff: %llx", &set) == 1 && (set >> bit & 1);
}

static bool unlimited(const char *limits, const char *name)
{
	const char *line = strstr(limits, name);
	char soft[32];

	return line && sscanf(line + strlen(name), " %31s", soft) == 1 &&
	       (!strcmp(soft, "unlimited") || atoll(soft) >= 99);
}

static void judge_limits(const struct machine *m, const struct check *c, struct finding *f)
{
	enum { IPC_LOCK = 14, SYS_NICE = 23 };
	char status[MACHINE_WORD], limits[MACHINE_WORD];
	bool lock, nice;

	if (!look(m, c, "/proc/self/status", status, sizeof(status), f) ||
	    !look(m, c, c->path, limits, sizeof(limits), f))
		return;
	lock = capable(status, IPC_LOCK) || unlimited(limits, "Max locked memory");
	nice = capable(status, SYS_NICE) || unlimited(limits, "Max realtime priority");
	if (lock && nice)
		found_pass(f, "locked memory and real-time priority");
	else
		found_bad(c, f, "no %s%s%s", lock ? "" : "locked memory",
			  !lock && !nice ? ", no " : "", nice ? "" : "real-time priority");
}

/*
 * Those of BPF programs are in no event's directory. Each armed one is a line such as
 * "ffffffff81 k vfs_read+0x0 [FTRACE]"; without debugfs there is no list.
 */
static void judge_kprobes(const struct machine *m, const struct check *c, struct finding *f)
{
	_cleanup_free_ char *list = NULL;
	struct err e = { 0 };
	char symbol[64], *rest = NULL;
	ssize_t n = machine_load(m, "/sys/kernel/debug/kprobes/list", &list, &e);

	if (n < 0 && n != -ENOENT) {
		found_unread(c, f, e.text);
		return;
	}
	for (char *line = list ? strtok_r(list, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%*s %*s %63s", symbol) == 1 && !strstr(line, "[DISABLED]")) {
			found_bad(c, f, "a kprobe is set at %s", symbol);
			return;
		}
	found_pass(f, "no tracer, no event%s", n < 0 ? "" : ", no kprobe");
}

static void judge_tracing(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];

	if (!look(m, c, "/sys/kernel/tracing/current_tracer", text, sizeof(text), f))
		return;
	if (strcmp(text, "nop")) {
		found_bad(c, f, "the tracer %.32s is on", text);
		return;
	}
	if (!look(m, c, "/sys/kernel/tracing/events/enable", text, sizeof(text), f))
		return;
	if (wanted(text, "0"))
		judge_kprobes(m, c, f);
	else
		found_bad(c, f, "events are on");
}

static const struct check rows[] = {
	{
		.id = "sched.rt-throttling",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.until = KVER(6, 12),
		.what = "real-time tasks are never throttled",
		.path = "/proc/sys/kernel/sched_rt_runtime_us",
		.want = "-1",
		.why = "The default stops a busy SCHED_FIFO vCPU for 50 ms in each second.",
		.remedy = "sysctl kernel.sched_rt_runtime_us=-1 (the profile does)",
		.judge = judge_word,
	},
	{
		.id = "sched.fair-server",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.since = KVER(6, 12),
		.what = "the fair server takes no time from isolated CPUs",
		.path = "/sys/kernel/debug/sched/fair_server/cpuN/runtime",
		.expected = "0",
		.why = "It took the place of real-time throttling: once an ordinary task waits on "
		       "the CPU, a SCHED_FIFO vCPU is preempted for 50 ms in each second.",
		.remedy =
			"activate the profile (without fair_server=Y) with debugfs mounted; under "
			"lockdown the kernel lets nobody change it: boot without Secure Boot",
		.judge = judge_fair_server,
	},
	{
		.id = "sched.stalld",
		.scope = BOTH,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.since = KVER(6, 12),
		.what = "stalld and the fair server are not both at work",
		.path = "/sys/kernel/debug/sched/fair_server/cpu0/runtime",
		.expected = "one of them",
		.why = "Both boost starving tasks, each at the vCPU's cost.",
		.remedy = "stop stalld, or set the fair server's runtime to 0",
		.judge = judge_stalld,
	},
	{
		.id = "timer.migration",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "timers stay on the CPU that sets them",
		.path = "/proc/sys/kernel/timer_migration",
		.want = "0",
		.why = "With nohz_full a guest's timer is otherwise armed on a housekeeping CPU "
		       "and comes as an inter-processor interrupt; Intel's preemption timer "
		       "avoids that, AMD has none.",
		.remedy = "sysctl kernel.timer_migration=0 (the profile does)",
		.judge = judge_timer_migration,
	},
	{
		.id = "timer.skew-tick",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "the ticks of the CPUs do not fall together",
		.path = "/proc/cmdline",
		.want = "skew_tick=1",
		.why = "All ticks at one instant contend for the same locks.",
		.remedy = "boot with skew_tick=1 (the profile does)",
		.judge = judge_on_cmdline,
	},
	{
		.id = "timer.tsc-watchdog",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "nothing checks the TSC against another clock",
		.path = "/proc/cmdline",
		.want = "tsc=reliable|nowatchdog",
		.why = "The check runs on each CPU in turn, isolated ones included, and reads a "
		       "slow clock.",
		.remedy = "boot with tsc=reliable (the profile does)",
		.judge = judge_on_cmdline,
	},
	{
		.id = "watchdog.hard",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the hard-lockup watchdog is off",
		.path = "/proc/sys/kernel/nmi_watchdog",
		.want = "0",
		.why = "It is an NMI every few seconds, which no priority can hold off.",
		.remedy = "sysctl kernel.nmi_watchdog=0 (the profile does)",
		.judge = judge_word,
	},
	{
		.id = "watchdog.soft",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the soft-lockup watchdog leaves the isolated CPUs alone",
		.path = "/proc/sys/kernel/soft_watchdog",
		.expected = "0, or kernel.watchdog 0, or watchdog_cpumask without them",
		.why = "Its timer and its stopper thread of highest priority run every 4 s.",
		.remedy = "sysctl kernel.soft_watchdog=0 (the profile does)",
		.judge = judge_soft_watchdog,
	},
	{
		.id = "rcu.expedited",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "RCU sends no interrupts to hurry",
		.path = "/sys/module/rcupdate/parameters/rcu_normal_after_boot",
		.want = "1",
		.why = "An expedited grace period interrupts every CPU that is not in user mode.",
		.remedy = "boot with rcupdate.rcu_normal_after_boot=1 (PREEMPT_RT's default)",
		.judge = judge_word,
	},
	{
		.id = "rcu.patience",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "RCU waits before it disturbs a nohz_full CPU",
		.path = "/sys/module/rcutree/parameters/nohz_full_patience_delay",
		.want = "1000",
		.expected = "at least 1000 (ms), where the kernel has it (6.11)",
		.why = "A vCPU goes back into its guest soon: waking rcuc on its CPU is in vain.",
		.remedy = "boot with rcutree.nohz_full_patience_delay=1000 (the profile does)",
		.judge = judge_least,
	},
	{
		.id = "sched.psi",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "no pressure stall information is kept",
		.path = "/proc/pressure/cpu",
		.expected = "not there",
		.why = "Every 2 s its averages are worked out by a kworker on the CPU where a task "
		       "has run.",
		.remedy = "boot with psi=0 (the profile does, unless its variable psi is Y)",
		.judge = judge_nothing_there,
	},
	{
		.id = "vm.stat-interval",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "memory statistics are gathered rarely",
		.path = "/proc/sys/vm/stat_interval",
		.want = "10",
		.expected = "at least 10 (s)",
		.why = "A worker wakes on each CPU at this interval.",
		.remedy = "sysctl vm.stat_interval=120 (the profile does)",
		.judge = judge_least,
	},
	{
		.id = "vm.thp",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "transparent huge pages are off",
		.path = "/sys/kernel/mm/transparent_hugepage/enabled",
		.want = "never",
		.why = "Collapsing and splitting pages takes them from a running guest.",
		.remedy = "echo never to that file (the profile does); use hugetlbfs",
		.judge = judge_word,
	},
	{
		.id = "vm.ksm",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.what = "pages of guests are not merged",
		.path = "/sys/kernel/mm/ksm/run",
		.want = "0|2",
		.why = "A merged page is copied at the next write: a page fault in the guest's "
		       "loop.",
		.remedy = "echo 2 to that file (the profile does), and disable ksmtuned",
		.judge = judge_word,
	},
	{
		.id = "vm.numa-balancing",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "the kernel does not move memory between nodes",
		.path = "/proc/sys/kernel/numa_balancing",
		.want = "0",
		.why = "It unmaps pages of running guests to see who touches them.",
		.remedy = "sysctl kernel.numa_balancing=0 (absent on PREEMPT_RT)",
		.judge = judge_word,
	},
	{
		.id = "vm.compaction",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.since = KVER(5, 9),
		.what = "memory is not compacted in advance",
		.path = "/proc/sys/vm/compaction_proactiveness",
		.want = "0",
		.why = "kcompactd migrates pages, and each is unmapped on every CPU.",
		.remedy = "sysctl vm.compaction_proactiveness=0 (the profile does)",
		.judge = judge_word,
	},
	{
		.id = "vm.swap",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "there is no swap",
		.path = "/proc/swaps",
		.expected = "no entry",
		.why = "One page on disk is milliseconds; locked memory protects the guest, not "
		       "the program that serves it.",
		.remedy = "swapoff -a, and take it out of /etc/fstab",
		.judge = judge_swap,
	},
	{
		.id = "vm.hugepages",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "huge pages wait on the nodes of the isolated CPUs",
		.path = "/sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages",
		.expected = "pages of 1 GiB on each such node (2 MiB: a warning)",
		.why = "Small pages mean TLB misses with a two-dimensional walk at every turn.",
		.remedy = "set hugepages_1g in the profile's variables file, and boot",
		.judge = judge_hugepages,
	},
	{
		.id = "vm.limits",
		.scope = HOST,
		.severity = SEV_HIGH,
		.what = "guests may lock memory and take real-time priority",
		.path = "/proc/self/limits",
		.expected = "CAP_IPC_LOCK and CAP_SYS_NICE, or the limits memlock and rtprio",
		.why = "Without them a guest starts with ordinary priority and pageable memory.",
		.remedy = "run as root, or raise memlock and rtprio in /etc/security/limits.d",
		.judge = judge_limits,
	},
	{
		.id = "tracing.idle",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "no tracer, event or kprobe is on",
		.path = "/sys/kernel/tracing/current_tracer, events/enable, "
			"/sys/kernel/debug/kprobes/list",
		.expected = "nop, 0, and none that is armed",
		.why = "A forgotten tracer makes every function or switch slower.",
		.remedy =
			"rtkvm trace reset, or trace-cmd reset; bpftool prog tells whose a kprobe "
			"is",
		.judge = judge_tracing,
	},
};

const struct check_table runtime_checks = { rows, ARRAY_SIZE(rows) };
