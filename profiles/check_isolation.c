// SPDX-License-Identifier: GPL-2.0-only
/* Checks of the isolated CPUs: the choice, what the kernel keeps off them, and what is on them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/isolate.h"
#include "profiles/judge.h"
#include "profiles/tasks.h"

typedef int isolate_fn(const struct topology *t, const struct cpulist *wanted, struct err *e);

static void judge_choice(const struct machine *m, const struct check *c, isolate_fn *ask,
			 struct finding *f)
{
	struct topology t;
	struct err e = { 0 };
	char text[64];
	int ret = topology_read(m, &t, &e);

	if (ret < 0)
		found_unread(c, f, e.text);
	else if (ask(&t, &m->isolated, &e) < 0)
		found_bad(c, f, "%s", e.text);
	else
		found_pass(f, "CPU %s", cpulist_format(&m->isolated, text, sizeof(text)));
}

static void judge_list(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_choice(m, c, isolate_list_ok, f);
}

/* As isolate_cores_whole, but a core that is not known is no pass here. */
static int cores_known_and_whole(const struct topology *t, const struct cpulist *wanted,
				 struct err *e)
{
	cpulist_for_each(cpu, wanted)
		if (t->at[cpu].core < 0)
			return err_set(e, -EINVAL,
				       "not known: the kernel does not show the core "
				       "of CPU %d",
				       cpu);
	return isolate_cores_whole(t, wanted, e);
}

static void judge_whole_cores(const struct machine *m, const struct check *c, struct finding *f)
{
	judge_choice(m, c, cores_known_and_whole, f);
}

static void judge_nodes_served(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err ignored = { 0 };

	if (topology_read(m, &t, &ignored) >= 0 && t.at[cpulist_next(&m->isolated, 0)].node < 0)
		found_na(f, "the kernel shows no memory nodes");
	else
		judge_choice(m, c, isolate_nodes_served, f);
}

