/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctopts - what rtkvm cyclictest is asked, and what that means for the guest
 */
#ifndef RTKVM_CYCLIC_CTOPTS_H
#define RTKVM_CYCLIC_CTOPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cyclic/sample.h"
#include "cyclic/spikeaction.h"
#include "cyclic/vmproc.h"
#include "lib/err.h"
#include "lib/hostcpus.h"

/* What measures in the guest. */
enum guest_instrument { GUEST_CYCLICTEST, GUEST_SAMPLE, GUEST_OSLAT, GUEST_HWLAT };

/* A load inside the guest; guestjob.h has them. */
struct guest_load;

/* RHEL for Real Time's acceptance limits for a guest: the default of --limit */
enum { CTOPTS_LIMIT_NS = 40000, CTOPTS_OSLAT_LIMIT_NS = 20000 };

/* What rtkvm hwlat takes for a gap, by default */
enum { CTOPTS_HWLAT_THRESHOLD_NS = 10000 };

/* The shortest that cyclictest, oslat and a guest's hwlat measure: their threads are read back after a
 * second */
enum { CTOPTS_LEAST_S = 2 };

/* How long a guest may take from its start to its job: an emulated one boots in 20 s on an idle
 * machine. */
enum { CTOPTS_BOOT_S = 180 };

struct ctopts {
	enum guest_instrument instrument;
	bool host; /* on this host, in no guest: what is a guest's does not apply */
	const char *guest; /* image directory */
	const char *cpus; /* list, map or "auto" */
	const char *name, *out; /* out NULL: runs/TIME-NAME */
	uint64_t memory_bytes;
	uint64_t interval_us, duration_s, histogram_us, priority;
	uint64_t duration_ns; /* the same; of the sampler not always whole seconds */
	uint64_t slice_ns; /* of the sampler's histograms, and of a load's proof of work */
	uint64_t spike_ns; /* of the sampler, or where cyclictest breaks off; 0: none is one */
	uint64_t threshold_ns,
		width_ns; /* of hwlat: what is a gap; watched of each second, 0: all */
	enum spike_action on_spike; /* of the sampler; cyclictest breaks off but for record */
	struct sample_limit limits[SAMPLE_LIMITS]; /* cyclictest, oslat: at most one, max_ns */
	size_t n_limits;
	uint64_t timeout_s; /* of the whole guest */
	enum vmm_kind vmm;
	const struct guest_load *load; /* NULL: none */
	uint64_t load_floor; /* rounds a second in every slice; 0: more than nothing */
	const char *vmm_program; /* NULL: ourselves, or QEMU from PATH */
	bool limit_given, smoke, no_trace, no_report, allow_shared, allow_tick, json;
};

/*
 * ctopts_parse - an instrument's command line; pure, so defaults and ranges are testable. emulated: the machine's
 * conditions, which the histogram's range depends on
 */
int ctopts_parse(struct ctopts *o, enum guest_instrument instrument, int argc, char **argv,
		 bool emulated, struct err *e);

/*
 * ctopts_cpus - vCPUs to host CPUs: the list or map as given; "auto": the isolated CPUs
 * that are online. At least two: vCPU 0 does the guest's housekeeping.
 */
int ctopts_cpus(const struct ctopts *o, const struct hostcpus *host, struct cpumap *map,
		struct err *e);

#endif
