// SPDX-License-Identifier: GPL-2.0-only
/* explain_run - what an explanation leaves in a run directory: spikes.jsonl, and causes in run.json */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "results/record.h"
#include "tracing/explain.h"

/* The causes into run.json. */
static int save(struct explanation *x, struct run *run, struct err *e)
{
	json_object *causes = json_object_new_object();
	json_object *trace = run_section(run, "trace");
	const struct clock_bound *b = &x->bound;

	for (int c = 0; c < CAUSE_COUNT; c++) {
		const char *key = cause_info[c].key;

		if (x->causes[c].spikes)
			json_set_int(causes, key, json_int(causes, key, 0) + x->causes[c].spikes);
	}
	json_object_object_add(run->doc, "causes", causes);
	json_set_int(trace, "explained", x->spikes);
	json_set_int(trace, "threshold_ns", x->opts->threshold_ns);
	json_set_int(trace, "offset_ticks", x->session.file[GUEST].clock.offset);
	json_set_str(trace, "offset_from", x->session.offset_from);
	if (x->session.has[HOST])
		json_object_object_add(trace, "vcpus", explain_vcpus_json(x));
	if (explain_error_known(x)) {
		json_set_int(trace, "clock_error_low_ns",
			     -(int64_t)clock_ns(x->session.rate, -b->low));
		json_set_int(trace, "clock_error_high_ns", clock_ns(x->session.rate, b->high));
	}
	if (x->spikes)
		json_set_int(trace, "guest_went_on_ns", explain_went_on_ns(x, GUEST));
	if (x->spikes && x->session.has[HOST])
		json_set_int(trace, "host_went_on_ns", explain_went_on_ns(x, HOST));
	run_file(run, "spikes", "spikes.jsonl");
	return run_save(run, e);
}

/* What other instruments have written into spikes.jsonl stays; what an earlier explain did goes. */
static int copy_lines(FILE *to, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *from = NULL;
	_cleanup_free_ char *line = NULL;
	int ret = file_stream(path, &from, e);
	size_t room = 0;

	if (!from)
		return ret;
	while (getline(&line, &room, from) > 0) {
		_cleanup_json_ json_object *o = json_tokener_parse(line);

		if (strcmp(json_str(o, "instrument", ""), "trace") != 0)
			fputs(line, to);
	}
	return ferror(from) || ferror(to) ? err_set(e, -EIO, "copying %s failed", path) : 0;
}

/* Begin a new spikes.jsonl beside the old one. */
static int open_lines(struct explanation *x, const struct run *run, char tmp[PATH_MAX],
		      struct err *e)
{
	char name[64], path[PATH_MAX];

	snprintf(name, sizeof(name), "spikes.jsonl.%d.tmp", getpid());
	x->lines = fopen(run_path(run, name, tmp), "we");
	if (!x->lines)
		return err_sys(e, "writing %s failed", tmp);
	return copy_lines(x->lines, run_path(run, "spikes.jsonl", path), e);
}

static int close_lines(struct explanation *x, const struct run *run, const char *tmp, int ret,
		       struct err *e)
{
	char path[PATH_MAX];
	int bad;

	if (!x->lines)
		return ret;
	bad = ferror(x->lines) | fflush(x->lines) | fsync(fileno(x->lines));
	bad |= fclose(x->lines);
	x->lines = NULL;
	if (!ret && bad)
		ret = err_set(e, -EIO, "writing %s failed", tmp);
	if (!ret && rename(tmp, run_path(run, "spikes.jsonl", path)))
		ret = err_sys(e, "writing %s failed", path);
	if (ret < 0)
		unlink(tmp);
	return ret;
}

int explain_run(struct explanation *x, struct err *e)
{
	struct run run;
	char tmp[PATH_MAX];
	int ret = run_open(&run, x->opts->run_dir, e);

	if (!ret)
		ret = open_lines(x, &run, tmp, e);
	if (!ret)
		ret = explain_walk(x, e);
	ret = close_lines(x, &run, tmp, ret, e);
	if (!ret)
		ret = save(x, &run, e);
	run_close(&run);
	return ret;
}
