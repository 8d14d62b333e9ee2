// SPDX-License-Identifier: GPL-2.0-only
/* Checks of the tasks that may run on the isolated CPUs, and of their priorities. */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "profiles/judge.h"
#include "profiles/tasks.h"

/* The first of the tasks that it is true of, and how many there are. */
static const struct task *pick(const struct machine *m,
			       bool (*is)(const struct machine *m, const struct task *t), int *n)
{
	const struct task *first = NULL;

	*n = 0;
	for (size_t i = 0; i < m->n_tasks; i++)
		if (is(m, &m->tasks[i]) && !(*n)++)
			first = &m->tasks[i];
	return first;
}

/* bound to one CPU is by design; what is bound to no single one can go */
static bool stray_kthread(const struct machine *m, const struct task *t)
{
	return t->flags & TASK_KTHREAD && !(t->flags & TASK_BOUND) &&
	       cpulist_count(&t->allowed) != 1 && task_touches_isolated(m, t) &&
	       strncmp(t->comm, "kvm-", 4) && strncmp(t->comm, "vhost-", 6);
}

static void judge_kthreads(const struct machine *m, const struct check *c, struct finding *f)
{
	const struct task *first;
	int n;

	if (!tasks_known(m, c, f))
		return;
	first = pick(m, stray_kthread, &n);
	if (first)
		found_bad(c, f, "%d may run there, first %s (%d)", n, first->comm, first->tid);
	else
		found_pass(f, "none may run there");
}

static bool stray_task(const struct machine *m, const struct task *t)
{
	return !(t->flags & TASK_KTHREAD) && !machine_is_vcpu(t) &&
	       cpulist_has(&m->isolated, t->cpu) && task_touches_isolated(m, t);
}

static void judge_tasks(const struct machine *m, const struct check *c, struct finding *f)
{
	const struct task *first;
	int n;

	if (!tasks_known(m, c, f))
		return;
	first = pick(m, stray_task, &n);
	if (first)
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
	static const char *const names[] = { "rcuc", "ktimers", "ktimersoftd", "ksoftirqd",
					     "irq_work" };
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
		.path = "/proc/*/stat of rcuc/N, ktimers/N, ksoftirqd/N, irq_work/N",
		.expected = "SCHED_FIFO above the vCPUs, no vCPU at 99",
		.why = "A busy vCPU would starve them: RCU stalls, timers that never fire, a tick "
		       "that never stops.",
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
};

const struct check_table tasks_checks = { rows, ARRAY_SIZE(rows) };
