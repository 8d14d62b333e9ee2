/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * opts - the command line of rtkvm run as a struct; parsing opens nothing and checks no rights
 */
#ifndef RTKVM_VMM_OPTS_H
#define RTKVM_VMM_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"
#include "vmm/advance.h"
#include "vmm/boot.h"
#include "vmm/devopts.h"
#include "lib/cpumap.h"
#include "vmm/memory.h"
#include "vmm/nxpages.h"
#include "vmm/sandbox.h"

struct run_opts {
	struct boot_opts boot;
	struct mem_opts mem;
	struct cpumap map; /* empty when CPUs are to be chosen */
	bool placement_auto;
	int vcpus; /* with placement_auto */
	struct cpulist housekeeping;
	bool housekeeping_given;
	bool allow_shared, allow_tick;
	int fifo;
	uint8_t fifo_of[CPUMAP_VCPUS]; /* --fifo VCPU:PRIO; 0: fifo */
	struct cpulist ordinary; /* vCPUs that are SCHED_OTHER all the same */
	bool rt_delay;
	bool core_sched;
	const char *partition; /* name of a cgroup to make; NULL: none */
	struct advance_opts advance;
	bool timer_residual, trace_switches;
	enum nxpages_mode nx_pages;
	bool irqchip_full;
	bool pmu;
	const char *resctrl; /* name of a group that is there; NULL: none */
	int32_t cpu_dma_latency_us; /* -1: nothing is asked for */
	uint32_t no_exit; /* KVM_X86_DISABLE_EXITS_* */
	uint64_t halt_poll_ns; /* valid when halt_poll_given */
	bool halt_poll_given;
	const char *console; /* file name, "-" for stdout */
	const char *data, *events, *freeze; /* file names or NULL */
	const char *name, *ctl; /* NULL: the defaults */
	struct dev_opts devices;
	enum sandbox_mode sandbox;
	bool hold; /* runs no instruction until it is told to */
	bool qemu_exit_code; /* a byte v on the exit port: v * 2 + 1, as isa-debug-exit does */
	uint64_t slow_exit_ns;
	uint64_t timeout_ns; /* 0: none */
	uint64_t given; /* options seen so far, a bit each: none may come twice */
};

/* run_opts_parse - argv[0] is the verb; -EINVAL with one sentence; --help prints and exits */
int run_opts_parse(struct run_opts *o, int argc, char **argv, struct err *e);

#endif
