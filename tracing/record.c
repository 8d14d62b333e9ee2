// SPDX-License-Identifier: GPL-2.0-only
/*
 * record - the verb: record the host's kernel while a command, or some time, runs
 *
 * An instance of our own, stamped by the TSC. By default its rings overwrite their oldest and are
 * read after the end only, so that recording wakes nobody; with --all they are read ten times a
 * second. The command finds the instance's switch in RTKVM_TRACE_FREEZE (for rtkvm run --freeze):
 * a guest that sees a spike stops the host's trace by one port write.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <x86intrin.h>

#include "lib/abi.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/cpulist.h"
#include "lib/file.h"
#include "lib/opt.h"
#include "lib/proc.h"
#include "lib/stop.h"
#include "lib/tracefs.h"
#include "tracing/datwrite.h"
#include "tracing/events.h"
#include "tracing/kvmfs.h"
#include "tracing/manifest.h"
#include "tracing/rings.h"
#include "tracing/tracing.h"

enum { POLL_NS = 100000000, FORMATS_MAX = 512, TEXT_MAX = 4 << 20 };

struct record_opts {
	const char *out;
	struct cpulist cpus;
	bool some_cpus, all, ready, freeze;
	uint64_t buffer_bytes, duration_ns;
	uint64_t pid; /* of the VMM whose guest is meant; 0: not told */
	char **command;
};

static const struct argp_option options[] = {
	{ "out", 'o', "FILE", 0, "the trace to write (default: host.dat)", 1 },
	{ "cpus", 'c', "LIST", 0, "record these CPUs only (default: all)", 1 },
	{ "buffer", 'b', "SIZE", 0, "ring of each CPU (default: 8M)", 2 },
	{ "all", 'a', NULL, 0, "keep everything, not only what the rings hold at the end", 2 },
	{ "duration", 'D', "TIME", 0, "without a COMMAND: record so long (default: until Ctrl-C)",
	  2 },
	{ "ready", 'r', NULL, 0,
	  "print \"ready FILE\" once it records; a 0 written to FILE stops it", 2 },
	{ "freeze", 'f', NULL, 0,
	  "stop recording when a guest writes to the freeze port (0x5e8), whatever VMM runs it",
	  3 },
	{ "pid", 'p', "PID", 0,
	  "the VMM whose guest is meant, when there are several (default: COMMAND or its child)",
	  3 },
	{ 0 },
};

struct parse {
	struct record_opts *o;
	struct err *e;
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct record_opts *o = p->o;

	switch (key) {
	case 'o':
		o->out = arg;
		return 0;
	case 'c':
		o->some_cpus = true;
		return opt_cpulist("--cpus", arg, &o->cpus, p->e);
	case 'b':
		return opt_size("--buffer", arg, &o->buffer_bytes, p->e);
	case 'a':
		o->all = true;
		return 0;
	case 'r':
		o->ready = true;
		return 0;
	case 'f':
		o->freeze = true;
		return 0;
	case 'D':
		return opt_duration("--duration", arg, &o->duration_ns, p->e);
	case 'p':
		return opt_u64("--pid", arg, 1, INT32_MAX, &o->pid, p->e);
	case ARGP_KEY_ARG:
		o->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_opt, "[[--] COMMAND [ARGUMENT...]]",
	"Record the host's scheduler, interrupts, timers and KVM while COMMAND runs.\v"
	"COMMAND's exit code is ours. It finds in RTKVM_TRACE_FREEZE a file that stops the "
	"recording when a 0 is written to it. Beside FILE a FILE.json keeps the clocks and what was "
	"lost."
};

struct recorder {
	const struct record_opts *o;
	struct tfs tfs;
	struct rings rings;
	struct datw_format formats[FORMATS_MAX];
	char *texts[FORMATS_MAX];
	char **stats; /* of each CPU's ring, as the kernel counted at the end */
	size_t n_formats;
	bool ran; /* there is something to write */
	struct manifest m;
};

static struct moment now(void)
{
	struct moment m;
	uint64_t before = __rdtsc();

