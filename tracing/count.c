// SPDX-License-Identifier: GPL-2.0-only
#include "tracing/count.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/file.h"

/* The two events, the keys of their histograms, and the field that holds the reason. */
static const struct source {
	const char *event, *keys, *reason;
} sources[] = {
	{ "kvm_exit", "common_pid,isa,exit_reason", "exit_reason" },
	{ "kvm_userspace_exit", "common_pid,reason", "reason" },
};

enum {
	HIST_MAX_BYTES = 16 << 20,
	HIST_ENTRIES = 8192, /* threads x reasons; what does not fit is reported as lost */
	RING_KIB = 4096, /* a CPU's 50,000 events of 80 bytes: seconds, at the rates of a guest */
};

int counts_add(struct counts *c, pid_t tid, enum reason_set set, uint32_t reason, uint64_t hits)
{
	for (size_t i = 0; i < c->n; i++) {
		struct count_row *r = &c->rows[i];

		if (r->tid == tid && r->set == set && r->reason == reason) {
			r->hits += hits;
			return 0;
		}
	}
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct count_row *rows = reallocarray(c->rows, room, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		c->rows = rows;
		c->room = room;
	}
	c->rows[c->n++] =
		(struct count_row){ .tid = tid, .set = set, .reason = reason, .hits = hits };
	return 0;
}

void counts_free(struct counts *c)
{
	free(c->rows);
	*c = (struct counts){ 0 };
}

void counts_subtract(struct counts *end, const struct counts *begin)
{
	end->lost -= begin->lost;
	for (size_t i = 0; i < end->n; i++) {
		struct count_row *r = &end->rows[i];

		for (size_t k = 0; k < begin->n; k++) {
			const struct count_row *b = &begin->rows[k];

			if (b->tid == r->tid && b->set == r->set && b->reason == r->reason)
				r->hits -= b->hits;
		}
	}
}

/* The number after "key:" within [line, end); false when there is none. */
static bool hist_field(const char *line, const char *end, const char *key, uint64_t *value)
{
	size_t n = strlen(key);
	char *stop;

	for (const char *p = line; p + n < end; p++) {
		if (strncmp(p, key, n) || p[n] != ':' || (p > line && p[-1] != ' '))
			continue;
		errno = 0;
		*value = strtoull(p + n + 1, &stop, 10);
		return stop > p + n + 1 && stop <= end && !errno;
	}
	return false;
}

/* "{ common_pid: 2061, isa: 2, exit_reason: 120 } hitcount: 17" */
static int hist_line(struct counts *c, const char *line, size_t len, enum reason_set set,
		     struct err *e)
{
	const char *end = line + len;
	uint64_t tid, isa = set, reason, hits;

	if (!hist_field(line, end, "common_pid", &tid) ||
	    !hist_field(line, end, "hitcount", &hits) ||
	    !(hist_field(line, end, "exit_reason", &reason) ||
	      hist_field(line, end, "reason", &reason)))
		return err_set(e, -EINVAL,
			       "reading a trace histogram failed: \"%.*s\" is not understood",
			       len > 120 ? 120 : (int)len, line);
	hist_field(line, end, "isa", &isa);
	if (counts_add(c, tid, isa, reason, hits))
		return err_set(e, -ENOMEM, "reading a trace histogram failed: no memory");
	return 0;
}

int counts_parse(struct counts *c, const char *text, enum reason_set set, struct err *e)
{
	bool totals = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		uint64_t dropped;
		int ret = 0;

		if (text[0] == '{') {
			ret = hist_line(c, text, len, set, e);
		} else if (hist_field(text, text + len, "Dropped", &dropped)) {
			c->lost += dropped;
			totals = true;
		}
		if (ret < 0)
			return ret;
		text += len + (text[len] == '\n');
	}
	if (!totals)
		return err_set(e, -EINVAL, "reading a trace histogram failed: it has no totals");
	return 0;
}

static int by_tid(const void *a, const void *b)
{
	const struct count_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

static const struct count_thread *find_thread(const struct counter *c, pid_t tid)
{
	struct count_thread key = { .tid = tid };

	return bsearch(&key, c->threads, c->n_threads, sizeof(key), by_tid);
}

static int list_threads(struct counter *c, pid_t pid, struct err *e)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return err_set(e, -ESRCH, "watching process %d failed: there is no such process",
			       pid);
	while ((d = readdir(dir))) {
		struct count_thread *t;
		char comm[sizeof(path) + 32];

		if (d->d_name[0] == '.')
			continue;
		t = reallocarray(c->threads, c->n_threads + 1, sizeof(*t));
		if (!t)
			return err_set(e, -ENOMEM, "watching process %d failed: no memory", pid);
		c->threads = t;
		t += c->n_threads++;
		t->tid = atoi(d->d_name);
		snprintf(comm, sizeof(comm), "%s/%d/comm", path, t->tid);
		file_read_line(comm, t->name, sizeof(t->name));
	}
	if (!c->n_threads)
		return err_set(e, -ESRCH, "watching process %d failed: it has ended", pid);
	qsort(c->threads, c->n_threads, sizeof(*c->threads), by_tid);
	return 0;
}

/*
 * A range of thread ids keeps the filter short however many threads there are; other processes'
 * threads within it are left out when the counts are read.
 */
