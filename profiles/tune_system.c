// SPDX-License-Identifier: GPL-2.0-only
/* Options of modules, irqbalance's configuration, and units that are switched off. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "profiles/tune.h"

static const char modprobe[] = "/etc/modprobe.d/rtkvm-tune.conf";
/* Debian's, Red Hat's */
static const char *const irqbalance_files[] = { "/etc/default/irqbalance",
						"/etc/sysconfig/irqbalance" };
static const char units[] = "/var/lib/rtkvm/tune.units";

enum { UNITS_BYTES = 4096 };

/* Loaded without that parameter: this kernel has none. */
static bool parameter_gone(const struct tune *t, const struct module_option *o)
{
	char dir[PATH_MAX], path[PATH_MAX], name[256];

	snprintf(name, sizeof(name), "/sys/module/%s/parameters", o->module);
	tune_path(t, name, dir);
	snprintf(name, sizeof(name), "/sys/module/%s/parameters/%s", o->module, o->option);
	return file_exists(dir) && !file_exists(tune_path(t, name, path));
}

static char *modprobe_text(const struct tune *t)
{
	char *text = NULL;
	size_t size = 0, lines = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "# Written for the tuned profile %s; goes with it.\n", t->name);
	for (size_t i = 0; i < t->s.n_modules; i++) {
		const struct module_option *o = &t->s.modules[i];

		if (tune_built_in(t, o->module) || parameter_gone(t, o))
			continue;
		fprintf(f, "options %s %s=%s\n", o->module, o->option, o->value);
		lines++;
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	if (!lines)
		*text = '\0';
	return text;
}

static bool option_in_force(const struct tune *t, const struct module_option *o)
{
	char path[256], text[64];
	struct err ignored = { 0 };

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", o->module, o->option);
	return knob_read(t->m.root, path, text, sizeof(text), &ignored) < 0 ||
	       knob_same(text, o->value) || !strcmp(text, "never");
}

static bool unused(const struct tune *t, const char *module)
{
	char path[128], text[32];
	struct err ignored = { 0 };

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	return knob_read(t->m.root, path, text, sizeof(text), &ignored) >= 0 && !strcmp(text, "0");
}

/*
 * KVM may have been loaded before our options were there, from the initramfs or by hand. While
 * nobody uses it, loading it again is all it takes; otherwise verification says what is missing.
 */
static int kvm_reload(const struct tune *t)
{
	char *module = t->m.vendor == VENDOR_AMD ? "kvm_amd" : "kvm_intel";
	char *unload[] = { "modprobe", "--remove", module, NULL };
	char *load[] = { "modprobe", module, NULL };

	if (tune_built_in(t, "kvm") || !unused(t, module) || tune_program(t, unload, NULL, 0))
		return 0;
	tune_program(t, load, NULL, 0);
	return 1;
}

static int kvm_apply(const struct tune *t)
{
	for (size_t i = 0; i < t->s.n_modules; i++)
		if (!option_in_force(t, &t->s.modules[i]))
			return kvm_reload(t);
	return 0;
}

static int modules_apply(struct tune *t, struct err *e)
{
	_cleanup_free_ char *text = modprobe_text(t);
	int ret;

	if (!text)
		return err_set(e, -ENOMEM, "writing %s failed: no memory", modprobe);
	ret = *text ? edit_write(&t->files, modprobe, text, e) : tune_undo_file(t, modprobe, e);
	return ret < 0 ? ret : ret + kvm_apply(t);
}

/* Both names: Debian 12's irqbalance ignores the mask, older ones do not know the list. */
static const char *const banned[] = { "IRQBALANCE_BANNED_CPULIST", "IRQBALANCE_BANNED_CPUS", NULL };

/* text: the file with our lines; NULL: it is not there, and not to be made */
static int irqbalance_text(struct tune *t, const char *irqbalance, bool make, char **text,
			   struct err *e)
{
	_cleanup_free_ char *was = NULL, *half = NULL;
	char list[2048], mask[2048];
	int ret = edit_load(&t->files, irqbalance, &was, e);

