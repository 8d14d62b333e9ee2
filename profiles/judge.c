// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/knob.h"
#include "profiles/tasks.h"

void settle_read_error(const struct check *c, const char *path, int code, const char *why,
		       struct finding *f)
{
	bool absent = code == -ENOENT || code == -ENOTDIR || code == -ENODEV;

	if (!absent)
		found_unread(c, f, why);
	else if (c->flags & ABSENT_FAILS)
		found_bad(c, f, "there is no %s", path);
	else
		found_na(f, "there is no %s", path);
}

bool look(const struct machine *m, const struct check *c, const char *path, char *buf, size_t size,
	  struct finding *f)
{
	struct err e = { 0 };
	ssize_t n = knob_read(m->root, path, buf, size, &e);

	if (n < 0)
		settle_read_error(c, path, n, e.text, f);
	return n >= 0;
}

bool look_all(const struct machine *m, const struct check *c, struct paths *paths,
	      struct finding *f)
{
	struct err e = { 0 };
	int ret = machine_glob(m, c->path, paths, &e);

	if (!ret && !paths->n)
		ret = -ENOENT;
	if (ret < 0)
		settle_read_error(c, c->path, ret, e.text, f);
	if (ret < 0)
		paths_free(paths);
	return !ret;
}

bool wanted(const char *text, const char *want)
{
	char value[MACHINE_WORD], choice[64];

	knob_value(text, value, sizeof(value));
	for (const char *p = want; *p; p += *p == '|') {
		size_t len = strcspn(p, "|");

		snprintf(choice, sizeof(choice), "%.*s", (int)len, p);
		if (knob_same(value, choice))
			return true;
		p += len;
	}
	return false;
}

void judge_word(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];

	if (!look(m, c, c->path, text, sizeof(text), f))
		return;
	if (wanted(text, c->want))
		found_pass(f, "%.64s", text);
	else
		found_bad(c, f, "%.64s", text);
}

/* The whole text is one integer. */
static bool integer(const struct check *c, const char *text, long long *out, struct finding *f)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	if (end != text && !*end && !errno)
		return true;
	found_bad(c, f, "not known: %s holds no number: %.64s", c->path, text);
	return false;
}

void judge_least(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];
	long long have;

	if (!look(m, c, c->path, text, sizeof(text), f) || !integer(c, text, &have, f))
		return;
	if (have >= atoll(c->want))
		found_pass(f, "%lld", have);
	else
		found_bad(c, f, "%lld", have);
}

void judge_most(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];
	long long have;

	if (!look(m, c, c->path, text, sizeof(text), f) || !integer(c, text, &have, f))
		return;
	if (have <= atoll(c->want))
		found_pass(f, "%lld", have);
	else
		found_bad(c, f, "%lld", have);
}

void judge_each(const struct machine *m, const struct check *c, struct finding *f)
{
	char text[MACHINE_WORD];
	struct paths paths;
	size_t good = 0;

	if (!look_all(m, c, &paths, f))
		return;
	for (; good < paths.n; good++) {
		if (!look(m, c, paths.v[good], text, sizeof(text), f))
			break;
		if (!wanted(text, c->want)) {
			found_bad(c, f, "%.64s in %s", text, paths.v[good]);
			break;
		}
	}
	if (good == paths.n)
		found_pass(f, "%.64s in %zu file%s", text, good, good == 1 ? "" : "s");
	paths_free(&paths);
}

void judge_per_cpu(const struct machine *m, const struct check *c, struct finding *f)
{
	const char *mark = strstr(c->path, "%d");
	char path[256], text[MACHINE_WORD], cpus[64];

	cpulist_for_each(cpu, &m->isolated) {
		snprintf(path, sizeof(path), "%.*s%d%s", (int)(mark - c->path), c->path, cpu,
			 mark + 2);
		if (!look(m, c, path, text, sizeof(text), f))
			return;
		if (!wanted(text, c->want)) {
			found_bad(c, f, "%.64s on CPU %d", text, cpu);
			return;
		}
	}
	found_pass(f, "%.64s on CPU %s", text, cpulist_format(&m->isolated, cpus, sizeof(cpus)));
}

