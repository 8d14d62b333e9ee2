// SPDX-License-Identifier: GPL-2.0-only
#include "cyclic/harness.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/ended.h"
#include "cyclic/figures.h"
#include "cyclic/guesthwlat.h"
#include "cyclic/hostrun.h"
#include "cyclic/orphans.h"
#include "cyclic/qemu.h"
#include "cyclic/show.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/stop.h"

enum { MANIFEST_MAX_BYTES = 1 << 20 };

/* --- before anything exists --- */

static int find_image(struct harness *h, struct err *e)
{
	struct {
		const char *name;
		char *path;
	} files[] = { { "vmlinuz", h->kernel }, { "initrd", h->initrd } };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!file_path(path, sizeof(path), "%s/%s", h->o.guest, files[i].name))
			return err_sys(e, "opening the guest image %s failed", h->o.guest);
		if (access(path, R_OK))
			return err_set(e, -errno,
				       "opening the guest image failed: %s: %s; rtkvm guest build "
				       "makes one, --guest names another",
				       path, strerror(errno));
		memcpy(files[i].path, path, sizeof(path));
	}
	if (!file_path(path, sizeof(path), "%s/manifest.json", h->o.guest))
		return err_sys(e, "opening the guest image %s failed", h->o.guest);
	return json_load(path, MANIFEST_MAX_BYTES, &h->g.manifest, e);
}

/* What the VMM says of itself; one that is not there, or cannot run, fails here. */
static int ask_version(struct harness *h, struct err *e)
{
	const char *program = h->o.vmm_program ? h->o.vmm_program : QEMU_PROGRAM;
	char *argv[] = { (char *)program, (char *)"--version", NULL };
	int code = 0;

	if (h->o.vmm == VMM_RTKVM && !h->o.vmm_program)
		snprintf(h->version, sizeof(h->version), "%s", RTKVM_VERSION);
	else
		code = proc_run(argv, 60, h->version, sizeof(h->version), e);
	h->version[strcspn(h->version, "\n")] = '\0';
	return code > 0 ? err_set(e, -EIO, "%s --version ended with code %d", program, code) : code;
}

/* The guest's command line; a guest that is to be traced records itself while it measures. */
static int tell_guest(struct harness *h, struct err *e)
{
	char command[1024], line[CTOPTS_APPEND_BYTES];
	int ret = guestjob_command(&h->o, h->cpus.n, command, sizeof(command), e);

	if (!ret && h->o.on_spike == SPIKE_TRACE)
		ret = spiketrace_job(command, line, sizeof(line), e);
	return ret < 0 ? ret
		       : guestjob_append(&h->o, h->cpus.n,
					 h->o.on_spike == SPIKE_TRACE ? line : command, h->append,
					 sizeof(h->append), e);
}

/*
 * A vCPU 0 that shares a CPU of the host's house must not take it all: a guest's load runs there, and
 * the host's limit on real-time tasks, which would leave it 5 %, is lifted where latency counts.
 */
static void spare_house(struct harness *h, const struct hostcpus *host)
{
	if (!cpulist_has(&host->isolated, h->cpus.host[0]))
		cpulist_add(&h->ordinary, 0);
}

/* As rtkvm run does for itself. */
static int claim_for_qemu(struct harness *h, struct err *e)
{
	struct cpulist cpus = cpumap_cpus(&h->cpus);
	const struct claim_opts o = { .alone = &cpus,
				      .alone_for = "--cpus",
				      .share_alone = h->o.allow_shared };

	return h->o.vmm == VMM_QEMU ? claim_cpus(&h->claim, "/sys", &o, e) : 0;
}

static int prepare(struct harness *h, struct err *e)
{
	struct hostcpus host;
	int ret = find_image(h, e);

	if (!ret && access("/dev/kvm", R_OK | W_OK))
		ret = err_set(e, -errno, "opening /dev/kvm failed: %s; %s", strerror(errno),
			      errno == ENOENT ? "load kvm_intel or kvm_amd, or use rtkvm lab"
					      : "run as root");
	if (!ret && geteuid())
		ret = err_set(e, -EPERM,
			      "pinning, real-time priority and tracing need root; run as root");
	if (!ret)
		ret = ask_version(h, e);
	if (!ret)
		ret = hostcpus_read(&host, "/sys", e);
	if (!ret)
		ret = ctopts_cpus(&h->o, &host, &h->cpus, e);
	if (!ret)
		ret = claim_for_qemu(h, e);
	if (!ret)
		spare_house(h, &host);
	return ret < 0 ? ret : tell_guest(h, e);
}

/* --- when it has ended --- */

static int check_ended(const struct harness *h, struct err *e)
{
	char complaint[256];
	const struct ended ended = {
		.program = guest_tool(h->o.instrument)->program,
		.attended = h->o.instrument == GUEST_CYCLICTEST || h->o.instrument == GUEST_OSLAT,
		.outcome = json_str(h->g.ended, "outcome", ""),
		.status = json_int(h->g.ended, "status", -1),
		.signal = WIFSIGNALED(h->vm.proc.status) ? WTERMSIG(h->vm.proc.status) : 0,
		.stage = harness_stage(h),
		.dir = h->run.dir,
		.complaint = vmproc_complaint(&h->vm, complaint, sizeof(complaint)),
		.timeout_s = h->o.timeout_s,
	};

	return ended_check(&ended, e);
}

