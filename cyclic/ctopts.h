/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctopts - what rtkvm cyclictest is asked, and what that means for the guest
 */
#ifndef RTKVM_CYCLIC_CTOPTS_H
#define RTKVM_CYCLIC_CTOPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cyclic/vmproc.h"
#include "lib/err.h"
#include "lib/hostcpus.h"

/* A load inside the guest, on vCPU 0: a shell command run again and again, its rounds counted. */
struct guest_load {
	const char *name, *command;
};

/* guest_load_find - by name; NULL: there is none */
const struct guest_load *guest_load_find(const char *name);

/* RHEL for Real Time's acceptance limit for a guest: the default of --limit */
enum { CTOPTS_LIMIT_NS = 40000 };

struct ctopts {
	const char *guest; /* image directory */
	const char *cpus; /* list, map or "auto" */
	const char *name, *out; /* out NULL: runs/TIME-NAME */
	uint64_t memory_bytes;
	uint64_t interval_us, duration_s, histogram_us, priority;
	uint64_t limit_ns; /* 0: none */
	uint64_t timeout_s; /* of the whole guest */
	enum vmm_kind vmm;
	const struct guest_load *load; /* NULL: none */
	const char *vmm_program; /* NULL: ourselves, or QEMU from PATH */
	bool limit_given, smoke, no_trace, no_report, allow_shared, allow_tick, json;
};

/*
 * ctopts_parse - a command line; pure, so defaults and ranges are testable. emulated: the machine's
 * conditions, which the histogram's range depends on
 */
int ctopts_parse(struct ctopts *o, int argc, char **argv, bool emulated, struct err *e);

/*
 * ctopts_cpus - vCPUs to host CPUs: the list or map as given; "auto": the isolated CPUs
 * that are online. At least two: vCPU 0 does the guest's housekeeping.
 */
int ctopts_cpus(const struct ctopts *o, const struct hostcpus *host, struct cpumap *map,
		struct err *e);

/* The kernel takes 2048 bytes (COMMAND_LINE_SIZE, arch/x86/include/asm/setup.h). */
enum { CTOPTS_APPEND_BYTES = 2048 };

/* ctopts_append - the guest's kernel command line for that many vCPUs, with the job in it */
int ctopts_append(const struct ctopts *o, int vcpus, char *buf, size_t size, struct err *e);

#endif
