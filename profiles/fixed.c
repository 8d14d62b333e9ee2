// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/fixed.h"

#include <stdio.h>
#include <string.h>

#include "lib/knob.h"

void fixed_load(const struct machine *m, char list[static FIXED_BYTES])
{
	struct err ignored = { 0 };

	if (knob_read(m->root, FIXED_IRQS, list, FIXED_BYTES, &ignored) < 0)
		list[0] = '\0';
}

void fixed_action(const struct machine *m, int irq, char *buf, size_t size)
{
	struct err ignored = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%d/actions", irq);
	if (knob_read(m->root, path, buf, size, &ignored) < 0)
		snprintf(buf, size, "?");
}

bool fixed_has(const char *list, int irq, const char *action)
{
	char line[160];
	size_t len = snprintf(line, sizeof(line), "%d %s", irq, action);

	if (len >= sizeof(line))
		return false;
	for (const char *p = list; (p = strstr(p, line)); p++)
		if ((p == list || p[-1] == '\n') && (!p[len] || p[len] == '\n'))
			return true;
	return false;
}

bool fixed_harmless(const struct machine *m, const char *list, int irq, const char *action)
{
	struct cpulist serves, others;
	struct err ignored = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", irq);
	if (!fixed_has(list, irq, action) || machine_mask(m, path, &serves, &ignored) < 0)
		return false;
	others = cpulist_minus(&serves, &m->isolated);
	return cpulist_empty(&others);
}
