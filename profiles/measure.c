// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/knob.h"
#include "lib/stop.h"

enum { MOST_ROWS = 2048, MSR_SMI_COUNT = 0x34, LOOK_MS = 100, SETTLE_MS = 300 };

/* What one CPU's counters read at one moment. */
struct counters {
	uint64_t irqs[IRQ_OTHER + 1];
	int64_t tasks, deep_idles, throttles, steal;
};

struct spinner {
	pthread_t thread;
	int cpu;
	bool started;
	const atomic_bool *end, *counting;
	uint64_t pause_ns;
};

/* Busy, without a system call: the kernel has no reason to come. Whatever does makes a pause. */
static void *spin(void *arg)
{
	struct spinner *s = arg;
	uint64_t last = clock_now_ns();

	while (!atomic_load_explicit(s->end, memory_order_relaxed)) {
		uint64_t now = clock_now_ns(), pause_ns = now - last;

		last = now;
		if (pause_ns > s->pause_ns &&
		    atomic_load_explicit(s->counting, memory_order_relaxed))
			s->pause_ns = pause_ns;
	}
	return NULL;
}

static int64_t cpu_number(const struct machine *m, int cpu, const char *name)
{
	char path[160];
	int64_t n;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, name);
	return machine_number(m, path, &n) ? n : MEASURE_UNKNOWN;
}

static int64_t deep_idles(const struct machine *m, int cpu)
{
	int64_t sum = MEASURE_UNKNOWN;

	for (int state = 0; state < 16; state++) {
		int64_t latency, used;
		char name[64];

		snprintf(name, sizeof(name), "cpuidle/state%d/latency", state);
		latency = cpu_number(m, cpu, name);
		if (latency == MEASURE_UNKNOWN)
			break;
		snprintf(name, sizeof(name), "cpuidle/state%d/usage", state);
		used = cpu_number(m, cpu, name);
		sum = (sum < 0 ? 0 : sum) + (latency > 2 && used > 0 ? used : 0);
	}
	return sum;
}

/* The n-th number (from 0) of the line that starts with "cpuN ". */
static int64_t cpu_line(const char *text, int cpu, int n)
{
	char start[16];
	const char *p = text;

	snprintf(start, sizeof(start), "cpu%d ", cpu);
	while (p && strncmp(p, start, strlen(start))) {
		p = strchr(p, '\n');
		p += p != NULL;
	}
	if (!p)
		return MEASURE_UNKNOWN;
	for (p += strlen(start); n > 0; n--) {
		p = strpbrk(p, " \n");
		if (!p || *p++ == '\n')
			return MEASURE_UNKNOWN;
	}
	return strtoll(p, NULL, 10);
}

struct texts {
	char *interrupts, *schedstat, *stat;
};

static void texts_free(struct texts *t)
{
	free(t->interrupts);
	free(t->schedstat);
	free(t->stat);
}

static int texts_read(const struct machine *m, struct texts *t, struct err *e)
{
	struct err ignored = { 0 };
	int ret = machine_load(m, "/proc/interrupts", &t->interrupts, e);

	if (ret >= 0)
		ret = machine_load(m, "/proc/stat", &t->stat, e);
	if (ret >= 0)
		machine_load(m, "/proc/schedstat", &t->schedstat, &ignored);
	return ret < 0 ? ret : 0;
}

static int counters_read(const struct machine *m, const struct texts *t, int cpu,
			 struct counters *c, struct err *e)
{
	if (interrupts_count(t->interrupts, cpu, c->irqs, NULL, NULL) < 0)
		return err_set(e, -EINVAL, "/proc/interrupts has no column of CPU %d", cpu);
	/* the last of nine: how often a task that is not the idle task was put on this CPU */
	c->tasks = t->schedstat ? cpu_line(t->schedstat, cpu, 8) : MEASURE_UNKNOWN;
	c->steal = cpu_line(t->stat, cpu, 7);
	c->deep_idles = deep_idles(m, cpu);
	c->throttles = cpu_number(m, cpu, "thermal_throttle/core_throttle_count");
	return 0;
}

static int sample(const struct machine *m, const struct measurement *d, struct counters *out,
		  struct texts *keep, struct err *e)
{
	struct texts t = { 0 };
	int ret = texts_read(m, &t, e);

