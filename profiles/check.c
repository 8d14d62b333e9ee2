// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

const struct check *check_at(size_t i)
{
	static const struct check_table *const tables[] = {
		&platform_checks, &cpus_checks,	   &isolation_checks, &tasks_checks,
		&cmdline_checks,  &runtime_checks, &power_checks,     &kvm_checks,
		&system_checks,	  &guest_checks,   &measure_checks,
	};

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		if (i < tables[t]->n)
			return &tables[t]->rows[i];
		i -= tables[t]->n;
	}
	return NULL;
}

const struct check *check_find(const char *id)
{
	const struct check *c;

	for (size_t i = 0; (c = check_at(i)); i++)
		if (!strcmp(c->id, id))
			return c;
	return NULL;
}

const char *check_wants(const struct check *c)
{
	return c->expected ? c->expected : c->want;
}

const char *severity_name(enum severity s)
{
	static const char *const names[] = { "info", "medium", "high", "fatal" };

	return names[s];
}

const char *status_name(enum status s)
{
	static const char *const names[] = { "pass", "FAIL", "warn", "n/a" };

	return names[s];
}

static void say(struct finding *f, enum status status, const char *fmt, va_list args)
{
	f->status = status;
	vsnprintf(f->found, sizeof(f->found), fmt, args);
	if (!*f->found)
		strcpy(f->found, "empty");
	for (char *p = f->found; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = *p == '\t' || *p == '\n' ? ' ' : '?';
}

void found_pass(struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, ST_PASS, fmt, args);
	va_end(args);
}

void found_na(struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, ST_NA, fmt, args);
	va_end(args);
}

void found_warn(struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, ST_WARN, fmt, args);
	va_end(args);
}

void found_bad(const struct check *c, struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, c->severity >= SEV_HIGH ? ST_FAIL : ST_WARN, fmt, args);
	va_end(args);
}

void found_unread(const struct check *c, struct finding *f, const char *why)
{
	found_bad(c, f, "not known: %s", why);
}

/* Sets f and returns false when the check has nothing to say about this machine. */
static bool applies(const struct machine *m, const struct measurement *d, const struct check *c,
		    struct finding *f)
{
	if (c->vendor && c->vendor != m->vendor)
		found_na(f, "for %s CPUs", c->vendor == VENDOR_INTEL ? "Intel" : "AMD");
	else if (c->since && m->kernel < c->since)
		found_na(f, "for kernels from %d.%d", c->since / 1000, c->since % 1000);
	else if (c->until && m->kernel >= c->until)
		found_na(f, "for kernels before %d.%d", c->until / 1000, c->until % 1000);
	else if ((c->flags & NEEDS_CPUS) && cpulist_empty(&m->isolated))
		found_na(f, "no isolated CPUs");
	else if ((c->flags & MEASURED) && !d)
		found_na(f, "needs --measure");
	else
		return true;
	return false;
}

void check_judge(const struct machine *m, const struct measurement *d, const struct check *c,
		 struct finding *f)
{
	found_unread(c, f, "the check came to no end"); /* a judge that forgets one is seen */
	if (!applies(m, d, c, f))
		return;
	if (c->flags & MEASURED)
		c->judge_measured(d, c, f);
	else
		c->judge(m, c, f);
}
