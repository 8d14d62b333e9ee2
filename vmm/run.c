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
#include <unistd.h>

#include "lib/claim.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/knob.h"
#include "lib/stop.h"
#include "vmm/boot.h"
#include "vmm/cgroup.h"
#include "vmm/choose.h"
#include "vmm/control.h"
#include "vmm/ctlplace.h"
#include "vmm/helpers.h"
#include "vmm/io.h"
#include "vmm/nodes.h"
#include "vmm/opts.h"
#include "vmm/partition.h"
#include "vmm/place.h"
#include "vmm/prefault.h"
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
	struct cpulist housekeeping;
	char why[256]; /* what --placement auto has to say for its choice */
	int choosing; /* the lock that keeps other runs from choosing the same CPUs; -1: not held */
	struct claim claim; /* of CPUs, against other guests and campaigns */
	struct partition partition;
	struct vm vm;
	struct io io;
	struct sandbox sandbox;
	uint64_t start_ns, overhead_bytes;
	int freeze_fd;
};

/* --placement auto: the map that --cpus would have given, without what others have claimed */
static int choose(struct run *r, const struct hostcpus *host, const struct cpulist *claimed,
		  struct err *e)
{
	struct cpulist taken, devices = devopts_cpus(&r->opts.devices);
	struct choose_opts o = {
		.vcpus = r->opts.vcpus,
		.allow_shared = r->opts.allow_shared,
		.allow_tick = r->opts.allow_tick,
		.mem = &r->opts.mem,
		.taken = &taken,
		.claimed = claimed,
	};
	struct choice c;
	int ret = r->choosing < 0 ? choose_lock(&r->choosing, "/sys", e) : 0;

	if (!ret)
		ret = choose_taken(&taken, "/proc", getpid(), e);
	if (ret < 0)
		return ret;
	cpulist_for_each(cpu, &devices) /* they will be */
		cpulist_add(&taken, cpu);
	ret = choose_cpus(&c, host, "/sys", &o, e);
	if (ret < 0)
		return ret;
	r->opts.map = c.map;
	snprintf(r->why, sizeof(r->why), "%s", c.why);
	return 0;
}

/* The CPUs of this guest are nobody else's from now until the end of the run. */
static int claim(struct run *r, const struct cpulist *isolated, const struct cpulist *devices,
		 struct err *e)
{
	struct cpulist vcpus = cpumap_cpus(&r->opts.map), others = r->housekeeping;
	const struct claim_opts o = {
		.isolated = isolated,
		.alone = &vcpus,
		.beside = &others,
		.alone_for = "--cpus",
		.beside_for = "--housekeeping or a device's cpu=",
		.remedy = "name others, or use --allow-shared",
		.allow_shared = r->opts.allow_shared,
	};

	cpulist_for_each(cpu, devices)
		cpulist_add(&others, cpu);
	return claim_cpus(&r->claim, "/sys", &o, e);
}

/* One choice, checked and claimed. */
static int settle_placement(struct run *r, struct hostcpus host, const struct cpulist *allowed,
			    const struct cpulist *claimed, struct err *e)
{
	struct cpulist cpus, own, devices = devopts_cpus(&r->opts.devices);
	struct place_opts p = {
		.map = &r->opts.map,
		.housekeeping = r->opts.housekeeping_given ? &r->opts.housekeeping : NULL,
		.devices = &devices,
		.allowed = allowed,
		.allow_shared = r->opts.allow_shared,
		.allow_tick = r->opts.allow_tick,
	};
	int ret = r->opts.placement_auto ? choose(r, &host, claimed, e) : 0;

	cpus = cpumap_cpus(&r->opts.map);
	if (!ret && r->opts.partition) /* they will be, or it is an error of its own */
		cpulist_for_each(cpu, &cpus)
			cpulist_add(&host.isolated, cpu);
	if (!ret)
		ret = place_check(&host, &p, &r->housekeeping, e);
	if (!ret)
		ret = claim(r, &host.isolated, &devices, e);
	if (ret < 0)
		return ret;
	/* memory near the vCPUs that have a CPU of their own; the guest's housekeeping can wait */
	own = cpulist_and(&cpus, &host.isolated);
	if (!cpulist_empty(&own))
		cpus = own;
	return nodes_of(&r->opts.mem.nodes, "/sys", &cpus, e);
}

/*
 * Who has claimed what is only told by claiming: a look beforehand, by a lock or in /proc/locks,
 * would be in others' way or blind for other PID namespaces. Each turn has one CPU less to choose from.
 */
static int check_placement(struct run *r, struct err *e)
{
	struct cpulist allowed, claimed = { 0 };
	struct hostcpus host;
	int ret = hostcpus_read(&host, "/sys", e);

	if (!ret)
		ret = cpulist_affinity(&allowed, 0, e);
	if (ret < 0)
		return ret;
	for (;;) {
		struct err why = { 0 };
		struct cpulist vcpus;
		int busy;

		r->claim.busy_cpu = -1;
		ret = settle_placement(r, host, &allowed, &claimed, &why);
		busy = r->claim.busy_cpu;
		vcpus = cpumap_cpus(&r->opts.map);
		if (ret >= 0)
			return ret;
		if (!r->opts.placement_auto || ret != -EBUSY || busy < 0 ||
		    !cpulist_has(&vcpus, busy))
			return err_set(e, ret, "%s", why.text);
		cpulist_add(&claimed, busy);
	}
}

