// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cache ways and memory bandwidth, where the user asks for it: the isolated CPUs get a group of
 * their own with the highest ways of each L3 cache, nobody else may use those, and the other CPUs'
 * memory bandwidth may be limited.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/knob.h"
#include "profiles/resctrl.h"
#include "profiles/tune.h"

#define RESCTRL "/sys/fs/resctrl"
#define GROUP	RESCTRL "/rtkvm"

/* {"mounted": by us, "schemata": of the default group before us} */
static const char journal[] = "/run/rtkvm/tune.resctrl";

enum { LINE = 1024, JOURNAL_BYTES = 1 << 16 };

struct plan {
	char l3_ours[LINE], l3_others[LINE], mb_others[LINE]; /* "": not wanted */
	char cpus[LINE];
	char schemata[MACHINE_WORD]; /* of the default group, as it is */
};

static bool read_number(const struct tune *t, const char *path, int base, uint64_t *out)
{
	char text[64], *end;
	struct err ignored = { 0 };

	if (knob_read(t->m.root, path, text, sizeof(text), &ignored) < 0)
		return false;
	*out = strtoull(text, &end, base);
	return end != text && !*end;
}

static int plan_l3(const struct tune *t, struct plan *p, struct err *e)
{
	uint64_t full, min, ours, others;
	int ret;

	if (!t->s.l3_ways)
		return 0;
	if (!read_number(t, RESCTRL "/info/L3/cbm_mask", 16, &full))
		return -ENOENT;
	if (!read_number(t, RESCTRL "/info/L3/min_cbm_bits", 10, &min))
		min = 1;
	ret = resctrl_ways(full, t->s.l3_ways, min, &ours, &others, e);
	if (ret < 0)
		return ret;
	return resctrl_line(p->schemata, "L3", ours, 1, p->l3_ours, LINE) &&
			       resctrl_line(p->schemata, "L3", others, 1, p->l3_others, LINE)
		       ? 0
		       : -ENOENT;
}

/* 0, -ENOENT: the processor has not what is asked for; anything else has a sentence in e */
static int make_plan(const struct tune *t, struct plan *p, struct err *e)
{
	struct err why = { 0 };
	int ret;

	*p = (struct plan){ 0 };
	ret = knob_read(t->m.root, RESCTRL "/schemata", p->schemata, sizeof(p->schemata), &why);
	if (ret < 0)
		return -ENOENT;
	cpulist_format(&t->m.isolated, p->cpus, sizeof(p->cpus));
	ret = plan_l3(t, p, e);
	if (!ret && t->s.mb_percent &&
	    !resctrl_line(p->schemata, "MB", t->s.mb_percent, 0, p->mb_others, LINE))
		ret = -ENOENT;
	return ret;
}

static bool holds(const struct tune *t, const char *file, const char *line)
{
	char text[MACHINE_WORD];
	struct err ignored = { 0 };

	return !*line || (knob_read(t->m.root, file, text, sizeof(text), &ignored) >= 0 &&
			  resctrl_holds(text, line));
}

static bool is(const struct tune *t, const char *file, const char *want)
{
	char text[LINE];
	struct err ignored = { 0 };

	return knob_read(t->m.root, file, text, sizeof(text), &ignored) >= 0 && !strcmp(text, want);
}

/* What does not match the plan: counted, and noted through each where that is wanted. */
static int differences(struct tune *t, const struct plan *p, bool say)
{
	const struct {
		bool good;
		const char *path, *want;
	} t_rows[] = {
		{ holds(t, RESCTRL "/schemata", p->l3_others), RESCTRL "/schemata", p->l3_others },
		{ holds(t, RESCTRL "/schemata", p->mb_others), RESCTRL "/schemata", p->mb_others },
		{ holds(t, GROUP "/schemata", p->l3_ours), GROUP "/schemata", p->l3_ours },
		{ is(t, GROUP "/cpus_list", p->cpus), GROUP "/cpus_list", p->cpus },
		{ !*p->l3_ours || is(t, GROUP "/mode", "exclusive"), GROUP "/mode", "exclusive" },
	};
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(t_rows); i++) {
		n += !t_rows[i].good;
		if (!t_rows[i].good && say)
			note(&t->notes, "%s is not %s", t_rows[i].path, t_rows[i].want);
	}
	return n;
}

static int remember(const struct tune *t, const struct plan *p, bool mounted, struct err *e)
{
	_cleanup_json_ json_object *log = json_object_new_object();
	char path[PATH_MAX];
	int ret;

	if (machine_has(&t->m, journal))
		return 0;
	json_set_bool(log, "mounted", mounted);
	json_set_str(log, "schemata", p->schemata);
	ret = file_mkdirs(tune_path(t, "/run/rtkvm", path), e);
	return ret < 0 ? ret : json_save(tune_path(t, journal, path), log, e);
}

