/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * counters - what happened to the vCPU threads, and what of it between the two job marks
 */
#ifndef RTKVM_VMM_COUNTERS_H
#define RTKVM_VMM_COUNTERS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/abi.h"
#include "lib/err.h"
#include "lib/threads.h"
#include "vmm/interrupts.h"
#include "vmm/neighbours.h"
#include "vmm/preempted.h"
#include "vmm/residual.h"
#include "vmm/vm.h"

/* What the I/O thread reads at a mark, and again when the machine has ended. */
struct reading {
	uint64_t ns; /* of the mark; 0: not seen */
	struct interrupts irqs; /* of the host, on the vCPUs' CPUs */
	struct preempted *preempted; /* with --trace-switches, else NULL */
	struct reading_vcpu {
		struct thread_counts thread;
		uint64_t kvm[KVMSTATS_MAX];
		struct residual_counts timer;
	} * vcpus;
};

struct window {
	struct vcpuhist residual, switches; /* of --timer-residual, --trace-switches */
	struct interrupts_text irq_text;
	struct interrupts begin; /* before the first instruction */
	struct reading edge[WINDOW_EDGES], end; /* end: the last one taken */
	struct vcpu_stats *stats[WINDOW_EDGES]; /* of every vCPU, when it made the mark */
	struct neighbours others[WINDOW_EDGES]; /* all threads of the host at the two marks */
};

/* window_init - room for every vCPU's counters; window_free accepts a zeroed window */
int window_init(struct window *w, const struct vm *vm, struct err *e);
void window_free(struct window *w);

/*
 * window_reserve - memory for what the marks will read, before the guest runs: to grow it later
 * could flush TLBs, also of the CPUs that run the guest
 */
int window_reserve(struct window *w, struct err *e);

/* counters_mark - at JOB_START and JOB_END: read every vCPU thread's counters (I/O thread) */
int counters_mark(struct window *w, struct vm *vm, enum abi_mark mark, uint64_t ns, struct err *e);

/* counters_now - a reading into end: when somebody asks, and before the vCPU threads go */
int counters_now(struct window *w, struct vm *vm, struct err *e);

/*
 * counters_check_hlt - with --no-exit hlt: has no vCPU left its guest for a HLT, by what KVM itself
 * counted until the last reading? Where KVM does not count them, nobody knows
 */
int counters_check_hlt(const struct window *w, const struct vm *vm, struct err *e);

/*
 * counters_vcpu_json - {"index","tid","cpu","exits":{},"user_ns",...,"window":{} or null}; live: a
 * window that is still open counts up to now
 */
json_object *counters_vcpu_json(struct vm *vm, const struct vcpu *v, const struct window *w,
				bool live);

/* counters_timer_json - of a vCPU's timer: its advance, and its residual as last read, into o */
void counters_timer_json(json_object *o, const struct vm *vm, const struct vcpu *v,
			 const struct window *w);

/* counters_process_start_ns - when this process started, in CLOCK_MONOTONIC (10 ms steps) */
int counters_process_start_ns(uint64_t *ns, struct err *e);

#endif
