// SPDX-License-Identifier: GPL-2.0-only
/* Checks of what the kernel keeps off the isolated CPUs: domains, ticks, callbacks, interrupts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/fixed.h"
#include "profiles/judge.h"
#include "profiles/tasks.h"

static void judge_isolated(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const paths[] = { "/sys/devices/system/cpu/isolated",
					     "/sys/fs/cgroup/cpuset.cpus.isolated" };
	struct cpulist have = { 0 }, missing;
	char text[64];

	if (cpulist_empty(&m->isolated)) {
		found_bad(c, f, "no CPU is isolated");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct err ignored = { 0 };
		struct cpulist some;

		if (machine_cpus(m, paths[i], &some, &ignored) < 0)
			continue;
		cpulist_for_each(cpu, &some)
			cpulist_add(&have, cpu);
	}
	missing = cpulist_minus(&m->isolated, &have);
	if (cpulist_empty(&missing))
		found_pass(f, "%s", cpulist_format(&have, text, sizeof(text)));
	else
		found_bad(c, f, "CPU %s is not isolated",
			  cpulist_format(&missing, text, sizeof(text)));
}

static void judge_managed_irq(const struct machine *m, const struct check *c, struct finding *f)
{
	char value[512];

	if (!machine_param(m, "isolcpus", value, sizeof(value)))
		found_bad(c, f, "no isolcpus=");
	else if (strstr(value, "managed_irq"))
		found_pass(f, "isolcpus=%.64s", value);
	else
		found_bad(c, f, "isolcpus=%.64s", value);
}

static void judge_nocb(const struct machine *m, const struct check *c, struct finding *f)
{
	if (!tasks_known(m, c, f))
		return;
	cpulist_for_each(cpu, &m->isolated) {
		/* rcuop: preemptible RCU; rcuos: the other kind */
		const struct task *t = kthread_of_cpu(m, "rcuop", cpu);

		if (!t)
			t = kthread_of_cpu(m, "rcuos", cpu);
		if (!t) {
			found_bad(c, f, "no rcuop/%d: its callbacks run on CPU %d", cpu, cpu);
			return;
		}
		if (task_touches_isolated(m, t)) {
			found_bad(c, f, "%s may run on isolated CPUs", t->comm);
			return;
		}
	}
	found_pass(f, "offloaded to housekeeping CPUs");
}

/* The files' lists, not their masks: what the interrupt really uses now. */
static void judge_irqs(const struct machine *m, const struct check *c, struct finding *f)
{
	char fixed[FIXED_BYTES], first[128] = "";
	int n = 0, queues = 0;
	struct paths paths;

	if (!look_all(m, c, &paths, f))
		return;
	fixed_load(m, fixed);
	for (size_t i = 0; i < paths.n; i++) {
		struct cpulist have, both;
		struct err e = { 0 };
		char action[128];
		int irq = 0, ret = machine_cpus(m, paths.v[i], &have, &e);

		if (ret == -ENOENT) /* freed meanwhile */
			continue;
		if (ret < 0) {
			found_unread(c, f, e.text);
			paths_free(&paths);
			return;
		}
		both = cpulist_and(&have, &m->isolated);
		sscanf(paths.v[i], "/proc/irq/%d", &irq);
		fixed_action(m, irq, action, sizeof(action));
		if (cpulist_empty(&both) || !*action) /* no action: nobody asked for it */
			continue;
		if (fixed_harmless(m, fixed, irq, action)) {
			queues++;
			continue;
		}
		if (!n++)
			snprintf(first, sizeof(first), "IRQ %d (%.32s) on CPU %d", irq, action,
				 cpulist_next(&both, 0));
	}
	if (n)
		found_bad(c, f, "%d, first %s", n, first);
	else if (queues)
		found_pass(f, "only %d that serve what isolated CPUs ask for themselves", queues);
	else
		found_pass(f, "all on housekeeping CPUs");
	paths_free(&paths);
}

/* The value of the last NAME=VALUE line of a shell-like file, without quotes. */
static bool setting(const char *text, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);
	bool found = false;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, name, len) || p[len] != '=')
			continue;
		snprintf(buf, size, "%.*s", (int)strcspn(p + len + 1, "\n\"'\r"),
			 p + len + 1 + strspn(p + len + 1, "\"'"));
		buf[strcspn(buf, "\"'")] = '\0';
		found = true;
	}
	return found;
}

/*
 * Without a list irqbalance leaves out what the kernel isolated at boot (irqbalance(1)); it does not
 * see cgroups' partitions.
 */
static void judge_no_list(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const files[] = { "/sys/devices/system/cpu/isolated",
					     "/sys/devices/system/cpu/nohz_full" };
	struct cpulist missing = m->isolated;
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct err e = { 0 };
		struct cpulist some;
		int ret = machine_cpus(m, files[i], &some, &e);

		if (ret < 0 && ret != -ENOENT) {
			found_unread(c, f, e.text);
			return;
		}
		if (!ret)
			missing = cpulist_minus(&missing, &some);
	}
	if (cpulist_empty(&missing))
		found_pass(f, "it has no list, and leaves out what was isolated at boot");
	else
		found_bad(c, f, "it runs with no list, and CPU %s %s not isolated at boot",
			  cpulist_format(&missing, text, sizeof(text)),
			  cpulist_count(&missing) == 1 ? "was" : "were");
}