/* Of a spike at which cyclictest broke off the host's ring was stopped when its job had ended. */
static int tool_files(struct harness *h, const uint8_t *stream, size_t len, struct err *e)
{
	struct frames f;
	int ret = frames_parse(&f, stream, len, e);

	if (ret < 0)
		return ret;
	ret = figures_of_guest(&h->run, &h->g, &f, e);
	if (!ret && h->g.broke.late_ns)
		spiketrace_freeze(&h->spike);
	spiketrace_take(&h->spike, &h->run, &f);
	frames_free(&f);
	return ret;
}

static int files_after_pieces(struct harness *h, const uint8_t *stream, size_t len, struct err *e)
{
	struct guestsample *s = &h->sample;
	int ret;

	stream += s->taken;
	len -= s->taken;
	if (h->o.instrument != GUEST_SAMPLE)
		return tool_files(h, stream, len, e);
	ret = guestsample_finish(s, &h->run, &h->g, e);
	return ret < 0 ? ret : guestsample_files(s, &h->run, &h->g, &h->spike, stream, len, e);
}

/* The last pieces may have come with the last event. */
static int samples(struct harness *h, struct err *e)
{
	void *stream;
	size_t len;
	int ret = guestsample_take(&h->sample, &h->g, h->vm.data, e);

	if (!ret)
		ret = vmproc_data(&h->vm, &stream, &len, e);
	if (ret < 0)
		return ret;
	ret = files_after_pieces(h, stream, len, e);
	if (stream)
		munmap(stream, len);
	return ret;
}

/* --- the run --- */

static int start(struct harness *h, const struct vmproc_opts *vo, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	h->events = fopen(run_path(&h->run, "events.jsonl", path), "we");
	if (!h->events)
		return err_sys(e, "writing %s failed", path);
	run_file(&h->run, "events", "events.jsonl");
	run_file(&h->run, "console", "console.log");
	outcome_asked(&h->run, &h->g);
	ret = run_save(&h->run, e);
	if (!ret && h->o.instrument == GUEST_SAMPLE)
		ret = guestsample_open(&h->sample, &h->run, &h->g, e);
	if (!ret)
		ret = guestload_open(&h->sample.load, &h->run, e);
	return ret < 0 ? ret : vmproc_start(&h->vm, vo, e);
}

/* A signal that we did not send: whoever judges has to know it from a VMM that crashed. */
static void note_signal(struct harness *h)
{
	if (WIFSIGNALED(h->vm.proc.status))
		json_set_int(run_section(&h->run, "vmm"), "signal", WTERMSIG(h->vm.proc.status));
}

static int take_results(struct harness *h, struct err *e)
{
	int ret = check_ended(h, e);

	outcome_machine(&h->run, &h->g);
	note_signal(h);
	return ret < 0 ? ret : samples(h, e);
}

/* An interruption stays one, whatever it leaves. */
static int take_what_came(struct harness *h, struct err *e)
{
	struct err why = { 0 };

	if (!h->g.interrupted)
		return take_results(h, e);
	if (take_results(h, &why) < 0)
		return err_set(e, -EINTR, "interrupted %s: %s",
			       guest_tool(h->o.instrument)->running, why.text);
	return 0;
}

static int measure(struct harness *h, struct err *e)
{
	struct vmproc_opts vo = {
		.kind = h->o.vmm,
		.program = h->o.vmm_program,
		.kernel = h->kernel,
		.initrd = h->initrd,
		.append = h->append,
		.cpus = &h->cpus,
		.memory_bytes = h->o.memory_bytes,
		.allow_shared = h->o.allow_shared,
		.allow_tick = h->o.allow_tick,
		.ordinary = h->ordinary,
		.timeout_ns = h->o.timeout_s * NSEC_PER_SEC,
		.hold = !h->o.no_trace || h->o.on_spike == SPIKE_TRACE,
		.console = run_path(&h->run, "console.log", h->console),
	};
	int ret = start(h, &vo, e);

	if (ret < 0)
		return ret;
	progress_start(&h->progress, guest_tool(h->o.instrument)->name);
	ret = harness_follow(h, e);
	progress_end(&h->progress);
	if (!ret)
		return take_what_came(h, e);
	outcome_machine(&h->run, &h->g);
	return ret;
}

/* The measurement stands without a cause; why there is none is told. */
static int explain(struct harness *h, struct err *e)
{
	int cpu = h->g.broke.late_ns ? h->g.broke.cpu : -1;
	struct err why = { 0 };

	if (h->o.on_spike != SPIKE_TRACE ||
	    spiketrace_explain(&h->run, h->o.spike_ns, cpu, h->g.broke.late_ns, &why) == 0)
		return 0;
	if (!h->run.doc)
		return err_set(e, why.code, "%s", why.text);
	run_reason(&h->run, "no cause of the spike: %s", why.text);
	return run_save(&h->run, e);
}

