// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/campaign_baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "cyclic/complaint.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/proc.h"

/* The exit code of rtkvm compare BASELINE DIR, its files in DIR/NAME. */
static int compare(const struct engine *en, const char *dir, const char *name, struct err *e)
{
	const char *base = json_str(en->state->doc, "baseline", "");
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int said = memfd_create("stderr", MFD_CLOEXEC);
	char out[PATH_MAX + 32], why[300];
	char *argv[] = {
		(char *)en->self, "compare", "--out", out, (char *)base, (char *)dir, NULL
	};
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc p;
	int ret;

	snprintf(out, sizeof(out), "%s/%s", en->state->dir, name);
	o.argv = argv;
	o.out = null;
	o.err = said;
	ret = proc_start(&p, &o, e);
	if (!ret)
		ret = proc_wait(&p, 0);
	if (ret < 0) {
		proc_stop(&p, 1000);
		return err_set(e, ret, "comparing with %s was interrupted", base);
	}
	if (proc_code(&p) == VERDICT_ERROR)
		return err_set(e, -EINVAL, "comparing with %s failed: %s", base,
			       complaint(said, "rtkvm compare: ", why, sizeof(why)));
	return proc_code(&p);
}

/* The same campaign once more, or on with it where an interrupted rerun left it. */
static int rerun(const struct engine *en, const char *dir, const char *text, struct err *e)
{
	struct state state = { .lock_fd = -1 };
	struct engine again = *en;
	char path[PATH_MAX + 64];
	struct run run;
	int ret;

	again.state = &state;
	snprintf(path, sizeof(path), "%s/campaign.json", dir);
	if (file_exists(path)) {
		ret = state_open(&state, dir, e);
	} else {
		ret = run_create(&run, dir, en->c->name, e);
		if (!ret) {
			ret = state_create(&state, run.dir, en->c, text, e);
			run_close(&run);
		}
	}
	if (!ret)
		ret = engine_run(&again, e);
	state_close(&state);
	return ret;
}

/* What came out, for run.json and campaign.json alike. */
static int record(const struct engine *en, const char *what, enum verdict v, bool report,
		  struct err *e)
{
	struct run run;
	int ret = run_open(&run, en->state->dir, e);

	if (ret < 0)
		return ret;
	run_reason(&run, "baseline %s: %s", json_str(en->state->doc, "baseline", ""), what);
	json_set_str(run.doc, "verdict", verdict_name(v));
	json_set_str(en->state->doc, "verdict", verdict_name(v));
	ret = run_save(&run, e);
	run_close(&run);
	if (!ret)
		ret = state_save(en->state, e);
	if (!ret && report)
		engine_report(en);
	return ret < 0 ? ret : (int)v;
}

int baseline_judge(struct engine *en, enum verdict v, const char *text, struct err *e)
{
	char dir[PATH_MAX + 16];
	int code;

	if (!json_at(en->state->doc, "baseline") || v == VERDICT_INCOMPLETE)
		return v;
	code = compare(en, en->state->dir, "baseline", e);
	if (code < 0)
		return code;
	if (code != VERDICT_FAIL)
		return record(en,
			      code ? "no phase is worse, of one it cannot be told"
				   : "no phase is worse",
			      v, true, e);
	if (!en->quiet)
		fprintf(stderr, "worse than the baseline: once more\n");
	snprintf(dir, sizeof(dir), "%s/rerun", en->state->dir);
	code = rerun(en, dir, text, e);
	if (code < 0)
		return code;
	if (code == VERDICT_INCOMPLETE)
		return record(en, "worse; the rerun that would confirm it was interrupted",
			      VERDICT_INCOMPLETE, false, e);
	code = compare(en, dir, "baseline-rerun", e);
	if (code < 0)
		return code;
	return code == VERDICT_FAIL
		       ? record(en, "worse, and worse again in a rerun", VERDICT_FAIL, true, e)
		       : record(en, "worse once, but not in a rerun: not counted", v, true, e);
}
