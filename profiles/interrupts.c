// SPDX-License-Identifier: GPL-2.0-only
/* /proc/interrupts: a header with a column per online CPU, then "NAME: count count ... text" */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiles/measure.h"

static int column_of(const char *header, int cpu)
{
	int column = 0, n;

	for (const char *p = header; *p && *p != '\n'; p += strcspn(p, " \n")) {
		p += strspn(p, " ");
		if (sscanf(p, "CPU%d", &n) != 1)
			continue;
		if (n == cpu)
			return column;
		column++;
	}
	return -1;
}

/* The names of arch/x86/kernel/irq.c: what is no device and disturbs all the same is a device. */
static enum irq_kind kind_of(const char *name)
{
	static const struct {
		const char *name;
		enum irq_kind kind;
	} t[] = {
		{ "LOC", IRQ_TICK },  { "RES", IRQ_IPI },   { "CAL", IRQ_IPI },
		{ "TLB", IRQ_IPI },   { "IWI", IRQ_IPI },   { "ERR", IRQ_OTHER },
		{ "MIS", IRQ_OTHER }, { "PIN", IRQ_OTHER }, { "NPI", IRQ_OTHER },
		{ "PIW", IRQ_OTHER },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (!strcmp(t[i].name, name))
			return t[i].kind;
	return IRQ_DEVICE;
}

static uint64_t count_at(const char *counts, int column)
{
	char *end;

	for (;; column--) {
		uint64_t n = strtoull(counts, &end, 10);

		if (end == counts || memchr(counts, '\n', end - counts))
			return 0; /* ERR and MIS have one number for all CPUs */
		if (!column)
			return n;
		counts = end;
	}
}

int interrupts_count(const char *text, int cpu, uint64_t by_kind[static IRQ_OTHER + 1],
		     interrupts_row *each, void *arg)
{
	int column = column_of(text, cpu);

	memset(by_kind, 0, (IRQ_OTHER + 1) * sizeof(*by_kind));
	if (column < 0)
		return -EINVAL;
	for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line, '\n')) {
		enum irq_kind kind;
		char name[32];
		uint64_t n;
		int used = 0;

		line++;
		if (sscanf(line, " %31[^: \n]:%n", name, &used) != 1 || !used)
			continue;
		n = count_at(line + used, column);
		kind = kind_of(name);
		by_kind[kind] += n;
		if (each && kind == IRQ_DEVICE)
			each(arg, name, n);
	}
	return 0;
}
