/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spiketrace - what the host's kernel did when a spike came: rtkvm trace record as a child
 *
 * A ring that is overwritten until the first spike stops it; then it is saved in the run directory's
 * trace/, and rtkvm trace explain divides the spike's time among causes (rtkvm-trace(1)). One trace
 * a run: whoever wants more measures in pieces.
 */
#ifndef RTKVM_CYCLIC_SPIKETRACE_H
#define RTKVM_CYCLIC_SPIKETRACE_H

#include <limits.h>
#include <stdbool.h>

#include "cyclic/vmproc.h"
#include "lib/cpulist.h"
#include "lib/frames.h"
#include "lib/proc.h"
#include "results/record.h"

struct spiketrace {
	struct proc proc;
	int errors; /* a memory file for its stderr */
	char dir[PATH_MAX]; /* RUN/trace */
	char freeze[PATH_MAX]; /* stops the recording at once when a 0 is written to it */
	bool started, frozen;
	bool host_only; /* there is no guest: the host's own wake-ups are meant */
	bool told_late; /* set before the start: who sees the spike on the host cannot stop the ring */
};

#define SPIKETRACE_INIT      \
	{                    \
		.errors = -1 \
	}

/*
 * spiketrace_start - record these CPUs; pid: the VMM whose guest is meant, 0: none. Returns once it records; an
 * error leaves nothing behind, and the run may go on without; -EINTR: stop_requested()
 */
int spiketrace_start(struct spiketrace *t, const char *run_dir, const struct cpulist *cpus,
		     pid_t pid, struct err *e);

/*
 * spiketrace_check - -EIO, once, when the recorder has ended by itself: the run may go on without.
 * Nothing for one never started
 */
int spiketrace_check(struct spiketrace *t, struct err *e);

/* spiketrace_halt - stop the ring at once; whether it is kept shows later */
void spiketrace_halt(struct spiketrace *t);

/* spiketrace_freeze - a spike has come: the recorder saves what it has; does not wait for it */
void spiketrace_freeze(struct spiketrace *t);

/* spiketrace_job - the shell line with which a guest records itself while it runs command */
int spiketrace_job(const char *command, char *buf, size_t size, struct err *e);

/*
 * spiketrace_save - the run's measuring is over: keep the traces of host and guest (its files f), if
 * there was a spike, else remove everything
 */
int spiketrace_save(struct spiketrace *t, struct run *run, const struct frames *f, struct err *e);

/* spiketrace_take - spiketrace_save of a run that does not depend on it: what went wrong becomes a reason */
void spiketrace_take(struct spiketrace *t, struct run *run, const struct frames *f);

/*
 * spiketrace_explain - the causes into a finished run's files, the largest one's into its reasons; cpu
 * and late_ns: as for spiketrace_worst
 */
int spiketrace_explain(struct run *run, uint64_t spike_ns, int cpu, uint64_t late_ns,
		       struct err *e);

/* spiketrace_threshold - what is late in the kernel's view, which is a little shorter than the sampler's */
uint64_t spiketrace_threshold(uint64_t spike_ns);

/*
 * spiketrace_fits - may a wake-up that trace explain tells of be the one on that CPU (-1: any) that an
 * instrument saw late_ns late (0: however late)? By the kernel it is a little shorter; or longer, for
 * cyclictest rounds down
 */
bool spiketrace_fits(json_object *late, int cpu, uint64_t late_ns);

/*
 * spiketrace_worst - the line of spikes.jsonl that explain wrote for the latest wake-up that fits; NULL:
 * there is none. The caller puts it
 */
json_object *spiketrace_worst(const struct run *run, int cpu, uint64_t late_ns);

/*
 * spiketrace_threads - --thread for the measuring threads that run.json lists on that CPU; -1: for all,
 * or none when they are more than trace explain takes. Nonzero: no room
 */
int spiketrace_threads(struct vmproc_argv *a, const struct run *run, int cpu);

/* spiketrace_verb - run rtkvm trace ... (argv), its text into a file (NULL: dropped) */
int spiketrace_verb(char *const *argv, const char *file, struct err *e);

/* spiketrace_close - end the recorder; accepts one never started */
void spiketrace_close(struct spiketrace *t);

#endif
