// SPDX-License-Identifier: GPL-2.0-only
/* run - check everything, build the machine, run it, say how it ended */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/knob.h"
#include "lib/stop.h"
#include "vmm/boot.h"
#include "vmm/cgroup.h"
#include "vmm/clos.h"
#include "vmm/control.h"
#include "vmm/ctlplace.h"
#include "vmm/dmalatency.h"
#include "vmm/files.h"
#include "vmm/helpers.h"
#include "vmm/io.h"
#include "vmm/opts.h"
#include "vmm/partition.h"
#include "vmm/place.h"
#include "vmm/prefault.h"
#include "vmm/seats.h"
#include "vmm/vcpu.h"
#include "vmm/vmm.h"
#include "vmm/vmtsc.h"

/*
 * From this size on malloc maps memory and unmaps it again. Not while the guest runs, where it would
 * interrupt the vCPUs' CPUs to flush their TLBs: then it is the largest size that malloc knows.
 */
enum { SETUP_MMAP_BYTES = 16 << 10, RUNNING_MMAP_BYTES = 32 << 20 };

struct run {
	struct run_opts opts;
	struct seats seats;
	struct partition partition;
	struct vm vm;
	struct io io;
	struct sandbox sandbox;
	uint64_t start_ns, overhead_bytes;
	struct files files;
	int freeze_fd;
	int dma_latency_fd;
	int32_t dma_latency_us; /* in force, as read back; -1: nothing was asked for */
};

/* Everything that can be known before the machine is built: cheap, and nothing to undo. */
static int check(struct run *r, struct err *e)
{
	const struct mem_opts *m = &r->opts.mem;
	struct cgroup group;
	int ret = seats_take(&r->seats, &r->opts, e);

	if (!ret)
		ret = mem_check(m, e);
	if (!ret)
		ret = cgroup_find(&group, "/proc", e);
	if (!ret)
		ret = cgroup_check_memory(&group, m->bytes, mem_page_bytes(m), e);
	return ret < 0 ? ret : boot_check(&r->opts.boot, r->opts.mem.bytes, e);
}