	for (size_t i = 0; i < d->n && ret >= 0; i++)
		ret = counters_read(m, &t, d->cpus[i].cpu, &out[i], e);
	if (keep && ret >= 0)
		*keep = t;
	else
		texts_free(&t);
	return ret;
}

static int64_t delta(int64_t before, int64_t after)
{
	return before < 0 || after < 0 ? MEASURE_UNKNOWN : after - before;
}

static int64_t smi_count(void)
{
	_cleanup_close_ int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	uint64_t value;

	if (fd < 0 || pread(fd, &value, sizeof(value), MSR_SMI_COUNT) != sizeof(value))
		return MEASURE_UNKNOWN;
	return value & 0xffffffff;
}

static bool serves_guest(const struct machine *m, int cpu)
{
	for (size_t i = 0; i < m->n_tasks; i++)
		if (machine_is_vcpu(&m->tasks[i]) && cpulist_has(&m->tasks[i].allowed, cpu))
			return true;
	return false;
}

static int spinner_start(struct spinner *s, struct err *e)
{
	struct cpulist one = { 0 };
	pthread_attr_t attr;
	int ret;

	cpulist_add(&one, s->cpu);
	pthread_attr_init(&attr);
	ret = pthread_attr_setaffinity_np(&attr, sizeof(one.bits), (cpu_set_t *)one.bits);
	if (!ret)
		ret = pthread_create(&s->thread, &attr, spin, s);
	pthread_attr_destroy(&attr);
	if (ret)
		return err_set(e, -ret, "putting a busy thread on CPU %d failed: %s", s->cpu,
			       strerror(ret));
	s->started = true;
	return 0;
}

/* Sleeps to end_ns; on the way notes the frequencies when busy. -EINTR when stopped. */
static int watch(const struct machine *m, struct measurement *d, uint64_t end_ns, bool busy)
{
	while (clock_now_ns() < end_ns) {
		uint64_t next = clock_now_ns() + LOOK_MS * 1000000ull;

		clock_sleep_until(next < end_ns ? next : end_ns);
		if (stop_requested())
			return -EINTR;
		for (size_t i = 0; i < d->n && busy; i++) {
			struct cpu_measure *c = &d->cpus[i];
			int64_t khz = cpu_number(m, c->cpu, "cpufreq/scaling_cur_freq");

			if (khz > 0 && (c->khz_min == MEASURE_UNKNOWN || khz < c->khz_min))
				c->khz_min = khz;
			if (khz > c->khz_max)
				c->khz_max = khz;
		}
	}
	return 0;
}

static int busy_half(const struct machine *m, struct measurement *d, uint64_t half_ns,
		     struct counters *from, struct err *e)
{
	struct spinner *spinners = calloc(d->n, sizeof(*spinners));
	atomic_bool end = false, counting = false;
	int ret = 0;

	if (!spinners)
		return err_set(e, -ENOMEM, "measuring failed: no memory");
	for (size_t i = 0; i < d->n && !ret; i++) {
		spinners[i] = (struct spinner){ .cpu = d->cpus[i].cpu,
						.end = &end,
						.counting = &counting };
		d->cpus[i].busy = true;
		if (!serves_guest(m, d->cpus[i].cpu))
			ret = spinner_start(&spinners[i], e);
	}
	if (!ret) /* the tick takes a moment to stop */
		ret = watch(m, d, clock_now_ns() + SETTLE_MS * 1000000ull, false);
	if (!ret)
		ret = sample(m, d, from, NULL, e);
	atomic_store(&counting, true);
	if (!ret)
		ret = watch(m, d, clock_now_ns() + half_ns, true);
	atomic_store(&end, true);
	for (size_t i = 0; i < d->n; i++) {
		if (!spinners[i].started)
			continue;
		pthread_join(spinners[i].thread, NULL);
		d->cpus[i].pause_ns = spinners[i].pause_ns;
	}
	free(spinners);
	return ret;
}

struct first_row {
	const char *before; /* text of the earlier /proc/interrupts */
	int cpu;
	char *name;
	uint64_t was;
	const char *looking_for;
};

static void same_row(void *arg, const char *name, uint64_t count)
{
	struct first_row *r = arg;

	if (!strcmp(name, r->looking_for))
		r->was = count;
}

