// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/preempted.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"

int preempted_open(struct vcpuhist *h, const pid_t *tids, int n, struct err *e)
{
	static const struct vcpuhist_event event = { "--trace-switches", "switches", "sched",
						     "sched_switch" };
	int ret = vcpuhist_open(h, &event, e);

	if (!ret)
		ret = vcpuhist_add(h, "keys=common_pid,next_pid,next_comm:size=512",
				   "(prev_state == 0 || prev_state == 256)", tids, n, e);
	return ret < 0 ? ret : vcpuhist_read(h, e);
}

/*
 * "{ common_pid: 710, next_pid: 33, next_comm: rcuc/3           } hitcount: 2", with blanks to fill
 * columns; a thread's name may hold anything, so its end is looked for from the end of the line.
 */
static bool parse_row(struct preempted_row *r, const char *line, size_t len)
{
	static const char last[] = "} hitcount:";
	int vcpu, by, at = 0;
	const char *end = NULL;
	size_t name;

	if (sscanf(line, "{ common_pid: %d, next_pid: %d, next_comm: %n", &vcpu, &by, &at) != 2 ||
	    !at || (size_t)at > len)
		return false;
	for (const char *p = line + at; (p = memmem(p, line + len - p, last, sizeof(last) - 1));
	     p++)
		end = p;
	if (!end || sscanf(end + sizeof(last) - 1, "%" SCNu64, &r->times) != 1)
		return false;
	for (name = end - (line + at); name && line[at + name - 1] == ' '; name--)
		;
	r->vcpu = vcpu;
	r->by = by;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)(name < sizeof(r->name) ? name : 15),
		 line + at);
	return true;
}

void preempted_parse(struct preempted *p, const char *text)
{
	p->n = 0;
	while (*text && p->n < PREEMPTED_ROWS) {
		size_t len = strcspn(text, "\n");

		if (parse_row(&p->row[p->n], text, len))
			p->n++;
		text += len + (text[len] == '\n');
	}
}

static uint64_t times_before(const struct preempted *p, const struct preempted_row *r)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->row[i].vcpu == r->vcpu && p->row[i].by == r->by &&
		    !strcmp(p->row[i].name, r->name))
			return p->row[i].times;
	return 0;
}

json_object *preempted_json(const struct preempted *from, const struct preempted *to, pid_t vcpu)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < to->n; i++) {
		const struct preempted_row *r = &to->row[i];
		uint64_t times = r->times - times_before(from, r);
		json_object *o;

		if (r->vcpu != vcpu || !times)
			continue;
		o = json_object_new_object();
		json_set_int(o, "tid", r->by);
		json_set_str(o, "name", r->name);
		json_set_int(o, "times", times);
		json_object_array_add(list, o);
	}
	return list;
}