/* Not one that waits for somebody at its other end, as a pipe does. */
static int open_freeze(struct run *r, struct err *e)
{
	struct stat st;

	if (!r->opts.freeze)
		return 0;
	r->freeze_fd = open(r->opts.freeze, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (r->freeze_fd < 0 && errno != ENXIO)
		return err_sys(e, "opening --freeze %s failed", r->opts.freeze);
	if (r->freeze_fd < 0 || fstat(r->freeze_fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL,
			       "--freeze %s is not a regular file; give the tracing_on of a trace "
			       "instance",
			       r->opts.freeze);
	return 0;
}

static int hold_dma_latency(struct run *r, struct err *e)
{
	int32_t us = r->opts.cpu_dma_latency_us;

	if (us < 0)
		return 0;
	r->dma_latency_fd = dmalatency_hold("/dev/cpu_dma_latency", us, &r->dma_latency_us, e);
	return r->dma_latency_fd < 0 ? r->dma_latency_fd : 0;
}

static int open_files(struct run *r, struct err *e)
{
	struct io *io = &r->io;
	int ret = files_open(&r->files, &r->opts, e);

	io->console.fd = files_fd(&r->files, "--console");
	io->console.what = "--console";
	io->data.fd = files_fd(&r->files, "--data");
	io->data.what = "--data";
	io->data.max = IO_DATA_MAX_BYTES;
	io->events.fd = files_fd(&r->files, "--events");
	if (!ret)
		ret = open_freeze(r, e);
	if (!ret)
		ret = hold_dma_latency(r, e);
	if (!ret && r->opts.resctrl)
		ret = clos_check(CLOS_ROOT, r->opts.resctrl, e);
	if (!ret)
		ret = control_open(io, r->opts.ctl, r->opts.name, r->opts.hold, e);
	io->events.ctl = io->ctl.path[0] ? io->ctl.path : NULL;
	return ret;
}

static int isolate_vcpus(struct run *r, struct err *e)
{
	struct cpulist cpus = cpumap_cpus(&r->opts.map);

	return partition_create(&r->partition, r->opts.partition, &cpus, e);
}

/* The main thread and all that it starts: ordinary scheduling, away from the vCPUs' CPUs. */
static int settle_main_thread(struct run *r, struct err *e)
{
	sigset_t all;
	int ret;

	/* signals reach us in ppoll only, and no vCPU thread at all (the kick is unblocked there) */
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	ret = place_ordinary(0, e); /* chrt or a service may have started us as real-time */
	if (!ret && r->opts.core_sched)
		ret = place_core_sched(e);
	if (!ret && r->opts.partition) /* before the affinity, which another cgroup resets */
		ret = isolate_vcpus(r, e);
	return ret < 0 ? ret : cpulist_pin(&r->seats.housekeeping, 0, e);
}

/* The kernel's own threads for this VM exist now that a vCPU has been entered. */
static int settle_helpers(struct run *r, struct err *e)
{
	struct cpulist cpus = cpumap_cpus(&r->opts.map), none = { 0 };
	pid_t ordinary[CPUMAP_VCPUS + DEVOPTS_MAX + 1] = { getpid() };
	size_t n = 1;
	int ret;

	for (int i = 0; i < r->vm.n_vcpus; i++)
		ordinary[n++] = r->vm.vcpus[i].tid;
	for (int i = 0; i < r->vm.virtio.n; i++)
		ordinary[n++] = r->vm.virtio.at[i]->tid;
	ret = helpers_find(&r->vm.helpers, ordinary, n, e);
	return ret < 0 ? ret
		       : helpers_settle(&r->vm.helpers, &r->seats.housekeeping,
					r->opts.allow_shared ? &none : &cpus, e);
}

/* A step of the set-up is over: its time is told with the start. */
static void reached(struct run *r, enum setup_step step)
{
	r->io.events.setup.end_ns[step] = clock_now_ns();
}

static int start_threads(struct run *r, struct err *e)
{
	struct sandbox_opts o = {
		.mode = r->opts.sandbox,
		.fifo = place_highest(&r->vm.opts),
		.restores = r->opts.partition,
		.traces = r->opts.timer_residual || r->opts.trace_switches,
		.unlinks = ctlplace_is_others(r->io.ctl.path),
		.devices = r->vm.virtio.n,
		.vfio = r->vm.vfio.n,
	};
	int ret = sandbox_prepare(&r->sandbox, &o, e);

	if (!ret)
		ret = vcpus_start(&r->vm, e);
	return ret < 0 ? ret : virtio_start(&r->vm.virtio, e);
}

static int load(struct run *r, struct err *e)
{
	struct vcpu_entry entry;
	int ret = boot_load(&r->vm, &r->opts.boot, &entry, e);

	for (int i = 0; !ret && i < r->vm.n_vcpus; i++)
		ret = vcpu_init(&r->vm.vcpus[i], &entry, e);
	return ret < 0 ? ret : prefault_guest(&r->vm, e);
}

static int lock_up(struct run *r, struct err *e)
{
	int ret = settle_helpers(r, e);

	if (!ret)
		ret = window_init(&r->io.window, &r->vm, e);
	if (!ret)
		ret = mem_lock_self(&r->vm.mem, e);
	if (!ret)
		ret = window_reserve(&r->io.window, e);
	mallopt(M_MMAP_THRESHOLD, RUNNING_MMAP_BYTES);
	if (!ret) /* nothing but the sandbox, which forbids it, stands between this and the guest */
		ret = files_begin(&r->files, e);
	return ret < 0 ? ret : sandbox_enter(&r->sandbox, SANDBOX_MAIN, e);
}

static int build(struct run *r, struct err *e)
{
	struct vm_opts o = {
		.partition = r->partition.dir[0] ? &r->partition : NULL,
		.mem = r->opts.mem,
		.map = r->opts.map,
		.fifo = r->opts.fifo,
		.core_sched = r->opts.core_sched,
		.advance = r->opts.advance,
		.timer_residual = r->opts.timer_residual,
		.trace_switches = r->opts.trace_switches,
		.nx_pages = r->opts.nx_pages,
		.irqchip_full = r->opts.irqchip_full,
		.ordinary = r->opts.ordinary,
		.rt_delay = r->opts.rt_delay,
		.rt_runtime_us = place_rt_runtime_us(),
		.pmu = r->opts.pmu,
		.resctrl = r->opts.resctrl,
		.cpu_dma_latency_us = r->dma_latency_us,
		.cpu_dma_latency_held_us = r->opts.cpu_dma_latency_us,
		.no_exit = r->opts.no_exit,
		.halt_poll_given = r->opts.halt_poll_given,
		.halt_poll_ns = r->opts.halt_poll_ns,
		.devices = &r->opts.devices,
		.sandbox = &r->sandbox,
		.freeze_fd = r->freeze_fd,
		.slow_exit_ns = r->opts.slow_exit_ns,
	};
	int ret;

	memcpy(o.fifo_of, r->opts.fifo_of, sizeof(o.fifo_of));
	ret = vm_create(&r->vm, &o, e);

	if (ret < 0)
		return ret;
	reached(r, SETUP_MACHINE);
	ret = load(r, e);
	if (ret < 0)
		return ret;
	reached(r, SETUP_LOAD);
	ret = start_threads(r, e);
	if (ret < 0)
		return ret;
	reached(r, SETUP_THREADS);
	ret = vmtsc_check(&r->vm, e);
	if (!ret)
		ret = lock_up(r, e);
	reached(r, SETUP_LOCK);
	return ret;
}

/* On a terminal; for others it stands in the events. A shared CPU promises nothing anyway. */
static void tell_limit(const struct run *r)
{
	int64_t us = r->vm.opts.rt_runtime_us;

	if (place_highest(&r->vm.opts) && !r->opts.allow_shared && us >= 0 && isatty(STDERR_FILENO))
		fprintf(stderr,
			"rtkvm run: sched_rt_runtime_us is %" PRId64 ": a vCPU that is busy for "
			"longer than that in a second is stopped by the kernel; sysctl "
			"kernel.sched_rt_runtime_us=-1 ends it\n",
			us);
}

/* As with the limit: what costs latency, and is given up for a trusted guest alone. */
static void tell_nx_pages(const struct run *r)
{
	const char *remedy = nxpages_remedy(r->vm.nx_pages);

	if (remedy && !r->opts.allow_shared && isatty(STDERR_FILENO))
		fprintf(stderr,
			"rtkvm run: kvm.nx_huge_pages is Y: the guest's first instruction in a huge "
			"page faults and splits it, again and again; %s\n",
			remedy);
}

/* What shows only now that the guest has stopped; an error that came before it counts. */
static void fail_late(struct run *r, const struct err *why)
{
	if (!why->code || atomic_load(&r->vm.outcome) == OUTCOME_ERROR)
		return;
	atomic_store(&r->vm.outcome, OUTCOME_ERROR);
	r->vm.err = *why;
}

/* From the first instruction to the last byte of output. */
static int run_guest(struct run *r, struct err *e)
{
	struct err first = { 0 };
	int ret = events_started(&r->io.events, &r->vm, r->seats.why, e);

	if (ret < 0)
		return ret;
	if (r->seats.why[0])
		fprintf(stderr, "rtkvm run: placement: %s\n", r->seats.why);
	tell_limit(r);
	tell_nx_pages(r);
	r->io.timeout_ns = r->opts.timeout_ns;
	if (!strcmp(r->opts.console, "-"))
		term_open(&r->io.term);
	if (r->opts.hold)
		r->io.started_ns = clock_now_ns();
	else
		control_go(&r->io);
	ret = io_run(&r->io, &first);
	if (ret < 0)
		vm_fail(&r->vm, ret, "%s", first.text);
	vcpus_stop(&r->vm);
	virtio_stop(&r->vm.virtio);
	if (ret >= 0)
		io_finish(&r->io, &first);
	vmtsc_check(&r->vm, &first); /* over the guest's whole life: what the start could not see */
	fail_late(r, &first);
	ret = mem_read_back(&r->vm.mem, e);
	return ret < 0 ? ret : mem_overhead(&r->vm.mem, &r->overhead_bytes, e);
}

/* What followed a forbidden system call, in either thread, is not worth telling. */
static int blame_sandbox(int ret, struct err *e)
{
	struct err why = { 0 };

	if (!sandbox_violation(&why))
		return ret;
	*e = why;
	return why.code;
}

/* A reset or triple fault that follows a panic message is the panic's, whatever reboot= says. */
static void judge(struct run *r)
{
	enum outcome o = atomic_load(&r->vm.outcome);

	if (sandbox_violation(&r->vm.err))
		atomic_store(&r->vm.outcome, OUTCOME_ERROR);
	if ((o == OUTCOME_RESET || o == OUTCOME_TRIPLE_FAULT) && r->io.panic.seen)
		atomic_store(&r->vm.outcome, OUTCOME_PANIC);
}

static bool ended_well(const struct run *r)
{
	int o = atomic_load(&r->vm.outcome);

	return o == OUTCOME_EXIT || o == OUTCOME_POWEROFF;
}

static int verdict(struct run *r, struct err *e)
{
	const char *why = r->io.panic.reason;

	if (r->io.lost.code && ended_well(r))
		return err_set(e, r->io.lost.code, "%s", r->io.lost.text);
	switch ((enum outcome)atomic_load(&r->vm.outcome)) {
	case OUTCOME_EXIT:
		return r->opts.qemu_exit_code ? (r->vm.status * 2 + 1) & 0xff : r->vm.status;
	case OUTCOME_POWEROFF:
		return VERDICT_PASS;
	case OUTCOME_RESET:
		return err_set(e, -ECONNRESET,
			       "the guest reset itself without an exit code; look at its console");
	case OUTCOME_PANIC:
		return err_set(e, -ECONNRESET,
			       "the guest's kernel panicked%s%s; look at its console",
			       why[0] ? ": " : "", why);
	case OUTCOME_TRIPLE_FAULT:
		return err_set(
			e, -ECONNRESET,
			"the guest ended in a triple fault: no kernel code handles its faults; "
			"look at its console and the kernel image");
	case OUTCOME_TIMEOUT:
		return err_set(e, -ETIMEDOUT,
			       "the guest had not ended after %" PRIu64
			       " ms (--timeout) and was stopped; "
			       "look at its console, or allow more",
			       r->opts.timeout_ns / 1000000);
	case OUTCOME_INTERRUPTED:
		return err_set(e, -EINTR, "interrupted; the guest was stopped");
	default:
		return err_set(e, r->vm.err.code ? r->vm.err.code : -EIO, "%s", r->vm.err.text);
	}
}

static int run(struct run *r, struct err *e)
{
	int ret = settle_main_thread(r, e);

	reached(r, SETUP_CHECK);
	if (!ret)
		ret = build(r, e);
	if (!ret)
		ret = run_guest(r, e);
	vcpus_stop(&r->vm);
	virtio_stop(&r->vm.virtio);
	term_close(&r->io.term);
	if (ret < 0)
		return ret;
	judge(r);
	ret = events_ended(&r->io.events, &r->vm, &r->io.window, r->overhead_bytes,
			   r->start_ns + r->io.held_ns, e);
	return ret < 0 ? ret : verdict(r, e);
}

/* What a run that was killed had set on the host goes back first. */
static int recover(struct err *e)
{
	struct cgroup group;
	int ret;

	if (geteuid())
		return 0;
	ret = cgroup_find(&group, "/proc", e);
	if (!ret && group.mount[0])
		ret = partition_recover(group.mount, e);
	if (ret >= 0)
		ret = advance_recover("/", VM_STATE_DIR, e);
	return ret < 0 ? ret : 0;
}

static int run_and_close(struct run *r, struct err *e)
{
	int ret = counters_process_start_ns(&r->start_ns, e), undone;

	stop_install(); /* from here on there is something to take back */
	if (!ret)
		ret = recover(e);
	if (!ret)
		ret = check(r, e);
	if (!ret)
		ret = open_files(r, e);
	if (!ret)
		ret = run(r, e);
	ctlserver_close(&r->io.ctl);
	window_free(&r->io.window);
	vm_destroy(&r->vm);
	seats_leave(&r->seats);
	undone = partition_remove(&r->partition, e);
	if (ret >= 0 && undone < 0)
		ret = undone;
	ret = files_close(&r->files, ret, e);
	if (r->freeze_fd >= 0)
		close(r->freeze_fd);
	if (r->dma_latency_fd >= 0)
		close(r->dma_latency_fd);
	ret = blame_sandbox(ret, e);
	sandbox_free(&r->sandbox);
	return ret;
}

int vmm_guest(int argc, char **argv, struct err *e)
{
	struct run *r = aligned_alloc(64, (sizeof(*r) + 63) / 64 * 64);
	int ret;

	if (!r)
		return err_set(e, -ENOMEM, "no memory");
	/* no arena per thread; what is large has mappings of its own: it leaves no hole to be locked */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_MMAP_THRESHOLD, SETUP_MMAP_BYTES);
	memset(r, 0, sizeof(*r));
	r->io.events.setup.main_ns = clock_now_ns();
	r->vm.kvm = r->vm.fd = r->vm.io_wake = -1;
	r->io.vm = &r->vm;
	ctlserver_init(&r->io.ctl, control_answer, &r->io);
	r->io.console.fd = r->io.data.fd = r->io.events.fd = r->io.term.fd = r->freeze_fd =
		r->dma_latency_fd = r->dma_latency_us = -1;
	seats_init(&r->seats);
	ret = run_opts_parse(&r->opts, argc, argv, e);
	if (!ret)
		ret = run_and_close(r, e);
	free(r);
	return ret;
}