static int watch(struct counter *c, const struct source *s, struct err *e)
{
	char filter[96], file[96], trigger[256];

	snprintf(filter, sizeof(filter), "common_pid >= %d && common_pid <= %d", c->threads[0].tid,
		 c->threads[c->n_threads - 1].tid);
	if (!c->by_trigger)
		return tfs_enable(&c->tfs, "kvm", s->event, filter, e);
	snprintf(file, sizeof(file), "events/kvm/%s/trigger", s->event);
	snprintf(trigger, sizeof(trigger), "hist:keys=%s:size=%d if %s", s->keys, HIST_ENTRIES,
		 filter);
	return tfs_write(&c->tfs, file, trigger, e);
}

int counter_open(struct counter *c, pid_t pid, struct err *e)
{
	int ret;

	*c = (struct counter){ .tfs = TFS_INIT };
	ret = list_threads(c, pid, e);
	if (!ret)
		ret = tfs_create(&c->tfs, "count", e);
	if (!ret && !tfs_has(&c->tfs, "events/kvm/kvm_exit"))
		ret = err_set(e, -ENOENT,
			      "counting VM exits failed: the kernel has no event kvm:kvm_exit; "
			      "is KVM loaded?");
	if (ret < 0)
		goto fail;
	c->by_trigger = tfs_has(&c->tfs, "events/kvm/kvm_exit/hist");
	ret = tfs_buffer(&c->tfs, c->by_trigger ? 4 : RING_KIB, e);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(sources); i++)
		ret = watch(c, &sources[i], e);
	if (!ret)
		ret = tfs_on(&c->tfs, true, e);
	if (!ret)
		return 0;
fail:
	counter_close(c);
	return ret;
}

static int read_triggers(struct counter *c, struct counts *now, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		_cleanup_free_ char *text = NULL;
		char file[96];
		int ret;

		snprintf(file, sizeof(file), "events/kvm/%s/hist", sources[i].event);
		ret = tfs_load(&c->tfs, file, HIST_MAX_BYTES, &text, e);
		if (!ret)
			ret = counts_parse(now, text, REASON_USERSPACE, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static bool number(struct tep_event *event, struct tep_record *record, const char *name,
		   unsigned long long *value)
{
	struct tep_format_field *field = tep_find_any_field(event, name);

	return field && !tep_read_number_field(field, record->data, value);
}

static int on_event(struct tep_event *event, struct tep_record *record, int cpu, void *ctx)
{
	unsigned long long reason, isa = REASON_USERSPACE;
	struct counter *c = ctx;

	(void)cpu;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (strcmp(event->name, sources[i].event) ||
		    !number(event, record, sources[i].reason, &reason))
			continue;
		number(event, record, "isa", &isa); /* kvm_exit alone has it */
		if (counts_add(&c->seen, tep_data_pid(event->tep, record), isa, reason, 1))
			c->seen.lost++;
	}
	return 0;
}

static int read_ring(struct counter *c, struct counts *now, struct err *e)
{
	struct tfs_lost lost = { 0 };
	int ret = tfs_drain(&c->tfs, on_event, c, e);

	if (!ret)
		ret = tfs_lost(&c->tfs, &lost, e);
	if (ret < 0)
		return ret;
	now->lost = c->seen.lost + lost.overwritten + lost.dropped;
	for (size_t i = 0; i < c->seen.n; i++) {
		const struct count_row *r = &c->seen.rows[i];

		if (counts_add(now, r->tid, r->set, r->reason, r->hits))
			return err_set(e, -ENOMEM, "reading trace events failed: no memory");
	}
	return 0;
}

int counter_read(struct counter *c, struct counts *now, struct err *e)
{
	size_t kept = 0;
	int ret;

	counts_free(now);
	ret = c->by_trigger ? read_triggers(c, now, e) : read_ring(c, now, e);
	for (size_t i = 0; i < now->n; i++) /* other processes' threads in the filter's range */
		if (find_thread(c, now->rows[i].tid))
			now->rows[kept++] = now->rows[i];
	now->n = kept;
	return ret;
}

void counter_close(struct counter *c)
{
	tfs_destroy(&c->tfs);
	counts_free(&c->seen);
	free(c->threads);
	*c = (struct counter){ .tfs = TFS_INIT };
}

static json_object *thread_json(const struct count_thread *t, const struct counts *window)
{
	json_object *exits = json_object_new_object(), *userspace = json_object_new_object();
	json_object *o = json_object_new_object();
	char name[REASON_BYTES];

	json_set_int(o, "tid", t->tid);
	json_set_str(o, "name", t->name);
	json_object_object_add(o, "exits", exits);
	json_object_object_add(o, "userspace", userspace);
	for (size_t i = 0; i < window->n; i++) {
		const struct count_row *r = &window->rows[i];

		if (r->tid == t->tid && r->hits)
			json_set_int(r->set == REASON_USERSPACE ? userspace : exits,
				     reason_name(r->set, r->reason, name), r->hits);
	}
	if (json_object_object_length(exits) || json_object_object_length(userspace))
		return o;
	json_object_put(o);
	return NULL;
}

json_object *counter_json(const struct counter *c, const struct counts *window)
{
	json_object *threads = json_object_new_array();

	for (size_t i = 0; i < c->n_threads; i++) {
		json_object *t = thread_json(&c->threads[i], window);

		if (t)
			json_object_array_add(threads, t);
	}
	return threads;
}
