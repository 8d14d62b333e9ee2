// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/opts.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/opt.h"
#include "vmm/ctlplace.h"
#include "vmm/optvalues.h"

enum {
	OPT_KERNEL = 0x100,
	OPT_INITRD,
	OPT_APPEND,
	OPT_MEMORY,
	OPT_HUGEPAGES,
	OPT_PREFAULT,
	OPT_CPUS,
	OPT_PLACEMENT,
	OPT_VCPUS,
	OPT_HOUSEKEEPING,
	OPT_FIFO,
	OPT_ALLOW_SHARED,
	OPT_ALLOW_TICK,
	OPT_RT_DELAY,
	OPT_ORDINARY,
	OPT_CORE_SCHED,
	OPT_PARTITION,
	OPT_LAPIC_ADVANCE,
	OPT_RESIDUAL,
	OPT_SWITCHES,
	OPT_NX_PAGES,
	OPT_IRQCHIP,
	OPT_NO_EXIT,
	OPT_HALT_POLL,
	OPT_PMU,
	OPT_RESCTRL,
	OPT_DMA_LATENCY,
	OPT_DISK,
	OPT_VCONSOLE,
	OPT_NET,
	OPT_RNG,
	OPT_VSOCK,
	OPT_VFIO,
	OPT_CONSOLE,
	OPT_DATA,
	OPT_EVENTS,
	OPT_FREEZE,
	OPT_NAME,
	OPT_CTL,
	OPT_HOLD,
	OPT_SANDBOX,
	OPT_EXIT_CODE,
	OPT_SLOW_EXIT,
	OPT_TIMEOUT,
};

