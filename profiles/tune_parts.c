// SPDX-License-Identifier: GPL-2.0-only
/* The parts of a profile in their order: set, check, put back; and what the parts share. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/proc.h"
#include "profiles/tune.h"

static void say(const struct notes *n, const char *fmt, va_list args)
{
	if (n->quiet)
		return;
	fputs("rtkvm tune: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void note(struct notes *n, const char *fmt, ...)
{
	va_list args;

	n->n++;
	va_start(args, fmt);
	say(n, fmt, args);
	va_end(args);
}

void remark(const struct notes *n, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(n, fmt, args);
	va_end(args);
}

char *tune_path(const struct tune *t, const char *path, char *buf)
{
	snprintf(buf, PATH_MAX, "%s%s", t->root, path);
	return buf;
}

/* The last line of what a program said, for the sentence about its failure. */
static void last_line(int fd, char *said, size_t size)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *p;

	text[n > 0 ? n : 0] = '\0';
	for (p = text + strlen(text); p > text && p[-1] == '\n';)
		*--p = '\0';
	p = strrchr(text, '\n');
	snprintf(said, size, "%s", p ? p + 1 : text);
}

int tune_program(const struct tune *t, char *const *argv, char *said, size_t size)
{
	struct proc_opts o = PROC_OPTS_INIT;
	struct err why = { 0 };
	struct proc p;
	int ret;

	if (*t->root)
		return -ENOENT;
	_cleanup_close_ int fd = memfd_create("rtkvm-program", MFD_CLOEXEC);

	o.argv = argv;
	o.out = o.err = fd;
	ret = fd < 0 ? -errno : proc_start(&p, &o, &why);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, 0);
	if (ret < 0) {
		proc_stop(&p, 1000);
		return ret;
	}
	if (said)
		last_line(fd, said, size);
	return proc_code(&p);
}

int tune_undo_file(struct tune *t, const char *path, struct err *e)
{
	int ret = edit_undo(&t->files, path, e);

	if (ret == -ESTALE) {
		note(&t->notes, "%s has been edited since, it stays as it is", path);
		return 0;
	}
	return ret;
}

bool tune_built_in(const struct tune *t, const char *module)
{
	_cleanup_free_ char *list = NULL;
	char path[160], name[96];
	struct err ignored = { 0 };

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", t->m.release);
	snprintf(name, sizeof(name), "/%s.ko", module);
	for (char *p = name; *p; p++) /* files have dashes where the kernel has underscores */
		if (*p == '_')
			*p = '-';
	return machine_load(&t->m, path, &list, &ignored) >= 0 && strstr(list, name);
}

static void remember_cpus(const struct tune *t)
{
	char path[PATH_MAX], list[2048], was[2048];
	struct err ignored = { 0 };

	cpulist_format(&t->m.isolated, list, sizeof(list));
	file_read_line(tune_path(t, TUNE_LAST_CPUS, path), was, sizeof(was));
	if (strcmp(list, was) != 0)
		file_replace(path, list, strlen(list), &ignored);
}

/* In the order of their application; undone in the opposite one. */
static const struct part {
	int (*apply)(struct tune *t, struct err *e);
	int (*verify)(struct tune *t, struct err *e);
	int (*undo)(struct tune *t, struct err *e);
} parts[] = {
	{ tune_system_apply, tune_system_verify, tune_system_undo },
	{ tune_boot_apply, tune_boot_verify, tune_boot_undo },
	{ tune_queues_apply, tune_queues_verify, tune_queues_undo },
	{ tune_resctrl_apply, tune_resctrl_verify, tune_resctrl_undo },
	{ tune_knobs_apply, tune_knobs_verify, tune_knobs_undo },
	{ tune_tasks_apply, tune_tasks_verify, tune_tasks_undo },
};

static int undo(struct tune *t, struct err *e)
{
	int writes = 0, first = 0;

	for (size_t i = ARRAY_SIZE(parts); i-- > 0;) {
		struct err why = { 0 };
		int ret = parts[i].undo(t, &why);

		if (ret < 0 && !first)
			first = err_set(e, ret, "putting settings back: %s; the rest was put back",
					why.text);
		writes += ret > 0 ? ret : 0;
	}
	return first ? first : writes;
}

/* Was anything of ours in force before? Then a failure leaves that, not a half-undone mixture. */
static bool in_force(const struct tune *t)
{
	static const char *const journals[] = { "/run/rtkvm/tune.knobs", "/run/rtkvm/tune.tasks",
						"/run/rtkvm/tune-irqs.knobs",
						"/run/rtkvm/tune.queues",
						"/run/rtkvm/tune.resctrl" };
	char path[PATH_MAX];
	bool any = t->files.log != NULL;

	for (size_t i = 0; i < ARRAY_SIZE(journals); i++)
		any = any || file_exists(tune_path(t, journals[i], path));
	return any;
}

int tune_start(struct tune *t, struct err *e)
{
	bool fresh = !in_force(t);
	int writes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct err why = { 0 }, back = { 0 };
		int ret = parts[i].apply(t, &why);

		if (ret < 0 && fresh)
			undo(t, &back);
		if (ret < 0)
			return err_set(e, ret, "%s; %s", why.text,
				       back.code ? back.text
				       : fresh	 ? "nothing was changed"
						 : "what was set before stays in force");
		writes += ret;
	}
	remember_cpus(t);
	printf("%d settings changed\n", writes);
	return VERDICT_PASS;
}

int tune_verify(struct tune *t, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int ret = parts[i].verify(t, e);

		if (ret < 0)
			return ret;
	}
	printf("%d settings differ\n", t->notes.n);
	return t->notes.n ? VERDICT_FAIL : VERDICT_PASS;
}

/*
 * tuned stops a profile before it starts it again: "tuned-adm profile NAME" for the active NAME is
 * seen here as a stop. While such a command runs for our profile, the start that follows (of the
 * new variables, or, when they are no good, of the old) sets what differs, and nothing twice.
 */
static bool restarting(const struct tune *t)
{
	struct err ignored = { 0 };
	struct paths paths;
	bool found = false;

	if (!t->m.live || machine_glob(&t->m, "/proc/[1-9]*/cmdline", &paths, &ignored) < 0)
		return false;
	for (size_t i = 0; i < paths.n && !found; i++) {
		char text[4096];
		bool adm = false, profile = false, ours = false;
		ssize_t n = file_read(paths.v[i], text, sizeof(text), &ignored);

		for (const char *p = text; n > 0 && p < text + n; p += strlen(p) + 1) {
			const char *slash = strrchr(p, '/');

			adm = adm || !strcmp(slash ? slash + 1 : p, "tuned-adm");
			profile = profile || !strcmp(p, "profile");
			ours = ours || !strcmp(p, t->name);
		}
		found = adm && profile && ours;
		err_clear(&ignored);
	}
	paths_free(&paths);
	return found;
}

int tune_stop(struct tune *t, bool full, struct err *e)
{
	int ret;

	if (!full) {
		printf("kept: not a full rollback\n");
		return VERDICT_PASS;
	}
	if (restarting(t)) {
		printf("kept: the profile is being activated again\n");
		return VERDICT_PASS;
	}
	ret = undo(t, e);
	if (ret < 0)
		return ret;
	printf("%d settings put back\n", ret);
	return VERDICT_PASS;
}
