// SPDX-License-Identifier: GPL-2.0-only
/* A guest under way: its VMM's events, its slices, and what to do when neither comes. */
#include <errno.h>
#include <string.h>

#include "cyclic/harness.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/stop.h"

enum {
	TICK_MS = 250,
	SILENT_SLICES = 3,
	FIRST_SLACK_S = 60, /* the guest's first program, on a busy emulated host */
	SILENT_SLACK_S = 5, /* a campaign finds it first, and keeps what the host did meanwhile */
	LAST_WORDS_S = 30, /* for an interrupted job's files: each byte of them is a VM exit */
	AGAIN_S = 3,
};

const char *harness_stage(const struct harness *h)
{
	const uint64_t *mark_ns = h->g.mark_ns;

	if (mark_ns[ABI_MARK_JOB_END])
		return guest_tool(h->o.instrument)->over;
	if (mark_ns[ABI_MARK_JOB_START])
		return guest_tool(h->o.instrument)->running;
	if (mark_ns[ABI_MARK_INIT])
		return "while the guest's init ran";
	return h->g.started ? "while the guest's kernel booted" : "before the guest was started";
}

/* Latencies can be measured without a trace: why there is none is told. */
static void no_trace(struct harness *h, const struct err *why)
{
	run_reason(&h->run, "no trace: %s", why->text);
}

static int start_spiketrace(struct harness *h, pid_t pid, struct err *e)
{
	struct cpulist cpus = cpumap_cpus(&h->cpus);
	struct err why = { 0 };
	int ret = spiketrace_start(&h->spike, h->run.dir, &cpus, pid, &why);

	if (ret == -EINTR)
		return err_set(e, ret, "%s", why.text);
	if (ret < 0)
		no_trace(h, &why);
	return 0;
}

static int on_started(struct harness *h, json_object *event, struct err *e)
{
	int ret = 0;

	h->g.started = json_object_get(event);
	/* a held guest waits meanwhile: on a slow host its job would be over before it is watched */
	if (h->o.on_spike == SPIKE_TRACE)
		ret = start_spiketrace(h, json_int(event, "pid", h->vm.proc.pid), e);
	if (!ret && !h->o.no_trace)
		ret = tracer_start(&h->tracer, json_int(event, "pid", h->vm.proc.pid), e);
	h->resumed_ns = clock_now_ns();
	return ret < 0 ? ret : vmproc_resume(&h->vm, e);
}

static int open_window(struct harness *h, struct err *e)
{
	int ret;

	if (h->o.no_trace || !h->g.started)
		return 0;
	ret = tracer_begin(&h->tracer, e);
	h->window = !ret;
	return ret;
}

static int close_window(struct harness *h, struct err *e)
{
	if (!h->window)
		return 0;
	h->window = false;
	return tracer_end(&h->tracer, &h->g.counted, e);
}

static int on_mark(struct harness *h, json_object *event, struct err *e)
{
	int64_t id = json_int(event, "id", 0);

	if (id < 1 || id >= OUTCOME_MARKS || h->g.mark_ns[id])
		return 0; /* a guest may write anything, and again */
	h->g.mark_ns[id] = json_int(event, "ns", 0);
	if (id == ABI_MARK_JOB_START) {
		h->g.job_wall_ns = clock_wall_ns() - (clock_now_ns() - h->g.mark_ns[id]);
		return open_window(h, e);
	}
	if (id != ABI_MARK_JOB_END)
		return 0;
	/* what comes now is its files, which the ring need not hold */
	if (h->o.instrument == GUEST_CYCLICTEST)
		spiketrace_halt(&h->spike);
	return close_window(h, e);
}

