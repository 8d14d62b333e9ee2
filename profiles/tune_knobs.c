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
#include "profiles/fixed.h"
#include "profiles/tune.h"

static const char journal[] = "/run/rtkvm/tune.knobs";
/* apart from the others: which interrupts there are, and where, changes by itself */
static const char irq_journal[] = "/run/rtkvm/tune-irqs.knobs";

static void irqs_free(struct knob *irqs, size_t n)
{
	knobs_free(irqs, n);
	for (size_t i = 0; i < n; i++) {
		free((char *)irqs[i].path);
		free((char *)irqs[i].want);
	}
	free(irqs);
}

static int irq_of(const char *path)
{
	return atoi(path + strlen("/proc/irq/"));
}

/*
 * -EIO, since 6.13 -EPERM: the kernel lets nobody move it (write_irq_affinity() in kernel/irq/proc.c).
 * Any other refusal (no vector free, a move still under way) may pass, and is tried again next time.
 */
static int note_fixed(const struct tune *t, const struct knob *irqs, size_t n, struct err *e)
{
	char path[PATH_MAX], list[FIXED_BYTES], action[128];
	size_t used, before;

	fixed_load(&t->m, list);
	before = used = strlen(list);
	for (size_t i = 0; i < n && used < sizeof(list) - sizeof(action) - 16; i++) {
		int irq = irq_of(irqs[i].path);

		if (irqs[i].state != KNOB_REFUSED ||
		    (irqs[i].refusal != -EIO && irqs[i].refusal != -EPERM))
			continue;
		fixed_action(&t->m, irq, action, sizeof(action));
		used += snprintf(list + used, sizeof(list) - used, "%s%d %s", used ? "\n" : "", irq,
				 action);
	}
	return used == before ? 0 : file_replace(tune_path(t, FIXED_IRQS, path), list, used, e);
}

/*
 * A knob for each interrupt that may come to isolated CPUs: without them, or all the others. Those
 * that skip is true of (list: the fixed ones) are left out.
 */
static int plan_irqs(const struct tune *t,
		     bool (*skip)(const struct tune *t, const char *list, int irq),
		     struct knob **out, size_t *n, struct err *e)
{
	char fixed[FIXED_BYTES];
	struct paths paths;
	int ret = machine_glob(&t->m, "/proc/irq/[0-9]*/smp_affinity", &paths, e);

	*n = 0;
	*out = NULL;
	if (ret < 0)
		return ret;
	fixed_load(&t->m, fixed);
	*out = calloc(paths.n + 1, sizeof(**out));
	for (size_t i = 0; *out && i < paths.n; i++) {
		struct cpulist now, rest;
		struct err ignored = { 0 };
		struct knob *k = &(*out)[*n];
		char mask[2048];

		if (skip(t, fixed, irq_of(paths.v[i])) ||
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

/* The kernel will not let it go: another try would be a write at each activation. */
static bool not_movable(const struct tune *t, const char *list, int irq)
{
	char action[128];

	fixed_action(&t->m, irq, action, sizeof(action));
	return fixed_has(list, irq, action);
}

static bool harmless(const struct tune *t, const char *list, int irq)
{
	char action[128];

	fixed_action(&t->m, irq, action, sizeof(action));
	return fixed_harmless(&t->m, list, irq, action);
}

static int irqs_apply(struct tune *t, struct err *e)
{
	char path[PATH_MAX];
	struct knob *irqs;
	size_t n;
	int noted, ret = plan_irqs(t, not_movable, &irqs, &n, e);

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
		note(&t->notes, "%s: it can neither be set nor checked (lockdown?)", why.text);
	else if (n < 0)
		note(&t->notes, "%s", why.text);
	else if (!knob_as_wanted(k, knob_value(text, value, sizeof(value))))
		note(&t->notes, "%s is %s, expected %s", k->path, value, k->want);
}

/*
 * An interrupt counts where it really goes. Those that cannot be moved and serve isolated CPUs alone
 * are left out: they come only for what these ask for themselves.
 */
static int verify_irqs(struct tune *t, struct err *e)
{
	struct knob *irqs;
	size_t n;
	int ret = plan_irqs(t, harmless, &irqs, &n, e);

	for (size_t i = 0; i < n && ret >= 0; i++) {
		char path[128], action[64];
		struct cpulist now, both;
		struct err ignored = { 0 };
		int irq = irq_of(irqs[i].path);

		fixed_action(&t->m, irq, action, sizeof(action));
		if (!*action)
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

	unlink(tune_path(t, FIXED_IRQS, path));
	ret = knobs_undo(t->m.root, tune_path(t, journal, path), e);
	return e->code ? e->code : irqs + ret;
}
