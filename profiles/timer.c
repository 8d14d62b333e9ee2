// SPDX-License-Identifier: GPL-2.0-only
#include "profiles/timer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/knob.h"

enum { ADVANCE_MOST_NS = 3000, NEAR_PERCENT = 10, NEAR_NS = 100, APART_PERCENT = 150 };
/* where the kernel starts, and how late a timer may be for it to learn: 10,000 cycles, at 2 GHz */
enum { ADVANCE_START_NS = 1000, LEARNS_FROM_NS = 5000 };

static const char value_file[] = "lapic_timer_adv_ns";
static const char key_file[] = "lapic_timer_adv_ns.cpumodel";

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

struct advance timer_advance(const struct timer_cpu *t)
{
	size_t n = t->n_advance - t->n_advance / 2; /* it starts at 1 us and needs time */
	int64_t sorted[TIMER_SAMPLES], near;
	struct advance a = { .known = t->n_advance > 0 };

	if (!a.known)
		return a;
	memcpy(sorted, t->advance_ns + t->n_advance / 2, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_size);
	a.median_ns = sorted[n / 2];
	a.min_ns = sorted[0];
	a.max_ns = sorted[n - 1];
	near = a.median_ns * NEAR_PERCENT / 100;
	near = near > NEAR_NS ? near : NEAR_NS;
	a.settled = a.max_ns - a.median_ns <= near && a.median_ns - a.min_ns <= near;
	return a;
}

/* Never moved, and the timers too late to move it: what it is says nothing about this machine. */
static bool never_learned(const struct timer_cpu *t, const struct advance *a)
{
	bool late = false;

	if (a->min_ns != ADVANCE_START_NS || a->max_ns != ADVANCE_START_NS)
		return false;
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].p50_ns >= 0 && t->rows[i].p50_ns < LEARNS_FROM_NS)
			return false;
		late = late || t->rows[i].p50_ns >= LEARNS_FROM_NS;
	}
	return late;
}

static int parse_row(struct timer_row *r, json_object *o, struct err *e)
{
	snprintf(r->mode, sizeof(r->mode), "%s", json_str(o, "mode", ""));
	r->period_ns = json_int(o, "period_ns", -1);
	r->n = json_int(o, "n", -1);
	r->p50_ns = json_int(o, "p50_ns", -1);
	r->p99_ns = json_int(o, "p99_ns", -1);
	r->max_ns = json_int(o, "max_ns", -1);
	return *r->mode && r->period_ns > 0 && r->n >= 0
		       ? 0
		       : err_set(e, -EINVAL, "a row has no mode, period_ns or n");
}

int timer_parse(struct timer_cpu *t, json_object *o, struct err *e)
{
	json_object *rows = json_at(o, "rows");
	int ret = 0;

	t->n_rows = 0;
	if (json_int(o, "schema", 0) != 1 || strcmp(json_str(o, "payload", ""), "timer"))
		return err_set(e, -EINVAL, "it is no timer result of schema 1");
	if (!rows || !json_object_is_type(rows, json_type_array) ||
	    json_object_array_length(rows) > TIMER_ROWS)
		return err_set(e, -EINVAL, "its rows are missing, or too many");
	snprintf(t->conditions, sizeof(t->conditions), "%s", json_str(o, "conditions", "unknown"));
	for (size_t i = 0; i < json_object_array_length(rows) && !ret; i++)
		ret = parse_row(&t->rows[t->n_rows++], json_object_array_get_idx(rows, i), e);
	return ret;
}

int64_t timer_offer(const struct timer_cpu *cpus, size_t n)
{
	int64_t most = -1;

	for (size_t i = 0; i < n; i++) {
		struct advance a = timer_advance(&cpus[i]);

		if (!a.known || !a.settled || a.median_ns > ADVANCE_MOST_NS ||
		    never_learned(&cpus[i], &a) || strcmp(cpus[i].conditions, "hardware") != 0)
			return -1;
		most = a.median_ns > most ? a.median_ns : most;
	}
	return most;
}