	*text = NULL;
	if (ret < 0 || (!was && !make))
		return ret;
	cpulist_format(&t->m.isolated, list, sizeof(list));
	half = set_line(was ? was : "", banned[0], list);
	if (half)
		*text = set_line(half, banned[1], mask_format(&t->m.isolated, mask, sizeof(mask)));
	return *text ? 0 : err_set(e, -ENOMEM, "writing %s failed: no memory", irqbalance);
}

/*
 * Whether to make a file of irqbalance_files: none is there, and what starts irqbalance would read this
 * one. Up to the next boot it would not know of the isolated CPUs by itself.
 */
static bool irqbalance_reads(const struct tune *t, const char *irqbalance)
{
	static const char *const starters[] = { "/etc/systemd/system/irqbalance.service",
						"/usr/lib/systemd/system/irqbalance.service",
						"/lib/systemd/system/irqbalance.service",
						"/etc/init.d/irqbalance" };

	for (size_t i = 0; i < ARRAY_SIZE(irqbalance_files); i++)
		if (machine_has(&t->m, irqbalance_files[i]))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(starters); i++) {
		_cleanup_free_ char *text = NULL;
		struct err ignored = { 0 };

		if (machine_load(&t->m, starters[i], &text, &ignored) >= 0)
			return strstr(text, irqbalance);
	}
	return false;
}

static void restart_irqbalance(const struct tune *t)
{
	char *argv[] = { "systemctl", "try-restart", "irqbalance.service", NULL };

	tune_program(t, argv, NULL, 0);
}

typedef int file_fn(struct tune *t, const char *path, const char *text, struct err *e);

/* For every file that is to have the list, with its text then: the sum, or -errno. files: how many */
static int irqbalance_each(struct tune *t, file_fn *each, int *files, struct err *e)
{
	bool make[ARRAY_SIZE(irqbalance_files)];
	int sum = 0;

	*files = 0;
	if (!t->s.irqbalance)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(irqbalance_files); i++)
		make[i] = irqbalance_reads(t, irqbalance_files[i]);
	for (size_t i = 0; i < ARRAY_SIZE(irqbalance_files); i++) {
		_cleanup_free_ char *text = NULL;
		int ret = irqbalance_text(t, irqbalance_files[i], make[i], &text, e);

		if (!ret && text)
			ret = each(t, irqbalance_files[i], text, e);
		if (ret < 0)
			return ret;
		sum += ret;
		*files += text != NULL;
	}
	return sum;
}

static int write_banned(struct tune *t, const char *path, const char *text, struct err *e)
{
	return edit_write_lines(&t->files, path, text, banned, e);
}

static int irqbalance_apply(struct tune *t, struct err *e)
{
	char list[2048];
	int files, writes = irqbalance_each(t, write_banned, &files, e);

	if (writes > 0)
		restart_irqbalance(t);
	if (!writes && !files && t->s.irqbalance && machine_running(&t->m, "irqbalance"))
		remark(&t->notes,
		       "irqbalance runs and reads neither %s nor %s: up to the next boot it may put "
		       "interrupts on isolated CPUs; give it %s=%s where it has its variables from",
		       irqbalance_files[0], irqbalance_files[1], banned[0],
		       cpulist_format(&t->m.isolated, list, sizeof(list)));
	return writes;
}

static bool unit_enabled(const struct tune *t, const char *unit)
{
	char *argv[] = { "systemctl", "is-enabled", "--quiet", (char *)unit, NULL };

	return tune_program(t, argv, NULL, 0) == 0;
}

static int unit_switch(const struct tune *t, const char *unit, const char *what, struct err *e)
{
	char *argv[] = { "systemctl", "--quiet", (char *)what, "--now", (char *)unit, NULL };
	int code = tune_program(t, argv, NULL, 0);

	return code ? err_set(e, -EIO, "systemctl %s %s failed", what, unit) : 0;
}

