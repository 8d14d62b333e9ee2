/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm - one virtual machine: KVM's descriptors, memory, vCPUs, devices, and how it ended
 */
#ifndef RTKVM_VMM_VM_H
#define RTKVM_VMM_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "vmm/advance.h"
#include "vmm/bus.h"
#include "lib/cpumap.h"
#include "vmm/helpers.h"
#include "vmm/kvmstats.h"
#include "vmm/memory.h"
#include "vmm/nxpages.h"
#include "vmm/ring.h"
#include "vmm/sandbox.h"
#include "vmm/tscread.h"
#include "vmm/vdev.h"
#include "vmm/vfio.h"
#include "vmm/virtio.h"

#define VM_STATE_DIR "/run/rtkvm" /* journals of what a VM sets on the host while it is built */

enum outcome {
	OUTCOME_NONE, /* still running */
	OUTCOME_EXIT, /* a byte on the exit port: status */
	OUTCOME_POWEROFF,
	OUTCOME_RESET,
	OUTCOME_PANIC,
	OUTCOME_TRIPLE_FAULT,
	OUTCOME_TIMEOUT,
	OUTCOME_INTERRUPTED,
	OUTCOME_ERROR, /* vm.err tells */
};

struct partition;

enum { VCPU_EXIT_REASONS = 64, VCPU_HIST_BINS = 40 };

/* Written by the vCPU thread alone, read by others: relaxed atomics, own cache lines. */
struct vcpu_stats {
	_Alignas(64) _Atomic uint64_t exits[VCPU_EXIT_REASONS]; /* by KVM_EXIT_* */
	_Atomic uint64_t user_ns; /* spent in user space between two KVM_RUNs */
	_Atomic uint64_t user_hist[VCPU_HIST_BINS]; /* bin i: below 2^i ns */
};

/* What the kernel says about the thread, read back after it was set. */
struct vcpu_placed {
	int cpu;
	int policy; /* SCHED_* */
	int priority;
	int uclamp_min; /* least utilization that frequency scaling sees, of 1024; -1: no uclamp */
	uint64_t core_cookie; /* who shares a cookie may share a core; 0: everybody may */
};

struct vcpu {
	struct vm *vm;
	int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started; /* thread exists and must be joined */
	_Atomic bool parked; /* waits for resume, outside the guest */
	sem_t resume;
	pid_t tid;
	int host_cpu;
	struct vcpu_placed placed;
	struct err err; /* set by the thread while it prepares */
	struct tsc_read tsc; /* before it ran first */
	struct tsc_scale tsc_scale; /* how fast it ran since then, when that was last looked at */
	struct kvmstats kvm; /* the kernel's counters */
	struct vcpu_stats stats;
};

/* What ring_push of the mark ring carries. */
struct mark {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint8_t id; /* enum abi_mark, or anything the guest wrote */
};

/* Who may change it: the I/O thread. */
enum vm_state {
	VM_HELD, /* threads exist, no instruction has run */
	VM_RUNNING,
	VM_PAUSING, /* some vCPU has not come out of the guest yet */
	VM_PAUSED,
};

/* Linux 6.17; younger than this system's header */
#ifndef KVM_X86_DISABLE_EXITS_APERFMPERF
#define KVM_X86_DISABLE_EXITS_APERFMPERF (1 << 4)
#endif

enum window_edge { WINDOW_START, WINDOW_END, WINDOW_EDGES };

struct vm_opts {
	struct mem_opts mem;
	struct cpumap map;
	int fifo; /* SCHED_FIFO priority of the vCPU threads; 0: SCHED_OTHER */
	uint8_t fifo_of[CPUMAP_VCPUS]; /* that of one vCPU; 0: as the others' */
	const struct partition *partition; /* where vCPU threads go; NULL: they stay */
	bool core_sched; /* vCPU threads share their cores with nobody */
	struct cpulist ordinary; /* vCPUs that are never SCHED_FIFO */
	bool rt_delay; /* SCHED_OTHER until the guest has booted */
	struct advance_opts advance;
	bool timer_residual; /* count what is left of the advance at each deadline */
	bool trace_switches; /* count by whom vCPU threads are preempted */
	enum nxpages_mode nx_pages;
	bool irqchip_full; /* IOAPIC and PIC in the kernel, too */
	int32_t cpu_dma_latency_us; /* in force on the host when it was asked for; -1: not asked */
	int32_t cpu_dma_latency_held_us; /* asked for by this run; -1: nothing */
	bool pmu; /* performance counters in the guest */
	const char *resctrl; /* group that vCPU threads join; NULL: they stay */
	uint32_t no_exit; /* KVM_X86_DISABLE_EXITS_* that stay in the guest */
	bool halt_poll_given;
	uint32_t halt_poll_ns; /* how long KVM polls before a halted vCPU sleeps */
	uint64_t slow_exit_ns; /* spent on each guest write to the slow port */
	const struct sandbox *sandbox; /* what every thread enters once it is set up */
	const struct dev_opts *devices; /* virtio devices; NULL or none: no PCI bus either */
	int64_t rt_runtime_us; /* the host's sched_rt_runtime_us; -1: real-time tasks are not limited */
	int freeze_fd; /* gets "0" when the guest writes to the freeze port; -1: none */
};