static int on_event(struct harness *h, json_object *event, struct err *e)
{
	const char *name = json_str(event, "event", "");

	fprintf(h->events, "%s\n", json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
	if (fflush(h->events))
		return err_sys(e, "writing %s/events.jsonl failed", h->run.dir);
	if (!strcmp(name, "started") && !h->g.started)
		return on_started(h, event, e);
	if (!strcmp(name, "mark"))
		return on_mark(h, event, e);
	if (!strcmp(name, "ended") && !h->g.ended)
		h->g.ended = json_object_get(event);
	return 0;
}

/* Whole run: the guest's boot counts as nothing, so the line stands at 0 % until the job starts. */
static void show_progress(struct harness *h)
{
	uint64_t begin = h->g.mark_ns[ABI_MARK_JOB_START], all = h->o.duration_ns;
	uint64_t done = begin ? clock_now_ns() - begin : 0;

	if (!h->g.mark_ns[ABI_MARK_JOB_END])
		progress_show(&h->progress, done < all ? done : all, all);
}

static int interrupted(const struct harness *h, struct err *e)
{
	if (!h->g.started)
		return err_set(e, -EINTR, "interrupted %s", harness_stage(h));
	return err_set(e, -EINTR, "interrupted %s; what there is lies in %s", harness_stage(h),
		       h->run.dir);
}

/* One that measures, or its VMM, and does not answer may have hung; one that is through sends slowly. */
static int no_answer(struct harness *h, struct err *e)
{
	if (!h->g.mark_ns[ABI_MARK_JOB_END])
		run_doubt(&h->run,
			  "the guest was asked to stop and did not answer for %d s: it may have "
			  "hung",
			  LAST_WORDS_S);
	return interrupted(h, e);
}

/*
 * oslat forgets a stop that comes before its threads have begun, and so does whatever has not begun itself;
 * a VMM that has gone says how it ended.
 */
static void ask_again(struct harness *h)
{
	uint64_t now = clock_now_ns();
	struct err ignored = { 0 };

	if (h->g.mark_ns[ABI_MARK_JOB_END] || now < h->told_ns + AGAIN_S * NSEC_PER_SEC)
		return;
	h->told_ns = now;
	vmproc_interrupt(&h->vm, &ignored);
}

/*
 * We are asked to stop. A guest that measures is asked in its turn and sends what it has; one that
 * does not, or is not measuring, is ended.
 */
static int on_stop(struct harness *h, struct err *e)
{
	const uint64_t *mark_ns = h->g.mark_ns;
	struct err why = { 0 };

	if (mark_ns[ABI_MARK_JOB_END]) /* all is measured; it only has to come */
		h->asked_ns = h->asked_ns ? h->asked_ns : clock_now_ns();
	if (h->asked_ns) {
		if (clock_now_ns() >= h->asked_ns + LAST_WORDS_S * NSEC_PER_SEC)
			return no_answer(h, e);
		ask_again(h);
		return 0;
	}
	if (!mark_ns[ABI_MARK_JOB_START] || vmproc_interrupt(&h->vm, &why) < 0)
		return why.code == -ETIMEDOUT ? no_answer(h, e) : interrupted(h, e);
	h->g.interrupted = true;
	h->asked_ns = h->told_ns = clock_now_ns();
	return 0;
}

/* For how long no sign of life has come that should have; 0: all is well. */
static uint64_t beat_silent(const struct harness *h, uint64_t now)
{
	const uint64_t *mark_ns = h->g.mark_ns;
	uint64_t last = h->sample.beat_ns;
	uint64_t since = last ? last : mark_ns[ABI_MARK_JOB_START];
	uint64_t most = SILENT_SLICES * h->o.slice_ns +
			(last ? SILENT_SLACK_S : FIRST_SLACK_S) * NSEC_PER_SEC;

	if (!mark_ns[ABI_MARK_JOB_START] || mark_ns[ABI_MARK_JOB_END] || now < since + most)
		return 0;
	return now - since;
}

/* A guest that hangs tells nobody: what should have come by now? */
static int check_alive(const struct harness *h, struct err *e)
{
	bool slices = h->o.instrument == GUEST_SAMPLE;
	uint64_t now = clock_now_ns(), silent;

	if (h->g.ended || !h->resumed_ns)
		return 0;
	if (!h->g.mark_ns[ABI_MARK_JOB_START] && now > h->resumed_ns + CTOPTS_BOOT_S * NSEC_PER_SEC)
		return err_set(e, -ETIMEDOUT,
			       "the guest did not boot within %d s: stopped %s; see "
			       "%s/console.log",
			       CTOPTS_BOOT_S, harness_stage(h), h->run.dir);
	silent = slices ? guestsample_silent(&h->sample, &h->g, now) : beat_silent(h, now);
	if (!silent)
		return 0;
	return err_set(
		e, -ETIMEDOUT, "the guest fell silent: no %s came for %ju s; see %s/console.log%s",
		slices ? "slice" : "sign of life", (uintmax_t)(silent / NSEC_PER_SEC), h->run.dir,
		slices || h->sample.beats
			? ""
			: " (an image of an older rtkvm gives none: rtkvm guest build)");
}

/* For who watches us: a campaign looks for them in events.jsonl. */
static int tell_beats(struct harness *h, uint64_t before, struct err *e)
{
	if (h->sample.beats == before)
		return 0;
	fprintf(h->events, "{\"event\":\"beat\",\"ns\":%ju}\n", (uintmax_t)h->sample.beat_ns);
	return fflush(h->events) ? err_sys(e, "writing %s/events.jsonl failed", h->run.dir) : 0;
}

static int take_slices(struct harness *h, struct err *e)
{
	uint64_t beats = h->sample.beats;
	struct err why = { 0 };
	int ret;

	ret = guestsample_take(&h->sample, &h->g, h->vm.data, e);
	if (!ret)
		ret = tell_beats(h, beats, e);
	if (!ret && h->sample.n_spikes)
		spiketrace_freeze(&h->spike);
	if (!ret && spiketrace_check(&h->spike, &why) < 0)
		no_trace(h, &why);
	return ret;
}

/* Take events until the VMM has ended; after a stop or an error of our own, end it first. */
int harness_follow(struct harness *h, struct err *e)
{
	int ret = 0;

	for (;;) {
		_cleanup_json_ json_object *event = NULL;
		int got;

		if (!ret && stop_requested())
			ret = on_stop(h, e);
		if (!ret)
			ret = take_slices(h, e);
		if (!ret)
			ret = check_alive(h, e);
		if (ret < 0) {
			struct err later = { 0 };

			close_window(h, &later); /* counts of an interrupted window are kept */
			vmproc_stop(&h->vm);
		}
		got = vmproc_next(&h->vm, TICK_MS, &event, e);
		if (got == -ENODATA)
			return ret;
		if (got > 0)
			got = on_event(h, event, e);
		if (got < 0 && !ret)
			ret = got;
		else if (got < 0)
			return ret;
		show_progress(h);
	}
}