/* The names of the units that we switched off are in a file, a line each, before we do it. */
static int units_apply(struct tune *t, struct err *e)
{
	char path[PATH_MAX], list[UNITS_BYTES];
	struct err ignored = { 0 };
	int writes = 0;

	if (file_read(tune_path(t, units, path), list, sizeof(list), &ignored) < 0)
		list[0] = '\0';
	for (size_t i = 0; i < t->s.units_off.n; i++) {
		const char *unit = t->s.units_off.v[i];
		size_t used = strlen(list);
		int ret;

		if (!unit_enabled(t, unit))
			continue;
		if (used + strlen(unit) + 2 > sizeof(list))
			return err_set(e, -E2BIG, "too many units to switch off");
		snprintf(list + used, sizeof(list) - used, "%s\n", unit);
		ret = file_mkdirs("/var/lib/rtkvm", e);
		if (!ret)
			ret = file_replace(path, list, strlen(list), e);
		if (!ret)
			ret = unit_switch(t, unit, "disable", e);
		if (ret < 0)
			return ret;
		writes++;
	}
	return writes;
}

static int units_undo(struct tune *t, struct err *e)
{
	char path[PATH_MAX], list[UNITS_BYTES], *rest = NULL;
	struct err ignored = { 0 };
	int writes = 0;

	if (file_read(tune_path(t, units, path), list, sizeof(list), &ignored) < 0)
		return 0;
	for (char *unit = strtok_r(list, "\n", &rest); unit; unit = strtok_r(NULL, "\n", &rest)) {
		unit_switch(t, unit, "enable", e);
		writes++;
	}
	remove(path);
	return e->code ? e->code : writes;
}

int tune_system_apply(struct tune *t, struct err *e)
{
	int modules = modules_apply(t, e), balance, off;

	if (modules < 0)
		return modules;
	balance = irqbalance_apply(t, e);
	if (balance < 0)
		return balance;
	off = units_apply(t, e);
	return off < 0 ? off : modules + balance + off;
}

static int verify_file(struct tune *t, const char *path, const char *text, struct err *e)
{
	_cleanup_free_ char *is = NULL;
	int ret = edit_load(&t->files, path, &is, e);

	if (ret < 0)
		return ret;
	if (!is || strcmp(is, text))
		note(&t->notes, "%s is not what the profile wrote", path);
	return 0;
}

static void verify_module(struct tune *t, const struct module_option *o)
{
	char path[256], text[64];
	struct err why = { 0 };
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", o->module, o->option);
	n = knob_read(t->m.root, path, text, sizeof(text), &why);
	if (n < 0 && n != -ENOENT)
		note(&t->notes, "%s", why.text);
	else if (n >= 0 && !knob_same(text, o->value) && strcmp(text, "never") != 0)
		note(&t->notes,
		     "%s is %s, expected %s; it takes a boot (update-initramfs -u first where the "
		     "initramfs has the module), or a reload of the module",
		     path, text, o->value);
}

int tune_system_verify(struct tune *t, struct err *e)
{
	_cleanup_free_ char *modules = modprobe_text(t);
	int ret = 0, files;

	if (!modules)
		return err_set(e, -ENOMEM, "checking %s failed: no memory", modprobe);
	if (*modules)
		ret = verify_file(t, modprobe, modules, e);
	if (!ret)
		ret = irqbalance_each(t, verify_file, &files, e);
	for (size_t i = 0; i < t->s.n_modules; i++)
		verify_module(t, &t->s.modules[i]);
	for (size_t i = 0; i < t->s.units_off.n; i++)
		if (unit_enabled(t, t->s.units_off.v[i]))
			note(&t->notes, "%s is enabled", t->s.units_off.v[i]);
	return ret;
}

int tune_system_undo(struct tune *t, struct err *e)
{
	int modules = tune_undo_file(t, modprobe, e);
	int balance = 0, off;

	for (size_t i = 0; i < ARRAY_SIZE(irqbalance_files); i++)
		balance += tune_undo_file(t, irqbalance_files[i], e) > 0;
	off = units_undo(t, e);

	if (modules > 0)
		kvm_reload(t);
	if (balance > 0)
		restart_irqbalance(t);
	return e->code ? e->code : modules + balance + off;
}