struct vm {
	struct vm_opts opts;
	int kvm, fd;
	size_t run_bytes;
	uint32_t tsc_khz; /* the guest's, as KVM has it: what the guest is told */
	bool tsc_offset_known; /* this KVM tells it */
	bool tsc_is_host; /* offset 0, read back: guest and host stamps are one clock */
	bool invtsc; /* the host's own clocksource is the TSC */
	int64_t halt_poll_ns; /* in force; -1: not known */
	enum nxpages nx_pages; /* what became of the option */
	struct memory mem;
	struct vcpu *vcpus;
	int n_vcpus;
	struct helpers helpers;

	struct vdev **devs;
	size_t n_devs;
	struct bus ports, mmio;
	struct vdev *serial, *ioapic;
	struct vdev *pci; /* NULL: no bus */
	struct virtio_set virtio;
	struct vfio_set vfio;

	/* to the I/O thread */
	struct ring console, data, marks;
	_Atomic uint64_t marks_lost;
	_Atomic bool io_sleeping;
	int io_wake; /* eventfd */
	struct vcpu_stats *window[WINDOW_EDGES]; /* of every vCPU, at a job mark on its way */
	_Atomic bool window_full[WINDOW_EDGES]; /* the I/O thread has not taken it yet */
	_Atomic uint64_t unclaimed; /* port and MMIO accesses that no device has */

	sem_t ready, go, leave; /* vCPU threads: prepared, may run, may end */
	_Atomic bool stopping;
	_Atomic bool pausing; /* vCPU threads park when they come out of the guest */
	enum vm_state state;
	_Atomic int outcome; /* enum outcome; the first one wins */
	int status; /* exit port's byte; valid with OUTCOME_EXIT */
	_Atomic bool panicked; /* pvpanic said so */
	struct err err; /* why OUTCOME_ERROR; written by the winner only */
};

/* vm_open_kvm - a descriptor of /dev/kvm, or why there is none and what to do */
int vm_open_kvm(struct err *e);

/* vm_create - everything up to registers and threads; vm_destroy accepts what vm_create left half */
int vm_create(struct vm *vm, const struct vm_opts *o, struct err *e);
void vm_destroy(struct vm *vm);

/* vm_end - the first caller decides how the machine ended; wakes the I/O thread; always VCPU_STOP */
enum vcpu_next vm_end(struct vm *vm, enum outcome outcome, int status);

/* vm_fail - vm_end(OUTCOME_ERROR) with a sentence */
enum vcpu_next vm_fail(struct vm *vm, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* vm_wake_io - have the I/O thread look at its rings now; vm_nudge_io: only if it sleeps */
void vm_wake_io(struct vm *vm);
void vm_nudge_io(struct vm *vm);

/* vm_no_exit_name - "hlt", ... of one KVM_X86_DISABLE_EXITS_* bit; NULL for others */
const char *vm_no_exit_name(uint32_t bit);

/*
 * vm_mark - a mark as from the guest: counts of now are kept, the I/O thread does the rest; false
 * (and counted as lost) when more marks wait than there is room for, or a job mark of the same kind
 */
bool vm_mark(struct vm *vm, uint8_t id);

/* vm_state_name - "held", "running", "pausing", "paused" */
const char *vm_state_name(enum vm_state s);

/*
 * vm_devices_init - create what devices.c lists, then what the user asks for, and put it on the
 * buses; needs no memory yet; vm_devices_destroy accepts what that left half done
 */
int vm_devices_init(struct vm *vm, struct err *e);
void vm_devices_destroy(struct vm *vm);

/* vm_pci_init - a PCI bus, which devices that the user asks for are put on; once, after the others */
int vm_pci_init(struct vm *vm, struct err *e);

/* vm_irq - an edge on an IOAPIC input, from any thread */
void vm_irq(struct vm *vm, unsigned int gsi);

/* outcome_name - the word used in events and reports */
const char *outcome_name(enum outcome o);

#endif
