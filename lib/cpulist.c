// SPDX-License-Identifier: GPL-2.0-only
#include "lib/cpulist.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

bool cpulist_has(const struct cpulist *l, int cpu)
{
	return cpu >= 0 && cpu < CPULIST_CPUS && (l->bits[cpu / 64] >> (cpu % 64) & 1);
}

void cpulist_add(struct cpulist *l, int cpu)
{
	if (cpu >= 0 && cpu < CPULIST_CPUS)
		l->bits[cpu / 64] |= 1ull << (cpu % 64);
}

void cpulist_remove(struct cpulist *l, int cpu)
{
	if (cpu >= 0 && cpu < CPULIST_CPUS)
		l->bits[cpu / 64] &= ~(1ull << (cpu % 64));
}

int cpulist_count(const struct cpulist *l)
{
	int n = 0;

	for (int i = 0; i < CPULIST_CPUS / 64; i++)
		n += __builtin_popcountll(l->bits[i]);
	return n;
}

bool cpulist_empty(const struct cpulist *l)
{
	return cpulist_next(l, 0) < 0;
}

bool cpulist_equal(const struct cpulist *a, const struct cpulist *b)
{
	return !memcmp(a->bits, b->bits, sizeof(a->bits));
}

int cpulist_next(const struct cpulist *l, int from)
{
	for (int cpu = from < 0 ? 0 : from; cpu < CPULIST_CPUS; cpu++) {
		uint64_t rest = l->bits[cpu / 64] >> (cpu % 64);

		if (rest)
			return cpu + __builtin_ctzll(rest);
		cpu |= 63;
	}
	return -1;
}

struct cpulist cpulist_minus(const struct cpulist *a, const struct cpulist *b)
{
	struct cpulist r;

	for (int i = 0; i < CPULIST_CPUS / 64; i++)
		r.bits[i] = a->bits[i] & ~b->bits[i];
	return r;
}

struct cpulist cpulist_and(const struct cpulist *a, const struct cpulist *b)
{
	struct cpulist r;

	for (int i = 0; i < CPULIST_CPUS / 64; i++)
		r.bits[i] = a->bits[i] & b->bits[i];
	return r;
}

struct cpulist cpulist_or(const struct cpulist *a, const struct cpulist *b)
{
	struct cpulist r;

	for (int i = 0; i < CPULIST_CPUS / 64; i++)
		r.bits[i] = a->bits[i] | b->bits[i];
	return r;
}

/* One unsigned decimal below CPULIST_CPUS; strtoul alone would take signs, spaces and hex. */
static int number(const char **p, const char *text, struct err *e)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return err_set(e, -EINVAL, "CPU list \"%s\": a CPU number is missing at \"%.20s\"",
			       text, *p);
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n >= CPULIST_CPUS)
			return err_set(e, -EINVAL, "CPU list \"%s\": CPU numbers end at %d", text,
				       CPULIST_CPUS - 1);
	}
	return n;
}

/* "FIRST", "FIRST-LAST" or "FIRST-LAST:USED/GROUP" */
static int range(struct cpulist *l, const char **p, const char *text, struct err *e)
{
	int used = 1, group = 1, last;
	int first = last = number(p, text, e);

	if (first < 0)
		return first;
	if (**p == '-') {
		(*p)++;
		last = number(p, text, e);
		if (last < 0)
			return last;
		if (**p == ':') {
			(*p)++;
			used = number(p, text, e);
			if (used < 0)
				return used;
			if (*(*p)++ != '/')
				return err_set(e, -EINVAL,
					       "CPU list \"%s\": a stride is USED/GROUP", text);
			group = number(p, text, e);
			if (group < 0)
				return group;
		}
	}
	if (last < first)
		return err_set(e, -EINVAL, "CPU list \"%s\": range %d-%d runs backwards", text,
			       first, last);
	if (used < 1 || group < used)
		return err_set(e, -EINVAL, "CPU list \"%s\": stride %d/%d selects nothing", text,
			       used, group);
	for (int cpu = first; cpu <= last; cpu++)
		if ((cpu - first) % group < used)
			cpulist_add(l, cpu);
	return 0;
}

int cpulist_parse_part(struct cpulist *l, const char **p, const char *text, struct err *e)
{
	int ret;

	memset(l, 0, sizeof(*l));
	if (!*text)
		return err_set(e, -EINVAL,
			       "CPU list is empty; give numbers and ranges such as 2-5,8");
	ret = range(l, p, text, e);
	if (ret < 0)
		return ret;
	if (**p && **p != ',')
		return err_set(e, -EINVAL, "CPU list \"%s\": unexpected \"%.20s\"", text, *p);
	if (!**p)
		return 0;
	(*p)++;
	return 1;
}

int cpulist_parse(struct cpulist *l, const char *text, struct err *e)
{
	const char *p = text;
	struct cpulist part;
	int more;

	memset(l, 0, sizeof(*l));
	do {
		more = cpulist_parse_part(&part, &p, text, e);
		*l = cpulist_or(l, &part);
	} while (more > 0);
	return more;
}

int cpulist_read(struct cpulist *l, const char *path, struct err *e)
{
	char text[8192];
	int ret = file_read(path, text, sizeof(text), e);

	memset(l, 0, sizeof(*l));
	if (ret < 0)
		return ret;
	text[strcspn(text, "\n")] = '\0';
	if (!text[0] ||
	    !strcmp(text, "(null)")) /* nohz_full prints "(null)" when it was not asked */
		return 0;
	return cpulist_parse(l, text, e);
}

char *cpulist_format(const struct cpulist *l, char *buf, size_t size)
{
	size_t used = 0;

	if (size)
		buf[0] = '\0';
	for (int cpu = cpulist_next(l, 0); cpu >= 0; cpu = cpulist_next(l, cpu + 1)) {
		int first = cpu, n;

		while (cpulist_has(l, cpu + 1))
			cpu++;
		n = snprintf(buf + used, size - used, first == cpu ? "%s%d" : "%s%d-%d",
			     used ? "," : "", first, cpu);
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += n;
	}
	return buf;
}

/* EINVAL has one cause: the kernel's masks (nr_cpu_ids) are longer than ours. */
int cpulist_affinity(struct cpulist *l, pid_t tid, struct err *e)
{
	memset(l, 0, sizeof(*l));
	if (!sched_getaffinity(tid, sizeof(l->bits), (cpu_set_t *)l->bits))
		return 0;
	if (errno == EINVAL)
		return err_set(e, -EINVAL,
			       "reading the affinity of thread %d failed: this kernel numbers more "
			       "than %d CPUs (nr_cpu_ids), rtkvm's limit; boot with nr_cpus=%d",
			       tid, CPULIST_CPUS, CPULIST_CPUS);
	return err_sys(e, "reading the affinity of thread %d failed", tid);
}

int cpulist_pin(const struct cpulist *l, pid_t tid, struct err *e)
{
	char want[256], got[256];
	struct cpulist now;
	int ret;

	if (sched_setaffinity(tid, sizeof(l->bits), (const cpu_set_t *)l->bits))
		return err_sys(e, "pinning thread %d to CPU %s failed", tid,
			       cpulist_format(l, want, sizeof(want)));
	ret = cpulist_affinity(&now, tid, e);
	if (ret < 0)
		return ret;
	if (!cpulist_equal(l, &now))
		return err_set(e, -EINVAL,
			       "affinity of thread %d: wanted CPU %s, got %s; check that they are "
			       "online and in this cgroup's cpuset",
			       tid, cpulist_format(l, want, sizeof(want)),
			       cpulist_format(&now, got, sizeof(got)));
	return 0;
}