static const struct argp_option options[] = {
	{ 0, 0, 0, 0, "Guest:", 1 },
	{ "kernel", OPT_KERNEL, "FILE", 0, "bzImage, ELF with a PVH entry, or multiboot ELF", 1 },
	{ "initrd", OPT_INITRD, "FILE", 0, "initial RAM disk", 1 },
	{ "append", OPT_APPEND, "TEXT", 0, "kernel command line", 1 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "guest memory (default 256M)", 1 },
	{ "exit-code", OPT_EXIT_CODE, "plain|qemu", 0,
	  "exit code of a guest that writes v to the exit port: v (default), or QEMU's v*2+1", 1 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0,
	  "a guest that has not ended by then hangs: it is stopped, exit code 2", 1 },
	{ 0, 0, 0, 0, "Placement:", 2 },
	{ "cpus", OPT_CPUS, "LIST|MAP", 0,
	  "host CPUs of the vCPUs, one each: 2-3, or 0:2,1:6 as vCPU:CPU", 2 },
	{ "placement", OPT_PLACEMENT, "auto", 0,
	  "choose them: isolated, nohz_full, one NUMA node, whole cores; needs --vcpus", 2 },
	{ "vcpus", OPT_VCPUS, "N", 0, "how many vCPUs --placement auto finds CPUs for", 2 },
	{ "housekeeping", OPT_HOUSEKEEPING, "LIST", 0,
	  "CPUs of all other threads, which else could take a vCPU's (default: online and not isolated)",
	  2 },
	{ "fifo", OPT_FIFO, "PRIO|MAP", 0,
	  "SCHED_FIFO priority of the vCPU threads, above every ordinary task there and below the "
	  "kernel's own (default 1; 0: SCHED_OTHER, any task delays the guest); 0:1,1-2:5 as vCPU:PRIO",
	  2 },
	{ "ordinary", OPT_ORDINARY, "LIST", 0,
	  "vCPUs, by number, that stay SCHED_OTHER: one on a CPU that the host needs, too", 2 },
	{ "rt-delay", OPT_RT_DELAY, 0, 0,
	  "SCHED_FIFO only once the guest says that it has booted (BOOTED mark)", 2 },
	{ "core-sched", OPT_CORE_SCHED, 0, 0,
	  "core scheduling: nobody else runs on the other threads of the vCPUs' cores", 2 },
	{ "cpuset-partition", OPT_PARTITION, "NAME", 0,
	  "isolate the vCPUs' CPUs for this run: a cgroup v2 partition of that name", 2 },
	{ "allow-shared", OPT_ALLOW_SHARED, 0, 0,
	  "accept CPUs that are not isolated or not nohz_full: no latency is promised", 2 },
	{ "allow-tick", OPT_ALLOW_TICK, 0, 0,
	  "accept isolated CPUs that are not nohz_full: their tick interrupts the guest", 2 },
	{ "hugepages", OPT_HUGEPAGES, "1G|2M|off|auto", 0,
	  "pages behind guest memory: larger ones miss the TLB less often, and walk shorter (default auto: "
	  "the largest that are free)",
	  2 },
	{ "prefault", OPT_PREFAULT, "on|off", 0,
	  "fault in all guest memory before the start, or its first touch costs a fault (default on)",
	  2 },
	{ "no-exit", OPT_NO_EXIT, "LIST", 0,
	  "hlt,mwait,pause,cstate,aperfmperf: stays in the guest; no exit and no wake-up to wait for, but "
	  "the CPU looks busy",
	  2 },
	{ "halt-poll", OPT_HALT_POLL, "DURATION", 0,
	  "how long KVM polls before a halted vCPU sleeps: an interrupt within it waits for no scheduler "
	  "(default: 2ms for SCHED_FIFO vCPUs, else the kvm module's)",
	  2 },
	{ "cpu-dma-latency", OPT_DMA_LATENCY, "US", 0,
	  "no CPU of the host may need longer than this to leave an idle state while the guest runs "
	  "(default: as the host has it)",
	  2 },
	{ "pmu", OPT_PMU, "on|off", 0,
	  "performance counters in the guest: KVM switches them at entries and exits (default off)",
	  2 },
	{ "resctrl", OPT_RESCTRL, "GROUP", 0,
	  "vCPU threads join this group: a share of the caches that others cannot empty", 2 },
	{ "lapic-timer-advance", OPT_LAPIC_ADVANCE, "auto|off|NS", 0,
	  "how much earlier KVM fires the guest's timer, to hide its own way into the guest (default: as "
	  "the host has it)",
	  2 },
	{ "timer-residual", OPT_RESIDUAL, 0, 0,
	  "count how early or late the advanced timer is at its deadlines (needs tracefs)", 2 },
	{ "trace-switches", OPT_SWITCHES, 0, 0,
	  "tell who got the CPU when a vCPU's thread lost it against its will (needs tracefs)", 2 },
	{ "nx-huge-pages", OPT_NX_PAGES, "keep|off", 0,
	  "off: for a trusted guest, its huge pages are not split against iTLB multihit (default keep)",
	  2 },
	{ "irqchip", OPT_IRQCHIP, "split|full", 0,
	  "full: IOAPIC and PIC in the kernel, too, whose ExtINTs can switch APICv off (default split: local "
	  "APICs alone)",
	  2 },
	{ 0, 0, 0, 0,
	  "Devices (each a thread on housekeeping CPUs; no vCPU leaves the guest for them):", 3 },
	{ "disk", OPT_DISK, "FILE[,ro][,cpu=N]", 0,
	  "virtio disk: a raw image or block device; its thread on host CPU N; may be given again",
	  3 },
	{ "virtio-console", OPT_VCONSOLE, "FILE[,port=NAME:FILE]...[,cpu=N]", 0,
	  "virtio console: hvc0 to a file or UNIX socket, ports of that name to others", 3 },
	{ "net", OPT_NET, "tap=NAME[,mac=ADDRESS][,cpu=N]", 0,
	  "virtio network card on a tap interface; by vhost-net where there is one; may be given again",
	  3 },
	{ "rng", OPT_RNG, 0, 0,
	  "virtio random numbers from the host's /dev/urandom (default: none)", 3 },
	{ "vsock", OPT_VSOCK, "cid=N", 0,
	  "AF_VSOCK between host and guest, by vhost-vsock; N from 3 on", 3 },
	{ "vfio", OPT_VFIO, "ADDRESS", 0,
	  "a PCI function of the host, by VFIO (tried with emulated IOMMU and card alone); may be given again",
	  3 },
	{ 0, 0, 0, 0, "Channels:", 4 },
	{ "console", OPT_CONSOLE, "FILE", 0, "serial output (default -: stdout)", 4 },
	{ "data", OPT_DATA, "FILE", 0, "bytes from the guest's data port", 4 },
	{ "events", OPT_EVENTS, "FILE", 0, "started, mark and ended as JSON lines", 4 },
	{ "name", OPT_NAME, "NAME", 0, "how rtkvm ctl finds this VM (default: its process id)", 4 },
	{ "ctl", OPT_CTL, "PATH|none", 0,
	  "control socket (default " CTLPLACE_DIR
	  "/NAME.sock); /dev/fd/N: one inherited, connected",
	  4 },
	{ "sandbox", OPT_SANDBOX, "on|off|log", 0,
	  "no capabilities, and only the system calls that a running VM needs (default on)", 4 },
	{ "hold", OPT_HOLD, 0, 0, "set everything up, run the guest when rtkvm ctl resume says so",
	  4 },
	{ "freeze", OPT_FREEZE, "FILE", 0,
	  "gets a 0 when the guest writes to its freeze port: a trace instance's tracing_on", 4 },
	{ "slow-exit", OPT_SLOW_EXIT, "DURATION", 0,
	  "to test tracing: spend so long on each guest write to port 0x5ec (at most 1s)", 4 },
	{ 0 },
};