/* Two isolated CPUs on one core disturb each other even when nobody else is there. */
static void judge_smt(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err e = { 0 };

	if (topology_read(m, &t, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	cpulist_for_each(cpu, &m->isolated) {
		if (t.at[cpu].core < 0) {
			found_na(f, "the kernel does not show the cores");
			return;
		}
		if (t.at[cpu].core != cpu) {
			found_bad(c, f, "CPU %d and CPU %d are one core", t.at[cpu].core, cpu);
			return;
		}
	}
	found_pass(f, "one hardware thread per core");
}

static void judge_one_kind(const struct machine *m, const struct check *c, struct finding *f)
{
	struct cpulist fast, both;
	struct err e = { 0 };
	int ret = machine_cpus(m, c->path, &fast, &e);
	char text[64];

	if (ret < 0) {
		settle_read_error(c, c->path, ret, e.text, f);
		return;
	}
	both = cpulist_and(&fast, &m->isolated);
	if (cpulist_equal(&both, &m->isolated) || cpulist_empty(&both))
		found_pass(f, "of one kind");
	else
		found_bad(c, f, "only CPU %s of them are performance cores",
			  cpulist_format(&both, text, sizeof(text)));
}

static void judge_l3(const struct machine *m, const struct check *c, struct finding *f)
{
	struct topology t;
	struct err e = { 0 };

	if (topology_read(m, &t, &e) < 0) {
		found_unread(c, f, e.text);
		return;
	}
	cpulist_for_each(cpu, &m->isolated)
		cpulist_for_each(other, &m->housekeeping)
			if (t.at[cpu].l3 >= 0 && t.at[cpu].l3 == t.at[other].l3) {
				found_bad(c, f, "CPU %d shares its L3 with CPU %d", cpu, other);
				return;
			}
	if (t.at[cpulist_next(&m->isolated, 0)].l3 < 0)
		found_na(f, "the kernel shows no L3");
	else
		found_pass(f, "none shared");
}

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

static bool tasks_known(const struct machine *m, const struct check *c, struct finding *f)
{
	if (m->tasks_err.code)
		found_unread(c, f, m->tasks_err.text);
	else if (!m->n_tasks)
		found_unread(c, f, "/proc shows no task");
	return !m->tasks_err.code && m->n_tasks;
}

/* Does the task's allowed set touch the isolated CPUs? */
static bool touches(const struct machine *m, const struct task *t)
{
	struct cpulist both = cpulist_and(&t->allowed, &m->isolated);

	return !cpulist_empty(&both);
}

static const struct task *kthread_of_cpu(const struct machine *m, const char *name, int cpu)
{
	char comm[32];

	snprintf(comm, sizeof(comm), "%s/%d", name, cpu);
	for (size_t i = 0; i < m->n_tasks; i++)
		if (!strcmp(m->tasks[i].comm, comm) && (m->tasks[i].flags & TASK_KTHREAD))
			return &m->tasks[i];
	return NULL;
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
		if (touches(m, t)) {
			found_bad(c, f, "%s may run on isolated CPUs", t->comm);
			return;
		}
	}
	found_pass(f, "offloaded to housekeeping CPUs");
}

static void judge_kthreads(const struct machine *m, const struct check *c, struct finding *f)
{
	const struct task *first = NULL;
	int n = 0;

	if (!tasks_known(m, c, f))
		return;
	for (size_t i = 0; i < m->n_tasks; i++) {
		const struct task *t = &m->tasks[i];

		/* bound to one CPU is by design; what is bound to no single one can go */
		if (!(t->flags & TASK_KTHREAD) || (t->flags & TASK_BOUND) ||
		    cpulist_count(&t->allowed) == 1 || !touches(m, t) ||
		    !strncmp(t->comm, "kvm-", 4) || !strncmp(t->comm, "vhost-", 6))
			continue;
		if (!n++)
			first = t;
	}
	if (n)
		found_bad(c, f, "%d may run there, first %s (%d)", n, first->comm, first->tid);
	else
		found_pass(f, "none may run there");
}

static void judge_tasks(const struct machine *m, const struct check *c, struct finding *f)
{
	const struct task *first = NULL;
	int n = 0;

	if (!tasks_known(m, c, f))
		return;
	for (size_t i = 0; i < m->n_tasks; i++) {
		const struct task *t = &m->tasks[i];

		if ((t->flags & TASK_KTHREAD) || machine_is_vcpu(t) ||
		    !cpulist_has(&m->isolated, t->cpu) || !touches(m, t))
			continue;
		if (!n++)
			first = t;
	}
	if (n)
		found_bad(c, f, "%d ran there last, first %s (%d) on CPU %d", n, first->comm,
			  first->tid, first->cpu);
	else
		found_pass(f, "only vCPUs");
}

static int highest_vcpu(const struct machine *m)
{
	int highest = 0;

	for (size_t i = 0; i < m->n_tasks; i++)
		if (machine_is_vcpu(&m->tasks[i]) && m->tasks[i].rt_priority > highest)
			highest = m->tasks[i].rt_priority;
	return highest;
}

static void judge_priorities(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const names[] = { "rcuc", "ktimers", "ktimersoftd", "ksoftirqd" };
	int vcpu = highest_vcpu(m), seen = 0;

	if (!tasks_known(m, c, f))
		return;
	if (vcpu == 99) {
		found_bad(c, f, "a vCPU thread has priority 99, that of the kernel's migration");
		return;
	}
	if (!vcpu)
		vcpu = 1; /* what a vCPU thread gets unless asked otherwise */
	cpulist_for_each(cpu, &m->isolated)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			const struct task *t = kthread_of_cpu(m, names[i], cpu);

			if (!t)
				continue;
			seen++;
			if (t->rt_priority > vcpu)
				continue;
			found_bad(c, f, "%s has priority %d, a vCPU %d", t->comm, t->rt_priority,
				  vcpu);
			return;
		}
	if (seen)
		found_pass(f, "above %d", vcpu);
	else
		found_unread(c, f, "/proc shows no ksoftirqd of these CPUs");
}

/* Did rtkvm tune try in vain to move it? Then it is a driver's queue of the isolated CPUs. */
static bool fixed_by_driver(const char *list, int irq)
{
	char word[16];

	snprintf(word, sizeof(word), " %d ", irq);
	return strstr(list, word);
}