/* Everything that can be known before the machine is built: cheap, and nothing to undo. */
static int check(struct run *r, struct err *e)
{
	const struct mem_opts *m = &r->opts.mem;
	struct cgroup group;
	int ret = check_placement(r, e);

	if (!ret)
		ret = mem_check(m, e);
	if (!ret)
		ret = cgroup_find(&group, "/proc", e);
	if (!ret)
		ret = cgroup_check_memory(&group, m->bytes, mem_page_bytes(m), e);
	return ret < 0 ? ret : boot_check(&r->opts.boot, r->opts.mem.bytes, e);
}

static int open_output(const char *option, const char *path, int *fd, struct err *e)
{
	*fd = -1;
	if (!path)
		return 0;
	*fd = !strcmp(path, "-") ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
				 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return *fd < 0 ? err_sys(e, "opening %s %s failed", option, path) : 0;
}

static int open_files(struct run *r, struct err *e)
{
	struct io *io = &r->io;
	int ret = open_output("--console", r->opts.console, &io->console.fd, e);

	io->console.what = "--console";
	io->data.what = "--data";
	io->data.max = IO_DATA_MAX_BYTES;
	if (!ret)
		ret = open_output("--data", r->opts.data, &io->data.fd, e);
	if (!ret)
		ret = open_output("--events", r->opts.events, &io->events.fd, e);
	if (!ret)
		ret = control_open(io, r->opts.ctl, r->opts.name, r->opts.hold, e);
	io->events.ctl = io->ctl.path[0] ? io->ctl.path : NULL;
	if (!ret && r->opts.freeze) {
		r->freeze_fd = open(r->opts.freeze, O_WRONLY | O_CLOEXEC);
		if (r->freeze_fd < 0)
			ret = err_sys(e, "opening --freeze %s failed", r->opts.freeze);
	}
	return ret;
}

static int close_output(struct sink *s, int ret, struct err *e)
{
	int fd = s->fd;

	s->fd = -1;
	if (fd >= 0 && close(fd) && ret >= 0)
		return err_sys(e, "closing %s failed", s->what); /* NFS and quotas tell only now */
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
	stop_install();
	prctl(PR_SET_TIMERSLACK, 1);
	ret = place_ordinary(0, e); /* chrt or a service may have started us as real-time */
	if (!ret && r->opts.core_sched)
		ret = place_core_sched(e);
	if (!ret && r->opts.partition) /* before the affinity, which another cgroup resets */
		ret = isolate_vcpus(r, e);
	return ret < 0 ? ret : cpulist_pin(&r->housekeeping, 0, e);
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
		       : helpers_settle(&r->vm.helpers, &r->housekeeping,
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
		.fifo = r->opts.fifo,
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
		.no_exit = r->opts.no_exit,
		.halt_poll_given = r->opts.halt_poll_given,
		.halt_poll_ns = r->opts.halt_poll_ns,
		.devices = &r->opts.devices,
		.sandbox = &r->sandbox,
		.freeze_fd = r->freeze_fd,
		.slow_exit_ns = r->opts.slow_exit_ns,
	};
	int ret = vm_create(&r->vm, &o, e);

	if (ret < 0)
		return ret;
	reached(r, SETUP_MACHINE);
	ret = load(r, e);
	if (ret < 0)
		return ret;
	reached(r, SETUP_LOAD);
	ret = start_threads(r, e);
	choose_unlock(&r->choosing); /* the threads are where others see them */
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

	if (r->opts.fifo && !r->opts.allow_shared && us >= 0 && isatty(STDERR_FILENO))
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

/* From the first instruction to the last byte of output. */
static int run_guest(struct run *r, struct err *e)
{
	struct err first = { 0 };
	int ret = events_started(&r->io.events, &r->vm, r->why, e);

	if (ret < 0)
		return ret;
	if (r->why[0])
		fprintf(stderr, "rtkvm run: placement: %s\n", r->why);
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
	if (ret >= 0 && io_finish(&r->io, &first) < 0 &&
	    atomic_load(&r->vm.outcome) != OUTCOME_ERROR) {
		atomic_store(&r->vm.outcome, OUTCOME_ERROR);
		r->vm.err = first;
	}
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
	choose_unlock(&r->choosing);
	claim_drop(&r->claim);
	undone = partition_remove(&r->partition, e);
	if (ret >= 0 && undone < 0)
		ret = undone;
	ret = close_output(&r->io.console, ret, e);
	ret = close_output(&r->io.data, ret, e);
	if (r->io.events.fd >= 0)
		close(r->io.events.fd);
	if (r->freeze_fd >= 0)
		close(r->freeze_fd);
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
		r->choosing = -1;
	ret = run_opts_parse(&r->opts, argc, argv, e);
	if (!ret)
		ret = run_and_close(r, e);
	free(r);
	return ret;
}