void judge_holds_isolated(const struct machine *m, const struct check *c, struct finding *f)
{
	struct cpulist have, missing;
	struct err e = { 0 };
	char text[64];
	int ret = machine_cpus(m, c->path, &have, &e);

	if (ret < 0) {
		settle_read_error(c, c->path, ret, e.text, f);
		return;
	}
	missing = cpulist_minus(&m->isolated, &have);
	if (cpulist_empty(&missing))
		found_pass(f, "%s", cpulist_format(&have, text, sizeof(text)));
	else
		found_bad(c, f, "CPU %s is not in it",
			  cpulist_format(&missing, text, sizeof(text)));
}

void judge_masks_spare_isolated(const struct machine *m, const struct check *c, struct finding *f)
{
	struct paths paths;
	size_t good = 0;

	if (!look_all(m, c, &paths, f))
		return;
	for (; good < paths.n; good++) {
		struct cpulist have, both;
		struct err e = { 0 };
		char text[64];
		int ret = machine_mask(m, paths.v[good], &have, &e);

		if (ret < 0) {
			settle_read_error(c, paths.v[good], ret, e.text, f);
			break;
		}
		both = cpulist_and(&have, &m->isolated);
		if (!cpulist_empty(&both)) {
			found_bad(c, f, "CPU %s is in %s",
				  cpulist_format(&both, text, sizeof(text)), paths.v[good]);
			break;
		}
	}
	if (good == paths.n)
		found_pass(f, "housekeeping CPUs only");
	paths_free(&paths);
}

void judge_not_running(const struct machine *m, const struct check *c, struct finding *f)
{
	if (!tasks_known(m, c, f))
		return;
	for (const char *p = c->want; *p; p += *p == '|') {
		size_t len = strcspn(p, "|");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		if (machine_running(m, name)) {
			found_bad(c, f, "%s runs", name);
			return;
		}
		p += len;
	}
	found_pass(f, "none runs");
}

void judge_on_cmdline(const struct machine *m, const struct check *c, struct finding *f)
{
	const char *eq = strchr(c->want, '=');
	char key[64], value[256];

	snprintf(key, sizeof(key), "%.*s", (int)(eq ? eq - c->want : (int)strlen(c->want)),
		 c->want);
	if (!machine_param(m, key, value, sizeof(value)))
		found_bad(c, f, "%s is not there", key);
	else if (eq && !wanted(value, eq + 1))
		found_bad(c, f, "%s=%s", key, value);
	else
		found_pass(f, "%s%s%s", key, *value ? "=" : "", value);
}

void judge_not_on_cmdline(const struct machine *m, const struct check *c, struct finding *f)
{
	char value[256];

	if (machine_param(m, c->want, value, sizeof(value)))
		found_bad(c, f, "%s%s%s", c->want, *value ? "=" : "", value);
	else
		found_pass(f, "not there");
}

void judge_nothing_there(const struct machine *m, const struct check *c, struct finding *f)
{
	struct err e = { 0 };
	struct paths paths;
	int ret = machine_glob(m, c->path, &paths, &e);

	if (ret < 0)
		found_unread(c, f, e.text);
	else if (paths.n)
		found_bad(c, f, "%s", paths.v[0]);
	else
		found_pass(f, "none");
	paths_free(&paths);
}

/*
 * In a container, or where /proc is mounted with hidepid, the tasks of others are not there: that
 * none is seen says nothing. kthreadd is the one that every kernel has.
 */
static bool all_visible(const struct machine *m)
{
	for (size_t i = 0; i < m->n_tasks; i++)
		if (m->tasks[i].tid == 2 && !strcmp(m->tasks[i].comm, "kthreadd"))
			return true;
	return false;
}

bool tasks_known(const struct machine *m, const struct check *c, struct finding *f)
{
	if (m->tasks_err.code)
		found_unread(c, f, m->tasks_err.text);
	else if (!all_visible(m))
		found_unread(c, f, "/proc shows no kernel thread (a container, or hidepid=)");
	return !m->tasks_err.code && all_visible(m);
}

bool task_touches_isolated(const struct machine *m, const struct task *t)
{
	struct cpulist both = cpulist_and(&t->allowed, &m->isolated);

	return !cpulist_empty(&both);
}

const struct task *kthread_of_cpu(const struct machine *m, const char *name, int cpu)
{
	char comm[32];

	snprintf(comm, sizeof(comm), "%s/%d", name, cpu);
	for (size_t i = 0; i < m->n_tasks; i++)
		if (!strcmp(m->tasks[i].comm, comm) && (m->tasks[i].flags & TASK_KTHREAD))
			return &m->tasks[i];
	return NULL;
}
