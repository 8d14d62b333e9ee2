// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's command line. /etc/tuned/bootcmdline holds it for every boot loader. Debian's GRUB
 * gets a drop-in and a new grub.cfg: then the words stand on each entry's own line, in submenus
 * too, where tuned's variable would be empty. Recovery entries are left as they are: the way back.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "profiles/grub.h"
#include "profiles/tune.h"

static const char bootcmdline[] = "/etc/tuned/bootcmdline";
static const char dropin[] = "/etc/default/grub.d/zz-rtkvm-tune.cfg";
static const char grub_cfg[] = "/boot/grub/grub.cfg";

/* All words of the settings, and the options of modules that are part of the kernel. */
static char *command_line(const struct tune *t)
{
	char *line = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&line, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < t->s.boot.n; i++)
		fprintf(f, "%s%s", i ? " " : "", t->s.boot.v[i]);
	for (size_t i = 0; i < t->s.n_modules; i++) {
		const struct module_option *o = &t->s.modules[i];

		if (tune_built_in(t, o->module))
			fprintf(f, " %s.%s=%s", o->module, o->option, o->value);
	}
	if (!fclose(f))
		return line;
	free(line);
	return NULL;
}

/* first: what may help before that, or "" */
static void note_no_entry(struct tune *t, const char *first)
{
	note(&t->notes,
	     "%s has no entry of this system's kernels (10_linux, 10_linux_zfs); %sput the words of "
	     "%s there by hand",
	     grub_cfg, first, bootcmdline);
}

static int grub_state(struct tune *t, const char *line, int *entries, struct err *e)
{
	_cleanup_free_ char *grub = NULL;
	int ret = edit_load(&t->files, grub_cfg, &grub, e);

	return ret < 0 ? ret : grub_entries_without(grub ? grub : "", line, entries);
}

static int run_update_grub(struct tune *t, struct err *e)
{
	char *argv[] = { "update-grub", NULL };
	char said[200];
	int code = tune_program(t, argv, said, sizeof(said));

	if (code == -ENOENT)
		return err_set(e, -ENOENT,
			       "update-grub is not there; write the words of %s into the boot "
			       "loader's configuration by hand",
			       bootcmdline);
	if (code)
		return err_set(e, -EIO, "update-grub failed (code %d): %s", code,
			       code < 0 ? strerror(-code) : said);
	return 0;
}

static int write_dropin(struct tune *t, const char *line, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	/* a file of an older tuned plug-in may have put its variable at the end: it is ours twice */
	if (asprintf(&text,
		     "# Written for the tuned profile %s; goes with it. See rtkvm-tune(1).\n"
		     "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT%%\\$tuned_params} "
		     "%s\"\n",
		     t->name, line) < 0) {
		text = NULL;
		return err_set(e, -ENOMEM, "writing %s failed: no memory", dropin);
	}
	return edit_write(&t->files, dropin, text, e);
}

/*
 * update-grub with our drop-in. The grub.cfg from before is put back only while ours says the same but
 * for the words: entries of a kernel that has gone must not come back, nor those of a new one go.
 */
static int renew_grub(struct tune *t, struct err *e)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	bool again = edit_has(&t->files, grub_cfg);
	int ret = edit_load(&t->files, grub_cfg, &before, e);

	if (!ret)
		ret = edit_note_before(&t->files, grub_cfg, e);
	if (!ret)
		ret = run_update_grub(t, e);
	if (!ret)
		ret = edit_note_after(&t->files, grub_cfg, e);
	if (!ret)
		ret = edit_load(&t->files, grub_cfg, &after, e);
	if (!ret && again && (!before || !after || !grub_same_kernels(before, after)))
		ret = edit_forget(&t->files, grub_cfg, e);
	return ret;
}