const char *timer_remark(const struct timer_cpu *cpus, size_t n, size_t i)
{
	struct advance a = timer_advance(&cpus[i]);

	if (!a.known)
		return NULL;
	if (never_learned(&cpus[i], &a))
		return "still the 1 us that the kernel starts with: it does not learn from timers "
		       "that are late by over 10,000 cycles";
	if (!a.settled)
		return "the kernel's loop has not settled: latency varies, see power.idle-states "
		       "and power.governor";
	if (a.median_ns > ADVANCE_MOST_NS)
		return "over 3 us: a deep idle state, a frequency that ramps up, or a timer that "
		       "fires on another CPU (see power.idle-states, timer.migration)";
	for (size_t k = 0; k < n; k++) {
		struct advance other = timer_advance(&cpus[k]);

		if (other.settled && other.median_ns > NEAR_NS &&
		    a.median_ns * 100 > other.median_ns * APART_PERCENT)
			return "half as much again as on another CPU: see what differs between them";
	}
	return NULL;
}

/* The first "microcode" line; the doctor's platform.microcode sees to it that all are alike. */
static void microcode(const struct machine *m, char *buf, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = { 0 };
	const char *p = NULL;
	char word[32] = "unknown";

	if (machine_load(m, "/proc/cpuinfo", &text, &ignored) >= 0)
		p = strstr(text, "\nmicrocode");
	if (p)
		sscanf(p, "\nmicrocode : %31s", word);
	snprintf(buf, size, "%s", word);
}

/* What keeps the first isolated CPU out of deep idle states, in the kernel's own words. */
static void idle_cap(const struct machine *m, char *buf, size_t size)
{
	static const char *const keys[] = { "intel_idle.max_cstate", "processor.max_cstate",
					    "idle" };
	char path[96], text[64] = "", value[64];
	struct err ignored = { 0 };
	size_t used;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/power/pm_qos_resume_latency_us",
		 cpulist_next(&m->isolated, 0));
	if (knob_read(m->root, path, text, sizeof(text), &ignored) < 0)
		text[0] = '\0';
	used = snprintf(buf, size, "pm_qos_resume_latency_us=%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(keys) && used < size; i++)
		if (machine_param(m, keys[i], value, sizeof(value)))
			used += snprintf(buf + used, size - used, " %s=%s", keys[i], value);
}

char *timer_key(const struct machine *m, char *buf, size_t size)
{
	char code[32], cap[256];

	microcode(m, code, sizeof(code));
	idle_cap(m, cap, sizeof(cap));
	snprintf(buf, size, "%s\nmicrocode %s\n%s\n%s\n", m->model, code, m->release, cap);
	return buf;
}

static int write_text(const char *dir, const char *name, const char *text, struct err *e)
{
	char path[PATH_MAX];

	return file_path(path, sizeof(path), "%s/%s", dir, name)
		       ? file_replace(path, text, strlen(text), e)
		       : err_sys(e, "writing %s failed", name);
}

int timer_keep(const char *dir, int64_t value_ns, const char *key, struct err *e)
{
	char path[PATH_MAX], text[32];
	int ret;

	/* without its key first: a crash in between leaves no value for the wrong machine */
	if (file_path(path, sizeof(path), "%s/%s", dir, key_file))
		remove(path);
	snprintf(text, sizeof(text), "%lld\n", (long long)value_ns);
	ret = write_text(dir, value_file, text, e);
	return ret < 0 ? ret : write_text(dir, key_file, key, e);
}

int64_t timer_kept(const char *dir, const char *key)
{
	char path[PATH_MAX], text[1024], *end;
	struct err ignored = { 0 };
	long long value;

	if (!file_path(path, sizeof(path), "%s/%s", dir, key_file) ||
	    file_read(path, text, sizeof(text), &ignored) < 0 || strcmp(text, key) ||
	    !file_path(path, sizeof(path), "%s/%s", dir, value_file) ||
	    file_read(path, text, sizeof(text), &ignored) < 0)
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	return end != text && (*end == '\n' || !*end) && !errno && value >= 0 ? value : -1;
}