static const char doc[] =
	"Boot a guest on isolated CPUs and end with its job's exit code.\v"
	"Every property asked for is achieved and read back from the kernel, or the command ends with "
	"one sentence. Exit codes: the guest job's own; 0 power-off; 2 an error, panic, triple fault, "
	"reset or hang; 3 interrupted. See rtkvm-run(1).";

static const char *option_name(int key)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].key == key)
			return options[i].name;
	return "?";
}

#define AT(field) .at = offsetof(struct run_opts, field)

/* What becomes of each option: it is kept as it is, a switch, a device, or looked at by a function. */
enum kind { KEPT, SWITCH, DEVICE, CHECKED };

static const struct row {
	int key;
	enum kind kind;
	size_t at; /* KEPT: of a const char *, SWITCH: of a bool in struct run_opts */
	enum dev_kind device;
	bool again; /* it may be given several times */
	int (*set)(struct run_opts *o, const char *text, struct err *e);
} rows[] = {
	{ OPT_KERNEL, KEPT, AT(boot.kernel) },
	{ OPT_INITRD, KEPT, AT(boot.initrd) },
	{ OPT_APPEND, KEPT, AT(boot.append) },
	{ OPT_MEMORY, CHECKED, .set = optvalue_memory },
	{ OPT_EXIT_CODE, CHECKED, .set = optvalue_exit_code },
	{ OPT_TIMEOUT, CHECKED, .set = optvalue_timeout },
	{ OPT_CPUS, CHECKED, .set = optvalue_cpus },
	{ OPT_PLACEMENT, CHECKED, .set = optvalue_placement },
	{ OPT_VCPUS, CHECKED, .set = optvalue_vcpus },
	{ OPT_HOUSEKEEPING, CHECKED, .set = optvalue_housekeeping },
	{ OPT_FIFO, CHECKED, .set = optvalue_fifo },
	{ OPT_ORDINARY, CHECKED, .set = optvalue_ordinary },
	{ OPT_RT_DELAY, SWITCH, AT(rt_delay) },
	{ OPT_CORE_SCHED, SWITCH, AT(core_sched) },
	{ OPT_PARTITION, CHECKED, .set = optvalue_partition },
	{ OPT_ALLOW_SHARED, SWITCH, AT(allow_shared) },
	{ OPT_ALLOW_TICK, SWITCH, AT(allow_tick) },
	{ OPT_HUGEPAGES, CHECKED, .set = optvalue_hugepages },
	{ OPT_PREFAULT, CHECKED, .set = optvalue_prefault },
	{ OPT_NO_EXIT, CHECKED, .set = optvalue_no_exit },
	{ OPT_HALT_POLL, CHECKED, .set = optvalue_halt_poll },
	{ OPT_DMA_LATENCY, CHECKED, .set = optvalue_dma_latency },
	{ OPT_PMU, CHECKED, .set = optvalue_pmu },
	{ OPT_RESCTRL, KEPT, AT(resctrl) },
	{ OPT_LAPIC_ADVANCE, CHECKED, .set = optvalue_advance },
	{ OPT_RESIDUAL, SWITCH, AT(timer_residual) },
	{ OPT_SWITCHES, SWITCH, AT(trace_switches) },
	{ OPT_NX_PAGES, CHECKED, .set = optvalue_nx_pages },
	{ OPT_IRQCHIP, CHECKED, .set = optvalue_irqchip },
	{ OPT_DISK, DEVICE, .device = DEV_DISK, .again = true },
	{ OPT_VCONSOLE, DEVICE, .device = DEV_CONSOLE },
	{ OPT_NET, DEVICE, .device = DEV_NET, .again = true },
	{ OPT_RNG, DEVICE, .device = DEV_RNG },
	{ OPT_VSOCK, DEVICE, .device = DEV_VSOCK },
	{ OPT_VFIO, DEVICE, .device = DEV_VFIO, .again = true },
	{ OPT_CONSOLE, KEPT, AT(console) },
	{ OPT_DATA, KEPT, AT(data) },
	{ OPT_EVENTS, KEPT, AT(events) },
	{ OPT_NAME, CHECKED, .set = optvalue_name },
	{ OPT_CTL, KEPT, AT(ctl) },
	{ OPT_SANDBOX, CHECKED, .set = optvalue_sandbox },
	{ OPT_HOLD, SWITCH, AT(hold) },
	{ OPT_FREEZE, KEPT, AT(freeze) },
	{ OPT_SLOW_EXIT, CHECKED, .set = optvalue_slow_exit },
};

