// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_loads.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/campaign_plan.h"
#include "cyclic/complaint.h"
#include "lib/clock.h"

enum { SILENT_SLICES = 3, STOP_GRACE_MS = 3000 };

static void fail(struct running_load *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct running_load *r, const char *fmt, ...)
{
	char iso[CLOCK_ISO_BYTES];
	va_list args;
	int n;

	if (r->why[0])
		return; /* the first failure is the cause */
	n = snprintf(r->why, sizeof(r->why), "load %s, %s: ", r->entry->entry.name,
		     clock_iso8601(clock_wall_ns(), iso));
	va_start(args, fmt);
	vsnprintf(r->why + n, sizeof(r->why) - n, fmt, args);
	va_end(args);
}

static int start_one(struct running_load *r, const struct campaign *c, const char *self,
		     struct err *e)
{
	struct proc_opts o = PROC_OPTS_INIT;
	struct vmproc_argv a;
	int fd[2], ret = plan_load(&a, self, c, r->entry, e);

	if (ret < 0)
		return ret;
	r->err = memfd_create("stderr", MFD_CLOEXEC);
	if (r->err < 0 || pipe2(fd, O_CLOEXEC))
		return err_sys(e, "starting load %s failed", r->entry->entry.name);
	r->out = fd[0];
	o.argv = a.argv;
	o.out = fd[1];
	o.err = r->err;
	ret = proc_start(&r->proc, &o, e);
	close(fd[1]);
	if (!ret && fcntl(r->out, F_SETFL, O_NONBLOCK))
		ret = err_sys(e, "starting load %s failed", r->entry->entry.name);
	r->proven_ns = clock_now_ns();
	return ret;
}

int loads_start(struct loads *l, const struct campaign *c, const struct phase_entry *p,
		const char *self, const char *log_path, struct err *e)
{
	int ret = 0;

	*l = (struct loads){ .slice_ns = c->slice_ns, .phase = p->entry.name };
	if (!p->n_loads)
		return 0;
	l->log = fopen(log_path, "ae");
	if (!l->log)
		return err_sys(e, "opening %s failed", log_path);
	for (size_t i = 0; i < p->n_loads && !ret; i++) {
		l->v[i] = (struct running_load){ .entry = p->loads[i], .out = -1, .err = -1 };
		l->n++;
		ret = start_one(&l->v[i], c, self, e);
	}
	if (ret < 0)
		loads_stop(l);
	return ret;
}

/* The last interval is as short as the phase's end made it: it counts only if there is no other. */
static void take_proof(struct loads *l, struct running_load *r, const char *line, bool last)
{
	json_object *o = json_tokener_parse(line);
	int64_t count = json_int(o, "count", -1);

	if (count < 0) {
		json_object_put(o);
		fail(r, "its proof is not understood: %.100s", line);
		return;
	}
	r->proven_ns = clock_now_ns();
	r->per_second = json_double(o, "per_second", 0);
	json_set_str(o, "phase", l->phase);
	json_set_int(o, "wall_ns", clock_wall_ns());
	fprintf(l->log, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	if ((!last || !r->proofs) && (!count || r->per_second < r->entry->floor))
		fail(r, "%.1f %s a second, its floor is %" PRIu64 "%s", r->per_second,
		     r->entry->kind->unit, r->entry->floor,
		     r->entry->floor ? "" : " (more than nothing)");
	r->proofs++;
	json_object_put(o);
}

static void read_lines(struct loads *l, struct running_load *r, bool last)
{
	ssize_t n;

	while ((n = read(r->out, r->line + r->used, sizeof(r->line) - 1 - r->used)) > 0) {
		char *end, *start = r->line;

		r->used += n;
		r->line[r->used] = '\0';
		for (; (end = strchr(start, '\n')); start = end + 1) {
			*end = '\0';
			take_proof(l, r, start, last);
		}
		r->used = strlen(start);
		memmove(r->line, start, r->used);
		if (r->used == sizeof(r->line) - 1) {
			fail(r, "its proof is not understood: no end of line");
			r->used = 0;
		}
	}
}

static void watch_one(struct loads *l, struct running_load *r)
{
	char said[200];

	read_lines(l, r, false);
	if (r->why[0])
		return;
	if (proc_poll(&r->proc) == 1) {
		complaint(r->err, "rtkvm noise: ", said, sizeof(said));
		fail(r, "ended with code %d%s%s", proc_code(&r->proc), *said ? ": " : "", said);
	} else if (clock_now_ns() - r->proven_ns > SILENT_SLICES * l->slice_ns + 2 * NSEC_PER_SEC) {
		fail(r, "silent for more than %d slices", SILENT_SLICES);
	}
}

void loads_watch(struct loads *l)
{
	for (size_t i = 0; i < l->n; i++)
		watch_one(l, &l->v[i]);
	if (l->log)
		fflush(l->log);
}

void loads_finish(struct loads *l)
{
	for (size_t i = 0; i < l->n; i++)
		proc_stop(&l->v[i].proc, STOP_GRACE_MS);
	for (size_t i = 0; i < l->n; i++) {
		read_lines(l, &l->v[i], true);
		if (!l->v[i].proofs)
			fail(&l->v[i], "no proof of work came from it");
	}
}

void loads_failures(const struct loads *l, json_object *reasons)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].why[0])
			json_object_array_add(reasons, json_object_new_string(l->v[i].why));
}

void loads_stop(struct loads *l)
{
	for (size_t i = 0; i < l->n; i++)
		proc_stop(&l->v[i].proc, STOP_GRACE_MS);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].out >= 0)
			close(l->v[i].out);
		if (l->v[i].err >= 0)
			close(l->v[i].err);
	}
	if (l->log)
		fclose(l->log);
	*l = (struct loads){ 0 };
}
