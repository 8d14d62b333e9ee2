// SPDX-License-Identifier: GPL-2.0-only
#include "lib/cpumap.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* As written: "3,1" is vCPU 0 on CPU 3. A set, as for housekeeping CPUs, would not keep that. */
static int from_list(struct cpumap *m, const char *text, struct err *e)
{
	struct cpulist part, seen = { 0 };
	const char *p = text;
	int more;

	do {
		more = cpulist_parse_part(&part, &p, text, e);
		if (more < 0)
			return more;
		cpulist_for_each(cpu, &part) {
			if (cpulist_has(&seen, cpu))
				return err_set(e, -EINVAL,
					       "CPU list \"%s\": CPU %d carries two vCPUs", text,
					       cpu);
			if (m->n == CPUMAP_VCPUS)
				return err_set(e, -EINVAL, "CPU list \"%s\": at most %d vCPUs",
					       text, CPUMAP_VCPUS);
			cpulist_add(&seen, cpu);
			m->host[m->n++] = cpu;
		}
	} while (more);
	return 0;
}

/* strtoul would take signs, blanks and hex */
static int number(const char **p, int limit)
{
	int n = 0;

	if (!isdigit((unsigned char)**p))
		return -1;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n >= limit)
			return -1;
	}
	return n;
}

static int add(struct cpumap *m, bool *seen, int vcpu, int cpu, const char *text, struct err *e)
{
	if (seen[vcpu])
		return err_set(e, -EINVAL, "CPU map \"%s\": vCPU %d is given twice", text, vcpu);
	for (int i = 0; i < CPUMAP_VCPUS; i++)
		if (seen[i] && m->host[i] == cpu)
			return err_set(e, -EINVAL, "CPU map \"%s\": CPU %d carries two vCPUs", text,
				       cpu);
	seen[vcpu] = true;
	m->host[vcpu] = cpu;
	m->n++;
	return 0;
}

/* "FIRST" or "FIRST-LAST"; returns LAST, -1 for neither */
static int range(const char **p, int limit, int *first)
{
	int last;

	*first = number(p, limit);
	if (*first < 0 || **p != '-')
		return *first;
	(*p)++;
	last = number(p, limit);
	return last < *first ? -1 : last;
}

/* "0:2", or as many vCPUs as CPUs: "1-3:5-7" */
static int pair(struct cpumap *m, bool *seen, const char **p, const char *text, struct err *e)
{
	int vcpu, cpu, last = range(p, CPUMAP_VCPUS, &vcpu), last_cpu;

	if (last < 0 || *(*p)++ != ':')
		return err_set(e, -EINVAL,
			       "CPU map \"%s\": expected vCPU:CPU pairs such as 0:2,1:6 or "
			       "0:0,1-3:5-7 (at most %d vCPUs)",
			       text, CPUMAP_VCPUS);
	last_cpu = range(p, CPULIST_CPUS, &cpu);
	if (last_cpu < 0)
		return err_set(e, -EINVAL, "CPU map \"%s\": vCPU %d has no valid host CPU", text,
			       vcpu);
	if (last - vcpu != last_cpu - cpu)
		return err_set(e, -EINVAL, "CPU map \"%s\": %d vCPUs from %d on have %d CPUs", text,
			       last - vcpu + 1, vcpu, last_cpu - cpu + 1);
	for (; vcpu <= last; vcpu++, cpu++)
		if (add(m, seen, vcpu, cpu, text, e) < 0)
			return e->code;
	return 0;
}

static int from_pairs(struct cpumap *m, const char *text, struct err *e)
{
	bool seen[CPUMAP_VCPUS] = { 0 };
	const char *p = text;

	for (;;) {
		int ret = pair(m, seen, &p, text, e);

		if (ret < 0)
			return ret;
		if (!*p)
			break;
		if (*p++ != ',')
			return err_set(e, -EINVAL, "CPU map \"%s\": unexpected \"%.20s\"", text,
				       p - 1);
	}
	for (int i = 0; i < m->n; i++)
		if (!seen[i])
			return err_set(e, -EINVAL, "CPU map \"%s\": vCPU %d is missing", text, i);
	return 0;
}

/* A stride "0-31:1/4" has a colon, too, but also a slash, which a map has not. */
int cpumap_parse(struct cpumap *m, const char *text, struct err *e)
{
	memset(m, 0, sizeof(*m));
	if (strchr(text, ':') && !strchr(text, '/'))
		return from_pairs(m, text, e);
	return from_list(m, text, e);
}

struct cpulist cpumap_cpus(const struct cpumap *m)
{
	struct cpulist l = { 0 };

	for (int i = 0; i < m->n; i++)
		cpulist_add(&l, m->host[i]);
	return l;
}
