/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvmfs - what KVM shows in debugfs of a running guest: its vCPUs' threads and its clock
 */
#ifndef RTKVM_TRACING_KVMFS_H
#define RTKVM_TRACING_KVMFS_H

#include <sys/types.h>

#include "tracing/manifest.h"

/* Whose guest is meant. */
struct kvm_wanted {
	pid_t vmm; /* this one's and no other; 0: not told */
	pid_t ancestor; /* that of this process or of one that descends from it; 0: not told */
	int fit; /* how well the one noted last fits: no worse one takes its place */
	char noted[64]; /* its directory */
	const char *root; /* where KVM's directories are; NULL: in debugfs */
};

/*
 * kvm_look - note the vCPUs of the guest that is meant; else of the only one there is. A guest is
 * there only while it runs, and may move its clock while it boots: look again and again. What was
 * noted of one guest goes when another is noted.
 *
 * KVM names a vCPU by the number its VMM gave it, which is its APIC id and may leave some out
 * (QEMU, cores not a power of two). A guest numbers its CPUs in their order, without gaps: so
 * does the manifest.
 */
void kvm_look(struct manifest *m, struct kvm_wanted *wanted);

#endif
