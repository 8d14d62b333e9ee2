/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outcome - from what a VMM and its guest left to run.json, latency.log and a verdict
 */
#ifndef RTKVM_CYCLIC_OUTCOME_H
#define RTKVM_CYCLIC_OUTCOME_H

#include <stdint.h>

#include "cyclic/breakoff.h"
#include "cyclic/ctopts.h"
#include "lib/abi.h"
#include "lib/frames.h"
#include "results/record.h"

enum { OUTCOME_MARKS = ABI_MARK_CLOCK + 1 };

/* Everything a run has gathered; objects are NULL for what did not come. */
struct gathered {
	const struct ctopts *o;
	const struct cpumap *cpus;
	const char *append; /* the guest's command line */
	const char *version; /* the VMM's */
	json_object *manifest; /* of the guest image */
	json_object *started, *ended; /* the VMM's events */
	json_object *counted; /* VM exits between the job's marks, from rtkvm trace count */
	uint64_t mark_ns[OUTCOME_MARKS]; /* CLOCK_MONOTONIC by enum abi_mark, 0: never */
	uint64_t start_ns; /* the VMM's start */
	uint64_t job_wall_ns; /* CLOCK_REALTIME of JOB_START */
	uint64_t
		job_ns; /* CLOCK_MONOTONIC of this host that the job took, on the host; 0: unknown */
	bool interrupted; /* its job was told to end before its time */
	struct breakoff broke; /* cyclictest ended itself at a spike */
};

/* gathered_short - it ended before its time, on purpose */
static inline bool gathered_short(const struct gathered *g)
{
	return g->interrupted || g->broke.late_ns;
}

/* outcome_asked - what was asked, and which guest and VMM were given it, before anything runs */
void outcome_asked(struct run *run, const struct gathered *g);

/* outcome_machine - vmm{}, inforce{} and window{}: all that is known without the guest's files */
void outcome_machine(struct run *run, const struct gathered *g);

/* outcome_exits - VM exits of one vCPU within the window; -1: not counted */
int64_t outcome_exits(const struct gathered *g, int vcpu);

/* outcome_load - the guest's load proves its work by the number of its rounds; f NULL: none came */
void outcome_load(struct run *run, const struct gathered *g, const struct frame_file *f);

/* outcome_rates - window.exits_per_wakeup, from window.exits and cpus[] */
void outcome_rates(struct run *run);

/* outcome_report - rtkvm report of a finished run; it is -EINTR when we are asked to stop meanwhile */
int outcome_report(const struct run *run, struct err *e);

/*
 * outcome_lasted - is ns, by another clock, the time that asked ns take? It may lack a second, a tenth up
 * to 10 s, or a hundredth, whichever is most: threads begin and clocks are calibrated on a busy, or an
 * emulated, machine
 */
bool outcome_lasted(uint64_t ns, uint64_t asked);

/* outcome_whole - is ns, which an instrument that counts no periods measured, all that was asked? */
bool outcome_whole(const struct ctopts *o, uint64_t ns);

/* outcome_job_ns - how long its job took by this host's clock that nobody sets; 0: not known */
uint64_t outcome_job_ns(const struct gathered *g);

/*
 * outcome_end_known - can what a guest tells of its time be held against outcome_job_ns? Where not, and no
 * lost marks tell why, the run is doubted: ask once
 */
bool outcome_end_known(struct run *run, const struct gathered *g);

/*
 * outcome_judge - samples and loads, and with run_judge all else that is known of the run by now;
 * reasons are added to it
 */
enum verdict outcome_judge(struct run *run, const struct gathered *g);

#endif
