// SPDX-License-Identifier: GPL-2.0-only
/* Kernel files, and the interrupts that are on isolated CPUs now. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "profiles/tune.h"

enum { FIXED_BYTES = 8192 };

static const char journal[] = "/run/rtkvm/tune.knobs";
/* apart from the others: which interrupts there are, and where, changes by itself */
static const char irq_journal[] = "/run/rtkvm/tune-irqs.knobs";
/* the interrupts that the kernel did not let go: a driver's own spread over its queues */
static const char fixed_irqs[] = "/run/rtkvm/tune.fixed-irqs";

static void irqs_free(struct knob *irqs, size_t n)
{
	knobs_free(irqs, n);
	for (size_t i = 0; i < n; i++) {
		free((char *)irqs[i].path);
		free((char *)irqs[i].want);
	}
	free(irqs);
}

/* Is the interrupt with this file in the list? " 35 36 " */
static bool is_fixed(const char *list, const char *path)
{
	char word[16];

	snprintf(word, sizeof(word), " %d ", atoi(path + strlen("/proc/irq/")));
	return strstr(list, word);
}

static void load_fixed(const struct tune *t, char *list, size_t size)
{
	struct err ignored = { 0 };
	char path[PATH_MAX];

	if (file_read(tune_path(t, fixed_irqs, path), list, size, &ignored) < 0)
		list[0] = '\0';
}

static int note_fixed(const struct tune *t, const struct knob *irqs, size_t n, struct err *e)
{
	char path[PATH_MAX], list[FIXED_BYTES];
	size_t used, before;

	load_fixed(t, list, sizeof(list));
	before = used = strlen(list);
	for (size_t i = 0; i < n && used < sizeof(list) - 16; i++)
		if (irqs[i].state == KNOB_REFUSED)
			used += snprintf(list + used, sizeof(list) - used, "%s%d ", used ? "" : " ",
					 atoi(irqs[i].path + strlen("/proc/irq/")));
	return used == before ? 0 : file_replace(tune_path(t, fixed_irqs, path), list, used, e);
}

/*
 * A knob for each interrupt that may come to isolated CPUs: without them, or all the others. Those
 * that could not be moved before are not tried again.
 */
static int plan_irqs(const struct tune *t, struct knob **out, size_t *n, struct err *e)
{
	char fixed[FIXED_BYTES];
	struct paths paths;
	int ret = machine_glob(&t->m, "/proc/irq/[0-9]*/smp_affinity", &paths, e);

	*n = 0;
	*out = NULL;
	if (ret < 0)
		return ret;
	load_fixed(t, fixed, sizeof(fixed));
	*out = calloc(paths.n + 1, sizeof(**out));
	for (size_t i = 0; *out && i < paths.n; i++) {
		struct cpulist now, rest;
		struct err ignored = { 0 };
		struct knob *k = &(*out)[*n];
		char mask[2048];

		if (is_fixed(fixed, paths.v[i]) ||
		    machine_mask(&t->m, paths.v[i], &now, &ignored) < 0)
			continue;
		rest = cpulist_and(&now, &t->m.isolated);
		if (cpulist_empty(&rest))
			continue;
		rest = cpulist_and(&now, &t->m.housekeeping);
		if (cpulist_empty(&rest))
			rest = t->m.housekeeping;
		*k = (struct knob){ .path = strdup(paths.v[i]),
				    .want = strdup(mask_format(&rest, mask, sizeof(mask))),
				    .flags = KNOB_MAY_MISS | KNOB_MAY_REFUSE };
		(*n)++;
		if (!k->path || !k->want)
			ret = err_set(e, -ENOMEM, "moving interrupts failed: no memory");
	}
	if (!*out)
		ret = err_set(e, -ENOMEM, "moving interrupts failed: no memory");
	paths_free(&paths);
	return ret;
}

static int irqs_apply(struct tune *t, struct err *e)
{
	char path[PATH_MAX];
	struct knob *irqs;
	size_t n;
	int noted, ret = plan_irqs(t, &irqs, &n, e);

	if (!ret)
		ret = knobs_apply(t->m.root, tune_path(t, irq_journal, path), KNOB_STANDING, irqs,
				  n, e);
	noted = ret < 0 ? 0 : note_fixed(t, irqs, n, e);
	irqs_free(irqs, n);
	return noted < 0 ? noted : ret;
}