static const struct row *row_of(int key)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].key == key)
			return &rows[i];
	return NULL;
}

static int set(struct run_opts *o, const struct row *row, const char *arg, struct err *e)
{
	char *field = (char *)o + row->at;

	switch (row->kind) {
	case KEPT:
		*(const char **)field = arg;
		return 0;
	case SWITCH:
		*(bool *)field = true;
		return 0;
	case DEVICE:
		return devopts_add(&o->devices, row->device, arg, e);
	case CHECKED:
		return row->set(o, arg, e);
	}
	return 0;
}

struct parse {
	struct run_opts *o;
	struct err *e;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const struct row *row = row_of(key);
	struct parse *p = state->input;
	uint64_t bit;

	if (key == ARGP_KEY_ARG) {
		err_set(p->e, -EINVAL, "\"%s\" is not an option; see --help", arg);
		return EINVAL;
	}
	if (!row)
		return ARGP_ERR_UNKNOWN;
	bit = 1ull << (key - OPT_KERNEL);
	if (p->o->given & bit && !row->again) {
		err_set(p->e, -EINVAL, "--%s is given twice", option_name(key));
		return EINVAL;
	}
	p->o->given |= bit;
	return set(p->o, row, arg, p->e) < 0 ? EINVAL : 0;
}

static bool given(const struct run_opts *o, int key)
{
	return o->given >> (key - OPT_KERNEL) & 1;
}

static bool is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

