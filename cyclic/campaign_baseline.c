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

/* As what it is told: a note, or a reason that outlives the verdict when other limits are held against it. */
typedef void run_teller(struct run *run, const char *fmt, ...);

/* What came out, for run.json and campaign.json alike. */
static int record(const struct engine *en, run_teller *tell, const char *what, enum verdict v,
		  bool report, struct err *e)
{
	struct run run;
	int ret = run_open(&run, en->state->dir, e);

	if (ret < 0)
		return ret;
	tell(&run, "baseline %s: %s", json_str(en->state->doc, "baseline", ""), what);
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

/* What a rerun found by itself counts, whatever the baseline says to it. */
static int confirm(struct engine *en, enum verdict v, const char *text, struct err *e)
{
	char dir[PATH_MAX + 16];
	int code, own;

	if (!en->quiet)
		fprintf(stderr, "worse than the baseline: once more\n");
	snprintf(dir, sizeof(dir), "%s/rerun", en->state->dir);
	own = rerun(en, dir, text, e);
	if (own < 0)
		return own;
	v = verdict_worse(v, own);
	if (own == VERDICT_INCOMPLETE)
		return record(en, run_short,
			      "worse; the rerun that would confirm it is not complete", v, false,
			      e);
	if (own == VERDICT_FAIL || own == VERDICT_ERROR)
		return record(en, run_doubt, "worse, and its rerun failed by itself", v, true, e);
	code = compare(en, dir, "baseline-rerun", e);
	if (code < 0)
		return code;
	if (code == VERDICT_FAIL)
		return record(en, run_doubt, "worse, and worse again in a rerun", VERDICT_FAIL,
			      true, e);
	if (code == VERDICT_INCONCLUSIVE)
		return record(en, run_doubt, "worse once; of its rerun it cannot be told",
			      verdict_worse(v, VERDICT_INCONCLUSIVE), true, e);
	return record(en, own == VERDICT_PASS ? run_reason : run_doubt,
		      "worse once, but not in a rerun: not counted", v, true, e);
}

/* A campaign that does not pass as it is stays what it is, also where it cannot be compared. */
int baseline_judge(struct engine *en, enum verdict v, const char *text, struct err *e)
{
	char told[sizeof(e->text) + 16];
	struct err why = { 0 };
	int code;

	if (!json_at(en->state->doc, "baseline") || v == VERDICT_INCOMPLETE)
		return v;
	code = compare(en, en->state->dir, "baseline", &why);
	if (code == -EINTR || (code < 0 && v == VERDICT_PASS))
		return err_set(e, code, "%s", why.text);
	snprintf(told, sizeof(told), "not compared: %s", why.text);
	if (code < 0)
		return record(en, run_reason, told, v, true, e);
	if (code != VERDICT_FAIL)
		return record(en, run_reason,
			      code ? "no phase is worse, of one it cannot be told"
				   : "no phase is worse",
			      v, true, e);
	if (v == VERDICT_FAIL || v == VERDICT_ERROR)
		return record(en, run_doubt, "worse; not measured again, for it failed by itself",
			      v, true, e);
	return confirm(en, v, text, e);
}