/* Dated at the latest by its job's end. */
static int tell_break(struct harness *h, struct err *e)
{
	const struct breakoff *b = &h->g.broke;
	uint64_t job_ns = outcome_job_ns(&h->g);

	if (!b->late_ns)
		return 0;
	return breakoff_spike(b, &h->run, h->cpus.host[b->cpu],
			      job_ns ? h->g.job_wall_ns + job_ns : clock_wall_ns(), e);
}

/* By us: a guest that ends before its time has no such excuse. */
static enum verdict judge(struct harness *h)
{
	if (h->g.interrupted)
		json_set_bool(h->run.doc, "interrupted", true);
	guestload_judge(&h->sample.load, &h->run, outcome_job_ns(&h->g));
	if (h->o.instrument == GUEST_SAMPLE)
		guestsample_judge(&h->sample, &h->run, &h->g);
	else if (h->o.instrument == GUEST_HWLAT && !h->g.interrupted)
		guesthwlat_judge(&h->run);
	return outcome_judge(&h->run, &h->g);
}

static int finish(struct harness *h, struct err *e)
{
	enum verdict v = judge(h);
	int ret = run_finish(&h->run, v, e);

	if (!ret)
		ret = explain(h, e);
	if (!ret)
		ret = tell_break(h, e);
	if (!ret && !h->o.no_report && !h->g.interrupted)
		ret = outcome_report(&h->run, e);
	if (ret < 0)
		return ret;
	if (h->o.json)
		puts(json_object_to_json_string_ext(
			h->run.doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		show_run(&h->run, stdout);
	if (h->g.interrupted && v == VERDICT_INCOMPLETE)
		return err_set(e, -EINTR, "interrupted %s; %s has what was measured",
			       guest_tool(h->o.instrument)->running, h->run.dir);
	return v;
}

/* A run that failed: what started is kept and says why; what never started leaves nothing. */
static void abandon(struct harness *h, const struct err *why)
{
	struct err ignored = { 0 };

	if (h->g.started) {
		run_short(&h->run, "%s", why->text);
		spiketrace_save(&h->spike, &h->run, NULL, &ignored); /* the host's part of it */
		if (h->o.instrument == GUEST_SAMPLE) { /* what came before counts */
			guestsample_take(&h->sample, &h->g, h->vm.data, &ignored);
			guestsample_finish(&h->sample, &h->run, &h->g, &ignored);
		}
		if (stop_requested())
			json_set_bool(h->run.doc, "interrupted", true);
		run_finish(&h->run, VERDICT_INCOMPLETE, &ignored);
		return;
	}
	run_discard(&h->run);
}

static int run_it(struct harness *h, struct err *e)
{
	int ret = run_create(&h->run, h->o.out, h->o.name, e);
	char note[ORPHANS_BYTES];

	if (ret < 0)
		return ret;
	if (orphans_remove(note))
		run_reason(&h->run, "%s", note);
	ret = measure(h, e);
	if (!ret)
		ret = finish(h, e);
	else
		abandon(h, e);
	tracer_close(&h->tracer);
	spiketrace_close(&h->spike);
	vmproc_close(&h->vm);
	guestsample_free(&h->sample);
	if (h->events)
		fclose(h->events);
	run_close(&h->run);
	return ret;
}

static bool is_emulated(void)
{
	char signature[CPUID_SIGNATURE_BYTES];
	const char *why;

	return conditions_detect("", cpuid_signature(signature), &why) == CONDITIONS_EMULATED;
}

int harness_main(enum guest_instrument instrument, int argc, char **argv, struct err *e)
{
	struct harness *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return err_set(e, -ENOMEM, "starting failed: no memory");
	h->vm = (struct vmproc){ .events = -1, .data = -1, .errors = -1, .ctl = -1 };
	h->tracer = (struct tracer)TRACER_INIT;
	h->spike = (struct spiketrace)SPIKETRACE_INIT;
	h->sample.log.fd = -1;
	h->g = (struct gathered){
		.o = &h->o, .cpus = &h->cpus, .append = h->append, .version = h->version
	};
	ret = ctopts_parse(&h->o, instrument, argc, argv, is_emulated(), e);
	h->sample.load = (struct guestload){ .name = h->o.load ? h->o.load->name : NULL,
					     .floor = h->o.load_floor,
					     .slice_ns = h->o.slice_ns };
	if (!ret && h->o.host) {
		ret = hostrun_main(&h->o, e);
		free(h);
		return ret;
	}
	if (!ret)
		ret = prepare(h, e);
	if (!ret) {
		stop_install();
		ret = run_it(h, e);
	}
	claim_drop(&h->claim);
	json_object_put(h->g.manifest);
	json_object_put(h->g.started);
	json_object_put(h->g.ended);
	json_object_put(h->g.counted);
	free(h);
	return ret;
}
