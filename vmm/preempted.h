/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * preempted - who got the CPU each time a vCPU's thread lost it against its will
 *
 * The kernel says it itself (sched:sched_switch): a thread that was preempted, or gave way though it
 * could have gone on, is switched out with prev_state 0 or TASK_REPORT_MAX (0x100; include/trace/
 * events/sched.h), which is what /proc counts as an involuntary switch. The idle task among them
 * (swapper/N) is no thread's doing: the vCPU had used up sched_rt_runtime_us. While the trigger is
 * on, each context switch of the host costs more.
 */
#ifndef RTKVM_VMM_PREEMPTED_H
#define RTKVM_VMM_PREEMPTED_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "vmm/vcpuhist.h"

enum { PREEMPTED_ROWS = 512 }; /* as many as the kernel is told to keep */

/*
 * As the kernel counted since the start. Whoever comes when its table is full, it drops, and goes on
 * doing so: what is missing from one reading is so from all.
 */
struct preempted {
	size_t n;
	struct preempted_row {
		pid_t vcpu, by; /* thread ids; by 0: the idle task */
		char name[16];
		uint64_t times;
	} row[PREEMPTED_ROWS];
};

/* preempted_open - count for these n vCPU threads from now on; needs root */
int preempted_open(struct vcpuhist *h, const pid_t *tids, int n, struct err *e);

/* preempted_parse - the text of the event's hist file */
void preempted_parse(struct preempted *p, const char *text);

/*
 * preempted_json - into o what came between two readings for a vCPU's thread, which was switched out
 * so many times: "preempted_by":[{"tid","name","times"}], "preempted_by_others": the times nobody is
 * named for
 */
void preempted_json(json_object *o, const struct preempted *from, const struct preempted *to,
		    pid_t vcpu, uint64_t switches);

#endif
