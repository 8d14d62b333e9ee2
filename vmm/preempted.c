// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/preempted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

int preempted_open(struct vcpuhist *h, const pid_t *tids, int n, struct err *e)
{
	static const struct vcpuhist_event event = { "--trace-switches", "switches", "sched",
						     "sched_switch" };
	char what[96];
	int ret = vcpuhist_open(h, &event, e);

	snprintf(what, sizeof(what),
		 "keys=common_pid,next_pid,next_comm:sort=hitcount.descending:size=%d",
		 PREEMPTED_ROWS);
	if (!ret)
		ret = vcpuhist_add(h, what, "(prev_state == 0 || prev_state == 256)", tids, n, e);
	return ret < 0 ? ret : vcpuhist_read(h, e);
}

/* "LABEL   123": past both. */
static bool number(const char **text, const char *label, uint64_t *n)
{
	size_t len = strlen(label);
	char *end;

	if (strncmp(*text, label, len))
		return false;
	*n = strtoull(*text + len, &end, 10);
	if (end == *text + len)
		return false;
	*text = end;
	return true;
}

/*
 * "{ common_pid: 710, next_pid: 33, next_comm: rcuc/3           } hitcount: 2", with blanks to fill
 * columns: the name, or NULL when this is no row. A thread's name may hold anything, line ends, too;
 * it is too short to look like this, though not to look like the row's end.
 */
static const char *row_name(const char *text, struct preempted_row *r)
{
	static const char label[] = ", next_comm: ";
	uint64_t vcpu, by;

	if (!number(&text, "{ common_pid:", &vcpu) || !number(&text, ", next_pid:", &by) ||
	    strncmp(text, label, sizeof(label) - 1))
		return NULL;
	r->vcpu = vcpu;
	r->by = by;
	return text + sizeof(label) - 1;
}

/* To the next line that begins a row, or to the end. */
static const char *row_end(const char *text)
{
	struct preempted_row ignored;
	const char *p = text;

	while ((p = strchr(p, '\n')))
		if (row_name(++p, &ignored))
			return p;
	return text + strlen(text);
}

/* From the name on; where that ends is looked for from the end. */
static bool parse_rest(struct preempted_row *r, const char *name, const char *end)
{
	static const char label[] = "} hitcount:";
	const char *last = NULL;
	size_t len;

	for (const char *p = name; (p = memmem(p, end - p, label, sizeof(label) - 1)); p++)
		last = p;
	if (!last)
		return false;
	for (len = last - name; len && name[len - 1] == ' '; len--)
		;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)(len < sizeof(r->name) ? len : 15), name);
	return number(&last, label, &r->times);
}

/* The row for the same thread and name; p->n: none. */
static size_t row_like(const struct preempted *p, const struct preempted_row *r)
{
	size_t i = 0;

	while (i < p->n && (p->row[i].vcpu != r->vcpu || p->row[i].by != r->by ||
			    strcmp(p->row[i].name, r->name)))
		i++;
	return i;
}

void preempted_parse(struct preempted *p, const char *text)
{
	p->n = 0;
	while (*text && p->n < PREEMPTED_ROWS) {
		struct preempted_row r;
		const char *name = row_name(text, &r), *end = row_end(name ? name : text);

		if (name && parse_rest(&r, name, end)) {
			size_t i = row_like(p, &r); /* names that differ in their last blanks */

			if (i < p->n)
				p->row[i].times += r.times;
			else
				p->row[p->n++] = r;
		}
		text = end;
	}
}

static json_object *row_json(const struct preempted_row *r, uint64_t times)
{
	json_object *o = json_object_new_object();

	json_set_int(o, "tid", r->by);
	json_set_str(o, "name", r->name);
	json_set_int(o, "times", times);
	return o;
}

void preempted_json(json_object *o, const struct preempted *from, const struct preempted *to,
		    pid_t vcpu, uint64_t switches)
{
	json_object *list = json_object_new_array();
	uint64_t named = 0;

	for (size_t i = 0; i < to->n; i++) {
		const struct preempted_row *r = &to->row[i];
		uint64_t times = r->times;
		size_t before;

		if (r->vcpu != vcpu)
			continue;
		before = row_like(from, r);
		if (before < from->n)
			times -= from->row[before].times;
		if (!times)
			continue;
		json_object_array_add(list, row_json(r, times));
		named += times;
	}
	json_object_object_add(o, "preempted_by", list);
	json_set_int(o, "preempted_by_others", switches > named ? switches - named : 0);
}