static void grown_row(void *arg, const char *name, uint64_t count)
{
	struct first_row *r = arg;
	uint64_t ignored[IRQ_OTHER + 1];

	if (*r->name)
		return;
	r->was = 0;
	r->looking_for = name;
	interrupts_count(r->before, r->cpu, ignored, same_row, r);
	if (count > r->was)
		snprintf(r->name, sizeof(((struct cpu_measure *)0)->first_irq), "%s", name);
}

static void evaluate(struct measurement *d, const struct counters *start,
		     const struct counters *half, const struct counters *busy,
		     const struct counters *end, const char *first_text, const char *last_text)
{
	d->throttles = d->steal_ticks = MEASURE_UNKNOWN;
	for (size_t i = 0; i < d->n; i++) {
		struct cpu_measure *c = &d->cpus[i];
		int64_t throttled = delta(start[i].throttles, end[i].throttles);
		int64_t stolen = delta(start[i].steal, end[i].steal);
		struct first_row r = { .before = first_text, .cpu = c->cpu, .name = c->first_irq };
		uint64_t ignored[IRQ_OTHER + 1];

		c->ticks = end[i].irqs[IRQ_TICK] - busy[i].irqs[IRQ_TICK];
		c->device_irqs = end[i].irqs[IRQ_DEVICE] - start[i].irqs[IRQ_DEVICE];
		c->ipis = end[i].irqs[IRQ_IPI] - start[i].irqs[IRQ_IPI];
		c->other_tasks = delta(start[i].tasks, half[i].tasks);
		c->deep_idles = delta(start[i].deep_idles, half[i].deep_idles);
		if (throttled >= 0)
			d->throttles = (d->throttles < 0 ? 0 : d->throttles) + throttled;
		if (stolen >= 0)
			d->steal_ticks = (d->steal_ticks < 0 ? 0 : d->steal_ticks) + stolen;
		interrupts_count(last_text, c->cpu, ignored, grown_row, &r);
	}
}

/* Those that get a busy thread are nobody else's meanwhile: it would be in another measurement. */
static int claim(struct claim *c, const struct machine *m, struct err *e)
{
	struct cpulist free = m->isolated;
	const struct claim_opts o = { .alone = &free, .alone_for = "--measure" };

	cpulist_for_each(cpu, &m->isolated)
		if (serves_guest(m, cpu))
			cpulist_remove(&free, cpu);
	return claim_cpus(c, "/sys", &o, e);
}

int measure(const struct machine *m, uint64_t duration_ns, struct measurement *d, struct err *e)
{
	struct texts first = { 0 }, last = { 0 };
	struct counters *c;
	struct claim cpus;
	int64_t smis;
	int ret;

	*d = (struct measurement){ .half_seconds = duration_ns / 2e9 };
	d->n = cpulist_count(&m->isolated);
	if (!d->n)
		return err_set(e, -EINVAL,
			       "measuring failed: no CPU is isolated; name some with "
			       "--cpus");
	d->cpus = calloc(d->n, sizeof(*d->cpus));
	c = calloc(4 * d->n, sizeof(*c));
	if (!d->cpus || !c) {
		free(c);
		return err_set(e, -ENOMEM, "measuring failed: no memory");
	}
	d->n = 0;
	cpulist_for_each(cpu, &m->isolated)
		d->cpus[d->n++] = (struct cpu_measure){ .cpu = cpu,
							.khz_min = MEASURE_UNKNOWN,
							.khz_max = MEASURE_UNKNOWN,
							.pause_ns = MEASURE_UNKNOWN };
	smis = smi_count();
	ret = claim(&cpus, m, e);
	if (!ret)
		ret = sample(m, d, c, &first, e);
	if (!ret)
		ret = watch(m, d, clock_now_ns() + duration_ns / 2, false);
	if (!ret)
		ret = sample(m, d, c + d->n, NULL, e);
	if (!ret)
		ret = busy_half(m, d, duration_ns / 2, c + 2 * d->n, e);
	if (!ret)
		ret = sample(m, d, c + 3 * d->n, &last, e);
	d->smis = delta(smis, smi_count());
	if (!ret)
		evaluate(d, c, c + d->n, c + 2 * d->n, c + 3 * d->n, first.interrupts,
			 last.interrupts);
	else if (ret == -EINTR)
		err_set(e, ret, "measuring was interrupted");
	texts_free(&first);
	texts_free(&last);
	claim_drop(&cpus);
	free(c);
	return ret;
}

void measure_free(struct measurement *d)
{
	free(d->cpus);
	*d = (struct measurement){ 0 };
}
