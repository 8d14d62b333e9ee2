// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guestfacts.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "cyclic/factlist.h"
#include "cyclic/guestjob.h"
#include "lib/threads.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* "PATH:TEXT" lines of the guest. */
void guestfacts_read(struct run *run, const struct frame_file *f)
{
	_cleanup_free_ char *text = f ? strndup((const char *)f->data, f->len) : NULL;
	json_object *guest = run_section(run, "guest");
	char *save = NULL;

	if (!text)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (size_t i = 0; i < n_facts; i++) {
			size_t n = strlen(facts[i].path);

			if (!strncmp(line, facts[i].path, n) && line[n] == ':')
				json_set_str(guest, facts[i].key, line + n + 1);
		}
	}
}

/* The measuring threads as the guest's kernel had them: one for each vCPU, at our priority? */
int guestfacts_threads(struct run *run, const struct ctopts *o, int want,
		       const struct frame_file *f, struct err *e)
{
	_cleanup_free_ char *text = f ? strndup((const char *)f->data, f->len) : NULL;
	json_object *list = json_object_new_array();
	int good = 0, other = 0;
	char *save = NULL;

	json_object_object_add(run_section(run, "inforce"), "threads", list);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct thread_stat s;
		json_object *t;

		if (thread_stat_parse(line, &s) || s.policy == SCHED_OTHER)
			continue; /* the main thread measures nothing */
		t = json_object_new_object();
		json_set_int(t, "tid", s.tid);
		json_set_int(t, "cpu", s.cpu);
		json_set_str(t, "policy", s.policy == SCHED_FIFO ? "fifo" : "other");
		json_set_int(t, "priority", s.priority);
		json_object_array_add(list, t);
		if (s.policy == SCHED_FIFO && (uint64_t)s.priority == o->priority)
			good++;
		else
			other++;
	}
	if (good != want)
		return err_set(e, other || good > want ? -EPROTO : -EAGAIN,
			       "%s ran %d threads at SCHED_FIFO priority %ju%s, asked were %d; "
			       "run.json lists them",
			       guest_tool(o->instrument)->program, good, (uintmax_t)o->priority,
			       o->host ? "" : " in the guest", want);
	return 0;
}
