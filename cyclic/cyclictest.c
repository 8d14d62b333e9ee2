// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtkvm cyclictest - one guest, one cyclictest, one run directory
 *
 * Phases: check what can be checked before anything exists; start the VMM; follow its events, with
 * VM exits counted between the job's marks; read what the guest sent; judge; report. Whatever
 * ends a phase early, children end with it and run.json says how far it got.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cyclic/complaint.h"
#include "cyclic/ctopts.h"
#include "cyclic/cyclic.h"
#include "cyclic/ended.h"
#include "cyclic/outcome.h"
#include "lib/progress.h"
#include "cyclic/qemu.h"
#include "cyclic/show.h"
#include "cyclic/tracer.h"
#include "cyclic/vmproc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/paths.h"
#include "lib/stop.h"

enum { MANIFEST_MAX_BYTES = 1 << 20, TICK_MS = 250 };

struct harness {
	struct ctopts o;
	struct cpumap cpus;
	char kernel[PATH_MAX], initrd[PATH_MAX], console[PATH_MAX];
	char append[CTOPTS_APPEND_BYTES];
	char version[256]; /* the VMM's */
	struct run run;
	struct vmproc vm;
	struct tracer tracer;
	struct gathered g;
	FILE *events; /* events.jsonl */
	bool window; /* the tracer's is open */
	struct progress progress;
};

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
		ret = ctopts_append(&h->o, h->cpus.n, h->append, sizeof(h->append), e);
	return ret;
}

/* --- while the guest runs --- */

static const char *stage(const struct harness *h)
{
	const uint64_t *mark_ns = h->g.mark_ns;

	if (mark_ns[ABI_MARK_JOB_END])
		return "after cyclictest had ended";
	if (mark_ns[ABI_MARK_JOB_START])
		return "while cyclictest ran";
	if (mark_ns[ABI_MARK_INIT])
		return "while the guest's init ran";
	return h->g.started ? "while the guest's kernel booted" : "before the guest was started";
}

static int on_started(struct harness *h, json_object *event, struct err *e)
{
	int ret = 0;

	h->g.started = json_object_get(event);
	/* a held guest waits meanwhile: on a slow host its job would be over before it is watched */
	if (!h->o.no_trace)
		ret = tracer_start(&h->tracer, json_int(event, "pid", h->vm.proc.pid), e);
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
	return id == ABI_MARK_JOB_END ? close_window(h, e) : 0;
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
	uint64_t begin = h->g.mark_ns[ABI_MARK_JOB_START], all = h->o.duration_s * NSEC_PER_SEC;
	uint64_t done = begin ? clock_now_ns() - begin : 0;

	if (!h->g.mark_ns[ABI_MARK_JOB_END])
		progress_show(&h->progress, done < all ? done : all, all);
}

static int interrupted(const struct harness *h, struct err *e)
{
	if (!h->g.started)
		return err_set(e, -EINTR, "interrupted %s", stage(h));
	return err_set(e, -EINTR, "interrupted %s; what there is lies in %s", stage(h), h->run.dir);
}