/* One sentence for all that the kernel keeps to itself. */
static void note_refused(struct tune *t)
{
	const struct knob *first = NULL;
	int n = 0;

	for (size_t i = 0; i < t->s.n_knobs; i++)
		if (t->s.knobs[i].state == KNOB_REFUSED && !n++)
			first = &t->s.knobs[i];
	if (n)
		note(&t->notes,
		     "%d settings are refused by the kernel (%s; lockdown, as with Secure Boot?), "
		     "first %s: see rtkvm doctor",
		     n, strerror(-first->refusal), first->path);
}

int tune_knobs_apply(struct tune *t, struct err *e)
{
	char path[PATH_MAX];
	int dropped, ret, irqs = 0;

	tune_path(t, journal, path);
	dropped = knobs_undo_others(t->m.root, path, t->s.knobs, t->s.n_knobs, e);
	if (dropped < 0)
		return dropped;
	ret = knobs_apply(t->m.root, path, KNOB_STANDING, t->s.knobs, t->s.n_knobs, e);
	if (ret >= 0)
		note_refused(t);
	if (ret >= 0 && t->s.irqs)
		irqs = irqs_apply(t, e);
	return ret < 0 ? ret : irqs < 0 ? irqs : dropped + ret + irqs;
}

static void verify_knob(struct tune *t, const struct knob *k)
{
	char text[4096], value[4096];
	struct err why = { 0 };
	ssize_t n = knob_read(t->m.root, k->path, text, sizeof(text), &why);

	if (n == -ENOENT || n == -ENODEV)
		return;
	if ((n == -EPERM || n == -EACCES) && (k->flags & KNOB_MAY_REFUSE))
		remark(&t->notes, "%s: it can neither be set nor checked (lockdown?)", why.text);
	else if (n < 0)
		note(&t->notes, "%s", why.text);
	else if (!knob_as_wanted(k, knob_value(text, value, sizeof(value))))
		note(&t->notes, "%s is %s, expected %s", k->path, value, k->want);
}

/*
 * An interrupt counts where it really goes. Those that cannot be moved are left out: queues of the
 * isolated CPUs come only for what these ask for themselves, others move with a boot.
 */
static int verify_irqs(struct tune *t, struct err *e)
{
	struct knob *irqs;
	size_t n;
	int ret = plan_irqs(t, &irqs, &n, e);

	for (size_t i = 0; i < n && ret >= 0; i++) {
		char path[128], action[64];
		struct cpulist now, both;
		struct err ignored = { 0 };
		int irq = atoi(irqs[i].path + strlen("/proc/irq/"));

		snprintf(path, sizeof(path), "/sys/kernel/irq/%d/actions", irq);
		if (knob_read(t->m.root, path, action, sizeof(action), &ignored) >= 0 && !*action)
			continue; /* nobody waits for it */
		snprintf(path, sizeof(path), "/proc/irq/%d/effective_affinity_list", irq);
		if (machine_cpus(&t->m, path, &now, &ignored) < 0)
			continue;
		both = cpulist_and(&now, &t->m.isolated);
		if (!cpulist_empty(&both))
			note(&t->notes, "interrupt %d (%s) comes to isolated CPU %d", irq, action,
			     cpulist_next(&both, 0));
	}
	irqs_free(irqs, n);
	return ret < 0 ? ret : 0;
}

int tune_knobs_verify(struct tune *t, struct err *e)
{
	for (size_t i = 0; i < t->s.n_knobs; i++)
		verify_knob(t, &t->s.knobs[i]);
	return t->s.irqs ? verify_irqs(t, e) : 0;
}

int tune_knobs_undo(struct tune *t, struct err *e)
{
	char path[PATH_MAX];
	int ret, irqs = knobs_undo(t->m.root, tune_path(t, irq_journal, path), e);

	unlink(tune_path(t, fixed_irqs, path));
	ret = knobs_undo(t->m.root, tune_path(t, journal, path), e);
	return e->code ? e->code : irqs + ret;
}
