// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/guestload.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cyclic/outcome.h"
#include "lib/clock.h"
#include "lib/json.h"

enum {
	SILENT_SLICES = 3,
	SILENT_SLACK_S = 10, /* the job's beginning and end, on an emulated host */
};

int guestload_open(struct guestload *l, struct run *run, struct err *e)
{
	char path[PATH_MAX];

	if (!l->name)
		return 0;
	l->log = fopen(run_path(run, "loads.jsonl", path), "wxe");
	if (!l->log)
		return err_sys(e, "making %s failed", path);
	run_file(run, "loads", "loads.jsonl");
	return 0;
}

static int note(struct guestload *l, const struct abi_load *told, uint64_t wall_ns, double rate,
		struct err *e)
{
	if (fprintf(l->log,
		    "{\"load\":\"%s\",\"count\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.3f,"
		    "\"unit\":\"rounds\",\"wall_ns\":%" PRIu64 "}\n",
		    l->name, told->rounds, (double)told->elapsed_ns / NSEC_PER_SEC, rate,
		    wall_ns) < 0 ||
	    fflush(l->log))
		return err_sys(e, "writing the guest's loads failed");
	return 0;
}

int guestload_take(struct guestload *l, const struct frame_file *f, struct err *e)
{
	uint64_t now = clock_wall_ns();
	struct abi_load told;
	double rate;

	if (!l->name || f->len != sizeof(told))
		return err_set(e, -EPROTO, "the guest sent a proof of work that nobody asked for");
	memcpy(&told, f->data, sizeof(told));
	/* no longer than a year, so that sums of them do not overflow within one */
	if (!told.elapsed_ns || told.elapsed_ns > 366 * 86400 * NSEC_PER_SEC ||
	    told.rounds > told.elapsed_ns)
		return err_set(e, -EPROTO, "the guest's load sent a proof of work that cannot be");
	rate = (double)told.rounds * NSEC_PER_SEC / told.elapsed_ns;
	l->low += !told.rounds || rate < l->floor;
	if (!l->slices || rate < l->least) {
		l->least = rate;
		l->least_wall_ns = now;
	}
	l->slices++;
	l->rounds += told.rounds;
	l->elapsed_ns += told.elapsed_ns;
	return note(l, &told, now, rate, e);
}

static void tell(const struct guestload *l, struct run *run)
{
	json_object *o = json_object_new_object();

	json_set_str(o, "name", l->name);
	json_set_int(o, "slices", l->slices);
	json_set_int(o, "rounds", l->rounds);
	json_set_int(o, "floor", l->floor);
	if (l->slices)
		json_set_double(o, "least_per_second", l->least);
	json_object_object_add(run_section(run, "inforce"), "guest_load", o);
}

void guestload_judge(const struct guestload *l, struct run *run, uint64_t job_ns)
{
	uint64_t slack = SILENT_SLICES * l->slice_ns + SILENT_SLACK_S * NSEC_PER_SEC;
	bool silent = l->elapsed_ns + slack < job_ns;
	char iso[CLOCK_ISO_BYTES];

	if (!l->name)
		return;
	tell(l, run);
	if (l->low)
		run_doubt(run,
			  "the guest's load %s: %" PRIu64 " of %" PRIu64
			  " slices below its floor of %" PRIu64
			  "%s rounds a second; the least, %.2f, at %s",
			  l->name, l->low, l->slices, l->floor,
			  l->floor ? "" : " (more than nothing)", l->least,
			  clock_iso8601(l->least_wall_ns, iso));
	if (silent)
		run_doubt(run,
			  "the guest's load %s proved its work for %.0f s of %.0f s: it was "
			  "silent for more than %d slices",
			  l->name, (double)l->elapsed_ns / NSEC_PER_SEC,
			  (double)job_ns / NSEC_PER_SEC, SILENT_SLICES);
}

void guestload_free(struct guestload *l)
{
	if (l->log)
		fclose(l->log);
	*l = (struct guestload){ 0 };
}