/* Of options that contradict each other neither is quietly the stronger one. */
static int check_together(const struct run_opts *o, struct err *e)
{
	int vcpus = o->placement_auto ? o->vcpus : o->map.n, ordinary = cpulist_count(&o->ordinary);
	bool no_ctl = o->ctl && !strcmp(o->ctl, "none");
	const struct {
		bool wrong;
		const char *why;
	} wrongs[] = {
		{ o->placement_auto && o->map.n,
		  "--cpus and --placement auto contradict each other; give one" },
		{ o->placement_auto && o->partition,
		  "--placement auto takes CPUs that are isolated, --cpuset-partition isolates "
		  "those of --cpus; give one" },
		{ o->placement_auto && !o->vcpus,
		  "--placement auto: --vcpus is missing: say how many CPUs to find" },
		{ !o->placement_auto && o->vcpus,
		  "--vcpus goes with --placement auto; --cpus names a host CPU for each vCPU" },
		{ !vcpus, "--cpus is missing: name a host CPU for each vCPU, or use "
			  "--placement auto" },
		{ o->allow_shared && o->allow_tick,
		  "--allow-shared accepts what --allow-tick does, and more; give one" },
		{ o->rt_delay && !o->fifo,
		  "--rt-delay and --fifo 0 contradict each other: there is no real-time priority "
		  "to wait for; give one" },
		{ o->fifo && ordinary == vcpus && (o->rt_delay || given(o, OPT_FIFO)),
		  "--ordinary leaves no vCPU that is SCHED_FIFO, which --fifo and --rt-delay are "
		  "for; give one" },
		{ o->no_exit & KVM_X86_DISABLE_EXITS_HLT && o->halt_poll_given,
		  "--no-exit hlt and --halt-poll contradict each other: KVM polls for a guest "
		  "whose HLT leaves it; give one" },
		{ o->timer_residual && o->advance.mode == ADVANCE_OFF,
		  "--timer-residual and --lapic-timer-advance off contradict each other: KVM "
		  "waits for no deadline then; give one" },
		{ o->hold && no_ctl, "--hold and --ctl none: nobody could ever resume the guest" },
		{ o->name && no_ctl,
		  "--name and --ctl none contradict each other: rtkvm ctl finds the VM at its "
		  "socket; give one" },
		{ is_stdout(o->console) + is_stdout(o->data) + is_stdout(o->events) > 1,
		  "of --console, --data and --events one can be standard output, by default the "
		  "console; name a file" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++)
		if (wrongs[i].wrong)
			return err_set(e, -EINVAL, "%s", wrongs[i].why);
	return 0;
}

/* The vCPUs that --ordinary and --fifo name are there, and none gets both. */
static int check_numbers(const struct run_opts *o, struct err *e)
{
	int vcpus = o->placement_auto ? o->vcpus : o->map.n;

	cpulist_for_each(i, &o->ordinary) {
		if (vcpus && i >= vcpus)
			return err_set(e, -EINVAL, "--ordinary: there is no vCPU %d", i);
		if (i < CPUMAP_VCPUS && o->fifo_of[i])
			return err_set(e, -EINVAL,
				       "--ordinary and --fifo both name vCPU %d; give one", i);
	}
	for (int i = vcpus; vcpus && i < CPUMAP_VCPUS; i++)
		if (o->fifo_of[i])
			return err_set(e, -EINVAL, "--fifo: there is no vCPU %d", i);
	return 0;
}

int run_opts_parse(struct run_opts *o, int argc, char **argv, struct err *e)
{
	static const struct argp argp = { options, parse, NULL, doc };
	struct parse p = { o, e };
	int ret;

	*o = (struct run_opts){
		.mem = { .bytes = 256ull << 20, .pages = MEM_PAGES_AUTO, .populate = true },
		.fifo = 1,
		.cpu_dma_latency_us = -1,
		.console = "-",
	};
	ret = opt_parse(&argp, argc, argv, false, &p, e);
	if (ret < 0)
		return ret;
	if (!o->boot.kernel)
		return err_set(
			e, -EINVAL,
			"--kernel is missing: name a bzImage, an ELF image with a PVH entry, or a multiboot one");
	ret = check_numbers(o, e);
	return ret < 0 ? ret : check_together(o, e);
}
