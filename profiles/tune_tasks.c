// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel threads: priorities of those bound to isolated CPUs, and no isolated CPU for those that
 * need not be there. User tasks, vCPU threads above all, are never touched.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "profiles/tasks.h"
#include "profiles/tune.h"

static const char journal[] = "/run/rtkvm/tune.tasks";

enum { JOURNAL_BYTES = 8 << 20 };

/* The priority that the settings want for this thread, 0: none. */
static int wanted_priority(const struct tune *t, const struct task *task)
{
	const char *slash = strrchr(task->comm, '/');
	char *end;
	long cpu;

	if (!(task->flags & TASK_KTHREAD) || !slash)
		return 0;
	cpu = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end || !cpulist_has(&t->m.isolated, cpu))
		return 0;
	for (size_t i = 0; i < t->s.n_priorities; i++) {
		const struct kthread_priority *p = &t->s.priorities[i];

		if (strlen(p->name) == (size_t)(slash - task->comm) &&
		    !strncmp(p->name, task->comm, slash - task->comm))
			return p->priority;
	}
	return 0;
}

/* Lower than wanted: a higher one was somebody's decision, or the boot parameter's. */
static bool needs_priority(const struct tune *t, const struct task *task)
{
	int want = wanted_priority(t, task);

	return want && (task->policy != SCHED_FIFO || task->rt_priority < want);
}

static bool needs_move(const struct tune *t, const struct task *task)
{
	struct cpulist both;

	if (!t->s.kthreads || !(task->flags & TASK_KTHREAD) || (task->flags & TASK_BOUND) ||
	    cpulist_count(&task->allowed) == 1 || !strncmp(task->comm, "kvm-", 4) ||
	    !strncmp(task->comm, "vhost-", 6))
		return false;
	both = cpulist_and(&task->allowed, &t->m.isolated);
	return !cpulist_empty(&both);
}

static json_object *entry_new(const struct task *task)
{
	json_object *entry = json_object_new_object();

	json_set_int(entry, "tid", task->tid);
	json_set_str(entry, "comm", task->comm);
	return entry;
}

static bool logged(json_object *log, const struct task *task, const char *what)
{
	for (size_t i = 0; i < json_object_array_length(log); i++) {
		json_object *entry = json_object_array_get_idx(log, i);

		if (json_int(entry, "tid", 0) == task->tid &&
		    !strcmp(json_str(entry, "comm", ""), task->comm) && json_at(entry, what))
			return true;
	}
	return false;
}

static int load(const struct tune *t, json_object **log, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	*log = NULL;
	if (!file_exists(tune_path(t, journal, path)))
		return 0;
	ret = json_load(path, JOURNAL_BYTES, log, e);
	if (ret < 0 || json_object_is_type(*log, json_type_array))
		return ret;
	json_object_put(*log);
	*log = NULL;
	return err_set(e, -EINVAL, "%s is not of this rtkvm; remove it", path);
}

static int save(const struct tune *t, json_object *log, struct err *e)
{
	char path[PATH_MAX];
	int ret = file_mkdirs(tune_path(t, "/run/rtkvm", path), e);

	return ret < 0 ? ret : json_save(tune_path(t, journal, path), log, e);
}

/* What the threads that are going to change are now. */
static int log_all(const struct tune *t, json_object *log)
{
	int n = 0;

	for (size_t i = 0; i < t->m.n_tasks; i++) {
		const struct task *task = &t->m.tasks[i];
		char list[2048];
		json_object *entry;

		if (needs_priority(t, task) && ++n && !logged(log, task, "policy")) {
			entry = entry_new(task);
			json_set_int(entry, "policy", task->policy);
			json_set_int(entry, "priority", task->rt_priority);
			json_set_int(entry, "set", wanted_priority(t, task));
			json_object_array_add(log, entry);
		}
		if (needs_move(t, task) && ++n && !logged(log, task, "allowed")) {
			entry = entry_new(task);
			json_set_str(entry, "allowed",
				     cpulist_format(&task->allowed, list, sizeof(list)));
			json_object_array_add(log, entry);
		}
	}
	return n;
}