	m.mono_ns = clock_now_ns();
	m.ticks = before + (__rdtsc() - before) / 2;
	m.wall_ns = clock_wall_ns();
	return m;
}

/* --- events --- */

static int add_format(struct recorder *r, const char *system, const char *event, struct err *e)
{
	char file[256], *text = NULL;
	int ret;

	if (r->n_formats == FORMATS_MAX)
		return err_set(e, -E2BIG, "recording failed: more than %d events", FORMATS_MAX);
	snprintf(file, sizeof(file), "events/%s/%s/format", system, event);
	ret = tfs_load(&r->tfs, file, TEXT_MAX, &text, e);
	if (ret < 0)
		return ret;
	r->texts[r->n_formats] = text;
	r->formats[r->n_formats++] = (struct datw_format){ system, { text, strlen(text) } };
	return 0;
}

static int enable_one(struct recorder *r, const struct record_event *ev, const char *event,
		      struct err *e)
{
	size_t used = strlen(r->m.missing);
	char file[256];
	int ret;

	snprintf(file, sizeof(file), "events/%s/%s/enable", ev->system, event);
	if (!tfs_has(&r->tfs, file)) {
		if (ev->needed)
			return err_set(
				e, -ENOENT, "recording failed: this kernel has no event %s:%s%s",
				ev->system, event,
				strcmp(ev->system, "kvm") ? "" : "; load kvm_intel or kvm_amd");
		snprintf(r->m.missing + used, sizeof(r->m.missing) - used, "%s%s:%s",
			 used ? " " : "", ev->system, event);
		return 0;
	}
	ret = tfs_enable(&r->tfs, ev->system, event, ev->filter, e);
	return ret < 0 ? ret : add_format(r, ev->system, event, e);
}

static bool is_pair(const char *name)
{
	size_t n = strlen(name);

	return (n > 6 && !strcmp(name + n - 6, "_entry")) ||
	       (n > 5 && !strcmp(name + n - 5, "_exit"));
}

static int enable_pairs(struct recorder *r, const struct record_event *ev, struct err *e)
{
	char path[PATH_MAX];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/events/%s", r->tfs.dir, ev->system);
	dir = opendir(path);
	while (dir && !ret && (de = readdir(dir)))
		if (is_pair(de->d_name))
			ret = enable_one(r, ev, de->d_name, e);
	return ret;
}

/*
 * A write to a port that the VMM has no device for is an exit all the same, and KVM's event tells the
 * port. Before Linux 5.18 the trigger of an instance stopped everybody's tracing but its own.
 */
static int freeze_at_port(struct recorder *r, struct err *e)
{
	unsigned int major = 0, minor = 0;
	char trigger[64];
	struct utsname u;

	uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < 5 ||
	    (major == 5 && minor < 18))
		return err_set(e, -EOPNOTSUPP,
			       "--freeze needs Linux 5.18, this is %s; use --freeze of rtkvm run",
			       u.release);
	if (!tfs_has(&r->tfs, "events/kvm/kvm_pio/trigger"))
		return err_set(
			e, -ENOENT,
			"--freeze failed: this kernel has no event kvm:kvm_pio with triggers; use --freeze of rtkvm run");
	snprintf(trigger, sizeof(trigger), "traceoff if port == %#x && rw == 1", ABI_FREEZE_PORT);
	return tfs_write(&r->tfs, "events/kvm/kvm_pio/trigger", trigger, e);
}

static int set_up(struct recorder *r, struct err *e)
{
	const struct record_opts *o = r->o;
	int ret = tfs_create(&r->tfs, "record", e);

	if (!ret)
		ret = tfs_clock(&r->tfs, "x86-tsc", e);
	if (!ret)
		ret = tfs_buffer(&r->tfs, o->buffer_bytes >> 10, e);
	if (!ret && o->some_cpus)
		ret = tfs_cpumask(&r->tfs, &o->cpus, e);
	for (size_t i = 0; i < n_host_events && !ret; i++)
		ret = host_events[i].event ? enable_one(r, &host_events[i], host_events[i].event, e)
					   : enable_pairs(r, &host_events[i], e);
	if (!ret && o->freeze)
		ret = freeze_at_port(r, e);
	return ret;
}

/* --- running --- */

static int start_command(struct recorder *r, struct proc *p, struct err *e)
{
	struct proc_opts po = PROC_OPTS_INIT;
	char freeze[PATH_MAX];

	if (!tfs_shared(&r->tfs, "tracing_on", freeze, sizeof(freeze)) ||
	    setenv("RTKVM_TRACE_FREEZE", freeze, 1))
		return err_sys(e, "starting %s failed", r->o->command[0]);
	po.argv = r->o->command;
	po.in = STDIN_FILENO;
	return proc_start(p, &po, e);
}