/* The files' lists, not their masks: what the interrupt really uses now. */
static void judge_irqs(const struct machine *m, const struct check *c, struct finding *f)
{
	char fixed[MACHINE_WORD], first[128] = "";
	struct err ignored = { 0 };
	int n = 0, queues = 0;
	struct paths paths;

	if (!look_all(m, c, &paths, f))
		return;
	if (knob_read(m->root, "/run/rtkvm/tune.fixed-irqs", fixed, sizeof(fixed), &ignored) < 0)
		fixed[0] = '\0';
	for (size_t i = 0; i < paths.n; i++) {
		struct cpulist have, both;
		struct err e = { 0 };
		char action[64], path[128];
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
		snprintf(path, sizeof(path), "/sys/kernel/irq/%d/actions", irq);
		err_clear(&e);
		if (knob_read(m->root, path, action, sizeof(action), &e) < 0)
			snprintf(action, sizeof(action), "?");
		if (cpulist_empty(&both) || !*action) /* no action: nobody asked for it */
			continue;
		if (fixed_by_driver(fixed, irq)) {
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

static void judge_irqbalance(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD], value[256], missing_text[64];
	struct cpulist banned, missing;
	struct err e = { 0 };

	if (!tasks_known(m, c, f))
		return;
	if (!machine_running(m, "irqbalance")) {
		found_pass(f, "it does not run");
		return;
	}
	if (knob_read(m->root, c->path, text, sizeof(text), &e) < 0) {
		found_unread(c, f, e.text);
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

/* Parameters that may stand once only with one meaning. */
static void judge_duplicates(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const once[] = { "isolcpus", "nohz_full", "rcu_nocbs",    "irqaffinity",
					    "tsc",	"skew_tick", "intel_pstate", "mce" };

	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		char last[512], key[32];
		size_t len;

		if (!machine_param(m, once[i], last, sizeof(last)))
			continue;
		len = snprintf(key, sizeof(key), "%s=", once[i]);
		for (const char *p = m->cmdline; *p; p += strcspn(p, " ")) {
			p += strspn(p, " ");
			if (strncmp(p, key, len) || (strcspn(p + len, " ") == strlen(last) &&
						     !strncmp(p + len, last, strlen(last))))
				continue;
			found_bad(c, f, "%.*s and %s%.64s", (int)strcspn(p, " "), p, key, last);
			return;
		}
	}
	found_pass(f, "none");
}

static void judge_length(const struct machine *m, const struct check *c, struct finding *f)
{
	size_t len = strlen(m->cmdline);

	if (len < 2048)
		found_pass(f, "%zu bytes", len);
	else
		found_bad(c, f, "%zu bytes", len);
}

/* A CPU list from a parameter, flags such as "managed_irq,domain," skipped. */
static bool param_cpus(const struct machine *m, const char *key, struct cpulist *l)
{
	struct err ignored = { 0 };
	char value[512];
	const char *list = value;

	if (!machine_param(m, key, value, sizeof(value)))
		return false;
	while (*list && !strchr("0123456789", *list) && strchr(list, ','))
		list = strchr(list, ',') + 1;
	return !cpulist_parse(l, list, &ignored);
}

static void judge_agreement(const struct machine *m, const struct check *c, struct finding *f)
{
	static const char *const keys[] = { "isolcpus", "nohz_full", "rcu_nocbs" };
	struct cpulist l;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!param_cpus(m, keys[i], &l)) {
			found_bad(c, f, "no usable %s=", keys[i]);
			return;
		} else if (!cpulist_equal(&l, &m->isolated)) {
			found_bad(c, f, "%s= is about other CPUs", keys[i]);
			return;
		}
	if (param_cpus(m, "irqaffinity", &l)) {
		l = cpulist_and(&l, &m->isolated);
		if (!cpulist_empty(&l)) {
			found_bad(c, f, "irqaffinity= names isolated CPUs");
			return;
		}
	}
	found_pass(f, "they agree");
}

/* "root invalid (...)" is what a partition reads that the kernel has taken back. */
static void judge_partitions(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];
	struct paths paths;
	size_t i = 0;

	if (!look_all(m, c, &paths, f))
		return;
	for (; i < paths.n; i++) {
		if (!look(m, c, paths.v[i], text, sizeof(text), f))
			break;
		if (strstr(text, "invalid")) {
			found_bad(c, f, "%.100s in %.100s", text, paths.v[i]);
			break;
		}
	}
	if (i == paths.n)
		found_pass(f, "all valid");
	paths_free(&paths);
}

static const struct check rows[] = {
	{
		.id = "cpus.list",
		.scope = BOTH,
		.severity = SEV_FATAL,
		.what = "the isolated CPUs are a set that can be isolated",
		.path = "/sys/devices/system/cpu/online",
		.expected = "at least one, all online, without CPU 0, others left",
		.why = "A list that the kernel cannot use isolates nothing, without a word.",
		.remedy = "set isolated_cores in the profile's variables file, then activate it "
			  "and boot",
		.judge = judge_list,
	},
	{
		.id = "cpus.whole-cores",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "no isolated CPU shares its core with a housekeeping CPU",
		.path = "/sys/devices/system/cpu/cpuN/topology/thread_siblings_list",
		.expected = "both hardware threads of a core isolated, or none",
		.why = "Hardware threads share execution units, first-level caches and TLBs.",
		.remedy = "isolate both, or take one offline",
		.judge = judge_whole_cores,
	},
	{
		.id = "cpus.smt",
		.scope = HOST,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.what = "each isolated CPU has its core for itself",
		.path = "/sys/devices/system/cpu/cpuN/topology/thread_siblings_list",
		.expected = "one hardware thread per core",
		.why = "Two busy threads of a core slow each other by tens of per cent at times "
		       "that no scheduler chooses.",
		.remedy = "switch SMT off in the firmware or with nosmt",
		.judge = judge_smt,
	},
	{
		.id = "cpus.node-housekeeping",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "each memory node with isolated CPUs has a housekeeping CPU",
		.path = "/sys/devices/system/node/node*/cpulist",
		.expected = "one or more",
		.why = "Device emulation and vhost threads then run beside the guest's memory.",
		.remedy = "leave one core of each node out of isolated_cores",
		.judge = judge_nodes_served,
	},
	{
		.id = "cpus.one-kind",
		.scope = HOST,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs are of one kind",
		.path = "/sys/devices/cpu_core/cpus",
		.expected = "performance or efficiency cores, not both",
		.why = "A limit that holds on one kind says nothing about the other.",
		.remedy = "isolate performance cores only",
		.judge = judge_one_kind,
	},
	{
		.id = "cpus.l3",
		.scope = HOST,
		.severity = SEV_INFO,
		.flags = NEEDS_CPUS,
		.what = "the isolated CPUs share no L3 with housekeeping",
		.path = "/sys/devices/system/cpu/cpuN/cache/index3/shared_cpu_list",
		.expected = "none shared, or divided with resctrl",
		.why = "A busy neighbour evicts the guest's cache lines: microseconds per wake-up.",
		.remedy = "isolate whole L3 domains (AMD), or divide the cache (Intel RDT, AMD "
			  "QoS)",
		.judge = judge_l3,
	},
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
		.path = "/etc/default/irqbalance",
		.expected = "not running, or IRQBALANCE_BANNED_CPULIST with every isolated CPU",
		.why = "It undoes any affinity every ten seconds; Debian 12's ignores the older "
		       "IRQBALANCE_BANNED_CPUS.",
		.remedy = "systemctl disable --now irqbalance, or activate the profile",
		.judge = judge_irqbalance,
	},
	{
		.id = "tasks.workqueues",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "unbound kernel work stays on housekeeping CPUs",
		.path = "/sys/devices/virtual/workqueue/cpumask",
		.expected = "no isolated CPU in it",
		.why = "Any work item of any driver could run beside the vCPU.",
		.remedy = "boot with isolcpus=domain, or activate the profile",
		.judge = judge_masks_spare_isolated,
	},
	{
		.id = "tasks.writeback",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "writing files back stays on housekeeping CPUs",
		.path = "/sys/devices/virtual/workqueue/writeback/cpumask",
		.expected = "no isolated CPU in it",
		.why = "Writeback runs for milliseconds at a time.",
		.remedy = "activate the profile",
		.judge = judge_masks_spare_isolated,
	},
	{
		.id = "tasks.kthreads",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.flags = NEEDS_CPUS,
		.what = "kernel threads that can be elsewhere are",
		.path = "/proc/*/status",
		.expected = "no movable kernel thread allowed on isolated CPUs",
		.why = "They wake without warning and preempt a vCPU of lower priority.",
		.remedy = "boot with isolcpus=domain or nohz_full=, or activate the profile",
		.judge = judge_kthreads,
	},
	{
		.id = "tasks.user",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "no program but guests runs on the isolated CPUs",
		.path = "/proc/*/stat",
		.expected = "vCPU threads only",
		.why = "A second runnable task brings the tick back and takes its turn.",
		.remedy = "find who pinned it there: taskset -p, systemctl show -p CPUAffinity",
		.judge = judge_tasks,
	},
	{
		.id = "tasks.priorities",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "per-CPU kernel threads come before vCPUs",
		.path = "/proc/*/stat of rcuc/N, ktimers/N, ksoftirqd/N",
		.expected = "SCHED_FIFO above the vCPUs, no vCPU at 99",
		.why = "A spinning vCPU would starve them: RCU stalls, timers that never fire.",
		.remedy = "activate the profile (rcutree.kthread_prio=), give vCPUs priority 1",
		.judge = judge_priorities,
	},
	{
		.id = "tasks.cpuset-partitions",
		.scope = HOST,
		.severity = SEV_HIGH,
		.what = "cpuset partitions are valid",
		.path = "/sys/fs/cgroup/*/cpuset.cpus.partition",
		.expected = "member, root or isolated; not invalid",
		.why = "An invalid partition isolates nothing, and pinning into it may fail.",
		.remedy = "read the reason in brackets; CPU sets of other groups must not overlap",
		.judge = judge_partitions,
	},
	{
		.id = "tasks.machine-slice",
		.scope = HOST,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "virtual machines may use the isolated CPUs",
		.path = "/sys/fs/cgroup/machine.slice/cpuset.cpus.effective",
		.expected = "every isolated CPU",
		.why = "Pinning a vCPU outside of its control group's CPUs fails (EINVAL).",
		.remedy = "systemctl set-property machine.slice AllowedCPUs= with the isolated "
			  "CPUs in it",
		.judge = judge_holds_isolated,
	},
	{
		.id = "cmdline.conflicts",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "no parameter stands twice with different values",
		.path = "/proc/cmdline",
		.expected = "each once",
		.why = "Which of the two wins differs from parameter to parameter.",
		.remedy = "look in /etc/default/grub and /etc/default/grub.d for the other one",
		.judge = judge_duplicates,
	},
	{
		.id = "cmdline.length",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.what = "the command line is not cut off",
		.path = "/proc/cmdline",
		.expected = "less than 2048 bytes",
		.why = "x86 kernels drop what is longer, and nobody says so.",
		.remedy = "write CPU lists as ranges",
		.judge = judge_length,
	},
	{
		.id = "cmdline.agreement",
		.scope = BOTH,
		.severity = SEV_HIGH,
		.flags = NEEDS_CPUS,
		.what = "isolcpus, nohz_full, rcu_nocbs and irqaffinity agree",
		.path = "/proc/cmdline",
		.expected = "the first three with the same CPUs, the last without them",
		.why = "A CPU with half of the isolation has none of its benefit.",
		.remedy = "activate the profile and boot; remove parameters set by hand",
		.judge = judge_agreement,
	},
	{
		.id = "cmdline.kthread-cpus",
		.scope = BOTH,
		.severity = SEV_MEDIUM,
		.what = "kthread_cpus= is not relied on",
		.path = "/proc/cmdline",
		.want = "kthread_cpus",
		.expected = "not there",
		.why = "Mainline and Debian kernels do not know it: it is handed to init.",
		.remedy = "remove it; isolcpus=domain and nohz_full= do its work",
		.judge = judge_not_on_cmdline,
	},
};

const struct check_table isolation_checks = { rows, ARRAY_SIZE(rows) };
