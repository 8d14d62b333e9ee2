// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "lib/threads.h"

int task_parse_stat(struct task *t, const char *text)
{
	struct thread_stat s;

	if (thread_stat_parse(text, &s))
		return -EINVAL;
	t->tid = s.tid;
	memcpy(t->comm, s.name, sizeof(t->comm));
	t->flags = s.flags;
	t->cpu = s.cpu;
	t->rt_priority = s.priority;
	t->policy = s.policy;
	return 0;
}

static int parse_allowed(struct task *t, const char *status)
{
	const char *line = strstr(status, "Cpus_allowed_list:");
	struct err ignored = { 0 };
	char list[1024];

	if (!line || sscanf(line, "Cpus_allowed_list: %1023s", list) != 1)
		return -EINVAL;
	return cpulist_parse(&t->allowed, list, &ignored);
}

/* 1 read, 0 gone, -errno */
static int task_read(const struct machine *m, const char *stat, struct task *t, struct err *e)
{
	struct err why = { 0 };
	char path[256], text[MACHINE_WORD];
	ssize_t n = knob_read(m->root, stat, text, sizeof(text), &why);

	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return err_set(e, n, "%s", why.text);
	if (task_parse_stat(t, text) < 0 || sscanf(stat, "/proc/%d/", &t->pid) != 1)
		return err_set(e, -EINVAL, "%s holds no process's state", stat);
	snprintf(path, sizeof(path), "%.*s/status", (int)(strrchr(stat, '/') - stat), stat);
	n = knob_read(m->root, path, text, sizeof(text), &why);
	if (n == -ENOENT || n == -ESRCH)
		return 0;
	if (n < 0)
		return err_set(e, n, "%s", why.text);
	if (parse_allowed(t, text) < 0)
		return err_set(e, -EINVAL, "%s names no allowed CPUs", path);
	return 1;
}

int tasks_read(struct machine *m, struct err *e)
{
	struct paths stats;
	int ret = machine_glob(m, "/proc/[1-9]*/task/[1-9]*/stat", &stats, e);

	if (ret < 0)
		return ret;
	m->tasks = calloc(stats.n + 1, sizeof(*m->tasks));
	if (!m->tasks)
		ret = err_set(e, -ENOMEM, "reading the tasks failed: no memory");
	for (size_t i = 0; i < stats.n && ret >= 0; i++) {
		ret = task_read(m, stats.v[i], &m->tasks[m->n_tasks], e);
		m->n_tasks += ret > 0;
	}
	paths_free(&stats);
	return ret < 0 ? ret : 0;
}

const struct task *machine_running(const struct machine *m, const char *comm)
{
	for (size_t i = 0; i < m->n_tasks; i++)
		if (!strncmp(m->tasks[i].comm, comm, 15))
			return &m->tasks[i];
	return NULL;
}

bool machine_is_vcpu(const struct task *t)
{
	const char *end = strrchr(t->comm, '/');

	/* QEMU "CPU 0/KVM"; ours and kvmtool "vcpu0", "kvm-vcpu-0" */
	return (!strncmp(t->comm, "CPU ", 4) && end && !strcmp(end, "/KVM")) ||
	       !strncmp(t->comm, "vcpu", 4) || !strncmp(t->comm, "kvm-vcpu-", 9);
}