/* For a program that holds its guest until then; one that has gone is no reason to stop. */
static int tell_ready(const struct recorder *r, struct err *e)
{
	char freeze[PATH_MAX];

	if (!tfs_shared(&r->tfs, "tracing_on", freeze, sizeof(freeze)))
		return err_sys(e, "recording failed");
	printf("ready %s\n", freeze);
	fflush(stdout);
	return 0;
}

/* Until the command ends, the time is up or somebody stops us. */
static int wait_for_end(struct recorder *r, struct proc *p, struct err *e)
{
	uint64_t end = r->o->duration_ns ? clock_now_ns() + r->o->duration_ns : UINT64_MAX;
	uint64_t next = clock_now_ns();
	struct kvm_wanted wanted = { .vmm = r->o->pid, .ancestor = p->pid };
	int ret = 0;

	while (!ret && !stop_requested() && clock_now_ns() < end) {
		next += POLL_NS;
		clock_sleep_until(next < end ? next : end);
		kvm_look(&r->m, &wanted);
		ret = rings_collect(&r->rings, e);
		if (r->o->command && proc_poll(p) > 0)
			break;
	}
	if (r->o->command && p->pid) {
		proc_stop(p, 2000);
		if (!ret)
			ret = err_set(e, -EINTR, "interrupted");
	}
	return ret;
}

static int run(struct recorder *r, int *code, struct err *e)
{
	struct proc p = { 0 };
	int ret;

	*code = 0;
	r->m.begin = now();
	ret = tfs_on(&r->tfs, true, e);
	if (!ret && r->o->ready)
		ret = tell_ready(r, e);
	if (!ret && r->o->command)
		ret = start_command(r, &p, e);
	r->ran = !ret;
	if (!ret)
		ret = wait_for_end(r, &p, e);
	if (r->o->command && !p.pid)
		*code = proc_code(&p);
	r->m.end = now();
	return ret;
}

/* --- the file --- */

/* The vCPUs whose threads are known: to the file's readers, thread 0 is the idle one. */
static size_t known_vcpus(const struct manifest *m, struct datw_vcpu *to)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].tid)
			to[n++] = (struct datw_vcpu){ m->vcpus[i].vcpu, m->vcpus[i].tid };
	return n;
}

static struct datw_head head(const struct recorder *r, char *page, char *event, char *cmdlines,
			     const char *uname)
{
	double ns = r->m.end.mono_ns - r->m.begin.mono_ns;

	return (struct datw_head){ .page_bytes = RINGS_PAGE_BYTES,
				   .header_page = { page, strlen(page) },
				   .header_event = { event, strlen(event) },
				   .formats = r->formats,
				   .n_formats = r->n_formats,
				   .cmdlines = { cmdlines, strlen(cmdlines) },
				   .n_cpus = r->rings.n,
				   .clock = "x86-tsc",
				   .uname = uname,
				   .trace_id = r->m.begin.wall_ns,
				   .tsc_mult = llround(ns / (r->m.end.ticks - r->m.begin.ticks) *
						       (1u << 31)),
				   .tsc_shift = 31,
				   .guest = r->m.n_vcpus ? "guest" : NULL,
				   .stats = (const char *const *)r->stats };
}

/* What the rings lost: what they overwrote is lost only where all was to be kept. */
static int count_lost(struct recorder *r, struct err *e)
{
	struct tfs_lost lost;
	int ret = tfs_lost(&r->tfs, &lost, e);

	if (ret < 0)
		return ret;
	r->m.lost = lost.dropped + (r->o->all ? lost.overwritten : 0);
	r->m.overwritten = lost.overwritten;
	r->stats = calloc(r->rings.n, sizeof(*r->stats));
	if (!r->stats)
		return err_set(e, -ENOMEM, "recording failed: no memory");
	for (unsigned int i = 0; i < r->rings.n && !ret; i++) {
		_cleanup_free_ char *text = NULL;
		char file[64];

		snprintf(file, sizeof(file), "per_cpu/cpu%u/stats", i);
		if (!tfs_has(&r->tfs, file)) /* a CPU number that is not there */
			continue;
		ret = tfs_load(&r->tfs, file, 4096, &text, e);
		if (!ret && asprintf(&r->stats[i], "CPU: %u\n%s", i, text) < 0) {
			r->stats[i] = NULL;
			ret = err_set(e, -ENOMEM, "recording failed: no memory");
		}
	}
	return ret;
}