static void judge_irqbalance(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char redhat[] = "/etc/sysconfig/irqbalance";
	char text[MACHINE_WORD], value[256], missing_text[64];
	struct cpulist banned, missing;
	struct err e = { 0 };
	int ret;

	if (!tasks_known(m, c, f))
		return;
	if (!machine_running(m, "irqbalance")) {
		found_pass(f, "it does not run");
		return;
	}
	ret = knob_read(m->root, machine_has(m, redhat) ? redhat : "/etc/default/irqbalance", text,
			sizeof(text), &e);
	if (ret < 0 && ret != -ENOENT) {
		found_unread(c, f, e.text);
		return;
	}
	if (ret < 0 || (!setting(text, "IRQBALANCE_BANNED_CPULIST", value, sizeof(value)) &&
			!setting(text, "IRQBALANCE_BANNED_CPUS", value, sizeof(value)))) {
		judge_no_list(m, c, f);
		return;
	}
	if (!setting(text, "IRQBALANCE_BANNED_CPULIST", value, sizeof(value)) || !*value) {
		found_bad(c, f, "it runs, and IRQBALANCE_BANNED_CPULIST is not set");
		return;
	}
	if (cpulist_parse(&banned, value, &e) < 0) {
		found_bad(c, f, "IRQBALANCE_BANNED_CPULIST=%.64s is no CPU list", value);
		return;
	}
	missing = cpulist_minus(&m->isolated, &banned);
	if (cpulist_empty(&missing))
		found_pass(f, "it leaves out CPU %s", value);
	else
		found_bad(c, f, "it runs, and does not leave out CPU %s",
			  cpulist_format(&missing, missing_text, sizeof(missing_text)));
}

static const struct check rows[] = {
	{
		.id = "isolation.domain",
		.scope = BOTH,
		.severity = SEV_FATAL,
		.what = "the scheduler leaves the CPUs alone",
		.path = "/sys/devices/system/cpu/isolated, /sys/fs/cgroup/cpuset.cpus.isolated",
		.expected = "every CPU that is to be isolated",
		.why = "Otherwise load balancing puts any task beside the vCPU.",
		.remedy = "activate the profile and boot; see boot.pending if that was done",
		.judge = judge_isolated,
	},
	{
		.id = "isolation.managed-irq",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.since = KVER(5, 6),
		.what = "interrupts that drivers place themselves stay away",
		.path = "/proc/cmdline",
		.expected = "isolcpus=managed_irq,...",
		.why = "Queues of NVMe and network cards are spread over all CPUs and cannot be "
		       "moved later.",
		.remedy = "set isolate_managed_irq=Y in the profile's variables file, and boot",
		.judge = judge_managed_irq,
	},
	{
		.id = "isolation.nohz-full",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS | ABSENT_FAILS,
		.what = "the tick may stop on the isolated CPUs",
		.path = "/sys/devices/system/cpu/nohz_full",
		.expected = "every isolated CPU",
		.why = "The tick is 100 to 1000 interrupts a second in each guest.",
		.remedy = "activate the profile and boot",
		.judge = judge_holds_isolated,
	},
	{
		.id = "isolation.rcu-nocb",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "RCU callbacks run on housekeeping CPUs",
		.path = "/proc/*/status of rcuop/N",
		.expected = "an rcuop/N for each, allowed on housekeeping CPUs only",
		.why = "Callbacks free memory in bursts, in softirq context, on the CPU that "
		       "queued them.",
		.remedy = "activate the profile and boot (rcu_nocbs=, nohz_full=)",
		.judge = judge_nocb,
	},
	{
		.id = "irq.affinity",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "no interrupt goes to an isolated CPU",
		.path = "/proc/irq/[0-9]*/effective_affinity_list",
		.expected = "housekeeping CPUs only",
		.why = "A handler runs for 2 to 50 us, and on PREEMPT_RT wakes a thread as well.",
		.remedy = "activate the profile; what it names as immovable moves with "
			  "irqaffinity= and isolcpus=managed_irq at the next boot",
		.judge = judge_irqs,
	},
	{
		.id = "irq.default-affinity",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "new interrupts start on housekeeping CPUs",
		.path = "/proc/irq/default_smp_affinity",
		.expected = "no isolated CPU in it",
		.why = "A device that is plugged in or reset later would land anywhere.",
		.remedy = "activate the profile (irqaffinity=)",
		.judge = judge_masks_spare_isolated,
	},
	{
		.id = "irq.irqbalance",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "irqbalance is off, or leaves the isolated CPUs out",
		.path = "/etc/default/irqbalance, /etc/sysconfig/irqbalance",
		.expected = "not running, or IRQBALANCE_BANNED_CPULIST with every isolated CPU; "
			    "without any list, all isolated at boot",
		.why = "It undoes any affinity every ten seconds; Debian 12's ignores the older "
		       "IRQBALANCE_BANNED_CPUS.",
		.remedy = "systemctl disable --now irqbalance, or activate the profile",
		.judge = judge_irqbalance,
	},
};

const struct check_table isolation_checks = { rows, ARRAY_SIZE(rows) };