static int write_line(const struct tune *t, const char *file, const char *line, struct err *e)
{
	return *line ? knob_write(t->m.root, file, line, e) : 0;
}

/* In this order no mask ever overlaps with the exclusive group's. */
static int carry_out(const struct tune *t, const struct plan *p, struct err *e)
{
	char path[PATH_MAX];
	struct err ignored = { 0 };
	int ret;

	knob_write(t->m.root, GROUP "/mode", "shareable", &ignored);
	ret = write_line(t, RESCTRL "/schemata", p->l3_others, e);
	if (!ret && mkdir(tune_path(t, GROUP, path), 0755) && errno != EEXIST)
		ret = err_sys(e, "making %s failed", GROUP);
	if (!ret)
		ret = write_line(t, GROUP "/schemata", p->l3_ours, e);
	if (!ret)
		ret = write_line(t, GROUP "/cpus_list", p->cpus, e);
	if (!ret && *p->l3_ours)
		ret = write_line(t, GROUP "/mode", "exclusive", e);
	return ret ? ret : write_line(t, RESCTRL "/schemata", p->mb_others, e);
}

static bool mount_it(const struct tune *t)
{
	return !*t->root && machine_has(&t->m, RESCTRL) && !machine_has(&t->m, RESCTRL "/info") &&
	       !mount("resctrl", RESCTRL, "resctrl", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static bool wanted_at_all(const struct tune *t)
{
	return t->s.l3_ways || t->s.mb_percent;
}

int tune_resctrl_apply(struct tune *t, struct err *e)
{
	struct plan p;
	bool mounted;
	int ret, n;

	if (!wanted_at_all(t))
		return tune_resctrl_undo(t, e);
	mounted = mount_it(t);
	ret = make_plan(t, &p, e);
	if (ret == -ENOENT)
		note(&t->notes,
		     "resctrl_l3_ways or resctrl_mb_others: this processor or kernel cannot divide "
		     "that, it is left out");
	if (ret < 0 && mounted)
		umount(RESCTRL);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	n = differences(t, &p, false);
	if (!n)
		return 0;
	ret = remember(t, &p, mounted, e);
	if (!ret)
		ret = carry_out(t, &p, e);
	return ret < 0 ? ret : n;
}

int tune_resctrl_verify(struct tune *t, struct err *e)
{
	struct plan p;
	int ret;

	if (!wanted_at_all(t))
		return 0;
	ret = make_plan(t, &p, e);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret; /* not applicable: apply has said so */
	differences(t, &p, true);
	return 0;
}

/* The default group's L3 and MB lines as they were; others are not ours. */
static int restore_lines(const struct tune *t, const char *schemata, struct err *e)
{
	int writes = 0;

	for (const char *p = schemata; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		char line[LINE];

		p += strspn(p, " \t");
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
		if (strncmp(line, "L3:", 3) && strncmp(line, "MB:", 3))
			continue;
		if (holds(t, RESCTRL "/schemata", line))
			continue;
		if (!knob_write(t->m.root, RESCTRL "/schemata", line, e))
			writes++;
	}
	return writes;
}

/* Its CPUs go back to the default group. */
static int remove_group(const struct tune *t, struct err *e)
{
	char path[PATH_MAX];

	if (!machine_has(&t->m, GROUP))
		return 0;
	tune_path(t, GROUP, path);
	if (*t->root ? file_remove_tree(path, e) : rmdir(path))
		return err_sys(e, "removing %s failed", GROUP);
	return 1;
}

/* The journal goes last: what could not be put back is tried again by the next stop or start. */
int tune_resctrl_undo(struct tune *t, struct err *e)
{
	_cleanup_json_ json_object *log = NULL;
	char path[PATH_MAX];
	int ret, writes;

	if (!machine_has(&t->m, journal))
		return 0;
	ret = json_load(tune_path(t, journal, path), JOURNAL_BYTES, &log, e);
	if (ret < 0)
		return ret;
	writes = remove_group(t, e);
	if (writes < 0)
		return writes;
	writes += restore_lines(t, json_str(log, "schemata", ""), e);
	if (e->code)
		return e->code;
	/* EINVAL: somebody has unmounted it already */
	if (!*t->root && json_object_get_boolean(json_at(log, "mounted")) && umount(RESCTRL) &&
	    errno != EINVAL)
		return err_sys(e, "unmounting %s failed", RESCTRL);
	unlink(tune_path(t, journal, path));
	return writes;
}
