// SPDX-License-Identifier: GPL-2.0-only
#include "results/spikes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/explained.h"

/* Okabe and Ito's colours: told apart with any colour vision, and in grey by the point type. */
static const struct cause causes[] = {
	{ "hardware", "hardware, firmware, outer hypervisor", "#000000", 7, "solid 1" },
	{ "smi", "system-management interrupt", "#000000", 9, "solid 0.65" },
	{ "nmi", "non-maskable interrupt", "#000000", 13, "solid 0.4" },
	{ "host-irq", "host interrupt", "#0072b2", 7, "solid 1" },
	{ "host-softirq", "host softirq", "#0072b2", 9, "solid 0.65" },
	{ "host-thread", "host thread", "#d55e00", 7, "solid 1" },
	{ "host-throttled", "host real-time throttling", "#d55e00", 13, "solid 0.4" },
	{ "host-off", "host interrupts off", "#0072b2", 13, "solid 0.4" },
	{ "host-idle", "host idle state", "#d55e00", 9, "solid 0.65" },
	{ "vmexit", "VM exit handling", "#009e73", 7, "solid 1" },
	{ "vmm", "VMM user space", "#009e73", 9, "solid 0.65" },
	{ "injection", "late injection", "#009e73", 13, "solid 0.4" },
	{ "guest-irq", "guest interrupt", "#56b4e9", 7, "solid 1" },
	{ "guest-softirq", "guest softirq", "#56b4e9", 9, "solid 0.65" },
	{ "guest-thread", "guest thread", "#e69f00", 7, "solid 1" },
	{ "guest-throttled", "guest real-time throttling", "#e69f00", 13, "solid 0.4" },
	{ "guest-off", "guest interrupts or preemption off", "#e69f00", 9, "solid 0.65" },
	{ "wakeup", "wake-up path", "#cc79a7", 7, "solid 1" },
	{ "return", "return into the measured thread", "#cc79a7", 13, "solid 0.4" },
	{ "armed-late", "timer armed late", "#cc79a7", 9, "solid 0.65" },
	{ "guest-or-exit", "guest or exit handling", "#999999", 9, "solid 0.65" },
	{ "guest-unknown", "in the guest, no telling what", "#999999", 13, "solid 0.4" },
	{ "below-guest", "below the guest (no host trace)", "#999999", 5, "solid 0.25" },
	{ "host-off-or-hw", "host interrupts off, or hardware", "#999999", 11, "solid 0.4" },
	{ "guest-off-or-hw", "guest interrupts off, or hardware", "#999999", 11, "solid 0.65" },
	{ "unexplained", "unexplained", "#999999", 7, "solid 1" },
};

const struct cause *cause_at(size_t i)
{
	return i < ARRAY_SIZE(causes) ? &causes[i] : NULL;
}

const struct cause *cause_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(causes); i++)
		if (!strcmp(causes[i].name, name))
			return &causes[i];
	return &causes[ARRAY_SIZE(causes) - 1];
}

int spikes_add(struct spikes *s, const struct spike *spike, struct err *e)
{
	if (s->n == SPIKES_MAX) {
		s->dropped++;
		return 0;
	}
	if (!(s->n & (s->n - 1))) { /* grows at powers of two */
		struct spike *more = realloc(s->v, (s->n ? 2 * s->n : 1) * sizeof(*more));

		if (!more)
			return err_set(e, -ENOMEM, "reading spikes failed: no memory");
		s->v = more;
	}
	s->v[s->n++] = *spike;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct spike *x = a, *y = b;

	if (x->wall_ns != y->wall_ns)
		return x->wall_ns < y->wall_ns ? -1 : 1;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	return (x->cycle > y->cycle) - (x->cycle < y->cycle);
}

/* A guest's vCPU and an instrument of the host may name one CPU by two numbers. */
static bool same_cpu(const struct spike *a, const struct spike *b)
{
	if (a->host_cpu >= 0 && b->host_cpu >= 0)
		return a->host_cpu == b->host_cpu;
	return a->cpu == b->cpu && !strcmp(a->instrument, b->instrument);
}

static int count_cpus(const struct spikes *s, const struct event *ev)
{
	int n = 0;

	for (size_t i = ev->first; i < ev->first + ev->n; i++) {
		size_t k = ev->first;

		while (!same_cpu(&s->v[k], &s->v[i]))
			k++;
		n += k == i;
	}
	return n;
}

/* Spikes of unknown time are events of their own: nothing shows that they belong together. */
static bool belongs(const struct event *ev, const struct spike *k)
{
	return ev->wall_ns && k->wall_ns && k->wall_ns - ev->wall_ns <= EVENT_NS;
}

