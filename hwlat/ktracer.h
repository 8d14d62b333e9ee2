/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ktracer - the kernel's own detectors: the hwlat and the osnoise tracer, in an instance of ours
 *
 * hwlat (Documentation/trace/hwlat_detector.rst) spins with interrupts off for width of each
 * window and records the largest gap of each window. Its mode is written, "per-cpu": the default
 * moves one thread about, and on isolated CPUs falls to "none". osnoise (osnoise-tracer.rst) spins
 * with interrupts on and says by itself what each interruption was; the rest is hardware. timerlat
 * (timerlat-tracer.rst) wakes a thread by a timer and records how late it was; the noise that the
 * kernel told of in that time is its cause.
 * Settings that all instances share are knobs: journalled, put back.
 */
#ifndef RTKVM_HWLAT_KTRACER_H
#define RTKVM_HWLAT_KTRACER_H

#include "hwlat/altered.h"
#include "hwlat/evidence.h"
#include "hwlat/gap.h"
#include "hwlat/gather.h"
#include "hwlat/kevent.h"
#include "hwlat/plan.h"
#include "hwlat/tsc.h"
#include "lib/knob.h"
#include "lib/tracefs.h"

enum { KTRACER_KNOBS = 6 };

struct ktracer {
	struct tfs tfs;
	const struct hwlat_opts *o;
	const struct tsc *tsc;
	struct evidence *evidence;
	int *cpus; /* the watched CPUs, ascending */
	unsigned int n_cpus;
	struct kevent_noises *noises; /* one for each */
	struct knob knobs[KTRACER_KNOBS];
	char text[KTRACER_KNOBS][256]; /* what the knobs want */
	size_t n_knobs;
	int root;
	bool set; /* the journal holds something */
	char journal[64];
	struct gap *pending; /* GATHER_PENDING entries */
	size_t n, known; /* of these, the facts of the first are complete */
	uint64_t *lost_tsc; /* by watched CPU: events before this may be missing */
	uint64_t lost; /* events that the ring buffers dropped, once stopped */
	uint64_t next_group;
	unsigned int next_smi; /* whose SMI counter is looked at next */
	gather_fn *fn;
	void *ctx;
};

/*
 * ktracer_choose - the knobs that opts mean, untouched; -ENOENT with a remedy when the kernel has
 * no such tracer
 */
int ktracer_choose(struct ktracer *k, const struct plan *plan, const struct hwlat_opts *o,
		   struct err *e);

/* ktracer_open - choose and set up the tracer; -ENOENT with a remedy when the kernel has none */
int ktracer_open(struct ktracer *k, const struct plan *plan, const struct hwlat_opts *o,
		 const struct tsc *tsc, struct evidence *v, struct err *e);

/* ktracer_close - put back and remove; takes a half-opened one */
int ktracer_close(struct ktracer *k, struct err *e);

int ktracer_start(struct ktracer *k, struct err *e);
int ktracer_stop(struct ktracer *k, struct err *e);

/*
 * ktracer_step - read what was recorded, and hand to fn what can be judged: gaps that no other CPU can
 * still tell to be part of; last: everything
 */
int ktracer_step(struct ktracer *k, bool last, gather_fn *fn, void *ctx, struct err *e);

/*
 * ktracer_hand_on - judge pending gaps that are settled and hand them to fn; those that ended before
 * horizon_tsc have all been told. UINT64_MAX: all
 */
void ktracer_hand_on(struct ktracer *k, uint64_t horizon_tsc);

/*
 * ktracer_want_pair - choose two settings of which the kernel wants inner to be at most outer at every
 * moment; paths are borrowed
 */
void ktracer_want_pair(struct ktracer *k, const char *outer, uint64_t outer_ns, const char *inner,
		       uint64_t inner_ns);

/* ktracer_line - the i-th setting that is, or is planned to be, changed, as altered_line */
bool ktracer_line(const struct ktracer *k, bool planned, unsigned int i, char *buf, size_t size);

#endif
