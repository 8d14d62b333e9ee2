// SPDX-License-Identifier: GPL-2.0-only
#include "hwlat/counters.h"

#include <cpuid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/cleanup.h"
#include "lib/file.h"

enum {
	MSR_SMI_COUNT = 0x34, /* Intel SDM vol. 4, table 2-2 */
	PMC_LS_SMI_RX = 0x2b, /* AMD PPR, PMCx02B "SMIs Received" */
	MAX_FILE = 16 << 20,
	MAX_IRQS = 4096,
};

/* "Hypervisor callback interrupts" is what the line says of itself; the device's name is better. */
static void irq_name(char *out, const char *key, const char *rest)
{
	const char *last = rest;

	if (!isdigit((unsigned char)*key)) {
		snprintf(out, COUNTERS_NAME_BYTES, "%.20s", key);
		return;
	}
	for (const char *p = rest; *p && *p != '\n'; p++)
		if (p[0] == ' ' && p[1] != ' ' && p[1] != '\n' && p[1])
			last = p + 1;
	snprintf(out, COUNTERS_NAME_BYTES, "%.10s %.*s", key, (int)strcspn(last, "\n"), last);
}

static struct counters_irq *find_irq(struct counters *c, const char *name)
{
	struct counters_irq *irq, *grown;