static int write_file(struct recorder *r, struct err *e)
{
	_cleanup_free_ char *page = NULL, *event = NULL, *cmdlines = NULL;
	_cleanup_free_ struct datw_vcpu *vcpus = calloc(r->m.n_vcpus + 1, sizeof(*vcpus));
	char uname_text[400], path[PATH_MAX];
	struct utsname u;
	struct datw_head h;
	struct datw w;
	int ret = vcpus ? 0 : err_set(e, -ENOMEM, "recording failed: no memory");

	uname(&u);
	snprintf(uname_text, sizeof(uname_text), "%s %s %s", u.sysname, u.release, u.machine);
	if (!ret)
		ret = tfs_load(&r->tfs, "../../events/header_page", TEXT_MAX, &page, e);
	if (!ret)
		ret = tfs_load(&r->tfs, "../../events/header_event", TEXT_MAX, &event, e);
	if (!ret)
		ret = tfs_load(&r->tfs, "../../saved_cmdlines", TEXT_MAX, &cmdlines, e);
	if (!ret)
		ret = count_lost(r, e);
	if (ret < 0)
		return ret;
	h = head(r, page, event, cmdlines, uname_text);
	h.vcpus = vcpus;
	h.n_vcpus = known_vcpus(&r->m, vcpus);
	rings_release(&r->rings);
	ret = datw_open(&w, r->o->out, &h, e);
	if (ret < 0)
		return ret;
	ret = rings_write(&r->rings, &w, e);
	if (datw_close(&w, !ret, e) < 0 || ret < 0)
		return e->code;
	ret = manifest_path(r->o->out, path, sizeof(path), e);
	return ret < 0 ? ret : manifest_save(&r->m, path, e);
}

static void tear_down(struct recorder *r)
{
	for (unsigned int i = 0; r->stats && i < r->rings.n; i++)
		free(r->stats[i]);
	free(r->stats);
	rings_close(&r->rings);
	for (size_t i = 0; i < r->n_formats; i++)
		free(r->texts[i]);
	free(r->m.vcpus);
	tfs_destroy(&r->tfs);
}

/*
 * What was recorded is written even when the run was interrupted or a disk filled up: the first
 * failure stays the result.
 */
static int record(struct recorder *r, struct err *e)
{
	struct err later = { 0 };
	int ret = set_up(r, e), code = 0, wrote;

	if (!ret)
		ret = rings_open(&r->rings, r->tfs.dir, r->o->all ? r->o->out : NULL, e);
	if (ret < 0)
		return ret;
	ret = run(r, &code, e);
	if (!r->ran)
		return ret;
	if (tfs_on(&r->tfs, false, &later) || rings_finish(&r->rings, ret < 0 ? &later : e))
		ret = ret < 0 ? ret : -EIO;
	r->m.tsc_hz = (r->m.end.ticks - r->m.begin.ticks) * 1e9 /
		      (double)(r->m.end.mono_ns - r->m.begin.mono_ns);
	wrote = write_file(r, e);
	if (ret < 0 || wrote < 0)
		return e->code;
	fprintf(stderr, "%s: %.1f s, %ju events lost", r->o->out,
		(r->m.end.mono_ns - r->m.begin.mono_ns) / 1e9, (uintmax_t)r->m.lost);
	if (r->m.overwritten && !r->o->all)
		fprintf(stderr, ", %ju older ones overwritten", (uintmax_t)r->m.overwritten);
	fprintf(stderr, "%s%s\n", *r->m.missing ? "; not in this kernel: " : "", r->m.missing);
	return code;
}

int tracing_record(int argc, char **argv, struct err *e)
{
	struct record_opts o = { .out = "host.dat", .buffer_bytes = 8 << 20 };
	struct recorder r = { .o = &o, .tfs = TFS_INIT };
	struct parse p = { &o, e };
	char dir[PATH_MAX];
	int ret;

	if (opt_parse(&argp, argc, argv, true, &p, e))
		return e->code;
	if (strlen(o.out) >= sizeof(dir))
		return err_set(e, -ENAMETOOLONG, "--out: the path is too long");
	if (o.command && o.duration_ns)
		return err_set(e, -EINVAL, "--duration and a COMMAND exclude each other");
	if (o.buffer_bytes < 64 << 10)
		return err_set(e, -EINVAL, "--buffer: at least 64K");
	/* minutes of recording must not end in a directory that is not there */
	if (access(dirname(strcpy(dir, o.out)), W_OK))
		return err_sys(e, "writing %s failed", o.out);
	stop_install();
	ret = record(&r, e);
	tear_down(&r);
	return ret;
}
