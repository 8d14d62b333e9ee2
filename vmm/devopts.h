/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * devopts - the devices that the command line asks for: --disk, --virtio-console, --net, --rng,
 * --vsock, --vfio
 *
 * Parsing opens nothing. Texts are the command line's own, which outlives the machine.
 */
#ifndef RTKVM_VMM_DEVOPTS_H
#define RTKVM_VMM_DEVOPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cpulist.h"
#include "lib/err.h"

enum { DEVOPTS_MAX = 16, DEVOPTS_PORTS = 4, DEVOPTS_MAC_BYTES = 6 };

enum dev_kind { DEV_DISK, DEV_CONSOLE, DEV_NET, DEV_RNG, DEV_VSOCK, DEV_VFIO, DEV_KINDS };

/* A part of a command line's word. */
struct span {
	const char *at;
	int len;
};

struct dev_port {
	struct span name, path;
};

struct dev_opt {
	enum dev_kind kind;
	struct span
		path; /* disk: the file; console: what hvc0 is; net: the tap interface; vfio: the address */
	bool read_only;
	int cpu; /* of its thread; -1: any housekeeping CPU */
	uint64_t cid; /* of the guest, with vsock */
	bool mac_given;
	uint8_t mac[DEVOPTS_MAC_BYTES];
	struct dev_port ports[DEVOPTS_PORTS]; /* console: beside hvc0 */
	int n_ports;
};

struct dev_opts {
	struct dev_opt at[DEVOPTS_MAX];
	int n;
};

/* devopts_add - one option of that kind with its argument (NULL for --rng); -EINVAL and a sentence */
int devopts_add(struct dev_opts *d, enum dev_kind kind, const char *text, struct err *e);

/* devopts_cpus - those that cpu= names */
struct cpulist devopts_cpus(const struct dev_opts *d);

/* devopts_name - the option of that kind: "--disk" */
const char *devopts_name(enum dev_kind kind);

#endif