/* How many writes; the words are on every entry afterwards, or a note says where they are not. */
static int grub_apply(struct tune *t, const char *line, struct err *e)
{
	_cleanup_free_ char *old_dropin = NULL;
	int ret = edit_load(&t->files, dropin, &old_dropin, e), entries = 0, writes, without;

	if (ret < 0)
		return ret;
	writes = write_dropin(t, line, e);
	if (writes < 0)
		return writes;
	without = grub_state(t, line, &entries, e);
	if (without < 0 || (!without && entries && !writes) || *t->root)
		return without < 0 ? without : writes;
	ret = renew_grub(t, e);
	if (ret < 0) { /* the next update-grub must find what was in force */
		struct err ignored = { 0 };

		if (old_dropin)
			edit_write(&t->files, dropin, old_dropin, &ignored);
		else
			edit_undo(&t->files, dropin, &ignored);
		return ret;
	}
	without = grub_state(t, line, &entries, e);
	if (!without && !entries)
		note_no_entry(t, "");
	else if (without > 0)
		note(&t->notes,
		     "%d of %d entries of %s lack the parameters: see boot.grub-drop-in "
		     "in rtkvm doctor",
		     without, entries, grub_cfg);
	return without < 0 ? without : writes + 1;
}

static int write_bootcmdline(struct tune *t, const char *line, struct err *e)
{
	static const char key[] = "TUNED_BOOT_CMDLINE";
	static const char *const keys[] = { key, NULL };
	_cleanup_free_ char *was = NULL, *now = NULL, *quoted = NULL;
	int ret = edit_load(&t->files, bootcmdline, &was, e);

	if (ret < 0)
		return ret;
	if (asprintf(&quoted, "\"%s\"", line) < 0)
		quoted = NULL;
	if (quoted)
		now = set_line(was ? was : "", key, quoted);
	if (!now)
		return err_set(e, -ENOMEM, "writing %s failed: no memory", bootcmdline);
	return edit_write_lines(&t->files, bootcmdline, now, keys, e);
}

int tune_boot_apply(struct tune *t, struct err *e)
{
	_cleanup_free_ char *line = command_line(t);
	int writes, more = 0;

	if (!line)
		return err_set(e, -ENOMEM, "writing the command line failed: no memory");
	writes = write_bootcmdline(t, line, e);
	if (writes < 0)
		return writes;
	if (machine_has(&t->m, grub_cfg))
		more = grub_apply(t, line, e);
	if (!machine_has(&t->m, grub_cfg) || machine_has(&t->m, "/boot/grub2/grub.cfg"))
		note(&t->notes, "%s: the parameters do not reach it; give it the words of %s",
		     machine_has(&t->m, "/boot/grub2/grub.cfg")
			     ? "/boot/grub2/grub.cfg is not Debian's"
			     : "the boot loader is not Debian's GRUB",
		     bootcmdline);
	return more < 0 ? more : writes + more;
}

int tune_boot_verify(struct tune *t, struct err *e)
{
	_cleanup_free_ char *line = command_line(t);
	char *rest = NULL;
	int entries, without;

	if (!line)
		return err_set(e, -ENOMEM, "checking the command line failed: no memory");
	if (machine_has(&t->m, grub_cfg) && !*t->root) {
		without = grub_state(t, line, &entries, e);
		if (without < 0)
			return without;
		if (!entries)
			note_no_entry(t, "update-grub, or ");
		else if (without)
			note(&t->notes, "%s: %d of %d entries lack the parameters", grub_cfg,
			     without, entries);
	}
	for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!has_word(t->m.cmdline, word))
			note(&t->notes, "/proc/cmdline: %s is not there; it takes a boot", word);
	return 0;
}

int tune_boot_undo(struct tune *t, struct err *e)
{
	int writes = tune_undo_file(t, bootcmdline, e), more, grub;
	struct err ignored = { 0 };

	more = tune_undo_file(t, dropin, e);
	if (writes < 0 || more < 0)
		return writes < 0 ? writes : more;
	grub = edit_undo(&t->files, grub_cfg, e);
	if (grub == -ESTALE) /* a kernel came or went since: what it is without us, GRUB knows */
		grub = run_update_grub(t, &ignored);
	if (ignored.code)
		note(&t->notes, "%s", ignored.text);
	return e->code ? e->code : writes + more + (grub > 0);
}