int spikes_group(struct spikes *s, struct err *e)
{
	struct event *ev = NULL;

	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), by_time);
	free(s->events);
	s->events = calloc(s->n, sizeof(*s->events));
	if (!s->events)
		return err_set(e, -ENOMEM, "grouping spikes failed: no memory");
	s->n_events = s->platform = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct spike *k = &s->v[i];

		if (!ev || !belongs(ev, k)) {
			ev = &s->events[s->n_events++];
			*ev = (struct event){ .wall_ns = k->wall_ns, .first = i };
		}
		ev->n++;
		if (k->latency_ns > ev->latency_ns)
			ev->latency_ns = k->latency_ns;
		k->event = ev - s->events;
	}
	for (size_t i = 0; i < s->n_events; i++) {
		s->events[i].cpus = count_cpus(s, &s->events[i]);
		s->platform += s->events[i].cpus > 1;
	}
	return 0;
}

/* Text of others that goes into reports: printable, and cut to size. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++)
		if ((unsigned char)*from >= ' ' && (unsigned char)*from < 0x7f)
			to[n++] = *from;
	to[n] = '\0';
}

static bool parse(json_object *o, struct spike *k)
{
	int64_t wall = json_int(o, "wall_ns", -1), latency = json_int(o, "latency_ns", -1);
	int64_t cpu = json_int(o, "cpu", -2), host_cpu = json_int(o, "host_cpu", -1);

	if (wall < 0 || latency < 0 || cpu < -1 || cpu > 65535 || host_cpu < -1 || host_cpu > 65535)
		return false;
	*k = (struct spike){
		.wall_ns = wall,
		.latency_ns = latency,
		.cpu = cpu,
		.host_cpu = host_cpu,
		.cycle = json_int(o, "cycle", -1),
		.cause = cause_find(json_str(o, "cause", NULL)),
	};
	copy_text(k->instrument, sizeof(k->instrument), json_str(o, "instrument", ""));
	copy_text(k->detail, sizeof(k->detail), json_str(o, "detail", ""));
	return true;
}

struct loading {
	struct explained x;
	size_t next; /* number of the next line that is no explanation */
};

static void take_cause(struct spike *k, json_object *line, json_object *explanation)
{
	if (!explanation || json_at(line, "cause"))
		return;
	k->cause = cause_find(json_str(explanation, "cause", NULL));
	copy_text(k->detail, sizeof(k->detail), json_str(explanation, "detail", ""));
}

/* An explanation is no spike beside the line of its spike; without any it is all that is known. */
static int load_line(struct spikes *s, struct loading *l, const char *line, struct err *e)
{
	_cleanup_json_ json_object *o = json_tokener_parse(line), *explanation = NULL;
	struct spike k;

	if (json_object_is_type(o, json_type_object)) {
		if (explained_is(o) && l->x.n_spikes)
			return 0;
		if (!explained_is(o))
			explanation = json_object_get(explained_of(&l->x, l->next++));
	}
	if (o && parse(o, &k)) {
		take_cause(&k, o, explanation);
		return spikes_add(s, &k, e);
	}
	s->bad_lines += line[strspn(line, " \t\r\n")] != '\0';
	return 0;
}

int spikes_load(struct spikes *s, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	struct loading l = { .next = 0 };
	size_t size = 0;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = file_stream(path, &f, e);
	if (!f)
		return ret;
	ret = explained_load(&l.x, path, e);
	while (!ret && getline(&line, &size, f) >= 0)
		ret = load_line(s, &l, line, e);
	if (!ret && ferror(f))
		ret = err_sys(e, "reading %s failed", path);
	if (!ret)
		ret = spikes_group(s, e);
	if (ret)
		spikes_free(s);
	explained_free(&l.x);
	return ret;
}

int spikes_save(const struct spikes *s, const char *path, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, -ENOMEM, "writing %s failed: no memory", path);
	for (size_t i = 0; i < s->n; i++) {
		const struct spike *k = &s->v[i];
		_cleanup_json_ json_object *o = json_object_new_object();

		json_set_int(o, "wall_ns", k->wall_ns);
		json_set_int(o, "cpu", k->cpu);
		json_set_int(o, "latency_ns", k->latency_ns);
		if (k->instrument[0])
			json_set_str(o, "instrument", k->instrument);
		if (k->host_cpu >= 0)
			json_set_int(o, "host_cpu", k->host_cpu);
		if (k->cycle >= 0)
			json_set_int(o, "cycle", k->cycle);
		json_set_str(o, "cause", k->cause->name);
		if (k->detail[0])
			json_set_str(o, "detail", k->detail);
		fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
	if (fclose(f))
		return err_set(e, -ENOMEM, "writing %s failed: no memory", path);
	return file_replace(path, text, len, e);
}

void spikes_free(struct spikes *s)
{
	free(s->v);
	free(s->events);
	memset(s, 0, sizeof(*s));
}
