// SPDX-License-Identifier: GPL-2.0-only
/* What stands around the engine: whose CPUs, which directory, have the conditions changed? */
#include "cyclic/campaign_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cyclic/campaign_baseline.h"
#include "cyclic/campaign_engine.h"
#include "cyclic/campaign_plan.h"
#include "cyclic/campaign_state.h"
#include "cyclic/lockfile.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/paths.h"

static void add_all(struct cpulist *to, const struct cpulist *cpus)
{
	cpulist_for_each(cpu, cpus)
		cpulist_add(to, cpu);
}

/* Two campaigns may keep house on one CPU, but none may load what another measures. */
static int claim_cpus(const struct campaign *c, struct err *e)
{
	struct cpulist measured = { 0 }, used = { 0 };

	for (size_t i = 0; i < c->n_phases; i++) {
		const struct phase_entry *p = &c->phases[i];
		struct cpulist cpus = phase_cpus(p);

		if (!p->simulate) /* that touches no CPU */
			add_all(&measured, &cpus);
		for (size_t k = 0; k < p->n_guests; k++) {
			cpus = cpumap_cpus(&p->guests[k]->cpus);
			add_all(&used, &cpus);
		}
		for (size_t k = 0; k < p->n_loads; k++)
			add_all(&used, &p->loads[k]->cpus);
	}
	return lockfile_cpus(lockfile_dir(), &measured, &used, e);
}

static int conduct(const struct campaign *c, const char *text, struct state *state,
		   const struct campaign_options *o, struct err *e)
{
	char self[PATH_MAX];
	struct engine en = {
		.c = c, .state = state, .self = self, .sysfs = "/sys", .quiet = o->quiet
	};
	int ret = paths_self(self, sizeof(self), e);

	if (!ret)
		ret = engine_run(&en, e);
	if (ret >= 0)
		ret = baseline_judge(&en, ret, text, e);
	if (ret >= 0)
		printf("campaign %s: %s; %s\n", c->name, verdict_name(ret), state->dir);
	return ret;
}

int campaign_dry_run(const struct campaign *c, const struct campaign_options *o, struct err *e)
{
	char self[PATH_MAX], dir[PATH_MAX];

	if (paths_self(self, sizeof(self), e) < 0)
		return e->code;
	if (!file_path(dir, sizeof(dir), "%s", o->out ? o->out : "runs/TIME-campaign"))
		return err_sys(e, "--out");
	return plan_print(c, self, dir, stdout, e);
}

/* The image's path is the file's; a later resume may start elsewhere. */
static int remember_cwd(struct state *state, struct err *e)
{
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(e, "finding the working directory failed");
	json_set_str(state->doc, "cwd", cwd);
	return state_save(state, e);
}

/* Looked at before hours are spent. */
static int check_baseline(const char *dir, char path[static PATH_MAX], struct err *e)
{
	struct run run;

	if (run_open(&run, dir, e) < 0)
		return e->code;
	run_close(&run);
	return realpath(dir, path) ? 0 : err_sys(e, "finding %s failed", dir);
}

int campaign_begin(const struct campaign *c, const char *text, const struct campaign_options *o,
		   struct err *e)
{
	struct state state = { .lock_fd = -1 };
	char baseline[PATH_MAX];
	struct run run;
	int ret = o->baseline ? check_baseline(o->baseline, baseline, e) : 0;

	if (!ret)
		ret = claim_cpus(c, e);
	if (!ret)
		ret = run_create(&run, o->out, c->name, e);
	if (ret < 0)
		return ret;
	ret = state_create(&state, run.dir, c, text, e);
	run_close(&run);
	if (!ret && o->baseline)
		json_set_str(state.doc, "baseline", baseline);
	if (!ret)
		ret = remember_cwd(&state, e);
	if (!ret)
		ret = state_lock(&state, e);
	if (!ret)
		ret = conduct(c, text, &state, o, e);
	state_close(&state);
	return ret;
}

/* Changed conditions are refused, or recorded where the user allows them. */
static int accept_drift(struct state *state, const struct campaign *c, const char *text, bool allow,
			struct err *e)
{
	_cleanup_json_ json_object *changes = json_object_new_array();
	json_object *drift = json_at(state->doc, "drift"), *o;
	char iso[CLOCK_ISO_BYTES];
	int ret = state_drift(state, c, text, changes, e);

	if (!ret || !allow)
		return ret;
	err_clear(e);
	o = json_object_new_object();
	json_set_str(o, "at", clock_iso8601(clock_wall_ns(), iso));
	json_object_object_add(o, "changes", json_object_get(changes));
	json_object_array_add(drift, o);
	return state_save(state, e);
}

static int continue_in(struct state *state, const struct campaign_options *o, struct err *e)
{
	_cleanup_free_ struct campaign *c = NULL;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX + 16];
	const char *cwd = json_str(state->doc, "cwd", ".");
	int ret = state_lock(state, e);

	snprintf(path, sizeof(path), "%s/campaign.ini", state->dir);
	if (!ret && chdir(cwd))
		ret = err_sys(e, "going to %s, where the campaign was started, failed", cwd);
	if (!ret)
		ret = campaign_load(&c, &text, path, stdout, e);
	if (!ret)
		ret = state_phases(state, c, e); /* no drift that could be merged */
	if (!ret)
		ret = accept_drift(state, c, text, o->allow_drift, e);
	if (!ret)
		ret = claim_cpus(c, e);
	return ret < 0 ? ret : conduct(c, text, state, o, e);
}

int campaign_resume(const char *dir, const struct campaign_options *o, struct err *e)
{
	struct state state;
	int ret = state_open(&state, dir, e);

	if (!ret)
		ret = continue_in(&state, o, e);
	state_close(&state);
	return ret;
}