	for (unsigned int i = 0; i < c->n_irqs; i++)
		if (!strcmp(c->irqs[i].name, name))
			return &c->irqs[i];
	if (c->n_irqs == MAX_IRQS)
		return NULL;
	grown = realloc(c->irqs, (c->n_irqs + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	c->irqs = grown;
	irq = &grown[c->n_irqs];
	*irq = (struct counters_irq){
		.count = calloc((size_t)COUNTERS_KEPT * c->n_cpus, sizeof(uint64_t)),
	};
	snprintf(irq->name, sizeof(irq->name), "%s", name);
	c->n_irqs++;
	return irq->count ? irq : NULL;
}

/* Where the nth reading's value for a CPU is. */
static size_t place(const struct counters *c, unsigned int n, unsigned int index)
{
	return (size_t)(n % COUNTERS_KEPT) * c->n_cpus + index;
}

static unsigned int newest(const struct counters *c)
{
	return c->n_readings - 1;
}

/* The last reading that was over before start_tsc. */
static unsigned int before(const struct counters *c, uint64_t start_tsc)
{
	unsigned int kept = c->n_readings < COUNTERS_KEPT ? c->n_readings : COUNTERS_KEPT;
	unsigned int n = newest(c);

	while (--kept && c->tsc[n % COUNTERS_KEPT] > start_tsc)
		n--;
	return n;
}

static unsigned int index_of(const struct counters *c, int cpu)
{
	for (unsigned int i = 0; i < c->n_cpus; i++)
		if (c->cpus[i] == cpu)
			return i;
	return UINT_MAX;
}

/* The header line says which column is which CPU: offline ones have none. */
static unsigned int parse_header(const struct counters *c, const char *line, unsigned int *column,
				 unsigned int max)
{
	unsigned int n = 0;

	for (const char *p = line; n < max && (p = strstr(p, "CPU")); p += 3)
		column[n++] = index_of(c, atoi(p + 3));
	return n;
}

static int parse_line(struct counters *c, char *line, const unsigned int *column, unsigned int n)
{
	char *colon = strchr(line, ':'), *p, *end, name[COUNTERS_NAME_BYTES];
	uint64_t value[CPULIST_CPUS];
	struct counters_irq *irq;
	unsigned int got = 0;

	if (!colon)
		return 0;
	*colon = '\0';
	while (*line == ' ')
		line++;
	for (p = colon + 1; got < n; p = end) {
		value[got] = strtoull(p, &end, 10);
		if (end == p)
			break;
		got++;
	}
	if (got < n) /* ERR and MIS have one number for the machine */
		return 0;
	irq_name(name, line, p);
	irq = find_irq(c, name);
	if (!irq)
		return -ENOMEM;
	for (unsigned int i = 0; i < got; i++)
		if (column[i] < c->n_cpus)
			irq->count[place(c, newest(c), column[i])] = value[i];
	return 0;
}

static int read_interrupts(struct counters *c, struct err *e)
{
	unsigned int column[CPULIST_CPUS], n;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *save;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/interrupts", c->proc);
	len = file_load(path, MAX_FILE, &text, e);
	if (len < 0)
		return len;
	char *line = strtok_r(text, "\n", &save);

	n = line ? parse_header(c, line, column, CPULIST_CPUS) : 0;
	while (n && (line = strtok_r(NULL, "\n", &save)))
		if (parse_line(c, line, column, n) < 0)
			return err_set(e, -ENOMEM, "reading %s failed: no memory", path);
	return 0;
}

/* "cpu3 user nice system idle iowait irq softirq steal ...", in 1/USER_HZ s */
static int read_steal(struct counters *c, struct err *e)
{
	uint64_t tick_ns = 1000000000 / sysconf(_SC_CLK_TCK);
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *save;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/stat", c->proc);
	len = file_load(path, MAX_FILE, &text, e);
	if (len < 0)
		return len;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long steal;
		unsigned int i;
		int cpu;

		if (sscanf(line, "cpu%d %*u %*u %*u %*u %*u %*u %*u %llu", &cpu, &steal) != 2)
			continue;
		i = index_of(c, cpu);
		if (i < c->n_cpus)
			c->steal[place(c, newest(c), i)] = steal * tick_ns;
	}
	return 0;
}

/* What a file does not tell of this time stays as it was. */
static void carry_on(struct counters *c, unsigned int from)
{
	size_t bytes = c->n_cpus * sizeof(uint64_t);

	for (unsigned int i = 0; i < c->n_irqs; i++)
		memcpy(c->irqs[i].count + place(c, newest(c), 0),
		       c->irqs[i].count + place(c, from, 0), bytes);
	memcpy(c->steal + place(c, newest(c), 0), c->steal + place(c, from, 0), bytes);
}

static bool spaced(const struct counters *c)
{
	return c->n_readings < 2 ||
	       c->tsc[newest(c) % COUNTERS_KEPT] - c->tsc[(newest(c) - 1) % COUNTERS_KEPT] >=
		       c->spacing_tsc;
}

int counters_read(struct counters *c, struct err *e)
{
	int ret;

	if (spaced(c)) {
		c->n_readings++;
		if (c->n_readings > 1)
			carry_on(c, newest(c) - 1);
	}
	ret = read_interrupts(c, e);
	if (!ret)
		ret = read_steal(c, e);
	c->tsc[newest(c) % COUNTERS_KEPT] = __rdtsc();
	return ret;
}

static bool read_smi(const struct counters *c, unsigned int index, uint64_t *value)
{
	uint64_t raw;
	ssize_t n;

	if (c->smi_fd[index] < 0)
		return false;
	n = c->smi_is_msr ? pread(c->smi_fd[index], &raw, sizeof(raw), MSR_SMI_COUNT)
			  : read(c->smi_fd[index], &raw, sizeof(raw));
	*value = c->smi_is_msr ? (uint32_t)raw : raw;
	return n == sizeof(raw);
}

static int open_amd_pmc(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_RAW,
		.size = sizeof(attr),
		.config = PMC_LS_SMI_RX,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool vendor_is(const char *name)
{
	char vendor[13] = "";
	unsigned int a;

	__cpuid(0, a, *(unsigned int *)vendor, *(unsigned int *)(vendor + 8),
		*(unsigned int *)(vendor + 4));
	return !strcmp(vendor, name);
}

/* All CPUs or none: a report that has the counter for some of them would mislead. */
static void open_smi(struct counters *c)
{
	bool amd = vendor_is("AuthenticAMD") || vendor_is("HygonGenuine");
	char path[64];
	int why = 0;

	c->smi_is_msr = !amd;
	for (unsigned int i = 0; i < c->n_cpus && !why; i++) {
		snprintf(path, sizeof(path), "/dev/cpu/%d/msr", c->cpus[i]);
		c->smi_fd[i] = amd ? open_amd_pmc(c->cpus[i]) : open(path, O_RDONLY | O_CLOEXEC);
		if (c->smi_fd[i] < 0 || !read_smi(c, i, &c->smi_start[i]))
			why = errno ? errno : EIO;
	}
	for (unsigned int i = 0; i < c->n_cpus && !why; i++)
		counters_smi_read(c, i);
	if (!why) {
		snprintf(c->smi_source, sizeof(c->smi_source), "%s",
			 amd ? "PMC LsSmiRx" : "MSR 0x34");
		return;
	}
	snprintf(c->smi_source, sizeof(c->smi_source), "none (%s: %s%s)",
		 amd ? "perf event LsSmiRx" : path, strerror(why),
		 why == ENOENT && !amd ? "; modprobe msr" : "");
	for (unsigned int i = 0; i < c->n_cpus; i++) {
		if (c->smi_fd[i] >= 0)
			close(c->smi_fd[i]);
		c->smi_fd[i] = -1;
	}
}

int counters_open(struct counters *c, const struct cpulist *cpus, const char *proc,
		  uint64_t spacing_tsc, struct err *e)
{
	unsigned int n = cpulist_count(cpus), i = 0;
	int ret;

	*c = (struct counters){ .n_cpus = n, .spacing_tsc = spacing_tsc };
	snprintf(c->proc, sizeof(c->proc), "%s", proc);
	c->cpus = calloc(n, sizeof(*c->cpus));
	c->steal = calloc((size_t)COUNTERS_KEPT * n, sizeof(uint64_t));
	c->steal_mark = calloc(n, sizeof(uint64_t));
	c->smi_fd = calloc(n, sizeof(*c->smi_fd));
	c->smi_start = calloc(n, sizeof(uint64_t));
	c->smis = calloc(n, sizeof(*c->smis));
	if (!c->cpus || !c->steal || !c->steal_mark || !c->smi_fd || !c->smi_start || !c->smis) {
		ret = err_set(e, -ENOMEM, "no memory for the counters of %u CPUs", n);
		goto fail;
	}
	cpulist_for_each(cpu, cpus)
		c->cpus[i++] = cpu;
	for (i = 0; i < n; i++)
		c->smi_fd[i] = -1;
	open_smi(c);
	ret = counters_read(c, e);
	if (!ret) {
		counters_mark_steal(c);
		return 0;
	}
fail:
	counters_close(c);
	return ret;
}

void counters_close(struct counters *c)
{
	for (unsigned int i = 0; c->smi_fd && i < c->n_cpus; i++)
		if (c->smi_fd[i] >= 0)
			close(c->smi_fd[i]);
	for (unsigned int i = 0; i < c->n_irqs; i++)
		free(c->irqs[i].count);
	free(c->irqs);
	free(c->cpus);
	free(c->steal);
	free(c->steal_mark);
	free(c->smi_fd);
	free(c->smi_start);
	free(c->smis);
	*c = (struct counters){ 0 };
}

uint64_t counters_steal_ns(const struct counters *c, unsigned int index, uint64_t start_tsc)
{
	return c->steal[place(c, newest(c), index)] -
	       c->steal[place(c, before(c, start_tsc), index)];
}

uint64_t counters_steal_total(const struct counters *c, unsigned int index)
{
	return c->steal[place(c, newest(c), index)] - c->steal_mark[index];
}

void counters_mark_steal(struct counters *c)
{
	memcpy(c->steal_mark, c->steal + place(c, newest(c), 0), c->n_cpus * sizeof(uint64_t));
}

static uint64_t fired(const struct counters *c, const struct counters_irq *irq, unsigned int index,
		      uint64_t start_tsc)
{
	return irq->count[place(c, newest(c), index)] -
	       irq->count[place(c, before(c, start_tsc), index)];
}

uint64_t counters_nmi(const struct counters *c, unsigned int index, uint64_t start_tsc)
{
	for (unsigned int i = 0; i < c->n_irqs; i++)
		if (!strcmp(c->irqs[i].name, "NMI"))
			return fired(c, &c->irqs[i], index, start_tsc);
	return 0;
}

uint64_t counters_busiest(const struct counters *c, unsigned int index, uint64_t start_tsc,
			  const char **name)
{
	uint64_t most = 0;

	*name = "";
	for (unsigned int i = 0; i < c->n_irqs; i++) {
		uint64_t n = fired(c, &c->irqs[i], index, start_tsc);

		if (n > most) {
			most = n;
			*name = c->irqs[i].name;
		}
	}
	return most;
}

bool counters_smi_read(struct counters *c, unsigned int index)
{
	struct counters_smis *s = &c->smis[index];
	unsigned int at = s->n % COUNTERS_SMI_KEPT;
	uint64_t now;

	if (!read_smi(c, index, &now))
		return false;
	s->kept[at].count = now;
	s->kept[at].tsc = __rdtsc();
	s->kept[at].gaps = 0;
	s->n++;
	return true;
}

uint64_t counters_smi_age(const struct counters *c, unsigned int index)
{
	const struct counters_smis *s = &c->smis[index];

	return s->n ? __rdtsc() - s->kept[(s->n - 1) % COUNTERS_SMI_KEPT].tsc : UINT64_MAX;
}

bool counters_smi_ask(struct counters *c, unsigned int index, uint64_t end_tsc)
{
	struct counters_smis *s = &c->smis[index];

	if (!s->n ||
	    (s->kept[(s->n - 1) % COUNTERS_SMI_KEPT].tsc < end_tsc && !counters_smi_read(c, index)))
		return false;
	s->kept[(s->n - 1) % COUNTERS_SMI_KEPT].gaps++;
	return true;
}

bool counters_smi(const struct counters *c, unsigned int index, uint64_t start_tsc,
		  struct counters_smi *out)
{
	const struct counters_smis *s = &c->smis[index];
	unsigned int kept = s->n < COUNTERS_SMI_KEPT ? s->n : COUNTERS_SMI_KEPT;
	unsigned int last = s->n - 1, from = last;

	if (kept < 2)
		return false;
	*out = (struct counters_smi){ 0 };
	do
		out->gaps += s->kept[from-- % COUNTERS_SMI_KEPT].gaps;
	while (--kept > 1 && s->kept[from % COUNTERS_SMI_KEPT].tsc > start_tsc);
	out->count =
		s->kept[last % COUNTERS_SMI_KEPT].count - s->kept[from % COUNTERS_SMI_KEPT].count;
	out->span_tsc =
		s->kept[last % COUNTERS_SMI_KEPT].tsc - s->kept[from % COUNTERS_SMI_KEPT].tsc;
	return true;
}

bool counters_smi_total(struct counters *c, unsigned int index, uint64_t *smis)
{
	uint64_t now;

	if (!read_smi(c, index, &now))
		return false;
	*smis = c->smi_is_msr ? (uint32_t)(now - c->smi_start[index]) : now - c->smi_start[index];
	return true;
}