static int set_priority(pid_t tid, int policy, int priority)
{
	struct sched_param p = { .sched_priority = priority };

	return sched_setscheduler(tid, policy, &p) ? -errno : 0;
}

static int change(struct tune *t, const struct task *task, struct err *e)
{
	struct err refused = { 0 };
	int ret = 0, n = 0;

	if (needs_priority(t, task)) {
		ret = set_priority(task->tid, SCHED_FIFO, wanted_priority(t, task));
		if (ret < 0 && ret != -ESRCH)
			return err_set(e, ret, "giving %s priority %d failed: %s", task->comm,
				       wanted_priority(t, task), strerror(-ret));
		n++;
	}
	if (needs_move(t, task)) {
		/* a kernel thread that refuses has its reasons; verify and the doctor name it */
		cpulist_pin(&t->m.housekeeping, task->tid, &refused);
		n++;
	}
	return n;
}

int tune_tasks_apply(struct tune *t, struct err *e)
{
	_cleanup_json_ json_object *log = NULL;
	int ret, writes = 0;

	if (*t->root)
		return 0;
	if (t->m.tasks_err.code)
		return err_set(e, t->m.tasks_err.code, "%s", t->m.tasks_err.text);
	ret = load(t, &log, e);
	if (ret < 0)
		return ret;
	if (!log)
		log = json_object_new_array();
	if (!log_all(t, log))
		return 0;
	ret = save(t, log, e);
	for (size_t i = 0; i < t->m.n_tasks && ret >= 0; i++) {
		ret = change(t, &t->m.tasks[i], e);
		writes += ret > 0 ? ret : 0;
	}
	return ret < 0 ? ret : writes;
}

int tune_tasks_verify(struct tune *t, struct err *e)
{
	if (t->m.tasks_err.code)
		return err_set(e, t->m.tasks_err.code, "%s", t->m.tasks_err.text);
	for (size_t i = 0; i < t->m.n_tasks; i++) {
		const struct task *task = &t->m.tasks[i];

		if (needs_priority(t, task))
			note(&t->notes, "%s (%d) has priority %d, expected %d", task->comm,
			     task->tid, task->rt_priority, wanted_priority(t, task));
		if (needs_move(t, task))
			note(&t->notes, "%s (%d) may run on isolated CPUs", task->comm, task->tid);
	}
	return 0;
}

static const struct task *find(const struct tune *t, json_object *entry)
{
	for (size_t i = 0; i < t->m.n_tasks; i++)
		if (t->m.tasks[i].tid == json_int(entry, "tid", 0) &&
		    !strcmp(t->m.tasks[i].comm, json_str(entry, "comm", "")) &&
		    (t->m.tasks[i].flags & TASK_KTHREAD))
			return &t->m.tasks[i];
	return NULL;
}

static int undo_one(const struct task *task, json_object *entry)
{
	const char *allowed = json_str(entry, "allowed", NULL);
	struct err ignored = { 0 };
	struct cpulist l;

	if (allowed)
		return cpulist_parse(&l, allowed, &ignored) < 0	  ? 0
		       : cpulist_pin(&l, task->tid, &ignored) < 0 ? 0
								  : 1;
	if (task->policy != SCHED_FIFO || task->rt_priority != json_int(entry, "set", 0))
		return 0;
	return !set_priority(task->tid, json_int(entry, "policy", SCHED_OTHER),
			     json_int(entry, "priority", 0));
}

int tune_tasks_undo(struct tune *t, struct err *e)
{
	_cleanup_json_ json_object *log = NULL;
	char path[PATH_MAX];
	int writes = 0, ret = load(t, &log, e);

	if (ret < 0 || !log)
		return ret;
	for (size_t i = json_object_array_length(log); i-- > 0;) {
		json_object *entry = json_object_array_get_idx(log, i);
		const struct task *task = find(t, entry);

		if (task)
			writes += undo_one(task, entry);
	}
	if (unlink(tune_path(t, journal, path)))
		return err_sys(e, "removing %s failed", path);
	return writes;
}