/* Take events until the VMM has ended; after a stop or an error of our own, end it first. */
static int follow(struct harness *h, struct err *e)
{
	int ret = 0;

	for (;;) {
		_cleanup_json_ json_object *event = NULL;
		int got;

		if (!ret && stop_requested())
			ret = interrupted(h, e);
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

/* --- when it has ended --- */

static int check_ended(const struct harness *h, struct err *e)
{
	char complaint[256];
	const struct ended ended = {
		.outcome = json_str(h->g.ended, "outcome", ""),
		.status = json_int(h->g.ended, "status", -1),
		.signal = WIFSIGNALED(h->vm.proc.status) ? WTERMSIG(h->vm.proc.status) : 0,
		.stage = stage(h),
		.dir = h->run.dir,
		.complaint = vmproc_complaint(&h->vm, complaint, sizeof(complaint)),
		.timeout_s = h->o.timeout_s,
	};

	return ended_check(&ended, e);
}

static int samples(struct harness *h, struct err *e)
{
	void *stream;
	size_t len;
	int ret = vmproc_data(&h->vm, &stream, &len, e);

	if (ret < 0)
		return ret;
	ret = outcome_samples(&h->run, &h->g, stream, len, e);
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
	return ret < 0 ? ret : vmproc_start(&h->vm, vo, e);
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
		.timeout_ns = h->o.timeout_s * NSEC_PER_SEC,
		.hold = !h->o.no_trace,
		.console = run_path(&h->run, "console.log", h->console),
	};
	int ret = start(h, &vo, e);

	if (ret < 0)
		return ret;
	progress_start(&h->progress, "cyclictest in the guest");
	ret = follow(h, e);
	progress_end(&h->progress);
	if (!ret)
		ret = check_ended(h, e);
	outcome_machine(&h->run, &h->g);
	return ret < 0 ? ret : samples(h, e);
}

static int report(const struct harness *h, struct err *e)
{
	char self[PATH_MAX], why[256];
	char *argv[] = { self, "report", (char *)h->run.dir, NULL };
	_cleanup_close_ int errors = memfd_create("rtkvm-report-errors", MFD_CLOEXEC);
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct proc_opts o = PROC_OPTS_INIT;
	struct proc p;
	int ret = paths_self(self, sizeof(self), e);

	o.argv = argv;
	o.out = null;
	o.err = errors;
	if (!ret)
		ret = proc_start(&p, &o, e);
	if (ret < 0)
		return ret;
	ret = proc_wait(&p, 0);
	proc_stop(&p, 1000);
	if (ret == -EINTR)
		return err_set(e, ret,
			       "interrupted while the report was made; rtkvm report %s "
			       "repeats it",
			       h->run.dir);
	complaint(errors, "rtkvm report: ", why, sizeof(why));
	if (proc_code(&p) == VERDICT_ERROR || proc_code(&p) >= 126)
		return err_set(e, -EIO, "the report failed: %s; rtkvm report %s repeats it",
			       why[0] ? why : "it did not say why", h->run.dir);
	return 0;
}

static int finish(struct harness *h, struct err *e)
{
	enum verdict v = outcome_judge(&h->run, &h->g);
	int ret = run_finish(&h->run, v, e);

	if (!ret && !h->o.no_report)
		ret = report(h, e);
	if (ret < 0)
		return ret;
	if (h->o.json)
		puts(json_object_to_json_string_ext(
			h->run.doc, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		show_run(&h->run, stdout);
	return v;
}

/* A run that failed: what started is kept and says why; what never started leaves nothing. */
static void abandon(struct harness *h, const struct err *why)
{
	struct err ignored = { 0 };
	char dir[PATH_MAX];

	if (h->g.started) {
		run_reason(&h->run, "%s", why->text);
		run_finish(&h->run, VERDICT_INCOMPLETE, &ignored);
		return;
	}
	memcpy(dir, h->run.dir, sizeof(dir));
	file_remove_tree(dir, &ignored);
}

static int run_it(struct harness *h, struct err *e)
{
	int ret = run_create(&h->run, h->o.out, h->o.name, e);

	if (ret < 0)
		return ret;
	ret = measure(h, e);
	if (!ret)
		ret = finish(h, e);
	else
		abandon(h, e);
	tracer_close(&h->tracer);
	vmproc_close(&h->vm);
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

int cyclic_cyclictest(int argc, char **argv, struct err *e)
{
	struct harness *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return err_set(e, -ENOMEM, "starting failed: no memory");
	h->vm = (struct vmproc){ .events = -1, .data = -1, .errors = -1, .ctl = -1 };
	h->tracer = (struct tracer)TRACER_INIT;
	h->g = (struct gathered){
		.o = &h->o, .cpus = &h->cpus, .append = h->append, .version = h->version
	};
	ret = ctopts_parse(&h->o, argc, argv, is_emulated(), e);
	if (!ret)
		ret = prepare(h, e);
	if (!ret) {
		stop_install();
		signal(SIGPIPE, SIG_IGN); /* a child that died must not take us along */
		ret = run_it(h, e);
	}
	json_object_put(h->g.manifest);
	json_object_put(h->g.started);
	json_object_put(h->g.ended);
	json_object_put(h->g.counted);
	free(h);
	return ret;
}
